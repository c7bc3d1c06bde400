"""ReLU networks: two-layer nets trained many at once, and multilayer perceptrons.

Read in order: `Network` with `TwoLayer` and `MLP` (a trained net, immutable; your own comes in by
`from_torch`); `fit_two_layer` (E nets at once, gradient by hand); `fit_mlp` (gradient by autograd);
`adam`. Weights and batches are drawn in numpy, because torch's own normals differ between CPUs in
the last bits. PyTorch is needed only where something trains or is a torch module.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray
from numpy.typing import ArrayLike

from . import _validate as check
from ._torch import Layers, as_module, layers_of, torch
from .bracket import Bracket
from .lipschitz import deep_bracket, relu_bracket

DType = Literal["float32", "float64"]


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
        return as_module(self.layers, dtype, trainable=False)


@dataclass(frozen=True, eq=False)
class TwoLayer(Network):
    """One hidden layer: f(x) = Σ_j a_j·relu(⟨w_j, x⟩ + b_j) + c.

    The rows of W (k, d) are the hidden weights; `starts` (m, d) are points from which `lipschitz`
    searches (None: normal points of a fixed seed). Arrays are copied to float64, read-only.

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
        W = check.matrix(self.W, "W")
        b, a = (check.vector(getattr(self, v), v, length=len(W)) for v in "ba")
        c, starts = check.vector([self.c], "c"), _starts(self.starts, W.shape[1])
        layers = ((W, b), (a[None], c))
        check.store(self, W=W, b=b, a=a, c=float(c[0]), starts=starts, layers=layers)

    @classmethod
    def from_torch(cls, module: torch.nn.Module, starts: ArrayLike | None = None) -> TwoLayer:
        """As `MLP.from_torch`, for nets with one hidden layer and one output."""
        layers = layers_of(module)
        if len(layers) != 2 or len(layers[1][1]) != 1:
            found = f"{len(layers)} Linear layers and {len(layers[-1][1])} output(s)"
            raise ValueError(f"module has {found}; TwoLayer has 2 and 1, use MLP.from_torch")
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
            need = "pairs (matrix, bias) are needed, one at least"
            raise ValueError(f"layers = {self.layers!r:.60}; {need}")
        layers: Layers = ()
        for i, (W, b) in enumerate(pairs):
            W = check.matrix(W, f"layers[{i}][0]", columns=len(layers[-1][1]) if layers else None)
            layers += ((W, check.vector(b, f"layers[{i}][1]", length=len(W))),)
        check.store(self, layers=layers, starts=_starts(self.starts, layers[0][0].shape[1]))

    @classmethod
    def from_torch(cls, module: torch.nn.Module, starts: ArrayLike | None = None) -> MLP:
        """The function that a net of torch computes in evaluation mode, in float64.

        module: an nn.Sequential of Linear layers with ReLU between them, where Flatten, Identity
        and Dropout may stand (a layer without bias gets one of zeros, which counts in P); starts:
        as in `TwoLayer`, best your data. Raises ValueError, with its name, for any other layer,
        layer with hooks or order of layers.
        """
        return cls(layers_of(module), starts=starts)  # type: ignore[arg-type]

    def lipschitz(self) -> Bracket:
        """Largest ‖Df(x)‖ found ≤ Lip(f) ≤ layer-wise SDP certificate, over R^d; `deep_bracket`."""
        return deep_bracket(self.layers, self.starts)  # type: ignore[arg-type]  # None is replaced


class TwoLayerBatch(tuple[TwoLayer, ...]):
    """The nets that were trained together, and `mse` (E,), their mean squared training errors."""

    mse: Float[ndarray, "E"]

    def __call__(self, X: ArrayLike) -> Float[ndarray, "E n"]:
        """f_e at each row of X (n, d), for every net e."""
        return np.stack([f(X) for f in self])


