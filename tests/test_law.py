"""Oracle: least squares on P of d coordinates attains the curve exactly in expectation (n ≫ P)."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lawrob_utils import data
from lawrob_utils.law import law_curve

size = st.floats(1, 1e6)


def test_perfect_fit_of_signs_gives_root_nd_over_P():
    assert law_curve(100, 100, 400) == pytest.approx(5)


@given(n=size, d=size, P=size, sigma=st.floats(0.01, 1), share=st.floats(0.01, 1))
def test_curve_is_eps_over_sigma_times_root_nd_over_P(n, d, P, sigma, share):
    assert law_curve(n, d, P, sigma=sigma, eps=share * sigma**2) ** 2 == pytest.approx(
        share**2 * sigma**2 * n * d / P, rel=1e-9
    )


@pytest.mark.parametrize("sigma", [1.0, 0.1])
def test_least_squares_attains_the_curve(sigma):
    rng = np.random.default_rng(0)
    n, d, P = 4000, 400, 100
    X, z = data.sphere(n, d, rng), sigma * data.random_signs(n, rng)
    w, *_ = np.linalg.lstsq(X[:, :P], z, rcond=None)
    eps = np.mean(z**2) - np.mean((z - X[:, :P] @ w) ** 2)
    assert np.linalg.norm(w) / law_curve(n, d, P, sigma=sigma, eps=eps) == pytest.approx(1, abs=0.1)


def test_arrays_broadcast():
    assert law_curve(10, 10, np.array([[1], [4]]), sigma=np.array([1.0, 0.5])).tolist() == [[10, 5], [5, 2.5]]


@pytest.mark.parametrize(
    "change, message",
    [
        ({"n": 0}, "n = 0"),
        ({"d": -3}, "d = -3"),
        ({"P": np.inf}, "P = inf"),
        ({"sigma": 0.0}, "sigma = 0.0"),
        ({"sigma": 1.5}, "sigma = 1.5"),
        ({"sigma": 0.5, "eps": 0.3}, r"eps = 0.3 exceeds sigma\*\*2"),
        ({"eps": -0.1}, "eps = -0.1"),
    ],
)
def test_bad_arguments_are_named(change, message):
    with pytest.raises(ValueError, match=message):
        law_curve(**{"n": 10, "d": 10, "P": 10, **change})
