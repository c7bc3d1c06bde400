"""What data force on every function that fits them: the steepest pair and the closest pair."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations_with_replacement

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from .. import _validate as check


@dataclass(frozen=True)
class PairWitness:
    """A number about pairs of points, and the rows i < j of a pair at which it is attained."""

    value: float
    i: int
    j: int


def data_lipschitz(X: Float[ndarray, "n d"], y: Float[ndarray, "n"]) -> PairWitness:
    """L* = max over i < j of |y_i − y_j| / ‖x_i − x_j‖: no function that fits has less.

    By the McShane–Whitney theorem (1934) some function attains it (`memorizers.McShane`). Every
    pair is looked at, in float64; distances that are small against ‖x‖, and the pair returned, are
    computed from x_i − x_j, so that nothing cancels. The relative error is about d·10⁻¹⁵.

    Parameters: X points (n, d), n ≥ 2; y labels (n,), any real numbers. Repeated points with equal
    labels do no harm; with two labels they are a ValueError: no function fits, Lipschitz or not.

    >>> data_lipschitz(np.array([[0.0], [1.0], [3.0]]), np.array([0.0, 1.0, 5.0]))
    PairWitness(value=2.0, i=1, j=2)
    """
    X = check.matrix(X, rows_at_least=2)
    return _steepest_pair(X, check.vector(y, length=len(X)))


def min_separation(X: Float[ndarray, "n d"]) -> PairWitness:
    """δ = min over i < j of ‖x_i − x_j‖ for n ≥ 2 points (0 if one is repeated), and that pair.

    >>> min_separation(np.array([[0.0, 0.0], [3.0, 4.0], [0.0, 1.0]]))
    PairWitness(value=1.0, i=0, j=2)
    """
    X = check.matrix(X, rows_at_least=2)
    pair = _steepest_pair(X, None)
    return PairWitness(float(_distances(X, [pair.i], [pair.j])[0]), pair.i, pair.j)


# All distances² of a block come from one matrix product, ‖a‖² + ‖b‖² − 2⟨a, b⟩, which loses digits
# where the distance is small against the norms. Below the share _SMALL of the norms (4 of 53 bits
# lost) the pair is recomputed from x_i − x_j, unless rounding cannot make it the steepest.
_SMALL = 1 / 16
_BLOCK = 768  # three float64 blocks of this size (14 MB) stay in a common last-level cache


def _steepest_pair(X, y):
    """Pair with the largest |y_i − y_j|/‖x_i − x_j‖, or 1/‖x_i − x_j‖ if y is None."""
    A, unit_x = _unit_scale(X)
    b, unit_y = (None, 1.0) if y is None else _unit_scale(y)
    unit = unit_x / unit_y  # slopes of (A, b) are `unit` times slopes of (X, y)
    norm2 = np.einsum("ij,ij->i", A, A)
    best = PairWitness(0.0, 0, 1)
    for r, c in combinations_with_replacement(range(0, len(A), _BLOCK), 2):
        rows, cols = slice(r, r + _BLOCK), slice(c, c + _BLOCK)
        d2 = A[rows] @ A[cols].T
        d2 *= -2
        d2 += norm2[rows, None]
        d2 += norm2[cols]
        if r == c:
            d2[np.tril_indices_from(d2)] = np.inf
        norms2 = float(norm2[rows].max() + norm2[cols].max())
        rise2 = np.ones_like(d2) if b is None else np.subtract.outer(b[rows], b[cols])
        np.square(rise2, out=rise2)
        small = np.nonzero(d2 <= _SMALL * norms2)
        small_d2, small_rise2 = d2[small], rise2[small]
        d2[small] = np.inf
        slope2 = np.divide(rise2, d2, out=d2)
        k = int(slope2.argmax())
        if slope2.flat[k] > 0:
            best = _better(X, y, [r + k // d2.shape[1]], [c + k % d2.shape[1]], best)
        # Among the small distances the most promising go first, until none can still win.
        rounding = 4 * (A.shape[1] + 3) * np.finfo(float).eps * norms2
        at_least = np.maximum(small_d2 - rounding, 0.0)
        floor = (best.value * unit) ** 2
        hope = np.flatnonzero((small_rise2 > 0) & (small_rise2 >= floor * at_least))
        with np.errstate(divide="ignore"):
            at_most = small_rise2[hope] / at_least[hope]
        order = np.argsort(-at_most)
        for part in range(0, len(order), 1024):
            k = order[part : part + 1024]
            if at_most[k[0]] < (best.value * unit) ** 2:
                break
            best = _better(X, y, r + small[0][hope[k]], c + small[1][hope[k]], best)
    return best


def _unit_scale(x):
    """x minus its mean, over its largest entry (so that no square overflows), and that entry."""
    centred = x - x.mean(axis=0)
    unit = float(np.abs(centred).max()) or 1.0
    centred /= unit
    return centred, unit


def _better(X, y, i, j, best):
    """The steepest of the pairs (i, j), computed from differences, or `best` if that is steeper."""
    run = _distances(X, i, j)
    rise = np.ones_like(run) if y is None else np.abs(y[i] - y[j])
    twice = np.flatnonzero((run == 0) & (rise > 0))
    if y is not None and twice.size:
        p, q = i[twice[0]], j[twice[0]]
        what = f"X[{p}] and X[{q}] are the same point but y[{p}] = {y[p]:g} and y[{q}] = {y[q]:g}"
        raise ValueError(f"{what}: no Lipschitz memorizer exists; merge them or drop one label")
    otherwise = np.where(rise > 0, np.inf, 0.0)
    slopes = np.divide(rise, run, out=otherwise, where=run > 0)
    k = int(slopes.argmax())
    return PairWitness(float(slopes[k]), int(i[k]), int(j[k])) if slopes[k] > best.value else best


def _distances(X, i, j):
    """‖x_i − x_j‖ from differences, scaled so that tiny ones do not underflow when squared."""
    difference = X[i] - X[j]
    unit = np.abs(difference).max(axis=1)
    unit[unit == 0] = 1.0
    difference /= unit[:, None]
    return unit * np.sqrt(np.einsum("ij,ij->i", difference, difference))
