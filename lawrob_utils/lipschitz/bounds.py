"""Upper bounds in a line, for context: the product of spectral norms, and the path norm."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from .. import _validate as check
from .nets import EPS, ReluNet, two_layer_arrays


def spectral_bound(layers: Sequence[Float[ndarray, "out in"] | float]) -> float:
    """Π_l ‖W_l‖_op ≥ Lip(f) for a chain f = W_D ∘ φ ∘ … ∘ φ ∘ W_1 with 1-Lipschitz φ (ReLU, tanh, max-pooling, …).

    Parameters: layers, in the order in which they are applied, each a matrix (out, in) or a number: the known
    Lipschitz constant of a layer that is not a matrix. Biases do not matter.

    Raises ValueError if the chain is empty, a number is negative, an entry is not finite, or the shapes of
    neighbouring matrices do not fit.

    Source: the Lipschitz constant of a composition is at most the product of the constants.

    >>> spectral_bound([np.array([[3.0, 0.0], [0.0, 1.0]]), np.array([[1.0, 1.0]])])  # doctest: +ELLIPSIS
    4.24264...
    """
    if len(layers) == 0:
        raise ValueError("layers = []; at least one layer is needed")
    product, width = 1.0, None
    for position, layer in enumerate(layers):
        name = f"layers[{position}]"
        if np.ndim(layer) == 0:
            product *= check.positive(float(layer), name, zero_allowed=True)
            width = None
            continue
        W = check.matrix(layer, name)
        if width is not None and W.shape[1] != width:
            raise ValueError(
                f"{name} takes {W.shape[1]} inputs but the layer before it gives {width}"
            )
        product *= float(
            np.linalg.norm(W, 2) * (1 + sum(W.shape) * EPS)
        )  # what rounding can have hidden
        width = W.shape[0]
    return product


def path_norm(net: ReluNet) -> float:
    """Σ_j |a_j| ‖w_j‖ ≥ Lip(f) for a two-layer net: every neuron at its steepest, all in one direction.

    Parameters: net with arrays W (k, d), b (k,), a (k,). Raises ValueError if the net has several outputs or no ReLU, on shapes that do
    not fit, or non-finite entries.

    Source: the triangle inequality.
    """
    W, _, a = two_layer_arrays(net)
    return float(np.abs(a) @ np.linalg.norm(W, axis=1) * (1 + sum(W.shape) * EPS))
