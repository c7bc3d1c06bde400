"""Data: points whose law is known, labels with known noise, and two sets of real digits.

Read in order: points (`sphere`, `gaussian`, `hamming_cube`; then laws that are not isoperimetric at
scale 1/√d: mixtures, spheres in subspaces), labels (`random_signs`), images (`digits`, `mnist`).
Points are normalised so that ‖x‖ ≈ 1 (the cube: diameter 1), labels so that |y| ≤ 1; without such
units "Lip(f) = O(1)" would say nothing. Every rng that is no Generator is a ValueError.
"""

from __future__ import annotations

import gzip
import hashlib
import os
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Literal

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray

from . import _validate as check


def sphere(n: int, d: int, rng: np.random.Generator) -> Float[ndarray, "n d"]:
    """n independent uniform points on the unit sphere S^{d-1} = {x ∈ R^d : ‖x‖ = 1}.

    Formula: x = g/‖g‖ with g standard normal, whose law is invariant under rotations.

    Raises ValueError if n < 1 or d < 1.

    >>> X = sphere(5, 3, np.random.default_rng(0))
    >>> X.shape, bool(np.allclose(np.linalg.norm(X, axis=1), 1))
    ((5, 3), True)
    """
    g = _normal(n, d, rng)
    return g / np.linalg.norm(g, axis=1, keepdims=True)


def gaussian(n: int, d: int, rng: np.random.Generator) -> Float[ndarray, "n d"]:
    """n independent points of N(0, I_d/d), so that E‖x‖² = 1: for large d nearly the sphere.

    Raises ValueError if n < 1 or d < 1.

    >>> gaussian(2, 4, np.random.default_rng(0)).shape
    (2, 4)
    """
    return _normal(n, d, rng) / np.sqrt(d)


def hamming_cube(n: int, d: int, rng: np.random.Generator) -> Float[ndarray, "n d"]:
    """n independent uniform points of the discrete cube {0, 1}^d, as floats.

    The natural metric is the normalised Hamming distance (1/d)·#{j : x_j ≠ x'_j} ∈ [0, 1]; with the
    Euclidean one the discrete cube is not isoperimetric. Points repeat once n approaches 2^{d/2}.

    Raises ValueError if n < 1 or d < 1.

    >>> sorted(set(hamming_cube(20, 3, np.random.default_rng(0)).ravel().tolist()))
    [0.0, 1.0]
    """
    n, d, rng = check.count(n, "n"), check.count(d, "d"), check.generator(rng)
    return rng.integers(0, 2, (n, d)).astype(np.float64)


@dataclass(frozen=True)
class MixtureSample:
    """Points of a mixture, the number 0..k−1 of each one's component, the components' means."""

    X: Float[ndarray, "n d"]
    component: Int[ndarray, "n"]
    centres: Float[ndarray, "k d"]


def gaussian_mixture(
    n: int, centres: Float[ndarray, "k d"], rng: np.random.Generator, *, spread: float = 1.0
) -> MixtureSample:
    """n independent points x = m_ℓ + spread·g, g ~ N(0, I_d/d), ℓ uniform among k components.

    centres: m_0, …, m_{k−1}. A component has E‖x − m_ℓ‖² = spread² and is isoperimetric with
    c = spread²; the mixture is not, once its centres are far apart.

    Raises ValueError on wrong shapes, n < 1 or a negative spread.

    >>> centres = np.array([[0.0, 1.0], [0.0, -1.0]])
    >>> sample = gaussian_mixture(4, centres, np.random.default_rng(0), spread=0.0)
    >>> bool((sample.X == centres[sample.component]).all())
    True
    """
    centres = check.matrix(centres, "centres")
    spread = check.positive(spread, "spread", zero_allowed=True)
    k, d = centres.shape
    g = _normal(n, d, rng)
    component = rng.choice(k, size=n, p=np.full(k, 1 / k))
    return MixtureSample(centres[component] + (spread / np.sqrt(d)) * g, component, centres)


