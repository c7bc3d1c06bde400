"""Isoperimetry: how little a Lipschitz function of a high-dimensional point can vary.

Read in order: the bound that defines it (`tail_bound`), the constants that are known
(`known_constant`), functions with a proved Lipschitz constant to test a law with (`OneLipschitz`,
`euclidean_family`, `hamming_family`), what a sample shows of them (`scaled_std`, `tail`,
`mgf_constant`) and what it can refute (`tail_constant_at_least`), and the exact tail of a
coordinate on the sphere (`cap_probability`).
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
from .bracket import Bracket, Estimate


def tail_bound(
    t: ArrayLike, d: int, *, c: float = 1.0, L: float = 1.0
) -> float | Float[ndarray, "..."]:
    """2·exp(−d t²/(2cL²)), cut at 1: what c-isoperimetry allows P(|f − E f| ≥ t) to be.

    Parameters: t ≥ 0, in units of f, a number or an array; d dimension; c constant of isoperimetry;
    L = Lip(f).

    Raises ValueError if t is negative or not finite, d < 1, c ≤ 0 or L ≤ 0.

    Source: Definition 1.1 of Bubeck and Sellke (2021).

    >>> round(tail_bound(0.5, 100, c=1.0), 8)
    7.45e-06
    """
    t, d = check.array(t, "t"), check.count(d, "d")
    if (t < 0).any():
        raise ValueError(f"t = {t.min():g}; a deviation |f − E f| is at least 0")
    c, L = check.positive(c, "c"), check.positive(L, "L")
    return _plain(np.minimum(2 * np.exp(-d * t**2 / (2 * c * L**2)), 1))


def known_constant(
    law: Literal["gaussian", "sphere", "solid_cube", "hamming_cube"], d: int
) -> Bracket:
    """What is known of the smallest c with E exp(λ(f − E f)) ≤ exp(λ²c/(2d)) for 1-Lipschitz f.

    This form implies `tail_bound` with the same c (Chernoff) and Var f ≤ c/d; the tail bound
    implies it only with 16c. The laws are those of `lawrob_utils.data`:
    N(0, I/d): c = 1. S^{d−1}: 1 ≤ c ≤ d/(d−1). [0, 1/√d]^d: 1/12 ≤ c ≤ 1/π².
    {0,1}^d with the normalised Hamming distance: c = 1/4. Lower bounds are d·Var f of a linear f.

    Raises ValueError for another law, d < 1, or d < 2 on the sphere (S⁰ is two points).

    Source: log-Sobolev inequalities (Gaussian: Gross 1975; sphere: Mueller and Weissler 1982;
    interval: reflection to the circle) with Herbst's argument, and for the Hamming cube McDiarmid
    (1989). Chapter 5 proves the Gaussian, the Hamming cube, and 1/(2π) for the solid cube.

    >>> print(known_constant("sphere", 100))
    1 ≤ c ≤ 1.011 (lower: variance of a coordinate; upper: log-Sobolev inequality of the sphere)
    """
    check.one_of(law, "law", ("gaussian", "sphere", "solid_cube", "hamming_cube"))
    d, by = check.count(d, "d", at_least=2 if law == "sphere" else 1), "variance of a coordinate"
    lower, upper, lower_by, upper_by = {
        "gaussian": (1.0, 1.0, by, "Gaussian log-Sobolev inequality"),
        "sphere": (1.0, d / max(d - 1, 1), by, "log-Sobolev inequality of the sphere"),
        "solid_cube": (1 / 12, 1 / np.pi**2, by, "log-Sobolev inequality of the interval"),
        "hamming_cube": (0.25, 0.25, "variance of the share of ones", "bounded differences"),
    }[law]
    return Bracket(lower, upper, lower_by, upper_by, of="c")


@dataclass(frozen=True)
class OneLipschitz:
    """A function R^d → R whose Lipschitz constant is at most 1 in the named metric, and why.

    values: takes points (n, d), returns (n,). why: the proof in a few words. Called, it checks the
    points and the values.

    Raises ValueError if a point or a value is not finite, or there is not one value a point.
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
            raise ValueError(f"j = {j}; points in dimension {X.shape[1]} have no such coordinate")
        return X[:, j]

    return OneLipschitz("coordinate", values, "|x_j − x'_j| ≤ ‖x − x'‖")


