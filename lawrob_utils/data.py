"""Data: points whose law is known, labels with known noise, and two sets of real digits.

Read in order: points (`sphere`, `gaussian`, `solid_cube`, `hamming_cube`; then laws that are not isoperimetric at
scale 1/√d: mixtures, spheres in subspaces, heavy tails), labels (`random_signs`, `signal_plus_noise`), images
(`digits`, `mnist`). Every chapter starts here.
Points are normalised so that ‖x‖ ≈ 1 (cubes: diameter 1), labels so that |y| ≤ 1; without such units a statement
"Lip(f) = O(1)" would say nothing.
"""

from __future__ import annotations

import gzip
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

# ---------------------------------------------------------------------------------------------------------- points


def sphere(n: int, d: int, rng: np.random.Generator) -> Float[ndarray, "n d"]:
    """n independent uniform points on the unit sphere S^{d-1} = {x ∈ R^d : ‖x‖ = 1}.

    Formula: x = g/‖g‖ with g standard normal, whose law is invariant under rotations.

    Raises ValueError if n < 1, d < 1 or rng is not a `numpy.random.Generator`.

    >>> X = sphere(5, 3, np.random.default_rng(0))
    >>> X.shape, bool(np.allclose(np.linalg.norm(X, axis=1), 1))
    ((5, 3), True)
    """
    g = _normal(n, d, rng)
    return g / np.linalg.norm(g, axis=1, keepdims=True)


def gaussian(n: int, d: int, rng: np.random.Generator) -> Float[ndarray, "n d"]:
    """n independent points of N(0, I_d/d), so that E‖x‖² = 1 and x is nearly on the unit sphere for large d.

    Raises ValueError if n < 1, d < 1 or rng is not a `numpy.random.Generator`.

    >>> gaussian(2, 4, np.random.default_rng(0)).shape
    (2, 4)
    """
    return _normal(n, d, rng) / np.sqrt(d)


def solid_cube(n: int, d: int, rng: np.random.Generator) -> Float[ndarray, "n d"]:
    """n independent uniform points of the solid cube [0, 1/√d]^d, whose Euclidean diameter is 1.

    Raises ValueError if n < 1, d < 1 or rng is not a `numpy.random.Generator`.

    >>> X = solid_cube(100, 4, np.random.default_rng(0))
    >>> bool(X.min() >= 0), bool(X.max() <= 0.5)
    (True, True)
    """
    n, d, rng = check.count(n, "n"), check.count(d, "d"), check.generator(rng)
    return rng.random((n, d)) / np.sqrt(d)


def hamming_cube(n: int, d: int, rng: np.random.Generator) -> Float[ndarray, "n d"]:
    """n independent uniform points of the discrete cube {0, 1}^d, as floats.

    The natural metric is the normalised Hamming distance (1/d)·#{j : x_j ≠ x'_j} ∈ [0, 1]; with the Euclidean
    metric the discrete cube is not isoperimetric. Points repeat once n approaches 2^{d/2}.

    Raises ValueError if n < 1, d < 1 or rng is not a `numpy.random.Generator`.

    >>> sorted(set(hamming_cube(20, 3, np.random.default_rng(0)).ravel().tolist()))
    [0.0, 1.0]
    """
    n, d, rng = check.count(n, "n"), check.count(d, "d"), check.generator(rng)
    return rng.integers(0, 2, (n, d)).astype(np.float64)


@dataclass(frozen=True)
class MixtureSample:
    """Points of a mixture, with the component each came from.

    X: points (n, d). component: its number for each point (n,), in 0..k−1. centres: the means of the components (k, d).
    """

    X: Float[ndarray, "n d"]
    component: Int[ndarray, "n"]
    centres: Float[ndarray, "k d"]


