"""Judges of the exercises of the chapter "Isoperimetry".

Each takes its truth from elsewhere than the chapter's solution: quadrature, the Beta law of a coordinate, covariance
matrices, all corners of a cube one by one, eigenvalues.
"""

import itertools
import math

import numpy as np
from scipy.integrate import quad
from scipy.stats import beta, norm

from ..data import gaussian, gaussian_mixture, random_subspace, sphere_in_subspace
from . import NotYet, array, call, checker, function, number


@checker("isoperimetry-1", expects="a number, √d·std(f)")
def _half_a_coordinate(answer):
    spread = number(answer, "√d·std(f)")
    mean, square = (quad(lambda x, k=k: x**k * norm.pdf(x), 0, 12)[0] for k in (1, 2))
    right = math.sqrt(square - mean**2)
    if math.isclose(spread, right, abs_tol=2e-4):
        return
    near = {
        math.sqrt(
            square
        ): "that is the root of the mean of f²; the squared mean of f has to be taken off first",
        right**2: "that is the variance; the standard deviation is its root",
        mean: "that is the mean of f, not its spread",
        1.0: "that is the whole coordinate; f is 0 on half of the space",
    }
    for value, why in near.items():
        if math.isclose(spread, value, abs_tol=2e-3):
            raise NotYet(f"{spread:.4g} is not it: {why}.")
    raise NotYet(
        f"{spread:.4g} is not it. You need the mean of max(0, g) and of its square for a standard normal g."
    )


@checker("isoperimetry-2", expects="a whole number, the dimension")
def _dimension_for_a_small_coordinate(answer):
    d = number(answer, "the dimension")

    def outside(d):  # (1 + x_1)/2 has the law Beta((d − 1)/2, (d − 1)/2)
        return 2 * beta.sf(0.55, (d - 1) / 2, (d - 1) / 2)

    if d != int(d) or d < 2:
        raise NotYet(f"A dimension is a whole number of at least 2, not {d:g}.")
    if outside(d) > 1e-6:
        side = " Did you count only one side? |x_1| has two." if outside(d) <= 2e-6 else ""
        raise NotYet(f"In dimension {d:.0f} the probability is still {outside(d):.3g}.{side}")
    if outside(d - 1) <= 1e-6:
        hint = (
            " You seem to have used the bound."
            if 2 * math.exp(-(d - 2) * 0.005) > 1e-6 >= 2 * math.exp(-d * 0.005)
            else ""
        )
        raise NotYet(
            f"Dimension {d:.0f} is enough, but so is {d - 1:.0f}; the smallest one is asked for.{hint}"
        )


@checker(
    "isoperimetry-3",
    expects="a function constant_of_pictures(c, k, d, Lam) that returns one number",
)
def _constant_of_lipschitz_images(answer):
    f = function(answer, "constant_of_pictures(c, k, d, Lam)")
    for c, k, d, Lam in ((1.0, 3, 12, 1.0), (0.5, 4, 10, 3.0), (2.0, 5, 5, 0.5)):
        given = number(call(f, c, k, d, Lam), f"constant_of_pictures({c}, {k}, {d}, {Lam})")
        T = Lam * np.linalg.qr(np.random.default_rng(d).standard_normal((d, k)))[0]
        needed = (
            d * np.linalg.eigvalsh(T @ (c / k * np.eye(k)) @ T.T)[-1]
        )  # d·Var of the worst direction, Gaussian v
        if math.isclose(given, needed, rel_tol=1e-6):
            continue
        if given < needed:
            hint = (
                " The map's constant enters squared."
                if math.isclose(given * Lam, needed, rel_tol=1e-6)
                else ""
            )
            raise NotYet(
                f"For c = {c}, k = {k}, d = {d}, Λ = {Lam} a linear map already needs {needed:.4g}, but you return {given:.4g}.{hint}"
            )
        raise NotYet(
            f"For c = {c}, k = {k}, d = {d}, Λ = {Lam} you return {given:.4g}; a smaller constant holds for every map."
        )


@checker("isoperimetry-4", expects="a function half_space_spread(d) that returns one number")
def _distance_of_corners_to_a_half_space(answer):
    f = function(answer, "half_space_spread(d)")
    for d in (1, 2, 5, 10):
        corners = np.array(list(itertools.product((-1.0, 1.0), repeat=d))) / math.sqrt(d)
        right = float(np.maximum(corners @ np.full(d, 1 / math.sqrt(d)), 0).std())
        given = number(call(f, d), f"half_space_spread({d})")
        if math.isclose(given, right, rel_tol=1e-6):
            continue
        signs = corners.sum(axis=1) * math.sqrt(d)
        to_corners = (2 * np.sqrt(np.maximum(np.ceil(signs / 2 - 1e-9), 0) / d)).std()
        hint = ""
        if math.isclose(given, float(to_corners), rel_tol=1e-6):
            hint = " That is the distance to the corners in the half space; the half space itself is nearer."
        elif math.isclose(given, right * math.sqrt(d), rel_tol=1e-6):
            hint = " You return √d times the spread."
        raise NotYet(
            f"Over all {2**d} corners in dimension {d} the standard deviation is {right:.4g}, but you return {given:.4g}.{hint}"
        )


@checker("isoperimetry-5", expects="a function best_direction(X) that returns a unit vector")
def _direction_of_largest_spread(answer):
    f = function(answer, "best_direction(X)")
    rng = np.random.default_rng(15)
    centres = 0.8 * np.linalg.qr(rng.standard_normal((30, 1)))[0].T * np.array([[1.0], [-1.0]])
    samples = {
        "two clusters": gaussian_mixture(400, centres + 0.5, rng).X,
        "a 3-sphere in a subspace": sphere_in_subspace(300, random_subspace(20, 3, rng), rng),
        "a stretched Gaussian, shifted": gaussian(500, 8, rng) * np.arange(1, 9) + 5,
    }
    for name, X in samples.items():
        d = X.shape[1]
        u = array(call(f, X.copy()), (d,), f"the direction for {name}")
        if not math.isclose(float(np.linalg.norm(u)), 1, abs_tol=1e-6):
            raise NotYet(
                f"For {name} your vector has length {np.linalg.norm(u):.4g}; a unit vector is asked for."
            )
        best, given = (
            float(np.linalg.eigvalsh(np.cov(X.T, bias=True))[-1]) ** 0.5,
            float((X @ u).std()),
        )
        if given < best * (1 - 1e-6):
            hint = (
                " Have the points been centred?"
                if name.endswith("shifted") or name.startswith("two")
                else ""
            )
            raise NotYet(
                f"For {name} the spread along your vector is {given:.4g}, but another direction has {best:.4g}.{hint}"
            )
