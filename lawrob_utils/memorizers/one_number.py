"""A robust memorizer with one parameter: all the data are in the binary digits of one number.

It shows why the law must bound the size of parameters, or count bits. Used in the chapter "Size against robustness".
"""

from __future__ import annotations

from dataclasses import InitVar, dataclass, field
from functools import cached_property

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from scipy.spatial.distance import cdist

from .. import _validate as check
from ..lipschitz import Bracket, min_separation
from ._parts import in_blocks, signs


@dataclass(frozen=True, eq=False)
class OneNumber:
    """f_a(x) = Σ_i s_i min(1, max(0, (ρ − ‖x − c_i‖)/(ρ − e))), centres c_i and signs s_i read from the digits of a.

    a = number/2^m ∈ [0, 1) is the only parameter. Its first ndb binary digits are the coordinates of the c_i, the
    points x_i ∈ [−1, 1]^d rounded to b bits a coordinate, so that ‖x_i − c_i‖ ≤ e = √d/(2^b − 1); the last n are the
    labels; m = n(db + 1). ρ is half of the smallest distance of two centres: the bumps do not overlap, each is flat
    within e of its centre, so that f_a(x_i) = y_i exactly, and Lip(f_a) = 1/(ρ − e).

    Two numbers that differ in the last digit differ by 2 at a data point, so J, the Lipschitz constant of a ↦ f_a in
    sup norm, is at least 2^{m+1}; it is that if f_a is interpolated between multiples of 2^{−m} (and is 0 where the
    digits of a name centres too close for ρ > e).

    Parameters: X points (n, d) in [−1, 1]^d, n ≥ 2; y labels ±1 (n,); bits = b ∈ {1, …, 52}.

    Attributes: number (a Python integer of n_bits = m binary digits), n, d, bits.

    Raises ValueError on wrong shapes, non-finite entries, points outside of the cube, labels other than ±1, bits < 1
    or > 52, or too few bits for the distance of the points, naming how many do.

    Source: the book; that one parameter of unbounded size can name every Lipschitz function is in Bubeck and Sellke
    (2021).

    >>> f = OneNumber(np.array([[-1.0], [1.0]]), np.array([1.0, -1.0]), bits=3)
    >>> f"{f.number:08b}", f.n_parameters, f.n_bits, f(np.array([[-1.0], [1.0]])).tolist()
    ('00011110', 1, 8, [1.0, -1.0])
    """

    X: InitVar[Float[ndarray, "n d"]]
    y: InitVar[Float[ndarray, "n"]]
    bits: int = 8
    number: int = field(init=False, repr=False)
    n: int = field(init=False)
    d: int = field(init=False)

    def __post_init__(self, X: Float[ndarray, "n d"], y: Float[ndarray, "n"]) -> None:
        X = check.matrix(X, rows_at_least=2)
        y, (n, d) = signs(y, X.shape[0]), X.shape
        bits = check.count(self.bits, "bits")
        if bits > 52:
            raise ValueError(f"bits = {bits}; at most 52 bits a coordinate are in a float64")
        if np.abs(X).max() > 1:
            raise ValueError(
                f"X has an entry of size {np.abs(X).max():g}; entries in [-1, 1] are needed, rescale X"
            )
        steps = np.rint((X + 1) / 2 * (2**bits - 1)).astype(np.int64).ravel()
        digits = np.concatenate(
            [((steps[:, None] >> np.arange(bits - 1, -1, -1)) & 1).ravel(), y > 0]
        )
        number = int.from_bytes(np.packbits(digits.astype(np.uint8)).tobytes(), "big") >> (
            -digits.size % 8
        )
        for name, value in (("bits", bits), ("number", number), ("n", n), ("d", d)):
            object.__setattr__(self, name, value)
        if self._flat >= self._rho:
            separation = min_separation(X).value
            if separation == 0:
                enough = "two points are the same, and no number of bits tells them apart"
            else:
                enough = f"bits = {int(np.log2(1 + 4 * np.sqrt(d) / separation)) + 1} are enough"
            raise ValueError(
                f"bits = {bits}: rounding moves points by up to {self._flat:.2g}, not less than {self._rho:.2g}, half of "
                f"the smallest distance of rounded points; {enough}"
            )

    @property
    def name(self) -> str:
        return "one number"

    @property
    def n_parameters(self) -> int:
        """1."""
        return 1

    @property
    def n_bits(self) -> int:
        """m = n(db + 1), the binary digits of the parameter: the honest size."""
        return self.n * (self.d * self.bits + 1)

    @property
    def log2_J(self) -> int:
        """log₂ of the Lipschitz constant of a ↦ f_a in sup norm, m + 1."""
        return self.n_bits + 1

    @cached_property
    def _decoded(self) -> tuple[Float[ndarray, "n d"], Float[ndarray, "n"]]:
        """Centres and signs, read from the digits of the number and from nothing else."""
        m = self.n_bits
        padded = np.frombuffer(
            (self.number << (-m % 8)).to_bytes(-(-m // 8), "big"), dtype=np.uint8
        )
        digits = np.unpackbits(padded)[:m]
        steps = digits[: m - self.n].reshape(-1, self.bits).astype(np.int64) @ (
            1 << np.arange(self.bits - 1, -1, -1)
        )
        centres = 2 * steps.reshape(self.n, self.d) / (2**self.bits - 1) - 1
        return centres, np.where(digits[m - self.n :] == 1, 1.0, -1.0)

    @cached_property
    def _rho(self) -> float:
        return min_separation(self._decoded[0]).value / 2

    @property
    def _flat(self) -> float:
        return float(np.sqrt(self.d) / (2**self.bits - 1)) * (1 + 1e-12)

    def __call__(self, X: Float[ndarray, "m d"]) -> Float[ndarray, "m"]:
        """f_a(x) for each row of X (m, d); O(m·n·d) operations, in blocks. Raises ValueError on shapes that do not fit."""
        X = check.matrix(X, columns=self.d)
        centres, heights = self._decoded

        def values(part: Float[ndarray, "r d"]) -> Float[ndarray, "r"]:
            return (
                np.clip((self._rho - cdist(part, centres)) / (self._rho - self._flat), 0, 1)
                @ heights
            )

        return in_blocks(X, self.n, values)

    def lipschitz(self) -> Bracket:
        """Exactly 1/(ρ − e): down the slope of any bump; the bumps do not overlap."""
        return Bracket.exact(
            1 / (self._rho - self._flat), "from the flat top of a bump to its edge"
        )
