"""Capacity against robust accuracy on MNIST, ℓ∞ radius 0.3: the experiment behind the estimate for real data, chapter 9.

    python -m lawrob_utils.records mnist_capacity --preset full       (75 minutes on one core; needs MNIST)

Read in order: `row` (one net: trained, then attacked), `standing` (the attack, in pieces that fit in memory), the grids.

The nets are those of Madry et al. at scale s = 1, 2, 4, 8. Training is fast adversarial training (`lawrob_utils.recorded.mnist_capacity.convnets.fit_convnet`) on all
60 000 images, with the radius growing over the first 40 % of the steps (warmup = 0.4) or full from the start (warmup = 0). The quick preset is
another experiment of the same form, on scikit-learn's digits of 8×8 pixels with radius 0.1, so that it runs anywhere in seconds.
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from jaxtyping import Bool, Float, Int
from numpy import ndarray

from lawrob_utils import _validate as check
from lawrob_utils import data
from lawrob_utils.records import Record, generator

SEED = 20210526
Precision = Literal["float32", "bfloat16"]
EPS = {"mnist": 0.3, "digits": 0.1}
STEPS, RESTARTS = 20, 2
CHECKED = {"mnist": 500, "digits": 200}
"""So many test images are attacked again with twice the steps and twice the restarts."""
BATCH = {"mnist": 128, "digits": 32}
PRECISION: dict[str, Precision] = {"mnist": "bfloat16", "digits": "float32"}


def row(
    *,
    rng: np.random.Generator,
    device: str = "cpu",
    data_set: str,
    scale: int,
    warmup: float,
    epochs: int,
    seed: int,
) -> dict[str, object]:
    """One net of the given scale, trained for so many epochs and attacked on all test images and on fixed training images.

    natural_* and robust_* are shares of images classified correctly, as they are and under PGD (20 steps from each of 2 random starts) in the
    ℓ∞ ball of radius EPS and in [0, 1]; *_train on 2000 training images, *_test on all test images.
    twice_before and twice_after: robust accuracy on 500 test images (200 of the digits) under that attack, and under 40 steps from each of 4 starts.
    fgsm_test: on the same images under a single full step.
    largest_class is the share of test images put into the most frequent class; collapsed is True if that is above 0.99.
    fit_loss and fit_accuracy: on the perturbed training images during the last epoch.
    """
    from lawrob_utils.attacks import pgd

    from .convnets import fit_convnet

    train, train_labels, test, test_labels = images(data_set)
    eps = EPS[data_set]
    precision = PRECISION[data_set]
    net = fit_convnet(
        train, train_labels, scale, rng=rng, eps=eps, epochs=epochs, attack_steps=3, step_size=0.5, warmup=warmup,
        batch_size=BATCH[data_set], lr=5e-3, precision=precision, device=device,
    )  # fmt: skip
    module = net.as_module().to(device)
    fixed = generator(SEED, {"data": data_set})  # the same images for every net
    some_train = fixed.permutation(len(train))[:2000]
    some_test = fixed.permutation(len(test))[: CHECKED[data_set]]
    predicted = net.classify(test)
    share = float(np.bincount(predicted, minlength=10).max() / len(test))
    stand = standing(module, test, test_labels, eps, STEPS, RESTARTS, rng, precision)
    stand_train = standing(
        module, train[some_train], train_labels[some_train], eps, STEPS, RESTARTS, rng, precision
    )
    harder = standing(
        module,
        test[some_test],
        test_labels[some_test],
        eps,
        2 * STEPS,
        2 * RESTARTS,
        rng,
        precision,
    )
    one_step = pgd(
        module,
        test[some_test],
        test_labels[some_test],
        eps,
        "linf",
        steps=1,
        step_size=eps,
        clip=(0, 1),
    )
    return {
        "parameters": net.n_parameters,
        "natural_train": _round((net.classify(train[some_train]) == train_labels[some_train]).mean()),
        "natural_test": _round((predicted == test_labels).mean()),
        "robust_train": _round(stand_train.mean()), "robust_test": _round(stand.mean()), "fgsm_test": _round(1 - one_step.fooled.mean()),
        "twice_before": _round(stand[some_test].mean()), "twice_after": _round((stand[some_test] & harder).mean()),
        "largest_class": _round(share), "collapsed": share > 0.99,
        "fit_loss": _round(net.history[-1, 0]), "fit_accuracy": _round(net.history[-1, 1]),
    }  # fmt: skip


def images(
    data_set: str,
) -> tuple[Float[ndarray, "n d"], Int[ndarray, "n"], Float[ndarray, "m d"], Int[ndarray, "m"]]:
    """Training images and labels, test images and labels (float32): "mnist" as published; "digits": 1200 of scikit-learn's, and the other 597."""
    if check.one_of(data_set, "data_set", tuple(EPS)) == "mnist":
        train, test = data.mnist("train"), data.mnist("test")
        return train.X, train.labels, test.X, test.labels
    both = data.digits()
    order = generator(SEED, {"split": data_set}).permutation(len(both.X))
    X, y = both.X[order].astype(np.float32), both.labels[order]
    return X[:1200], y[:1200], X[1200:], y[1200:]


