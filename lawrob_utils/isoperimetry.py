"""Isoperimetry: how little a Lipschitz function of a high-dimensional point can vary.

Read in order: the bound that defines it (`tail_bound`), the constants that are known
(`known_constant`), functions with a proved Lipschitz constant to test a law with (`OneLipschitz`,
`distance_to_points`), what a sample shows of them (`scaled_std`, `mgf_constant`) and what it can
refute (`tail_constant_at_least`), the exact tail of a coordinate on the sphere (`cap_probability`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from numpy.typing import ArrayLike
from scipy.special import betainc
from scipy.stats import beta

from . import _validate as check
from .bracket import Bracket, Estimate


def tail_bound(
    t: ArrayLike, d: int, *, c: float = 1.0, L: float = 1.0
) -> float | Float[ndarray, "..."]:
    """2·exp(−d t²/(2cL²)), cut at 1: what c-isoperimetry allows P(|f − E f| ≥ t) to be.

    Parameters: t ≥ 0, in units of f, a number or an array; d dimension; L = Lip(f).

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
    implies it only with 16c. The laws: N(0, I/d); uniform on S^{d−1}, on the solid cube [0, 1/√d]^d
    and, with the normalised Hamming distance, on {0,1}^d. Lower bounds are d·Var f of a linear f.

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
    """A function on R^d whose Euclidean Lipschitz constant is at most 1, and why.

    values: takes points (n, d), returns (n,). why: the proof in a few words. Called, it raises
    ValueError if a point or a value is not finite, or there is not one value a point.
    """

    name: str
    values: Callable[[Float[ndarray, "n d"]], Float[ndarray, "n"]]
    why: str

    def __call__(self, X: Float[ndarray, "n d"]) -> Float[ndarray, "n"]:
        """f(x_i) for each row of X."""
        X = check.matrix(X)
        return check.vector(self.values(X), f"values of {self.name}", length=X.shape[0])


def distance_to_points(Z: Float[ndarray, "m d"]) -> OneLipschitz:
    """f(x) = min_i ‖x − z_i‖, for many points: a matrix product finds the nearest z_i.

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


def scaled_std(values: Float[ndarray, "n"], d: int) -> Estimate:
    """√d·std(f) from f(x_1), …, f(x_n) at independent points; at most √c for a 1-Lipschitz f.

    The standard error is √((m₄ − s⁴)/n)/(2s) with the fourth central moment m₄ (delta method).

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


def mgf_constant(values: Float[ndarray, "n"], lam: ArrayLike, d: int) -> Estimate:
    """(2d/λ²)·log of the mean of exp(λ(f(x_i) − f̄)), for each λ; its true value is at most c.

    For λ → 0 it is d·Var(f). For large λ the mean is carried by the few largest values: where the
    largest alone carries more than a tenth of the sum, nothing is known and NaN is returned.
    Standard errors by the delta method.

    Parameters: values of a 1-Lipschitz f at n ≥ 2 points; lam λ ≠ 0, a number or an array.

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
    """With the given confidence, a number below the smallest c in `tail_bound`.

    Formula: max_j d(b − a)²/(8·log(2/p_j)) over ranks j = 1, 2, 4, …, with the j-th smallest and
    j-th largest of the values, a ≤ b. All at once, P(f ≤ a) and P(f ≥ b) are at least p_j, a
    quantile of Beta(j, n − j + 1), and |f − E f| ≥ (b − a)/2 on one of the two events.

    Parameters: values of a 1-Lipschitz f at n ≥ 2 independent points of one law; confidence in
    (0, 1).

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
    1 minus that at −t for t < 0.

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
