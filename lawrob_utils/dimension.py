"""Numbers called "the dimension" of a cloud of points: which is which, each with its standard error.

Read in order: from the covariance (`stable_rank`, `participation_ratio`), from distances to neighbours (`neighbour_distances`,
`two_nn`, `levina_bickel`), and what the law of robustness asks for: the scale K on which 1-Lipschitz functions vary (`widest_linear`,
`widest_cone`, `widest_net`, `distance_to_set`, `signed_distance`, `lipschitz_scale`), the distance δ between points of different label (`separation`),
and `effective_dimension`, size²/K². Chapter 8 uses all of it.

A sample shows a lower bound of K, that of the functions tried. So an effective dimension made from it is an upper bound.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray
from scipy.sparse.linalg import eigsh

from . import _validate as check
from .isoperimetry import Estimate, OneLipschitz, scaled_std

# --------------------------------------------------------------------------------------------------- from the covariance


def stable_rank(X: Float[ndarray, "n d"]) -> Estimate:
    """tr Σ/λ_max(Σ) of the covariance Σ: d if all directions are alike, 1 if there is only one.

    It bounds tr Σ/K² from above, K the sub-Gaussian scale of 1-Lipschitz functions: ⟨u, x⟩ with the top eigenvector u is one of them.
    The standard error is first order (delta method). The sample's λ_max is too large unless n is large against the stable rank
    and λ_max stands apart from the next eigenvalue; then the result is too small.

    Parameters: X points (n, d), n ≥ 3.

    Raises ValueError on wrong shapes, non-finite entries, n < 3, or points that all coincide.

    >>> round(stable_rank(np.array([[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0], [0.0, -1.0]])).value, 9)
    2.0
    """
    A, trace = _centred(X)
    lam, u = _top_eigenpair(A)
    squares, along = np.einsum("ij,ij->i", A, A), (A @ u) ** 2
    influence = (squares - trace) / lam - trace * (along - lam) / lam**2
    return Estimate(trace / lam, float(influence.std() / np.sqrt(len(A))))


def participation_ratio(X: Float[ndarray, "n d"]) -> Estimate:
    """(tr Σ)²/tr Σ² = (Σ λ_j)²/Σ λ_j², how many eigenvalues of the covariance share the variance.

    It lies between the stable rank and d. The standard error is first order (delta method). Σ is the sample's; that makes the
    value too small by a share of about value/n.

    Parameters: X points (n, d), n ≥ 3.

    Raises ValueError on wrong shapes, non-finite entries, n < 3, or points that all coincide.

    >>> round(participation_ratio(np.array([[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0], [0.0, -1.0]])).value, 9)
    2.0
    """
    A, trace = _centred(X)
    n, d = A.shape
    small = A.T @ A / n if d <= n else A @ A.T / n  # the same eigenvalues but for zeros
    square = float(np.einsum("ij,ij->", small, small))
    form = (
        np.einsum("ij,ij->i", A @ small, A) if d <= n else n * np.einsum("ij,ij->i", small, small)
    )  # x'Σx
    squares = np.einsum("ij,ij->i", A, A)
    influence = 2 * trace * (squares - trace) / square - 2 * trace**2 * (form - square) / square**2
    return Estimate(trace**2 / square, float(influence.std() / np.sqrt(n)))


def _centred(X: Float[ndarray, "n d"]) -> tuple[Float[ndarray, "n d"], float]:
    """The points minus their mean, and tr Σ = mean ‖x − mean‖²."""
    X = check.matrix(X, rows_at_least=3)
    A = X - X.mean(axis=0)
    trace = float(np.einsum("ij,ij->", A, A) / len(A))
    if trace == 0:
        raise ValueError("all points of X coincide; their covariance is 0 and has no dimension")
    return A, trace


def _top_eigenpair(A: Float[ndarray, "n d"]) -> tuple[float, Float[ndarray, "d"]]:
    """Largest eigenvalue of A'A/n with its unit eigenvector, the sign such that its largest entry is positive."""
    n, d = A.shape
    if min(n, d) <= 64:
        _, s, V = np.linalg.svd(A, full_matrices=False)
        lam, u = float(s[0] ** 2 / n), V[0]
    else:
        values, vectors = eigsh(
            A.T @ A / n, k=1, which="LA", v0=A[np.argmax((A**2).sum(axis=1))], tol=1e-12
        )
        lam, u = float(values[0]), vectors[:, 0]
    return lam, u * np.sign(u[np.abs(u).argmax()])