def random_subspace(d: int, k: int, rng: np.random.Generator) -> Float[ndarray, "d k"]:
    """Orthonormal columns that span a uniformly random k-dimensional subspace of R^d.

    Raises ValueError unless 1 ≤ k ≤ d.

    >>> U = random_subspace(5, 2, np.random.default_rng(0))
    >>> bool(np.allclose(U.T @ U, np.eye(2)))
    True
    """
    d, k = check.count(d, "d"), check.count(k, "k")
    if k > d:
        raise ValueError(f"k = {k} exceeds d = {d}; a subspace of R^d has at most d dimensions")
    return np.linalg.qr(_normal(d, k, rng))[0]


def sphere_in_subspace(
    n: int, basis: Float[ndarray, "d k"], rng: np.random.Generator
) -> Float[ndarray, "n d"]:
    """n uniform points on the unit sphere of the subspace that the columns of `basis` span.

    Formula: x = basis·u with u uniform on S^{k−1}: k − 1 dimensions in R^d.

    Raises ValueError if n < 1 or basis, unlike a `random_subspace`, is not orthonormal.

    >>> rng = np.random.default_rng(0)
    >>> sphere_in_subspace(3, random_subspace(7, 2, rng), rng).shape
    (3, 7)
    """
    basis = check.matrix(basis, "basis")
    k = basis.shape[1]
    gap = np.abs(basis.T @ basis - np.eye(k)).max()
    if gap > 1e-9:
        raise ValueError(f"basis is not orthonormal (by {gap:.3g}); use random_subspace")
    return sphere(n, k, rng) @ basis.T


def _normal(n: int, d: int, rng: np.random.Generator) -> Float[ndarray, "n d"]:
    n, d, rng = check.count(n, "n"), check.count(d, "d"), check.generator(rng)
    return rng.standard_normal((n, d))


def random_signs(n: int, rng: np.random.Generator) -> Float[ndarray, "n"]:
    """n independent fair signs ±1: pure noise, g = 0 and σ² = 1.

    Raises ValueError if n < 1.

    >>> random_signs(4, np.random.default_rng(0))
    array([ 1.,  1.,  1., -1.])
    """
    n, rng = check.count(n, "n"), check.generator(rng)
    return 2.0 * rng.integers(0, 2, n) - 1.0


@dataclass(frozen=True)
class Images:
    """Grey images as points: X (n, d) with pixels in [0, 1], labels (n,) in 0..9.

    shape: (height, width), d = height·width. name: what they are.
    """

    X: Float[ndarray, "n d"]
    labels: Int[ndarray, "n"]
    shape: tuple[int, int]
    name: str


def digits() -> Images:
    """The 1797 digits of 8×8 pixels that scikit-learn carries, values 0..16 divided by 16.

    Source: UCI "Optical recognition of handwritten digits" (test part), `sklearn`'s `load_digits`.

    >>> images = digits()
    >>> images.X.shape, float(images.X.max()), images.shape
    ((1797, 64), 1.0, (8, 8))
    """
    from sklearn.datasets import load_digits  # half a second: only when asked for

    bunch = load_digits()
    return Images(bunch.data / 16.0, bunch.target.astype(np.int64), (8, 8), "digits")


MNIST_SHA256 = {
    "train-images-idx3-ubyte.gz": "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",  # noqa: E501
    "train-labels-idx1-ubyte.gz": "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",  # noqa: E501
    "t10k-images-idx3-ubyte.gz": "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
    "t10k-labels-idx1-ubyte.gz": "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
}
"""SHA-256 of the four files as LeCun, Cortes and Burges published them."""

MNIST_MIRRORS = (
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
)
"""Addresses that serve the four files unchanged, tried in turn."""

_REMEDY = (
    "Put the four original files (train-images-idx3-ubyte.gz, train-labels-idx1-ubyte.gz, "
    "t10k-images-idx3-ubyte.gz, t10k-labels-idx1-ubyte.gz) into a folder and set the environment "
    "variable LAWROB_DATA_DIR to it."
)


