"""Judges of the exercises of the chapter "Robust memorization".

Each takes its truth from elsewhere than the chapter's solution: the Beta law of an inner product instead of the
incomplete beta function of a cap, exact integers instead of logarithms, nearest neighbours instead of cones.
"""

import math

import numpy as np
from scipy.spatial.distance import cdist, pdist
from scipy.stats import beta

from ..data import random_signs, sphere
from ..memorizers import McShane
from . import NotYet, array, call, checker, function, number


@checker("robust-1", expects="a function steepen(f) that returns g, a, b")
def _same_near_the_data_but_steep(answer):
    steepen = function(answer, "steepen(f)")
    rng = np.random.default_rng(11)
    for d in (4, 9):
        f = McShane(sphere(40, d, rng), random_signs(40, rng))
        result = call(steepen, f)
        if not isinstance(result, tuple) or len(result) != 3:
            raise NotYet(
                "steepen(f) should return three things: the function g and two points a and b."
            )
        g = function(result[0], "g(Z)")
        a, b = array(result[1], (d,), "the point a"), array(result[2], (d,), "the point b")
        ball = sphere(300, d, rng) * rng.random((300, 1)) ** (1 / d)
        gap = np.abs(
            array(call(g, ball), (300,), "g on 300 points of the unit ball") - f(ball)
        ).max()
        if gap > 1e-9:
            raise NotYet(
                f"In the unit ball g must equal f, but there is a point where they differ by {gap:.3g}."
            )
        run = float(np.linalg.norm(a - b))
        if run == 0:
            raise NotYet("a and b are the same point; a slope needs two.")
        ends = array(call(g, np.stack([a, b])), (2,), "g at a and b")
        slope = abs(float(ends[0] - ends[1])) / run
        if slope < 1000:
            raise NotYet(
                f"Between your a and b the slope of g is {slope:.4g}; it should be at least 1000."
            )


@checker("robust-2", expects="a whole number, the dimension")
def _dimension_for_a_million_points(answer):
    d = number(answer, "the dimension")
    pairs = math.comb(10**6, 2)

    def expected(
        d,
    ):  # (1 + <x, x'>)/2 has the law Beta((d−1)/2, (d−1)/2); distance < 1 means <x, x'> > 1/2
        return pairs * beta.sf(0.75, (d - 1) / 2, (d - 1) / 2)

    if d != int(d) or d < 2:
        raise NotYet(f"A dimension is a whole number of at least 2, not {d:g}.")
    if expected(d) > 0.01:
        raise NotYet(
            f"In dimension {d:.0f} the expected number of pairs closer than 1 is still {expected(d):.3g}."
        )
    if expected(d - 1) <= 0.01:
        hint = (
            " Did you use the bound with the sine? Take the exact probability."
            if 215 <= d <= 217
            else ""
        )
        raise NotYet(
            f"Dimension {d:.0f} is enough, but so is {d - 1:.0f}; the smallest one is asked for.{hint}"
        )


@checker("robust-3", expects="a function halfway(X, y, Z)")
def _halfway_is_a_lipschitz_nearest_neighbour_rule(answer):
    halfway = function(answer, "halfway(X, y, Z)")
    rng = np.random.default_rng(12)
    for n, d in ((30, 3), (60, 8)):
        X, y, Z = (
            sphere(n, d, rng),
            random_signs(n, rng),
            1.5 * rng.standard_normal((400, d)) / np.sqrt(d),
        )
        L = (pdist(y[:, None]) / pdist(X)).max()
        at_data = array(call(halfway, X, y, X), (n,), "the values at the data points")
        if np.abs(at_data - y).max() > 1e-9:
            raise NotYet(
                "Your function does not fit: at some data point its value is not the label."
            )
        values = array(call(halfway, X, y, Z), (400,), "the values at 400 other points")
        distances = cdist(Z, X)
        upper, lower = (y + L * distances).min(axis=1), (y - L * distances).max(axis=1)
        if (values > upper + 1e-9).any() or (values < lower - 1e-9).any():
            raise NotYet(
                "Somewhere your function leaves the room between the two extreme fits, so it is not L*-Lipschitz."
            )
        if np.abs(values - upper).max() < 1e-9 or np.abs(values - lower).max() < 1e-9:
            raise NotYet(
                "That is one of the two extreme fits; the one halfway between them is asked for."
            )
        nearest = y[distances.argmin(axis=1)]
        if (values * nearest < -1e-9).any():
            raise NotYet(
                "Its sign should be the label of the nearest data point, but somewhere it is the other one."
            )
        if np.abs(values - (upper + lower) / 2).max() > 1e-9:
            raise NotYet(
                "It fits and has the right signs, but it is not the mean of the two extreme fits."
            )


@checker("robust-4", expects="a pair X, Y of arrays: points, and labels with two coordinates each")
def _coordinates_lose_a_factor(answer):
    if not isinstance(answer, tuple) or len(answer) != 2:
        raise NotYet("I expected the pair (X, Y).")
    shapes = [
        np.shape(part) if part is not Ellipsis and part is not None else None for part in answer
    ]
    if shapes[0] is None or shapes[1] is None:
        raise NotYet("X or Y is not filled in yet.")
    if (
        len(shapes[0]) != 2
        or len(shapes[1]) != 2
        or shapes[1][1] != 2
        or shapes[0][0] != shapes[1][0]
    ):
        raise NotYet(
            f"X should be (n, d) and Y (n, 2) with the same n; I got shapes {shapes[0]} and {shapes[1]}."
        )
    if shapes[0][0] < 2:
        raise NotYet("One point has no slopes; use at least two (three are enough).")
    X, Y = array(answer[0], shapes[0], "X"), array(answer[1], shapes[1], "Y")
    run = pdist(X)
    if (run == 0).any():
        raise NotYet("Two of the points coincide; then no function fits different labels there.")
    whole, first, second = ((pdist(labels) / run).max() for labels in (Y, Y[:, :1], Y[:, 1:]))
    if whole == 0:
        raise NotYet("All labels are equal, so that every constant is 0.")
    ratio = math.hypot(first, second) / whole
    if ratio < 1.4:
        raise NotYet(
            f"Coordinate by coordinate the bound is {ratio:.3f} times L*; at least 1.4 times is asked for."
        )


@checker("robust-5", expects="a number of bits")
def _bits_for_ninety_percent(answer):
    bits = number(answer, "the number of bits")
    ball = sum(math.comb(100, wrong) for wrong in range(11))
    exact = 99 - math.log2(ball)  # ½ · 2^100 / ball functions
    if abs(bits - 99) < 0.01:
        raise NotYet(
            "99 bits are needed for a perfect fit. How many sign patterns does one function serve now?"
        )
    if abs(bits - exact - 1) < 0.01:
        raise NotYet("You are one bit too high: the probability is to be at least 1/2, not 1.")
    if abs(bits - exact) > 0.01:
        raise NotYet(
            f"{bits:.4g} bits is not it. One function serves all patterns that differ from its own in at most 10 places."
        )
