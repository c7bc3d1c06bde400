"""One bump a point: about n(d + 1) parameters, and a Lipschitz constant that does not grow with n.

Read in order: `Bumps`; `projection` and `Projected`, a memorizer after a fixed projection, which saves parameters;
`projected_bumps`, the two together. Used in the chapters "Size against robustness" and "The law of robustness".
"""

from __future__ import annotations

import math
from dataclasses import InitVar, dataclass, field
from typing import cast

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray
from scipy.spatial.distance import cdist

from .. import _validate as check
from ..lipschitz import Bracket, data_lipschitz, min_separation
from ._parts import frozen, in_blocks
from .mcshane import Memorizer


@dataclass(frozen=True, eq=False)
class Bumps:
    """f(x) = Σ_i y_i max(0, 1 − ‖x − x_i‖/r): a cone of height y_i and radius r on each point.

    With r ≤ δ/2, where δ is the smallest distance between two points and r = δ/2 the default, no two cones overlap,
    so that f fits and Lip(f) = max|y_i|/r on all of R^d: a segment that leaves one cone and enters another passes
    through zeros of f between them. For ±1 labels and r = δ/2 that is 2/δ. With δ/2 < r ≤ δ the function still fits,
    but cones overlap between the points and Lip(f) is only bracketed: this is a trap, not a recommendation.

    Parameters: X points (n, d), n ≥ 2; y labels (n,); radius r ∈ (0, δ] or None for δ/2; keep ∈ (0, 1], the fraction
    of points that get a bump. With keep < 1 points are dropped one by one, each time one of the two closest, until
    ⌈keep·n⌉ (at least 2) are left; δ is then the distance of those that are left, and f fits only them.

    Attributes: centres (m, d), heights (m,), radius, delta, and kept, the row numbers of the centres in X.

    Raises ValueError on wrong shapes or non-finite entries, if points to keep coincide, if the radius is not in (0, δ],
    or keep not in (0, 1].

    Source: the book, which proves the exact constant.

    >>> f = Bumps(np.array([[0.0], [1.0], [3.0]]), np.array([1.0, -1.0, 1.0]))
    >>> f(np.array([[0.0], [0.25], [1.0], [3.25]])).tolist(), f.n_parameters
    ([1.0, 0.5, -1.0, 0.5], 6)
    >>> print(f.lipschitz())
    Lip = 2 (from the highest centre to the edge of its bump)
    """

    X: InitVar[Float[ndarray, "n d"]]
    y: InitVar[Float[ndarray, "n"]]
    radius: float | None = None
    keep: InitVar[float] = 1.0
    centres: Float[ndarray, "m d"] = field(init=False, repr=False)
    heights: Float[ndarray, "m"] = field(init=False, repr=False)
    kept: Int[ndarray, "m"] = field(init=False, repr=False)
    delta: float = field(init=False)

    def __post_init__(self, X: Float[ndarray, "n d"], y: Float[ndarray, "n"], keep: float) -> None:
        X = check.matrix(X, rows_at_least=2)
        y = check.vector(y, length=X.shape[0])
        if not 0 < check.positive(keep, "keep") <= 1:
            raise ValueError(f"keep = {keep:g}; a fraction in (0, 1] is needed")
        kept = _spread_out(X, max(2, math.ceil(keep * X.shape[0] - 1e-9)))
        closest = min_separation(X[kept])
        if closest.value == 0:
            i, j = kept[closest.i], kept[closest.j]
            raise ValueError(
                f"X[{i}] and X[{j}] are the same point, so that their bumps cannot be kept apart; merge repeated "
                "points, keep fewer (keep < 1), or project to more coordinates"
            )
        radius = closest.value / 2 if self.radius is None else check.positive(self.radius, "radius")
        if radius > closest.value * (1 + 1e-12):
            raise ValueError(
                f"radius = {radius:g} exceeds the smallest distance {closest.value:g} of two points: f would not fit; "
                "take radius <= distance/2, or None for distance/2"
            )
        centres, heights, kept = frozen(X[kept], y[kept], kept)
        for name, value in (
            ("radius", radius), ("centres", centres), ("heights", heights), ("kept", kept), ("delta", closest.value)
        ):  # fmt: skip
            object.__setattr__(self, name, value)

    @property
    def name(self) -> str:
        return "bumps" if self.disjoint else "overlapping bumps"

    @property
    def disjoint(self) -> bool:
        """r ≤ δ/2: no two bumps overlap anywhere in R^d."""
        return cast(float, self.radius) <= self.delta / 2 * (
            1 + 1e-12
        )  # half of another routine's separation may differ in its last bit

    @property
    def n_parameters(self) -> int:
        """m(d + 1): the centres and heights (the radius is computed from the centres, or was fixed beforehand)."""
        return self.centres.size + self.heights.size

    def __call__(self, X: Float[ndarray, "m d"]) -> Float[ndarray, "m"]:
        """f(x) for each row of X (m, d); O(m·n·d) operations, in blocks. Raises ValueError on shapes that do not fit."""
        X = check.matrix(X, columns=self.centres.shape[1])

        def values(part: Float[ndarray, "r d"]) -> Float[ndarray, "r"]:
            t = cdist(
                part, self.centres
            )  # takes differences, so the distance of a point to itself is exactly 0
            t /= -cast(float, self.radius)
            t += 1
            return np.maximum(t, 0, out=t) @ self.heights

        return in_blocks(X, self.heights.size, values)

    def lipschitz(self) -> Bracket:
        """Exactly max|y_i|/r if the bumps are disjoint; else a bracket.

        Overlapping bumps, from above: at any x only bumps of points within 2r of each other are active, so that
        ‖∇f‖ ≤ max_i Σ{|y_j| : ‖x_j − x_i‖ < 2r}/r. From below: gradients at the centroids of all points, of those with
        positive and of those with negative labels, and the slopes between data points.
        """
        r, size = cast(float, self.radius), np.abs(self.heights)
        if self.disjoint:
            return Bracket.exact(
                float(size.max() / r), "from the highest centre to the edge of its bump"
            )
        near = in_blocks(
            self.centres, self.heights.size, lambda part: (cdist(part, self.centres) < 2 * r) @ size
        )
        groups = [
            self.centres[chosen]
            for chosen in (size >= 0, self.heights > 0, self.heights < 0)
            if chosen.any()
        ]
        at_centroid = max(self._slope_at(points.mean(axis=0)) for points in groups)
        of_data = data_lipschitz(self.centres, self.heights).value
        by = (
            "slope between two points"
            if of_data >= at_centroid
            else "gradient at a centroid of the points"
        )
        return Bracket(
            max(at_centroid, of_data),
            float(near.max() / r),
            by,
            "bumps that can overlap at one place",
        )

    def _slope_at(self, x: Float[ndarray, "d"]) -> float:
        """‖∇f(x)‖, or 0 where f has a kink."""
        distance = np.linalg.norm(x - self.centres, axis=1)
        r = cast(float, self.radius)
        if (distance < 1e-9 * r).any() or (np.abs(distance - r) < 1e-9 * r).any():
            return 0.0
        active = distance < r
        return float(
            np.linalg.norm((self.heights[active] / distance[active]) @ (x - self.centres[active]))
            / r
        )


