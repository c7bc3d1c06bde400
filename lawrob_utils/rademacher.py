"""Rademacher complexity: how well a class of functions can fit coin tosses, measured, in closed form, and bounded.

R(F) = (1/n) E sup_{f ∈ F} |Σ s_i f(x_i)| over independent fair signs s_i; the points are given, or averaged over as well.
Read in order: what a measurement returns (`Estimate`); finite classes (`finite_class`); linear classes (`linear_class`,
`linear_bounds`, `linear_gaussian`); all L-Lipschitz functions (`lipschitz_supremum`, `lipschitz_maximizer`,
`lipschitz_ball`); mixtures (`sign_sum`, `cluster_constant`); the theorems (`massart_bound`, `isoperimetric_bound`,
`gap_bound`, `lipschitz_floor`). Used in the chapter on generalization.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from scipy.optimize import linear_sum_assignment, linprog
from scipy.sparse import coo_array
from scipy.spatial.distance import cdist
from scipy.special import poch

from . import _validate as check
from .data import random_signs

__all__ = [
    "Estimate",
    "cluster_constant",
    "finite_class",
    "gap_bound",
    "isoperimetric_bound",
    "linear_bounds",
    "linear_class",
    "linear_gaussian",
    "lipschitz_ball",
    "lipschitz_floor",
    "lipschitz_maximizer",
    "lipschitz_supremum",
    "massart_bound",
    "sign_sum",
]

_BLOCK = 1024  # functions at a time: large enough for the matrix product to run at full speed, small against N


@dataclass(frozen=True)
class Estimate:
    """The mean of independent draws, with its standard error.

    samples: the draws (m,), m ≥ 2. Averages over fresh points are Estimates of Estimates: `Estimate([e.value, …])`.
    A format such as f"{estimate:.2f}" applies to the mean and to its error.

    Raises ValueError if there are fewer than 2 samples, or one that is not finite.

    >>> print(Estimate([0.1, 0.2, 0.3]), f"{Estimate([0.1, 0.2, 0.3]):.2f}", sep="; ")
    0.2 ± 0.0577 (3 draws); 0.20 ± 0.06
    """

    samples: Float[ndarray, "draws"]

    def __post_init__(self) -> None:
        samples = check.vector(self.samples, "samples").copy()
        if len(samples) < 2:
            raise ValueError(f"samples has {len(samples)} entries; an error bar needs at least 2")
        samples.setflags(write=False)
        object.__setattr__(self, "samples", samples)

    @property
    def value(self) -> float:
        """The mean of the samples."""
        return float(self.samples.mean())

    @property
    def error(self) -> float:
        """The standard error of the mean, std(samples)/√m."""
        return float(self.samples.std(ddof=1) / np.sqrt(len(self.samples)))

    def __str__(self) -> str:
        return f"{self:.3g} ({len(self.samples)} draws)"

    def __format__(self, spec: str) -> str:
        return f"{self.value:{spec}} ± {self.error:{spec}}" if spec else str(self)


# ------------------------------------------------------------------------------------------------------ finite classes


def finite_class(
    F: Float[ndarray, "N n"]
    | Iterable[Float[ndarray, "b n"] | Callable[[Float[ndarray, "n d"]], Float[ndarray, "n"]]],
    *,
    draws: int,
    rng: np.random.Generator,
    X: Float[ndarray, "n d"] | None = None,
    absolute: bool = True,
) -> Estimate:
    """R(F) = (1/n) E max_f |Σ s_i f(x_i)|, the mean of `draws` ≥ 2 draws of the signs.

    Parameters: F the class, as its values f_j(x_i), a matrix with one row a function; or as an iterable of such blocks of rows;
    or as an iterable of functions, each called once on X. X the points (n, d): for functions it is needed, for values it is
    not used. absolute: with False, the maximum of Σ s_i f(x_i) itself. Iterables are read once and never held whole.

    The time is that of the product of the (draws, n) signs with the values; the memory beyond F is O((draws + 1024)·n).

    Raises ValueError if F is empty, if blocks have different numbers of points, if a value is not finite, if a function does
    not return one number for each row of X, or if functions come without X.

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
            raise ValueError(
                f"F has blocks of {signs.shape[1]} and of {n} points; all functions need the same points"
            )
        sums = signs @ values.T
        if absolute:
            np.abs(sums, out=sums)
        np.maximum(best, sums.max(axis=1), out=best)
    if signs is None:
        raise ValueError("F is empty; at least one function is needed")
    return Estimate(best / signs.shape[1])


