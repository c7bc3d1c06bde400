"""Wrong input at the door of every public function of data, isoperimetry, dimension, rademacher.

Shapes, kinds and values that are wrong for every argument of a kind; each is answered by a
ValueError that names the argument.
"""

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lawrob_utils.recorded.mnist_isoperimetry import dimensions as dim

from lawrob_utils import data, plotting
from lawrob_utils import isoperimetry as iso
from lawrob_utils import rademacher as rad
from lawrob_utils.bracket import Estimate

RNG = np.random.default_rng(0)
X, S, V = RNG.standard_normal((50, 4)), data.random_signs(50, RNG), RNG.standard_normal(50)
T = dim.neighbour_distances(X, 3)
K = Estimate(1.0, 0.1)
NORM = iso.OneLipschitz("norm", lambda X: np.linalg.norm(X, axis=1), "the triangle inequality")
A_GRID = {"xlim": (1, 9), "ylim": (1, 9)}

# argument → calls that are right but for that argument
MATRICES = {
    "X": [dim.total_variance, dim.stable_rank, dim.participation_ratio, dim.widest_linear]
    + [lambda X: dim.neighbour_distances(X, 1), lambda X: rad.lipschitz_supremum(X, S, 1.0)]
    + [lambda X: rad.lipschitz_maximizer(X, S, 1.0), NORM],
    "Z": [iso.distance_to_points, lambda Z: rad.linear_class(Z, 1.0, draws=2, rng=RNG)],
    "T": [dim.two_nn, dim.levina_bickel],
    "A": [lambda A: dim.principal_directions(A, 1)],
    "F": [lambda F: rad.finite_class(F, draws=2, rng=RNG)],
    "choose": [lambda X: dim.lipschitz_scale([NORM], X, np.eye(4))],
    "measure": [lambda X: dim.lipschitz_scale([NORM], np.eye(4), X)],
    "centres": [lambda c: data.gaussian_mixture(3, c, RNG)],
    "basis": [lambda U: data.sphere_in_subspace(3, U, RNG)],
}
VECTORS = {
    "values": [lambda v: iso.scaled_std(v, 3), lambda v: iso.mgf_constant(v, 1.0, 3)]
    + [lambda v: iso.tail_constant_at_least(v, 3)],
    "s": [
        lambda s: rad.lipschitz_supremum(X, s, 1.0),
        lambda s: rad.lipschitz_maximizer(X, s, 1.0),
    ],
    "x": [lambda x: plotting.ticks(AXES, x=x)],
}
COUNTS = {
    "n": [lambda n: data.random_signs(n, RNG)]
    + [lambda n, f=f: f(n, 3, RNG) for f in (data.sphere, data.gaussian)]
    + [lambda n: data.hamming_cube(n, 3, RNG)]
    + [lambda n: plotting.lip_against_P(None, n, 3, 1.0, **A_GRID)],
    "d": [lambda d: data.sphere(3, d, RNG), lambda d: data.random_subspace(d, 2, RNG)]
    + [lambda d: iso.tail_bound(1.0, d), lambda d: iso.known_constant("gaussian", d)]
    + [lambda d: iso.scaled_std(V, d), lambda d: iso.mgf_constant(V, 1.0, d)]
    + [lambda d: iso.tail_constant_at_least(V, d), lambda d: iso.cap_probability(0.1, d)],
    "k": [lambda k: data.random_subspace(5, k, RNG), lambda k: dim.neighbour_distances(X, k)]
    + [lambda k: dim.levina_bickel(T, k)],
    "m": [lambda m: dim.principal_directions(X, m)],
    "draws": [lambda m: rad.finite_class(X, draws=m, rng=RNG)]
    + [lambda m: rad.linear_class(X, 1.0, draws=m, rng=RNG)],
}
NUMBERS = {
    "L": [lambda L: iso.tail_bound(1.0, 3, L=L), lambda L: rad.lipschitz_supremum(X, S, L)],
    "c": [lambda c: iso.tail_bound(1.0, 3, c=c)],
    "spread": [lambda s: data.gaussian_mixture(3, X, RNG, spread=s)],
    "confidence": [lambda p: iso.tail_constant_at_least(V, 3, confidence=p)],
    "discard": [lambda p: dim.two_nn(T, discard=p)],
    "floor": [lambda x: plotting.lip_against_P(None, 3, 3, x, **A_GRID)],
}
AXES = plotting.plt.figure().add_subplot()
NO_MATRIX = [None, "X", object(), {"a": 1}, 3.0, np.ones(3), np.ones((2, 3, 4)), np.ones((0, 4))]
NO_MATRIX += [np.ones((4, 0)), [[1, 2], [3]], [["a", "b"]], np.full((50, 4), 1j)]
NO_VECTOR = [None, "v", object(), 3.0, np.ones((2, 2)), [[1], [1, 2]], ["a", "b"], [1j, 2j]]
NO_COUNT = [None, "3", 2.5, 3.0, True, np.nan, [3], np.array(3), -1, 0]
NO_NUMBER = [None, "1", True, np.nan, np.inf, -np.inf, -1, [1.0], np.array(1.0), 1j]


