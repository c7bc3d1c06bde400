"""Exercises of "Adversarial examples", "The model of memorization" and "Robust memorization"."""

import itertools
import math

import numpy as np
from scipy import optimize, special
from scipy.spatial.distance import cdist, pdist
from scipy.stats import beta

from ..data import random_signs, sphere
from ..memorizers import McShane
from . import When, array, call, function, judge, row, smallest

# Chapter 1, "Adversarial examples" -------------------------------------------------------------


def _attacks(rng):
    for norm, y in itertools.product(("linf", "l2"), (1, -1)):
        yield rng.standard_normal(4), 0.3, rng.standard_normal(4), y, 0.7, norm


@row(trials=_attacks, seed=1, what="the {norm} margin", abs=1e-6)
def worst_margin(given, w, b, x, y, eps, norm):
    """adversarial-1: a function worst_margin(w, b, x, y, eps, norm) that returns one number
    For a {norm} ball of radius {eps} and label {y:+d} a search finds the margin {right:.4f}; you return {given:.4f}.
    + That is the margin before the attack; it has to be taken at the worst point of the ball.
    + That belongs to the other norm: the price per unit of eps is the norm of w dual to the attack's.
    """
    cube = min(y * (w @ (x + u) + b) for u in itertools.product((-eps, eps), repeat=len(x)))
    limit = {"type": "ineq", "fun": lambda u: eps**2 - u @ u, "jac": lambda u: -2 * u}
    setting = {"method": "SLSQP", "options": {"ftol": 1e-14, "maxiter": 500}}
    start, slope = np.zeros_like(x), {"jac": lambda u: y * w, "constraints": limit}
    ball = optimize.minimize(lambda u: y * (w @ (x + u) + b), start, **slope, **setting).fun
    right, other = (cube, ball) if norm == "linf" else (ball, cube)
    return right, y * (w @ x + b), other


@judge("adversarial-2: a function project(delta, eps) that returns an array of the shape of delta")
def project(answer):
    f, rng, eps = function(answer, "project(delta, eps)"), np.random.default_rng(2), 0.5
    small, large = 0.1 * rng.standard_normal((3, 5)), rng.standard_normal((3, 5))
    delta = np.vstack([small, large, np.zeros((1, 5))])
    asked = delta.copy()
    given = array(call(f, asked, eps), delta.shape, "project(delta, 0.5)")
    length, inside = np.linalg.norm(given, axis=1), np.linalg.norm(delta, axis=1) <= eps
    i = length.argmax()
    if not np.array_equal(asked, delta):
        return "Your function changes the array it is given; return a new one."
    if length[i] > eps + 1e-9:
        return (
            f"Row {i} of your result has length {length[i]:.3f}, outside the ball of radius {eps}."
        )
    if np.abs(given[6]).max() > 0:
        return "The zero vector lies in the ball; it should stay what it is."
    if np.abs(given - delta)[inside].max() > 1e-9:
        return "A row that lies in the ball already should stay where it is; yours moves."
    setting = {"method": "SLSQP", "options": {"ftol": 1e-14}}
    limit = {"type": "ineq", "fun": lambda u: eps**2 - u @ u}
    for i, x in zip(np.flatnonzero(~inside), delta[~inside], strict=True):
        distance = {"fun": lambda u, x=x: ((u - x) ** 2).sum(), "x0": np.zeros(5)}
        near = optimize.minimize(**distance, **setting, constraints=limit).x
        if np.abs(given[i] - near).max() > 1e-4:
            moved, enough = np.linalg.norm(given[i] - x), np.linalg.norm(near - x)
            return f"Row {i} ends in the ball, but not at its nearest point: it moved {moved:.3f}, and {enough:.3f} would do."


@row(what="the length", rel=0.02)
def noise_length(given, d=784, percent=2.5):
    """adversarial-3: one number, the length of the random perturbation
    < With that length the answer flips too seldom: not {percent:g} % of the time.
    > With that length the answer flips too often: not {percent:g} % of the time.
    = 1 is the length of the shortest perturbation that flips. A random direction is far from that one.
    = √{d} makes the *standard deviation* of the change equal to the margin; then it flips with probability 16 %, not {percent:g} %.
    = You count both sides, but only a change downwards flips the answer.
    """
    # The square of a coordinate has the law Beta(1/2, (d − 1)/2); one side is half of the cases.
    right, two_sided = (
        optimize.brentq(
            lambda r, c=c: special.betainc((d - 1) / 2, 0.5, 1 - 1 / r**2) - c / 100, 1, 1e6
        )
        for c in (2 * percent, percent)
    )
    return right, 1, math.sqrt(d), two_sided


