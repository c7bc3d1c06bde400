"""Rademacher complexity: how well a class of functions can fit coin tosses, measured and bounded.

R(F) = (1/n) E sup_{f ∈ F} |Σ s_i f(x_i)| over independent fair signs s_i; the points are given, or
averaged over as well. Read in order: finite classes (`finite_class`), linear ones (`linear_class`,
`linear_gaussian`), all L-Lipschitz functions (`lipschitz_supremum`, `lipschitz_maximizer`), the
constants on clusters (`cluster_constant`), the theorems (`massart_bound`, `isoperimetric_bound`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from scipy.optimize import linear_sum_assignment, linprog
from scipy.sparse import coo_array
from scipy.spatial.distance import cdist
from scipy.special import poch

from . import _validate as check
from .bracket import Estimate
from .data import random_signs

_BLOCK = 1024  # functions at a time: the matrix product runs at full speed, and memory is small


def finite_class(
    F: Float[ndarray, "N n"] | Iterable[Float[ndarray, "b n"] | Callable[[ndarray], ndarray]],
    *,
    draws: int,
    rng: np.random.Generator,
    X: Float[ndarray, "n d"] | None = None,
    absolute: bool = True,
) -> Estimate:
    """R(F) = (1/n) E max_f |Σ s_i f(x_i)|, the mean of `draws` ≥ 2 draws of the signs.

    Parameters: F, the values f_j(x_i), a matrix with one row a function; or an iterable of such
    blocks of rows; or of functions, each called once on the points X (n, d), which only functions
    need. An iterable is read once and never held whole: memory beyond F is O((draws + 1024)·n).
    absolute: with False, the maximum of Σ s_i f(x_i) itself.

    Raises ValueError if F is empty, if blocks have different numbers of points, if a value is not
    finite, if a function does not return one number a point, or if functions come without X.

    >>> finite_class(np.ones((1, 1)), draws=10, rng=np.random.default_rng(0)).value
    1.0
    """
    draws, rng = check.count(draws, "draws", at_least=2), check.generator(rng)
    signs, best = None, np.full(draws, -np.inf)
    for values in _blocks(F, X):
        n = values.shape[1]
        if signs is None:
            signs = random_signs(draws * n, rng).reshape(draws, n)
        elif n != signs.shape[1]:
            both = f"of {signs.shape[1]} and of {n} points"
            raise ValueError(f"F has blocks {both}; all functions need the same points")
        sums = signs @ values.T
        if absolute:
            np.abs(sums, out=sums)
        np.maximum(best, sums.max(axis=1), out=best)
    if signs is None:
        raise ValueError("F is empty; at least one function is needed")
    return Estimate.mean(best / signs.shape[1])


def _blocks(F: object, X: Float[ndarray, "n d"] | None) -> Iterator[Float[ndarray, "b n"]]:
    """The values of F, at most _BLOCK rows at a time, checked."""
    if not isinstance(F, Iterable) or isinstance(F, str):
        need = "a matrix of values, or an iterable of matrices or functions, is needed"
        raise ValueError(f"F is a {type(F).__name__}; {need}")
    points = None if X is None else check.matrix(X)
    waiting: list[Float[ndarray, "n"]] = []
    for item in [F] if isinstance(F, ndarray) else F:
        if not callable(item):
            yield from _rows(item)
            continue
        if points is None:
            raise ValueError("X = None; the points are needed when F holds functions")
        waiting.append(check.vector(item(points), "f(X)", length=len(points)))
        if len(waiting) == _BLOCK:
            yield np.stack(waiting)
            waiting = []
    if waiting:
        yield np.stack(waiting)


def _rows(values: object) -> Iterator[Float[ndarray, "b n"]]:
    V = np.asarray(values)
    if V.ndim != 2 or 0 in V.shape:
        need = "one row a function and one column a point are needed, none of them 0"
        raise ValueError(f"F has values of shape {V.shape}; {need}")
    for start in range(0, len(V), _BLOCK):
        yield check.matrix(V[start : start + _BLOCK], "F")


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


def linear_gaussian(n: int, d: int, P: int, L: float) -> float:
    """R({x ↦ ⟨w, Πx⟩ : ‖w‖ ≤ L}) = L·E[χ_P]/√(nd), exact, averaged over points x ~ N(0, I_d/d).

    E[χ_P] = √2·Γ((P+1)/2)/Γ(P/2), a little below √P, is the mean length of a standard Gaussian
    vector in R^P: Σ s_i Πx_i is Gaussian with covariance (n/d)·I_P, whatever the signs. Π keeps
    P ≤ d orthonormal coordinates.

    Raises ValueError if n, d or P is no integer ≥ 1, P > d, or L < 0.

    >>> round(linear_gaussian(n=500, d=300, P=10, L=1.0), 5), round((10 / (500 * 300)) ** 0.5, 5)
    (0.00796, 0.00816)
    """
    n, d, P = check.count(n, "n"), check.count(d, "d"), check.count(P, "P")
    if d < P:
        raise ValueError(f"P = {P} exceeds d = {d}; a point has only d coordinates")
    mean_chi = np.sqrt(2) * poch(P / 2, 0.5)  # Γ(a + b)/Γ(a), also where both overflow
    return float(check.positive(L, "L", zero_allowed=True) * mean_chi / np.sqrt(n * d))


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


def cluster_constant(sizes: Iterable[int]) -> float:
    """R of the functions that are +1 or −1 on each of k clusters: (1/n) Σ_ℓ E|sum of m_ℓ signs|.

    Exact, n = Σ m_ℓ. E|s_1 + … + s_m| = (2/√π)·Γ(h + ½)/Γ(h) with h = ⌈m/2⌉, about √(2m/π): the sum
    equals 2B − m with B binomial, whose mean deviation is h·C(m, h)/2^m (de Moivre). For k clusters
    of equal size R is about √(2k/(πn)), and never below √(k/(2n)).

    Parameters: sizes m_ℓ ≥ 0, how many points lie in each cluster; at least one point in all.
    Raises ValueError if a size is no integer ≥ 0 or all are 0.

    >>> round(cluster_constant([10] * 20), 4), round(float(np.sqrt(2 * 20 / (np.pi * 200))), 4)
    (0.2461, 0.2523)
    """
    m = np.array([check.count(size, "sizes", at_least=0) for size in sizes])
    if m.sum() == 0:
        raise ValueError(f"sizes = {m.tolist()}; at least one point is needed")
    means = np.where(m > 0, 2 / np.sqrt(np.pi) * poch((m + 1) // 2, 0.5), 0.0)
    return float(means.sum() / m.sum())


def massart_bound(log_N: float, n: int, *, radius: float = 1.0) -> float:
    """radius·√(2(log_N + log 2)/n) ≥ R(F) for N functions of root mean square at most `radius`.

    Parameters: log_N ≥ 0 the natural logarithm of N; n ≥ 1 points; radius ≥ 0, for which |f| ≤
    radius is enough. Without the absolute value in R the log 2 can be left out.

    Source: Massart (2000), proved in chapter 10. Raises ValueError on arguments out of range.

    >>> round(massart_bound(np.log(1000), 200), 4)
    0.2757
    """
    log_N, n = check.positive(log_N, "log_N", zero_allowed=True), check.count(n, "n")
    radius = check.positive(radius, "radius", zero_allowed=True)
    return float(radius * np.sqrt(2 * (log_N + np.log(2)) / n))


def isoperimetric_bound(
    log_N: float, n: int, d: int, L: float, *, k: int = 1, c: float = 1.0
) -> float:
    """√(k/n) + L√(2c(log_N + log 2)/(nd)) ≥ R(F), averaged over the points, for N functions.

    The functions are L-Lipschitz with |f| ≤ 1; the points come from a mixture of k laws with
    E exp(λ(f − Ef)) ≤ exp(λ²cL²/(2d)) for every L-Lipschitz f: c = 1 for N(0, I_d/d), c = d/(d − 1)
    for the unit sphere. If every f has mean 0 on every component, k = 0 may be put.

    Parameters: log_N ≥ 0 the natural logarithm of N; n, d ≥ 1; L ≥ 0; k ≥ 0; c > 0.
    Source: this book; the scale is that of the generalization form of the law in Bubeck and Sellke
    (2021). Raises ValueError on arguments out of range.

    >>> round(isoperimetric_bound(np.log(1000), 200, 100, 2.0), 4)
    0.1259
    """
    log_N, L = (check.positive(v, a, zero_allowed=True) for v, a in ((log_N, "log_N"), (L, "L")))
    n, d, k = check.count(n, "n"), check.count(d, "d"), check.count(k, "k", at_least=0)
    c = check.positive(c, "c")
    return float(np.sqrt(k / n) + L * np.sqrt(2 * c * (log_N + np.log(2)) / (n * d)))
