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


def test_the_line_is_kept_by_every_word_of_a_code_and_broken_where_labels_look_at_the_points():
    """A code with words of two lengths: sparse and full sign vectors; any multiple is free."""
    n, d, delta, draws, rng = 100, 10, 0.05, 100, np.random.default_rng(2)
    full = np.array(list(itertools.product((-1.0, 1.0), repeat=d)))
    words = (
        np.concatenate([np.eye(d), full]) / np.append(np.ones(d), np.full(2**d, d**0.5))[:, None]
    )
    bits = np.append(np.full(d, 1 + math.log2(d)), np.full(2**d, 1.0 + d))
    assert np.sum(2.0**-bits) <= 1 + 1e-12  # Kraft
    line = np.sqrt(n * (d - 1) / (2 * (bits * math.log(2) + math.log(1 / delta))))
    broken = {"independent": 0, "from a word": 0}
    for _ in range(draws):
        X = rng.standard_normal((n, d))
        X /= np.linalg.norm(X, axis=1, keepdims=True)
        own = rng.choice([-1.0, 0.3, 2.0], n)  # real labels, far from balanced
        for case, y in zip(broken, (own, np.sign(X @ words[-1])), strict=True):
            V = X @ words.T - np.mean(X @ words.T, axis=0)
            below = np.zeros(len(words), dtype=bool)
            lean, square = (y - y.mean()) @ V / n, np.mean(V**2, axis=0)
            for scale in (0.01, 1.0, 3.0):  # any multiple is free, and any constant
                err = np.var(y) - 2 * scale * lean + scale**2 * square
                below |= (np.std(y) - np.sqrt(err)) * line > scale
            broken[case] += any(below)
    assert broken["independent"] <= delta * draws
    assert broken["from a word"] == draws  # the control


def test_with_a_signal_some_term_is_needed_and_the_one_of_the_line_is_enough():
    """Least squares in 8 bits a coordinate, where the line bites, and constants, where it is tight."""
    n, d, delta, rng = 200, 120, 0.05, np.random.default_rng(3)
    term = math.sqrt(2 * math.log(1 / delta) / n)
    bare = below = bites = 0
    for _ in range(40):
        X = rng.standard_normal((n, d)) / math.sqrt(d)
        g, z = 0.05 * np.sign(X[:, 0]), rng.choice([-1.0, 1.0], n)
        y = g + z
        bare += np.std(z) > np.std(y)  # a constant, whose slope is 0, has err = Var y
        assert np.std(z) - np.std(y) <= term
        w = np.linalg.lstsq(X, y, rcond=None)[0]
        step = np.abs(w).max() / 127
        w = np.round(w / step) * step
        nats = 8 * d * math.log(2) + math.log(1 / delta)
        signal = np.std(z) - np.sqrt(np.mean((y - X @ w) ** 2)) - term
        bites += signal > 0
        below += np.linalg.norm(w) < signal * math.sqrt(n * d / (2 * nats))
    assert bare > 4 and bites == 40 and below == 0


@pytest.mark.parametrize("beta", [0.01, 0.1, 0.5, 1.0, 2.0, 2.99])
def test_noise_that_depends_on_the_points_is_at_worst_like_a_normal_number(beta):
    """The exponent of the proof, maximised numerically, at the threshold of the statement."""
    u = np.linspace(0, 1, 200_001)[1:-1]
    threshold = math.sqrt(2 * (1 + beta) * beta)
    exponent = np.max(threshold * np.sqrt(u) + np.log1p(-u) / 2)
    smaller = np.max(math.sqrt(2 * beta) * np.sqrt(u) + np.log1p(-u) / 2)
    assert smaller < beta <= exponent  # the control: without the factor κ it is not enough


@pytest.mark.parametrize("lam", [0.1, 0.3, 0.5, 0.8])
def test_no_noise_in_an_interval_exceeds_the_moments_of_the_lemma(lam):
    """Two points around the mean, their probability chosen for each x: the worst for a normal h."""
    h, weight = np.polynomial.hermite_e.hermegauss(60)
    p = np.linspace(0.001, 0.999, 999)[:, None]
    moments = p * np.exp(2 * lam * h * (1 - p)) + (1 - p) * np.exp(-2 * lam * h * p)
    worst = np.max(moments, axis=0) @ weight / weight.sum()
    assert math.exp(lam**2 / 2) < worst  # worse than noise that does not look at x
    assert worst <= min((1 - lam**2) ** -0.5, math.exp(2 * lam**2)) * 1.0001


def test_noise_on_a_part_of_the_space_costs_a_logarithm_for_each_noisy_point():
    n, d, delta, alpha, draws, rng = 300, 10, 0.05, 0.1, 300, np.random.default_rng(4)
    words = np.array(list(itertools.product((-1.0, 1.0), repeat=d))) / math.sqrt(d)
    broken, best = {True: 0, False: 0}, []
    for _ in range(draws):
        X = rng.standard_normal((n, d)) / math.sqrt(d)
        inside = X[X[:, 0] > 1.2816 / math.sqrt(d)]  # a tenth of the normal law
        m = len(inside)
        for fair in broken:
            y = rng.choice([-1.0, 1.0], m) if fair else np.sign(inside[:, 1])
            a = y - y.mean()
            nats = math.log(len(words) / delta) + m * math.log(1 / alpha)
            bound = math.sqrt(2 * (a @ a) * nats / d)
            broken[fair] += (words @ inside.T @ a).max() > bound
            if fair:
                best.append((words @ inside.T @ a).max() / bound)
    assert broken[True] == 0 and max(best) > 0.2


def test_noisy_copies_of_images_obey_the_law_also_with_pixels_cut():
    """Images anywhere in the cube, functions that bend: maxima of two directions, all 1-Lipschitz."""
    k, copies, D, s, delta, rng = 15, 6, 12, 0.15, 0.05, np.random.default_rng(5)
    images, part = rng.integers(0, 2, (k, D)) * 1.0, np.repeat(np.arange(15), 6)
    U = rng.standard_normal((2, 1000, D))
    U /= np.linalg.norm(U, axis=2, keepdims=True)
    broken = {"inside": 0, "once": 0}
    for _ in range(150):
        noisy = images[part] + s * rng.standard_normal((k * copies, D))
        y = rng.choice([-1.0, 1.0], k * copies)
        inside = y - (np.bincount(part, y, k) / copies)[part]
        for case, a in (("inside", inside), ("once", y - y.mean())):
            bound = s * math.sqrt(2 * (a @ a) * math.log(1000 / delta))
            values = [np.maximum(U[0] @ x.T, U[1] @ x.T) for x in (noisy, np.clip(noisy, 0, 1))]
            broken[case] += max((v @ a).max() for v in values) > bound
    assert broken["inside"] <= delta * 150
    assert broken["once"] > 100  # the control: the images carry labels
