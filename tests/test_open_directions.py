"""Other norms, averages of slopes, spikes, attention, and the two experiments behind the chapter
"Open directions"."""

import math

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.optimize import minimize_scalar
from scipy.special import erf

from lawrob_utils import data
from lawrob_utils import isoperimetry as iso
from lawrob_utils.lipschitz import min_separation
from lawrob_utils.memorizers import Bumps
from lawrob_utils.recorded import architectures, trained_law
from lawrob_utils.records import points

torch = pytest.importorskip("torch")


# -------------------------------------------------------------------------------------- other norms


def test_half_of_gaussian_pairs_are_closer_than_the_exact_median_and_hardly_any_beyond_the_bound():
    rng, d, n = np.random.default_rng(0), 300, 4000
    reach = d * np.abs(data.gaussian(n, d, rng) - data.gaussian(n, d, rng)).max(axis=1) ** 2
    median = (
        2 * next(s for s in np.linspace(0, 6, 60_001) if erf(s / math.sqrt(2)) ** d >= 0.5) ** 2
    )
    assert abs((reach <= median).mean() - 0.5) < 4 * 0.5 / math.sqrt(n)
    for eta in (0.5, 0.1, 0.01):
        assert (reach > 4 * math.log(d / eta)).mean() <= eta + 4 * math.sqrt(eta / n)


def test_transport_and_moment_constants_of_a_biased_coin_agree():
    """Bobkov and Götze on two points at distance 1, where W₁ = |q − p|, H is the binary relative
    entropy, and K² is known in closed form."""
    for p in (0.5, 0.3, 0.05):
        q = np.linspace(1e-6, 1 - 1e-6, 200_001)
        q = q[np.abs(q - p) > 1e-4]
        H = q * np.log(q / p) + (1 - q) * np.log((1 - q) / (1 - p))
        by_transport = float(((q - p) ** 2 / (2 * H)).max())
        lam = np.concatenate([np.linspace(-40, -1e-2, 100_000), np.linspace(1e-2, 40, 100_000)])
        by_moments = float(
            (2 * (np.log(p * np.exp(lam * (1 - p)) + (1 - p) * np.exp(-lam * p))) / lam**2).max()
        )
        known = 0.25 if p == 0.5 else (1 - 2 * p) / (2 * math.log((1 - p) / p))
        assert math.isclose(by_transport, known, rel_tol=1e-3) and math.isclose(
            by_moments, known, rel_tol=1e-3
        )


# ------------------------------------------------------------------------------- averages of slopes


def test_mean_slope_of_tents_is_what_a_simulation_finds_and_below_the_bound():
    rng, d, n = np.random.default_rng(1), 5, 12
    X = data.sphere(n, d, rng)
    r = min_separation(X).value / 2
    f = Bumps.fit(X, data.random_signs(n, rng))
    Z = data.sphere(100_000, d, rng)
    inside = np.abs(f(Z)) > 0
    for q in (1.0, 2.0, 3.5):
        formula = n * iso.cap_probability(1 - r**2 / 2, d) / r**q
        assert abs(inside.mean() / r**q - formula) < 4 * math.sqrt(inside.mean() / len(Z)) / r**q
        assert formula <= n * r ** (d - 1 - q)


@pytest.mark.parametrize(
    "f", [lambda x: x, np.abs, lambda x: np.sin(3 * x) / 3, lambda x: np.maximum(x, 1.0), np.arctan]
)
def test_poincare_lemma_holds_for_the_exponential_law(f):
    """E exp(λ(f − Ef)) ≤ exp(⅔·4·λ²) for 1-Lipschitz f, |λ| ≤ ½ and the density ½e^{−|x|}, whose
    Poincaré constant is 4."""
    mean = quad(lambda x: f(x) * math.exp(-abs(x)) / 2, -60, 60, limit=500, points=[0])[0]
    for lam in (-0.5, -0.2, 0.1, 0.5):
        mgf = quad(
            lambda x, lam=lam: math.exp(lam * (f(x) - mean) - abs(x)) / 2,
            -80,
            80,
            limit=500,
            points=[0],
        )[0]
        assert mgf <= math.exp(8 / 3 * lam**2) * (1 + 1e-9)


def test_exponent_of_the_poincare_law_is_at_least_the_simple_one():
    for s in np.linspace(0.05, 20, 200):
        best = -minimize_scalar(
            lambda lam, s=s: -(lam - 2 / 3 * (lam / s) ** 2),
            bounds=(0, s),
            method="bounded",
            options={"xatol": 1e-10},
        ).fun
        assert best >= min(3 * s**2 / 8, s / 2) - 1e-6


