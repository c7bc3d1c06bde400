"""Dimensions against closed forms (spheres, cubes, Gaussians with a known spectrum), brute force, and scikit-dimension."""

import importlib.util
import json
import sys
import types
from pathlib import Path

import numpy as np
import pytest
from scipy.spatial import cKDTree
from scipy.spatial.distance import cdist
from sklearn.neighbors import KNeighborsClassifier

from lawrob_utils import data
from lawrob_utils import dimension as dim
from lawrob_utils.isoperimetry import Estimate, coordinate, hamming_family

ORACLE = Path(__file__).parent / "oracles" / "scikit_dimension.py"


@pytest.fixture(scope="module")
def oracle():
    """The clouds of the oracle script and the values that scikit-dimension gave for them."""
    spec = importlib.util.spec_from_file_location("oracle_clouds", ORACLE)
    module = importlib.util.module_from_spec(spec)
    before = sys.modules.get("skdim")
    sys.modules["skdim"] = types.ModuleType("skdim")  # the recipe of the clouds does not use it
    try:
        spec.loader.exec_module(module)
    finally:
        sys.modules.pop("skdim") if before is None else sys.modules.update(skdim=before)
    return module.clouds(), json.loads(ORACLE.with_suffix(".json").read_text())["clouds"]


def within(estimate, truth, errors=4.0):
    return abs(estimate.value - truth) <= errors * estimate.error


# covariance -----------------------------------------------------------------------------------------------------------


def test_neighbour_estimators_and_participation_ratio_equal_scikit_dimension(oracle):
    for name, X in oracle[0].items():
        T, truth = dim.neighbour_distances(X, 20), oracle[1][name]
        assert dim.two_nn(T).value == pytest.approx(truth["TwoNN"], rel=1e-9)
        assert dim.participation_ratio(X).value == pytest.approx(
            truth["participation ratio"], rel=1e-9
        )
        for k in (3, 5, 10, 20):
            assert dim.levina_bickel(T, k).value == pytest.approx(
                truth[f"Levina-Bickel {k}"], rel=1e-9
            )


def test_gaussian_with_known_spectrum_has_the_ranks_of_its_spectrum_and_the_errors_are_those_of_repetition():
    rng, spectrum = np.random.default_rng(0), np.array([2.0, 1.0, 0.5, 0.25, 0.25])
    truth = {
        dim.stable_rank: spectrum.sum() / 2,
        dim.participation_ratio: spectrum.sum() ** 2 / (spectrum**2).sum(),
        dim.total_variance: spectrum.sum(),
    }
    draws = [
        rng.standard_normal((1000, 5))
        * np.sqrt(spectrum)
        @ np.linalg.qr(rng.standard_normal((9, 5)))[0].T
        for _ in range(150)
    ]
    for estimate, exact in truth.items():
        found = [estimate(X) for X in draws]
        values, errors = np.array([e.value for e in found]), np.array([e.error for e in found])
        assert values.mean() == pytest.approx(exact, rel=0.01)
        assert errors.mean() == pytest.approx(values.std(), rel=0.2)


def test_a_sphere_in_a_subspace_has_the_ranks_of_the_subspace():
    rng = np.random.default_rng(1)
    X = data.sphere_in_subspace(20_000, data.random_subspace(200, 6, rng), rng)
    assert dim.participation_ratio(X).value == pytest.approx(6, rel=0.01)
    assert 5.8 < dim.stable_rank(X).value <= 6  # λ_max of a sample is too large
    assert dim.total_variance(X).value == pytest.approx(1, rel=1e-3)


def test_ranks_do_not_depend_on_which_of_n_and_d_is_larger():
    rng = np.random.default_rng(2)
    X = rng.standard_normal((80, 70)) * np.linspace(1, 3, 70)
    wide = np.hstack([X, np.zeros((80, 30))])
    for estimate in (dim.stable_rank, dim.participation_ratio):
        a, b = estimate(X), estimate(wide)
        assert (a.value, a.error) == pytest.approx((b.value, b.error), rel=1e-8)


