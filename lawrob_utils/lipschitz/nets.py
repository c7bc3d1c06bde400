"""ReLU networks as the bounds see them: checked arrays, the two upper bounds that take a line, and
for two-layer networks the set in which all gradients lie (`gradient_zonotope`).
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Protocol, TypeAlias

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from .. import _validate as check

EPS = 2.0**-52  # twice the unit roundoff, so that error bounds have a factor to spare


class ReluNet(Protocol):
    """f(x) = c + Σ_j a_j max(0, ⟨w_j, x⟩ + b_j) with arrays W (k, d), b (k,), a (k,)."""

    @property
    def W(self) -> Float[ndarray, "k d"]: ...
    @property
    def b(self) -> Float[ndarray, "k"]: ...
    @property
    def a(self) -> Float[ndarray, "k"]: ...


Arrays: TypeAlias = tuple[Float[ndarray, "k d"], Float[ndarray, "k"], Float[ndarray, "k"]]


def checked(net: ReluNet) -> Arrays:
    """W, b, a of the net, or a ValueError: finite, of shapes that fit, one output, ReLU."""
    if not all(hasattr(net, array) for array in "Wba"):
        what = f"net is a {type(net).__name__} without arrays W, b, a of a two-layer ReLU network"
        raise ValueError(f"{what}; for deep ones there is lawrob_utils.lipschitz.deep_bracket")
    if (activation := getattr(net, "activation", "relu")) != "relu":
        why = "gradients are Σ_j s_j a_j w_j with s_j in {0, 1}, which holds for 'relu'"
        raise ValueError(f"net.activation = {activation!r}; the bound uses that {why}")
    if np.ndim(net.a) > 1:
        instead = "give it one output at a time, or a difference of two outputs"
        raise ValueError(f"net.a has shape {np.shape(net.a)}: several outputs; {instead}")
    W = check.matrix(net.W, "net.W")
    b, a = (check.vector(getattr(net, v), f"net.{v}", length=len(W)) for v in "ba")
    return W, b, a


def spectral_bound(matrices: Sequence[Float[ndarray, "out in"]]) -> float:
    """Π_l ‖W_l‖_op ≥ Lip(f) for f = W_D ∘ φ ∘ … ∘ φ ∘ W_1 with 1-Lipschitz φ, such as ReLU.

    Parameters: matrices W_1, …, W_D in the order of application, at least one; biases do not
    matter.

    >>> round(spectral_bound([np.diag([3.0, 1.0]), np.array([[1.0, 1.0]])]), 9)
    4.242640687
    """
    product, exponent, width = 1.0, 0, None
    for i, matrix in enumerate(matrices):
        W, e = scaled(check.matrix(matrix, f"matrices[{i}]", columns=width))
        product *= float(np.linalg.norm(W, 2)) * (1 + sum(W.shape) * EPS)  # what rounding may hide
        exponent, width = exponent + e, len(W)
    if width is None:
        raise ValueError("matrices is empty; at least one matrix is needed")
    return scaled_back(product, exponent)


def path_norm(net: ReluNet) -> float:
    """Σ_j |a_j| ‖w_j‖ ≥ Lip(f) for a two-layer net: all neurons at their steepest, in one place."""
    (W, e), (a, e_a) = (scaled(A) for A in checked(net)[::2])
    M, e_M = scaled(a[:, None] * W)
    total = np.linalg.norm(M, axis=1).sum() * (1 + sum(W.shape) * EPS)
    return scaled_back(float(total), e + e_a + e_M)


def unit_rows(A: Float[ndarray, "m d"]) -> Float[ndarray, "m d"]:
    """The rows of A over their norms; a row of zeros remains."""
    norms = np.sqrt(np.einsum("ij,ij->i", A, A))
    return A / np.where(norms > 0, norms, 1.0)[:, None]


def scaled(A: ndarray) -> tuple[ndarray, int]:
    """A/2^e, which costs no digit, with largest entry in [½, 1), and e."""
    e = int(np.frexp(np.abs(A).max())[1])
    return np.ldexp(A, -e), e


def scaled_back(bound: float, e: int) -> float:
    """bound·2^e for a bound from above: inf if that overflows, rounded up if it underflows."""
    with np.errstate(over="ignore", under="ignore"):
        return float(np.ldexp(bound, e)) + (5e-324 if bound > 0 else 0.0)


def gradient_zonotope(
    net: ReluNet, *, center: Float[ndarray, "d"] | None = None, radius: float | None = None
) -> tuple[Float[ndarray, "m d"], float]:
    """B (m, d) such that every gradient of a two-layer ReLU net is Bᵀe, e ∈ [−1, 1]^m, e_m = 1.

    The last row is the centre of this zonotope; a neuron makes another one, ±½ a_j w_j. Neurons
    whose weight vectors are multiples of one another switch at parallel planes, in a known order:
    together they make one row, as long as the range of slopes that they can have. So repeated
    neurons are merged, pairs relu(u) − relu(−u) = u are linear, and in one dimension the set is the
    interval from the smallest slope to the largest.

    Parameters: net; center (d,) and radius > 0 of a ball: then only the gradients inside it are
    covered, and a neuron that does not switch there makes no row. Both or neither.

    Returns B, and a bound of the Euclidean error that float64 made in any Bᵀe.
    """
    W, b, a = checked(net)
    rounding, alive = 4 * (len(a) + 4) * EPS * path_norm(net), (W != 0).any(axis=1)
    W, b, a = W[alive], b[alive], a[alive]
    lead = W[np.arange(len(a)), (W != 0).argmax(axis=1)]  # the first entry that is not 0
    sign, lead = np.sign(lead), np.abs(lead)
    D = W * sign[:, None] + 0.0  # one representative of ±w
    at = -sign * b  # in t = ⟨D_j, x⟩ neuron j switches at at_j, and there the slope jumps by a_j
    before = np.where(sign < 0, -a, 0.0)  # slope at t = −∞
    low, high = _range_of_t(D, b, center, radius)
    last = np.where(at >= high, before, before + a)
    first = np.where(at <= low, last, before)
    slope_min, slope_max = np.minimum(first, last), np.maximum(first, last)
    classes = _parallel(D, lead)
    for j, members in classes.items():  # all in units of D_j; the order of the switches is exact
        if len(members) == 1:
            continue
        switches: list[tuple[Fraction | float, float]] = [(np.inf, 0.0)]
        slope, slopes = 0.0, []
        begin: Fraction | float = -np.inf
        for i in members:
            ratio = Fraction(lead[i]) / Fraction(lead[j])
            switches.append((Fraction(at[i]) / ratio, a[i] * float(ratio)))
            slope += before[i] * float(ratio)
        for end, jump in sorted(switches):
            if begin < end and begin < high[j] and end > low[j]:
                slopes.append(slope)
            slope, begin = slope + jump, end
        slope_min[j], slope_max[j] = min(slopes), max(slopes)
    middle, half = 0.5 * slope_min + 0.5 * slope_max, 0.5 * slope_max - 0.5 * slope_min
    half[a * sign < 0] *= -1  # a single neuron has generator ½ a_j w_j: e_j = 1 where it is on
    one = list(classes)
    with np.errstate(over="ignore", invalid="ignore"):
        generators = half[one, None] * D[one]
        generators = generators[(generators != 0).any(axis=1)]
        return np.concatenate([generators, [middle[one] @ D[one]]]), rounding


def _range_of_t(D, b, center, radius):
    """Bounds (k,), (k,) of ⟨D_j, x⟩ on the ball, rounded outwards so that no switch is lost."""
    if center is None and radius is None:
        return np.full(len(b), -np.inf), np.full(len(b), np.inf)
    x, r = check.vector(center, "center", length=D.shape[1]), check.positive(radius, "radius")
    norms = np.linalg.norm(D, axis=1)
    slack = (D.shape[1] + 8) * EPS * (norms * (r + np.linalg.norm(x)) + np.abs(b))
    return D @ x - r * norms - slack, D @ x + r * norms + slack


def _parallel(D, lead):
    """The classes of rows that are multiples of one another, exactly, by the longest row of each;
    lead holds the first entry of each row that is not 0, made positive."""
    with np.errstate(all="ignore"):
        keys = D / lead[:, None]  # rounded alike in multiples
    if len(np.unique(keys[:, -1])) == len(D):
        return {j: [j] for j in range(len(D))}
    alike = {}
    for j, key in enumerate(keys):
        found = alike.setdefault(key.tobytes(), [])
        home = next((c for c in found if _multiples(D, lead, c[0], j)), None)
        found.append([j]) if home is None else home.append(j)
    return {max(c, key=lead.__getitem__): c for found in alike.values() for c in found}


def _multiples(D, lead, i, j):
    p, q = Fraction(lead[i]), Fraction(lead[j])
    pairs = zip(D[i], D[j], strict=True)
    return (D[i] == D[j]).all() or all(Fraction(x) * q == Fraction(y) * p for x, y in pairs)
