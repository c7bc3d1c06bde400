"""Networks whose weights are a few bits: how to round and train them, and how many bits they cost.

Read in order: `quantize` (b bits a number); `FewBitNet` (the network); then two ways to one:
`rounded` (train in full precision, then round) and `fit_few_bits` (train through the rounding).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Literal, Self

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray
from numpy.typing import ArrayLike

from . import _validate as check
from ._torch import torch
from .bracket import Bracket
from .law import choice_bits
from .networks import TwoLayer, adam, schedule

Activation = Literal["relu", "abs"]

# The step of the best uniform quantiser of a standard normal number into 2^b values ±½, ±1½, …
# steps: b = 1 to 5 in Max (1960), all found again by the tests.
STEPS = {1: 1.596, 2: 0.9957, 3: 0.5860, 4: 0.3352, 5: 0.1881, 6: 0.1041, 7: 0.0569, 8: 0.0308}


def levels(bits: int) -> tuple[int, ...]:
    """The 2^b codes of b bits: the odd integers −(2^b − 1), …, −1, 1, …, 2^b − 1.

    >>> levels(2)
    (-3, -1, 1, 3)
    """
    if check.count(bits, "bits") not in STEPS:
        raise ValueError(f"bits = {bits}; 1 to {max(STEPS)} bits are possible")
    return tuple(range(1 - 2**bits, 2**bits, 2))


def quantize(w, bits: int, *, by_row: bool = False):
    """The nearest code of `levels` for each entry of w, in units of half a step.

    So w ≈ (step/2)·code, where step/rms(w) is best for normal w; with one bit the code is the sign
    of w (0 counts as +1). One step serves the whole array or, by_row, each row its own. w is an
    array, or a torch tensor: its codes then are a tensor of its dtype, and its entries unchecked.

    Raises ValueError if bits is not one of 1, …, 8, or entries are not finite.

    >>> quantize(np.array([-2.0, -0.1, 0.2, 0.9]), bits=2).tolist()
    [-3, -1, 1, 1]
    """
    top, tensor = levels(bits)[-1], hasattr(w, "requires_grad")
    w = w.detach() if tensor else check.array(w, "w")
    rms = (w**2).mean(axis=-1 if by_row else None, keepdims=True) ** 0.5
    # x // 1 is the floor of x, in numpy and in torch
    codes = (2 * (w / (STEPS[bits] * (rms + (rms == 0))) // 1) + 1).clip(-top, top)
    return codes if tensor else codes.astype(np.int64)


@dataclass(frozen=True, eq=False)
class FewBitNet:
    """f(x) = t + s·Σ_j a_j φ(⟨q_j, x⟩), whose weights are few different integers.

    Parameters: codes (k, d), the integer rows q_j; alphabet, the integers that entries may be;
    activation φ, "relu" or "abs"; scale s > 0, offset t. The signs a_j are `half_signs`. All but
    the codes is fixed before the data are seen, except s and t, which cost no bits: the bit
    certificate and the Lipschitz constant are both proportional to s, and t changes neither.

    Raises ValueError if shapes do not fit, codes are not in the alphabet, or s is not positive.

    >>> net = FewBitNet(np.array([[1, -1], [1, 1]]), alphabet=(-1, 1), activation="abs")
    >>> net(np.array([[3.0, 1.0]])), net.bits, net.n_parameters
    (array([-2.]), 4, 4)
    """

    codes: Int[ndarray, "k d"]
    alphabet: tuple[int, ...]
    activation: Activation = "relu"
    scale: float = 1.0
    offset: float = 0.0
    name: str = field(default="few-bit network", kw_only=True)

    def __post_init__(self) -> None:
        check.one_of(self.activation, "activation", ("relu", "abs"))
        alphabet = tuple(_integers(self.alphabet, "alphabet").ravel().tolist())
        codes = _integers(self.codes, "codes")
        if codes.ndim != 2:
            raise ValueError(f"codes has shape {codes.shape}; (k, d), each at least 1, is needed")
        wrong = codes[~np.isin(codes, alphabet)]
        if wrong.size:
            raise ValueError(f"codes contains {wrong[0]}, which is not in the alphabet {alphabet}")
        scale, (offset,) = (
            check.positive(self.scale, "scale"),
            check.vector([self.offset], "offset"),
        )
        check.store(self, codes=codes, alphabet=alphabet, scale=scale, offset=float(offset))

    @property
    def n_parameters(self) -> int:
        """P: every weight counts once."""
        return self.codes.size

    @property
    def bits(self) -> int:
        """⌈P·log₂ m⌉ for an alphabet of m integers, the plain code word; b·P for b-bit weights."""
        return choice_bits(len(self.alphabet) ** self.n_parameters)

    @cached_property
    def two_layer(self) -> TwoLayer:
        """The same function as a ReLU network: |u| = relu(u) + relu(−u)."""
        W, a = self.codes.astype(float), self.scale * half_signs(len(self.codes))
        if self.activation == "abs":
            W, a = np.concatenate([W, -W]), np.concatenate([a, a])
        return TwoLayer(W, np.zeros(len(W)), a, self.offset, self.name)

    def __call__(self, X: ArrayLike) -> Float[ndarray, "n"]:
        """f at each row of X (n, d)."""
        return self.two_layer(X)

    def gradient(self, X: ArrayLike) -> Float[ndarray, "n d"]:
        """∇f at each row of X (n, d); on a kink, of one side."""
        return self.two_layer.gradient(X)

    def lipschitz(self) -> Bracket:
        """The bracket of `two_layer`."""
        return self.two_layer.lipschitz()

    def fitted(self, X: Float[ndarray, "n d"], y: Float[ndarray, "n"]) -> Self:
        """The same net with the scale and offset of least squares on (X, y).

        Raises ValueError if f does not correlate positively with y: no s > 0 is possible then.
        """
        h = self(X)
        y = check.vector(y, length=h.size)
        slope = float((y - y.mean()) @ (h - h.mean()) / max(((h - h.mean()) ** 2).sum(), 1e-300))
        if slope <= 0:
            raise ValueError("the net does not correlate positively with y; no positive scale fits")
        offset = y.mean() + slope * (self.offset - h.mean())
        return replace(self, scale=slope * self.scale, offset=float(offset))


def rounded(net: TwoLayer, bits: int) -> tuple[TwoLayer, int]:
    """A trained two-layer net with its weights rounded to b bits each, and how many bits name it.

    Hidden weights and biases are rounded on one grid, output weights on another, both by
    `quantize`. B = b·(k(d+1) + k): the steps of the two grids and the output bias are scale and
    offset of f, which cost nothing.

    Raises ValueError if net is no TwoLayer, or bits is not one of 1, …, 8.
    """
    if not isinstance(net, TwoLayer):
        raise ValueError(f"net is a {type(net).__name__}; a TwoLayer is needed")
    hidden = np.column_stack([net.W, net.b])
    codes = quantize(hidden, bits), quantize(net.a, bits)
    W, a = (
        q * (np.abs(w).mean() / np.abs(q).mean())
        for q, w in zip(codes, (hidden, net.a), strict=True)
    )
    coarse = replace(net, W=W[:, :-1], b=W[:, -1], a=a, name=f"{net.name}, {bits} bits")
    return coarse, bits * (W.size + a.size)


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

    Maximises mean(ỹ·h̃)²/(mean h̃² + μ·L²/d), with ỹ, h̃ the centred labels and outputs, L the
    Lipschitz constant of h: least squares, with a penalty on L² if μ > 0. With a radius r > 0 it
    minimises mean(max(0, 1 − y_i h(x_i)/(rL))) instead: zero means that every sign is right on a
    ball of radius r. The forward pass sees rounded weights, the backward pass takes the rounding
    for the identity. L is a lower bound, which serves as a penalty, never as a result.

    Parameters: X (n, d), ‖x_i‖ ≈ 1; y (n,) not all equal, ±1 if r > 0; width k; bits b of a weight,
    1 to 8; prune ∈ [0, 1): this share of the weights of each neuron, the smallest, is set to 0 (and
    the alphabet then has a 0); smooth μ ≥ 0; radius r ≥ 0; steps and lr as in `schedule`.

    Raises ValueError for wrong shapes or settings outside their range.
    Source of straight-through training of signs: Hubara et al. (2016).
    """
    X, k, sizes = check.matrix(X), check.count(k, "k"), schedule(lr, steps)
    (n, d), alphabet = X.shape, levels(bits)
    smooth = check.positive(smooth, "smooth", zero_allowed=True)
    radius = check.positive(radius, "radius", zero_allowed=True)
    y = check.signs(y, length=n) if radius else check.vector(y, length=n)
    if prune != 0:
        prune = check.share(prune, "prune")
    check.one_of(activation, "activation", ("relu", "abs"))
    W = torch.tensor(check.generator(rng).standard_normal((k, d)), requires_grad=True)
    inputs, target = torch.tensor(X * math.sqrt(d)), torch.tensor(y - y.mean())
    labels, a = torch.tensor(y), torch.tensor(half_signs(k))
    dropped = int(prune * d)

    def code(z: torch.Tensor) -> torch.Tensor:
        q = quantize(z, bits, by_row=True)
        if dropped:
            q = torch.where(z.abs() > z.abs().kthvalue(dropped, dim=1, keepdim=True).values, q, 0)
        return q

    with torch.enable_grad():
        for _, step in adam([W], sizes):
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
    codes = code(W.detach()).numpy().astype(np.int64)
    alphabet = tuple(sorted({*alphabet, 0})) if dropped else alphabet
    name = f"{activation} network, k = {k}, {bits} bit{'s' if bits > 1 else ''}"
    return FewBitNet(codes, alphabet, activation, name=name).fitted(X, y)


def half_signs(k: int) -> Float[ndarray, "k"]:
    """k output weights: +1 for the first half (rounded up), −1 for the rest."""
    return np.where(np.arange(k) < (k + 1) // 2, 1.0, -1.0)


def _steepest_squared(V, activation):
    """max ‖Σ_j s_j v_j‖² that sign iterations find, s in {−1, 1}^k ("abs") or {0, 1}^k."""
    M = V if activation == "abs" else torch.cat([V.sum(dim=0, keepdim=True), V]) / 2
    with torch.no_grad():
        gram = M @ M.T
        sigma = torch.where(torch.linalg.eigh(gram)[1][:, -1] >= 0, 1.0, -1.0).to(M.dtype)
        for _ in range(10):  # ‖Σ σ_j m_j‖ never falls: the quadratic form is convex
            sigma = torch.where(gram @ sigma >= 0, 1.0, -1.0).to(M.dtype)
    return (sigma @ M).square().sum()


def _integers(values: ArrayLike, name: str) -> Int[ndarray, "..."]:
    if not check.array(values, name).size or np.asarray(values).dtype.kind not in "iu":
        raise ValueError(f"{name} has dtype {np.asarray(values).dtype}; integers are needed")
    return np.asarray(values, dtype=np.int64)
