"""Robust two-layer nets: the attack meets the exact minimum where it is known, what is certified
stands, and the bits suffice to rebuild the net."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("torch")

from lawrob_utils.recorded.robust_fit.nets import (
    certified,
    certified_radius,
    fit_robustly,
    grouped_caps,
    smallest_width,
    span_attack,
    widths,
)

from lawrob_utils.attacks import pgd
from lawrob_utils.data import sphere
from lawrob_utils.networks import TwoLayer


def balanced(n, d, seed=0):
    rng = np.random.default_rng(seed)
    return sphere(n, d, rng), rng.permutation(np.repeat([1.0, -1.0], n // 2))


def plane_net(seed, k=5):
    rng = np.random.default_rng(seed)
    return TwoLayer(
        rng.standard_normal((k, 2)),
        0.5 * rng.standard_normal(k),
        rng.standard_normal(k),
        0.3 * rng.standard_normal(),
    )


def brute_minimum(net, X, y, r):
    """min y·f over a fine polar grid of each disc, and how far below the true minimum over the disc
    can be."""
    angles, radii = np.linspace(0, 2 * np.pi, 721), np.linspace(0, r, 81)
    disc = np.stack(
        [np.outer(radii, np.cos(angles)).ravel(), np.outer(radii, np.sin(angles)).ravel()], axis=1
    )
    values = np.array([label * net(x + disc) for x, label in zip(X, y, strict=True)])
    mesh = np.hypot(r / 80, r * np.pi / 360)
    return values.min(axis=1), mesh * np.abs(net.a) @ np.linalg.norm(net.W, axis=1)


def test_attack_is_exact_where_no_neuron_switches():
    rng = np.random.default_rng(1)
    X, y = balanced(20, 9)
    W, a = rng.standard_normal((4, 9)), rng.standard_normal(4)
    slope = np.linalg.norm(a @ W)
    net = TwoLayer(W, np.full(4, 50.0), a, -50 * a.sum() + 0.01)
    y = np.where(net(X) > 0, 1.0, -1.0)
    assert np.allclose(span_attack(net, X, y, 0.3, rng=rng), y * net(X) - 0.3 * slope, atol=1e-4)


def test_attack_is_exact_for_one_neuron_that_switches():
    X, y = balanced(60, 5, seed=2)
    w = np.array([1.0, -2.0, 0.5, 0.0, 1.0])
    for a in (1.5, -0.7):
        net = TwoLayer(w[None], [0.4], [a], 0.6)
        u = X @ w + 0.4
        moved = np.maximum(u - np.sign(a) * y * 0.8 * np.linalg.norm(w), 0)
        found = span_attack(net, X, y, 0.8, rng=np.random.default_rng(0))
        truth = y * (a * moved + 0.6)
        fallen = truth < -1e-4
        assert (
            found[fallen] <= 0
        ).mean() > 0.9 or not fallen.any()  # a start where the neuron is off has no gradient at all
        assert (found >= truth - 1e-4).all()


@pytest.mark.parametrize("seed", range(8))
def test_attack_in_the_plane_finds_what_brute_force_finds(seed):
    net = plane_net(seed)
    X, y = np.random.default_rng(seed).standard_normal((40, 2)), np.tile([1.0, -1.0], 20)
    found = span_attack(net, X, y, 0.5, rng=np.random.default_rng(seed), steps=40, restarts=60)
    truth, slack = brute_minimum(net, X, y, 0.5)
    assert (found >= truth - slack - 1e-4).all()  # it never claims more than there is
    lost = truth < -1e-3
    assert (found[lost] <= 0).mean() > 0.97  # and finds nearly all balls that fail


@pytest.mark.parametrize("seed", range(8))
def test_what_is_certified_survives_brute_force_and_attack(seed):
    net = plane_net(seed)
    X, y = np.random.default_rng(seed).standard_normal((40, 2)), np.tile([1.0, -1.0], 20)
    for r in (0.05, 0.2, 0.5):
        proved = certified(net, X, y, r, local=40)
        truth, slack = brute_minimum(net, X, y, r)
        assert (truth[proved] > -slack).all()
        assert (span_attack(net, X, y, r, rng=np.random.default_rng(0))[proved] > 0).all()
        assert not (certified(net, X, y, r) & ~proved).any()  # the local bound only adds


def test_certified_radius_is_proved_for_the_share_it_names():
    X, y = balanced(60, 40)
    net = fit_robustly(X, y, 10, 0.2, rng=np.random.default_rng(0), share=0.9, steps=200).net
    radius = certified_radius(net, X, y, share=0.9)
    assert radius > 0
    assert certified(net, X, y, radius * 0.999).mean() >= 0.9
    assert certified(net, X, y, radius * 1.01).mean() < 0.9
    assert certified_radius(net, X, -y) == 0


@pytest.mark.parametrize(
    ("k", "bits", "share"), [(50, 0, 1.0), (50, 1, 1.0), (25, 2, 1.0), (17, 0, 0.95), (50, 4, 0.95)]
)
def test_caps_are_robust_below_their_radius(k, bits, share):
    X, y = balanced(100, 400)
    caps = grouped_caps(X, y, k, bits=bits, share=share)
    assert caps.radius > 0.02
    for r in (0.5 * caps.radius, caps.radius):
        stands = ~pgd(caps.net, X, y, r, steps=30, restarts=3, rng=np.random.default_rng(0)).fooled
        assert stands.mean() >= share
    C, own = caps.net.W, y > 0
    s = np.sort([max(C @ x) for x in X[own]])  # at least the inner product with the own centre
    m = np.sort([max(C @ x) for x in X[~own]])[::-1]
    spare = round((1 - share) * 100)
    assert caps.radius <= max(s[i] - m[spare - i] for i in range(spare + 1)) / 2


def test_caps_fall_somewhat_above_their_radius():
    X, y = balanced(100, 400)
    caps = grouped_caps(X, y, 50)
    worst = np.argmax([max(caps.net.W @ x) * (label < 0) for x, label in zip(X, y, strict=True)])
    towards = caps.net.W[np.argmax(caps.net.W @ X[worst])]
    assert caps.net((X[worst] + 1.01 * caps.radius * towards)[None])[0] > 0


def test_one_bit_caps_approach_2_pi_ln_2_times_the_theorem():
    from lawrob_utils.law import robust_bits

    X, y = balanced(8, 60_000)
    for k in (4, 2):
        caps = grouped_caps(X, y, k, bits=1)
        assert caps.bits / robust_bits(8, 60_000, caps.radius) == pytest.approx(
            2 * np.pi * np.log(2), rel=0.06
        )


@pytest.mark.parametrize("bits", [1, 2, 3, 4])
def test_a_few_bit_net_is_rebuilt_from_its_bits(bits):
    X, y = balanced(40, 60)
    fit = fit_robustly(X, y, 9, 0.1, rng=np.random.default_rng(3), bits=bits, steps=60)
    net = fit.net
    codes = np.rint(net.W / np.abs(net.W).min(axis=1, keepdims=True)).astype(
        int
    )  # the smallest code is 1 in each row of a trained net
    assert set(np.unique(codes)) <= set(range(1 - 2**bits, 2**bits, 2))
    word = "".join(format((int(q) + 2**bits - 1) // 2, f"0{bits}b") for q in codes.ravel())
    threshold, offset = np.float32(net.b[0]), np.float32(net.c / abs(net.a[0]))
    assert len(word) + 64 == fit.bits == bits * 9 * 60 + 64

    Q = np.array(
        [2 * int(word[i : i + bits], 2) - 2**bits + 1 for i in range(0, len(word), bits)]
    ).reshape(9, 60)
    Q = Q / np.linalg.norm(Q, axis=1, keepdims=True)
    rebuilt = TwoLayer(Q, np.full(9, threshold), np.repeat([1.0, -1.0], [5, 4]), offset)
    assert np.allclose(rebuilt(X) * abs(net.a[0]), net(X), atol=1e-4)


def test_a_robust_fit_stands_under_another_attack_and_repeats():
    X, y = balanced(60, 80)
    fits = [
        fit_robustly(X, y, 12, 0.14, rng=np.random.default_rng(4), start=start)
        for start in ("random", "caps", "caps")
    ]
    for fit in fits:
        assert fit.robust >= 0.98
        assert fit.net.n_parameters == 12 * 82 + 1
        assert (
            ~pgd(fit.net, X, y, 0.14, steps=100, restarts=10, rng=np.random.default_rng(5)).fooled
        ).mean() >= 0.95
    assert np.array_equal(fits[1].net.W, fits[2].net.W)


def test_the_attack_fells_at_least_as_many_points_as_pgd():
    X, y = balanced(100, 80)
    for bits in (0, 1):
        net = fit_robustly(X, y, 12, 0.2, rng=np.random.default_rng(6), bits=bits, steps=150).net
        ours = (span_attack(net, X, y, 0.2, rng=np.random.default_rng(7), restarts=40) <= 0).mean()
        theirs = pgd(
            net, X, y, 0.2, steps=50, restarts=10, rng=np.random.default_rng(8)
        ).fooled.mean()
        assert ours >= theirs - 0.03


@given(st.integers(1, 40), st.floats(0.5, 900))
def test_smallest_width_finds_the_first_rung_that_succeeds_and_asks_no_rung_twice(answer, guess):
    ladder, asked = widths(30), []

    def succeeds(k):
        asked.append(k)
        return k >= answer

    k, below = smallest_width(succeeds, ladder, guess)
    good = [rung for rung in ladder if rung >= answer]
    assert k == (good[0] if good else None)
    assert below == max((rung for rung in ladder if rung < answer), default=None)
    assert len(asked) == len(set(asked)) <= 12


def test_widths_grow_by_at_most_an_eighth_of_an_octave():
    ladder = np.array(widths(1000))
    assert (np.diff(ladder) >= 1).all()
    assert ((ladder[1:] - 1) / (ladder[:-1] + 1) <= 2**0.125).all()


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"y": np.zeros(6)}, "y\\[0\\] = 0"),
        ({"r": 0.0}, "r = 0"),
        ({"k": 0}, "k = 0"),
        ({"bits": 9}, "bits = 9"),
        ({"share": 1.5}, "share = 1.5"),
        ({"start": "zero"}, "start"),
        ({"rng": 3}, "rng"),
    ],
)
def test_wrong_settings_are_refused_by_name(change, says):
    X, y = balanced(6, 4)
    settings = {"y": y, "k": 2, "r": 0.1, "rng": np.random.default_rng(0), **change}
    with pytest.raises(ValueError, match=says):
        fit_robustly(X, settings.pop("y"), settings.pop("k"), settings.pop("r"), **settings)


def test_caps_need_both_labels_and_no_more_centres_than_points():
    X, y = balanced(6, 4)
    with pytest.raises(ValueError, match="k = 4"):
        grouped_caps(X, y, 4)
    with pytest.raises(ValueError, match="labels -1"):
        grouped_caps(X, np.ones(6), 2)
    with pytest.raises(ValueError, match="ladder"):
        smallest_width(lambda k: True, (3, 2), 1)