def _labelled_points(rng):
    return [(rng.standard_normal((n, d)), np.arange(n) % 3) for n, d in ((6, 2), (30, 5))]


@row(
    trials=_labelled_points,
    seed=4,
    read=lambda v, X, y: array(v, y.shape, "certified_radius(X, y)"),
    abs=1e-7,
)
def certified_radius(given, X, y):
    """adversarial-4: a function certified_radius(X, y) that returns an array of n numbers
    For {n} points, entry {i} should be {due:.4f}, but you return {got:.4f}.
    + You return the distance; halfway there the answer is still safe, beyond it need not be.
    + You count points with the same label too; they do no harm.
    + Every point is at distance 0 from itself; leave it out.
    """
    D = np.array([[math.dist(p, q) for q in X] for p in X])
    gap, anyone = (
        np.where(out, np.inf, D).min(axis=1)
        for out in (y[:, None] == y, np.eye(len(X), dtype=bool))
    )
    i = np.abs(given - gap / 2).argmax()
    shown = {"n": len(X), "i": i, "due": gap[i] / 2, "got": (given + 0 * gap)[i]}
    return gap / 2, gap, anyone / 2, 0 * gap, shown


@row(what="the number of bits", rel=0)
def label_bits(given, images=1000, classes=10):
    """adversarial-5: a whole number of bits
    < That is too few: there are more labellings than names.
    > That is more than needed: fewer bits already name every labelling.
    = {images} bits tell apart 2^{images} labellings, enough for two classes. There are {some}.
    = {each} bits an image are enough, but not the fewest: one name for all {all} labels together is shorter.
    = {given:g} is not a whole number; round up, since a part of a bit cannot be stored.
    """
    right, each = ((c - 1).bit_length() for c in (classes**images, classes))
    words = {
        "some": {10: "ten"}.get(classes, classes),
        "all": {1000: "thousand"}.get(images, images),
    }
    return right, images, each * images, When(given % 1, right - 0.07), words | {"each": each}


# Chapter 2, "The model of memorization" ---------------------------------------------------------


@row(trials=[(np.array(g),) for g in ([0.0, 0.0], [1.0, -1.0, 1.0], [0.8, -0.2, 0.1, 0.5])])
def noise_level(given, g):
    """memorization-1: a function noise_level(g) that takes the array of the values g(x_i) and returns one number
    For g = {shown} the mean of Var(y|x) is {right:.4g}, but you return {given:.4g}.
    + You squared the mean of g; the mean has to be taken of Var(y|x), point by point.
    + That is σ; σ² is asked for.
    """
    outcomes = (1 + g) / 2 * (1 - g) ** 2 + (1 - g) / 2 * (-1 - g) ** 2
    return outcomes.mean(), 1 - g.mean() ** 2, math.sqrt(outcomes.mean())


@row(what="n", rel=0)
def points_needed(given, t=0.05, delta=0.01):
    """memorization-2: a whole number of points, n
    < With n = {given:g} Hoeffding's inequality does not give probability {sure:g} yet.
    > Hoeffding's inequality gives it already for a smaller n than {given:g}.
    = With n = {given:g} it is not guaranteed, or n is not the smallest: that allows for deviations to one side only; |...| has two sides.
    = With n = {given:g} it is not guaranteed, or n is not the smallest: that takes the range of z² to be [0, 1]; it is [0, 4].
    = With n = {given:g} it is not guaranteed, or n is not the smallest: the length of the range, 4, enters squared.
    = n = {given:g} is not a whole number of points; round up.
    """
    right, one_side, range_1, unsquared = (
        smallest(lambda n, s=sides, r=square: s * math.exp(-2 * n * t**2 / r) <= delta)
        for sides, square in ((2, 16), (1, 16), (2, 1), (2, 4))
    )
    return right, one_side, range_1, unsquared, When(given % 1, right + 0.5), {"sure": 1 - delta}


