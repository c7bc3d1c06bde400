"""Two-layer ReLU networks as the bounds of this package see them: three arrays (`ReluNet`), and the set in which all
gradients lie (`gradient_zonotope`), over the whole space or over a ball.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from .. import _validate as check

EPS = np.finfo(
    float
).eps  # 2⁻⁵², twice the unit roundoff: one factor of 2 in every error bound is to spare


class ReluNet(Protocol):
    """A two-layer network f(x) = c + Σ_j a_j max(0, ⟨w_j, x⟩ + b_j): arrays W (k, d), b (k,), a (k,)."""

    @property
    def W(self) -> Float[ndarray, "k d"]: ...
    @property
    def b(self) -> Float[ndarray, "k"]: ...
    @property
    def a(self) -> Float[ndarray, "k"]: ...


@dataclass(frozen=True)
class GradientZonotope:
    """{center + Σ_j e_j·generators[j] : −1 ≤ e_j ≤ 1}, a set that contains every gradient of a network.

    `rounding` bounds the Euclidean error that float64 made in any of its points.
    """

    center: Float[ndarray, "d"]
    generators: Float[ndarray, "m d"]
    rounding: float


def gradient_zonotope(
    net: ReluNet, *, center: Float[ndarray, "d"] | None = None, radius: float | None = None
) -> GradientZonotope:
    """The zonotope g₀ + Σ_j [0, 1]·a_j w_j of a two-layer ReLU net, which contains ∇f(x) wherever f is differentiable.

    Neurons whose weight vectors are equal up to sign switch at parallel planes, hence in a known order: together they
    count as one generator, as long as the range of slopes that they can have. So repeated neurons are merged, pairs
    relu(u) − relu(−u) = u are linear, and in one dimension the set is no larger than it must be.

    Parameters: net; center (d,) and radius > 0 of a ball: then only the gradients inside it are covered, and a neuron
    that does not switch there has no generator. Both or neither.

    Raises ValueError if the net has several outputs or no ReLU, on shapes that do not fit, non-finite entries, or half a ball.
    """
    W, b, a = two_layer_arrays(net)
    k, d = W.shape
    sign = np.sign(
        W[np.arange(k), (W != 0).argmax(axis=1)]
    )  # of the first entry that is not 0; 0 for w = 0
    D = W * sign[:, None] + 0.0  # one representative of ±w
    at = (
        -sign * b
    )  # in t = ⟨D_j, x⟩, neuron j switches at t = at_j, and there the slope in t jumps by a_j
    before = np.where(sign < 0, -a, 0.0)  # slope at t = −∞
    low, high = _range_of_t(D, b, center, radius)
    first, members = _parallel(D)
    slope_min, slope_max = np.zeros((2, k))
    on, off = (at <= low) | (sign == 0), at >= high
    after = np.where(off, before, before + a)
    slope_min, slope_max = (
        np.minimum(np.where(on, after, before), after),
        np.maximum(np.where(on, after, before), after),
    )
    for group in members:
        slopes = _slopes(
            before[group].sum(), at[group], a[group], low[group].min(), high[group].max()
        )
        slope_min[group[0]], slope_max[group[0]] = slopes.min(), slopes.max()
    middle, half = 0.5 * slope_min + 0.5 * slope_max, 0.5 * slope_max - 0.5 * slope_min
    half[
        a * sign < 0
    ] *= -1  # so that the generator of a single neuron is ½ a_j w_j: e_j = 1 where it is on, −1 where it is off
    with np.errstate(over="ignore", invalid="ignore"):
        generators = half[first, None] * D[first]
        path = float(np.linalg.norm(a[:, None] * W, axis=1).sum())
        return GradientZonotope(
            middle[first] @ D[first],
            generators[(generators != 0).any(axis=1)],
            4 * (k + 4) * EPS * path,
        )


def two_layer_arrays(
    net: ReluNet,
) -> tuple[Float[ndarray, "k d"], Float[ndarray, "k"], Float[ndarray, "k"]]:
    """(W, b, a) of the net, checked: finite, of shapes that fit, one output, ReLU."""
    name = type(net).__name__
    if not all(hasattr(net, array) for array in "Wba"):
        raise ValueError(
            f"net is a {name} without arrays W, b, a; the bounds for two-layer ReLU networks need "
            "f(x) = Σ_j a_j relu(⟨w_j, x⟩ + b_j) + c (deep networks: lawrob_utils.lipschitz.deep_bracket)"
        )
    activation = getattr(net, "activation", "relu")
    if activation != "relu":
        raise ValueError(
            f"net.activation = {activation!r}; the bound uses that every gradient is Σ_j s_j a_j w_j with s_j in {{0, 1}}, which holds for 'relu'"
        )
    if np.ndim(net.a) > 1:
        raise ValueError(
            f"net.a has shape {np.shape(net.a)}: several outputs; the bound is about the norm of one gradient, so "
            "give it one output at a time, or a difference of two outputs"
        )
    W = check.matrix(net.W, "net.W")
    b = check.vector(net.b, "net.b", length=W.shape[0])
    return W, b, check.vector(net.a, "net.a", length=W.shape[0])


def _range_of_t(D, b, center, radius):
    """Bounds (k,), (k,) of ⟨D_j, x⟩ on the ball, a little outside the true ones so that rounding cannot hide a switch."""
    if center is None and radius is None:
        return np.full(len(b), -np.inf), np.full(len(b), np.inf)
    if center is None or radius is None:
        raise ValueError(
            f"center = {center}, radius = {radius}; a ball needs both, the whole space neither"
        )
    x, r = check.vector(center, "center", length=D.shape[1]), check.positive(radius, "radius")
    norms = np.linalg.norm(D, axis=1)
    reach = r * norms
    slack = (D.shape[1] + 8) * EPS * (norms * (r + np.linalg.norm(x)) + np.abs(b))
    return D @ x - reach - slack, D @ x + reach + slack


def _parallel(D):
    """The first row of every class of equal rows, and the classes with more than one member."""
    classes: dict[bytes, list[int]] = {}
    for j, row in enumerate(np.ascontiguousarray(D)):
        classes.setdefault(row.tobytes(), []).append(j)
    return np.array([group[0] for group in classes.values()]), [
        np.array(g) for g in classes.values() if len(g) > 1
    ]


def _slopes(before, at, jump, low, high):
    """All slopes on (low, high) of a function of t with slope `before` at −∞ that jumps by `jump` at `at`."""
    order = np.argsort(at, kind="stable")
    at, slope = at[order], before + np.concatenate([[0.0], np.cumsum(jump[order])])
    begin, end = np.concatenate([[-np.inf], at]), np.concatenate([at, [np.inf]])
    return slope[(begin < end) & (begin < high) & (end > low)]
