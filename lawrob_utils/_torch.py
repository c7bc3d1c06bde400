"""PyTorch, or an explanation of how to get it: the one place where the package imports torch."""

try:
    import torch
except ImportError as error:
    raise ImportError(
        "lawrob_utils.networks and lawrob_utils.attacks train and attack networks with PyTorch, which is not "
        "installed. The CPU build is enough (about 200 MB):\n"
        "    pip install torch --index-url https://download.pytorch.org/whl/cpu"
    ) from error

__all__ = ["torch"]
