"""The experiment robust_fit: its data are what it says, its record obeys the theorem and counts its
bits, and rows come out again."""

import numpy as np
import pandas as pd
import pytest

pytest.importorskip("torch")

from lawrob_utils.recorded.robust_fit.nets import grouped_caps

from lawrob_utils import data, law
from lawrob_utils.recorded import robust_fit
from lawrob_utils.records import find, generator, points


@pytest.fixture(scope="module")
def table():
    return robust_fit.load()


def again(row):
    """The row of the table, computed once more."""
    parameters = {
        name: row[name] for axes in robust_fit.FULL for name in axes if row[name] is not None
    }
    return robust_fit.row(rng=generator(robust_fit.SEED, parameters), **parameters)


def test_sphere_samples_are_balanced_unit_and_the_same_for_every_radius_and_method():
    X, y = robust_fit.sample(data="sphere", n=60, d=9, seed=3)
    assert np.allclose(np.linalg.norm(X, axis=1), 1)
    assert y.sum() == 0
    assert np.array_equal(robust_fit.sample(data="sphere", n=60, d=9, seed=3)[0], X)
    assert not np.array_equal(robust_fit.sample(data="sphere", n=60, d=9, seed=4)[0], X)


def test_subspheres_have_as_many_dimensions_as_they_say():
    X, y = robust_fit.sample(data="subsphere", n=60, d=40, seed=0, kappa=7)
    assert np.linalg.matrix_rank(X) == 7
    assert np.allclose(np.linalg.norm(X, axis=1), 1)
    assert y.sum() == 0


@pytest.mark.parametrize("flip", [0.0, 0.02, 0.1, 0.5])
def test_clusters_have_the_noise_they_say_and_a_signal_with_margin_one_half(flip):
    X, y = robust_fit.sample(data="clusters", n=400, d=30, seed=0, flip=flip)
    s = np.sign(X[:, 0])
    assert np.allclose(np.abs(X[:, 0]), 0.5)
    assert np.allclose(np.linalg.norm(X, axis=1), 1)
    for side in (1, -1):
        assert (y[s == side] != side).mean() == pytest.approx(flip)
        assert y[s == side].var() == pytest.approx(4 * flip * (1 - flip))


def test_digits_are_centred_and_of_mean_square_norm_one_and_components_lose_what_pca_says():
    images = data.digits().X
    whole = robust_fit.sample(data="digits", n=1796, d=64, seed=0)[0]
    assert (whole**2).sum(axis=1).mean() == pytest.approx(1, abs=2e-3)
    few = robust_fit.sample(data="digits", n=1796, d=10, seed=0)[0]
    spectrum = np.linalg.svd(images - images.mean(axis=0), compute_uv=False) ** 2
    assert (few**2).sum(axis=1).mean() == pytest.approx(
        spectrum[:10].sum() / spectrum.sum(), abs=2e-3
    )


def test_a_row_on_digits_needs_no_download():
    row = robust_fit.row(rng=np.random.default_rng(0), data="digits", n=40, d=64, r=0.05, seed=0)
    assert row["k"] >= 1 and row["robust"] >= 0.98


@pytest.mark.parametrize(
    ("change", "says"),
    [({"n": 5}, "n = 5"), ({"data": "cubes"}, "cubes"), ({"data": "digits", "n": 2000}, "n = 2000"),
    ({"data": "digits", "d": 65}, "d = 65"),
     ({"data": "subsphere"}, "kappa"), ({"data": "clusters", "flip": -0.1}, "flip"),
     ({"method": "guess"}, "method"), ({"r": -1.0}, "r = -1")],
)  # fmt: skip
def test_wrong_parameters_are_refused_by_name(change, says):
    with pytest.raises(ValueError, match=says):
        robust_fit.row(
            rng=np.random.default_rng(0), **{"n": 20, "d": 8, "r": 0.1, "seed": 0, **change}
        )


def test_the_record_is_that_of_the_grid(table):
    grid = points(robust_fit.FULL)
    names = list(dict.fromkeys(name for p in grid for name in p))
    assert [{name: p.get(name) for name in names} for p in grid] == [
        {name: row[name] for name in names} for row in table
    ]


def test_bits_and_parameters_follow_from_the_width(table):
    for row in table:
        if row["k"] is None or row["method"] == "linear":
            continue
        k, d, b = row["k"], row["d"], row["bits"]
        assert row["parameters"] == (k * d + 2 if row["method"] == "caps" else k * (d + 2) + 1)
        assert row["total_bits"] == (b * k * d + 64 + robust_fit.CHOICE_BITS if b else None)
        if row["method"] is None and row["below"] is not None:
            assert row["below"] < k <= np.ceil(row["below"] * 2**0.125) + 1


