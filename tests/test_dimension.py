"""Dimensions against closed forms (spheres, cubes, known spectra), trees, and scikit-dimension."""

import importlib.util
import json
import sys
import types
from pathlib import Path

import numpy as np
import pytest
from lawrob_utils.recorded.mnist_isoperimetry import dimensions as dim
from scipy.spatial import cKDTree

from lawrob_utils import data
from lawrob_utils.bracket import Estimate
from lawrob_utils.isoperimetry import OneLipschitz

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


# covariance ---------------------------------------------------------------------------------------


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


def test_gaussian_has_the_ranks_of_its_spectrum_and_the_errors_are_those_of_repetition():
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


# neighbours ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("shift", [0.0, 1e6])
def test_neighbour_distances_equal_those_of_a_tree_even_far_from_the_origin(shift):
    X = np.random.default_rng(3).standard_normal((700, 5)) + shift
    assert dim.neighbour_distances(X, 6) == pytest.approx(
        cKDTree(X).query(X, 7)[0][:, 1:], rel=1e-9
    )


def test_two_nn_and_levina_bickel_find_the_dimension_of_their_own_model_and_its_error():
    rng, m = np.random.default_rng(4), 7.5
    twos, bickels = [], []
    # (volumes of balls around a point that reach the neighbours) are the times of a Poisson process
    for _ in range(100):
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


# K and the quotient -------------------------------------------------------------------------------


def coordinate(j):
    return OneLipschitz("coordinate", lambda X: X[:, j], "|x_j − x'_j| ≤ ‖x − x'‖")


def test_choosing_on_one_half_and_measuring_on_the_other_does_not_bias_the_scale():
    rng = np.random.default_rng(12)
    # all have spread 1; the largest of 200 samples is 1.2
    functions = [coordinate(j) for j in range(200)]
    scales = []
    for _ in range(40):
        X = rng.standard_normal((200, 200))
        scales.append(dim.lipschitz_scale(functions, X[:100], X[100:]))
    values = np.array([s.value for s in scales])
    assert abs(values.mean() - 1) < 4 * values.std() / np.sqrt(len(values))
    assert np.mean([s.error for s in scales]) == pytest.approx(values.std(), rel=0.35)
    assert dim.lipschitz_scale(functions, X, X).value > 1.1


def test_dimension_of_scale_has_the_error_of_a_simulation():
    rng = np.random.default_rng(14)
    found = dim.dimension_of_scale(Estimate(5.0, 0.1), Estimate(2.0, 0.03))
    simulated = (5 + 0.1 * rng.standard_normal(10**6)) / (
        2 + 0.03 * rng.standard_normal(10**6)
    ) ** 2
    assert (found.value, found.error) == pytest.approx(
        (simulated.mean(), simulated.std()), rel=0.02
    )


def test_dimension_of_the_sphere_is_d_by_the_trace_and_2d_by_the_distance_of_its_points():
    rng, d = np.random.default_rng(13), 20
    X = data.sphere(20_000, d, rng)
    K = dim.lipschitz_scale([coordinate(0)], X[:100], X)
    assert within(dim.dimension_of_scale(dim.total_variance(X), K), d)
    delta2 = np.mean(np.sum((X[::2] - X[1::2]) ** 2, axis=1))
    assert within(dim.dimension_of_scale(delta2, K), 2 * d)


def test_d_eff_by_the_top_direction_is_the_stable_rank():
    X = data.digits().X
    K = dim.widest_linear(X)(X).std()
    assert dim.dimension_of_scale(dim.total_variance(X), Estimate(K, 0.0)).value == pytest.approx(
        dim.stable_rank(X).value, rel=1e-9
    )


# what is refused ----------------------------------------------------------------------------------

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
        (lambda: dim.two_nn(np.tile([1.0, 2.0], (50, 1)), discard=0.0), "discard = 0.0"),
        (lambda: dim.levina_bickel(np.ones((50, 3))), "equally far"),
        (lambda: dim.levina_bickel(np.ones((50, 3)), 4), "k = 4"),
        (lambda: dim.levina_bickel(np.ones((50, 3)), 1), "k = 1"),
        (lambda: dim.widest_linear(SQUARE, 2), "j = 2"),
        (lambda: dim.principal_directions(SQUARE, 3), "m = 3"),
        (lambda: dim.widest_linear("X"), "X is not an array"),
        (lambda: dim.lipschitz_scale([], SQUARE, SQUARE), "empty"),
        (lambda: dim.dimension_of_scale(-1.0, Estimate(1.0, 0.0)), "size2"),
        (lambda: dim.dimension_of_scale(1.0, Estimate(0.0, 0.0)), "K = 0"),
    ],
)
def test_bad_input_is_refused_in_words(call, words):
    with pytest.raises(ValueError, match=words):
        call()
