"""Oracles: all sign vectors of small n, the chi law, the full linear programme, closed forms."""

import itertools
import math
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import special, stats
from scipy.optimize import linprog
from scipy.spatial.distance import pdist

from lawrob_utils import data
from lawrob_utils import rademacher as rad
from lawrob_utils.bracket import Estimate


def rng(seed=0):
    return np.random.default_rng(seed)


def all_signs(n):
    return np.array(list(itertools.product((-1.0, 1.0), repeat=n)))


def exact(V, absolute=True):
    """R of the class with values V, by all 2^n sign vectors."""
    sums = all_signs(V.shape[1]) @ V.T
    return (np.abs(sums) if absolute else sums).max(axis=1).mean() / V.shape[1]


def agrees(estimate, truth, errors=4.5):
    return abs(estimate.value - truth) <= errors * estimate.error + 1e-12


# finite classes -----------------------------------------------------------------------------------


@pytest.mark.parametrize("absolute", [True, False])
@pytest.mark.parametrize(("N", "n"), [(1, 1), (1, 7), (5, 2), (40, 10), (2000, 8)])
def test_monte_carlo_agrees_with_all_sign_vectors_within_its_error(N, n, absolute):
    V = rng(N).uniform(-1, 1, (N, n))
    estimate = rad.finite_class(V, draws=4000, rng=rng(1), absolute=absolute)
    assert agrees(estimate, exact(V, absolute))
    assert estimate.error < 0.02


def test_error_bars_are_as_wide_as_the_spread_of_repeated_measurements():
    V = rng().uniform(-1, 1, (30, 9))
    truth, r = exact(V), rng(2)
    repeated = [rad.finite_class(V, draws=50, rng=r) for _ in range(400)]
    pulls = [(e.value - truth) / e.error for e in repeated]
    assert 0.9 < np.std(pulls) < 1.15
    assert abs(np.mean(pulls)) < 0.25


def test_class_closed_under_negation_has_the_same_complexity_without_absolute_value():
    V = rng().uniform(-1, 1, (20, 15))
    both = rad.finite_class(np.vstack([V, -V]), draws=50, rng=rng(1), absolute=False)
    one = rad.finite_class(V, draws=50, rng=rng(1))
    assert (both.value, both.error) == pytest.approx((one.value, one.error), rel=1e-12)


def test_class_that_holds_every_sign_pattern_has_complexity_one():
    assert rad.finite_class(all_signs(6), draws=30, rng=rng()).value == 1.0


def test_constants_have_the_complexity_of_a_random_walk():
    n = 12
    assert agrees(
        rad.finite_class(np.ones((1, n)), draws=20_000, rng=rng()),
        np.abs(all_signs(n).sum(axis=1)).mean() / n,
    )


def test_values_in_single_precision_or_integers_are_accepted():
    V = rng().integers(-1, 2, (10, 8))
    values = [
        rad.finite_class(V.astype(kind), draws=10, rng=rng(1)).value
        for kind in (np.int64, np.float32, np.float64, np.int8)
    ]
    assert len(set(values)) == 1


def test_value_matrix_is_not_copied():
    V = np.ones((40_000, 500))
    tracemalloc.start()
    rad.finite_class(V, draws=100, rng=rng())
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < V.nbytes / 5  # an eighth says which entries are finite


# linear classes -----------------------------------------------------------------------------------


@pytest.mark.parametrize(("n", "d", "P"), [(500, 300, 10), (500, 300, 50), (300, 100, 100)])
def test_gaussian_points_measure_the_closed_form(n, d, P):
    r = rng(P)
    measured = Estimate.mean(
        [
            rad.linear_class(data.gaussian(n, d, r)[:, :P], 2.0, draws=2, rng=r).value
            for _ in range(300)
        ]
    )
    assert agrees(measured, 2.0 * stats.chi(P).mean() / math.sqrt(n * d))
    assert stats.chi(P).mean() < math.sqrt(P)


def test_closed_form_of_a_linear_class_is_reached_by_a_dense_finite_class_of_directions():
    Z, angles = rng().standard_normal((9, 2)), np.linspace(0, np.pi, 2000)
    directions = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    linear = rad.linear_class(Z, 3.0, draws=100, rng=rng(1))
    finite = rad.finite_class(3.0 * directions @ Z.T, draws=100, rng=rng(1))
    assert linear.value * (1 - 1e-5) <= finite.value <= linear.value * (1 + 1e-12)
    assert finite.error == pytest.approx(linear.error, rel=1e-4)


# Lipschitz balls ----------------------------------------------------------------------------------


def full_programme(X, s, L):
    """The supremum by the linear programme with all n(n − 1) constraints, written down plainly."""
    n = len(X)
    pairs = list(itertools.permutations(range(n), 2))
    A = np.zeros((len(pairs), n))
    for row, (i, j) in enumerate(pairs):
        A[row, i], A[row, j] = 1, -1
    b = [L * np.linalg.norm(X[i] - X[j]) for i, j in pairs]
    return (
        -linprog(-s, A_ub=A if n > 1 else None, b_ub=b if n > 1 else None, bounds=(-1, 1)).fun / n
    )


