"""A small net trained on MNIST, ten test images, and the accuracy that is left under attack: the
recorded run of chapter 1.

    python -m lawrob_utils.records mnist_flips --preset full     (a minute; writes
    book/recorded/mnist_flips/) python -m lawrob_utils.records mnist_flips --preset quick --out
    FOLDER

Read in order: `measure_accuracy` (what one row of the record is), `run` (training, measuring,
writing), `load` (reading it back). The record holds accuracy.csv (a row per perturbation, norm and
radius), flips.npz (the net in half precision and ten images, so that the attack on them runs
without MNIST) and provenance.json.
"""

from __future__ import annotations

import csv
import io
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray

from lawrob_utils import _validate as check
from lawrob_utils import data
from lawrob_utils.attacks import Norm, robust_accuracy
from lawrob_utils.networks import MLP, fit_mlp
from lawrob_utils.records import Record, provenance, write

SEED = 20210526
RADII: dict[tuple[str, Norm], tuple[float, ...]] = {
    ("pgd", "l2"): (0.0, 0.25, 0.5, 0.75, 1.0, 1.25, 1.5),
    ("pgd", "linf"): (0.0, 0.01, 0.02, 0.03, 0.04, 0.05, 0.06),
    ("noise", "l2"): (0.0, 0.5, 1.0, 1.5, 2.0, 4.0, 6.0, 8.0, 12.0),
    ("noise", "linf"): (0.0, 0.02, 0.04, 0.06, 0.1, 0.2, 0.3, 0.4),
}
PRESETS = {
    "full": {"n_train": 60_000, "epochs": 30, "n_test": 1000},
    "quick": {"n_train": 5_000, "epochs": 5, "n_test": 100},
}
HIDDEN = 32
STEPS = 40


@dataclass(frozen=True, eq=False)
class Flips:
    """The recorded run: the net, ten test images X (10, 784) with their labels and places in the
    test set, and the accuracy rows.

    Each row of `accuracy` is a dict with kind ("pgd" or "noise"), norm ("l2" or "linf"), radius and
    accuracy (both float).
    """

    net: MLP
    X: Float[ndarray, "10 784"]
    y: Int[ndarray, "10"]
    place: Int[ndarray, "10"]
    accuracy: tuple[dict, ...]

    def curve(self, kind: str, norm: str) -> tuple[Float[ndarray, "m"], Float[ndarray, "m"]]:
        """Radii and accuracies of one kind of perturbation in one norm."""
        rows = [r for r in self.accuracy if (r["kind"], r["norm"]) == (kind, norm)]
        if not rows:
            raise ValueError(
                f"kind = {kind!r}, norm = {norm!r} is not recorded; kinds are 'pgd', 'noise', "
                f"norms 'l2', 'linf'"
            )
        return np.array([r["radius"] for r in rows]), np.array([r["accuracy"] for r in rows])


def measure_accuracy(
    net: MLP,
    X: Float[ndarray, "n d"],
    y: Int[ndarray, "n"],
    kind: str,
    norm: Norm,
    radii: tuple[float, ...],
) -> Float[ndarray, "m"]:
    """The accuracy of the net on (X, y) at each radius, under PGD ("pgd") or random noise of the
    same size ("noise").

    "pgd": 40 steps from the image itself, pixels kept in [0, 1]. "noise": one random perturbation
    per image and radius, of exactly that ℓ2 length (uniform direction) or with every pixel moved by
    ± the radius; then clipped to [0, 1].
    """
    check.one_of(kind, "kind", ("pgd", "noise")), check.one_of(norm, "norm", ("l2", "linf"))
    X = np.asarray(X, dtype=np.float64)
    if kind == "pgd":
        return np.asarray(robust_accuracy(net, X, y, radii, norm, steps=STEPS, clip=(0, 1)))
    rng = np.random.default_rng(SEED + 1)
    accuracy = []
    for radius in radii:
        delta = rng.standard_normal(X.shape)
        delta = (
            np.sign(delta)
            if norm == "linf"
            else delta / np.linalg.norm(delta, axis=1, keepdims=True)
        )
        accuracy.append((net.classify(np.clip(X + radius * delta, 0, 1)) == y).mean())
    return np.array(accuracy)