def _spread_out(X: Float[ndarray, "n d"], m: int) -> Int[ndarray, "m"]:
    """Row numbers of m points of X, what is left when one of the two closest is dropped again and again.

    Of the two the one with the closer other neighbour goes. Memory O(n) rows of distances at a time.
    """
    n = X.shape[0]
    alive = np.ones(n, dtype=bool)
    if m == n:
        return np.arange(n)
    distance, neighbour = np.full(n, np.inf), np.zeros(n, dtype=int)

    def look_around(rows: Int[ndarray, "r"]) -> None:
        for start in range(0, rows.size, 512):
            part = rows[start : start + 512]
            D = cdist(X[part], X)
            D[:, ~alive] = np.inf
            D[np.arange(part.size), part] = np.inf
            neighbour[part] = D.argmin(axis=1)
            distance[part] = D[np.arange(part.size), neighbour[part]]

    look_around(np.arange(n))
    for _ in range(n - m):
        i = int(np.where(alive, distance, np.inf).argmin())
        j = int(neighbour[i])
        others = cdist(X[[i, j]], X)
        others[:, ~alive] = np.inf
        others[:, [i, j]] = np.inf
        drop = i if others[0].min() < others[1].min() else j
        alive[drop] = False
        look_around(np.flatnonzero(alive & (neighbour == drop)))
    return np.flatnonzero(alive)


# ------------------------------------------------------------------------------------------------ after a projection