def _blocks(F: object, X: Float[ndarray, "n d"] | None) -> Iterator[Float[ndarray, "b n"]]:
    """The values of F, at most _BLOCK rows at a time, checked."""
    if isinstance(F, ndarray):
        yield from _rows(F)
        return
    if not isinstance(F, Iterable):
        raise ValueError(
            f"F is a {type(F).__name__}; a matrix of values, or an iterable of matrices or functions, is needed"
        )
    points = None if X is None else check.matrix(X)
    waiting: list[Float[ndarray, "n"]] = []
    for item in F:
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
        raise ValueError(
            f"F has values of shape {V.shape}; one row a function and one column a point are needed, none of them 0"
        )
    for start in range(0, len(V), _BLOCK):
        yield check.matrix(V[start : start + _BLOCK], "F")


# ------------------------------------------------------------------------------------------------------ linear classes


def linear_class(
    Z: Float[ndarray, "n P"], L: float, *, draws: int, rng: np.random.Generator
) -> Estimate:
    """R({x ↦ ⟨w, Πx⟩ : ‖w‖ ≤ L}) = (L/n) E‖Σ s_i Πx_i‖ for the given points; exact for each draw of the signs.

    Parameters: Z the rows Πx_i, for instance the first P coordinates; L ≥ 0; draws ≥ 2; rng.

    Source: the supremum of ⟨w, v⟩ over ‖w‖ ≤ L is L‖v‖ (Cauchy–Schwarz, with equality at w = Lv/‖v‖).

    Raises ValueError if Z is no finite matrix, L < 0, draws < 2 or rng is not a `numpy.random.Generator`.

    >>> linear_class(np.eye(4), 1.0, draws=5, rng=np.random.default_rng(0)).value
    0.5
    """
    Z, L = check.matrix(Z, "Z"), check.positive(L, "L", zero_allowed=True)
    draws, rng = check.count(draws, "draws", at_least=2), check.generator(rng)
    signs = random_signs(draws * len(Z), rng).reshape(draws, len(Z))
    return Estimate(L / len(Z) * np.linalg.norm(signs @ Z, axis=1))


def linear_bounds(Z: Float[ndarray, "n P"], L: float) -> tuple[float, float]:
    """(L‖Z‖_F/(√2 n), L‖Z‖_F/n), between which R({⟨w, Πx⟩ : ‖w‖ ≤ L}) lies for the given points Z = (Πx_i).

    Source: above, Jensen's inequality and E‖Σ s_i z_i‖² = Σ‖z_i‖²; below, the inequality of Khintchine and Kahane with
    its best constant 1/√2 (Latała and Oleszkiewicz 1994).

    Raises ValueError if Z is no finite matrix or L < 0.

    >>> linear_bounds(np.eye(4), 1.0)
    (0.35355339059327373, 0.5)
    """
    Z, L = check.matrix(Z, "Z"), check.positive(L, "L", zero_allowed=True)
    upper = L * float(np.linalg.norm(Z)) / len(Z)
    return upper / np.sqrt(2).item(), upper


def linear_gaussian(n: int, d: int, P: int, L: float) -> float:
    """R({x ↦ ⟨w, Πx⟩ : ‖w‖ ≤ L}) = L·E[χ_P]/√(nd), exact, averaged over points x ~ N(0, I_d/d).

    E[χ_P] = √2·Γ((P+1)/2)/Γ(P/2) is the mean length of a standard Gaussian vector in R^P, a little below √P, so the value is
    a little below L√(P/(nd)). Π keeps P ≤ d orthonormal coordinates.

    Source: Σ s_i Πx_i is Gaussian with covariance (n/d)·I_P, whatever the signs.

    Raises ValueError if n, d or P is no integer ≥ 1, P > d, or L < 0.

    >>> round(linear_gaussian(n=500, d=300, P=10, L=1.0), 5), round((10 / (500 * 300)) ** 0.5, 5)
    (0.00796, 0.00816)
    """
    n, d, P = check.count(n, "n"), check.count(d, "d"), check.count(P, "P")
    if d < P:
        raise ValueError(f"P = {P} exceeds d = {d}; a point has only d coordinates")
    mean_chi = np.sqrt(2) * poch(P / 2, 0.5)  # poch(a, b) = Γ(a + b)/Γ(a), also where both overflow
    return float(check.positive(L, "L", zero_allowed=True) * mean_chi / np.sqrt(n * d))


