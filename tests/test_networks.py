"""Networks: training in a batch is training one by one, and torch nets come in as what they are."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

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
    """The reference: one nn.Module after the other, autograd, torch.optim.Adam."""
    E, d = len(y), X.shape[-1]
    W, b, a, c = initial_weights(E, k, d, rng, np.sqrt((X**2).sum(-1).mean()))
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
    np.testing.assert_allclose(batch(X[0] if own_data else X)[0], outputs[0], rtol=0, atol=1e-10)
    np.testing.assert_allclose(batch.mse, errors, rtol=0, atol=1e-10)


def test_wide_two_layer_nets_memorise_random_signs():
    rng = np.random.default_rng(0)
    X, y = sphere(60, 15, rng), rng.choice([-1.0, 1.0], (5, 60))
    batch = fit_two_layer(X, y, 40, rng=rng, steps=1500, lr=2e-2)
    assert batch.mse.max() < 1e-6
    assert (np.sign(batch(X)) == y).all()


def test_training_stops_once_every_net_has_reached_tol():
    rng = np.random.default_rng(0)
    X, y = sphere(40, 15, rng), rng.choice([-1.0, 1.0], (3, 40))
    settings = {"steps": 3000, "lr": 2e-2}
    early, late = (
        fit_two_layer(X, y, 40, rng=np.random.default_rng(1), tol=tol, **settings)
        for tol in (1e-3, 0.0)
    )
    assert 1e-4 < early.mse.max() <= 1e-3 and late.mse.max() < 1e-6


def test_same_generator_gives_the_same_nets_bit_for_bit():
    X, y = sphere(30, 6, np.random.default_rng(0)), np.ones((2, 30))
    a, b = (fit_two_layer(X, y, 5, rng=np.random.default_rng(5), steps=30) for _ in range(2))
    for f, g in zip(a, b, strict=True):
        np.testing.assert_array_equal(f.W, g.W)
    np.testing.assert_array_equal(a.mse, b.mse)


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
        fit_mlp(X, y > 0, (30, 20), rng=rng, epochs=100, lr=1e-2),
    ):
        i, j = np.triu_indices(50, 1)
        difference = (net(X)[i] - net(X)[j]).reshape(len(i), -1)
        slopes = np.linalg.norm(difference, axis=1) / np.linalg.norm(X[i] - X[j], axis=1)
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


def sequential(*layers):
    torch.manual_seed(0)
    return torch.nn.Sequential(*layers)


Linear, ReLU = torch.nn.Linear, torch.nn.ReLU


@pytest.mark.parametrize(
    "module",
    [
        sequential(Linear(4, 6), ReLU(), Linear(6, 3)),
        sequential(Linear(4, 6, bias=False), ReLU(inplace=True), Linear(6, 1)).double(),
        sequential(
            torch.nn.Flatten(),
            sequential(Linear(4, 5), ReLU(), torch.nn.Dropout(0.5)),
            sequential(Linear(5, 5), torch.nn.Identity(), ReLU(), Linear(5, 2)),
        ),
        sequential(*[Linear(4, 4), ReLU()] * 3, Linear(4, 1)),  # one layer three times
        Linear(4, 2),
        sequential(Linear(4, 3), ReLU(), Linear(3, 2)).to(torch.bfloat16),
    ],
    ids=lambda module: str(len(list(module.modules()))),
)
def test_net_from_torch_is_the_function_of_the_module(module):
    net, X = MLP.from_torch(module), np.random.default_rng(0).standard_normal((20, 4))
    exact = module.eval().double()
    with torch.no_grad():
        values = exact(torch.tensor(X)).numpy()
    np.testing.assert_allclose(net(X), values[:, 0] if values.shape[1] == 1 else values, atol=1e-12)


def test_two_layer_net_from_torch_and_back():
    X = np.random.default_rng(0).standard_normal((20, 4))
    module = sequential(Linear(4, 6), ReLU(), Linear(6, 1)).double()
    net = TwoLayer.from_torch(module, starts=X)
    np.testing.assert_allclose(net(X), module(torch.tensor(X)).detach().numpy()[:, 0], atol=1e-12)
    np.testing.assert_array_equal(net.starts, X)
    again = TwoLayer.from_torch(net.as_module())
    assert all((getattr(again, v) == getattr(net, v)).all() for v in "Wba") and again.c == net.c
    assert not any(p.requires_grad for p in net.as_module().parameters())
    with torch.no_grad():
        module[0].weight += 1.0  # training goes on
    np.testing.assert_array_equal(net.W, again.W)


class Doubled(Linear):
    def forward(self, x):
        return 2 * super().forward(x)


def hooked():
    module = sequential(Linear(4, 2))
    module[0].register_forward_hook(lambda layer, x, out: 2 * out)
    return module


@pytest.mark.parametrize(
    ("module", "words"),
    [
        (sequential(Linear(4, 6), torch.nn.Tanh(), Linear(6, 1)), r"module\[1\] is a Tanh;"),
        (sequential(Linear(4, 6), torch.nn.LeakyReLU()), r"module\[1\] is a LeakyReLU"),
        (sequential(torch.nn.Conv2d(1, 2, 3)), r"module\[0\] is a Conv2d"),
        (sequential(sequential(torch.nn.BatchNorm1d(4))), r"module\[0.0\] is a BatchNorm1d"),
        (torch.nn.TransformerEncoderLayer(4, 2), "module is a TransformerEncoderLayer"),
        (torch.nn.utils.parametrizations.weight_norm(Linear(4, 2)), "is a ModuleDict"),
        (sequential(Doubled(4, 2)), r"module\[0\] is a Doubled"),
        (hooked(), r"module\[0\] is a Linear with hooks"),
        (sequential(Linear(4, 6), Linear(6, 1)), "module is Linear, Linear; Linear layers with"),
        (sequential(Linear(4, 6), ReLU()), "module is Linear, ReLU;"),
        (sequential(ReLU(), Linear(6, 1)), "module is ReLU, Linear;"),
        (sequential(), "module is empty"),
        (sequential(torch.nn.Flatten(0), Linear(4, 1)), r"module\[0\] is a Flatten"),
        (sequential(Linear(4, 2)).state_dict(), "is a OrderedDict"),
        ("net.pt", "module = 'net.pt' is a str"),
        ([Linear(4, 2)], "is a list"),
        (None, "module = None"),
    ],
)
@pytest.mark.parametrize("kind", [MLP, TwoLayer])
def test_what_is_no_relu_network_is_named(module, words, kind):
    with pytest.raises(ValueError, match=words):
        kind.from_torch(module)


@pytest.mark.parametrize(
    ("module", "words"),
    [
        (sequential(Linear(4, 6), ReLU(), Linear(6, 2)), r"2 Linear layers and 2 output\(s\)"),
        (sequential(Linear(4, 1)), r"1 Linear layers and 1 output\(s\)"),
    ],
)
def test_other_shapes_than_two_layers_are_sent_to_mlp(module, words):
    with pytest.raises(ValueError, match=words):
        TwoLayer.from_torch(module)


X3, y3, rng3 = np.eye(3), np.array([1.0, -1.0, 1.0]), np.random.default_rng(0)
one = {"W": [[1.0]], "b": [0.0], "a": [1.0], "c": 0.0}
NOT_NUMBERS = [
    "0.5",
    None,
    torch.ones(3, requires_grad=True),
    [[1.0], [1.0, 2.0]],
    {"0.weight": torch.ones(3)},
    [np.nan, 0.0, 0.0],
    1 + 2j,
]


@pytest.mark.parametrize("wrong", NOT_NUMBERS, ids=lambda v: type(v).__name__)
@pytest.mark.parametrize(
    ("argument", "call"),
    [
        ("W", lambda v: TwoLayer(**{**one, "W": v})),
        ("b", lambda v: TwoLayer(**{**one, "b": v})),
        ("a", lambda v: TwoLayer(**{**one, "a": v})),
        ("c", lambda v: TwoLayer(**{**one, "c": v})),
        ("X", lambda v: TwoLayer(**one)(v)),
        ("X", lambda v: TwoLayer(**one).gradient(v)),
        ("layers", lambda v: MLP(v)),
        ("layers", lambda v: MLP(((v, [0.0]),))),
        ("layers", lambda v: MLP((([[1.0]], v),))),
        ("X", lambda v: MLP((([[1.0]], [0.0]),)).classify(v)),
        ("X", lambda v: fit_two_layer(v, y3, 2, rng=rng3)),
        ("y", lambda v: fit_two_layer(X3, v, 2, rng=rng3)),
        ("X", lambda v: fit_mlp(v, [0, 1, 2], rng=rng3)),
        ("y", lambda v: fit_mlp(X3, v, rng=rng3)),
        ("k", lambda v: fit_two_layer(X3, y3, v, rng=rng3)),
        ("steps", lambda v: fit_two_layer(X3, y3, 2, rng=rng3, steps=v)),
        ("lr", lambda v: fit_two_layer(X3, y3, 2, rng=rng3, lr=v)),
        ("tol", lambda v: fit_two_layer(X3, y3, 2, rng=rng3, tol=v)),
        ("rng", lambda v: fit_two_layer(X3, y3, 2, rng=v)),
        ("hidden", lambda v: fit_mlp(X3, [0, 1, 2], v, rng=rng3)),
        ("epochs", lambda v: fit_mlp(X3, [0, 1, 2], rng=rng3, epochs=v)),
        ("batch_size", lambda v: fit_mlp(X3, [0, 1, 2], rng=rng3, batch_size=v)),
        ("lr", lambda v: fit_mlp(X3, [0, 1, 2], rng=rng3, lr=v)),
        ("dtype", lambda v: fit_mlp(X3, [0, 1, 2], rng=rng3, dtype=v)),
        ("rng", lambda v: fit_mlp(X3, [0, 1, 2], rng=v)),
        ("dtype", lambda v: TwoLayer(**one).as_module(v)),
        ("lr", lambda v: schedule(v, 3)),
        ("steps", lambda v: schedule(0.1, v)),
        ("n_nets", lambda v: initial_weights(v, 1, 1, rng3)),
        ("input_norm", lambda v: initial_weights(1, 1, 1, rng3, v)),
        ("module", lambda v: MLP.from_torch(v)),
        ("module", lambda v: TwoLayer.from_torch(v)),
    ],
)
def test_what_is_no_number_is_named_at_every_door(argument, call, wrong):
    with pytest.raises(ValueError, match=rf"\b{argument}\b"):
        call(wrong)


sizes = st.lists(st.integers(0, 4), max_size=3).map(tuple)


@settings(max_examples=200, deadline=None)
@given(
    st.fixed_dictionaries({"W": sizes, "b": sizes, "a": sizes, "c": sizes, "X": sizes}),
    st.sampled_from([0.0, 1.0, np.nan, np.inf]),
    st.sampled_from(["W", "b", "a", "c", "X"]),
)
def test_arrays_of_any_shape_make_a_net_or_a_message(shapes, value, where):
    arrays = {v: np.full(shape, value if v == where else 1.0) for v, shape in shapes.items()}
    X, (k, d) = arrays.pop("X"), (*shapes["W"], -1, -1)[:2]
    fits = len(shapes["W"]) == 2 and k > 0 and d > 0 and shapes["b"] == shapes["a"] == (k,)
    fits &= shapes["c"] == () and len(shapes["X"]) == 2 and shapes["X"][0] > 0
    fits &= shapes["X"][-1:] == (d,) and bool(np.isfinite(value) or not shapes[where].count(0) == 0)
    try:
        values = TwoLayer(**arrays)(X)
    except ValueError as error:
        assert not fits and any(str(error).startswith(v) for v in "WbacX")
    else:
        assert fits and values.shape == X.shape[:1]


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (
            lambda: fit_two_layer(X3, y3[:2], 4, rng=rng3),
            r"y has shape \(2,\); \(n,\) or",
        ),
        (lambda: fit_two_layer(X3 * np.nan, y3, 4, rng=rng3), r"X\[0, 0\] = nan"),
        (lambda: fit_two_layer(X3, y3, 0, rng=rng3), "k = 0"),
        (lambda: fit_two_layer(X3, y3, 4, rng=0), "rng = 0; a numpy.random.Generator"),
        (lambda: fit_two_layer(X3, y3, 4, rng=rng3, steps=0), "steps = 0"),
        (lambda: fit_two_layer(X3, y3, 4, rng=rng3, lr=-1.0), "lr = -1.0"),
        (lambda: fit_two_layer(X3, np.ones((2, 4)), 4, rng=rng3), r"y has shape \(2, 4\)"),
        (
            lambda: fit_two_layer(np.ones((3, 3, 2)), np.ones((2, 3)), 4, rng=rng3),
            r"y has shape \(2, 3\); .* X of shape \(3, 3, 2\)",
        ),
        (lambda: fit_two_layer(np.ones((3, 3, 2)), y3, 4, rng=rng3), r"y has shape \(3,\)"),
        (lambda: fit_two_layer(np.ones((2, 3, 3, 2)), y3, 4, rng=rng3), "X has shape"),
        (lambda: fit_mlp(X3, [0, 1, 2], rng=rng3, dtype="float16"), "dtype = 'float16' is unknown"),
        (lambda: fit_mlp(X3, [0, 1, 2], 128, rng=rng3), "hidden = 128; widths such as"),
        (lambda: fit_mlp(X3, y3, rng=rng3), "class numbers 0, 1, 2"),
        (lambda: fit_mlp(X3, [0, 1, 2], (0,), rng=rng3), "hidden = 0"),
        (lambda: TwoLayer(W=np.ones((2, 3)), b=[0.0], a=[1.0, 1.0], c=0.0), "b has 1 entries; 2"),
        (lambda: MLP(()), r"layers = \(\); pairs \(matrix, bias\)"),
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
