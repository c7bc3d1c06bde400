"""What chapter 8 claims of mixtures, dimensions, classes and noise: the mathematics against closed
forms, the record against rows run again."""

import numpy as np
import pandas as pd
import pytest
from lawrob_utils.recorded.mnist_isoperimetry import dimensions as dimension

from lawrob_utils import data
from lawrob_utils.isoperimetry import distance_to_points
from lawrob_utils.recorded import mnist_isoperimetry as record

LAMBDAS = np.concatenate([s * np.geomspace(1e-3, 80, 2000) for s in (-1, 1)])
KEYS = ("what", "set", "part", "law", "function", "points", "measure", "estimator", "k")


def one(table, **conditions):
    """The only row with these values."""
    (row,) = (row for row in table if conditions.items() <= row.items())
    return row


def parameters(row):
    return {name: row[name] for name in KEYS if row.get(name) is not None}


@pytest.fixture(scope="module")
def table():
    return record.load()


# the mathematics ----------------------------------------------------------------------------------


@pytest.mark.parametrize("a", [0.5, 0.3, 0.1, 0.01])
def test_constant_of_two_shifted_gaussians_is_that_of_kearns_and_saul_and_lies_between_the_bounds(
    a,
):
    s2 = 0.1
    log_mgf = s2 * LAMBDAS**2 / 2 + np.logaddexp(
        np.log(a) + LAMBDAS * (1 - a), np.log(1 - a) - LAMBDAS * a
    )
    K2 = np.max(2 * log_mgf / LAMBDAS**2)
    exact = s2 + (0.25 if a == 0.5 else (1 - 2 * a) / (2 * np.log((1 - a) / a)))
    assert K2 == pytest.approx(exact, rel=1e-4)
    assert a * (1 - a) + s2 <= K2 * (1 + 1e-4) and K2 <= s2 + 0.25 + 1e-9


def test_curve_has_equal_eigenvalues_and_its_halves_are_as_far_apart_as_the_proof_says():
    m, h = 30, 0.4
    t = np.arange(4000) * 2 * np.pi / 4000
    waves = np.arange(1, m + 1) * t[:, None]
    X = np.hstack([np.cos(waves), np.sin(waves)]) / np.sqrt(m)
    assert np.linalg.eigvalsh(np.cov(X.T, bias=True)) == pytest.approx(
        np.full(2 * m, 1 / (2 * m)), rel=1e-9
    )
    f = distance_to_points(X[t <= np.pi])(X)
    inside = (t > np.pi + h) & (t < 2 * np.pi - h)
    assert (f[inside] ** 2 >= 2 - 1 / (m * np.sin(h / 2))).all()
    assert 1 / f.var() < 1 / (0.5 * (0.5 - h / np.pi) * (2 - 1 / (m * np.sin(h / 2))))
    assert dimension.stable_rank(X).value == pytest.approx(2 * m, rel=1e-6)


def test_diameter_bounds_the_constant_of_a_law_with_two_values():
    log_mgf = np.log(np.cosh(LAMBDAS / 2))  # ±½: diameter 1
    assert np.max(2 * log_mgf / LAMBDAS**2) == pytest.approx(0.25, rel=1e-4)


def test_a_share_of_wrong_labels_makes_at_most_the_noise_of_an_even_share_and_at_least_half_of_it():
    rng = np.random.default_rng(91)
    for _ in range(200):
        q = rng.beta(*rng.uniform(0.05, 2, 2), 1000) / 2  # P(y is not the likelier label | x)
        noise = np.mean(1 - (1 - 2 * q) ** 2)  # E Var(y|x) of labels ±1
        assert 0.5 * 4 * q.mean() * (1 - q.mean()) <= noise <= 4 * q.mean() * (1 - q.mean()) + 1e-12


