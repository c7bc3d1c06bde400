"""The mean robust radius and its price in bits (chapter 7), against counts and simulation."""

import itertools
import math

import numpy as np
import pytest
from scipy.stats import norm


def sphere(n, d, rng):
    X = rng.standard_normal((n, d))
    return X / np.linalg.norm(X, axis=1, keepdims=True)


def cap_distances(X, words, thresholds):
    """Signed distances to the boundaries of the caps ⟨u, x⟩ ≥ t: in space, along arcs, chords."""
    inner = np.clip(X @ words.T, -1, 1)[:, :, None]
    t = np.asarray(thresholds)
    arc = np.arccos(t) - np.arccos(inner)
    ways = {"space": inner - t, "arc": arc, "chord": np.sign(arc) * 2 * np.sin(np.abs(arc) / 2)}
    return {way: D.reshape(len(X), -1) for way, D in ways.items()}


@pytest.mark.parametrize("way", ["space", "arc", "chord"])
def test_no_named_classifier_has_a_larger_mean_radius(way):
    """All caps with centres in {±1}^6/√6 and three heights; uneven labels; labels from points."""
    d, delta, draws, rng = 6, 0.1, 100, np.random.default_rng(0)
    words = np.array(list(itertools.product((-1.0, 1.0), repeat=d))) / math.sqrt(d)
    heights = (-0.3, 0.0, 0.3)
    nats = math.log(len(words) * len(heights) / delta)
    for n, plus in ((80, 40), (80, 20)):
        broken = control = 0
        y = np.where(np.arange(n) < plus, 1.0, -1.0)
        bound = math.sqrt((1 - y.mean() ** 2) * 2 * nats / (n * (d - 1)))
        for _ in range(draws):
            D = cap_distances(sphere(n, d, rng), words, heights)[way]
            broken += ((y - y.mean()) @ D / n).max() > bound
            order = np.argsort(-D[:, rng.integers(D.shape[1])])
            taught = np.empty(n)
            taught[order] = y
            control += ((taught - y.mean()) @ D / n).max() > bound
        assert broken <= delta * draws
        assert control > draws / 2


@pytest.mark.parametrize("way", ["space", "arc", "chord"])
def test_signed_distances_are_lipschitz_along_arcs(way):
    rng = np.random.default_rng(1)
    words = sphere(20, 3, rng)
    X = sphere(300, 3, rng)
    Y = X + 0.05 * rng.standard_normal(X.shape)
    Y /= np.linalg.norm(Y, axis=1, keepdims=True)
    Y = np.concatenate([Y, sphere(300, 3, rng)])
    X = np.concatenate([X, X])
    arcs = np.arccos(np.clip(np.sum(X * Y, axis=1), -1, 1))[:, None]
    a, b = (cap_distances(points, words, (-0.3, 0.0, 0.3))[way] for points in (X, Y))
    assert np.max(np.abs(a - b) / arcs) <= 1 + 1e-6
    if way == "chord":  # chords do not see it: a reason to measure along the sphere
        assert np.max(np.abs(a - b) / np.linalg.norm(X - Y, axis=1)[:, None]) > 1.01


def enough(n, d, t, s, least, delta):
    nats = n * (t + s) ** 2 / (2 * least) - n * math.log(2 * norm.cdf(s) - 1)
    nats += math.log(2) + math.log(math.log(1 / delta))
    return math.ceil(nats / math.log(2)), t / math.sqrt(d + n * (t + 2 * s) ** 2 / least)


def best_radius(G, d, words, rng):
    """Of so many random directions, through ξ ~ N(0, G) and χ² alone."""
    g = rng.standard_normal((words, len(G)))
    length = np.sqrt(np.sum(g**2, axis=1) + rng.chisquare(d - len(G), words))
    return np.max((g @ np.linalg.cholesky(G).T).min(axis=1) / length)


@pytest.mark.parametrize("n, d, t, s", [(1, 30, 2.0, 0.7), (2, 30, 1.2, 0.6), (3, 200, 1.0, 0.8)])
def test_a_book_of_random_directions_reaches_the_radius(n, d, t, s):
    delta, books, rng = 0.2, 100, np.random.default_rng(n)
    missed = missed_small = 0
    for _ in range(books):
        V = sphere(n, d, rng)
        G = V @ V.T
        B, r = enough(n, d, t, s, np.linalg.eigvalsh(G)[0], delta)
        missed += best_radius(G, d, 2**B, rng) < r
        missed_small += best_radius(G, d, 2, rng) < r  # the control: one bit
    assert missed <= delta * books
    assert missed_small > books / 2


def test_simulation_through_gram_matrices_has_the_law_of_explicit_directions():
    n, d, words, rng = 2, 20, 64, np.random.default_rng(5)
    V = sphere(n, d, rng)
    direct = [(sphere(words, d, rng) @ V.T).min(axis=1).max() for _ in range(2000)]
    short = [best_radius(V @ V.T, d, words, rng) for _ in range(2000)]
    assert np.mean(short) == pytest.approx(np.mean(direct), abs=0.004)
    assert np.std(short) == pytest.approx(np.std(direct), rel=0.1)


def test_vectors_must_have_length_one():
    """Ten times as long, the claimed radius is out of reach of the same number of words."""
    n, d, t, s, rng = 8, 1000, 1.0, 1.0, np.random.default_rng(6)
    B, r = enough(n, d, t, s, 100.0, 0.5)
    g = 10 * rng.standard_normal((20, 2**B, n))
    inside = (g >= t).all(axis=2) & (g <= t + 2 * s).all(axis=2)
    assert not inside.any()
    assert B < 10 and r > 0.03


def test_bits_asked_for_by_the_book_tend_to_the_theorem():
    """n = 100 and nearly orthogonal points: the quotient falls to 1 as t grows."""
    quotients = []
    for t in (2, 8, 32, 128):
        B, r = min(enough(100, 1e12, t, s, 1.0, 0.01) for s in np.linspace(0.02, 3, 150))
        quotients.append(B / (100 * 1e12 * r**2 / (2 * math.log(2))))
    assert quotients == sorted(quotients, reverse=True)
    assert 1 < quotients[-1] < 1.005
