"""Oracles: Beta and chi laws, binomial sums over the cube, Bessel functions, brute force."""

import itertools
import json
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from scipy.integrate import quad
from scipy.spatial.distance import cdist
from scipy.special import hyp0f1

from lawrob_utils import data
from lawrob_utils import isoperimetry as iso

NOTEBOOK = Path(__file__).resolve().parents[1] / "notebooks/05-isoperimetry.ipynb"


def of_the_chapter():
    """The functions that chapter 5 defines and measures."""
    space = {"np": np, "stats": stats, "cdist": cdist, "data": data, "iso": iso}
    space["OneLipschitz"] = iso.OneLipschitz
    for cell in json.loads(NOTEBOOK.read_text("utf-8"))["cells"]:
        if cell["id"] in (
            "isoperimetry-functions",
            "isoperimetry-more",
            "isoperimetry-cube-euclid",
        ):
            exec("".join(cell["source"]), space)
    return space


CHAPTER = of_the_chapter()
euclidean_family, hamming_family = CHAPTER["euclidean_family"], CHAPTER["hamming_family"]
to_half = CHAPTER["to_half"]

# bounds, constants --------------------------------------------------------------------------------


def test_tail_bound_dominates_the_exact_gaussian_tail_and_is_asymptotically_sharp():
    s = np.linspace(0, 8, 81)
    exact = 2 * stats.norm.sf(s)  # |x_1|·√d for N(0, I/d)
    bound = iso.tail_bound(s / 10, 100, c=1.0)
    assert (exact <= bound * (1 + 1e-12)).all()
    assert math.log(bound[-1]) / math.log(exact[-1]) == pytest.approx(1, abs=0.1)


@given(t=st.floats(0, 3), d=st.integers(1, 1000), c=st.floats(0.1, 5), L=st.floats(0.1, 10))
def test_tail_bound_scales_with_the_lipschitz_constant_and_with_c(t, d, c, L):
    assert iso.tail_bound(t * L, d, c=c, L=L) == pytest.approx(iso.tail_bound(t, d, c=c), rel=1e-9)
    assert iso.tail_bound(t * math.sqrt(c), d, c=c) == pytest.approx(iso.tail_bound(t, d), rel=1e-9)


@pytest.mark.parametrize("d", [2, 3, 10, 400])
def test_mgf_of_a_sphere_coordinate_stays_below_the_bound_with_the_known_constant(d):
    c = iso.known_constant("sphere", d).upper
    for lam in np.sqrt(d) * np.array([0.1, 1, 3, 6]):
        log_exact = math.log(hyp0f1(d / 2, lam**2 / 4))  # a Bessel function
        assert log_exact <= lam**2 * c / (2 * d)
        assert 2 * d * log_exact / lam**2 <= 1 + 1e-6  # for this function even c = 1 is enough


def test_variance_that_the_tail_bound_alone_allows_is_twice_one_plus_log_two():
    # P(|X| ≥ t) = min(1, 2 exp(−t²/2)) exactly: the tail bound's worst case for d = c = 1
    variance = quad(lambda t: 2 * t * min(1.0, iso.tail_bound(t, 1)), 0, 12)[0]
    assert variance == pytest.approx(2 * (1 + math.log(2)), rel=1e-6)


@pytest.mark.parametrize("law", ["gaussian", "sphere", "solid_cube", "hamming_cube"])
@pytest.mark.parametrize("d", [2, 64, 1024])
def test_known_lower_bound_is_the_variance_of_a_linear_function_and_not_above_the_upper(law, d):
    known = iso.known_constant(law, d)
    draw = CHAPTER["solid_cube"] if law == "solid_cube" else getattr(data, law)
    X = draw(40_000 if d < 100 else 2000, d, np.random.default_rng(0))
    f = X.mean(axis=1) if law == "hamming_cube" else X[:, 0]
    measured = iso.scaled_std(f, d)
    assert measured.value**2 == pytest.approx(known.lower, abs=10 * measured.error * measured.value)
    assert known.lower <= known.upper <= 2 * known.lower and known.of == "c"
    assert known.is_exact == (law in ("gaussian", "hamming_cube"))


def test_solid_cube_constant_is_the_poincare_constant_of_the_interval():
    # any log-Sobolev constant is at least the Poincaré constant, here 1/π² from cos(πx): Var = ½, E
    # f'² = π²/2
    assert iso.known_constant("solid_cube", 5).upper == pytest.approx(0.5 / (np.pi**2 / 2))


