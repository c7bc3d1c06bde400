"""The record of chapter 7: what is stored is what the stored nets give, and running a row again gives it again."""

import csv
import json
import math
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")

from lawrob_utils.experiments import bit_certificate as record  # noqa: E402
from lawrob_utils.law import bit_certificate  # noqa: E402

FOLDER = Path(__file__).parents[1] / "book" / "recorded" / "bit-certificate"
TABLE = record.load(FOLDER)


def test_record_is_small_complete_and_its_rows_fit_into_the_bits_that_name_them():
    assert sum(f.stat().st_size for f in FOLDER.iterdir()) < 60_000
    wanted = {(n, d, *row) for n, d in record.SIZES["full"] for row in record.rows(n, d)}
    assert {record._key(row) for row in TABLE.table} == wanted and len(TABLE.table) == len(wanted)
    assert len(wanted) <= 2 ** (record.ROW_BITS - 1)
    about = json.loads((FOLDER / "provenance.json").read_text())
    assert about["seed"] == record.SEED and about["settings"]["row_bits"] == record.ROW_BITS


def test_no_row_has_a_certificate_above_its_bracket():
    for row in TABLE.table:
        assert max(row["certified"], row["certified_occam"]) <= row["lower"] <= row["upper"] <= 1.1 * row["lower"]


@pytest.mark.parametrize("key", [(1000, 100, 4), (2000, 400, 16), (4000, 400, 8)])
def test_recorded_certificates_and_brackets_are_those_of_the_stored_nets(key):
    n, d, k = key
    X, y = record.sample(n, d)
    (row,) = TABLE.select(n=n, d=d, k=k, method="annealed")
    net = TABLE.nets[key].fitted(X, y)
    assert net.n_parameters == row["parameters"] == (k + 1) * d == row["plain_bits"]
    certified = bit_certificate(y, net.predict(X), net.bits + record.ROW_BITS, d, record.DELTA)
    assert 0 <= certified - row["certified"] < 1.1e-4
    upper = net.lipschitz(X[:128]).upper
    assert upper == pytest.approx(row["upper"], rel=1e-4)
    fit = float((y - y.mean()) @ net.predict(X)) / math.sqrt(n * ((y - y.mean()) ** 2).sum())
    nats = (net.bits + 9) * math.log(2) + math.log(100)
    assert certified == pytest.approx(fit * math.sqrt(n * (d - 1) / (2 * nats)), rel=1e-12)


@pytest.mark.parametrize(
    ("row", "rel"),
    [
        (record.Row("linear", 1, 1, prune=0.9), 1e-4),
        (record.Row("bumps", 1000, 3), 1e-4),
        (record.Row("annealed", 2, 1), 1e-4),
        (record.Row("abs", 16, 1, 3.0), 0.05),
    ],
)
def test_rows_are_reproduced_when_they_are_run_again(row, rel):
    X, y = record.sample(1000, 100)
    again, net = record.measure(row, X, y)
    (stored,) = [line for line in TABLE.select(n=1000, d=100) if record._key(line)[2:] == tuple(row)]
    for name in ("correlation", "certified", "certified_occam", "lower", "upper"):
        assert again[name] == pytest.approx(stored[name], rel=rel, abs=2e-4)
    if net is not None:
        np.testing.assert_array_equal(net.codes, TABLE.nets[1000, 100, row.k].codes)


def test_a_run_goes_on_where_it_was_stopped(tmp_path, monkeypatch):
    done = record.run(tmp_path, "quick")
    lines = (tmp_path / "results.csv").read_text().splitlines()
    (tmp_path / "results.csv").write_text("\n".join(lines[:-3]) + "\n")
    measured = []
    original = record.measure
    monkeypatch.setattr(record, "measure", lambda row, *a, **k: measured.append(row) or original(row, *a, **k))
    again = record.run(tmp_path, "quick")
    assert len(measured) == 3
    different = [key for key in record.COLUMNS if key != "seconds"]
    assert [[row[c] for c in different] for row in again.table] == [[row[c] for c in different] for row in done.table]
    with (tmp_path / "results.csv").open() as file:
        assert tuple(next(csv.reader(file))) == record.COLUMNS


def test_missing_record_and_unknown_preset_are_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="python -m lawrob_utils.experiments bit-certificate"):
        record.load(tmp_path)
    with pytest.raises(ValueError, match="preset = 'huge'"):
        record.run(tmp_path, "huge")
