"""Oracles: all activation patterns by brute force, linear programmes that say which of them occur,
every linear region (tests/oracles/exact.py), LipSDP solved elsewhere by general solvers
(tests/oracles/lipsdp.json), closed forms, and gradients at sampled points."""

import itertools
import json
from fractions import Fraction
from functools import cache
from math import pi, sqrt
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from oracles.exact import exact_lipschitz
from scipy.optimize import linprog

from lawrob_utils import lipschitz as lip
from lawrob_utils.lipschitz import certificate as sdp
from lawrob_utils.lipschitz import nets, search

ROOT = Path(__file__).resolve().parents[1]
RECORD = json.loads((ROOT / "tests/oracles/bench_certificate.json").read_text("utf-8"))
LIPSDP = json.loads((Path(__file__).parent / "oracles" / "lipsdp.json").read_text("utf-8"))
moderate = st.floats(-10, 10, allow_nan=False, width=32)


def net_of(W, b, a):
    return SimpleNamespace(
        W=np.array(W, dtype=float), b=np.array(b, dtype=float), a=np.array(a, dtype=float)
    )


def random_net(k, d, seed, kind="plain"):
    rng = np.random.default_rng(seed)
    W, b, a = rng.standard_normal((k, d)), rng.standard_normal(k), rng.standard_normal(k)
    if kind == "no bias":
        b[:] = 0
    elif kind == "integers":
        W, b = np.sign(W), np.round(b)
    elif kind == "repeated":
        W[k // 2 :], b[k // 2 :] = W[: k - k // 2], b[: k - k // 2]
    elif kind == "dead":
        W[0], a[-1] = 0, 0
    return net_of(W, b, a)


def ascent(net, X, steps=200):
    """The annealed ascent of a two-layer net."""
    return lip.annealed_ascent(((net.W, net.b), (net.a[None], np.zeros(1))), X, steps=steps)


def rounded(net, certificate, X, rng, n=32):
    return search.rounded_starts(nets.checked(net), certificate, X, rng, n)


def patterns(k):
    return np.array(list(itertools.product([0.0, 1.0], repeat=k)))


def steepest_pattern(net):
    """max over s in {0, 1}^k of ‖Σ s_j a_j w_j‖: at least Lip(f)."""
    return np.linalg.norm(patterns(len(net.a)) @ (net.a[:, None] * net.W), axis=1).max()


def occurs(net, s):
    """Whether some x has s_j = 1 where ⟨w_j, x⟩ + b_j > 0 and only there, with room to spare: a
    linear programme for the room."""
    k, d = net.W.shape
    side = 2 * s - 1
    rows = np.concatenate([-side[:, None] * net.W, np.ones((k, 1))], axis=1)
    alive = (net.W != 0).any(axis=1)
    done = linprog(
        np.r_[np.zeros(d), -1.0],
        A_ub=rows[alive],
        b_ub=(side * net.b)[alive],
        bounds=[(None, None)] * d + [(None, 1.0)],
    )
    return done.status == 0 and -done.fun > 1e-9


def truth(net):
    """Lip(f) by linear programmes, the steepest pattern first."""
    S = patterns(len(net.a))
    norms = np.linalg.norm(S @ (net.a[:, None] * net.W), axis=1)
    return next(norms[i] for i in np.argsort(-norms, kind="stable") if occurs(net, S[i]))


def gradients(net, X):
    return ((X @ net.W.T + net.b > 0) * net.a) @ net.W


# -------------------------------------------------------------- the certificate and the exact value


@pytest.mark.parametrize("kind", ["plain", "no bias", "integers", "repeated", "dead"])
@pytest.mark.parametrize("d", [1, 2, 3, 4])
def test_certificate_is_never_below_exact_value_and_exact_value_never_below_a_witness(d, kind):
    for seed in range(16):  # 320 networks in all
        k = 2 + seed % 9
        net, rng = random_net(k, d, 100 * d + seed, kind), np.random.default_rng(seed)
        exact, certificate = exact_lipschitz(net), lip.sdp_certificate(net)
        assert certificate.value >= exact.lower
        starts = rng.standard_normal((40, d)) * 3
        proposed = rounded(net, certificate, starts, rng, 8)
        below = [
            ascent(net, starts, 40).value,
            ascent(net, proposed, 40).value,
            search.region_flips(
                nets.checked(net), np.concatenate([starts[:4], proposed[:2]])
            ).value,
            np.linalg.norm(gradients(net, starts), axis=1).max(),
        ]
        assert max(below) <= exact.upper * (1 + 1e-9)
        assert certificate.relaxation <= certificate.value <= nets.path_norm(net) * (1 + 1e-9)
        bracket = lip.relu_bracket(net, starts, steps=40)
        assert bracket.lower <= exact.upper * (1 + 1e-9) and exact.lower <= bracket.upper * (
            1 + 1e-9
        )


@pytest.mark.parametrize("kind", ["plain", "no bias", "integers", "repeated", "dead"])
@pytest.mark.parametrize("d", [1, 2, 3, 4])
def test_enumeration_of_corners_agrees_with_linear_programmes(d, kind):
    for seed in range(3):
        net = random_net(6, d, 10 * d + seed, kind)
        exact = exact_lipschitz(net)
        true = truth(net)
        assert exact.lower <= true * (1 + 1e-9) and true <= exact.upper * (1 + 1e-9)
        if kind in ("plain", "no bias"):
            assert exact.is_exact


def test_certificate_is_between_the_steepest_pattern_and_the_square_root_of_half_pi_times_it():
    ratios = []
    for seed in range(60):
        net = random_net(12, 2 + seed % 11, seed)
        ratios.append(lip.sdp_certificate(net).value / steepest_pattern(net))
    assert min(ratios) >= 1 and max(ratios) <= sqrt(pi / 2)
    assert np.median(ratios) < 1.02  # and it is usually much better than the theorem


@settings(deadline=None, max_examples=150)
@given(st.data())
def test_weighted_norm_bound_holds_for_any_weights_and_any_numbers(draw):
    m, d = draw.draw(st.integers(1, 6)), draw.draw(st.integers(1, 5))
    B = draw.draw(hnp.arrays(float, (m, d), elements=moderate))
    y = draw.draw(hnp.arrays(float, m, elements=st.floats(1e-6, 1e3)))
    signs = 2 * patterns(m) - 1
    exactly = max(sum(float(np.dot(e, column)) ** 2 for column in B.T) ** 0.5 for e in signs)
    assert sdp.weighted_norm_bound(B, y) >= exactly * (1 - 1e-15)


@settings(deadline=None, max_examples=60)
@given(st.data())
def test_certificate_is_never_below_the_steepest_occurring_pattern_of_ugly_networks(draw):
    k, d = draw.draw(st.integers(1, 5)), draw.draw(st.integers(1, 3))
    ugly = st.one_of(moderate, st.sampled_from([0.0, 1.0, -1.0, 2.0, 1e-8, 1e8]))
    net = net_of(
        *(draw.draw(hnp.arrays(float, shape, elements=ugly)) for shape in [(k, d), (k,), (k,)])
    )
    X = np.random.default_rng(0).standard_normal((300, d)) * np.geomspace(1e-9, 1e9, 300)[:, None]
    seen = ascent(net, X, 3)
    assert lip.sdp_certificate(net).value >= seen.value * (1 - 1e-12)
    assert nets.gradient_zonotope(net)[1] >= 0


@pytest.mark.parametrize("d, angle", [(2, 1e-9), (3, 1e-7), (4, 3e-5)])
def test_nearly_parallel_planes_meet(d, angle):
    # k = d planes with normals (1, angle·v) and offsets of the order of the angle meet at a
    # distance of order 1, so that every pattern occurs; determinants are about angle^(d−1)
    rng = np.random.default_rng(d)
    W = np.concatenate([np.ones((d, 1)), angle * rng.standard_normal((d, d - 1))], axis=1)
    net = net_of(W, angle * rng.standard_normal(d), (-1.0) ** np.arange(d))
    exact = exact_lipschitz(net)
    assert exact.is_exact and exact.lower == pytest.approx(steepest_pattern(net), rel=1e-12)
    assert exact.lower >= 1 and lip.sdp_certificate(net).value >= exact.lower
    bracket = lip.relu_bracket(net, rng.standard_normal((20, d)))
    assert bracket.lower <= exact.lower * (1 + 1e-12) and exact.lower <= bracket.upper


def test_in_one_dimension_the_certificate_is_the_steepest_slope():
    assert lip.sdp_certificate(net_of([[1.0], [2.0]], [0.0, -2.0], [1.0, -1.0])).value < 1 + 1e-9
    for seed in range(20):
        net = random_net(2 + seed, 1, seed)
        truth = exact_lipschitz(net)
        assert truth.is_exact
        assert truth.lower <= lip.sdp_certificate(net).value <= truth.lower * (1 + 1e-9)


def test_rows_that_are_multiples_up_to_rounding_only_are_not_merged():
    # (3, 1) is no multiple of (1, 0.333…): far away the second neuron switches before the first
    net = net_of([[3.0, 1.0], [1.0, 1 / 3]], [0.0, -1.0], [-1.0, 6.0])
    exact = exact_lipschitz(net)
    assert exact.is_exact and exact.lower == pytest.approx(sqrt(40))
    assert lip.sdp_certificate(net).value >= exact.lower


def test_certificate_adds_what_the_sum_of_slopes_has_lost():
    # 2⁵⁴ + 1 = 2⁵⁴ in float64: slopes that are added one after the other all get lost
    a = np.r_[2.0**54, np.ones(10_000)]
    net = net_of(np.ones((len(a), 1)), -np.arange(len(a)), a)
    assert Fraction(lip.sdp_certificate(net).value) >= 2**54 + 10_000


def test_weighted_norm_bound_adds_what_the_gram_matrix_has_lost():
    # the same for sums of squares: 64·2⁵⁴ + 20000, of which a product sees the first term only
    B = np.r_[np.full(64, 2.0**27), np.ones(20_000)][None]
    assert Fraction(sdp.weighted_norm_bound(B, np.ones(1))) ** 2 >= 64 * 2**54 + 20_000


@pytest.mark.parametrize("iterations", [1, 2, 5, 30, 200])
def test_stopping_early_only_loosens_the_bound(iterations):
    for seed in range(10):
        net = random_net(12, 6, seed)
        early = lip.sdp_certificate(net, max_iterations=iterations)
        assert early.iterations <= iterations
        assert early.value >= steepest_pattern(net)
        assert early.value >= lip.sdp_certificate(net).relaxation


def test_gap_to_the_relaxation_is_below_the_tolerance():
    for k, d in [(50, 20), (100, 50), (200, 20), (300, 5), (40, 60)]:
        certificate = lip.sdp_certificate(random_net(k, d, 0), tol=1e-7)
        assert 1 <= certificate.value / certificate.relaxation <= 1 + 1.1e-7


@pytest.mark.parametrize("scale", [1e-150, 1e-30, 1e30, 1e120])
def test_certificate_scales_with_the_weights(scale):
    net = random_net(20, 5, 0)
    scaled = net_of(net.W * scale, net.b, net.a)
    assert lip.sdp_certificate(scaled).value == pytest.approx(
        scale * lip.sdp_certificate(net).value, rel=1e-6
    )


@pytest.mark.parametrize("scale", [1e-200, 1e200])
def test_bounds_do_not_underflow_or_overflow_on_the_way(scale):
    chain = [W for W, _ in random_layers((4, 6, 5, 5, 3), 0)]
    far = [W * s for W, s in zip(chain, [scale, scale, 1 / scale, 1 / scale], strict=True)]
    for bound in (lip.spectral_bound, lip.deep_certificate):
        assert bound(far) == pytest.approx(bound(chain), rel=1e-2)
    net = random_net(6, 3, 0)
    far_net = net_of(net.W * scale, net.b, net.a / scale)
    assert nets.path_norm(far_net) == pytest.approx(nets.path_norm(net), rel=1e-12)


def test_bounds_below_the_smallest_number_are_not_zero():
    tiny = 1e-200 * np.ones((1, 1))
    assert lip.spectral_bound([tiny, tiny]) > 0 and lip.deep_certificate([tiny] * 3) > 0
    assert nets.path_norm(net_of(tiny, [0.0], tiny[0])) > 0


def test_weights_that_overflow_give_an_infinite_bound_not_a_wrong_one():
    assert lip.sdp_certificate(net_of([[1e200, 0.0]], [0.0], [1e200])).value == np.inf


# ------------------------------------------------------------------------ LipSDP by general solvers


@cache
def chain_of(widths, seed):
    rng = np.random.default_rng(seed)
    return [
        rng.standard_normal((o, i)) / np.sqrt(i)
        for i, o in zip(widths[:-1], widths[1:], strict=True)
    ]


@pytest.mark.parametrize(
    "row",
    LIPSDP["rows"],
    ids=lambda r: f"{r['form']}-{'x'.join(map(str, r['widths']))}-{r['seed']}-{r['solver']}",
)
def test_certificates_equal_lipsdp(row):
    chain = chain_of(tuple(row["widths"]), row["seed"])
    assert sum(W.sum() for W in chain) == pytest.approx(row["sum_of_entries"], rel=1e-12), (
        "another random stream than in the record"
    )
    if len(chain) == 2:
        found = lip.sdp_certificate(net_of(chain[0], np.zeros(len(chain[0])), chain[1][0])).value
        assert found == pytest.approx(
            row["value"], rel=1e-6 if row["solver"] == "CLARABEL" else 1e-3
        )
    found = lip.deep_certificate(chain)  # another algorithm for the same number, coarser
    assert row["value"] * (1 - 1e-5) <= found <= row["value"] * 1.005


# ------------------------------------------------------------------------------------------- a ball


@pytest.mark.parametrize("radius", [0.01, 0.1, 0.5, 2.0, 50.0])
def test_certificate_in_a_ball_is_above_every_gradient_in_it_and_below_the_global_one(radius):
    for seed in range(12):
        net, rng = random_net(30, 6, seed), np.random.default_rng(seed)
        center = rng.standard_normal(6)
        local = lip.sdp_certificate(net, center=center, radius=radius)
        inside = center + radius * rng.uniform(0, 1, (500, 1)) * (
            lambda v: v / np.linalg.norm(v, axis=1, keepdims=True)
        )(rng.standard_normal((500, 6)))
        assert np.linalg.norm(gradients(net, inside), axis=1).max() <= local.value
        assert local.value <= lip.sdp_certificate(net).value * (1 + 1e-6)


def test_where_no_neuron_switches_the_certificate_is_the_norm_of_the_gradient():
    net = random_net(20, 4, 3)
    center = np.array([0.3, -1.0, 0.2, 0.7])
    distance = np.abs(net.W @ center + net.b) / np.linalg.norm(net.W, axis=1)
    local = lip.sdp_certificate(net, center=center, radius=0.99 * distance.min())
    assert local.value == pytest.approx(np.linalg.norm(gradients(net, center[None])[0]), rel=1e-12)


def test_in_a_ball_the_certificate_is_never_below_the_steepest_pattern_of_the_neurons_that_switch():
    for seed in range(20):
        net, center = random_net(10, 5, seed), np.zeros(5)
        distance = np.abs(net.b) / np.linalg.norm(net.W, axis=1)
        radius = np.sort(distance)[6] * 1.01
        M, switching = net.a[:, None] * net.W, distance < radius
        fixed = (~switching & (net.b > 0)) @ M
        steepest = np.linalg.norm(fixed + patterns(7) @ M[switching], axis=1).max()
        assert (
            steepest
            <= lip.sdp_certificate(net, center=center, radius=radius).value
            <= steepest * sqrt(pi / 2)
        )


def test_a_bias_can_make_the_constant_in_a_ball_smaller_than_on_the_whole_space():
    # the steep neuron is off on the unit disc
    net = net_of([[1.0, 0.0], [0.0, 1.0]], [0.0, -3.0], [1.0, 10.0])
    ball = lip.sdp_certificate(net, center=np.zeros(2), radius=1.0)
    assert ball.value == pytest.approx(1.0, rel=1e-12)
    assert exact_lipschitz(net).lower == pytest.approx(sqrt(101))


# ------------------------------------------------------------------------------ degenerate networks


@pytest.mark.parametrize(
    "net, value",
    [
        (net_of([[3.0, 4.0]], [0.5], [2.0]), 10.0),  # one neuron
        (net_of([[3.0, 4.0]], [0.5], [0.0]), 0.0),
        (net_of([[0.0, 0.0]], [0.5], [2.0]), 0.0),
        (net_of(np.zeros((3, 2)), np.ones(3), np.ones(3)), 0.0),
        (
            net_of([[3.0, 4.0], [3.0, 4.0]], [1.0, 1.0], [2.0, -2.0]),
            0.0,
        ),  # a neuron and its negative
        (net_of([[3.0, 4.0], [3.0, 4.0]], [1.0, 1.0], [2.0, 1.0]), 15.0),  # a repeated neuron
        (
            net_of([[3.0, 4.0], [-3.0, -4.0]], [1.0, -1.0], [1.0, -1.0]),
            5.0,
        ),  # relu(u) − relu(−u) = u
        (net_of([[3.0, 4.0], [-3.0, -4.0]], [1.0, -1.0], [1.0, 1.0]), 5.0),  # |u|
        (net_of([[1.0, 0.0]] * 3, [0.0, -1.0, -2.0], [1.0, -2.0, 1.0]), 1.0),  # a tent
        (net_of([[1.0, 0.0], [0.0, 1.0]], [0.0, 0.0], [3.0, 4.0]), 5.0),
    ],
)
def test_degenerate_networks_have_their_exact_constant(net, value):
    assert lip.sdp_certificate(net).value == pytest.approx(value, rel=1e-6, abs=1e-12)
    assert lip.sdp_certificate(net).value >= value
    bracket = lip.relu_bracket(net, np.random.default_rng(0).standard_normal((30, 2)))
    assert bracket.lower == pytest.approx(value, abs=1e-12) and bracket.upper == pytest.approx(
        value, rel=1e-6, abs=1e-12
    )
    assert lip.deep_certificate([net.W, net.a[None]]) >= value * (1 - 1e-12)


def test_repeating_every_neuron_with_half_the_weight_changes_nothing():
    net = random_net(15, 6, 0)
    twice = net_of(np.tile(net.W, (2, 1)), np.tile(net.b, 2), np.tile(net.a / 2, 2))
    assert lip.sdp_certificate(twice).value == pytest.approx(
        lip.sdp_certificate(net).value, rel=1e-6
    )


def test_parallel_neurons_count_with_the_slopes_they_can_have():
    # ten steep steps in one direction, of which never two are on at once
    edges = np.arange(10.0)
    W = np.tile([[1.0, 2.0]], (30, 1))
    b = -np.concatenate([edges, edges + 0.25, edges + 0.5])
    net = net_of(W, b, np.repeat([4.0, -8.0, 4.0], 10))
    assert lip.sdp_certificate(net).value == pytest.approx(4 * sqrt(5))


# ------------------------------------------------------------------------------ searches from below


def test_with_independent_weights_the_rounded_pattern_occurs_and_the_bracket_closes():
    for seed in range(5):
        net, rng = random_net(10, 14, seed), np.random.default_rng(seed)
        certificate = lip.sdp_certificate(net)
        X = rounded(net, certificate, rng.standard_normal((20, 14)), rng)
        best = np.linalg.norm(gradients(net, X), axis=1).max()
        assert best == pytest.approx(
            steepest_pattern(net), rel=1e-9
        )  # every pattern occurs, and the best one is found


def test_region_flips_cross_the_plane_that_biases_put_between_two_slopes():
    """relu(x) + relu(x − 1), and a neuron that sees nothing: from 1/2 one mirroring leads to 2."""
    net = SimpleNamespace(W=np.array([[1.0], [1.0], [0.0]]), b=np.array([0.0, -1, 1]), a=np.ones(3))
    found = search.region_flips(nets.checked(net), np.array([[0.5]]))
    assert found.value == 2 and found.point[0] > 1


def test_region_flips_climb_and_return_a_gradient_of_the_network():
    net = random_net(60, 8, 1)
    starts = np.random.default_rng(2).standard_normal((5, 8))
    found = search.region_flips(nets.checked(net), starts)
    assert found.value > 1.1 * np.linalg.norm(gradients(net, starts), axis=1).max()
    assert found.value == pytest.approx(
        np.linalg.norm(gradients(net, found.point[None])[0]), rel=1e-12
    )


# ------------------------------------------------------------------------------------ deep networks


def random_layers(widths, seed):
    rng = np.random.default_rng(seed)
    return [
        (rng.standard_normal((o, i)) / np.sqrt(i), 0.3 * rng.standard_normal(o))
        for i, o in zip(widths[:-1], widths[1:], strict=True)
    ]


def jacobian_norms(layers, X):
    norms = []
    for x in X:
        J = np.eye(len(x))
        for W, b in layers[:-1]:
            u = W @ x + b
            x, J = np.maximum(u, 0), (u > 0)[:, None] * (W @ J)
        norms.append(np.linalg.norm(layers[-1][0] @ J, 2))
    return np.array(norms)


@pytest.mark.parametrize(
    "widths", [(4, 6, 5, 1), (3, 8, 8, 2), (5, 7, 1), (6, 5, 5, 5, 3), (2, 4, 4, 4, 4, 1)]
)
def test_deep_bracket_holds_every_jacobian_and_is_below_the_product(widths):
    for seed in range(4):
        layers, rng = random_layers(widths, seed), np.random.default_rng(seed)
        X = rng.standard_normal((300, widths[0])) * rng.uniform(0.1, 10, (300, 1))
        bracket = lip.deep_bracket(layers, X[:64], steps=60)
        assert jacobian_norms(layers, X).max() <= bracket.upper
        assert jacobian_norms(layers, X[:64]).max() <= bracket.lower * (1 + 1e-9)
        assert bracket.upper < 0.95 * lip.spectral_bound([W for W, _ in layers])


def test_deep_bound_holds_whatever_the_optimiser_did():
    from lawrob_utils.lipschitz import deep

    layers = random_layers((4, 6, 5, 2), 0)
    chain = [
        W / (2 * np.linalg.norm(W, 2)) for W, _ in layers
    ]  # norms at most 1, as the proof asks
    seen = jacobian_norms(
        [(W, b) for W, (_, b) in zip(chain, layers, strict=True)],
        np.random.default_rng(0).standard_normal((300, 4)),
    )
    rng = np.random.default_rng(1)
    for _ in range(200):
        theta, rho = rng.uniform(-4, 4, 11), float(rng.uniform(1e-4, 2))
        assert deep._proved(theta, rho, chain) >= seen.max()


@pytest.mark.parametrize("claim", [0.1, 0.5, 0.9])
def test_deep_claim_below_the_constant_is_raised_to_what_can_be_proved(claim):
    """relu(x) has constant 1, and the form whose sign decides has only two rows."""
    from lawrob_utils.lipschitz import deep

    for theta in (-3.0, 0.0, 2.0):
        assert deep._proved(np.array([theta]), claim**2, [np.ones((1, 1))] * 2) >= 1


def test_deep_gradient_is_the_derivative_of_the_objective():
    from lawrob_utils.lipschitz import deep

    chain = [W for W, _ in random_layers((5, 7, 6, 2), 0)]
    N = chain[0] @ chain[0].T
    theta = deep._start(N, chain) - np.random.default_rng(0).uniform(0, 0.3, 13)
    step = 1e-6 * np.eye(13)
    difference = [
        (
            deep._objective(theta + s, N, chain, 0.1)[0]
            - deep._objective(theta - s, N, chain, 0.1)[0]
        )
        / 2e-6
        for s in step
    ]
    np.testing.assert_allclose(deep._objective(theta, N, chain, 0.1)[1], difference, atol=1e-7)


def test_deep_degenerate_networks():
    zero = np.zeros
    assert lip.deep_certificate([zero((3, 2)), np.ones((1, 3))]) == 0
    assert lip.deep_certificate([np.ones((3, 2)), zero((3, 3)), np.ones((1, 3))]) == 0
    assert lip.deep_certificate([np.array([[3.0, 4.0]])]) == pytest.approx(5)
    assert lip.deep_certificate(
        [np.array([[3.0, 4.0]]), np.array([[2.0]]), np.array([[-1.0]])]
    ) == pytest.approx(10, rel=1e-6)
    half_dead = [np.array([[3.0, 4.0], [0.0, 0.0], [1.0, 1.0]]), np.array([[2.0, 7.0, 0.0]])]
    assert lip.deep_certificate(half_dead) == pytest.approx(10, rel=1e-6)
    blocked = [
        np.array([[1.0, 0.0], [0.0, 0.0]]),
        np.array([[0.0, 1.0]]),
        np.array([[1.0]]),
    ]  # the only path is dead
    assert lip.deep_certificate(blocked) == 0
    for chain in ([np.eye(4)] * 4, [np.ones((5, 3)), np.ones((4, 5)), np.ones((2, 4))]):
        bound = lip.deep_certificate(chain)
        assert (
            np.linalg.norm(np.linalg.multi_dot(chain[::-1]), 2)
            <= bound
            <= lip.spectral_bound(chain)
        )
    scaled = lip.deep_certificate([1e-100 * np.eye(3), 1e90 * np.ones((2, 3))])
    assert scaled == pytest.approx(
        1e-10 * lip.deep_certificate([np.eye(3), np.ones((2, 3))]), rel=1e-3
    )


def test_a_linear_network_has_its_singular_value():
    W = np.random.default_rng(0).standard_normal((3, 5))
    bracket = lip.deep_bracket([(W, np.zeros(3))], np.zeros((1, 5)))
    assert bracket.is_exact and bracket.lower == pytest.approx(np.linalg.norm(W, 2))


# --------------------------------------------------------------------------------- recorded numbers


def appendix_rows(record):
    """The rows of the tables in book/sdp-certificate.md, from the recorded run."""
    for r in record["random"]:
        solvers = [
            f"{s['solver']} {s['seconds']:.2g} s ({s['value/certificate'] - 1:+.0e})"
            for s in r["solvers"]
        ]
        fastest = (
            f"{min(s['seconds'] for s in r['solvers']) / r['seconds']:.0f}×" if solvers else ""
        )
        yield (
            f"| {r['d']}, {r['k']} | {r['certificate']:.4f} | {1e3 * r['seconds']:.2g} ms | "
            f"{r['gap']:.0e} "
            f"| {r['spectral']:.2f} | {r['path_norm']:.2f} | {'; '.join(solvers)} | {fastest} |"
        )
    for r in record["trained"]:
        context = [r[f"{name}/certificate"] for name in ("spectral", "at_data", "sphere_sample")]
        yield (
            f"| {r['d']}, {r['n']}, {r['k']} | {r['lower']:.2f} – {r['upper']:.2f} | "
            f"{r['ratio']:.3f} | {1e3 * r['certificate_s']:.2g} ms | "
            + " | ".join(f"{value:.2f}" for value in context)
            + " |"
        )
    for r in record["exact"]:
        sides = [
            " – ".join(f"{x:.2f}" for x in r[name])
            for name in ("certificate/exact", "ascent/exact")
        ]
        yield f"| {r['d']}, {r['k']} | {sides[0]} | {sides[1]} |"
    for r in record["deep"]:
        widths, three = "-".join(map(str, r["widths"])), f"{r['bound']:.3f} | {r['lower']:.3f}"
        yield f"| {widths} | {r['product']:.2f} | {three} | {r['seconds']:.2f} s |"


def test_tables_of_the_appendix_are_those_of_the_recorded_run():
    page = set((ROOT / "book/sdp-certificate.md").read_text("utf-8").splitlines())
    assert [row for row in appendix_rows(RECORD) if row not in page] == []


def test_recorded_run_meets_its_targets():
    faster = {
        (r["d"], r["k"]): min(s["seconds"] for s in r["solvers"]) / r["seconds"]
        for r in RECORD["random"]
        if r["solvers"]
    }
    assert faster[20, 50] >= 100 and faster[100, 200] >= 300 and faster[20, 200] >= 300
    ratios = [r["ratio"] for r in RECORD["trained"]]
    assert len(ratios) == 20 and all(r["k"] <= 4 * r["d"] for r in RECORD["trained"])
    assert np.median(ratios) <= 1.15 and max(ratios) <= 1.3


def test_scs_reports_values_below_what_a_feasible_point_attains():
    for r in RECORD["random"]:
        attained = 1 / (1 + r["gap"])
        assert all(s["value/certificate"] < attained for s in r["solvers"] if s["solver"] == "SCS")


@pytest.mark.parametrize(
    "row", [r for r in RECORD["random"] if r["k"] <= 500], ids=lambda r: f"{r['d']}-{r['k']}"
)
def test_recorded_certificates_are_found_again(row):
    d, k = row["d"], row["k"]
    rng = np.random.default_rng(0)
    W, a = rng.standard_normal((k, d)) / np.sqrt(d), rng.standard_normal(k) / np.sqrt(k)
    assert lip.sdp_certificate(net_of(W, np.zeros(k), a)).value == pytest.approx(
        row["certificate"], rel=3e-7
    )


# ----------------------------------------------------------------------------------------- refusals


@pytest.mark.parametrize(
    "bound",
    [
        lip.sdp_certificate,
        nets.path_norm,
        nets.gradient_zonotope,
        lambda net: lip.relu_bracket(net, np.ones((1, 3))),
    ],
)
def test_networks_that_a_bound_is_not_about_are_refused_with_the_reason(bound):
    net = random_net(5, 3, 0)
    with pytest.raises(ValueError, match="several outputs"):
        bound(SimpleNamespace(W=net.W, b=net.b, a=np.ones((2, 5))))
    with pytest.raises(ValueError, match="activation = 'tanh'.*holds for 'relu'"):
        bound(SimpleNamespace(W=net.W, b=net.b, a=net.a, activation="tanh"))
    with pytest.raises(ValueError, match="without arrays W, b, a.*deep_bracket"):
        bound(SimpleNamespace(layers=[]))
    with pytest.raises(ValueError, match=r"net.b has 2 entries; 5 are needed"):
        bound(net_of(net.W, net.b[:2], net.a))
    with pytest.raises(ValueError, match=r"net.W\[0, 0\] = nan"):
        bound(net_of(np.full((5, 3), np.nan), net.b, net.a))


@pytest.mark.parametrize(
    "options, message",
    [
        ({"center": np.zeros(3)}, "radius = None"),
        ({"radius": 1.0}, "center is not an array of real numbers; got NoneType"),
        ({"center": np.zeros(2), "radius": 1.0}, "center has 2 entries; 3 are needed"),
        ({"center": np.zeros(3), "radius": 0.0}, "radius = 0.0"),
        ({"tol": 0.0}, "tol = 0.0"),
        ({"max_iterations": 0}, "max_iterations = 0"),
    ],
)
def test_bad_options_of_the_certificate_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        lip.sdp_certificate(random_net(5, 3, 0), **options)


def test_bad_options_elsewhere_are_named():
    with pytest.raises(ValueError, match="layers is empty"):
        lip.deep_bracket([], np.ones((1, 3)))
    with pytest.raises(ValueError, match=r"layers\[1\]\[0\] has 2 columns; 3 are needed"):
        lip.deep_bracket(
            [(np.ones((3, 2)), np.zeros(3)), (np.ones((1, 2)), np.zeros(1))], np.ones((1, 2))
        )
