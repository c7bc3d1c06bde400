"""What chapter 4 proves by counting: chosen features, stored digits, Hamming balls."""

import math
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats


@given(s=st.integers(1, 200), t=st.floats(0, 12))
def test_chi_square_tail_is_below_the_exponential_of_the_proof(s, t):
    assert stats.chi2.sf((math.sqrt(s) + t) ** 2, s) <= math.exp(-(t**2) / 2) * (1 + 1e-9)


def test_no_choice_of_features_memorizes_more_than_the_price_of_choosing_allows():
    n, M, s, eta, rng = 30, 10, 3, 0.2, np.random.default_rng(1)
    bound = math.sqrt(s) + math.sqrt(2 * math.log(math.comb(M, s) / eta))
    X = rng.standard_normal((n, M))
    projections = [np.linalg.qr(X[:, S])[0] for S in combinations(range(M), s)]
    largest = [
        max(np.linalg.norm(Q.T @ z) for Q in projections) for z in rng.standard_normal((200, n))
    ]
    assert np.mean(np.array(largest) > bound) <= eta
    assert np.median(largest) > 1.5 * math.sqrt(s)  # and choosing does buy something


@pytest.mark.parametrize("n, P", [(6, 1), (6, 2), (6, 3)])
def test_counting_with_parameters_is_sharp_for_classes_that_store_digits(n, P):
    # each parameter in [-1/2, 1/2] holds k = n/P digits as plateaus with ramps of slope J =
    # 2^(k+1), so W·J = 2^k
    k = n // P
    w = np.linspace(-0.5, 0.5, 2 ** (k + 1) * 64 + 1)
    breaks = (w[:, None] + 0.5) * 2 ** np.arange(
        1, k + 1
    )  # digit i changes where this is a whole number
    to_break = np.abs(breaks - np.rint(breaks)) / 2 ** np.arange(1, k + 1)
    digits = np.where(np.floor(breaks) % 2 == 0, -1.0, 1.0) * np.minimum(1, 2 ** (k + 1) * to_break)
    slopes = np.abs(np.diff(digits, axis=0)) / np.diff(w)[:, None]
    assert slopes.max() <= 2 ** (k + 1) * (1 + 1e-9)
    fitted = {
        tuple(v) for v in digits if (np.abs(v) == 1).all()
    }  # exact fits of k signs by one parameter
    assert len(fitted) == 2**k  # so P parameters fit all 2^n sign vectors ...
    assert (
        2**n <= (1 + 0.5 * 2 ** (k + 1)) ** P <= 2**n * (1 + 2.0**-k) ** P
    )  # ... and the bound hardly allows more


@given(n=st.integers(1, 300), eta=st.floats(0.001, 0.499))
def test_hamming_balls_are_no_larger_than_two_to_the_entropy(n, eta):
    ball = sum(math.comb(n, j) for j in range(math.floor(eta * n) + 1))
    H = -eta * math.log2(eta) - (1 - eta) * math.log2(1 - eta)
    assert math.log2(ball) <= H * n + 1e-9
