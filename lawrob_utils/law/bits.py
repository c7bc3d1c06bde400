"""The law as a certificate: count bits instead of parameters, and the constants are no longer vacuous.

Read in order: `certified_lipschitz` (the formula), `bit_certificate` (the same for given labels and values of f), `bits_needed`
(solved for the bits); `enumerative_bits` and `choice_bits` (how to count bits honestly); `robust_bits`, `robust_radius` and
`counting_radius` (what robustness at a radius costs). Used by the chapter "The law with honest constants", which proves all of it.

Everything here is about n points drawn independently and uniformly from the unit sphere S^(d−1), d ≥ 2, and labels that are
independent of the points. The class of functions, or the code that names them, is fixed before the points are drawn; it may depend on
the labels.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray

from .. import _validate as check


def certified_lipschitz(
    n: int, d: int, bits: float, *, fit: float = 1.0, delta: float = 0.01
) -> float:
    """fit·√(n(d−1)/(2(B·ln 2 + ln(1/δ)))): with probability ≥ 1 − δ, Lip(f) is at least this for all f of the class at once.

    Parameters: n points and d ≥ 2 their dimension; bits B ≥ 1, the length of the code word of f (see `bit_certificate`); delta δ ∈ (0, 1);
    fit ∈ [0, ∞) = Σ(y_i − ȳ)f(x_i)/√(n·Σ(y_i − ȳ)²), in units of y: 1 for a perfect fit of balanced ±1 labels, √(1 − ȳ²) of others.
    The bound is in units of f per unit of x.

    Raises ValueError if a number is outside its range.

    Source: this book; it is the finite-class theorem of Bubeck and Sellke (2021) with log|F| = B·ln 2 and sharp constants.

    >>> round(certified_lipschitz(4000, 400, bits=6400), 2)
    13.41
    """
    n, d = check.count(n, "n"), check.count(d, "d", at_least=2)
    fit = check.positive(fit, "fit", zero_allowed=True)
    return fit * math.sqrt(n * (d - 1) / (2 * _nats(bits, delta)))


def bit_certificate(
    y: Float[ndarray, "n"],
    f_values: Float[ndarray, "n"],
    bits: float,
    d: int,
    delta: float = 0.01,
    *,
    real_labels: bool = False,
) -> float:
    """Σ(y_i − ȳ)f(x_i)/√(n·Σ(y_i − ȳ)²) · √(n(d−1)/(2(B·ln 2 + ln(1/δ)))) ≤ Lip(f), or 0 if the sum is negative.

    With probability at least 1 − δ over the points it holds for every f of the class at once, where f has a code word of B = B(f) bits,
    all words of the same length or no word the beginning of another. Everything about f that is chosen after the points were seen is part
    of the word: weights, width, pattern of zeros, the best of several architectures; how the weights were found is not. Scale and offset of
    f are free: s·f + t with s > 0 has the certificate of f times s, as it has Lip(f) times s.

    Parameters: y labels (n,), all +1 or −1 and not all equal; f_values f(x_i) (n,); bits B ≥ 1; d ≥ 2 dimension of the sphere; delta
    δ ∈ (0, 1); real_labels=True admits any real labels that are not all equal, which the theorem covers as well.

    Returns a lower bound on the Lipschitz constant of f on the sphere (along arcs), so also on that in R^d. Units of f per unit of x.

    Raises ValueError for wrong shapes, entries that are not finite, labels other than ±1 (unless real_labels), labels that are all equal,
    bits < 1, d < 2, or δ outside (0, 1).

    Source: as for `certified_lipschitz`.

    >>> y = np.array([1.0, -1.0, 1.0, -1.0])
    >>> round(bit_certificate(y, 0.5 * y, bits=10, d=101), 2), round(certified_lipschitz(4, 101, 10, fit=0.5), 2)
    (2.08, 2.08)
    """
    y = check.vector(y)
    f = check.vector(f_values, "f_values", length=y.size)
    wrong = np.flatnonzero(np.abs(y) != 1)
    if wrong.size and not real_labels:
        raise ValueError(
            f"y[{wrong[0]}] = {y[wrong[0]]:g}; labels must all be +1 or -1 (real_labels=True admits others)"
        )
    centred = y - y.mean()
    size = float(np.linalg.norm(centred))
    if size <= 1e-12 * float(np.abs(y).max(initial=0)):
        raise ValueError(
            f"y: all {y.size} labels are equal, so that there is nothing to fit; at least two values are needed"
        )
    fit = float(centred @ (f - f.mean())) / (
        math.sqrt(y.size) * size
    )  # the mean of f drops out; without it less is cancelled
    return certified_lipschitz(y.size, d, bits, fit=max(fit, 0.0), delta=delta)


def bits_needed(n: int, d: int, L: float, *, fit: float = 1.0, delta: float = 0.01) -> float:
    """max(0, (fit²·n(d−1)/(2L²) − ln(1/δ))/ln 2): fewer bits than this, and `certified_lipschitz` exceeds L.

    Parameters: L > 0; the others as in `certified_lipschitz`.

    Raises ValueError if a number is outside its range.

    >>> round(bits_needed(4000, 400, L=certified_lipschitz(4000, 400, bits=6400)))
    6400
    """
    n, d = check.count(n, "n"), check.count(d, "d", at_least=2)
    fit, L = check.positive(fit, "fit", zero_allowed=True), check.positive(L, "L")
    return max(0.0, (fit**2 * n * (d - 1) / (2 * L**2) - _log_inverse(delta)) / math.log(2))


def enumerative_bits(symbols: Int[ndarray, "..."], alphabet: Sequence[int]) -> int:
    """⌈log₂ C(N+m−1, m−1)⌉ + ⌈log₂ N!/(N_1!⋯N_m!)⌉: how often each symbol occurs, and then which of the arrangements it is.

    This is the length of a code word that can be decoded without being told where it ends, for N symbols from an alphabet of m; exact,
    or for N above 5000, where the integers are huge, at most one bit too long. It is within m·log₂(N+m) of N times the entropy of the
    frequencies, and never much above N·log₂ m.

    Parameters: symbols, an array of N ≥ 1 integers; alphabet, the m ≥ 1 different integers that may occur, fixed beforehand.

    Raises ValueError if a symbol is not in the alphabet, or the alphabet repeats one, or there are no symbols.

    Source: enumerative coding, Cover (1973).

    >>> enumerative_bits(np.array([0, 0, 0, 1, 0, 0, 0, 0]), alphabet=(0, 1))  # 4 bits: one of nine counts; 3 bits: one of eight places
    7
    """
    values = np.asarray(symbols)
    if values.size == 0 or values.dtype.kind not in "iu":
        raise ValueError(
            f"symbols has dtype {values.dtype} and {values.size} entries; at least one integer is needed"
        )
    letters = [int(letter) for letter in alphabet]
    if len(set(letters)) != len(letters) or not letters:
        raise ValueError(f"alphabet = {alphabet!r}; one or more different integers are needed")
    found, how_often = np.unique(values, return_counts=True)
    unknown = set(found.tolist()) - set(letters)
    if unknown:
        raise ValueError(
            f"symbols contains {min(unknown)}, which is not in the alphabet {tuple(letters)}"
        )
    N, arrangements, left = values.size, 1, values.size
    frequencies = choice_bits(math.comb(N + len(letters) - 1, len(letters) - 1))
    if N > 5000:
        nats = math.lgamma(N + 1) - sum(math.lgamma(times + 1) for times in how_often.tolist())
        return frequencies + math.ceil(
            nats / math.log(2) + 1e-3
        )  # rounding errors are below 10⁻³ up to N = 10¹⁰
    for times in how_often.tolist():
        arrangements *= math.comb(left, times)
        left -= times
    return frequencies + choice_bits(arrangements)


def choice_bits(choices: int) -> int:
    """⌈log₂ choices⌉: the bits that name one of so many things. The best of 100 widths costs 7 bits.

    Raises ValueError if choices < 1 or no integer.

    >>> choice_bits(1), choice_bits(2), choice_bits(100)
    (0, 1, 7)
    """
    return (check.count(choices, "choices") - 1).bit_length()


def robust_bits(n: int, d: int, r: float, *, eta: float = 0.0, delta: float = 0.01) -> float:
    """max(0, (1−2η)²·n(d−1)r²/(2 ln 2) − log₂(1/δ)): with fewer bits no class robustly fits n random signs at radius r.

    Precisely: n/2 labels +1 and n/2 labels −1, independent of the points; r and a class of classifiers, named by code words of at most B
    bits (all of one length, or prefix-free), are fixed beforehand. With probability ≥ 1 − δ, if one of them has the right sign on the whole Euclidean
    ball of radius r around all but a fraction η of the points, then B is at least this. Nothing is assumed about weights, margins or
    Lipschitz constants.

    Parameters: n ≥ 2 even; d ≥ 2; r > 0, relative to ‖x_i‖ = 1; eta η ∈ [0, 1/2); delta δ ∈ (0, 1).

    Raises ValueError if a number is outside its range.

    Source: this book; the idea to apply the law to the distance to the decision boundary is also in von Berg et al. (2026).

    >>> round(robust_bits(1000, 101, 0.5))
    18027
    """
    n, d = check.count(n, "n", at_least=2), check.count(d, "d", at_least=2)
    if n % 2:
        raise ValueError(f"n = {n}; an even number is needed, half of the labels +1 and half -1")
    r, kept = check.positive(r, "r"), 1 - 2 * _fraction(eta)
    return max(
        0.0, kept**2 * n * (d - 1) * r**2 / (2 * math.log(2)) - _log_inverse(delta) / math.log(2)
    )


def robust_radius(n: int, d: int, bits: float, *, eta: float = 0.0, delta: float = 0.01) -> float:
    """√(2(B·ln 2 + ln(1/δ))/(n(d−1)))/(1−2η), the largest r that `robust_bits` allows with B bits.

    Raises ValueError if a number is outside its range.

    >>> round(robust_radius(1000, 101, bits=robust_bits(1000, 101, 0.5)), 6)
    0.5
    """
    n, d = check.count(n, "n", at_least=2), check.count(d, "d", at_least=2)
    return math.sqrt(2 * _nats(bits, delta) / (n * (d - 1))) / (1 - 2 * _fraction(eta))


def counting_radius(d: int) -> float:
    """√(2 ln 2/(d−1)): only above this radius does `robust_bits` ask for more than the n bits that n random signs cost anyway.

    Raises ValueError if d < 2.

    >>> [round(counting_radius(d), 2) for d in (20, 80, 160)]
    [0.27, 0.13, 0.09]
    """
    return math.sqrt(2 * math.log(2) / (check.count(d, "d", at_least=2) - 1))


def _nats(bits: float, delta: float) -> float:
    """B·ln 2 + ln(1/δ)."""
    bits = check.positive(bits, "bits")
    if bits < 1:
        raise ValueError(f"bits = {bits:g}; a code word has at least 1 bit")
    return bits * math.log(2) + _log_inverse(delta)


def _log_inverse(delta: float) -> float:
    delta = check.positive(delta, "delta")
    if delta >= 1:
        raise ValueError(f"delta = {delta:g}; a probability in (0, 1) is needed")
    return -math.log(delta)


def _fraction(eta: float) -> float:
    eta = check.positive(eta, "eta", zero_allowed=True)
    if eta >= 0.5:
        raise ValueError(
            f"eta = {eta:g}; a fraction in [0, 1/2) is needed (half of the signs are right by chance)"
        )
    return eta
