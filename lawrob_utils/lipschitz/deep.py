"""Deep ReLU networks, any number of outputs: a certified bound below the product of norms, and a search from below.

Read in order: `deep_certificate` (LipSDP's condition, checked; layer by layer it is a matrix recursion that ordinary
gradient descent can optimise), `deep_ascent`, and the two as one bracket, `deep_bracket`. Biases do not matter above, only below.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from scipy.optimize import minimize

from .. import _validate as check
from ..bracket import Bracket
from .bounds import spectral_bound
from .nets import EPS
from .search import GradientWitness

_MOST_STARTS = 32

Layers = Sequence[tuple[Float[ndarray, "out in"], Float[ndarray, "out"]]]


def deep_certificate(
    matrices: Sequence[Float[ndarray, "out in"]],
    *,
    barriers: Sequence[float] = (0.1, 0.01, 1e-3, 1e-4),
    steps: int = 60,
) -> float:
    """An upper bound of Lip(f) for f = W_D ∘ relu ∘ … ∘ relu ∘ W_1, at most the product of norms and usually far below.

    If two inputs differ by Δx, the outputs v_l of layer l differ by Δv_l with Δv_lᵀΛ_l(W_lΔv_{l−1} − Δv_l) ≥ 0 for every diagonal
    Λ_l ≥ 0, because relu is monotone with slopes in [0, 1]. So Lip(f)² ≤ ρ whenever the quadratic form
    ρ‖Δx‖² − ‖W_DΔv_{D−1}‖² − 2 Σ_l Δv_lᵀΛ_l(W_lΔv_{l−1} − Δv_l) is never negative. Eliminating Δx, Δv_1, … one after the other,
    with N_1 = W_1W_1ᵀ and N_{l+1} = W_{l+1}(2Λ_l − Λ_lN_lΛ_l)^{-1}W_{l+1}ᵀ, the least such ρ is the largest eigenvalue of
    N_D (in units in which ρ scales Λ). It is minimised over log Λ by L-BFGS with a logarithmic barrier that keeps the matrices
    in the brackets positive definite. In the end the form, as one large matrix, must pass a Cholesky factorization, and what it
    can be short of is added to ρ: the bound holds whatever the optimiser did.

    Parameters: matrices W_1, …, W_D in the order of application (biases do not matter); barriers, decreasing; steps of L-BFGS for each.

    Returns the bound, also valid for any other activation that is monotone with slopes in [0, 1]. Takes under a second for layers of
    a hundred neurons, minutes for a thousand.

    Raises ValueError on an empty chain, shapes that do not fit, or entries that are not finite.

    Source: the condition is LipSDP-Neuron (Fazlyab et al. 2019); elimination layer by layer as in ECLipsE (Xu and Sivaranjani 2024).
    """
    product = spectral_bound(list(matrices))
    chain = _without_dead_neurons(
        [check.matrix(W, f"matrices[{i}]") for i, W in enumerate(matrices)]
    )
    if chain is None or product == 0:
        return 0.0
    if len(chain) == 1 or not np.isfinite(product):
        return product
    exponents = [int(np.ceil(np.log2(np.linalg.norm(W, 2)))) for W in chain]
    chain = [
        W * 2.0**-e for W, e in zip(chain, exponents, strict=True)
    ]  # norms in (½, 1]; powers of two cost no digits
    N1 = chain[0] @ chain[0].T
    theta = _start(N1, chain)
    found = [theta]
    for t in barriers:
        result = minimize(
            _objective,
            theta,
            (N1, chain, t),
            jac=True,
            method="L-BFGS-B",
            options={"maxiter": check.count(steps, "steps"), "maxcor": 30},
        )
        theta = result.x if np.isfinite(result.x).all() else theta
        found.append(theta)
    values = [_objective(theta, N1, chain, 0.0)[0] for theta in found]
    best = int(np.argmin(values))
    return min(
        product, _proved(found[best], float(np.exp(values[best])), chain) * 2.0 ** sum(exponents)
    )


def deep_ascent(
    layers: Layers, starts: Float[ndarray, "m d"], *, steps: int = 200, step_size: float = 0.1
) -> GradientWitness:
    """The largest ‖Df(x)‖_op met on m paths that climb it, with ReLU replaced by ever sharper softplus: a lower bound of Lip(f).

    Each path follows one combination ⟨p, f⟩ of the outputs, p turned by one power iteration a step towards the steepest. The
    derivative of ½‖∇⟨p, f⟩‖² is a Hessian times a gradient, taken as a difference of gradients. Only the true
    Jacobian, at points away from every kink, is returned.

    Parameters: layers (W_l, b_l) in the order of application; starts (m, d); steps; step_size relative to the rms norm of starts.

    Raises ValueError on shapes that do not fit or entries that are not finite.
    """
    net = _checked(layers)
    X = check.matrix(starts, "starts", columns=net[0][0].shape[1])
    steps = check.count(steps, "steps")
    scale = max(float(np.sqrt((X**2).sum(axis=1).mean())), 1e-300)
    length = check.positive(step_size, "step_size") * scale
    units = [float(np.std(U)) or 1.0 for U in _preactivations(net, X)]
    best = _steepest(net, X, GradientWitness(0.0, X[0].copy()))
    P = np.ones((len(X), len(net[-1][1])))
    for t, sharpness in enumerate(np.geomspace(0.5, 50.0, steps)):
        betas = [sharpness / unit for unit in units]
        G = _soft_gradient(net, X, P, betas)
        P = _soft_push(net, X, G, betas)
        size = np.linalg.norm(P, axis=1, keepdims=True)
        P = np.divide(P, size, out=np.ones_like(P), where=size > 0)
        G = _soft_gradient(net, X, P, betas)
        size = np.linalg.norm(G, axis=1, keepdims=True)
        h = 1e-5 * scale * np.divide(G, size, out=np.zeros_like(G), where=size > 0)
        climb = _soft_gradient(net, X + h, P, betas) - _soft_gradient(net, X - h, P, betas)
        size = np.linalg.norm(climb, axis=1, keepdims=True)
        X = X + length * (1 - t / steps) * np.divide(
            climb, size, out=np.zeros_like(climb), where=size > 0
        )
        best = _steepest(net, X, best)
    return best


def deep_bracket(layers: Layers, starts: Float[ndarray, "m d"], *, steps: int = 200) -> Bracket:
    """deep_ascent ≤ Lip(f) ≤ deep_certificate for a ReLU network, Euclidean in inputs and outputs, as one `Bracket`.

    Parameters and errors: as in `deep_ascent`. A network without hidden layer has its exact constant, ‖W_1‖_op.
    """
    net = _checked(layers)
    if len(net) == 1:
        return Bracket.exact(spectral_bound([net[0][0]]), "largest singular value of a linear map")
    product = spectral_bound([W for W, _ in net])
    certificate = deep_certificate([W for W, _ in net])
    by = "layer-wise SDP certificate" if certificate < product else "product of spectral norms"
    X = check.matrix(starts, "starts", columns=net[0][0].shape[1])
    steepest = X[np.argsort(-_jacobian_norms(net, X)[0], kind="stable")[:_MOST_STARTS]]
    return Bracket(
        deep_ascent(net, steepest, steps=steps).value,
        certificate,
        "Jacobian at a point found by annealed ascent",
        by,
    )


# --------------------------------------------------------------------------------------------------- from above


def _objective(theta, N1, chain, t):
    """log λ_max(N_D) − t·Σ_l log det A_l and its gradient in θ = log Λ, where A_l = 2I − Λ_l^{1/2} N_l Λ_l^{1/2}."""
    roots = np.split(np.exp(0.5 * theta), np.cumsum([len(W) for W in chain[:-2]]))
    N, barrier, inverses, scaled = N1, 0.0, [], []
    for s, W in zip(roots, chain[1:], strict=True):
        sNs = s[:, None] * N * s
        A = 2 * np.eye(len(s)) - sNs
        try:
            barrier -= 2 * np.log(np.diag(np.linalg.cholesky(A))).sum()
        except np.linalg.LinAlgError:
            return 1e3, np.zeros_like(
                theta
            )  # outside: a wall from which the line search turns back
        inverses.append(np.linalg.inv(A))
        scaled.append(sNs)
        V = W / s
        N = V @ inverses[-1] @ V.T
    values, vectors = np.linalg.eigh(0.5 * (N + N.T))
    top, p = values[-1], vectors[:, -1]
    bar = np.outer(p, p) / top  # derivative by N, carried backwards through the recursion
    gradient = []
    for s, W, inverse, sNs in zip(
        reversed(roots), reversed(chain[1:]), reversed(inverses), reversed(scaled), strict=True
    ):
        V = W / s
        by_inverse = V.T @ bar @ V
        by_A = -inverse @ by_inverse @ inverse - t * inverse
        gradient.append(-(by_inverse * inverse).sum(axis=1) - (by_A * sNs).sum(axis=1))
        bar = -s[:, None] * by_A * s
    return np.log(top) + t * barrier, np.concatenate(gradient[::-1])


def _start(N, chain):
    """θ with Λ_l = I/λ_max(N_l), feasible and no worse than the product of norms."""
    theta = []
    for W in chain[1:]:
        lam = 1 / np.linalg.eigvalsh(N)[-1]
        theta.append(np.full(len(N), np.log(lam)))
        N = W @ np.linalg.solve(2 * lam * np.eye(len(N)) - lam**2 * N, W.T)
        N = 0.5 * (N + N.T)
    return np.concatenate(theta)


def _proved(theta, rho, chain):
    """√ρ plus what the quadratic form with multipliers Λ = ρe^θ can be short of being positive semidefinite."""
    sizes = [chain[0].shape[1], *(len(W) for W in chain[:-1])]
    at = np.concatenate([[0], np.cumsum(sizes)])
    n, P = at[-1], np.zeros((at[-1], at[-1]))
    P[: sizes[0], : sizes[0]] = rho * np.eye(sizes[0])
    for l, lam in enumerate(np.split(rho * np.exp(theta), np.cumsum(sizes[1:-1])), start=1):
        here, before = slice(at[l], at[l + 1]), slice(at[l - 1], at[l])
        P[here, here] = 2 * np.diag(lam)
        P[here, before] = -lam[:, None] * chain[l - 1]
        P[before, here] = P[here, before].T
    P[at[-2] :, at[-2] :] -= chain[-1].T @ chain[-1]
    shift = 4 * n * EPS * float(np.linalg.norm(P))
    while True:
        try:
            np.linalg.cholesky(P + shift * np.eye(n))
            break
        except np.linalg.LinAlgError:
            shift *= 4
    trace = float(np.trace(P)) + n * shift
    short = shift + (n + 4) * EPS * (
        trace + float(np.linalg.norm(P)) + float(np.linalg.norm(chain[-1])) ** 2
    )
    # The form is at least −short·(‖Δx‖² + Σ‖Δv_l‖²) and, norms being at most 1, ‖Δv_l‖ ≤ ‖Δx‖ up to rounding.
    return float(np.sqrt(rho + 1.01 * len(chain) * short))


def _without_dead_neurons(chain):
    """The chain without neurons that see nothing or that nothing sees; None if nothing is left and f is constant."""
    chain = list(chain)
    while True:
        for l in range(len(chain) - 1):
            keep = (chain[l] != 0).any(axis=1) & (chain[l + 1] != 0).any(axis=0)
            if not keep.all():
                if not keep.any():
                    return None
                chain[l], chain[l + 1] = chain[l][keep], chain[l + 1][:, keep]
                break
        else:
            return chain


# --------------------------------------------------------------------------------------------------- from below


def _checked(layers):
    if len(layers) == 0:
        raise ValueError("layers is empty; at least one pair (matrix, bias) is needed")
    net: list[tuple[ndarray, ndarray]] = []
    for i, (W, b) in enumerate(layers):
        W = check.matrix(W, f"layers[{i}][0]", columns=len(net[-1][1]) if net else None)
        net.append((W, check.vector(b, f"layers[{i}][1]", length=len(W))))
    return net


def _preactivations(net, X):
    out = []
    for W, b in net[:-1]:
        out.append(X @ W.T + b)
        X = np.maximum(out[-1], 0)
    return out


def _soft_slopes(net, X, betas):
    """softplus'(βu) of every hidden layer, u being the inputs of the softplus network."""
    slopes = []
    for (W, b), beta in zip(net[:-1], betas, strict=True):
        U = beta * (X @ W.T + b)
        slopes.append(0.5 * (1 + np.tanh(0.5 * U)))
        X = np.logaddexp(0, U) / beta
    return slopes


