"""Projected gradient descent in ℓ2 and ℓ∞, and the accuracy that is left under it.

Read in order: `pgd` (one attack on a batch of points), `robust_accuracy` (the same as a number, or
as a curve in the radius), then the parts: step, projection, loss, and what a model has to be.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from jaxtyping import Bool, Float, Int
from numpy import ndarray
from numpy.typing import ArrayLike

from . import _validate as check
from ._torch import torch

Norm = Literal["l2", "linf"]
Model = Callable[..., Any]  # of a torch batch, or a net that has `as_module`


@dataclass(frozen=True, eq=False)
class Attack:
    """What an attack on n points found.

    X (n, …) holds the worst point met in each ball B(x_i, eps), `margin` (n,) the margin there and
    `fooled` (n,) whether it is ≤ 0. The margin of (x, y) is y·f(x) for labels ±1 and
    f_y(x) − max_{j≠y} f_j(x) for class numbers: a tie counts as an error.
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
    """Projected gradient ascent on the loss, x ← Π(x + α_t·u_t): the worst point met near each x_i.

    The loss is −y·f(x) for labels ±1 and log Σ_{j≠y} e^{f_j} − f_y for class numbers: its gradient
    has the direction of the cross-entropy's but does not vanish where the model is very sure. u_t
    is that gradient over its ℓ2 norm ("l2") or its sign ("linf"). Π goes back into the ball, then
    into the box.

    Parameters
      model: takes a torch batch (n, …), gives (n,) or (n, 1) for labels ±1, scores (n, C) for class
        numbers 0…C−1. A net of `lawrob_utils.networks` is asked in the precision of X, an
        `nn.Module` in its own (in eval mode, restored afterwards), any other function in that of X
        or, should that fail, in the other of float32 and float64.
      X: the points. eps ≥ 0: the radius, in units of X. steps ≥ 1: of each start.
      step_size: constant α; None: α_t falls linearly from eps to eps/steps.
      restarts ≥ 1: independent starts; the worst result counts. rng: random starts, uniform in the
        ball; None: a single start at X itself.
      clip: the box (low, high) of allowed inputs, e.g. (0, 1) for pixels; X must lie in it.
      active_set: drop fooled points from the batch, so that the rest costs less. The same points
        are fooled as without (up to rounding), their adversarial points may differ.

    Raises ValueError for shapes that do not fit, entries that are not finite, labels the model has
    no output for, a model that fails or has no gradient, or settings outside their range.
    Source: Madry et al., ICLR 2018, Section 2.1 (PGD, random starts).
    """
    X, eps = _points(X), check.positive(eps, "eps", zero_allowed=True)
    y = check.vector(y, "y", length=len(X))
    check.one_of(norm, "norm", ("l2", "linf"))
    steps, restarts = check.count(steps, "steps"), check.count(restarts, "restarts")
    if rng is not None:
        check.generator(rng)
    elif restarts > 1:
        raise ValueError(f"restarts = {restarts} but rng is None; random starts need an rng")
    sizes = eps * np.arange(steps, 0, -1) / steps
    if step_size is not None:
        sizes = np.full(steps, check.positive(step_size, "step_size"))
    box = low, high = (-np.inf, np.inf) if clip is None else check.vector(clip, "clip", length=2)
    if low >= high or X.min() < low or X.max() > high:
        where = f"[{X.min():g}, {X.max():g}] of the entries of X"
        raise ValueError(f"clip = ({low:g}, {high:g}); an interval that holds {where} is needed")
    f = model.as_module(X.dtype.name) if hasattr(model, "as_module") else model
    with _eval_mode(f):
        X0, out = _first_look(f, X)
        labels = _labels(y, out)
        margin, best = _margin_and_climb(out, labels)[0], X0.clone()
        for _ in range(restarts):
            start = X0
            if rng is not None:
                start = _project(X0 + _random_in_ball(X0, eps, norm, rng), X0, eps, norm, box)
            alive = torch.nonzero(margin > (0 if active_set else -torch.inf))[:, 0]
            x, x0, label = start[alive], X0[alive], labels[alive]
            for size in [*sizes.tolist(), None]:  # after the last step only the margins count
                if len(alive) == 0:
                    break
                with torch.set_grad_enabled(size is not None):
                    out = _outputs(f, x.requires_grad_(size is not None))
                now, climb = _margin_and_climb(out.detach(), label)
                worse = now < margin[alive]
                best[alive[worse]], margin[alive[worse]] = x.detach()[worse], now[worse]
                if size is None:
                    break
                gradient = torch.autograd.grad(out, x, climb)[0]  # the weights keep their .grad
                x = x.detach()
                if active_set and bool((now <= 0).any()):
                    keep = torch.nonzero(now > 0)[:, 0]
                    alive, x, x0, label, gradient = (
                        v[keep] for v in (alive, x, x0, label, gradient)
                    )
                x = _project(x + size * _unit_step(gradient, norm), x0, eps, norm, box)
    found = margin.cpu().numpy().astype(np.float64)
    return Attack(best.cpu().numpy().astype(X.dtype), found, found <= 0)


