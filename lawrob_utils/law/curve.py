"""The law of robustness as a curve: how large Lip(f) must be when n noisy points in R^d are fitted with P parameters.

Read in order: `law_curve`, and `parameters_needed`, the same equation solved for P. Only the scale of the law is here, with
constant 1; the constants that the paper prints (`theorems`) are far too weak to be drawn. Used by every chapter with the law in it.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from numpy.typing import ArrayLike


def law_curve(
    n: ArrayLike,
    d: ArrayLike,
    P: ArrayLike,
    *,
    sigma: ArrayLike = 1.0,
    eps: ArrayLike | None = None,
) -> float | Float[ndarray, "..."]:
    """(ε/σ)·√(nd/P), the scale of the law; with ε = σ², that is with a perfect fit, σ·√(nd/P).

    Parameters (arrays broadcast): n number of points; d dimension; P number of parameters; sigma σ > 0 with
    σ² = E[Var(y|x)], |y| ≤ 1; eps ε ∈ (0, σ²], how far the mean squared training error is below σ² (None: ε = σ²).

    Returns Lip per unit of y and of x, where ‖x‖ ≈ 1. It is a scale, not a bound: the theorem has a constant and a
    logarithm in front.

    Raises ValueError if an argument is not finite and positive, or if ε > σ² (an error below 0) or σ > 1.

    Source: Bubeck and Sellke (2021). Versions differ in the factor: the submission prints √(nd/P) in the informal
    theorem and ε√(nd/P) in the precise one, the talk σ√(nd/P). ε/σ agrees with the talk at a perfect fit, and is the
    factor that least squares attains.

    >>> round(law_curve(n=400, d=100, P=2500), 3)
    4.0
    >>> law_curve(n=400, d=100, P=np.array([400, 40_000]), sigma=0.5)
    array([5. , 0.5])
    """
    sizes = {"n": n, "d": d, "P": P, "sigma": sigma}
    n, d, P, sigma = (_positive(value, name) for name, value in sizes.items())
    if (sigma > 1).any():
        raise ValueError(f"sigma = {sigma.max():g}; labels in [-1, 1] have sigma <= 1")
    eps = sigma**2 if eps is None else _positive(eps, "eps")
    if (eps > sigma**2 * (1 + 1e-12)).any():
        raise ValueError(
            f"eps = {eps.max():g} exceeds sigma**2; the training error sigma**2 - eps would be negative"
        )
    curve = eps / sigma * np.sqrt(n * d / P)
    return float(curve) if curve.ndim == 0 else curve


def parameters_needed(
    n: ArrayLike,
    d: ArrayLike,
    L: ArrayLike,
    *,
    sigma: ArrayLike = 1.0,
    eps: ArrayLike | None = None,
) -> float | Float[ndarray, "..."]:
    """P = (ε/σ)²·nd/L², the P at which `law_curve` equals L; with ε = σ², that is with a perfect fit, σ²·nd/L².

    Parameters (arrays broadcast): L > 0, the Lipschitz constant asked for; the others as in `law_curve`. It is a scale, not a
    threshold: the law is a curve, and says that fewer parameters force a larger constant.

    Raises ValueError as `law_curve`, or if L is not finite and positive.

    >>> parameters_needed(n=400, d=100, L=4.0)
    2500.0
    """
    at_one = np.asarray(law_curve(n, d, 1.0, sigma=sigma, eps=eps))
    P = (at_one / _positive(L, "L")) ** 2
    return float(P) if P.ndim == 0 else P


def _positive(value: ArrayLike, name: str) -> Float[ndarray, "..."]:
    array = np.asarray(value, dtype=float)
    if not (np.isfinite(array) & (array > 0)).all():
        raise ValueError(f"{name} = {value!r}; finite numbers above 0 are needed")
    return array
