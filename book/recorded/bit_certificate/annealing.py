"""Search for one-bit networks among sign vectors: simulated annealing, then flips of single signs.

Read in order: `WithLinearNeuron` (the network), `anneal_signs`, `improve_signs`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray

from lawrob_utils import _validate as check
from lawrob_utils.fewbits import FewBitNet, half_signs, levels
from lawrob_utils.networks import TwoLayer


@dataclass(frozen=True, eq=False)
class WithLinearNeuron(FewBitNet):
    """f(x) = t + s·(Σ_j a_j φ(⟨q_j, x⟩) + λ⟨q_0, x⟩): a `FewBitNet` and, if skip is not None, a
    linear neuron with the integers q_0 = skip (d,).

    λ = skip_weight > 0 is fixed before the data are seen. Raises ValueError as `FewBitNet`, or if
    skip does not fit.
    """

    skip: Int[ndarray, "d"] | None = None
    skip_weight: float = 1.3

    def __post_init__(self) -> None:
        super().__post_init__()
        check.positive(self.skip_weight, "skip_weight")
        if self.skip is not None:
            check.vector(self.skip, "skip", length=self.codes.shape[1])
            if not np.isin(self.skip, self.alphabet).all():
                raise ValueError(
                    f"skip = {self.skip!r:.60}; integers of {self.alphabet} are needed"
                )

    @property
    def symbols(self) -> Int[ndarray, "P"]:
        """All integers that have to be named, in one row: the codes, then the linear neuron's."""
        return self.codes.ravel() if self.skip is None else np.append(self.codes, self.skip)

    @property
    def n_parameters(self) -> int:
        """P: every weight counts once."""
        return self.symbols.size

    @cached_property
    def two_layer(self) -> TwoLayer:
        """The same function as a ReLU network: u = relu(u) − relu(−u)."""
        net = super().two_layer
        if self.skip is None:
            return net
        W, weight = (
            np.concatenate([net.W, [self.skip], [-self.skip]]),
            self.scale * self.skip_weight,
        )
        return replace(net, W=W, b=np.zeros(len(W)), a=np.append(net.a, [weight, -weight]))


