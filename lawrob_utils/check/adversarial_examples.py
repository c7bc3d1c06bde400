"""Checkers of chapter 1, "Adversarial examples"; one for each exercise, in its order.

Each finds the truth by a way of its own: by search over corners or points, by numerical optimisation, or by counting.
"""

import itertools
import math

import numpy as np
from scipy import optimize, special

from . import NotYet, array, call, checker, function, number


@checker(
    "adversarial-1",
    expects="a function worst_margin(w, b, x, y, eps, norm) that returns one number",
)
def _worst_margin(answer):
    f = function(answer, "worst_margin(w, b, x, y, eps, norm)")
    rng = np.random.default_rng(1)
    for norm in ("linf", "l2"):
        for y in (1, -1):
            w, b, x, eps = rng.standard_normal(4), 0.3, rng.standard_normal(4), 0.7
            right = _searched_margin(w, b, x, y, eps, norm)
            given = number(call(f, w.copy(), b, x.copy(), y, eps, norm), f"the {norm} margin")
            if math.isclose(given, right, abs_tol=1e-6):
                continue
            hint = ""
            if math.isclose(given, y * (w @ x + b), abs_tol=1e-6):
                hint = " That is the margin before the attack; it has to be taken at the worst point of the ball."
            elif math.isclose(
                given,
                _searched_margin(w, b, x, y, eps, "l2" if norm == "linf" else "linf"),
                abs_tol=1e-6,
            ):
                hint = " That belongs to the other norm: the price per unit of eps is the norm of w dual to the attack's."
            raise NotYet(
                f"For a {norm} ball of radius {eps} and label {y:+d} a search finds the margin {right:.4f}; you return {given:.4f}.{hint}"
            )


def _searched_margin(w, b, x, y, eps, norm):
    """Smallest y(⟨w, z⟩ + b) over the ball: over the corners of the cube, or by constrained minimisation over the sphere."""
    if norm == "linf":
        return min(
            y * (w @ (x + eps * np.array(s)) + b) for s in itertools.product((-1, 1), repeat=len(x))
        )
    constraint = {"type": "ineq", "fun": lambda u: eps**2 - u @ u, "jac": lambda u: -2 * u}
    best = optimize.minimize(lambda u: y * (w @ (x + u) + b), np.zeros_like(x), jac=lambda u: y * w, constraints=[constraint],
                             method="SLSQP", options={"ftol": 1e-14, "maxiter": 500})  # fmt: skip
    return float(best.fun)


@checker(
    "adversarial-2",
    expects="a function project(delta, eps) that returns an array of the shape of delta",
)
def _project(answer):
    f = function(answer, "project(delta, eps)")
    rng = np.random.default_rng(2)
    eps = 0.5
    delta = np.vstack(
        [0.1 * rng.standard_normal((3, 5)), rng.standard_normal((3, 5)), np.zeros((1, 5))]
    )
    asked = delta.copy()
    given = array(call(f, asked, eps), delta.shape, "project(delta, 0.5)")
    if not np.array_equal(asked, delta):
        raise NotYet("Your function changes the array it is given; return a new one.")
    length = np.linalg.norm(given, axis=1)
    if length.max() > eps + 1e-9:
        i = int(length.argmax())
        raise NotYet(
            f"Row {i} of your result has length {length[i]:.3f}, outside the ball of radius {eps}."
        )
    if np.abs(given[6]).max() > 0:
        raise NotYet("The zero vector lies in the ball; it should stay what it is.")
    inside = np.linalg.norm(delta, axis=1) <= eps
    if np.abs(given - delta)[inside].max() > 1e-9:
        raise NotYet("A row that lies in the ball already should stay where it is; yours moves.")
    for i in np.flatnonzero(~inside):
        near = _nearest_in_ball(delta[i], eps)
        if np.abs(given[i] - near).max() > 1e-4:
            moved, enough = (np.linalg.norm(z - delta[i]) for z in (given[i], near))
            raise NotYet(
                f"Row {i} ends in the ball, but not at its nearest point: it moved {moved:.3f}, and {enough:.3f} would do."
            )


