"""Checkers of chapter 10, "Generalization: the Rademacher view"; one for each exercise, in its order.

Each finds the truth by listing all sign vectors, by a linear programme over the class itself, or by search.
"""

import itertools
import math

import numpy as np
from scipy.optimize import linprog

from . import NotYet, array, call, checker, function, number


def _signs(n):
    return np.array(list(itertools.product((-1.0, 1.0), repeat=n)))


def _complexity(V):
    return float(
        np.mean([max(abs(float(np.dot(s, f))) for f in V) for s in _signs(V.shape[1])]) / V.shape[1]
    )


@checker(
    "rademacher-1",
    expects="a function exact_complexity(V) that takes the matrix of values f_j(x_i), one row a function, and returns one number",
)
def _exact_complexity(answer):
    f = function(answer, "exact_complexity(V)")
    rng = np.random.default_rng(1)
    for V in (
        np.array([[1.0, 1.0]]),
        rng.uniform(-1, 1, (3, 4)),
        rng.uniform(-1, 1, (1, 5)),
        rng.choice([-1.0, 1.0], (6, 7)),
    ):
        right, given = _complexity(V), number(call(f, V.copy()), f"a class of shape {V.shape}")
        if not math.isclose(given, right, rel_tol=1e-9, abs_tol=1e-9):
            n = V.shape[1]
            plain = float((_signs(n) @ V.T).max(axis=1).mean() / n)
            hint = ""
            if math.isclose(given, right * n, rel_tol=1e-9):
                hint = " The factor 1/n is missing."
            elif math.isclose(given, plain, rel_tol=1e-9, abs_tol=1e-9):
                hint = " The absolute value is missing: for each sign vector take the largest |Σ s_i f(x_i)|."
            elif math.isclose(
                given, float(np.abs(_signs(n) @ V.T).mean(axis=0).max() / n), rel_tol=1e-9
            ):
                hint = " The largest value is taken for each sign vector, before the mean, not after it."
            what = f"For a class of {len(V)} functions at {n} points the mean over all {2**n} sign vectors"
            raise NotYet(f"{what} is {right:.4g}, but you return {given:.4g}.{hint}")


@checker(
    "rademacher-2",
    expects="a function l1_supremum(s, Z) of the signs and the rows z_i that returns one number",
)
def _l1_supremum(answer):
    f = function(answer, "l1_supremum(s, Z)")
    rng = np.random.default_rng(2)
    for n, P in ((4, 1), (6, 3), (15, 5)):
        Z, s = rng.standard_normal((n, P)), rng.choice([-1.0, 1.0], n)
        # w = u − v with u, v ≥ 0 and Σ(u + v) ≤ 1 is the unit ball of the norm
        c = np.concatenate([-(s @ Z), s @ Z])
        right = -linprog(c, A_ub=np.ones((1, 2 * P)), b_ub=[1.0]).fun / n
        given = number(call(f, s.copy(), Z.copy()), f"n = {n}, P = {P}")
        if not math.isclose(given, right, rel_tol=1e-7):
            hint = ""
            if math.isclose(given, right * n, rel_tol=1e-7):
                hint = " The factor 1/n is missing."
            elif math.isclose(given, float(np.linalg.norm(s @ Z) / n), rel_tol=1e-7):
                hint = " That is the supremum over the ball of the Euclidean norm."
            elif math.isclose(given, float(np.abs(s @ Z).sum() / n), rel_tol=1e-7):
                hint = " That is the supremum over the cube max|w_j| ≤ 1."
            elif math.isclose(given, float((s @ Z).max() / n), rel_tol=1e-7):
                hint = " w may have negative entries."
            raise NotYet(
                f"For n = {n} points and P = {P} a linear programme over the ball finds {right:.4g}, but you return {given:.4g}.{hint}"
            )


