"""The exact Lipschitz constant of a two-layer ReLU net in dimension d ≤ 4: it visits every region.

Not fast: the truth against which the bounds of the package are tested. Where float64 cannot decide
on which side of a plane a corner lies, or whether planes meet at all, rational arithmetic does.
"""

from fractions import Fraction
from itertools import combinations, islice, product

import numpy as np

from lawrob_utils.bracket import Bracket
from lawrob_utils.lipschitz import sdp_certificate

_MOST_AT_ONE_CORNER = 10  # planes through one corner whose 2^m patterns are tried


def exact_lipschitz(net):
    """Lip(f) = max over linear regions of ‖Σ_{j on} a_j w_j‖, f = Σ_j a_j relu(⟨w_j, x⟩ + b_j).

    The planes ⟨w_j, x⟩ + b_j = 0 cut R^d into regions with constant gradient. If the w_j span R^d
    (else as many coordinates are kept as their rank), every region has a corner, where d planes
    meet. So all C(k, d) corners are computed, and at each the 2^d states of its d planes are tried.
    Without biases the regions are cones; two planes ⟨v, x⟩ = ±1 without a neuron then cut them, and
    only corners on these are looked at.

    Returns an exact bracket if no more than d planes meet in any corner. Otherwise some of the
    patterns tried may not occur: then the bracket runs from the largest gradient seen next to a
    corner to the largest pattern tried, or to the SDP certificate.
    """
    W, b, a = (np.asarray(getattr(net, name), dtype=float) for name in "Wba")
    changing = (W != 0).any(axis=1) & (a != 0)
    W, b, M = W[changing], b[changing], (a[:, None] * W)[changing]
    if len(b) == 0:
        return Bracket.exact(0.0, "no neuron that changes")
    powers = -np.frexp(np.abs(W).max(axis=1))[1]  # largest entries in [½, 1): exact
    W, b = np.ldexp(W, powers[:, None]), np.ldexp(b, powers)
    W = W[:, _independent_columns(W)]
    k, d = W.shape
    corners = combinations(range(k), d)
    if (b == 0).all():
        v = (
            np.array([11.0, -7.0, 5.0, 3.0])[:d] / 16
        )  # generic enough: no corner may lie in ⟨v, x⟩ = 0
        corners = (
            (*others, k + side) for others in combinations(range(k), d - 1) for side in (0, 1)
        )
        W, b = np.concatenate([W, [v, v]]), np.concatenate([b, [1.0, -1.0]])
        M = np.concatenate([M, np.zeros((2, M.shape[1]))])
    lower = upper = 0.0
    states, rng = np.array(list(product([0.0, 1.0], repeat=d))), np.random.default_rng(0)
    while block := list(islice(corners, 20_000)):
        J, sides = _sides(W, b, np.array(block))
        simple = (sides == 0).sum(axis=1) == d
        rest = (sides[simple] > 0) @ M
        gradients = rest[:, None] + np.einsum("sj,vjd->vsd", states, M[J[simple]])
        top = float(np.sqrt((gradients**2).sum(axis=2).max(initial=0.0)))
        lower, upper = max(lower, top), max(upper, top)
        for side in np.unique(sides[~simple], axis=0):
            low, high = _crowded_corner(W, M, side, rng)
            lower, upper = max(lower, low), max(upper, high)
    certificate = upper if upper <= lower * (1 + 1e-9) else sdp_certificate(net).value
    if min(upper, certificate) <= lower * (1 + 1e-9):
        return Bracket.exact(lower, "all linear regions")
    by = "SDP certificate" if certificate < upper else "patterns at a corner of many planes"
    return Bracket(lower, max(lower, min(upper, certificate)), "gradient next to a corner", by)


def _independent_columns(W):
    """Linearly independent columns, as many as the rank of W, in rational arithmetic."""
    columns, kept = [[Fraction(x) for x in column] for column in W.T], []
    while True:
        kept_next = next((c for c, column in enumerate(columns) if any(column)), None)
        if kept_next is None:
            return sorted(kept)
        kept.append(kept_next)
        pivot = columns[kept_next]
        at = next(i for i, x in enumerate(pivot) if x)
        columns = [
            [x - column[at] / pivot[at] * p for x, p in zip(column, pivot, strict=True)]
            for column in columns
        ]


def _sides(W, b, J):
    """The corners (rows of J, d planes each) that exist, and their side of each plane: ±1 or 0."""
    A, d = W[J], J.shape[1]
    good = np.abs(np.linalg.det(A)) > 1e-6  # rows are shorter than √d: the inverse is below 10⁷
    found = np.zeros((len(J), len(b)), dtype=int)
    inverse = np.linalg.inv(A[good])
    x = -np.einsum("vij,vj->vi", inverse, b[J[good]])
    U = x @ W.T + b
    error = 1e-14 * d * np.linalg.norm(inverse, axis=(1, 2)) * np.abs(x).sum(axis=1)
    error += 1e-14 * (1 + np.linalg.norm(inverse, axis=(1, 2))) * np.abs(b).max()
    found[good] = np.sign(U)
    np.put_along_axis(found, J, 0, axis=1)
    clear = np.abs(U) > error[:, None]
    np.put_along_axis(clear, J[good], True, axis=1)
    exists = np.ones(len(J), bool)
    unsure = ~good
    unsure[good] = ~clear.all(axis=1)
    for v in np.flatnonzero(unsure):
        exact = _exact_sides(W, b, J[v])
        exists[v] = exact is not None
        found[v] = exact if exists[v] else 0
    return J[exists], found[exists]


def _exact_sides(W, b, planes):
    """The sides of one corner, or None if the planes do not meet in one point."""
    rows = [[Fraction(x) for x in (*W[j], -b[j])] for j in planes]
    d = len(rows)
    for c in range(d):  # Gauss and Jordan
        pivot = next((r for r in range(c, d) if rows[r][c]), None)
        if pivot is None:
            return None
        rows[c], rows[pivot] = rows[pivot], rows[c]
        rows[c] = [x / rows[c][c] for x in rows[c]]
        rows = [
            row if r == c else [x - row[c] * p for x, p in zip(row, rows[c], strict=True)]
            for r, row in enumerate(rows)
        ]
    x = [row[d] for row in rows]
    u = [sum(Fraction(w) * t for w, t in zip(row, x, strict=True)) for row in W]
    return [int(t > -Fraction(s)) - int(t < -Fraction(s)) for t, s in zip(u, b, strict=True)]


def _crowded_corner(W, M, side, rng):
    """(largest gradient seen, largest pattern) next to a corner of more than d planes."""
    rest, planes, through = (side > 0) @ M, W[side == 0], M[side == 0]
    if len(through) > _MOST_AT_ONE_CORNER:
        high = float(np.linalg.norm(rest) + np.linalg.norm(through, axis=1).sum())
    else:
        every = np.array(list(product([0.0, 1.0], repeat=len(through))))
        high = float(np.linalg.norm(rest + every @ through, axis=1).max())
    V = rng.standard_normal((200, W.shape[1])) @ planes.T
    sure = (np.abs(V) > 1e-12).all(axis=1)
    low = float(np.linalg.norm(rest + (V[sure] > 0) @ through, axis=1).max(initial=0.0))
    return low, high