# ------------------------------------------------------------------------------------- from the distances to neighbours

_BLOCK = 512


def neighbour_distances(X: Float[ndarray, "n d"], k: int) -> Float[ndarray, "n k"]:
    """T_1(x_i) ≤ … ≤ T_k(x_i), the distances from each point to its k nearest other points.

    Candidates come from ‖a‖² + ‖b‖² − 2⟨a, b⟩ in blocks; the k distances themselves from x_i − x_j, so that nothing cancels.

    Parameters: X points (n, d); k with 1 ≤ k < n.

    Raises ValueError on wrong shapes, non-finite entries, k < 1 or k ≥ n.

    >>> neighbour_distances(np.array([[0.0], [1.0], [3.0]]), 2)
    array([[1., 3.],
           [1., 2.],
           [2., 3.]])
    """
    k = check.count(k, "k")
    X = check.matrix(X, rows_at_least=2)
    n = len(X)
    if k >= n:
        raise ValueError(f"k = {k}; each of {n} points has only {n - 1} neighbours")
    A = X - X.mean(axis=0)
    norm2, spare = (
        np.einsum("ij,ij->i", A, A),
        min(n - 1, k + 3),
    )  # a few more, lest rounding drop one
    T = np.empty((n, k))
    for start in range(0, n, _BLOCK):
        rows = slice(start, min(start + _BLOCK, n))
        d2 = norm2 - 2 * (A[rows] @ A.T)
        d2[np.arange(d2.shape[0]), np.arange(rows.start, rows.stop)] = np.inf
        near = np.argpartition(d2, spare - 1, axis=1)[:, :spare]
        T[rows] = np.sort(np.linalg.norm(A[near] - A[rows, None], axis=2), axis=1)[:, :k]
    return T


def two_nn(T: Float[ndarray, "n k"], *, discard: float = 0.1) -> Estimate:
    """The dimension by the ratio μ = T_2/T_1 of the two nearest distances: the slope of −log(1 − i/n) against log μ_(i).

    Where the points are locally uniform in m dimensions, P(μ > s) = s^{−m}. The line goes through the origin and is fitted by least
    squares, without the largest share `discard` of the ratios. The standard error is a jackknife over 20 groups of points,
    neighbours held fixed, so that it does not see the dependence of neighbouring points.

    Parameters: T from `neighbour_distances` with k ≥ 2; discard from 2/n to 0.9.

    Raises ValueError on wrong shapes or numbers, fewer than 40 points, or a repeated point (T_1 = 0).

    Source: Facco, d'Errico, Rodriguez and Laio (2017).

    >>> rng = np.random.default_rng(0)
    >>> round(two_nn(neighbour_distances(rng.random((2000, 2)), 2)).value, 1)
    2.0
    """
    T = _distances(T, at_least=2)
    if not 2 / len(T) <= discard <= 0.9:
        raise ValueError(
            f"discard = {discard!r}; a share from {2 / len(T):.2g} (two points) to 0.9 is needed"
        )
    log_mu = np.log(T[:, 1] / T[:, 0])

    def slope(values: Float[ndarray, "m"]) -> float:
        m = len(values)
        keep = int(m * (1 - discard))
        x = np.sort(values)[:keep]
        y = -np.log1p(-np.arange(1, keep + 1) / m)
        if not x.any():
            raise ValueError(
                "all ratios T_2/T_1 are 1; the points lie on a grid, which is not locally uniform"
            )
        return float(x @ y / (x @ x))

    return _jackknife(slope, log_mu)


