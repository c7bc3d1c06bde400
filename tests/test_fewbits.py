"""Oracles: the best quantiser by integration, all sign patterns of small nets, closed forms."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.integrate import quad
from scipy.optimize import minimize_scalar
from scipy.stats import norm

from lawrob_utils import data
from lawrob_utils.fewbits import (
    STEPS,
    FewBitNet,
    _steepest_squared,
    fit_few_bits,
    levels,
    quantize,
    rounded,
)
from lawrob_utils.law import bit_certificate, enumerative_bits
from lawrob_utils.lipschitz import relu_bracket
from lawrob_utils.memorizers import Memorizer


def _net(seed, k=4, d=5, activation="abs"):
    q = np.random.default_rng(seed).choice([-3, -1, 1, 3], (k, d))
    return FewBitNet(q, (-3, -1, 1, 3), activation, scale=0.3, offset=0.1)


def best_step(bits):
    """The step of the uniform quantiser of a standard normal number with the least mean squared
    error, and that error."""

    def error(step):
        edges = [-np.inf, *(step * np.arange(1 - 2 ** (bits - 1), 2 ** (bits - 1))), np.inf]
        values = step * (np.arange(2**bits) - (2**bits - 1) / 2)
        return sum(
            quad(lambda x, v=v: (x - v) ** 2 * norm.pdf(x), a, b)[0]
            for a, b, v in zip(edges, edges[1:], values, strict=False)
        )

    found = minimize_scalar(error, bounds=(0.5 * STEPS[bits], 2 * STEPS[bits]), method="bounded")
    return found.x, found.fun


@pytest.mark.parametrize("bits", STEPS)
def test_steps_are_those_of_the_best_uniform_quantiser_of_a_normal_number(bits):
    assert best_step(bits)[0] == pytest.approx(STEPS[bits], rel=2e-3)


# Max, "Quantizing for minimum distortion", 1960, Table II: mean squared errors of the best uniform
# quantisers.
MAX = {1: 0.3634, 2: 0.1188, 3: 0.03744, 4: 0.01154, 5: 0.003495}


@pytest.mark.parametrize("bits", MAX)
def test_codes_times_half_a_step_have_the_least_error_that_a_quantiser_can_have(bits):
    w = 3 * norm.ppf((np.arange(200_000) + 0.5) / 200_000)
    error = np.mean((w / 3 - STEPS[bits] / 2 * quantize(w, bits)) ** 2)
    assert error == pytest.approx(MAX[bits], rel=2e-3)
    assert best_step(bits)[1] == pytest.approx(MAX[bits], rel=1e-3)


def test_quantize_takes_the_nearest_code_of_the_array_or_of_each_row():
    w = np.random.default_rng(0).standard_normal((20, 50)) * np.geomspace(1e-3, 1e3, 20)[:, None]
    for bits in (1, 2, 3):
        for by_row in (False, True):
            size = np.sqrt((w**2).mean(axis=1 if by_row else None, keepdims=True))
            codes = np.array(levels(bits))
            far = np.abs((w / size)[..., None] - STEPS[bits] / 2 * codes)
            np.testing.assert_array_equal(
                quantize(w, bits, by_row=by_row), codes[far.argmin(axis=-1)]
            )
    assert quantize(np.zeros((2, 3)), 1).tolist() == [[1, 1, 1]] * 2


@pytest.mark.parametrize("by_row", [False, True])
@pytest.mark.parametrize("bits", STEPS)
def test_a_tensor_has_the_codes_of_the_same_array(bits, by_row):
    torch = pytest.importorskip("torch")
    w = np.random.default_rng(bits).standard_normal((7, 30))
    w[3] = 0.0
    codes = quantize(torch.tensor(w), bits, by_row=by_row)
    assert codes.dtype == torch.float64
    np.testing.assert_array_equal(codes, quantize(w, bits, by_row=by_row))


@pytest.mark.parametrize("bits", [1, 2, 3, 5])
def test_training_rounds_as_quantize_does(bits):
    """With steps too short to change a code, what comes back are the codes of the normal start."""
    pytest.importorskip("torch")
    rng = np.random.default_rng(1)
    X, y = data.sphere(50, 20, rng), data.random_signs(50, rng)
    start = quantize(np.random.default_rng(4).standard_normal((5, 20)), bits, by_row=True)
    h = np.maximum(X @ start.T, 0) @ np.array([1, 1, 1, -1, -1])
    y *= np.sign((y - y.mean()) @ h)  # so that a positive scale fits
    net = fit_few_bits(X, y, 5, rng=np.random.default_rng(4), bits=bits, steps=2, lr=1e-12)
    np.testing.assert_array_equal(net.codes, start)


@pytest.mark.parametrize("activation", ["relu", "abs"])
def test_few_bit_net_is_its_formula_with_that_gradient(activation):
    net, X = _net(1, activation=activation), np.random.default_rng(2).standard_normal((30, 5))
    phi = np.abs if activation == "abs" else lambda u: np.maximum(u, 0)
    slope = np.sign if activation == "abs" else np.heaviside
    terms = list(zip((1, 1, -1, -1), net.codes, strict=True))
    expected = [0.1 + 0.3 * sum(s * phi(q @ x) for s, q in terms) for x in X]
    gradients = [
        0.3 * sum(s * slope(q @ x, *[0] * (activation == "relu")) * q for s, q in terms) for x in X
    ]
    np.testing.assert_allclose(net(X), expected, atol=1e-12)
    np.testing.assert_allclose(net.gradient(X), gradients, atol=1e-12)
    assert isinstance(net, Memorizer)


def test_bracket_of_a_few_bit_net_contains_the_steepest_of_all_sign_patterns():
    for seed in range(10):
        net, a = _net(seed), 0.3 * np.array([1, 1, -1, -1])
        truth = max(
            np.linalg.norm((np.array(s) * a) @ net.codes)
            for s in itertools.product([-1, 1], repeat=4)
        )  # without biases and with independent rows every sign pattern occurs
        bracket = net.lipschitz()
        assert bracket.lower <= truth * (1 + 1e-9) <= bracket.upper * (1 + 2e-9)
        assert bracket.ratio < 1.05


def test_bits_are_counted_per_weight_and_zeros_cost_too():
    net = _net(0)
    assert net.n_parameters == 20 and net.bits == 40
    assert FewBitNet(np.zeros((2, 10), dtype=int), (-1, 0, 1)).bits == math.ceil(20 * math.log2(3))
    sparse = np.zeros((1, 1000), dtype=int)
    sparse[0, :10] = 1
    assert enumerative_bits(sparse, (-1, 0, 1)) < 120 < FewBitNet(sparse, (-1, 0, 1)).bits


def test_scale_and_offset_are_those_of_least_squares_and_leave_the_certified_ratio():
    rng = np.random.default_rng(3)
    net, X = _net(3), data.sphere(200, 5, rng)
    y = np.where(net(X) + rng.standard_normal(200) > 0, 1.0, -1.0)
    better = net.fitted(X, y)
    slope, offset = np.polyfit(net(X), y, 1)
    np.testing.assert_allclose(better(X), slope * net(X) + offset, atol=1e-12)
    before, after = (bit_certificate(y, f(X), 50, 5) / f.lipschitz().upper for f in (net, better))
    assert before == pytest.approx(after, rel=1e-6)
    near = 1e-7 * X  # where the net hardly varies
    slope = np.polyfit(net(near) - net(near).mean(), y, 1)[0]
    assert net.fitted(near, y).scale == pytest.approx(slope * net.scale, rel=1e-6)
    with pytest.raises(ValueError, match="does not correlate positively"):
        net.fitted(X, -y)


@pytest.mark.parametrize("activation", ["relu", "abs"])
def test_training_through_the_rounding_beats_rounding_of_random_weights(activation):
    pytest.importorskip("torch")
    rng = np.random.default_rng(8)
    X, y = data.sphere(300, 30, rng), data.random_signs(300, rng)
    plain = fit_few_bits(X, y, 6, rng=rng, activation=activation, steps=200)
    assert np.corrcoef(plain(X), y)[0, 1] > 0.3
    assert set(np.unique(plain.codes)) == {-1, 1}
    pruned = fit_few_bits(X, y, 6, rng=rng, activation=activation, steps=50, prune=0.5, bits=2)
    assert (pruned.codes == 0).mean() == 0.5 and pruned.alphabet == (-3, -1, 0, 1, 3)


def test_penalty_makes_trained_nets_smoother_for_their_fit():
    pytest.importorskip("torch")
    X, y = (
        data.sphere(600, 60, np.random.default_rng(9)),
        data.random_signs(600, np.random.default_rng(10)),
    )

    def merit(smooth):
        net = fit_few_bits(
            X, y, 6, rng=np.random.default_rng(11), activation="abs", smooth=smooth, steps=300
        )
        return net.lipschitz().upper / bit_certificate(y, net(X), net.bits, 60)

    assert merit(3.0) < merit(0.0)


def test_trained_margins_certify_the_radius_that_attacks_respect():
    pytest.importorskip("torch")
    from lawrob_utils.attacks import pgd

    rng = np.random.default_rng(13)
    X, y = data.sphere(60, 60, rng), np.repeat([1.0, -1.0], 30)
    net = fit_few_bits(X, y, 16, rng=rng, radius=0.15, activation="abs", steps=200)
    plain = FewBitNet(
        net.codes, net.alphabet, net.activation
    )  # without the offset of least squares
    certified = y * plain(X) / plain.lipschitz().upper
    assert np.median(certified) > 0.05
    safe = certified > 0
    for share, can_fool in ((0.99, False), (20.0, True)):
        attack = pgd(
            plain.two_layer,
            X[safe],
            y[safe],
            share * float(np.median(certified)),
            "l2",
            steps=50,
        )
        fooled = attack.fooled[certified[safe] >= np.median(certified)]
        assert fooled.any() == can_fool


def test_rounding_a_trained_net_costs_b_bits_a_number_and_many_bits_change_little():
    pytest.importorskip("torch")
    from lawrob_utils.networks import fit_two_layer

    rng = np.random.default_rng(12)
    X, y = data.sphere(100, 20, rng), data.random_signs(100, rng)
    net = fit_two_layer(X, y, 10, rng=rng, steps=300)[0]
    coarse = {bits: rounded(net, bits) for bits in (2, 4, 8)}
    errors = [np.abs(f(X) - net(X)).mean() for f, _ in coarse.values()]
    assert errors[0] > errors[1] > errors[2] and errors[2] < 0.1
    small = coarse[2][0]
    for w, old in (
        (np.column_stack([small.W, small.b]), [net.W, net.b[:, None]]),
        (small.a, [net.a]),
    ):
        steps = w / np.abs(w).min()  # odd multiples of one step, whose mean is that of the weights
        assert set(np.round(np.unique(np.abs(steps)), 9)) <= {1.0, 3.0}
        assert np.abs(w).mean() == pytest.approx(np.abs(np.concatenate(old, axis=-1)).mean())
    assert coarse[4][1] == 4 * (10 * 21 + 10)
    assert relu_bracket(coarse[8][0], X).upper > 0


@pytest.mark.parametrize(("activation", "greatest"), [("relu", 4.0), ("abs", 5.76)])
def test_penalty_is_the_steepest_pattern_which_for_absolute_values_takes_opposite_rows_together(
    activation, greatest
):
    """Rows 2e and −0.4e: one of two ReLUs is on (2²), |u| adds the slopes of both (2.4²)."""
    torch = pytest.importorskip("torch")
    rows = torch.tensor([[2.0, 0.0], [-0.4, 0.0]], dtype=torch.float64)
    assert float(_steepest_squared(rows, activation)) == pytest.approx(greatest)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: quantize(np.ones(2), 0), "bits = 0"),
        (lambda: quantize(np.ones(2), 9), "bits = 9; 1 to 8 bits"),
        (lambda: quantize(np.array([np.nan]), 1), "not finite"),
        (lambda: FewBitNet(np.array([[2]]), (-1, 1)), "codes contains 2"),
        (lambda: FewBitNet(np.array([[1.0]]), (-1, 1)), "codes has dtype float64"),
        (lambda: FewBitNet(np.array([1]), (-1, 1)), r"codes has shape \(1,\)"),
        (lambda: FewBitNet(np.array([[1]]), "±1"), "alphabet is not an array of real numbers"),
        (lambda: FewBitNet(np.array([[1]]), (1.0, -1.0)), "alphabet has dtype float64"),
        (lambda: FewBitNet(np.array([[1]]), (-1, 1), scale="1"), "scale = '1'"),
        (lambda: rounded(_net(0), 2), "net is a FewBitNet; a TwoLayer is needed"),
        (lambda: levels(9), "bits = 9; 1 to 8 bits"),
        (lambda: quantize("1.0", 1), "w is not an array of real numbers"),
        (lambda: _net(0)(np.ones((2, 4))), "X has 4 columns; 5 are needed"),
        (lambda: FewBitNet(np.array([[1]]), (-1, 1), "tanh"), "activation = 'tanh'"),
        (lambda: FewBitNet(np.array([[1]]), (-1, 1), scale=-1.0), "scale = -1.0"),
    ],
)
def test_bad_arguments_are_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()


NOT_NUMBERS = ["0.5", None, [[1.0], [1.0, 2.0]], {"0.weight": np.ones(3)}, [np.nan, 1.0], 1 + 2j]


@pytest.mark.parametrize("wrong", NOT_NUMBERS, ids=lambda v: type(v).__name__)
@pytest.mark.parametrize(
    "argument",
    ["X", "y", "k", "rng", "bits", "activation", "prune", "smooth", "radius", "steps", "lr"],
)
def test_training_names_what_is_no_number(argument, wrong):
    pytest.importorskip("torch")
    given = {"X": np.eye(2), "y": np.array([1.0, -1.0]), "k": 1, "rng": np.random.default_rng(0)}
    with pytest.raises(ValueError, match=rf"\b{argument}\b"):
        fit_few_bits(**{**given, argument: wrong})


@settings(max_examples=200, deadline=None)
@given(
    codes=arrays(
        np.int64, st.lists(st.integers(0, 3), max_size=3).map(tuple), elements=st.integers(-3, 3)
    ),
    scale=st.floats(),
)
def test_integers_of_any_shape_make_a_net_or_a_message(codes, scale):
    fits = codes.ndim == 2 and codes.size > 0
    fits &= bool(np.isin(codes, (-1, 1)).all()) and 0 < scale < np.inf
    try:
        net = FewBitNet(codes, (-1, 1), scale=scale)
    except ValueError as error:
        assert not fits and str(error).startswith(("codes", "scale"))
    else:
        assert fits and net.bits == net.n_parameters == codes.size


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"bits": 0}, "bits = 0"),
        ({"bits": 9}, "bits = 9"),
        ({"prune": 1.0}, "prune = 1"),
        ({"radius": 0.1, "y": [2.0, -1.0]}, r"y\[0\] = 2"),
    ],
)
def test_training_names_bad_settings(change, message):
    pytest.importorskip("torch")
    with pytest.raises(ValueError, match=message):
        given = {"X": np.ones((2, 2)), "y": np.array([1.0, -1.0]), "k": 1, **change}
        fit_few_bits(rng=np.random.default_rng(0), **given)
