"""What chapter 4 proves, checked by enumeration or against exact laws; and what its judges say to
wrong answers."""

import json
import math
from functools import partial
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from lawrob_utils import data
from lawrob_utils.memorizers import Baum, Bumps, LeastSquares, McShane, MinNormLinear, OneNumber


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


@pytest.fixture(scope="module")
def J():
    """J of a construction on the unit ball, as the table of the chapter has it."""
    chapter = Path(__file__).resolve().parents[1] / "notebooks/04-size-vs-robustness.ipynb"
    cells = json.loads(chapter.read_text("utf-8"))["cells"]
    kinds = (Baum, Bumps, LeastSquares, McShane)
    space = {"np": np} | {kind.__name__: kind for kind in kinds}
    exec("".join(next(c["source"] for c in cells if c["id"] == "size-j")), space)
    return lambda f: 2.0 ** space["largest_and_log2_J"](f)[1]


def steps(h, rng, *shape):
    return h * data.random_signs(math.prod(shape), rng).reshape(shape)


def linear(x, w):
    return w @ x


def slabs(x, U, w, b):
    return b * (1 - 2 * np.maximum(0, 1 - np.abs((U @ x - 1) / w)).sum())


def cones(x, centres, heights, r):
    return heights @ np.maximum(0, 1 - np.linalg.norm(x - centres, axis=1) / r)


def lowest(x, centres, y, L):
    return (y + L * np.linalg.norm(x - centres, axis=1)).min()


def test_no_change_of_its_numbers_moves_a_construction_by_more_than_its_J(J):
    # the sup over the ball is sought where it is large: at points near the stored ones
    n, d, r, rng = 6, 4, 0.3, np.random.default_rng(7)
    bumps = J(Bumps.fit(r * 9 * np.eye(n, d + n), np.ones(n), radius=r))
    assert bumps == pytest.approx(n * (1 + math.sqrt(d + n) / r))
    for _ in range(3000):
        h, x = 10.0 ** rng.uniform(-6, -2), data.sphere(1, d, rng)[0] * rng.uniform() ** (1 / d)
        step = partial(steps, h, rng)
        w = rng.uniform(-3, 3, d)
        assert abs(linear(x, w + step(d)) - linear(x, w)) <= J(LeastSquares(w, d)) * h * (1 + 1e-7)
        C, y = x + rng.uniform(-0.2, 0.2, (n, d)), rng.uniform(-1 + h, 1 - h, n)
        change = cones(x, C + step(n, d), y + step(n), r) - cones(x, C, y, r)
        assert abs(change) <= n * (1 + math.sqrt(d) / r) * h * (1 + 1e-7)
        far = McShane.fit(C, y)
        change = lowest(x, C + step(n, d), y + step(n), far.L) - lowest(x, C, y, far.L)
        assert abs(change) <= J(far) * h * (1 + 1e-7)
        width = rng.uniform(0.1, 0.5, n) + 2 * h
        U = (1 + rng.uniform(-1, 1, (n, 1)) * width[:, None]) * x / (x @ x)
        b = rng.uniform(-1 + h, 1 - h)
        least = Baum(U, width - h, 1.0)
        change = slabs(x, U + step(n, d), width + step(n), b + step(1)[0]) - slabs(x, U, width, b)
        assert abs(change) <= J(least) * h * (1 + 1e-7)


def test_some_change_of_its_numbers_moves_a_construction_by_nearly_its_J(J):
    n, d, r, h = 5, 9, 0.01, 1e-7
    one, x = np.ones(d), np.ones(d) / math.sqrt(d)
    f = LeastSquares(np.zeros(d), d)
    assert linear(x, h * one) / h == pytest.approx(J(f))
    # all centres a little off x move towards it and the heights rise
    C, y = np.tile(x + 1e-5 * one, (n, 1)), np.ones(n) * (1 - h)
    apart = Bumps.fit(0.1 * np.eye(n, d), np.ones(n), radius=r)
    change = cones(x, C - h, y + h, r) - cones(x, C, y, r)
    assert change / h == pytest.approx(J(apart), rel=0.01)
    store = McShane.fit(np.arange(n)[:, None] * one / 4 / n, np.arange(n) % 2.0)
    C, y = np.tile(x - 1e-3 * one, (n, 1)), np.zeros(n)
    change = lowest(x, C - h, y + h, store.L) - lowest(x, C, y, store.L)
    assert change / h == pytest.approx(J(store), rel=1e-6)
    # n slabs on one another whose edge is near x: away from it, and wider or narrower
    w = 0.01 * np.ones(n)
    U = np.tile((1 + 0.0099) * x, (n, 1))
    change = slabs(x, U + h, w - h, 1.0) - slabs(x, U, w, 1.0)
    assert change / h == pytest.approx(J(Baum(U, w, 1.0)), rel=0.01)
    X = data.sphere(4, 3, np.random.default_rng(8))
    digits = OneNumber.fit(X, np.ones(4), bits=6)
    other = OneNumber(digits.number - 1, 4, 3, 6)  # the last digit
    change = np.abs(digits(X[-1:]) - other(X[-1:]))[0] * 2.0**digits.n_bits
    assert change == pytest.approx(J(digits))
