"""Judges of the exercises of the chapter "MNIST and ImageNet".

Each takes its truth from elsewhere than the chapter's solution: connections counted one by one, the law solved by bisection, a numerical
convolution of two log-normal laws, the corners of a cube, and all pairs.
"""

import itertools
import math

import numpy as np

from . import NotYet, call, checker, function, number


@checker(
    "mnist-imagenet-1",
    expects="a function count(s, channels) that returns a whole number of parameters",
)
def _parameters_of_a_convnet(answer):
    count = function(answer, "count(s, channels)")
    for s, channels in ((1, 1), (4, 1), (16, 1), (2, 3)):
        given = number(call(count, s, channels), f"count({s}, {channels})")
        right = _count_one_by_one(s, channels)
        if given == right:
            continue
        hint = ""
        if given == right - 2 * s - 4 * s - 64 * s - 10:
            hint = " That is without the biases."
        elif channels > 1 and given == _count_one_by_one(s, 1):
            hint = " Each filter of the first layer sees all input channels."
        raise NotYet(
            f"For s = {s} and {channels} input channel(s) there are {right} parameters, not {given:g}.{hint}"
        )


def _count_one_by_one(s, channels):
    """Every kernel entry of every filter, then every connection of the full layers, then one bias a unit."""
    kernel = sum(1 for _ in itertools.product(range(5), range(5)))
    first = sum(kernel * channels + 1 for _ in range(2 * s))
    second = sum(kernel * 2 * s + 1 for _ in range(4 * s))
    pixels = sum(1 for _ in itertools.product(range(0, 28, 4), range(0, 28, 4)))
    return (
        first
        + second
        + sum(pixels * 4 * s + 1 for _ in range(64 * s))
        + sum(64 * s + 1 for _ in range(10))
    )


@checker("mnist-imagenet-2", expects="a number between 0 and 1, the noise level σ²")
def _noise_that_explains_the_transition(answer):
    sigma2 = number(answer, "σ²")

    def needed(sigma2):
        return sigma2 * 60_000 * 28 * 28

    low, high = 0.0, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if needed(middle) < 2e5 else (low, middle)
    if math.isclose(sigma2, low, rel_tol=5e-3):
        return
    if math.isclose(sigma2, math.sqrt(low), rel_tol=5e-3):
        raise NotYet("That is σ; σ² is asked for.")
    raise NotYet(
        f"With σ² = {sigma2:.4g} and d_eff = 784 the law asks for {needed(sigma2):.3g} parameters, not for 2·10⁵."
    )


@checker(
    "mnist-imagenet-3",
    expects="a function interval(a, b) of two pairs (low, high) that returns a pair (low, high)",
)
def _interval_of_a_product(answer):
    interval = function(answer, "interval(a, b)")
    for a, b in (
        ((1.0, 10.0), (1.0, 10.0)),
        ((2e5, 3e6), (0.1, 10.0)),
        ((3.0, 3.0), (2.0, 50.0)),
        ((0.5, 8.0), (4.0, 5.0)),
    ):
        given = call(interval, a, b)
        if not isinstance(given, (tuple, list, np.ndarray)) or len(given) != 2:
            raise NotYet("Your function should return two numbers, the lower and the upper end.")
        ends = [number(v, "an end of the interval") for v in given]
        if min(ends) <= 0 or ends[0] > ends[1]:
            raise NotYet(
                f"For {a} times {b} you return {ends[0]:.4g} to {ends[1]:.4g}; the ends should be positive and in order."
            )
        for end, wanted, word in zip(ends, (0.05, 0.95), ("lower", "upper"), strict=True):
            found = _probability_below(end, a, b)
            if abs(found - wanted) > 0.004:
                hint = (
                    " Multiplying the ends assumes that both are extreme at once."
                    if math.isclose(end, a[word == "upper"] * b[word == "upper"])
                    else ""
                )
                raise NotYet(
                    f"For {a} times {b} the product lies below your {word} end {end:.4g} with probability {found:.3f}, not {wanted}.{hint}"
                )


def _probability_below(x, a, b):
    """P(product < x) for two log-normal numbers with these 5 % and 95 % points, by a sum over a fine grid of the first."""
    t = np.linspace(-8, 8, 4001)
    weight = np.exp(-(t**2) / 2)
    weight /= weight.sum()
    z95 = 1.6448536269514722
    (mean_a, sd_a), (mean_b, sd_b) = (
        ((math.log(v[0]) + math.log(v[1])) / 2, (math.log(v[1]) - math.log(v[0])) / (2 * z95))
        for v in (a, b)
    )
    room = math.log(x) - (mean_a + sd_a * t) - mean_b
    below = np.array([math.erf(r / sd_b / math.sqrt(2)) for r in room]) / 2 + 0.5
    return float(weight @ below)


@checker(
    "mnist-imagenet-4",
    expects="a function longest(x, eps) that returns one number, a Euclidean length",
)
def _longest_allowed_perturbation(answer):
    longest = function(answer, "longest(x, eps)")
    rng = np.random.default_rng(94)
    for x, eps in (
        (np.full(4, 0.5), 0.3),
        (np.array([0.0, 1.0, 0.0, 1.0]), 0.3),
        (rng.random(5), 0.3),
        (rng.random(6), 0.8),
    ):
        low, high = np.maximum(x - eps, 0), np.minimum(x + eps, 1)
        corners = (
            np.where(side, low, high) for side in itertools.product((True, False), repeat=len(x))
        )
        right = max(np.linalg.norm(corner - x) for corner in corners)
        given = number(call(longest, x.copy(), eps), "longest(x, eps)")
        if not math.isclose(given, right, rel_tol=1e-6):
            hint = ""
            if math.isclose(given, eps * math.sqrt(len(x)), rel_tol=1e-6):
                hint = " Pixels stay in [0, 1], and eps is too far for some of them."
            elif math.isclose(given, np.linalg.norm(np.minimum(eps, 1 - x)), rel_tol=1e-6):
                hint = " A pixel may also become darker."
            raise NotYet(
                f"For x = {np.round(x, 2).tolist()}, eps = {eps} the longest allowed perturbation has length {right:.4g}, not {given:.4g}.{hint}"
            )


@checker(
    "mnist-imagenet-5",
    expects="a function safe_radius(X, y) that returns one number, a radius in ℓ∞",
)
def _largest_radius_without_conflict(answer):
    safe_radius = function(answer, "safe_radius(X, y)")
    rng = np.random.default_rng(95)
    for n, d in ((2, 3), (12, 5), (40, 8)):
        X, y = rng.random((n, d)), np.arange(n) % 3
        if n > 3:
            X[3] = X[0] + 1e-3  # the nearest pair has the same label
        gap = min(
            max(abs(a - b) for a, b in zip(X[i], X[j], strict=True))
            for i in range(n)
            for j in range(n)
            if y[i] != y[j]
        )
        given = number(call(safe_radius, X.copy(), y.copy()), "safe_radius(X, y)")
        if not math.isclose(given, gap / 2, rel_tol=1e-9):
            hint = ""
            if math.isclose(given, gap, rel_tol=1e-9):
                hint = " At that radius two balls of different classes overlap; both have to fit."
            elif given > gap / 2 and n > 2:
                hint = " Is the distance the largest difference of a pixel?"
            elif given < gap / 2:
                hint = " Only pairs with different labels matter."
            raise NotYet(
                f"For {n} points in {d} dimensions the right radius is {gap / 2:.4g}, not {given:.4g}.{hint}"
            )
