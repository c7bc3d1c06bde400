"""Random labels and true ones, small nets and large ones, trained against attacks: chapter 1.

    python -m lawrob_utils.records digit_labels --preset full

Read in order: `digits_with_labels` (the task), `train` (the nets), `row` (one net, trained and
attacked), the grids. The images are the 1000 digits that chapter 1 trains on; every net is
64-h-h-10 and is attacked on the images that it was trained on.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray

from lawrob_utils import _validate as check
from lawrob_utils import data
from lawrob_utils.records import Record, generator

SEED = 20210526
ATTACK = 5
"""Steps of the attack in training."""


def row(
    *,
    rng: np.random.Generator,
    device: str = "cpu",
    labels: str,
    training: str,
    radius: float,
    hidden: int,
    effort: int,
    seed: int,
) -> dict[str, object]:
    """One net: its parameters, and the shares of its 1000 images that it gets right and keeps.

    labels "true" or "random"; training "plain" or "attacks" (against attacks of the radius);
    effort multiplies the epochs. clean is the accuracy, kept the robust accuracy at the radius
    (the attack is a search of 100 steps from three starts: an upper bound).
    """
    from lawrob_utils.attacks import robust_accuracy

    X, y = digits_with_labels(labels, seed)
    against = radius if check.one_of(training, "training", ("plain", "attacks")) == "attacks" else 0
    net = train(X, y, hidden, against, effort=effort, rng=rng)
    shares = robust_accuracy(net, X, y, [0, radius], steps=100, restarts=3, rng=rng, clip=(0, 1))
    clean, kept = np.atleast_1d(shares)
    return {"parameters": net.n_parameters, "clean": float(clean), "kept": float(kept)}


def digits_with_labels(
    labels: str, seed: int
) -> tuple[Float[ndarray, "1000 64"], Int[ndarray, "1000"]]:
    """The images that chapter 1 trains on, with their own classes or with random ones."""
    images = data.digits()
    chosen = np.random.default_rng(1).permutation(len(images.X))[:1000]
    if check.one_of(labels, "labels", ("true", "random")) == "true":
        return images.X[chosen], images.labels[chosen]
    return images.X[chosen], generator(SEED, {"seed": seed}).integers(0, 10, 1000)


def train(X, y, hidden: int, radius: float, *, effort: int, rng: np.random.Generator):
    """An `MLP` 64-h-h-10 trained by Adam on the cross-entropy, at attacked images if radius > 0.

    In single precision, with gradients by hand: ten times as fast as autograd at this size.
    Against attacks: 400·effort epochs of batches of 250; each image is moved by `ATTACK` steps of
    length radius/2 from a random point of its ball, and the radius grows from 0 during the first
    30 %. Plain: 600·effort epochs of batches of 100. Step sizes 5e-3·cos².
    """
    from lawrob_utils.networks import MLP, schedule

    epochs, batch = (400 * effort, 250) if radius else (600 * effort, 100)
    shapes = [(hidden, X.shape[1]), (hidden,), (hidden, hidden), (hidden,), (10, hidden), (10,)]
    cuts = np.cumsum([np.prod(s) for s in shapes])[:-1]

    def parts(flat):
        return [p.reshape(s) for p, s in zip(np.split(flat, cuts), shapes, strict=True)]

    w = np.concatenate(
        [rng.standard_normal(s).ravel() * np.sqrt(2 / s[-1]) * (len(s) == 2) for s in shapes]
    ).astype(np.float32)
    first, second = np.zeros_like(w), np.zeros_like(w)
    rates = schedule(5e-3, epochs * (len(X) // batch))
    X, onehot = X.astype(np.float32), np.eye(10, dtype=np.float32)[y]
    for t, lr in enumerate(rates):
        if t % (len(X) // batch) == 0:
            order = rng.permutation(len(X)).reshape(-1, batch)
        i = order[t % len(order)]
        Z = X[i]
        if radius:
            Z = _attacked(parts(w), X[i], onehot[i], radius * min(1.0, t / (0.3 * len(rates))), rng)
        back = _gradients(parts(w), Z, onehot[i])
        gradient = np.concatenate(
            [g.ravel() for G, H in back for g in (G.T @ H / batch, G.mean(axis=0))]
        )
        first += 0.1 * (gradient - first)
        second += 0.001 * (gradient**2 - second)
        step = first / (1 - 0.9 ** (t + 1)), second / (1 - 0.999 ** (t + 1))
        w = w - np.float32(lr) * step[0] / (np.sqrt(step[1]) + 1e-8)
    W1, b1, W2, b2, W3, b3 = parts(w)
    return MLP(((W1, b1), (W2, b2), (W3, b3)), f"64-{hidden}-{hidden}-10 net")


def _gradients(weights, Z, onehot):
    """Of the cross-entropy: what comes back to the three layers, and what went into them."""
    W1, b1, W2, b2, W3, b3 = weights
    H1 = np.maximum(Z @ W1.T + b1, 0)
    H2 = np.maximum(H1 @ W2.T + b2, 0)
    scores = H2 @ W3.T + b3
    p = np.exp(scores - scores.max(axis=1, keepdims=True))
    G3 = p / p.sum(axis=1, keepdims=True) - onehot
    G2 = (G3 @ W3) * (H2 > 0)
    G1 = (G2 @ W2) * (H1 > 0)
    return ((G1, Z), (G2, H1), (G3, H2))


def _attacked(weights, X, onehot, radius, rng):
    """Each image moved uphill inside its ball and the box, from a random point of the ball."""
    U = rng.standard_normal(X.shape)
    U *= radius * rng.random((len(X), 1)) ** (1 / X.shape[1]) / _length(U)
    U = U.astype(X.dtype)
    Z = np.clip(X + U, 0, 1)
    for _ in range(ATTACK):
        uphill = _gradients(weights, Z, onehot)[0][0] @ weights[0]
        move = Z + radius / 2 * uphill / np.maximum(_length(uphill), 1e-30) - X
        Z = np.clip(X + move * np.minimum(1, radius / np.maximum(_length(move), 1e-30)), 0, 1)
    return Z


def _length(rows):
    return np.linalg.norm(rows, axis=1, keepdims=True)


TABLE = {
    "labels": ["true", "random"], "training": ["plain", "attacks"], "radius": [0.2],
    "hidden": [32, 128], "effort": [1], "seed": [0, 1, 2],
}  # fmt: skip
NOISE = {**TABLE, "labels": ["random"], "training": ["attacks"]}
FULL = [
    {**NOISE, "labels": ["true"], "radius": [0.6], "hidden": [24, 128]},  # a larger radius
    TABLE,  # the law in one table
    {**NOISE, "hidden": [16, 24, 64]},  # the same at other sizes
    {**NOISE, "hidden": [32], "effort": [3]},  # would more effort change the small net?
]
QUICK = {**TABLE, "hidden": [8], "seed": [0]}

RECORD = Record(
    name="digit_labels",
    summary="robust accuracy on 1000 digits with true and random labels, small and large nets",
    row=row,
    presets={"quick": QUICK, "full": FULL},
    seed=SEED,
    minutes={"quick": 0.2, "full": 6},
    needs=("torch",),
    tolerance="the same row again on the same machine and versions; elsewhere 0.05 in kept",
)
load, run = RECORD.load, RECORD.run
