"""What several memorizers need: labels that are signs, work in blocks of rows, arrays that cannot be changed."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from numpy.typing import ArrayLike

from .. import _validate as check

_ENTRIES = 4_000_000  # of a block of distances or activations: 32 MB


def signs(y: ArrayLike, length: int) -> Float[ndarray, "n"]:
    """y as a vector of the given length with entries ±1; anything else is refused."""
    values = check.vector(y, length=length)
    wrong = np.flatnonzero(np.abs(values) != 1)
    if wrong.size:
        raise ValueError(
            f"y[{wrong[0]}] = {values[wrong[0]]:g}; this memorizer needs labels that are all +1 or -1"
        )
    return values


def in_blocks(
    X: Float[ndarray, "m d"],
    width: int,
    values: Callable[[Float[ndarray, "r d"]], Float[ndarray, "r"]],
) -> Float[ndarray, "m"]:
    """values(X), a few rows at a time, so that (rows × width) arrays inside `values` stay at 32 MB."""
    rows = max(1, _ENTRIES // max(width, 1))
    return np.concatenate([values(X[start : start + rows]) for start in range(0, X.shape[0], rows)])


def frozen(*arrays: ndarray) -> tuple[ndarray, ...]:
    """Read-only copies."""
    copies = tuple(np.array(array) for array in arrays)
    for array in copies:
        array.setflags(write=False)
    return copies
