"""The bar that no code of linear functions gets below, by SciPy's caps and by codes drawn at random."""

import math

import numpy as np
from scipy.special import betainc


def test_caps_are_smaller_than_the_power_of_the_proof():
    d = np.array([2, 3, 5, 20, 100, 1000])[:, None]
    cosine = np.linspace(0, 0.999, 500)
    share = betainc((d - 1) / 2, 0.5, 1 - cosine**2)  # both caps, cos² ≥ c²
    assert (share <= (1 - cosine**2) ** ((d - 1) / 2) * (1 + 1e-9)).all()
    rng = np.random.default_rng(0)  # and the formula is that of the sphere
    u = rng.standard_normal((200_000, 5))
    found = np.mean(u[:, 0] ** 2 / np.sum(u**2, axis=1) >= 0.36)
    assert abs(found - betainc(2, 0.5, 0.64)) < 4 * math.sqrt(found / len(u))


def test_no_word_of_a_random_code_is_nearer_than_the_bar_and_the_best_comes_close():
    """A word found in the points themselves would have cos² = 1, above any bar."""
    d, bits, delta, n, draws, rng = 16, 12, 0.05, 30, 300, np.random.default_rng(1)
    words = rng.standard_normal((2**bits, d))
    words /= np.linalg.norm(words, axis=1, keepdims=True)
    X = 2 * (bits * math.log(2) + math.log(1 / delta)) / (d - 1)
    best = []
    for _ in range(draws):
        points = rng.standard_normal((n, d))
        points /= np.linalg.norm(points, axis=1, keepdims=True)
        y = rng.choice([-1.0, 1.0], n)
        v = (y - y.mean()) @ points
        v /= np.linalg.norm(v)
        best.append(np.max((words @ v) ** 2))
    bar = 1 - math.exp(-X)
    assert np.mean(np.array(best) > bar) <= delta
    assert np.median(best) > 0.9 * (1 - 2 ** (-2 * bits / (d - 1)))  # the bar without δ
