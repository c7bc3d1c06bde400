"""The theorems of chapter 10 on the gap between a sample and its law."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st


def all_signs(n):
    return np.array(list(itertools.product((-1.0, 1.0), repeat=n)))


def complexity(V):
    """E sup Σ s_i f(x_i)/n without the absolute value, by all sign vectors."""
    return (all_signs(V.shape[1]) @ V.T).max(axis=1).mean() / V.shape[1]


def sphere(n, d, rng):
    Z = rng.standard_normal((n, d))
    return Z / np.linalg.norm(Z, axis=1, keepdims=True)


def test_symmetrization_bounds_the_gap_from_both_sides_on_a_law_with_known_means():
    """Points uniform on {0,…,5}, F a fixed set of functions on it: all samples of size 4."""
    V, n = np.random.default_rng(0).uniform(-1, 1, (8, 6)), 4
    mean = V.mean(axis=1)
    samples = np.array(list(itertools.product(range(6), repeat=n)))
    gap = np.abs(V[:, samples].mean(axis=2) - mean[:, None]).max(axis=0).mean()
    R = np.mean([np.abs(V[:, samples] @ s).max(axis=0).mean() / n for s in all_signs(n)])
    assert R / 2 - np.abs(mean).max() / (2 * math.sqrt(n)) <= gap <= 2 * R


LOSSES = {
    "absolute": (lambda f, y: np.abs(f - y), 1.0),
    "hinge": (lambda f, y: np.maximum(0, 1 - y * f), 1.0),
    "logistic": (lambda f, y: np.log1p(np.exp(-y * f)), math.e / (1 + math.e)),
}


@settings(deadline=None, max_examples=40)
@given(
    N=st.integers(1, 20),
    n=st.integers(1, 8),
    seed=st.integers(0, 10**6),
    loss=st.sampled_from(sorted(LOSSES)),
)
def test_contraction_holds_over_all_sign_vectors(N, n, seed, loss):
    r, (function, slope) = np.random.default_rng(seed), LOSSES[loss]
    V, y = r.uniform(-1, 1, (N, n)), r.choice([-1.0, 1.0], n)
    assert complexity(function(V, y)) <= slope * complexity(V) + 1e-12


def gap_bound(R, n, slope, b, delta):
    """The right-hand side of thm-rademacher-gap."""
    return 2 * slope * R + b * math.sqrt(math.log(1 / delta) / (2 * n))


def test_gap_bound_holds_in_the_promised_share_of_samples():
    """Half-spaces, labels flipped with probability 0.1: population errors are angles over π."""
    r, n, d, N = np.random.default_rng(0), 200, 10, 300
    U, v = sphere(N, d, r), sphere(1, d, r)[0]
    population = 0.1 + 0.8 * np.arccos(U @ v) / np.pi
    gaps, R = [], []
    for _ in range(200):
        X = sphere(n, d, r)
        y = np.sign(X @ v) * np.where(r.random(n) < 0.1, -1, 1)
        F = np.sign(U @ X.T)
        gaps.append((population - (y != F).mean(axis=1)).max())
        R.append(np.abs(F @ r.choice([-1.0, 1.0], (n, 2))).max(axis=0).mean() / n)
    bound = gap_bound(np.mean(R), n, slope=0.5, b=1.0, delta=0.1)
    assert np.mean(np.array(gaps) > bound) <= 0.1


@pytest.mark.parametrize("eps", [0.05, 0.3, 1.0])
def test_lipschitz_floor_is_where_the_gap_bound_reaches_eps(eps):
    """thm-rademacher-law is thm-rademacher-gap with the complexity of a mixture, solved for L."""
    log_2N, n, d, slope, b, k, c, delta = 500.7, 20_000, 300, 0.8, 1.5, 4, 1.1, 0.01
    sample = b / (2 * slope) * math.sqrt(math.log(1 / delta) / (2 * n))
    rest = eps / (2 * slope) - math.sqrt(k / n) - sample
    floor = rest * math.sqrt(n * d / (2 * c * log_2N))
    R = math.sqrt(k / n) + floor * math.sqrt(2 * c * log_2N / (n * d))
    assert gap_bound(R, n, slope, b, delta) == pytest.approx(eps, rel=1e-12)