# functions ----------------------------------------------------------------------------------------


def families():
    rng = np.random.default_rng(3)
    for d in (2, 7, 40):
        for f in (*euclidean_family(d, rng), *euclidean_family(d, rng, centre=0.3)):
            yield d, f


@pytest.mark.parametrize(("d", "f"), list(families()), ids=lambda x: getattr(x, "name", x))
def test_no_two_points_far_or_near_witness_a_slope_above_one(d, f):
    rng = np.random.default_rng(4)
    X = rng.standard_normal((400, d)) / np.sqrt(d)
    for scale in (1.0, 1e-2, 1e-5):
        Y = X + scale * rng.standard_normal((400, d)) * (rng.random((400, d)) < 0.5)
        assert (np.abs(f(X) - f(Y)) <= np.linalg.norm(X - Y, axis=1) * (1 + 1e-9) + 1e-12).all()


@pytest.mark.parametrize("d", [1, 2, 9])
def test_hamming_functions_change_by_at_most_one_flip_over_d_on_every_edge(d):
    cube = np.array(list(itertools.product((0.0, 1.0), repeat=d)))
    for f in hamming_family(d, np.random.default_rng(0)).values():
        values = f(cube)
        for j in range(d):
            other = cube.copy()
            other[:, j] = 1 - other[:, j]
            assert np.abs(values - f(other)).max() <= 1 / d + 1e-12


@pytest.mark.parametrize("d", range(1, 9))
def test_distance_to_half_the_corners_is_what_brute_force_finds(d):
    corners = np.array(list(itertools.product((-1.0, 1.0), repeat=d))) / np.sqrt(d)
    half = corners[corners.sum(axis=1) <= 1e-9]
    np.testing.assert_allclose(to_half(corners), cdist(corners, half).min(axis=1), atol=1e-7)


@pytest.mark.parametrize("d", [16, 100, 1000])
def test_discrete_cube_with_euclidean_distance_has_spread_d_to_the_minus_quarter(d):
    plus = np.arange(d + 1)
    p = stats.binom.pmf(plus, d, 0.5)
    f = 2 * np.sqrt(np.maximum(np.ceil((2 * plus - d) / 2), 0) / d)
    exact = np.sqrt(p @ f**2 - (p @ f) ** 2)
    X = (2 * data.hamming_cube(4000, d, np.random.default_rng(0)) - 1) / np.sqrt(d)
    measured = iso.scaled_std(to_half(X), d)
    assert abs(measured.value - exact * np.sqrt(d)) <= 4 * measured.error
    assert 0.15 < exact * d**0.25 < 0.75
    tail = p[f >= d**-0.25].sum()
    assert tail >= 3 / 32  # Paley and Zygmund, as the chapter proves for every d


def test_discrete_cube_constant_grows_like_the_root_of_d_and_a_sample_refutes_a_fixed_one():
    for d in (256, 4096):
        X = (2 * data.hamming_cube(1000, d, np.random.default_rng(1)) - 1) / np.sqrt(d)
        assert iso.tail_constant_at_least(to_half(X), d) > np.sqrt(d) / 24.5
    hamming = hamming_family(d, np.random.default_rng(0))["distance to half the cube"]
    values = hamming(data.hamming_cube(1000, d, np.random.default_rng(1)))
    assert iso.tail_constant_at_least(values, d) < 0.25


# samples ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("d", [4, 50, 900])
def test_std_of_a_sphere_coordinate_is_one_over_root_d(d):
    estimate = iso.scaled_std(data.sphere(20_000, d, np.random.default_rng(d))[:, 0], d)
    assert abs(estimate.value - 1) <= 4 * estimate.error
    # error of the std: √((κ − 1)/(4n)), kurtosis κ = 3d/(d + 2) of the Beta law
    assert estimate.error == pytest.approx(math.sqrt((3 * d / (d + 2) - 1) / 80_000), rel=0.1)


def named(name, d):
    return next(f for f in euclidean_family(d, np.random.default_rng(0)) if f.name == name)