def cases(table):
    return [
        pytest.param(call, name, id=f"{name}-{i}")
        for name, calls in table.items()
        for i, call in enumerate(calls)
    ]


def refused(call, name, bad):
    with pytest.raises(ValueError) as refusal:
        call(bad)
    assert re.match(rf"{name}\b", str(refusal.value)), refusal.value


@pytest.mark.parametrize(("call", "name"), cases(MATRICES))
@settings(deadline=None, max_examples=25)
@given(
    bad=st.sampled_from(NO_MATRIX),
    at=st.none() | st.integers(0, 199),
    what=st.sampled_from([np.nan, np.inf, -np.inf]),
)
def test_what_is_no_finite_matrix_is_refused(call, name, bad, at, what):
    if at is not None:  # one entry of a matrix that would be right
        bad = T.copy() if name == "T" else X.copy()
        bad.flat[at % bad.size] = what
    refused(call, name, bad)


@pytest.mark.parametrize(("call", "name"), cases(VECTORS))
@settings(deadline=None, max_examples=25)
@given(bad=st.sampled_from(NO_VECTOR), at=st.none() | st.integers(0, 49))
def test_what_is_no_finite_vector_is_refused(call, name, bad, at):
    if at is not None:
        bad = S.copy()
        bad[at] = np.nan
    if name != "x" or bad is not None:  # ticks: None leaves the axis as it is
        refused(call, name, bad)


@pytest.mark.parametrize("bad", NO_COUNT, ids=lambda bad: type(bad).__name__)
@pytest.mark.parametrize(("call", "name"), cases(COUNTS))
def test_what_is_no_count_is_refused(call, name, bad):
    if name != "k" or bad is not None:  # levina_bickel: None takes all columns
        refused(call, name, bad)


@pytest.mark.parametrize("bad", NO_NUMBER, ids=lambda bad: type(bad).__name__)
@pytest.mark.parametrize(("call", "name"), cases(NUMBERS))
def test_what_is_no_number_of_at_least_zero_is_refused(call, name, bad):
    refused(call, name, bad)


TAKES_RNG = {
    "rng": [lambda rng, f=f: f(3, 3, rng) for f in (data.sphere, data.gaussian)]
    + [lambda rng: data.hamming_cube(3, 3, rng), lambda rng: data.random_signs(3, rng)]
    + [lambda rng: data.random_subspace(3, 2, rng), lambda rng: data.gaussian_mixture(3, X, rng)]
    + [lambda rng: data.sphere_in_subspace(3, np.eye(4), rng)]
    + [lambda rng: rad.finite_class(X, draws=2, rng=rng)]
    + [lambda rng: rad.linear_class(X, 1.0, draws=2, rng=rng)]
}


@pytest.mark.parametrize(
    "bad", [None, 0, "rng", np.random.RandomState(0), np.random], ids=lambda bad: type(bad).__name__
)
@pytest.mark.parametrize(("call", "name"), cases(TAKES_RNG))
def test_randomness_is_an_explicit_generator(call, name, bad):
    refused(call, name, bad)


@pytest.mark.parametrize("bad", [None, 1, "cube", ["sphere"]], ids=lambda bad: type(bad).__name__)
def test_unknown_names_are_refused(bad):
    refused(lambda law: iso.known_constant(law, 3), "law", bad)
    refused(data.mnist, "split", bad)


@pytest.mark.parametrize(
    "bad", [None, "t", object(), [np.nan], [[1], [1, 2]], 1j], ids=lambda bad: type(bad).__name__
)
def test_what_is_no_finite_array_is_refused(bad):
    refused(lambda t: iso.tail_bound(t, 3), "t", bad)
    refused(lambda lam: iso.mgf_constant(V, lam, 3), "lam", bad)
    refused(lambda t: iso.cap_probability(t, 3), "t", bad)
