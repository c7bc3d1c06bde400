"""Truths of the chapters from "Adversarial examples" to "The law of robustness"."""

import itertools
import math
from fractions import Fraction

import numpy as np
from scipy import stats
from scipy.integrate import quad
from scipy.optimize import brentq, minimize
from scipy.spatial.distance import cdist, pdist

from .. import data
from ..law import law_curve
from ..memorizers import McShane
from . import When, array, call, cap, function, raised, row, signs, smallest


def _least_in_ball(loss, d, eps):
    inside = {"type": "ineq", "fun": lambda u: eps**2 - u @ u}
    options = {"ftol": 1e-14, "maxiter": 500}
    return minimize(loss, np.zeros(d), method="SLSQP", constraints=inside, options=options)


def _attacks(rng):
    for norm, y in itertools.product(("linf", "l2"), (1, -1)):
        yield rng.standard_normal(4), 0.3, rng.standard_normal(4), y, 0.7, norm


@row("adversarial-1", _attacks, seed=1, what="the {norm} margin", abs=1e-6)
def worst_margin(given, w, b, x, y, eps, norm):
    def margin(u):
        return y * (w @ (x + u) + b)

    right, other = min(map(margin, eps * signs(4))), _least_in_ball(margin, 4, eps).fun
    right, other = (right, other) if norm == "linf" else (other, right)
    return right, dict(unattacked=margin(0), other_norm=other)


@row("adversarial-2")
def project(f):
    rng, eps = np.random.default_rng(2), 0.5
    small, large = 0.1 * rng.standard_normal((3, 5)), rng.standard_normal((3, 5))
    delta = np.vstack([small, large, np.zeros((1, 5))])
    asked = delta.copy()
    given = array(call(f, asked, eps), delta.shape, "project(delta, 0.5)")
    lengths = np.linalg.norm(given, axis=1)
    i, length = lengths.argmax(), lengths.max()
    yield "changed", not np.array_equal(asked, delta)
    yield "outside", length > eps + 1e-9
    yield "zero", np.abs(given[6]).max() > 0
    yield "inside", np.abs(given[:3] - small).max() > 1e-9
    for i in range(3, 6):
        near = _least_in_ball(lambda u, x=delta[i]: ((u - x) ** 2).sum(), 5, eps).x
        moved, enough = np.linalg.norm(given[i] - delta[i]), np.linalg.norm(near - delta[i])
        yield "far", np.abs(given[i] - near).max() > 1e-4


@row("adversarial-3", what="the length", rel=0.02)
def noise_length(given, d=784, percent=2.5):
    # the square of a coordinate has the law Beta(1/2, (d − 1)/2); one side is half of the cases
    right, two_sided = (stats.beta.isf(c * percent / 100, 0.5, (d - 1) / 2) ** -0.5 for c in (2, 1))
    return right, dict(shortest=1, deviation=math.sqrt(d), two_sided=two_sided)


def _labelled_points(rng):
    return [(rng.standard_normal((n, d)), np.arange(n) % 3) for n, d in ((6, 2), (30, 5))]


@row("adversarial-4", _labelled_points, seed=4, what="certified_radius(X, y)", abs=1e-7)
def certified_radius(given, X, y):
    same, itself = y[:, None] == y, np.eye(len(X), dtype=bool)
    gap, anyone = (np.where(out, np.inf, cdist(X, X)).min(axis=1) for out in (same, itself))
    i = np.abs(given - gap / 2).argmax()
    words = dict(i=i, due=gap[i] / 2, got=(given + 0 * gap)[i])
    return gap / 2, dict(distance=gap, same_label=anyone / 2, itself=0 * gap), words


@row("adversarial-5", what="the number of bits", rel=0)
def label_bits(given, images=1000, classes=10):
    right, each = ((c - 1).bit_length() for c in (classes**images, classes))
    part = When(given % 1, right - 0.07)
    some, all = {10: "ten"}.get(classes, classes), {1000: "thousand"}.get(images, images)
    wrong = dict(two_classes=images, one_by_one=each * images, part=part)
    return right, wrong, dict(each=each, some=some, all=all)


