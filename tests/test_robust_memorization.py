"""What the chapter "Robust memorization" claims, checked against laws and enumerations that it does not use."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import pdist
from scipy.special import betainc
from scipy.stats import beta

from lawrob_utils import data
from lawrob_utils.lipschitz import data_lipschitz
from lawrob_utils.memorizers import McShane


def cap(t, d):
    """p_d(t) as the chapter writes it."""
    return betainc((d - 1) / 2, 0.5, t**2 * (1 - t**2 / 4)) / 2


@settings(deadline=None, max_examples=40)
@given(seed=st.integers(0, 10**6), d=st.integers(1, 6), share=st.floats(0, 0.999))
def test_no_sign_flips_closer_than_margin_over_lipschitz_constant(seed, d, share):
    rng = np.random.default_rng(seed)
    X, y = rng.standard_normal((20, d)), data.random_signs(20, rng)
    if len(set(y)) == 1:
        y[0] = -y[0]
    f = McShane.fit(X, y)
    Z = rng.standard_normal((200, d))
    margin = f(Z)
    moved = Z + share * (np.abs(margin) / f.L)[:, None] * data.sphere(200, d, rng)
    clear = np.abs(margin) > 1e-6
    assert (np.sign(f(moved)) == np.sign(margin))[clear].all()


def test_a_function_steep_far_away_flips_nowhere_near_the_data():
    rng = np.random.default_rng(0)
    X, y = data.sphere(50, 5, rng), data.random_signs(50, rng)
    f = McShane.fit(X, y)
    g = lambda Z: f(Z) + 2 * (1000 + f.L) * np.maximum(0, np.linalg.norm(Z, axis=1) - 2)  # noqa: E731
    near = X[rng.integers(0, 50, 2000)] + rng.random((2000, 1)) * data.sphere(2000, 5, rng)
    assert np.array_equal(g(near), f(near))
    assert abs(g(3 * X[:1]) - g(2 * X[:1]))[0] > 1000


@pytest.mark.parametrize("d", [2, 3, 5, 10, 100])
@pytest.mark.parametrize("t", [0.1, 0.7, 1.0, math.sqrt(2)])
def test_cap_probability_is_that_of_the_beta_law_of_an_inner_product(d, t):
    # (1 + <x, x'>)/2 has the law Beta((d−1)/2, (d−1)/2), and distance < t means <x, x'> > 1 − t²/2
    assert cap(t, d) == pytest.approx(beta.cdf(t**2 / 4, (d - 1) / 2, (d - 1) / 2), rel=1e-9)


def test_cap_probability_in_three_dimensions_is_that_of_archimedes():
    t = np.linspace(0.01, 1.4, 50)
    assert cap(t, 3) == pytest.approx(t**2 / 4, rel=1e-9)


@given(d=st.integers(2, 500), t=st.floats(0.01, 1.414))
def test_cap_probability_is_at_most_half_a_power_of_the_sine(d, t):
    assert cap(t, d) <= 0.5 * (t * math.sqrt(1 - t**2 / 4)) ** (d - 1) * (1 + 1e-9)


@pytest.mark.parametrize("d, t", [(3, 0.02), (3, 0.05), (5, 0.2), (10, 0.5), (30, 0.85)])
def test_smallest_distance_obeys_both_bounds_of_the_separation_theorem(d, t):
    n, runs, rng = 60, 400, np.random.default_rng(d)
    below = np.mean([pdist(data.sphere(n, d, rng)).min() < t for _ in range(runs)])
    mu, error = math.comb(n, 2) * cap(t, d), 4 * 0.5 / math.sqrt(runs)
    assert 1 - 1 / mu - error <= below <= mu + error
    assert below == pytest.approx(1 - math.exp(-mu), abs=error)


def test_pairs_that_share_a_point_are_close_independently():
    rng = np.random.default_rng(0)
    x, y, z = (data.sphere(200_000, 3, rng) for _ in range(3))
    first, second = (np.linalg.norm(x - other, axis=1) < 1 for other in (y, z))
    assert np.mean(first & second) == pytest.approx(
        cap(1, 3) ** 2, abs=4 * 0.25 / math.sqrt(200_000)
    )


@pytest.mark.parametrize("n, d", [(1000, 3), (1000, 5)])
def test_a_thousand_points_in_low_dimension_are_not_all_a_tenth_apart(n, d):
    assert 1 - 1 / (math.comb(n, 2) * cap(0.1, d)) > 0.89
    assert pdist(data.sphere(n, d, np.random.default_rng(0))).min() < 0.1


def test_optimal_constant_of_random_signs_tends_to_root_two():
    rng = np.random.default_rng(0)
    excess = [
        data_lipschitz(data.sphere(300, d, rng), data.random_signs(300, rng)).value - math.sqrt(2)
        for d in (10, 100, 1000, 10_000)
    ]
    assert sorted(excess, reverse=True) == excess and 0 < excess[-1] < 0.05


@pytest.mark.parametrize("seed", range(5))
def test_no_class_of_N_functions_fits_more_than_a_share_N_over_2_to_the_n_of_all_sign_vectors(seed):
    rng, n = np.random.default_rng(seed), 6
    F = rng.standard_normal(
        (rng.integers(1, 40), n)
    )  # a function matters only by its values at the n points
    fitted = sum(any((f * y > 0).all() for f in F) for y in itertools.product([-1, 1], repeat=n))
    assert fitted <= len(F)
