"""Lipschitz constants, always as brackets: a witnessed lower bound and a certified upper bound.

Read in order: `pairs` (what data force on every function that fits them); for two-layer ReLU
networks `nets` and `certificate` (from above) and `search` (from below); `deep` for deeper ones;
here the best of all as one bracket. All norms are Euclidean; constants are global, over the whole
of R^d, unless a ball is named. Arguments that cannot be meant are a ValueError that names them:
shapes that do not fit, entries that are not finite, numbers out of range, and for two-layer
networks several outputs or another activation than ReLU.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from .. import _validate as check
from ..bracket import Bracket
from .certificate import Certificate, sdp_certificate
from .deep import deep_bracket, deep_certificate
from .nets import ReluNet, checked, path_norm, spectral_bound
from .pairs import PairWitness, data_lipschitz, min_separation
from .search import GradientWitness, annealed_ascent, gradient_norms, region_flips, rounded_starts

__all__ = ["PairWitness", "data_lipschitz", "min_separation"]
__all__ += ["ReluNet", "spectral_bound", "Certificate", "sdp_certificate"]
__all__ += ["GradientWitness", "annealed_ascent", "relu_bracket"]
__all__ += ["deep_certificate", "deep_bracket"]


def relu_bracket(net: ReluNet, starts: Float[ndarray, "m d"], *, steps: int = 200) -> Bracket:
    """The best bracket of Lip(f) known here for a two-layer ReLU net with one output.

    Above: the SDP certificate, or the product of spectral norms or the path norm where rounding
    makes one of them smaller. Below: annealed ascent from the 64 steepest of the starts and from
    points that the certificate proposes, then region flips. Takes about a second.

    Parameters: net; starts (m, d) and steps as in `annealed_ascent`.
    """
    W, b, a = checked(net)
    X = check.matrix(starts, "starts", columns=W.shape[1])
    certificate = sdp_certificate(net)
    above = {
        "SDP certificate": certificate.value,
        "product of spectral norms": spectral_bound([W, a[None]]),
        "path norm": path_norm(net),
    }
    upper_by = min(above, key=above.__getitem__)
    layers = ((W, b), (a[None], np.zeros(1)))
    steep = X[np.argsort(-gradient_norms(layers, X)[0], kind="stable")[:64]]
    proposed = rounded_starts((W, b, a), certificate, X, np.random.default_rng(0))
    climbed = [annealed_ascent(layers, S, steps=steps) for S in (steep, proposed)]
    best, by = max(climbed, key=lambda witness: witness.value), "annealed ascent"
    flipped = region_flips((W, b, a), np.concatenate([best.point[None], proposed[:4]]))
    if flipped.value > best.value:
        best, by = flipped, "region flips"
    by = f"ReLU gradient at a point found by {by}"
    return Bracket(best.value, above[upper_by], by, upper_by)
