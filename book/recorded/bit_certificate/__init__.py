"""Networks of a few bits, what the bit certificate says of them, and the bracket of their Lipschitz
constant: the record of chapter 7.

    python -m lawrob_utils.records bit_certificate --preset full     (12 minutes on one core; writes
    book/recorded/bit_certificate/) python -m lawrob_utils.records bit_certificate --preset quick
    --out FOLDER

Read in order: `grid` (what is run), `measure` (one row), `load`. The column `net` of the table
holds the one-bit networks found by annealing, one bit a weight, in base64.

Every row pays 9 bits more than its weights: 8 say which row it is (there are fewer than 256), 1
says which of the two codes is used. So all certificates of the table hold at once, with probability
at least 1 − δ over the points.
"""

from __future__ import annotations

import base64
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from jaxtyping import Float
from numpy import ndarray

from lawrob_utils import _validate as check
from lawrob_utils import data
from lawrob_utils.bracket import Bracket
from lawrob_utils.fewbits import (
    Activation,
    FewBitNet,
    fit_few_bits,
    levels,
    quantize,
    rounded,
)
from lawrob_utils.law import bit_certificate, enumerative_bits
from lawrob_utils.memorizers import Bumps
from lawrob_utils.networks import fit_two_layer
from lawrob_utils.records import Record

from .annealing import WithLinearNeuron, anneal_signs, improve_signs

SEED = 20210526
DELTA = 0.01
ROW_BITS = 9
SIZES = {"full": ((1000, 100), (4000, 400), (2000, 400), (4000, 100)), "quick": ((200, 40),)}
Key = tuple[int, int, int]  # n, d, k


class Row(NamedTuple):
    """One network: how it is found (method), width k, bits per weight, the weight μ of the
    Lipschitz penalty, the fraction pruned."""

    method: str
    k: int
    bits: int
    smooth: float = 0.0
    prune: float = 0.0


def grid(sizes: tuple[tuple[int, int], ...]) -> tuple[dict, ...]:
    """What is run for n points in dimension d, for every size (n, d); trained nets have about 1.6
    weights a point."""
    mappings: list[dict] = []
    for n, d in sizes:
        k, one = max(2, round(1.6 * n / d)), {"n": (n,), "d": (d,)}
        mappings += [
            one
            | {
                "method": ("linear",),
                "k": (1,),
                "bits": (1,),
                "smooth": (0.0,),
                "prune": (0.0, 0.5, 0.8, 0.9, 0.95),
            },
            one
            | {
                "method": ("bumps",),
                "k": (n,),
                "bits": (2, 3, 4),
                "smooth": (0.0,),
                "prune": (0.0,),
            },
            one
            | {
                "method": ("annealed",),
                "k": (1, 2, 4, 8, 16),
                "bits": (1,),
                "smooth": (0.0,),
                "prune": (0.0,),
            },
            one
            | {
                "method": ("rounded relu",),
                "k": (k,),
                "bits": (8, 5, 4, 3, 2, 1),
                "smooth": (0.0,),
                "prune": (0.0,),
            },
            one
            | {
                "method": ("relu", "abs"),
                "k": (k,),
                "smooth": (0.0, 3.0),
                "bits": (1, 2, 3, 4),
                "prune": (0.0,),
            },
            one
            | {
                "method": ("relu", "abs"),
                "k": (k,),
                "bits": (1,),
                "smooth": (3.0,),
                "prune": (0.7,),
            },
        ]
    return tuple(mappings)


class Table(NamedTuple):
    """The recorded table, and the one-bit nets found by annealing, by (n, d, k)."""

    rows: pd.DataFrame
    nets: dict[Key, WithLinearNeuron]


def sample(n: int, d: int) -> tuple[Float[ndarray, "n d"], Float[ndarray, "n"]]:
    """The points and labels of the record: uniform on the sphere, fair random signs."""
    rng = np.random.default_rng([SEED, n, d])
    return data.sphere(n, d, rng), data.random_signs(n, rng)