def robust_accuracy(
    model: Model,
    X: Float[ndarray, "n d"],
    y: Int[ndarray, "n"],
    eps: float | Sequence[float],
    norm: Norm = "l2",
    **settings,
) -> float | Float[ndarray, "m"]:
    """(1/n)·#{i : no point of B(x_i, eps) found that fools the model} ≥ the true robust accuracy.

    eps is one radius (a float comes back) or several (an array). Radii are attacked from small to
    large, and what has fallen stays fallen, as the larger ball contains the smaller: the curve
    never rises. At eps = 0 it is the plain accuracy. Settings as in `pgd`.

    Raises ValueError as `pgd` does, or if eps is empty.
    """
    X, radii = _points(X), np.atleast_1d(check.array(eps, "eps"))
    if radii.ndim != 1 or not radii.size:
        raise ValueError(f"eps = {eps!r:.60}; one radius or a list of them is needed")
    y = check.vector(y, "y", length=len(X))
    standing, accuracy = np.ones(len(X), dtype=bool), np.empty(len(radii))
    for i in np.argsort(radii, kind="stable"):
        if standing.any():
            left = X[standing], y[standing]
            standing[standing] = ~pgd(model, *left, float(radii[i]), norm, **settings).fooled
        accuracy[i] = standing.mean()
    return float(accuracy[0]) if np.ndim(eps) == 0 else accuracy


def _unit_step(gradient: torch.Tensor, norm: Norm) -> torch.Tensor:
    """The direction of length 1 along the gradient; zero where the gradient is zero."""
    if norm == "linf":
        return gradient.sign()
    # By the largest entry first: the square of a tiny or huge gradient would leave the range.
    flat = gradient.flatten(1)
    flat = flat / flat.abs().amax(dim=1, keepdim=True).clamp_min(torch.finfo(flat.dtype).tiny)
    flat = flat / flat.norm(dim=1, keepdim=True).clamp_min(torch.finfo(flat.dtype).tiny)
    return flat.view_as(gradient)


def _project(x, x0, eps: float, norm: Norm, box) -> torch.Tensor:
    """x moved into the ball around x0, then into the box, in which x0 is."""
    delta = x - x0
    if norm == "linf":
        delta = delta.clamp(-eps, eps)
    else:
        length = delta.flatten(1).norm(dim=1).view(-1, *[1] * (x.ndim - 1))
        delta = delta * (eps / length.clamp_min(torch.finfo(x.dtype).tiny)).clamp_max(1)
    return (x0 + delta).clamp(*box)


def _random_in_ball(X: torch.Tensor, eps: float, norm: Norm, rng: np.random.Generator):
    if norm == "linf":
        delta = rng.uniform(-eps, eps, tuple(X.shape))
    else:
        flat = rng.standard_normal((len(X), X[0].numel()))
        length = eps * rng.uniform(size=(len(X), 1)) ** (1 / flat.shape[1])
        delta = length * flat / np.linalg.norm(flat, axis=1, keepdims=True)
    return torch.tensor(delta, dtype=X.dtype, device=X.device).reshape(X.shape)