def levina_bickel(T: Float[ndarray, "n k"], k: int | None = None) -> Estimate:
    """The maximum likelihood dimension from k neighbours: 1/m = mean over points and j < k of log(T_k/T_j).

    The mean is taken of the inverses 1/m(x_i), as MacKay and Ghahramani advise, and not of the m(x_i): that is the maximum
    likelihood of all points together. The factor (k − 2)/(k − 1) that makes a single m(x_i) unbiased is not applied.
    The standard error treats points as independent; neighbours are not, so it is too small, the more so the larger k.

    Parameters: T from `neighbour_distances`; k ≥ 2 neighbours to use (None: all columns).

    Raises ValueError on wrong shapes or numbers, k < 2 or above the columns of T, fewer than 40 points, or a repeated point.

    Source: Levina and Bickel (2004); the average is that of MacKay and Ghahramani (2005).

    >>> rng = np.random.default_rng(0)
    >>> round(levina_bickel(neighbour_distances(rng.random((2000, 2)), 10)).value, 1)
    2.0
    """
    T = _distances(T, at_least=2)
    k = T.shape[1] if k is None else check.count(k, "k", at_least=2)
    if k > T.shape[1]:
        raise ValueError(f"k = {k}; T holds the distances to {T.shape[1]} neighbours")
    inverse = np.log(T[:, k - 1, None] / T[:, : k - 1]).mean(axis=1)
    mean = float(inverse.mean())
    if mean == 0:
        raise ValueError(
            f"the first {k} neighbours of every point are equally far; such points have no dimension in this sense"
        )
    return Estimate(1 / mean, float(inverse.std(ddof=1) / np.sqrt(len(T)) / mean**2))


def _distances(T: Float[ndarray, "n k"], at_least: int) -> Float[ndarray, "n k"]:
    T = check.matrix(T, "T", rows_at_least=40)
    if T.shape[1] < at_least:
        raise ValueError(
            f"T has {T.shape[1]} column(s); the distances to at least {at_least} neighbours are needed"
        )
    if (T[:, 0] <= 0).any():
        i = int(np.argmin(T[:, 0]))
        raise ValueError(
            f"T[{i}, 0] = {T[i, 0]:g}; repeated points have no distance, keep one of each"
        )
    if (np.diff(T, axis=1) < 0).any():
        raise ValueError(
            "T decreases along a row; the distances of a point must be sorted, nearest first"
        )
    return T


def _jackknife(
    statistic: Callable[[Float[ndarray, "m"]], float], values: Float[ndarray, "n"], groups: int = 20
) -> Estimate:
    """The statistic of all values; its error from leaving out one of `groups` interleaved groups at a time."""
    group = np.arange(len(values)) % groups
    left = np.array([statistic(values[group != g]) for g in range(groups)])
    return Estimate(statistic(values), float(np.sqrt((groups - 1) * left.var())))


# --------------------------------------------------------------- 1-Lipschitz functions that are chosen to vary as much as they can


def widest_linear(X: Float[ndarray, "n d"], j: int = 0) -> OneLipschitz:
    """f(x) = ⟨u, x⟩ with the j-th principal direction u of the points, j = 0 the one with the largest variance.

    Raises ValueError on wrong shapes, n < 3, points that coincide, or j not in 0..min(n, d) − 1.

    >>> widest_linear(np.array([[0.0, 0.0], [1.0, 5.0], [0.0, 9.0]]))(np.array([[0.0, 1.0]])) > 0.9
    array([ True])
    """
    A, _ = _centred(X)
    j = check.count(j, "j", at_least=0)
    if j >= min(A.shape):
        raise ValueError(
            f"j = {j}; {A.shape[0]} points in dimension {A.shape[1]} have principal directions 0 to {min(A.shape) - 1}"
        )
    u = _top_eigenpair(A)[1] if j == 0 else _principal(A, j + 1)[j]
    return OneLipschitz(f"principal direction {j + 1}", lambda Z: Z @ u, "|⟨u, x − x'⟩| ≤ ‖x − x'‖")


def distance_to_set(Z: Float[ndarray, "m d"], name: str = "distance to a set") -> OneLipschitz:
    """f(x) = min_i ‖x − z_i‖, for many z_i (a matrix product; `lawrob_utils.isoperimetry.distance_to_points` is exact for few).

    Raises ValueError unless Z is a finite matrix with a row.

    >>> distance_to_set(np.array([[0.0, 0.0], [9.0, 0.0]]))(np.array([[3.0, 4.0]])).round(6)
    array([5.])
    """
    Z = check.matrix(Z, "Z")
    return OneLipschitz(name, lambda X: _to_nearest(X, Z), "the distance to a set")


