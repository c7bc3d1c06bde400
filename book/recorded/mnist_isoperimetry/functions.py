"""1-Lipschitz functions that are made from points so that they vary as much as they can over
them."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from lawrob_utils import _validate as check
from lawrob_utils.isoperimetry import OneLipschitz, distance_to_points

from .dimensions import principal_directions


def norm_of_part(m: int, centre: Float[ndarray, "d"]) -> OneLipschitz:
    """f(x) = the norm of the first m coordinates of x − centre."""
    return OneLipschitz(
        "norm of a part",
        lambda X: np.linalg.norm((X - centre)[:, :m], axis=1),
        "a norm after a projection",
    )


def signed_distance(A: Float[ndarray, "m d"], B: Float[ndarray, "l d"]) -> OneLipschitz:
    """f(x) = (dist(x, A) − dist(x, B))/2 for two sets of points.

    It is −½·(their distance) or less on A, the opposite on B.
    Raises ValueError unless A and B are finite matrices with the same number of columns.

    >>> signed_distance(np.array([[0.0]]), np.array([[4.0]]))(np.array([[0.0], [3.0]]))
    array([-2.,  1.])
    """
    B = check.matrix(B, "B", columns=check.matrix(A, "A").shape[1])
    to_A, to_B = distance_to_points(A), distance_to_points(B)
    return OneLipschitz(
        "between two sets", lambda X: (to_A(X) - to_B(X)) / 2, "half a difference of distances"
    )


def _centred(X: Float[ndarray, "n d"]) -> tuple[Float[ndarray, "n d"], float]:
    """The points minus their mean, and the trace of their covariance."""
    X = check.matrix(X, rows_at_least=3)
    A = X - X.mean(axis=0)
    trace = float(np.einsum("ij,ij->", A, A) / len(A))
    if trace == 0:
        raise ValueError("all points of X coincide; no function varies over them")
    return A, trace


def widest_cone(X: Float[ndarray, "n d"], *, steps: int = 30) -> OneLipschitz:
    """f(x) = ‖x − z‖ with a z found by gradient ascent on the variance of f over the points.

    Starts on the first principal axis, at distances √(tr Σ) and 2√(tr Σ) from the mean on both
    sides; a far z gives the linear function. A step that does not raise the variance is halved. A
    local maximum: no claim to be the best z.

    Raises ValueError on wrong shapes, n < 3, points that coincide, or steps < 1.
    """
    A, trace = _centred(X)
    steps, middle = check.count(steps, "steps"), np.asarray(X, dtype=float).mean(axis=0)
    u = principal_directions(A, 1)[0]
    best, apex = -1.0, np.zeros(A.shape[1])
    for far in (-2, -1, 1, 2):
        z = far * np.sqrt(trace) * u
        value, gradient = _cone_variance(A, z)
        step = np.sqrt(trace)
        for _ in range(steps):
            size = np.linalg.norm(gradient)
            if size < 1e-12 or step < 1e-3 * np.sqrt(trace):
                break
            trial = z + step * gradient / size
            new, new_gradient = _cone_variance(A, trial)
            if new > value:
                z, value, gradient, step = trial, new, new_gradient, 1.5 * step
            else:
                step /= 2
        if value > best:
            best, apex = value, z
    apex = apex + middle
    return OneLipschitz(
        "distance to an apex", lambda Z: np.linalg.norm(Z - apex, axis=1), "the distance to a point"
    )


def _cone_variance(
    A: Float[ndarray, "n d"], z: Float[ndarray, "d"]
) -> tuple[float, Float[ndarray, "d"]]:
    difference = A - z
    f = np.maximum(np.linalg.norm(difference, axis=1), 1e-300)
    weight = (f - f.mean()) / f
    return float(f.var()), -2 / len(f) * (weight @ difference)


def widest_net(
    X: Float[ndarray, "n d"],
    rng: np.random.Generator,
    *,
    width: int = 16,
    layers: int = 2,
    steps: int = 300,
) -> OneLipschitz:
    """A network trained to have a large variance on the points, 1-Lipschitz because each of its
    layers is.

    f(x) = ⟨a, φ(W_L … φ(W_1 U'x + b_1) … + b_L)⟩: U' projects to the first `width` principal
    directions, the W_j are square and orthogonal, ‖a‖ = 1, and φ sorts its inputs in pairs
    (MaxMin), which keeps distances from growing. Gradient ascent: after every step W_j and a are
    replaced by the nearest orthogonal matrix and unit vector, and a step that does not raise the
    variance is halved.

    Parameters: X points (n, d); width ≥ 2, even, cut to min(n − 1, d) if larger; layers ≥ 1; steps
    ≥ 1.

    Raises ValueError on wrong shapes, n < 4, points that coincide, an odd width, numbers below
    those above, or rng not a Generator.

    Source: MaxMin networks with orthogonal layers: Anil, Lucas and Grosse (2019).
    """
    A, trace = _centred(X)
    rng = check.generator(rng)
    width, layers, steps = (
        check.count(width, "width", at_least=2),
        check.count(layers, "layers"),
        check.count(steps, "steps"),
    )
    if width % 2 or min(len(A) - 1, A.shape[1]) < 2:
        raise ValueError(
            f"width = {width} in dimension {A.shape[1]}; an even number is needed, and two "
            f"dimensions or more"
        )
    width = min(width, min(len(A) - 1, A.shape[1]) // 2 * 2)
    middle, U, unit = (
        np.asarray(X, dtype=float).mean(axis=0),
        principal_directions(A, width),
        np.sqrt(trace),
    )
    H = A @ U.T / unit
    shift = np.where(
        np.arange(width) % 2, 0.15, -0.15
    )  # orders a part of the pairs: neither linear nor far from it
    near_identity = [
        _polar(np.eye(width) + 0.1 * rng.standard_normal((width, width))) for _ in range(layers)
    ]
    parts = [
        *near_identity,
        *(shift.copy() for _ in range(layers)),
        _polar(np.eye(1, width) + 0.1 * rng.standard_normal((1, width))),
    ]
    value, step = float(_net_values(H, parts, layers)[-1].var()), 0.3
    gradients = _net_gradient(H, parts, layers)
    for _ in range(steps):
        size = np.sqrt(sum(float((g * g).sum()) for g in gradients))
        if size < 1e-12 or step < 1e-6:
            break
        trial = [p + step * g / size for p, g in zip(parts, gradients, strict=True)]
        trial = [_polar(p) if p.ndim == 2 else p for p in trial]
        new = float(_net_values(H, trial, layers)[-1].var())
        if new > value:
            parts, value, step, gradients = trial, new, 1.3 * step, _net_gradient(H, trial, layers)
        else:
            step /= 2
    return OneLipschitz(
        "trained MaxMin net",
        lambda Z: unit * _net_values((Z - middle) @ U.T / unit, parts, layers)[-1][:, 0],
        "every layer is 1-Lipschitz",
    )


def _net_values(H: ndarray, parts: list[ndarray], layers: int) -> list[ndarray]:
    """The input, what enters each φ and what leaves it, in turn, and the output (n, 1)."""
    out = [H]
    for W, b in zip(parts[:layers], parts[layers : 2 * layers], strict=True):
        before = out[-1] @ W.T + b
        out += [before, np.sort(before.reshape(len(H), -1, 2), axis=2).reshape(len(H), -1)]
    return [*out, out[-1] @ parts[-1].T]


def _net_gradient(H: ndarray, parts: list[ndarray], layers: int) -> list[ndarray]:
    """Gradient of the variance of the output in every part."""
    values = _net_values(H, parts, layers)
    f = values[-1][:, 0]
    back = (2 / len(f) * (f - f.mean()))[:, None]
    gradients: list[ndarray] = [back.T @ values[-2]]
    back = back @ parts[-1]
    weights, biases = [], []
    for j in reversed(range(layers)):
        before = values[2 * j + 1].reshape(len(f), -1, 2)
        pairs = back.reshape(len(f), -1, 2)
        back = np.where(before[:, :, :1] <= before[:, :, 1:], pairs, pairs[:, :, ::-1]).reshape(
            len(f), -1
        )
        weights.append(back.T @ values[2 * j])
        biases.append(back.sum(axis=0))
        back = back @ parts[j]
    return [*weights[::-1], *biases[::-1], *gradients]


def _polar(M: ndarray) -> ndarray:
    """The nearest matrix with orthonormal rows."""
    U, _, V = np.linalg.svd(M, full_matrices=False)
    return U @ V
