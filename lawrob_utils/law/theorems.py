"""The theorems of the law with the constants that the first version of the paper prints.

Read in order: `finite_class_failure` (Theorem 2); `log_net_size` and `sparse_log_net_size` (how a parametrized class becomes finite);
`lipschitz_lower_bound` with `points_needed` (Theorem 3); `product_log_J` and `depth_log_J` (the J of a deep network).
All logarithms are natural. Used by the chapters "The law of robustness" and "The law with honest constants".

The constants are those of the submission (arXiv version 1, May 2021), the only version that was read in full. Its 8⁴ is a little
too small for the argument it prints: with isoperimetry as defined there, √(d/c)·(f − Ef)/L is 2-sub-Gaussian, times |z| ≤ 2 it is
8-sub-Gaussian, a sum of such terms is 18·8 = 144-sub-Gaussian, and the threshold ε/6 then gives 6²·144 = 5184 in the place of
8⁴ = 4096. Nothing depends on it but the number; `constant=5184` takes it.
"""

from __future__ import annotations

import math

from .. import _validate as check

PRINTED = 8.0**4


def finite_class_failure(
    n: int,
    d: int,
    *,
    eps: float,
    log_size: float,
    L: float,
    c: float = 1.0,
    k: int = 1,
    constant: float = PRINTED,
) -> float:
    """min(1, 4k·exp(−nε²/(8³k)) + 2·exp(log|F| − ε²nd/(8⁴cL²))): the failure probability of the finite-class theorem.

    With at least one minus this probability no f ∈ F with Lip(f) ≤ L has a mean squared training error ≤ σ² − ε.

    Parameters: n points, i.i.d., labels in [−1, 1]; d dimension; eps ε ∈ (0, 1]; log_size = log|F| ≥ 0 (natural logarithm); L > 0;
    c isoperimetry constant of each of the k components of the mixture that x comes from; constant, in the place of 8⁴.

    Raises ValueError if a number is outside its range.

    Source: Bubeck and Sellke (2021), Theorem 2, first version; see the module about its constant.

    >>> finite_class_failure(10**6, 100, eps=0.5, log_size=1000.0, L=1.0) < 1e-100
    True
    """
    n, d, k = check.count(n, "n"), check.count(d, "d"), check.count(k, "k")
    eps, L, c = _share(eps, "eps", one_allowed=True), check.positive(L, "L"), check.positive(c, "c")
    log_size = check.positive(log_size, "log_size", zero_allowed=True)
    constant = check.positive(constant, "constant")
    noise = math.log(4 * k) - n * eps**2 / (8**3 * k)
    functions = math.log(2) + log_size - eps**2 * n * d / (constant * c * L**2)
    return min(
        1.0, math.exp(min(1.0, noise)) + math.exp(min(1.0, functions))
    )  # an exponent above 1 would only overflow


def log_net_size(p: int, radius: float, spacing: float) -> float:
    """p·log(1 + 2R/s): a ball of radius R in R^p, and every subset of it, has a net with spacing s of at most this log-size.

    The net consists of points of the set, and every point of the set is within s of one of them: take as many points with distances
    above s as fit; the balls of radius s/2 around them are disjoint and lie in a ball of radius R + s/2.

    Parameters: p dimension; radius R > 0; spacing s > 0. A set of diameter W lies in a ball of radius W.

    Raises ValueError if a number is outside its range.

    >>> round(log_net_size(p=10, radius=1.0, spacing=0.5), 3)  # at most 5**10 points
    16.094
    """
    p, R, s = (
        check.count(p, "p"),
        check.positive(radius, "radius"),
        check.positive(spacing, "spacing"),
    )
    return p * math.log1p(2 * R / s)


def sparse_log_net_size(p: int, s: int, radius: float, spacing: float) -> float:
    """s·log(ep/s) + s·log(1 + 2R/spacing): a net of the vectors of the ball with at most s non-zero entries.

    First the places of the entries, at most (ep/s)^s choices, then a net in s dimensions. So sparsity pays if it is there beforehand
    or is counted: a class of pruned networks is a union over all masks.

    Parameters: 1 ≤ s ≤ p; radius and spacing as in `log_net_size`.

    Raises ValueError if a number is outside its range.

    >>> sparse_log_net_size(10**6, 10**3, 1.0, 0.01) < log_net_size(10**6, 1.0, 0.01) / 400
    True
    """
    p, s = check.count(p, "p"), check.count(s, "s")
    if s > p:
        raise ValueError(f"s = {s} exceeds p = {p}; at most all entries can be non-zero")
    return s * math.log(math.e * p / s) + log_net_size(s, radius, spacing)


def points_needed(eps: float, *, k: int = 1, delta: float = 0.01) -> float:
    """8⁴·k·log(8k/δ)/ε², the n from which `lipschitz_lower_bound` speaks.

    Raises ValueError if eps or delta is not in (0, 1) or k < 1. Source: Bubeck and Sellke (2021), Theorem 3, first version.

    >>> f"{points_needed(0.02):.1e}"
    '6.8e+07'
    """
    k = check.count(k, "k")
    return PRINTED * k * math.log(8 * k / _share(delta, "delta")) / _share(eps, "eps") ** 2