SLOPES = st.just(0.0) | st.floats(1e-3, 5)  # HiGHS allows itself errors of 1e-7


@settings(deadline=None, max_examples=60)
@given(n=st.integers(1, 12), d=st.integers(1, 4), seed=st.integers(0, 10**6), L=SLOPES)
def test_matching_and_programme_equal_the_programme_with_every_constraint(n, d, seed, L):
    X, s = rng(seed).standard_normal((n, d)), data.random_signs(n, rng(seed + 1))
    value, f = rad.lipschitz_supremum(X, s, L), rad.lipschitz_maximizer(X, s, L)
    assert value == pytest.approx(full_programme(X, s, L), abs=1e-9)
    assert s @ f / n == pytest.approx(value, abs=1e-9)


@settings(deadline=None, max_examples=60)
@given(n=st.integers(1, 30), d=st.integers(1, 6), seed=st.integers(0, 10**6), L=st.floats(0, 5))
def test_the_maximizer_belongs_to_the_class_to_rounding(n, d, seed, L):
    X, s = rng(seed).standard_normal((n, d)), data.random_signs(n, rng(seed + 1))
    f = rad.lipschitz_maximizer(X, s, L)
    assert np.abs(f).max() <= 1
    assert (pdist(f[:, None]) <= L * pdist(X) + 1e-12).all()


def test_optimum_equals_brute_force_over_a_grid_of_values():
    """With distances in multiples of 1/4 some best f has values in them (total unimodularity)."""
    X = np.array([0, 1, 3, 4, 9]) / 4
    grid = np.arange(-4, 5) / 4
    functions = np.array(list(itertools.product(grid, repeat=5)))
    members = functions[
        (
            np.abs(functions[:, :, None] - functions[:, None, :]) <= np.abs(X[:, None] - X) + 1e-12
        ).all(axis=(1, 2))
    ]
    for s in all_signs(5):
        assert rad.lipschitz_supremum(X[:, None], s, 1.0) == pytest.approx(
            (members @ s).max() / 5, abs=1e-12
        )


@pytest.mark.parametrize("L", [0.0, 0.3, 1.0, 4.0])
def test_two_points_and_equidistant_points_have_their_closed_forms(L):
    X = np.array([[0.0, 0.0], [0.6, 0.8]])
    assert [rad.lipschitz_supremum(X, np.array(s), L) for s in ([1.0, 1.0], [1.0, -1.0])] == [
        1.0,
        min(L, 2) / 2,
    ]
    n = 7
    for s in all_signs(n):
        plus = (s > 0).sum()
        truth = (min(plus, n - plus) * min(math.sqrt(2) * L, 2) + abs(2 * plus - n)) / n
        assert rad.lipschitz_supremum(np.eye(n), s, L) == pytest.approx(truth, abs=1e-12)


def test_steep_balls_fit_every_sign_and_flat_balls_only_constants():
    X, s = data.sphere(40, 10, rng()), data.random_signs(40, rng(1))
    assert rad.lipschitz_supremum(X, s, 2 / pdist(X).min()) == pytest.approx(1.0, abs=1e-12)
    assert rad.lipschitz_supremum(X, s, 0.0) == pytest.approx(abs(s.sum()) / 40, abs=1e-12)


def test_points_that_coincide_share_their_value():
    X, s = np.zeros((4, 3)), np.array([1.0, 1.0, 1.0, -1.0])
    assert rad.lipschitz_supremum(X, s, 5.0) == 0.5
    assert np.ptp(rad.lipschitz_maximizer(X, s, 5.0)) == 0


# mixtures -----------------------------------------------------------------------------------------


