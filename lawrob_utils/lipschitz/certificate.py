"""The SDP certificate: an upper bound of Lip(f) for two-layer ReLU networks, in milliseconds.

Read in order: `weighted_norm_bound` (the one inequality that makes every number here a bound),
`sdp_certificate` (which weights make it small: the power method, valid whatever the iteration did).
The appendix "A Lipschitz certificate in milliseconds" derives both.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from .. import _validate as check
from .nets import EPS, ReluNet, gradient_zonotope, unit_rows


@dataclass(frozen=True)
class Certificate:
    """Lip(f) ≤ value, and how good that is: no weights, hence no solver, get below `relaxation`.

    vectors: the rows of the primal iterate V, one per row of `gradient_zonotope`.
    """

    value: float
    relaxation: float
    iterations: int
    vectors: Float[ndarray, "m r"] = field(repr=False)


def weighted_norm_bound(B: Float[ndarray, "m d"], y: Float[ndarray, "m"]) -> float:
    """√(Σ_i y_i) · ‖diag(y)^{-1/2} B‖_op ≥ max over e ∈ {−1, 1}^m of ‖Bᵀe‖, for any weights y > 0.

    Proof: ‖Bᵀe‖ = ‖(diag(y)^{-1/2} B)ᵀ (diag(y)^{1/2} e)‖, and diag(y)^{1/2} e has norm √(Σ y_i).
    The smallest bound over all y is the optimum of the semidefinite relaxation. The operator norm
    μ^{1/2} is not trusted but proved: a Cholesky factorization of μI − G, with G the smaller of the
    two Gram matrices, must succeed, and what float64 can have hidden is added (Higham, Accuracy and
    Stability of Numerical Algorithms, Theorem 10.3).

    >>> round(weighted_norm_bound(np.array([[3.0, 0.0], [0.0, 4.0]]), np.array([9.0, 16.0])), 9)
    5.0
    """
    root = np.sqrt(y)
    with np.errstate(over="ignore"):
        C = B / root[:, None]
    largest = float(np.abs(C).max())
    if largest == 0 or not np.isfinite(largest):
        return largest
    unit = 2.0 ** np.floor(np.log2(largest))  # a power of two: dividing by it is exact
    G = _gram(C / unit)
    n, trace, inner = len(G), float(np.trace(G)), sum(B.shape) - len(G)
    mu = float(np.linalg.eigvalsh(G)[-1])
    slack = n * (n + 2) * EPS * max(mu, trace / n)
    top = mu + slack_that_proves(lambda slack: (mu + slack) * np.eye(n) - G, slack)
    # top·I − G + E is positive semidefinite for some ‖E‖ ≤ (n+3)·EPS·trace(top·I − G);
    # G is wrong by (inner+4)·EPS·trace.
    top += (n + 3) * EPS * n * top + (inner + 4) * EPS * trace
    return float(unit * np.sqrt(top) * np.linalg.norm(root) * (1 + (len(y) + 4) * EPS))


def slack_that_proves(form: Callable[[float], Float[ndarray, "n n"]], slack: float) -> float:
    """The first of slack, 4·slack, 16·slack, … for which form(slack) has a Cholesky factor."""
    while True:
        try:
            np.linalg.cholesky(form(slack))
            return slack
        except np.linalg.LinAlgError:
            slack *= 4


def sdp_certificate(
    net: ReluNet,
    *,
    center: Float[ndarray, "d"] | None = None,
    radius: float | None = None,
    tol: float = 1e-7,
    max_iterations: int = 5000,
) -> Certificate:
    """The semidefinite bound (LipSDP's) of Lip(f) for a two-layer ReLU net with one output.

    Every gradient of f is Bᵀe with e ∈ [−1, 1]^m and B of `gradient_zonotope`, so that
    Lip(f) ≤ max ‖Bᵀe‖ ≤ √(Σ y_i)·‖diag(y)^{-1/2} B‖ for all y > 0. Good weights come from the
    relaxed problem max ⟨BBᵀ, VVᵀ⟩ over V with rows of length 1: repeat V ← BBᵀV with rows
    normalised; the row norms before normalising are y. Stopping early only loosens the bound.

    Parameters: net; center (d,) and radius of a ball, in which case Lip is that of f on the ball;
    tol, the relative gap to the optimum of the relaxation at which to stop; max_iterations.

    Returns a `Certificate`, at most √(π/2) times the maximum over all 2^m patterns (Nesterov 1998),
    which in turn equals Lip(f) if every pattern occurs (k ≤ d and W of full rank) and exceeds it
    otherwise. Biases matter only in a ball, or where neurons are parallel.

    Source: the relaxation of Fazlyab et al. (2019) in the form of Wang et al. (2022); the appendix.
    """
    tol, max_iterations = check.positive(tol, "tol"), check.count(max_iterations, "max_iterations")
    B, rounding = gradient_zonotope(net, center=center, radius=radius)
    alive = (B != 0).any(axis=1)
    if not np.isfinite(B).all() or not np.isfinite(rounding):
        return Certificate(np.inf, 0.0, 0, np.ones((len(B), 1)))
    V, relaxation, value, iterations = np.zeros((len(B), 1)), 0.0, 0.0, 0
    if alive.any():
        unit = 2.0 ** np.floor(np.log2(np.abs(B).max()))  # a power of two: dividing by it is exact
        y, found, low, iterations = _power_method(B[alive] / unit, tol, max_iterations)
        value, relaxation = unit * weighted_norm_bound(B[alive] / unit, y), unit * low
        V = np.zeros((len(B), found.shape[1]))
        V[alive] = found
    return Certificate(float(value + rounding), float(relaxation), iterations, V)


def _power_method(B, tol, max_iterations):
    """Weights y (m,), iterate V (m, r), its value ‖BᵀV‖ ≤ optimum, and the number of iterations.

    V ← normalise(BBᵀV) raises ‖BᵀV‖ at every step, because BBᵀ is positive semidefinite. Nesterov's
    momentum, restarted where Σy falls, makes it several times faster. A bound costs an eigenvalue
    problem, so it is computed at iterations 16, 24, 36, … . Where V has too few columns the
    iteration may come to rest below the optimum: then the eigenvectors that show it become columns.
    """
    least = np.einsum("ij,ij->i", B, B)  # y_i ≥ ‖b_i‖² for every y with diag(y) ⪰ BBᵀ
    rank = min(12, len(B))  # columns of V at the start, found by trial on random and trained nets
    V = unit_rows(np.random.default_rng(0).standard_normal((len(B), rank)))  # any start will do
    stepped, best = V, (np.inf, least, V)
    total, age, next_check, last, last_gap = 0.0, 0, 16, 0.0, np.inf
    for iteration in range(1, max_iterations + 1):
        BV = B.T @ V
        U = B @ BV
        norms = np.sqrt(np.einsum("ij,ij->i", U, U))
        if iteration in (next_check, max_iterations):
            y = np.maximum(norms, least)
            value = float(np.linalg.norm(BV))
            G = _gram(B / np.sqrt(y)[:, None])
            bound = float(np.sqrt(np.linalg.eigvalsh(G)[-1] * y.sum()))
            if bound < best[0]:
                best = bound, y, V
            gap = bound / value - 1
            if gap <= tol:
                break
            next_check = iteration + max(8, iteration // 2)
            stuck = gap > 0.8 * last_gap and value - last < 0.02 * gap * value
            if iteration > 50 and stuck and rank < len(B):
                V = stepped = _with_escape_directions(B, y, V)
                rank, total, age, last_gap, next_check = V.shape[1], 0.0, 0, np.inf, iteration + 16
                continue
            last, last_gap = value, gap
        age = age + 1 if norms.sum() >= total else 1
        total = norms.sum()
        before, stepped = stepped, U / np.maximum(norms, 1e-300)[:, None]
        V = unit_rows(stepped + (age - 1) / (age + 2) * (stepped - before))
    return best[1], best[2], float(np.linalg.norm(B.T @ best[2])), iteration


def _with_escape_directions(B, y, V):
    """V with the eigenvectors of diag(y)^{-1/2} BBᵀ diag(y)^{-1/2} to eigenvalues above 1 added."""
    C = B / np.sqrt(y)[:, None]
    left, values, _ = np.linalg.svd(C, full_matrices=False)
    new = max(1, min(V.shape[1], int((values > 1).sum()), len(B) - V.shape[1]))
    directions = left[:, :new] / np.sqrt(y)[:, None]
    return unit_rows(np.concatenate([V, 0.1 * directions / np.abs(directions).max()], axis=1))


def _gram(C):
    """The smaller of CᵀC and CCᵀ."""
    return C.T @ C if C.shape[1] <= C.shape[0] else C @ C.T
