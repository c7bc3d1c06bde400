"""Oracles: scipy's pdist, fractions.Fraction, and every linear region of small nets."""

import itertools
from fractions import Fraction
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from oracles.exact import exact_lipschitz
from scipy.spatial.distance import pdist

from lawrob_utils import data
from lawrob_utils import lipschitz as lip
from lawrob_utils.lipschitz import nets, search

moderate = st.floats(-100, 100, allow_nan=False, width=32)


def slopes(X, y):
    return pdist(np.asarray(y)[:, None]) / pdist(X)


# --------------------------------------------------------------------------- exact pairwise slopes


@pytest.mark.parametrize("n", [2, 3, 767, 768, 769, 1700])  # around and across the block size
def test_steepest_pair_agrees_with_pdist(n):
    rng = np.random.default_rng(n)
    X, y = rng.standard_normal((n, 5)), rng.uniform(-1, 1, n)
    found = lip.data_lipschitz(X, y)
    assert found.value == pytest.approx(slopes(X, y).max(), rel=1e-13)
    assert found.i < found.j
    assert found.value == pytest.approx(
        abs(y[found.i] - y[found.j]) / np.linalg.norm(X[found.i] - X[found.j]), rel=1e-13
    )
    assert lip.min_separation(X).value == pytest.approx(pdist(X).min(), rel=1e-13)


def test_equal_labels_have_slope_zero_at_the_first_two_points():
    assert lip.data_lipschitz(np.array([[0.0], [1.0]]), np.full(2, 7.0)) == lip.PairWitness(0, 0, 1)


@pytest.mark.parametrize("place", [0, 1023, 1024, 1025, 1769])
def test_steepest_pair_is_found_wherever_it_stands_among_near_ones(place):
    """60 points so close that rounding hides their distances: all 1770 pairs are computed, in
    parts."""
    rng = np.random.default_rng(0)
    X = np.append(1 + 1e-9 * rng.permutation(60), -1.0)
    i, j = list(itertools.combinations(range(60), 2))[place]
    X[j] = X[i] + 1e-13
    found = lip.data_lipschitz(X[:, None], np.arange(61.0))
    assert (found.i, found.j) == (i, j)


@settings(deadline=None, max_examples=200)
@given(st.data())
def test_steepest_pair_agrees_with_pdist_on_ugly_numbers(draw):
    n, d = draw.draw(st.integers(2, 12)), draw.draw(st.integers(1, 4))
    X = draw.draw(hnp.arrays(float, (n, d), elements=moderate))
    y = draw.draw(hnp.arrays(float, n, elements=moderate))
    run = pdist(X)
    assert lip.min_separation(X).value == pytest.approx(run.min(), rel=1e-12)
    assume((run > 0).all())
    assert lip.data_lipschitz(X, y).value == pytest.approx(slopes(X, y).max(), rel=1e-12)


def test_nothing_cancels_far_from_the_origin():
    # two points 2^-30 apart next to (1, ..., 1)·10^3: in float64, ‖a‖² + ‖b‖² − 2⟨a, b⟩ has no
    # digit of the distance
    X = np.full((4, 50), 1000.0)
    X[1, 7] += 2.0**-30
    X[2] += 1
    X[3] -= 1
    found = lip.data_lipschitz(X, np.array([0.0, 1.0, 0.0, 0.5]))
    assert (found.value, found.i, found.j) == (2.0**30, 0, 1)
    assert lip.min_separation(X).value == 2.0**-30


def test_value_is_exact_in_rational_arithmetic():
    rng = np.random.default_rng(5)
    X, y = rng.standard_normal((30, 3)) * [1e-3, 1, 1e3] + 1e4, rng.standard_normal(30)
    exact = max(
        (Fraction(y[i]) - Fraction(y[j])) ** 2
        / sum((Fraction(a) - Fraction(b)) ** 2 for a, b in zip(X[i], X[j], strict=True))
        for i, j in itertools.combinations(range(30), 2)
    )
    assert lip.data_lipschitz(X, y).value ** 2 == pytest.approx(float(exact), rel=1e-14)


def test_a_close_pair_in_a_tight_cluster_is_found_among_many():
    rng = np.random.default_rng(1)
    X = np.concatenate([data.sphere(900, 20, rng), 0.3 + 1e-6 * rng.standard_normal((900, 20))])
    y = data.random_signs(1800, rng)
    assert lip.data_lipschitz(X, y).value == pytest.approx(slopes(X, y).max(), rel=1e-12)


@pytest.mark.parametrize("scale", [1e-180, 1e-8, 1e8, 1e150])
def test_slopes_scale_with_the_units_without_overflow(scale):
    rng = np.random.default_rng(2)
    X, y = data.sphere(40, 6, rng), data.random_signs(40, rng)
    assert lip.data_lipschitz(scale * X, y).value * scale == pytest.approx(
        lip.data_lipschitz(X, y).value, rel=1e-12
    )
    assert lip.data_lipschitz(X, scale * y).value == pytest.approx(
        scale * lip.data_lipschitz(X, y).value, rel=1e-12
    )


