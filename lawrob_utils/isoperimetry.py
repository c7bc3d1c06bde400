"""Isoperimetry: how little a Lipschitz function of a high-dimensional point can vary.

Read in order: the two bounds that define it (`tail_bound`, `mgf_bound`), the constants that are known
(`known_constant`), functions with a proved Lipschitz constant to test a law with (`OneLipschitz`, `euclidean_family`,
`hamming_family`), what a sample shows of them (`scaled_std`, `tail`, `mgf_constant`) and what it can refute
(`tail_constant_at_least`), and the exact tail of a coordinate on the sphere (`cap_probability`). Chapter 5 uses all of it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from numpy.typing import ArrayLike
from scipy.spatial.distance import cdist
from scipy.special import betainc
from scipy.stats import beta

from . import _validate as check
from .lipschitz import spectral_bound

# -------------------------------------------------------------------------------------------------- two definitions


def tail_bound(
    t: ArrayLike, d: int, *, c: float = 1.0, L: float = 1.0
) -> float | Float[ndarray, "..."]:
    """2·exp(−d t²/(2cL²)), cut at 1: what c-isoperimetry allows P(|f − E f| ≥ t) to be, for an L-Lipschitz f.

    Parameters: t ≥ 0, in units of f, a number or an array; d dimension; c constant of isoperimetry; L = Lip(f).

    Raises ValueError if t is negative or not finite, d < 1, c ≤ 0 or L ≤ 0.

    Source: Definition 1.1 of Bubeck and Sellke (2021).

    >>> round(tail_bound(0.5, 100, c=1.0), 8)
    7.45e-06
    """
    t, d = _array(t, "t"), check.count(d, "d")
    if (t < 0).any():
        raise ValueError(f"t = {t.min():g}; a deviation |f − E f| is at least 0")
    c, L = check.positive(c, "c"), check.positive(L, "L")
    return _plain(np.minimum(2 * np.exp(-d * t**2 / (2 * c * L**2)), 1))


def mgf_bound(
    lam: ArrayLike, d: int, *, c: float = 1.0, L: float = 1.0
) -> float | Float[ndarray, "..."]:
    """exp(λ²cL²/(2d)): what isoperimetry in its stronger form allows E exp(λ(f − E f)) to be, for an L-Lipschitz f.

    It implies `tail_bound` with the same c (Chernoff) and Var f ≤ cL²/d; the tail bound implies it only with 16c.

    Parameters: lam λ, any real numbers, in units of 1/f; the others as in `tail_bound`.

    Raises ValueError if λ is not finite, d < 1, c ≤ 0 or L ≤ 0.

    >>> round(mgf_bound(10.0, 100), 6)
    1.648721
    """
    lam, d = _array(lam, "lam"), check.count(d, "d")
    c, L = check.positive(c, "c"), check.positive(L, "L")
    return _plain(np.exp(lam**2 * c * L**2 / (2 * d)))


@dataclass(frozen=True)
class KnownConstant:
    """lower ≤ c ≤ upper for the smallest c in `mgf_bound`, with the reason for each; metric says what 1-Lipschitz means."""

    law: str
    metric: Literal["euclidean", "hamming"]
    lower: float
    upper: float
    lower_by: str
    upper_by: str

    @property
    def is_exact(self) -> bool:
        """lower = upper."""
        return self.lower == self.upper


def known_constant(
    law: Literal["gaussian", "sphere", "solid_cube", "hamming_cube"], d: int
) -> KnownConstant:
    """What is known of the constant c of the four laws of `lawrob_utils.data` in dimension d, in the form of `mgf_bound`.

    Formula: N(0, I/d): c = 1. S^{d−1}: 1 ≤ c ≤ d/(d−1). [0, 1/√d]^d: 1/12 ≤ c ≤ 1/π². {0,1}^d with the normalised
    Hamming distance: c = 1/4. Each lower bound is d·Var f of one function, here a linear one.

    Raises ValueError for another law, d < 1, or d < 2 on the sphere (S⁰ is two points).

    Source: log-Sobolev inequalities (Gaussian: Gross 1975; sphere: Mueller and Weissler 1982; interval: reflection to
    the circle) with Herbst's argument, and for the Hamming cube McDiarmid (1989). Chapter 5 proves the Gaussian, the
    Hamming cube, and 1/(2π) in place of 1/π² for the solid cube.

    >>> known_constant("hamming_cube", 100).upper
    0.25
    """
    d = check.count(d, "d")
    check.one_of(law, "law", ("gaussian", "sphere", "solid_cube", "hamming_cube"))
    if law == "gaussian":
        return KnownConstant(
            law,
            "euclidean",
            1.0,
            1.0,
            "variance of a coordinate",
            "Gaussian log-Sobolev inequality",
        )
    if law == "sphere":
        check.count(d, "d", at_least=2)
        return KnownConstant(
            law,
            "euclidean",
            1.0,
            d / (d - 1),
            "variance of a coordinate",
            "log-Sobolev inequality of the sphere",
        )
    if law == "solid_cube":
        upper_by = "log-Sobolev inequality of the interval"
        return KnownConstant(
            law, "euclidean", 1 / 12, 1 / np.pi**2, "variance of a coordinate", upper_by
        )
    return KnownConstant(
        law, "hamming", 0.25, 0.25, "variance of the share of ones", "bounded differences"
    )


# -------------------------------------------------------------------------------------- functions known to be 1-Lipschitz


@dataclass(frozen=True)
class OneLipschitz:
    """A function R^d → R whose Lipschitz constant is at most 1 in the named metric, with the reason.

    values: takes points (n, d), returns (n,). why: the proof in a few words. Call the object itself to have the points
    checked first.
    """

    name: str
    values: Callable[[Float[ndarray, "n d"]], Float[ndarray, "n"]]
    why: str
    metric: Literal["euclidean", "hamming"] = "euclidean"

    def __call__(self, X: Float[ndarray, "n d"]) -> Float[ndarray, "n"]:
        """f(x_i) for each row of X."""
        X = check.matrix(X)
        return check.vector(self.values(X), f"values of {self.name}", length=X.shape[0])


def coordinate(j: int = 0) -> OneLipschitz:
    """f(x) = x_j.

    Raises ValueError if j < 0; when called, if the points have no coordinate j.

    >>> coordinate(1)(np.array([[3.0, 4.0]]))
    array([4.])
    """
    j = check.count(j, "j", at_least=0)

    def values(X: Float[ndarray, "n d"]) -> Float[ndarray, "n"]:
        if j >= X.shape[1]:
            raise ValueError(
                f"j = {j}; points in dimension {X.shape[1]} have coordinates 0 to {X.shape[1] - 1}"
            )
        return X[:, j]

    return OneLipschitz("coordinate", values, "|x_j − x'_j| ≤ ‖x − x'‖")


def maximum() -> OneLipschitz:
    """f(x) = max_j x_j.

    >>> maximum()(np.array([[3.0, 4.0]]))
    array([4.])
    """
    return OneLipschitz("maximum", lambda X: X.max(axis=1), "a maximum of 1-Lipschitz functions")


def norm_of_part(m: int, centre: Float[ndarray, "d"] | float = 0.0) -> OneLipschitz:
    """f(x) = the norm of the first m coordinates of x − centre.

    Raises ValueError if m < 1; when called, if m > d.

    >>> norm_of_part(2)(np.array([[3.0, 4.0, 7.0]]))
    array([5.])
    """
    m, centre = check.count(m, "m"), _array(centre, "centre")

    def values(X: Float[ndarray, "n d"]) -> Float[ndarray, "n"]:
        if m > X.shape[1]:
            raise ValueError(f"m = {m} exceeds the dimension d = {X.shape[1]} of the points")
        return np.linalg.norm((X - centre)[:, :m], axis=1)

    return OneLipschitz("norm of a part", values, "a norm after a projection")


def distance_to_points(Z: Float[ndarray, "m d"]) -> OneLipschitz:
    """f(x) = min_i ‖x − z_i‖.

    Raises ValueError unless Z is a finite matrix with a row.

    >>> distance_to_points(np.array([[0.0, 0.0], [9.0, 0.0]]))(np.array([[3.0, 4.0]]))
    array([5.])
    """
    Z = check.matrix(Z, "Z")
    return OneLipschitz(
        "distance to points", lambda X: cdist(X, Z).min(axis=1), "the distance to a set"
    )


def distance_to_half_space(u: Float[ndarray, "d"], offset: float = 0.0) -> OneLipschitz:
    """f(x) = max(0, ⟨u, x⟩/‖u‖ − offset), the distance to the half space {⟨u, x⟩ ≤ offset·‖u‖}.

    Raises ValueError if u is not a finite vector or is 0, or if offset is not finite.

    >>> distance_to_half_space(np.array([0.0, 2.0]), 1.0)(np.array([[3.0, 4.0], [3.0, -4.0]]))
    array([3., 0.])
    """
    u, offset = check.vector(u, "u"), float(_array(offset, "offset"))
    if not u.any():
        raise ValueError("u = 0; a half space needs a direction")
    unit = u / np.linalg.norm(u)
    return OneLipschitz(
        "distance to a half space",
        lambda X: np.maximum(X @ unit - offset, 0),
        "the distance to a set",
    )


def random_net(d: int, width: int, rng: np.random.Generator) -> OneLipschitz:
    """f(x) = Σ_j a_j max(0, ⟨w_j, x⟩ + b_j) with normal weights and b_j, divided by ‖a‖·‖W‖_op ≥ Lip.

    Divided by a bound and not by its true constant, the net is somewhat flatter than 1-Lipschitz.

    Raises ValueError if d < 1, width < 1 or rng is not a `numpy.random.Generator`.

    >>> random_net(3, 5, np.random.default_rng(0))(np.zeros((2, 3))).shape
    (2,)
    """
    d, width, rng = check.count(d, "d"), check.count(width, "width"), check.generator(rng)
    W, b, a = (
        rng.standard_normal((width, d)),
        rng.standard_normal(width),
        rng.standard_normal(width),
    )
    a /= spectral_bound([W, a[None, :]])
    return OneLipschitz(
        "random net",
        lambda X: np.maximum(X @ W.T + b, 0) @ a,
        "divided by the product of its layers' norms",
    )


def distance_to_half_the_corners() -> OneLipschitz:
    """f(x) = Euclidean distance of x to {v ∈ {−1/√d, 1/√d}^d : Σ v_j ≤ 0}, half of the corners of a cube of diameter 2.

    At a corner with S more + than − signs, f = 2√(⌈S/2⌉/d) if S > 0, else 0. Its spread over the corners is
    about 0.68·d^{−1/4}, far more than 1/√d: the discrete cube with Euclidean distance is not isoperimetric.

    Computed for any x: from the nearest corner of all, + signs are turned into − where that costs least.

    >>> distance_to_half_the_corners()(np.array([[0.5, 0.5, 0.5, 0.5], [0.5, 0.5, -0.5, -0.5]])).round(6)
    array([1.414214, 0.      ])
    """

    def values(X: Float[ndarray, "n d"]) -> Float[ndarray, "n"]:
        d = X.shape[1]
        corner = 1 / np.sqrt(d)
        flips = np.maximum(2 * (X > 0).sum(axis=1) - d + 1, 0) // 2  # ⌈S/2⌉ for S > 0
        prices = np.sort(
            np.where(X > 0, 4 * corner * X, np.inf), axis=1
        )  # (x + corner)² − (x − corner)²
        total = np.cumsum(prices, axis=1)
        paid = np.where(
            flips > 0,
            np.take_along_axis(total, np.maximum(flips - 1, 0)[:, None], axis=1)[:, 0],
            0.0,
        )
        return np.sqrt(((np.abs(X) - corner) ** 2).sum(axis=1) + paid)

    return OneLipschitz("distance to half the corners", values, "the distance to a set")


def euclidean_family(
    d: int, rng: np.random.Generator, centre: Float[ndarray, "d"] | float = 0.0
) -> tuple[OneLipschitz, ...]:
    """Six functions on R^d that are 1-Lipschitz for ‖·‖, for points that lie about as far from `centre` as 1.

    The first coordinate; the distance to the half space {Σ_j (x_j − centre_j) ≤ 0}; the norm of the first ⌈d/2⌉ coordinates
    of x − centre; the largest coordinate; the distance to 20 random points at distance 1 from centre; a random net of width 32.

    Raises ValueError if d < 1, centre is not a number or d numbers, or rng is not a `numpy.random.Generator`.

    >>> [f.name for f in euclidean_family(4, np.random.default_rng(0))][:2]
    ['coordinate', 'distance to a half space']
    """
    d, rng = check.count(d, "d"), check.generator(rng)
    middle = _array(centre, "centre")
    if middle.shape not in ((), (d,)):
        raise ValueError(
            f"centre has shape {middle.shape}; one number or d = {d} numbers are needed"
        )
    middle = np.broadcast_to(middle, (d,))
    Z = rng.standard_normal((20, d))
    return (
        coordinate(0),
        distance_to_half_space(np.ones(d), float(middle.sum() / np.sqrt(d))),
        norm_of_part((d + 1) // 2, middle),
        maximum(),
        distance_to_points(middle + Z / np.linalg.norm(Z, axis=1, keepdims=True)),
        random_net(d, 32, rng),
    )


def hamming_family(d: int, rng: np.random.Generator) -> tuple[OneLipschitz, ...]:
    """Three functions on {0,1}^d that are 1-Lipschitz for the distance (1/d)·#{j : x_j ≠ x'_j}.

    The share of ones; the distance to 20 random corners; the distance to the half {Σ_j x_j ≤ d/2} of the cube,
    ⌈Σ x_j − d/2⌉/d where that is positive.

    Raises ValueError if d < 1 or rng is not a `numpy.random.Generator`.

    >>> hamming_family(4, np.random.default_rng(0))[2](np.array([[1.0, 1.0, 1.0, 0.0]]))
    array([0.25])
    """
    d, rng = check.count(d, "d"), check.generator(rng)
    Z = rng.integers(0, 2, (20, d)).astype(float)

    def to_half(X: Float[ndarray, "n d"]) -> Float[ndarray, "n"]:
        return np.maximum(np.ceil(X.sum(axis=1) - d / 2), 0) / d

    return (
        OneLipschitz(
            "share of ones", lambda X: X.mean(axis=1), "one flip changes it by 1/d", "hamming"
        ),
        OneLipschitz(
            "distance to corners",
            lambda X: cdist(X, Z, "cityblock").min(axis=1) / d,
            "the distance to a set",
            "hamming",
        ),
        OneLipschitz("distance to half the cube", to_half, "the distance to a set", "hamming"),
    )


# ---------------------------------------------------------------------------------------------- what a sample shows


@dataclass(frozen=True)
class Estimate:
    """A measured number (or array of numbers) with its standard error."""

    value: float | Float[ndarray, "..."]
    error: float | Float[ndarray, "..."]

    def __str__(self) -> str:
        return (
            f"{self.value:.2f} ± {self.error:.2f}"
            if np.ndim(self.value) == 0
            else f"{self.value} ± {self.error}"
        )


def scaled_std(values: Float[ndarray, "n"], d: int, *, L: float = 1.0) -> Estimate:
    """√d·std(f)/L from values f(x_1), …, f(x_n) at independent points; under `mgf_bound` it is at most √c.

    The standard error is √((m₄ − s⁴)/n)/(2s) with the fourth central moment m₄ (delta method).

    Parameters: values of an L-Lipschitz f, n ≥ 2; d dimension; L its Lipschitz constant.

    Raises ValueError on wrong shapes, non-finite entries, n < 2, d < 1 or L ≤ 0.

    >>> scaled_std(np.array([-1.0, 1.0, -1.0, 1.0]), 1).error
    0.0
    """
    v, d, L = _sample(values), check.count(d, "d"), check.positive(L, "L")
    deviation = v - v.mean()
    s2, m4 = float(np.mean(deviation**2)), float(np.mean(deviation**4))
    if s2 == 0:
        return Estimate(0.0, 0.0)
    error = np.sqrt(max(m4 - s2**2, 0.0) / len(v)) / (2 * np.sqrt(s2))
    return Estimate(
        float(np.sqrt(s2 * len(v) / (len(v) - 1) * d) / L), float(error * np.sqrt(d) / L)
    )


def tail(values: Float[ndarray, "n"], t: ArrayLike, *, mean: float | None = None) -> Estimate:
    """The share of values with |f(x_i) − E f| ≥ t, with the binomial standard error √(p(1 − p)/n).

    Parameters: values at n ≥ 2 independent points; t ≥ 0, a number or an array; mean E f (None: the sample's mean).
    A share of 0 has the error 0, but says no more than that the probability is likely below 5/n.

    Raises ValueError on wrong shapes or numbers that are not finite.

    >>> tail(np.array([-2.0, -1.0, 0.0, 3.0]), 2.0).value
    0.5
    """
    v, t = _sample(values), _array(t, "t")
    deviation = np.sort(np.abs(v - (v.mean() if mean is None else float(mean))))
    p = 1 - np.searchsorted(deviation, t, side="left") / len(v)
    return Estimate(_plain(p), _plain(np.sqrt(p * (1 - p) / len(v))))


def mgf_constant(
    values: Float[ndarray, "n"], lam: ArrayLike, d: int, *, L: float = 1.0
) -> Estimate:
    """(2d/(λ²L²))·log of the mean of exp(λ(f(x_i) − f̄)), for each λ: under `mgf_bound` its true value is at most c.

    For λ → 0 it is d·Var(f)/L². For large λ the mean is carried by the few largest values: where the largest alone
    carries more than a tenth of the sum, nothing is known and NaN is returned. Standard errors by the delta method.

    Parameters: values of an L-Lipschitz f at n ≥ 2 points; lam λ ≠ 0, a number or an array; d dimension.

    Raises ValueError on wrong shapes, numbers that are not finite, λ = 0, d < 1 or L ≤ 0.

    >>> round(float(mgf_constant(np.array([-0.1, 0.1] * 50), 0.01, 100).value), 4)
    1.0
    """
    v, lam = _sample(values), _array(lam, "lam")
    d, L = check.count(d, "d"), check.positive(L, "L")
    if (lam == 0).any():
        raise ValueError(
            "lam = 0; the constant is a ratio whose numerator and denominator both vanish there"
        )
    exponent = lam[..., None] * (v - v.mean())
    top = exponent.max(axis=-1)
    weight = np.exp(exponent - top[..., None])
    mean = weight.mean(axis=-1)
    scale = 2 * d / (lam**2 * L**2)
    known = 1 / (len(v) * mean) <= 0.1  # the largest weight is 1
    # influence of one value on log mean exp(λv) − λv̄: the mean v̄ is estimated, too
    influence = weight / mean[..., None] - exponent
    error = influence.std(axis=-1) / np.sqrt(len(v))
    return Estimate(
        _plain(np.where(known, scale * (top + np.log(mean)), np.nan)),
        _plain(np.where(known, scale * error, np.nan)),
    )


def tail_constant_at_least(
    values: Float[ndarray, "n"], d: int, *, L: float = 1.0, confidence: float = 0.99
) -> float:
    """A number that the smallest c in `tail_bound` exceeds, unless the sample is one of a share 1 − confidence.

    A sample can refute a constant and never confirm one: other functions, and rarer points, may be worse.

    How: for ranks j = 1, 2, 4, … the j-th smallest and j-th largest value, a ≤ b, are taken. P(f ≤ a) and P(f ≥ b) are at
    least p_j, the quantile of Beta(j, n − j + 1), all at once with the given confidence. Wherever E f lies, |f − E f| is at
    least (b − a)/2 on one of the two events. So p_j ≤ 2·exp(−d(b − a)²/(8cL²)), which is solved for c.

    Parameters: values of an L-Lipschitz f at n ≥ 2 independent points of one law; d dimension; confidence in (0, 1).

    Raises ValueError on wrong shapes, numbers that are not finite, d < 1, L ≤ 0 or confidence outside (0, 1).

    Source: this book; the limits for order statistics are those of Clopper and Pearson (1934).

    >>> x = np.random.default_rng(0).standard_t(3, 2000) / 10
    >>> tail_constant_at_least(x, 100) > 1
    True
    """
    v, d, L = np.sort(_sample(values)), check.count(d, "d"), check.positive(L, "L")
    if not (isinstance(confidence, float) and 0 < confidence < 1):
        raise ValueError(f"confidence = {confidence!r}; a number between 0 and 1 is needed")
    n = len(v)
    ranks = 2 ** np.arange(int(np.log2(n // 2)) + 1)  # 1, 2, 4, … up to n/2
    p = beta.ppf((1 - confidence) / (2 * len(ranks)), ranks, n - ranks + 1)
    half_gap = (v[n - ranks] - v[ranks - 1]) / 2
    return float(np.max(d * half_gap**2 / (2 * L**2 * np.log(2 / p))))


# ------------------------------------------------------------------------------------------------ exact on the sphere


def cap_probability(t: ArrayLike, d: int) -> float | Float[ndarray, "..."]:
    """P(⟨u, x⟩ ≥ t) for x uniform on S^{d−1} and a fixed unit vector u: the share of the sphere in a cap.

    Formula: ½·I_{1−t²}((d−1)/2, ½) for 0 ≤ t ≤ 1, with the regularised incomplete beta function I; 1 minus that at −t for t < 0.

    Parameters: t, a number or an array, any real numbers; d ≥ 2.

    Raises ValueError if t is not finite or d < 2.

    Source: ⟨u, x⟩² has the law Beta(½, (d−1)/2), because x = g/‖g‖.

    >>> round(cap_probability(0.5, 3), 12)  # Archimedes: (1 − t)/2
    0.25
    """
    t, d = _array(t, "t"), check.count(d, "d", at_least=2)
    h = np.minimum(np.abs(t), 1)
    cap = betainc((d - 1) / 2, 0.5, (1 - h) * (1 + h)) / 2
    return _plain(np.where(t >= 0, cap, 1 - cap))


def _sample(values: Float[ndarray, "n"]) -> Float[ndarray, "n"]:
    v = check.vector(values, "values")
    if len(v) < 2:
        raise ValueError(f"values has {len(v)} entries; at least 2 are needed")
    return v


def _array(x: ArrayLike, name: str) -> Float[ndarray, "..."]:
    try:
        A = np.asarray(x, dtype=float)
    except (TypeError, ValueError):
        raise ValueError(f"{name} = {x!r}; real numbers are needed") from None
    if not np.isfinite(A).all():
        raise ValueError(f"{name} = {x!r}; finite numbers are needed")
    return A


def _plain(x: Float[ndarray, "..."]) -> float | Float[ndarray, "..."]:
    """A float for an array without axes."""
    return float(x) if np.ndim(x) == 0 else x