def initial_weights(
    n_nets: int, k: int, d: int, rng: np.random.Generator, input_norm: float = 1.0
) -> tuple[ndarray, ndarray, ndarray, ndarray]:
    """Random W (E, k, d), b and a (E, k), c (E,) of E nets.

    w_j ~ N(0, I/input_norm²), a_j ~ N(0, 1/k), biases 0: where ‖x‖ ≈ input_norm, all numbers in
    the net are about 1. Raises ValueError if a number is not positive.
    """
    check.generator(rng)
    E, k, d = (check.count(v, s) for v, s in ((n_nets, "n_nets"), (k, "k"), (d, "d")))
    W = rng.standard_normal((E, k, d)) / check.positive(input_norm, "input_norm")
    return W, np.zeros((E, k)), rng.standard_normal((E, k)) / np.sqrt(k), np.zeros(E)


def fit_two_layer(
    X: Float[ndarray, "n d"] | Float[ndarray, "E n d"],
    y: Float[ndarray, "n"] | Float[ndarray, "E n"],
    k: int,
    *,
    rng: np.random.Generator,
    steps: int = 1000,
    lr: float = 1e-2,
    tol: float = 0.0,
) -> TwoLayerBatch:
    """A net of width k for each row of y that minimises (1/n)·Σ_i (f(x_i) − y_i)², all at once.

    X (n, d) serves all nets, or X (E, n, d) each its own.
    Full-batch Adam with the steps of `schedule`, from `initial_weights` at the root mean square of
    ‖x_i‖; training ends earlier once every net's error is at most `tol`. A step costs three matrix
    products for all nets together: ten times faster than one `nn.Module` after the other.

    Raises ValueError for wrong shapes, entries that are not finite, or settings out of range.
    """
    X, Y = check.array(X, "X"), check.array(y, "y")
    if X.ndim != 3:
        X = check.matrix(X)
    E = Y.shape[:-1] if X.ndim == 2 else X.shape[:1]
    if not X.size or not Y.size or len(E) > 1 or Y.shape != (*E, X.shape[-2]):
        need = f"(n,) or (E, n) is needed, for X of shape {X.shape}"
        raise ValueError(f"y has shape {Y.shape}; {need}")
    Y, sizes = np.atleast_2d(Y), schedule(lr, steps)
    tol = check.positive(tol, "tol", zero_allowed=True)
    norm = float(np.sqrt((X**2).sum(axis=-1).mean())) or 1.0
    start = initial_weights(len(Y), k, X.shape[-1], rng, norm)
    weights = _adam_on_squared_error(X, Y, *start, sizes, tol)
    points, starts = (np.broadcast_to(v, (len(Y), *v.shape[-2:])) for v in (X, _points_like(X)))
    name, each = f"two-layer ReLU net, k = {k}", zip(*weights, starts, strict=True)
    nets = TwoLayerBatch(TwoLayer(W, b, a, c, name, v) for W, b, a, c, v in each)
    nets.mse = np.array([((f(x) - y) ** 2).mean() for f, x, y in zip(nets, points, Y, strict=True)])
    return nets


