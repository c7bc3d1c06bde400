"""Oracles: the McShane–Whitney theorem itself (fits, is L-Lipschitz, is the extreme extension)."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lawrob_utils import data
from lawrob_utils.lipschitz import data_lipschitz
from lawrob_utils.memorizers import (
    Baum,
    Bumps,
    McShane,
    Memorizer,
    MinNormLinear,
    OneNumber,
)

sides = pytest.mark.parametrize("side", ["upper", "lower"])


def noisy_sphere(n, d, seed):
    rng = np.random.default_rng(seed)
    return data.sphere(n, d, rng), data.random_signs(n, rng), rng


@sides
@settings(deadline=None, max_examples=50)
@given(
    n=st.integers(2, 40), d=st.integers(1, 8), seed=st.integers(0, 10**6), factor=st.floats(1, 5)
)
def test_mcshane_fits_every_label_and_is_lipschitz_everywhere(side, n, d, seed, factor):
    rng = np.random.default_rng(seed)
    X, y = rng.standard_normal((n, d)), rng.uniform(-1, 1, n)
    f = McShane.fit(X, y, L=factor * data_lipschitz(X, y).value, side=side)
    assert np.allclose(f(X), y, rtol=0, atol=1e-12)
    a, b = 3 * rng.standard_normal((200, d)), 3 * rng.standard_normal((200, d))
    assert (np.abs(f(a) - f(b)) <= f.L * np.linalg.norm(a - b, axis=1) + 1e-9).all()


@sides
def test_default_constant_is_the_optimum_and_the_bracket_is_exact(side):
    X, y, _ = noisy_sphere(300, 12, 0)
    f = McShane.fit(X, y, side=side)
    assert f.lipschitz().is_exact
    assert f.lipschitz().lower == data_lipschitz(X, y).value
    i, j = f.steepest.i, f.steepest.j
    rise = abs(np.diff(f(X[[i, j]]))[0])
    assert rise / np.linalg.norm(X[i] - X[j]) == pytest.approx(f.L, rel=1e-12)


@sides
def test_a_larger_constant_is_attained_next_to_a_data_point(side):
    X, y, rng = noisy_sphere(50, 5, 1)
    f = McShane.fit(X, y, L=2 * data_lipschitz(X, y).value, side=side)
    near = X[:1] + 1e-6 * data.sphere(1, 5, rng)
    slope = abs(f(near)[0] - y[0]) / np.linalg.norm(near - X[0])
    assert slope == pytest.approx(f.lipschitz().lower, rel=1e-6)


def test_every_lipschitz_fit_lies_between_the_two_sides():
    X, y, rng = noisy_sphere(60, 4, 2)
    probes = 2 * data.gaussian(500, 4, rng)
    L = 2 * data_lipschitz(X, y).value
    upper, lower = (
        McShane.fit(X, y, L, "upper")(probes),
        McShane.fit(X, y, L, "lower")(probes),
    )
    tight = McShane.fit(X, y)(probes)  # L/2-Lipschitz, hence also an L-Lipschitz fit
    assert (lower <= tight + 1e-12).all() and (tight <= upper + 1e-12).all()


def test_mcshane_counts_the_data_it_stores():
    X, y, _ = noisy_sphere(20, 7, 3)
    assert McShane.fit(X, y).n_parameters == 20 * (7 + 1)


def test_mcshane_is_a_memorizer_and_cannot_be_changed():
    X, y, _ = noisy_sphere(20, 7, 3)
    f = McShane.fit(X, y)
    assert isinstance(f, Memorizer)
    X[0] += 1  # the caller's array is not the memorizer's
    assert np.allclose(f(f.X), y, rtol=0, atol=1e-12)
    with pytest.raises(AttributeError):
        f.L = 0.0
    with pytest.raises(ValueError, match="read-only"):
        f.y[0] = 5


@pytest.mark.parametrize("kind", [McShane, Bumps, Baum, MinNormLinear, OneNumber])
def test_no_array_that_a_memorizer_stores_can_be_changed(kind):
    rng = np.random.default_rng(0)
    X, y = data.sphere(6, 12, rng), data.random_signs(6, rng)
    f = kind.fit(X, y, 12) if kind is MinNormLinear else kind.fit(X, y)
    arrays = [value for value in vars(f).values() if isinstance(value, np.ndarray)]
    assert kind is OneNumber or arrays
    assert not any(array.flags.writeable for array in arrays)


def test_constant_labels_have_the_constant_memorizer():
    X, _, rng = noisy_sphere(20, 7, 3)
    f = McShane.fit(X, np.full(20, 0.5))
    assert f.lipschitz().upper == 0 and (f(data.sphere(9, 7, rng)) == 0.5).all()


def test_too_small_a_constant_is_refused_with_the_pair_that_forbids_it():
    X, y, _ = noisy_sphere(20, 7, 3)
    with pytest.raises(
        ValueError, match=r"L = 0.1 is below L\* = .* between the points \d+ and \d+.*take L >= L\*"
    ):
        McShane.fit(X, y, L=0.1)


@pytest.mark.parametrize(
    "arguments, message",
    [
        ((np.zeros((2, 3)), [1.0, -1.0]), "no Lipschitz memorizer exists"),
        ((np.eye(3), [1.0, np.nan, 0.0]), r"y\[1\] = nan"),
        ((np.eye(1), [1.0]), "at least 2 are needed"),
        ((np.eye(3), [1.0, 0.0, 0.0], -1.0), "L = -1.0"),
        (
            (np.eye(3), [1.0, 0.0, 0.0], None, "middle"),
            "side = 'middle' is unknown; allowed: 'upper', 'lower'",
        ),
    ],
)
def test_bad_arguments_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        McShane.fit(*arguments)


def test_points_of_another_dimension_are_refused():
    with pytest.raises(ValueError, match="X has 2 columns; 3 are needed"):
        McShane.fit(np.eye(3), np.zeros(3))(np.eye(2))
