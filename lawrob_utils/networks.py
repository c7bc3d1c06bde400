"""ReLU networks: two-layer nets trained many at once, and multilayer perceptrons.

Read in order: `Network` with `TwoLayer` and `MLP` (what a trained net is, immutable; your own comes
in by `from_torch`); `fit_two_layer` (E nets at once, gradient by hand); `fit_mlp` (gradient by
autograd); `adam`. Weights and batches are drawn in numpy, because torch's own normals differ
between CPUs in the last bits. PyTorch is needed only where something trains or is a torch module.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray
from numpy.typing import ArrayLike

from . import _validate as check
from ._torch import torch
from .bracket import Bracket
from .lipschitz import deep_bracket, relu_bracket

DType = Literal["float32", "float64"]
Layers = tuple[tuple[Float[ndarray, "out in"], Float[ndarray, "out"]], ...]


class Network:
    """A function given by `layers`, ((W_1, b_1), …, (W_D, b_D)), with ReLU between them.

    f(x) = W_D·relu(… relu(W_1 x + b_1) …) + b_D, W_i of shape (outputs, inputs). With one output f
    is real-valued and its sign is a class in {−1, +1}; C outputs are scores of the classes 0…C−1.
    """

    layers: Layers

    @property
    def n_parameters(self) -> int:
        """P: every weight and bias counts; k(d + 2) + 1 for a two-layer net of width k."""
        return sum(W.size + b.size for W, b in self.layers)

    @property
    def n_outputs(self) -> int:
        """C: 1 for a real-valued net, the number of classes for a classifier."""
        return len(self.layers[-1][1])

    def __call__(self, X: ArrayLike) -> Float[ndarray, "n"] | Float[ndarray, "n C"]:
        """f at each row of X (n, d): shape (n,) with one output, (n, C) with several."""
        X = check.matrix(X, columns=self.layers[0][0].shape[1])
        for i, (W, b) in enumerate(self.layers):
            X = (np.maximum(X, 0) if i else X) @ W.T + b
        return X[:, 0] if self.n_outputs == 1 else X

    def jacobian(self, X: ArrayLike) -> Float[ndarray, "n C d"]:
        """Df(x) at each row of X; on a kink, the derivative of one side."""
        H, active = check.matrix(X, columns=self.layers[0][0].shape[1]), []
        for W, b in self.layers[:-1]:
            H = np.maximum(H @ W.T + b, 0)
            active.append(H > 0)
        D = np.broadcast_to(self.layers[-1][0], (len(H), *self.layers[-1][0].shape))
        for on, (W, _) in zip(active[::-1], self.layers[-2::-1], strict=True):
            D = (D * on[:, None, :]) @ W
        return D

    def classify(self, X: ArrayLike) -> Int[ndarray, "n"]:
        """The class of each row of X: its largest score, or the sign (0: +1) of the one output."""
        out = self(X)
        return np.where(out >= 0, 1, -1) if self.n_outputs == 1 else out.argmax(axis=1)

    def as_module(self, dtype: DType = "float64") -> torch.nn.Sequential:
        """The same function for torch, (n, d) → (n,) or (n, C), with nothing to train."""
        return _module(self.layers, dtype, trainable=False)


@dataclass(frozen=True, eq=False)
class TwoLayer(Network):
    """One hidden layer: f(x) = Σ_j a_j·relu(⟨w_j, x⟩ + b_j) + c.

    W (k, d) has the hidden weights w_j as rows, b (k,) the hidden biases, a (k,) the output
    weights, c the output bias; `starts` (m, d) are points from which `lipschitz` searches (None:
    normal points, drawn with a fixed seed). Arrays are copied to float64 and made read-only.

    Raises ValueError for shapes that do not fit together or entries that are not finite.

    >>> hat = TwoLayer(W=[[1.0], [1.0], [1.0]], b=[0.0, -1.0, -2.0], a=[1.0, -2.0, 1.0], c=0.0)
    >>> hat([[0.5], [1.0], [3.0]]), hat.n_parameters
    (array([0.5, 1. , 0. ]), 10)
    """

    W: Float[ndarray, "k d"]
    b: Float[ndarray, "k"]
    a: Float[ndarray, "k"]
    c: float
    name: str = "two-layer ReLU net"
    starts: Float[ndarray, "m d"] | None = field(default=None, repr=False)
    layers: Layers = field(init=False, repr=False)

    def __post_init__(self) -> None:
        W = _frozen(check.matrix(self.W, "W"))
        b, a = (_frozen(check.vector(getattr(self, v), v, length=len(W))) for v in "ba")
        c = _frozen(check.vector([self.c], "c"))
        layers = ((W, b), (a[None, :], c))
        _set(self, W=W, b=b, a=a, c=float(c[0]), layers=layers, starts=_starts(self.starts, W))

    @classmethod
    def from_torch(cls, module: torch.nn.Module, starts: ArrayLike | None = None) -> TwoLayer:
        """As `MLP.from_torch`, for nets with one hidden layer and one output."""
        layers = _layers(module)
        if len(layers) != 2 or len(layers[1][1]) != 1:
            raise ValueError(
                f"module has {len(layers)} Linear layers and {len(layers[-1][1])} output(s); "
                "TwoLayer has 2 and 1, for other nets there is MLP.from_torch"
            )
        return cls(*layers[0], layers[1][0][0], layers[1][1][0], starts=starts)  # type: ignore[arg-type]

    def gradient(self, X: ArrayLike) -> Float[ndarray, "n d"]:
        """∇f(x) = Σ_j a_j·1[⟨w_j, x⟩ + b_j > 0]·w_j at each row of X; on a kink, of one side."""
        return self.jacobian(X)[:, 0]

    def lipschitz(self) -> Bracket:
        """Steepest gradient found ≤ Lip(f) ≤ SDP certificate, over all of R^d; `relu_bracket`."""
        return relu_bracket(self, self.starts)  # type: ignore[arg-type]  # None has been replaced


@dataclass(frozen=True, eq=False)
class MLP(Network):
    """A ReLU network of any depth: `layers` as in `Network`, `starts` and copies as in `TwoLayer`.

    Raises ValueError if there is no layer, shapes do not fit, or entries are not finite.
    """

    layers: Layers
    name: str = "ReLU network"
    starts: Float[ndarray, "m d"] | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        try:
            pairs = [(W, b) for W, b in self.layers]
        except (TypeError, ValueError):
            pairs = []
        if not pairs:
            raise ValueError(
                f"layers = {self.layers!r:.60}; pairs (matrix, bias) are needed, one at least"
            )
        done: list[tuple[ndarray, ndarray]] = []
        for i, (W, b) in enumerate(pairs):
            W = check.matrix(W, f"layers[{i}][0]", columns=len(done[-1][1]) if done else None)
            done.append((_frozen(W), _frozen(check.vector(b, f"layers[{i}][1]", length=len(W)))))
        _set(self, layers=tuple(done), starts=_starts(self.starts, done[0][0]))

    @classmethod
    def from_torch(cls, module: torch.nn.Module, starts: ArrayLike | None = None) -> MLP:
        """A net of torch as an `MLP`: the function that it computes in evaluation mode, in float64.

        Parameters: module, Linear layers with ReLU between them in an nn.Sequential, where Flatten,
        Identity and Dropout may stand (they do nothing to rows in evaluation mode; a layer without
        bias gets one of zeros, which counts in P); starts as in `TwoLayer`, best your data.

        Raises ValueError for any other layer, layer with hooks or order of layers, which it names.
        """
        return cls(_layers(module), starts=starts)  # type: ignore[arg-type]

    def lipschitz(self) -> Bracket:
        """Largest ‖Df(x)‖ found ≤ Lip(f) ≤ layer-wise SDP certificate, over R^d; `deep_bracket`."""
        return deep_bracket(self.layers, self.starts)  # type: ignore[arg-type]  # None is replaced


@dataclass(frozen=True, eq=False)
class TwoLayerBatch(Sequence[TwoLayer]):
    """E two-layer nets that were trained together; `batch[e]` is the e-th as a `TwoLayer`.

    W (E, k, d), b and a (E, k), c (E,) are the weights, `mse` (E,) the mean squared errors on the
    training data, `starts` (m, d) as in `TwoLayer`.
    """

    W: Float[ndarray, "E k d"]
    b: Float[ndarray, "E k"]
    a: Float[ndarray, "E k"]
    c: Float[ndarray, "E"]
    mse: Float[ndarray, "E"]
    starts: Float[ndarray, "m d"] = field(repr=False)

    def __len__(self) -> int:
        return len(self.c)

    def __getitem__(self, e):  # type: ignore[override]  # int → TwoLayer; slices are not needed
        name = f"two-layer ReLU net, k = {self.W.shape[1]}"
        return TwoLayer(self.W[e], self.b[e], self.a[e], float(self.c[e]), name, self.starts)

    def __call__(self, X: ArrayLike) -> Float[ndarray, "E n"]:
        """f_e at each row of X (n, d), for every net e."""
        hidden = self.W @ check.matrix(X, columns=self.W.shape[2]).T + self.b[:, :, None]
        return (self.a[:, None, :] @ np.maximum(hidden, 0))[:, 0] + self.c[:, None]


def initial_weights(
    n_nets: int, k: int, d: int, rng: np.random.Generator, input_norm: float = 1.0
) -> tuple[
    Float[ndarray, "E k d"], Float[ndarray, "E k"], Float[ndarray, "E k"], Float[ndarray, "E"]
]:
    """Weights (W, b, a, c) of E nets: w_j ~ N(0, I/input_norm²), a_j ~ N(0, 1/k), biases 0.

    With ‖x‖ ≈ input_norm neurons see inputs of size about 1, and outputs start at about 1.
    Raises ValueError if a number is not positive.
    """
    check.generator(rng)
    E, k, d = (check.count(v, s) for v, s in ((n_nets, "n_nets"), (k, "k"), (d, "d")))
    W = rng.standard_normal((E, k, d)) / check.positive(input_norm, "input_norm")
    return W, np.zeros((E, k)), rng.standard_normal((E, k)) / np.sqrt(k), np.zeros(E)


def fit_two_layer(
    X: Float[ndarray, "n d"],
    y: Float[ndarray, "n"] | Float[ndarray, "E n"],
    k: int,
    *,
    rng: np.random.Generator,
    steps: int = 1000,
    lr: float = 1e-2,
    tol: float = 0.0,
) -> TwoLayerBatch:
    """A net of width k for each row of y that minimises (1/n)·Σ_i (f(x_i) − y_i)², all at once.

    Full-batch Adam with the steps of `schedule`, from `initial_weights` at the root mean square of
    ‖x_i‖; training ends earlier once every net's error is at most `tol`. A step costs three matrix
    products for all nets together: ten times faster than one `nn.Module` after the other.

    Raises ValueError for wrong shapes, entries that are not finite, or settings out of range.
    """
    X, Y = check.matrix(X), check.array(y, "y")
    if Y.ndim not in (1, 2) or Y.shape[-1] != len(X) or not Y.size:
        raise ValueError(f"y has shape {Y.shape}; ({len(X)},) or (E, {len(X)}) is needed")
    Y, sizes = np.atleast_2d(Y), schedule(lr, steps)
    tol = check.positive(tol, "tol", zero_allowed=True)
    norm = float(np.sqrt((X**2).sum(axis=1).mean())) or 1.0
    start = initial_weights(len(Y), k, X.shape[1], rng, norm)
    W, b, a, c = _adam_on_squared_error(X, Y, *start, sizes, tol)
    batch = TwoLayerBatch(W, b, a, c, np.empty(0), _points_like(X))
    return replace(batch, mse=((batch(X) - Y) ** 2).mean(axis=1))


def fit_mlp(
    X: Float[ndarray, "n d"],
    y: Int[ndarray, "n"] | Float[ndarray, "n"],
    hidden: Sequence[int] = (128,),
    *,
    rng: np.random.Generator,
    loss: Literal["cross-entropy", "squared"] = "cross-entropy",
    epochs: int = 50,
    batch_size: int = 128,
    lr: float = 1e-3,
    dtype: DType = "float32",
) -> MLP:
    """A ReLU network with the given hidden widths, trained by Adam on shuffled batches.

    Parameters: X (n, d); y class numbers 0, …, C−1 for "cross-entropy" (C = max y + 1 outputs) or
    real numbers for "squared" (one output). Steps as in `schedule`. Weights start as N(0, 2/inputs)
    (He et al., ICCV 2015), biases at 0. Training sees (x − mean)/spread, spread the root mean
    square of all centred entries; both are folded into the first layer afterwards.

    Raises ValueError for wrong shapes, entries that are not finite, class numbers that are not
    0, 1, 2, …, or settings outside their range.
    """
    X = check.matrix(X)
    n, d = X.shape
    check.generator(rng), check.one_of(loss, "loss", ("cross-entropy", "squared"))
    check.one_of(dtype, "dtype", ("float32", "float64"))
    batch_size, classes = check.count(batch_size, "batch_size"), loss == "cross-entropy"
    per_epoch = -(-n // batch_size)
    sizes = schedule(lr, check.count(epochs, "epochs") * per_epoch)
    target = check.vector(y, length=n)
    if classes and ((target != np.round(target)).any() or target.min() < 0):
        raise ValueError(
            "y must hold class numbers 0, 1, 2, … for the cross-entropy loss; "
            "for real labels use loss='squared'"
        )
    try:
        widths = [d, *(check.count(h, "hidden") for h in hidden)]
    except TypeError:
        raise ValueError(f"hidden = {hidden!r:.60}; widths such as (128,) are needed") from None
    widths.append(int(target.max()) + 1 if classes else 1)
    start = [
        (rng.standard_normal((o, i)) * np.sqrt(2 / i), np.zeros(o))
        for i, o in zip(widths, widths[1:], strict=False)
    ]
    module = _module(start, dtype, trainable=True)
    mean = X.mean(axis=0)
    spread = float(np.sqrt(((X - mean) ** 2).mean())) or 1.0
    real = getattr(torch, dtype)
    Xt = torch.tensor((X - mean) / spread, dtype=real)
    yt = torch.tensor(target, dtype=torch.int64 if classes else real)
    losses = torch.nn.functional
    cost = losses.cross_entropy if classes else losses.mse_loss
    with torch.enable_grad():
        for t, step in adam(list(module.parameters()), sizes):
            if t % per_epoch == 0:
                order = torch.from_numpy(rng.permutation(n))
            rows = order[(t % per_epoch) * batch_size :][:batch_size]
            step(cost(module(Xt[rows]), yt[rows]))
    (W, b), *rest = _layers(module)
    W = W / spread
    name = "MLP " + "-".join(map(str, widths))
    return MLP(((W, b - W @ mean), *rest), name, _points_like(X))


def schedule(lr: float, steps: int) -> Float[ndarray, "steps"]:
    """The step sizes lr·cos²(πt/2T), t = 0, …, T − 1, with T = `steps`: from lr down to almost 0.

    Raises ValueError if lr ≤ 0 or steps < 1.
    """
    lr, steps = check.positive(lr, "lr"), check.count(steps, "steps")
    return lr * np.cos(np.pi * np.arange(steps) / (2 * steps)) ** 2


def adam(
    parameters: Sequence[torch.Tensor], sizes: Iterable[float]
) -> Iterator[tuple[int, Callable[[torch.Tensor], None]]]:
    """Adam, a step for each size: gives (t, step); step(loss) moves the parameters downhill.

        for t, step in adam(weights, schedule(lr, steps)):
            step(loss(weights))

    Source: Kingma and Ba, "Adam", ICLR 2015, Algorithm 1 (β = 0.9, 0.999, ε = 1e-8).
    """
    optimiser = torch.optim.Adam(parameters)

    def step(loss: torch.Tensor) -> None:
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()

    for t, size in enumerate(sizes):
        optimiser.param_groups[0]["lr"] = float(size)
        yield t, step


def _adam_on_squared_error(X, y, W0, b0, a0, c0, sizes, tol):
    """All weights after a step of each size: `adam`, with the gradient by hand, for speed."""
    (E, k, d), n = W0.shape, len(X)
    # All weights in one vector (biases as a last column of W): Adam is seven calls for any E.
    W1 = np.append(W0, b0[:, :, None], 2)
    theta = torch.tensor(np.concatenate([W1.ravel(), a0.ravel(), c0]))
    grad, m, v, scale = (torch.zeros_like(theta) for _ in range(4))

    def weights(flat):
        W, a, c = flat.split([E * k * (d + 1), E * k, E])
        return W.view(E * k, d + 1), a.view(E, 1, k), c.view(E, 1)

    (W, a, c), (dW, da, dc) = weights(theta), weights(grad)
    X1, target = torch.tensor(np.append(X, np.ones((n, 1)), 1)), torch.tensor(y)
    X1T = X1.mT.contiguous()
    H, D = torch.empty(2, E, k, n, dtype=theta.dtype)
    with torch.no_grad():
        for t, size in enumerate(sizes, start=1):
            torch.mm(W, X1T, out=H.view(E * k, n))
            H.relu_()
            r = torch.bmm(a, H)[:, 0].add_(c).sub_(target)
            if tol > 0 and bool((r.square().mean(dim=1) <= tol).all()):
                break
            r.mul_(2 / n)
            torch.sum(r, dim=1, keepdim=True, out=dc)
            torch.bmm(r[:, None], H.mT, out=da)
            torch.mul(a.mT, r[:, None], out=D)
            # zero where the neuron is off
            torch.ops.aten.threshold_backward.grad_input(D, H, 0, grad_input=D)
            torch.mm(D.view(E * k, n), X1, out=dW)
            m.lerp_(grad, 0.1)
            v.mul_(0.999).addcmul_(grad, grad, value=0.001)
            torch.sqrt(v, out=scale)
            scale.div_((1 - 0.999**t) ** 0.5).add_(1e-8)
            theta.addcdiv_(m, scale, value=-size / (1 - 0.9**t))
    W1, a, c = W.view(E, k, d + 1).numpy(), a.numpy()[:, 0], c.numpy()[:, 0]
    return W1[:, :, :d], W1[:, :, d], a, c


def _module(
    layers: Sequence[tuple[ndarray, ndarray]], dtype: DType, *, trainable: bool
) -> torch.nn.Sequential:
    """The layers for torch, with ReLU between them; one output comes as (n,)."""
    real = getattr(torch, check.one_of(dtype, "dtype", ("float32", "float64")))
    parts: list[torch.nn.Module] = []
    for W, b in layers:
        linear = torch.nn.utils.skip_init(torch.nn.Linear, *W.shape[::-1], dtype=real)
        for name, value in (("weight", W), ("bias", b)):
            parameter = torch.nn.Parameter(torch.tensor(value, dtype=real), requires_grad=trainable)
            setattr(linear, name, parameter)
        parts += [torch.nn.ReLU(), linear] if parts else [linear]
    return torch.nn.Sequential(*parts, *([torch.nn.Flatten(0)] if len(layers[-1][1]) == 1 else []))


def _layers(module: torch.nn.Module) -> Layers:
    """The matrices and biases of a torch module that is a `Network`, in float64."""
    need = "Linear layers with ReLU between them are needed, in an nn.Sequential"
    if not isinstance(module, torch.nn.Module):
        raise ValueError(f"module = {module!r:.60} is a {type(module).__name__}; {need}")
    layers: list[tuple[ndarray, ndarray]] = []
    order: list[str] = []
    for name, part in module.named_modules(remove_duplicate=False):
        known = ("Sequential", "Linear", "ReLU", "Flatten", "Identity", "Dropout")
        forward = getattr(part.forward, "__func__", None)  # a subclass may compute something else
        kind = next((k for k in known if forward is getattr(torch.nn, k).forward), "")
        where = f"module[{name}]" if name else "module"
        if not kind or part._forward_hooks or part._forward_pre_hooks:
            what = type(part).__name__ + " with hooks" * bool(kind)
            raise ValueError(f"{where} is a {what}; {need} (or Flatten, Identity, Dropout)")
        one_output = bool(layers) and len(layers[-1][1]) == 1
        if kind == "Flatten" and (part.start_dim != 1 and not one_output or part.end_dim != -1):
            raise ValueError(f"{where} is a {part}; only Flatten() keeps points apart")
        if kind == "Linear":
            bias = torch.zeros(len(part.weight)) if part.bias is None else part.bias
            W, b = (v.detach().cpu().double().numpy() for v in (part.weight, bias))
            layers.append((W, b))
        order += [kind] if kind in ("Linear", "ReLU") else []
    if not layers or order != (["Linear", "ReLU"] * len(layers))[:-1]:
        raise ValueError(f"module is {', '.join(order) or 'empty'}; {need}")
    return tuple(layers)


def _points_like(X: Float[ndarray, "n d"]) -> Float[ndarray, "m d"]:
    """At most 256 of the points, and as many normal ones of their root mean square norm."""
    X = X[:256]
    norm = np.sqrt((X**2).sum(axis=1).mean()) or 1.0
    return np.concatenate(
        [X, np.random.default_rng(0).normal(0, norm / np.sqrt(X.shape[1]), X.shape)]
    )


def _starts(starts: ArrayLike | None, W: Float[ndarray, "k d"]) -> Float[ndarray, "m d"]:
    if starts is None:
        starts = np.random.default_rng(0).standard_normal((256, W.shape[1]))
    return _frozen(check.matrix(starts, "starts", columns=W.shape[1]))


def _frozen(v: ndarray) -> ndarray:
    v = np.array(v, dtype=np.float64)
    v.setflags(write=False)
    return v


def _set(frozen: object, **values: object) -> None:
    for name, value in values.items():
        object.__setattr__(frozen, name, value)