def _soft_gradient(net, X, P, betas):
    """∇_x ⟨p, f_soft(x)⟩ at each row."""
    G = P @ net[-1][0]
    for S, (W, _) in zip(reversed(_soft_slopes(net, X, betas)), reversed(net[:-1]), strict=True):
        G = (G * S) @ W
    return G


def _soft_push(net, X, G, betas):
    """Df_soft(x) g at each row."""
    for S, (W, _) in zip(_soft_slopes(net, X, betas), net[:-1], strict=True):
        G = (G @ W.T) * S
    return G @ net[-1][0].T


def _steepest(net, X, best):
    """`best`, or the point of X with a larger ReLU Jacobian; points on a kink (up to rounding) do not count."""
    norms, inside = _jacobian_norms(net, X)
    norms = np.where(inside, norms, 0.0)
    k = int(norms.argmax())
    return GradientWitness(float(norms[k]), X[k].copy()) if norms[k] > best.value else best


def _jacobian_norms(net, X):
    """‖Df(x)‖_op at each row, and whether the row lies on no kink, up to rounding."""
    inside = np.ones(len(X), dtype=bool)
    H, on = X, []
    for W, b in net[:-1]:
        U = H @ W.T + b
        rounding = 1e-12 * (
            np.linalg.norm(H, axis=1)[:, None] * np.linalg.norm(W, axis=1) + np.abs(b)
        )
        inside &= ((np.abs(U) > rounding) | (W == 0).all(axis=1)).all(axis=1)
        on.append(U > 0)
        H = np.maximum(U, 0)
    J = np.broadcast_to(net[-1][0], (len(X), *net[-1][0].shape))
    for active, (W, _) in zip(reversed(on), reversed(net[:-1]), strict=True):
        J = (J * active[:, None, :]) @ W
    squares = J @ J.swapaxes(1, 2) if J.shape[1] <= J.shape[2] else J.swapaxes(1, 2) @ J
    return np.sqrt(np.maximum(np.linalg.eigvalsh(squares)[:, -1], 0.0)), inside
