"""Every memorizer of the book: fits, counts, and has the Lipschitz constant it says.

Oracles: slopes searched for from outside (pairs of points, finite differences, ascent), that know
nothing of the construction; sums over all sign patterns; chi-square laws; the digits of a number
read as a string.
"""

import json
import math
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy import stats
from scipy.spatial.distance import cdist, pdist

from lawrob_utils import data
from lawrob_utils.lipschitz import data_lipschitz
from lawrob_utils.memorizers import (
    Baum,
    Bumps,
    LeastSquares,
    Memorizer,
    MinNormLinear,
    OneNumber,
    Projected,
)


def sample(n, d, seed):
    rng = np.random.default_rng(seed)
    return data.sphere(n, d, rng), data.random_signs(n, rng), rng


def projection(d, d_tilde, rng):
    return data.random_subspace(d, d_tilde, rng).T


def projected_bumps(X, y, A):
    return Projected(Bumps.fit(X @ A.T, y), A)


MAKERS = {
    "bumps": lambda X, y, rng: Bumps.fit(X, y),
    "overlapping bumps": lambda X, y, rng: Bumps.fit(X, y, radius=0.9 * Bumps.fit(X, y).delta),
    "projected bumps": lambda X, y, rng: projected_bumps(
        X, y, projection(X.shape[1], X.shape[1] // 2, rng)
    ),
    "Baum, few slabs": lambda X, y, rng: Baum.fit(X, y),
    "Baum, many slabs": lambda X, y, rng: Baum.fit(X, y, group=2),
    "Baum, single points": lambda X, y, rng: Baum.fit(X, y, group=1),
    "projected Baum": lambda X, y, rng: (
        A := projection(X.shape[1], 5, rng),
        Projected(Baum.fit(X @ A.T, y), A),
    )[1],
    "min-norm linear": lambda X, y, rng: MinNormLinear.fit(X[:8], y[:8], P=10),
    "one number": lambda X, y, rng: OneNumber.fit(X, y, bits=12),
}
makers = pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS.keys())


def searched_slope(f, X, rng, steps=60):
    """The largest slope of f that a search from outside finds: pairs near the data and ascent on
    finite differences."""
    d, h = X.shape[1], 1e-7
    Z = np.concatenate(
        [np.repeat(X, 4, axis=0), X.mean(axis=0, keepdims=True), (X[:1] + X[1:]) / 2]
    )
    Z = Z + rng.standard_normal(Z.shape) * np.geomspace(1e-5, 1, len(Z))[rng.permutation(len(Z))][
        :, None
    ] / np.sqrt(d)
    best, length = 0.0, 0.1
    for _ in range(steps):
        G = np.stack([(f(Z + h * e) - f(Z - h * e)) / (2 * h) for e in np.eye(d)], axis=1)
        norms = np.linalg.norm(G, axis=1)
        best = max(best, norms.max() * (1 - 1e-6) - 1e-6)
        moved = Z + length * rng.standard_normal(Z.shape) / np.sqrt(d)
        G2 = np.stack(
            [(f(moved + h * e) - f(moved - h * e)) / (2 * h) for e in np.eye(d)],
            axis=1,
        )
        Z = np.where((np.linalg.norm(G2, axis=1) > norms)[:, None], moved, Z)
        length *= 0.93
    return best


@makers
def test_it_is_a_frozen_memorizer_that_fits_every_label(make):
    X, y, rng = sample(30, 12, 0)
    f = make(X, y, rng)
    assert isinstance(f, Memorizer) and f.name and f.n_parameters >= 1
    fitted = 8 if isinstance(f, MinNormLinear) else 30
    assert np.allclose(f(X)[:fitted], y[:fitted], rtol=0, atol=1e-6)
    with pytest.raises(AttributeError):
        f.n_parameters = 3
    with pytest.raises(ValueError, match="columns; 12 are needed"):
        f(np.zeros((3, 11)))


@makers
@pytest.mark.parametrize("seed", range(3))
def test_no_pair_of_points_is_steeper_than_the_certified_bound(make, seed):
    X, y, rng = sample(30, 12, seed)
    f = make(X, y, rng)
    upper = f.lipschitz().upper
    near = np.repeat(X, 40, axis=0)
    for size in (1e-6, 1e-3, 0.03, 0.3, 1.0):
        a = near + size * data.gaussian(len(near), 12, rng)
        b = a + size * data.gaussian(len(near), 12, rng)
        slopes = np.abs(f(a) - f(b)) / np.linalg.norm(a - b, axis=1)
        assert slopes.max() <= upper * (1 + 1e-6) + 1e-8 / size
    fitted = slice(0, 8) if isinstance(f, MinNormLinear) else slice(None)
    assert data_lipschitz(X[fitted], y[fitted]).value <= upper * (1 + 1e-9)


