"""What data force on every function that fits them: the steepest pair (`data_lipschitz`), the closest pair (`min_separation`).

Exact over all pairs, in blocks. Used from the chapter "Robust memorization" on.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray

from .. import _validate as check


@dataclass(frozen=True)
class PairWitness:
    """A number about pairs of points, and the pair i < j (row numbers) at which it is attained."""

    value: float
    i: int
    j: int


def data_lipschitz(X: Float[ndarray, "n d"], y: Float[ndarray, "n"]) -> PairWitness:
    """L* = max over i < j of |y_i − y_j| / ‖x_i − x_j‖: no function that fits the data has a smaller constant.

    By the McShane–Whitney theorem some function attains it (`lawrob_utils.memorizers.McShane`), so L* is the exact
    optimum over all functions. Every pair is looked at, in blocks, in float64; distances that are small against
    ‖x‖, and the pair returned, are computed from x_i − x_j, so that nothing cancels. The relative error is about
    d·10⁻¹⁵. Repeated points with equal labels do no harm.

    Parameters: X points (n, d), n ≥ 2; y labels (n,), any real numbers.

    Returns L* in units of y per unit of x, with a pair that attains it.

    Raises ValueError on wrong shapes, non-finite entries, n < 2, or a repeated point with two labels: then no
    function fits, Lipschitz or not.

    Source: McShane (1934), Whitney (1934).

    >>> data_lipschitz(np.array([[0.0], [1.0], [3.0]]), np.array([0.0, 1.0, 5.0]))
    PairWitness(value=2.0, i=1, j=2)
    """
    X = check.matrix(X, rows_at_least=2)
    y = check.vector(y, length=X.shape[0])
    return _steepest_pair(X, y)


def min_separation(X: Float[ndarray, "n d"]) -> PairWitness:
    """δ = min over i < j of ‖x_i − x_j‖, with the pair that attains it; computed as in `data_lipschitz`.

    Parameters: X points (n, d), n ≥ 2. Returns 0 if a point is repeated.

    Raises ValueError on wrong shapes, non-finite entries or n < 2.

    >>> min_separation(np.array([[0.0, 0.0], [3.0, 4.0], [0.0, 1.0]]))
    PairWitness(value=1.0, i=0, j=2)
    """
    X = check.matrix(X, rows_at_least=2)
    pair = _steepest_pair(X, None)
    return PairWitness(
        float(_distances(X, np.array([pair.i]), np.array([pair.j]))[0]), pair.i, pair.j
    )


# Screening and recomputation. All distances² of a block come from one matrix product, ‖a‖² + ‖b‖² − 2⟨a, b⟩, which
# loses digits where the distance is small against the norms. Where it is below the share _SMALL of the norms
# (4 of 53 bits lost), the pair is recomputed from x_i − x_j, unless even the rounding error cannot make it the steepest.
_SMALL = 1 / 16
_BLOCK = 768  # three float64 blocks of this size (14 MB) stay in a common last-level cache


def _steepest_pair(X: Float[ndarray, "n d"], y: Float[ndarray, "n"] | None) -> PairWitness:
    """Pair with the largest |y_i − y_j|/‖x_i − x_j‖; with y = None, with the largest 1/‖x_i − x_j‖."""
    A, unit_x = _unit_scale(X)
    b, unit_y = (None, 1.0) if y is None else _unit_scale(y)
    unit = unit_x / unit_y  # slopes of (A, b) are `unit` times slopes of (X, y)
    best, pair = 0.0, (0, 1)
    for rows, cols, d2, norms2 in _squared_distances(A):
        rise2 = np.ones_like(d2) if b is None else np.subtract.outer(b[rows], b[cols])
        np.square(rise2, out=rise2)
        small = np.nonzero(d2 <= _SMALL * norms2)
        small_d2, small_rise2 = d2[small], rise2[small]
        d2[small] = np.inf
        slope2 = np.divide(rise2, d2, out=d2)
        k = np.array([slope2.argmax()])
        if slope2.flat[k[0]] > 0:
            best, pair = _better(
                X, y, rows.start + k // d2.shape[1], cols.start + k % d2.shape[1], best, pair
            )
        # Among the small distances the most promising go first, and the rest stop as soon as none can still win.
        rounding = 4 * (A.shape[1] + 3) * np.finfo(float).eps * norms2
        at_least = np.maximum(small_d2 - rounding, 0.0)
        hope = np.flatnonzero((small_rise2 > 0) & (small_rise2 >= (best * unit) ** 2 * at_least))
        with np.errstate(divide="ignore"):
            at_most = small_rise2[hope] / at_least[hope]
        order = np.argsort(-at_most)
        for part in range(0, len(order), 1024):
            k = order[part : part + 1024]
            if at_most[k[0]] < (best * unit) ** 2:
                break
            i, j = small[0][hope[k]], small[1][hope[k]]
            best, pair = _better(X, y, rows.start + i, cols.start + j, best, pair)
    return PairWitness(best, *pair)


def _squared_distances(
    A: Float[ndarray, "n d"],
) -> Iterator[tuple[slice, slice, Float[ndarray, "r c"], float]]:
    """Blocks (rows, cols, ‖a_i − a_j‖², max of ‖a_i‖² + ‖a_j‖²) over i < j; entries with i ≥ j are inf."""
    n = A.shape[0]
    norm2 = np.einsum("ij,ij->i", A, A)
    for r in range(0, n, _BLOCK):
        rows = slice(r, min(r + _BLOCK, n))
        for c in range(r, n, _BLOCK):
            cols = slice(c, min(c + _BLOCK, n))
            d2 = A[rows] @ A[cols].T
            d2 *= -2
            d2 += norm2[rows, None]
            d2 += norm2[cols]
            if r == c:
                d2[np.tril_indices_from(d2)] = np.inf
            yield rows, cols, d2, float(norm2[rows].max() + norm2[cols].max())


def _unit_scale(x: ndarray) -> tuple[ndarray, float]:
    """x minus its mean, divided by its largest entry (so that no square overflows), and that entry."""
    centred = x - x.mean(axis=0)
    unit = float(np.abs(centred).max()) or 1.0
    centred /= unit
    return centred, unit


def _better(
    X: Float[ndarray, "n d"],
    y: Float[ndarray, "n"] | None,
    i: Int[ndarray, "m"],
    j: Int[ndarray, "m"],
    best: float,
    pair: tuple[int, int],
) -> tuple[float, tuple[int, int]]:
    """The steepest of the pairs (i, j), computed from differences, if it beats `best`; else `best` and `pair`."""
    run = _distances(X, i, j)
    if y is None:
        slopes = np.divide(1.0, run, out=np.full_like(run, np.inf), where=run > 0)
    else:
        rise = np.abs(y[i] - y[j])
        twice = np.flatnonzero((run == 0) & (rise > 0))
        if twice.size:
            p, q = int(i[twice[0]]), int(j[twice[0]])
            raise ValueError(
                f"X[{p}] and X[{q}] are the same point but y[{p}] = {y[p]:g} and y[{q}] = {y[q]:g}: no Lipschitz "
                "memorizer exists, nor any other function that fits; merge repeated points or drop one label"
            )
        slopes = np.divide(rise, run, out=np.zeros_like(run), where=run > 0)
    k = int(slopes.argmax())
    return (float(slopes[k]), (int(i[k]), int(j[k]))) if slopes[k] > best else (best, pair)


def _distances(
    X: Float[ndarray, "n d"], i: Int[ndarray, "m"], j: Int[ndarray, "m"]
) -> Float[ndarray, "m"]:
    """‖x_i − x_j‖ from differences, scaled so that tiny ones do not underflow when squared."""
    difference = X[i] - X[j]
    unit = np.abs(difference).max(axis=1)
    unit[unit == 0] = 1.0
    difference /= unit[:, None]
    return unit * np.sqrt(np.einsum("ij,ij->i", difference, difference))
