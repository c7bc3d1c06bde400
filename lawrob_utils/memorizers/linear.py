"""Linear functions of P coordinates: the family in which the price of a perfect fit can be computed exactly.

`MinNormLinear` fits n ≤ P points perfectly, `LeastSquares` fits n ≥ P points in part. Used in the chapters "Size
against robustness" and "The law of robustness".
"""

from __future__ import annotations

from dataclasses import InitVar, dataclass, field

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from .. import _validate as check
from ..lipschitz import Bracket
from ._parts import frozen


@dataclass(frozen=True, eq=False)
class _Linear:
    """f(x) = ⟨w, (x_1, …, x_P)⟩."""

    X: InitVar[Float[ndarray, "n d"]]
    y: InitVar[Float[ndarray, "n"]]
    P: int
    d: int = field(init=False)
    w: Float[ndarray, "P"] = field(init=False, repr=False)

    def __post_init__(self, X: Float[ndarray, "n d"], y: Float[ndarray, "n"]) -> None:
        X = check.matrix(X)
        y = check.vector(y, length=X.shape[0])
        P = check.count(self.P, "P")
        if P > X.shape[1]:
            raise ValueError(
                f"P = {P} exceeds d = {X.shape[1]}; there are only d coordinates to weight"
            )
        self._refuse(P, X.shape[0])
        w = self._fit(X[:, :P], y)
        for name, value in (("d", X.shape[1]), ("P", P), ("w", frozen(w)[0])):
            object.__setattr__(self, name, value)

    def _refuse(self, P: int, n: int) -> None:
        """Raise ValueError if P and n do not fit together."""
        raise NotImplementedError

    def _fit(self, X: Float[ndarray, "n P"], y: Float[ndarray, "n"]) -> Float[ndarray, "P"]:
        return np.linalg.lstsq(X, y, rcond=None)[0]

    @property
    def n_parameters(self) -> int:
        """P, the weights; which coordinates they belong to was fixed beforehand."""
        return self.w.size

    def __call__(self, X: Float[ndarray, "m d"]) -> Float[ndarray, "m"]:
        """⟨w, (x_1, …, x_P)⟩ for each row of X (m, d). Raises ValueError on shapes that do not fit."""
        return check.matrix(X, columns=self.d)[:, : self.P] @ self.w

    def lipschitz(self) -> Bracket:
        """Exactly ‖w‖: the slope along w."""
        return Bracket.exact(float(np.linalg.norm(self.w)), "norm of the weights")


@dataclass(frozen=True, eq=False)
class MinNormLinear(_Linear):
    """The linear function of the first P coordinates with the smallest ‖w‖ among those with ⟨w, x_i⟩ = y_i for all i.

    Lip(f) = ‖w‖. For x_i i.i.d. N(0, I/d) and labels ±1 independent of them, n ≤ P ≤ d, ‖w‖² is distributed as
    nd/χ²_{P−n+1}, so that E‖w‖² = nd/(P − n − 1) if P ≥ n + 2.

    Parameters: X points (n, d); y labels (n,); P ∈ {n, …, d}.

    Attributes: w (P,), P, d.

    Raises ValueError on wrong shapes, non-finite entries, if P < n or P > d, or if no w fits (repeated points with
    different labels, for example).

    Source: the mean of an inverse Wishart matrix; proved in the book.

    >>> f = MinNormLinear(np.array([[3.0, 4.0]]), np.array([1.0]), P=2)
    >>> f.w.round(3).tolist(), round(f.lipschitz().lower, 3), f.n_parameters
    ([0.12, 0.16], 0.2, 2)
    """

    @property
    def name(self) -> str:
        return "min-norm linear"

    def _refuse(self, P: int, n: int) -> None:
        if P < n:
            raise ValueError(
                f"P = {P} is below n = {n}: fewer weights than points do not fit every label; take P >= n, or "
                "LeastSquares, which fits in part"
            )

    def _fit(self, X: Float[ndarray, "n P"], y: Float[ndarray, "n"]) -> Float[ndarray, "P"]:
        w = super()._fit(X, y)
        miss = np.abs(X @ w - y).max()
        if miss > 1e-6 * max(1.0, float(np.abs(y).max())):
            raise ValueError(
                f"no linear function of the first P = {X.shape[1]} coordinates fits (the best one misses by {miss:.2g}): "
                "these coordinates of the points are linearly dependent; merge repeated points or take more coordinates"
            )
        return w


@dataclass(frozen=True, eq=False)
class LeastSquares(_Linear):
    """The linear function of the first P ≤ n coordinates with the smallest training error (1/n)Σ(⟨w, x_i⟩ − y_i)².

    Lip(f) = ‖w‖. It memorizes in part: for labels that are pure noise of variance σ², independent of the points, the
    training error is σ²(1 − P/n) on average, so ε = σ²P/n, and ‖w‖ ≈ σ√(dP/n) = (ε/σ)√(nd/P) while P ≪ n.

    Parameters: X points (n, d); y labels (n,); P ∈ {1, …, min(n, d)}.

    Attributes: w (P,), P, d.

    Raises ValueError on wrong shapes, non-finite entries, if P < 1, P > n or P > d.

    >>> f = LeastSquares(np.array([[1.0, 5.0], [1.0, 7.0]]), np.array([0.0, 1.0]), P=1)
    >>> f.w.round(3).tolist(), f(np.array([[2.0, 0.0]])).round(3).tolist()
    ([0.5], [1.0])
    """

    @property
    def name(self) -> str:
        return "least squares"

    def _refuse(self, P: int, n: int) -> None:
        if P > n:
            raise ValueError(
                f"P = {P} exceeds n = {n}: many linear functions then fit; take MinNormLinear"
            )