# -------------------------------------------------------------------- spikes, attention, arithmetic


def test_spike_raises_the_constant_and_changes_nothing_out_of_reach():
    rng, d, r, rho, A = np.random.default_rng(2), 8, 0.25, 0.05, 50.0
    u, q = data.sphere(2, d, rng)

    def f(x):
        return x @ u

    def g(x):
        return f(x) + A * np.maximum(0, 1 - np.linalg.norm(x - q, axis=-1) / rho)

    edge = 2 * math.asin(rho / 2)
    across = np.linalg.qr(np.column_stack([q, rng.standard_normal(d)]))[0][:, 1]
    x = math.cos(edge) * q + math.sin(edge) * across
    assert abs(g(q) - g(x)) / np.linalg.norm(q - x) >= A / rho - 1
    Z = data.sphere(2000, d, rng)
    far = Z[np.linalg.norm(Z - q, axis=1) >= r + rho]
    moved = far[:, None] + r * data.sphere(20 * len(far), d, rng).reshape(len(far), 20, d)
    assert (f(moved) == g(moved)).all()


def test_attention_slope_by_automatic_differentiation():
    for s in (0.0, 2.0, -5.0):
        x = torch.tensor([0.0, s], dtype=torch.float64, requires_grad=True)
        first = (torch.outer(x, x).softmax(dim=1) @ x)[0]
        assert math.isclose(
            torch.autograd.grad(first, x)[0][0].item(), 0.5 + s**2 / 4, rel_tol=1e-12
        )


def test_geometry_beats_the_law_in_few_dimensions_by_simulation():
    rng = np.random.default_rng(3)
    for d, above in ((3, True), (60, False)):
        X, y = data.sphere(2000, d, rng), np.where(np.arange(2000) % 2, 1.0, -1.0)
        plus, minus = X[y > 0], X[y < 0]
        nearest = np.sqrt(max(2 - 2 * float((plus @ minus.T).max()), 0.0))
        assert (2 / nearest > math.sqrt(d)) == above


# -------------------------------------------------------------------------------------- trained_law


def test_every_way_of_training_does_what_it_says():
    rng = np.random.default_rng(5)
    X, y = data.sphere(60, 30, rng), data.random_signs(60, rng)
    nets = {
        m: trained_law.fit(
            X, y, 20, m, trained_law.STRENGTH[m], steps=400, rng=np.random.default_rng(6)
        )
        for m in trained_law.METHODS
    }
    error = {m: float(np.mean((net(X) - y) ** 2)) for m, net in nets.items()}
    size = {m: float(np.sum(net.W**2) + np.sum(net.a**2)) for m, net in nets.items()}
    slope = {m: float(np.mean(np.sum(net.gradient(X) ** 2, axis=1))) for m, net in nets.items()}
    assert error["plain"] < 0.01 and 0.05 < error["penalty at fixed error"] < 0.2
    assert size["weight decay"] < size["plain"]
    assert slope["penalty at fixed error"] < slope["gradient penalty"] < slope["plain"]
    assert slope["adversarial"] < slope["plain"]
    with pytest.raises(ValueError, match="method"):
        trained_law.fit(X, y, 20, "dropout", 0.1, steps=1, rng=rng)


def test_recorded_nets_have_ordered_brackets_and_those_that_fit_noise_stay_above_the_laws_scale():
    rows = trained_law.load()
    assert len(rows) == len(points(trained_law.RECORD.presets["full"]))
    for r in rows:
        assert 0 <= r["lower"] <= r["upper"] and r["upper"] <= 1.25 * r["lower"] + 0.05
    noise = [r for r in rows if not r["signal"] and r["law"] and r["strength"] == 1]
    assert min(r["lower"] / r["law"] for r in noise) > 1
    assert {r["seed"] for r in rows} == {0, 1, 2}


def test_rows_of_the_record_come_out_again():
    for method in ("plain", "penalty at fixed error"):
        wanted = {
            "signal": False,
            "sigma": 1.0,
            "seed": 0,
            "n": 200,
            "d": 160,
            "P": 3200,
            "method": method,
            "strength": 1.0,
            "steps": 1200,
        }
        old = next(r for r in trained_law.load() if all(r[k] == v for k, v in wanted.items()))
        from lawrob_utils.records import generator

        new = trained_law.row(rng=generator(trained_law.SEED, wanted), **wanted)
        assert new["floor"] == old["floor"] and new["parameters"] == old["parameters"]
        assert math.isclose(new["lower"], old["lower"], rel_tol=0.05)


# ------------------------------------------------------------------------------------ architectures


