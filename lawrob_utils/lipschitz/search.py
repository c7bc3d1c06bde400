"""Lower bounds by search: points at which the gradient of a two-layer ReLU network is large.

`annealed_ascent` climbs a smoothed landscape, over R^d or along a sphere; `region_flips` walks from linear region to
linear region; `rounded_starts` proposes points at which the activation pattern that the SDP certificate suggests occurs.
Every value returned is the norm of the true ReLU gradient at a point where it exists, so it can only be too small.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from .. import _validate as check
from .certificate import Certificate
from .nets import ReluNet, two_layer_arrays


@dataclass(frozen=True)
class GradientWitness:
    """A point at which f is differentiable, and value = ‖∇f(point)‖ (or its tangential part): a lower bound of Lip(f)."""

    value: float
    point: Float[ndarray, "d"]


def annealed_ascent(
    net: ReluNet,
    starts: Float[ndarray, "m d"],
    *,
    steps: int = 200,
    step_size: float = 0.1,
    sharpness: tuple[float, float] = (0.5, 50.0),
    sphere: float | None = None,
) -> GradientWitness:
    """The largest ‖∇f(x)‖ met on m paths that climb it: a witnessed lower bound of Lip(f) for a two-layer ReLU net.

    ∇f(x) = Σ_j a_j 1[u_j > 0] w_j with u_j = ⟨w_j, x⟩ + b_j is piecewise constant, so the gradient of ‖∇f‖ is zero
    almost everywhere and cannot be followed. Here the step 1[u > 0] is replaced by the sigmoid s(βu/u₀) (that is,
    ReLU by softplus), u₀ the standard deviation of u over starts and neurons, and β grows geometrically over
    `sharpness` while x makes normalised steps uphill. At every step the *true* ReLU gradient is evaluated, and only
    that is ever returned.

    Parameters: net with arrays W (k, d), b (k,), a (k,); starts (m, d), e.g. the data and random points; steps of
    length step_size·(rms norm of starts), decreasing linearly; sharpness first and last β; sphere, a radius ρ: then the
    paths stay on ‖x‖ = ρ and what counts is the tangential gradient ∇f(x) − ⟨∇f(x), x⟩x/ρ², which is the Lipschitz
    constant of f on the sphere with respect to arcs. It is no larger than the Euclidean constant.

    Returns the best value and its point. At that point each |u_j| is above rounding error, so f is differentiable
    there and the value is a true lower bound. If no point visited is like that the value is 0.

    Raises ValueError on shapes that do not fit, non-finite entries, steps < 1, numbers out of range, several outputs,
    no ReLU, or a start at the centre of the sphere.
    """
    W, b, a = two_layer_arrays(net)
    X = check.matrix(starts, "starts", columns=W.shape[1])
    steps = check.count(steps, "steps")
    first, last = (check.positive(beta, "sharpness") for beta in sharpness)
    if sphere is not None:
        X = _onto_sphere(X, check.positive(sphere, "sphere"))
    length = check.positive(step_size, "step_size") * max(
        float(np.sqrt((X**2).sum(axis=1).mean())), 1e-300
    )
    u0 = float(np.std(X @ W.T + b)) or 1.0
    best = GradientWitness(0.0, X[0].copy())
    for t, beta in enumerate(np.geomspace(first, last, steps) / u0):
        U = X @ W.T + b
        best = _steepest_gradient(W, b, a, X, U, best, sphere)
        S = _sigmoid(beta * U)
        G = (S * a) @ W  # gradients of the softplus network
        if sphere is not None:
            radial = np.einsum("ij,ij->i", G, X)[:, None] / sphere**2
            climb = ((beta * S * (1 - S) * a) * ((G - radial * X) @ W.T)) @ W - radial * G
        else:
            climb = (beta * S * (1 - S) * a * (G @ W.T)) @ W  # gradient of ½‖G‖²
        norm = np.linalg.norm(climb, axis=1, keepdims=True)
        X = X + length * (1 - t / steps) * np.divide(
            climb, norm, out=np.zeros_like(climb), where=norm > 0
        )
        if sphere is not None:
            X = _onto_sphere(X, sphere)
    return _steepest_gradient(W, b, a, X, X @ W.T + b, best, sphere)


def region_flips(
    net: ReluNet, starts: Float[ndarray, "m d"], *, rounds: int = 50, candidates: int = 32
) -> GradientWitness:
    """The largest ‖∇f(x)‖ met on m walks from linear region to linear region, always to a steeper one.

    A walk at x considers crossing one plane ⟨w_j, x⟩ + b_j = 0: it mirrors x at the plane. Of the `candidates`
    crossings that would raise ‖∇f‖ most if neuron j alone changed its state, it makes the one after which the true
    gradient (all neurons looked at again) is the largest, and stops when none is larger. Slow but without any smoothing.

    Parameters: net; starts (m, d); rounds, the most steps of a walk; candidates per step.

    Returns and raises as `annealed_ascent`.
    """
    W, b, a = two_layer_arrays(net)
    X = check.matrix(starts, "starts", columns=W.shape[1])
    rounds, candidates = (
        check.count(rounds, "rounds"),
        min(check.count(candidates, "candidates"), len(b)),
    )
    M = a[:, None] * W
    norms2 = np.einsum("ij,ij->i", W, W)
    norms2[norms2 == 0] = np.inf
    best = _steepest_gradient(W, b, a, X, X @ W.T + b, GradientWitness(0.0, X[0].copy()), None)
    for start in X:
        x, value = start, -1.0
        for _ in range(rounds):
            u = W @ x + b
            g = (u > 0) @ M
            gain = 2 * np.where(u > 0, -1.0, 1.0) * (M @ g) + np.einsum(
                "ij,ij->i", M, M
            )  # change of ‖g‖²
            j = np.argpartition(-gain, candidates - 1)[:candidates]
            across = x - (2 * u[j] / norms2[j])[:, None] * W[j]
            found = _steepest_gradient(
                W, b, a, across, across @ W.T + b, GradientWitness(value, x), None
            )
            if found.value <= max(value, float(np.linalg.norm(g))):
                break
            x, value = found.point, found.value
        if value > best.value:
            best = GradientWitness(value, x)
    return best


def rounded_starts(
    net: ReluNet,
    certificate: Certificate,
    starts: Float[ndarray, "m d"],
    rng: np.random.Generator,
    n: int = 32,
) -> Float[ndarray, "n d"]:
    """n points whose activation patterns are close to those that the semidefinite relaxation favours.

    The rows of V, one per neuron, are rounded by a random direction to signs e ∈ {−1, 1}^m (Goemans and Williamson
    1995); single signs are flipped as long as the norm of the gradient that they stand for grows; and ⟨w_j, x⟩ + b_j = τe_j
    is solved for x in the sense of least squares, with τ large against the biases. If k ≤ d and the w_j are linearly
    independent, exactly this pattern occurs at x.

    Parameters: net; certificate, from `sdp_certificate(net)`; starts (m, d), which set the scale of τ; rng; n.

    Raises ValueError as `annealed_ascent`.
    """
    W, b, a = two_layer_arrays(net)
    X = check.matrix(starts, "starts", columns=W.shape[1])
    n, rng = check.count(n, "n"), check.generator(rng)
    alive = (a != 0) & (W != 0).any(axis=1)
    W, b, a = W[alive], b[alive], a[alive]
    if len(a) == 0:
        return X[:n]
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
    tau = 10 * float(np.abs(b).max() + np.std(X @ W.T)) or 1.0
    on = (E[:-1] * E[-1]).T  # relative to the centre, which has coefficient 1
    return (tau * on - b) @ np.linalg.pinv(W).T


def _onto_sphere(X, radius):
    norms = np.linalg.norm(X, axis=1, keepdims=True)
    if not (norms > 0).all():
        raise ValueError(
            "a point of starts is 0, the centre of the sphere; every start needs a direction"
        )
    return X * (radius / norms)


def _steepest_gradient(W, b, a, X, U, best, sphere):
    """`best`, or the point of X with a larger exact ReLU gradient; points on a kink (up to rounding) do not count."""
    rounding = 1e-12 * (np.linalg.norm(X, axis=1)[:, None] * np.linalg.norm(W, axis=1) + np.abs(b))
    inside = ((np.abs(U) > rounding) | (a == 0) | (W == 0).all(axis=1)).all(axis=1)
    G = ((U > 0) * a) @ W
    if sphere is not None:
        G = G - (np.einsum("ij,ij->i", G, X) / sphere**2)[:, None] * X
    norms = np.where(inside, np.linalg.norm(G, axis=1), 0.0)
    k = int(norms.argmax())
    return GradientWitness(float(norms[k]), X[k].copy()) if norms[k] > best.value else best


def _sigmoid(u: ndarray) -> ndarray:
    return 0.5 * (1 + np.tanh(0.5 * u))  # no overflow for large |u|
