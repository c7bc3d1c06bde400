"""Data: points whose law is known, labels with known noise, and two sets of real digits.

Read in order: points (`sphere`, `gaussian`, `solid_cube`, `hamming_cube`; then laws that are not
isoperimetric at scale 1/√d: mixtures, spheres in subspaces), labels (`random_signs`,
`signal_plus_noise`), images (`digits`, `mnist`). Points are normalised so that ‖x‖ ≈ 1 (cubes:
diameter 1), labels so that |y| ≤ 1; without such units "Lip(f) = O(1)" would say nothing.
"""

from __future__ import annotations

import gzip
import hashlib
import os
import warnings
from collections.abc import Callable, Sequence
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

    Raises ValueError if n < 1, d < 1 or rng is no Generator.

    >>> X = sphere(5, 3, np.random.default_rng(0))
    >>> X.shape, bool(np.allclose(np.linalg.norm(X, axis=1), 1))
    ((5, 3), True)
    """
    g = _normal(n, d, rng)
    return g / np.linalg.norm(g, axis=1, keepdims=True)


def gaussian(n: int, d: int, rng: np.random.Generator) -> Float[ndarray, "n d"]:
    """n independent points of N(0, I_d/d), so that E‖x‖² = 1: for large d nearly the sphere.

    Raises ValueError if n < 1, d < 1 or rng is no Generator.

    >>> gaussian(2, 4, np.random.default_rng(0)).shape
    (2, 4)
    """
    return _normal(n, d, rng) / np.sqrt(d)


def solid_cube(n: int, d: int, rng: np.random.Generator) -> Float[ndarray, "n d"]:
    """n independent uniform points of the solid cube [0, 1/√d]^d, whose Euclidean diameter is 1.

    Raises ValueError if n < 1, d < 1 or rng is no Generator.

    >>> X = solid_cube(100, 4, np.random.default_rng(0))
    >>> bool(X.min() >= 0), bool(X.max() <= 0.5)
    (True, True)
    """
    n, d, rng = check.count(n, "n"), check.count(d, "d"), check.generator(rng)
    return rng.random((n, d)) / np.sqrt(d)


def hamming_cube(n: int, d: int, rng: np.random.Generator) -> Float[ndarray, "n d"]:
    """n independent uniform points of the discrete cube {0, 1}^d, as floats.

    The natural metric is the normalised Hamming distance (1/d)·#{j : x_j ≠ x'_j} ∈ [0, 1]; with the
    Euclidean one the discrete cube is not isoperimetric. Points repeat once n approaches 2^{d/2}.

    Raises ValueError if n < 1, d < 1 or rng is no Generator.

    >>> sorted(set(hamming_cube(20, 3, np.random.default_rng(0)).ravel().tolist()))
    [0.0, 1.0]
    """
    n, d, rng = check.count(n, "n"), check.count(d, "d"), check.generator(rng)
    return rng.integers(0, 2, (n, d)).astype(np.float64)


@dataclass(frozen=True)
class MixtureSample:
    """Points of a mixture, with the component each came from.

    X: points (n, d). component: its number for each point (n,), in 0..k−1. centres: the means of
    the components (k, d).
    """

    X: Float[ndarray, "n d"]
    component: Int[ndarray, "n"]
    centres: Float[ndarray, "k d"]


def gaussian_mixture(
    n: int, centres: Float[ndarray, "k d"], rng: np.random.Generator, *, spread: float = 1.0
) -> MixtureSample:
    """n independent points x = m_ℓ + spread·g, g ~ N(0, I_d/d), ℓ uniform among k components.

    Each component is isoperimetric with c = spread²; the mixture is not, once its centres are far
    apart.

    Parameters: centres m_0, …, m_{k−1}, e.g. `sphere(k, d, rng)`, about √2 apart; spread ≥ 0, so
    that a component has E‖x − m_ℓ‖² = spread².

    Raises ValueError on wrong shapes, n < 1, a negative spread or rng that is no Generator.

    >>> centres = np.array([[0.0, 1.0], [0.0, -1.0]])
    >>> sample = gaussian_mixture(4, centres, np.random.default_rng(0), spread=0.0)
    >>> bool((sample.X == centres[sample.component]).all())
    True
    """
    centres = check.matrix(centres, "centres")
    spread = check.positive(spread, "spread", zero_allowed=True)
    k, d = centres.shape
    g, p = _normal(n, d, rng), np.full(k, 1 / k)
    component = rng.choice(k, size=len(g), p=p / p.sum())
    return MixtureSample(centres[component] + (spread / np.sqrt(d)) * g, component, centres)


def random_subspace(d: int, k: int, rng: np.random.Generator) -> Float[ndarray, "d k"]:
    """Orthonormal columns that span a uniformly random k-dimensional subspace of R^d.

    Raises ValueError unless 1 ≤ k ≤ d and rng is a Generator.

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

    Formula: x = basis·u with u uniform on S^{k−1}. The points lie in R^d, but have only k − 1
    dimensions.

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


