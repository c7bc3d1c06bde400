"""Rademacher complexity: how well a class of functions can fit coin tosses, measured and bounded.

R(F) = (1/n) E sup_{f ∈ F} |Σ s_i f(x_i)| over independent fair signs s_i; the points are given, or
averaged over as well. Read in order: finite classes (`finite_class`), linear ones (`linear_class`),
all L-Lipschitz functions (`lipschitz_supremum`, `lipschitz_maximizer`). The theorems that bound R
are in chapter 10.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from scipy.optimize import linear_sum_assignment, linprog
from scipy.sparse import coo_array
from scipy.spatial.distance import cdist

from . import _validate as check
from .bracket import Estimate
from .data import random_signs

_BLOCK = 1024  # functions at a time: the matrix product runs at full speed, and memory is small


def finite_class(
    F: Float[ndarray, "N n"], *, draws: int, rng: np.random.Generator, absolute: bool = True
) -> Estimate:
    """R(F) = (1/n) E max_f |Σ s_i f(x_i)|, the mean of `draws` ≥ 2 draws of the signs.

    F (N, n) holds the values f_j(x_i), one row a function; beyond it a product of 1024 rows with
    all signs is held. absolute: with False, the maximum of Σ s_i f(x_i) itself.

    >>> finite_class(np.ones((1, 1)), draws=10, rng=np.random.default_rng(0)).value
    1.0
    """
    draws, rng, V = (
        check.count(draws, "draws", at_least=2),
        check.generator(rng),
        check.matrix(F, "F"),
    )
    signs = random_signs(draws * V.shape[1], rng).reshape(draws, -1)
    best = np.full(draws, -np.inf)
    for start in range(0, len(V), _BLOCK):
        sums = signs @ V[start : start + _BLOCK].T
        np.maximum(best, (np.abs(sums) if absolute else sums).max(axis=1), out=best)
    return Estimate.mean(best / V.shape[1])


def linear_class(
    Z: Float[ndarray, "n P"], L: float, *, draws: int, rng: np.random.Generator
) -> Estimate:
    """R({x ↦ ⟨w, Πx⟩ : ‖w‖ ≤ L}) = (L/n) E‖Σ s_i Πx_i‖, exact for each draw of the signs.

    Parameters: Z, the rows Πx_i, for instance the first P coordinates; L ≥ 0; draws ≥ 2; rng.
    Source: the supremum of ⟨w, v⟩ over ‖w‖ ≤ L is L‖v‖ (Cauchy–Schwarz).
    Raises ValueError if Z is no finite matrix, L < 0, draws < 2 or rng is no Generator.

    >>> linear_class(np.eye(4), 1.0, draws=5, rng=np.random.default_rng(0)).value
    0.5
    """
    Z, L = check.matrix(Z, "Z"), check.positive(L, "L", zero_allowed=True)
    draws, rng = check.count(draws, "draws", at_least=2), check.generator(rng)
    signs = random_signs(draws * len(Z), rng).reshape(draws, len(Z))
    return Estimate.mean(L / len(Z) * np.linalg.norm(signs @ Z, axis=1))


def lipschitz_supremum(X: Float[ndarray, "n d"], s: Float[ndarray, "n"], L: float) -> float:
    """(1/n) sup Σ s_i f(x_i) over all L-Lipschitz f with |f| ≤ 1, exact, by matching the signs.

    Each point of the rarer sign gets a partner of the other sign. A pair costs
    min(L‖x_i − x_j‖, 2), a point without a partner 1; the smallest total is the supremum, also of
    |Σ s_i f(x_i)|, for −f belongs to the class with f.

    Parameters: X points; s signs ±1, one a point; L ≥ 0. Time O(n³) at worst, memory O(n²).
    Source: duality of linear programming, proved in chapter 10; the dual of `lipschitz_maximizer`.
    Raises ValueError if X is no finite matrix, s no signs or of the wrong length, or L < 0.

    >>> lipschitz_supremum(np.array([[0.0], [0.5], [9.0]]), np.array([1.0, -1.0, 1.0]), L=1.0)
    0.5
    """
    D, s, L = _ball(X, s, L)
    cost = np.minimum(L * D[np.ix_(s > 0, s < 0)], 2.0)
    return float((cost[linear_sum_assignment(cost)].sum() + abs(s.sum())) / len(s))


def lipschitz_maximizer(
    X: Float[ndarray, "n d"], s: Float[ndarray, "n"], L: float
) -> Float[ndarray, "n"]:
    """Values f(x_i) of an L-Lipschitz f with |f| ≤ 1 that maximises Σ s_i f(x_i), by HiGHS.

    By McShane's theorem the values at the points are all that matters: they extend to R^d whenever
    they are L-Lipschitz on the points. Of these constraints only f(x_i) − f(x_j) ≤ L‖x_i − x_j‖ for
    s_i = 1, s_j = −1 enter the programme; max_{s_i = 1} (f(x_i) − L‖x − x_i‖), cut at −1, satisfies
    all of them and is no worse. It is what is returned: a member of the class whatever the solver's
    tolerance.

    Parameters and errors as in `lipschitz_supremum`; RuntimeError if the solver fails.

    >>> X, s = np.array([[0.0], [0.5], [9.0]]), np.array([1.0, -1.0, 1.0])
    >>> lipschitz_maximizer(X, s, L=1.0).tolist()
    [-0.5, -1.0, 1.0]
    """
    D, s, L = _ball(X, s, L)
    plus, minus = np.flatnonzero(s > 0), np.flatnonzero(s < 0)
    reach = L * D[np.ix_(plus, minus)]
    i, j = np.nonzero(reach < 2)  # the others follow from |f| ≤ 1
    f = s.copy()
    if len(i):
        row = np.tile(np.arange(len(i)), 2)
        entries = np.repeat([1.0, -1.0], len(i)), (row, np.concatenate([plus[i], minus[j]]))
        A = coo_array(entries, shape=(len(i), len(s))).tocsr()
        solved = linprog(-s, A_ub=A, b_ub=reach[i, j], bounds=(-1, 1), method="highs")
        if not solved.success:
            raise RuntimeError(f"the programme of {len(s)} points failed: {solved.message}")
        f = solved.x
    if len(plus) == 0:
        return np.full(len(s), -1.0)
    return np.maximum((np.clip(f[plus], -1, 1)[:, None] - L * D[plus]).max(axis=0), -1.0)


def _ball(X: ndarray, s: ndarray, L: float) -> tuple[Float[ndarray, "n n"], ndarray, float]:
    """The distances between the points, the signs and L, checked."""
    X, L = check.matrix(X), check.positive(L, "L", zero_allowed=True)
    return cdist(X, X), check.signs(s, "s", length=len(X)), L
