"""The law of robustness in numbers: its scale, the certificate in bits, fitted exponents.

The certificate is about n points drawn independently and uniformly from the sphere S^(d−1), and
labels that are independent of the points. The class of functions, or the code that names them, is
fixed before the points are drawn; it may depend on the labels. The proofs are in chapter 7.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray
from numpy.typing import ArrayLike
from scipy.stats import t as student

from . import _validate as check
from .bracket import Estimate


def law_curve(
    n: ArrayLike,
    d: ArrayLike,
    P: ArrayLike,
    *,
    sigma: ArrayLike = 1.0,
    eps: ArrayLike | None = None,
) -> float | Float[ndarray, "..."]:
    """(ε/σ)·√(nd/P), the scale of the law; with ε = σ², that is with a perfect fit, σ·√(nd/P).

    Arrays broadcast: n points in dimension d, P parameters, σ² = E[Var(y|x)] with |y| ≤ 1, and
    ε ∈ (0, σ²], how far the mean squared training error is below σ² (None: ε = σ²). Units of y per
    unit of x, where ‖x‖ ≈ 1; a scale and no bound, as constant and logarithm are left out.

    Raises ValueError if an argument is not finite and positive, if ε > σ², or σ > 1.
    Source: Bubeck and Sellke (2021). Their texts print ε, σ or 1 as the factor; ε/σ is what least
    squares attains, and is σ at a perfect fit.

    >>> round(law_curve(n=400, d=100, P=2500), 3)
    4.0
    >>> law_curve(n=400, d=100, P=np.array([400, 40_000]), sigma=0.5)
    array([5. , 0.5])
    """
    sizes = {"n": n, "d": d, "P": P, "sigma": sigma}
    n, d, P, sigma = (_positive(value, name) for name, value in sizes.items())
    if (sigma > 1).any():
        raise ValueError(f"sigma = {sigma.max():g}; labels in [-1, 1] have sigma <= 1")
    eps = sigma**2 if eps is None else _positive(eps, "eps")
    if (eps > sigma**2 * (1 + 1e-12)).any():
        raise ValueError(f"eps = {eps.max():g} exceeds sigma**2: an error below 0")
    curve = eps / sigma * np.sqrt(n * d / P)
    return float(curve) if curve.ndim == 0 else curve


def certified_lipschitz(
    n: int, d: int, bits: float, *, fit: float = 1.0, delta: float = 0.01
) -> float:
    """fit·√(n(d−1)/(2(B·ln 2 + ln(1/δ)))), with probability ≥ 1 − δ a lower bound on Lip(f).

    It holds for all f of the class at once. bits B ≥ 1 is the length of the code word of f, see
    `bit_certificate`; d ≥ 2; δ in (0, 1); fit ≥ 0 is Σ(y_i − ȳ)f(x_i)/√(n·Σ(y_i − ȳ)²): 1 for a
    perfect fit of balanced ±1 labels, √(1 − ȳ²) of others. Units of f per unit of x.

    Raises ValueError if a number is outside its range.
    Source: this book; the finite-class theorem of Bubeck and Sellke (2021) with sharp constants.

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
    """`certified_lipschitz` with the fit of labels y (n,) by values f(x_i) (n,), or 0 if negative.

    f has a code word of B bits, all words of one length or none the beginning of another. All that
    is chosen after the points were seen is part of it: weights, width, pattern of zeros, the best
    of several architectures; how the weights were found is not. s·f + t with s > 0 has s times the
    certificate of f. It bounds Lip along arcs of the sphere, hence also that in R^d.

    Labels are ±1, not all equal; real_labels=True admits any real labels that are not all equal.
    Raises ValueError for wrong shapes, labels, or numbers outside their ranges.

    >>> y = np.array([1.0, -1.0, 1.0, -1.0])
    >>> round(bit_certificate(y, 0.5 * y, bits=10, d=101), 2)
    2.08
    """
    y = check.vector(y) if real_labels else check.signs(y)
    f = check.vector(f_values, "f_values", length=y.size)
    centred = y - y.mean()
    size = float(np.linalg.norm(centred))
    if size <= 1e-12 * float(np.abs(y).max(initial=0)):
        raise ValueError(f"y: all {y.size} labels are equal; at least two values are needed")
    # the mean of f drops out; without it less is cancelled
    fit = float(centred @ (f - f.mean())) / (math.sqrt(y.size) * size)
    return certified_lipschitz(y.size, d, bits, fit=max(fit, 0.0), delta=delta)


