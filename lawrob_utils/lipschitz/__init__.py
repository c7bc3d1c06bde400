"""Lipschitz constants, always as brackets: a witnessed lower bound and a certified upper bound.

Read in order: `bracket` (`Bracket`); `pairs` (what data force on every function that fits them); for ReLU networks `nets`,
`bounds` (from above) and `search` (from below); here the two together as one bracket.
All norms are Euclidean and all constants global, over the whole of R^d. Used by every chapter from the third on.
"""

from __future__ import annotations

from jaxtyping import Float
from numpy import ndarray

from .bounds import spectral_bound
from .bracket import Bracket
from .nets import ReluNet, _two_layer
from .pairs import PairWitness, data_lipschitz, min_separation
from .search import GradientWitness, annealed_ascent

__all__ = [
    "Bracket",
    "PairWitness",
    "data_lipschitz",
    "min_separation",
    "ReluNet",
    "GradientWitness",
    "spectral_bound",
    "annealed_ascent",
    "relu_bracket",
]


def relu_bracket(net: ReluNet, starts: Float[ndarray, "m d"], *, steps: int = 200) -> Bracket:
    """annealed_ascent ≤ Lip(f) ≤ spectral_bound for a two-layer ReLU net, as one `Bracket`.

    Parameters and errors: as in `annealed_ascent`.
    """
    W, _, a, _ = _two_layer(net, starts)
    return Bracket(
        annealed_ascent(net, starts, steps=steps).value,
        spectral_bound([W, a[None, :]]),
        "ReLU gradient at a point found by annealed ascent",
        "product of spectral norms",
    )
