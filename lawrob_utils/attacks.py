"""Projected gradient descent in ℓ2 and ℓ∞, and the accuracy that is left under it.

Read in order: `pgd` (one attack on a batch of points), `robust_accuracy` (the same as a number, or as a curve in the radius),
then the private parts: one start, step, projection, loss. Used from chapter 1 on; needs PyTorch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
from jaxtyping import Bool, Float, Int
from numpy import ndarray
from numpy.typing import ArrayLike

from . import _validate as check
from ._torch import torch

Norm = Literal["l2", "linf"]
Function = Callable[["torch.Tensor"], "torch.Tensor"]


class Net(Protocol):
    """What the nets of `lawrob_utils.networks` offer: the same function for torch."""

    def as_module(self, dtype: Literal["float32", "float64"] = ...) -> torch.nn.Module: ...


Model = Function | Net


@dataclass(frozen=True, eq=False)
class Attack:
    """What an attack on n points found.

    X (n, …) holds one point of each ball B(x_i, eps): the worst one met, `margin` (n,) the margin there and `fooled` (n,) whether it
    is ≤ 0. The margin of (x, y) is y·f(x) for labels ±1 and f_y(x) − max_{j≠y} f_j(x) for class numbers: positive exactly where
    the model is right, so a tie counts as an error.
    """

    X: Float[ndarray, "n d"]
    margin: Float[ndarray, "n"]
    fooled: Bool[ndarray, "n"]


def pgd(
    model: Model,
    X: Float[ndarray, "n d"],
    y: Int[ndarray, "n"],
    eps: float,
    norm: Norm = "l2",
    *,
    steps: int = 40,
    step_size: float | None = None,
    restarts: int = 1,
    rng: np.random.Generator | None = None,
    clip: tuple[float, float] | None = None,
    active_set: bool = True,
) -> Attack:
    """Projected gradient ascent on the loss, x ← Π(x + α_t·u_t): the worst point met in the ball of radius eps around each point.

    The loss is −y·f(x) for labels ±1 and log Σ_{j≠y} e^{f_j} − f_y for class numbers. Its gradient points in the direction of the
    cross-entropy's gradient, but does not vanish when the model is very sure of itself. u_t is that gradient divided by its ℓ2 norm
    ("l2") or its sign ("linf"): the unit step that raises the loss fastest to first order. Π goes back into the ball (and then into
    the box). On a linear model with one output one step from X itself is optimal, if there is no box.

    Parameters
      model: anything callable on a torch batch (n, …), giving (n,) or (n, 1) for labels ±1, or scores (n, C) for class numbers
        0, …, C−1; a net of `lawrob_utils.networks`, or any `torch.nn.Module` (put in eval mode for the attack, then restored).
      X: the points, float32 or float64 (the model is asked in its own precision). eps ≥ 0: radius in units of X.
      steps ≥ 1 per start. step_size: constant α; None: α_t falls linearly from eps to eps/steps, long steps first,
        which is where most points fall.
      restarts ≥ 1: independent starts; the worst result counts. rng: random starts, uniform in the ball, drawn in numpy; None: a
        single start at X itself.
      clip: the box (low, high) of allowed inputs, e.g. (0, 1) for pixels; X must lie in it.
      active_set: drop points that have been fooled from the batch, so that the rest costs less. The set of fooled points is the
        same as without (up to rounding in the matrix products), their adversarial points may differ.

    Raises ValueError for shapes that do not fit, entries that are not finite, labels the model has no output for, or settings outside their range.

    Source: Madry et al., ICLR 2018, Section 2.1 (PGD, random starts).
    """
    f, X0, labels, margin, numpy_dtype = _prepare(model, X, y)
    eps = check.positive(eps, "eps", zero_allowed=True)
    check.one_of(norm, "norm", ("l2", "linf"))
    steps, restarts = check.count(steps, "steps"), check.count(restarts, "restarts")
    if rng is not None:
        check.generator(rng)
    elif restarts > 1:
        raise ValueError(
            f"restarts = {restarts} but rng is None; more than one start needs random starts, so give an rng"
        )
    sizes = (
        eps * np.arange(steps, 0, -1) / steps
        if step_size is None
        else np.full(steps, check.positive(step_size, "step_size"))
    )
    box = _box(clip, X0)

    best = X0.clone()
    with _eval_mode(f):
        for _ in range(restarts):
            start = (
                X0
                if rng is None
                else _project(X0 + _random_in_ball(X0, eps, norm, rng), X0, eps, norm, box)
            )
            alive = torch.nonzero(margin > (0 if active_set else -torch.inf))[:, 0]
            _ascend(f, X0, labels, start, alive, best, margin, eps, norm, sizes, box, active_set)
    found = margin.cpu().numpy().astype(np.float64)
    return Attack(best.cpu().numpy().astype(numpy_dtype), found, found <= 0)


def robust_accuracy(
    model: Model,
    X: Float[ndarray, "n d"],
    y: Int[ndarray, "n"],
    eps: float | Sequence[float],
    norm: Norm = "l2",
    **settings,
) -> float | Float[ndarray, "m"]:
    """(1/n)·#{i : no point of B(x_i, eps) found that fools the model}: an upper bound of the true robust accuracy.

    eps may be one radius (a float comes back) or several (an array comes back). Radii are attacked from small to large and a point
    that has fallen stays fallen, since the larger ball contains the smaller: the curve never rises. At eps = 0 it is the plain
    accuracy. The settings are those of `pgd`.

    Raises ValueError as `pgd` does, or if eps is empty.
    """
    radii = np.atleast_1d(check.vector(np.atleast_1d(np.asarray(eps)), "eps"))
    if radii.size == 0:
        raise ValueError("eps = []; at least one radius is needed")
    for radius in radii:
        check.positive(float(radius), "eps", zero_allowed=True)
    X, y = np.asarray(X), np.asarray(y)
    standing = np.ones(len(X), dtype=bool)
    accuracy = np.empty(len(radii))
    for i in np.argsort(radii, kind="stable"):
        if standing.any():
            standing[standing] = ~pgd(
                model, X[standing], y[standing], float(radii[i]), norm, **settings
            ).fooled
        accuracy[i] = standing.mean()
    return float(accuracy[0]) if np.ndim(eps) == 0 else accuracy


def _ascend(f, X0, y, start, alive, best, margin, eps, norm, sizes, box, active_set) -> None:
    """One start: steps uphill for the rows `alive`; `best` and `margin` are updated in place whenever a worse point is met."""
    x, x0, label = start[alive], X0[alive], y[alive]
    for t in range(len(sizes) + 1):
        if len(alive) == 0:
            return
        last = t == len(sizes)
        x.requires_grad_(not last)
        with torch.set_grad_enabled(not last):
            out = _outputs(f, x)
        now, climb = _margin_and_climb(out.detach(), label)
        worse = now < margin[alive]
        best[alive[worse]], margin[alive[worse]] = x.detach()[worse], now[worse]
        if last:
            return
        gradient = torch.autograd.grad(out, x, climb)[0]  # in x only: the weights keep their .grad
        x = x.detach()
        if active_set and bool((now <= 0).any()):
            keep = torch.nonzero(now > 0)[:, 0]
            alive, x, x0, label, gradient = (
                alive[keep],
                x[keep],
                x0[keep],
                label[keep],
                gradient[keep],
            )
        x = _project(x + float(sizes[t]) * _unit_step(gradient, norm), x0, eps, norm, box)


def _unit_step(gradient: torch.Tensor, norm: Norm) -> torch.Tensor:
    """The direction of length 1 along the gradient; zero where the gradient is zero."""
    if norm == "linf":
        return gradient.sign()
    # Divide by the largest entry first: the square of a tiny (or huge) gradient would leave the floating range.
    flat = gradient.flatten(1)
    flat = flat / flat.abs().amax(dim=1, keepdim=True).clamp_min(torch.finfo(flat.dtype).tiny)
    flat = flat / flat.norm(dim=1, keepdim=True).clamp_min(torch.finfo(flat.dtype).tiny)
    return flat.view_as(gradient)


def _project(
    x: torch.Tensor, x0: torch.Tensor, eps: float, norm: Norm, box: tuple[float, float] | None
) -> torch.Tensor:
    """x moved into the ball, then into the box; since x0 is in the box, the second move does not leave the ball."""
    delta = x - x0
    if norm == "linf":
        delta = delta.clamp(-eps, eps)
    else:
        length = delta.flatten(1).norm(dim=1).view(-1, *[1] * (x.ndim - 1))
        delta = delta * (eps / length.clamp_min(torch.finfo(x.dtype).tiny)).clamp_max(1)
    x = x0 + delta
    return x if box is None else x.clamp(*box)


def _random_in_ball(
    X: torch.Tensor, eps: float, norm: Norm, rng: np.random.Generator
) -> torch.Tensor:
    if norm == "linf":
        delta = rng.uniform(-eps, eps, tuple(X.shape))
    else:
        flat = rng.standard_normal((len(X), X[0].numel()))
        length = eps * rng.uniform(size=(len(X), 1)) ** (1 / flat.shape[1])
        delta = (length * flat / np.linalg.norm(flat, axis=1, keepdims=True)).reshape(
            tuple(X.shape)
        )
    return torch.tensor(delta, dtype=X.dtype, device=X.device)


def _margin_and_climb(out: torch.Tensor, y: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The margins (see `Attack`), and the derivative of the loss (see `pgd`) in the outputs."""
    if out.ndim == 1:
        return y * out, -y
    own, others = out.gather(1, y[:, None]), out.scatter(1, y[:, None], -torch.inf)
    return own[:, 0] - others.amax(dim=1), others.softmax(dim=1).scatter_(1, y[:, None], -1.0)


