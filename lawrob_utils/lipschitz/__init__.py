"""Lipschitz constants, always as brackets: a witnessed lower bound and a certified upper bound.

Read in order: `bracket` (`Bracket`); `pairs` (what data force on every function that fits them); for two-layer ReLU networks `nets`
(the set of gradients), `bounds` and `certificate` (from above), `search` (from below), `exact` (d ≤ 4); `deep` for deeper ones;
here the best of all as one bracket. All norms are Euclidean; constants are global, over the whole of R^d, unless a ball or a
sphere is named. Used by every chapter from the third on.
"""

from __future__ import annotations

from math import comb

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from .. import _validate as check
from ..bracket import Bracket
from .bounds import path_norm, spectral_bound
from .certificate import Certificate, sdp_certificate, weighted_norm_bound
from .deep import deep_ascent, deep_bracket, deep_certificate
from .exact import exact_lipschitz
from .nets import GradientZonotope, ReluNet, gradient_zonotope, two_layer_arrays
from .pairs import PairWitness, data_lipschitz, min_separation
from .search import GradientWitness, annealed_ascent, region_flips, rounded_starts

__all__ = [
    "Bracket",
    "PairWitness",
    "data_lipschitz",
    "min_separation",
    "relu_bracket",
    "sphere_bracket",
    "deep_bracket",
    "ReluNet",
    "spectral_bound",
    "path_norm",
    "GradientZonotope",
    "gradient_zonotope",
    "weighted_norm_bound",
    "Certificate",
    "sdp_certificate",
    "GradientWitness",
    "annealed_ascent",
    "region_flips",
    "rounded_starts",
    "exact_lipschitz",
    "deep_certificate",
    "deep_ascent",
]

_MOST_STARTS, _MOST_CORNERS = 64, 20_000


def relu_bracket(net: ReluNet, starts: Float[ndarray, "m d"], *, steps: int = 200) -> Bracket:
    """The best bracket of Lip(f) that this package knows for a two-layer ReLU net with one output, in about a second.

    Above: the SDP certificate, or the product of spectral norms or the path norm where rounding makes one of them smaller.
    Below: annealed ascent from the steepest of the starts and from points that the certificate proposes, then region
    flips. In dimension d ≤ 4, if corners are few, every region is looked at and the bracket is exact.

    Parameters: net; starts (m, d), e.g. the data and random points of their size; steps of the ascent.

    Raises ValueError as `annealed_ascent`.
    """
    W, b, a = two_layer_arrays(net)
    X = check.matrix(starts, "starts", columns=W.shape[1])
    if W.shape[1] <= 4 and comb(len(a), W.shape[1]) <= _MOST_CORNERS:
        truth = exact_lipschitz(net)
        if truth.is_exact:
            return truth
    certificate = sdp_certificate(net)
    above = {
        "SDP certificate": certificate.value,
        "product of spectral norms": spectral_bound([W, a[None, :]]),
        "path norm": path_norm(net),
    }
    upper_by = min(above, key=above.__getitem__)
    gradients = np.linalg.norm(((X @ W.T + b > 0) * a) @ W, axis=1)
    steepest = X[np.argsort(-gradients, kind="stable")[:_MOST_STARTS]]
    proposed = rounded_starts(net, certificate, X, np.random.default_rng(0))
    climbed = max(
        (annealed_ascent(net, S, steps=steps) for S in (steepest, proposed)),
        key=lambda witness: witness.value,
    )
    flipped = region_flips(net, np.concatenate([climbed.point[None], proposed[:4]]))
    if flipped.value > climbed.value:
        return Bracket(
            flipped.value,
            above[upper_by],
            "ReLU gradient at a point found by region flips",
            upper_by,
        )
    return Bracket(
        climbed.value,
        above[upper_by],
        "ReLU gradient at a point found by annealed ascent",
        upper_by,
    )


def sphere_bracket(
    net: ReluNet, starts: Float[ndarray, "m d"], *, radius: float = 1.0, steps: int = 200
) -> Bracket:
    """Bracket of the Lipschitz constant of a two-layer ReLU net on the sphere ‖x‖ = radius, for points of the sphere only.

    Below: a tangential gradient ‖∇f(x) − ⟨∇f(x), x⟩x/radius²‖ at a point of the sphere. Above: the SDP certificate of the ball
    that the sphere bounds. The bracket holds for the constant with respect to arcs as well as to chords: arcs are longer
    than chords and shorter than π/2 times them, so Lip_arc ≤ Lip_chord ≤ Lip(ball) ≤ Lip(R^d), and Lip_arc is the largest tangential gradient.
    The law of robustness for uniform points on the sphere speaks about these, which may be smaller than the constant on R^d.

    Parameters: net; starts (m, d), moved to the sphere along their ray; radius; steps.

    Raises ValueError as `annealed_ascent`.
    """
    W, _, _ = two_layer_arrays(net)
    radius = check.positive(radius, "radius")
    climbed = annealed_ascent(net, starts, steps=steps, sphere=radius)
    certificate = sdp_certificate(net, center=np.zeros(W.shape[1]), radius=radius)
    return Bracket(
        climbed.value,
        certificate.value,
        "tangential gradient found by annealed ascent",
        "SDP certificate in the ball",
    )