@row("memorization-1", [(np.array(g),) for g in ([0.0, 0], [1.0, -1, 1], [0.8, -0.2, 0.1, 0.5])])
def noise_level(given, g):
    right = ((1 + g) / 2 * (1 - g) ** 2 + (1 - g) / 2 * (-1 - g) ** 2).mean()
    return right, dict(squared=1 - g.mean() ** 2, sigma=math.sqrt(right))


@row("memorization-2", what="n", rel=0)
def points_needed(given, t=0.05, delta=0.01):
    right, one_side, range_1, unsquared = (
        smallest(lambda n, s=sides, r=square: s * math.exp(-2 * n * t**2 / r) <= delta)
        for sides, square in ((2, 16), (1, 16), (2, 1), (2, 4))
    )
    wrong = dict(one_side=one_side, range_1=range_1, unsquared=unsquared)
    return right, wrong | dict(part=When(given % 1, right + 0.5)), dict(sure=1 - delta)


@row("memorization-3")
def laziest_fit(f):
    rng = np.random.default_rng(3)
    for n, share in ((4, 0.5), (50, 0.1), (50, 1.0)):
        g, z = rng.uniform(-0.5, 0.5, n), rng.uniform(-0.5, 0.5, n)
        s = np.mean(z**2)
        eps, due = share * s, s - share * s
        values = array(call(f, g.copy(), z.copy(), eps), (n,), "the returned values")
        error, correlation = np.mean((values - g - z) ** 2), np.mean(z * (values - g))
        yield "error", not math.isclose(error, due, rel_tol=1e-6, abs_tol=1e-9)
        # the least ρ for which some h has mean zh = ρ and mean (h − z)² = s − ε: a root
        least = np.roots([1 / s, -2, eps]).real.min()
        yield "correlated", correlation > least * (1 + 1e-6) + 1e-9


def _features(rng):
    yield rng.standard_normal((6, 2)), np.full(6, 0.5)
    yield rng.standard_normal((7, 3)), rng.uniform(0, 1, 7)


@row("memorization-4", _features, seed=4, what="n = {X.shape[0]}, P = {X.shape[1]}")
def expected_training_error(given, X, sigma):
    n, P = X.shape
    z = sigma[:, None] * signs(n).T
    right = np.mean((z - X @ np.linalg.lstsq(X, z, rcond=None)[0]) ** 2)
    return right, dict(constant=np.mean(sigma**2) * (1 - P / n), sum=n * right), dict(all=2**n)


@row("memorization-5", what="the number of bits", rel=0, abs=0.06)
def bits_to_beat_noise(given, n=1000, eps=0.5):
    right = brentq(lambda b: b * math.log(2) - n * eps**2 / 8 - math.log(0.5), -9, n)
    return right, dict(natural=right * math.log(2), certain=right + 1)


@row("robust-1")
def steepen(f, slope=1000):
    rng = np.random.default_rng(11)
    for d in (4, 9):
        fit = McShane.fit(data.sphere(40, d, rng), data.random_signs(40, rng))
        result = call(f, fit)
        yield "three", not isinstance(result, tuple) or len(result) != 3
        g = function(result[0], "g(Z)")
        a, b = array(result[1], (d,), "the point a"), array(result[2], (d,), "the point b")
        ball = data.sphere(300, d, rng) * rng.random((300, 1)) ** (1 / d)
        values = array(call(g, ball), (300,), "g on 300 points of the unit ball")
        gap, run = np.abs(values - fit(ball)).max(), np.linalg.norm(a - b)
        yield "differs", gap > 1e-9
        yield "same", run == 0
        steep = np.ptp(array(call(g, np.stack([a, b])), (2,), "g at a and b")) / run
        yield "flat", steep < slope


@row("robust-2", what="the dimension", rel=0)
def dimension_for_far_points(given, points=10**6, distance=1.0, level=0.01):
    pairs, height = math.comb(points, 2), 1 - distance**2 / 2
    right = smallest(lambda d: pairs * cap(height, d) <= level, 2)
    bound = smallest(lambda d: pairs / 2 * math.sqrt(1 - height**2) ** (d - 1) <= level, 2)
    wrong = dict(no_dimension=When(given % 1 or given < 2, right - 0.5), sine=bound)
    return right, wrong, dict(still=pairs * cap(height, given), less=given - 1)