@judge(
    "memorization-3: a function laziest_fit(g, z, eps) that returns the array of the values f(x_i)"
)
def laziest_fit(answer):
    f, rng = function(answer, "laziest_fit(g, z, eps)"), np.random.default_rng(3)
    for n, share in ((4, 0.5), (50, 0.1), (50, 1.0)):
        g, z = rng.uniform(-0.5, 0.5, n), rng.uniform(-0.5, 0.5, n)
        s = np.mean(z**2)
        eps = share * s
        values = array(call(f, g.copy(), z.copy(), eps), (n,), "the returned values")
        error, correlation = np.mean((values - g - z) ** 2), np.mean(z * (values - g))
        if not math.isclose(error, s - eps, rel_tol=1e-6, abs_tol=1e-9):
            return f"With mean z² = {s:.4g} and eps = {eps:.4g} the mean squared error must be {s - eps:.4g}, but it is {error:.4g}."
        # The least ρ for which some h has mean zh = ρ and mean (h − z)² = s − ε: a root.
        least = np.roots([1 / s, -2, eps]).real.min()
        if correlation > least * (1 + 1e-6) + 1e-9:
            return f"The error is right, but (1/n)·Σ z(f − g) = {correlation:.4g}; it can be as small as {least:.4g}."


def _features(rng):
    yield rng.standard_normal((6, 2)), np.full(6, 0.5)
    yield rng.standard_normal((7, 3)), rng.uniform(0, 1, 7)


@row(trials=_features, seed=4, what="n = {X.shape[0]}, P = {X.shape[1]}")
def expected_training_error(given, X, sigma):
    """memorization-4: a function expected_training_error(X, sigma) that returns one number
    For n = {n} points and P = {P} the mean over all {all} noise signs is {right:.4g}, but you return {given:.4g}.
    + σ²(1 − P/n) holds for constant noise only; here points with much noise may be fitted better or worse than others.
    + That is the sum over the points, not the mean.
    """
    n, P = X.shape
    z = sigma[:, None] * np.array(list(itertools.product((-1.0, 1.0), repeat=n))).T
    right = np.mean((z - X @ np.linalg.lstsq(X, z, rcond=None)[0]) ** 2)
    return right, np.mean(sigma**2) * (1 - P / n), n * right, {"n": n, "P": P, "all": 2**n}


@row(what="the number of bits", rel=0, abs=0.06)
def bits_to_beat_noise(given, n=1000, eps=0.5):
    """memorization-5: a number of bits, to one decimal
    < For one function the probability is at most exp(−n(ε/2)²/2). More bits than that are still excluded.
    > For one function the probability is at most exp(−n(ε/2)²/2). Fewer bits than that are not excluded.
    = That is the natural logarithm of N; bits are logarithms to base 2.
    = With that many bits the union bound gives probability 1; one half is asked for.
    """
    right, certain = (
        optimize.brentq(lambda b, p=p: b * math.log(2) - n * eps**2 / 8 - math.log(p), -9, n)
        for p in (0.5, 1)
    )
    return right, right * math.log(2), certain


# Chapter 3, "Robust memorization" ---------------------------------------------------------------


@judge("robust-1: a function steepen(f) that returns g, a, b")
def steepen(answer, slope=1000):
    f, rng = function(answer, "steepen(f)"), np.random.default_rng(11)
    for d in (4, 9):
        fit = McShane.fit(sphere(40, d, rng), random_signs(40, rng))
        result = call(f, fit)
        if not isinstance(result, tuple) or len(result) != 3:
            return "steepen(f) should return three things: the function g and two points a and b."
        g = function(result[0], "g(Z)")
        a, b = array(result[1], (d,), "the point a"), array(result[2], (d,), "the point b")
        ball = sphere(300, d, rng) * rng.random((300, 1)) ** (1 / d)
        values = array(call(g, ball), (300,), "g on 300 points of the unit ball")
        gap, run = np.abs(values - fit(ball)).max(), np.linalg.norm(a - b)
        if gap > 1e-9:
            return f"In the unit ball g must equal f, but there is a point where they differ by {gap:.3g}."
        if run == 0:
            return "a and b are the same point; a slope needs two."
        ends = array(call(g, np.stack([a, b])), (2,), "g at a and b")
        if (steep := abs(ends[0] - ends[1]) / run) < slope:
            return f"Between your a and b the slope of g is {steep:.4g}; it should be at least {slope}."


