"""Lipschitz constants, always as brackets: a witnessed lower bound and a certified upper bound.

Read in order: `pairs` (what data force on every function that fits them); for two-layer ReLU
networks `nets` and `certificate` (from above) and `search` (from below); `deep` for deeper ones;
here the best of all as one bracket. All norms are Euclidean; constants are global, over the whole
of R^d, unless a ball is named.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from .. import _validate as check
from ..bracket import Bracket as Bracket
from .certificate import Certificate, sdp_certificate
from .deep import deep_bracket, deep_certificate
from .nets import ReluNet, checked, path_norm, spectral_bound
from .pairs import PairWitness, data_lipschitz, min_separation
from .search import (
    GradientWitness,
    annealed_ascent,
    gradient_norms,
    region_flips,
    rounded_starts,
)

__all__ = [
    "PairWitness",
    "data_lipschitz",
    "min_separation",
    "relu_bracket",
    "deep_bracket",
    "ReluNet",
    "spectral_bound",
    "Certificate",
    "sdp_certificate",
    "GradientWitness",
    "annealed_ascent",
    "deep_certificate",
]

_MOST_STARTS = 64


def relu_bracket(net: ReluNet, starts: Float[ndarray, "m d"], *, steps: int = 200) -> Bracket:
    """The best bracket of Lip(f) known here for a two-layer ReLU net with one output.

    Above: the SDP certificate, or the product of spectral norms or the path norm where rounding
    makes one of them smaller. Below: annealed ascent from the 64 steepest of the starts and from
    points that the certificate proposes, then region flips. Takes about a second.

    Parameters: net; starts (m, d), e.g. the data and random points of their size; steps of the
    ascent.

    Raises ValueError if the net has several outputs or no ReLU, on shapes that do not fit, entries
    that are not finite, or steps < 1.
    """
    W, b, a = net = checked(net)
    X = check.matrix(starts, "starts", columns=W.shape[1])
    certificate = sdp_certificate(net)
    above = {
        "SDP certificate": certificate.value,
        "product of spectral norms": spectral_bound([W, a[None]]),
        "path norm": path_norm(net),
    }
    upper_by = min(above, key=above.__getitem__)
    layers = ((W, b), (a[None], np.zeros(1)))
    steep = X[np.argsort(-gradient_norms(layers, X)[0], kind="stable")[:_MOST_STARTS]]
    proposed = rounded_starts(net, certificate, X, np.random.default_rng(0))
    climbed = [annealed_ascent(layers, S, steps=steps) for S in (steep, proposed)]
    best, by = max(climbed, key=lambda witness: witness.value), "annealed ascent"
    flipped = region_flips(net, np.concatenate([best.point[None], proposed[:4]]))
    if flipped.value > best.value:
        best, by = flipped, "region flips"
    by = f"ReLU gradient at a point found by {by}"
    return Bracket(best.value, above[upper_by], by, upper_by)
