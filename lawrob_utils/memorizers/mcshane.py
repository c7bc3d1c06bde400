"""The interface `Memorizer`, which trained networks share, and the memorizer with the smallest Lipschitz constant.

Used from the chapter "Robust memorization" on.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, Protocol, cast, runtime_checkable

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from scipy.spatial.distance import cdist

from .. import _validate as check
from ..lipschitz import Bracket, PairWitness, data_lipschitz


@runtime_checkable
class Memorizer(Protocol):
    """What every memorizer can do: be called, count its parameters, bracket its Lipschitz constant, tell its name."""

    @property
    def name(self) -> str:
        """A few words for a figure."""

    @property
    def n_parameters(self) -> int:
        """P of the law: how many real numbers, chosen after seeing the data, describe the function."""

    def __call__(self, X: Float[ndarray, "m d"]) -> Float[ndarray, "m"]:
        """f(x) for each row of X."""

    def lipschitz(self) -> Bracket:
        """Bracket of the global Euclidean Lipschitz constant of f."""


@dataclass(frozen=True)
class McShane:
    """f(x) = min_i (y_i + L‖x − x_i‖) (side "upper"), or max_i (y_i − L‖x − x_i‖) (side "lower").

    Every L-Lipschitz function that fits the data lies between the two. With L = L* = `data_lipschitz(X, y)`, the
    default, f fits with the smallest Lipschitz constant that any function can have.

    Parameters: X points (n, d), n ≥ 2; y labels (n,); L ≥ L* or None for L*; side. Arrays are copied.

    Attributes: the parameters, with L filled in, and steepest, the pair of points that attains L*.

    Raises ValueError as `data_lipschitz` does, if L < L* (then f does not fit), or for an unknown side.

    Source: McShane (1934), Whitney (1934).

    >>> f = McShane(np.array([[0.0], [1.0], [3.0]]), np.array([0.0, 1.0, 5.0]))
    >>> f.L, f(np.array([[1.0], [2.0]])).tolist(), f.n_parameters
    (2.0, [1.0, 3.0], 6)
    """

    X: Float[ndarray, "n d"]
    y: Float[ndarray, "n"]
    L: float | None = None
    side: Literal["upper", "lower"] = "upper"
    steepest: PairWitness = field(init=False, repr=False)

    def __post_init__(self) -> None:
        X = check.matrix(self.X, rows_at_least=2).copy()
        y = check.vector(self.y, length=X.shape[0]).copy()
        check.one_of(self.side, "side", ("upper", "lower"))
        steepest = data_lipschitz(X, y)
        L = steepest.value if self.L is None else check.positive(self.L, "L", zero_allowed=True)
        if L < steepest.value * (1 - 1e-12):
            raise ValueError(
                f"L = {L:g} is below L* = {steepest.value:g}, the slope between the points {steepest.i} and "
                f"{steepest.j}: no L-Lipschitz function fits; take L >= L*, or None for L*"
            )
        X.setflags(write=False)
        y.setflags(write=False)
        for name, value in (("X", X), ("y", y), ("L", L), ("steepest", steepest)):
            object.__setattr__(self, name, value)

    @property
    def name(self) -> str:
        return "McShane–Whitney"

    @property
    def n_parameters(self) -> int:
        """n(d + 1): the points and their labels, all of which f stores (L is computed from them)."""
        return self.y.size + self.X.size

    def __call__(self, X: Float[ndarray, "m d"]) -> Float[ndarray, "m"]:
        """f(x) for each row of X (m, d); takes O(m·n·d) operations. Raises ValueError on shapes that do not fit."""
        X = check.matrix(X, columns=self.X.shape[1])
        L, sign = cast(float, self.L), 1.0 if self.side == "upper" else -1.0
        out = np.empty(X.shape[0])
        for start in range(0, X.shape[0], 1024):
            part = slice(start, start + 1024)
            # cdist takes differences, so the distance of a point to itself is exactly 0
            out[part] = sign * (sign * self.y + L * cdist(X[part], self.X)).min(axis=1)
        return out

    def lipschitz(self) -> Bracket:
        """Exactly L: at L = L* by the steepest pair; at L > L* because f(x) = y_i ± L‖x − x_i‖ near each x_i."""
        L = cast(float, self.L)
        if L <= self.steepest.value:
            return Bracket.exact(L, f"slope between points {self.steepest.i} and {self.steepest.j}")
        return Bracket.exact(L, "slope next to each data point")
