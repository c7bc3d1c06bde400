"""ReLU networks as the bounds see them: checked arrays, the two upper bounds that take a line, and
for two-layer networks the set in which all gradients lie (`gradient_zonotope`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import NamedTuple, Protocol

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from .. import _validate as check

EPS = float(
    np.finfo(float).eps
)  # 2⁻⁵², twice the unit roundoff: error bounds have a factor to spare


class ReluNet(Protocol):
    """f(x) = c + Σ_j a_j max(0, ⟨w_j, x⟩ + b_j) with arrays W (k, d), b (k,), a (k,)."""

    @property
    def W(self) -> Float[ndarray, "k d"]: ...
    @property
    def b(self) -> Float[ndarray, "k"]: ...
    @property
    def a(self) -> Float[ndarray, "k"]: ...


class Checked(NamedTuple):
    """A `ReluNet` that needs no second check."""

    W: Float[ndarray, "k d"]
    b: Float[ndarray, "k"]
    a: Float[ndarray, "k"]


def checked(net: ReluNet) -> Checked:
    """The arrays of the net, or a ValueError: finite, of shapes that fit, one output, ReLU."""
    if isinstance(net, Checked):
        return net
    if not all(hasattr(net, array) for array in "Wba"):
        raise ValueError(
            f"net is a {type(net).__name__} without arrays W, b, a; the bounds for two-layer ReLU "
            "networks need f(x) = Σ_j a_j relu(⟨w_j, x⟩ + b_j) + c (deep networks: "
            "lawrob_utils.lipschitz.deep_bracket)"
        )
    activation = getattr(net, "activation", "relu")
    if activation != "relu":
        raise ValueError(
            f"net.activation = {activation!r}; the bound uses that every gradient is "
            "Σ_j s_j a_j w_j with s_j in {0, 1}, which holds for 'relu'"
        )
    if np.ndim(net.a) > 1:
        raise ValueError(
            f"net.a has shape {np.shape(net.a)}: several outputs; the bound is about the norm of "
            "one gradient, so give it one output at a time, or a difference of two outputs"
        )
    W = check.matrix(net.W, "net.W")
    b, a = (check.vector(getattr(net, v), f"net.{v}", length=len(W)) for v in "ba")
    return Checked(W, b, a)


def spectral_bound(layers: Sequence[Float[ndarray, "out in"] | float]) -> float:
    """Π_l ‖W_l‖_op ≥ Lip(f) for f = W_D ∘ φ ∘ … ∘ φ ∘ W_1 with 1-Lipschitz φ, such as ReLU.

    Parameters: layers in the order of application, each a matrix (out, in) or, for a layer that is
    none, its known Lipschitz constant. Biases do not matter.

    Raises ValueError if the chain is empty, a number is negative, an entry is not finite, or the
    shapes of neighbouring matrices do not fit.

    >>> round(spectral_bound([np.diag([3.0, 1.0]), np.array([[1.0, 1.0]])]), 9)
    4.242640687
    """
    if len(layers) == 0:
        raise ValueError("layers = []; at least one layer is needed")
    product, exponent, width = 1.0, 0, None
    for position, layer in enumerate(layers):
        name = f"layers[{position}]"
        if np.ndim(layer) == 0:
            factor, e = scaled(check.positive(layer, name, zero_allowed=True))  # type: ignore[arg-type]
            product, exponent, width = product * float(factor), exponent + e, None
            continue
        W = check.matrix(layer, name)
        if width is not None and W.shape[1] != width:
            raise ValueError(
                f"{name} takes {W.shape[1]} inputs but the layer before it gives {width}"
            )
        W, e = scaled(W)
        product *= float(np.linalg.norm(W, 2)) * (1 + sum(W.shape) * EPS)  # what rounding may hide
        exponent, width = exponent + e, len(W)
    return scaled_back(product, exponent)


def path_norm(net: ReluNet) -> float:
    """Σ_j |a_j| ‖w_j‖ ≥ Lip(f) for a two-layer net: every neuron at its steepest, in one direction.

    Raises ValueError as `gradient_zonotope`.
    """
    (W, e), (a, e_a) = (scaled(A) for A in checked(net)[::2])
    M, e_M = scaled(a[:, None] * W)
    total = np.linalg.norm(M, axis=1).sum() * (1 + sum(W.shape) * EPS)
    return scaled_back(float(total), e + e_a + e_M)


def scaled(A: ndarray | float) -> tuple[ndarray, int]:
    """A/2^e, which costs no digit, with largest entry in [½, 1), and e."""
    e = int(np.frexp(np.abs(A).max())[1])
    return np.ldexp(A, -e), e


def scaled_back(bound: float, e: int) -> float:
    """bound·2^e for a bound from above: inf if that overflows, rounded up if it underflows."""
    with np.errstate(over="ignore", under="ignore"):
        return float(np.ldexp(bound, e)) + (5e-324 if bound > 0 else 0.0)


@dataclass(frozen=True)
class GradientZonotope:
    """{center + Σ_j e_j·generators[j] : −1 ≤ e_j ≤ 1}, which contains every gradient of a network.

    `rounding` bounds the Euclidean error that float64 made in any of its points.
    """

    center: Float[ndarray, "d"]
    generators: Float[ndarray, "m d"]
    rounding: float


def gradient_zonotope(
    net: ReluNet, *, center: Float[ndarray, "d"] | None = None, radius: float | None = None
) -> GradientZonotope:
    """The zonotope g₀ + Σ_j [0, 1]·a_j w_j of a two-layer ReLU net, which contains every gradient.

    Neurons whose weight vectors are multiples of one another switch at parallel planes, in a known
    order: together they count as one generator, as long as the range of slopes that they can have.
    So repeated neurons are merged, pairs relu(u) − relu(−u) = u are linear, and in one dimension
    the set is the interval from the smallest slope to the largest.

    Parameters: net; center (d,) and radius > 0 of a ball: then only the gradients inside it are
    covered, and a neuron that does not switch there has no generator. Both or neither.

    Raises ValueError if the net has several outputs or no ReLU, on shapes that do not fit, entries
    that are not finite, or half a ball.
    """
    W, b, a = checked(net)
    k, rows = len(a), np.arange(len(a))
    lead = (W != 0).argmax(axis=1)  # the first entry that is not 0
    sign = np.sign(W[rows, lead])  # 0 for w = 0
    D = W * sign[:, None] + 0.0  # one representative of ±w
    at = -sign * b  # in t = ⟨D_j, x⟩ neuron j switches at at_j, and there the slope jumps by a_j
    before = np.where(sign < 0, -a, 0.0)  # slope at t = −∞
    low, high = _range_of_t(D, b, center, radius)
    last = np.where(at >= high, before, before + a)
    first = np.where((at <= low) | (sign == 0), last, before)
    slope_min, slope_max = np.minimum(first, last), np.maximum(first, last)
    one, classes = _parallel(D, D[rows, lead])
    for j, members in classes.items():  # all in units of D_j; the order of the switches is exact
        switches: list[tuple[Fraction | float, float]] = [(np.inf, 0.0)]
        slope, slopes = 0.0, []
        begin: Fraction | float = -np.inf
        for i in members:
            ratio = Fraction(D[i, lead[i]]) / Fraction(D[j, lead[j]])
            switches.append((Fraction(at[i]) / ratio, a[i] * float(ratio)))
            slope += before[i] * float(ratio)
        for end, jump in sorted(switches):
            if begin < end and begin < high[j] and end > low[j]:
                slopes.append(slope)
            slope, begin = slope + jump, end
        slope_min[j], slope_max[j] = min(slopes), max(slopes)
    middle, half = 0.5 * slope_min + 0.5 * slope_max, 0.5 * slope_max - 0.5 * slope_min
    half[a * sign < 0] *= -1  # a single neuron has generator ½ a_j w_j: e_j = 1 where it is on
    with np.errstate(over="ignore", invalid="ignore"):
        generators = half[one, None] * D[one]
        generators = generators[(generators != 0).any(axis=1)]
        rounding = 4 * (k + 4) * EPS * path_norm(Checked(W, b, a))
        return GradientZonotope(middle[one] @ D[one], generators, rounding)


def _range_of_t(D, b, center, radius):
    """Bounds (k,), (k,) of ⟨D_j, x⟩ on the ball, rounded outwards so that no switch is lost."""
    if center is None and radius is None:
        return np.full(len(b), -np.inf), np.full(len(b), np.inf)
    if center is None or radius is None:
        raise ValueError(
            f"center = {center}, radius = {radius}; a ball needs both, the whole space neither"
        )
    x, r = check.vector(center, "center", length=D.shape[1]), check.positive(radius, "radius")
    norms = np.linalg.norm(D, axis=1)
    slack = (D.shape[1] + 8) * EPS * (norms * (r + np.linalg.norm(x)) + np.abs(b))
    return D @ x - r * norms - slack, D @ x + r * norms + slack


def _parallel(D, leading):
    """One row, the longest, of every class of rows that are multiples of one another, exactly; and
    the members of the classes that have several, by that row."""
    with np.errstate(all="ignore"):
        keys = D / np.where(leading > 0, leading, 1)[:, None]  # rounded alike in multiples
    if len(np.unique(keys[:, -1])) == len(D):
        return np.arange(len(D)), {}
    alike = {}
    for j, key in enumerate(keys):
        found = alike.setdefault(key.tobytes(), [])
        home = next((c for c in found if leading[j] > 0 and _multiples(D, c[0], j)), None)
        found.append([j]) if home is None else home.append(j)
    classes = [c for found in alike.values() for c in found]
    longest = [c[0] if len(c) == 1 else max(c, key=leading.__getitem__) for c in classes]
    return longest, {j: c for j, c in zip(longest, classes, strict=True) if len(c) > 1}


def _multiples(D, i, j):
    if (D[i] == D[j]).all():
        return True
    rows = [[Fraction(x) for x in D[row]] for row in (i, j)]
    p, q = (next(x for x in row if x) for row in rows)
    return all(x * q == y * p for x, y in zip(*rows, strict=True))