def test_two_worlds_with_equal_noise_times_dimension_have_the_same_shortest_fit():
    rng, n, P = np.random.default_rng(90), 60, 150
    means = []
    for d, sigma2 in ((200, 0.8), (400, 0.4)):
        draws = []
        for _ in range(300):
            X, y = data.gaussian(n, d, rng)[:, :P], np.sqrt(sigma2) * data.random_signs(n, rng)
            draws.append(y @ np.linalg.solve(X @ X.T, y))
        means.append((np.mean(draws), np.std(draws) / np.sqrt(300)))
    for mean, error in means:
        assert abs(mean - 0.8 * n * 200 / (P - n - 1)) < 4 * error


# the experiment -----------------------------------------------------------------------------------


def test_every_function_that_is_tried_is_1_lipschitz_on_digits():
    rng = np.random.default_rng(91)
    choose, measure = record.halves("digits", "all", "data")
    A, B = measure, measure[rng.permutation(len(measure))]
    for name in record.FUNCTIONS:
        f = record.chosen(name, choose, rng)
        for C in (B, A + 1e-3 * rng.standard_normal(A.shape)):
            assert (
                np.abs(f(A) - f(C)) <= np.linalg.norm(A - C, axis=1) * (1 + 1e-9) + 1e-12
            ).all(), name


def test_halves_share_no_image_and_make_up_the_class():
    choose, measure = record.halves("digits", 3, "data")
    images = data.digits()
    ours = np.concatenate([choose, measure])
    assert sorted(map(tuple, ours)) == sorted(map(tuple, images.X[images.labels == 3]))


@pytest.mark.parametrize("law", ["gaussian", "sphere"])
def test_laws_to_compare_with_have_the_covariance_of_the_part(law, monkeypatch):
    X = np.concatenate(record.halves("digits", "all", "data"))
    draws = []
    for i in range(12):  # twelve samples of 1797
        monkeypatch.setattr(record, "SEED", i)
        record.halves.cache_clear()
        draws.append(np.concatenate(record.halves("digits", "all", law)))
    monkeypatch.undo()
    record.halves.cache_clear(), record._points.cache_clear()
    Z = np.concatenate(draws)
    assert Z.mean(axis=0) == pytest.approx(X.mean(axis=0), abs=0.02)
    difference = np.cov(Z.T) - np.cov(X.T)
    assert np.linalg.norm(difference, 2) < 0.05 * np.linalg.norm(np.cov(X.T), 2)


def test_clusters_split_the_variance_into_within_and_between():
    rng = np.random.default_rng(92)
    whole, ten = (record.clusters(rng=rng, set="digits", k=k) for k in (1, 10))
    assert whole["between"] == pytest.approx(0, abs=1e-9)
    assert whole["within"] == pytest.approx(
        dimension.total_variance(data.digits().X).value, rel=1e-4
    )
    assert ten["within"] < 0.6 * whole["within"] and ten["price"] == pytest.approx(
        np.sqrt(10 / 1797), rel=1e-3
    )
    assert ten["mean_lambda"] <= ten["value"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"what": "tails"}, "what = 'tails'"),
        (
            {"what": "tail", "set": "cifar", "part": 0, "law": "data", "function": "net"},
            "set = 'cifar'",
        ),
        (
            {"what": "tail", "set": "digits", "part": 10, "law": "data", "function": "net"},
            "part = 10",
        ),
        (
            {"what": "tail", "set": "digits", "part": 1, "law": "cauchy", "function": "net"},
            "law = 'cauchy'",
        ),
        (
            {"what": "tail", "set": "digits", "part": 1, "law": "data", "function": "sum"},
            "function = 'sum'",
        ),
        (
            {
                "what": "dimension",
                "set": "digits",
                "part": 1,
                "law": "data",
                "points": 0,
                "estimator": "box",
            },
            "estimator = 'box'",
        ),
        (
            {"what": "distance", "set": "digits", "points": 1797, "measure": "mean"},
            "measure = 'mean'",
        ),
    ],
)
def test_unknown_rows_are_refused_in_words(arguments, words):
    with pytest.raises(ValueError, match=words):
        record.row(rng=np.random.default_rng(0), **arguments)


