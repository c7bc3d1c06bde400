"""Oracles: fractions.Fraction for what is printed, and scipy's standard error."""

import re
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import sem

from lawrob_utils.bracket import Bracket, Estimate


def test_bracket_refuses_a_lower_bound_above_the_upper_one():
    with pytest.raises(ValueError, match="one of the two bounds is wrong"):
        Bracket(2.0, 1.0, "a", "b")


@pytest.mark.parametrize(
    "lower, upper, message",
    [
        (np.nan, 1, "lower = nan"),
        (-1, 1, "lower = -1"),
        (np.inf, np.inf, "lower = inf"),
        ("1", 1, "lower = '1'"),
        (0, np.nan, "upper = nan"),
        (0, [1.0], r"upper = \[1.0\]"),
    ],
)
def test_bracket_refuses_what_bounds_nothing(lower, upper, message):
    with pytest.raises(ValueError, match=message):
        Bracket(lower, upper, "a", "b")


def test_bracket_forgives_rounding_only():
    assert Bracket(1 + 1e-12, 1.0, "a", "b").is_exact


def test_bracket_is_immutable():
    with pytest.raises(AttributeError):
        Bracket(0, 1, "a", "b").lower = 0.5


@pytest.mark.parametrize(
    "bracket, ratio", [((1, 4), 4), ((0, 0), 1), ((0, 1), np.inf), ((2, np.inf), np.inf)]
)
def test_ratio_is_the_factor_of_uncertainty(bracket, ratio):
    assert Bracket(*bracket, "a", "b").ratio == ratio


@given(st.floats(1e-300, 1e300), st.floats(1.0001, 10))
def test_what_a_bracket_prints_is_true_to_four_digits(lower, ratio):
    upper = lower * ratio
    low, high = re.match(r"(\S+) ≤ c ≤ (\S+) ", str(Bracket(lower, upper, "a", "b", "c"))).groups()
    assert Fraction(low) <= Fraction(repr(lower)) and Fraction(repr(upper)) <= Fraction(high)
    assert float(low) >= lower * (1 - 1e-3) and float(high) <= upper * (1 + 1e-3)


def test_mean_has_the_standard_error():
    draws = np.random.default_rng(0).standard_normal(50)
    found = Estimate.mean(draws)
    assert (found.value, found.error) == pytest.approx((draws.mean(), sem(draws)), rel=1e-12)


@pytest.mark.parametrize(
    "draws, message",
    [([1.0], "draws has 1 entries"), ([1.0, np.nan], r"draws\[1\] = nan"), (["a"] * 2, "draws")],
)
def test_bad_draws_are_named(draws, message):
    with pytest.raises(ValueError, match=message):
        Estimate.mean(draws)
