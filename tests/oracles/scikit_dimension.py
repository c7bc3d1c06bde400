"""Estimate dimensions with scikit-dimension and store the values: makes scikit_dimension.json
beside it.

Run it in an environment of its own (pip install scikit-dimension); it imports nothing of this
project:

    python tests/oracles/scikit_dimension.py

TwoNN with its line fit and 10 % discarded; MLE with comb="mle", which averages inverses as MacKay
and Ghahramani advise; lPCA's participation ratio. `clouds` is the recipe that the tests repeat.
"""

import json
import platform
from importlib.metadata import version
from pathlib import Path

import numpy as np
import skdim
from sklearn.datasets import load_digits


def clouds():
    """Name → points: a 5-sphere in R^12, a cube of 3 dimensions in R^8, a Gaussian with falling
    spectrum, scikit-learn's digits."""
    rng = np.random.default_rng(81)
    S = rng.standard_normal((1000, 6))
    Q = np.linalg.qr(rng.standard_normal((12, 6)))[0]
    R = np.linalg.qr(rng.standard_normal((8, 3)))[0]
    return {
        "sphere": S / np.linalg.norm(S, axis=1, keepdims=True) @ Q.T,
        "cube": rng.random((800, 3)) @ R.T,
        "gaussian": rng.standard_normal((600, 30)) / np.sqrt(np.arange(1, 31)),
        "digits": load_digits().data / 16.0,
    }


def values(X):
    """All estimates of one cloud."""
    found = {"TwoNN": skdim.id.TwoNN(discard_fraction=0.1).fit(X).dimension_}
    for k in (3, 5, 10, 20):
        found[f"Levina-Bickel {k}"] = skdim.id.MLE().fit(X, n_neighbors=k, comb="mle").dimension_
    found["participation ratio"] = skdim.id.lPCA(ver="participation_ratio").fit(X).dimension_
    return {name: float(value) for name, value in found.items()}


if __name__ == "__main__":
    packages = ("scikit-dimension", "scikit-learn", "numpy", "scipy")
    about = {"python": platform.python_version(), **{name: version(name) for name in packages}}
    told = {"versions": about, "clouds": {name: values(X) for name, X in clouds().items()}}
    path = Path(__file__).with_suffix(".json")
    path.write_text(json.dumps(told, indent=1) + "\n")
    print(path.read_text())