@makers
def test_a_search_from_outside_climbs_to_the_lower_bound_and_never_above_the_upper(make):
    X, y, rng = sample(12, 6, 4)
    f = (
        make(X, y, rng)
        if make is not MAKERS["min-norm linear"]
        else MinNormLinear.fit(X[:4], y[:4], P=6)
    )
    bracket, found = f.lipschitz(), searched_slope(f, X, rng)
    assert found <= bracket.upper * (1 + 1e-4)
    if "slabs" not in f.name:  # slabs cross in tiny places; a test below goes there
        assert found >= 0.98 * bracket.lower


@settings(deadline=None, max_examples=60)
@given(
    n=st.integers(2, 25), d=st.integers(1, 6), seed=st.integers(0, 10**6), share=st.floats(0.05, 1)
)
def test_bumps_of_half_the_separation_have_their_exact_constant_on_all_of_space(n, d, seed, share):
    rng = np.random.default_rng(seed)
    X, y = rng.standard_normal((n, d)), rng.uniform(-1, 1, n)
    r = share * pdist(X).min() / 2
    f = Bumps.fit(X, y, radius=r)
    assert f.lipschitz().is_exact and f.lipschitz().lower == pytest.approx(np.abs(y).max() / r)
    assert np.array_equal(f(X), y) and f.n_parameters == n * (d + 1)
    a, b = 3 * rng.standard_normal((300, d)), 3 * rng.standard_normal((300, d))
    b[:150] = a[:150] + 0.1 * r * rng.standard_normal((150, d))
    rise = np.abs(f(a) - f(b))
    assert (rise <= f.lipschitz().upper * np.linalg.norm(a - b, axis=1) + 1e-9).all()


def test_bumps_are_optimal_when_the_closest_pair_has_different_signs():
    X, _, _ = sample(40, 8, 1)
    y = np.ones(40)
    D = cdist(X, X) + 9 * np.eye(40)
    y[np.unravel_index(D.argmin(), D.shape)[0]] = -1
    assert Bumps.fit(X, y).lipschitz().lower == pytest.approx(data_lipschitz(X, y).value)


def test_bumps_of_the_full_separation_fit_too_but_are_steep_at_the_centre_of_the_sphere():
    # ‖∇f(0)‖ = ‖Σ y_i x_i‖/r for unit points and r > 1; its mean square over random signs is n/r²
    for n in (100, 400):
        X, _, rng = sample(n, 300, n)
        r = pdist(X).min()
        assert r > 1
        slopes = []
        for _ in range(200):
            y = data.random_signs(n, rng)
            slopes.append(np.linalg.norm(y @ X) / r)
        f = Bumps.fit(X, y, radius=r)
        assert np.allclose(f(X), y, atol=1e-9)
        gradient = (f(1e-5 * np.eye(300)) - f(-1e-5 * np.eye(300))) / 2e-5
        assert np.linalg.norm(gradient) == pytest.approx(slopes[-1])
        assert np.mean(np.square(slopes)) * r**2 / n == pytest.approx(1, abs=0.02)
        assert f.lipschitz().lower > 0.7 * np.sqrt(n) / r > 5 > Bumps.fit(X, y).lipschitz().upper


def test_memory_of_bumps_is_blockwise_and_the_blocks_agree():
    X, y, rng = sample(700, 3, 2)
    f, Z = Bumps.fit(X, y), rng.standard_normal((20_000, 3))
    assert np.allclose(f(Z), np.concatenate([f(part) for part in np.array_split(Z, 7)]), atol=1e-12)


@pytest.fixture(scope="module")
def spread_out():
    """The function of chapter 4 that says which points partial bumps keep."""
    chapter = Path(__file__).resolve().parents[1] / "notebooks/04-size-vs-robustness.ipynb"
    cells = json.loads(chapter.read_text("utf-8"))["cells"]
    space = {"np": np, "cdist": cdist}
    exec("".join(next(c["source"] for c in cells if c["id"] == "size-spread-out")), space)
    return space["spread_out"]


