"""Networks of a few bits, what the bit certificate says of them, and the bracket of their Lipschitz constant: the record of chapter 7.

    python -m lawrob_utils.experiments bit-certificate --preset full     (12 minutes on one core; writes book/recorded/bit-certificate/)
    python -m lawrob_utils.experiments bit-certificate --preset quick --out FOLDER

Read in order: `rows` (what is run), `measure` (one row), `run` (all rows that are not recorded yet), `load`.
A run that was stopped goes on where it was: rows of results.csv are not done again. The record holds results.csv (a row per network),
nets.npz (the one-bit networks found by annealing, one bit a weight) and provenance.json.

Every row pays 9 bits more than its weights: 8 say which row it is (there are fewer than 256), 1 says which of the two codes is used. So
all certificates of the table hold at once, with probability at least 1 − δ over the points.
"""

from __future__ import annotations

import csv
import io
import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from .. import _validate as check
from .. import data
from ..fewbits import Activation, FewBitNet, anneal_signs, fit_few_bits, improve_signs, levels, quantize, rounded
from ..law import bit_certificate, enumerative_bits
from ..lipschitz import Bracket
from ..memorizers import Bumps
from ..networks import fit_two_layer
from .provenance import provenance, recorded, write_atomically
from .registry import Experiment

SEED = 20210526
DELTA = 0.01
ROW_BITS = 9
SIZES = {"full": ((1000, 100), (4000, 400), (2000, 400), (4000, 100)), "quick": ((200, 40),)}
COLUMNS = (
    "n", "d", "method", "k", "bits", "smooth", "prune", "parameters", "plain_bits", "entropy_bits",
    "correlation", "certified", "certified_occam", "lower", "upper", "seconds",
)  # fmt: skip


Key = tuple[int, int, int]  # n, d, k


class Row(NamedTuple):
    """One network: how it is found (method), width k, bits per weight, the weight μ of the Lipschitz penalty, the fraction pruned."""

    method: str
    k: int
    bits: int
    smooth: float = 0.0
    prune: float = 0.0


def rows(n: int, d: int) -> tuple[Row, ...]:
    """What is run for n points in dimension d; trained nets have about 1.6 weights a point."""
    k = max(2, round(1.6 * n / d))
    return (
        *(Row("linear", 1, 1, prune=share) for share in (0.0, 0.5, 0.8, 0.9, 0.95)),
        *(Row("bumps", n, bits) for bits in (2, 3, 4)),
        *(Row("annealed", width, 1) for width in (1, 2, 4, 8, 16)),
        *(Row("rounded relu", k, bits) for bits in (8, 5, 4, 3, 2, 1)),
        *(Row(act, k, bits, smooth) for act in ("relu", "abs") for smooth in (0.0, 3.0) for bits in (1, 2, 3, 4)),
        *(Row(act, k, 1, 3.0, 0.7) for act in ("relu", "abs")),
    )


@dataclass(frozen=True, eq=False)
class Record:
    """The recorded table: `table`, one dict a row with the keys `COLUMNS`, and the annealed nets by (n, d, k)."""

    table: tuple[dict, ...]
    nets: dict[Key, FewBitNet]

    def select(self, **conditions: object) -> tuple[dict, ...]:
        """The rows in which every named column has the given value."""
        return tuple(row for row in self.table if all(row[name] == value for name, value in conditions.items()))


def sample(n: int, d: int) -> tuple[Float[ndarray, "n d"], Float[ndarray, "n"]]:
    """The points and labels of the record: uniform on the sphere, fair random signs."""
    rng = np.random.default_rng([SEED, n, d])
    return data.sphere(n, d, rng), data.random_signs(n, rng)


