"""The record of chapter 7: what is stored is what the stored nets give, and running a row again
gives it again."""

import itertools
import math
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")

from lawrob_utils.recorded.bit_certificate.annealing import (  # noqa: E402
    WithLinearNeuron,
    anneal_signs,
    improve_signs,
)

from lawrob_utils import data  # noqa: E402
from lawrob_utils.law import bit_certificate, certified_lipschitz  # noqa: E402
from lawrob_utils.recorded import bit_certificate as record  # noqa: E402

FOLDER = Path(__file__).parents[1] / "book" / "recorded" / "bit_certificate"
TABLE = record.load(FOLDER)
ROWS = TABLE.rows.to_dict("records")


def select(rows, **conditions):
    return [row for row in rows if all(row[name] == value for name, value in conditions.items())]


def test_record_is_small_complete_and_its_rows_fit_into_the_bits_that_name_them():
    assert sum(f.stat().st_size for f in FOLDER.glob("*.*[!y]")) < 60_000
    assert len(ROWS) == 4 * 37 <= 2 ** (record.ROW_BITS - 1)
    assert set(TABLE.nets) == {(n, d, k) for n, d in record.SIZES["full"] for k in (1, 2, 4, 8, 16)}


def test_no_row_has_a_certificate_above_its_bracket():
    for row in ROWS:
        assert (
            max(row["certified"], row["certified_occam"])
            <= row["lower"]
            <= row["upper"]
            <= 1.1 * row["lower"]
        )


def test_networks_scaled_by_least_squares_have_the_squared_correlation_as_their_fit():
    for row in ROWS:
        if row["method"] in ("relu", "abs", "annealed"):
            n, d, bits = row["n"], row["d"], row["plain_bits"] + record.ROW_BITS
            spread = record.sample(n, d)[1].std()
            fit = row["correlation"] ** 2 * spread
            formula = certified_lipschitz(n, d, bits, fit=fit, delta=record.DELTA)
            assert row["certified"] == pytest.approx(formula, rel=1e-3)


@pytest.mark.parametrize("key", [(1000, 100, 4), (2000, 400, 16), (4000, 400, 8)])
def test_recorded_certificates_and_brackets_are_those_of_the_stored_nets(key):
    n, d, k = key
    X, y = record.sample(n, d)
    (row,) = select(ROWS, n=n, d=d, k=k, method="annealed")
    net = TABLE.nets[key].fitted(X, y)
    assert net.n_parameters == row["parameters"] == (k + 1) * d == row["plain_bits"]
    certified = bit_certificate(y, net(X), net.bits + record.ROW_BITS, d, record.DELTA)
    assert 0 <= certified - row["certified"] < 1.1e-4
    upper = net.lipschitz().upper
    assert upper == pytest.approx(row["upper"], rel=1e-4)
    fit = float((y - y.mean()) @ net(X)) / math.sqrt(n * ((y - y.mean()) ** 2).sum())
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
    again = record.measure(n=1000, d=100, **row._asdict())
    (stored,) = select(ROWS, n=1000, d=100, **row._asdict())
    for name in ("correlation", "certified", "certified_occam", "lower", "upper"):
        assert again[name] == pytest.approx(stored[name], rel=rel, abs=2e-4)
    if row.method == "annealed":
        net = record._unpacked(100, row.k, again["net"])
        np.testing.assert_array_equal(net.codes, TABLE.nets[1000, 100, row.k].codes)


def test_quick_preset_records_nets_that_can_be_read_back(tmp_path):
    rows = record.RECORD.run("quick", tmp_path, progress=False)
    got = record.load(tmp_path)
    assert len(rows) == len(got.rows) == 37 and set(got.nets) == {
        (200, 40, k) for k in (1, 2, 4, 8, 16)
    }
    X, y = record.sample(200, 40)
    for key, net in got.nets.items():
        (row,) = select(got.rows.to_dict("records"), k=key[2], method="annealed")
        assert net.fitted(X, y).lipschitz().upper == pytest.approx(row["upper"], rel=1e-4)


def test_missing_record_and_unknown_preset_are_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="python -m lawrob_utils.records bit_certificate"):
        record.load(tmp_path)
    with pytest.raises(ValueError, match="preset = 'huge'"):
        record.RECORD.run("huge", tmp_path)


# ---------------------------------------------------------------------------------- the annealer


