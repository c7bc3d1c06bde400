"""Two-layer networks that fit signs robustly: how to attack them fast, certify them, train them with few bits, and build them by hand.

Read in order: `span_attack` (the worst point met in each ball); `certified` (balls that are proved safe); `grouped_caps` (an explicit
net); `fit_robustly` (adversarial training, also through the rounding to b bits) and `smallest_width`. Training and attacks need PyTorch.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np
from jaxtyping import Bool, Float
from numpy import ndarray

from lawrob_utils import _validate as check
from lawrob_utils.fewbits import quantize
from lawrob_utils.lipschitz import sdp_certificate

if TYPE_CHECKING:
    from lawrob_utils.networks import TwoLayer

__all__ = [
    "Caps",
    "RobustFit",
    "certified",
    "certified_radius",
    "fit_robustly",
    "grouped_caps",
    "smallest_width",
    "span_attack",
    "widths",
]


def span_attack(
    net: TwoLayer,
    X: Float[ndarray, "n d"],
    y: Float[ndarray, "n"],
    r: float,
    *,
    rng: np.random.Generator,
    steps: int = 20,
    restarts: int = 20,
    stop_below: float = 0.0,
) -> Float[ndarray, "n"]:
    """The smallest y_i·f(x) met in the ball of radius r around each x_i: an upper bound of the minimum, so what is ≤ 0 is proved to fail.

    Projected gradient descent, x ← Π(x − α_t·u_t) with u_t the unit vector along y∇f and α_t falling linearly from r to r/steps. Only the
    part of x − x_i in the span of the k hidden weights matters, so the iteration keeps the coefficients of that part and the k preactivations,
    and a step costs n·k² operations, through the Gram matrix of the weights (n·k·d where k > 2d). The first start is x_i itself; the
    others take their first step along Σ_j s_j a_j w_j with fair random s ∈ {0, 1}^k, which gets away from the flat places that
    training makes around the points. Points that have fallen are not attacked again. float32.

    Parameters: net; X (n, d), y (n,) of ±1; r > 0; rng, for the starts; steps of one start; restarts, the number of starts;
    stop_below: give up as soon as fewer than this share of the points stand.

    Raises ValueError for shapes that do not fit, labels other than ±1, or settings outside their range.
    """
    X, y = _labelled(X, y)
    r, steps, restarts = (
        check.positive(r, "r"),
        check.count(steps, "steps"),
        check.count(restarts, "restarts"),
    )
    check.generator(rng)
    W, b, a = (_float32(v) for v in (net.W, net.b, net.a))
    return (
        _attack(
            W,
            b,
            a,
            float(net.c),
            _float32(check.matrix(X, columns=net.W.shape[1])),
            _float32(y),
            r,
            rng,
            steps,
            restarts,
            stop_below,
        )
        .cpu()
        .numpy()
    )


def _attack(W, b, a, c, X, y, r, rng, steps, restarts, stop_below=0.0):
    """`span_attack` on tensors."""
    from lawrob_utils._torch import torch

    with torch.no_grad():
        G = W @ W.T if len(W) <= 2 * W.shape[1] else None
        U = torch.addmm(b, X, W.T)
        worst = y * (U.clamp_min(0) @ a + c)
        for restart in range(restarts):
            alive = torch.nonzero(worst > 0)[:, 0]
            if len(alive) == 0 or len(alive) < stop_below * len(X) - 1e-9:
                break
            first = (
                _float32(rng.random((len(alive), len(W)), dtype=np.float32) < 0.5)
                if restart
                else None
            )
            V, _ = _descend(W, G, a, U[alive], y[alive], r, steps, first)
            worst[alive] = torch.minimum(
                worst[alive], y[alive] * ((U[alive] + V).clamp_min(0) @ a + c)
            )
    return worst


def _descend(W, G, a, U, y, r, steps, first=None):
    """Where descent on y·f inside the balls ends: V = δWᵀ (n, k) and the coefficients beta (n, k) of δ = beta·W, ‖δ‖ ≤ r."""
    from lawrob_utils._torch import torch

    V, beta, ya = torch.zeros_like(U), torch.zeros_like(U), -y[:, None] * a
    for t in range(steps):
        B = ya * ((U + V) > 0) if t or first is None else ya * first
        BG = B @ G if G is not None else (B @ W) @ W.T
        length = (
            (B * BG)
            .sum(dim=1, keepdim=True)
            .clamp_min_(1e-20)
            .rsqrt_()
            .mul_(r * (steps - t) / steps)
        )
        beta.addcmul_(B, length)
        V.addcmul_(BG, length)
        inside = (
            (beta * V).sum(dim=1, keepdim=True).clamp_min_(1e-20).rsqrt_().mul_(r).clamp_max_(1)
        )
        beta.mul_(inside)
        V.mul_(inside)
    return V, beta


# ---------------------------------------------------------------------------------------------------------- certificates


def certified(
    net: TwoLayer, X: Float[ndarray, "n d"], y: Float[ndarray, "n"], r: float, *, local: int = 0
) -> Bool[ndarray, "n"]:
    """Where y_i·f(x_i) > r·L: f then has the sign y_i on the whole ball of radius r around x_i.

    L is the certified upper bound of Lip(f) over R^d; for up to `local` of the points that this leaves open, one after the other, the
    bound over their own ball (`sdp_certificate` with centre x_i). What stays False is not known.

    Raises ValueError for shapes that do not fit, labels other than ±1, or r ≤ 0.
    """
    X, y = _labelled(X, y)
    r, local = check.positive(r, "r"), check.count(local, "local", at_least=0)
    margin = y * net(X)
    proved = margin > r * sdp_certificate(net, tol=1e-4).value
    for i in np.flatnonzero(~proved & (margin > 0))[:local]:
        proved[i] = margin[i] > r * sdp_certificate(net, center=X[i], radius=r, tol=1e-3).value
    return proved


def certified_radius(
    net: TwoLayer, X: Float[ndarray, "n d"], y: Float[ndarray, "n"], share: float = 1.0
) -> float:
    """The radius at which `share` of the points are robust, with proof: a quantile of y_i·f(x_i), over the upper bound of Lip(f); at least 0.

    Raises ValueError for shapes that do not fit, labels other than ±1, or a share outside (0, 1].
    """
    X, y = _labelled(X, y)
    keep = math.ceil(_share(share) * len(X) - 1e-9)
    margin = np.sort(y * net(X))[len(X) - keep]
    return max(0.0, float(margin)) / sdp_certificate(net, tol=1e-4).value


# ---------------------------------------------------------------------------------------------------------- explicit nets


class Caps(NamedTuple):
    """An explicit net, the radius below which `grouped_caps` proves it robust, and the bits that name it (0 for unrounded centres)."""

    net: TwoLayer
    radius: float
    bits: int


def grouped_caps(
    X: Float[ndarray, "n d"], y: Float[ndarray, "n"], k: int, *, bits: int = 0, share: float = 1.0
) -> Caps:
    """f(x) = Σ_j max(0, ⟨c_j, x⟩ − t) − θ: k unit vectors, each in the middle of a group of points with label +1.

    c_j is the vector of smallest norm with ⟨c_j, x_i⟩ = 1 on its group (the sum of the group if it has d/2 points or more), rounded to b bits a
    coordinate and then normalised. With s = min ⟨c_j, x_i⟩ over the points of label +1 and their own c_j, and m = max ⟨c_j, x_i⟩ over all
    j and the points of label −1, the net with t = (s+m)/2 is robust at each of these points at every radius r < (s − m)/2: there ⟨c_j, x⟩ ≤ m + r < t
    for all j at a point of label −1, so f = −θ; and ⟨c_j, x⟩ − t ≥ s − r − t > θ at the others if θ is small enough.
    With share < 1 the largest fraction 1 − share of the points is given up that raises s − m most.

    Parameters: X (n, d), rows of norm about 1; y (n,) of ±1, both present; k ≤ the number of labels +1; bits b, 0 for none, else 1
    to 8; share ∈ (0, 1].

    Returns the net with θ = (s − m)/10⁶, the radius, (s − m)/2 less 4·10⁻⁶ of itself or 0 if s ≤ m, and b·k·d + 64 bits (t and θ 32 each).

    Raises ValueError for shapes that do not fit, labels other than ±1, or settings outside their range.
    """
    from lawrob_utils.networks import TwoLayer

    X, y = _labelled(X, y)
    positive, negative = np.flatnonzero(y > 0), np.flatnonzero(y < 0)
    k = check.count(k, "k")
    if not 0 < k <= len(positive) or not len(negative):
        raise ValueError(
            f"k = {k}; y has {len(positive)} labels +1 and {len(negative)} labels -1, and 1 ≤ k ≤ the first number is needed"
        )
    groups = np.array_split(positive, k)
    C = np.stack([_middle(X[group]) for group in groups])
    C = quantize(C, bits).astype(float) if bits else C
    C /= np.linalg.norm(C, axis=1, keepdims=True)
    own = np.concatenate([X[group] @ c for group, c in zip(groups, C, strict=True)])
    s, m = _widest_gap(
        np.sort(own),
        np.sort((X[negative] @ C.T).max(axis=1))[::-1],
        len(X) - math.ceil(_share(share) * len(X) - 1e-9),
    )
    gap = max(s - m, 0.0)
    name = f"{k} caps" + (f" of {bits} bit{'s' * (bits > 1)}" if bits else "")
    net = TwoLayer(C, np.full(k, -(s + m) / 2), np.ones(k), -max(gap, 1e-9) * 1e-6, name)
    return Caps(net, gap / 2 * (1 - 4e-6), bits * C.size + 64 if bits else 0)


def _middle(group: Float[ndarray, "m d"]) -> Float[ndarray, "d"]:
    if 2 * len(group) >= group.shape[1]:
        return group.sum(axis=0)
    return np.linalg.lstsq(group, np.ones(len(group)), rcond=None)[0]


def _widest_gap(own: ndarray, others: ndarray, dropped: int) -> tuple[float, float]:
    """max over i + j = dropped of own[i] − others[j], for own increasing and others decreasing."""
    pairs = [
        (own[i], others[dropped - i])
        for i in range(dropped + 1)
        if i < len(own) and dropped - i < len(others)
    ]
    s, m = max(pairs, key=lambda pair: pair[0] - pair[1])
    return float(s), float(m)


# ---------------------------------------------------------------------------------------------------------- training


@dataclass(frozen=True, eq=False)
class RobustFit:
    """What `fit_robustly` found: the net, the share of points that stand under `span_attack`, the steps used, and the bits (0: real weights)."""

    net: TwoLayer
    robust: float
    steps: int
    bits: int


def fit_robustly(
    X: Float[ndarray, "n d"],
    y: Float[ndarray, "n"],
    k: int,
    r: float,
    *,
    rng: np.random.Generator,
    bits: int = 0,
    start: Literal["random", "caps"] = "random",
    share: float = 0.98,
    steps: int = 500,
    inner: int = 3,
    attack: tuple[int, int] = (20, 20),
    lr: float = 0.06,
) -> RobustFit:
    """A two-layer net of width k, trained against attacks of radius r until `share` of the points stand.

    f(x) = Σ_j a_j max(0, ⟨q_j, x⟩ + b_j) + c with ‖q_j‖ = 1, a_j > 0 for the first half of the neurons and < 0 for the others. With bits = 0 the
    q_j, b_j, |a_j| and c are real: P = k(d + 2) + 1. With bits = b the q_j are b-bit codes (`quantize`) divided by their norm, and all b_j
    are one number, as are all |a_j|: the sign of f is named by b·k·d + 64 bits (the codes, the common b_j and c/|a| in 32 bits each).

    Adam on mean log(1 + exp(−y_i f(z_i))), where z_i is what `inner` steps of the descent of `span_attack` make of x_i, from x_i and from a random
    pattern in turn. Rounded weights are used in the forward pass, the rounding is taken for the identity in the backward pass. As soon as
    `share` of the z_i are right, the net is attacked by `attack` = (steps, restarts) of `span_attack`, and training ends if it stands.

    Parameters: X (n, d), rows of norm about 1; y (n,) of ±1; k ≥ 1; r > 0; rng; start, the initial weights: normal, or the middle of k groups of
    points of one label, as in `grouped_caps`; share ∈ (0, 1]; steps of Adam of size lr·cos²(πt/2T); bits 0 to 4.

    Raises ValueError for shapes that do not fit, labels other than ±1, or settings outside their range.
    """
    from lawrob_utils._torch import torch
    from lawrob_utils.networks import TwoLayer

    X, y = _labelled(X, y)
    (n, d), k, r = X.shape, check.count(k, "k"), check.positive(r, "r")
    steps, inner, lr, share = (
        check.count(steps, "steps"),
        check.count(inner, "inner"),
        check.positive(lr, "lr"),
        _share(share),
    )
    check.generator(rng), check.one_of(start, "start", ("random", "caps"))
    if bits not in (0, 1, 2, 3, 4):
        raise ValueError(f"bits = {bits}; 0 (real weights) or 1 to 4 are possible")
    Xt, yt, signs = (
        _float32(X),
        _float32(y),
        _float32(np.where(np.arange(k) < (k + 1) // 2, 1.0, -1.0)),
    )
    W, b0 = _start(X, y, k, start, rng)
    few = (1,) if bits else (k,)
    P = [
        _float32(W),
        torch.full(few, b0),
        torch.full(few, math.log(10.0)),
        torch.zeros(1),
    ]  # W, b_j, log|a_j|, c
    M, S, rates = (
        [torch.zeros_like(p) for p in P],
        [torch.zeros_like(p) for p in P],
        (1.0, 0.15, 1.0, 1.0),
    )

    def weights():
        Q = _rounded(P[0], bits) if bits else P[0] / math.sqrt(d)
        return Q, P[1].expand(k), signs * P[2].exp(), P[3]

    def standing(few_left: float):
        Q, b, a, c = weights()
        return float((_attack(Q, b, a, c, Xt, yt, r, rng, *attack, few_left) > 0).double().mean())

    robust, wait, t = 0.0, 0, 0
    # not `networks.adam`: the gradient is by hand, W stays on a sphere, each kind of weight has its own rate, and β₂ is 0.99
    with torch.no_grad():
        for t in range(steps):
            Q, b, a, c = weights()
            G = Q @ Q.T if k <= 2 * d else None
            U = torch.addmm(b, Xt, Q.T)
            first = _float32(rng.random((n, k), dtype=np.float32) < 0.5) if t % 2 else None
            V, beta = _descend(Q, G, a, U, yt, r, inner, first)
            U += V
            H = U.clamp_min(0)
            margin = yt * (H @ a + c)
            if t >= wait and float((margin > 0).double().mean()) >= share:
                robust = standing(share)
                if robust >= share:
                    break
                wait = t + max(5, steps // 40)
            g = torch.sigmoid(-margin).mul_(yt).div_(-n)
            D = g[:, None] * (a * (U > 0))
            dQ = D.T @ Xt + (D.T @ beta) @ Q
            Z = P[0] / math.sqrt(d)
            da = (g @ H) * a
            gradients = [
                dQ - (dQ * Z).sum(dim=1, keepdim=True) * Z,
                D.sum(dim=0),
                da,
                g.sum()[None],
            ]
            if bits:
                gradients[1:3] = [gradients[1].sum()[None], da.sum()[None]]
            rate = lr * math.cos(math.pi * t / (2 * steps)) ** 2 / (1 - 0.9 ** (t + 1))
            for p, grad, m, s, times in zip(P, gradients, M, S, rates, strict=True):
                m.lerp_(grad, 0.1)
                s.mul_(0.99).addcmul_(grad, grad, value=0.01)
                p.addcdiv_(m, (s / (1 - 0.99 ** (t + 1))).sqrt_().add_(1e-9), value=-rate * times)
            P[0].mul_(math.sqrt(d) / P[0].norm(dim=1, keepdim=True))
        else:
            t, robust = steps, standing(0.5 * share)
        Q, b, a, c = (v.double().cpu().numpy() for v in weights())
    name = f"robust net, k = {k}" + (f", {bits} bit{'s' * (bits > 1)}" if bits else "")
    return RobustFit(
        TwoLayer(Q, b, a, float(c[0]), name), robust, t, bits * k * d + 64 if bits else 0
    )


def _rounded(W, bits):
    """The b-bit codes of the rows of W, each divided by its norm; torch."""
    Q = quantize(W, bits, by_row=True)
    return Q / Q.norm(dim=1, keepdim=True)


def _start(X, y, k, start, rng) -> tuple[Float[ndarray, "k d"], float]:
    """Initial rows of norm √d, and the bias that all neurons start with."""
    d = X.shape[1]
    if start == "random":
        W, bias = rng.standard_normal((k, d)), 0.0
    else:
        W, bias, half = np.empty((k, d)), -0.1, (k + 1) // 2
        for label, rows in ((1, np.arange(half)), (-1, np.arange(half, k))):
            points = rng.permutation(np.flatnonzero(y == label))
            for j, group in zip(rows, np.array_split(points, max(len(rows), 1)), strict=False):
                W[j] = _middle(X[group]) if len(group) else rng.standard_normal(d)
    return W * (math.sqrt(d) / np.linalg.norm(W, axis=1, keepdims=True)), bias


# ---------------------------------------------------------------------------------------------------------- the smallest width


def widths(most: int) -> tuple[int, ...]:
    """The ladder 1, 2, 3, …, 12, 13, 14, 16, …: all integers nearest to a power of 2^(1/8), up to `most`.

    >>> widths(20)
    (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 15, 16, 17, 19)
    """
    most = check.count(most, "most")
    return tuple(
        sorted({k for j in range(8 * most.bit_length() + 1) if (k := round(2 ** (j / 8))) <= most})
    )


def smallest_width(
    succeeds: Callable[[int], bool], ladder: Sequence[int], guess: float
) -> tuple[int | None, int | None]:
    """The first rung of the ladder at which `succeeds` is true, supposing that it is true from there on; and the rung below, which failed.

    From the rung nearest to the guess it goes up or down by growing strides until it has both answers, then bisects. Each rung is asked once.
    Returns (None, last rung) if the last rung fails, and (first rung, None) if the first succeeds.

    Raises ValueError if the ladder is empty or does not increase.

    >>> smallest_width(lambda k: k >= 11, widths(100), guess=4)
    (11, 10)
    """
    rungs = [int(k) for k in ladder]
    if not rungs or any(a >= b for a, b in zip(rungs, rungs[1:], strict=False)):
        raise ValueError(f"ladder = {ladder!r}; one or more increasing integers are needed")
    at = int(np.abs(np.log(np.array(rungs)) - math.log(check.positive(guess, "guess"))).argmin())
    low, high, stride = -1, len(rungs), 2  # the rung `low` fails, `high` succeeds
    while high - low > 1:
        if succeeds(rungs[at]):
            high = at
            at = max(at - stride, low + 1) if low < 0 else (low + high) // 2
        else:
            low = at
            at = min(at + stride, high - 1) if high == len(rungs) else (low + high) // 2
        stride += 1
    return (rungs[high] if high < len(rungs) else None), (rungs[low] if low >= 0 else None)


def _labelled(X, y) -> tuple[Float[ndarray, "n d"], Float[ndarray, "n"]]:
    X = check.matrix(X)
    y = check.vector(y, length=len(X))
    wrong = np.flatnonzero(np.abs(y) != 1)
    if wrong.size:
        raise ValueError(f"y[{wrong[0]}] = {y[wrong[0]]:g}; labels must all be +1 or -1")
    return X, y


def _share(share: float) -> float:
    share = check.positive(share, "share")
    if share > 1:
        raise ValueError(f"share = {share:g}; a fraction in (0, 1] is needed")
    return share


def _float32(values):
    from lawrob_utils._torch import torch

    return torch.tensor(np.asarray(values), dtype=torch.float32)
