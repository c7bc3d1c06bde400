"""Numbers called "the dimension" of a cloud of points, each with its standard error.

Read in order: from the covariance (`total_variance`, `stable_rank`, `participation_ratio`), from
distances to neighbours (`neighbour_distances`, `two_nn`, `levina_bickel`), and what the law of
robustness asks for: the scale K on which 1-Lipschitz functions vary (`widest_linear`,
`lipschitz_scale`), and size²/K² (`dimension_of_scale`). A sample shows a lower bound of K, that of
the functions tried; so a dimension made from it is an upper bound.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from scipy.linalg import eigh

from lawrob_utils import _validate as check
from lawrob_utils.bracket import Estimate
from lawrob_utils.isoperimetry import OneLipschitz, scaled_std


def total_variance(X: Float[ndarray, "n d"]) -> Estimate:
    """tr Σ = E‖x − Ex‖² of the covariance Σ, with its standard error.

    Raises ValueError on wrong shapes, n < 3, or points that all coincide.

    >>> total_variance(np.array([[1.0], [-1.0], [1.0], [-1.0]])).value
    1.0
    """
    A, trace = _centred(X)
    return Estimate(trace, float(np.einsum("ij,ij->i", A, A).std() / np.sqrt(len(A))))


def stable_rank(X: Float[ndarray, "n d"]) -> Estimate:
    """tr Σ/λ_max(Σ): d if all directions are alike, 1 if there is only one.

    It bounds tr Σ/K² from above, K the sub-Gaussian scale of 1-Lipschitz functions: ⟨u, x⟩ with the
    top eigenvector u is one. The standard error is first order (delta method). The sample's λ_max
    is too large unless n is large against the stable rank and λ_max stands apart from the next
    eigenvalue; then the result is too small.

    Raises ValueError on wrong shapes, n < 3, or points that all coincide.

    >>> square = np.array([[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0], [0.0, -1.0]])
    >>> round(stable_rank(square).value, 9)
    2.0
    """
    A, trace = _centred(X)
    u = principal_directions(A, 1)[0]
    squares, along = np.einsum("ij,ij->i", A, A), (A @ u) ** 2
    lam = float(along.mean())
    influence = (squares - trace) / lam - trace * (along - lam) / lam**2
    return Estimate(trace / lam, float(influence.std() / np.sqrt(len(A))))


def participation_ratio(X: Float[ndarray, "n d"]) -> Estimate:
    """(tr Σ)²/tr Σ² = (Σ λ_j)²/Σ λ_j², how many eigenvalues of the covariance share the variance.

    It lies between the stable rank and d. The standard error is first order (delta method). Σ is
    the sample's; that makes the value too small by a share of about value/n.

    Raises ValueError on wrong shapes, n < 3, or points that all coincide.

    >>> square = np.array([[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0], [0.0, -1.0]])
    >>> round(participation_ratio(square).value, 9)
    2.0
    """
    A, trace = _centred(X)
    n, d = A.shape
    small = A.T @ A / n if d <= n else A @ A.T / n  # the same eigenvalues but for zeros
    square = float(np.einsum("ij,ij->", small, small))
    left = A @ small if d <= n else n * small
    form = np.einsum("ij,ij->i", left, A if d <= n else small)  # x'Σx
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


def principal_directions(A: Float[ndarray, "n d"], m: int) -> Float[ndarray, "m d"]:
    """The first m principal directions of centred points, as rows; the largest entry is positive.

    Raises ValueError on wrong shapes, or if m < 1 or m > min(n, d).

    >>> principal_directions(np.array([[3.0, 4.0], [-3.0, -4.0]]), 1).round(6)
    array([[0.6, 0.8]])
    """
    A, m = check.matrix(A, "A"), check.count(m, "m")
    n, d = A.shape
    if m > min(n, d):
        raise ValueError(f"m = {m}; {n} points in dimension {d} have only {min(n, d)} directions")
    if n >= d:
        V = eigh(A.T @ A, subset_by_index=[d - m, d - 1])[1][:, ::-1].T
    else:
        V = np.linalg.svd(A, full_matrices=False)[2][:m]
    return V * np.sign(V[np.arange(m), np.abs(V).argmax(axis=1)])[:, None]


def neighbour_distances(X: Float[ndarray, "n d"], k: int) -> Float[ndarray, "n k"]:
    """T_1(x_i) ≤ … ≤ T_k(x_i), the distances from each point to its k nearest other points.

    scikit-learn finds the neighbours by a matrix product; their distances are computed again from
    x_i − x_j, so that nothing cancels.

    Raises ValueError on wrong shapes, k < 1 or k ≥ n.

    >>> neighbour_distances(np.array([[0.0], [1.0], [3.0]]), 2).tolist()
    [[1.0, 3.0], [1.0, 2.0], [2.0, 3.0]]
    """
    from sklearn.neighbors import NearestNeighbors  # half a second: only when called

    X, k = check.matrix(X, rows_at_least=2), check.count(k, "k")
    if k >= len(X):
        raise ValueError(f"k = {k}; each of {len(X)} points has only {len(X) - 1} neighbours")
    A, spare = X - X.mean(axis=0), min(len(X) - 1, k + 3)  # a few more, lest rounding drop one
    found = NearestNeighbors(n_neighbors=spare, algorithm="brute").fit(A)
    near = found.kneighbors(return_distance=False)
    T = np.stack([np.linalg.norm(A[column] - A, axis=1) for column in near.T], axis=1)
    return np.sort(T, axis=1)[:, :k]


def two_nn(T: Float[ndarray, "n k"], *, discard: float = 0.1) -> Estimate:
    """The dimension by the ratio μ = T_2/T_1 of the two nearest distances.

    It is the slope of −log(1 − i/n) against log μ_(i): where the points are locally uniform in m
    dimensions, P(μ > s) = s^{−m}. The line goes through the origin and is fitted by least squares,
    without the largest share `discard` of the ratios. The standard error is a jackknife over 20
    groups of points, neighbours held fixed, so that it does not see their dependence.

    Parameters: T from `neighbour_distances` with k ≥ 2; discard from 2/n to 0.9.

    Raises ValueError on wrong shapes or numbers, fewer than 40 points, a repeated point (T_1 = 0).

    Source: Facco, d'Errico, Rodriguez and Laio (2017).

    >>> T = neighbour_distances(np.random.default_rng(0).random((2000, 2)), 2)
    >>> round(two_nn(T).value, 1)
    2.0
    """
    T, discard = _distances(T), check.share(discard, "discard")
    if not 2 / len(T) <= discard <= 0.9:
        need = f"a share from {2 / len(T):.2g} (two points) to 0.9 is needed"
        raise ValueError(f"discard = {discard!r}; {need}")

    def slope(values: Float[ndarray, "m"]) -> float:
        m = len(values)
        keep = int(m * (1 - discard))
        x = np.sort(values)[:keep]
        y = -np.log1p(-np.arange(1, keep + 1) / m)
        if not x.any():
            raise ValueError("all ratios T_2/T_1 are 1; points on a grid are not locally uniform")
        return float(x @ y / (x @ x))

    log_mu, group = np.log(T[:, 1] / T[:, 0]), np.arange(len(T)) % 20
    left_out = np.array([slope(log_mu[group != g]) for g in range(20)])
    return Estimate(slope(log_mu), float(np.sqrt(19 * left_out.var())))


def levina_bickel(T: Float[ndarray, "n k"], k: int | None = None) -> Estimate:
    """The maximum likelihood dimension m from k neighbours: 1/m = mean of log(T_k/T_j) over j < k.

    The mean is over all points, too: it is taken of the inverses 1/m(x_i), as MacKay and Ghahramani
    (2005) advise, and not of the m(x_i). The factor (k − 2)/(k − 1) that makes a single m(x_i)
    unbiased is not applied. The standard error treats points as independent; neighbours are not, so
    it is too small, the more so the larger k.

    Parameters: T from `neighbour_distances`; k ≥ 2 neighbours to use (None: all columns).

    Raises ValueError on wrong shapes or numbers, k < 2 or above the columns of T, fewer than 40
    points, or a repeated point.

    Source: Levina and Bickel (2004).

    >>> T = neighbour_distances(np.random.default_rng(0).random((2000, 2)), 10)
    >>> round(levina_bickel(T).value, 1)
    2.0
    """
    T = _distances(T)
    k = T.shape[1] if k is None else check.count(k, "k", at_least=2)
    if k > T.shape[1]:
        raise ValueError(f"k = {k}; T holds the distances to {T.shape[1]} neighbours")
    inverse = np.log(T[:, k - 1, None] / T[:, : k - 1]).mean(axis=1)
    mean = float(inverse.mean())
    if mean == 0:
        raise ValueError(f"T: the first {k} neighbours of every point are equally far")
    return Estimate(1 / mean, float(inverse.std(ddof=1) / np.sqrt(len(T)) / mean**2))


def _distances(T: Float[ndarray, "n k"]) -> Float[ndarray, "n k"]:
    T = check.matrix(T, "T", rows_at_least=40)
    if T.shape[1] < 2:
        raise ValueError("T has 1 column; the distances to at least 2 neighbours are needed")
    if (T[:, 0] <= 0).any():
        i = int(np.argmin(T[:, 0]))
        raise ValueError(f"T[{i}, 0] = {T[i, 0]:g}; of repeated points, keep one of each")
    if (np.diff(T, axis=1) < 0).any():
        raise ValueError("T decreases along a row; distances must be sorted, nearest first")
    return T


def widest_linear(X: Float[ndarray, "n d"], j: int = 0) -> OneLipschitz:
    """f(x) = ⟨u, x⟩ with the j-th principal direction u of the points; j = 0 is the widest.

    Raises ValueError on wrong shapes, n < 3, points that coincide, or j not in 0..min(n, d) − 1.

    >>> widest_linear(np.array([[0.0, 0.0], [1.0, 5.0], [0.0, 9.0]]))(np.array([[0.0, 1.0]])) > 0.9
    array([ True])
    """
    A, j = _centred(X)[0], check.count(j, "j", at_least=0)
    if j >= min(A.shape):
        raise ValueError(f"j = {j}; X has principal directions 0 to {min(A.shape) - 1}")
    u = principal_directions(A, j + 1)[j]
    return OneLipschitz(f"principal direction {j + 1}", lambda Z: Z @ u, "|⟨u, x − x'⟩| ≤ ‖x − x'‖")


def lipschitz_scale(
    functions: Sequence[OneLipschitz], choose: Float[ndarray, "m d"], measure: Float[ndarray, "n d"]
) -> Estimate:
    """The spread std(f), over `measure`, of that function which spreads most over `choose`.

    A lower bound of K, the smallest number with E exp(λ(f − Ef)) ≤ exp(λ²K²/2) for all 1-Lipschitz
    f. Choosing and measuring on different points keeps the choice from biasing the number. The
    standard error is that of `lawrob_utils.isoperimetry.scaled_std`.

    Parameters: choose, measure: disjoint samples of one law (the functions may have been made from
    `choose`).

    Raises ValueError on wrong shapes or no function.

    >>> X = np.array([[2.0, 1.0], [-2.0, 1.0], [2.0, -1.0], [-2.0, -1.0]])
    >>> round(lipschitz_scale([widest_linear(X, 0), widest_linear(X, 1)], X, X).value, 4)
    2.3094
    """
    choose = check.matrix(choose, "choose", rows_at_least=2)
    measure = check.matrix(measure, "measure", rows_at_least=2, columns=choose.shape[1])
    if not functions:
        raise ValueError("functions is empty; at least one 1-Lipschitz function is needed")
    return scaled_std(max(functions, key=lambda f: f(choose).std())(measure), 1)


def dimension_of_scale(size2: Estimate | float, K: Estimate) -> Estimate:
    """size²/K² with the errors of both (first order, taken as independent).

    With size² = tr Σ it is d on the unit sphere, with size² = δ², δ the typical distance of two
    points, 2d: never compare the one with the other. K from a sample is a lower bound, so the
    result is an upper bound, beyond its error.

    Parameters: size2 an estimate of tr Σ or δ² (or a number without error); K as `lipschitz_scale`.

    Raises ValueError if size2 is negative or K is not positive.

    >>> print(dimension_of_scale(Estimate(2.0, 0.0), Estimate(0.1, 0.001)))
    200.0 ± 4.0
    """
    value, error = (size2.value, size2.error) if isinstance(size2, Estimate) else (size2, 0.0)
    value = check.positive(float(value), "size2", zero_allowed=True)
    scale = check.positive(float(K.value), "K")
    ratio = value / scale**2
    return Estimate(ratio, float(np.hypot(error / scale**2, 2 * ratio * float(K.error) / scale)))