def random_net(seed, k=4, d=5):
    q, scales = np.random.default_rng(seed).choice([-3, -1, 1, 3], (k + 1, d)), (0.3, 0.1)
    return WithLinearNeuron(q[:k], (-3, -1, 1, 3), "abs", *scales, skip=q[k], skip_weight=0.7)


def test_net_with_a_linear_neuron_is_its_formula():
    net, X = random_net(1), np.random.default_rng(2).standard_normal((30, 5))
    hidden = np.abs(X @ net.codes.T) @ [1, 1, -1, -1]
    np.testing.assert_allclose(net(X), 0.1 + 0.3 * (hidden + 0.7 * X @ net.skip), atol=1e-12)
    assert net.n_parameters == 25 and net.bits == 50


def test_bracket_of_a_net_with_a_linear_neuron_contains_the_steepest_of_all_sign_patterns():
    for seed in range(10):
        net, a = random_net(seed), 0.3 * np.array([1, 1, -1, -1])
        truth = max(
            np.linalg.norm((np.array(s) * a) @ net.codes + 0.3 * 0.7 * net.skip)
            for s in itertools.product([-1, 1], repeat=4)
        )  # without biases and with independent rows every sign pattern occurs
        bracket = net.lipschitz()
        assert bracket.lower <= truth * (1 + 1e-9) <= bracket.upper * (1 + 2e-9)
        assert bracket.ratio < 1.05


def test_annealing_reaches_the_ground_state_of_one_neuron_up_to_some_percent():
    """Σ(y−ȳ)|⟨q,x⟩|/√(nd) is at most about √(1/π)·√2·0.7632 = 0.609 (the Sherrington–Kirkpatrick
    model), a little more for finite d."""
    rng = np.random.default_rng(4)
    X, y = data.sphere(3000, 150, rng), data.random_signs(3000, rng)
    net = improve_signs(anneal_signs(X, y, 1, rng=rng, skip=False), X, y)
    reached = (y - y.mean()) @ np.abs(X @ net.codes[0]) / math.sqrt(3000 * 150)
    assert 0.54 < reached < 0.68


def test_annealed_rows_are_nearly_orthogonal_and_the_linear_neuron_is_the_best_sign_vector():
    rng = np.random.default_rng(5)
    X, y = data.sphere(1000, 100, rng), data.random_signs(1000, rng)
    net = anneal_signs(X, y, 4, rng=rng)
    overlaps = net.codes @ net.codes.T / 100 - np.eye(4)
    assert np.abs(overlaps).max() < 0.3
    np.testing.assert_array_equal(net.skip, np.where(X.T @ (y - y.mean()) >= 0, 1, -1))


def test_flips_of_single_signs_raise_what_the_certificate_needs():
    rng = np.random.default_rng(6)
    X, y = data.sphere(600, 60, rng), data.random_signs(600, rng)
    net = anneal_signs(X, y, 3, rng=rng, sweeps=20)
    better = improve_signs(net, X, y)

    def merit(f):
        return bit_certificate(y, f(X), 240, 60) / f.lipschitz().upper

    assert merit(better) >= merit(net)
    assert (better.skip == net.skip).all()


def test_nonlinear_one_bit_net_comes_within_a_factor_two_of_its_certificate():
    rng = np.random.default_rng(7)
    X, y = data.sphere(2000, 200, rng), data.random_signs(2000, rng)
    net = improve_signs(anneal_signs(X, y, 2, rng=rng), X, y)
    assert 1.3 < net.lipschitz().upper / bit_certificate(y, net(X), net.bits, 200) < 2


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: anneal_signs(np.ones((2, 2)), np.ones(2), 1, rng=0), "rng = 0"),
        (
            lambda: anneal_signs(np.ones((2, 2)), np.ones(3), 1, rng=np.random.default_rng(0)),
            "y has 3 entries",
        ),
        (
            lambda: anneal_signs(
                np.ones((2, 2)), np.ones(2), 1, rng=np.random.default_rng(0), sweeps=1
            ),
            "sweeps = 1",
        ),
        (
            lambda: improve_signs(
                WithLinearNeuron(np.array([[1, 3]]), (-3, -1, 1, 3)), np.ones((2, 2)), np.ones(2)
            ),
            "activation 'abs' and the alphabet",
        ),
        (lambda: WithLinearNeuron(np.array([[1]]), (-1, 1), skip=[1, 1]), "skip has 2 entries; 1"),
        (lambda: WithLinearNeuron(np.array([[1]]), (-1, 1), skip=[2]), "skip = .2.; integers of"),
    ],
)
def test_bad_arguments_of_the_search_are_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