def distance_to_points(Z: Float[ndarray, "m d"]) -> OneLipschitz:
    """f(x) = min_i ‖x − z_i‖; the nearest z_i is found by a matrix product, for many points.

    Raises ValueError unless Z is a finite matrix with a row, or if the points have another d.

    >>> distance_to_points(np.array([[0.0, 0.0], [9.0, 0.0]]))(np.array([[3.0, 4.0]]))
    array([5.])
    """
    Z = check.matrix(Z, "Z")

    def values(X: Float[ndarray, "n d"]) -> Float[ndarray, "n"]:
        from sklearn.metrics import pairwise_distances_argmin  # half a second: only when called

        near = pairwise_distances_argmin(check.matrix(X, columns=Z.shape[1]), Z)
        return np.linalg.norm(X - Z[near], axis=1)

    return OneLipschitz("distance to points", values, "the distance to a set")


def euclidean_family(
    d: int, rng: np.random.Generator, centre: Float[ndarray, "d"] | float = 0.0
) -> tuple[OneLipschitz, ...]:
    """Six functions on R^d, 1-Lipschitz for ‖·‖, for points about as far from `centre` as 1.

    The first coordinate; the distance to the half space {Σ_j (x_j − centre_j) ≤ 0}; the norm of the
    first ⌈d/2⌉ coordinates of x − centre; the largest coordinate; the distance to 20 random points
    at distance 1 from centre; a random ReLU net of width 32, divided by ‖a‖·‖W‖_op ≥ Lip and so
    somewhat flatter than it might be.

    Raises ValueError if d < 1, centre is not a number or d numbers, or rng is no Generator.

    >>> [f.name for f in euclidean_family(4, np.random.default_rng(0))][:2]
    ['coordinate', 'distance to a half space']
    """
    d, rng = check.count(d, "d"), check.generator(rng)
    middle = check.array(centre, "centre")
    if middle.shape not in ((), (d,)):
        need = f"one number or d = {d} numbers are needed"
        raise ValueError(f"centre has shape {middle.shape}; {need}")
    middle, half = np.broadcast_to(middle, (d,)), (d + 1) // 2
    unit, offset = np.ones(d) / np.linalg.norm(np.ones(d)), float(middle.sum() / np.sqrt(d))
    Z = rng.standard_normal((20, d))
    W, b, a = (rng.standard_normal(shape) for shape in ((32, d), 32, 32))
    a = a / (np.linalg.norm(W, 2) * np.linalg.norm(a))
    to_half_space = ("distance to a half space", lambda X: np.maximum(X @ unit - offset, 0))
    part = ("norm of a part", lambda X: np.linalg.norm((X - middle)[:, :half], axis=1))
    net = ("random net", lambda X: np.maximum(X @ W.T + b, 0) @ a)
    return (
        coordinate(0),
        OneLipschitz(*to_half_space, "the distance to a set"),
        OneLipschitz(*part, "a norm after a projection"),
        OneLipschitz("maximum", lambda X: X.max(axis=1), "a maximum of 1-Lipschitz functions"),
        distance_to_points(middle + Z / np.linalg.norm(Z, axis=1, keepdims=True)),
        OneLipschitz(*net, "divided by the product of its layers' norms"),
    )