def lipschitz_lower_bound(
    n: int,
    d: int,
    p: int,
    *,
    eps: float,
    W: float,
    log_J: float,
    c: float = 1.0,
    k: int = 1,
    delta: float = 0.01,
    ignore_points: bool = False,
) -> float:
    """ε/(2⁹√c)·√(nd/(p·log(60WJ/ε) + log(4/δ))): the lower bound on Lip(f) of the theorem for parametrized classes.

    With probability at least 1 − δ it holds for all f_w, w in a set of diameter W in R^p, with ‖f_w − f_v‖_∞ ≤ J‖w − v‖ and a mean
    squared training error ≤ σ² − ε.

    Parameters: n points, i.i.d., labels in [−1, 1]; d dimension; p parameters; eps ε ∈ (0, 1); W > 0; log_J = log J (natural, because J
    of a deep net overflows, see `depth_log_J`); c isoperimetry constant of each of the k components of the mixture; delta δ ∈ (0, 1);
    ignore_points computes the number where n is too small for the theorem, to see how far away it is.

    Raises ValueError if a number is outside its range, if 60WJ/ε ≤ 1, or if n < `points_needed` (unless ignore_points).

    Source: Bubeck and Sellke (2021), Theorem 3, first version. (Its net of spacing ε/(6J) changes the squared error by up to 2ε/3, where
    the proof uses ε/2; spacing ε/(8J) does that, and changes 60 to 80 at most.)

    >>> bound = lipschitz_lower_bound(60_000, 784, 200_000, eps=1 - 1e-9, W=1.0, log_J=math.log(1e10), ignore_points=True)
    >>> f"{bound:.4f}"
    '0.0058'
    """
    n, d, p = check.count(n, "n"), check.count(d, "d"), check.count(p, "p")
    eps, delta, c = _share(eps, "eps"), _share(delta, "delta"), check.positive(c, "c")
    if not math.isfinite(log_J):
        raise ValueError(
            f"log_J = {log_J!r}; a finite number is needed, the natural logarithm of J"
        )
    log_base = math.log(60 * check.positive(W, "W") / eps) + log_J
    if log_base <= 0:
        raise ValueError(
            f"60·W·J/eps = {math.exp(log_base):g}; the theorem needs it above 1 (one function is then a net of the class)"
        )
    if not ignore_points and n < points_needed(eps, k=k, delta=delta):
        raise ValueError(
            f"n = {n} is below {points_needed(eps, k=k, delta=delta):.3g} = 8⁴·k·log(8k/delta)/eps², from where on the theorem speaks; "
            "ignore_points=True computes the number nevertheless"
        )
    return eps / (2**9 * math.sqrt(c)) * math.sqrt(n * d / (p * log_base + math.log(4 / delta)))


def product_log_J(p: int, B: float, *, Q: int = 1, R: float = 1.0) -> float:
    """log(B·Q·R·√p): a J for networks on any convex set of weights on which the product B(w) is at most B.

    B(w) = max_j Π_{i≠j} ‖W_i‖ over the matrices of the network, biases inside; the derivative in one of the p parameters touches at
    most Q entries, each through the other matrices and an input of norm at most R, so it is at most Q·B·R, and the gradient √p times that.

    Parameters: p parameters; B > 0; Q largest number of entries that share one parameter; R ≥ 1, with ‖x‖ ≤ R after a 1 was appended
    to x for the biases. Nonlinearities are 1-Lipschitz with φ(0) = 0.

    Raises ValueError if a number is outside its range.

    Source: Bubeck and Sellke (2021), Lemma 3.1, first version, there for any two weight vectors with B(w) ≤ B. The set between them
    matters: B(w) is not convex.
    """
    p, Q, R = check.count(p, "p"), check.count(Q, "Q"), _at_least_one(R, "R")
    return math.log(check.positive(B, "B")) + math.log(Q * R) + math.log(p) / 2


def depth_log_J(p: int, D: int, *, W: float = 1.0, Q: int = 1, R: float = 1.0) -> float:
    """log(R·(WQp)^D) = log R + D·log(WQp): a J for networks of depth D whose p parameters lie in [−W, W].

    Every matrix has Frobenius norm at most W√(pQ), so that `product_log_J` applies with B = (W√(pQ))^D, and its J is at most this one
    from D = 2 on. So log J grows like D: depth costs the law a factor √D, not an exponential one.

    Parameters: p parameters, D ≥ 2 layers, W ≥ 1, Q and R as in `product_log_J`.

    Raises ValueError if a number is outside its range; D = 1 is refused: for a linear map ⟨w, x⟩ J = R, and no formula is needed.

    Source: Bubeck and Sellke (2021), Section 3, first version.

    >>> round(depth_log_J(1000, 5) / depth_log_J(1000, 10), 6)
    0.5
    """
    p, D, Q = check.count(p, "p"), check.count(D, "D", at_least=2), check.count(Q, "Q")
    return math.log(_at_least_one(R, "R")) + D * math.log(_at_least_one(W, "W") * Q * p)


def _share(x: float, name: str, one_allowed: bool = False) -> float:
    x = check.positive(x, name)
    if x > 1 or (x == 1 and not one_allowed):
        raise ValueError(
            f"{name} = {x:g}; a number in (0, 1{']' if one_allowed else ')'} is needed"
        )
    return x


def _at_least_one(x: float, name: str) -> float:
    x = check.positive(x, name)
    if x < 1:
        raise ValueError(f"{name} = {x:g}; at least 1 is needed")
    return x
