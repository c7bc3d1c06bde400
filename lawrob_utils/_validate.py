"""Checks of arguments at the door of every module: each returns what the caller computes with.

A failed check is a ValueError that names the argument, shows what it was and says what is allowed.
"""

from __future__ import annotations

from collections.abc import Collection
from numbers import Integral, Real

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from numpy.typing import ArrayLike


def array(x: ArrayLike, name: str) -> Float[ndarray, "..."]:
    """A finite float64 array of any shape; a single number is an array without axes."""
    try:
        A = np.asarray(x).astype(np.float64, casting="same_kind", copy=False)
    except (TypeError, ValueError, RuntimeError):  # a tensor that requires a gradient is the last
        kind = type(x).__name__
        raise ValueError(f"{name} is not an array of real numbers; got {kind}: {x!r:.60}") from None
    bad = np.argwhere(~np.isfinite(A))
    if len(bad):
        entry = [int(k) for k in bad[0]]
        entries = "entry is" if len(bad) == 1 else "entries are"
        what = f"{name}{entry or ''} = {A[tuple(entry)]} and {len(bad)} {entries} not finite"
        raise ValueError(f"{what}; remove or replace them")
    return A


def matrix(
    X: ArrayLike, name: str = "X", *, rows_at_least: int = 1, columns: int | None = None
) -> Float[ndarray, "n d"]:
    """A finite matrix of at least `rows_at_least` rows, with exactly `columns` columns if given."""
    A = array(X, name)
    if A.ndim != 2 or A.shape[1] < 1:
        need = "(n, d), one row per point, is needed; the dimension d must be at least 1"
        raise ValueError(f"{name} has shape {A.shape}; {need}")
    if len(A) < rows_at_least:
        raise ValueError(f"{name} has {len(A)} row(s); at least {rows_at_least} are needed")
    if columns not in (None, A.shape[1]):
        raise ValueError(f"{name} has {A.shape[1]} columns; {columns} are needed, as in the data")
    return A


def vector(
    y: ArrayLike, name: str = "y", *, length: int | None = None, bound: float | None = None
) -> Float[ndarray, "n"]:
    """A finite vector, of the given length and with entries in [-bound, bound], if given."""
    v = array(y, name)
    if v.ndim != 1:
        raise ValueError(f"{name} has shape {v.shape}; a 1-d array is needed, one number per point")
    if length not in (None, len(v)):
        raise ValueError(f"{name} has {len(v)} entries; {length} are needed, one per point")
    if bound is not None and v.size and np.abs(v).max() > bound:
        i, allowed = np.abs(v).argmax(), f"[-{bound:g}, {bound:g}]"
        raise ValueError(f"{name}[{i}] = {v[i]:g} lies outside {allowed}; rescale {name}")
    return v


def signs(y: ArrayLike, name: str = "y", *, length: int | None = None) -> Float[ndarray, "n"]:
    """A vector, of the given length if given, whose entries are all +1 or −1."""
    v = vector(y, name, length=length)
    wrong = np.flatnonzero(np.abs(v) != 1)
    if wrong.size:
        raise ValueError(f"{name}[{wrong[0]}] = {v[wrong[0]]:g}; labels must all be +1 or -1")
    return v


def count(n: int, name: str, *, at_least: int = 1) -> int:
    """A Python int not below `at_least`."""
    if isinstance(n, bool) or not isinstance(n, Integral) or n < at_least:
        raise ValueError(f"{name} = {n!r:.60}; an integer of at least {at_least} is needed")
    return int(n)


def positive(x: float, name: str, *, zero_allowed: bool = False) -> float:
    """A finite float above zero (or zero, if allowed)."""
    value = _real(x)
    if not (0 < value < np.inf or (zero_allowed and value == 0)):
        least = "of at least" if zero_allowed else "above"
        raise ValueError(f"{name} = {x!r:.60}; a finite number {least} 0 is needed")
    return value


def share(x: float, name: str) -> float:
    """A float in (0, 1)."""
    value = _real(x)
    if not 0 < value < 1:
        raise ValueError(f"{name} = {x!r:.60}; a number in (0, 1) is needed")
    return value


def one_of(value: str, name: str, allowed: Collection[str]) -> str:
    """`value`, if it is among `allowed`."""
    if not isinstance(value, str) or value not in allowed:
        known = ", ".join(map(repr, allowed))
        raise ValueError(f"{name} = {value!r:.60} is unknown; allowed: {known}")
    return value


def generator(rng: np.random.Generator) -> np.random.Generator:
    """The generator itself; anything else (a seed, the old RandomState, None) is refused."""
    if not isinstance(rng, np.random.Generator):
        need = "a numpy.random.Generator is needed, e.g. numpy.random.default_rng(0)"
        raise ValueError(f"rng = {rng!r:.60}; {need}")
    return rng


def store(frozen: object, **values: object) -> None:
    """Sets fields of a frozen dataclass, arrays as read-only copies."""
    for name, value in values.items():
        object.__setattr__(frozen, name, _read_only(value))


def _read_only(value: object) -> object:
    if isinstance(value, tuple):
        return tuple(map(_read_only, value))
    if isinstance(value, ndarray):
        value = value.copy()
        value.setflags(write=False)
    return value


def _real(x: object) -> float:
    """x as a float; NaN if it is no real number, or too large an integer."""
    try:
        return float(x) if isinstance(x, Real) and not isinstance(x, bool) else np.nan
    except OverflowError:
        return np.nan
