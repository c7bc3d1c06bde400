"""PyTorch when it is first used, or an explanation of how to get it: the one place where the package imports torch.

So networks can be read, evaluated and bracketed without it; training and attacks ask for it when they are called.
"""

from typing import TYPE_CHECKING, Any

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
            found = getattr(torch, name)
            setattr(self, name, found)  # so that it is asked once
            return found

    torch = _Later()

__all__ = ["torch"]
