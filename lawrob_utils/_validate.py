"""Checks of arguments, used by every module: each returns the value in the form the caller computes with.

A failed check is a `ValueError` that names the argument, shows what was given and says what is allowed.
"""

from __future__ import annotations

from collections.abc import Collection
from numbers import Integral, Real
from typing import TypeVar

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from numpy.typing import ArrayLike

Name = TypeVar("Name", bound=str)


def matrix(
    X: ArrayLike, name: str = "X", *, rows_at_least: int = 1, columns: int | None = None
) -> Float[ndarray, "n d"]:
    """A finite float64 matrix with at least `rows_at_least` rows (and exactly `columns` columns, if given)."""
    A = _finite(X, name)
    if A.ndim != 2:
        raise ValueError(
            f"{name} has shape {A.shape}; a 2-d array is needed, one row per point (reshape one point to (1, d))"
        )
    if A.shape[0] < rows_at_least:
        raise ValueError(f"{name} has {A.shape[0]} row(s); at least {rows_at_least} are needed")
    if A.shape[1] < 1:
        raise ValueError(f"{name} has shape {A.shape}; the dimension d must be at least 1")
    if columns is not None and A.shape[1] != columns:
        raise ValueError(
            f"{name} has {A.shape[1]} columns; {columns} are needed, as in the data it is compared with"
        )
    return A


def vector(
    y: ArrayLike, name: str = "y", *, length: int | None = None, bound: float | None = None
) -> Float[ndarray, "n"]:
    """A finite float64 vector of the given length (if given) with entries in [-bound, bound] (if given)."""
    v = _finite(y, name)
    if v.ndim != 1:
        raise ValueError(f"{name} has shape {v.shape}; a 1-d array is needed, one number per point")
    if length is not None and v.shape[0] != length:
        raise ValueError(
            f"{name} has {v.shape[0]} entries; {length} are needed, one per row of the points"
        )
    if bound is not None and v.size and np.abs(v).max() > bound:
        i = int(np.abs(v).argmax())
        raise ValueError(
            f"{name}[{i}] = {v[i]:g} lies outside [-{bound:g}, {bound:g}]; rescale {name} before the call"
        )
    return v


def count(n: int, name: str, *, at_least: int = 1) -> int:
    """A Python int not below `at_least`."""
    if isinstance(n, bool) or not isinstance(n, Integral) or n < at_least:
        raise ValueError(f"{name} = {n!r}; an integer of at least {at_least} is needed")
    return int(n)


def positive(x: float, name: str, *, zero_allowed: bool = False) -> float:
    """A finite float above zero (or zero, if allowed)."""
    ok = (
        isinstance(x, Real)
        and not isinstance(x, bool)
        and np.isfinite(x)
        and (x > 0 or (zero_allowed and x == 0))
    )
    if not ok:
        raise ValueError(
            f"{name} = {x!r}; a finite number {'of at least' if zero_allowed else 'above'} 0 is needed"
        )
    return float(x)


def share(x: float, name: str, *, one_allowed: bool = False) -> float:
    """A float in (0, 1), or in (0, 1] if one is allowed."""
    if not (
        isinstance(x, Real) and not isinstance(x, bool) and (0 < x < 1 or (one_allowed and x == 1))
    ):
        raise ValueError(
            f"{name} = {x!r}; a number in (0, 1{']' if one_allowed else ')'} is needed"
        )
    return float(x)


def signs(y: ArrayLike, name: str = "y", *, length: int | None = None) -> Float[ndarray, "n"]:
    """A float64 vector of the given length (if given) whose entries are all +1 or −1."""
    v = vector(y, name, length=length)
    wrong = np.flatnonzero(np.abs(v) != 1)
    if wrong.size:
        raise ValueError(f"{name}[{wrong[0]}] = {v[wrong[0]]:g}; labels must all be +1 or -1")
    return v


def one_of(value: Name, name: str, allowed: Collection[Name]) -> Name:
    """`value`, if it is among `allowed`."""
    if value not in allowed:
        raise ValueError(f"{name} = {value!r} is unknown; allowed: {', '.join(map(repr, allowed))}")
    return value


def generator(rng: np.random.Generator) -> np.random.Generator:
    """The generator itself; anything else (a seed, the old RandomState, None) is refused."""
    if not isinstance(rng, np.random.Generator):
        raise ValueError(
            f"rng = {rng!r}; a numpy.random.Generator is needed, e.g. numpy.random.default_rng(0)"
        )
    return rng


def _finite(x: ArrayLike, name: str) -> ndarray:
    try:
        A = np.asarray(x)
        if A.dtype.kind not in "fiub":
            raise TypeError
        A = A.astype(np.float64, copy=False)
    except (TypeError, ValueError):
        raise ValueError(
            f"{name} is not an array of real numbers; got {type(x).__name__}: {_short(x)}"
        ) from None
    bad = ~np.isfinite(A)
    if bad.any():
        where = ", ".join(str(int(k)) for k in np.argwhere(bad)[0])
        raise ValueError(
            f"{name}[{where}] = {A[bad][0]} and {int(bad.sum())} entr{'y is' if bad.sum() == 1 else 'ies are'} "
            "not finite; remove or replace them before the call"
        )
    return A


def _short(x: object) -> str:
    text = repr(x)
    return text if len(text) <= 60 else text[:57] + "..."
