"""Networks: the batched training does what a loop of autograd models does, and a trained net is a memorizer."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from lawrob_utils.networks import (  # noqa: E402
    MLP,
    TwoLayer,
    adam,
    fit_mlp,
    fit_two_layer,
    initial_weights,
    schedule,
)


def sphere(n, d, rng):
    X = rng.standard_normal((n, d))
    return X / np.linalg.norm(X, axis=1, keepdims=True)


def loop_of_modules(X, y, k, rng, steps, lr):
    """The reference: one nn.Module after the other, autograd, torch.optim.Adam, torch's own cosine-free schedule written out."""
    E, d = len(y), X.shape[-1]
    norm = np.sqrt((X**2).sum(-1).mean())
    W, b, a, c = initial_weights(E, k, d, rng, norm)
    errors, outputs = [], []
    for e in range(E):
        net = torch.nn.Sequential(
            torch.nn.Linear(d, k), torch.nn.ReLU(), torch.nn.Linear(k, 1)
        ).double()
        with torch.no_grad():
            for p, value in zip(
                net.parameters(), (W[e], b[e], a[e][None], c[e : e + 1]), strict=True
            ):
                p.copy_(torch.tensor(value))
        adam = torch.optim.Adam(net.parameters(), lr=lr)
        Xe = torch.tensor(X if X.ndim == 2 else X[e])
        for t in range(steps):
            adam.param_groups[0]["lr"] = lr * np.cos(np.pi * t / (2 * steps)) ** 2
            adam.zero_grad()
            loss = ((net(Xe)[:, 0] - torch.tensor(y[e])) ** 2).mean()
            loss.backward()
            adam.step()
        with torch.no_grad():
            outputs.append(net(Xe)[:, 0].numpy())
        errors.append(((outputs[-1] - y[e]) ** 2).mean())
    return np.array(outputs), np.array(errors)


def test_adam_takes_the_steps_of_the_paper():
    """Algorithm 1 of Kingma and Ba, written out, on a quadratic function."""
    sizes, A = schedule(0.3, 25), np.array([[2.0, 0.5], [0.5, 1.0]])
    assert sizes[0] == 0.3 and 0 < sizes[-1] < 0.3 * 0.005 and (np.diff(sizes) < 0).all()
    assert schedule(2.0, 3)[1] == pytest.approx(2.0 * np.cos(np.pi / 6) ** 2, rel=1e-15)
    w, m, v = np.array([1.0, -2.0]), np.zeros(2), np.zeros(2)
    p = torch.tensor(w, requires_grad=True)
    for t, step in adam([p], sizes):
        g = A @ w
        m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g**2
        w = w - sizes[t] * (m / (1 - 0.9 ** (t + 1))) / (np.sqrt(v / (1 - 0.999 ** (t + 1))) + 1e-8)
        step(p @ torch.tensor(A) @ p / 2)
    assert t == 24
    np.testing.assert_allclose(p.detach().numpy(), w, rtol=1e-12)


@pytest.mark.parametrize("own_data", [False, True])
def test_training_in_a_batch_equals_training_one_module_after_the_other(own_data):
    rng = np.random.default_rng(0)
    E, n, d, k, steps = 4, 30, 6, 8, 20
    X = sphere(E * n, d, rng).reshape(E, n, d) if own_data else sphere(n, d, rng)
    y = rng.choice([-1.0, 1.0], (E, n))
    batch = fit_two_layer(X, y, k, rng=np.random.default_rng(1), steps=steps, lr=1e-2)
    outputs, errors = loop_of_modules(X, y, k, np.random.default_rng(1), steps, 1e-2)
    for e, net in enumerate(batch):
        np.testing.assert_allclose(net(X[e] if own_data else X), outputs[e], rtol=0, atol=1e-10)
    np.testing.assert_allclose(batch.mse, errors, rtol=0, atol=1e-10)


def test_float32_training_starts_on_the_float64_path():
    rng = np.random.default_rng(0)
    X, y = sphere(40, 5, rng), rng.choice([-1.0, 1.0], 40)
    fits = [
        fit_two_layer(X, y, 10, rng=np.random.default_rng(3), steps=10, dtype=t)
        for t in ("float32", "float64")
    ]
    np.testing.assert_allclose(fits[0].history, fits[1].history, rtol=1e-4)