def signed_distance(A: Float[ndarray, "m d"], B: Float[ndarray, "l d"]) -> OneLipschitz:
    """f(x) = (dist(x, A) − dist(x, B))/2 for two sets of points: −½·(their distance) or less on A, the opposite on B.

    Raises ValueError unless A and B are finite matrices with the same number of columns.

    >>> signed_distance(np.array([[0.0]]), np.array([[4.0]]))(np.array([[0.0], [3.0]]))
    array([-2.,  1.])
    """
    A = check.matrix(A, "A")
    B = check.matrix(B, "B", columns=A.shape[1])
    return OneLipschitz(
        "between two sets",
        lambda X: (_to_nearest(X, A) - _to_nearest(X, B)) / 2,
        "half a difference of distances",
    )


def _to_nearest(X: Float[ndarray, "n d"], Z: Float[ndarray, "m d"]) -> Float[ndarray, "n"]:
    z2, out = np.einsum("ij,ij->i", Z, Z), np.empty(len(X))
    for start in range(0, len(X), _BLOCK):
        rows = X[start : start + _BLOCK]
        near = (z2 - 2 * (rows @ Z.T)).argmin(axis=1)
        out[start : start + _BLOCK] = np.linalg.norm(rows - Z[near], axis=1)
    return out


def widest_cone(X: Float[ndarray, "n d"], *, steps: int = 30) -> OneLipschitz:
    """f(x) = ‖x − z‖ with a z found by gradient ascent on the variance of f over the points.

    Starts on the first principal axis, at distances √(tr Σ) and 2√(tr Σ) from the mean on both sides; a far z gives the linear
    function. A step that does not raise the variance is halved. A local maximum: no claim to be the best z.

    Raises ValueError on wrong shapes, n < 3, points that coincide, or steps < 1.
    """
    A, trace = _centred(X)
    steps, middle = check.count(steps, "steps"), np.asarray(X, dtype=float).mean(axis=0)
    u = _top_eigenpair(A)[1]
    best, apex = -1.0, np.zeros(A.shape[1])
    for far in (-2, -1, 1, 2):
        z = far * np.sqrt(trace) * u
        value, gradient = _cone_variance(A, z)
        step = np.sqrt(trace)
        for _ in range(steps):
            size = np.linalg.norm(gradient)
            if size < 1e-12 or step < 1e-3 * np.sqrt(trace):
                break
            trial = z + step * gradient / size
            new, new_gradient = _cone_variance(A, trial)
            if new > value:
                z, value, gradient, step = trial, new, new_gradient, 1.5 * step
            else:
                step /= 2
        if value > best:
            best, apex = value, z
    apex = apex + middle
    return OneLipschitz(
        "distance to an apex", lambda Z: np.linalg.norm(Z - apex, axis=1), "the distance to a point"
    )


def _cone_variance(
    A: Float[ndarray, "n d"], z: Float[ndarray, "d"]
) -> tuple[float, Float[ndarray, "d"]]:
    difference = A - z
    f = np.maximum(np.linalg.norm(difference, axis=1), 1e-300)
    weight = (f - f.mean()) / f
    return float(f.var()), -2 / len(f) * (weight @ difference)