@pytest.mark.parametrize("d", [2, 5, 100])
def test_spread_of_the_norm_of_a_gaussian_part_is_that_of_the_chi_law(d):
    f = named("norm of a part", d)(data.gaussian(20_000, d, np.random.default_rng(d)))
    estimate = iso.scaled_std(f, d)
    assert abs(estimate.value - stats.chi((d + 1) // 2).std()) <= 4 * estimate.error


def test_spread_of_the_distance_to_a_half_space_is_that_of_a_rectified_normal():
    X = data.gaussian(40_000, 30, np.random.default_rng(0))
    estimate = iso.scaled_std(named("distance to a half space", 30)(X), 30)
    assert abs(estimate.value - math.sqrt(0.5 - 0.5 / math.pi)) <= 4 * estimate.error


def test_maximum_of_a_gaussian_has_the_spread_that_quadrature_gives():
    d = 20
    moment = [
        quad(lambda x, k=k: x**k * d * stats.norm.pdf(x) * stats.norm.cdf(x) ** (d - 1), -8, 10)[0]
        for k in (1, 2)
    ]
    X = data.gaussian(40_000, d, np.random.default_rng(0))
    estimate = iso.scaled_std(named("maximum", d)(X), d)
    assert abs(estimate.value - math.sqrt(moment[1] - moment[0] ** 2)) <= 4 * estimate.error


def test_standard_error_of_the_spread_is_the_scatter_between_samples():
    rng = np.random.default_rng(0)
    runs = [iso.scaled_std(data.gaussian(500, 1, rng)[:, 0], 1) for _ in range(400)]
    assert np.std([r.value for r in runs]) == pytest.approx(
        np.mean([r.error for r in runs]), rel=0.12
    )


def test_mgf_constant_of_a_gaussian_is_one_and_its_error_is_the_scatter():
    rng, lam = np.random.default_rng(0), np.array([-10.0, 5.0, 10.0])
    runs = [iso.mgf_constant(data.gaussian(2000, 100, rng)[:, 0], lam, 100) for _ in range(300)]
    values, errors = np.array([r.value for r in runs]), np.array([r.error for r in runs])
    assert (np.abs(values.mean(axis=0) - 1) <= 4 * values.std(axis=0) / np.sqrt(300) + 0.002).all()
    np.testing.assert_allclose(values.std(axis=0), errors.mean(axis=0), rtol=0.2)


def test_mgf_constant_says_nothing_where_one_value_carries_the_mean():
    estimate = iso.mgf_constant(
        data.gaussian(100, 1, np.random.default_rng(0))[:, 0], [0.5, 50.0], 1
    )
    assert (
        np.isfinite(estimate.value[0])
        and np.isnan(estimate.value[1])
        and np.isnan(estimate.error[1])
    )


def test_refuted_constant_stays_below_the_true_one_as_often_as_promised():
    rng = np.random.default_rng(0)
    gaussian = [
        iso.tail_constant_at_least(data.gaussian(300, 1, rng)[:, 0], 1, confidence=0.9)
        for _ in range(300)
    ]
    assert np.mean(np.array(gaussian) > 1) <= 0.1
    # X with exactly the extreme tail P(|X| ≥ t) = min(1, 2 exp(−t²/2)), for which c = 1 is tight
    # everywhere
    u = rng.random((300, 300))
    extreme = np.sqrt(2 * np.log(2 / u)) * (2 * rng.integers(0, 2, u.shape) - 1)
    refuted = np.array([iso.tail_constant_at_least(x, 1, confidence=0.9) for x in extreme])
    assert np.mean(refuted > 1) <= 0.1 and np.median(refuted) > 0.4


def test_heavy_tails_and_separated_mixtures_are_refuted_by_a_sample():
    rng, d = np.random.default_rng(0), 100
    heavy = rng.standard_t(3, 4000) / np.sqrt(3 * d)  # variance 1/d
    assert iso.tail_constant_at_least(heavy, d) > 1.5
    X = data.gaussian_mixture(1000, np.eye(d)[:1] * np.array([[0.9], [-0.9]]), rng).X
    assert iso.tail_constant_at_least(X[:, 0], d) > 10


def test_mixture_of_two_gaussians_has_c_exactly_one_plus_d_r_squared():
    d, r, n = 64, 0.5, 40_000
    centres = np.zeros((2, d))
    centres[:, 0] = r, -r
    x1 = data.gaussian_mixture(n, centres, np.random.default_rng(0)).X[:, 0]
    estimate = iso.scaled_std(x1, d)
    assert abs(estimate.value**2 - (1 + d * r**2)) <= 8 * estimate.error * estimate.value
    lam = np.linspace(0.1, 60, 50)  # exact MGF e^{λ²/(2d)}·cosh(λr)
    assert (lam**2 / (2 * d) + np.log(np.cosh(lam * r)) <= lam**2 * (1 / d + r**2) / 2).all()


@pytest.mark.parametrize("k", [2, 10, 100])
def test_sphere_of_a_subspace_spreads_as_its_own_dimension_says(k):
    rng = np.random.default_rng(k)
    U = data.random_subspace(300, k, rng)
    estimate = iso.scaled_std(data.sphere_in_subspace(20_000, U, rng) @ U[:, 0], k)
    assert abs(estimate.value - 1) <= 4 * estimate.error


def test_gaussian_plus_independent_noise_adds_variances_of_linear_functions():
    d, r, rng = 50, 0.7, np.random.default_rng(0)
    X = data.gaussian(40_000, d, rng) + r * data.sphere(40_000, d, rng)
    estimate = iso.scaled_std(X[:, 0], d)
    assert abs(estimate.value**2 - (1 + r**2)) <= 8 * estimate.error * estimate.value


# sphere, exact ------------------------------------------------------------------------------------


@pytest.mark.parametrize("d", [2, 3, 17, 500])
def test_cap_probability_is_the_beta_law_of_the_coordinate(d):
    t = np.linspace(-1, 1, 41)
    exact = stats.beta((d - 1) / 2, (d - 1) / 2).sf((1 + t) / 2)  # (1 + x_1)/2 has this law
    np.testing.assert_allclose(iso.cap_probability(t, d), exact, rtol=1e-9, atol=1e-300)


def test_cap_probability_on_the_circle_is_an_angle_and_on_the_sphere_a_height():
    t = np.linspace(-1, 1, 21)
    np.testing.assert_allclose(iso.cap_probability(t, 2), np.arccos(t) / np.pi, atol=1e-12)
    np.testing.assert_allclose(iso.cap_probability(t, 3), (1 - t) / 2, atol=1e-12)
    assert iso.cap_probability(1.5, 5) == 0 and iso.cap_probability(-1.5, 5) == 1


@given(t=st.floats(0, 1), d=st.integers(2, 3000))
def test_both_caps_together_stay_below_the_isoperimetric_tail(t, d):
    assert 2 * iso.cap_probability(t, d) <= iso.tail_bound(t, d, c=d / (d - 1)) * (1 + 1e-9)


@settings(deadline=None, max_examples=30)
@given(n=st.integers(1, 50), m=st.integers(1, 20), d=st.integers(1, 30), seed=st.integers(0, 99))
def test_distance_to_points_is_the_least_of_all_distances(n, m, d, seed):
    rng = np.random.default_rng(seed)
    X, Z = rng.standard_normal((n, d)), rng.standard_normal((m, d))
    least = cdist(X, Z).min(axis=1)
    np.testing.assert_allclose(iso.distance_to_points(Z)(X), least, rtol=1e-9)
    assert (iso.distance_to_points(X)(X) == 0).all()


# bad input ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: iso.tail_bound(-0.1, 10), "t = -0.1"),
        (lambda: iso.tail_bound(0.1, 0), "d = 0"),
        (lambda: iso.tail_bound(0.1, 10, c=0.0), "c = 0.0"),
        (lambda: iso.tail_bound("far", 10), "t is not an array of real numbers; got str: 'far'"),
        (lambda: iso.tail_bound(np.nan, 10), "t = nan"),
        (lambda: iso.tail_bound(1.0, 10, L=-1.0), "L = -1.0"),
        (lambda: iso.known_constant("cube", 10), "law = 'cube' is unknown; allowed: 'gaussian'"),
        (lambda: iso.known_constant("sphere", 1), "d = 1"),
        (lambda: iso.distance_to_points(np.eye(3))(np.eye(2)), "X has 2 columns; 3"),
        (lambda: iso.distance_to_points(np.zeros(3)), "Z has shape"),
        (lambda: iso.OneLipschitz("f", np.ravel, "")(np.ones(3)), "X has shape"),
        (lambda: iso.OneLipschitz("f", np.sum, "")(np.eye(3)), "values of f has shape"),
        (lambda: iso.scaled_std(np.ones(1), 3), "values has 1 entries; at least 2"),
        (lambda: iso.scaled_std(np.array([1.0, np.inf]), 3), r"values\[1\] = inf"),
        (lambda: iso.mgf_constant(np.ones(5), 0.0, 3), "lam = 0"),
        (lambda: iso.tail_constant_at_least(np.ones(5), 3, confidence=1.0), "confidence = 1.0"),
        (lambda: iso.cap_probability(0.1, 1), "d = 1; an integer of at least 2"),
    ],
)
def test_bad_arguments_are_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