def test_wide_two_layer_nets_memorise_random_signs():
    rng = np.random.default_rng(0)
    X, y = sphere(60, 15, rng), rng.choice([-1.0, 1.0], (5, 60))
    batch = fit_two_layer(X, y, 40, rng=rng, steps=1500, lr=2e-2)
    assert batch.mse.max() < 1e-6
    assert (np.sign(batch(X)) == y).all()


def test_training_stops_once_every_net_has_reached_tol():
    rng = np.random.default_rng(0)
    X, y = sphere(40, 15, rng), rng.choice([-1.0, 1.0], (3, 40))
    batch = fit_two_layer(X, y, 40, rng=rng, steps=3000, lr=2e-2, tol=1e-3)
    assert len(batch.history) < 3000
    assert batch.mse.max() <= 1e-3


def test_same_generator_gives_the_same_nets_bit_for_bit():
    X, y = sphere(30, 6, np.random.default_rng(0)), np.ones(30)
    a, b = (
        fit_two_layer(X, y, 5, n_nets=2, rng=np.random.default_rng(5), steps=30) for _ in range(2)
    )
    np.testing.assert_array_equal(a.W, b.W)
    np.testing.assert_array_equal(a.history, b.history)


def test_two_layer_parameters_are_counted_one_by_one():
    net = fit_two_layer(np.eye(4), np.ones(4), 7, rng=np.random.default_rng(0), steps=1)[0]
    assert net.n_parameters == 7 * (4 + 2) + 1
    module = torch.nn.Sequential(torch.nn.Linear(4, 7), torch.nn.ReLU(), torch.nn.Linear(7, 1))
    assert net.n_parameters == sum(p.numel() for p in module.parameters())


def random_net(rng, sizes):
    return MLP(
        tuple(
            (rng.standard_normal((o, i)), rng.standard_normal(o))
            for i, o in zip(sizes, sizes[1:], strict=False)
        )
    )


def test_gradients_are_difference_quotients():
    rng = np.random.default_rng(0)
    net = TwoLayer(rng.standard_normal((6, 3)), rng.standard_normal(6), rng.standard_normal(6), 0.5)
    deep = random_net(rng, (3, 5, 4, 2))
    X, h = rng.standard_normal((20, 3)), 1e-7
    for i in range(3):
        shift = X + h * np.eye(3)[i]
        np.testing.assert_allclose((net(shift) - net(X)) / h, net.gradient(X)[:, i], atol=1e-5)
        np.testing.assert_allclose(
            (deep(shift) - deep(X)) / h, deep.jacobian(X)[:, :, i], atol=1e-5
        )


@pytest.mark.parametrize("sizes", [(3, 5, 1), (3, 5, 4, 2), (4, 3)])
def test_numpy_predictions_and_torch_module_are_one_function(sizes):
    rng = np.random.default_rng(1)
    net = random_net(rng, sizes)
    X = rng.standard_normal((11, sizes[0]))
    np.testing.assert_allclose(
        net.as_module("float64")(torch.tensor(X)).numpy(), net(X), atol=1e-12
    )


def test_lipschitz_bracket_of_a_linear_net_is_exact():
    W = np.array([[3.0, 0.0], [0.0, 2.0]])
    bracket = MLP(((W, np.zeros(2)),)).lipschitz()
    assert bracket.lower == pytest.approx(3.0) and bracket.upper == pytest.approx(3.0)


def test_lipschitz_bracket_of_one_neuron_is_exact():
    bracket = TwoLayer(W=[[3.0, 4.0]], b=[0.1], a=[2.0], c=0.0).lipschitz()
    assert bracket.lower == pytest.approx(10.0) and bracket.upper == pytest.approx(10.0)


