"""Judges of the exercises of the chapter "The law of robustness".

Each takes its truth from elsewhere than the chapter's solution: a search over a grid, a least-squares fit shrunk by hand,
quadrature of a density, matrices written out.
"""

import math

import numpy as np
from scipy.integrate import quad

from ..data import random_signs, sphere
from ..law import law_curve
from . import NotYet, call, checker, function, number


@checker("law-1", expects="a number of parameters")
def _parameters_for_a_slope_of_five(answer):
    P = number(answer, "the number of parameters")
    if P <= 0:
        raise NotYet(f"A number of parameters is positive, not {P:g}.")
    n, d, sigma, L = 1e6, 300, 0.1, 5.0
    scale = law_curve(n, d, P, sigma=sigma)
    if math.isclose(scale, L, rel_tol=1e-3):
        return
    near = {
        n * d / L**2: "That forgets the noise level, which is 0.1 and not 1.",
        sigma * n * d / L**2: "The noise level enters as a square.",
        sigma**2 * n * d / L: "The Lipschitz constant enters as a square.",
        sigma**2 * n * d: "That is where the scale comes down to 1.",
    }
    hint = next(
        (why for value, why in near.items() if math.isclose(P, value, rel_tol=1e-3)),
        "Solve σ√(nd/P) = 5 for P.",
    )
    raise NotYet(f"At P = {P:.6g} the scale of the law is {scale:.4g}, not 5. {hint}")


@checker("law-2", expects="a function radius(eps) that returns one number")
def _radius_of_a_net(answer):
    f = function(answer, "radius(eps)")
    corners = np.linspace(-1, 1, 201)
    y, a = np.meshgrid(corners, corners)

    def worst(
        eta,
    ):  # of |(y − f)² − (y − f')²|: in y and in f it is largest at the ends, or where f' leaves [−1, 1]
        b = np.clip(np.stack([a - eta, a + eta]), -1, 1)
        return float(np.abs((y - a) ** 2 - (y - b) ** 2).max())

    for eps in (0.05, 0.3, 1.0):
        eta = number(call(f, eps), f"radius({eps})")
        if not 0 < eta < 2:
            raise NotYet(f"radius({eps}) is {eta:.4g}; a number between 0 and 2 is needed.")
        if worst(eta) > eps / 2 * (1 + 1e-6):
            hint = (
                " That is the radius of the submission."
                if math.isclose(eta, eps / 6, rel_tol=1e-6)
                else ""
            )
            raise NotYet(
                f"For ε = {eps} functions that differ by {eta:.4g} can have squared errors that differ by {worst(eta):.4g} > {eps / 2:g}.{hint}"
            )
        if worst(eta * 1.001) <= eps / 2:
            hint = (
                " That is right in the limit of small ε."
                if math.isclose(eta, eps / 8, rel_tol=1e-6)
                else ""
            )
            raise NotYet(
                f"For ε = {eps} the radius {eta:.4g} is allowed, but not the largest one.{hint}"
            )


@checker("law-3", expects="a function saved(alpha) that returns one number")
def _shrunk_least_squares(answer):
    f = function(answer, "saved(alpha)")
    rng = np.random.default_rng(63)
    X, y = sphere(60, 10, rng), 0.4 * random_signs(60, rng)
    w = np.linalg.lstsq(X, y, rcond=None)[0]

    def slope_over_eps(alpha):
        return alpha * np.linalg.norm(w) / (np.mean(y**2) - np.mean((alpha * X @ w - y) ** 2))

    for alpha in (1.0, 0.6, 0.2, 0.01):
        given, right = (
            number(call(f, alpha), f"saved({alpha})"),
            slope_over_eps(alpha) / slope_over_eps(1.0),
        )
        if math.isclose(given, right, rel_tol=1e-6):
            continue
        hint = ""
        if math.isclose(given, alpha, rel_tol=1e-6):
            hint = " The Lipschitz constant shrinks by α, but ε shrinks too."
        elif math.isclose(given * right, 1, rel_tol=1e-6):
            hint = " That is the inverse."
        raise NotYet(
            f"For a fit of 60 labels shrunk by α = {alpha} the ratio is {right:.4f} times what it was, but you return {given:.4f}.{hint}"
        )


@checker("law-4", expects="a function close_pairs(n, d, m, t) that returns one number")
def _expected_close_pairs(answer):
    f = function(answer, "close_pairs(n, d, m, t)")
    for n, d, m, t in ((100, 50, 3, 0.1), (40, 40, 40, 1.2), (1000, 200, 8, 0.15)):

        def density(r, d=d, m=m):  # of the length of an N(0, (2/d) I_m) vector
            s2 = 2 / d
            return r ** (m - 1) * math.exp(
                -r * r / (2 * s2)
                - (m / 2 - 1) * math.log(2)
                - m / 2 * math.log(s2)
                - math.lgamma(m / 2)
            )

        right = n * (n - 1) / 2 * quad(density, 0, t)[0]
        given = number(call(f, n, d, m, t), f"close_pairs({n}, {d}, {m}, {t})")
        if math.isclose(given, right, rel_tol=1e-5):
            continue
        hint = ""
        if math.isclose(given, 2 * right, rel_tol=1e-5):
            hint = " You count every pair twice."
        elif math.isclose(given * (n - 1), right * n, rel_tol=1e-5):
            hint = " A point makes no pair with itself."
        elif given < right:
            hint = " The difference of two points has twice the variance of one."
        raise NotYet(
            f"For n = {n}, d = {d}, m = {m}, t = {t} there are {right:.5g} pairs on average, but you return {given:.5g}.{hint}"
        )


@checker("law-5", expects="a function log_J(widths, W) that returns one number")
def _constant_of_a_deep_network(answer):
    f = function(answer, "log_J(widths, W)")
    for widths, W in (((3, 4, 1), 1.0), ((10, 7, 9, 1), 2.5), ((5, 20, 4, 6, 2, 1), 1.0)):
        matrices = [
            np.ones((b, a + 1)) for a, b in zip(widths, widths[1:], strict=False)
        ]  # entries that are not fixed at 0
        for j, V in enumerate(matrices[:-1]):
            matrices[j] = np.vstack(
                [V, np.eye(1, V.shape[1], V.shape[1] - 1)]
            )  # the row that carries the 1 along
        D, E = len(matrices), max(np.count_nonzero(V) for V in matrices)
        right = math.log(math.sqrt(2 * D) * (W * math.sqrt(E)) ** (D - 1))
        given = number(call(f, widths, W), f"log_J({widths}, {W})")
        if math.isclose(given, right, rel_tol=1e-9):
            continue
        hint = ""
        if math.isclose(given, right / math.log(10), rel_tol=1e-6) or math.isclose(
            given, right / math.log(2), rel_tol=1e-6
        ):
            hint = " The natural logarithm is asked for."
        elif math.isclose(
            given, math.log(math.sqrt(2 * D) * (W * math.sqrt(E)) ** D), rel_tol=1e-6
        ):
            hint = " One of the D matrices is left out of the product."
        elif math.isclose(given, right - math.log(math.sqrt(2)), rel_tol=1e-6):
            hint = " R is the length of (x, 1), not of x."
        elif given < right:
            hint = " Count weights, biases and the entry that carries the 1 along."
        raise NotYet(
            f"For widths {widths} and W = {W:g} log J is {right:.5f}, but you return {given:.5f}.{hint}"
        )