def test_without_mnist_its_rows_say_how_to_get_it(monkeypatch):
    monkeypatch.setattr(data, "mnist_available", lambda: False)
    record._points.cache_clear()
    with pytest.raises(ValueError, match="MNIST is not here"):
        record.clusters(rng=np.random.default_rng(0), set="mnist", k=1)


# the record ---------------------------------------------------------------------------------------


def test_quick_rows_run_again_equal_the_record(table):
    for row in record.run("quick", progress=False):
        assert row["value"] == pytest.approx(one(table, **parameters(row))["value"], rel=0.03), (
            parameters(row)
        )


@pytest.mark.skipif(not data.mnist_available(), reason="MNIST is not here")
def test_some_rows_of_mnist_run_again_equal_the_record(table):
    from lawrob_utils.records import generator

    chosen = [
        {"what": "tail", "set": "mnist", "part": 4, "law": "data", "function": "direction 1"},
        {"what": "tail", "set": "mnist", "part": 4, "law": "data", "function": "net"},
        {
            "what": "dimension",
            "set": "mnist",
            "part": "all",
            "law": "data",
            "points": 1000,
            "estimator": "TwoNN",
        },
        {"what": "distance", "set": "mnist", "points": 3000, "measure": "neighbour_error"},
    ]
    for keys in chosen:
        again = record.row(rng=generator(record.SEED, keys), **keys)
        assert again["value"] == pytest.approx(one(table, **keys)["value"], rel=0.03), keys
    record._points.cache_clear(), record.halves.cache_clear()


def test_record_holds_every_row_of_its_grid_once(table):
    from lawrob_utils.records import points

    assert [parameters(row) for row in table] == [parameters(row) for row in points(record.FULL)]


def test_in_every_class_of_mnist_a_net_varies_more_than_every_linear_function(
    table,
):
    for part in range(10):
        for law, low, high in (("data", 1.02, 1.09), ("gaussian", 0.99, 1.003)):
            net, linear = (
                one(table, what="tail", set="mnist", part=part, law=law, function=f)["value"]
                for f in ("net", "direction 1")
            )
            assert low < net / linear < high


def test_no_tail_within_a_class_of_mnist_asks_for_more_than_a_fifth_above_the_top_variance(table):
    for part in range(10):
        own = {"what": "tail", "set": "mnist", "part": part, "law": "data"}
        rows = [row for row in table if own.items() <= row.items()]
        linear = next(r["value"] for r in rows if r["function"] == "direction 1")
        assert max(max(r["mgf"], r["tail_K"]) for r in rows) ** 2 < 1.2 * linear**2


def test_effective_dimension_is_below_the_stable_rank_everywhere(table):
    frame = pd.DataFrame(table)
    for name in ("digits", "mnist"):
        for part in ("all", *range(10)):
            K, _ = record.scale(frame, name, part)
            own = {"what": "dimension", "set": name, "part": part, "law": "data"}
            rows = {
                r["estimator"]: r
                for r in table
                if own.items() <= r.items() and r["n"] > 100 and r["points"] in (0, 10_000)
            }
            d = dimension.dimension_of_scale(rows["variance"]["value"], K)
            assert d.value < rows["stable rank"]["value"] + 3 * np.hypot(
                d.error, rows["stable rank"]["error"]
            )


def test_scale_is_the_spread_of_the_function_that_spread_most_on_the_other_half(table):
    K, by = record.scale(pd.DataFrame(table), "mnist", 3)
    own = {"what": "tail", "set": "mnist", "part": 3, "law": "data"}
    rows = {row["function"]: row for row in table if own.items() <= row.items()}
    steep = rows.pop("set"), rows.pop("two sets")  # on the half that they were made from
    assert all(rows[by]["std_choose"] >= row["std_choose"] for row in rows.values()) and steep
    assert (K.value, K.error) == (rows[by]["value"], rows[by]["error"])


def test_scale_of_a_part_that_was_not_measured_is_refused(table):
    with pytest.raises(ValueError, match="no such tails"):
        record.scale(pd.DataFrame(table), "cifar", 0)
