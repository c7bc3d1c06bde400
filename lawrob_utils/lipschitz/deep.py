"""Deep ReLU networks, any number of outputs: a certified bound below the product of norms.

Read in order: `deep_certificate`, and with a search from below `deep_bracket`.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from scipy.optimize import minimize

from .. import _validate as check
from ..bracket import Bracket
from .certificate import slack_that_proves
from .nets import EPS, scaled_back, spectral_bound
from .search import Layers, annealed_ascent, checked_layers, gradient_norms


def deep_certificate(matrices: Sequence[Float[ndarray, "out in"]], *, steps: int = 60) -> float:
    """An upper bound of Lip(f) for f = W_D ∘ relu ∘ … ∘ relu ∘ W_1, at most the product of norms.

    If two inputs differ by Δx, the outputs v_l of layer l differ by Δv_l, and for every diagonal
    Λ_l ≥ 0 Δv_lᵀΛ_l(W_lΔv_{l−1} − Δv_l) ≥ 0, because relu is monotone with slopes in [0, 1]. So
    Lip(f)² ≤ ρ whenever ρ‖Δx‖² − ‖W_DΔv_{D−1}‖² − 2 Σ_l Δv_lᵀΛ_l(W_lΔv_{l−1} − Δv_l) is a form that
    is never negative. Eliminating Δx, Δv_1, … one after the other, with N_1 = W_1W_1ᵀ and
    N_{l+1} = W_{l+1}(2Λ_l − Λ_lN_lΛ_l)^{-1}W_{l+1}ᵀ, the least such ρ is the largest eigenvalue of
    N_D (in units in which ρ scales Λ). It is minimised over log Λ by L-BFGS with a logarithmic
    barrier that keeps the brackets positive definite. In the end the form, as one large matrix,
    must pass a Cholesky factorization, and what it can be short of is added to ρ: the bound holds
    whatever the optimiser did, and for any other activation that is monotone with slopes in [0, 1].

    Parameters: matrices W_1, …, W_D in the order of application (biases do not matter); steps of
    L-BFGS for each of four barriers. Takes under a second for layers of a hundred neurons, minutes
    for a thousand.

    Source: the condition is LipSDP-Neuron (Fazlyab et al. 2019); elimination layer by layer as in
    ECLipsE (Xu and Sivaranjani 2024).
    """
    steps = check.count(steps, "steps")
    given = [check.matrix(W, f"matrices[{i}]") for i, W in enumerate(matrices)]
    product, chain = spectral_bound(given), _without_dead_neurons(given)
    if product == 0 or min(W.size for W in chain) == 0:
        return 0.0
    if len(chain) == 1 or not np.isfinite(product):
        return product
    exponents = [int(np.frexp(spectral_bound([W]))[1]) for W in chain]
    chain = [np.ldexp(W, -e) for W, e in zip(chain, exponents, strict=True)]  # norms in [½, 1)
    N1 = chain[0] @ chain[0].T
    found = [_start(N1, chain)]
    for t in (0.1, 0.01, 1e-3, 1e-4):
        options = {"maxiter": steps, "maxcor": 30}
        result = minimize(
            _objective, found[-1], (N1, chain, t), jac=True, method="L-BFGS-B", options=options
        )
        found.append(result.x if np.isfinite(result.x).all() else found[-1])
    values = [_objective(theta, N1, chain, 0.0)[0] for theta in found]
    best = int(np.argmin(values))
    proved = _proved(found[best], float(np.exp(values[best])), chain)
    return min(product, scaled_back(proved, sum(exponents)))


def deep_bracket(layers: Layers, starts: Float[ndarray, "m d"], *, steps: int = 200) -> Bracket:
    """annealed_ascent ≤ Lip(f) ≤ deep_certificate for a ReLU network, as one `Bracket`.

    The ascent begins at the 32 steepest of the starts; parameters as in `annealed_ascent`. Without
    hidden layer the constant is exact, ‖W_1‖_op.
    """
    net = checked_layers(layers)
    X = check.matrix(starts, "starts", columns=net[0][0].shape[1])
    chain = [W for W, _ in net]
    product = spectral_bound(chain)
    if len(net) == 1:
        return Bracket.exact(product, "largest singular value of a linear map")
    certificate = deep_certificate(chain)
    by = "layer-wise SDP certificate" if certificate < product else "product of spectral norms"
    first = X[np.argsort(-gradient_norms(net, X)[0], kind="stable")[:32]]
    lower = annealed_ascent(net, first, steps=steps).value
    return Bracket(lower, certificate, "Jacobian at a point found by annealed ascent", by)


def _objective(theta, N1, chain, t):
    """log λ_max(N_D) − t·Σ_l log det A_l for A_l = 2I − Λ_l^{1/2}N_lΛ_l^{1/2}; slope in log Λ."""
    roots = np.split(np.exp(0.5 * theta), np.cumsum([len(W) for W in chain[:-2]]))
    N, barrier, levels = N1, 0.0, []
    for s, W in zip(roots, chain[1:], strict=True):
        sNs = s[:, None] * N * s
        A = 2 * np.eye(len(s)) - sNs
        try:
            barrier -= 2 * np.log(np.diag(np.linalg.cholesky(A))).sum()
        except np.linalg.LinAlgError:
            return 1e3, np.zeros_like(theta)  # outside: a wall that turns the line search back
        inverse, V = np.linalg.inv(A), W / s
        levels.append((s, V, inverse, sNs))
        N = V @ inverse @ V.T
    values, vectors = np.linalg.eigh(0.5 * (N + N.T))
    top, p = values[-1], vectors[:, -1]
    bar = np.outer(p, p) / top  # derivative by N, carried backwards through the recursion
    gradient = []
    for s, V, inverse, sNs in reversed(levels):
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
    """√ρ plus what the form with multipliers Λ = ρe^θ can be short of positive semidefinite."""
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
    shift = slack_that_proves(lambda shift: P + shift * np.eye(n), shift)
    size = float(np.trace(P)) + n * shift + float(np.linalg.norm(P))
    short = shift + (n + 4) * EPS * (size + float(np.linalg.norm(chain[-1])) ** 2)
    # The form is at least −short·(‖Δx‖² + Σ‖Δv_l‖²) and, norms being at most 1, ‖Δv_l‖ ≤ ‖Δx‖
    # up to rounding.
    return float(np.sqrt(rho + 1.01 * len(chain) * short))


def _without_dead_neurons(chain):
    """The chain without inputs and neurons that reach no output, or that no input reaches."""
    fed, read = [np.ones(chain[0].shape[1], bool)], [np.ones(len(chain[-1]), bool)]
    for W in chain:
        fed.append((W != 0) @ fed[-1])
    for W in reversed(chain):
        read.append(read[-1] @ (W != 0))
    alive = pairwise(f & r for f, r in zip(fed, reversed(read), strict=True))
    return [W[np.ix_(rows, columns)] for W, (columns, rows) in zip(chain, alive, strict=True)]