def test_partial_bumps_move_what_they_do_not_fit_out_of_the_way(spread_out):
    X, y, rng = sample(200, 60, 3)
    A = projection(60, 6, rng)
    Z, hard = X @ A.T, projected_bumps(X, y, A)
    for m in (40, 120, 180):
        kept = spread_out(Z, m)
        partial = Projected(Bumps.fit(Z[kept], y[kept]), A)
        assert len(set(kept)) == m and partial.n_parameters == m * 7
        assert np.allclose(partial(X[kept]), y[kept])
        assert ((partial(X) - y) ** 2).mean() < 2 * (1 - m / 200)
        assert partial.lipschitz().is_exact and partial.lipschitz().upper < hard.lipschitz().lower


def test_dropping_the_closer_of_the_two_closest_gives_the_set_found_by_hand(spread_out):
    # 0 and 0.1 are closest: 0.1 goes, it is the one nearer to another point (0.3); then 0.3 (0 and
    # 1 are 0.3, 0.7 away)
    X = np.array([[0.0], [0.1], [0.3], [1.0], [3.0]])
    assert spread_out(X, 4).tolist() == [0, 2, 3, 4]
    assert spread_out(X, 3).tolist() == [0, 3, 4]


@settings(deadline=None, max_examples=30)
@given(d=st.integers(1, 12), data_=st.data())
def test_a_projection_keeps_the_constant(d, data_):
    d_tilde = data_.draw(st.integers(1, d))
    rng = np.random.default_rng(data_.draw(st.integers(0, 10**6)))
    A = projection(d, d_tilde, rng)
    assert A.shape == (d_tilde, d) and np.allclose(A @ A.T, np.eye(d_tilde), atol=1e-12)
    X, y = rng.standard_normal((6, d)), data.random_signs(6, rng)
    f = projected_bumps(X, y, A)
    i = int(rng.integers(6))  # go down one bump, along the row space of A
    step = 0.3 * f.inner.radius * A[0]
    assert abs(f(X[i : i + 1] + step)[0] - y[i]) / np.linalg.norm(step) == pytest.approx(
        f.lipschitz().lower, rel=1e-6
    )
    assert f.n_parameters == 6 * (d_tilde + 1)


def test_squared_length_after_a_random_projection_is_d_tilde_over_d_on_average():
    rng = np.random.default_rng(5)
    lengths = [np.linalg.norm(projection(30, 6, rng)[:, 0]) ** 2 for _ in range(2000)]
    assert np.mean(lengths) == pytest.approx(6 / 30, abs=4 * np.std(lengths) / math.sqrt(2000))


@pytest.mark.parametrize("n, d, group", [(60, 10, None), (60, 10, 5), (61, 7, 3), (40, 30, None)])
def test_baum_needs_about_one_slab_for_every_group_of_the_rarer_label(n, d, group):
    X, y, _ = sample(n, d, 6)
    f = Baum.fit(X, y, group)
    rare = min((y > 0).sum(), (y < 0).sum())
    assert len(f.w) == math.ceil(rare / (group or d))
    assert f.n_parameters == len(f.w) * (d + 1) + 1


def test_baum_constant_is_the_steepest_of_all_sign_patterns():
    X, y, rng = sample(80, 20, 7)
    f = Baum.fit(X, y, group=5)
    V = 2 * f.U / f.w[:, None]
    best = max(np.linalg.norm(np.array(s) @ V) for s in product((-1, 0, 1), repeat=len(V)))
    assert f.lipschitz().is_exact and f.lipschitz().lower == pytest.approx(best)
    # and it is attained: go to the place where the slabs cross with those signs and measure there
    s = max(product((-1, 1), repeat=len(V)), key=lambda s: np.linalg.norm(np.array(s) @ V))
    x = np.linalg.lstsq(f.U, 1 - np.array(s) * f.w / 2, rcond=None)[0]
    up = (np.array(s) @ V) / best * 1e-3 * f.w.min() / np.linalg.norm(f.U, axis=1).max()
    measured = abs(np.diff(f(np.stack([x - up, x + up])))[0]) / (2 * np.linalg.norm(up))
    assert measured == pytest.approx(best, rel=1e-3)


@pytest.mark.parametrize("seed", range(5))
def test_baum_bracket_with_more_slabs_than_dimensions_holds_and_is_tight(seed):
    X, y, _ = sample(80, 6, seed)
    f = Baum.fit(X, y, group=2)
    V, bracket = 2 * f.U / f.w[:, None], f.lipschitz()
    assert len(V) > 12 and not bracket.is_exact and bracket.ratio < 1.3
    rng = np.random.default_rng(seed)
    patterns = rng.choice((-1.0, 1.0), (20_000, len(V)))
    assert np.linalg.norm(V, axis=1).max() * (1 - 1e-9) <= bracket.lower
    assert np.linalg.norm(patterns @ V, axis=1).max() <= bracket.upper