# -------------------------------------------------------------------------------- all L-Lipschitz functions with |f| ≤ 1


def lipschitz_supremum(X: Float[ndarray, "n d"], s: Float[ndarray, "n"], L: float) -> float:
    """(1/n) sup Σ s_i f(x_i) over all L-Lipschitz f with |f| ≤ 1, exact, by a minimum-cost matching of the signs.

    Each point of the rarer sign gets a partner of the other sign; a pair costs min(L‖x_i − x_j‖, 2), a point without a
    partner costs 1; the smallest total is the supremum. (−f belongs to the class with f: |Σ s_i f(x_i)| has the same one.)

    Parameters: X points; s signs ±1, one a point; L ≥ 0. Takes O(n³) operations at worst and O(n²) memory.

    Source: duality of linear programming; proof in the chapter on generalization. The dual of `lipschitz_maximizer`.

    Raises ValueError if X is no finite matrix, s has entries other than ±1 or the wrong length, or L < 0.

    >>> lipschitz_supremum(np.array([[0.0], [0.5], [9.0]]), np.array([1.0, -1.0, 1.0]), L=1.0)
    0.5
    """
    X, s, L = _ball(X, s, L)
    return _matching(cdist(X, X), s, L)


def lipschitz_maximizer(
    X: Float[ndarray, "n d"], s: Float[ndarray, "n"], L: float
) -> Float[ndarray, "n"]:
    """Values f(x_i) of an L-Lipschitz f with |f| ≤ 1 that maximises Σ s_i f(x_i), by linear programming (HiGHS).

    By McShane's theorem the values at the points are all that matters: they extend to R^d whenever they are L-Lipschitz on
    the points. Of these constraints only f(x_i) − f(x_j) ≤ L‖x_i − x_j‖ for s_i = 1, s_j = −1 enter the programme;
    max_{s_i = 1} (f(x_i) − L‖x − x_i‖), cut at −1, then satisfies all of them and is no worse. It is what is returned, so it
    is a member of the class whatever the solver's tolerance.

    Parameters and errors as in `lipschitz_supremum`; RuntimeError if the solver fails. Memory O(n²).

    >>> lipschitz_maximizer(np.array([[0.0], [0.5], [9.0]]), np.array([1.0, -1.0, 1.0]), L=1.0).tolist()
    [-0.5, -1.0, 1.0]
    """
    X, s, L = _ball(X, s, L)
    return _programme(cdist(X, X), s, L)


def lipschitz_ball(
    X: Float[ndarray, "n d"],
    L: float,
    *,
    draws: int,
    rng: np.random.Generator,
    method: Literal["matching", "lp"] = "matching",
) -> Estimate:
    """R of the class of all L-Lipschitz functions with |f| ≤ 1 on the given points; exact for each draw of the signs.

    Parameters: X points; L ≥ 0; draws ≥ 2; rng; method "matching" (`lipschitz_supremum`) or "lp" (`lipschitz_maximizer`),
    which give the same numbers; the first is faster.

    Raises ValueError on bad arguments, RuntimeError if the linear programme fails.

    >>> lipschitz_ball(np.arange(5.0)[:, None], 2.0, draws=3, rng=np.random.default_rng(0)).value
    1.0
    """
    check.one_of(method, "method", ("matching", "lp"))
    draws, rng = check.count(draws, "draws", at_least=2), check.generator(rng)
    X, _, L = _ball(X, np.ones(len(check.matrix(X))), L)
    D = cdist(X, X)
    suprema = []
    for _ in range(draws):
        s = random_signs(len(X), rng)
        suprema.append(
            _matching(D, s, L) if method == "matching" else s @ _programme(D, s, L) / len(X)
        )
    return Estimate(np.array(suprema))


