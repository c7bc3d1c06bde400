"""The convolutional networks of Madry et al. for digits, one for each capacity, and fast adversarial training.

Read in order: `parameter_count`, `ConvNet` (a trained net, immutable), `fit_convnet` (plain or adversarial training with a schedule that
keeps the few steps of attack honest). Weights, batches and random starts are drawn in numpy. Used by chapter 9 (MNIST at ε = 0.3); needs PyTorch.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray
from numpy.typing import ArrayLike

from lawrob_utils import _validate as check
from lawrob_utils._torch import torch
from lawrob_utils.networks import adam

Precision = Literal["float32", "bfloat16"]
CLASSES = 10


def shapes(scale: int, side: int = 28) -> tuple[tuple[int, ...], ...]:
    """Shapes of the eight arrays of a `ConvNet`, weight and bias in turn: two 5×5 convolutions with 2s and 4s filters, 64s neurons, 10 scores.

    Raises ValueError if scale < 1 or side is no positive multiple of 4 (there are two 2×2 poolings).
    """
    s, side = check.count(scale, "scale"), check.count(side, "side")
    if side % 4:
        raise ValueError(
            f"side = {side}; a multiple of 4 is needed, because two poolings halve the image"
        )
    flat = 4 * s * (side // 4) ** 2
    return (
        (2 * s, 1, 5, 5),
        (2 * s,),
        (4 * s, 2 * s, 5, 5),
        (4 * s,),
        (64 * s, flat),
        (64 * s,),
        (CLASSES, 64 * s),
        (CLASSES,),
    )


def parameter_count(scale: int, side: int = 28) -> int:
    """P = (25·2s + 2s) + (25·2s·4s + 4s) + ((side/4)²·4s·64s + 64s) + (10·64s + 10): all weights and biases, a shared weight once.

    >>> [parameter_count(s) for s in (1, 2, 4, 8, 16)]
    [13514, 52506, 206954, 821706, 3274634]

    Source: the architecture of Madry et al., ICLR 2018, for MNIST, with kernels and padding as in their released model (5×5, "same").
    """
    return sum(int(np.prod(shape)) for shape in shapes(scale, side))


@dataclass(frozen=True, eq=False)
class ConvNet:
    """conv(2s) → pool → conv(4s) → pool → 64s neurons → 10 scores, ReLU in between, on side×side images given as rows of pixels.

    `weights` are the eight arrays of `shapes`, copied to float32 and made read-only. `history` has a row per epoch of training: the mean
    loss and the accuracy on the (perturbed) training images as they were met.

    Raises ValueError for wrong shapes or entries that are not finite.
    """

    scale: int
    weights: tuple[ndarray, ...]
    side: int = 28
    history: Float[ndarray, "epochs 2"] = field(
        default_factory=lambda: np.empty((0, 2)), repr=False
    )

    def __post_init__(self) -> None:
        wanted = shapes(self.scale, self.side)
        if len(self.weights) != len(wanted):
            raise ValueError(
                f"weights has {len(self.weights)} arrays; the {len(wanted)} of shapes(scale, side) are needed"
            )
        frozen = []
        for i, (w, shape) in enumerate(zip(self.weights, wanted, strict=True)):
            w = np.array(w, dtype=np.float32)
            if w.shape != shape:
                raise ValueError(
                    f"weights[{i}] has shape {w.shape}; {shape} is needed for scale {self.scale} and side {self.side}"
                )
            if not np.isfinite(w).all():
                raise ValueError(f"weights[{i}] has entries that are not finite")
            w.setflags(write=False)
            frozen.append(w)
        object.__setattr__(self, "weights", tuple(frozen))

    @property
    def n_parameters(self) -> int:
        """P: every weight and bias once."""
        return sum(w.size for w in self.weights)

    @property
    def name(self) -> str:
        return f"convnet of scale {self.scale}"

    def __call__(self, X: Float[ndarray, "n d"]) -> Float[ndarray, "n 10"]:
        """The ten scores at each row of X, computed in float32 (given back as float64), 500 images at a time."""
        X = _images(X, self.side)
        net = self.as_module()
        with torch.no_grad():
            return np.concatenate(
                [net(torch.from_numpy(X[i : i + 500])).numpy() for i in range(0, len(X), 500)]
            ).astype(np.float64)

    def classify(self, X: Float[ndarray, "n d"]) -> Int[ndarray, "n"]:
        """The class with the largest score at each row of X."""
        return self(X).argmax(axis=1)

    def as_module(self, dtype: Literal["float32", "float64"] = "float32") -> torch.nn.Module:
        """The same function as a torch module, (n, side²) → (n, 10), without trainable parameters."""
        return _Module(
            self.weights,
            self.side,
            getattr(torch, check.one_of(dtype, "dtype", ("float32", "float64"))),
            trainable=False,
        )


def fit_convnet(
    X: Float[ndarray, "n d"],
    y: Int[ndarray, "n"],
    scale: int,
    *,
    rng: np.random.Generator,
    eps: float = 0.0,
    epochs: int = 8,
    attack_steps: int = 4,
    step_size: float | None = None,
    warmup: float = 0.4,
    batch_size: int = 128,
    lr: float = 5e-3,
    precision: Precision = "bfloat16",
    device: str = "cpu",
) -> ConvNet:
    """A `ConvNet` that minimises the cross-entropy at the worst point found in the ℓ∞ ball of radius eps around each image.

    The worst point is sought from a uniform random start in the ball by K = `attack_steps` signed steps of step_size·eps, kept in the ball and
    in [0, 1]; without a step_size they fall linearly from eps to eps/K, which finds more in a few steps. eps = 0 is plain training. With 1 step
    of 1.25 this is the fast method of Wong, Rice and Kolter (ICLR 2020), with 10 steps of 0.25 that of Madry et al. (ICLR 2018). Each step
    costs one forward and one backward pass, the update one more.
    A few steps are enough only if the net cannot learn to make its loss wavy inside the ball, after which they no longer find anything though a
    full attack does ("catastrophic overfitting"): compare the accuracy under both.

    Parameters: X (n, side²) with pixels in [0, 1], side a multiple of 4; y class numbers 0…9. warmup: the radius grows from 0 to eps during
    this share of all steps (0: full radius from the first step on). lr: Adam's largest step size; it rises linearly from 0 over 30 % of the
    steps and falls back to 0. Weights start as N(0, 2/inputs), biases at 0. precision: in which the layers are evaluated ("bfloat16" halves
    the time on processors that have it); weights, updates and what comes back are float32.

    Raises ValueError for wrong shapes, pixels outside [0, 1], labels outside 0…9, settings outside their range, or a device that is not there.
    """
    X = np.asarray(X)
    side = round(np.sqrt(X.shape[1])) if X.ndim == 2 else 0
    X = _images(X, side or 28)
    n = len(X)
    labels = check.vector(y, "y", length=n)
    if not np.isin(labels, np.arange(CLASSES)).all():
        raise ValueError(
            f"y holds {labels[~np.isin(labels, np.arange(CLASSES))][0]:g}; class numbers 0 to {CLASSES - 1} are needed"
        )
    if X.min() < 0 or X.max() > 1:
        raise ValueError(
            f"X has entries in [{X.min():g}, {X.max():g}], outside [0, 1]; rescale the pixels"
        )
    check.generator(rng), check.one_of(precision, "precision", ("float32", "bfloat16"))
    eps, lr = check.positive(eps, "eps", zero_allowed=True), check.positive(lr, "lr")
    warmup = check.positive(warmup, "warmup", zero_allowed=True)
    epochs, batch_size, K = (
        check.count(v, s)
        for v, s in ((epochs, "epochs"), (batch_size, "batch_size"), (attack_steps, "attack_steps"))
    )
    sizes = (
        np.arange(K, 0, -1) / K
        if step_size is None
        else np.full(K, check.positive(step_size, "step_size"))
    )
    where = _device(device)
    net = _Module(_initial(scale, side, rng), side, torch.float32, trainable=True).to(where)
    images, target = (
        torch.from_numpy(X).to(where),
        torch.from_numpy(labels.astype(np.int64)).to(where),
    )
    per_epoch = -(-n // batch_size)
    total, history = epochs * per_epoch, []
    rates = [
        lr * min((t + 1) / (0.3 * total), (total - t) / (0.7 * total), 1.0) for t in range(total)
    ]

    def cost(x: torch.Tensor, t: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        with torch.autocast(where.type, torch.bfloat16, enabled=precision == "bfloat16"):
            scores = net(x)
        return torch.nn.functional.cross_entropy(scores.float(), t), scores.detach()

    with torch.enable_grad():
        for t, step in adam(list(net.parameters()), rates):
            if t % per_epoch == 0:
                order, loss_sum, right = torch.from_numpy(rng.permutation(n)).to(where), 0.0, 0
            rows = order[(t % per_epoch) * batch_size :][:batch_size]
            x0, label = images[rows], target[rows]
            radius = eps * min(1.0, (t + 1) / (warmup * total)) if warmup else eps
            x = x0
            # not `pgd`: training takes the last point instead of the worst one met, which saves a pass, in any precision
            if eps:
                low, high = (x0 - radius).clamp(min=0), (x0 + radius).clamp(max=1)
                noise = torch.from_numpy(rng.random(tuple(x0.shape), dtype=np.float32)).to(where)
                x = torch.clamp(x0 + radius * (2 * noise - 1), low, high)
                for size in sizes:
                    x.requires_grad_()
                    gradient = torch.autograd.grad(cost(x, label)[0], x)[0]  # in x only
                    x = torch.clamp(x.detach() + float(size) * radius * gradient.sign(), low, high)
            loss, scores = cost(x, label)
            step(loss)
            loss_sum, right = (
                loss_sum + loss.item() * len(rows),
                right + int((scores.argmax(dim=1) == label).sum()),
            )
            if (t + 1) % per_epoch == 0:
                history.append((loss_sum / n, right / n))
    return ConvNet(
        scale,
        tuple(p.detach().cpu().contiguous().numpy() for p in net.parameters()),
        side,
        np.array(history),
    )


class _Module(torch.nn.Module):
    """The convnet for torch: rows of pixels in, scores out. Channels last, which makes it about twice as fast on a processor."""

    def __init__(
        self, weights: tuple[ndarray, ...], side: int, dtype: torch.dtype, *, trainable: bool
    ) -> None:
        super().__init__()
        self.side = side
        for i, w in enumerate(weights):
            v = torch.tensor(w, dtype=dtype)
            v = v.contiguous(memory_format=torch.channels_last) if v.ndim == 4 else v
            if trainable:
                self.register_parameter(f"w{i}", torch.nn.Parameter(v))
            else:
                self.register_buffer(f"w{i}", v)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        f = torch.nn.functional
        w = [getattr(self, f"w{i}") for i in range(8)]
        x = x.view(len(x), 1, self.side, self.side)
        x = f.max_pool2d(
            f.conv2d(x, w[0], w[1], padding=2), 2
        ).relu()  # the same as pooling after relu, on a quarter of the entries
        x = f.max_pool2d(f.conv2d(x, w[2], w[3], padding=2), 2).relu()
        return f.linear(f.linear(x.flatten(1), w[4], w[5]).relu(), w[6], w[7])


class InBfloat16(torch.nn.Module):
    """A module evaluated with bfloat16 products, which is twice as fast where the processor has them; for the steps of an attack.

    What it finds must be checked with the module itself: scores are right to about 1 % only.
    """

    def __init__(self, module: torch.nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The module's scores, products in bfloat16."""
        with torch.autocast(x.device.type, torch.bfloat16):
            return self.module(x).to(x.dtype)


def _initial(scale: int, side: int, rng: np.random.Generator) -> tuple[ndarray, ...]:
    """N(0, 2/inputs) for weights, 0 for biases (He et al., ICCV 2015)."""
    drawn = []
    for shape in shapes(scale, side):
        std = np.sqrt(2 / np.prod(shape[1:])) if len(shape) > 1 else 0.0
        drawn.append(rng.standard_normal(shape) * std)
    return tuple(drawn)


def _images(X: ArrayLike, side: int) -> Float[ndarray, "n d"]:
    X = np.ascontiguousarray(X, dtype=np.float32)
    if X.ndim != 2 or len(X) == 0 or X.shape[1] != side * side:
        raise ValueError(
            f"X has shape {X.shape}; (n, {side * side}) is needed, one image of {side}×{side} pixels per row"
        )
    if not np.isfinite(X).all():
        raise ValueError("X has entries that are not finite")
    return X


def _device(name: str) -> torch.device:
    check.one_of(name, "device", ("cpu", "cuda"))
    if name == "cuda" and not torch.cuda.is_available():
        raise ValueError(
            "device = 'cuda' but this machine has no CUDA device that PyTorch can use; take device='cpu'"
        )
    return torch.device(name)