# neighbours -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shift", [0.0, 1e6])
def test_neighbour_distances_equal_those_of_a_tree_even_far_from_the_origin(shift):
    X = np.random.default_rng(3).standard_normal((700, 5)) + shift
    assert dim.neighbour_distances(X, 6) == pytest.approx(
        cKDTree(X).query(X, 7)[0][:, 1:], rel=1e-9
    )


def test_two_nn_and_levina_bickel_find_the_dimension_of_their_own_model_and_its_error():
    rng, m = np.random.default_rng(4), 7.5
    twos, bickels = [], []
    for _ in range(
        100
    ):  # (volumes of balls around a point that reach the neighbours) are the times of a Poisson process
        T = np.cumsum(rng.exponential(size=(500, 10)), axis=1) ** (1 / m)
        twos.append(dim.two_nn(T)), bickels.append(dim.levina_bickel(T))
    for found, tolerance in ((twos, 0.02), (bickels, 0.005)):
        values = np.array([e.value for e in found])
        assert values.mean() == pytest.approx(m, rel=tolerance)
        assert np.mean([e.error for e in found]) == pytest.approx(values.std(), rel=0.25)


@pytest.mark.parametrize("k", [2, 3, 5])
def test_spheres_and_cubes_in_a_larger_space_have_their_own_dimension(k):
    rng, tolerance = (
        np.random.default_rng(5),
        0.02 * k + 0.03,
    )  # curvature and edges count more in higher dimensions
    for X in (
        data.sphere_in_subspace(4000, data.random_subspace(50, k + 1, rng), rng),
        rng.random((4000, k)) @ data.random_subspace(50, k, rng).T,
    ):
        T = dim.neighbour_distances(X, 5)
        assert dim.two_nn(T).value == pytest.approx(k, rel=tolerance)
        assert dim.levina_bickel(T).value == pytest.approx(k, rel=tolerance)


def test_a_gaussian_of_full_dimension_looks_low_dimensional_to_its_neighbours():
    X = np.random.default_rng(6).standard_normal((2000, 200)) * 0.9 ** np.arange(200)
    T = dim.neighbour_distances(X, 10)
    assert dim.two_nn(T).value < 40 and dim.levina_bickel(T).value < 40


# functions, K, δ -------------------------------------------------------------------------------------------------------


def chosen(X, rng):
    half = X[X[:, 0] < np.median(X[:, 0])]
    return (
        dim.widest_linear(X), dim.widest_linear(X, 2), dim.widest_cone(X), dim.widest_net(X, rng, width=6, steps=60),
        dim.distance_to_set(half), dim.signed_distance(half, X[X[:, 0] > 1]),
    )  # fmt: skip


def test_every_chosen_function_is_1_lipschitz_on_random_pairs_near_and_far():
    rng = np.random.default_rng(7)
    X = rng.standard_normal((300, 8)) * np.arange(1, 9)[::-1]
    A = np.concatenate([X, 30 * rng.standard_normal((300, 8))])
    for size in (1e-4, 1.0, 50.0):
        B = A + size * rng.standard_normal(A.shape)
        for f in chosen(X, rng):
            assert (
                np.abs(f(A) - f(B)) <= np.linalg.norm(A - B, axis=1) * (1 + 1e-9) + 1e-9
            ).all(), f.name


def test_no_function_varies_more_on_a_gaussian_than_its_top_direction_and_the_net_comes_near():
    rng = np.random.default_rng(8)
    spread = np.array([3.0, 2.0, 1.5, 1.0, 1.0, 0.5])
    choose, measure = (rng.standard_normal((3000, 6)) * spread for _ in range(2))
    for f in chosen(choose, rng):
        assert f(measure).std() <= 3 * 1.04, f.name
    assert dim.widest_net(choose, rng, width=6)(measure).std() > 2.9
    assert dim.widest_linear(choose)(measure).std() > 2.9