def measure(row: Row, X: Float[ndarray, "n d"], y: Float[ndarray, "n"], *, quick: bool = False) -> tuple[dict, FewBitNet | None]:
    """One line of the table, and the net itself if it was found by annealing.

    `certified` uses the plain code, `certified_occam` the one that first tells how often each symbol occurs; both pay `ROW_BITS` more.
    lower ≤ Lip ≤ upper is the bracket over R^d; correlation is that of f(x_i) and y_i.
    """
    n, d = X.shape
    rng = np.random.default_rng([SEED, n, d, *row.method.encode(), row.k, row.bits, int(row.smooth * 100), int(row.prune * 100)])
    begin, kept = time.process_time(), None
    if row.method == "linear":
        values, bracket, symbols = _linear(row, X, y)
        plain, occam = len(symbols), enumerative_bits(symbols, (-1, 1) if row.prune == 0 else (-1, 0, 1))
        plain = occam if row.prune else plain
    elif row.method == "bumps":
        values, bracket, plain, occam = _bumps(row, X, y)
    elif row.method == "rounded relu":
        net = fit_two_layer(X, y, row.k, rng=rng, steps=100 if quick else 1500)[0]
        coarse, plain, occam = rounded(net, row.bits)
        values, bracket = coarse.predict(X), coarse.lipschitz()
    else:
        if row.method == "annealed":
            kept = improve_signs(anneal_signs(X, y, row.k, rng=rng, sweeps=50 if quick else 1500), X, y)
            found = kept
        else:
            act: Activation = "abs" if check.one_of(row.method, "method", ("relu", "abs")) == "abs" else "relu"
            settings = {"bits": row.bits, "steps": 60 if quick else 800}
            found = fit_few_bits(X, y, row.k, rng=rng, activation=act, smooth=row.smooth, prune=row.prune, **settings)
        values, bracket, plain, occam = found.predict(X), found.lipschitz(X[:128]), found.bits, found.entropy_bits
    return {
        "n": n, "d": d, **row._asdict(), "parameters": _parameters(row, n, d), "plain_bits": plain, "entropy_bits": occam,
        "correlation": round(float(np.corrcoef(values, y)[0, 1]), 4),
        "certified": _digits(bit_certificate(y, values, plain + ROW_BITS, d, DELTA)),
        "certified_occam": _digits(bit_certificate(y, values, occam + ROW_BITS, d, DELTA)),
        "lower": _digits(bracket.lower), "upper": _digits(bracket.upper, up=True),
        "seconds": round(time.process_time() - begin, 1),
    }, kept  # fmt: skip


def _linear(row: Row, X: ndarray, y: ndarray) -> tuple[ndarray, Bracket, ndarray]:
    """The sign of each coordinate of Σ(y_i − ȳ)x_i, with the smallest of them set to 0: f = ⟨w, x⟩ and Lip(f) = ‖w‖."""
    sums = X.T @ (y - y.mean())
    w = np.where(sums >= 0, 1, -1) * (np.abs(sums) >= np.quantile(np.abs(sums), row.prune))
    return X @ w, Bracket.exact(float(np.linalg.norm(w)), "norm of the weights"), w


def _bumps(row: Row, X: ndarray, y: ndarray) -> tuple[ndarray, Bracket, int, int]:
    """A cone of height y_i on each rounded point; the radius follows from the centres, and the class may depend on the labels."""
    codes = quantize(X, row.bits)
    f = Bumps(codes / np.linalg.norm(codes, axis=1, keepdims=True), y)
    return f.predict(X), f.lipschitz(), row.bits * codes.size, enumerative_bits(codes, levels(row.bits))


def _parameters(row: Row, n: int, d: int) -> int:
    per_neuron = {"bumps": d + 1, "rounded relu": d + 2}.get(row.method, d)
    return row.k * per_neuron + (d if row.method == "annealed" else 0)


def _digits(value: float, up: bool = False) -> float:
    """Four decimals, rounded down, or up for an upper bound, so that what is written is still a bound."""
    return float((np.ceil if up else np.floor)(value * 1e4) / 1e4)


