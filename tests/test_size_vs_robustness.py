"""What chapter 4 proves, checked by enumeration or against exact laws; and what its judges say to
wrong answers."""

import math
from itertools import product

import numpy as np
import pytest
from scipy import stats

from lawrob_utils import data
from lawrob_utils.memorizers import Baum, Bumps, LeastSquares, MinNormLinear


@pytest.mark.parametrize("kind", ["free", "shared", "projected"])
def test_p_fixed_features_memorize_the_share_p_over_n_of_any_noise(kind):
    # for Gaussian labels the share is Beta(P/2, (n−P)/2) distributed, whatever the features
    n, M, P, rng = 40, 60, 12, np.random.default_rng(0)
    mix = {
        "free": np.eye(M, P),
        "shared": np.kron(np.eye(P), np.ones((M // P, 1))),
        "projected": rng.standard_normal((M, P)),
    }[kind]
    shares = []
    for _ in range(800):
        F, y = data.gaussian(n, M, rng) @ mix, rng.standard_normal(n)
        shares.append(1 - np.mean((LeastSquares.fit(F, y, P)(F) - y) ** 2) / np.mean(y**2))
    assert stats.kstest(shares, stats.beta(P / 2, (n - P) / 2).cdf).pvalue > 0.001


def test_thickness_of_a_slab_is_the_smallest_of_n_minus_s_folded_normals():
    n, d, s, rng = 40, 6, 6, np.random.default_rng(2)
    levels = []
    for _ in range(600):
        X, y = data.gaussian(n, d, rng), np.ones(n)
        y[:s] = -1  # one group
        f = Baum.fit(X, y)
        size = np.linalg.norm(f.U[0])
        tau, T = math.sqrt(d) / size, math.sqrt(d) * f.w[0] / size
        p = stats.norm.cdf(tau + T) - stats.norm.cdf(tau - T)
        levels.append(1 - (1 - p) ** (n - s))  # the claimed distribution function, at T
        assert f.lipschitz().lower == pytest.approx(2 * math.sqrt(d) / T)
    assert stats.kstest(levels, stats.uniform.cdf).pvalue > 0.001


def test_mean_square_slope_at_the_centre_over_all_signs_is_n_over_r_squared():
    n, r, h = 8, 1.3, 1e-5
    X = np.linalg.qr(np.random.default_rng(3).standard_normal((n, n)))[0]  # unit vectors, √2 apart
    squares = []
    for y in product((-1.0, 1.0), repeat=n):
        f = Bumps.fit(X, np.array(y), radius=r)
        gradient = (f(h * np.eye(n)) - f(-h * np.eye(n))) / (2 * h)
        squares.append(gradient @ gradient)
    assert np.mean(squares) == pytest.approx(n / r**2, rel=1e-6)


def test_least_squares_of_gaussian_points_has_the_mean_square_slope_of_the_inverse_wishart():
    n, d, P, rng = 60, 30, 20, np.random.default_rng(5)
    squares = []
    for _ in range(1500):
        X = data.gaussian(n, d, rng)
        squares.append(LeastSquares.fit(X, data.random_signs(n, rng), P).lipschitz().lower ** 2)
    assert np.mean(squares) == pytest.approx(
        d * P / (n - P - 1), abs=4 * np.std(squares) / math.sqrt(1500)
    )


def test_shortest_fit_and_least_squares_meet_at_P_equal_n():
    rng = np.random.default_rng(6)
    X, y = data.gaussian(9, 20, rng), data.random_signs(9, rng)
    assert np.allclose(LeastSquares.fit(X, y, 9).w, MinNormLinear.fit(X, y, 9).w)