def gaussian_mixture(
    n: int,
    centres: Float[ndarray, "k d"],
    rng: np.random.Generator,
    *,
    spread: float = 1.0,
    weights: Float[ndarray, "k"] | None = None,
) -> MixtureSample:
    """n independent points x = m_ℓ + spread·g with g ~ N(0, I_d/d) and a random component ℓ, P(ℓ) = weights[ℓ].

    Each component is isoperimetric with c = spread²; the mixture is not, once its centres are far apart.

    Parameters: centres m_0, …, m_{k−1}, e.g. `sphere(k, d, rng)`, about √2 apart; spread ≥ 0, so that a component has
    E‖x − m_ℓ‖² = spread²; weights of the components, not negative, with sum 1 (None: all equal).

    Raises ValueError on wrong shapes, non-finite entries, a negative spread or weight, or weights with another sum.

    >>> sample = gaussian_mixture(4, np.array([[0.0, 1.0], [0.0, -1.0]]), np.random.default_rng(0), spread=0.0)
    >>> bool((sample.X == sample.centres[sample.component]).all())
    True
    """
    centres, spread = (
        check.matrix(centres, "centres"),
        check.positive(spread, "spread", zero_allowed=True),
    )
    k, d = centres.shape
    p = np.full(k, 1 / k) if weights is None else check.vector(weights, "weights", length=k)
    if p.min() < 0 or abs(p.sum() - 1) > 1e-9:
        raise ValueError(f"weights = {p.tolist()}; numbers of at least 0 with sum 1 are needed")
    g = _normal(n, d, rng)
    component = rng.choice(k, size=len(g), p=p / p.sum())
    return MixtureSample(centres[component] + (spread / np.sqrt(d)) * g, component, centres)


def random_subspace(d: int, k: int, rng: np.random.Generator) -> Float[ndarray, "d k"]:
    """Orthonormal columns that span a uniformly random k-dimensional subspace of R^d.

    Raises ValueError unless 1 ≤ k ≤ d and rng is a `numpy.random.Generator`.

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
    """n independent uniform points on the unit sphere of the subspace that the k columns of `basis` span.

    Formula: x = basis·u with u uniform on S^{k−1}. The points lie in R^d, but have only k − 1 dimensions.

    Raises ValueError if n < 1 or the columns of basis are not orthonormal (as those of `random_subspace` are).

    >>> rng = np.random.default_rng(0)
    >>> sphere_in_subspace(3, random_subspace(7, 2, rng), rng).shape
    (3, 7)
    """
    basis = check.matrix(basis, "basis")
    k = basis.shape[1]
    gap = np.abs(basis.T @ basis - np.eye(k)).max()
    if gap > 1e-9:
        raise ValueError(
            f"basis has columns that are not orthonormal (by {gap:.3g}); use random_subspace or numpy.linalg.qr"
        )
    return sphere(n, k, rng) @ basis.T


def gaussian_plus_noise(
    n: int, d: int, radius: float, rng: np.random.Generator
) -> Float[ndarray, "n d"]:
    """n independent points x = g + u, g ~ N(0, I_d/d), and u independent of g, uniform on the sphere of this radius.

    Raises ValueError if n < 1, d < 1, radius < 0 or rng is not a `numpy.random.Generator`.

    >>> gaussian_plus_noise(2, 4, 0.5, np.random.default_rng(0)).shape
    (2, 4)
    """
    radius = check.positive(radius, "radius", zero_allowed=True)
    return gaussian(n, d, rng) + radius * sphere(n, d, rng)


def heavy_tailed(n: int, d: int, dof: float, rng: np.random.Generator) -> Float[ndarray, "n d"]:
    """n independent points with independent Student-t coordinates, scaled so that E x_j² = 1/d and E‖x‖² = 1.

    Formula: x_j = t_j·√((dof − 2)/(dof·d)), and P(|t_j| ≥ s) falls only like s^{−dof}: no c makes such a law isoperimetric.

    Raises ValueError if n < 1, d < 1 or dof ≤ 2 (then E x_j² does not exist).

    >>> heavy_tailed(2, 4, 3.0, np.random.default_rng(0)).shape
    (2, 4)
    """
    n, d, rng = check.count(n, "n"), check.count(d, "d"), check.generator(rng)
    if check.positive(dof, "dof") <= 2:
        raise ValueError(
            f"dof = {dof}; more than 2 degrees of freedom are needed, or E‖x‖² is infinite"
        )
    return rng.standard_t(dof, (n, d)) * np.sqrt((dof - 2) / (dof * d))


def _normal(n: int, d: int, rng: np.random.Generator) -> Float[ndarray, "n d"]:
    n, d, rng = check.count(n, "n"), check.count(d, "d"), check.generator(rng)
    return rng.standard_normal((n, d))


# ---------------------------------------------------------------------------------------------------------- labels


@dataclass(frozen=True)
class LabelledSample:
    """Points with labels y = g(x) + z, the split into signal and noise kept.

    X: points (n, d). y: labels (n,), |y| ≤ 1. signal: g(x_i) (n,). sigma: sqrt(Var(y|x_i)) (n,).
    sigma2: the mean of sigma², which estimates σ² = E[Var(y|x)] and equals it when sigma does not depend on x.
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

    Raises ValueError if n < 1 or rng is not a `numpy.random.Generator`.

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
    """Labels y_i = g(x_i) + σ(x_i)·s_i with independent fair signs s_i, so that Var(y|x) = σ(x)² exactly.

    Parameters: X points; g the signal, called once on all of X; sigma the noise level, a number in [0, 1] or a
    function of X (then the noise is heteroscedastic); rng the source of the signs.

    Raises ValueError if |g| + σ exceeds 1 anywhere (labels must stay in [−1, 1]), if σ < 0, or if g or sigma do not
    return one finite number per point.

    Source: the model y = g(x) + z, E[z|x] = 0, σ² = E[Var(y|x)] > 0 of Bubeck and Sellke (2021); the two-point noise
    is this book's choice, because its variance is known exactly at every point.

    >>> rng = np.random.default_rng(0)
    >>> sample = signal_plus_noise(sphere(50, 10, rng), lambda X: X[:, 0] / 2, 0.5, rng)
    >>> sample.sigma2, bool(np.abs(sample.y).max() <= 1)
    (0.25, True)
    """
    X, rng = check.matrix(X), check.generator(rng)
    n = X.shape[0]
    signal = check.vector(g(X), "g(X)", length=n, bound=1.0)
    level = (
        check.vector(sigma(X), "sigma(X)", length=n)
        if callable(sigma)
        else np.full(n, check.positive(sigma, "sigma", zero_allowed=True))
    )
    if level.min() < 0:
        raise ValueError(
            f"sigma(X)[{int(level.argmin())}] = {level.min():g}; a noise level cannot be negative"
        )
    top = np.abs(signal) + level
    if top.max() > 1 + 1e-12:
        i = int(top.argmax())
        raise ValueError(
            f"|g(x)| + sigma(x) = {top[i]:g} at point {i}, so labels leave [-1, 1]; scale g or sigma down"
        )
    return LabelledSample(X, signal + level * random_signs(n, rng), signal, level)