def hamming_family(d: int, rng: np.random.Generator) -> tuple[OneLipschitz, ...]:
    """Three functions on {0,1}^d that are 1-Lipschitz for the distance (1/d)·#{j : x_j ≠ x'_j}.

    The share of ones; the distance to 20 random corners; the distance to the half {Σ_j x_j ≤ d/2}
    of the cube, ⌈Σ x_j − d/2⌉/d where that is positive.

    Raises ValueError if d < 1 or rng is no Generator.

    >>> hamming_family(4, np.random.default_rng(0))[2](np.array([[1.0, 1.0, 1.0, 0.0]]))
    array([0.25])
    """
    d, rng = check.count(d, "d"), check.generator(rng)
    Z = rng.integers(0, 2, (20, d)).astype(float)
    share = ("share of ones", lambda X: X.mean(axis=1), "one flip changes it by 1/d")
    to_corners = ("distance to corners", lambda X: cdist(X, Z, "cityblock").min(axis=1) / d)
    to_half = (
        "distance to half the cube",
        lambda X: np.maximum(np.ceil(X.sum(axis=1) - d / 2), 0) / d,
    )
    return (
        OneLipschitz(*share, "hamming"),
        OneLipschitz(*to_corners, "the distance to a set", "hamming"),
        OneLipschitz(*to_half, "the distance to a set", "hamming"),
    )


def scaled_std(values: Float[ndarray, "n"], d: int) -> Estimate:
    """√d·std(f) from f(x_1), …, f(x_n) at independent points; at most √c for a 1-Lipschitz f.

    The standard error is √((m₄ − s⁴)/n)/(2s) with the fourth central moment m₄ (delta method).

    Parameters: values of f (divide by L if Lip(f) = L), n ≥ 2; d dimension.

    Raises ValueError on wrong shapes, non-finite entries, n < 2 or d < 1.

    >>> scaled_std(np.array([-1.0, 1.0, -1.0, 1.0]), 1).error
    0.0
    """
    v, d = _sample(values), check.count(d, "d")
    deviation = v - v.mean()
    s2, m4 = float(np.mean(deviation**2)), float(np.mean(deviation**4))
    if s2 == 0:
        return Estimate(0.0, 0.0)
    error = np.sqrt(max(m4 - s2**2, 0.0) / len(v)) / (2 * np.sqrt(s2))
    return Estimate(float(np.sqrt(s2 * len(v) / (len(v) - 1) * d)), float(error * np.sqrt(d)))


def tail(values: Float[ndarray, "n"], t: ArrayLike) -> Estimate:
    """The share of values with |f(x_i) − f̄| ≥ t, with the binomial standard error √(p(1 − p)/n).

    Parameters: values at n ≥ 2 independent points; t ≥ 0, a number or an array. A share of 0 has
    the error 0, but says no more than that the probability is likely below 5/n.

    Raises ValueError on wrong shapes or numbers that are not finite.

    >>> tail(np.array([-2.0, -1.0, 0.0, 3.0]), 2.0).value
    0.5
    """
    v, t = _sample(values), check.array(t, "t")
    p = 1 - np.searchsorted(np.sort(np.abs(v - v.mean())), t, side="left") / len(v)
    return Estimate(_plain(p), _plain(np.sqrt(p * (1 - p) / len(v))))


def mgf_constant(values: Float[ndarray, "n"], lam: ArrayLike, d: int) -> Estimate:
    """(2d/λ²)·log of the mean of exp(λ(f(x_i) − f̄)), for each λ; its true value is at most c.

    For λ → 0 it is d·Var(f). For large λ the mean is carried by the few largest values: where the
    largest alone carries more than a tenth of the sum, nothing is known and NaN is returned.
    Standard errors by the delta method.

    Parameters: values of a 1-Lipschitz f at n ≥ 2 points; lam λ ≠ 0, a number or an array; d.

    Raises ValueError on wrong shapes, numbers that are not finite, λ = 0 or d < 1.

    >>> round(float(mgf_constant(np.array([-0.1, 0.1] * 50), 0.01, 100).value), 4)
    1.0
    """
    v, lam, d = _sample(values), check.array(lam, "lam"), check.count(d, "d")
    if (lam == 0).any():
        raise ValueError("lam = 0; the constant is a ratio that is 0/0 there")
    exponent = lam[..., None] * (v - v.mean())
    top = exponent.max(axis=-1)
    weight = np.exp(exponent - top[..., None])
    mean = weight.mean(axis=-1)
    scale = np.where(1 / (len(v) * mean) <= 0.1, 2 * d / lam**2, np.nan)  # the top weight is 1
    # influence of one value on log mean exp(λv) − λv̄: the mean v̄ is estimated, too
    influence = weight / mean[..., None] - exponent
    error = influence.std(axis=-1) / np.sqrt(len(v))
    return Estimate(_plain(scale * (top + np.log(mean))), _plain(scale * error))