def run(out: Path, preset: str = "full") -> Record:
    """Measure every row that results.csv in `out` does not have, writing after each; raises ValueError for an unknown preset."""
    out, sizes = Path(out), SIZES[check.one_of(preset, "preset", tuple(SIZES))]
    old = load(out, complete=False)
    table, nets = list(old.table), dict(old.nets)
    done = {_key(row) for row in table}
    for n, d in sizes:
        wanted = [row for row in rows(n, d) if (n, d, *row) not in done]
        X, y = sample(n, d)
        for row in wanted:
            line, net = measure(row, X, y, quick=preset == "quick")
            table.append(line)
            if net is not None:
                nets[n, d, row.k] = net
                write_atomically(out / "nets.npz", _packed(nets))
            write_atomically(out / "results.csv", _as_csv(table))
    in_order = [(n, d, *row) for n, d in sizes for row in rows(n, d)]
    table.sort(key=lambda row: in_order.index(_key(row)))
    write_atomically(out / "results.csv", _as_csv(table))
    about = provenance(
        EXPERIMENT.command(preset),
        seed=SEED,
        seconds=sum(row["seconds"] for row in table),
        settings={"sizes": sizes, "delta": DELTA, "row_bits": ROW_BITS},
    )
    about["wall_seconds_are"] = "processor seconds summed over rows, since a stopped run goes on where it was"
    about["tolerance"] = "annealed rows: exactly, to the digits written; trained rows: 5 % in certified, lower and upper"
    write_atomically(out / "provenance.json", json.dumps(about, indent=2, ensure_ascii=False) + "\n")
    return load(out)


def load(folder: Path | None = None, *, complete: bool = True) -> Record:
    """The record in `folder`, by default the one in the repository; with complete=False as far as it got.

    Raises FileNotFoundError, naming the command that makes it, if there is none.
    """
    folder = recorded("bit-certificate") if folder is None else Path(folder)
    if complete and not (folder / "provenance.json").is_file():
        raise FileNotFoundError(f"no record in {folder}; make one with: {EXPERIMENT.command()}")
    table: list[dict] = []
    nets: dict[Key, FewBitNet] = {}
    if (folder / "results.csv").is_file():
        with (folder / "results.csv").open(newline="") as file:
            table = [{name: _typed(name, text) for name, text in row.items()} for row in csv.DictReader(file)]
    if (folder / "nets.npz").is_file():
        with np.load(folder / "nets.npz") as arrays:
            for name in arrays.files:
                n, d, k = map(int, name.split("-"))
                nets[n, d, k] = _unpacked(d, k, arrays[name])
    return Record(tuple(table), nets)


def _typed(name: str, text: str) -> int | float | str:
    if name == "method":
        return text
    return int(text) if name in ("n", "d", "k", "bits", "parameters", "plain_bits", "entropy_bits") else float(text)


def _key(row: dict) -> tuple:
    return tuple(row[name] for name in ("n", "d", *Row._fields))


def _as_csv(table: list[dict]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(table)
    return text.getvalue()


def _packed(nets: dict[Key, FewBitNet]) -> bytes:
    """One bit a weight: the rows q_1, …, q_k and then q_0."""
    packed = io.BytesIO()
    arrays: dict = {"-".join(map(str, key)): np.packbits(net.symbols > 0) for key, net in nets.items()}
    np.savez(packed, **arrays)
    return packed.getvalue()


def _unpacked(d: int, k: int, bits: ndarray) -> FewBitNet:
    q = np.unpackbits(bits)[: (k + 1) * d].reshape(k + 1, d).astype(np.int64) * 2 - 1
    return FewBitNet(q[:k], levels(1), "abs", q[k], name=f"one-bit net of {k} absolute values and a linear neuron")


EXPERIMENT = Experiment(
    name="bit-certificate",
    summary="networks of a few bits, what the bit certificate says of them, and the bracket of their Lipschitz constant (chapter 7)",
    presets=SIZES,
    seed=SEED,
    minutes={"quick": 0.1, "full": 12},
    needs=("torch",),
    whole=run,
)
