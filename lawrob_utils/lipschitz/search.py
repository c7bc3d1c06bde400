"""Lower bounds by search: points at which the gradient of a ReLU network is large.

`annealed_ascent` climbs a smoothed landscape; for two-layer networks `region_flips` walks from
linear region to linear region, and `rounded_starts` proposes points at which the activation pattern
that the SDP certificate suggests occurs. Every value returned is the norm of the true gradient at a
point where it exists, every u being above what rounding can have made of it; 0 if none is like
that.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from .. import _validate as check
from .certificate import Certificate
from .nets import Arrays, unit_rows

Layers = Sequence[tuple[Float[ndarray, "out in"], Float[ndarray, "out"]]]


@dataclass(frozen=True)
class GradientWitness:
    """A point at which f is differentiable, and value = ‖Df(point)‖_op: a lower bound of Lip(f)."""

    value: float
    point: Float[ndarray, "d"]


def annealed_ascent(
    layers: Layers, starts: Float[ndarray, "m d"], *, steps: int = 200
) -> GradientWitness:
    """The largest ‖Df(x)‖_op met on m paths that climb it: a lower bound of Lip(f) of a ReLU net.

    Df is piecewise constant, so ‖Df‖ has no slope that could be followed. Here relu' = 1[u > 0] is
    replaced by the sigmoid s(βu/u₀) (that is, relu by softplus), u₀ the standard deviation of a
    layer's u over starts and neurons; β grows geometrically from ½ to 50 while x makes normalised
    steps of decreasing length uphill. With several outputs each path follows one combination
    ⟨p, f⟩, p turned by one power iteration a step. Of what is met the *true* gradient counts.

    Parameters: layers (W_l, b_l) in the order of application; starts (m, d), e.g. the data and
    random points; steps ≥ 1, the first of length a tenth of the rms norm of starts.
    """
    net = checked_layers(layers)
    X = check.matrix(starts, "starts", columns=net[0][0].shape[1])
    steps = check.count(steps, "steps")
    length = 0.1 * max(float(np.sqrt((X**2).sum(axis=1).mean())), 1e-300)
    units, H = [], X
    for W, b in net[:-1]:
        U = H @ W.T + b
        units.append(float(np.std(U)) or 1.0)
        H = np.maximum(U, 0)
    best, P = GradientWitness(0.0, X[0].copy()), np.ones((len(X), len(net[-1][1])))
    for t, sharpness in enumerate(np.geomspace(0.5, 50.0, steps)):
        best = steepest(net, X, best)
        climb, P = _uphill(net, X, P, [sharpness / unit for unit in units])
        X = X + length * (1 - t / steps) * unit_rows(climb)
    return steepest(net, X, best)


def gradient_norms(
    net: Layers, X: Float[ndarray, "m d"]
) -> tuple[Float[ndarray, "m"], Float[ndarray, "m"]]:
    """‖Df(x)‖_op at each row, and whether the row lies on no kink, whatever rounding did."""
    clear, H, size, on = np.ones(len(X), bool), X, np.linalg.norm(X, axis=1), []
    for (W, b), (after, _) in zip(net[:-1], net[1:], strict=True):
        U = H @ W.T + b
        reach = size[:, None] * np.linalg.norm(W, axis=1) + np.abs(b)  # ≥ |u|, 10¹² errors of u
        constant = (W == 0).all(axis=1) | (after == 0).all(axis=0)
        clear &= ((np.abs(U) > 1e-12 * reach) | constant).all(axis=1)
        on.append(U > 0)
        H, size = np.maximum(U, 0), np.linalg.norm(reach, axis=1)
    J = np.broadcast_to(net[-1][0][:, None], (len(net[-1][0]), len(X), net[-1][0].shape[1]))
    for active, (W, _) in zip(reversed(on), reversed(net[:-1]), strict=True):
        J = (J * active) @ W
    if len(J) == 1:
        return np.linalg.norm(J[0], axis=1), clear
    J = J.swapaxes(0, 1)
    squares = J @ J.swapaxes(1, 2) if J.shape[1] <= J.shape[2] else J.swapaxes(1, 2) @ J
    return np.sqrt(np.maximum(np.linalg.eigvalsh(squares)[:, -1], 0.0)), clear


def steepest(net: Layers, X: Float[ndarray, "m d"], best: GradientWitness) -> GradientWitness:
    """`best`, or the point of X with a larger gradient; points on a kink do not count."""
    norms, clear = gradient_norms(net, X)
    norms = np.where(clear, norms, 0.0)
    k = int(norms.argmax())
    return GradientWitness(float(norms[k]), X[k].copy()) if norms[k] > best.value else best


def region_flips(net: Arrays, starts: Float[ndarray, "m d"]) -> GradientWitness:
    """The largest ‖∇f(x)‖ met on m walks of a two-layer net from linear region to a steeper one.

    A walk at x considers mirroring x at the plane ⟨w_j, x⟩ + b_j = 0. Of the 32 mirrorings that
    would raise ‖∇f‖ most if neuron j alone changed its state, it makes the one after which the true
    gradient is the largest, and stops when none is larger, or after 50.
    """
    W, b, a = net
    layers = ((W, b), (a[None], np.zeros(1)))
    M, norms2 = a[:, None] * W, np.einsum("ij,ij->i", W, W)
    norms2[norms2 == 0] = np.inf
    own, candidates = np.einsum("ij,ij->i", M, M), min(32, len(b))
    best = steepest(layers, starts, GradientWitness(0.0, starts[0].copy()))
    for start in starts:
        here = GradientWitness(-1.0, start)
        for _ in range(50):
            x = here.point
            u = W @ x + b
            g = (u > 0) @ M
            gain = 2 * np.where(u > 0, -1.0, 1.0) * (M @ g) + own  # change of ‖g‖²
            j = np.argpartition(-gain, candidates - 1)[:candidates]
            across = x - (2 * u[j] / norms2[j])[:, None] * W[j]
            found = steepest(layers, across, here)
            if found.value <= max(here.value, float(np.linalg.norm(g))):
                break
            here = found
        best = max(best, here, key=lambda witness: witness.value)
    return best


def rounded_starts(
    net: Arrays,
    certificate: Certificate,
    starts: Float[ndarray, "m d"],
    rng: np.random.Generator,
    n: int = 32,
) -> Float[ndarray, "n d"]:
    """n points of a two-layer net whose activation patterns are close to what the SDP favours.

    The rows of V, one per neuron, are rounded by a random direction to signs e ∈ {−1, 1}^m (Goemans
    and Williamson 1995); single signs are flipped as long as the norm of the gradient that they
    stand for grows; and ⟨w_j, x⟩ + b_j = τe_j is solved for x in the sense of least squares, with τ
    large against the biases and the size of ⟨w_j, x⟩ on the starts. If k ≤ d and the w_j are
    linearly independent, exactly this pattern occurs at x.
    """
    W, b, a = net
    alive = (a != 0) & (W != 0).any(axis=1)
    W, b, a = W[alive], b[alive], a[alive]
    if len(a) == 0:
        return starts[:n]
    B = np.concatenate([a[:, None] * W, a[None] @ W]) / 2
    V = certificate.vectors
    if len(V) != len(B):  # parallel neurons were taken together: start from random signs
        V = rng.standard_normal((len(B), 12))
    E = np.where(V @ rng.standard_normal((V.shape[1], n)) >= 0, 1.0, -1.0)
    own, column = np.einsum("ij,ij->i", B, B)[:, None], np.arange(n)
    for _ in range(2 * len(B)):
        gain = own - E * (B @ (B.T @ E))  # a quarter of what ‖Bᵀe‖² gains if e_j changes sign
        j = gain.argmax(axis=0)
        better = gain[j, column] > 1e-12 * own.sum()
        if not better.any():
            break
        E[j[better], column[better]] *= -1
    tau = 10 * float(np.abs(b).max() + np.std(starts @ W.T)) or 1.0
    on = (E[:-1] * E[-1]).T  # relative to the centre, which has coefficient 1
    return (tau * on - b) @ np.linalg.pinv(W).T


def checked_layers(layers: Layers) -> Layers:
    """The pairs (matrix, bias) of a deep network, or a ValueError: finite, of shapes that fit."""
    if len(layers) == 0:
        raise ValueError("layers is empty; at least one pair (matrix, bias) is needed")
    net: list[tuple[ndarray, ndarray]] = []
    for i, (W, b) in enumerate(layers):
        W = check.matrix(W, f"layers[{i}][0]", columns=len(net[-1][1]) if net else None)
        net.append((W, check.vector(b, f"layers[{i}][1]", length=len(W))))
    return net


def _uphill(net, X, P, betas):
    """The gradient of ½‖∇⟨p, f_soft⟩‖² at each row of X, and p turned towards the steepest."""
    soft, H = [], X
    for (W, b), beta in zip(net[:-1], betas, strict=True):
        U = beta * (H @ W.T + b)
        soft.append((W, 0.5 * (1 + np.tanh(0.5 * U)), beta))  # the sigmoid, without overflow
        H = np.logaddexp(0, U) / beta if len(soft) < len(betas) else None

    def forward(G):
        """The changes of the u of each layer along g, and that of the last layer's output."""
        changes = []
        for W, S, _ in soft:
            changes.append(G @ W.T)
            G = changes[-1] * S
        return changes, G

    def backward(P):
        """The derivatives of ⟨p, f_soft⟩ by the outputs of each layer, the last first, and by x."""
        found = [P @ net[-1][0]]
        for W, S, _ in reversed(soft):
            found.append((found[-1] * S) @ W)
        return found

    if P.shape[1] > 1:
        P = unit_rows(forward(backward(P)[-1])[1] @ net[-1][0].T)
        P[~P.any(axis=1)] = 1.0
    *outer, G = backward(P)
    changes, climb = reversed(forward(G)[0]), None
    for (W, S, beta), by_output, change in zip(reversed(soft), outer, changes, strict=True):
        bend = beta * S * (1 - S) * by_output * change
        climb = (bend if climb is None else bend + climb * S) @ W
    return np.zeros_like(X) if climb is None else climb, P