def test_equal_labels_have_slope_zero_and_repeated_points_do_no_harm():
    X = np.array([[0.0, 1.0], [0.0, 1.0], [2.0, 1.0]])
    assert lip.data_lipschitz(X, np.ones(3)).value == 0
    assert lip.data_lipschitz(X, np.array([1.0, 1.0, -1.0])).value == 1
    assert lip.min_separation(X) == lip.PairWitness(0.0, 0, 1)


@pytest.mark.parametrize("offset", [0.0, 1e6])
def test_a_repeated_point_with_two_labels_has_no_lipschitz_memorizer(offset):
    X = np.random.default_rng(0).standard_normal((1000, 7)) + offset
    X[900] = X[3]
    with pytest.raises(
        ValueError, match=r"X\[3\] and X\[900\] are the same point.*no Lipschitz memorizer exists"
    ):
        lip.data_lipschitz(X, np.arange(1000.0))


def test_signs_on_the_sphere_give_two_over_the_smallest_distance_between_opposite_signs():
    rng = np.random.default_rng(3)
    X, y = data.sphere(500, 10, rng), data.random_signs(500, rng)
    opposite = np.linalg.norm(X[y > 0][:, None] - X[y < 0][None], axis=2).min()
    assert lip.data_lipschitz(X, y).value == pytest.approx(2 / opposite, rel=1e-12)


@pytest.mark.parametrize(
    "X, y, message",
    [
        (np.zeros(3), np.zeros(3), r"X has shape \(3,\)"),
        (np.zeros((1, 3)), np.zeros(1), "at least 2 are needed"),
        (np.zeros((2, 0)), np.zeros(2), "dimension d must be at least 1"),
        (np.eye(3), np.zeros(2), "y has 2 entries; 3 are needed"),
        (np.eye(3), np.zeros((3, 1)), r"y has shape \(3, 1\)"),
        ([[0.0, np.nan], [1.0, 2.0]], np.zeros(2), r"X\[0, 1\] = nan and 1 entry is not finite"),
        (np.eye(2), [np.inf, 0], r"y\[0\] = inf"),
        ([["a", "b"], ["c", "d"]], np.zeros(2), "X is not an array of real numbers"),
        ([[1, 2], [3]], np.zeros(2), "X is not an array of real numbers"),
    ],
)
def test_bad_data_are_named(X, y, message):
    with pytest.raises(ValueError, match=message):
        lip.data_lipschitz(X, y)


# ----------------------------------------------------------------------------------- ReLU networks


def layers(net):
    return ((net.W, net.b), (net.a[None], np.zeros(1)))


def random_net(k, d, seed):
    rng = np.random.default_rng(seed)
    return SimpleNamespace(
        W=rng.standard_normal((k, d)), b=rng.standard_normal(k), a=rng.standard_normal(k)
    )


@pytest.mark.parametrize("d", [1, 2])
@pytest.mark.parametrize("k", [2, 3, 8, 15])
@pytest.mark.parametrize("seed", range(4))
def test_ascent_is_below_exact_is_below_spectral(k, d, seed):
    net, rng = random_net(k, d, seed), np.random.default_rng(seed)
    exact = exact_lipschitz(net).lower
    bracket = lip.relu_bracket(net, rng.standard_normal((50, d)))
    assert bracket.lower <= exact * (1 + 1e-12)
    assert exact <= bracket.upper * (1 + 1e-12)
    assert bracket.lower >= 0.6 * exact  # and the ascent is not idle


def test_ascent_finds_the_exact_value_of_half_of_the_small_networks():
    found = 0
    for seed in range(20):
        net = random_net(10, 2, seed)
        starts = 2 * np.random.default_rng(seed).standard_normal((100, 2))
        found += lip.annealed_ascent(layers(net), starts).value >= exact_lipschitz(net).lower * (
            1 - 1e-9
        )
    assert found >= 10


def test_ascent_beats_the_gradient_at_its_starting_points():
    rng = np.random.default_rng(0)
    net = SimpleNamespace(
        W=rng.standard_normal((300, 40)), b=rng.standard_normal(300), a=rng.standard_normal(300)
    )
    starts = data.sphere(50, 40, rng)
    at_starts = np.linalg.norm(((starts @ net.W.T + net.b > 0) * net.a) @ net.W, axis=1).max()
    assert lip.annealed_ascent(layers(net), starts).value >= 1.2 * at_starts


