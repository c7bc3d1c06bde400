"""Oracles: least squares attains the curve; greedy nets, exact binomials and random deep nets; simulated deviations, brute force over
whole classes, and the closed form of sign vectors for the bit certificate."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lawrob_utils import data
from lawrob_utils.law import (
    bit_certificate,
    bits_needed,
    certified_lipschitz,
    choice_bits,
    counting_radius,
    depth_log_J,
    enumerative_bits,
    finite_class_failure,
    law_curve,
    lipschitz_lower_bound,
    log_net_size,
    parameters_needed,
    points_needed,
    product_log_J,
    robust_bits,
    robust_radius,
    sparse_log_net_size,
)

size = st.floats(1, 1e6)


def test_perfect_fit_of_signs_gives_root_nd_over_P():
    assert law_curve(100, 100, 400) == pytest.approx(5)


@given(n=size, d=size, P=size, sigma=st.floats(0.01, 1), share=st.floats(0.01, 1))
def test_curve_is_eps_over_sigma_times_root_nd_over_P(n, d, P, sigma, share):
    assert law_curve(n, d, P, sigma=sigma, eps=share * sigma**2) ** 2 == pytest.approx(
        share**2 * sigma**2 * n * d / P, rel=1e-9
    )


@pytest.mark.parametrize("sigma", [1.0, 0.1])
def test_least_squares_attains_the_curve(sigma):
    rng = np.random.default_rng(0)
    n, d, P = 4000, 400, 100
    X, z = data.sphere(n, d, rng), sigma * data.random_signs(n, rng)
    w, *_ = np.linalg.lstsq(X[:, :P], z, rcond=None)
    eps = np.mean(z**2) - np.mean((z - X[:, :P] @ w) ** 2)
    assert np.linalg.norm(w) / law_curve(n, d, P, sigma=sigma, eps=eps) == pytest.approx(1, abs=0.1)


def test_arrays_broadcast():
    assert law_curve(10, 10, np.array([[1], [4]]), sigma=np.array([1.0, 0.5])).tolist() == [
        [10, 5],
        [5, 2.5],
    ]


@pytest.mark.parametrize(
    "change, message",
    [
        ({"n": 0}, "n = 0"),
        ({"d": -3}, "d = -3"),
        ({"P": np.inf}, "P = inf"),
        ({"sigma": 0.0}, "sigma = 0.0"),
        ({"sigma": 1.5}, "sigma = 1.5"),
        ({"sigma": 0.5, "eps": 0.3}, r"eps = 0.3 exceeds sigma\*\*2"),
        ({"eps": -0.1}, "eps = -0.1"),
    ],
)
def test_bad_arguments_are_named(change, message):
    with pytest.raises(ValueError, match=message):
        law_curve(**{"n": 10, "d": 10, "P": 10, **change})


# ---------------------------------------------------------------------------------------------- parameters and theorems


@given(n=size, d=size, L=size, sigma=st.floats(0.01, 1))
def test_parameters_needed_is_where_the_curve_reaches_L(n, d, L, sigma):
    assert law_curve(n, d, parameters_needed(n, d, L, sigma=sigma), sigma=sigma) == pytest.approx(
        L, rel=1e-9
    )


def test_failure_of_the_finite_class_theorem_is_its_two_printed_terms():
    got = finite_class_failure(200_000, 50, eps=0.5, log_size=20.0, L=3.0, c=1.2, k=4)
    noise = 16 * 2.718281828459045 ** (-200_000 * 0.25 / (512 * 4))
    functions = 2 * 2.718281828459045 ** (20 - 0.25 * 200_000 * 50 / (4096 * 1.2 * 9))
    assert got == pytest.approx(noise + functions, rel=1e-9) and 0 < got < 1e-8


def test_failure_is_a_probability_and_grows_with_the_class_and_L():
    assert finite_class_failure(10, 10, eps=0.5, log_size=1e6, L=1.0) == 1.0
    failures = [
        finite_class_failure(10**6, 100, eps=0.3, log_size=100.0, L=L) for L in (1, 3, 10, 30, 100)
    ]
    assert failures == sorted(failures)


def test_union_bound_of_the_finite_class_theorem_holds_in_a_simulation_with_the_constant_of_its_own_steps():
    # The correlation step alone, for linear f: P(∃f: Σ z_i f(x_i)/n ≥ ε/6) ≤ 2·exp(log N − ε²nd/(5184·c·L²)).
    rng, eps, failures = np.random.default_rng(0), 0.9, 0
    for _ in range(200):
        X, z = data.sphere(400, 20, rng), data.random_signs(400, rng)
        W = data.sphere(8, 20, rng)
        failures += (z @ X @ W.T / 400 >= eps / 6).any()
    assert failures / 200 <= 2 * 8 * math.exp(-(eps**2) * 400 * 20 / 5184)


def test_greedy_nets_are_no_larger_than_the_bound_on_nets():
    rng = np.random.default_rng(1)
    for p, spacing in ((1, 0.1), (2, 0.25), (3, 0.5)):
        points = rng.standard_normal((4000, p))
        points *= (rng.random((4000, 1)) ** (1 / p)) / np.linalg.norm(points, axis=1, keepdims=True)
        net = points[:1]
        for x in points[1:]:
            if np.linalg.norm(net - x, axis=1).min() > spacing:
                net = np.append(net, x[None], axis=0)
        assert len(net) > 5 and math.log(len(net)) <= log_net_size(p, 1.0, spacing)


def test_net_of_the_theorem_is_within_its_printed_base():
    assert log_net_size(7, 2.0, 0.3 / (6 * 50.0)) <= 7 * math.log(60 * 2.0 * 50.0 / 0.3)


@given(p=st.integers(1, 60), data_=st.data())
def test_sparse_nets_count_at_least_the_places_of_the_entries(p, data_):
    s = data_.draw(st.integers(1, p))
    assert (
        sparse_log_net_size(p, s, 1.0, 0.5)
        >= math.log(math.comb(p, s)) + log_net_size(s, 1.0, 0.5) - 1e-9
    )


def test_theorem_on_parametrized_classes_is_vacuous_at_the_size_of_mnist():
    bound = lipschitz_lower_bound(
        60_000, 784, 200_000, eps=0.999999, W=1.0, log_J=math.log(1e10), ignore_points=True
    )
    assert bound == pytest.approx(0.0058, abs=5e-5)
    assert law_curve(60_000, 784, 200_000) == pytest.approx(15.3, abs=0.05)
    assert points_needed(0.02) > 5e7


def test_theorem_on_parametrized_classes_refuses_to_speak_about_too_few_points():
    with pytest.raises(ValueError, match="n = 60000 is below 6.8"):
        lipschitz_lower_bound(60_000, 784, 200_000, eps=0.02, W=1.0, log_J=1.0)
    assert lipschitz_lower_bound(10**8, 784, 200_000, eps=0.02, W=1.0, log_J=1.0) > 0


@pytest.mark.parametrize(("D", "width"), [(2, 6), (3, 5), (4, 4)])
def test_deep_networks_change_no_faster_with_their_weights_than_J(D, width):
    rng, sizes = np.random.default_rng(D), [3] + [width] * (D - 1) + [1]
    shapes = [(b, a + 1) for a, b in itertools.pairwise(sizes)]  # the last column holds biases
    p, W = sum(r * c for r, c in shapes), 1.0

    def f(w, x):
        for i, (r, c) in enumerate(shapes):
            layer, w = w[: r * c].reshape(r, c), w[r * c :]
            x = layer @ np.append(np.maximum(x, 0) if i else x, 1.0)
        return x[0]

    for _ in range(100):
        w, v, x = rng.uniform(-W, W, p), rng.uniform(-W, W, p), rng.standard_normal(3)
        v = w + 0.05 * (v - w)
        x /= np.linalg.norm(x)
        # biases make each input longer by a 1; with R = 2^D that is more than paid for in norms of (x, 1)
        assert abs(f(w, x) - f(v, x)) <= math.exp(
            depth_log_J(p, D, W=W, R=2.0**D)
        ) * np.linalg.norm(w - v)


@given(p=st.integers(1, 10**6), D=st.integers(2, 20), Q=st.integers(1, 9), W=st.floats(1, 100))
def test_J_of_the_box_is_at_least_the_J_of_its_product_of_norms(p, D, Q, W):
    B = (W * math.sqrt(p * Q)) ** D
    if math.isfinite(B):
        assert depth_log_J(p, D, W=W, Q=Q) >= product_log_J(p, B, Q=Q) - 1e-9


# ------------------------------------------------------------------------------------------------------ bit certificate


def test_certificate_holds_for_all_sign_vectors_at_once_by_brute_force():
    """All 2^10 functions ⟨w, x⟩, w ∈ {±1}^10: no draw may beat the certificate more often than δ says."""
    rng, beaten, closest = np.random.default_rng(2), 0, np.inf
    W = np.array(list(itertools.product([-1.0, 1.0], repeat=10)))
    for _ in range(300):
        X, y = data.sphere(30, 10, rng), data.random_signs(30, rng)
        values = X @ W.T
        best = int(((y - y.mean()) @ values).argmax())
        ratio = math.sqrt(10) / bit_certificate(y, values[:, best], bits=10, d=10, delta=0.05)
        beaten, closest = beaten + (ratio < 1), min(closest, ratio)
    assert beaten / 300 <= 0.05
    assert closest < 1.35  # and it is not far from what is true


@pytest.mark.parametrize("d", [3, 8, 40])
def test_sums_over_random_points_deviate_no_more_than_the_proof_says(d):
    """P(Σ a_i(f(x_i) − Ef) ≥ t) ≤ exp(−t²(d−1)/(2·Lip²·Σa_i²)) for a linear, an even and a distance function."""
    rng = np.random.default_rng(d)
    a = rng.standard_normal(6)
    for f, mean in (
        (lambda X: X[..., 0], 0.0),
        (lambda X: np.abs(X[..., 0]), None),
        (lambda X: np.abs(X[..., 0] - 0.7), None),
    ):
        F = f(data.sphere(6 * 40_000, d, rng).reshape(40_000, 6, d))
        sums = (F - (F.mean() if mean is None else mean)) @ a
        for t in np.linspace(0.5, 3, 11) * np.linalg.norm(a) / math.sqrt(d - 1):
            bound = math.exp(-(t**2) * (d - 1) / (2 * a @ a))
            assert (sums >= t).mean() <= bound + 4 * math.sqrt(bound / 40_000)


def test_sign_coded_linear_functions_have_the_ratio_root_of_pi_log_2():
    rng, n, d = np.random.default_rng(3), 100, 40_000
    X = data.sphere(n, d, rng)
    y = data.random_signs(n, rng)
    w = np.where(X.T @ (y - y.mean()) >= 0, 1.0, -1.0)
    ratio = math.sqrt(d) / bit_certificate(y, X @ w, bits=d, d=d)
    assert ratio == pytest.approx(math.sqrt(math.pi * math.log(2)), rel=0.01)
    assert math.sqrt(math.pi * math.log(2)) == pytest.approx(1.476, abs=5e-4)


@pytest.mark.parametrize("share", [0.5, 0.1])
def test_pruned_sign_vectors_follow_their_limit(share):
    rng, d = np.random.default_rng(6), 60_000
    X, y = data.sphere(40, d, rng), data.random_signs(40, rng)
    v = X.T @ (y - y.mean())
    w = np.sign(v).astype(int) * (np.abs(v) >= np.quantile(np.abs(v), 1 - share))
    ratio = np.linalg.norm(w) / bit_certificate(y, X @ w, enumerative_bits(w, (-1, 0, 1)), d)
    sample = np.abs(
        rng.standard_normal(10**6)
    )  # the mean of the largest absolute values of normal numbers, by simulation
    largest = sample[sample >= np.quantile(sample, 1 - share)].sum() / 10**6
    nats = (share + -share * math.log2(share) - (1 - share) * math.log2(1 - share)) * math.log(2)
    assert ratio == pytest.approx(math.sqrt(2 * nats * share) / largest, rel=0.01)


def test_certificate_of_a_perfect_fit_is_the_formula_with_the_mean_label():
    y = np.array([1.0, 1.0, 1.0, -1.0])
    expected = math.sqrt(1 - 0.25) * math.sqrt(4 * 9 / (2 * (50 * math.log(2) + math.log(100))))
    assert bit_certificate(y, y, bits=50, d=10) == pytest.approx(expected, rel=1e-12)
    assert certified_lipschitz(4, 10, 50, fit=math.sqrt(0.75)) == pytest.approx(expected, rel=1e-12)


@given(scale=st.floats(1e-3, 1e3), offset=st.floats(-1e3, 1e3), seed=st.integers(0, 99))
def test_scale_and_offset_of_f_are_free(scale, offset, seed):
    rng = np.random.default_rng(seed)
    y, f = data.random_signs(50, rng), rng.standard_normal(50)
    f += 0.5 * y
    if abs(y.sum()) < 50:
        assert bit_certificate(y, scale * f + offset, 20, 30) == pytest.approx(
            scale * bit_certificate(y, f, 20, 30), rel=1e-6
        )


def test_certificate_of_what_does_not_correlate_is_zero():
    y = np.array([1.0, -1.0])
    assert bit_certificate(y, -y, 5, 5) == 0.0


def test_real_labels_are_admitted_on_request_and_weighted_by_their_size():
    y = np.array([2.0, -1.0, -1.0])
    assert bit_certificate(y, y, 5, 9, real_labels=True) == pytest.approx(
        math.sqrt(2) * certified_lipschitz(3, 9, 5)
    )


@given(
    n=st.integers(2, 10**5), d=st.integers(2, 10**4), B=st.floats(1, 1e7), fit=st.floats(0.01, 1)
)
def test_bits_needed_and_certificate_are_inverse(n, d, B, fit):
    assert bits_needed(n, d, certified_lipschitz(n, d, B, fit=fit), fit=fit) == pytest.approx(
        B, rel=1e-6
    )


# ------------------------------------------------------------------------------------------------------ counting bits


@pytest.mark.parametrize(("N", "m"), [(1, 2), (5, 2), (4, 3), (3, 4)])
def test_code_words_of_all_arrays_satisfy_krafts_inequality(N, m):
    lengths = [
        enumerative_bits(np.array(word), range(m)) for word in itertools.product(range(m), repeat=N)
    ]
    assert sum(2.0**-length for length in lengths) <= 1


@given(seed=st.integers(0, 999), N=st.integers(1, 3000), m=st.integers(1, 5))
def test_code_length_is_near_the_entropy(seed, N, m):
    rng = np.random.default_rng(seed)
    word = rng.choice(m, N, p=rng.dirichlet(np.ones(m)))
    share = np.bincount(word, minlength=m) / N
    entropy = -N * sum(q * math.log2(q) for q in share if q)
    length = enumerative_bits(word, range(m))
    assert length <= entropy + (m - 1) * math.log2(N + m) + 2
    assert length >= entropy - 1e-6  # N·H ≤ log₂ of the arrangements plus log₂ of the counts


def test_long_code_words_are_those_of_the_exact_integers():
    word = np.random.default_rng(5).choice(3, 6001, p=[0.8, 0.15, 0.05])
    _, counts = np.unique(word, return_counts=True)
    exact = math.comb(6001, int(counts[0])) * math.comb(6001 - int(counts[0]), int(counts[1]))
    assert enumerative_bits(word, (0, 1, 2)) - choice_bits(math.comb(6003, 2)) - choice_bits(
        exact
    ) in (0, 1)


def test_choice_bits_are_the_ceiling_of_the_logarithm():
    assert [choice_bits(c) for c in (1, 2, 3, 4, 5, 2**70, 2**70 + 1)] == [0, 1, 2, 2, 3, 70, 71]


# ------------------------------------------------------------------------------------------------------ robust bits


def test_no_sign_vector_is_robust_beyond_the_radius_that_its_bits_allow():
    """The robust radius of sign⟨w, x⟩ is the smallest y⟨w, x⟩/‖w‖, exactly; all 2^12 sign vectors are tried."""
    rng, beaten = np.random.default_rng(4), 0
    W = np.array(list(itertools.product([-1.0, 1.0], repeat=12))) / math.sqrt(12)
    for n in (2, 4, 6) * 30:
        y = np.repeat([1.0, -1.0], n // 2)
        margins = (y[:, None] * (data.sphere(n, 12, rng) @ W.T)).min(axis=0)
        beaten += margins.max() > robust_radius(n, 12, bits=12, delta=0.05)
    assert beaten / 90 <= 0.05


def test_robust_bits_pass_the_count_of_labels_at_the_counting_radius():
    for d in (20, 40, 80, 160):
        r = counting_radius(d)
        assert robust_bits(10**6, d, r) == pytest.approx(10**6, rel=1e-4)
    assert [round(counting_radius(d), 2) for d in (20, 40, 80, 160)] == [0.27, 0.19, 0.13, 0.09]


def test_robust_bits_are_point_72_times_n_d_r_squared():
    assert robust_bits(10**6, 1001, 0.3) / (10**6 * 1000 * 0.09) == pytest.approx(0.7213, abs=1e-4)
    assert robust_bits(10**6, 1001, 0.3, eta=0.25) / robust_bits(10**6, 1001, 0.3) == pytest.approx(
        0.25, rel=1e-5
    )


# ------------------------------------------------------------------------------------------------------ bad input

Y = np.array([1.0, -1.0])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: bit_certificate(np.array([1.0, 0.5]), Y, 5, 5),
            r"y\[1\] = 0.5; labels must all be \+1 or -1",
        ),
        (
            lambda: bit_certificate(np.array([0.0, 1.0]), Y, 5, 5),
            r"y\[0\] = 0; labels must all be \+1 or -1",
        ),
        (lambda: bit_certificate(np.ones(2), Y, 5, 5), "all 2 labels are equal"),
        (
            lambda: bit_certificate(np.full(3, 0.3), np.ones(3), 5, 5, real_labels=True),
            "all 3 labels are equal",
        ),
        (lambda: bit_certificate(Y, np.ones(3), 5, 5), "f_values has 3 entries; 2 are needed"),
        (lambda: bit_certificate(Y, np.array([1.0, np.nan]), 5, 5), "not finite"),
        (lambda: bit_certificate(Y, Y, 0.5, 5), "bits = 0.5; a code word has at least 1 bit"),
        (lambda: bit_certificate(Y, Y, 0, 5), "bits = 0"),
        (lambda: bit_certificate(Y, Y, 5, 1), "d = 1; an integer of at least 2"),
        (lambda: bit_certificate(Y, Y, 5, 5, 0.0), "delta = 0.0"),
        (lambda: bit_certificate(Y, Y, 5, 5, 1.0), r"delta = 1; a probability in \(0, 1\)"),
        (lambda: certified_lipschitz(10, 10, 5, fit=-0.1), "fit = -0.1"),
        (lambda: bits_needed(10, 10, 0.0), "L = 0.0"),
        (lambda: enumerative_bits(np.array([0, 2]), (0, 1)), "symbols contains 2"),
        (lambda: enumerative_bits(np.array([0.5]), (0, 1)), "dtype float64"),
        (lambda: enumerative_bits(np.array([], dtype=int), (0, 1)), "0 entries"),
        (lambda: enumerative_bits(np.array([0]), (0, 0)), "different integers"),
        (lambda: choice_bits(0), "choices = 0"),
        (lambda: robust_bits(11, 10, 0.1), "n = 11; an even number"),
        (lambda: robust_bits(10, 10, 0.1, eta=0.5), "eta = 0.5"),
        (lambda: robust_bits(10, 10, -0.1), "r = -0.1"),
        (lambda: counting_radius(1), "d = 1"),
        (lambda: finite_class_failure(10, 10, eps=1.5, log_size=1.0, L=1.0), "eps = 1.5"),
        (lambda: finite_class_failure(10, 10, eps=0.5, log_size=-1.0, L=1.0), "log_size = -1.0"),
        (
            lambda: lipschitz_lower_bound(10, 10, 10, eps=0.5, W=1e-9, log_J=0.0),
            "the theorem needs it above 1",
        ),
        (lambda: lipschitz_lower_bound(10, 10, 10, eps=0.5, W=1.0, log_J=np.inf), "log_J = inf"),
        (lambda: points_needed(0.5, delta=1.0), "delta = 1"),
        (lambda: sparse_log_net_size(3, 4, 1.0, 1.0), "s = 4 exceeds p = 3"),
        (lambda: depth_log_J(10, 1), "D = 1"),
        (lambda: depth_log_J(10, 3, W=0.5), "W = 0.5; at least 1"),
        (lambda: parameters_needed(10, 10, 0.0), "L = 0.0"),
    ],
)
def test_bad_numbers_are_named_and_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()