def standing(
    model,
    X: Float[ndarray, "n d"],
    y: Int[ndarray, "n"],
    eps: float,
    steps: int,
    restarts: int,
    rng: np.random.Generator,
    precision: Precision = "float32",
) -> Bool[ndarray, "n"]:
    """Whether the model is right at each image and at the worst point that PGD met within ℓ∞ distance eps; 250 images at a time.

    With precision = "bfloat16" the steps are taken with such products; every point they find is judged in float32 all the same, and an image
    that only bfloat16 takes for fooled is attacked once more in float32.
    """
    from lawrob_utils._torch import torch
    from lawrob_utils.attacks import pgd

    from .convnets import InBfloat16

    settings: dict[str, Any] = {
        "norm": "linf",
        "steps": steps,
        "restarts": restarts,
        "rng": rng,
        "clip": (0, 1),
    }
    parts = []
    for i in range(0, len(X), 250):
        X_part, y_part = X[i : i + 250], y[i : i + 250]
        attack = pgd(
            InBfloat16(model) if precision == "bfloat16" else model, X_part, y_part, eps, **settings
        )
        with torch.no_grad():
            where = next(model.buffers()).device
            scores = [
                model(torch.from_numpy(Z).to(where)).cpu().numpy() for Z in (X_part, attack.X)
            ]
        stands = np.logical_and(*(s.argmax(axis=1) == y_part for s in scores))
        doubtful = stands & attack.fooled
        if doubtful.any():
            stands[doubtful] = ~pgd(
                model, X_part[doubtful], y_part[doubtful], eps, **settings
            ).fooled
        parts.append(stands)
    return np.concatenate(parts)


def _round(value: float) -> float:
    return round(float(value), 6)


def _full(scales: tuple[int, ...], warmup: float, seeds: tuple[int, ...]) -> dict[str, tuple]:
    return {
        "data_set": ("mnist",),
        "warmup": (warmup,),
        "epochs": (5,),
        "seed": seeds,
        "scale": scales,
    }


RECORD = Record(
    name="mnist_capacity",
    summary="natural and robust accuracy of Madry's convnets on MNIST at ℓ∞ radius 0.3 against their number of parameters",
    row=row,
    presets={
        "quick": {
            "data_set": ("digits",),
            "warmup": (0.4,),
            "epochs": (8,),
            "seed": (0,),
            "scale": (1, 4),
        },
        "full": (
            _full((1, 2, 4, 8), 0.4, (0,)),
            _full((1, 2, 4), 0.0, (0,)),
            _full((1, 2, 4, 8), 0.4, (1, 2)),
            _full((1,), 0.0, (1, 2)),
        ),
    },
    seed=SEED,
    minutes={"quick": 0.1, "full": 74},
    needs=("torch",),
    tolerance="the same row again: equal on the same machine and versions; elsewhere about 0.06 for robust accuracies, as between seeds, 0.01 for "
    "natural ones; with the full radius from the start a net of scale 1 may collapse or not",
)
load, run = RECORD.load, RECORD.run