def fit_mlp(
    X: Float[ndarray, "n d"],
    y: Int[ndarray, "n"],
    hidden: Sequence[int] = (128,),
    *,
    rng: np.random.Generator,
    epochs: int = 50,
    batch_size: int = 128,
    lr: float = 1e-3,
    dtype: DType = "float32",
) -> MLP:
    """A classifier with the given hidden widths, trained by Adam on the cross-entropy of batches.

    Parameters: X (n, d); y class numbers 0, …, C−1, C = max y + 1. Steps as in `schedule`, batches
    shuffled. Weights start as N(0, 2/inputs) (He et al., ICCV 2015), biases at 0. Training sees
    (x − mean)/spread, spread the root mean square of all centred entries; both are folded into the
    first layer afterwards.

    Raises ValueError for wrong shapes, entries that are not finite, class numbers that are not
    0, 1, 2, …, or settings outside their range.
    """
    X = check.matrix(X)
    (n, d), target = X.shape, check.vector(y, length=len(X))
    if (target != np.round(target)).any() or target.min() < 0:
        raise ValueError("y must hold class numbers 0, 1, 2, …")
    per_epoch = -(-n // check.count(batch_size, "batch_size"))
    sizes = schedule(lr, check.count(epochs, "epochs") * per_epoch)
    try:
        widths = [d, *(check.count(h, "hidden") for h in hidden), int(target.max()) + 1]
    except TypeError:
        raise ValueError(f"hidden = {hidden!r:.60}; widths such as (128,) are needed") from None
    check.generator(rng)
    drawn = [rng.standard_normal((o, i)) * np.sqrt(2 / i) for i, o in itertools.pairwise(widths)]
    module = as_module([(W, np.zeros(len(W))) for W in drawn], dtype, trainable=True)
    mean = X.mean(axis=0)
    spread = float(np.sqrt(((X - mean) ** 2).mean())) or 1.0
    inputs = torch.tensor((X - mean) / spread, dtype=getattr(torch, dtype))
    labels = torch.tensor(target, dtype=torch.int64)
    with torch.enable_grad():
        for t, step in adam(list(module.parameters()), sizes):
            if t % per_epoch == 0:
                order = torch.from_numpy(rng.permutation(n))
            rows = order[(t % per_epoch) * batch_size :][:batch_size]
            step(torch.nn.functional.cross_entropy(module(inputs[rows]), labels[rows]))
    (W, b), *rest = layers_of(module)
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
    """Adam, a step for each size: gives (t, step), and step(loss) moves the parameters downhill.

    `for t, step in adam(weights, schedule(lr, steps)): step(loss(weights))` is a whole training.
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
    (E, k, d), n = W0.shape, y.shape[1]
    # All weights in one vector (biases as a last column of W): Adam is seven calls for any E.
    W1 = np.append(W0, b0[:, :, None], 2)
    theta = torch.tensor(np.concatenate([W1.ravel(), a0.ravel(), c0]))
    grad, m, v, scale = (torch.zeros_like(theta) for _ in range(4))

    def weights(flat):
        W, a, c = flat.split([E * k * (d + 1), E * k, E])
        return W.view(E, k, d + 1), a.view(E, 1, k), c.view(E, 1)

    (W, a, c), (dW, da, dc) = weights(theta), weights(grad)
    X1, target = torch.tensor(np.append(X, np.ones((*X.shape[:-1], 1)), -1)), torch.tensor(y)
    X1T = X1.mT.contiguous()
    H, D = torch.empty(2, E, k, n, dtype=theta.dtype)
    with torch.no_grad():
        for t, size in enumerate(sizes, start=1):
            torch.matmul(W, X1T, out=H)  # one product for all nets, if they share their points
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
            torch.matmul(D, X1, out=dW)
            m.lerp_(grad, 0.1)
            v.mul_(0.999).addcmul_(grad, grad, value=0.001)
            torch.sqrt(v, out=scale)
            scale.div_((1 - 0.999**t) ** 0.5).add_(1e-8)
            theta.addcdiv_(m, scale, value=-size / (1 - 0.9**t))
    W1 = W.numpy()
    return W1[:, :, :d], W1[:, :, d], a.numpy()[:, 0], c.numpy()[:, 0]


def _points_like(X: Float[ndarray, "... n d"]) -> Float[ndarray, "... m d"]:
    """At most 256 of the points, and as many normal ones of their root mean square norm."""
    X = X[..., :256, :]
    norm = np.sqrt((X**2).sum(axis=-1).mean()) or 1.0
    normal = np.random.default_rng(0).normal(0, norm / np.sqrt(X.shape[-1]), X.shape)
    return np.concatenate([X, normal], axis=-2)


def _starts(starts: ArrayLike | None, d: int) -> Float[ndarray, "m d"]:
    if starts is None:
        return np.random.default_rng(0).standard_normal((256, d))
    return check.matrix(starts, "starts", columns=d)
