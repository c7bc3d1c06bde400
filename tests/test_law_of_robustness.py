"""Chapter 6 checked by quadrature, enumeration and laws known to SciPy; what it measures, small."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from lawrob_utils import data
from lawrob_utils.law import law_curve
from lawrob_utils.memorizers import Bumps, LeastSquares
from lawrob_utils.networks import MLP, fit_two_layer


@pytest.mark.parametrize("uneven", [False, True])
def test_no_function_of_a_fixed_class_correlates_with_the_noise_more_than_allowed(uneven):
    n, d, N, delta, rng = 50, 20, 300, 0.1, np.random.default_rng(0)
    U, broken = data.sphere(N, d, rng), 0
    for _ in range(200):
        X = data.gaussian(n, d, rng)  # c = 1
        g = np.tanh(5 * X[:, 0]) if uneven else np.zeros(n)
        z = np.where(rng.random(n) < (1 + g) / 2, 1.0, -1.0) - g
        kappa = 4 if uneven else 1
        broken += (U @ (X.T @ z) / n).max() > math.sqrt(2 * kappa * math.log(N / delta) / (n * d))
    assert broken <= 0.1 * 200


def test_mean_square_slope_of_least_squares_is_that_of_an_inverse_wishart_matrix():
    n, d, P, sigma, rng = 30, 50, 8, 0.3, np.random.default_rng(1)
    found = []
    for _ in range(3000):
        X, y = data.gaussian(n, d, rng), sigma * data.random_signs(n, rng)
        found.append(LeastSquares.fit(X, y, P).lipschitz().lower ** 2)
    exact = sigma**2 * np.trace(stats.invwishart(df=n, scale=d * np.eye(P)).mean())
    assert exact == pytest.approx(sigma**2 * d * P / (n - P - 1))
    assert abs(np.mean(found) - exact) < 4 * np.std(found) / math.sqrt(len(found))


def test_least_squares_is_on_the_scale_eps_over_sigma_for_small_and_for_uneven_noise():
    n, d, P, rng = 2000, 200, 40, np.random.default_rng(2)
    for level in (1.0, 0.1, None):  # None: noise ±1 on a twentieth of the sphere
        ratios = []
        for _ in range(8):
            X = data.sphere(n, d, rng)
            levels = level or 1.0 * (X[:, -1] >= np.quantile(X[:, -1], 0.95))
            z = levels * data.random_signs(n, rng)
            f = LeastSquares.fit(X, z, P)
            sigma, eps = np.sqrt(np.mean(z**2)), np.mean(z**2) - np.mean((f(X) - z) ** 2)
            ratios.append(f.lipschitz().lower / law_curve(n, d, P, sigma=sigma, eps=eps))
        assert np.mean(ratios) == pytest.approx(1, abs=0.12)


def test_bumps_after_a_projection_to_many_coordinates_are_within_twice_the_scale_of_the_law():
    n, d, eta, rng = 100, 300, 0.2, np.random.default_rng(3)
    m = math.ceil(16 * math.log(n**2 / (2 * eta)))
    failed = 0
    for _ in range(40):
        f = Bumps.fit(data.gaussian(n, d, rng)[:, :m], data.random_signs(n, rng))
        failed += f.lipschitz().lower > 2 * math.sqrt(1 + 1 / m) * law_curve(n, d, f.n_parameters)
    assert m <= d and failed <= 0.2 * 40


def test_trained_networks_get_smoother_with_size_far_more_slowly_than_the_law():
    n, d, rng = 120, 60, np.random.default_rng(4)
    X = np.stack([data.sphere(n, d, rng) for _ in range(3)])
    Y = data.random_signs(3 * n, rng).reshape(3, n)
    widths, lower, upper = (16, 64, 256), [], []
    for k in widths:
        nets = fit_two_layer(X, Y, k, rng=rng, steps=1500, lr=0.02, tol=1e-3)
        assert nets.mse.max() < 0.01
        brackets = [f.lipschitz() for f in nets]
        lower.append([b.lower for b in brackets])
        upper.append([b.upper for b in brackets])
    for ends in (lower, upper):
        slope = np.polyfit(np.log(widths), np.log(ends), 1)[0].mean()
        assert -0.35 < slope < 0.1
    assert (
        np.array(lower).mean(axis=1) > 2 * law_curve(n, d, np.array(widths) * (d + 2) + 1)
    ).all()


def test_a_fit_constant_on_clusters_memorizes_k_over_n_and_undercuts_the_law_by_the_root_of_d():
    n, k, rng, ratio, share = 400, 10, np.random.default_rng(5), [], []
    for d in (50, 800):
        found = []
        for _ in range(30):
            label, y = rng.integers(k, size=n), data.random_signs(n, rng)
            height = np.array([y[label == j].mean() for j in range(k)])
            eps = 1 - np.mean((height[label] - y) ** 2)
            share.append(eps * n / k)
            found.append(np.abs(height).max() / 0.4 / law_curve(n, d, k, eps=eps))
        ratio.append(np.mean(found))
    assert np.mean(share) == pytest.approx(1, abs=0.2)
    assert ratio[0] / ratio[1] == pytest.approx(4, rel=0.15)  # √(800/50)


@given(D=st.integers(2, 5), seed=st.integers(0, 10**6), reach=st.sampled_from([1e-4, 0.1, 2.0]))
@settings(max_examples=60, deadline=None)
def test_deep_networks_depend_on_their_parameters_at_most_as_strongly_as_the_lemma_says(
    D, seed, reach
):
    rng, sizes = np.random.default_rng(seed), [3] + [4] * (D - 1) + [1]

    def layers(w):
        out, at = [], 0
        for a, b in zip(sizes, sizes[1:], strict=False):
            out.append((w[at : at + a * b].reshape(b, a), w[at + a * b : at + (a + 1) * b]))
            at += (a + 1) * b
        return tuple(out)

    def augmented(pair, last):
        V = np.column_stack(pair)
        return V if last else np.vstack([V, np.eye(1, V.shape[1], V.shape[1] - 1)])

    P = sum((a + 1) * b for a, b in zip(sizes, sizes[1:], strict=False))
    w = rng.uniform(-2, 2, P)
    v = np.clip(w + reach * rng.standard_normal(P), -2, 2)
    norms = np.array(
        [
            [np.linalg.norm(augmented(p, j == D - 1), 2) for j, p in enumerate(layers(u))]
            for u in (w, v)
        ]
    ).max(axis=0)
    B = max(np.prod(np.delete(norms, j)) for j in range(D))
    x = data.sphere(1, 3, rng)
    change = abs(MLP(layers(w))(x)[0] - MLP(layers(v))(x)[0])
    assert change <= math.sqrt(2) * math.sqrt(D) * B * np.linalg.norm(w - v) * (1 + 1e-9)
    E = max(b * (a + 1) + 1 for a, b in zip(sizes, sizes[1:], strict=False))
    assert (2 * math.sqrt(E)) ** (D - 1) >= B