# ---------------------------------------------------------------------------------------------------------- images


@dataclass(frozen=True)
class Images:
    """Grey images as points: X (n, d) with pixels in [0, 1], labels (n,) in 0..9, shape (height, width), d = h·w."""

    X: Float[ndarray, "n d"]
    labels: Int[ndarray, "n"]
    shape: tuple[int, int]
    name: str


def digits() -> Images:
    """The 1797 digits of 8×8 pixels that scikit-learn carries; pixel values 0..16 are divided by 16 (float64, d = 64).

    Source: UCI "Optical recognition of handwritten digits" (test part), through `sklearn.datasets.load_digits`.

    >>> images = digits()
    >>> images.X.shape, float(images.X.max()), images.shape
    ((1797, 64), 1.0, (8, 8))
    """
    from sklearn.datasets import load_digits  # half a second: only when asked for

    bunch = load_digits()
    return Images(bunch.data / 16.0, bunch.target.astype(np.int64), (8, 8), "digits")


MNIST_SHA256 = {
    "train-images-idx3-ubyte.gz": "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
    "train-labels-idx1-ubyte.gz": "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
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
    "Put the four original files (train-images-idx3-ubyte.gz, train-labels-idx1-ubyte.gz, t10k-images-idx3-ubyte.gz, "
    "t10k-labels-idx1-ubyte.gz) into a folder and set the environment variable LAWROB_DATA_DIR to it."
)


def mnist(split: Literal["train", "test"] = "train") -> Images:
    """MNIST, n = 60 000 ("train") or 10 000 ("test") images of 28×28; pixel values 0..255 are divided by 255 (float32).

    Files come from the folder LAWROB_DATA_DIR if that variable is set, else from the user's cache, else they are
    downloaded once by `fetch_mnist`. Their SHA-256 is checked each time they are read.

    Raises ValueError for an unknown split or a file with a wrong checksum, FileNotFoundError if LAWROB_DATA_DIR
    lacks a file, ConnectionError if a download is needed and no mirror can be reached.
    """
    prefix = {"train": "train", "test": "t10k"}[check.one_of(split, "split", ("train", "test"))]
    folder = _mnist_folder()
    if not os.environ.get("LAWROB_DATA_DIR"):
        fetch_mnist(folder)
    pixels = _read_idx(folder, f"{prefix}-images-idx3-ubyte.gz")
    labels = _read_idx(folder, f"{prefix}-labels-idx1-ubyte.gz")
    X = pixels.reshape(len(pixels), -1).astype(np.float32) / np.float32(255)
    return Images(X, labels.astype(np.int64), (28, 28), f"MNIST {split}")


