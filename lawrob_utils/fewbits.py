"""Networks whose weights are a few bits: how to round, train and search for them, and how many bits they cost.

Read in order: `quantize` (b bits a number); `FewBitNet` (the network, a memorizer); then three ways to one: `rounded` (train in full
precision, then round), `fit_few_bits` (train through the rounding; needs PyTorch) and `anneal_signs` with `improve_signs` (search
among sign vectors). Used by the chapter "The law with honest constants", which needs networks that a short code word names.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray
from numpy.typing import ArrayLike

from . import _validate as check
from ._torch import torch
from .law import choice_bits, enumerative_bits
from .lipschitz import Bracket, relu_bracket
from .networks import TwoLayer, adam, schedule

__all__ = [
    "FewBitNet",
    "Rounded",
    "anneal_signs",
    "fit_few_bits",
    "improve_signs",
    "levels",
    "quantize",
    "rounded",
]

Activation = Literal["relu", "abs"]

# The step of the best uniform quantiser of a standard normal number into 2^b levels ±½, ±1½, … steps (Max 1960).
STEPS = {1: 1.596, 2: 0.9957, 3: 0.5860, 4: 0.3352, 5: 0.1881, 6: 0.1041, 7: 0.0569, 8: 0.0308}


def levels(bits: int) -> tuple[int, ...]:
    """The 2^b codes of b bits: the odd integers −(2^b − 1), …, −1, 1, …, 2^b − 1.

    >>> levels(2)
    (-3, -1, 1, 3)
    """
    bits = check.count(bits, "bits")
    return tuple(range(1 - 2**bits, 2**bits, 2))


def quantize(w, bits: int, *, by_row: bool = False):
    """The nearest of the 2^b codes of `levels` for each entry of w, in units of half a step, where step/rms(w) is best for normal w.

    So w ≈ (step/2)·code; with one bit the code is the sign of w (0 counts as +1). One step serves the whole array, or, by_row, each row
    its own. w is an array, or a torch tensor: its codes are then a tensor of its dtype, and its entries are not checked.

    Raises ValueError if bits is not one of 1, …, 8, or entries are not finite.

    >>> quantize(np.array([-2.0, -0.1, 0.2, 0.9]), bits=2).tolist()
    [-3, -1, 1, 1]
    """
    if check.count(bits, "bits") not in STEPS:
        raise ValueError(f"bits = {bits}; 1 to {max(STEPS)} bits are possible")
    tensor = hasattr(w, "requires_grad")
    if not tensor:
        w = check.vector(np.ravel(w), "w").reshape(np.shape(w))
    rms = (w**2).mean(axis=-1 if by_row else None, keepdims=True) ** 0.5
    top = 2**bits - 1
    # x // 1 is the floor of x, in numpy and in torch
    codes = (2 * (w / (STEPS[bits] * (rms + (rms == 0))) // 1) + 1).clip(-top, top)
    return codes if tensor else codes.astype(np.int64)


@dataclass(frozen=True, eq=False)
class FewBitNet:
    """f(x) = t + s·(Σ_j a_j φ(⟨q_j, x⟩) + λ⟨q_0, x⟩), φ = relu or |·|, with few different integers as entries of the q_j.

    Parameters: codes (k, d), the integer rows q_j; alphabet, the integers that entries may be; activation φ, "relu" or "abs"; skip, None or
    the integer vector q_0 (d,) of a linear neuron; skip_weight λ > 0; scale s > 0 and offset t. The signs a_j are +1 for the first half
    of the neurons (rounded up) and −1 for the others.

    Alphabet, k, d, φ, the a_j and λ are meant to be fixed before the data are seen (or paid for). s and t cost no bits: the bit certificate
    and the Lipschitz constant are both proportional to s, and t changes neither. |u| = relu(u) + relu(−u), so each of these is a
    ReLU network, for "abs" with 2k neurons that share k weight vectors.

    Raises ValueError if shapes do not fit, codes are not in the alphabet, or s or λ is not positive.

    >>> net = FewBitNet(np.array([[1, -1], [1, 1]]), alphabet=(-1, 1), activation="abs")
    >>> net(np.array([[3.0, 1.0]])), net.bits, net.n_parameters
    (array([-2.]), 4, 4)
    """

    codes: Int[ndarray, "k d"]
    alphabet: tuple[int, ...]
    activation: Activation = "relu"
    skip: Int[ndarray, "d"] | None = None
    skip_weight: float = 1.3
    scale: float = 1.0
    offset: float = 0.0
    name: str = field(default="few-bit network", kw_only=True)

    def __post_init__(self) -> None:
        check.one_of(self.activation, "activation", ("relu", "abs"))
        codes = _integers(self.codes, "codes", self.alphabet)
        if codes.ndim != 2 or 0 in codes.shape:
            raise ValueError(
                f"codes has shape {codes.shape}; (k, d) with k, d of at least 1 is needed"
            )
        object.__setattr__(self, "codes", codes)
        if self.skip is not None:
            skip = _integers(self.skip, "skip", self.alphabet)
            if skip.shape != (codes.shape[1],):
                raise ValueError(
                    f"skip has shape {skip.shape}; ({codes.shape[1]},) is needed, as the rows of codes"
                )
            object.__setattr__(self, "skip", skip)
        object.__setattr__(self, "scale", check.positive(self.scale, "scale"))
        object.__setattr__(self, "skip_weight", check.positive(self.skip_weight, "skip_weight"))
        object.__setattr__(self, "offset", float(check.vector([self.offset], "offset")[0]))

    @property
    def symbols(self) -> Int[ndarray, "P"]:
        """All integers that have to be named, in one row: the codes, then those of the linear neuron."""
        return np.append(self.codes.ravel(), [] if self.skip is None else self.skip).astype(
            np.int64
        )

    @property
    def n_parameters(self) -> int:
        """P: every weight counts once."""
        return self.symbols.size

    @property
    def bits(self) -> int:
        """⌈P·log₂ m⌉ for an alphabet of m integers: the length of the plain code word; b·P for b-bit weights."""
        return choice_bits(len(self.alphabet) ** self.n_parameters)

    @property
    def entropy_bits(self) -> int:
        """The length of the code word that first says how often each integer occurs; see `lawrob_utils.law.enumerative_bits`."""
        return enumerative_bits(self.symbols, self.alphabet)

    @property
    def signs(self) -> Float[ndarray, "k"]:
        """The output weights a_j: +1 for the first half of the neurons, −1 for the rest."""
        return _halves(len(self.codes))

    def __call__(self, X: ArrayLike) -> Float[ndarray, "n"]:
        """f at each row of X (n, d)."""
        X = check.matrix(X, columns=self.codes.shape[1])
        U = X @ self.codes.T.astype(float)
        linear = 0.0 if self.skip is None else self.skip_weight * (X @ self.skip)
        hidden = np.abs(U) if self.activation == "abs" else np.maximum(U, 0)
        return self.offset + self.scale * (hidden @ self.signs + linear)

    def gradient(self, X: ArrayLike) -> Float[ndarray, "n d"]:
        """∇f(x) = s·(Σ_j a_j φ'(⟨q_j, x⟩)·q_j + λq_0) at each row of X; 0 stands for φ' on a kink."""
        X = check.matrix(X, columns=self.codes.shape[1])
        U = X @ self.codes.T.astype(float)
        slopes = np.sign(U) if self.activation == "abs" else U > 0
        linear = 0.0 if self.skip is None else self.skip_weight * self.skip
        return self.scale * ((slopes * self.signs) @ self.codes + linear)

    def fitted(self, X: Float[ndarray, "n d"], y: Float[ndarray, "n"]) -> FewBitNet:
        """The same net with the scale and offset of least squares on (X, y), which cost no bits.

        Raises ValueError if f does not correlate positively with y, since s > 0 is then impossible.
        """
        h = self(X)
        y = check.vector(y, length=h.size)
        slope = float((y - y.mean()) @ (h - h.mean()) / max(((h - h.mean()) ** 2).sum(), 1e-300))
        if slope <= 0:
            raise ValueError("the net does not correlate positively with y; no positive scale fits")
        offset = y.mean() + slope * (self.offset - h.mean())
        return replace(self, scale=slope * self.scale, offset=float(offset))

    def as_two_layer(self) -> TwoLayer:
        """The same function as a ReLU network with untied weights (needs PyTorch, as `lawrob_utils.networks` does)."""
        return TwoLayer(*self._untied(), self.offset, self.name)

    def lipschitz(self, starts: Float[ndarray, "m d"] | None = None) -> Bracket:
        """`relu_bracket` of the net, Euclidean and over all of R^d; starts (m, d) default to 128 points on the sphere."""
        d = self.codes.shape[1]
        if starts is None:
            starts = np.random.default_rng(0).standard_normal((128, d))
            starts /= np.linalg.norm(starts, axis=1, keepdims=True)
        return relu_bracket(_Arrays(*self._untied()), starts)

    def _untied(self) -> tuple[Float[ndarray, "K d"], Float[ndarray, "K"], Float[ndarray, "K"]]:
        q, a = self.codes.astype(float), self.scale * self.signs
        rows, weights = ([q], [a]) if self.activation == "relu" else ([q, -q], [a, a])
        if self.skip is not None:
            lam = np.array([self.scale * self.skip_weight])
            rows += [self.skip[None].astype(float), -self.skip[None].astype(float)]
            weights += [lam, -lam]
        W = np.concatenate(rows)
        return W, np.zeros(len(W)), np.concatenate(weights)


@dataclass(frozen=True, eq=False)
class _Arrays:
    W: Float[ndarray, "k d"]
    b: Float[ndarray, "k"]
    a: Float[ndarray, "k"]


class Rounded(NamedTuple):
    """A net with rounded weights, the bits of its plain code word, and those of the word that first tells how often each code occurs."""

    net: TwoLayer
    bits: int
    entropy_bits: int


def rounded(net: TwoLayer, bits: int) -> Rounded:
    """A trained two-layer net with its weights rounded to b bits each, and how many bits name it.

    Hidden weights and biases are rounded on one grid, output weights on another, both by `quantize`. B = b·(k(d+1) + k): the steps of the
    two grids and the output bias are scale and offset of f, which cost nothing.

    Raises ValueError if bits is not one of 1, …, 8.
    """
    hidden = np.column_stack([net.W, net.b])
    codes = quantize(hidden, bits), quantize(net.a, bits)
    W, a = (
        q * (np.abs(w).mean() / np.abs(q).mean())
        for q, w in zip(codes, (hidden, net.a), strict=True)
    )
    coarse = replace(net, W=W[:, :-1], b=W[:, -1], a=a, name=f"{net.name}, {bits} bits")
    return Rounded(
        coarse, bits * (W.size + a.size), sum(enumerative_bits(q, levels(bits)) for q in codes)
    )


def fit_few_bits(
    X: Float[ndarray, "n d"],
    y: Float[ndarray, "n"],
    k: int,
    *,
    rng: np.random.Generator,
    bits: int = 1,
    activation: Activation = "relu",
    prune: float = 0.0,
    smooth: float = 0.0,
    radius: float = 0.0,
    steps: int = 600,
    lr: float = 0.02,
) -> FewBitNet:
    """A `FewBitNet` of width k, trained through the rounding, with its best scale and offset.

    Maximises mean(ỹ·h̃)²/(mean h̃² + μ·L²/d), with ỹ, h̃ the centred labels and outputs and L the Lipschitz constant of h: with μ = 0 that is
    least squares with the best scale and offset, with μ > 0 least squares with a penalty on L². The forward pass sees rounded
    weights, the backward pass takes the rounding for the identity (straight-through estimator). L is the largest ‖Σ σ_j a_j q_j‖ found by
    a few sign iterations, a lower bound that serves as a penalty, never as a result. With a radius r > 0 the labels must be ±1, and it
    minimises mean(max(0, 1 − y_i h(x_i)/(rL))) instead: the hinge loss whose zero means that every sign is
    right on a ball of radius r, as far as L is not found too small.

    Parameters: X (n, d), ‖x_i‖ ≈ 1; y (n,) not all equal; k width; bits b of a weight, 1 to 8; activation; prune ∈ [0, 1): this fraction of
    the weights of each neuron, the smallest, is set to 0 (the alphabet then contains 0 as well); smooth μ ≥ 0; radius r ≥ 0;
    steps of Adam with size lr·cos²(πt/2T).

    Raises ValueError for wrong shapes or settings outside their range.

    Source of straight-through training of signs: Hubara et al. (2016).
    """
    X = check.matrix(X)
    n, d = X.shape
    y = check.vector(y, length=n)
    k, steps, lr = check.count(k, "k"), check.count(steps, "steps"), check.positive(lr, "lr")
    smooth, prune = (
        check.positive(smooth, "smooth", zero_allowed=True),
        check.positive(prune, "prune", zero_allowed=True),
    )
    radius = check.positive(radius, "radius", zero_allowed=True)
    if prune >= 1:
        raise ValueError(f"prune = {prune:g}; a fraction in [0, 1) is needed")
    if radius and (np.abs(y) != 1).any():
        raise ValueError(
            "y has labels other than +1 and -1; with radius > 0 there are none to certify"
        )
    check.one_of(activation, "activation", ("relu", "abs"))
    if check.count(bits, "bits") not in STEPS:
        raise ValueError(f"bits = {bits}; 1 to {max(STEPS)} bits are possible")
    real = torch.float64
    inputs, target = (
        torch.tensor(X * math.sqrt(d), dtype=real),
        torch.tensor(y - y.mean(), dtype=real),
    )
    labels = torch.tensor(y, dtype=real)
    a = torch.tensor(_halves(k), dtype=real)
    W = torch.tensor(check.generator(rng).standard_normal((k, d)), dtype=real, requires_grad=True)
    dropped = int(prune * d)

    def code(z: torch.Tensor) -> torch.Tensor:
        q = quantize(z, bits, by_row=True)
        if dropped:
            q = torch.where(z.abs() > z.abs().kthvalue(dropped, dim=1, keepdim=True).values, q, 0)
        return q

    with torch.enable_grad():
        for _, step in adam([W], schedule(lr, steps)):
            z = W / W.detach().square().mean(dim=1, keepdim=True).sqrt()
            q = code(z.detach()) * (STEPS[bits] / 2)
            Q = (z + (q - z.detach())) / math.sqrt(d)
            U = inputs @ Q.T
            h = (U.abs() if activation == "abs" else U.relu()) @ a
            if radius:
                steepest = math.sqrt(d) * _steepest_squared(Q * a[:, None], activation).sqrt()
                loss = (1 - labels * h / (radius * steepest)).relu().mean()
            else:
                h = h - h.mean()
                size = h.square().mean()
                if smooth:
                    size = size + smooth * _steepest_squared(Q * a[:, None], activation)
                loss = -(target * h).mean() / size.sqrt()
            step(loss)
    z = W.detach() / W.detach().square().mean(dim=1, keepdim=True).sqrt()
    codes = code(z).numpy().astype(np.int64)
    alphabet = tuple(sorted({*levels(bits), 0})) if dropped else levels(bits)
    name = f"{activation} network, k = {k}, {bits} bit{'s' if bits > 1 else ''}"
    return FewBitNet(codes, alphabet, activation, name=name).fitted(X, y)


def _steepest_squared(V, activation):
    """max ‖Σ_j s_j v_j‖² over s ∈ {−1, 1}^k ("abs") or {0, 1}^k ("relu"), as far as sign iterations find it; torch, differentiable in V."""
    M = V if activation == "abs" else torch.cat([V.sum(dim=0, keepdim=True), V]) / 2
    with torch.no_grad():
        gram = M @ M.T
        sigma = torch.where(torch.linalg.eigh(gram)[1][:, -1] >= 0, 1.0, -1.0).to(M.dtype)
        for _ in range(10):  # ‖Σ σ_j m_j‖ never falls: the quadratic form is convex
            sigma = torch.where(gram @ sigma >= 0, 1.0, -1.0).to(M.dtype)
    return (sigma @ M).square().sum()


def anneal_signs(
    X: Float[ndarray, "n d"],
    y: Float[ndarray, "n"],
    k: int,
    *,
    rng: np.random.Generator,
    skip: bool = True,
    repel: float = 3.0,
    sweeps: int = 300,
) -> FewBitNet:
    """A one-bit net Σ_j ±|⟨q_j, x⟩| (+ λ⟨q_0, x⟩) whose rows q_j ∈ {±1}^d fit y and are nearly orthogonal, by simulated annealing.

    What correlates |⟨q, x⟩| with the labels is, in the leading order, the quadratic form qᵀAq, A = Σ_i (y_i − ȳ)x_i x_iᵀ; the
    first half of the neurons maximises it, the second half minimises it. Each sweep redraws every sign with probability 1/(1 + e^{−2h/T}) of
    being +1, h its local field; the temperature T falls geometrically. `repel` weighs the overlaps ⟨q_i, q_j⟩, which would add
    up to a large Lipschitz constant. With skip, q_0 = sign(Σ(y_i − ȳ)x_i), the best sign vector for a linear neuron.

    Parameters: X (n, d); y (n,); k ≥ 1; sweeps ≥ 2; repel ≥ 0. Raises ValueError for wrong shapes or settings outside their range.
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
    centred, a = y - y.mean(), _halves(k)
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
    return FewBitNet(q[:k], levels(1), "abs", q[k] if skip else None, name=name).fitted(X, y)


def improve_signs(
    net: FewBitNet, X: Float[ndarray, "n d"], y: Float[ndarray, "n"], *, rounds: int = 1000
) -> FewBitNet:
    """The one-bit "abs" net after flips of single signs of its hidden weights, each of which raised Σ(y_i − ȳ)f(x_i)/Lip(f).

    Neuron after neuron, the flip that promises most is made if the ratio rises, with Lip(f) = max_σ ‖Σ σ_j q_j‖ as a search over single
    changes of σ finds it; until no neuron improves, or after `rounds` neurons.

    Raises ValueError for other nets or wrong shapes.
    """
    if net.activation != "abs" or tuple(net.alphabet) != levels(1):
        raise ValueError("net must have activation 'abs' and the alphabet (-1, 1)")
    X = check.matrix(X, columns=net.codes.shape[1])
    centred = check.vector(y, length=len(X)) - np.mean(y)
    rounds, k, a = check.count(rounds, "rounds"), len(net.codes), net.signs
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
    """σ ∈ {±1}^k with a large ‖Σ σ_j v_j‖², and that: single flips until none helps, from the top eigenvector, `start` and four random σ."""
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


def _halves(k: int) -> Float[ndarray, "k"]:
    return np.where(np.arange(k) < (k + 1) // 2, 1.0, -1.0)


def _integers(values: ArrayLike, name: str, alphabet: tuple[int, ...]) -> Int[ndarray, "..."]:
    codes = np.array(values)
    if codes.dtype.kind not in "iu":
        raise ValueError(
            f"{name} has dtype {codes.dtype}; integers from the alphabet {alphabet} are needed"
        )
    codes = codes.astype(np.int64)
    if not np.isin(codes, alphabet).all():
        raise ValueError(
            f"{name} contains {codes[~np.isin(codes, alphabet)][0]}, which is not in the alphabet {alphabet}"
        )
    codes.setflags(write=False)
    return codes