def _outputs(f: Function, x: torch.Tensor) -> torch.Tensor:
    out = f(x)
    return out[:, 0] if out.ndim == 2 and out.shape[1] == 1 else out


def _prepare(
    model: Model, X: ArrayLike, y: ArrayLike
) -> tuple[Function, torch.Tensor, torch.Tensor, torch.Tensor, np.dtype]:
    """The model as a torch function, points and labels as it needs them, the margins at the points, numpy's dtype for the answer."""
    X, y = (
        v.detach().cpu().numpy() if isinstance(v, torch.Tensor) else np.asarray(v) for v in (X, y)
    )
    if X.ndim < 2 or X.size == 0:
        raise ValueError(
            f"X has shape {X.shape}; at least one point is needed, one per row (reshape one point to (1, d))"
        )
    check.matrix(X.reshape(len(X), -1))
    v = check.vector(y, "y", length=len(X))
    precision = X.dtype if X.dtype in (np.float32, np.float64) else np.dtype(np.float64)
    if hasattr(model, "as_module"):
        model = model.as_module("float32" if precision == np.float32 else "float64")
    if not callable(model):
        raise ValueError(
            f"model = {model!r} is not callable; give a torch module, a function of a batch, or a net of lawrob_utils.networks"
        )
    own = next(
        (p for p in _parameters(model) if p.is_floating_point()),
        torch.empty(0, dtype=getattr(torch, precision.name)),
    )
    Xt = torch.tensor(X, dtype=own.dtype, device=own.device)
    with _eval_mode(model), torch.enable_grad():
        out = _outputs(model, Xt.clone().requires_grad_())
    if out.ndim not in (1, 2) or len(out) != len(X):
        raise ValueError(
            f"model gives shape {tuple(out.shape)} for {len(X)} points; ({len(X)},) or ({len(X)}, C) is needed"
        )
    if not bool(torch.isfinite(out).all()):
        raise ValueError(
            "model gives values that are not finite on X; an attack needs finite outputs"
        )
    if not out.requires_grad:
        raise ValueError(
            "model has no gradient in X; it must compute with torch and not detach (no .detach(), no numpy inside)"
        )
    allowed = (-1, 1) if out.ndim == 1 else range(out.shape[1])
    wrong = v[~np.isin(v, allowed)]
    if len(wrong):
        words = (
            "one output needs labels -1 and +1"
            if out.ndim == 1
            else f"{len(allowed)} outputs needs class numbers 0 to {allowed[-1]}"
        )
        raise ValueError(f"y holds {wrong[0]:g}; a model with {words}")
    labels = torch.tensor(v, dtype=own.dtype if out.ndim == 1 else torch.int64, device=own.device)
    return model, Xt, labels, _margin_and_climb(out.detach(), labels)[0], precision


def _parameters(model: object) -> list[torch.Tensor]:
    return [*model.parameters(), *model.buffers()] if isinstance(model, torch.nn.Module) else []


def _box(clip: tuple[float, float] | None, X: torch.Tensor) -> tuple[float, float] | None:
    if clip is None:
        return None
    low, high = check.vector(clip, "clip", length=2)
    if low >= high:
        raise ValueError(f"clip = ({low:g}, {high:g}); the lower end must be below the upper end")
    if X.min() < low or X.max() > high:
        raise ValueError(
            f"X has entries in [{float(X.min()):g}, {float(X.max()):g}], outside clip = ({low:g}, {high:g}); rescale X or widen clip"
        )
    return float(low), float(high)


@contextmanager
def _eval_mode(model: object) -> Iterator[None]:
    """Evaluation mode (no dropout, fixed batch statistics) inside, each submodule's own mode again afterwards."""
    modules = list(model.modules()) if isinstance(model, torch.nn.Module) else []
    modes = [m.training for m in modules]
    for m in modules:
        m.training = False
    try:
        yield
    finally:
        for m, mode in zip(modules, modes, strict=True):
            m.training = mode