def _nearest_in_ball(x, eps):
    """Minimises the squared distance to x under the constraint, numerically."""
    constraint = {"type": "ineq", "fun": lambda u: eps**2 - u @ u}
    return optimize.minimize(
        lambda u: ((u - x) ** 2).sum(),
        np.zeros_like(x),
        method="SLSQP",
        options={"ftol": 1e-14},
        constraints=[constraint],
    ).x


@checker("adversarial-3", expects="one number, the length of the random perturbation")
def _noise_length(answer):
    given = number(answer, "the length")
    d, chance = 784, 0.025
    # P(⟨u, e⟩ ≥ t) on the sphere is half of P(⟨u, e⟩² ≥ t²), and ⟨u, e⟩² has the Beta(1/2, (d−1)/2) law.
    right = optimize.brentq(
        lambda r: special.betainc((d - 1) / 2, 0.5, 1 - (1 / r) ** 2) / 2 - chance, 2, 100
    )
    if abs(given / right - 1) <= 0.02:
        return
    if math.isclose(given, 1, rel_tol=1e-6):
        raise NotYet(
            "1 is the length of the shortest perturbation that flips. A random direction is far from that one."
        )
    if abs(given / math.sqrt(d) - 1) <= 0.02:
        raise NotYet(
            "√784 makes the *standard deviation* of the change equal to the margin; then it flips with probability 16 %, not 2.5 %."
        )
    two_sided = optimize.brentq(
        lambda r: special.betainc((d - 1) / 2, 0.5, 1 - (1 / r) ** 2) - chance, 2, 100
    )
    if abs(given / two_sided - 1) <= 0.02:
        raise NotYet("You count both sides, but only a change downwards flips the answer.")
    way = "often" if given > right else "seldom"
    raise NotYet(f"With that length the answer flips too {way}: not 2.5 % of the time.")


@checker(
    "adversarial-4", expects="a function certified_radius(X, y) that returns an array of n numbers"
)
def _certified_radius(answer):
    f = function(answer, "certified_radius(X, y)")
    rng = np.random.default_rng(4)
    for n, d in ((6, 2), (30, 5)):
        X, y = rng.standard_normal((n, d)), np.arange(n) % 3
        right = np.array(
            [min(math.dist(X[i], X[j]) for j in range(n) if y[j] != y[i]) / 2 for i in range(n)]
        )
        given = array(call(f, X.copy(), y.copy()), (n,), "certified_radius(X, y)")
        if np.abs(given - right).max() <= 1e-7:
            continue
        hint = ""
        anyone = np.array(
            [min(math.dist(X[i], X[j]) for j in range(n) if j != i) / 2 for i in range(n)]
        )
        if np.abs(given - 2 * right).max() <= 1e-7:
            hint = " You return the distance; halfway there the answer is still safe, beyond it need not be."
        elif np.abs(given - anyone).max() <= 1e-7:
            hint = " You count points with the same label too; they do no harm."
        elif np.abs(given).max() <= 1e-7:
            hint = " Every point is at distance 0 from itself; leave it out."
        i = int(np.abs(given - right).argmax())
        raise NotYet(
            f"For {n} points, entry {i} should be {right[i]:.4f}, but you return {given[i]:.4f}.{hint}"
        )


@checker("adversarial-5", expects="a whole number of bits")
def _label_bits(answer):
    given = number(answer, "the number of bits")
    labellings = 10**1000  # an exact integer: the labellings of 1000 images by ten classes
    right = (labellings - 1).bit_length()  # smallest B with 2^B ≥ labellings
    if given == right:
        return
    if given == 1000:
        raise NotYet(
            "1000 bits tell apart 2^1000 labellings, enough for two classes. There are ten."
        )
    if given == 4000:
        raise NotYet(
            "4 bits an image are enough, but not the fewest: one name for all thousand labels together is shorter."
        )
    if not given.is_integer():
        raise NotYet(
            f"{given:g} is not a whole number; round up, since a part of a bit cannot be stored."
        )
    more = "That is more than needed: fewer bits already name every labelling."
    raise NotYet(
        more if given > right else "That is too few: there are more labellings than names."
    )