def _ball(
    X: object, s: object, L: float
) -> tuple[Float[ndarray, "n d"], Float[ndarray, "n"], float]:
    X, L = check.matrix(X), check.positive(L, "L", zero_allowed=True)  # type: ignore[arg-type]
    s = check.vector(s, "s", length=len(X))  # type: ignore[arg-type]
    if (np.abs(s) != 1).any():
        raise ValueError(
            f"s[{int((np.abs(s) != 1).argmax())}] = {s[np.abs(s) != 1][0]:g}; signs are +1 or -1"
        )
    return X, s, L


def _matching(D: Float[ndarray, "n n"], s: Float[ndarray, "n"], L: float) -> float:
    plus, minus = s > 0, s < 0
    cost = np.minimum(L * D[np.ix_(plus, minus)], 2.0)
    return float((cost[linear_sum_assignment(cost)].sum() + abs(s.sum())) / len(s))


def _programme(D: Float[ndarray, "n n"], s: Float[ndarray, "n"], L: float) -> Float[ndarray, "n"]:
    plus, minus = np.flatnonzero(s > 0), np.flatnonzero(s < 0)
    reach = L * D[np.ix_(plus, minus)]
    i, j = np.nonzero(reach < 2)  # the others follow from |f| ≤ 1
    f = s.copy()
    if len(i):
        row = np.arange(len(i))
        entries = (
            np.repeat([1.0, -1.0], len(i)),
            (np.tile(row, 2), np.concatenate([plus[i], minus[j]])),
        )
        A = coo_array(entries, shape=(len(i), len(s))).tocsr()
        solved = linprog(-s, A_ub=A, b_ub=reach[i, j], bounds=(-1, 1), method="highs")
        if not solved.success:
            raise RuntimeError(
                f"the linear programme with {len(s)} points and {len(i)} constraints failed: {solved.message}"
            )
        f = solved.x
    if len(plus) == 0:
        return np.full(len(s), -1.0)
    return np.maximum((np.clip(f[plus], -1, 1)[:, None] - L * D[plus]).max(axis=0), -1.0)


# ------------------------------------------------------------------------------------------------------------ mixtures