def test_architectures_have_equal_parameters_within_three_percent():
    for P in (*architectures.PARAMETERS, 38_593):
        for name in architectures.ARCHITECTURES:
            net = architectures.Net(name, architectures.sizes(name, P))
            assert abs(net.n_parameters - P) <= 0.03 * P
            assert (
                sum(w.size for w in net.initial_weights(np.random.default_rng(0)))
                == net.n_parameters
            )
    with pytest.raises(ValueError, match="more than 3 %"):
        architectures.sizes("transformer", 6000)
    with pytest.raises(ValueError, match="architecture"):
        architectures.sizes("perceptron", 6000)


def test_convolutions_written_as_matrices_are_the_same_function():
    rng = np.random.default_rng(7)
    net = architectures.Net("convnet", (3, 5))
    weights = [w + 0.1 * rng.standard_normal(w.shape) for w in net.initial_weights(rng)]
    X = rng.random((10, 64))
    by_torch = net.function([torch.tensor(w) for w in weights])(torch.tensor(X)).numpy()
    H = X
    layers = net.layers(weights)
    for i, (W, b) in enumerate(layers):
        H = (np.maximum(H, 0) if i else H) @ W.T + b
    assert np.allclose(H[:, 0], by_torch, atol=1e-12)
    with pytest.raises(ValueError, match="attention"):
        architectures.Net("transformer", (8,)).layers([])


def test_transformer_agrees_with_the_attention_of_torch():
    rng, m = np.random.default_rng(8), 8
    net = architectures.Net("transformer", (m,))
    E, e, positions, *blocks, R, r = [
        torch.tensor(w + 0.1 * rng.standard_normal(w.shape)) for w in net.initial_weights(rng)
    ]
    X = torch.tensor(rng.random((5, 64)))
    patches = torch.stack(
        [
            X.view(-1, 8, 8)[:, i : i + 2, j : j + 2].reshape(-1, 4)
            for i in range(0, 8, 2)
            for j in range(0, 8, 2)
        ],
        dim=1,
    )
    h = patches @ E.T + e + positions
    for at in (0, 8):
        A, a, B, b, C, c, D, d = blocks[at : at + 8]
        attention = torch.nn.MultiheadAttention(
            m, architectures.HEADS, batch_first=True, dtype=torch.float64
        )
        attention.load_state_dict(
            {"in_proj_weight": A, "in_proj_bias": a, "out_proj.weight": B, "out_proj.bias": b}
        )
        h = h + attention(h, h, h)[0]
        h = h + torch.nn.functional.gelu(h @ C.T + c) @ D.T + d
    assert torch.allclose(
        net.function([E, e, positions, *blocks, R, r])(X),
        (h.mean(dim=1) @ R.T + r)[:, 0],
        atol=1e-12,
    )


def test_steepest_finds_the_slope_of_linear_and_kinked_functions_and_never_more():
    rng = np.random.default_rng(9)
    w = torch.tensor(rng.standard_normal(6))
    starts = rng.random((16, 6))
    found = architectures.steepest(lambda x: x @ w, starts, 1.0, rng)
    assert float(w.norm()) * 0.9 < found <= float(w.norm()) * (1 + 1e-9)
    V = torch.tensor(rng.standard_normal((4, 6)))
    top = max(
        float((V.T @ torch.tensor(s, dtype=torch.float64)).norm()) for s in np.ndindex(2, 2, 2, 2)
    )
    kinked = architectures.steepest(lambda x: (x @ V.T).relu().sum(dim=1), starts - 0.5, 10.0, rng)
    assert 0.7 * top < kinked <= top * (1 + 1e-9)


def test_recorded_architectures_have_lower_bounds_below_upper_bounds_and_above_the_floor():
    rows = architectures.load()
    assert len(rows) == len(points(architectures.RECORD.presets["full"]))
    for r in rows:
        assert r["lower_box"] <= r["lower"] and (r["upper"] is None) == (
            r["architecture"] == "transformer"
        )
        assert r["upper"] is None or r["lower"] <= r["upper"]
        assert r["test_accuracy"] + 0.06 >= r["test_0.1"] >= r["test_0.25"] >= r["test_0.5"]
        assert (
            r["lower"] > r["floor"] * (1 - math.sqrt(architectures.N * r["mse"])) or r["mse"] > 1e-3
        )


def test_quick_architectures_run_and_a_row_repeats():
    from lawrob_utils.records import generator

    rows = architectures.run("quick", progress=False)
    assert [r["architecture"] for r in rows] == list(architectures.ARCHITECTURES)
    wanted = {name: rows[0][name] for name in architectures.QUICK}
    again = architectures.row(rng=generator(architectures.SEED, wanted), **wanted)
    assert again == {name: rows[0][name] for name in again}
