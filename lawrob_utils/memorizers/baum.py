"""Baum's memorizer: about as many parameters as points, and very steep.

Used in the chapter "Size against robustness".
"""

from __future__ import annotations

from dataclasses import InitVar, dataclass, field
from itertools import product

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from .. import _validate as check
from ..lipschitz import Bracket
from ._parts import frozen, in_blocks, signs

_ENUMERATED = 12  # slabs up to which all patterns of slopes are tried: 2¹¹ of them, up to sign


@dataclass(frozen=True, eq=False)
class Baum:
    """f(x) = b·(1 − 2 Σ_g tent((⟨u_g, x⟩ − 1)/w_g)), tent(t) = max(0, 1 − |t|): one thin slab for each group of points.

    b is the commoner label. The points with the other label are divided into groups of at most `group` points. The
    hyperplane ⟨u_g, x⟩ = 1 passes through the points of its group (u_g is the shortest such vector), and the slab
    around it is as wide as it can be without holding another point. A tent is three ReLUs that share the direction u_g,
    (t + 1)₊ − 2t₊ + (t − 1)₊; Baum takes two threshold neurons instead, so that his function has no Lipschitz constant.

    Parameters: X points (n, d), n ≥ 2; y labels ±1 (n,); group ∈ {1, …, d}, or None for d, which needs the fewest
    parameters. Groups are made in the order of X, of equal size up to one.

    Attributes: U (G, d) with rows u_g, w (G,), b ∈ {−1, 1}.

    Raises ValueError on wrong shapes, non-finite entries, labels other than ±1, group < 1 or > d, or if the points are
    not in general position: a group that is linearly dependent, or another point in its hyperplane.

    Source: Baum (1988), with slabs of ReLUs in the place of thresholds.

    >>> f = Baum(np.array([[1.0, 0.0], [0.0, 2.0], [1.0, 2.0], [0.0, 0.0], [2.0, 0.0]]), np.array([1.0, 1, -1, -1, -1]))
    >>> f(np.array([[1.0, 0.0], [0.0, 2.0], [2.0, 0.0], [0.75, 0.0]])).tolist(), f.n_parameters
    ([1.0, 1.0, -1.0, 0.5], 4)
    >>> print(f.lipschitz())
    Lip = 2.236 (steepest crossing of slabs, all sign patterns)
    """

    X: InitVar[Float[ndarray, "n d"]]
    y: InitVar[Float[ndarray, "n"]]
    group: int | None = None
    U: Float[ndarray, "G d"] = field(init=False, repr=False)
    w: Float[ndarray, "G"] = field(init=False, repr=False)
    b: float = field(init=False)

    def __post_init__(self, X: Float[ndarray, "n d"], y: Float[ndarray, "n"]) -> None:
        X = check.matrix(X, rows_at_least=2)
        y, d = signs(y, X.shape[0]), X.shape[1]
        group = d if self.group is None else check.count(self.group, "group")
        if group > d:
            raise ValueError(
                f"group = {group} exceeds d = {d}; a hyperplane passes through at most d points in general"
            )
        b = 1.0 if y.sum() >= 0 else -1.0
        rare = np.flatnonzero(y != b)
        groups = np.array_split(rare, -(-rare.size // group)) if rare.size else []
        slabs = [_slab(X, members) for members in groups]
        U, w = frozen(
            np.array([u for u, _ in slabs]).reshape(-1, d), np.array([width for _, width in slabs])
        )
        for name, value in (("group", group), ("U", U), ("w", w), ("b", b)):
            object.__setattr__(self, name, value)

    @property
    def name(self) -> str:
        return "Baum's slabs"

    @property
    def n_parameters(self) -> int:
        """G(d + 1) + 1: direction and width of each slab, and b. The three ReLUs of a tent share their weights."""
        return self.U.size + self.w.size + 1

    def __call__(self, X: Float[ndarray, "m d"]) -> Float[ndarray, "m"]:
        """f(x) for each row of X (m, d); O(m·G·d) operations, in blocks. Raises ValueError on shapes that do not fit."""
        X = check.matrix(X, columns=self.U.shape[1])

        def values(part: Float[ndarray, "r d"]) -> Float[ndarray, "r"]:
            t = (part @ self.U.T - 1) / self.w
            return self.b * (1 - 2 * np.maximum(0, 1 - np.abs(t)).sum(axis=1))

        return in_blocks(X, self.w.size, values)

    def lipschitz(self) -> Bracket:
        """The largest ‖Σ_g s_g v_g‖ over the patterns s that slopes can make, v_g = 2u_g/w_g, s_g ∈ {−1, 0, 1}.

        If the u_g are linearly independent, every pattern occurs somewhere in R^d, where the slabs cross, and the
        largest is at s_g = ±1: exact by enumeration for up to 12 slabs. In general Σ_gh|⟨v_g, v_h⟩| bounds the square
        from above, and is improved by an eigenvalue: ‖Σ s_g v_g‖² ≤ tr(D)·λ_max(D^{−1/2} V Vᵀ D^{−1/2}) for every
        diagonal D > 0. From below: the gradient at a point where independent slabs cross, signs by coordinate ascent.
        """
        if self.w.size == 0:
            return Bracket.exact(0.0, "constant function")
        V = 2 * self.U / self.w[:, None]
        gram = V @ V.T
        if self.w.size <= _ENUMERATED and np.linalg.matrix_rank(self.U) == self.w.size:
            patterns = np.array(
                [(1, *rest) for rest in product((1, -1), repeat=self.w.size - 1)], dtype=float
            )
            squares = np.einsum("pg,gh,ph->p", patterns, gram, patterns)
            return Bracket.exact(
                float(np.sqrt(squares.max())), "steepest crossing of slabs, all sign patterns"
            )
        D = np.abs(gram).sum(axis=1)
        top = np.linalg.eigvalsh(gram / np.sqrt(np.outer(D, D)))[-1] * (1 + 1e-12)
        return Bracket(
            self._steep_place(V),
            float(np.sqrt(top * D.sum())),
            "gradient where slabs cross",
            "eigenvalue bound on sign patterns",
        )

    def _steep_place(self, V: Float[ndarray, "G d"]) -> float:
        """‖∇f‖ at a point inside the steepest slab that also lies inside as many others as can be arranged."""
        steep = np.argsort(-np.linalg.norm(V, axis=1))
        best = 0.0
        for count in {1, min(self.w.size, self.U.shape[1])}:
            chosen = steep[:count]
            gram, s = V[chosen] @ V[chosen].T, np.ones(count)
            for _ in range(20 * count):  # flip the sign that gains most
                gain = np.diag(gram) - s * (gram @ s)
                if gain.max() <= 1e-12 * np.trace(gram):
                    break
                s[gain.argmax()] *= -1
            x = np.linalg.lstsq(self.U[chosen], 1 - s * self.w[chosen] / 2, rcond=None)[0]
            t = (self.U @ x - 1) / self.w
            rounding = 1e-13 * np.linalg.norm(self.U, axis=1) * np.linalg.norm(x) / self.w
            if (np.minimum(np.abs(t), np.abs(np.abs(t) - 1)) > rounding).all():  # x is on no kink
                best = max(best, float(np.linalg.norm((np.sign(t) * (np.abs(t) < 1)) @ V)))
        return best


def _slab(X: Float[ndarray, "n d"], members: ndarray) -> tuple[Float[ndarray, "d"], float]:
    """The shortest u with ⟨u, x⟩ = 1 for the members, and the largest w so that |⟨u, x⟩ − 1| ≥ w for all others."""
    u = np.linalg.lstsq(X[members], np.ones(members.size), rcond=None)[0]
    t = np.abs(X @ u - 1)
    others = np.delete(np.arange(X.shape[0]), members)
    nearest = others[t[others].argmin()]
    miss, w = float(t[members].max()), float(t[nearest])
    if miss > 1e-6 or w <= 0:
        why = (
            f"no hyperplane away from 0 passes through the points {members.tolist()[:8]} of one group"
            if miss > 1e-6
            else f"X[{nearest}] lies in the hyperplane through a group of points with the other label"
        )
        raise ValueError(
            f"{why}: the points are not in general position; move them slightly or take smaller groups"
        )
    if miss > 1e-6 * w:
        raise ValueError(
            f"the slab through the points {members.tolist()[:8]} has half-width {w:.2g} and rounding moves it by "
            f"{miss:.2g}: X[{nearest}] lies in it up to rounding; take smaller groups"
        )
    return u, w