def sign_sum(m: int) -> float:
    """E|s_1 + … + s_m| = (2/√π)·Γ(h + ½)/Γ(h) with h = ⌈m/2⌉, for independent fair signs; 0 for m = 0, about √(2m/π).

    Source: the sum equals 2B − m with B binomial, whose mean deviation is h·C(m, h)/2^m (de Moivre).

    Raises ValueError if m is no integer ≥ 0.

    >>> [round(sign_sum(m), 9) for m in range(5)]
    [0.0, 1.0, 1.0, 1.5, 1.5]
    """
    m = check.count(m, "m", at_least=0)
    return float(2 / np.sqrt(np.pi) * poch((m + 1) // 2, 0.5)) if m else 0.0


def cluster_constant(sizes: Iterable[int]) -> float:
    """R of the functions that are +1 or −1 on each of k clusters: (1/n) Σ_ℓ E|sum of m_ℓ signs|, exact, n = Σ m_ℓ.

    For k clusters of equal size it is about √(2k/(πn)), and never below √(k/(2n)).

    Parameters: sizes m_ℓ ≥ 0, how many points lie in each cluster; at least one point in all.

    Raises ValueError if a size is no integer ≥ 0 or all are 0.

    >>> round(cluster_constant([10] * 20), 4), round(float(np.sqrt(2 * 20 / (np.pi * 200))), 4)
    (0.2461, 0.2523)
    """
    m = [check.count(size, "sizes", at_least=0) for size in sizes]
    if sum(m) == 0:
        raise ValueError(f"sizes = {m}; at least one point is needed")
    value = {size: sign_sum(size) for size in set(m)}
    return sum(value[size] for size in m) / sum(m)


# -------------------------------------------------------------------------------------------------------- the theorems


def massart_bound(log_N: float, n: int, *, radius: float = 1.0) -> float:
    """radius·√(2(log_N + log 2)/n) ≥ R(F) for N functions whose root mean square on the points is at most `radius`.

    Parameters: log_N ≥ 0 the natural logarithm of N; n ≥ 1 points; radius ≥ 0, which |f| ≤ radius ensures.
    Without the absolute value in R the log 2 can be left out.

    Source: Massart (2000); proof in the chapter on generalization.

    Raises ValueError on arguments out of range.

    >>> round(massart_bound(np.log(1000), 200), 4)
    0.2757
    """
    log_N, n = check.positive(log_N, "log_N", zero_allowed=True), check.count(n, "n")
    return float(
        check.positive(radius, "radius", zero_allowed=True) * np.sqrt(2 * (log_N + np.log(2)) / n)
    )


def isoperimetric_bound(
    log_N: float, n: int, d: int, L: float, *, k: int = 1, c: float = 1.0
) -> float:
    """√(k/n) + L√(2c(log_N + log 2)/(nd)) ≥ R(F), averaged over the points, for N functions, L-Lipschitz, |f| ≤ 1.

    The points come from a mixture of k laws with E exp(λ(f − Ef)) ≤ exp(λ²cL²/(2d)) for every L-Lipschitz f: c = 1 for
    N(0, I_d/d), c = d/(d − 1) for the unit sphere. If every f has mean 0 on every component, k = 0 may be put.

    Parameters: log_N ≥ 0 the natural logarithm of N; n, d ≥ 1; L ≥ 0; k ≥ 0; c > 0.

    Source: this book; the scale is that of the generalization form of the law in Bubeck and Sellke (2021).

    Raises ValueError on arguments out of range.

    >>> round(isoperimetric_bound(np.log(1000), 200, 100, 2.0), 4), round(isoperimetric_bound(np.log(1000), 200, 100, 2.0, k=0), 4)
    (0.1259, 0.0551)
    """
    log_N, n, d = (
        check.positive(log_N, "log_N", zero_allowed=True),
        check.count(n, "n"),
        check.count(d, "d"),
    )
    L, k, c = (
        check.positive(L, "L", zero_allowed=True),
        check.count(k, "k", at_least=0),
        check.positive(c, "c"),
    )
    return float(np.sqrt(k / n) + L * np.sqrt(2 * c * (log_N + np.log(2)) / (n * d)))


def gap_bound(
    complexity: float, n: int, *, slope: float = 1.0, span: float = 1.0, delta: float = 0.05
) -> float:
    """2·slope·complexity + span·√(log(1/δ)/(2n)) ≥ sup_f (expected loss − mean loss on n points), with probability ≥ 1 − δ.

    Parameters: complexity R(F) averaged over the points; slope of the loss in the prediction; span of the values that the
    loss can take; delta δ in (0, 1).

    Source: symmetrization, contraction (Ledoux and Talagrand 1991) and McDiarmid's inequality (1989).

    Raises ValueError on arguments out of range.

    >>> round(gap_bound(0.1, 1000), 4)
    0.2387
    """
    n, delta = check.count(n, "n"), _probability(delta)
    R, slope, span = (
        check.positive(v, a, zero_allowed=True)
        for v, a in ((complexity, "complexity"), (slope, "slope"), (span, "span"))
    )
    return float(2 * slope * R + span * np.sqrt(np.log(1 / delta) / (2 * n)))


def lipschitz_floor(
    eps: float,
    log_N: float,
    n: int,
    d: int,
    *,
    slope: float = 1.0,
    span: float = 1.0,
    k: int = 1,
    c: float = 1.0,
    delta: float = 0.05,
) -> float:
    """The L at which `gap_bound` of `isoperimetric_bound` equals eps, or 0 if it is above eps for every L.

    (eps/(2·slope) − √(k/n) − span/(2·slope)·√(log(1/δ)/(2n))) · √(nd/(2c(log_N + log 2))): with probability ≥ 1 − δ every
    one of N functions with |f| ≤ 1 whose mean loss is at least eps below the smallest expected loss has a Lipschitz constant of
    at least this.

    Parameters: as in the two bounds; eps > 0, slope > 0.

    Raises ValueError on arguments out of range.

    >>> round(lipschitz_floor(0.5, np.log(1e6), n=10_000, d=1000), 2)
    137.3
    """
    eps, slope = check.positive(eps, "eps"), check.positive(slope, "slope")
    rest = eps - gap_bound(
        isoperimetric_bound(log_N, n, d, 0.0, k=k, c=c), n, slope=slope, span=span, delta=delta
    )
    per_unit = isoperimetric_bound(log_N, n, d, 1.0, k=0, c=c)
    return max(rest, 0.0) / (2 * slope * per_unit)


def _probability(delta: float) -> float:
    if not 0 < check.positive(delta, "delta") < 1:
        raise ValueError(f"delta = {delta!r}; a probability strictly between 0 and 1 is needed")
    return float(delta)