def bits_needed(n: int, d: int, L: float, *, fit: float = 1.0, delta: float = 0.01) -> float:
    """max(0, (fit²·n(d−1)/(2L²) − ln(1/δ))/ln 2): with fewer bits `certified_lipschitz` exceeds L.

    Raises ValueError if a number is outside its range.

    >>> round(bits_needed(4000, 400, L=certified_lipschitz(4000, 400, bits=6400)))
    6400
    """
    n, d = check.count(n, "n"), check.count(d, "d", at_least=2)
    fit, L = check.positive(fit, "fit", zero_allowed=True), check.positive(L, "L")
    enough = (fit / L) ** 2 * n * (d - 1) / 2 + math.log(check.share(delta, "delta"))
    return max(0.0, enough / math.log(2))


def robust_bits(n: int, d: int, r: float, *, eta: float = 0.0, delta: float = 0.01) -> float:
    """max(0, (1−2η)²·n(d−1)r²/(2 ln 2) − log₂(1/δ)): the bits that n signs cost at radius r.

    n is even, half of the labels are +1, and the code is fixed beforehand. With probability
    ≥ 1 − δ: if a classifier of the class has the right sign on the whole ball of radius r > 0
    around all but a fraction η ∈ [0, 1/2) of the points, its code word has at least so many bits.
    For η = 0, r may be the mean signed distance to the boundary and need not be fixed; for η > 0
    it is fixed beforehand. Nothing is assumed about weights, margins or slopes. With B bits r is
    therefore at most `1 / certified_lipschitz(n, d, B, fit=1 - 2 * eta)`.

    Raises ValueError if a number is outside its range.
    Source: this book; von Berg et al. (2026) apply the law to the distance to the boundary, too.

    >>> round(robust_bits(1000, 101, 0.5))
    18027
    """
    if check.count(n, "n", at_least=2) % 2:
        raise ValueError(f"n = {n}; an even number is needed, half of the labels +1 and half -1")
    r, eta = check.positive(r, "r"), check.positive(eta, "eta", zero_allowed=True)
    if eta >= 0.5:
        raise ValueError(f"eta = {eta:g}; a fraction in [0, 1/2) is needed")
    return bits_needed(n, d, 1 / r, fit=1 - 2 * eta, delta=delta)


def counting_radius(d: int) -> float:
    """√(2 ln 2/(d−1)): above it `robust_bits` exceeds the n bits that n random signs cost anyway.

    Raises ValueError if d < 2.

    >>> [round(counting_radius(d), 2) for d in (20, 80, 160)]
    [0.27, 0.13, 0.09]
    """
    return math.sqrt(2 * math.log(2) / (check.count(d, "d", at_least=2) - 1))