def measure(
    *, rng: np.random.Generator | None = None, device: str = "cpu", n: int, d: int, **parameters
) -> dict:
    """One row of the table; the other parameters are the fields of `Row`. Fewer than 1000 points
    are a try, with fewer steps.

    `certified` uses the plain code, `certified_occam` the one that first tells how often each
    symbol occurs; both pay `ROW_BITS` more. lower ≤ Lip ≤ upper is the bracket over R^d;
    correlation is that of f(x_i) and y_i. Everything runs on the CPU. The generator that is handed
    in is not used: the row's own is as old as the record.
    """
    row, quick = Row(**parameters), n < 1000
    X, y = sample(n, d)
    rng = np.random.default_rng(
        [
            SEED,
            n,
            d,
            *row.method.encode(),
            row.k,
            row.bits,
            int(row.smooth * 100),
            int(row.prune * 100),
        ]
    )
    kept = ""
    if row.method == "linear":
        values, bracket, symbols = _linear(row, X, y)
        plain, occam = (
            len(symbols),
            enumerative_bits(symbols, (-1, 1) if row.prune == 0 else (-1, 0, 1)),
        )
        plain = occam if row.prune else plain
    elif row.method == "bumps":
        values, bracket, plain, occam = _bumps(row, X, y)
    elif row.method == "rounded relu":
        full = fit_two_layer(X, y, row.k, rng=rng, steps=100 if quick else 1500)[0]
        coarse, plain = rounded(full, row.bits)
        grids = np.column_stack([full.W, full.b]), full.a
        occam = sum(enumerative_bits(quantize(w, row.bits), levels(row.bits)) for w in grids)
        values, bracket = coarse(X), coarse.lipschitz()
    else:
        net: FewBitNet
        if row.method == "annealed":
            start = anneal_signs(X, y, row.k, rng=rng, sweeps=50 if quick else 1500)
            net = found = improve_signs(start, X, y)
            symbols = found.symbols
            kept = base64.b64encode(np.packbits(symbols > 0).tobytes()).decode()
        else:
            act: Activation = (
                "abs" if check.one_of(row.method, "method", ("relu", "abs")) == "abs" else "relu"
            )
            settings = {"bits": row.bits, "steps": 60 if quick else 800}
            net = fit_few_bits(
                X, y, row.k, rng=rng, activation=act, smooth=row.smooth, prune=row.prune, **settings
            )
            symbols = net.codes
        values, bracket = net(X), replace(net.two_layer, starts=X[:128]).lipschitz()
        plain, occam = net.bits, enumerative_bits(symbols, net.alphabet)
    return {
        "parameters": _parameters(row, n, d), "plain_bits": plain, "entropy_bits": occam,
        "correlation": round(float(np.corrcoef(values, y)[0, 1]), 4),
        "certified": _digits(bit_certificate(y, values, plain + ROW_BITS, d, DELTA)),
        "certified_occam": _digits(bit_certificate(y, values, occam + ROW_BITS, d, DELTA)),
        "lower": _digits(bracket.lower), "upper": _digits(bracket.upper, up=True),
        "net": kept or None,
    }  # fmt: skip


def _linear(row: Row, X: ndarray, y: ndarray) -> tuple[ndarray, Bracket, ndarray]:
    """The sign of each coordinate of Σ(y_i − ȳ)x_i, with the smallest of them set to 0: f = ⟨w, x⟩
    and Lip(f) = ‖w‖."""
    sums = X.T @ (y - y.mean())
    w = np.where(sums >= 0, 1, -1) * (np.abs(sums) >= np.quantile(np.abs(sums), row.prune))
    return X @ w, Bracket.exact(float(np.linalg.norm(w)), "norm of the weights"), w


def _bumps(row: Row, X: ndarray, y: ndarray) -> tuple[ndarray, Bracket, int, int]:
    """A cone of height y_i on each rounded point; the radius follows from the centres, and the
    class may depend on the labels."""
    codes = quantize(X, row.bits)
    f = Bumps.fit(codes / np.linalg.norm(codes, axis=1, keepdims=True), y)
    return (
        f(X),
        f.lipschitz(),
        row.bits * codes.size,
        enumerative_bits(codes, levels(row.bits)),
    )


def _parameters(row: Row, n: int, d: int) -> int:
    per_neuron = {"bumps": d + 1, "rounded relu": d + 2}.get(row.method, d)
    return row.k * per_neuron + (d if row.method == "annealed" else 0)


def _digits(value: float, up: bool = False) -> float:
    """Four decimals, rounded down, or up for an upper bound, so that what is written is still a
    bound."""
    return float((np.ceil if up else np.floor)(value * 1e4) / 1e4)


def load(folder: Path | None = None) -> Table:
    """The record in `folder`, by default the one in the repository.

    Raises FileNotFoundError, naming the command that makes it, if there is none.
    """
    rows = RECORD.load(folder)
    nets = {
        (row["n"], row["d"], row["k"]): _unpacked(row["d"], row["k"], row["net"])
        for row in rows
        if row["net"]
    }
    return Table(pd.DataFrame(rows).drop(columns="net"), nets)


def _unpacked(d: int, k: int, text: str) -> WithLinearNeuron:
    """One bit a weight: the rows q_1, …, q_k and then q_0."""
    bits = np.frombuffer(base64.b64decode(text), dtype=np.uint8)
    q = np.unpackbits(bits)[: (k + 1) * d].reshape(k + 1, d).astype(np.int64) * 2 - 1
    name = f"one-bit net of {k} absolute values and a linear neuron"
    return WithLinearNeuron(q[:k], levels(1), "abs", skip=q[k], name=name)


RECORD = Record(
    name="bit_certificate",
    summary="networks of a few bits, what the bit certificate says of them, and the bracket of "
    "their Lipschitz constant (chapter 7)",
    presets={preset: grid(sizes) for preset, sizes in SIZES.items()},
    seed=SEED,
    minutes={"quick": 0.1, "full": 12},
    needs=("torch",),
    row=measure,
    tolerance="annealed rows: exactly, to the digits written; trained rows: 5 % in certified, "
    "lower and upper",
)
run = RECORD.run