@dataclass(frozen=True)
class LabelledSample:
    """Points with labels y = g(x) + z, the split into signal and noise kept.

    X: points (n, d). y: labels (n,), |y| ≤ 1. signal: g(x_i) (n,). sigma: √Var(y|x_i) (n,).
    sigma2: the mean of sigma², which estimates σ² = E[Var(y|x)] (and equals it if sigma is fixed).
    """

    X: Float[ndarray, "n d"]
    y: Float[ndarray, "n"]
    signal: Float[ndarray, "n"]
    sigma: Float[ndarray, "n"]

    @property
    def noise(self) -> Float[ndarray, "n"]:
        """z_i = y_i − g(x_i)."""
        return self.y - self.signal

    @property
    def sigma2(self) -> float:
        """(1/n) Σ Var(y|x_i)."""
        return float(np.mean(self.sigma**2))


def random_signs(n: int, rng: np.random.Generator) -> Float[ndarray, "n"]:
    """n independent fair signs ±1: pure noise, g = 0 and σ² = 1.

    Raises ValueError if n < 1 or rng is no Generator.

    >>> random_signs(4, np.random.default_rng(0))
    array([ 1.,  1.,  1., -1.])
    """
    n, rng = check.count(n, "n"), check.generator(rng)
    return 2.0 * rng.integers(0, 2, n) - 1.0