@row("robust-3")
def halfway(f):
    rng = np.random.default_rng(12)
    for n, d in ((30, 3), (60, 8)):
        X, y = data.sphere(n, d, rng), data.random_signs(n, rng)
        Z = 1.5 * rng.standard_normal((400, d)) / np.sqrt(d)
        distances = cdist(Z, X)
        reach = (pdist(y[:, None]) / pdist(X)).max() * distances
        upper, lower = (y + reach).min(axis=1), (y - reach).max(axis=1)
        at_data = array(call(f, X, y, X), (n,), "the values at the data points")
        yield "no_fit", np.abs(at_data - y).max() > 1e-9
        values = array(call(f, X, y, Z), (400,), "the values at 400 other points")
        yield "outside", (values > upper + 1e-9).any() or (values < lower - 1e-9).any()
        yield "extreme", any(np.abs(values - fit).max() < 1e-9 for fit in (upper, lower))
        yield "sign", (values * y[distances.argmin(axis=1)] < -1e-9).any()
        yield "no_mean", np.abs(values - (upper + lower) / 2).max() > 1e-9


@row("robust-4")
def coordinates_lose_a_factor(answer, factor=1.4):
    yield "no_pair", not isinstance(answer, tuple) or len(answer) != 2
    yield "hole", any(part is Ellipsis or part is None for part in answer)
    x, y = map(np.shape, answer)
    yield "shapes", len(x) != 2 or len(y) != 2 or y[1] != 2 or x[0] != y[0]
    yield "single", x[0] < 2
    X, Y = array(answer[0], x, "X"), array(answer[1], y, "Y")
    run = pdist(X)
    yield "coincide", (run == 0).any()
    whole, first, second = ((pdist(part) / run).max() for part in (Y, Y[:, :1], Y[:, 1:]))
    yield "equal", whole == 0
    ratio = math.hypot(first, second) / whole
    yield "small", ratio < factor


@row("robust-5", what="the number of bits", rel=0, abs=0.01)
def bits_for_most_signs(given, signs=100, hits=90):
    served, perfect = sum(math.comb(signs, k) for k in range(signs - hits + 1)), signs - 1
    right = perfect - math.log2(served)
    wrong = dict(perfect=perfect, certain=right + 1)
    return right, wrong, dict(perfect=perfect, off=signs - hits)


