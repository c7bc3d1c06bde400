"""Oracles: least squares attains the curve; simulated deviations, brute force over whole classes
and the closed form of sign vectors for the bit certificate; numpy's and SciPy's regressions for
power laws."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from lawrob_utils import data
from lawrob_utils.law import (
    bit_certificate,
    bits_needed,
    certified_lipschitz,
    choice_bits,
    counting_radius,
    enumerative_bits,
    law_curve,
    power_law,
    robust_bits,
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


# ----------------------------------------------------------------------------------------- theorems


def test_union_bound_of_the_finite_class_theorem_holds_with_the_constant_of_its_own_steps():
    # The correlation step alone, for linear f: P(∃f: Σ z_i f(x_i)/n ≥ ε/6) ≤ 2·exp(log N −
    # ε²nd/(5184·c·L²)).
    rng, eps, failures = np.random.default_rng(0), 0.9, 0
    for _ in range(200):
        X, z = data.sphere(400, 20, rng), data.random_signs(400, rng)
        W = data.sphere(8, 20, rng)
        failures += (z @ X @ W.T / 400 >= eps / 6).any()
    assert failures / 200 <= 2 * 8 * math.exp(-(eps**2) * 400 * 20 / 5184)


# ---------------------------------------------------------------------------------- bit certificate


def test_certificate_holds_for_all_sign_vectors_at_once_by_brute_force():
    """All 2^10 functions ⟨w, x⟩, w ∈ {±1}^10: no draw may beat the certificate more often than δ
    says."""
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
    """P(Σ a_i(f(x_i) − Ef) ≥ t) ≤ exp(−t²(d−1)/(2·Lip²·Σa_i²)) for a linear, an even and a distance
    function."""
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


def test_fit_of_a_least_squares_fit_is_the_squared_correlation():
    rng = np.random.default_rng(0)
    X, y = data.sphere(60, 20, rng), data.random_signs(60, rng)
    A = np.c_[X, np.ones(60)]
    f = A @ np.linalg.lstsq(A, y, rcond=None)[0]
    fit = np.corrcoef(f, y)[0, 1] ** 2 * y.std()
    assert bit_certificate(y, f, 99, 20) == pytest.approx(
        certified_lipschitz(60, 20, 99, fit=fit), rel=1e-12
    )


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


# ------------------------------------------------------------------------------------ counting bits


@pytest.mark.parametrize(("N", "m"), [(1, 2), (5, 2), (4, 3), (3, 4)])
def test_code_words_of_all_arrays_satisfy_krafts_inequality(N, m):
    lengths = [
        enumerative_bits(np.array(word), range(m)) for word in itertools.product(range(m), repeat=N)
    ]
    assert sum(2.0**-length for length in lengths) <= 1


def test_a_slope_that_every_fit_may_have_needs_no_bits():
    assert bits_needed(10, 10, 1e9) == 0


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


# -------------------------------------------------------------------------------------- robust bits


def test_no_sign_vector_is_robust_beyond_the_radius_that_its_bits_allow():
    """The robust radius of sign⟨w, x⟩ is the smallest y⟨w, x⟩/‖w‖, exactly; all 2^12 sign vectors
    are tried."""
    rng, beaten = np.random.default_rng(4), 0
    W = np.array(list(itertools.product([-1.0, 1.0], repeat=12))) / math.sqrt(12)
    for n in (2, 4, 6) * 30:
        y = np.repeat([1.0, -1.0], n // 2)
        margins = (y[:, None] * (data.sphere(n, 12, rng) @ W.T)).min(axis=0)
        beaten += margins.max() > 1 / certified_lipschitz(n, 12, bits=12, delta=0.05)
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


@pytest.mark.parametrize("eta", [0.0, 0.2])
def test_robust_bits_and_radius_are_the_bit_certificate_of_what_the_noise_leaves(eta):
    """A net that fits r·(1 − 2η) with slope 1 needs as many bits; one of so many bits has no more
    radius."""
    n, d, r, delta = 3000, 17, 0.4, 0.03
    nats = (r * (1 - 2 * eta)) ** 2 * n * (d - 1) / 2
    bits = (nats + math.log(delta)) / math.log(2)
    assert robust_bits(n, d, r, eta=eta, delta=delta) == pytest.approx(bits, rel=1e-9)
    most = 1 / certified_lipschitz(n, d, bits, fit=1 - 2 * eta, delta=delta)
    assert most == pytest.approx(r, rel=1e-9)
    assert bits_needed(n, d, 1 / r, delta=delta) == pytest.approx(
        robust_bits(n, d, r, delta=delta), rel=1e-9
    )


# --------------------------------------------------------------------------------------- power laws

GRID = np.array(list(itertools.product((100.0, 200, 400), (80.0, 160, 320), (0.1, 0.2, 0.3))))


def noisy(rng, size=0.1, times=1, by_cell=False):
    """x and y = 3·n·d·r² up to log-normal factors, one for each row or for each cell of the
    grid."""
    X = np.repeat(GRID, times, axis=0)
    factor = size * rng.standard_normal(len(GRID) if by_cell else len(X))
    y = 3 * X[:, 0] * X[:, 1] * X[:, 2] ** 2
    return dict(zip("ndr", X.T, strict=True)), y * np.exp(
        np.repeat(factor, times) if by_cell else factor
    )


@pytest.mark.parametrize("cluster", [None, GRID])
def test_exponents_of_an_exact_power_law_are_found(cluster):
    found = power_law(*noisy(np.random.default_rng(0), size=0), cluster=cluster)
    assert [found[k].value for k in "ndr"] == pytest.approx([1, 1, 2])
    assert all(v.error < 1e-9 for v in found.values())


def test_one_exponent_and_its_error_are_those_of_linregress():
    rng = np.random.default_rng(1)
    n = np.geomspace(10, 1000, 9)
    y = n**0.7 * np.exp(0.2 * rng.standard_normal(9))
    other = stats.linregress(np.log(n), np.log(y))
    found = power_law({"n": n}, y)["n"]
    assert (found.value, found.error) == pytest.approx((other.slope, other.stderr))
    wide = power_law({"n": n}, y, level=0.95)["n"]
    assert wide.error == pytest.approx(stats.t.ppf(0.975, 7) * other.stderr)
    assert wide.interval == pytest.approx((wide.value - wide.error, wide.value + wide.error))


def test_errors_of_several_exponents_are_those_of_polyfit():
    """x_2 = exp((log x_1)²) makes a quadratic polynomial in log x_1 of the power law."""
    rng = np.random.default_rng(2)
    u = rng.uniform(0.5, 2, 40)
    v = 0.3 + 0.5 * u - 0.25 * u**2 + 0.1 * rng.standard_normal(40)
    coefficients, covariance = np.polyfit(u, v, 2, cov=True)
    found = power_law({"square": np.exp(u**2), "one": np.exp(u)}, np.exp(v))
    assert [found[k].value for k in ("square", "one")] == pytest.approx(coefficients[:2])
    errors = np.sqrt(np.diag(covariance)[:2])
    assert [found[k].error for k in ("square", "one")] == pytest.approx(errors)


def test_students_intervals_cover_as_often_as_they_say():
    rng, covered = np.random.default_rng(4), []
    for _ in range(200):
        found = power_law(*noisy(rng), level=0.9)
        covered += [low <= 1 <= high for low, high in (found["n"].interval, found["d"].interval)]
    assert np.mean(covered) == pytest.approx(0.9, abs=0.05)


def test_clusters_give_intervals_that_do_not_shrink_when_each_row_is_written_down_nine_times():
    x, y = noisy(np.random.default_rng(5), by_cell=True, times=9)
    cells = np.column_stack(list(x.values()))
    once = power_law(*noisy(np.random.default_rng(5), by_cell=True))
    clustered, rows = power_law(x, y, cluster=cells), power_law(x, y)
    for name in "ndr":
        assert clustered[name].error == pytest.approx(once[name].error, rel=0.35)
        assert rows[name].error < 0.4 * once[name].error
    names = [f"{n:g} {d:g} {r:g}" for n, d, r in cells]  # one column of labels does as well
    assert power_law(x, y, cluster=names)["n"].error == pytest.approx(once["n"].error, rel=0.35)


# ---------------------------------------------------------------------------------------- bad input

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
        (lambda: bit_certificate(Y, Y, 5, 5, 1.0), r"delta = 1.0; a number in \(0, 1\)"),
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
        (lambda: power_law({"n": [1, 2, 0]}, [1, 2, 3]), r"n = array.*above 0"),
        (lambda: power_law({"n": [1, 2, 3]}, [1, 2, -3]), "y = "),
        (lambda: power_law({"n": [1, 2]}, [1, 2]), "more than 2, in which n vary"),
        (lambda: power_law({"n": [2, 2, 2, 2]}, [1, 2, 3, 4]), "n vary on their own"),
        (
            lambda: power_law({"n": [1, 2, 3]}, [1, 2, 3], level=1),
            r"level = 1; a number in \(0, 1\)",
        ),
        (lambda: power_law({"n": [1, 2, 3]}, [1, 2, 3, 4]), "n has 3 entries; 4 are needed"),
        (
            lambda: power_law({"n": [1, 2, 3]}, [1, 2, 3], cluster=[1, 2]),
            "cluster has 2 rows; 3 are needed",
        ),
    ],
)
def test_bad_numbers_are_named_and_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()
