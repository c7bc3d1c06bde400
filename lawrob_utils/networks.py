"""ReLU networks: two-layer nets trained many at once, and small multilayer perceptrons.

Read in order: `TwoLayer` and `MLP` (what a trained net is: an immutable memorizer); `fit_two_layer` (E nets trained together,
gradient written by hand); `fit_mlp` (one classifier or regressor, gradient by autograd). Weights and batches are drawn in numpy
from an explicit generator, because torch's own normals differ between CPUs in the last bits. Used by chapters 1 and 2; needs PyTorch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray
from numpy.typing import ArrayLike

from . import _validate as check
from ._torch import torch
from .lipschitz import Bracket, deep_bracket, relu_bracket

DType = Literal["float32", "float64"]
Layers = tuple[tuple[Float[ndarray, "out in"], Float[ndarray, "out"]], ...]


@dataclass(frozen=True, eq=False)
class TwoLayer:
    """One hidden layer: f(x) = Σ_j a_j·relu(⟨w_j, x⟩ + b_j) + c, a memorizer.

    W has the hidden weights w_j as its k rows (d numbers each), b the k hidden biases, a the k output weights, c the
    output bias; `starts` (m, d) are points from which `lipschitz` searches (a fitted net brings its own; None: standard
    normal points drawn with a fixed seed). The arrays are copied to float64 and made read-only.

    Raises ValueError for shapes that do not fit together or entries that are not finite.

    >>> hat = TwoLayer(W=[[1.0], [1.0], [1.0]], b=[0.0, -1.0, -2.0], a=[1.0, -2.0, 1.0], c=0.0)
    >>> hat([[0.5], [1.0], [3.0]])
    array([0.5, 1. , 0. ])
    >>> hat.n_parameters
    10
    """

    W: Float[ndarray, "k d"]
    b: Float[ndarray, "k"]
    a: Float[ndarray, "k"]
    c: float
    name: str = "two-layer ReLU net"
    starts: Float[ndarray, "m d"] | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        W = _frozen(check.matrix(self.W, "W"))
        k = len(W)
        c = check.vector([self.c], "c")[0]
        b, a = (_frozen(check.vector(getattr(self, v), v, length=k)) for v in "ba")
        starts = _starts(self.starts, W.shape[1])
        for attribute, value in (("W", W), ("b", b), ("a", a), ("c", float(c)), ("starts", starts)):
            object.__setattr__(self, attribute, value)

    @property
    def n_parameters(self) -> int:
        """P = k(d + 2) + 1: every weight and bias counts."""
        return self.W.size + self.b.size + self.a.size + 1

    @property
    def layers(self) -> Layers:
        """((W, b), (aᵀ, c)): matrix and bias of each layer, first layer first."""
        return ((self.W, self.b), (self.a[None, :], np.array([self.c])))

    def __call__(self, X: ArrayLike) -> Float[ndarray, "n"]:
        """f at each row of X (n, d)."""
        return _forward(self.layers, check.matrix(X, columns=self.W.shape[1]))[:, 0]

    def gradient(self, X: ArrayLike) -> Float[ndarray, "n d"]:
        """∇f(x) = Σ_j a_j·1[⟨w_j, x⟩ + b_j > 0]·w_j at each row of X; on a kink, the gradient of one side."""
        return _jacobian(self.layers, check.matrix(X, columns=self.W.shape[1]))[:, 0]

    def lipschitz(self) -> Bracket:
        """Largest gradient norm found from `starts` ≤ Lip(f) ≤ the SDP certificate; Euclidean, over all of R^d. See `relu_bracket`."""
        return relu_bracket(self, self.starts)  # type: ignore[arg-type]  # starts are filled in when made

    def as_module(self, dtype: DType = "float64") -> torch.nn.Module:
        """The same function as a torch module (n, d) → (n,), without trainable parameters."""
        return _module(self.layers, dtype, squeeze=True, trainable=False)


@dataclass(frozen=True, eq=False)
class MLP:
    """A ReLU network f(x) = W_D·relu(… relu(W_1 x + b_1) …) + b_D, a memorizer.

    `layers` is ((W_1, b_1), …, (W_D, b_D)) with W_i of shape (outputs, inputs). With one output, f is real-valued and its
    sign is a class in {−1, +1}; with C outputs they are scores, and the largest one names the class in {0, …, C−1}.
    `starts` as in `TwoLayer`. The arrays are copied to float64 and made read-only.

    Raises ValueError if there is no layer, or neighbouring shapes do not fit, or entries are not finite.
    """

    layers: Layers
    name: str = "ReLU network"
    starts: Float[ndarray, "m d"] | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        if len(self.layers) == 0:
            raise ValueError("layers is empty; at least one pair (matrix, bias) is needed")
        done: list[tuple[ndarray, ndarray]] = []
        for i, (W, b) in enumerate(self.layers):
            W = check.matrix(W, f"layers[{i}][0]", columns=len(done[-1][1]) if done else None)
            done.append((_frozen(W), _frozen(check.vector(b, f"layers[{i}][1]", length=len(W)))))
        object.__setattr__(self, "layers", tuple(done))
        object.__setattr__(self, "starts", _starts(self.starts, done[0][0].shape[1]))

    @property
    def n_parameters(self) -> int:
        """P: every weight and bias counts."""
        return sum(W.size + b.size for W, b in self.layers)

    @property
    def n_outputs(self) -> int:
        """C: 1 for a real-valued net, the number of classes for a classifier."""
        return len(self.layers[-1][1])

    def __call__(self, X: ArrayLike) -> Float[ndarray, "n"] | Float[ndarray, "n C"]:
        """f at each row of X (n, d): shape (n,) with one output, scores of shape (n, C) with several."""
        out = _forward(self.layers, check.matrix(X, columns=self.layers[0][0].shape[1]))
        return out[:, 0] if self.n_outputs == 1 else out

    def classify(self, X: ArrayLike) -> Int[ndarray, "n"]:
        """The class of each row of X: the index of the largest score, or the sign (0 counts as +1) if there is one output."""
        out = self(X)
        return np.where(out >= 0, 1, -1) if self.n_outputs == 1 else out.argmax(axis=1)

    def jacobian(self, X: ArrayLike) -> Float[ndarray, "n C d"]:
        """Df(x) at each row of X; on a kink, the derivative of one side."""
        return _jacobian(self.layers, check.matrix(X, columns=self.layers[0][0].shape[1]))

    def lipschitz(self) -> Bracket:
        """Largest ‖Df(x)‖ found from `starts` ≤ Lip(f) ≤ a layer-wise SDP certificate; Euclidean in inputs and outputs. See `deep_bracket`."""
        return deep_bracket(self.layers, self.starts)  # type: ignore[arg-type]  # starts are filled in when made

    def as_module(self, dtype: DType = "float64") -> torch.nn.Module:
        """The same function as a torch module, (n, d) → (n,) or (n, C), without trainable parameters."""
        return _module(self.layers, dtype, squeeze=self.n_outputs == 1, trainable=False)


@dataclass(frozen=True, eq=False)
class TwoLayerBatch(Sequence[TwoLayer]):
    """E two-layer nets that were trained together; `batch[e]` is the e-th as a `TwoLayer`.

    W (E, k, d), b and a (E, k), c (E,) are the weights, `history` (steps, E) the mean squared error on the training
    data before each step, `mse` (E,) the one after the last step, `starts` (m, d) or (E, m, d) as in `TwoLayer`.
    """

    W: Float[ndarray, "E k d"]
    b: Float[ndarray, "E k"]
    a: Float[ndarray, "E k"]
    c: Float[ndarray, "E"]
    mse: Float[ndarray, "E"]
    history: Float[ndarray, "steps E"] = field(repr=False)
    starts: Float[ndarray, "m d"] | Float[ndarray, "E m d"] = field(repr=False)

    def __len__(self) -> int:
        return len(self.c)

    def __getitem__(self, e):  # type: ignore[override]  # int → TwoLayer; slices are not needed
        starts = self.starts[e] if self.starts.ndim == 3 else self.starts
        name = f"two-layer ReLU net, k = {self.W.shape[1]}"
        return TwoLayer(self.W[e], self.b[e], self.a[e], float(self.c[e]), name, starts)

    def __iter__(self) -> Iterator[TwoLayer]:
        return (self[e] for e in range(len(self)))

    def __call__(self, X: ArrayLike) -> Float[ndarray, "E n"]:
        """f_e at each row of X (n, d), for every net e."""
        X = check.matrix(X, columns=self.W.shape[2])
        hidden = np.maximum(self.W @ X.T + self.b[:, :, None], 0)
        return (self.a[:, None, :] @ hidden)[:, 0] + self.c[:, None]


def initial_weights(
    n_nets: int, k: int, d: int, rng: np.random.Generator, input_norm: float = 1.0
) -> tuple[
    Float[ndarray, "E k d"], Float[ndarray, "E k"], Float[ndarray, "E k"], Float[ndarray, "E"]
]:
    """Random weights (W, b, a, c) for E two-layer nets: w_j ~ N(0, I/input_norm²), a_j ~ N(0, 1/k), biases 0.

    With ‖x‖ ≈ input_norm every neuron then sees inputs of size about 1, and the net starts with outputs of size about 1.
    """
    check.generator(rng)
    E, k, d = (check.count(v, s) for v, s in ((n_nets, "n_nets"), (k, "k"), (d, "d")))
    scale = check.positive(input_norm, "input_norm")
    W = rng.standard_normal((E, k, d)) / scale
    a = rng.standard_normal((E, k)) / np.sqrt(k)
    return W, np.zeros((E, k)), a, np.zeros(E)


def fit_two_layer(
    X: Float[ndarray, "n d"] | Float[ndarray, "E n d"],
    y: Float[ndarray, "n"] | Float[ndarray, "E n"],
    k: int,
    *,
    rng: np.random.Generator,
    n_nets: int = 1,
    steps: int = 1000,
    lr: float = 1e-2,
    tol: float = 0.0,
    dtype: DType = "float64",
) -> TwoLayerBatch:
    """E nets of width k that minimise (1/n)·Σ_i (f(x_i) − y_i)², by full-batch Adam, all at once.

    Parameters: X (n, d) or (E, n, d) and y (n,) or (E, n): shared by all nets or one data set each. E is their leading
    length, else `n_nets`. Steps have size lr·cos²(πt/2T), falling to 0 over the T = `steps` steps; training ends
    earlier once every net's error is at most `tol`. Initial weights: `initial_weights` at the root mean square of ‖x_i‖.

    One step costs three matrix products for all nets together and no autograd graph, which for small nets is more than ten
    times faster than one `nn.Module` after the other.

    Raises ValueError for wrong shapes, entries that are not finite, leading lengths that disagree, or settings outside their range.

    Source of the optimiser: Kingma and Ba, "Adam", ICLR 2015, Algorithm 1 (β = 0.9, 0.999, ε = 1e-8).
    """
    X, y, E = _shared_or_stacked(X, y, n_nets)
    steps, k = check.count(steps, "steps"), check.count(k, "k")
    lr, tol = check.positive(lr, "lr"), check.positive(tol, "tol", zero_allowed=True)
    norm = float(np.sqrt((X**2).sum(axis=-1).mean())) or 1.0
    start = initial_weights(E, k, X.shape[-1], check.generator(rng), norm)
    W, b, a, c, history = _adam_on_squared_error(X, y, start, schedule(lr, steps), tol, dtype)
    hidden = np.maximum(W @ X.swapaxes(-1, -2) + b[:, :, None], 0)
    residual = (a[:, None, :] @ hidden)[:, 0] + c[:, None] - y
    return TwoLayerBatch(W, b, a, c, (residual**2).mean(axis=1), history, _points_like(X))


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

    Parameters: X (n, d); y class numbers 0, …, C−1 for "cross-entropy" (C = max y + 1 outputs) or real numbers for "squared"
    (one output). Step size lr·cos²(πt/2T), falling to 0. Weights start as N(0, 2/inputs) (He et al., ICCV 2015), biases at 0.
    Training sees (x − mean)/spread, with one number for the spread, the root mean square over all centred entries; afterwards both
    are folded into the first layer, so the net that comes back takes x itself.

    Raises ValueError for wrong shapes, entries that are not finite, class numbers that are not 0, 1, 2, …, or settings outside their range.
    """
    X = check.matrix(X)
    n, d = X.shape
    check.generator(rng), check.one_of(loss, "loss", ("cross-entropy", "squared"))
    epochs, batch_size = check.count(epochs, "epochs"), check.count(batch_size, "batch_size")
    lr = check.positive(lr, "lr")
    target = _class_numbers(y, n) if loss == "cross-entropy" else check.vector(y, length=n)
    outputs = int(target.max()) + 1 if loss == "cross-entropy" else 1
    sizes = [d, *(check.count(h, "hidden") for h in hidden), outputs]
    real = _real(dtype)
    parameters = []
    for fan_in, fan_out in zip(sizes, sizes[1:], strict=False):
        W = rng.standard_normal((fan_out, fan_in)) * np.sqrt(2 / fan_in)
        parameters += [torch.tensor(W, dtype=real), torch.zeros(fan_out, dtype=real)]
    for p in parameters:
        p.requires_grad_()
    mean = X.mean(axis=0)
    spread = float(np.sqrt(((X - mean) ** 2).mean())) or 1.0
    Xt, yt = (
        torch.tensor((X - mean) / spread, dtype=real),
        torch.tensor(target, dtype=torch.int64 if loss == "cross-entropy" else real),
    )
    cost = (
        torch.nn.functional.cross_entropy
        if loss == "cross-entropy"
        else (lambda out, t: ((out[:, 0] - t) ** 2).mean())
    )
    per_epoch = -(-n // batch_size)
    with torch.enable_grad():
        for t, step in adam(parameters, schedule(lr, epochs * per_epoch)):
            if t % per_epoch == 0:
                order = torch.from_numpy(rng.permutation(n))
            rows = order[(t % per_epoch) * batch_size :][:batch_size]
            out = Xt[rows]
            for i in range(0, len(parameters), 2):
                out = torch.nn.functional.linear(
                    out.relu() if i else out, parameters[i], parameters[i + 1]
                )
            step(cost(out, yt[rows]))
    arrays = [p.detach().numpy().astype(np.float64) for p in parameters]
    arrays[0] /= spread
    arrays[1] -= arrays[0] @ mean
    name = "MLP " + "-".join(map(str, sizes))
    return MLP(tuple(zip(arrays[::2], arrays[1::2], strict=True)), name, _points_like(X))


def schedule(lr: float, steps: int) -> Float[ndarray, "steps"]:
    """The step sizes lr·cos²(πt/2T), t = 0, …, T − 1, with T = `steps`: from lr down to almost 0.

    Raises ValueError if lr ≤ 0 or steps < 1.
    """
    lr, steps = check.positive(lr, "lr"), check.count(steps, "steps")
    return lr * np.cos(np.pi * np.arange(steps) / (2 * steps)) ** 2


def adam(
    parameters: Sequence[torch.Tensor], sizes: Iterable[float]
) -> Iterator[tuple[int, Callable[[torch.Tensor], None]]]:
    """Adam, a step for each size: gives (t, step), and step(loss) moves the parameters against the gradient of loss.

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


def _adam_on_squared_error(X, y, start, rates, tol, dtype):
    """The training loop of `fit_two_layer`: weights after len(rates) Adam steps, and the errors before each."""
    real = _real(dtype)
    W0, b0, a0, c0 = start
    (E, k, d), n = W0.shape, y.shape[1]
    # One flat vector holds all weights (biases as a last column of W), so that Adam is seven calls, whatever the nets.
    theta = torch.tensor(
        np.concatenate([np.append(W0, b0[:, :, None], 2).ravel(), a0.ravel(), c0]), dtype=real
    )
    grad, m, v, scale = (torch.zeros_like(theta) for _ in range(4))

    def weights(flat):
        W, a, c = flat.split([E * k * (d + 1), E * k, E])
        return W.view(E, k, d + 1), a.view(E, 1, k), c.view(E, 1)

    (W, a, c), (dW, da, dc) = weights(theta), weights(grad)
    X1 = torch.tensor(np.append(X, np.ones((*X.shape[:-1], 1)), -1), dtype=real)
    X1T, target = X1.mT.contiguous(), torch.tensor(y, dtype=real)
    H, D = torch.empty(E, k, n, dtype=real), torch.empty(E, k, n, dtype=real)
    shared = X1.ndim == 2
    history = []
    with torch.no_grad():
        for t, rate in enumerate(rates, start=1):
            if shared:
                torch.mm(W.view(E * k, d + 1), X1T, out=H.view(E * k, n))
            else:
                torch.bmm(W, X1T, out=H)
            H.relu_()
            r = torch.bmm(a, H)[:, 0].add_(c).sub_(target)
            history.append(r.square().mean(dim=1))
            if tol > 0 and bool((history[-1] <= tol).all()):
                break
            r.mul_(2 / n)
            torch.sum(r, dim=1, keepdim=True, out=dc)
            torch.bmm(r[:, None], H.mT, out=da)
            torch.mul(a.mT, r[:, None], out=D)
            torch.ops.aten.threshold_backward.grad_input(
                D, H, 0, grad_input=D
            )  # zero where the neuron is off
            if shared:
                torch.mm(D.view(E * k, n), X1, out=dW.view(E * k, d + 1))
            else:
                torch.bmm(D, X1, out=dW)
            m.lerp_(grad, 0.1)
            v.mul_(0.999).addcmul_(grad, grad, value=0.001)
            torch.sqrt(v, out=scale)
            scale.div_((1 - 0.999**t) ** 0.5).add_(1e-8)
            theta.addcdiv_(m, scale, value=-rate / (1 - 0.9**t))
    Wb, a, c = (w.numpy().astype(np.float64) for w in (W, a, c))
    return (
        Wb[:, :, :d],
        Wb[:, :, d],
        a[:, 0],
        c[:, 0],
        torch.stack(history).numpy().astype(np.float64),
    )


def _module(layers: Layers, dtype: DType, *, squeeze: bool, trainable: bool) -> torch.nn.Sequential:
    """Linear layers with ReLU between them; with squeeze, (n, 1) becomes (n,)."""
    parts: list[torch.nn.Module] = []
    for W, b in layers:
        linear = torch.nn.utils.skip_init(torch.nn.Linear, *W.shape[::-1], dtype=_real(dtype))
        for name, value in (("weight", W), ("bias", b)):
            tensor = torch.tensor(value, dtype=_real(dtype))
            setattr(linear, name, torch.nn.Parameter(tensor, requires_grad=trainable))
        parts += [torch.nn.ReLU(), linear] if parts else [linear]
    return torch.nn.Sequential(*parts, *([torch.nn.Flatten(0)] if squeeze else []))


def _forward(layers: Layers, X: Float[ndarray, "n d"]) -> Float[ndarray, "n C"]:
    for i, (W, b) in enumerate(layers):
        X = (np.maximum(X, 0) if i else X) @ W.T + b
    return X


def _jacobian(layers: Layers, X: Float[ndarray, "n d"]) -> Float[ndarray, "n C d"]:
    active = []
    for W, b in layers[:-1]:
        X = np.maximum(X @ W.T + b, 0)
        active.append(X > 0)
    D = np.broadcast_to(layers[-1][0], (len(X), *layers[-1][0].shape))
    for on, (W, _) in zip(reversed(active), reversed(layers[:-1]), strict=True):
        D = (D * on[:, None, :]) @ W
    return D


def _points_like(X: Float[ndarray, "... n d"], most: int = 256) -> Float[ndarray, "... m d"]:
    """Up to `most` of the points, and as many normal ones of the same root mean square norm, drawn with a fixed seed."""
    X = X[..., :most, :]
    norm = np.sqrt((X**2).sum(axis=-1).mean()) or 1.0
    return np.concatenate(
        [X, np.random.default_rng(0).normal(0, norm / np.sqrt(X.shape[-1]), X.shape)], axis=-2
    )


def _starts(starts: ArrayLike | None, d: int) -> Float[ndarray, "m d"]:
    if starts is None:
        starts = np.random.default_rng(0).standard_normal((256, d))
    return _frozen(check.matrix(starts, "starts", columns=d))


def _shared_or_stacked(X, y, n_nets):
    X, y = np.asarray(X), np.asarray(y)
    E = None
    if X.ndim == 3:
        E, n, d = X.shape
        X = check.matrix(X.reshape(E * n, d), "X").reshape(E, n, d)
    else:
        X = check.matrix(X)
        n = len(X)
    if y.ndim == 2:
        if E is not None and len(y) != E:
            raise ValueError(
                f"X holds {E} data sets but y has {len(y)} rows; one row of labels per data set is needed"
            )
        E = len(y)
        if y.shape[1] != n:
            raise ValueError(
                f"y has shape {y.shape}; each of its rows needs {n} entries, one per point"
            )
        y = check.vector(y.ravel(), "y").reshape(E, n)
    else:
        y = check.vector(y, "y", length=n)
    check.count(n_nets, "n_nets")
    if E is None:
        E = n_nets
    elif n_nets not in (1, E):
        raise ValueError(
            f"n_nets = {n_nets} but X or y bring {E} data sets; leave n_nets out or set it to {E}"
        )
    return X, np.broadcast_to(y, (E, n)).copy(), E


def _class_numbers(y: ArrayLike, n: int) -> Int[ndarray, "n"]:
    v = check.vector(y, "y", length=n)
    if (v != np.round(v)).any() or v.min() < 0:
        raise ValueError(
            "y must hold class numbers 0, 1, 2, … for the cross-entropy loss; for real labels use loss='squared'"
        )
    return v.astype(np.int64)


def _real(dtype: DType) -> torch.dtype:
    return {"float32": torch.float32, "float64": torch.float64}[
        check.one_of(dtype, "dtype", ("float32", "float64"))
    ]


def _frozen(v: ndarray) -> ndarray:
    v = np.array(v, dtype=np.float64)
    v.setflags(write=False)
    return v