def test_no_recorded_network_beats_the_theorem(table):
    seen = 0
    for row in table:
        if row["data"] or not row["total_bits"] or row["n"] % 2:
            continue
        for r, eta in ((row["radius_proved"], 0.02), (row["r"], 1 - (row["harder"] or 0.98))):
            assert row["total_bits"] >= law.robust_bits(row["n"], row["d"], r, eta=max(eta, 0)), row
            seen += 1
    assert seen > 200


def test_certificates_do_not_contradict_the_attacks(table):
    for row in table:
        if row["method"] is None and row["k"]:
            if row["radius_proved"] >= row["r"]:
                assert (
                    min(row["robust"], row["harder"], row["pgd"]) >= (row["share"] or 0.98) - 1e-9
                )
            assert row["robust"] >= (row["share"] or 0.98) - 1e-9


def test_caps_come_out_again_from_their_definition(table):
    wanted = {"method": "caps", "n": 100, "d": 160, "r": 0.14, "seed": 0}
    rows = [row for row in table if wanted.items() <= row.items()]
    assert {row["bits"] for row in rows} == {0, 1, 2}
    for row in rows:
        X, y = robust_fit.sample(data="sphere", n=100, d=160, seed=0)
        assert grouped_caps(X, y, row["k"], bits=row["bits"], share=0.98).radius >= 0.14
        assert again(row)["k"] == row["k"]


@pytest.mark.parametrize("bits", [0, 1])
def test_a_cheap_trained_row_comes_out_again(table, bits):
    usual = dict.fromkeys(("data", "method", "effort", "start"))
    cell = {**usual, "n": 100, "d": 80, "r": 0.14, "seed": 0, "bits": bits}
    (row,) = (row for row in table if cell.items() <= row.items())
    fresh = again(row)
    assert abs(np.log(fresh["k"] / row["k"])) < 0.3  # other processors: a few rungs
    assert fresh["reach"] == pytest.approx(row["reach"], abs=2e-4)


def test_the_quick_preset_runs_and_finds_more_bits_than_the_theorem_asks_for():
    rows = find("robust_fit").run("quick", progress=False)
    assert len(rows) == len(points(robust_fit.QUICK))
    for row in rows:
        if row["total_bits"]:
            assert row["total_bits"] > law.robust_bits(row["n"], row["d"], row["r"], eta=0.1)


def frame(**columns):
    return pd.DataFrame({name: np.atleast_1d(values) for name, values in columns.items()})


SPHERES = frame(kappa=[8, 16, 32, 64], k=300 / np.array([8, 16, 32, 64]))


def test_a_sphere_has_its_own_dimension_and_what_lies_outside_the_spheres_is_0_or_infinite():
    for k, kappa in ((300 / 20, 20), (2, np.inf), (99, 0)):
        found = robust_fit.dimension_of_width(frame(k=[k] * 3), SPHERES, draws=20)
        assert found.value == pytest.approx(kappa)
        assert found.interval == pytest.approx((kappa, kappa)) and found.error == 0


def test_interval_of_a_dimension_covers_the_truth_when_widths_scatter():
    rng, kappas, covered = np.random.default_rng(5), np.repeat([8, 16, 32, 64], 3), 0
    for _ in range(60):
        k = 300 / kappas * np.exp(0.1 * rng.standard_normal(kappas.size))
        images = frame(k=300 / 20 * np.exp(0.1 * rng.standard_normal(5)))
        found = robust_fit.dimension_of_width(images, frame(kappa=kappas, k=k), draws=100)
        low, high = found.interval
        assert low <= high and found.error == pytest.approx((high - low) / 2)
        covered += low <= 20 <= high
    assert 36 <= covered <= 60  # three to five draws: a bootstrap is a little too narrow


@pytest.mark.parametrize(
    ("images", "spheres"),
    [
        (frame(k=[]), SPHERES),
        (frame(k=[9.0]), frame(kappa=[8, 8], k=[3, 2])),
        (frame(k=[np.nan]), SPHERES),
        (frame(k=[9.0]), frame(kappa=[8, 9], k=[3, np.nan])),
        (frame(k=[9.0]), frame(kappa=[8, 9], k=[3, 0])),
    ],
)
def test_dimension_of_width_refuses_what_it_cannot_compare(images, spheres):
    with pytest.raises(ValueError, match="needed"):
        robust_fit.dimension_of_width(images, spheres)
