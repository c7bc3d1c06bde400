"""Judges of the exercises of the chapter "Open directions".

Each takes its truth from elsewhere than the chapter's solution: a distribution function instead of its inverse, numerical integration over
angles, differences of a softmax, a maximum over a grid, and integration again.
"""

import math

import numpy as np
from scipy.integrate import quad
from scipy.special import erf

from . import NotYet, call, checker, function, number


@checker("open-1", expects="a function typical_reach(d)")
def _median_of_the_largest_coordinate(answer):
    typical = function(answer, "typical_reach(d)")
    for d in (1, 2, 50, 10_000):
        v = number(call(typical, d), f"typical_reach({d})")
        if v <= 0:
            raise NotYet(
                f"d times a squared distance is positive, but typical_reach({d}) is {v:g}."
            )
        share = float(
            erf(math.sqrt(v) / 2) ** d
        )  # |x_j − x'_j| ≤ t with probability erf(t√d/2), and v = d·t²
        if abs(share - 0.5) > 1e-4:
            hint = (
                " Did you forget that a difference of two points has twice the variance?"
                if abs(erf(math.sqrt(v / 2)) ** d - 0.5) < 1e-4
                else ""
            )
            raise NotYet(
                f"For d = {d} a share {share:.3g} of all pairs is closer than your value, not one half.{hint}"
            )


@checker("open-2", expects="a function mean_slope(n, d, r, q)")
def _mean_slope_of_tents(answer):
    mean_slope = function(answer, "mean_slope(n, d, r, q)")
    for n, d, r, q in ((10, 3, 0.3, 1), (100, 5, 0.2, 2), (7, 12, 0.5, 3.5), (400, 30, 0.6, 2)):
        edge = 2 * math.asin(r / 2)
        cap = (
            quad(lambda t, d=d: math.sin(t) ** (d - 2), 0, edge)[0]
            / quad(lambda t, d=d: math.sin(t) ** (d - 2), 0, math.pi)[0]
        )
        truth = n * cap / r**q
        got = number(call(mean_slope, n, d, r, q), f"mean_slope({n}, {d}, {r:g}, {q:g})")
        if not math.isclose(got, truth, rel_tol=1e-5):
            hint = ""
            if math.isclose(got, cap / r**q, rel_tol=1e-5):
                hint = " There are n tents."
            elif math.isclose(got, n * cap, rel_tol=1e-5):
                hint = " The slope inside a tent is 1/r."
            elif math.isclose(got, n * cap / r, rel_tol=1e-5):
                hint = " The slope is raised to the power q."
            raise NotYet(
                f"For n = {n}, d = {d}, r = {r:g}, q = {q:g} your function gives {got:.4g}, and integration over the tents {truth:.4g}.{hint}"
            )


@checker("open-3", expects="a function slope(s)")
def _slope_of_attention(answer):
    slope = function(answer, "slope(s)")

    def attention(x, s):
        scores = np.array([x * x, x * s])
        weights = np.exp(scores - scores.max())
        return float(weights @ [x, s] / weights.sum())

    for s in (0.0, 1.0, -3.0, 40.0):
        h = 1e-4 / (1 + abs(s))
        truth = (attention(h, s) - attention(-h, s)) / (2 * h)
        got = number(call(slope, s), f"slope({s:g})")
        if abs(got - truth) > 1e-3 * (1 + abs(truth)):
            hint = (
                " The attention weights change as well as the tokens."
                if abs(got - 0.5) < 1e-9
                else ""
            )
            raise NotYet(
                f"At s = {s:g} the slope is about {truth:.4g} by differences, but yours is {got:.4g}.{hint}"
            )


@checker("open-4", expects="a function exponent(s)")
def _best_exponent(answer):
    exponent = function(answer, "exponent(s)")
    for s in (0.1, 1.0, 4 / 3, 2.0, 10.0):
        lam = np.linspace(0, s, 20_001)
        truth = float((lam - 2 / 3 * (lam / s) ** 2).max())
        got = number(call(exponent, s), f"exponent({s:g})")
        if got > truth * (1 + 1e-6):
            raise NotYet(
                f"At s = {s:g} your exponent {got:.4g} exceeds what the lemma gives, {truth:.4g}: it holds for λ up to s only."
            )
        if got < truth * (1 - 1e-6):
            raise NotYet(
                f"At s = {s:g} your exponent is {got:.4g}, but some λ between 0 and s gives {truth:.4g}."
            )


@checker("open-5", expects="a number, a probability")
def _what_a_spike_can_change(answer):
    p = number(answer, "the probability")
    edge = 2 * math.asin(0.15)
    truth = (
        quad(lambda t: math.sin(t) ** 62, 0, edge)[0]
        / quad(lambda t: math.sin(t) ** 62, 0, math.pi)[0]
    )
    if not 0 < p < 1:
        raise NotYet(f"A probability strictly between 0 and 1 is asked for, not {p:g}.")
    if not math.isclose(p, truth, rel_tol=0.01):
        inner, hint = 2 * math.asin(0.125), ""
        if math.isclose(
            p,
            quad(lambda t: math.sin(t) ** 62, 0, inner)[0]
            / quad(lambda t: math.sin(t) ** 62, 0, math.pi)[0],
            rel_tol=0.01,
        ):
            hint = " A point at distance 0.27 from q can still reach the spike."
        elif math.isclose(p, 0.3**63, rel_tol=0.01):
            hint = " That is the upper bound; the cap can be computed exactly."
        raise NotYet(f"{p:.3g} is not the probability of the cap in question.{hint}")
