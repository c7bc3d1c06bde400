"""Every public function of the core names the argument that is wrong, whatever is wrong with it."""

from fractions import Fraction

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
    lambda X: McShane.fit(X, np.zeros(len(X))),
    lambda X: McShane.fit(np.eye(3), np.arange(3.0))(X),
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


@given(st.floats(allow_nan=True, allow_infinity=True))
def test_a_share_lies_between_zero_and_one(x):
    if 0 < x < 1:
        assert validate.share(x, "x") == x
    else:
        with pytest.raises(ValueError, match=r"^x = .*; a number in \(0, 1\) is needed"):
            validate.share(x, "x")


@given(hnp.arrays(float, 4, elements=st.sampled_from([-1.0, 1.0, 0.0, 2.0])))
def test_signs_are_plus_or_minus_one(y):
    if (y**2 == 1).all():
        assert np.array_equal(validate.signs(y), y)
    else:
        with pytest.raises(ValueError, match=r"^y\[\d\] = [02]; labels must all be \+1 or -1"):
            validate.signs(y)


@pytest.mark.parametrize("bad", [True, "1", None, 1j, [1.0], np.array(1.0), -(10**400)])
@pytest.mark.parametrize("use", [validate.positive, validate.share, validate.count])
def test_what_is_no_number_of_its_kind_is_shown(use, bad):
    with pytest.raises(ValueError, match="^x = .* is needed"):
        use(bad, "x")


def test_a_fraction_is_a_number_and_a_number_an_array_without_axes():
    assert validate.positive(Fraction(1, 4), "x") == validate.share(Fraction(1, 4), "x") == 0.25
    assert validate.array(3, "x").shape == ()
    with pytest.raises(ValueError, match="^x = nan and 1 entry is not finite"):
        validate.array(np.nan, "x")


def test_a_tensor_that_requires_a_gradient_is_refused_in_words():
    torch = pytest.importorskip("torch")
    with pytest.raises(ValueError, match="^X is not an array of real numbers; got Tensor"):
        validate.matrix(torch.eye(2, requires_grad=True))


@pytest.mark.parametrize("bad", ["c", 1, None, ["a"]])
def test_a_name_that_is_not_allowed_is_shown_with_those_that_are(bad):
    assert validate.one_of("a", "law", ("a", "b")) == "a"
    with pytest.raises(ValueError, match="^law = .* is unknown; allowed: 'a', 'b'"):
        validate.one_of(bad, "law", ("a", "b"))


def test_integers_booleans_and_float32_become_float64():
    for X in (
        np.eye(2, dtype=int),
        np.eye(2, dtype=bool),
        np.eye(2, dtype=np.float32),
        [[1, 0], [0, 1]],
    ):
        assert validate.matrix(X).dtype == np.float64
