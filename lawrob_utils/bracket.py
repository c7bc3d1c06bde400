"""Two ways of not knowing a number: a `Bracket` between two bounds, an `Estimate` with an error."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_EVEN, Context

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from numpy.typing import ArrayLike

from . import _validate as check


@dataclass(frozen=True)
class Bracket:
    """lower ≤ Lip(f) ≤ upper, each with the words that say where it comes from.

    lower ≥ 0 is witnessed (a slope between two points, a gradient norm at a point); upper is
    certified and may be inf. A lower above upper is a ValueError, unless by less than 1 part in 10⁹
    (rounding): then upper is set to it. of: the symbol of what is bracketed. Printed with four
    digits, lower rounded down and upper rounded up, so that what is printed is true.

    >>> print(Bracket(1.5, 6.00001, "gradient at a point", "product of spectral norms"))
    1.5 ≤ Lip ≤ 6.001 (lower: gradient at a point; upper: product of spectral norms)
    >>> print(Bracket.exact(2.0, "slope of the pair (0, 1)"))
    Lip = 2 (slope of the pair (0, 1))
    """

    lower: float
    upper: float
    lower_by: str
    upper_by: str
    of: str = "Lip"

    def __post_init__(self) -> None:
        lower = check.positive(self.lower, "lower", zero_allowed=True)
        unknown = isinstance(self.upper, float) and self.upper == np.inf
        upper = np.inf if unknown else check.positive(self.upper, "upper", zero_allowed=True)
        if lower > upper * (1 + 1e-9):
            said = f"lower = {lower:.12g} ({self.lower_by}), upper = {upper:.12g} ({self.upper_by})"
            raise ValueError(f"{said}: one of the two bounds is wrong")
        object.__setattr__(self, "lower", lower)
        object.__setattr__(self, "upper", max(lower, upper))

    @classmethod
    def exact(cls, value: float, by: str, of: str = "Lip") -> Bracket:
        """The bracket [value, value]."""
        return cls(value, value, by, by, of)

    @property
    def is_exact(self) -> bool:
        """lower = upper."""
        return self.lower == self.upper

    @property
    def ratio(self) -> float:
        """upper/lower ≥ 1, the factor of uncertainty (1 if both are 0, inf if only lower is)."""
        if self.lower == 0:
            return 1.0 if self.upper == 0 else np.inf
        return self.upper / self.lower

    def __str__(self) -> str:
        if self.is_exact:
            return f"{self.of} = {_four(self.lower, ROUND_HALF_EVEN)} ({self.lower_by})"
        low, high = _four(self.lower, ROUND_FLOOR), _four(self.upper, ROUND_CEILING)
        return f"{low} ≤ {self.of} ≤ {high} (lower: {self.lower_by}; upper: {self.upper_by})"


@dataclass(frozen=True, eq=False)
class Estimate:
    """A measured number (or array) with its error: the standard one, unless its maker says more.

    interval, where there is one: its two ends, for an error that is not the same to both sides.
    Printed with two digits of the error, and the value as far; a format applies to both.

    >>> print(Estimate(0.123456, 0.00789), f"{Estimate(0.2, 0.0577):.2f}", sep="; ")
    0.1235 ± 0.0079; 0.20 ± 0.06
    """

    value: float | Float[ndarray, "..."]
    error: float | Float[ndarray, "..."]
    interval: tuple[float, float] | None = None

    @classmethod
    def mean(cls, draws: ArrayLike) -> Estimate:
        """The mean of independent finite draws (m,), m ≥ 2, with its standard error std/√m.

        >>> print(Estimate.mean([0.1, 0.2, 0.3]))
        0.200 ± 0.058
        """
        samples = check.vector(draws, "draws")
        if len(samples) < 2:
            raise ValueError(f"draws has {len(samples)} entries; an error bar needs at least 2")
        return cls(float(samples.mean()), float(samples.std(ddof=1) / np.sqrt(len(samples))))

    def __format__(self, spec: str) -> str:
        return f"{self.value:{spec}} ± {self.error:{spec}}" if spec else str(self)

    def __str__(self) -> str:
        if np.ndim(self.value) or not 0 < self.error < np.inf:
            return f"{self.value} ± {self.error}"
        decimals = max(0, 1 - int(np.floor(np.log10(self.error))))
        return f"{self.value:.{decimals}f} ± {self.error:.{decimals}f}"


def _four(x: float, rounding: str) -> str:
    """x to four digits, rounded in the given direction from the digits that repr shows."""
    return f"{float(Context(prec=4, rounding=rounding).create_decimal(repr(x))):.4g}"