def test_the_witness_is_a_slope_of_the_network_itself():
    net = random_net(20, 5, 0)
    f = lambda x: net.a @ np.maximum(net.W @ x + net.b, 0)  # noqa: E731
    found = lip.annealed_ascent(layers(net), np.random.default_rng(1).standard_normal((30, 5)))
    G = ((net.W @ found.point + net.b > 0) * net.a) @ net.W
    step = 1e-7 * G / np.linalg.norm(G)
    assert (f(found.point + step) - f(found.point - step)) / 2e-7 == pytest.approx(
        found.value, rel=1e-5
    )


# 10·relu(x + 9) − 5·relu(x) + 5·relu(−x) has slopes −5 and 5; at the kink 0 the formula says 10
KINKED = SimpleNamespace(
    W=np.array([[1.0], [1.0], [-1.0]]), b=np.array([9.0, 0.0, 0.0]), a=np.array([10.0, -5.0, 5.0])
)
BEHIND = ((np.array([[1.0], [-1.0]]), np.zeros(2)), (KINKED.W @ [[1.0, -1.0]], KINKED.b))


@pytest.mark.parametrize(
    "search_from",
    [
        lambda X: lip.annealed_ascent(layers(KINKED), X, steps=5),
        lambda X: search.region_flips(nets.checked(KINKED), X),
        lambda X: lip.annealed_ascent((*BEHIND, (KINKED.a[None], np.zeros(1))), X, steps=5),
        lambda X: SimpleNamespace(value=lip.relu_bracket(KINKED, X, steps=5).lower),
    ],
    ids=["ascent", "flips", "deep", "bracket"],
)
def test_a_gradient_at_a_kink_is_no_witness(search_from):
    assert search_from(np.array([[0.0], [3.0], [0.0]])).value == 5


def test_where_a_point_is_said_to_lie_on_no_kink_exact_arithmetic_sees_the_same_signs():
    # cancellation in the first layer leaves outputs with few digits; kinks of the second lie there
    rng, kinks = np.random.default_rng(0), 0
    for _ in range(200):
        x = rng.standard_normal(3)
        W1 = 1e6 * rng.standard_normal((4, 3))
        W1 -= np.outer(W1 @ x, x) / (x @ x)
        W2, b1 = rng.standard_normal((2, 4)), 1e-6 * rng.standard_normal(4)
        h = np.maximum(W1 @ x + b1, 0)
        near = 1e-13 * rng.standard_normal(2) - W2 @ h
        net = ((W1, b1), (W2, near), (np.ones((1, 2)), np.zeros(1)))
        _, clear = search.gradient_norms(net, x[None])
        exact, seen, agree = [Fraction(t) for t in x], x, True
        for W, b in net[:-1]:
            seen = W @ seen + b
            exact = [
                sum((Fraction(w) * t for w, t in zip(row, exact, strict=True)), Fraction(c))
                for row, c in zip(W, b, strict=True)
            ]
            agree &= all((u > 0) == (v > 0) for u, v in zip(exact, seen, strict=True))
            seen, exact = np.maximum(seen, 0), [max(u, Fraction(0)) for u in exact]
        kinks += not agree
        assert agree or not clear[0]
    assert kinks > 20  # and rounding does decide often here


def test_spectral_bound_multiplies_norms():
    A, B = np.diag([3.0, 1.0]), np.array([[0.0, 2.0]])
    assert lip.spectral_bound([A, B]) == pytest.approx(6)


@settings(deadline=None)
@given(hnp.arrays(float, (3, 4), elements=moderate), hnp.arrays(float, (2, 3), elements=moderate))
def test_spectral_bound_is_above_the_norm_of_the_product(W1, W2):
    assert np.linalg.norm(W2 @ W1, 2) <= lip.spectral_bound([W1, W2]) * (1 + 1e-9) + 1e-9


@pytest.mark.parametrize(
    "layers, message",
    [
        ([], "at least one matrix"),
        ([np.ones((2, 3)), np.ones((1, 4))], r"matrices\[1\] has 4 columns; 2 are needed"),
        ([np.ones(3)], r"matrices\[0\] has shape \(3,\)"),
        ([np.full((2, 2), np.nan)], r"matrices\[0\]\[0, 0\] = nan"),
    ],
)
def test_bad_layers_are_named(layers, message):
    with pytest.raises(ValueError, match=message):
        lip.spectral_bound(layers)


@pytest.mark.parametrize(
    "change, options, message",
    [
        ({"b": np.zeros(2)}, {}, r"net.b has 2 entries; 3 are needed"),
        ({"a": np.full(3, np.inf)}, {}, r"net.a\[0\] = inf"),
        ({"W": np.zeros((3, 5))}, {}, "starts has 2 columns; 5 are needed"),
        ({}, {"steps": 0}, "steps = 0"),
    ],
)
def test_bad_networks_and_options_are_named(change, options, message):
    net = SimpleNamespace(**{"W": np.zeros((3, 2)), "b": np.zeros(3), "a": np.zeros(3), **change})
    with pytest.raises(ValueError, match=message):
        lip.relu_bracket(net, np.zeros((4, 2)), **options)