@row(what="the dimension", rel=0)
def dimension_for_far_points(given, points=10**6, distance=1.0, level=0.01):
    """robust-2: a whole number, the dimension
    < In dimension {given:.0f} the expected number of pairs closer than {distance:g} is still {still:.3g}.
    > Dimension {given:.0f} is enough, but so is {less:.0f}; the smallest one is asked for.
    = A dimension is a whole number of at least 2, not {given:g}.
    + Did you use the bound with the sine? Take the exact probability.
    """

    def expected(d):  # (1 + <x, x'>)/2 has the law Beta((d − 1)/2, (d − 1)/2)
        return math.comb(points, 2) * beta.sf(1 - distance**2 / 4, (d - 1) / 2, (d - 1) / 2)

    right = smallest(lambda d: expected(d) <= level, 2)
    sine = math.sqrt(1 - (1 - distance**2 / 2) ** 2)
    bound = smallest(lambda d: math.comb(points, 2) / 2 * sine ** (d - 1) <= level, 2)
    odd = When(given % 1 or given < 2, right - 0.5)
    return right, odd, bound, {"still": expected(given), "less": given - 1}


@judge("robust-3: a function halfway(X, y, Z)")
def halfway(answer):
    f, rng = function(answer, "halfway(X, y, Z)"), np.random.default_rng(12)
    for n, d in ((30, 3), (60, 8)):
        X, y = sphere(n, d, rng), random_signs(n, rng)
        Z = 1.5 * rng.standard_normal((400, d)) / np.sqrt(d)
        L, distances = (pdist(y[:, None]) / pdist(X)).max(), cdist(Z, X)
        upper, lower = (y + L * distances).min(axis=1), (y - L * distances).max(axis=1)
        at_data = array(call(f, X, y, X), (n,), "the values at the data points")
        if np.abs(at_data - y).max() > 1e-9:
            return "Your function does not fit: at some data point its value is not the label."
        values = array(call(f, X, y, Z), (400,), "the values at 400 other points")
        if (values > upper + 1e-9).any() or (values < lower - 1e-9).any():
            return "Somewhere your function leaves the room between the two extreme fits, so it is not L*-Lipschitz."
        if np.abs(values - upper).max() < 1e-9 or np.abs(values - lower).max() < 1e-9:
            return "That is one of the two extreme fits; the one halfway between them is asked for."
        if (values * y[distances.argmin(axis=1)] < -1e-9).any():
            return "Its sign should be the label of the nearest data point, but somewhere it is the other one."
        if np.abs(values - (upper + lower) / 2).max() > 1e-9:
            return (
                "It fits and has the right signs, but it is not the mean of the two extreme fits."
            )


@judge("robust-4: a pair X, Y of arrays: points, and labels with two coordinates each")
def coordinates_lose_a_factor(answer, factor=1.4):
    if not isinstance(answer, tuple) or len(answer) != 2:
        return "I expected the pair (X, Y)."
    if any(part is Ellipsis or part is None for part in answer):
        return "X or Y is not filled in yet."
    x, y = map(np.shape, answer)
    if len(x) != 2 or len(y) != 2 or y[1] != 2 or x[0] != y[0]:
        return f"X should be (n, d) and Y (n, 2) with the same n; I got shapes {x} and {y}."
    if x[0] < 2:
        return "One point has no slopes; use at least two (three are enough)."
    X, Y = array(answer[0], x, "X"), array(answer[1], y, "Y")
    run = pdist(X)
    if (run == 0).any():
        return "Two of the points coincide; then no function fits different labels there."
    whole, first, second = ((pdist(part) / run).max() for part in (Y, Y[:, :1], Y[:, 1:]))
    if whole == 0:
        return "All labels are equal, so that every constant is 0."
    if (ratio := math.hypot(first, second) / whole) < factor:
        return f"Coordinate by coordinate the bound is {ratio:.3f} times L*; at least {factor:g} times is asked for."


@row(what="the number of bits", rel=0, abs=0.01)
def bits_for_most_signs(given, signs=100, hits=90):
    """robust-5: a number of bits
    {given:.4g} bits is not it. One function serves all patterns that differ from its own in at most {off} places.
    = {perfect} bits are needed for a perfect fit. How many sign patterns does one function serve now?
    = You are one bit too high: the probability is to be at least 1/2, not 1.
    """
    served, perfect = sum(math.comb(signs, k) for k in range(signs - hits + 1)), signs - 1
    right = perfect - math.log2(served)
    return right, perfect, right + 1, {"perfect": perfect, "off": signs - hits}