def mnist(split: Literal["train", "test"] = "train") -> Images:
    """MNIST, 60 000 ("train") or 10 000 ("test") images of 28×28, 0..255 divided by 255 (float32).

    Files come from the folder LAWROB_DATA_DIR if that variable is set, else from the user's cache,
    where `fetch_mnist` downloads them once. Their SHA-256 is checked each time.

    Raises ValueError for an unknown split or a file with a wrong checksum, FileNotFoundError if
    LAWROB_DATA_DIR lacks a file, ConnectionError if no mirror can be reached.
    """
    prefix = {"train": "train", "test": "t10k"}[check.one_of(split, "split", ("train", "test"))]
    if not os.environ.get("LAWROB_DATA_DIR"):
        fetch_mnist()
    pixels = _bytes_of(f"{prefix}-images-idx3-ubyte.gz", header=16).reshape(-1, 28 * 28)
    labels = _bytes_of(f"{prefix}-labels-idx1-ubyte.gz", header=8).astype(np.int64)
    return Images(pixels.astype(np.float32) / np.float32(255), labels, (28, 28), f"MNIST {split}")


def mnist_available() -> bool:
    """True if `mnist` would find its four files without a download. Never touches the network."""
    return all((_folder() / name).is_file() for name in MNIST_SHA256)


def fetch_mnist(folder: Path | str | None = None, mirrors: Sequence[str] = MNIST_MIRRORS) -> Path:
    """Download what is missing of MNIST's four files (11 MB) into `folder`; returns it.

    By default the folder is the one that `mnist` reads. A file appears under its name only when it
    is whole and its SHA-256 is right; an interrupted download leaves nothing, a right file stays.

    Raises ConnectionError if no mirror gives a file, ValueError if every answer is a wrong one.
    """
    pooch, folder = _pooch(), Path(folder or _folder())
    logger = pooch.get_logger()
    level = logger.level
    logger.setLevel("ERROR")  # pooch reports on stderr, which would end up in stored outputs
    try:
        for name, sha256 in MNIST_SHA256.items():
            failures: dict[str, Exception] = {}
            for mirror in mirrors:
                try:  # pooch checks the hash of a temporary file and only then moves it into place
                    pooch.retrieve(mirror + name, f"sha256:{sha256}", fname=name, path=folder)
                    break
                except (OSError, ValueError) as error:  # the network; a wrong hash
                    failures[mirror] = error
            else:
                _give_up(name, failures)
    finally:
        logger.setLevel(level)
    return folder


def _give_up(name: str, failures: dict[str, Exception]) -> None:
    if failures and all("hash" in str(e) for e in failures.values()):
        due = MNIST_SHA256[name][:12]
        raise ValueError(f"{name} was downloaded but its SHA-256 is not {due}…. {_REMEDY}")
    told = "; ".join(f"{m}: {type(e).__name__} {e!s:.120}" for m, e in failures.items())
    raise ConnectionError(
        f"{name} could not be downloaded ({told}). Connect to the network and try again. {_REMEDY}"
    )


def _pooch() -> ModuleType:
    """pooch; its import of tqdm would warn in a notebook without ipywidgets."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import pooch
    return pooch


def _folder() -> Path:
    return Path(os.environ.get("LAWROB_DATA_DIR") or _pooch().os_cache("lawrob") / "mnist")


def _bytes_of(name: str, *, header: int) -> Int[ndarray, "m"]:
    """What a gzipped IDX file holds after its header of so many bytes."""
    path = _folder() / name
    if not path.is_file():
        where = f"{path.parent}, where LAWROB_DATA_DIR points"
        raise FileNotFoundError(f"{name} is not in {where}. {_REMEDY}")
    packed, official = path.read_bytes(), MNIST_SHA256[name]
    if (sha256 := hashlib.sha256(packed).hexdigest()) != official:
        have = f"{path} has SHA-256 {sha256[:12]}…; the official file has {official[:12]}…"
        raise ValueError(f"{have}. Delete it and fetch it again.")
    return np.frombuffer(gzip.decompress(packed), np.uint8, offset=header)