def test_baum_bound_on_sign_patterns_is_not_below_the_constant_by_rounding():
    """13 orthogonal slabs: the bound is the constant itself, √Σ(2‖u‖/w)²."""
    w = np.random.default_rng(0).uniform(0.1, 1, 13)
    bracket = Baum(np.eye(13), w, 1.0).lipschitz()
    assert bracket.upper >= math.sqrt(math.fsum(4 / w**2)) * (1 - 1e-15)


def test_baum_claims_no_gradient_where_slabs_cross_on_a_kink():
    """The steep slab's middle, x = 37.5, is the other one's edge; all slopes are below 0.13."""
    bracket = Baum(np.array([[0.02], [0.01]]), np.array([0.5, 0.625]), 1.0).lipschitz()
    assert bracket.lower == 0 and bracket.upper < 0.13


def test_baum_with_equal_labels_is_a_constant():
    X, _, _ = sample(9, 3, 8)
    f = Baum.fit(X, -np.ones(9))
    assert f.n_parameters == 1 and f.lipschitz().upper == 0 and (f(5 * X) == -1).all()


def test_squared_norm_of_the_shortest_linear_fit_is_chi_square_distributed():
    n, d, P, rng = 10, 40, 25, np.random.default_rng(9)
    draws = []
    for _ in range(1500):
        X, y = data.gaussian(n, d, rng), data.random_signs(n, rng)
        draws.append(n * d / MinNormLinear.fit(X, y, P).lipschitz().lower ** 2)
    assert stats.kstest(draws, stats.chi2(P - n + 1).cdf).pvalue > 0.001


def test_min_norm_linear_is_the_shortest_among_the_fits():
    X, y, rng = sample(10, 30, 10)
    f = MinNormLinear.fit(X, y, P=20)
    null = np.linalg.svd(X[:, :20])[2][10:]
    for _ in range(20):
        other = f.w + 0.1 * rng.standard_normal(10) @ null
        assert np.allclose(X[:, :20] @ other, y) and np.linalg.norm(other) > f.lipschitz().upper
    assert f.n_parameters == 20


def test_least_squares_leaves_a_residual_orthogonal_to_its_coordinates():
    X, y, _ = sample(50, 12, 11)
    f = LeastSquares.fit(X, y, P=7)
    assert np.allclose((f(X) - y) @ X[:, :7], 0, atol=1e-10)
    assert f.lipschitz().lower == pytest.approx(np.linalg.norm(f.w)) and f.n_parameters == 7


@settings(deadline=None, max_examples=40)
@given(
    n=st.integers(2, 12), d=st.integers(1, 9), bits=st.integers(8, 20), seed=st.integers(0, 10**6)
)
def test_one_number_holds_all_labels_in_its_digits(n, d, bits, seed):
    rng = np.random.default_rng(seed)
    X, y = rng.uniform(-1, 1, (n, d)), data.random_signs(n, rng)
    assume(pdist(X).min() > 4.01 * math.sqrt(d) / (2**bits - 1))
    f = OneNumber.fit(X, y, bits)
    assert f.n_parameters == 1 and f.n_bits == n * (d * bits + 1) and 0 <= f.number < 2**f.n_bits
    digits = f"{f.number:0{f.n_bits}b}"
    assert [1.0 if c == "1" else -1.0 for c in digits[-n:]] == y.tolist()
    first = 2 * int(digits[:bits], 2) / (2**bits - 1) - 1
    assert abs(first - X[0, 0]) <= 1 / (2**bits - 1) + 1e-12
    assert np.array_equal(f(X), y)


def test_the_number_of_bits_that_the_refusal_names_is_enough():
    X, y, _ = sample(30, 10, 12)
    with pytest.raises(ValueError, match=r"bits = \d+ are enough") as refusal:
        OneNumber.fit(X, y, bits=2)
    enough = int(str(refusal.value).split("bits = ")[-1].split()[0])
    assert np.array_equal(OneNumber.fit(X, y, bits=enough)(X), y)


def test_flipping_the_last_digit_of_the_number_flips_the_last_label_and_so_J_is_huge():
    X, y, _ = sample(10, 5, 13)
    f, flipped = OneNumber.fit(X, y, bits=10), y.copy()
    flipped[-1] *= -1
    g = OneNumber.fit(X, flipped, bits=10)
    assert abs(f.number - g.number) == 1
    assert np.abs(f(X) - g(X)).max() == 2