def tail_constant_at_least(
    values: Float[ndarray, "n"], d: int, *, confidence: float = 0.99
) -> float:
    """A number below the smallest c in `tail_bound`, unless the sample is one of a rare kind.

    Rare: of probability at most 1 − confidence. A sample can refute a constant and never confirm
    one: other functions, and rarer points, may be worse.

    How: for ranks j = 1, 2, 4, … the j-th smallest and j-th largest value, a ≤ b, are taken.
    P(f ≤ a) and P(f ≥ b) are at least p_j, the quantile of Beta(j, n − j + 1), all at once with the
    given confidence. Wherever E f lies, |f − E f| is at least (b − a)/2 on one of the two events.
    So p_j ≤ 2·exp(−d(b − a)²/(8c)), which is solved for c.

    Parameters: values of a 1-Lipschitz f at n ≥ 2 independent points of one law; d dimension;
    confidence in (0, 1).

    Raises ValueError on wrong shapes, numbers that are not finite, d < 1 or another confidence.

    Source: this book; the limits for order statistics are those of Clopper and Pearson (1934).

    >>> x = np.random.default_rng(0).standard_t(3, 2000) / 10
    >>> tail_constant_at_least(x, 100) > 1
    True
    """
    v, d, confidence = _sample(values), check.count(d, "d"), check.share(confidence, "confidence")
    v, n = np.sort(v), len(v)
    ranks = 2 ** np.arange(int(np.log2(n // 2)) + 1)  # 1, 2, 4, … up to n/2
    p = beta.ppf((1 - confidence) / (2 * len(ranks)), ranks, n - ranks + 1)
    half_gap = (v[n - ranks] - v[ranks - 1]) / 2
    return float(np.max(d * half_gap**2 / (2 * np.log(2 / p))))


def cap_probability(t: ArrayLike, d: int) -> float | Float[ndarray, "..."]:
    """P(⟨u, x⟩ ≥ t) for x uniform on S^{d−1} and a unit vector u: a cap's share of the sphere.

    Formula: ½·I_{1−t²}((d−1)/2, ½) for 0 ≤ t ≤ 1, with the regularised incomplete beta function I;
    1 minus that at −t for t < 0; t a number or an array.

    Raises ValueError if t is not finite or d < 2.

    Source: ⟨u, x⟩² has the law Beta(½, (d−1)/2), because x = g/‖g‖.

    >>> round(cap_probability(0.5, 3), 12)  # Archimedes: (1 − t)/2
    0.25
    """
    t, d = check.array(t, "t"), check.count(d, "d", at_least=2)
    h = np.minimum(np.abs(t), 1)
    cap = betainc((d - 1) / 2, 0.5, (1 - h) * (1 + h)) / 2
    return _plain(np.where(t >= 0, cap, 1 - cap))


def _sample(values: Float[ndarray, "n"]) -> Float[ndarray, "n"]:
    v = check.vector(values, "values")
    if len(v) < 2:
        raise ValueError(f"values has {len(v)} entries; at least 2 are needed")
    return v


def _plain(x: Float[ndarray, "..."]) -> float | Float[ndarray, "..."]:
    """A float for an array without axes."""
    return float(x) if np.ndim(x) == 0 else x