def constant_on_clusters(sizes):
    """(1/n) Σ E|s_1 + … + s_m|, each (2/√π)·Γ(h + ½)/Γ(h) with h = ⌈m/2⌉ (de Moivre)."""
    h = np.array([(m + 1) // 2 for m in sizes if m])
    return (2 / math.sqrt(math.pi) * special.poch(h, 0.5)).sum() / sum(sizes)


def test_one_large_cluster_is_a_random_walk():
    assert constant_on_clusters([10**8]) == pytest.approx(math.sqrt(2e-8 / math.pi), rel=1e-7)
    two_sided = 2 * stats.binom(5000, 0.5).pmf(2500) / 2  # de Moivre: mean deviation of B(5001, ½)
    assert constant_on_clusters([5001]) == pytest.approx(two_sided, rel=1e-9)


@pytest.mark.parametrize(
    "sizes", [[3], [2, 2, 2], [1, 4, 0, 3], [1] * 8, *([m] for m in range(1, 13))]
)
def test_cluster_constant_functions_by_brute_force_over_functions_and_signs(sizes):
    V = np.repeat(all_signs(len(sizes)), sizes, axis=1)
    assert constant_on_clusters(sizes) == pytest.approx(exact(V), rel=1e-12)


@pytest.mark.parametrize("k", [1, 4, 20, 100])
@pytest.mark.parametrize("m", [1, 2, 3, 10, 1000])
def test_equal_clusters_cost_between_the_two_square_roots(k, m):
    value, n = constant_on_clusters([m] * k), k * m
    assert math.sqrt(k / (2 * n)) * (1 - 1e-12) <= value <= math.sqrt(k / n) * (1 + 1e-12)
    if m == 1000:
        assert value == pytest.approx(math.sqrt(2 * k / (math.pi * n)), rel=1e-3)


# the theorems -------------------------------------------------------------------------------------


def massart(log_N, n, radius=1.0):
    """The right-hand side of lem-rademacher-massart."""
    return radius * math.sqrt(2 * (log_N + math.log(2)) / n)


@settings(deadline=None, max_examples=80)
@given(
    N=st.integers(1, 40),
    n=st.integers(1, 9),
    seed=st.integers(0, 10**6),
    kind=st.sampled_from(["signs", "uniform", "sparse"]),
)
def test_massarts_bound_is_never_violated(N, n, seed, kind):
    r = rng(seed)
    V = {
        "signs": r.choice([-1.0, 1.0], (N, n)),
        "uniform": r.uniform(-1, 1, (N, n)),
        "sparse": r.random((N, n)) ** 20,
    }[kind]
    radius = np.sqrt((V**2).mean(axis=1).max())
    assert exact(V) <= massart(math.log(N), n, radius=radius)
    assert exact(V) <= massart(math.log(N), n)


def test_massarts_bound_is_nearly_attained_by_many_random_signs():
    V = rng().choice([-1.0, 1.0], (20_000, 400))
    ratio = rad.finite_class(V, draws=50, rng=rng(1)).value / massart(math.log(20_000), 400)
    assert 0.85 < ratio < 1


@pytest.mark.parametrize("L", [0.5, 2.0, 8.0])
@pytest.mark.parametrize("k", [1, 5, 25])
def test_isoperimetric_bound_holds_on_mixtures_and_needs_its_first_term(k, L):
    """The class: ±½ on each sphere of a mixture, plus one of 200 ridge functions."""
    r, n, d, N = rng(k), 200, 80, 200
    U, found, constant = data.sphere(N, d, r), [], []
    for _ in range(200):
        component, X = (
            r.integers(k, size=n),
            data.sphere(n, d, r),
        )  # points relative to their centre
        s = data.random_signs(n, r)
        bins = np.abs(np.bincount(component, weights=s)).sum()
        ridge = np.abs(np.clip(L * X @ U.T, -0.5, 0.5).T @ s).max()
        found.append((bins / 2 + ridge) / n)
        constant.append(bins / n)
    log_N = math.log(2.0**k * 2 * N)
    smooth = L * math.sqrt(1 / (d - 1)) * massart(log_N, n)  # c = d/(d − 1)
    assert Estimate.mean(found).value < math.sqrt(k / n) + smooth
    assert Estimate.mean(constant).value > math.sqrt(1 / 10**6) * massart(k * math.log(2), n)


# bad input ----------------------------------------------------------------------------------------

X2, SIGNS2 = np.eye(2), np.array([1.0, -1.0])
BAD = {
    "finite empty matrix": (lambda: rad.finite_class(np.ones((0, 3)), draws=5, rng=rng()), "F"),
    "finite empty list": (lambda: rad.finite_class([], draws=5, rng=rng()), "F"),
    "finite vector": (lambda: rad.finite_class(np.ones(3), draws=5, rng=rng()), "F"),
    "finite number": (lambda: rad.finite_class(3.0, draws=5, rng=rng()), "F"),
    "finite nan": (
        lambda: rad.finite_class(np.array([[1.0, np.nan]]), draws=5, rng=rng()),
        "not finite",
    ),
    "finite inf far down": (
        lambda: rad.finite_class(np.r_[np.ones((3000, 2)), [[np.inf, 0]]], draws=5, rng=rng()),
        "not finite",
    ),
    "finite one draw": (lambda: rad.finite_class(X2, draws=1, rng=rng()), "draws = 1"),
    "finite seed": (lambda: rad.finite_class(X2, draws=5, rng=0), "rng"),
    "linear L": (lambda: rad.linear_class(X2, -1.0, draws=5, rng=rng()), "L = -1"),
    "linear Z": (lambda: rad.linear_class(np.ones(3), 1.0, draws=5, rng=rng()), "Z"),
    "ball signs": (lambda: rad.lipschitz_supremum(X2, np.array([1.0, 0.5]), 1.0), r"s\[1\] = 0.5"),
    "ball length": (lambda: rad.lipschitz_maximizer(X2, np.ones(3), 1.0), "s has 3"),
    "ball L": (lambda: rad.lipschitz_supremum(X2, SIGNS2, np.nan), "L = nan"),
    "ball X": (lambda: rad.lipschitz_supremum(np.ones(3), SIGNS2, 1.0), "X has shape"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_refused_and_named(case):
    call, words = BAD[case]
    with pytest.raises(ValueError, match=words):
        call()
