"""Judges of the exercises of the chapter "Interpretation".

Each takes its truth from elsewhere than the chapter's solution: a scan over all directions, a likelihood maximised numerically, a population
counted out, worlds whose two numbers are known, and the law on a sphere.
"""

import numpy as np
from scipy.optimize import minimize_scalar

from . import NotYet, array, call, checker, function, number


@checker("interpretation-1", expects="a function mixture_floor(weights, means)")
def _spread_of_the_means_of_a_mixture(answer):
    mixture_floor = function(answer, "mixture_floor(weights, means)")
    rng = np.random.default_rng(81)
    angle = np.linspace(0, np.pi, 20_001)
    directions = np.column_stack([np.cos(angle), np.sin(angle)])
    for k in (2, 3, 6):
        weights, means = rng.dirichlet(np.ones(k)), rng.standard_normal((k, 2)) * [3, 1] + 5
        along = means @ directions.T  # every direction of the plane
        spread = weights @ along**2 - (weights @ along) ** 2
        got = number(call(mixture_floor, weights.copy(), means.copy()), "the bound")
        if abs(got / spread.max() - 1) > 1e-4:
            centred = means - means.mean(axis=0)
            equal = np.linalg.eigvalsh(centred.T @ centred / k)[-1]
            hint = " Did you forget the weights?" if abs(got / equal - 1) < 1e-6 else ""
            hint = hint or (
                " That is the root of it." if abs(got**2 / spread.max() - 1) < 1e-4 else ""
            )
            raise NotYet(
                f"For {k} means in the plane a scan over all directions finds the variance {spread.max():.4g}, your function says {got:.4g}.{hint}"
            )


@checker("interpretation-2", expects="a function dimension_by_likelihood(mu)")
def _maximum_likelihood_of_ratios(answer):
    dimension = function(answer, "dimension_by_likelihood(mu)")
    rng = np.random.default_rng(82)
    for m, n in ((1.0, 50), (6.5, 200), (30.0, 1000)):
        mu = rng.random(n) ** (-1 / m)
        truth = minimize_scalar(
            lambda a, mu=mu: -np.sum(np.log(a) - (a + 1) * np.log(mu)),
            bounds=(0.01, 200),
            method="bounded",
            options={"xatol": 1e-9},
        ).x
        got = number(call(dimension, mu.copy()), "the dimension")
        if abs(got / truth - 1) > 1e-4:
            hint = " That is its inverse." if abs(got * truth - 1) < 1e-4 else ""
            hint = hint or (
                " Averaging the estimates 1/log μ of single points gives something else."
                if got > 1.5 * truth
                else ""
            )
            raise NotYet(
                f"For {n} ratios the likelihood is largest at m = {truth:.4f}, and you give {got:.4f}.{hint}"
            )


@checker("interpretation-3", expects="a function noise_after_flips(sigma2, q)")
def _noise_of_flipped_labels(answer):
    noise = function(answer, "noise_after_flips(sigma2, q)")
    rng = np.random.default_rng(83)
    for q in (0.0, 0.05, 0.3, 0.5):
        share, plus = (
            rng.dirichlet(np.ones(5)),
            rng.random(5),
        )  # five kinds of x, P(y = 1 | x) for each
        before = share @ (4 * plus * (1 - plus))
        flipped = plus * (1 - q) + (1 - plus) * q
        truth = share @ (4 * flipped * (1 - flipped))
        got = number(call(noise, float(before), q), "the noise")
        if abs(got - truth) > 1e-9:
            hint = (
                " The flips act on noisy labels, too: the two do not just add up."
                if abs(got - before - 4 * q * (1 - q)) < 1e-9
                else ""
            )
            raise NotYet(
                f"A population with σ² = {before:.4f} has {truth:.4f} after flips with q = {q:g}; you give {got:.4f}.{hint}"
            )


@checker(
    "interpretation-4", expects="a function two_unknowns(q, P, n) that returns (sigma2, d_eff)"
)
def _noise_and_dimension_told_apart(answer):
    two_unknowns = function(answer, "two_unknowns(q, P, n)")
    for sigma2, d_eff, n in ((0.02, 784.0, 60_000), (0.2, 78.4, 60_000), (0.0, 5.0, 1000)):
        q = np.array([0.0, 0.02, 0.1, 0.25, 0.5])
        P = np.array([n * d_eff * (1 - (1 - sigma2) * (1 - 2 * a) ** 2) for a in q])
        got = array(call(two_unknowns, q.copy(), P.copy(), n), (2,), "the pair (sigma2, d_eff)")
        if abs(got[1] / d_eff - 1) > 1e-6 or abs(got[0] - sigma2) > 1e-6:
            hint = " Is it the other way round?" if abs(got[0] / d_eff - 1) < 1e-6 else ""
            raise NotYet(
                f"For data made with σ² = {sigma2:g} and d_eff = {d_eff:g} you find {got[0]:.4g} and {got[1]:.4g}.{hint}"
            )


@checker("interpretation-5", expects="a function parameters_for_radius(n, sigma2, r, K)")
def _parameters_for_a_radius(answer):
    price = function(answer, "parameters_for_radius(n, sigma2, r, K)")
    for n, d, sigma2, r in ((60_000, 784, 0.02, 0.5), (1000, 50, 1.0, 0.1)):
        truth = sigma2 * n * d * r**2  # on the unit sphere K² = 1/d
        got = number(call(price, n, sigma2, r, 1 / np.sqrt(d)), "the number of parameters")
        if abs(got / truth - 1) > 1e-6:
            hint = (
                " A fit of ±1 at distance r from the boundary has slope 1/r, not 2/r."
                if abs(4 * got / truth - 1) < 1e-6
                else ""
            )
            raise NotYet(
                f"On the sphere in dimension {d}, with n = {n}, σ² = {sigma2:g}, r = {r:g} the law has P = {truth:.4g}; you give {got:.4g}.{hint}"
            )
        if (
            abs(number(call(price, n, sigma2, 255 * r, 255 / np.sqrt(d)), "the number") / truth - 1)
            > 1e-6
        ):
            raise NotYet(
                "With pixels from 0 to 255 both r and K are 255 times larger, and nothing else may change; your number does."
            )