def widest_net(
    X: Float[ndarray, "n d"],
    rng: np.random.Generator,
    *,
    width: int = 16,
    layers: int = 2,
    steps: int = 300,
) -> OneLipschitz:
    """A network trained to have a large variance on the points, 1-Lipschitz because each of its layers is.

    f(x) = ⟨a, φ(W_L … φ(W_1 U'x + b_1) … + b_L)⟩: U' projects to the first `width` principal directions, the W_j are square and
    orthogonal, ‖a‖ = 1, and φ sorts its inputs in pairs (MaxMin), which keeps distances from growing. Gradient ascent: after every step W_j and
    a are replaced by the nearest orthogonal matrix and unit vector, and a step that does not raise the variance is halved.

    Parameters: X points (n, d); width ≥ 2, even, cut to min(n − 1, d) if larger; layers ≥ 1; steps ≥ 1.

    Raises ValueError on wrong shapes, n < 4, points that coincide, an odd width, numbers below those above, or rng not a Generator.

    Source: MaxMin networks with orthogonal layers: Anil, Lucas and Grosse (2019).
    """
    A, trace = _centred(X)
    rng = check.generator(rng)
    width, layers, steps = (
        check.count(width, "width", at_least=2),
        check.count(layers, "layers"),
        check.count(steps, "steps"),
    )
    if width % 2 or min(len(A) - 1, A.shape[1]) < 2:
        raise ValueError(
            f"width = {width} in dimension {A.shape[1]}; an even number is needed, and two dimensions or more"
        )
    width = min(width, min(len(A) - 1, A.shape[1]) // 2 * 2)
    middle, U, unit = np.asarray(X, dtype=float).mean(axis=0), _principal(A, width), np.sqrt(trace)
    H = A @ U.T / unit
    shift = np.where(
        np.arange(width) % 2, 0.15, -0.15
    )  # orders a part of the pairs: neither linear nor far from it
    near_identity = [
        _polar(np.eye(width) + 0.1 * rng.standard_normal((width, width))) for _ in range(layers)
    ]
    parts = [
        *near_identity,
        *(shift.copy() for _ in range(layers)),
        _polar(np.eye(1, width) + 0.1 * rng.standard_normal((1, width))),
    ]
    value, step = float(_net_values(H, parts, layers)[-1].var()), 0.3
    gradients = _net_gradient(H, parts, layers)
    for _ in range(steps):
        size = np.sqrt(sum(float((g * g).sum()) for g in gradients))
        if size < 1e-12 or step < 1e-6:
            break
        trial = [p + step * g / size for p, g in zip(parts, gradients, strict=True)]
        trial = [_polar(p) if p.ndim == 2 else p for p in trial]
        new = float(_net_values(H, trial, layers)[-1].var())
        if new > value:
            parts, value, step, gradients = trial, new, 1.3 * step, _net_gradient(H, trial, layers)
        else:
            step /= 2
    return OneLipschitz(
        "trained MaxMin net",
        lambda Z: unit * _net_values((Z - middle) @ U.T / unit, parts, layers)[-1][:, 0],
        "every layer is 1-Lipschitz",
    )


def _net_values(H: ndarray, parts: list[ndarray], layers: int) -> list[ndarray]:
    """The input, what enters each φ and what leaves it, in turn, and the output (n, 1)."""
    out = [H]
    for W, b in zip(parts[:layers], parts[layers : 2 * layers], strict=True):
        before = out[-1] @ W.T + b
        out += [before, np.sort(before.reshape(len(H), -1, 2), axis=2).reshape(len(H), -1)]
    return [*out, out[-1] @ parts[-1].T]


def _net_gradient(H: ndarray, parts: list[ndarray], layers: int) -> list[ndarray]:
    """Gradient of the variance of the output in every part."""
    values = _net_values(H, parts, layers)
    f = values[-1][:, 0]
    back = (2 / len(f) * (f - f.mean()))[:, None]
    gradients: list[ndarray] = [back.T @ values[-2]]
    back = back @ parts[-1]
    weights, biases = [], []
    for j in reversed(range(layers)):
        before = values[2 * j + 1].reshape(len(f), -1, 2)
        pairs = back.reshape(len(f), -1, 2)
        back = np.where(before[:, :, :1] <= before[:, :, 1:], pairs, pairs[:, :, ::-1]).reshape(
            len(f), -1
        )
        weights.append(back.T @ values[2 * j])
        biases.append(back.sum(axis=0))
        back = back @ parts[j]
    return [*weights[::-1], *biases[::-1], *gradients]


def _polar(M: ndarray) -> ndarray:
    """The nearest matrix with orthonormal rows."""
    U, _, V = np.linalg.svd(M, full_matrices=False)
    return U @ V


def _principal(A: Float[ndarray, "n d"], m: int) -> Float[ndarray, "m d"]:
    """The first m principal directions of centred points, as rows, signs fixed by the largest entry."""
    if A.shape[0] >= A.shape[1]:
        V = np.linalg.eigh(A.T @ A)[1][:, ::-1][:, :m].T
    else:
        V = np.linalg.svd(A, full_matrices=False)[2][:m]
    return V * np.sign(V[np.arange(m), np.abs(V).argmax(axis=1)])[:, None]


# -------------------------------------------------------------------------------------------------- K, δ and their quotient


@dataclass(frozen=True)
class Scale:
    """A lower bound of K, the spread of one 1-Lipschitz function, with its standard error and the name of the function."""

    K: Estimate
    by: str


def lipschitz_scale(
    functions: Sequence[OneLipschitz], choose: Float[ndarray, "m d"], measure: Float[ndarray, "n d"]
) -> Scale:
    """The spread std(f) of that function which spreads most over the points `choose`, measured on other points `measure`.

    The smallest K with E exp(λ(f − Ef)) ≤ exp(λ²K²/2) for all 1-Lipschitz f is at least std(f) for each of them. Choosing and
    measuring on different points keeps the choice from biasing the number. The standard error is that of
    `lawrob_utils.isoperimetry.scaled_std`.

    Parameters: functions, each 1-Lipschitz in the Euclidean metric; choose, measure disjoint samples of one law (the functions may
    have been made from `choose`).

    Raises ValueError on wrong shapes, no function, or one that is 1-Lipschitz in another metric.

    >>> from lawrob_utils.isoperimetry import coordinate
    >>> X = np.diag([2.0, 1.0]).repeat(5, axis=0)
    >>> lipschitz_scale([coordinate(0), coordinate(1)], X, X).by
    'coordinate'
    """
    choose = check.matrix(choose, "choose", rows_at_least=2)
    measure = check.matrix(measure, "measure", rows_at_least=2, columns=choose.shape[1])
    if not functions:
        raise ValueError("functions is empty; at least one 1-Lipschitz function is needed")
    for f in functions:
        if f.metric != "euclidean":
            raise ValueError(
                f"{f.name} is 1-Lipschitz in the {f.metric} metric; K is about Euclidean distance"
            )
    best = max(functions, key=lambda f: f(choose).std())
    return Scale(scaled_std(best(measure), 1), best.name)


@dataclass(frozen=True)
class Separation:
    """Distances between points of different label, and how often the nearest point has another label.

    typical: root of the mean squared distance of two points of different label. median_nearest: the median over points of the
    distance to the nearest point of another label. minimum: the smallest of them, which has no error: it belongs to this sample.
    neighbour_error: the share of points whose nearest other point has another label.
    """

    typical: Estimate
    median_nearest: Estimate
    minimum: float
    neighbour_error: Estimate


def separation(X: Float[ndarray, "n d"], labels: Int[ndarray, "n"]) -> Separation:
    """The three distances δ between labels and the error of the nearest neighbour, over all pairs of the sample.

    typical² = mean of ‖x_i − x_j‖² over pairs with different labels, in closed form; its error is a jackknife over 20 groups of points.
    The errors of the median (half the distance between its 16 % and 84 % order-statistic limits) and of neighbour_error (binomial) treat
    points as independent; they share neighbours, and fresh samples scatter up to about twice as much. The pairs are screened in single
    precision; the distances returned are computed from x_i − x_j in double precision.

    Parameters: X points (n, d); labels (n,), at least two different and each at least twice, with at least 20 points in all.

    Raises ValueError on wrong shapes, non-finite entries, fewer than 20 points, a single label, or a label that occurs once.
    """
    X = check.matrix(X, rows_at_least=20)
    labels = np.asarray(check.vector(labels, "labels", length=len(X)))
    names, sizes = np.unique(labels, return_counts=True)
    if len(names) < 2:
        raise ValueError(
            f"labels are all {labels[0]:g}; there are no two points of different label"
        )
    if sizes.min() < 2:
        raise ValueError(
            f"label {names[sizes.argmin()]:g} occurs once; every label is needed at least twice"
        )
    own, other = _nearest_by_label(X, labels)
    nearest, n = np.sort(other), len(X)
    low, high = nearest[int(n / 2 - np.sqrt(n) / 2)], nearest[int(n / 2 + np.sqrt(n) / 2)]
    group = np.arange(n) % 20
    left = np.array([_mean_square_between(X[group != g], labels[group != g]) for g in range(20)])
    mean_square, wrong = _mean_square_between(X, labels), float(np.mean(other < own))
    error = np.sqrt(19 * left.var()) / (2 * np.sqrt(mean_square))
    return Separation(
        Estimate(float(np.sqrt(mean_square)), float(error)),
        Estimate(float(np.median(nearest)), float((high - low) / 2)),
        float(nearest[0]),
        Estimate(wrong, float(np.sqrt(wrong * (1 - wrong) / n))),
    )


def _mean_square_between(X: Float[ndarray, "n d"], labels: Float[ndarray, "n"]) -> float:
    """Mean ‖x_i − x_j‖² over ordered pairs of different label: all pairs minus those within a label, each in closed form."""
    sums, total = [], 0.0
    for part in (labels == c for c in np.unique(labels)):
        m = int(part.sum())
        squares, s = float(np.einsum("ij,ij->", X[part], X[part])), X[part].sum(axis=0)
        sums.append((m, squares, s))
        total -= 2 * (m * squares - s @ s)
    m, squares, s = sum(a[0] for a in sums), sum(a[1] for a in sums), sum(a[2] for a in sums)
    return float(total + 2 * (m * squares - s @ s)) / float(m**2 - sum(a[0] ** 2 for a in sums))


def _nearest_by_label(
    X: Float[ndarray, "n d"], labels: Float[ndarray, "n"]
) -> tuple[Float[ndarray, "n"], Float[ndarray, "n"]]:
    """For each point the distances to the nearest other point of its own label and to the nearest of another label."""
    order = np.argsort(labels, kind="stable")  # each label is one stretch
    A = (X[order] - X.mean(axis=0)).astype(np.float32)
    norm2, own, other = np.einsum("ij,ij->i", A, A), np.empty(len(X)), np.empty(len(X))
    first = 0
    for size in np.unique(labels, return_counts=True)[1]:
        last = first + int(size)
        for start in range(first, last, _BLOCK):
            rows = np.arange(start, min(start + _BLOCK, last))
            d2 = A[rows] @ A.T
            d2 *= -2
            d2 += norm2
            d2[np.arange(len(rows)), rows] = np.inf
            inner = first + d2[:, first:last].argmin(axis=1)
            d2[:, first:last] = np.inf
            for out, near in ((own, inner), (other, d2.argmin(axis=1))):
                out[order[rows]] = np.linalg.norm(X[order[rows]] - X[order[near]], axis=1)
        first = last
    return own, other


def effective_dimension(size2: Estimate | float, K: Estimate) -> Estimate:
    """size²/K² with the errors of both (first order, taken as independent).

    With size² = tr Σ it is d on the unit sphere, with size² = δ², δ the typical distance of two points, 2d: never compare the one
    with the other. K from a sample is a lower bound, so the result is an upper bound of the effective dimension, beyond its error.

    Parameters: size2 an estimate of tr Σ or δ² (or a number without error); K as in `Scale`.

    Raises ValueError if size2 is negative or K is not positive.

    >>> str(effective_dimension(Estimate(2.0, 0.0), Estimate(0.1, 0.001)))
    '200.00 ± 4.00'
    """
    value, error = (size2.value, size2.error) if isinstance(size2, Estimate) else (size2, 0.0)
    value = check.positive(float(value), "size2", zero_allowed=True)
    scale = check.positive(float(K.value), "K")
    ratio = value / scale**2
    return Estimate(ratio, float(np.hypot(error / scale**2, 2 * ratio * float(K.error) / scale)))


def squared(estimate: Estimate) -> Estimate:
    """The square of an estimate, with its first-order error.

    >>> squared(Estimate(3.0, 0.1)).value
    9.0
    """
    return Estimate(estimate.value**2, 2 * np.abs(estimate.value) * estimate.error)


def total_variance(X: Float[ndarray, "n d"]) -> Estimate:
    """tr Σ = E‖x − Ex‖², with its standard error.

    Raises ValueError on wrong shapes, n < 3, or points that all coincide.

    >>> total_variance(np.array([[1.0], [-1.0], [1.0], [-1.0]])).value
    1.0
    """
    A, trace = _centred(X)
    return Estimate(trace, float(np.einsum("ij,ij->i", A, A).std() / np.sqrt(len(A))))