def test_net_and_cone_beat_every_linear_function_where_spread_is_radial():
    rng = np.random.default_rng(9)
    arms = np.repeat(np.vstack([np.eye(4), -np.eye(4)]), 200, axis=0)
    X = 3 * arms * rng.integers(0, 2, (1600, 1)) + 0.05 * rng.standard_normal((1600, 4))
    linear = dim.widest_linear(X)(X).std()
    assert dim.widest_net(X, rng, width=4)(X).std() > 1.03 * linear
    assert dim.widest_cone(X)(X).std() > 1.1 * linear
    assert np.linalg.norm(X, axis=1).std() > 1.3 * linear  # neither is the best there is


def test_gradient_of_the_net_is_that_of_finite_differences():
    rng = np.random.default_rng(11)
    H = rng.standard_normal((40, 4))
    parts = [rng.standard_normal(s) for s in ((4, 4), (4, 4), (4,), (4,), (1, 4))]
    gradients = dim._net_gradient(H, parts, 2)
    for i, g in enumerate(gradients):
        step = rng.standard_normal(g.shape)
        up, down = (
            [p + s * 1e-6 * step if j == i else p for j, p in enumerate(parts)] for s in (1, -1)
        )
        difference = (
            dim._net_values(H, up, 2)[-1].var() - dim._net_values(H, down, 2)[-1].var()
        ) / 2e-6
        assert (g * step).sum() == pytest.approx(difference, rel=1e-5, abs=1e-7)


def test_choosing_on_one_half_and_measuring_on_the_other_does_not_bias_the_scale():
    rng = np.random.default_rng(12)
    functions = [
        coordinate(j) for j in range(200)
    ]  # all have spread 1; the largest of 200 samples is 1.2
    scales = []
    for _ in range(40):
        X = rng.standard_normal((200, 200))
        scales.append(dim.lipschitz_scale(functions, X[:100], X[100:]).K)
    values = np.array([s.value for s in scales])
    assert abs(values.mean() - 1) < 4 * values.std() / np.sqrt(len(values))
    assert np.mean([s.error for s in scales]) == pytest.approx(values.std(), rel=0.35)
    assert dim.lipschitz_scale(functions, X, X).K.value > 1.1


def test_effective_dimension_of_the_sphere_is_d_by_the_trace_and_2d_by_the_distance():
    rng, d = np.random.default_rng(13), 20
    X = data.sphere(20_000, d, rng)
    K = dim.lipschitz_scale([coordinate(0)], X[:100], X).K
    by_trace = dim.effective_dimension(dim.total_variance(X), K)
    assert within(by_trace, d)
    labels = np.arange(len(X)) % 2
    assert within(dim.effective_dimension(dim.squared(dim.separation(X, labels).typical), K), 2 * d)


def test_effective_dimension_has_the_error_of_a_simulation():
    rng = np.random.default_rng(14)
    found = dim.effective_dimension(Estimate(5.0, 0.1), Estimate(2.0, 0.03))
    simulated = (5 + 0.1 * rng.standard_normal(10**6)) / (
        2 + 0.03 * rng.standard_normal(10**6)
    ) ** 2
    assert (found.value, found.error) == pytest.approx(
        (simulated.mean(), simulated.std()), rel=0.02
    )


def test_d_eff_by_the_top_direction_is_the_stable_rank():
    X = data.digits().X
    K = dim.widest_linear(X)(X).std()
    assert dim.effective_dimension(dim.total_variance(X), Estimate(K, 0.0)).value == pytest.approx(
        dim.stable_rank(X).value, rel=1e-9
    )


def test_separation_equals_brute_force():
    rng = np.random.default_rng(15)
    X, labels = 3 + rng.standard_normal((1300, 4)), rng.integers(0, 3, 1300)
    found, D = dim.separation(X, labels), cdist(X, X)
    between = labels[:, None] != labels
    assert found.typical.value == pytest.approx(np.sqrt((D[between] ** 2).mean()), rel=1e-9)
    nearest = np.where(between, D, np.inf).min(axis=1)
    assert found.median_nearest.value == pytest.approx(np.median(nearest), rel=1e-9)
    assert found.minimum == pytest.approx(nearest.min(), rel=1e-9)
    np.fill_diagonal(D, np.inf)
    wrong = np.mean(labels[D.argmin(axis=1)] != labels)
    assert found.neighbour_error.value == pytest.approx(wrong)


