"""What the bounds of this package take as a two-layer ReLU network (`ReluNet`), and its arrays, checked."""

from __future__ import annotations

from typing import Protocol

from jaxtyping import Float
from numpy import ndarray

from .. import _validate as check


class ReluNet(Protocol):
    """A two-layer network f(x) = c + Σ_j a_j max(0, ⟨w_j, x⟩ + b_j): arrays W (k, d), b (k,), a (k,)."""

    @property
    def W(self) -> Float[ndarray, "k d"]: ...
    @property
    def b(self) -> Float[ndarray, "k"]: ...
    @property
    def a(self) -> Float[ndarray, "k"]: ...


def _two_layer(net: ReluNet, starts: ndarray) -> tuple[ndarray, ndarray, ndarray, ndarray]:
    W = check.matrix(net.W, "net.W")
    b = check.vector(net.b, "net.b", length=W.shape[0])
    a = check.vector(net.a, "net.a", length=W.shape[0])
    return W, b, a, check.matrix(starts, "starts", columns=W.shape[1])
