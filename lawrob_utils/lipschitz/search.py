"""Lower bounds by search: points at which the gradient of a two-layer ReLU network is large (`annealed_ascent`)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from .. import _validate as check
from .nets import ReluNet, _two_layer


@dataclass(frozen=True)
class GradientWitness:
    """A point at which f is differentiable, and value = ‖∇f(point)‖: a lower bound of Lip(f)."""

    value: float
    point: Float[ndarray, "d"]


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
