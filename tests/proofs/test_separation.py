"""What chapter 3 proves about distances on the sphere and counts of signs, without the package."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import betainc
from scipy.stats import beta


def cap(t, d):
    """p_d(t) as the chapter writes it."""
    return betainc((d - 1) / 2, 0.5, t**2 * (1 - t**2 / 4)) / 2


@pytest.mark.parametrize("d", [2, 3, 5, 10, 100])
@pytest.mark.parametrize("t", [0.1, 0.7, 1.0, math.sqrt(2)])
def test_cap_probability_is_that_of_the_beta_law_of_an_inner_product(d, t):
    # (1 + <x, x'>)/2 has the law Beta((d−1)/2, (d−1)/2), and distance < t means <x, x'> > 1 − t²/2
    assert cap(t, d) == pytest.approx(beta.cdf(t**2 / 4, (d - 1) / 2, (d - 1) / 2), rel=1e-9)


def test_cap_probability_in_three_dimensions_is_that_of_archimedes():
    t = np.linspace(0.01, 1.4, 50)
    assert cap(t, 3) == pytest.approx(t**2 / 4, rel=1e-9)


@given(d=st.integers(2, 500), t=st.floats(0.01, 1.414))
def test_cap_probability_is_at_most_half_a_power_of_the_sine(d, t):
    assert cap(t, d) <= 0.5 * (t * math.sqrt(1 - t**2 / 4)) ** (d - 1) * (1 + 1e-9)


@pytest.mark.parametrize("seed", range(5))
def test_no_class_of_N_functions_fits_more_than_a_share_N_over_2_to_the_n_of_all_sign_vectors(seed):
    rng, n = np.random.default_rng(seed), 6
    F = rng.standard_normal(
        (rng.integers(1, 40), n)
    )  # a function matters only by its values at the n points
    fitted = sum(any((f * y > 0).all() for f in F) for y in itertools.product([-1, 1], repeat=n))
    assert fitted <= len(F)
