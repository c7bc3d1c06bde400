"""Memorizers: functions that fit given labels, each a frozen record of the numbers that it stores.

`fit` makes one from points X (n, d) and labels y (n,); the constructor takes the stored numbers.
Both raise a ValueError that names the argument for wrong shapes, values out of range, or data that
cannot be fitted.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import product
from typing import ClassVar, Literal, Protocol, Self, TypeAlias, runtime_checkable

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from scipy.spatial.distance import cdist

from . import _validate as check
from .bracket import Bracket
from .lipschitz import PairWitness, data_lipschitz, min_separation

Points: TypeAlias = Float[ndarray, "n d"]
Labels: TypeAlias = Float[ndarray, "n"]
Side: TypeAlias = Literal["upper", "lower"]


@runtime_checkable
class Memorizer(Protocol):
    """What every memorizer can do, and every network.

    name is for figures; n_parameters is the P of the law, how many real numbers, chosen after the
    data were seen, describe f; f(X) has f(x) for each row of X; lipschitz is Euclidean, on R^d.
    """

    @property
    def name(self) -> str: ...
    @property
    def n_parameters(self) -> int: ...
    def __call__(self, X: Points) -> Labels: ...
    def lipschitz(self) -> Bracket: ...


class _Stored:
    """Counts what is stored, and is called in blocks."""

    _counted: ClassVar[tuple[str, ...]]  # the fields that count; the first has d columns
    _values: Callable[[Points], Labels]

    @property
    def n_parameters(self) -> int:
        """The numbers stored, all of them chosen after the data were seen."""
        return sum(np.size(getattr(self, name)) for name in self._counted)

    def __call__(self, X: Points) -> Labels:
        """f(x) for each row of X (m, d)."""
        terms, d = getattr(self, self._counted[0]).shape
        X, step = check.matrix(X, columns=d), 4_000_000 // max(terms, 1) + 1  # blocks of 32 MB
        return np.concatenate([self._values(X[i : i + step]) for i in range(0, len(X), step)])


@dataclass(frozen=True, eq=False)
class McShane(_Stored):
    """f(x) = min_i (y_i + L‖x − x_i‖) (side "upper"), or max_i (y_i − L‖x − x_i‖) (side "lower").

    Every L-Lipschitz function that fits the data lies between the two. No function fits with less
    than L* = `data_lipschitz(X, y)`, which `fit` takes for None. Source: McShane, Whitney (1934).

    >>> f = McShane.fit(np.array([[0.0], [1.0], [3.0]]), np.array([0.0, 1.0, 5.0]))
    >>> f.L, f(np.array([[1.0], [2.0]])).tolist(), f.n_parameters
    (2.0, [1.0, 3.0], 6)
    """

    X: Points
    y: Labels
    L: float
    side: Side = "upper"
    steepest: PairWitness = field(init=False, repr=False)  # the pair of points that attains L*
    name, _counted = "McShane–Whitney", ("X", "y")  # L is computed from them

    @classmethod
    def fit(cls, X: Points, y: Labels, L: float | None = None, side: Side = "upper") -> Self:
        """The extension of y to R^d, with L* for None."""
        return cls(X, y, data_lipschitz(X, y).value if L is None else L, side)

    def __post_init__(self) -> None:
        best, L = data_lipschitz(self.X, self.y), check.positive(self.L, "L", zero_allowed=True)
        check.store(self, X=check.matrix(self.X), y=check.vector(self.y), L=L, steepest=best)
        check.one_of(self.side, "side", ("upper", "lower"))
        if L < best.value * (1 - 1e-12):
            pair = f"{best.value:g}, the slope between the points {best.i} and {best.j}"
            raise ValueError(f"L = {L:g} is below L* = {pair}; take L >= L*, as f must fit")

    def _values(self, X: Points) -> Labels:
        sign = 1.0 if self.side == "upper" else -1.0
        return sign * (sign * self.y + self.L * cdist(X, self.X)).min(axis=1)

    def lipschitz(self) -> Bracket:
        """Exactly L: by the steepest pair, or because f(x) = y_i ± L‖x − x_i‖ near each x_i."""
        if self.L > (best := self.steepest).value:
            return Bracket.exact(self.L, "slope next to each data point")
        return Bracket.exact(self.L, f"slope between points {best.i} and {best.j}")


@dataclass(frozen=True, eq=False)
class Bumps(_Stored):
    """f(x) = Σ_i y_i max(0, 1 − ‖x − x_i‖/r): a cone of height y_i and radius r on each centre x_i.

    Let δ be the smallest distance of two centres. For r ≤ δ/2, which `fit` takes for None, no cones
    overlap: f fits and Lip(f) = max|y_i|/r. For δ/2 < r ≤ δ it fits too, but Lip(f) is only
    bracketed: a trap.

    >>> f = Bumps.fit(np.array([[0.0], [1.0], [3.0]]), np.array([1.0, -1.0, 1.0]))
    >>> f(np.array([[0.0], [0.25], [1.0], [3.25]])).tolist(), f.n_parameters
    ([1.0, 0.5, -1.0, 0.5], 6)
    """

    centres: Points
    heights: Labels
    radius: float
    delta: float = field(init=False)
    name, _counted = "bumps", ("centres", "heights")  # r is computed from them, or fixed before

    @classmethod
    def fit(cls, X: Points, y: Labels, radius: float | None = None) -> Self:
        """A bump on each point, of radius δ/2 for None."""
        return cls(X, y, (min_separation(X).value / 2 or 1) if radius is None else radius)

    def __post_init__(self) -> None:
        X, r = check.matrix(self.centres, rows_at_least=2), check.positive(self.radius, "radius")
        closest, y = min_separation(X), check.vector(self.heights, length=len(X))
        check.store(self, centres=X, heights=y, radius=r, delta=closest.value)
        pair = f"X[{closest.i}] and X[{closest.j}]"
        if closest.value == 0:
            raise ValueError(f"{pair} are the same point; merge repeated points")
        if r > closest.value * (1 + 1e-12):
            raise ValueError(f"radius = {r:g} exceeds {closest.value:g} between {pair}; take half")

    def _values(self, X: Points) -> Labels:
        # cdist takes differences, so the distance of a point to itself is exactly 0
        return np.maximum(0, 1 - cdist(X, self.centres) / self.radius) @ self.heights

    def lipschitz(self) -> Bracket:
        """Exactly max|y_i|/r if the bumps are disjoint; else a bracket.

        Above: only bumps of centres within 2r of each other overlap. Below: slopes between centres,
        and gradients at the centroid of all, of the positive, and of the negative ones.
        """
        r, X, y = self.radius, self.centres, self.heights
        if r <= self.delta / 2 * (1 + 1e-12):  # both may be rounded
            by = "from the highest centre to the edge of its bump"
            return Bracket.exact(float(np.abs(y).max() / r), by)
        lower, by = data_lipschitz(X, y).value, "slope of two points"
        for points in (X, X[y > 0], X[y < 0]):
            away = points.mean(axis=0) - X if len(points) else np.zeros_like(X)
            distance = np.linalg.norm(away, axis=1)
            if np.minimum(distance, np.abs(distance - r)).min() < 1e-9 * r:
                continue  # on a kink there is no gradient
            gradient = np.where(distance < r, y / distance, 0) @ away
            if (slope := float(np.linalg.norm(gradient) / r)) >= lower:
                lower, by = slope, "gradient at a centroid of the points"
        upper = max(float(np.abs(y) @ (cdist(X, [x])[:, 0] < 2 * r)) for x in X) / r
        return Bracket(lower, upper, by, "bumps that can overlap at one place")


@dataclass(frozen=True, eq=False)
class Projected(_Stored):
    """f(x) = inner(Ax): a memorizer of the points Ax_i, as a memorizer in R^d.

    A (d̃, d) has orthonormal rows, as `data.random_subspace(d, d̃, rng).T` has, and is fixed before
    the data are seen. Lip(f) = Lip(inner): ‖Ax − Ax'‖ ≤ ‖x − x'‖, with equality in their span.
    """

    inner: Memorizer
    A: Float[ndarray, "d_tilde d"] = field(repr=False)
    _counted = ("A",)

    def __post_init__(self) -> None:
        if not isinstance(self.inner, Memorizer):
            raise ValueError(f"inner = {self.inner!r:.60} is no memorizer (see `Memorizer`)")
        check.store(self, A=check.matrix(self.A, "A"), name=f"projected {self.inner.name}")
        if (off := np.abs(self.A @ self.A.T - np.eye(len(self.A))).max()) > 1e-10:
            raise ValueError(f"A: its rows are not orthonormal, A·Aᵀ is off by {off:.2g}")

    @property
    def n_parameters(self) -> int:
        return self.inner.n_parameters

    def _values(self, X: Points) -> Labels:
        return self.inner(X @ self.A.T)

    def lipschitz(self) -> Bracket:
        return self.inner.lipschitz()


@dataclass(frozen=True, eq=False)
class Baum(_Stored):
    """f(x) = b·(1 − 2 Σ_g tent((⟨u_g, x⟩ − 1)/w_g)), tent(t) = max(0, 1 − |t|): thin slabs.

    b = ±1 is the commoner label. The points with the other one are divided, in their order, into
    groups; a slab lies around the hyperplane ⟨u_g, x⟩ = 1 through its group, with the shortest such
    u_g, and is as wide as it can be without holding another point. A tent is three ReLUs.
    Source: Baum (1988), with two thresholds, and so no Lipschitz constant, in the place of a tent.
    """

    U: Float[ndarray, "G d"] = field(repr=False)
    w: Float[ndarray, "G"] = field(repr=False)
    b: float
    name, _counted = "Baum's slabs", ("U", "w", "b")

    @classmethod
    def fit(cls, X: Points, y: Labels, group: int | None = None) -> Self:
        """Groups of at most `group` ∈ {1, …, d} points (None: d), which are in general position."""
        X = check.matrix(X, rows_at_least=2)
        y, d = check.signs(y, length=len(X)), X.shape[1]
        if (size := d if group is None else check.count(group, "group")) > d:
            raise ValueError(f"group = {group} exceeds d = {d}, the points that fix a hyperplane")
        rare = np.flatnonzero(y != (b := 1.0 if y.sum() >= 0 else -1.0))
        groups = np.array_split(rare, -(-rare.size // size)) if rare.size else []
        slabs = np.reshape([_slab(X, members) for members in groups], (-1, d + 1))
        return cls(slabs[:, :-1], slabs[:, -1], b)

    def __post_init__(self) -> None:
        U = check.matrix(self.U, "U", rows_at_least=0)
        w, b = check.vector(self.w, "w", length=len(U)), check.signs([self.b], "b")
        if (w <= 0).any():
            raise ValueError(f"w[{w.argmin()}] = {w.min():g}; half-widths above 0 are needed")
        check.store(self, U=U, w=w, b=float(b[0]))

    def _values(self, X: Points) -> Labels:
        t = (X @ self.U.T - 1) / self.w
        return self.b * (1 - 2 * np.maximum(0, 1 - np.abs(t)).sum(axis=1))

    def lipschitz(self) -> Bracket:
        """The largest ‖Σ_g s_g v_g‖ over slopes s_g ∈ {−1, 0, 1}, v_g = 2u_g/w_g.

        If the u_g are independent, every pattern occurs; for up to 12 slabs all are tried. Else
        from above ‖Σ s_g v_g‖² ≤ tr(D)·λ_max(D^{−1/2} V Vᵀ D^{−1/2}), for every diagonal D > 0,
        and from below the gradient at a point where as many slabs cross as can be arranged.
        """
        G, V = len(self.w), 2 * self.U / self.w[:, None]
        if G == 0:
            return Bracket.exact(0.0, "constant function")
        gram = V @ V.T
        if G <= 12 and np.linalg.matrix_rank(self.U) == G:
            s = np.array([(1.0, *rest) for rest in product((1, -1), repeat=G - 1)])
            steepest = float(np.sqrt(np.einsum("pg,gh,ph->p", s, gram, s).max()))
            return Bracket.exact(steepest, "steepest crossing of slabs, all sign patterns")
        D = np.abs(gram).sum(axis=1)
        top = np.linalg.eigvalsh(gram / np.sqrt(np.outer(D, D)))[-1] * (1 + 1e-12)
        steep, upper = np.argsort(-np.linalg.norm(V, axis=1)), float(np.sqrt(top * D.sum()))
        lower = max(self._crossing(V, steep[:count]) for count in {1, min(self.U.shape)})
        return Bracket(lower, upper, "gradient where slabs cross", "eigenvalue bound on patterns")

    def _crossing(self, V: Float[ndarray, "G d"], chosen: ndarray) -> float:
        """‖∇f‖ where these slabs cross, with signs that no single flip improves; 0 on a kink."""
        gram, s = V[chosen] @ V[chosen].T, np.ones(chosen.size)
        while (gain := np.diag(gram) - s * (gram @ s)).max() > 1e-12 * np.trace(gram):
            s[gain.argmax()] *= -1
        x = np.linalg.lstsq(self.U[chosen], 1 - s * self.w[chosen] / 2, rcond=None)[0]
        t = (self.U @ x - 1) / self.w
        rounding = 1e-13 * np.linalg.norm(self.U, axis=1) * np.linalg.norm(x) / self.w
        if (np.minimum(np.abs(t), np.abs(np.abs(t) - 1)) <= rounding).any():
            return 0.0
        return float(np.linalg.norm((np.sign(t) * (np.abs(t) < 1)) @ V))


def _slab(X: Points, members: ndarray) -> Float[ndarray, "d+1"]:
    """The shortest u with ⟨u, x⟩ = 1 for members, and the w with |⟨u, x⟩ − 1| ≥ w for others."""
    u = np.linalg.lstsq(X[members], np.ones(members.size), rcond=None)[0]
    t = np.abs(X @ u - 1)
    miss = float(t[members].max())
    t[members] = np.inf
    nearest, w = t.argmin(), float(t.min())
    if miss > 1e-6 * min(w, 1.0) or w <= 0:
        slab = f"no slab with X[{nearest}] at its edge holds X[{members.tolist()[:8]}]"
        raise ValueError(f"{slab}: not in general position; move points, or take smaller groups")
    return np.append(u, w)


@dataclass(frozen=True, eq=False)
class LeastSquares(_Stored):
    """f(x) = ⟨w, (x_1, …, x_P)⟩ with the least (1/n)Σ(f(x_i) − y_i)², P ≤ min(n, d)."""

    w: Float[ndarray, "P"]
    d: int
    name, _counted = "least squares", ("w",)  # which coordinates are used was fixed beforehand

    @classmethod
    def fit(cls, X: Points, y: Labels, P: int) -> Self:
        """On the first P coordinates of the points."""
        X, perfect = check.matrix(X), issubclass(cls, MinNormLinear)
        y, (n, d) = check.vector(y, length=len(X)), X.shape
        low, high = (n, d) if perfect else (1, min(n, d))
        if not low <= check.count(P, "P") <= high:
            raise ValueError(f"P = {P}; {cls.__name__} needs {low} to {high} at n = {n}, d = {d}")
        w = np.linalg.lstsq(X[:, :P], y, rcond=None)[0]
        if perfect and (miss := np.abs(X[:, :P] @ w - y).max()) > 1e-6 * max(1, np.abs(y).max()):
            raise ValueError(f"X: no linear function of {P} coordinates fits (off by {miss:.2g})")
        return cls(w, d)

    def __post_init__(self) -> None:
        w = check.matrix([self.w], "w")[0]
        check.store(self, w=w, d=check.count(self.d, "d", at_least=w.size))

    def __call__(self, X: Points) -> Labels:
        return check.matrix(X, columns=self.d)[:, : self.w.size] @ self.w

    def lipschitz(self) -> Bracket:
        """Exactly ‖w‖: the slope along w."""
        return Bracket.exact(float(np.linalg.norm(self.w)), "norm of the weights")


class MinNormLinear(LeastSquares):
    """The same for n ≤ P ≤ d: of all w with a perfect fit that with the smallest ‖w‖ = Lip(f)."""

    name = "min-norm linear"


@dataclass(frozen=True, eq=False)
class OneNumber(_Stored):
    """f_a(x) = Σ_i s_i min(1, max(0, (ρ − ‖x − c_i‖)/(ρ − e))), all read from the digits of a.

    a = number/2^m ∈ [0, 1) is the only parameter. Its first ndb binary digits are the centres c_i,
    the points of [−1, 1]^d rounded to b ≤ 52 bits a coordinate, so that ‖x_i − c_i‖ ≤ e, with
    e = √d/(2^b − 1); the last n are the signs s_i = y_i; m = n(db + 1). ρ is half of the smallest
    distance of two centres: the bumps do not overlap and are flat within e, so f_a(x_i) = y_i and
    Lip(f_a) = 1/(ρ − e).
    """

    number: int = field(repr=False)
    n: int
    d: int
    bits: int
    _read: tuple = field(init=False, repr=False)  # centres, signs, ρ, ρ − e
    name, _counted = "one number", ("number",)

    @classmethod
    def fit(cls, X: Points, y: Labels, bits: int = 8) -> Self:
        """Points in [−1, 1]^d, n ≥ 2, and labels ±1, at `bits` digits a coordinate."""
        X = check.matrix(X, rows_at_least=2)
        y, b, d = check.signs(y, length=len(X)), check.count(bits, "bits"), X.shape[1]
        if np.abs(X).max() > 1 or b > 52:
            most = np.abs(X).max()
            raise ValueError(f"X up to {most:g}, bits = {b}; entries in [-1, 1] and 52 are allowed")
        steps = np.rint((X + 1) / 2 * (2**b - 1)).astype(np.int64)
        digits = np.append(steps.reshape(-1, 1) >> np.arange(b)[::-1] & 1, y > 0)
        try:
            return cls(int((digits + 48).astype(np.uint8).tobytes(), 2), len(X), d, b)
        except ValueError as refusal:
            apart = min_separation(X).value
            enough = int(np.log2(1 + 4 * np.sqrt(d) / apart)) + 1 if apart else "infinitely many"
            raise ValueError(f"{refusal}; bits = {enough} are enough") from None

    def __post_init__(self) -> None:
        n, d, b = (check.count(getattr(self, k), k) for k in ("n", "d", "bits"))
        if b > 52 or check.count(self.number, "number", at_least=0) >> self.n_bits:
            raise ValueError(f"bits = {b}, number: at most 52 bits and n(d·bits + 1) digits")
        digits = np.frombuffer(f"{self.number:0{self.n_bits}b}".encode(), np.uint8) - 48
        steps = digits[:-n].reshape(n, d, b) @ (1 << np.arange(b)[::-1])
        centres, e = 2 * steps / (2**b - 1) - 1, np.sqrt(d) / (2**b - 1) * (1 + 1e-12)
        rho = min_separation(centres).value / 2
        check.store(self, _read=(centres, 2.0 * digits[-n:] - 1, rho, float(rho - e)))
        if rho <= e:
            raise ValueError(f"bits = {b} move points by {e:.2g}; less than {rho:.2g} is needed")

    @property
    def n_bits(self) -> int:
        """m = n(db + 1), the binary digits of the parameter: the honest size."""
        return self.n * (self.d * self.bits + 1)

    def __call__(self, X: Points) -> Labels:
        centres, signs, rho, ramp = self._read
        distance = cdist(check.matrix(X, columns=self.d), centres)
        return np.clip((rho - distance) / ramp, 0, 1) @ signs

    def lipschitz(self) -> Bracket:
        """Exactly 1/(ρ − e): down the slope of any bump; the bumps do not overlap."""
        return Bracket.exact(1 / self._read[3], "from the flat top of a bump to its edge")
