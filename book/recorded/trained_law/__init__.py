"""Does training follow the law? Brackets of trained two-layer nets against n, d, P and σ, plain and with four kinds of help: chapter 11.

    python -m lawrob_utils.records trained_law --preset full          (about 10 minutes on one core)

Read in order: `row` (one net), `fit` (how it is trained), the grids.

Points are uniform on the unit sphere. Labels are y = g(x) + σs with fair signs s, and g(x) = clip(√d⟨u, x⟩, −2, 2)/4 for a random direction u
(signal: True) or g = 0. So signal = False, σ = 1 is pure noise; signal = True, σ = 0 has none, and the law does not speak; Lip(g) = √d/4.
Around the centre n = 400, d = 160, P = 3200 each of n, d, P takes four values over a factor of 8.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from lawrob_utils import _validate as check
from lawrob_utils import data
from lawrob_utils.law import law_curve
from lawrob_utils.lipschitz import data_lipschitz, relu_bracket
from lawrob_utils.records import Record, generator

SEED = 20210526
STRENGTH = {
    "plain": 0.0,
    "weight decay": 1e-3,
    "gradient penalty": 3e-3,
    "penalty at fixed error": 0.1,
    "adversarial": 0.05,
}
"""What strength = 1 means: λ of λ‖w‖², λ of λ·mean‖∇f(x_i)‖², the mean squared error as a share of mean y_i², the ℓ2 radius."""
METHODS = tuple(STRENGTH)


def row(
    *,
    rng: np.random.Generator,
    device: str = "cpu",
    n: int,
    d: int,
    P: int,
    signal: bool,
    sigma: float,
    method: str,
    strength: float,
    steps: int,
    seed: int,
) -> dict[str, object]:
    """One net of about P parameters, fitted to n points in R^d by the method: its error, ε, and the bracket of its Lipschitz constant.

    Points and labels depend on (n, d, seed) alone, so that all methods see the same; the initial weights are drawn from rng.
    eps = σ² − mse is as the law counts it (empty for σ = 0), law = (ε/σ)√(nd/P) (empty unless ε > 0), floor the smallest Lipschitz constant of
    any perfect fit, typical = root mean square of ‖∇f‖ at 1000 fresh points, test_mse the mean squared distance to g there.
    lower and upper are rounded outwards to four decimals.
    """
    draw = generator(SEED, {"n": n, "d": d, "seed": seed})
    X, u, signs = data.sphere(n, d, draw), data.sphere(1, d, draw)[0], data.random_signs(n, draw)
    fresh = data.sphere(1000, d, draw)

    def g(Z: Float[ndarray, "m d"]) -> Float[ndarray, "m"]:
        return np.clip(np.sqrt(d) * (Z @ u), -2, 2) / 4 * signal

    y = g(X) + sigma * signs
    k = max(1, round((P - 1) / (d + 2)))
    net = fit(
        X,
        y,
        k,
        method,
        strength * STRENGTH[check.one_of(method, "method", METHODS)],
        steps=steps,
        rng=rng,
        device=device,
    )
    bracket = relu_bracket(net, np.concatenate([X[:128], fresh[:128]]))
    mse = float(np.mean((net(X) - y) ** 2))
    eps = sigma**2 - mse if sigma else None
    law = (
        float(law_curve(n, d, net.n_parameters, sigma=sigma, eps=eps))
        if eps is not None and eps > 0
        else None
    )
    gradients = np.linalg.norm(net.gradient(fresh), axis=1)
    return {
        "k": k, "parameters": net.n_parameters, "mse": _digits(mse), "eps": None if eps is None else _digits(eps),
        "lower": float(np.floor(bracket.lower * 1e4) / 1e4), "upper": float(np.ceil(bracket.upper * 1e4) / 1e4),
        "law": None if law is None else _digits(law), "floor": _digits(data_lipschitz(X, y).value),
        "typical": _digits(np.sqrt(np.mean(gradients**2))), "test_mse": _digits(np.mean((net(fresh) - g(fresh)) ** 2)),
    }  # fmt: skip


def fit(
    X: Float[ndarray, "n d"],
    y: Float[ndarray, "n"],
    k: int,
    method: str,
    strength: float,
    *,
    steps: int,
    rng: np.random.Generator,
    device: str = "cpu",
    lr: float = 0.01,
):
    """A `TwoLayer` net of width k that minimises mean((f(x_i) − y_i)²) + help, by full-batch Adam in float32 with cosine² step sizes.

    help is 0 ("plain"), λ(‖W‖² + ‖a‖²) ("weight decay"), λ·mean‖∇f(x_i)‖² ("gradient penalty"); the same with a λ that rises by 2 % a step while
    the error is below strength·mean y_i² and falls by 2 % while it is above ("penalty at fixed error"). For "adversarial" each x_i is moved by r
    along ±∇f(x_i), the sign being the one that raises the error; r grows from 0 to strength during the first half.

    Raises ValueError for an unknown method, or sizes and rates out of range.
    """
    from lawrob_utils._torch import torch
    from lawrob_utils.networks import TwoLayer, adam, initial_weights

    check.one_of(method, "method", METHODS), check.positive(strength, "strength", zero_allowed=True)
    Xt, yt = (torch.tensor(v, dtype=torch.float32, device=device) for v in (X, y))
    start = initial_weights(1, k, X.shape[1], rng)
    Wt, bt, at, ct = weights = [
        torch.tensor(w[0], dtype=torch.float32, device=device, requires_grad=True) for w in start
    ]
    target, lam = (
        strength * float(np.mean(y**2)),
        1e-3 if method == "penalty at fixed error" else strength,
    )
    # not `schedule`: the cosine of an array differs in the last bit, and rows are reproduced exactly
    rates = (lr * np.cos(np.pi * t / (2 * steps)) ** 2 for t in range(check.count(steps, "steps")))
    for t, step in adam(weights, rates):
        Z = Xt
        if method == "adversarial":
            with torch.no_grad():
                # not `pgd`, whose labels are ±1 and which lowers y·f: this step raises (f − y)²
                U = Xt @ Wt.T + bt
                G = ((U > 0) * at) @ Wt
                uphill = (
                    (U.relu() @ at + ct - yt).sign()[:, None]
                    * G
                    / G.norm(dim=1, keepdim=True).clamp_min(1e-12)
                )
                Z = Xt + strength * min(1.0, 2 * t / steps) * uphill
        U = Z @ Wt.T + bt
        error = (U.relu() @ at + ct - yt).square().mean()
        loss = error
        if method == "weight decay":
            loss = error + lam * (Wt.square().sum() + at.square().sum())
        elif "penalty" in method:
            if method == "penalty at fixed error":
                lam *= 1.02 if error.item() < target else 0.98
            loss = error + lam * (((U.detach() > 0) * at) @ Wt).square().sum(dim=1).mean()
        step(loss)
    W, b, a, c = (w.detach().cpu().numpy().astype(np.float64) for w in weights)
    return TwoLayer(W, b, a, float(c), f"two-layer ReLU net, k = {k}, {method}")


def _digits(value: float) -> float:
    return float(f"{value:.5g}")


def _grid(
    labels: Iterable[Mapping],
    centre: tuple[int, int, int],
    ns: tuple,
    ds: tuple,
    Ps: tuple,
    seeds: tuple,
    steps: int,
) -> tuple[dict, ...]:
    """Three lines through the centre for each kind of labels."""
    n, d, P = centre
    lines = [
        {"seed": seeds, "n": ns, "d": (d,), "P": (P,)},
        {"seed": seeds, "n": (n,), "d": tuple(v for v in ds if v != d), "P": (P,)},
        {"seed": seeds, "n": (n,), "d": (d,), "P": tuple(v for v in Ps if v != P)},
    ]
    return tuple(
        {**kind, **line, "method": METHODS, "strength": (1.0,), "steps": (steps,)}
        for kind in labels
        for line in lines
    )


NOISE, NO_NOISE = {"signal": (False,), "sigma": (1.0,)}, {"signal": (True,), "sigma": (0.0,)}
SEEDS, CENTRE, STEPS = (0, 1, 2), (400, 160, 3200), 1200
_HERE = {"seed": SEEDS, "n": (CENTRE[0],), "d": (CENTRE[1],), "P": (CENTRE[2],)}
FULL = (
    *_grid(
        (NOISE, NO_NOISE),
        CENTRE,
        (200, 400, 800, 1600),
        (80, 160, 320, 640),
        (1600, 3200, 6400, 12800),
        SEEDS,
        STEPS,
    ),
    {
        "signal": (True,),
        "sigma": (0.0625, 0.125, 0.25, 0.5),
        **_HERE,
        "method": METHODS,
        "strength": (1.0,),
        "steps": (STEPS,),
    },
    {**NOISE, **_HERE, "method": METHODS[1:], "strength": (0.1, 0.3, 3.0), "steps": (STEPS,)},
)
QUICK = {
    **NOISE,
    "seed": (0,),
    "n": (100, 400),
    "d": (80,),
    "P": (800,),
    "method": ("plain", "penalty at fixed error"),
    "strength": (1.0,),
    "steps": (300,),
}


RECORD = Record(
    name="trained_law",
    summary="Lipschitz brackets of trained two-layer nets against n, d, P, sigma: plain, weight decay, gradient penalty, adversarial; with noise and without",
    row=row,
    presets={"quick": QUICK, "full": FULL},
    seed=SEED,
    minutes={"quick": 0.05, "full": 10},
    needs=("torch",),
    tolerance="exactly, on the same machine and versions; elsewhere 5 % in lower, upper and law (adversarial: 20 %), as rounding errors grow in training",
)
load, run = RECORD.load, RECORD.run
