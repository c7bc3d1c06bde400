"""Is MNIST isoperimetric within its classes? Spread and tails of 1-Lipschitz functions, distances,
dimensions, clusters: chapter 8.

    python -m lawrob_utils.records mnist_isoperimetry --preset full          (about 8 minutes on one
    core)

Read in order: `row` and the four things it measures (`tail`, `distance`, `dimension`, `clusters`),
the grids, and what is read off the table: `scale`.

A 1-Lipschitz function is chosen on one half of the points and measured on the other, so that the
choice does not bias what is measured. Every part of the data is set beside two laws with the same
mean and covariance: a Gaussian, for which K² = λ_max exactly, and the image of a uniform sphere.
MNIST is the training set, pixels in [0, 1]; digits are scikit-learn's, pixels in [0, 1].
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray

from lawrob_utils import _validate as check
from lawrob_utils import data
from lawrob_utils.bracket import Estimate
from lawrob_utils.isoperimetry import (
    OneLipschitz,
    distance_to_points,
    mgf_constant,
    scaled_std,
    tail_constant_at_least,
)
from lawrob_utils.records import Record, generator

from .dimensions import (
    levina_bickel,
    neighbour_distances,
    participation_ratio,
    stable_rank,
    total_variance,
    two_nn,
    widest_linear,
)
from .distances import Separation, separation
from .functions import norm_of_part, signed_distance, widest_cone, widest_net

if TYPE_CHECKING:
    import pandas as pd

SEED = 20210526
SETS = ("digits", "mnist")
PARTS = ("all", *range(10))
LAWS = ("data", "gaussian", "sphere")
FUNCTIONS = (
    "pixel",
    "direction 1",
    "direction 2",
    "norm",
    "norm of upper half",
    "apex",
    "set",
    "two sets",
    "net",
)
ESTIMATORS = (
    "variance",
    "stable rank",
    "participation ratio",
    "TwoNN",
    *(f"Levina-Bickel {k}" for k in (3, 5, 10, 20)),
)
BEYOND = (1, 1.5, 2, 2.5, 3, 3.5, 4)
# points of a part that are used for tails: all of every class, a third of MNIST as a whole
MOST = 20_000


def row(
    *, rng: np.random.Generator, device: str = "cpu", what: str, **parameters
) -> dict[str, object]:
    """One number and its neighbours: `what` is tail, distance, dimension or clusters; the
    parameters are those of that function."""
    measure: dict[str, Callable[..., dict]] = {
        "tail": tail,
        "distance": distance,
        "dimension": dimension,
        "clusters": clusters,
    }
    return measure[check.one_of(what, "what", tuple(measure))](rng=rng, **parameters)


def tail(
    *, rng: np.random.Generator, set: str, part: int | str, law: str, function: str
) -> dict[str, object]:
    """Spread and tails of one 1-Lipschitz function over one part of the data (a class, or all), or
    over a law with its covariance.

    n: points measured on. std_choose: the spread on the half that the function was chosen on. value
    ± error: std(f) on the other half. kurtosis: fourth central moment over variance². beyond_s:
    share of points with |f − f̄| ≥ s·std(f).
    mgf ± mgf_error: the largest √(2 log E e^{λ(f−Ef)})/|λ| over λ·std = ±½, ±1, ±3/2, where known.
    tail_K: K in the tail form that the values refute with confidence 0.99.
    """
    choose, measure = halves(set, part, law)
    f = chosen(function, choose, rng)
    v = f(measure)
    spread, std = scaled_std(v, 1), float(v.std())
    mgf = mgf_constant(v, np.array([-1.5, -1, -0.5, 0.5, 1, 1.5]) / std, 1)
    values, errors = np.asarray(mgf.value), np.asarray(mgf.error)
    top = int(np.nanargmax(values))
    K = float(np.sqrt(values[top]))
    beyond = {f"beyond_{s:g}": _digits(np.mean(np.abs(v - v.mean()) >= s * std), 3) for s in BEYOND}
    return {
        "n": len(v), "value": _digits(float(spread.value)),
        "error": _digits(float(spread.error), 2), "std_choose": _digits(f(choose).std(ddof=1)),
        "kurtosis": _digits(float(np.mean((v - v.mean()) ** 4)) / std**4, 3), **beyond,
        "mgf": _digits(K), "mgf_error": _digits(float(errors[top]) / (2 * K), 2),
        "tail_K": _digits(np.sqrt(tail_constant_at_least(v, 1))),
    }  # fmt: skip


def chosen(function: str, X: Float[ndarray, "n d"], rng: np.random.Generator) -> OneLipschitz:
    """The named 1-Lipschitz function, made from the points X so that it varies much over them."""
    if function == "pixel":
        best = np.eye(X.shape[1])[int(X.var(axis=0).argmax())]
        return OneLipschitz("pixel", lambda Z: Z @ best, "a coordinate")
    if function in ("direction 1", "direction 2"):
        return widest_linear(X, int(function[-1]) - 1)
    if function in ("norm", "norm of upper half"):  # pixels are stored row by row
        return norm_of_part(X.shape[1] // (1 if function == "norm" else 2), X.mean(axis=0))
    if function == "apex":
        return widest_cone(X)
    along = widest_linear(X)(X)
    if function == "set":
        return distance_to_points(X[along < np.median(along)])
    if function == "two sets":
        low, high = np.quantile(along, (1 / 3, 2 / 3))
        return signed_distance(X[along < low], X[along > high])
    check.one_of(function, "function", FUNCTIONS)
    keep = rng.permutation(len(X))[:5000]
    return widest_net(X[keep], rng)


def distance(*, rng: np.random.Generator, set: str, points: int, measure: str) -> dict[str, object]:
    """A distance between labels, or the error of the nearest neighbour, among the first `points`
    points of a random order."""
    found = _separation(set, points)
    if measure == "minimum":
        return {"n": points, "value": _digits(found.minimum)}
    return _result(
        points,
        getattr(
            found,
            check.one_of(measure, "measure", ("typical", "median_nearest", "neighbour_error")),
        ),
    )


def dimension(
    *, rng: np.random.Generator, set: str, part: int | str, law: str, points: int, estimator: str
) -> dict[str, object]:
    """An estimate of dimension of the first `points` points, in a random order, of a part (0: all
    of them); "variance" is tr Σ."""
    X = np.concatenate(halves(set, part, law))
    X = X[:points] if points else X
    if estimator.startswith("Levina-Bickel "):
        return _result(
            len(X), levina_bickel(_neighbours(set, part, law, points), int(estimator.split()[1]))
        )
    if estimator == "TwoNN":
        return _result(len(X), two_nn(_neighbours(set, part, law, points)))
    which = {
        "variance": total_variance,
        "stable rank": stable_rank,
        "participation ratio": participation_ratio,
    }
    return _result(len(X), which[check.one_of(estimator, "estimator", ESTIMATORS)](X))


def clusters(*, rng: np.random.Generator, set: str, k: int | str) -> dict[str, object]:
    """The data as a mixture of its ten classes (k = "classes") or of k clusters found by k-means.

    value ± error: λ of the component where it is largest, λ = variance along the principal
    direction of one half of the component, measured on the other half: a lower bound of K² for that
    component. mean_lambda: its mean, weighted by size. between: the largest eigenvalue of the
    covariance of the component means, a lower bound of K² for the mixture. within: Σ of weight · tr
    Σ_ℓ. smallest: points of the smallest component; components with fewer than 20 points are left
    out of λ. price: √(k/n).
    """
    X, labels = _points(set)
    n, component = len(X), labels
    if k != "classes":
        from sklearn.cluster import KMeans  # half a second: only when asked for

        projected = (X - X.mean(axis=0)) @ _axes(set)[0][:, :50]
        component = KMeans(
            int(k), n_init=1, max_iter=50, random_state=int(rng.integers(2**31))
        ).fit_predict(projected)
    sizes = np.bincount(component)
    means = np.array([X[component == c].mean(axis=0) for c in range(len(sizes))])
    root = np.sqrt(sizes / n)[:, None] * (means - X.mean(axis=0))
    lam, error = np.zeros(len(sizes)), np.zeros(len(sizes))
    for c in np.flatnonzero(sizes >= 20):
        own = X[component == c][rng.permutation(sizes[c])]
        spread = scaled_std(widest_linear(own[::2])(own[1::2]), 1)
        lam[c], error[c] = spread.value**2, 2 * spread.value * spread.error
    within = float(np.sum((X - means[component]) ** 2) / n)
    return {
        **_result(n, Estimate(lam.max(), error[lam.argmax()])),
        "mean_lambda": _digits(sizes @ lam / sizes[lam > 0].sum()),
        "between": _digits(np.linalg.svd(root, compute_uv=False)[0] ** 2),
        "within": _digits(within), "smallest": int(sizes.min()),
        "price": _digits(np.sqrt(len(sizes) / n)),
    }  # fmt: skip


# --------------------------------------------------------------------------------------- the points


@lru_cache(1)
def _points(set: str) -> tuple[Float[ndarray, "n d"], Int[ndarray, "n"]]:
    """The whole set in a random order, in double precision."""
    if check.one_of(set, "set", SETS) == "mnist" and not data.mnist_available():
        raise ValueError(
            "MNIST is not here: python -c 'from lawrob_utils.data import fetch_mnist; "
            "fetch_mnist()', or set LAWROB_DATA_DIR"
        )
    images = data.mnist() if set == "mnist" else data.digits()
    order = generator(SEED, {"set": set}).permutation(len(images.X))
    return images.X[order].astype(np.float64), images.labels[order]


@lru_cache(1)
def _axes(set: str) -> tuple[Float[ndarray, "d d"], Float[ndarray, "d"]]:
    X = _points(set)[0]
    values, V = np.linalg.eigh(np.cov(X.T))
    return V[:, ::-1], values[::-1]


@lru_cache(1)
def halves(
    set: str, part: int | str, law: str
) -> tuple[Float[ndarray, "m d"], Float[ndarray, "n d"]]:
    """Two disjoint halves of a part of the data, at most `MOST` points in all, or two samples of
    the same size of a law like it."""
    X, labels = _points(set)
    X = X[:MOST] if part == "all" else X[labels == part]
    if len(X) < 2:
        raise ValueError(f"part = {part!r}; 'all' or a label from 0 to 9 is needed")
    if check.one_of(law, "law", LAWS) != "data":
        values, V = np.linalg.eigh(np.cov(X.T))
        root = V[:, values > 1e-9 * values[-1]] * np.sqrt(values[values > 1e-9 * values[-1]])
        r = root.shape[1]
        draw = generator(SEED, {"set": set, "part": part, "law": law})
        Z = data.sphere(len(X), r, draw) if law == "sphere" else data.gaussian(len(X), r, draw)
        X = X.mean(axis=0) + np.sqrt(r) * Z @ root.T
    return X[: len(X) // 2], X[len(X) // 2 :]


@lru_cache(1)
def _neighbours(set: str, part: int | str, law: str, points: int) -> Float[ndarray, "n 20"]:
    X = np.concatenate(halves(set, part, law))
    return neighbour_distances(X[:points] if points else X, 20)


@lru_cache(1)
def _separation(set: str, points: int) -> Separation:
    X, labels = _points(set)
    return separation(X[:points], labels[:points])


def _result(n: int, found: Estimate) -> dict[str, object]:
    return {"n": n, "value": _digits(float(found.value)), "error": _digits(float(found.error), 2)}


def _digits(value: float, digits: int = 5) -> float:
    return float(f"{float(value):.{digits}g}")


# ---------------------------------------------------------------------------------------- the grids


def _grid(
    sets: Iterable[str],
    parts: tuple,
    laws: tuple,
    functions: tuple,
    sizes: dict,
    ks: dict,
    estimators: tuple,
) -> tuple[dict, ...]:
    out: list[dict] = []
    for s in sets:
        n = sizes[s][-1]
        first = {"set": (s,), "part": parts, "law": laws, "points": (0 if n <= MOST else 10_000,)}
        out += [
            {"what": ("tail",), "set": (s,), "part": parts, "law": laws, "function": functions},
            {"what": ("dimension",), **first, "estimator": estimators},
            {
                "what": ("distance",),
                "set": (s,),
                "points": sizes[s],
                "measure": ("typical", "median_nearest", "minimum", "neighbour_error"),
            },
            {"what": ("clusters",), "set": (s,), "k": ks[s]},
        ]
        if len(sizes[s]) > 1:
            fewer = tuple(m for m in sizes[s] if m < 10_000)
            out.append(
                {
                    "what": ("dimension",),
                    "set": (s,),
                    "part": ("all",),
                    "law": laws[:2],
                    "points": fewer,
                    "estimator": estimators,
                }
            )
    return tuple(out)


KS = {
    "digits": ("classes", 1, 2, 5, 10, 20, 50),
    "mnist": ("classes", 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000),
}
SIZES = {"digits": (1797,), "mnist": (1000, 3000, 10_000, 60_000)}
FULL = _grid(SETS, PARTS, LAWS, FUNCTIONS, SIZES, KS, ESTIMATORS)
QUICK = _grid(
    ("digits",),
    ("all", 1),
    ("data", "gaussian"),
    ("direction 1", "norm", "net"),
    SIZES,
    {"digits": ("classes", 1, 10)},
    ESTIMATORS,
)


def scale(table: pd.DataFrame, set: str, part: int | str) -> tuple[Estimate, str]:
    """The lower bound of K of a part, and the function it comes from.

    That is the function which spreads most on the half it was chosen on; the two made of distances
    to sets are left out, since on their own half they are far steeper than elsewhere.

    Raises ValueError if the table has no tails of this part.
    """
    own = (table["what"] == "tail") & (table["law"] == "data") & (table["set"] == set)
    rows = table[own & (table["part"] == part) & ~table["function"].isin(["set", "two sets"])]
    if rows.empty:
        raise ValueError(f"set = {set!r}, part = {part!r}: no such tails in the table")
    best = rows.loc[rows["std_choose"].idxmax()]
    return Estimate(float(best["value"]), float(best["error"])), str(best["function"])


RECORD = Record(
    name="mnist_isoperimetry",
    summary="Spread and tails of 1-Lipschitz functions on MNIST and digits, distances between "
    "labels, dimensions, clusters (chapter 8).",
    row=row,
    presets={"quick": QUICK, "full": FULL},
    seed=SEED,
    minutes={"quick": 0.05, "full": 8},
    tolerance="1 % in value; functions found by ascent ('apex', 'net') and k-means clusters 3 %",
)
load, run = RECORD.load, RECORD.run