@checker("rademacher-3", expects="a Lipschitz constant L, to one decimal")
def _where_smoothness_stops_to_help(answer):
    L = number(answer, "L")
    n, d, k, log_size = 60_000, 784, 10, 8 * 1000 * math.log(2)

    def smooth(L):
        return math.sqrt(k / n) + L * math.sqrt(2 * (log_size + math.log(2)) / (n * d))

    low, high = 0.0, 1000.0
    for _ in range(100):
        middle = (low + high) / 2
        low, high = (
            (middle, high)
            if smooth(middle) < math.sqrt(2 * (log_size + math.log(2)) / n)
            else (low, middle)
        )
    if abs(L - low) <= 0.06:
        return
    if abs(L - math.sqrt(d)) <= 0.06:
        raise NotYet(
            "That is √(d/c), where the second term alone reaches Massart's bound; the clusters cost something too."
        )
    where = (
        "It is still the smaller one there."
        if low > L
        else "There Massart's bound is the smaller one already."
    )
    raise NotYet(f"At L = {L:g} the bound of the theorem is {smooth(L):.4f}. {where}")


@checker(
    "rademacher-4",
    expects="a pair (V, phi) of a matrix of values in [-1, 1] and a 1-Lipschitz function that acts on arrays",
)
def _absolute_values_do_not_contract(answer):
    if not isinstance(answer, (tuple, list)) or len(answer) != 2:
        raise NotYet("I expected two things, (V, phi).")
    V, phi = answer
    if V is None or V is Ellipsis or phi is None or phi is Ellipsis:
        raise NotYet("Nothing has been filled in for V or phi yet.")
    V = array(V, np.shape(V), "V")
    if V.ndim != 2 or 0 in V.shape or V.shape[1] > 10:
        raise NotYet(
            f"V has shape {V.shape}; give a matrix, one row a function, with at most 10 columns."
        )
    if np.abs(V).max() > 1:
        raise NotYet("All values in V should lie in [-1, 1].")
    phi = function(phi, "phi(v)")
    grid = np.concatenate([np.linspace(-1, 1, 2001), np.unique(V)])
    grid.sort()
    values = array(call(phi, grid.copy()), grid.shape, "phi of an array")
    if (np.abs(np.diff(values)) > np.diff(grid) + 1e-9).any():
        i = int((np.abs(np.diff(values)) - np.diff(grid)).argmax())
        raise NotYet(f"phi is not 1-Lipschitz: it rises too fast near {grid[i]:.3f}.")
    after = np.interp(V, grid, values)
    if _complexity(after) <= _complexity(V) + 1e-9:
        raise NotYet(
            f"The complexity was {_complexity(V):.4g} and is {_complexity(after):.4g} after phi, which is no larger. What does phi have to do at 0?"
        )


@checker(
    "rademacher-5", expects="a function simplex_supremum(plus, minus, D, L) that returns one number"
)
def _simplex_supremum(answer):
    f = function(answer, "simplex_supremum(plus, minus, D, L)")
    for plus, minus, D, L in (
        (2, 2, 1.4, 1.0),
        (1, 3, 1.0, 0.5),
        (3, 2, 1.4, 5.0),
        (4, 0, 1.0, 1.0),
        (0, 3, 2.0, 0.1),
        (2, 1, 1.0, 0.0),
    ):
        right = _programme_on_simplex(plus, minus, D, L)
        given = number(call(f, plus, minus, D, L), f"{plus} and {minus} points")
        if not math.isclose(given, right, rel_tol=1e-7, abs_tol=1e-7):
            hint = ""
            if math.isclose(given, right * (plus + minus), rel_tol=1e-7):
                hint = " The factor 1/n is missing."
            elif L * D > 2:
                hint = " |f| ≤ 1 limits the difference of two values to 2, however steep f may be."
            elif plus != minus:
                hint = " Points left without a partner of the other sign still count."
            what = (
                f"With {plus} signs + and {minus} signs −, D = {D} and L = {L}, a linear programme"
            )
            raise NotYet(f"{what} finds {right:.4g}, but you return {given:.4g}.{hint}")


def _programme_on_simplex(plus, minus, D, L):
    n = plus + minus
    s = np.array([1.0] * plus + [-1.0] * minus)
    pairs = list(itertools.permutations(range(n), 2))
    A = np.array([[(j == a) - (j == b) for j in range(n)] for a, b in pairs], dtype=float)
    return -linprog(-s, A_ub=A, b_ub=np.full(len(pairs), L * D), bounds=(-1, 1)).fun / n