def signal_plus_noise(
    X: Float[ndarray, "n d"],
    g: Callable[[Float[ndarray, "n d"]], Float[ndarray, "n"]],
    sigma: float | Callable[[Float[ndarray, "n d"]], Float[ndarray, "n"]],
    rng: np.random.Generator,
) -> LabelledSample:
    """Labels y_i = g(x_i) + σ(x_i)·s_i with fair signs s_i: Var(y|x) = σ(x)² exactly.

    Parameters: X points; g the signal, called once on all of X; sigma the noise level, a number in
    [0, 1] or a function of X (then the noise is heteroscedastic); rng the source of the signs.

    Raises ValueError if |g| + σ exceeds 1 anywhere (labels must stay in [−1, 1]), if σ < 0, or if g
    or sigma do not return one finite number per point.

    Source: the model y = g(x) + z, E[z|x] = 0, σ² = E[Var(y|x)] > 0 of Bubeck and Sellke (2021);
    the two-point noise is this book's choice: its variance is known exactly at every point.

    >>> rng = np.random.default_rng(0)
    >>> sample = signal_plus_noise(sphere(50, 10, rng), lambda X: X[:, 0] / 2, 0.5, rng)
    >>> sample.sigma2, bool(np.abs(sample.y).max() <= 1)
    (0.25, True)
    """
    X, rng = check.matrix(X), check.generator(rng)
    n = X.shape[0]
    signal = check.vector(g(X), "g(X)", length=n, bound=1.0)
    if callable(sigma):
        level = check.vector(sigma(X), "sigma(X)", length=n)
    else:
        level = np.full(n, check.positive(sigma, "sigma", zero_allowed=True))
    if level.min() < 0:
        i = int(level.argmin())
        raise ValueError(f"sigma(X)[{i}] = {level[i]:g}; a noise level cannot be negative")
    top = np.abs(signal) + level
    if top.max() > 1 + 1e-12:
        i = int(top.argmax())
        far = f"|g(x)| + sigma(x) = {top[i]:g} at point {i}"
        raise ValueError(f"{far}, so labels leave [-1, 1]; scale g or sigma down")
    return LabelledSample(X, signal + level * random_signs(n, rng), signal, level)


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
    else they are downloaded once by `fetch_mnist`. Their SHA-256 is checked each time.

    Raises ValueError for an unknown split or a file with a wrong checksum, FileNotFoundError if
    LAWROB_DATA_DIR lacks a file, ConnectionError if no mirror can be reached.
    """
    prefix = {"train": "train", "test": "t10k"}[check.one_of(split, "split", ("train", "test"))]
    folder = _folder()
    if not os.environ.get("LAWROB_DATA_DIR"):
        fetch_mnist(folder)
    pixels = _read_idx(folder, f"{prefix}-images-idx3-ubyte.gz")
    labels = _read_idx(folder, f"{prefix}-labels-idx1-ubyte.gz")
    X = pixels.reshape(len(pixels), -1).astype(np.float32) / np.float32(255)
    return Images(X, labels.astype(np.int64), (28, 28), f"MNIST {split}")


def mnist_available() -> bool:
    """True if `mnist` would find its four files without a download. Never touches the network."""
    return all((_folder() / name).is_file() for name in MNIST_SHA256)


def fetch_mnist(folder: Path | str | None = None, mirrors: Sequence[str] = MNIST_MIRRORS) -> Path:
    """Download what is missing of MNIST's four files (11 MB) into `folder`; returns it.

    The folder is the user's cache by default. A file appears under its name only when it is whole
    and its SHA-256 is right; an interrupted download leaves nothing, and a right file stays.

    Raises ConnectionError if no mirror gives a file, ValueError if every answer is a wrong one.
    """
    pooch = _pooch()
    folder = Path(folder) if folder is not None else _cache_folder()
    logger = pooch.get_logger()
    level = logger.level
    logger.setLevel("ERROR")  # pooch reports on stderr, which would end up in stored outputs
    try:
        for name, sha256 in MNIST_SHA256.items():
            failures: list[Exception] = []
            for base in mirrors:
                try:  # pooch checks the hash of a temporary file and only then moves it into place
                    pooch.retrieve(base + name, f"sha256:{sha256}", fname=name, path=folder)
                    break
                except (OSError, ValueError) as error:  # the network; a wrong hash
                    failures.append(error)
            else:
                _give_up(name, sha256, mirrors, failures)
    finally:
        logger.setLevel(level)
    return folder


def _give_up(name: str, sha256: str, mirrors: Sequence[str], failures: list[Exception]) -> None:
    words = [f"{type(e).__name__} {' '.join(str(e).split()):.120}" for e in failures]
    told = "; ".join(f"{mirror}: {said}" for mirror, said in zip(mirrors, words, strict=True))
    if failures and all(isinstance(e, ValueError) and "hash" in str(e) for e in failures):
        raise ValueError(f"{name} was downloaded but its SHA-256 is not {sha256[:12]}…. {_REMEDY}")
    raise ConnectionError(
        f"{name} could not be downloaded ({told}). Connect to the network and try again. {_REMEDY}"
    )


def _pooch() -> ModuleType:
    """pooch; its import of tqdm would warn in a notebook without ipywidgets."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import pooch
    return pooch


def _cache_folder() -> Path:
    return Path(_pooch().os_cache("lawrob")) / "mnist"


def _folder() -> Path:
    own = os.environ.get("LAWROB_DATA_DIR")
    return Path(own) if own else _cache_folder()


def _read_idx(folder: Path, name: str) -> ndarray:
    """The array of a gzipped IDX file: 2 zero bytes, type 8, number of axes, lengths, data."""
    path = folder / name
    if not path.is_file():
        where = f"{folder}, where LAWROB_DATA_DIR points"
        raise FileNotFoundError(f"{name} is not in {where}. {_REMEDY}")
    packed, official = path.read_bytes(), MNIST_SHA256[name]
    if (sha256 := hashlib.sha256(packed).hexdigest()) != official:
        have = f"{path} has SHA-256 {sha256[:12]}…; the official file has {official[:12]}…"
        raise ValueError(f"{have}. Delete it and fetch it again.")
    raw = gzip.decompress(packed)
    shape = np.frombuffer(raw, dtype=">u4", count=raw[3], offset=4)
    return np.frombuffer(raw, dtype=np.uint8, offset=4 + 4 * raw[3]).reshape(shape)
