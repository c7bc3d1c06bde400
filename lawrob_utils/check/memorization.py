"""Checkers of chapter 2, "The model of memorization"; one for each exercise, in its order.

Each finds the truth by a way of its own: by listing outcomes, by search, or by solving an equation numerically.
"""

import itertools
import math

import numpy as np

from . import NotYet, array, call, checker, function, number


@checker(
    "memorization-1",
    expects="a function noise_level(g) that takes the array of the values g(x_i) and returns one number",
)
def _noise_level(answer):
    f = function(answer, "noise_level(g)")
    for g in (np.array([0.0, 0.0]), np.array([1.0, -1.0, 1.0]), np.array([0.8, -0.2, 0.1, 0.5])):
        right = np.mean([_variance_of_sign(mean) for mean in g])
        given = number(call(f, g.copy()), f"noise_level({g.tolist()})")
        if not math.isclose(given, right, abs_tol=1e-9):
            hint = ""
            if math.isclose(given, 1 - g.mean() ** 2, abs_tol=1e-9):
                hint = " You squared the mean of g; the mean has to be taken of Var(y|x), point by point."
            elif math.isclose(given, math.sqrt(right), abs_tol=1e-9):
                hint = " That is σ; σ² is asked for."
            raise NotYet(
                f"For g = {g.tolist()} the mean of Var(y|x) is {right:.4g}, but you return {given:.4g}.{hint}"
            )


def _variance_of_sign(mean):
    """Variance of y = ±1 with the given mean, from its two outcomes."""
    outcomes = ((1.0, (1 + mean) / 2), (-1.0, (1 - mean) / 2))
    return sum(p * (y - mean) ** 2 for y, p in outcomes)


@checker("memorization-2", expects="a whole number of points, n")
def _points_needed(answer):
    n = number(answer, "n")
    right = next(m for m in range(1, 10**6) if 2 * math.exp(-2 * m * 0.05**2 / 4**2) <= 0.01)
    if n == right:
        return
    near = {
        math.ceil(
            math.log(100) * 8 / 0.05**2
        ): "that allows for deviations to one side only; |...| has two sides",
        math.ceil(
            math.log(200) / (2 * 0.05**2)
        ): "that takes the range of z² to be [0, 1]; it is [0, 4]",
        math.ceil(math.log(200) * 4 / (2 * 0.05**2)): "the length of the range, 4, enters squared",
    }
    if n in near:
        raise NotYet(f"With n = {n:g} it is not guaranteed, or n is not the smallest: {near[n]}.")
    if not n.is_integer():
        raise NotYet(f"n = {n:g} is not a whole number of points; round up.")
    raise NotYet(
        f"Hoeffding's inequality gives it already for a smaller n than {n:g}."
        if n > right
        else f"With n = {n:g} Hoeffding's inequality does not give probability 0.99 yet."
    )


@checker(
    "memorization-3",
    expects="a function laziest_fit(g, z, eps) that returns the array of the values f(x_i)",
)
def _laziest_fit(answer):
    f = function(answer, "laziest_fit(g, z, eps)")
    rng = np.random.default_rng(3)
    for n, share in ((4, 0.5), (50, 0.1), (50, 1.0)):
        g, z = rng.uniform(-0.5, 0.5, n), rng.uniform(-0.5, 0.5, n)
        s = np.mean(z**2)
        eps = share * s
        values = array(call(f, g.copy(), z.copy(), eps), (n,), "the returned values")
        error = np.mean((values - g - z) ** 2)
        if not math.isclose(error, s - eps, rel_tol=1e-6, abs_tol=1e-9):
            raise NotYet(
                f"With mean z² = {s:.4g} and eps = {eps:.4g} the mean squared error must be {s - eps:.4g}, but it is {error:.4g}."
            )
        correlation, least = np.mean(z * (values - g)), _least_correlation(s, s - eps)
        if correlation > least * (1 + 1e-6) + 1e-9:
            raise NotYet(
                f"The error is right, but (1/n)·Σ z(f − g) = {correlation:.4g}; it can be as small as {least:.4g}."
            )


def _least_correlation(s, error):
    """Smallest ρ for which some h has mean zh = ρ and mean (h − z)² = error: a root of ρ²/s − 2ρ + s = error."""
    return float(np.roots([1 / s, -2, s - error]).real.min())


@checker(
    "memorization-4", expects="a function expected_training_error(X, sigma) that returns one number"
)
def _expected_training_error(answer):
    f = function(answer, "expected_training_error(X, sigma)")
    rng = np.random.default_rng(4)
    for n, P, constant in ((6, 2, True), (7, 3, False)):
        X = rng.standard_normal((n, P))
        sigma = np.full(n, 0.5) if constant else rng.uniform(0, 1, n)
        signs = np.array(list(itertools.product((-1.0, 1.0), repeat=n))).T
        z = sigma[:, None] * signs
        right = np.mean((z - X @ np.linalg.lstsq(X, z, rcond=None)[0]) ** 2)
        given = number(call(f, X.copy(), sigma.copy()), f"n = {n}, P = {P}")
        if not math.isclose(given, right, rel_tol=1e-6):
            hint = ""
            if not constant and math.isclose(given, np.mean(sigma**2) * (1 - P / n), rel_tol=1e-6):
                hint = " σ²(1 − P/n) holds for constant noise only; here points with much noise may be fitted better or worse than others."
            elif math.isclose(given, right * n, rel_tol=1e-6):
                hint = " That is the sum over the points, not the mean."
            raise NotYet(
                f"For n = {n} points and P = {P} the mean over all {2**n} noise signs is {right:.4g}, but you return {given:.4g}.{hint}"
            )


@checker("memorization-5", expects="a number of bits, to one decimal")
def _bits_needed(answer):
    bits = number(answer, "the number of bits")
    n, eps = 1000, 0.5
    low, high = 0.0, 1000.0  # bisection for N·exp(−n(ε/2)²/2) = 1/2, in log2 N
    for _ in range(100):
        middle = (low + high) / 2
        low, high = (
            (middle, high)
            if middle * math.log(2) - n * (eps / 2) ** 2 / 2 < math.log(0.5)
            else (low, middle)
        )
    if abs(bits - low) <= 0.06:
        return
    if abs(bits - low * math.log(2)) <= 0.06:
        raise NotYet("That is the natural logarithm of N; bits are logarithms to base 2.")
    if abs(bits - (low + 1)) <= 0.06:
        raise NotYet(
            "With that many bits the union bound gives probability 1; one half is asked for."
        )
    side = (
        "Fewer bits than that are not excluded."
        if bits > low
        else "More bits than that are still excluded."
    )
    raise NotYet("For one function the probability is at most exp(−n(ε/2)²/2). " + side)