def run(out: Path, preset: str = "full") -> Flips:
    """Train, measure, and write the record into the folder `out`; needs MNIST (see
    `lawrob_utils.data.mnist`).

    Raises ValueError for an unknown preset, and what `mnist` raises if the data cannot be had.
    """
    settings = PRESETS[check.one_of(preset, "preset", tuple(PRESETS))]
    begin = time.perf_counter()
    train, test = data.mnist("train"), data.mnist("test")
    rng = np.random.default_rng(SEED)
    rows = rng.permutation(len(train.X))[: settings["n_train"]]
    net = fit_mlp(train.X[rows], train.labels[rows], (HIDDEN,), rng=rng, epochs=settings["epochs"])
    halves = {
        f"{name}{i}": v.astype(np.float16)
        for i, (W, b) in enumerate(net.layers)
        for name, v in (("W", W), ("b", b))
    }
    net = _net(halves)  # what is measured is the net in half precision, the one that is kept
    right = net.classify(test.X) == test.labels
    place = np.array([np.flatnonzero(right & (test.labels == digit))[0] for digit in range(10)])

    X, y = test.X[: settings["n_test"]], test.labels[: settings["n_test"]]
    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow(("kind", "norm", "radius", "accuracy"))
    for (kind, norm), radii in RADII.items():
        for radius, accuracy in zip(
            radii, measure_accuracy(net, X, y, kind, norm, radii), strict=True
        ):
            writer.writerow((kind, norm, radius, round(float(accuracy), 6)))

    packed = io.BytesIO()
    pixels = np.rint(test.X[place] * 255).astype(np.uint8)
    np.savez_compressed(
        packed,
        X=pixels,
        y=test.labels[place].astype(np.uint8),
        place=place.astype(np.uint16),
        **halves,  # type: ignore[arg-type]
    )
    about = provenance(
        RECORD.command(preset),
        SEED,
        time.perf_counter() - begin,
        settings={**settings, "hidden": HIDDEN, "steps": STEPS},
    )
    about["test_accuracy"] = float(right.mean())
    about["tolerance"] = (
        "accuracy.csv from flips.npz: 0.005 per row; from a new training: 0.03 per row"
    )
    about["data"] = (
        "MNIST (Y. LeCun, C. Cortes, C. Burges; CC BY-SA 3.0); accuracy on the first n_test test "
        "images; "
        "flips.npz holds ten test images, the first of each digit that the net gets right"
    )
    out.mkdir(parents=True, exist_ok=True)
    write(out, {"accuracy.csv": table.getvalue(), "flips.npz": packed.getvalue()}, about)
    return load(out)


def load(folder: Path | None = None) -> Flips:
    """The record in `folder`, by default the one in the repository.

    Raises FileNotFoundError, naming the command that makes it, if there is none.
    """
    folder = RECORD.folder if folder is None else Path(folder)
    if not (folder / "provenance.json").is_file():
        raise FileNotFoundError(f"no record in {folder}; make one with: {RECORD.command()}")
    with np.load(folder / "flips.npz") as arrays:
        stored = dict(arrays)
    with (folder / "accuracy.csv").open(newline="") as file:
        rows = tuple(
            {**row, "radius": float(row["radius"]), "accuracy": float(row["accuracy"])}
            for row in csv.DictReader(file)
        )
    return Flips(
        _net(stored),
        stored["X"] / 255.0,
        stored["y"].astype(np.int64),
        stored["place"].astype(np.int64),
        rows,
    )


def _net(arrays: dict[str, ndarray]) -> MLP:
    return MLP(
        ((arrays["W0"], arrays["b0"]), (arrays["W1"], arrays["b1"])),
        f"MLP 784-{HIDDEN}-10, trained on MNIST",
    )


class Once(Record):
    """One run and no grid: a training, and what is measured on its net."""

    def run(self, preset="quick", folder=None, **options) -> list:  # type: ignore[override]
        """Train, measure and write; only `progress` may be among the options."""
        self.grid(preset)
        wrong = [
            k for k, v in options.items() if k != "progress" and v not in (1, None, "cpu", False)
        ]
        if wrong or folder is None:
            raise ValueError(f"{self.name} is one run: it needs a folder and knows no {wrong}")
        run(Path(folder), preset)
        return []


RECORD = Once(
    name="mnist_flips",
    summary="a small net trained on MNIST, ten test images, and the accuracy that is left under "
    "attack (chapter 1)",
    presets=PRESETS,
    seed=SEED,
    minutes={"quick": 0.1, "full": 1},
    needs=("torch", "mnist"),
    row=run,  # type: ignore[arg-type]
)
