"""The statements of chapter 2 hold, each checked without the chapter's code: by listing outcomes,
or for arbitrary numbers."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.optimize import minimize
from scipy.stats import binom

from lawrob_utils import data

unit = st.floats(-1, 1, allow_subnormal=False)


def labels_and_signal(n=12):
    return st.tuples(arrays(float, n, elements=unit), arrays(float, n, elements=unit))


@given(values=arrays(float, 3, elements=st.floats(-5, 5)), g=arrays(float, 3, elements=unit))
def test_expected_error_of_a_fixed_function_is_its_distance_to_the_signal_plus_the_noise(values, g):
    # x takes three values with equal probability, y = ±1 with mean g(x): all outcomes listed
    outcomes = [
        (y, (1 + y * mean) / 2, f, mean) for f, mean in zip(values, g, strict=True) for y in (-1, 1)
    ]
    error = sum(p * (f - y) ** 2 for y, p, f, _ in outcomes) / 3
    noise = sum(p * (y - mean) ** 2 for y, p, _, mean in outcomes) / 3
    assert error == pytest.approx(np.mean((values - g) ** 2) + noise, abs=1e-9)


def test_noise_level_is_the_mean_of_an_uneven_noise():
    rng = np.random.default_rng(0)
    X = data.sphere(4000, 10, rng)
    g, sigma = X[:, 0] / 2, (X[:, 1] > 0) / 2
    z = sigma * data.random_signs(4000, rng)
    assert np.abs(g + z).max() <= 1 and abs(np.mean(g * z)) < 0.005  # E[z|x] = 0
    assert np.mean(z**2) == pytest.approx(np.mean(sigma**2)) == pytest.approx(1 / 8, abs=0.01)


@pytest.mark.parametrize("points", ["sphere", "digits"])
def test_networks_with_four_parameters_a_point_fit_random_signs(points):
    networks = pytest.importorskip("lawrob_utils.networks")
    rng = np.random.default_rng(1)
    X = data.sphere(60, 30, rng) if points == "sphere" else data.digits().X[:60]
    y = np.stack([data.random_signs(60, rng) for _ in range(3)])
    nets = networks.fit_two_layer(X, y, 8, rng=rng, steps=1000, lr=0.03, tol=1e-3)
    assert nets[0].n_parameters >= 4 * 60
    assert nets.mse.max() < 0.01
    assert (np.sign(nets(X)) == y).all()


@pytest.mark.parametrize(("n", "P"), [(6, 1), (7, 3), (8, 8)])
def test_least_squares_memorizes_the_share_P_over_n_of_the_noise(n, P):
    features = np.random.default_rng(P).standard_normal((n, P))
    g, sigma = features @ np.ones(P), 0.3
    y = g[:, None] + sigma * np.array(list(itertools.product((-1.0, 1.0), repeat=n))).T
    fitted = features @ np.linalg.lstsq(features, y, rcond=None)[0]
    assert np.mean((fitted - y) ** 2) == pytest.approx(sigma**2 * (1 - P / n), abs=1e-12)


@pytest.mark.parametrize("n", [50, 200, 800])
@pytest.mark.parametrize("mean", [0.1, 0.5, 0.9])
def test_error_of_the_signal_is_near_the_noise_level_as_often_as_stated(n, mean):
    # y = ±1 with constant mean: z² takes two values, so the signal's error is a binomial count
    heads = np.arange(n + 1)
    error = (heads * (1 - mean) ** 2 + (n - heads) * (1 + mean) ** 2) / n
    outside = np.abs(error - (1 - mean**2)) >= 4 * np.sqrt(2 / n)
    assert binom.pmf(heads, n, (1 + mean) / 2)[outside].sum() <= 0.04


@given(data=labels_and_signal(), f=arrays(float, 12, elements=st.floats(-3, 3)))
def test_fit_that_beats_the_noise_correlates_with_it(data, f):
    y, g = data
    z, error, w = y - g, np.mean((f - y) ** 2), np.mean(y**2 - g**2) / 2
    assert np.mean(f * z) >= w - error / 2 - 1e-9  # with w ≥ σ²/2 − t this is the lemma


@pytest.mark.parametrize("g", [-0.9, 0.0, 0.4])
def test_the_term_of_the_lemma_that_can_fail_has_mean_half_the_noise_level_and_range_one(g):
    outcomes = [(1.0, (1 + g) / 2), (-1.0, (1 - g) / 2)]
    w = [(y**2 - g**2) / 2 for y, _ in outcomes]
    assert sum(p * v for v, (_, p) in zip(w, outcomes, strict=True)) == pytest.approx(
        (1 - g**2) / 2
    )
    extreme = [(y**2 - h**2) / 2 for y in (0, -1, 1) for h in (0, -1, 1)]
    assert max(extreme) - min(extreme) == 1


@given(data=labels_and_signal(), f=arrays(float, 12, elements=st.floats(-3, 3)))
def test_sharp_form_bounds_every_fit_and_is_attained_by_shrunk_noise(data, f):
    y, g = data
    z = y - g
    s, error = np.mean(z**2), np.mean((f - y) ** 2)
    if error <= s:
        assert np.mean(z * (f - g)) >= s - np.sqrt(s * error) - 1e-9
    shrunk = g + 0.3 * z
    assert np.mean(z * (shrunk - g)) == pytest.approx(
        s - np.sqrt(s * np.mean((shrunk - y) ** 2)), abs=1e-9
    )


@pytest.mark.parametrize("n", [20, 80, 1000])
def test_linear_labels_without_noise_are_fitted_with_slope_one_whatever_n(n):
    X = data.sphere(n, 20, np.random.default_rng(n))
    w = np.linalg.lstsq(X, X[:, 0], rcond=None)[0]
    assert np.linalg.norm(w) == pytest.approx(1)
    assert np.abs(X @ w - X[:, 0]).max() < 1e-9


def test_smallest_linear_fit_of_pure_noise_has_the_slope_of_the_gaussian_formula():
    rng = np.random.default_rng(2)
    n, d = 100, 400
    norms = [
        np.linalg.norm(
            np.linalg.lstsq(data.sphere(n, d, rng), data.random_signs(n, rng), rcond=None)[0]
        )
        for _ in range(20)
    ]
    assert np.mean(norms) == pytest.approx(np.sqrt(n * d / (d - n - 1)), rel=0.03)


def test_no_search_in_the_ball_finds_a_fit_that_leans_less():
    # an optimiser that knows neither the bound nor the shape of the optimum
    rng = np.random.default_rng(3)
    for share in (0.1, 0.2, 0.5, 0.9):
        g, z = rng.uniform(-1, 1, 8), rng.uniform(-1, 1, 8)
        s = np.mean(z**2)
        ball = {
            "type": "ineq",
            "fun": lambda f, g=g, z=z, s=s, share=share: share * s - np.mean((f - g - z) ** 2),
        }
        lean = lambda f, g=g, z=z: np.mean(z * (f - g))  # noqa: E731
        found = minimize(lean, g + z + 0.01 * rng.standard_normal(8), constraints=ball)
        assert found.fun == pytest.approx(s * (1 - np.sqrt(share)), abs=1e-4)