def _margin_and_climb(out: torch.Tensor, y: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The margins (see `Attack`), and the derivative of the loss (see `pgd`) in the outputs."""
    if out.ndim == 1:
        return y * out, -y
    own, others = out.gather(1, y[:, None]), out.scatter(1, y[:, None], -torch.inf)
    return own[:, 0] - others.amax(dim=1), others.softmax(dim=1).scatter_(1, y[:, None], -1.0)


def _outputs(f: Model, x: torch.Tensor) -> torch.Tensor:
    out = f(x)
    return out[:, 0] if out.ndim == 2 and out.shape[1] == 1 else out


def _first_look(f: Model, X: ndarray) -> tuple[torch.Tensor, torch.Tensor]:
    """The points in the precision of f, and the outputs there, checked."""
    if not callable(f):
        need = "a torch module, a function of a torch batch, or a net of lawrob_utils.networks"
        raise ValueError(f"model = {f!r:.60} is not callable; {need} is needed")
    own = [*f.parameters(), *f.buffers()] if isinstance(f, torch.nn.Module) else []
    own = [v for v in own if v.is_floating_point()]
    given, other = torch.float32, torch.float64
    if X.dtype == np.float64:
        given, other = other, given
    dtypes = [v.dtype for v in own[:1]] or [given, other]
    failed: Exception | None = None
    for dtype in dtypes:
        X0 = torch.tensor(X, dtype=dtype, device=own[0].device if own else None)
        try:
            with torch.enable_grad():
                out = _outputs(f, X0.clone().requires_grad_())
            break
        except (RuntimeError, TypeError, ValueError, AttributeError) as error:
            failed = failed or error
    else:
        raise ValueError(f"model fails on a torch batch of shape {X.shape}: {failed}") from failed
    if not isinstance(out, torch.Tensor) or out.ndim not in (1, 2) or len(out) != len(X):
        what = f"{type(out).__name__} of shape {tuple(out.shape)} for {len(X)} points"
        raise ValueError(f"model gives a {what}; a tensor (n,) or (n, C) is needed")
    if not bool(torch.isfinite(out).all()):
        raise ValueError("model gives values that are not finite on X; an attack needs finite ones")
    if not out.requires_grad:
        need = "it must compute with torch and not detach (no .detach(), no numpy inside)"
        raise ValueError(f"model has no gradient in X; {need}")
    return X0, out.detach()


def _labels(y: Float[ndarray, "n"], out: torch.Tensor) -> torch.Tensor:
    """The labels as the loss needs them: ±1 for one output, class numbers for several."""
    several, need = out.ndim == 2, "one output needs labels -1 and +1"
    allowed = range(out.shape[1]) if several else (-1, 1)
    if several:
        need = f"{len(allowed)} outputs needs class numbers 0 to {allowed[-1]}"
    wrong = y[~np.isin(y, allowed)]
    if len(wrong):
        raise ValueError(f"y holds {wrong[0]:g}; a model with {need}")
    return torch.tensor(y, dtype=torch.int64 if several else out.dtype, device=out.device)


def _points(X: ArrayLike) -> Float[ndarray, "n ..."]:
    """The points, as float32 if they are, else float64."""
    A = check.array(X, "X")
    if A.ndim < 2 or A.size == 0:
        need = "at least one point is needed, one per row (reshape one point to (1, d))"
        raise ValueError(f"X has shape {A.shape}; {need}")
    return A.astype(np.float32) if np.asarray(X).dtype == np.float32 else A


@contextmanager
def _eval_mode(model: object) -> Iterator[None]:
    """Evaluation mode inside, each submodule's own mode again afterwards."""
    modules = model.modules() if isinstance(model, torch.nn.Module) else ()
    training = [m for m in modules if m.training]
    try:
        for m in training:
            m.training = False
        yield
    finally:
        for m in training:
            m.training = True
