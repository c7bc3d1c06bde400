"""Constructions, Lipschitz brackets and attacks for the book on the universal law of robustness.

The way of the data is one line, the same in every chapter:
sample (`data`) → fit (`memorizers`, `networks`, `fewbits`) → measure (`lipschitz`, `attacks`) →
compare (`law`) → draw (`plotting`). `expect` says in words where a claim of a chapter fails.
Importing the package loads none of these modules; only `networks`, `attacks` and the records need
PyTorch.
"""

from importlib.metadata import PackageNotFoundError, version

from ._expect import expect

try:
    __version__ = version("lawrob-utils")
except PackageNotFoundError:  # run from a checkout that was never installed
    __version__ = "0.0.0"

__all__ = ["__version__", "expect"]
