"""From one data set to another: the arithmetic of P ≈ σ²·n·d_eff, with numbers that are known only up to a factor.

Read in order: `Guess` (such a number), `effective_dimension` (what one observed P says), `transferred_parameters` (what it says about
another data set), `log_shares` (which input the uncertainty comes from). Used by the chapter "MNIST and ImageNet". It is arithmetic: whether
the law holds for real data in this form is another question.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from numpy.typing import ArrayLike

from .. import _validate as check
from .curve import _positive

Z95 = NormalDist().inv_cdf(0.95)


@dataclass(frozen=True)
class Guess:
    """A positive number with a log-normal uncertainty: below `low` with probability 5 %, above `high` with 5 %.

    Guess(3) is the number 3 itself. The median is √(low·high), and log x is normal with standard deviation log(high/low)/3.29.
    Raises ValueError unless 0 < low ≤ high, both finite.

    >>> Guess(1, 100).median
    10.0
    >>> round(Guess(1, 100).quantile(0.95), 9)
    100.0
    """

    low: float
    high: float | None = None

    def __post_init__(self) -> None:
        low = check.positive(self.low, "low")
        high = low if self.high is None else check.positive(self.high, "high")
        if high < low:
            raise ValueError(f"low = {low:g} is above high = {high:g}; give the smaller one first")
        object.__setattr__(self, "low", low)
        object.__setattr__(self, "high", high)

    @property
    def _top(self) -> float:
        return self.low if self.high is None else self.high

    @property
    def median(self) -> float:
        """√(low·high)."""
        return float(np.sqrt(self.low) * np.sqrt(self._top))

    @property
    def log_sd(self) -> float:
        """Standard deviation of the natural logarithm; 0 for an exact number."""
        return float(np.log(self._top / self.low) / (2 * Z95))

    def quantile(self, q: float) -> float:
        """The number below which x lies with probability q, 0 < q < 1."""
        if not 0 < q < 1:
            raise ValueError(f"q = {q!r}; a number between 0 and 1 is needed")
        return float(self.median * np.exp(NormalDist().inv_cdf(q) * self.log_sd))

    def draw(self, size: int, rng: np.random.Generator) -> Float[ndarray, "size"]:
        """Independent draws of x."""
        return self.median * np.exp(
            self.log_sd * check.generator(rng).standard_normal(check.count(size, "size"))
        )


def effective_dimension(
    P: ArrayLike, n: ArrayLike, *, sigma2: ArrayLike = 1.0, L: ArrayLike = 1.0
) -> float | Float[ndarray, "..."]:
    """d_eff = P·L²/(σ²·n), the dimension at which σ²·n·d_eff/L² equals P. Arrays broadcast.

    Parameters: P observed number of parameters; n points; sigma2 noise level σ² ∈ (0, 1]; L Lipschitz constant in units in which robustness
    means L = 1. Only the product σ²·d_eff is determined by P: halving σ² doubles d_eff.

    Raises ValueError if an argument is not positive and finite, or σ² > 1.

    >>> effective_dimension(1e6, 1e5)
    10.0
    """
    P, n, sigma2, L = (
        _positive(v, name) for v, name in ((P, "P"), (n, "n"), (sigma2, "sigma2"), (L, "L"))
    )
    if (sigma2 > 1).any():
        raise ValueError(f"sigma2 = {sigma2.max():g}; labels in [-1, 1] have sigma2 <= 1")
    d = P * L**2 / (sigma2 * n)
    return float(d) if d.ndim == 0 else d


def transferred_parameters(
    P: ArrayLike,
    n: ArrayLike,
    d: ArrayLike,
    n_new: ArrayLike,
    d_new: ArrayLike,
    *,
    keep: ArrayLike = 1.0,
) -> float | Float[ndarray, "..."]:
    """P' = P·(n'·d')/(n·d)·keep: the parameters that a new data set needs if P were needed for the old one. Arrays broadcast.

    Parameters: P, n, d of the old data set, n' and d' of the new one; keep = σ'²·(d'_eff/d')/(σ²·(d_eff/d)), what changes in the noise and in
    the share of the dimension that is effective (1: nothing).

    Raises ValueError if an argument is not positive and finite.

    >>> transferred_parameters(1e6, 1e5, 1e3, 1e7, 1e5)
    10000000000.0
    """
    P, n, d, n_new, d_new, keep = (
        _positive(v, name)
        for v, name in (
            (P, "P"),
            (n, "n"),
            (d, "d"),
            (n_new, "n_new"),
            (d_new, "d_new"),
            (keep, "keep"),
        )
    )
    new = P * (n_new / n) * (d_new / d) * keep
    return float(new) if new.ndim == 0 else new


def log_shares(inputs: Mapping[str, Guess]) -> dict[str, float]:
    """The share of Var(log P) that each factor of a product (or quotient) P of independent guesses brings; the shares add up to 1.

    Raises ValueError if every input is exact.

    >>> log_shares({"a": Guess(1, 10), "b": Guess(1, 100), "c": Guess(5)})
    {'a': 0.2, 'b': 0.8, 'c': 0.0}
    """
    variance = {name: guess.log_sd**2 for name, guess in inputs.items()}
    total = sum(variance.values())
    if total == 0:
        raise ValueError("inputs: all of them are exact; there is no uncertainty to share")
    return {name: round(v / total, 12) for name, v in variance.items()}
