"""The steps of chapter 6 from one function to a class, by quadrature and enumeration."""

import math
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

real = st.floats(-3, 3)


def test_one_function_fits_balanced_signs_with_probability_below_the_exponential():
    for d, L in product((5, 20, 100, 500), (1.1, 2, 5, 15)):
        cap = stats.beta.sf((1 + 1 / L) / 2, (d - 1) / 2, (d - 1) / 2)  # P(x_1 ≥ 1/L) on the sphere
        assert 2 * math.log(cap) <= -(d - 1) / L**2


@given(a=real, b=real, lam=real, K=st.floats(0.05, 2))
def test_noise_times_a_gaussian_function_has_four_times_its_variance_proxy(a, b, lam, K):
    t, weight = np.polynomial.hermite_e.hermegauss(80)
    weight /= weight.sum()
    h, g = K * t, np.tanh(a * t + b)  # labels ±1 with mean g(x)
    mgf = weight @ (
        (1 + g) / 2 * np.exp(lam * (1 - g) * h) + (1 - g) / 2 * np.exp(-lam * (1 + g) * h)
    )
    assert mgf <= math.exp(4 * lam**2 * K**2 / 2) * (1 + 1e-6)


@given(P=st.integers(1, 3), rho=st.floats(0.3, 3), seed=st.integers(0, 50))
@settings(max_examples=30, deadline=None)
def test_a_net_covers_its_set_with_at_most_as_many_points_as_the_volume_allows(P, rho, seed):
    rng = np.random.default_rng(seed)
    A = rng.standard_normal((400, P))
    A /= np.maximum(1, np.linalg.norm(A, axis=1, keepdims=True))
    net = []
    for w in A:
        if all(np.linalg.norm(w - v) > rho for v in net):
            net.append(w)
    assert max(min(np.linalg.norm(w - v) for v in net) for w in A) <= rho
    assert len(net) <= (1 + 2 / rho) ** P


@given(
    eps=st.floats(0.01, 1), P=st.integers(1, 10**6), WJ=st.floats(1, 1e12), n=st.integers(10, 10**6)
)
def test_constants_of_the_statement_follow_from_those_of_the_theorem(eps, P, WJ, n):
    s = t = eps / 16
    W, J = 1.0, WJ
    rho = eps / (16 * J)
    factor = eps / 2 - s - t - 2 * J * rho
    size = P * math.log(1 + 2 * W / rho) + math.log(100)
    stated = (
        eps
        / (8 * math.sqrt(2))
        * math.sqrt(n * 7 / (P * math.log(1 + 32 * WJ / eps) + math.log(100)))
    )
    assert factor * math.sqrt(n * 7 / (2 * 4 * size)) == pytest.approx(stated)
    assert math.exp(-2 * n * t**2) + 2 * math.exp(-n * s**2 / 2) <= 3 * math.exp(
        -n * eps**2 / 512
    ) * (1 + 1e-9)


def test_a_net_of_the_printed_radius_moves_squared_errors_by_more_than_half_of_epsilon():
    eps = 0.3
    y, f = 1.0, -1.0
    moved = (y - f) ** 2 - (y - (f + eps / 6)) ** 2
    assert eps / 2 < moved <= 2 * eps / 3


@given(m=st.integers(1, 400), u=st.floats(0.001, 0.999))
def test_lower_tail_of_chi_square_is_below_the_exponential_of_the_proof(m, u):
    assert stats.chi2.cdf((1 - u) * m, m) <= math.exp(-m * u**2 / 4) * (1 + 1e-9)


@given(n=st.integers(5, 200), m=st.integers(1, 6), seed=st.integers(0, 100), lattice=st.booleans())
@settings(deadline=None)
def test_points_in_few_coordinates_are_as_crowded_as_stated(n, m, seed, lattice):
    rng = np.random.default_rng(seed)
    Z = rng.standard_normal((n, m))
    if lattice:  # as spread out as can be
        side = math.ceil(n ** (1 / m))
        Z = np.stack(np.unravel_index(np.arange(n), (side,) * m), axis=1) - (side - 1) / 2
    distance = np.sqrt(((Z[:, None] - Z) ** 2).sum(axis=2))[np.triu_indices(n, 1)].min()
    mean = np.mean((Z**2).sum(axis=1))
    assert distance * ((n / 2) ** (1 / m) - 1) <= 2 * math.sqrt(2 * mean)


@pytest.mark.parametrize("sizes", [(1, 1, 1), (2, 3), (1, 4, 2, 1)])
def test_noise_summed_over_clusters_is_at_most_the_root_of_k_over_n_on_average(sizes):
    n, k = sum(sizes), len(sizes)
    where = np.repeat(np.arange(k), sizes)
    sums = [np.abs(np.bincount(where, z, k)).sum() / n for z in product((-1.0, 1.0), repeat=n)]
    assert np.mean(sums) <= math.sqrt(k / n)


def test_products_of_norms_with_one_left_out_are_not_convex():
    def B(a, b):
        return max(a * b, a, b)

    ends, middle = (B(4, 0.25), B(0.25, 4)), B(2.125, 2.125)
    assert ends == (4, 4) and middle == pytest.approx(4.516, abs=1e-3)
