"""A two-layer net, a deep MLP, a convnet and a small transformer with equally many parameters on the same noisy data: chapter 11.

    python -m lawrob_utils.records architectures --preset full          (about 6 minutes on one core)

Read in order: `row` (one net), `sizes` and `Net` (the four architectures), `train`, `steepest` (a lower bound for any of them), `upper_bound`.

Data: 600 of scikit-learn's digits, pixels in [0, 1], d = 64. The label is +1 for the digits 5 to 9 and −1 for the others; a fifth of the labels is
then replaced by coin tosses, so that σ² = E Var(y|x) = 1 − 0.8² = 0.36, if the true labels are a function of x. The other 1197 digits, with
true labels, are the test set.
All nets have one output and are trained on the squared error until it is 0.02 on the training set. P is that of transformers with 16 and 32
numbers a token; the other nets have the same P within 3 %. For comparison: nd = 38 400.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from lawrob_utils import _validate as check
from lawrob_utils import data
from lawrob_utils.lipschitz import (
    annealed_ascent,
    data_lipschitz,
    deep_certificate,
    relu_bracket,
    spectral_bound,
)
from lawrob_utils.records import Record, generator

SEED = 20210526
N, SHARE, ENOUGH = 600, 0.2, 0.02
SIDE, PATCH, HEADS = 8, 2, 4
ARCHITECTURES = ("two-layer", "deep MLP", "convnet", "transformer")
METHODS = ("plain", "gradient penalty", "adversarial")
RADII = (0.1, 0.25, 0.5)
PENALTY, RADIUS, RATE = (
    0.01,
    0.25,
    {"two-layer": 0.01, "deep MLP": 0.003, "convnet": 0.003, "transformer": 0.003},
)


def row(
    *,
    rng: np.random.Generator,
    device: str = "cpu",
    architecture: str,
    P: int,
    method: str,
    seed: int,
    epochs: int,
    attacked: int,
) -> dict[str, object]:
    """One net of about P parameters: its error, its Lipschitz constant from below and, where there is a bound, from above, its robust accuracy.

    The data depend on seed alone; initial weights, batches and starts are drawn from rng. lower_box, lower_10, lower_100 are slopes witnessed in the cube
    of pixels [0, 1]^64 and in cubes 10 and 100 times as wide with the same centre; lower is the largest of all that were met, in any place;
    upper bounds Lip(f) on R^64 (empty for the transformer, which has no such constant as far as is known); floor is the least Lipschitz
    constant of a perfect fit. train_r and test_r are accuracies under PGD at ℓ2 radius r inside [0, 1]^64 on the first `attacked` points, with
    the labels used in training and with the true ones. margin is the mean of y·f(x), slope the median of ‖∇f(x)‖, on the same test points.
    """
    from lawrob_utils._torch import torch
    from lawrob_utils.attacks import robust_accuracy

    X, y, Xt, yt = sample(seed)
    net = Net(architecture, sizes(architecture, P))
    weights, used = train(net, X, y, method, rng=rng, epochs=epochs, device=device)
    f = net.function([torch.tensor(w, dtype=torch.float64) for w in weights])
    with torch.no_grad():
        fitted, tested = (f(torch.tensor(Z)).numpy() for Z in (X, Xt))
    mse = float(np.mean((fitted - y) ** 2))
    starts = np.concatenate([X[:16], Xt[:16]])
    lower = {wide: steepest(f, starts, wide, rng) for wide in (1, 10, 100)}
    anywhere, upper = max(lower.values()), None
    if architecture != "transformer":
        layers = net.layers(weights)
        found, upper = _both_sides(architecture, layers, starts)
        anywhere = max(anywhere, found)
    settings: dict[str, Any] = {"steps": 20, "restarts": 2, "clip": (0.0, 1.0)}
    train_at, test_at = (
        np.asarray(robust_accuracy(f, Z[:attacked], c[:attacked], RADII, rng=rng, **settings))
        for Z, c in ((X, y), (Xt, yt))
    )
    gradients = _gradients(f, Xt[:attacked])
    return {
        "parameters": net.n_parameters, "epochs_used": used, "mse": _digits(mse), "eps": _digits(1 - (1 - SHARE) ** 2 - mse),
        "lower_box": _down(lower[1]), "lower_10": _down(lower[10]), "lower_100": _down(lower[100]), "lower": _down(anywhere),
        "upper": None if upper is None else float(np.ceil(upper * 1e3) / 1e3), "floor": _digits(data_lipschitz(X, y).value),
        "margin": _digits(np.mean(tested[:attacked] * yt[:attacked])), "slope": _digits(np.median(np.linalg.norm(gradients, axis=1))),
        "test_accuracy": _digits(np.mean(tested * yt > 0)),
        **{f"train_{r:g}": _digits(a) for r, a in zip(RADII, train_at, strict=True)},
        **{f"test_{r:g}": _digits(a) for r, a in zip(RADII, test_at, strict=True)},
    }  # fmt: skip


def sample(seed: int) -> tuple[ndarray, ndarray, ndarray, ndarray]:
    """(X, y) for training, a share of the labels being coin tosses, and (X, y) for testing, with true labels."""
    draw, images = generator(SEED, {"seed": seed}), data.digits()
    order, truth = draw.permutation(len(images.X)), np.where(images.labels >= 5, 1.0, -1.0)
    first, rest = order[:N], order[N:]
    y = np.where(draw.random(N) < SHARE, data.random_signs(N, draw), truth[first])
    return images.X[first], y, images.X[rest], truth[rest]


def sizes(architecture: str, P: int) -> tuple[int, ...]:
    """Widths with about P parameters: (k,), four equal hidden widths, (channels, hidden), or (numbers a token,); one output, 64 inputs.

    Raises ValueError for an unknown architecture or if no sizes come within 3 % of P.
    """
    check.one_of(architecture, "architecture", ARCHITECTURES)
    d = SIDE**2
    if architecture == "two-layer":
        found: tuple[int, ...] = (max(1, round((P - 1) / (d + 2))),)
    elif architecture == "deep MLP":
        found = (max(1, round((np.sqrt((d + 5) ** 2 + 12 * (P - 1)) - d - 5) / 6)),) * 4
    elif architecture == "convnet":
        c = max(1, round(0.1 * np.sqrt(P)))
        found = (c, max(1, round((P - 1 - 12 * c - 18 * c * c) / (d // 2 * c + 2))))
    else:
        found = (max(1, round((np.sqrt(36**2 + 64 * (P - 1)) - 36) / 32 / HEADS)) * HEADS,)
    got = Net(architecture, found).n_parameters
    if abs(got - P) > 0.03 * P:
        raise ValueError(
            f"P = {P}: the nearest {architecture} has {got} parameters, more than 3 % off; choose another P"
        )
    return found


@dataclass(frozen=True)
class Net:
    """An architecture with its widths (see `sizes`): the shapes of its weights, and the function that weights define.

    two-layer, deep MLP: fully connected, ReLU. convnet: 3×3 convolutions to c channels and, with stride 2, to 2c, then a hidden layer; zero padding, ReLU.
    transformer: 16 tokens of 2×2 pixels, embedded, with learnt positions; two blocks of dot-product self-attention with 4 heads and an MLP (GELU, twice as
    wide), both with a skip connection and without layer norm; the mean token is read out linearly.
    """

    architecture: str
    widths: tuple[int, ...]
    shapes: tuple[tuple[int, ...], ...] = field(init=False)

    def __post_init__(self) -> None:
        if self.architecture in ("two-layer", "deep MLP"):
            chain = (SIDE**2, *self.widths, 1)
            shapes: list[tuple[int, ...]] = [
                s for a, b in zip(chain, chain[1:], strict=False) for s in ((b, a), (b,))
            ]
        elif self.architecture == "convnet":
            c, h = self.widths
            shapes = [
                (c, 1, 3, 3),
                (c,),
                (2 * c, c, 3, 3),
                (2 * c,),
                (h, SIDE**2 // 2 * c),
                (h,),
                (1, h),
                (1,),
            ]
        else:
            (m,) = self.widths
            block: list[tuple[int, ...]] = [
                (3 * m, m),
                (3 * m,),
                (m, m),
                (m,),
                (2 * m, m),
                (2 * m,),
                (m, 2 * m),
                (m,),
            ]
            shapes = [(m, PATCH**2), (m,), ((SIDE // PATCH) ** 2, m), *block, *block, (1, m), (1,)]
        object.__setattr__(self, "shapes", tuple(shapes))

    @property
    def n_parameters(self) -> int:
        """P: every weight, bias and position counts once, however often it is used."""
        return sum(int(np.prod(shape)) for shape in self.shapes)

    def initial_weights(self, rng: np.random.Generator) -> list[ndarray]:
        """Matrices and kernels N(0, 2/inputs) (transformer: N(0, 1/inputs), positions N(0, ¼)), biases 0."""
        gain = 1.0 if self.architecture == "transformer" else 2.0
        weights = [
            np.zeros(s) if len(s) == 1 else rng.standard_normal(s) * np.sqrt(gain / np.prod(s[1:]))
            for s in self.shapes
        ]
        if self.architecture == "transformer":
            weights[2] = 0.5 * rng.standard_normal(self.shapes[2])
        return weights

    def function(self, weights: list) -> Callable:
        """The map (n, 64) → (n,) for torch, with the given weights (torch tensors, in the order of `shapes`)."""
        from lawrob_utils._torch import torch

        F = torch.nn.functional
        pairs = list(zip(weights[::2], weights[1::2], strict=False))

        def fully_connected(x):
            for W, b in pairs[:-1]:
                x = F.linear(x, W, b).relu()
            return F.linear(x, *pairs[-1])[:, 0]

        def convolutional(x):
            x = F.conv2d(x.view(-1, 1, SIDE, SIDE), *pairs[0], padding=1).relu()
            x = F.conv2d(x, *pairs[1], padding=1, stride=2).relu().flatten(1)
            return F.linear(F.linear(x, *pairs[2]).relu(), *pairs[3])[:, 0]

        def transformer(x):
            E, e, positions, *blocks, R, r = weights
            side = SIDE // PATCH
            tokens = (
                x.view(-1, side, PATCH, side, PATCH).transpose(2, 3).reshape(-1, side**2, PATCH**2)
            )
            h = F.linear(tokens, E, e) + positions
            for at in (0, 8):
                A, a, B, b, C, c, D, d = blocks[at : at + 8]
                q, k, v = F.linear(h, A, a).unflatten(2, (3, HEADS, -1)).permute(2, 0, 3, 1, 4)
                share = (q @ k.transpose(2, 3) / q.shape[-1] ** 0.5).softmax(dim=3)
                h = h + F.linear((share @ v).transpose(1, 2).flatten(2), B, b)
                h = h + F.linear(F.gelu(F.linear(h, C, c)), D, d)
            return F.linear(h.mean(dim=1), R, r)[:, 0]

        return {"convnet": convolutional, "transformer": transformer}.get(
            self.architecture, fully_connected
        )

    def layers(self, weights: list[ndarray]) -> tuple[tuple[ndarray, ndarray], ...]:
        """The ReLU nets as a chain of matrices and biases; a convolution becomes the matrix it is. Raises ValueError for the transformer."""
        if self.architecture == "transformer":
            raise ValueError(
                "architecture = 'transformer'; attention is no chain of matrices and ReLUs"
            )
        if self.architecture != "convnet":
            return tuple(zip(weights[::2], weights[1::2], strict=True))
        K1, b1, K2, b2, *rest = weights
        half = SIDE // 2
        first, second = _as_matrix(K1, SIDE, 1), _as_matrix(K2, SIDE, 2)
        return (
            (first, np.repeat(b1, SIDE**2)),
            (second, np.repeat(b2, half**2)),
            tuple(rest[:2]),
            tuple(rest[2:]),
        )  # type: ignore[return-value]


def _as_matrix(
    kernel: Float[ndarray, "out in 3 3"], side: int, stride: int
) -> Float[ndarray, "rows columns"]:
    """The matrix of a 3×3 convolution with zero padding on images of side×side, channel by channel."""
    from lawrob_utils._torch import torch

    units = torch.eye(kernel.shape[1] * side**2, dtype=torch.float64).view(
        -1, kernel.shape[1], side, side
    )
    return (
        torch.nn.functional.conv2d(units, torch.tensor(kernel), padding=1, stride=stride)
        .flatten(1)
        .T.numpy()
    )


def train(
    net: Net,
    X: ndarray,
    y: ndarray,
    method: str,
    *,
    rng: np.random.Generator,
    epochs: int,
    device: str = "cpu",
) -> tuple[list[ndarray], int]:
    """Weights after Adam on batches of 100 (float32, cosine² step sizes), and the epochs used: it stops once the training error is 0.02.

    Minimised is the squared error; with "gradient penalty" plus 0.01·‖∇f(x_i)‖², with "adversarial" at the end of two PGD steps of ℓ2 radius 0.25.
    """
    from lawrob_utils._torch import torch
    from lawrob_utils.networks import adam

    check.one_of(method, "method", METHODS)
    weights = [
        torch.tensor(w, dtype=torch.float32, device=device, requires_grad=True)
        for w in net.initial_weights(rng)
    ]
    f = net.function(weights)
    Xt, yt = (torch.tensor(v, dtype=torch.float32, device=device) for v in (X, y))
    batches = -(-len(X) // 100)
    rate, steps = RATE[net.architecture], epochs * batches
    # not `schedule`: the cosine of an array differs in the last bit, and rows are reproduced exactly
    rates = (rate * np.cos(np.pi * t / (2 * steps)) ** 2 for t in range(steps))
    for t, step in adam(weights, rates):
        if t % batches == 0:
            with torch.no_grad():
                if t and float((f(Xt) - yt).square().mean()) <= ENOUGH:
                    break
            order = torch.from_numpy(rng.permutation(len(X)))
        rows = order[t % batches * 100 :][:100].to(device)
        x, target = Xt[rows], yt[rows]
        if method == "adversarial":
            x = _moved(f, x, target, min(1.0, 2 * t / steps) * RADIUS)
        if method == "gradient penalty":
            x.requires_grad_()
        out = f(x)
        loss = (out - target).square().mean()
        if method == "gradient penalty":
            loss = (
                loss
                + PENALTY
                * torch.autograd.grad(out.sum(), x, create_graph=True)[0].square().sum(dim=1).mean()
            )
        step(loss)
    else:
        t += 1
    return [w.detach().cpu().numpy().astype(np.float64) for w in weights], t // batches


def _moved(f: Callable, x, target, radius: float):
    """Each point moved within ℓ2 distance radius, two steps uphill in (f − y)²; not by `pgd`, which lowers y·f even where that is above 1."""
    from lawrob_utils._torch import torch

    moved = x
    for _ in range(2):
        moved = moved.detach().requires_grad_()
        G = torch.autograd.grad((f(moved) - target).square().sum(), moved)[0]
        delta = moved.detach() + 0.7 * radius * G / G.norm(dim=1, keepdim=True).clamp_min(1e-12) - x
        moved = x + delta * (radius / delta.norm(dim=1, keepdim=True).clamp_min(1e-12)).clamp_max(1)
    return moved


def steepest(
    f: Callable,
    starts: Float[ndarray, "m d"],
    wide: float,
    rng: np.random.Generator,
    *,
    steps: int = 60,
) -> float:
    """The largest slope |f(x + ρv) − f(x − ρv)|/(2ρ) met on paths that climb it in the cube [½ − wide/2, ½ + wide/2]^d: a lower bound of Lip(f) there.

    v is the direction of ∇f(x); the derivative of the slope in x is the difference of the two gradients over 2ρ. ρ falls from 0.3 to 0.001 times wide, so that
    kinks are seen from afar at first and the slope is almost a gradient in the end. Both end points stay in the cube, the slope is one
    between two points, computed in float64: no differentiability is needed, and any function of torch will do.

    Parameters: f (n, d) → (n,); starts (m, d), moved away from the centre ½ by the factor wide, half of them with fresh noise of that size; steps.
    """
    from lawrob_utils._torch import torch

    low, high = 0.5 - wide / 2, 0.5 + wide / 2
    noise = rng.uniform(low, high, starts.shape) * (np.arange(len(starts)) % 2)[:, None]
    points = np.where(np.arange(len(starts))[:, None] % 2, noise, 0.5 + (starts - 0.5) * wide)
    x, best = torch.tensor(np.clip(points, low, high)), 0.0
    for t, share in enumerate(np.geomspace(0.3, 0.001, steps)):
        G = _gradient(f, x)
        v = share * wide * G / G.norm(dim=1, keepdim=True).clamp_min(1e-300)
        ends = torch.cat([(x + v).clamp(low, high), (x - v).clamp(low, high)])
        with torch.enable_grad():
            ends.requires_grad_()
            values = f(ends)
            there, here = torch.autograd.grad(values.sum(), ends)[0].split(len(x))
        a, b = ends.detach().split(len(x))
        rise, run = values.detach()[: len(x)] - values.detach()[len(x) :], (a - b).norm(dim=1)
        slopes = torch.where(run > 1e-9 * wide, rise.abs() / run.clamp_min(1e-300), 0.0)
        best = max(best, float(slopes.max()))
        climb = there - here
        climb = climb / climb.norm(dim=1, keepdim=True).clamp_min(1e-300)
        x = (x + 0.3 * wide * (1 - t / steps) * climb).clamp(low, high)
    return best


def _gradient(f: Callable, x):
    from lawrob_utils._torch import torch

    with torch.enable_grad():
        x = x.detach().requires_grad_()
        return torch.autograd.grad(f(x).sum(), x)[0]


def _gradients(f: Callable, X: ndarray) -> ndarray:
    from lawrob_utils._torch import torch

    return _gradient(f, torch.tensor(X)).numpy()


def _both_sides(architecture: str, layers: tuple, starts: ndarray) -> tuple[float, float]:
    """A steepest gradient found on R^64, and an upper bound there: the SDP certificates for fully connected nets, the product of norms for the convnet."""
    if architecture == "two-layer":
        (W, b), (a, _) = layers
        bracket = relu_bracket(_TwoLayer(W, b, a[0]), starts)
        return bracket.lower, bracket.upper
    found = annealed_ascent(layers, starts, steps=60).value
    matrices = [W for W, _ in layers]
    return found, deep_certificate(
        matrices, steps=30
    ) if architecture == "deep MLP" else spectral_bound(matrices)


@dataclass(frozen=True)
class _TwoLayer:
    W: Float[ndarray, "k d"]
    b: Float[ndarray, "k"]
    a: Float[ndarray, "k"]


def _digits(value: float) -> float:
    return float(f"{value:.4g}")


def _down(value: float) -> float:
    return float(np.floor(value * 1e3) / 1e3)


PARAMETERS = (4673, 17537)
FULL = (
    {
        "seed": (0, 1, 2),
        "P": PARAMETERS,
        "architecture": ARCHITECTURES,
        "method": ("plain",),
        "epochs": (300,),
        "attacked": (200,),
    },
    {
        "seed": (0, 1, 2),
        "P": PARAMETERS[:1],
        "architecture": ARCHITECTURES,
        "method": METHODS[1:],
        "epochs": (150,),
        "attacked": (200,),
    },
)
QUICK = {
    "seed": (0,),
    "P": PARAMETERS[:1],
    "architecture": ARCHITECTURES,
    "method": ("plain",),
    "epochs": (4,),
    "attacked": (30,),
}

RECORD = Record(
    name="architectures",
    summary="two-layer net, deep MLP, convnet and small transformer at matched P on digits with random labels: Lipschitz bounds and robust accuracy",
    row=row,
    presets={"quick": QUICK, "full": FULL},
    seed=SEED,
    minutes={"quick": 0.1, "full": 6},
    needs=("torch",),
    tolerance="exactly, on the same machine and versions; elsewhere 20 % in Lipschitz bounds and 0.05 in accuracies, as rounding errors grow in training",
)
load, run = RECORD.load, RECORD.run