def test_with_many_bits_one_number_is_as_robust_as_bumps():
    X, y, _ = sample(20, 10, 14)
    OneNumber.fit(X, y, bits=52)  # as many digits as a coordinate has
    assert OneNumber.fit(X, y, bits=40).lipschitz().lower == pytest.approx(
        Bumps.fit(X, y).lipschitz().lower, rel=1e-9
    )


X3, Y3 = np.eye(3), np.array([1.0, -1.0, 1.0])


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: Bumps.fit(X3[[0, 0, 1]], np.ones(3)), r"X\[0\] and X\[1\] are the same point"),
        (lambda: Bumps.fit(X3, Y3, radius=1.5), "radius = 1.5 exceeds 1.41"),
        (lambda: Bumps.fit(X3, Y3, radius=0.0), "radius = 0.0"),
        (lambda: Bumps.fit(X3, Y3[:2]), "y has 2 entries; 3 are needed"),
        (lambda: Bumps.fit(X3[:1], Y3[:1]), "at least 2 are needed"),
        (lambda: Bumps.fit(X3, [1.0, np.inf, 0.0]), r"y\[1\] = inf"),
        (lambda: projected_bumps(X3, Y3, np.array([[1.0, 2.0, 3.0]])), "rows are not orthonormal"),
        (lambda: projected_bumps(X3, Y3, np.eye(3)[2:]), "are the same point"),
        (lambda: Bumps(X3, Y3, -1.0), "radius = -1.0"),
        (lambda: Bumps(X3, Y3[:2], 0.1), "y has 2 entries; 3 are needed"),
        (lambda: Baum(X3, [1.0, 0.0, 1.0], 1.0), r"w\[1\] = 0; half-widths above 0"),
        (lambda: Baum(X3, [1.0, 1.0], 1.0), "w has 2 entries; 3 are needed"),
        (lambda: Baum(X3, np.ones(3), 0.5), r"b\[0\] = 0.5"),
        (lambda: LeastSquares(np.ones(3), 2), "d = 2; an integer of at least 3"),
        (lambda: MinNormLinear([], 2), "w has shape"),
        (lambda: OneNumber(2**8, 2, 1, 3), "number"),
        (lambda: OneNumber(0, 2, 1, 3), "bits = 3"),
        (lambda: OneNumber(-1, 2, 1, 3), "number = -1"),
        (lambda: Projected(Y3, np.eye(3)), "is no memorizer"),
        (lambda: Baum.fit(X3, [1.0, 0.5, -1.0]), r"y\[1\] = 0.5; .*\+1 or -1"),
        (lambda: Baum.fit(X3, Y3, group=0), "group = 0"),
        (lambda: Baum.fit(X3, Y3, group=4), "group = 4 exceeds d = 3"),
        (
            lambda: Baum.fit(np.vstack([X3, X3.mean(axis=0)]), [-1.0, -1, -1, 1], group=3),
            r"X\[0\] at its edge",
        ),
        (
            lambda: Baum.fit(
                np.array([[1.0, 0], [0, 1], [0.5, 0.5], [3, 3], [4, 5]]), [-1.0, -1, 1, 1, 1]
            ),
            r"X\[2\] at its edge",
        ),
        (
            lambda: Baum.fit(
                np.array([[1.0, 0], [2, 0], [0, 3], [3, 3], [4, 5]]), [-1.0, -1, 1, 1, 1]
            ),
            "no slab with .*general position",
        ),
        (lambda: MinNormLinear.fit(X3, Y3, P=2), "P = 2; MinNormLinear needs 3 to 3"),
        (lambda: MinNormLinear.fit(X3, Y3, P=4), "P = 4; MinNormLinear needs 3 to 3"),
        (lambda: MinNormLinear.fit(X3[[0, 0]], Y3[:2], P=3), "no linear function .* fits"),
        (lambda: LeastSquares.fit(X3[:2], Y3[:2], P=3), "P = 3; LeastSquares needs 1 to 2"),
        (lambda: LeastSquares.fit(X3, Y3, P=0), "P = 0"),
        (lambda: OneNumber.fit(2 * X3, Y3), r"entries in \[-1, 1\]"),
        (lambda: OneNumber.fit(X3, Y3 / 2), r"\+1 or -1"),
        (lambda: OneNumber.fit(X3, Y3, bits=0), "bits = 0"),
        (lambda: OneNumber.fit(X3, Y3, bits=60), "bits = 60; .*52 are allowed"),
        (lambda: OneNumber.fit(X3[[0, 0]], Y3[:2]), "infinitely many are enough"),
    ],
)
def test_bad_arguments_are_named_with_what_is_allowed(make, message):
    with pytest.raises(ValueError, match=message):
        make()
