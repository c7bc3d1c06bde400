"""What the chapter "Robust memorization" claims, checked against laws and enumerations that it does
not use."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import pdist
from scipy.special import betainc

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
