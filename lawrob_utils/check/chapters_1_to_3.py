"""Truths for "Adversarial examples", "The model of memorization" and "Robust memorization"."""

import itertools
import math

import numpy as np
from scipy.optimize import brentq, minimize
from scipy.spatial.distance import cdist, pdist
from scipy.stats import beta

from ..data import random_signs, sphere
from ..memorizers import McShane
from . import When, array, call, cap, function, row, signs, smallest

# Chapter 1, "Adversarial examples" -------------------------------------------------------------


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
    right, two_sided = (beta.isf(c * percent / 100, 0.5, (d - 1) / 2) ** -0.5 for c in (2, 1))
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


# Chapter 2, "The model of memorization" ---------------------------------------------------------


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


# Chapter 3, "Robust memorization" ---------------------------------------------------------------


@row("robust-1")
def steepen(f, slope=1000):
    rng = np.random.default_rng(11)
    for d in (4, 9):
        fit = McShane.fit(sphere(40, d, rng), random_signs(40, rng))
        result = call(f, fit)
        yield "three", not isinstance(result, tuple) or len(result) != 3
        g = function(result[0], "g(Z)")
        a, b = array(result[1], (d,), "the point a"), array(result[2], (d,), "the point b")
        ball = sphere(300, d, rng) * rng.random((300, 1)) ** (1 / d)
        values = array(call(g, ball), (300,), "g on 300 points of the unit ball")
        gap, run = np.abs(values - fit(ball)).max(), np.linalg.norm(a - b)
        yield "differs", gap > 1e-9
        yield "same", run == 0
        steep = np.ptp(array(call(g, np.stack([a, b])), (2,), "g at a and b")) / run
        yield "flat", steep < slope


@row("robust-2", what="the dimension", rel=0)
def dimension_for_far_points(given, points=10**6, distance=1.0, level=0.01):
    def expected(d):
        return math.comb(points, 2) * cap(1 - distance**2 / 2, d)

    right = smallest(lambda d: expected(d) <= level, 2)
    sine = math.sqrt(1 - (1 - distance**2 / 2) ** 2)
    bound = smallest(lambda d: math.comb(points, 2) / 2 * sine ** (d - 1) <= level, 2)
    wrong = dict(no_dimension=When(given % 1 or given < 2, right - 0.5), sine=bound)
    return right, wrong, dict(still=expected(given), less=given - 1)


@row("robust-3")
def halfway(f):
    rng = np.random.default_rng(12)
    for n, d in ((30, 3), (60, 8)):
        X, y = sphere(n, d, rng), random_signs(n, rng)
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
