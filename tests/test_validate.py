"""Every public function of the core names the argument that is wrong, whatever is wrong with it."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from lawrob_utils import _validate as validate
from lawrob_utils.lipschitz import data_lipschitz, min_separation
from lawrob_utils.memorizers import McShane

TAKES_POINTS = [
    lambda X: data_lipschitz(X, np.zeros(len(X))),
    min_separation,
    lambda X: McShane(X, np.zeros(len(X))),
    lambda X: McShane(np.eye(3), np.arange(3.0))(X),
]
takes_points = pytest.mark.parametrize(
    "use", TAKES_POINTS, ids=["data_lipschitz", "min_separation", "McShane", "predict"]
)


@takes_points
@settings(deadline=None, max_examples=30)
@given(shape=st.sampled_from([(3,), (2, 3, 3), (0, 3), (3, 0)]))
def test_points_of_a_wrong_shape_are_named(use, shape):
    with pytest.raises(ValueError, match="^X has "):
        use(np.zeros(shape))


@takes_points
@settings(deadline=None, max_examples=60)
@given(
    X=hnp.arrays(float, (4, 3), elements=st.floats(-10, 10)),
    i=st.integers(0, 3),
    j=st.integers(0, 2),
    bad=st.sampled_from([np.nan, np.inf, -np.inf]),
)
def test_the_entry_that_is_not_finite_is_named(use, X, i, j, bad):
    X[i, j] = bad
    with pytest.raises(ValueError, match=rf"^X\[{i}, {j}\] = -?(nan|inf)"):
        use(X)


@pytest.mark.parametrize(
    "bad", [None, "abc", object(), {1: 2}, [[1, 2], [3]], np.array([["x"]]), np.array([[1j]])]
)
@takes_points
def test_what_is_no_array_of_numbers_is_shown(use, bad):
    with pytest.raises((ValueError, TypeError)) as refusal:  # len(bad) in this file may fail first
        use(bad)
    if "len()" not in str(refusal.value):
        assert "X is not an array of real numbers" in str(refusal.value)


@given(st.integers(-5, 5), st.integers(-5, 5))
def test_a_count_is_accepted_exactly_from_its_least_value_on(n, least):
    if n >= least:
        assert validate.count(n, "n", at_least=least) == n
    else:
        with pytest.raises(ValueError, match=f"n = {n}; an integer of at least {least}"):
            validate.count(n, "n", at_least=least)


@given(st.floats(allow_nan=True, allow_infinity=True))
def test_a_positive_number_is_finite_and_above_zero(x):
    if np.isfinite(x) and x > 0:
        assert validate.positive(x, "x") == x
    else:
        with pytest.raises(ValueError, match="^x = .* above 0 is needed"):
            validate.positive(x, "x")


@given(hnp.arrays(float, 5, elements=st.floats(-3, 3)), st.floats(0.1, 2))
def test_labels_outside_their_bound_are_named(y, bound):
    if np.abs(y).max() <= bound:
        assert np.array_equal(validate.vector(y, bound=bound), y)
    else:
        with pytest.raises(ValueError, match=r"^y\[\d\] = .* lies outside \[-.*rescale y"):
            validate.vector(y, bound=bound)


def test_integers_booleans_and_float32_become_float64():
    for X in (
        np.eye(2, dtype=int),
        np.eye(2, dtype=bool),
        np.eye(2, dtype=np.float32),
        [[1, 0], [0, 1]],
    ):
        assert validate.matrix(X).dtype == np.float64
