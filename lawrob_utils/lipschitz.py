"""Lipschitz constants, always as brackets: a witnessed lower bound and a certified upper bound.

Read in order: `Bracket`; what data force on every function that fits them (`data_lipschitz`, `min_separation`);
bounds for ReLU networks from above (`spectral_bound`) and from below (`annealed_ascent`).
All norms are Euclidean and all constants global, over the whole of R^d. Used by every chapter from the third on.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray

from . import _validate as check


@dataclass(frozen=True)
class Bracket:
    """lower ≤ Lip(f) ≤ upper, each with the words that say where it comes from.

    lower ≥ 0 is witnessed (a slope between two points, a gradient norm at a point); upper is certified and may be
    inf. Rounding may put lower above upper by 1 part in 10⁹; then both are set to lower.

    Raises ValueError if a number is NaN or negative, or if lower exceeds upper: one of the two is then wrong.

    >>> print(Bracket(1.5, 6.0, "gradient at a point", "product of spectral norms"))
    1.5 ≤ Lip ≤ 6 (lower: gradient at a point; upper: product of spectral norms)
    """

    lower: float
    upper: float
    lower_by: str
    upper_by: str

    def __post_init__(self) -> None:
        lower, upper = float(self.lower), float(self.upper)
        if not (0 <= lower < np.inf) or not upper >= 0:
            raise ValueError(f"lower = {lower}, upper = {upper}; 0 <= lower < inf and upper >= 0 are needed")
        if lower > upper:
            if lower > upper * (1 + 1e-9):
                raise ValueError(
                    f"lower = {lower:.12g} ({self.lower_by}) exceeds upper = {upper:.12g} ({self.upper_by}): "
                    "one of the two bounds is wrong"
                )
            upper = lower
        object.__setattr__(self, "lower", lower)
        object.__setattr__(self, "upper", upper)

    @classmethod
    def exact(cls, value: float, by: str) -> Bracket:
        """The bracket [value, value].

        >>> print(Bracket.exact(2.0, "slope of the pair (0, 1)"))
        Lip = 2 (slope of the pair (0, 1))
        """
        return cls(value, value, by, by)

    @property
    def is_exact(self) -> bool:
        """lower = upper."""
        return self.lower == self.upper

    @property
    def ratio(self) -> float:
        """upper/lower ≥ 1: the factor by which the constant is uncertain (1 if both are 0, inf if only lower is)."""
        if self.lower == 0:
            return 1.0 if self.upper == 0 else np.inf
        return self.upper / self.lower

    def tightened(self, other: Bracket) -> Bracket:
        """The larger lower and the smaller upper bound of two brackets of the same function.

        >>> Bracket(1, 9, "a", "b").tightened(Bracket(2, 10, "c", "d"))
        Bracket(lower=2.0, upper=9.0, lower_by='c', upper_by='b')
        """
        low = self if self.lower >= other.lower else other
        high = self if self.upper <= other.upper else other
        return Bracket(low.lower, high.upper, low.lower_by, high.upper_by)

    def __str__(self) -> str:
        if self.is_exact:
            return f"Lip = {self.lower:.4g} ({self.lower_by})"
        return f"{self.lower:.4g} ≤ Lip ≤ {self.upper:.4g} (lower: {self.lower_by}; upper: {self.upper_by})"


# ------------------------------------------------------------------------------------- what the data alone force


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
    return PairWitness(float(_distances(X, np.array([pair.i]), np.array([pair.j]))[0]), pair.i, pair.j)


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
            best, pair = _better(X, y, rows.start + k // d2.shape[1], cols.start + k % d2.shape[1], best, pair)
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


def _squared_distances(A: Float[ndarray, "n d"]) -> Iterator[tuple[slice, slice, Float[ndarray, "r c"], float]]:
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


def _distances(X: Float[ndarray, "n d"], i: Int[ndarray, "m"], j: Int[ndarray, "m"]) -> Float[ndarray, "m"]:
    """‖x_i − x_j‖ from differences, scaled so that tiny ones do not underflow when squared."""
    difference = X[i] - X[j]
    unit = np.abs(difference).max(axis=1)
    unit[unit == 0] = 1.0
    difference /= unit[:, None]
    return unit * np.sqrt(np.einsum("ij,ij->i", difference, difference))


# ------------------------------------------------------------------------------------------------- ReLU networks


class ReluNet(Protocol):
    """A two-layer network f(x) = c + Σ_j a_j max(0, ⟨w_j, x⟩ + b_j): arrays W (k, d), b (k,), a (k,)."""

    @property
    def W(self) -> Float[ndarray, "k d"]: ...
    @property
    def b(self) -> Float[ndarray, "k"]: ...
    @property
    def a(self) -> Float[ndarray, "k"]: ...


@dataclass(frozen=True)
class GradientWitness:
    """A point at which f is differentiable, and value = ‖∇f(point)‖: a lower bound of Lip(f)."""

    value: float
    point: Float[ndarray, "d"]


def spectral_bound(layers: Sequence[Float[ndarray, "out in"] | float]) -> float:
    """Π_l ‖W_l‖_op ≥ Lip(f) for a chain f = W_D ∘ φ ∘ … ∘ φ ∘ W_1 with 1-Lipschitz φ (ReLU, tanh, max-pooling, …).

    Parameters: layers, in the order in which they are applied, each a matrix (out, in) or a number: the known
    Lipschitz constant of a layer that is not a matrix. Biases do not matter.

    Raises ValueError if the chain is empty, a number is negative, an entry is not finite, or the shapes of
    neighbouring matrices do not fit.

    Source: the Lipschitz constant of a composition is at most the product of the constants.

    >>> spectral_bound([np.array([[3.0, 0.0], [0.0, 1.0]]), np.array([[1.0, 1.0]])])  # doctest: +ELLIPSIS
    4.24264...
    """
    if len(layers) == 0:
        raise ValueError("layers = []; at least one layer is needed")
    product, width = 1.0, None
    for position, layer in enumerate(layers):
        name = f"layers[{position}]"
        if np.ndim(layer) == 0:
            product *= check.positive(float(layer), name, zero_allowed=True)
            width = None
            continue
        W = check.matrix(layer, name)
        if width is not None and W.shape[1] != width:
            raise ValueError(f"{name} takes {W.shape[1]} inputs but the layer before it gives {width}")
        product *= float(np.linalg.norm(W, 2))
        width = W.shape[0]
    return product


def annealed_ascent(
    net: ReluNet,
    starts: Float[ndarray, "m d"],
    *,
    steps: int = 200,
    step_size: float = 0.1,
    sharpness: tuple[float, float] = (0.5, 50.0),
) -> GradientWitness:
    """The largest ‖∇f(x)‖ met on m paths that climb it: a witnessed lower bound of Lip(f) for a two-layer ReLU net.

    ∇f(x) = Σ_j a_j 1[u_j > 0] w_j with u_j = ⟨w_j, x⟩ + b_j is piecewise constant, so the gradient of ‖∇f‖ is zero
    almost everywhere and cannot be followed. Here the step 1[u > 0] is replaced by the sigmoid s(βu/u₀) (that is,
    ReLU by softplus), u₀ the standard deviation of u over starts and neurons, and β grows geometrically over
    `sharpness` while x makes normalised steps uphill. At every step the *true* ReLU gradient is evaluated, and only
    that is ever returned.

    Parameters: net with arrays W (k, d), b (k,), a (k,); starts (m, d), e.g. the data and random points; steps of
    length step_size·(rms norm of starts), decreasing linearly; sharpness first and last β.

    Returns the best value and its point. At that point each |u_j| is above rounding error, so f is differentiable
    there and the value is a true lower bound. If no point visited is like that the value is 0.

    Raises ValueError on shapes that do not fit, non-finite entries, steps < 1, or numbers out of range.
    """
    W, b, a, X = _two_layer(net, starts)
    steps = check.count(steps, "steps")
    length = check.positive(step_size, "step_size") * max(float(np.sqrt((X**2).sum(axis=1).mean())), 1e-300)
    first, last = (check.positive(beta, "sharpness") for beta in sharpness)
    u0 = float(np.std(X @ W.T + b)) or 1.0
    best = GradientWitness(0.0, X[0].copy())
    for t, beta in enumerate(np.geomspace(first, last, steps) / u0):
        U = X @ W.T + b
        best = _steepest_gradient(W, b, a, X, U, best)
        S = _sigmoid(beta * U)
        G = (S * a) @ W  # gradients of the softplus network
        climb = (beta * S * (1 - S) * a * (G @ W.T)) @ W  # gradient of ½‖G‖²
        norm = np.linalg.norm(climb, axis=1, keepdims=True)
        X = X + length * (1 - t / steps) * np.divide(climb, norm, out=np.zeros_like(climb), where=norm > 0)
    return _steepest_gradient(W, b, a, X, X @ W.T + b, best)


def relu_bracket(net: ReluNet, starts: Float[ndarray, "m d"], *, steps: int = 200) -> Bracket:
    """annealed_ascent ≤ Lip(f) ≤ spectral_bound for a two-layer ReLU net, as one `Bracket`.

    Parameters and errors: as in `annealed_ascent`.
    """
    W, _, a, _ = _two_layer(net, starts)
    return Bracket(
        annealed_ascent(net, starts, steps=steps).value,
        spectral_bound([W, a[None, :]]),
        "ReLU gradient at a point found by annealed ascent",
        "product of spectral norms",
    )


def _two_layer(net: ReluNet, starts: ndarray) -> tuple[ndarray, ndarray, ndarray, ndarray]:
    W = check.matrix(net.W, "net.W")
    b = check.vector(net.b, "net.b", length=W.shape[0])
    a = check.vector(net.a, "net.a", length=W.shape[0])
    return W, b, a, check.matrix(starts, "starts", columns=W.shape[1])


def _steepest_gradient(
    W: ndarray, b: ndarray, a: ndarray, X: ndarray, U: ndarray, best: GradientWitness
) -> GradientWitness:
    """`best`, or the point of X with a larger exact ReLU gradient; points on a kink (up to rounding) do not count."""
    rounding = 1e-12 * (np.linalg.norm(X, axis=1)[:, None] * np.linalg.norm(W, axis=1) + np.abs(b))
    inside = ((np.abs(U) > rounding) | (a == 0) | (W == 0).all(axis=1)).all(axis=1)
    norms = np.where(inside, np.linalg.norm(((U > 0) * a) @ W, axis=1), 0.0)
    k = int(norms.argmax())
    return GradientWitness(float(norms[k]), X[k].copy()) if norms[k] > best.value else best


def _sigmoid(u: ndarray) -> ndarray:
    return 0.5 * (1 + np.tanh(0.5 * u))  # no overflow for large |u|