def mnist_available() -> bool:
    """True if `mnist` would find its four files without a download. Never touches the network."""
    folder = _mnist_folder()
    return all((folder / name).is_file() for name in MNIST_SHA256)


def fetch_mnist(folder: Path | str | None = None, mirrors: Sequence[str] = MNIST_MIRRORS) -> Path:
    """Download what is missing of MNIST's four files (11 MB) into `folder` (default: the user's cache); returns it.

    A file appears under its name only when it is whole and its SHA-256 is right; an interrupted download leaves
    nothing. Files that are there and right are not fetched again.

    Raises ConnectionError if no mirror gives the file, ValueError if every answer has a wrong checksum.
    """
    pooch = _pooch()

    folder = Path(folder) if folder is not None else _cache_folder()
    for name, sha256 in MNIST_SHA256.items():
        if (folder / name).is_file() and pooch.file_hash(str(folder / name)) == sha256:
            continue
        _fetch(folder, name, sha256, mirrors)
    return folder


def _fetch(folder: Path, name: str, sha256: str, mirrors: Sequence[str]) -> None:
    pooch = _pooch()

    failures: list[tuple[str, Exception]] = []
    logger = pooch.get_logger()
    level = logger.level
    logger.setLevel(
        "ERROR"
    )  # pooch reports on stderr, which would end up in stored notebook outputs
    try:
        for base in mirrors:
            try:
                # pooch writes to a temporary file, checks the hash and only then moves it into place
                pooch.retrieve(base + name, f"sha256:{sha256}", fname=name, path=folder)
                return
            except (
                OSError,
                ValueError,
            ) as error:  # requests' errors are OSErrors; a wrong hash is a ValueError
                failures.append((base, error))
    finally:
        logger.setLevel(level)
    told = "; ".join(f"{base}: {_first_line(error)}" for base, error in failures)
    if failures and all(
        isinstance(error, ValueError) and "hash" in str(error) for _, error in failures
    ):
        raise ValueError(
            f"{name} was downloaded but its SHA-256 is not {sha256[:12]}…, so it was thrown away ({told}). {_REMEDY}"
        )
    raise ConnectionError(
        f"{name} could not be downloaded ({told}). Connect to the network and try again. {_REMEDY}"
    )


def _pooch() -> ModuleType:
    """pooch, imported when needed. It imports tqdm, which warns in a notebook without ipywidgets: that would end up in stored outputs."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import pooch
    return pooch


def _first_line(error: Exception) -> str:
    text = str(error).splitlines()[0] if str(error) else ""
    return f"{type(error).__name__} {text[:120]}".strip()


def _cache_folder() -> Path:
    pooch = _pooch()

    return Path(pooch.os_cache("lawrob")) / "mnist"


def _mnist_folder() -> Path:
    own = os.environ.get("LAWROB_DATA_DIR")
    return Path(own) if own else _cache_folder()


def _read_idx(folder: Path, name: str) -> ndarray:
    """The array in a gzipped IDX file: 2 zero bytes, type 8 (unsigned byte), number of axes, their lengths, data."""
    import hashlib

    path = folder / name
    if not path.is_file():
        raise FileNotFoundError(
            f"{name} is not in {folder}, where LAWROB_DATA_DIR points. {_REMEDY}"
        )
    packed = path.read_bytes()
    sha256 = hashlib.sha256(packed).hexdigest()
    if sha256 != MNIST_SHA256[name]:
        raise ValueError(
            f"{path} has SHA-256 {sha256[:12]}…; the official file has {MNIST_SHA256[name][:12]}…. "
            "Delete it and fetch it again."
        )
    raw = gzip.decompress(packed)
    axes = raw[3]
    shape = np.frombuffer(raw, dtype=">u4", count=axes, offset=4)
    return np.frombuffer(raw, dtype=np.uint8, offset=4 + 4 * axes).reshape(shape)
