"""PyTorch, imported when it is first used, here only; and the way of a net there and back.

Networks are read, called and bracketed without it; training and attacks ask for it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from jaxtyping import Float
from numpy import ndarray

from . import _validate as check

if TYPE_CHECKING:
    import torch
else:

    class _Later:
        def __getattr__(self, name: str) -> Any:
            if name.startswith("__"):  # what inspection asks of any object
                raise AttributeError(name)
            try:
                import torch
            except ImportError as error:
                raise ImportError(
                    "training and attacking networks needs PyTorch, which is not installed. "
                    "The CPU build is enough (about 200 MB):\n"
                    "    pip install torch --index-url https://download.pytorch.org/whl/cpu"
                ) from error
            return getattr(torch, name)

    torch = _Later()

Layers = tuple[tuple[Float[ndarray, "out in"], Float[ndarray, "out"]], ...]


def as_module(
    layers: Sequence[tuple[ndarray, ndarray]], dtype: str, *, trainable: bool
) -> torch.nn.Sequential:
    """Linear layers with ReLU between them, as a torch module; one output comes as (n,)."""
    real = getattr(torch, check.one_of(dtype, "dtype", ("float32", "float64")))
    parts: list[torch.nn.Module] = []
    for W, b in layers:
        linear = torch.nn.utils.skip_init(torch.nn.Linear, *W.shape[::-1], dtype=real)
        for name, value in (("weight", W), ("bias", b)):
            parameter = torch.nn.Parameter(torch.tensor(value, dtype=real), requires_grad=trainable)
            setattr(linear, name, parameter)
        parts += [linear, torch.nn.ReLU()]
    parts[-1:] = [torch.nn.Flatten(0)] if len(layers[-1][1]) == 1 else []
    return torch.nn.Sequential(*parts)


def layers_of(module: torch.nn.Module) -> Layers:
    """Back: the matrices and biases of such a module, in float64. Raises ValueError for others."""
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
