"""How many parameters and bits does it take to fit noisy labels robustly? The smallest width, for points on spheres, images, and partial noise.

    python -m lawrob_utils.records robust_fit --preset full     (35 minutes on one core; needs MNIST; writes book/recorded/robust_fit/)
    python -m lawrob_utils.records robust_fit --preset quick    (5 seconds; prints)

Read in order: `sample` (the points and labels), `row` (the smallest width at which at least `share` of them are robust at radius r, and how it
was checked), the grids, `load`; then what the chapter makes of
the widths, `dimension_of_width`. A row with method "caps" is
an explicit net, one with method "trained" the outcome of a search over widths.

What is counted. A trained net with bits = b has b-bit hidden weights, one common bias, one common output weight and signs fixed
beforehand: b·k·d + 64 bits, and CHOICE_BITS for the width, one of the 2^7 rungs at most of the ladder, and the start. One with
bits = 0 has real weights, P = k(d + 2) + 1 parameters.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from lawrob_utils import _validate as check
from lawrob_utils import data as points
from lawrob_utils.bracket import Estimate
from lawrob_utils.records import Record, Row, generator

from .nets import (
    certified,
    certified_radius,
    fit_robustly,
    grouped_caps,
    smallest_width,
    span_attack,
    widths,
)

if TYPE_CHECKING:
    import pandas as pd

SEED = 20210526
CHOICE_BITS = 8
IMAGES = ("mnist", "digits")
OFFSET = 0.5  # of the two clusters of "clusters"


def sample(
    *, data: str, n: int, d: int, seed: int, flip: float = 0.5, kappa: int | None = None
) -> tuple[Float[ndarray, "n d"], Float[ndarray, "n"]]:
    """Points X (n, d) and labels y (n,), the same for every r and method.

    "sphere": uniform on S^(d−1). "subsphere": uniform on the unit sphere of a random κ-dimensional subspace of R^d. "mnist", "digits": n images
    drawn without repetition (MNIST: from the training set), minus the mean image of the whole set, over the root mean square of their norms
    in the whole set, so that E‖x‖² = 1; with d below the number of pixels their first d principal components, whose axes are those of
    the whole set. With all of these n/2 labels are +1 and n/2 are −1, in random order.

    "clusters": x = (s·½, √¾·z) with signs s, half of them +1, and z uniform on S^(d−2); y = s except at round(flip·n) points, as many in each
    cluster, where y = −s. So σ² = 4p(1−p), p = flip, and the signal s is known to a linear function with margin ½.

    Raises ValueError for an unknown kind of data, sizes that do not fit, or more points than there are images.
    """
    check.one_of(data, "data", ("sphere", "subsphere", "mnist", "digits", "clusters"))
    n, d = check.count(n, "n", at_least=4), check.count(d, "d", at_least=2)
    if n % 2:
        raise ValueError(f"n = {n}; an even number is needed, half of the labels +1 and half -1")
    rng = generator(
        SEED,
        {
            "data": data,
            "n": n,
            "d": d,
            "seed": seed,
            **({"kappa": kappa} if data == "subsphere" else {}),
        },
    )
    if data == "clusters":
        return _clusters(n, d, flip, rng)
    y = rng.permutation(np.repeat([1.0, -1.0], n // 2))
    if data in IMAGES:
        images, axes = _images_and_axes(data)
        if d > images.shape[1] or n > len(images):
            raise ValueError(
                f"n = {n}, d = {d}; {data} has {len(images)} images of {images.shape[1]} pixels"
            )
        X = images[rng.permutation(len(images))[:n]]
        return (X if d == X.shape[1] else X @ axes[:, :d]), y
    if data == "subsphere":
        return points.sphere_in_subspace(
            n, points.random_subspace(d, check.count(kappa or 0, "kappa"), rng), rng
        ), y
    return points.sphere(n, d, rng), y


@functools.lru_cache(maxsize=1)
def _images_and_axes(data: str) -> tuple[Float[ndarray, "N D"], Float[ndarray, "D D"]]:
    """All images, centred and of mean square norm 1, and their principal axes as columns, the widest first."""
    images = (points.digits() if data == "digits" else points.mnist("train")).X.astype(np.float64)
    mean = images.mean(axis=0)
    size = np.sqrt((images**2).sum(axis=1).mean() - (mean**2).sum())
    images -= mean
    images /= size
    axes = np.linalg.eigh(images.T @ images)[1][:, ::-1]
    return images, axes * np.sign(axes[np.abs(axes).argmax(axis=0), np.arange(len(axes))])


def _clusters(
    n: int, d: int, flip: float, rng: np.random.Generator
) -> tuple[Float[ndarray, "n d"], Float[ndarray, "n"]]:
    s = np.repeat([1.0, -1.0], n // 2)
    X = np.column_stack([OFFSET * s, np.sqrt(1 - OFFSET**2) * points.sphere(n, d - 1, rng)])
    flips = int(round(check.positive(flip, "flip", zero_allowed=True) * n / 2))
    y = s.copy()
    y[:flips] *= -1
    y[n // 2 : n // 2 + flips] *= -1
    return X, y


def row(
    *,
    rng: np.random.Generator,
    device: str = "cpu",
    n: int,
    d: int,
    r: float,
    seed: int,
    method: str = "trained",
    bits: int = 0,
    data: str = "sphere",
    kappa: int | None = None,
    flip: float = 0.5,
    share: float = 0.98,
    start: str = "caps",
    effort: int = 1,
) -> Row:
    """The smallest width k of the ladder at which a net is robust at radius r at `share` of the points, and what is known of that net.

    method "caps": `grouped_caps`, robust by proof; "linear": one linear function with weights ±1. method "trained": `fit_robustly` with 400·effort steps
    and 3·effort inner steps from `start`, found by `smallest_width`, accepted by 40·effort starts of 20·effort steps of `span_attack`.

    Columns: k (empty if the widest rung fails) and below, the largest width that failed; parameters P; total_bits with CHOICE_BITS (empty for
    real weights); robust, the share of points that stand under the attack that accepted the net; harder, the share under twice the steps from two
    and a half times as many starts; pgd, the share under `lawrob_utils.attacks.pgd` (50 steps from 5 starts in the ball, float64); proved, the
    share of 40 points that `certified` proves robust at r; radius_proved, at which `share` of all points are robust with proof; trials, the
    number of nets trained; reach, half the smallest distance of two points of opposite label.
    """
    X, y = sample(data=data, n=n, d=d, seed=seed, flip=flip, kappa=kappa)
    if check.one_of(method, "method", ("caps", "linear", "trained")) == "caps":
        found = _smallest_caps(X, y, r, bits, share)
    elif method == "linear":
        found = _linear(X, y, r, share)
    else:
        from lawrob_utils._torch import torch

        with torch.device(device):
            found = _smallest_trained(
                X, y, r, bits, share, start, effort, _guess(n, d, r, bits, data, kappa, flip), rng
            )
    columns = (
        "k",
        "below",
        "parameters",
        "total_bits",
        "robust",
        "harder",
        "pgd",
        "proved",
        "radius_proved",
        "trials",
    )
    return {**{name: found.get(name) for name in columns}, "reach": _down(_reach(X, y))}


def _smallest_caps(X: ndarray, y: ndarray, r: float, bits: int, share: float) -> Row:
    for k in widths(int((y > 0).sum())):
        caps = grouped_caps(X, y, k, bits=bits, share=share)
        if caps.radius >= r:
            total = caps.bits + CHOICE_BITS if bits else None
            return {
                "k": k,
                "parameters": caps.net.W.size + 2,
                "total_bits": total,
                "proved": share,
                "radius_proved": _down(caps.radius),
            }
    return {}


def _linear(X: ndarray, y: ndarray, r: float, share: float) -> Row:
    """sign ⟨w, x⟩ with w = sign Σ y_i x_i: robust at radius r where y_i⟨w, x_i⟩ > r·‖w‖."""
    w = np.where(X.T @ y >= 0, 1.0, -1.0)
    radius = np.sort(y * (X @ w))[len(y) - int(np.ceil(share * len(y) - 1e-9))] / np.sqrt(w.size)
    return (
        {
            "k": 1,
            "parameters": w.size,
            "total_bits": w.size,
            "proved": share,
            "radius_proved": _down(radius),
        }
        if radius > r
        else {}
    )


def _smallest_trained(X, y, r, bits, share, start, effort, guess, rng) -> Row:
    from lawrob_utils.attacks import pgd

    nets = {}
    settings = {
        "bits": bits,
        "start": start,
        "share": share,
        "steps": 400 * effort,
        "inner": 3 * effort,
        "attack": (20 * effort, 40 * effort),
    }

    def succeeds(k: int) -> bool:
        nets[k] = fit_robustly(X, y, k, r, rng=rng, **settings)
        return nets[k].robust >= share

    k, below = smallest_width(succeeds, widths(2 * len(X)), guess)
    if k is None:
        return {"below": below, "trials": len(nets)}
    net, some = nets[k].net, rng.permutation(len(X))[:40]
    harder = span_attack(net, X, y, r, rng=rng, steps=40 * effort, restarts=100 * effort) > 0
    standing = ~pgd(net, X, y, r, steps=50, restarts=5, rng=rng).fooled
    return {
        "k": k, "below": below, "parameters": net.n_parameters, "total_bits": nets[k].bits + CHOICE_BITS if bits else None,
        "robust": _down(nets[k].robust), "harder": _down(harder.mean()), "pgd": _down(standing.mean()),
        "proved": _down(certified(net, X[some], y[some], r, local=40).mean()), "radius_proved": _down(certified_radius(net, X, y, share)), "trials": len(nets),
    }  # fmt: skip


def _guess(n: int, d: int, r: float, bits: int, data: str, kappa: int | None, flip: float) -> float:
    """Where the search over widths begins: near what trials gave, at most n."""
    inner = {"subsphere": kappa, "mnist": 40, "digits": 16}.get(data) or d
    group = n / 2 * (2 * r + np.sqrt(2 * np.log(n) / inner)) ** 2
    if data == "clusters":
        group *= 4 * flip * (1 - flip)
    return float(min(n, 1 + {0: 0.28, 1: 0.65, 2: 0.4}.get(bits, 0.3) * np.exp(16 * r**2) * group))


def _reach(X: ndarray, y: ndarray) -> float:
    """Half the smallest distance of two points with different labels: no classifier is robust at all points at a larger radius."""
    P, N = X[y > 0], X[y < 0]
    squares = (P**2).sum(axis=1)[:, None] + (N**2).sum(axis=1) - 2 * P @ N.T
    i, j = np.unravel_index(squares.argmin(), squares.shape)
    return float(np.linalg.norm(P[i] - N[j])) / 2


def _down(value: float) -> float:
    """Four decimals, rounded down, so that what is written is still true."""
    return float(np.floor(float(value) * 1e4 + 1e-6) / 1e4)


def _law(seed: int, n: tuple[int, ...] = (100, 200, 400, 800)) -> tuple[dict, ...]:
    """The cells in which the law is at work, r² > 2 ln 2/(d − 1), on one draw of the data."""
    common = {"seed": (seed,), "bits": (0, 1)}
    cells = (
        {"n": (100, 200), "d": (80, 160, 320, 640), "r": (0.14, 0.2), **common},
        {"n": (100, 200), "d": (160, 320, 640), "r": (0.1, 0.28), **common},
        {"n": (200,), "d": (640,), "r": (0.05, 0.07), **common},
        {"n": (400,), "d": (160, 640), "r": (0.1, 0.14, 0.2), **common},
        {"n": (800,), "d": (160, 640), "r": (0.1,), **common},
        {"n": (800,), "d": (640,), "r": (0.07, 0.14), **common},
    )
    return tuple(axes for axes in cells if set(axes["n"]) <= set(n))


def _images(
    seeds: tuple[int, ...], kappa: tuple[int, ...] = (8, 12, 20, 32, 64)
) -> tuple[dict, ...]:
    """Random labels on MNIST images, and on spheres of κ dimensions in the same 784."""
    common = {"d": (784,), "seed": seeds}
    cells = (
        {"n": (200,), "r": (0.05, 0.1, 0.15, 0.2), "bits": (0,), **common},
        {"n": (400,), "r": (0.1,), "bits": (0,), **common},
        {"n": (200,), "r": (0.1,), "bits": (1,), **common},
    )
    kinds = ({"data": ("mnist",)}, {"data": ("subsphere",), "kappa": kappa})[: 2 if kappa else 1]
    return tuple({**axes, **kind} for axes in cells for kind in kinds)


def _flips(seed: int) -> dict:
    """Labels that are a signal with a share of flips, at fixed n, d and r."""
    return {"n": (400,), "d": (160,), "r": (0.14,), "data": ("clusters",), "flip": (0.5, 0.3, 0.2, 0.1, 0.05, 0.02), "share": (1.0,),
            "start": ("random",), "seed": (seed,), "bits": (0,)}  # fmt: skip


FULL = (
    *_law(0),
    *({**axes, "method": ("caps",), "seed": (0, 1), "bits": (0, 1, 2)} for axes in _law(0)),
    {
        "n": (4, 10, 20, 40),
        "d": (640,),
        "r": (0.05, 0.1, 0.14, 0.2),
        "method": ("linear",),
        "seed": (0, 1),
    },
    *(_flips(seed) for seed in (0, 1, 2, 3, 4, 5)),
    *_images((0,)),
    {
        "n": (200,),
        "r": (0.05, 0.1),
        "bits": (0,),
        "d": (784,),
        "seed": (0,),
        "data": ("subsphere",),
        "kappa": (128,),
    },
    *_images((1, 2), ()),
    {
        "n": (200,),
        "d": (10, 20, 40, 80),
        "r": (0.1, 0.05),
        "data": ("mnist",),
        "seed": (0, 1, 2),
        "bits": (0,),
    },
    {"n": (200,), "d": (20, 40), "r": (0.1, 0.05), "seed": (0, 1), "bits": (0,)},
    {"n": (200,), "d": (160,), "r": (0.14, 0.2), "effort": (2,), "seed": (0,), "bits": (0, 1)},
    *_law(1, (100, 200)),
    {"n": (200,), "d": (20, 40), "r": (0.05, 0.1), "seed": (0,), "bits": (1,)},
    {"n": (200,), "d": (20, 40), "r": (0.14,), "seed": (0,), "bits": (0, 1)},
    {"n": (100, 400), "d": (20,), "r": (0.1,), "seed": (0,), "bits": (0, 1)},
    _images((1,))[1],
    {"n": (200,), "d": (160, 640), "r": (0.1, 0.2), "seed": (0, 1), "bits": (2, 3, 4)},
    {"n": (400,), "d": (160,), "r": (0.1, 0.2), "seed": (0,), "bits": (2, 3, 4)},
    {"n": (200,), "d": (160,), "r": (0.1, 0.2), "start": ("random",), "seed": (0,), "bits": (0, 1)},
    *_law(1, (400, 800)),
    *_law(2, (100, 200)),
)
QUICK = (
    {"n": (40,), "d": (80,), "r": (0.2,), "seed": (0,), "bits": (0, 1)},
    {"n": (40,), "d": (80,), "r": (0.1,), "seed": (0,), "bits": (1, 2), "method": ("caps",)},
)

RECORD = Record(
    name="robust_fit",
    summary="the smallest width, in parameters and bits, at which two-layer nets fit noisy labels robustly at radius r",
    row=row,
    presets={"quick": QUICK, "full": FULL},
    seed=SEED,
    minutes={"quick": 0.1, "full": 35},
    needs=("torch",),
    tolerance="caps and linear rows: exactly; trained rows: k within three rungs of the ladder, 2^(3/8), since other processors round differently",
)
load, run = RECORD.load, RECORD.run


def dimension_of_width(
    images: pd.DataFrame, spheres: pd.DataFrame, *, draws: int = 2000
) -> Estimate:
    """The κ at which κ-spheres in the same ambient dimension need as many neurons as the images.

    images has the widths k of one (n, r, bits), spheres those of the same and their kappa. Over the
    κ recorded the mean of log k is made non-increasing (running minimum), and log κ interpolated in
    log k; outside their range the answer is inf or 0. The 90 % interval is a bootstrap over draws
    of the points (seeds), of the images and of the spheres of each κ. Fixed generator.

    Raises ValueError if there are no rows, fewer than two κ, or a width is missing.
    """
    kappas, curves = [], []
    for kappa, rows in spheres.groupby("kappa"):
        kappas.append(kappa)
        curves.append(rows["k"].to_numpy(float))
    level = images["k"].to_numpy(float)
    if not len(level) or len(kappas) < 2 or not np.concatenate([level, *curves]).min() > 0:
        raise ValueError(
            f"images has {len(level)} rows and spheres {len(kappas)} values of kappa; "
            "at least 1 and 2 with widths are needed"
        )
    rng = np.random.default_rng(0)

    def crossing(image: ndarray, sphere: Sequence[ndarray]) -> float:
        level = np.log(image).mean()
        curve = np.minimum.accumulate([np.log(k).mean() for k in sphere])
        if level > curve[0] or level < curve[-1]:
            return 0.0 if level > curve[0] else np.inf
        return float(np.exp(np.interp(-level, -curve, np.log(kappas))))

    samples = [
        crossing(rng.choice(level, level.size), [rng.choice(k, k.size) for k in curves])
        for _ in range(draws)
    ]
    low, high = map(float, np.quantile(samples, (0.05, 0.95), method="nearest"))
    half = 0.0 if low == high else (high - low) / 2  # both may be inf
    return Estimate(crossing(level, curves), half, (low, high))