def projection(d: int, d_tilde: int, rng: np.random.Generator) -> Float[ndarray, "d_tilde d"]:
    """A uniformly random matrix with d̃ orthonormal rows: x ↦ Ax keeps d̃ coordinates of x in a random basis.

    For a unit vector x, E‖Ax‖² = d̃/d. It is drawn before the data are seen, so that the law does not count it.

    Parameters: d ≥ 1; d_tilde = d̃ ∈ {1, …, d}; rng.

    Raises ValueError if d̃ < 1 or d̃ > d, or for anything but integers and a generator.

    >>> A = projection(5, 2, np.random.default_rng(0))
    >>> A.shape, bool(np.allclose(A @ A.T, np.eye(2)))
    ((2, 5), True)
    """
    d, d_tilde = check.count(d, "d"), check.count(d_tilde, "d_tilde")
    if d_tilde > d:
        raise ValueError(
            f"d_tilde = {d_tilde} exceeds d = {d}; a projection cannot add coordinates"
        )
    Q, R = np.linalg.qr(check.generator(rng).standard_normal((d, d_tilde)))
    return np.ascontiguousarray((Q * np.sign(np.diag(R))).T)  # the signs make the law of Q uniform


@dataclass(frozen=True, eq=False)
class Projected:
    """f(x) = inner(Ax), A with orthonormal rows: a memorizer of the projected points, as a memorizer in R^d.

    Lip(f) = Lip(inner), exactly: ‖Ax − Ax'‖ ≤ ‖x − x'‖, and any two points z, z' of R^d̃ are the images of Aᵀz and
    Aᵀz', which are as far from each other. A counts no parameter because it is fixed before the data are seen.

    Parameters: inner, a memorizer in R^d̃; A (d̃, d).

    Raises ValueError if the rows of A are not orthonormal to 10⁻¹⁰.

    >>> f = Projected(Bumps(np.array([[0.0], [1.0]]), np.array([1.0, -1.0])), np.array([[0.6, 0.8]]))
    >>> f(np.array([[0.6, 0.8], [0.0, 0.0]])).tolist(), f.n_parameters, f.lipschitz().lower
    ([-1.0, 1.0], 4, 2.0)
    """

    inner: Memorizer
    A: Float[ndarray, "d_tilde d"] = field(repr=False)

    def __post_init__(self) -> None:
        A = _orthonormal_rows(self.A)
        if not isinstance(self.inner, Memorizer):
            raise ValueError(
                f"inner = {self.inner!r} is no memorizer (a call, n_parameters, lipschitz, name)"
            )
        object.__setattr__(self, "A", frozen(A)[0])

    @property
    def name(self) -> str:
        return f"projected {self.inner.name}"

    @property
    def n_parameters(self) -> int:
        """Those of inner: A was fixed beforehand."""
        return self.inner.n_parameters

    def __call__(self, X: Float[ndarray, "m d"]) -> Float[ndarray, "m"]:
        """inner(Ax) for each row of X (m, d). Raises ValueError on shapes that do not fit."""
        return self.inner(check.matrix(X, columns=self.A.shape[1]) @ self.A.T)

    def lipschitz(self) -> Bracket:
        """The bracket of inner."""
        return self.inner.lipschitz()


def projected_bumps(
    X: Float[ndarray, "n d"],
    y: Float[ndarray, "n"],
    A: Float[ndarray, "d_tilde d"],
    *,
    keep: float = 1.0,
) -> Projected:
    """Bumps on the projected points Ax_i: P = m(d̃ + 1), m = ⌈keep·n⌉, and Lip(f) = 2·max|y_i|/δ̃ exactly.

    δ̃ is the smallest distance of two projected points that are kept. "Hard" bumps keep all points and fit all labels;
    "partial" ones, keep < 1, drop what collides and fit below the noise.

    Parameters: X points (n, d); y labels (n,); A (d̃, d) with orthonormal rows, see `projection`; keep ∈ (0, 1].

    Raises ValueError as `Bumps` and `Projected` do.

    >>> rng = np.random.default_rng(0)
    >>> f = projected_bumps(rng.standard_normal((6, 50)), np.ones(6), projection(50, 9, rng))
    >>> f.n_parameters, f.name
    (60, 'projected bumps')
    """
    A = _orthonormal_rows(A)
    return Projected(Bumps(check.matrix(X, columns=A.shape[1]) @ A.T, y, keep=keep), A)


def _orthonormal_rows(A: Float[ndarray, "d_tilde d"]) -> Float[ndarray, "d_tilde d"]:
    A = check.matrix(A, "A")
    off = np.abs(A @ A.T - np.eye(A.shape[0])).max()
    if off > 1e-10:
        raise ValueError(
            f"A has shape {A.shape} and its rows are not orthonormal (A·Aᵀ differs from the identity by {off:.2g}); "
            "make it with lawrob_utils.memorizers.projection"
        )
    return A
