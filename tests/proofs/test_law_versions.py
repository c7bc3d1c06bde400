"""The proofs of chapter 6, and of the paper's version 1, that no code of the package is in."""

import itertools
import math

import numpy as np
import pytest


def test_a_net_of_the_printed_radius_keeps_half_of_epsilon_in_the_mean():
    """All residuals of size √(σ² − ε), each moved away from its label by ε/6: the worst case."""
    variance, share = np.meshgrid(np.linspace(0.001, 1, 400), np.linspace(0.001, 1, 400))
    eps = variance * share
    worst = (np.sqrt(variance - eps) + eps / 6) ** 2
    assert (worst <= variance - eps / 2).all()
    rng = np.random.default_rng(0)
    for _ in range(300):
        residual = rng.uniform(-1, 1, 20) * rng.uniform(0.1, 1)
        error = np.mean(residual**2)
        eps = rng.uniform(0, 1 - error)  # σ² = error + ε ≤ 1
        moved = residual + np.sign(residual) * eps / 6
        assert np.mean(moved**2) <= error + eps / 2 + 1e-12


def test_the_printed_constant_of_the_theorem_on_finite_classes_is_large_enough():
    """ε²nd/(C·cL²) in the exponent: C by the book's proof, and what that proof leaves out."""
    one = 128 / (0.5 - 3 / 32) ** 2
    k = np.concatenate([np.arange(2, 10**5), np.geomspace(1e5, 1e12, 1000)])
    C = 128 / (0.5 - 3 / (32 * np.sqrt(k)) - 1 / np.sqrt(512 * np.log(4 * k))) ** 2
    assert max(one, C.max()) <= 788 < 8**4
    for k, beyond in itertools.product((1, 2, 10, 1000), (1.0, 1.5, 10.0)):
        eps = 0.5
        n = beyond * 512 * k * math.log(4 * k) / eps**2  # below it the printed bound exceeds 1
        s, t = eps / (16 * math.sqrt(k)), eps / (32 * math.sqrt(k))
        first = math.exp(-2 * n * t**2) + (1 + (k == 1)) * math.exp(-n * s**2 / 2)
        assert first <= 4 * k * math.exp(-n * eps**2 / (8**3 * k)) * (1 + 1e-9)
        lost = s + t + (0 if k == 1 else math.sqrt(k / n))
        # Lip < (ε/2 − lost)·√(nd/(8·16c·log(N/δ))), solved for δ/N with nd/(cL²) = 1
        assert (eps / 2 - lost) ** 2 / 128 >= eps**2 / 8**4


@pytest.mark.parametrize("sizes", [(1, 1, 1), (2, 3), (1, 4, 2, 1)])
def test_mean_labels_of_components_explain_k_over_n_of_coin_tosses(sizes):
    n, k = sum(sizes), len(sizes)
    part = np.repeat(np.arange(k), sizes)
    explained = [
        np.mean((np.bincount(part, y, k) / sizes)[part] ** 2)
        for y in itertools.product((-1.0, 1.0), repeat=n)
    ]
    assert np.mean(explained) == pytest.approx(k / n)


def test_labels_centred_inside_components_obey_the_law():
    """All sign vectors as functions, labels that depend on the component, centres far apart."""
    n, k, d, delta, rng, broken = 60, 12, 8, 0.1, np.random.default_rng(1), {True: 0, False: 0}
    words = np.array(list(itertools.product((-1.0, 1.0), repeat=d))) / math.sqrt(d)
    for _ in range(200):
        centres, part = 3 * rng.standard_normal((k, d)), rng.integers(k, size=n)
        X = centres[part] + rng.standard_normal((n, d)) / math.sqrt(d)
        y = np.where(rng.random(n) < rng.random(k)[part], 1.0, -1.0)
        how_many = np.maximum(1, np.bincount(part, minlength=k))
        mean = (np.bincount(part, y, k) / how_many)[part]
        values = words @ X.T
        for inside, a in ((True, y - mean), (False, y - y.mean())):
            bound = np.sqrt(2 * np.mean(a**2) * math.log(len(words) / delta) / (n * d))
            broken[inside] += (values @ a / n).max() > bound
        # any values at all: what fits correlates, as the second half of the proof says
        f = y * rng.uniform(-0.5, 1.5) + rng.standard_normal(n) * rng.uniform(0, 0.5)
        a, spread = y - mean, np.sqrt(np.mean((y - mean) ** 2))
        assert np.mean(a * f) >= spread * (spread - np.sqrt(np.mean((y - f) ** 2))) - 1e-12
    assert broken[True] <= delta * 200
    assert broken[False] > 190  # the control