def enumerative_bits(symbols: Int[ndarray, "..."], alphabet: Sequence[int]) -> int:
    """⌈log₂ C(N+m−1, m−1)⌉ + ⌈log₂ N!/(N_1!⋯N_m!)⌉: how often each symbol occurs, then where.

    The length of a code word, decodable without being told where it ends, for N ≥ 1 integers from
    an alphabet of m different ones, fixed beforehand: N times the entropy, within m·log₂(N+m).
    Exact; for N > 5000, where the integers are huge, at most one bit too long.

    Raises ValueError if a symbol is not in the alphabet, the alphabet repeats one, or N = 0.
    Source: enumerative coding, Cover (1973).

    >>> enumerative_bits(np.array([0, 0, 0, 1, 0, 0, 0, 0]), alphabet=(0, 1))  # ⌈log₂ 9⌉ + log₂ 8
    7
    """
    values = np.asarray(symbols)
    if values.size == 0 or values.dtype.kind not in "iu":
        kind = f"dtype {values.dtype} and {values.size} entries"
        raise ValueError(f"symbols has {kind}; at least one integer is needed")
    letters = [int(letter) for letter in alphabet]
    if len(set(letters)) != len(letters) or not letters:
        raise ValueError(f"alphabet = {alphabet!r}; one or more different integers are needed")
    found, how_often = np.unique(values, return_counts=True)
    unknown = set(found.tolist()) - set(letters)
    if unknown:
        raise ValueError(f"symbols contains {min(unknown)}, not in the alphabet {tuple(letters)}")
    N = values.size
    frequencies = choice_bits(math.comb(N + len(letters) - 1, len(letters) - 1))
    if N > 5000:
        nats = math.lgamma(N + 1) - sum(math.lgamma(times + 1) for times in how_often.tolist())
        # rounding errors are below 10⁻³ up to N = 10¹⁰
        return frequencies + math.ceil(nats / math.log(2) + 1e-3)
    same = math.prod(map(math.factorial, how_often.tolist()))
    return frequencies + choice_bits(math.factorial(N) // same)


def choice_bits(choices: int) -> int:
    """⌈log₂ choices⌉: the bits that name one of so many things. One of 100 widths costs 7 bits.

    Raises ValueError if choices < 1 or no integer.

    >>> choice_bits(1), choice_bits(2), choice_bits(100)
    (0, 1, 7)
    """
    return (check.count(choices, "choices") - 1).bit_length()


def power_law(
    x: Mapping[str, ArrayLike],
    y: ArrayLike,
    *,
    level: float | None = None,
    cluster: ArrayLike | None = None,
) -> dict[str, Estimate]:
    """The exponents α of y ≈ c·Π x_k^α_k, by least squares on logarithms, each with an interval.

    Parameters: x, a dict or DataFrame of positive columns (m,); y (m,) > 0; level, the probability
    that an interval is to cover, or None for one standard error to each side; `error` is half its
    length. Rows are independent with equal variance in log y, the intervals are Student's. With
    cluster (m,) or (m, k) rows with equal entries deviate together: clusters are drawn with
    replacement (1000 times, fixed generator), and the intervals are quantiles.

    Raises ValueError for an entry that is not positive, or if rows are too few or do not vary.

    >>> n = np.array([1.0, 2.0, 4.0, 8.0])
    >>> print(power_law({"n": n}, 3 * n**0.5 * [1.0, 1.1, 1.1, 1.0], level=0.95)["n"])
    0.50 ± 0.19
    """
    v = np.log(_positive(check.vector(y), "y"))
    columns = {str(k): check.vector(u, str(k), length=v.size) for k, u in x.items()}
    A = np.column_stack([np.ones(v.size), *(np.log(_positive(u, k)) for k, u in columns.items())])
    free = len(A) - A.shape[1]
    if free < 1 or np.linalg.matrix_rank(A) < A.shape[1]:
        need = f"more than {A.shape[1]}, in which {', '.join(columns)} vary on their own"
        raise ValueError(f"x has {len(A)} rows; {need}, are needed")
    best = np.linalg.lstsq(A, v, rcond=None)[0]
    top = student.cdf(1, free) if level is None else (1 + check.share(level, "level")) / 2
    if cluster is None:
        variance = np.sum((v - A @ best) ** 2) / free * np.linalg.inv(A.T @ A)
        ends = best + np.outer((-1, 1), student.ppf(top, free) * np.sqrt(np.diag(variance)))
    else:
        if len(labels := np.asarray(cluster)) != v.size:
            raise ValueError(f"cluster has {len(labels)} rows; {v.size} are needed, as in x")
        cells, cell = np.unique(labels, axis=0, return_inverse=True)
        rng, samples = np.random.default_rng(0), []
        for _ in range(1000):
            times = np.bincount(rng.integers(0, len(cells), len(cells)), minlength=len(cells))
            weight = np.sqrt(times[cell.ravel()])
            samples.append(np.linalg.lstsq(A * weight[:, None], v * weight, rcond=None)[0])
        ends = np.quantile(samples, (1 - top, top), axis=0)
    found = zip(columns, best[1:].tolist(), *ends[:, 1:].tolist(), strict=True)
    return {name: Estimate(a, (high - low) / 2, (low, high)) for name, a, low, high in found}


def _positive(value: ArrayLike, name: str) -> Float[ndarray, "..."]:
    array = check.array(value, name)
    if (array <= 0).any():
        raise ValueError(f"{name} = {value!r:.60}; numbers above 0 are needed")
    return array


def _nats(bits: float, delta: float) -> float:
    """B·ln 2 + ln(1/δ)."""
    if check.positive(bits, "bits") < 1:
        raise ValueError(f"bits = {bits:g}; a code word has at least 1 bit")
    return float(bits) * math.log(2) - math.log(check.share(delta, "delta"))