def test_lipschitz_bracket_holds_every_slope_between_training_points():
    rng = np.random.default_rng(0)
    X, y = sphere(50, 10, rng), rng.choice([-1.0, 1.0], 50)
    for net in (
        fit_two_layer(X, y, 30, rng=rng, steps=500, lr=2e-2)[0],
        fit_mlp(X, y, (30, 20), rng=rng, loss="squared", epochs=100, lr=1e-2),
    ):
        i, j = np.triu_indices(50, 1)
        slopes = np.abs(net(X)[i] - net(X)[j]) / np.linalg.norm(X[i] - X[j], axis=1)
        assert slopes.max() <= net.lipschitz().upper
        assert 0 < net.lipschitz().lower <= net.lipschitz().upper


def test_mlp_learns_three_separate_classes():
    rng = np.random.default_rng(0)
    y = rng.integers(0, 3, 150)
    X = 4 * np.eye(3)[y] + 0.3 * rng.standard_normal((150, 3))
    net = fit_mlp(X, y, (16,), rng=rng, epochs=60, batch_size=30, lr=1e-2)
    assert (net.classify(X) == y).all()
    assert net.n_outputs == 3 and net.n_parameters == 3 * 16 + 16 + 16 * 3 + 3


def test_sign_of_a_real_valued_net_is_its_class():
    net = MLP((([[1.0, 0.0]], [0.0]),))
    np.testing.assert_array_equal(net.classify([[2.0, 0.0], [-1.0, 5.0], [0.0, 0.0]]), [1, -1, 1])


def test_weights_of_a_net_cannot_be_changed():
    net = TwoLayer(W=[[1.0]], b=[0.0], a=[1.0], c=0.0)
    with pytest.raises(ValueError):
        net.W[0, 0] = 2.0
    with pytest.raises(AttributeError):
        net.c = 3.0


X3, y3, rng3 = np.eye(3), np.array([1.0, -1.0, 1.0]), np.random.default_rng(0)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: fit_two_layer(X3, y3[:2], 4, rng=rng3), "y has 2 entries; 3"),
        (lambda: fit_two_layer(X3 * np.nan, y3, 4, rng=rng3), r"X\[0, 0\] = nan"),
        (lambda: fit_two_layer(X3, y3, 0, rng=rng3), "k = 0"),
        (lambda: fit_two_layer(X3, y3, 4, rng=0), "rng = 0; a numpy.random.Generator"),
        (lambda: fit_two_layer(X3, y3, 4, rng=rng3, steps=0), "steps = 0"),
        (lambda: fit_two_layer(X3, y3, 4, rng=rng3, lr=-1.0), "lr = -1.0"),
        (
            lambda: fit_two_layer(X3, y3, 4, rng=rng3, dtype="float16"),
            "dtype = 'float16' is unknown",
        ),
        (lambda: fit_two_layer(X3, np.ones((2, 3)), 4, rng=rng3, n_nets=5), "n_nets = 5"),
        (lambda: fit_two_layer(X3, np.ones((2, 4)), 4, rng=rng3), r"y has shape \(2, 4\)"),
        (
            lambda: fit_two_layer(np.ones((3, 3, 2)), np.ones((2, 3)), 4, rng=rng3),
            "X holds 3 data sets",
        ),
        (lambda: fit_mlp(X3, y3, rng=rng3), "class numbers 0, 1, 2"),
        (lambda: fit_mlp(X3, [0, 1, 2], (0,), rng=rng3), "hidden = 0"),
        (lambda: fit_mlp(X3, [0, 1, 2], rng=rng3, loss="hinge"), "loss = 'hinge' is unknown"),
        (lambda: TwoLayer(W=np.ones((2, 3)), b=[0.0], a=[1.0, 1.0], c=0.0), "b has 1 entries; 2"),
        (lambda: MLP(()), "layers is empty"),
        (
            lambda: MLP(((np.ones((2, 3)), np.zeros(2)), (np.ones((1, 3)), np.zeros(1)))),
            r"layers\[1\]\[0\] has 3 columns; 2",
        ),
        (
            lambda: TwoLayer(W=[[1.0]], b=[0.0], a=[1.0], c=0.0)([[1.0, 2.0]]),
            "X has 2 columns; 1",
        ),
    ],
)
def test_bad_input_is_refused_in_words(call, words):
    with pytest.raises(ValueError, match=words):
        call()