def test_neighbour_error_on_digits_is_that_of_scikit_learn_with_the_point_left_out():
    images = data.digits()
    neighbours = (
        KNeighborsClassifier(1, algorithm="brute")
        .fit(images.X, images.labels)
        .kneighbors(n_neighbors=1)[1][:, 0]
    )
    wrong = np.mean(images.labels[neighbours] != images.labels)
    assert dim.separation(images.X, images.labels).neighbour_error.value == pytest.approx(
        wrong, abs=1e-12
    )


def test_error_of_the_typical_distance_is_that_of_repetition_and_those_of_neighbours_at_least_half_of_it():
    rng = np.random.default_rng(16)
    found = []
    for _ in range(100):
        labels = rng.integers(0, 2, 300)
        found.append(dim.separation(rng.standard_normal((300, 3)) + labels[:, None], labels))
    for name, lowest in (("typical", 0.8), ("median_nearest", 0.45), ("neighbour_error", 0.45)):
        values = [getattr(f, name).value for f in found]
        assert lowest < np.mean([getattr(f, name).error for f in found]) / np.std(values) < 1.25


# what is refused --------------------------------------------------------------------------------------------------------

SQUARE = np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: dim.stable_rank(np.ones((5, 3))), "coincide"),
        (lambda: dim.stable_rank(SQUARE[:2]), "at least 3"),
        (lambda: dim.participation_ratio(np.array([[np.nan, 1.0]] * 3)), "not finite"),
        (lambda: dim.neighbour_distances(SQUARE, 4), "k = 4"),
        (lambda: dim.neighbour_distances(SQUARE, 0), "k = 0"),
        (lambda: dim.two_nn(np.ones((50, 1))), "1 column"),
        (lambda: dim.two_nn(np.ones((5, 2))), "at least 40"),
        (lambda: dim.two_nn(np.zeros((50, 2))), "repeated"),
        (lambda: dim.two_nn(np.tile([2.0, 1.0], (50, 1))), "decreases"),
        (lambda: dim.two_nn(np.ones((50, 2))), "grid"),
        (lambda: dim.two_nn(np.tile([1.0, 2.0], (50, 1)), discard=0.0), "discard = 0"),
        (lambda: dim.levina_bickel(np.ones((50, 3))), "equally far"),
        (lambda: dim.levina_bickel(np.ones((50, 3)), 4), "k = 4"),
        (lambda: dim.levina_bickel(np.ones((50, 3)), 1), "k = 1"),
        (lambda: dim.widest_linear(SQUARE, 2), "j = 2"),
        (lambda: dim.widest_net(SQUARE, np.random.default_rng(0), width=3), "width"),
        (lambda: dim.widest_net(SQUARE, 0), "rng"),
        (lambda: dim.widest_cone(SQUARE, steps=0), "steps"),
        (lambda: dim.signed_distance(SQUARE, np.ones((2, 3))), "3 columns"),
        (lambda: dim.lipschitz_scale([], SQUARE, SQUARE), "empty"),
        (
            lambda: dim.lipschitz_scale(
                hamming_family(2, np.random.default_rng(0)), SQUARE, SQUARE
            ),
            "hamming",
        ),
        (lambda: dim.separation(np.ones((30, 2)), np.zeros(30)), "all 0"),
        (lambda: dim.separation(np.ones((30, 2)), np.eye(1, 30)[0]), "occurs once"),
        (lambda: dim.separation(SQUARE, np.array([0, 1, 0, 1])), "at least 20"),
        (lambda: dim.effective_dimension(-1.0, Estimate(1.0, 0.0)), "size2"),
        (lambda: dim.effective_dimension(1.0, Estimate(0.0, 0.0)), "K = 0"),
    ],
)
def test_bad_input_is_refused_in_words(call, words):
    with pytest.raises(ValueError, match=words):
        call()