def anneal_signs(
    X: Float[ndarray, "n d"],
    y: Float[ndarray, "n"],
    k: int,
    *,
    rng: np.random.Generator,
    skip: bool = True,
    repel: float = 3.0,
    sweeps: int = 300,
) -> WithLinearNeuron:
    """A one-bit net Σ_j ±|⟨q_j, x⟩| (+ λ⟨q_0, x⟩) whose rows q_j ∈ {±1}^d fit y and are nearly
    orthogonal, by simulated annealing.

    What correlates |⟨q, x⟩| with the labels is, in the leading order, the quadratic form qᵀAq, A =
    Σ_i (y_i − ȳ)x_i x_iᵀ; the first half of the neurons maximises it, the second half minimises it.
    Each sweep redraws every sign with probability 1/(1 + e^{−2h/T}) of being +1, h its local field;
    the temperature T falls geometrically. `repel` weighs the overlaps ⟨q_i, q_j⟩, which would add
    up to a large Lipschitz constant. With skip, q_0 = sign(Σ(y_i − ȳ)x_i), the best sign vector for
    a linear neuron.

    Parameters: X (n, d); y (n,); k ≥ 1; sweeps ≥ 2; repel ≥ 0. Raises ValueError for wrong shapes
    or settings outside their range.
    """
    X = check.matrix(X)
    n, d = X.shape
    y = check.vector(y, length=n)
    k, sweeps, repel = (
        check.count(k, "k"),
        check.count(sweeps, "sweeps", at_least=2),
        check.positive(repel, "repel", zero_allowed=True),
    )
    check.generator(rng)
    centred, a = y - y.mean(), half_signs(k)
    A = (X * centred[:, None]).T @ X
    np.fill_diagonal(A, 0)
    A /= (
        math.sqrt((A**2).sum(axis=0).mean()) or 1.0
    )  # a random sign vector then feels fields of size 1
    linear = np.where(X.T @ centred >= 0, 1.0, -1.0)[None]
    S = np.concatenate([rng.choice([-1.0, 1.0], (k, d)), linear if skip else linear[:0]])
    fields, overlaps = a[:, None] * (S[:k] @ A), S @ S.T / d
    block = max(1, d // 40)
    for T in np.geomspace(0.8, 0.05, sweeps):
        for j in range(k):
            order = rng.permutation(d)
            threshold = (
                -T / 2 * np.log(1 / rng.random(d) - 1)
            )  # P(threshold < h) = 1/(1 + e^{−2h/T})
            for start in range(0, d, block):
                at = order[start : start + block]
                others = overlaps[j].copy()
                others[j] = 0
                change = (
                    np.where(fields[j, at] - repel * (others @ S[:, at]) > threshold[at], 1.0, -1.0)
                    - S[j, at]
                )
                at, change = at[change != 0], change[change != 0]
                if at.size:
                    S[j, at] += change
                    fields[j] += a[j] * (change @ A[at])
                    row = S @ S[j] / d
                    overlaps[j], overlaps[:, j] = row, row
    q = S.astype(np.int64)
    name = f"one-bit net of {k} absolute values" + (" and a linear neuron" if skip else "")
    net = WithLinearNeuron(q[:k], levels(1), "abs", skip=q[k] if skip else None, name=name)
    return net.fitted(X, y)


def improve_signs(
    net: WithLinearNeuron, X: Float[ndarray, "n d"], y: Float[ndarray, "n"], *, rounds: int = 1000
) -> WithLinearNeuron:
    """The one-bit "abs" net after flips of single signs of its hidden weights, each of which raised
    Σ(y_i − ȳ)f(x_i)/Lip(f).

    Neuron after neuron, the flip that promises most is made if the ratio rises, with Lip(f) = max_σ
    ‖Σ σ_j q_j‖ as a search over single changes of σ finds it; until no neuron improves, or after
    `rounds` neurons.

    Raises ValueError for other nets or wrong shapes.
    """
    if net.activation != "abs" or tuple(net.alphabet) != levels(1):
        raise ValueError("net must have activation 'abs' and the alphabet (-1, 1)")
    X = check.matrix(X, columns=net.codes.shape[1])
    centred = check.vector(y, length=len(X)) - np.mean(y)
    rounds, k = check.count(rounds, "rounds"), len(net.codes)
    a = half_signs(k)
    S = net.codes.astype(float)
    fixed = np.empty((0, S.shape[1])) if net.skip is None else net.skip_weight * net.skip[None]
    columns = np.ascontiguousarray(X.T)
    U = X @ S.T
    fit = float(centred @ (np.abs(U) @ a + (X @ fixed.T).sum(axis=1)))
    sigma, lip2 = _steepest_signs(np.concatenate([a[:, None] * S, fixed]), None)
    idle, turn = 0, 0
    while idle < k and turn < rounds:
        j, turn = turn % k, turn + 1
        flipped = (
            np.abs(U[:, j] - 2 * S[j][:, None] * columns) @ centred - np.abs(U[:, j]) @ centred
        )
        V = np.concatenate([a[:, None] * S, fixed])
        new_lip2 = lip2 - 4 * sigma[j] * V[j] * (sigma @ V) + 4
        promise = (fit + a[j] * flipped) / np.sqrt(np.maximum(new_lip2, 1e-300))
        idle += 1
        for c in np.argsort(-promise, kind="stable")[:6]:
            if promise[c] <= fit / math.sqrt(lip2) * (1 + 1e-9):
                break
            V[j, c] *= -1
            new_sigma, true_lip2 = _steepest_signs(V, sigma)
            if (fit + a[j] * flipped[c]) / math.sqrt(true_lip2) > fit / math.sqrt(lip2) * (
                1 + 1e-9
            ):
                U[:, j] -= 2 * S[j, c] * columns[c]
                S[j, c] *= -1
                fit, sigma, lip2, idle = fit + a[j] * flipped[c], new_sigma, true_lip2, 0
                break
            V[j, c] *= -1
    return replace(net, codes=S.astype(np.int64)).fitted(X, y)


def _steepest_signs(
    V: Float[ndarray, "k d"], start: Float[ndarray, "k"] | None
) -> tuple[Float[ndarray, "k"], float]:
    """σ ∈ {±1}^k with a large ‖Σ σ_j v_j‖², and that: single flips until none helps, from the top
    eigenvector, `start` and four random σ."""
    gram = V @ V.T
    starts = [
        np.linalg.eigh(gram)[1][:, -1],
        *np.random.default_rng(0).standard_normal((4, len(gram))),
    ]
    best, most = np.ones(len(gram)), -1.0
    for s in starts if start is None else [start, *starts]:
        sigma = np.where(s >= 0, 1.0, -1.0)
        while True:
            gain = -sigma * (gram @ sigma) + gram.diagonal()
            c = int(gain.argmax())
            if gain[c] <= 1e-9 * gram[c, c]:
                break
            sigma[c] *= -1
        value = float(sigma @ gram @ sigma)
        if value > most:
            best, most = sigma, value
    return best, most