def layers(s, channels, side, kernel, classes):
    """Weights and biases of the four layers of the network of chapters 4 and 9, one row a layer."""
    wide, square = 4 * s * (side // 4) ** 2, kernel**2
    into, out = (square * channels, square * 2 * s, wide, 64 * s), (2 * s, 4 * s, 64 * s, classes)
    return np.array([(a * b, b) for a, b in zip(into, out, strict=True)])


@row("size-1", [(1,), (2,), (3,), (8,)], rel=0)
def n_parameters(given, s, side=28, kernel=5, classes=10):
    counted = layers(s, 1, side, kernel, classes)
    right, first, second = counted.sum(), counted[0].sum(), counted[1].sum()
    unshared = right + (side**2 - 1) * first + ((side // 2) ** 2 - 1) * second
    full = counted[2, 0]  # multiplied by 4 or 16 without poolings
    unpooled = (given - right) % (4 * s * 64 * s) == 0 and given > right
    wrong = dict(unshared=unshared, no_biases=counted[:, 0].sum())
    return right, wrong | dict(unpooled=When(unpooled, right + 3 * full))


@row("size-2", what="the number of bits", rel=0, abs=1.5)
def bits_of_a_support(given, weights=10**6, left=10**4):
    right = math.fsum(math.log2((weights - left + k) / k) for k in range(1, left + 1))
    few, all = (f"{n:,}".replace(",", " ") for n in (left, weights))
    wrong = dict(natural=right * math.log(2), ordered=left * math.log2(weights))
    return right, wrong, dict(few=few, all=all)


@row("size-3", what="c", rel=0, abs=1e-3)
def constant_of_smooth_bumps(given, power=2):
    t = np.linspace(0, 1, 2_000_001)
    steepest = np.abs(np.diff((1 - t**2) ** power)).max() / t[1]
    return 2 * steepest, dict(cone=2, in_t=steepest), dict(raised=raised(power))


@row("size-4")
def decode(f):
    rng = np.random.default_rng(14)
    for n, d, b in ((2, 1, 3), (3, 2, 4), (5, 4, 9)):
        steps, bits = rng.integers(0, 2**b, (n, d)), rng.integers(0, 2, n)
        steps[0, 0] = 0  # leading zeros are digits too
        text = "".join(f"{s:0{b}b}" for s in steps.ravel()) + "".join(map(str, bits))
        result = call(f, int(text, 2), n, d, b)
        yield "two", not isinstance(result, tuple) or len(result) != 2
        centres = array(result[0], (n, d), "the centres")
        labels = array(result[1], (n,), "the signs")
        yield "zeros", np.array_equal(labels, bits)
        yield "labels", not np.array_equal(labels, 2.0 * bits - 1)
        yield "centres", np.abs(centres - (2 * steps / (2**b - 1) - 1)).max() > 1e-12


@row("size-5", what="P", rel=0)
def coordinates_close_to_the_law(given, n=100, percent=10):
    most = 1 + Fraction(str(percent)) / 100
    right, of_squares = (  # √(nd/(P − n − 1)) ≤ most·√(nd/P), squared
        smallest(lambda P, a=a: Fraction(P, P - n - 1) <= a, n + 2) for a in (most**2, most)
    )
    return right, dict(part=When(given % 1, right - 0.05), squares=of_squares)


@row("isoperimetry-1", what="√d·std(f)", rel=0, abs=2e-4)
def half_a_coordinate(given):
    mean, square = (quad(lambda x, k=k: x**k * stats.norm.pdf(x), 0, 12)[0] for k in (1, 2))
    variance = square - mean**2
    wrong = dict(no_mean=math.sqrt(square), variance=variance, mean=mean, whole=1)
    return math.sqrt(variance), wrong


@row("isoperimetry-2", what="the dimension", rel=0)
def dimension_for_a_small_coordinate(given, size=0.1, level=1e-6):
    right, one_side = (smallest(lambda d, p=p: p * cap(size, d) <= level, 2) for p in (2, 1))
    bound = smallest(lambda d: 2 * math.exp(-d * size**2 / 2) <= level)
    odd, one = When(given % 1 or given < 2, right - 0.5), When(one_side <= given < right, one_side)
    wrong = dict(no_dimension=odd, one_side=one, bound=When(bound <= given < bound + 2, bound))
    return right, wrong, dict(still=2 * cap(size, given), less=given - 1)


@row("isoperimetry-3", [(1.0, 3, 12, 1.0), (0.5, 4, 10, 3.0), (2.0, 5, 5, 0.5)])
def constant_of_pictures(given, c, k, d, Lam):
    # d times the variance of a linear picture of Gaussian v, in its worst direction
    T = Lam * np.linalg.qr(np.random.default_rng(d).standard_normal((d, k)))[0]
    right = d * np.linalg.eigvalsh(T @ (c / k * np.eye(k)) @ T.T)[-1]
    return right, dict(unsquared=right / Lam)


@row("isoperimetry-4", [(1,), (2,), (5,), (10,)])
def half_space_spread(given, d):
    sums = signs(d).sum(axis=1)
    right = np.maximum(sums / d, 0).std()
    corners = (2 * np.sqrt(np.maximum(np.ceil(sums / 2), 0) / d)).std()
    corners = When(d != 2 and math.isclose(given, corners), corners)  # at d = 2 both are one
    return right, dict(corners=corners, root_d=math.sqrt(d) * right), dict(all=2**d)


@row("isoperimetry-5")
def best_direction(f):
    rng = np.random.default_rng(15)
    centres = 0.8 * np.linalg.qr(rng.standard_normal((30, 1)))[0].T * np.array([[1.0], [-1.0]])
    samples = {
        "two clusters": data.gaussian_mixture(400, centres + 0.5, rng).X,
        "a 3-sphere in a subspace": data.sphere_in_subspace(
            300, data.random_subspace(20, 3, rng), rng
        ),
        "a stretched Gaussian, shifted": data.gaussian(500, 8, rng) * np.arange(1, 9) + 5,
    }
    for name, X in samples.items():
        u = array(call(f, X.copy()), X.shape[1:], f"the direction for {name}")
        length, given = np.linalg.norm(u), (X @ u).std()
        yield "length", abs(length - 1) > 1e-6
        best = np.linalg.eigvalsh(np.cov(X.T, bias=True))[-1] ** 0.5
        yield "less" if "subspace" in name else "centred", given < best * (1 - 1e-6)


@row("law-1", what="the number of parameters", rel=1e-3)
def parameters_for_a_slope(given, n=1e6, d=300, sigma=0.1, L=5.0):
    def P(L, sigma):
        return brentq(lambda P: law_curve(n, d, P, sigma=sigma) - L, 1e-9, 1e30)

    wrong = dict(negative=When(given <= 0, -5), no_noise=P(L, 1), sigma=P(L, math.sqrt(sigma)))
    wrong |= dict(unsquared=P(math.sqrt(L), sigma), scale_1=P(1, sigma), other=When(True, 120_500))
    scale = law_curve(n, d, given if given > 0 else 1, sigma=sigma)
    return P(L, sigma), wrong, dict(scale=scale)


@row("law-2", [(0.05,), (0.3,), (1.0,)])
def radius(given, eps):
    y, a = np.meshgrid(np.linspace(-1, 1, 201), np.linspace(-1, 1, 201))

    def differ(eta):  # |(y − f)² − (y − f')²| is largest at the ends, or where f' leaves [−1, 1]
        b = np.clip(np.stack([a - eta, a + eta]), -1, 1)
        return np.abs((y - a) ** 2 - (y - b) ** 2).max()

    right = brentq(lambda eta: differ(eta) - eps / 2, 0, 2)
    wrong = dict(outside=When(not 0 < given < 2, 3.0), submission=eps / 6, limit=eps / 8)
    return right, wrong, dict(differ=differ(given), half=eps / 2)


@row("law-3", [(1.0,), (0.6,), (0.2,), (0.01,)])
def saved(given, alpha):
    rng = np.random.default_rng(63)
    X, y = data.sphere(60, 10, rng), 0.4 * data.random_signs(60, rng)
    w = np.linalg.lstsq(X, y, rcond=None)[0]
    once, shrunk = (np.mean(y**2) - np.mean((a * X @ w - y) ** 2) for a in (1, alpha))
    return alpha * once / shrunk, dict(slope=alpha, inverse=shrunk / once / alpha)


@row("law-4", [(100, 50, 3, 0.1), (40, 40, 40, 1.2), (1000, 200, 8, 0.15)], rel=1e-5)
def close_pairs(given, n, d, m, t):
    length = stats.chi(m, scale=math.sqrt(2 / d))  # of an N(0, (2/d)·I_m) vector
    right, half = (n * (n - 1) / 2 * quad(length.pdf, 0, r)[0] for r in (t, t / math.sqrt(2)))
    variance = When(given < right, half)
    return right, dict(twice=2 * right, itself=right * n / (n - 1), variance=variance)


@row("law-5", [((3, 4, 1), 1.0), ((10, 7, 9, 1), 2.5), ((5, 20, 4, 6, 2, 1), 1.0)], rel=1e-9)
def log_J(given, widths, W):
    free = [np.ones((b, a + 1)) for a, b in itertools.pairwise(widths)]  # not fixed at 0
    carried = [np.vstack([V, np.eye(1, V.shape[1])]) for V in free[:-1]] + free[-1:]
    D, W_E = len(free), W * math.sqrt(max(np.count_nonzero(V) for V in carried))
    right, all_D = (math.log(math.sqrt(2 * D) * W_E**k) for k in (D - 1, D))
    base = any(math.isclose(given * math.log(b), right, abs_tol=1e-6) for b in (2, 10))
    base, fewer = When(base, right / math.log(10)), When(given < right, 0.0)
    return right, dict(base=base, all_D=all_D, length=right - math.log(2) / 2, entries=fewer)
