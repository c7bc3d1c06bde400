"""The functions and distances that only the record of MNIST's isoperimetry uses.

Oracles: random pairs, finite differences, brute force, scikit-learn.
"""

import numpy as np
import pytest
from lawrob_utils.recorded.mnist_isoperimetry import functions
from lawrob_utils.recorded.mnist_isoperimetry.dimensions import widest_linear
from lawrob_utils.recorded.mnist_isoperimetry.distances import separation
from lawrob_utils.recorded.mnist_isoperimetry.functions import (
    norm_of_part,
    signed_distance,
    widest_cone,
    widest_net,
)
from scipy.spatial.distance import cdist
from sklearn.neighbors import KNeighborsClassifier

from lawrob_utils import data
from lawrob_utils.isoperimetry import distance_to_points


def chosen(X, rng):
    half = X[X[:, 0] < np.median(X[:, 0])]
    return (
        widest_linear(X), widest_linear(X, 2), widest_cone(X),
        widest_net(X, rng, width=6, steps=60),
        distance_to_points(half), signed_distance(half, X[X[:, 0] > 1]), norm_of_part(3, X[0]),
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
    assert widest_net(choose, rng, width=6)(measure).std() > 2.9
    assert widest_linear(choose)(measure).std() > 2.9


def test_net_and_cone_beat_every_linear_function_where_spread_is_radial():
    rng = np.random.default_rng(9)
    arms = np.repeat(np.vstack([np.eye(4), -np.eye(4)]), 200, axis=0)
    X = 3 * arms * rng.integers(0, 2, (1600, 1)) + 0.05 * rng.standard_normal((1600, 4))
    linear = widest_linear(X)(X).std()
    assert widest_net(X, rng, width=4)(X).std() > 1.03 * linear
    assert widest_cone(X)(X).std() > 1.1 * linear
    assert np.linalg.norm(X, axis=1).std() > 1.3 * linear  # neither is the best there is


def test_gradient_of_the_net_is_that_of_finite_differences():
    rng = np.random.default_rng(11)
    H = rng.standard_normal((40, 4))
    parts = [rng.standard_normal(s) for s in ((4, 4), (4, 4), (4,), (4,), (1, 4))]
    gradients = functions._net_gradient(H, parts, 2)
    for i, g in enumerate(gradients):
        step = rng.standard_normal(g.shape)
        up, down = (
            [p + s * 1e-6 * step if j == i else p for j, p in enumerate(parts)] for s in (1, -1)
        )
        difference = (
            functions._net_values(H, up, 2)[-1].var() - functions._net_values(H, down, 2)[-1].var()
        ) / 2e-6
        assert (g * step).sum() == pytest.approx(difference, rel=1e-5, abs=1e-7)


def test_typical_distance_on_the_sphere_is_root_two():
    X = data.sphere(20_000, 20, np.random.default_rng(13))
    found = separation(X, np.arange(len(X)) % 2).typical
    assert abs(found.value - np.sqrt(2)) <= 4 * found.error


def test_separation_equals_brute_force():
    rng = np.random.default_rng(15)
    X, labels = 3 + rng.standard_normal((1300, 4)), rng.integers(0, 3, 1300)
    found, D = separation(X, labels), cdist(X, X)
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
    assert separation(images.X, images.labels).neighbour_error.value == pytest.approx(
        wrong, abs=1e-12
    )


def test_errors_of_distances_are_those_of_repetition_or_at_least_half_of_it():
    rng = np.random.default_rng(16)
    found = []
    for _ in range(100):
        labels = rng.integers(0, 2, 300)
        found.append(separation(rng.standard_normal((300, 3)) + labels[:, None], labels))
    for name, lowest in (("typical", 0.8), ("median_nearest", 0.45), ("neighbour_error", 0.45)):
        values = [getattr(f, name).value for f in found]
        assert lowest < np.mean([getattr(f, name).error for f in found]) / np.std(values) < 1.25


SQUARE = np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: widest_net(SQUARE, np.random.default_rng(0), width=3), "width"),
        (lambda: widest_net(SQUARE, 0), "rng"),
        (lambda: widest_cone(SQUARE, steps=0), "steps"),
        (lambda: signed_distance(SQUARE, np.ones((2, 3))), "3 columns"),
        (lambda: separation(np.ones((30, 2)), np.zeros(30)), "all 0"),
        (lambda: separation(np.ones((30, 2)), np.eye(1, 30)[0]), "occurs once"),
        (lambda: separation(SQUARE, np.array([0, 1, 0, 1])), "at least 20"),
    ],
)
def test_bad_input_is_refused_in_words(call, words):
    with pytest.raises(ValueError, match=words):
        call()
