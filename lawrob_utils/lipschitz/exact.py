"""The exact Lipschitz constant of a two-layer ReLU network in dimension d ≤ 4: every linear region is visited.

Not fast and not for large networks: the truth against which the bounds of this package are tested.
"""

from __future__ import annotations

from itertools import combinations, islice, product
from math import comb

import numpy as np

from ..bracket import Bracket
from .certificate import sdp_certificate
from .nets import ReluNet, two_layer_arrays

MOST_VERTICES = 4_000_000
_MOST_AT_ONE_VERTEX = 10  # planes through one vertex whose 2^m patterns are tried


def exact_lipschitz(net: ReluNet) -> Bracket:
    """Lip(f) = max over linear regions of ‖Σ_{j on} a_j w_j‖, for a two-layer ReLU net with one output and d ≤ 4.

    The planes ⟨w_j, x⟩ + b_j = 0 cut R^d into regions with constant gradient. If the w_j span R^d (else their span takes
    its place), every region has a corner, where d planes meet. So all C(k, d) corners are computed, and at each the 2^d
    states of its d planes are tried. Nets without biases are cut by x_d = ±1, one dimension lower.

    Returns an exact bracket if, up to rounding, no more than d planes meet in any corner. Otherwise some of the patterns tried may not
    occur: then the bracket runs from the largest gradient at a point next to a corner to the largest pattern tried.

    Raises ValueError if d > 4, if there are more than 4 million corners, if the net has several outputs or no ReLU.

    Source: Zaslavsky (1975) counts the regions; the corners are how they are found here.

    >>> from types import SimpleNamespace
    >>> hat = SimpleNamespace(W=np.ones((3, 1)), b=-np.arange(3.0), a=np.array([1.0, -2.0, 1.0]))
    >>> print(exact_lipschitz(hat))
    Lip = 1 (all linear regions)
    """
    W, b, a = two_layer_arrays(net)
    if W.shape[1] > 4:
        raise ValueError(
            f"net.W has d = {W.shape[1]} columns; enumeration is for d <= 4, beyond which the number of corners explodes (sdp_certificate bounds any d)"
        )
    M = a[:, None] * W
    constant = (W == 0).all(axis=1) | (a == 0)
    W, b, M = W[~constant], b[~constant], M[~constant]
    if len(b) == 0:
        return Bracket.exact(0.0, "no neuron that changes")
    norms = np.linalg.norm(W, axis=1)
    W, b = W / norms[:, None], b / norms
    _, singular, axes = np.linalg.svd(W, full_matrices=False)
    W = W @ axes[singular > 1e-12 * singular[0]].T  # coordinates in the span of the w_j
    rng = np.random.default_rng(0)
    if (b == 0).all() and W.shape[1] == 1:
        sides = [float(np.linalg.norm((sign * W[:, 0] > 0) @ M)) for sign in (1.0, -1.0)]
        return Bracket.exact(max(sides), "both half-lines")
    if (b == 0).all():
        W = (
            W @ np.linalg.qr(rng.standard_normal((W.shape[1],) * 2))[0]
        )  # so that no plane is parallel to the cut
        found = [_over_corners(W[:, :-1], sign * W[:, -1], M, rng) for sign in (1.0, -1.0)]
    else:
        found = [_over_corners(W, b, M, rng)]
    lower, upper = (max(values) for values in zip(*found, strict=True))
    certificate = upper if upper <= lower * (1 + 1e-9) else sdp_certificate(net).value
    if min(upper, certificate) <= lower * (1 + 1e-9):
        return Bracket.exact(lower, "all linear regions")
    by = ("largest pattern at a corner where many planes meet", "SDP certificate")[
        int(certificate < upper)
    ]
    return Bracket(lower, max(lower, min(upper, certificate)), "gradient next to a corner", by)


def _over_corners(W, b, M, rng):
    """(largest gradient seen, largest that any pattern tried at a corner has) for planes W x + b = 0, gradients from M."""
    k, d = W.shape
    if comb(k, d) > MOST_VERTICES:
        raise ValueError(
            f"k = {k} neurons in dimension {d} have {comb(k, d)} corners; at most {MOST_VERTICES} are enumerated"
        )
    lower = upper = 0.0
    states = np.array(list(product([0.0, 1.0], repeat=d)))
    corners, crowded = combinations(range(k), d), set()
    while block := list(islice(corners, 20_000)):
        J = np.array(block)
        A = W[J]
        solvable = np.abs(np.linalg.det(A)) > 1e-12
        J, A = J[solvable], A[solvable]
        if len(J) == 0:
            continue
        inverse = np.linalg.inv(A)
        x = -np.einsum("vij,vj->vi", inverse, b[J])
        U = x @ W.T + b
        size = np.linalg.norm(inverse, axis=(1, 2)) * (
            1 + np.linalg.norm(x, axis=1) + np.abs(b).max()
        )
        near = np.abs(U) <= 1e-13 * k * size[:, None]
        np.put_along_axis(near, J, True, axis=1)
        simple = near.sum(axis=1) == d
        rest = np.where(near, 0.0, U > 0)[simple] @ M
        gradients = rest[:, None] + np.einsum("sj,vjd->vsd", states, M[J[simple]])
        top = float(np.sqrt((gradients**2).sum(axis=2).max(initial=0.0)))
        lower, upper = max(lower, top), max(upper, top)
        for v in np.flatnonzero(~simple):
            key = (near[v].tobytes(), np.where(near[v], 0, U[v] > 0).tobytes())
            if key not in crowded:
                crowded.add(key)
                low, high = _crowded_corner(W, b, M, x[v], U[v], near[v], size[v], rng)
                lower, upper = max(lower, low), max(upper, high)
    return lower, upper


def _crowded_corner(W, b, M, x, u, near, size, rng):
    """The same pair at one corner x where more than d planes meet, or nearly meet."""
    rest, through = ((u > 0) & ~near) @ M, M[near]
    m = len(through)
    if m > _MOST_AT_ONE_VERTEX:
        high = float(np.linalg.norm(rest) + np.linalg.norm(through, axis=1).sum())
    else:
        high = float(
            np.linalg.norm(
                rest + np.array(list(product([0.0, 1.0], repeat=m))) @ through, axis=1
            ).max()
        )
    clear = np.abs(u[~near]).min(initial=1.0)
    directions = rng.standard_normal((200, len(x)))
    directions *= (
        0.5 * clear / np.linalg.norm(directions, axis=1, keepdims=True)
    )  # rows of W have length 1
    V = (x + directions) @ W.T + b
    sure = (np.abs(V) > 1e-13 * len(b) * size).all(axis=1)
    low = float(np.linalg.norm((V[sure] > 0) @ M, axis=1).max(initial=0.0))
    return low, high
