"""The convnets of Madry et al. and fast adversarial training: counts, the function computed, what
training does, bad input."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from lawrob_utils.recorded.mnist_capacity.convnets import (  # noqa: E402
    ConvNet,
    InBfloat16,
    fit_convnet,
    parameter_count,
    shapes,
)

from lawrob_utils import data  # noqa: E402
from lawrob_utils.attacks import robust_accuracy  # noqa: E402
from lawrob_utils.recorded import mnist_capacity  # noqa: E402

MADRY = {1: 13_514, 2: 52_506, 4: 206_954, 8: 821_706, 16: 3_274_634}


def textbook_net(scale, side=28):
    """The same family as torch's own layers count it."""
    nn, s = torch.nn, scale
    return nn.Sequential(
        nn.Conv2d(1, 2 * s, 5, padding="same"), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(2 * s, 4 * s, 5, padding="same"), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(4 * s * (side // 4) ** 2, 64 * s), nn.ReLU(), nn.Linear(64 * s, 10),
    )  # fmt: skip


def random_net(scale, side, rng):
    return ConvNet(
        scale, tuple(rng.standard_normal(shape) * 0.1 for shape in shapes(scale, side)), side
    )


def digits():
    images = data.digits()
    order = np.random.default_rng(0).permutation(len(images.X))
    return (
        images.X[order][:1200],
        images.labels[order][:1200],
        images.X[order][1200:],
        images.labels[order][1200:],
    )


@pytest.mark.parametrize(("scale", "P"), MADRY.items())
def test_parameter_counts_are_exactly_those_of_the_family(scale, P):
    assert parameter_count(scale) == P == sum(p.numel() for p in textbook_net(scale).parameters())


def test_a_net_has_as_many_parameters_as_the_count_says():
    for scale, side in ((1, 28), (2, 28), (3, 8)):
        net = random_net(scale, side, np.random.default_rng(0))
        assert (
            net.n_parameters
            == parameter_count(scale, side)
            == sum(p.numel() for p in textbook_net(scale, side).parameters())
        )


@pytest.mark.parametrize("side", [8, 28])
def test_scores_equal_those_of_textbook_layers_with_the_same_weights(side):
    rng = np.random.default_rng(1)
    net = random_net(2, side, rng)
    reference = textbook_net(2, side).double()
    with torch.no_grad():
        for p, w in zip(reference.parameters(), net.weights, strict=True):
            p.copy_(torch.tensor(w))
        X = rng.random((7, side * side))
        wanted = reference(torch.tensor(X).view(7, 1, side, side)).numpy()
        assert np.allclose(net.as_module("float64")(torch.tensor(X)).numpy(), wanted, atol=1e-12)
    assert np.allclose(net(X), wanted, atol=1e-5)
    assert (net.classify(X) == wanted.argmax(axis=1)).all()


def test_bfloat16_scores_are_near_and_keep_a_gradient():
    net = random_net(2, 8, np.random.default_rng(2)).as_module()
    x = torch.rand(5, 64, requires_grad=True)
    out = InBfloat16(net)(x)
    assert out.dtype == torch.float32
    assert torch.allclose(out, net(x), atol=0.05, rtol=0.05)
    assert torch.autograd.grad(out.sum(), x)[0].abs().sum() > 0


def test_training_is_a_function_of_the_generator():
    X, y, *_ = digits()
    first, again, other = (
        fit_convnet(X[:200], y[:200], 1, rng=np.random.default_rng(s), eps=0.1, epochs=1)
        for s in (3, 3, 4)
    )
    assert all(np.array_equal(a, b) for a, b in zip(first.weights, again.weights, strict=True))
    assert not np.array_equal(first.weights[0], other.weights[0])
    assert first.history.shape == (1, 2)


def test_radius_zero_is_plain_training_and_learns_digits():
    X, y, X_new, y_new = digits()
    net = fit_convnet(
        X, y, 2, rng=np.random.default_rng(5), epochs=8, batch_size=32, precision="float32"
    )
    assert (net.classify(X_new) == y_new).mean() > 0.9
    assert net.history[-1, 1] > net.history[0, 1]


def test_fast_training_keeps_more_accuracy_under_a_full_attack_than_plain_training():
    X, y, X_new, y_new = digits()
    X_new, y_new = X_new.astype(np.float32)[:300], y_new[:300]
    settings = {"epochs": 10, "batch_size": 32, "precision": "float32"}
    attack = {"norm": "linf", "steps": 20, "restarts": 2, "clip": (0, 1)}
    plain, fast = (
        fit_convnet(X, y, 2, rng=np.random.default_rng(6), eps=eps, **settings)
        for eps in (0.0, 0.1)
    )
    full = [
        robust_accuracy(net, X_new, y_new, 0.1, rng=np.random.default_rng(7), **attack)
        for net in (plain, fast)
    ]
    single = robust_accuracy(fast, X_new, y_new, 0.1, "linf", steps=1, step_size=0.1, clip=(0, 1))
    assert full[1] > full[0] + 0.2
    assert (
        0 <= single - full[1] < 0.25
    )  # after catastrophic overfitting full is near 0 while single stays near the plain accuracy


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"X": np.full((4, 64), 1.5)}, "outside"),
        ({"X": np.full((4, 64), np.nan)}, "not finite"),
        ({"X": np.zeros((4, 65))}, "has shape"),
        ({"X": np.zeros((4, 9))}, "multiple of 4"),
        ({"X": np.zeros(64)}, "has shape"),
        ({"y": [0, 1, 2, 10]}, "y holds 10"),
        ({"y": [0, 1, 2]}, "3 entries"),
        ({"y": [0, 1, 2, 0.5]}, "y holds 0.5"),
        ({"scale": 0}, "scale = 0"),
        ({"rng": 0}, "rng"),
        ({"eps": -0.1}, "eps"),
        ({"epochs": 0}, "epochs = 0"),
        ({"attack_steps": 0}, "attack_steps = 0"),
        ({"batch_size": 2.5}, "batch_size"),
        ({"lr": 0}, "lr"),
        ({"warmup": -1}, "warmup"),
        ({"precision": "float16"}, "precision"),
        ({"device": "tpu"}, "device"),
    ],
)
def test_bad_input_is_refused_with_the_name_of_the_argument(change, words):
    given = {
        "X": np.zeros((4, 64)),
        "y": [0, 1, 2, 3],
        "scale": 1,
        "rng": np.random.default_rng(0),
        **change,
    }
    X, y, scale = (given.pop(name) for name in ("X", "y", "scale"))
    with pytest.raises(ValueError, match=words):
        fit_convnet(X, y, scale, **given)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_cuda_is_refused_where_there_is_none():
    with pytest.raises(ValueError, match="no CUDA device"):
        fit_convnet(np.zeros((4, 64)), [0, 1, 2, 3], 1, rng=np.random.default_rng(0), device="cuda")


def test_a_net_refuses_weights_that_do_not_fit():
    rng = np.random.default_rng(8)
    good = random_net(1, 8, rng).weights
    with pytest.raises(ValueError, match=r"weights has 7 arrays"):
        ConvNet(1, good[:-1], 8)
    with pytest.raises(ValueError, match=r"weights\[0\] has shape"):
        ConvNet(2, good, 8)
    with pytest.raises(ValueError, match="not finite"):
        ConvNet(1, (good[0] * np.inf, *good[1:]), 8)
    with pytest.raises(ValueError, match="has shape"):
        random_net(1, 8, rng)(np.zeros((2, 63)))
    with pytest.raises(ValueError, match="read-only"):
        random_net(1, 8, rng).weights[0][0] = 0


# -------------------------------------------------------------------------- the recorded experiment


def test_standing_images_are_those_that_no_found_point_fools():
    X, y, X_new, y_new = digits()
    net = fit_convnet(X, y, 1, rng=np.random.default_rng(9), epochs=4, batch_size=32)
    module, Z = net.as_module(), X_new[:300].astype(np.float32)
    stands = mnist_capacity.standing(
        module, Z, y_new[:300], 0.05, 10, 1, np.random.default_rng(10), "bfloat16"
    )
    pure = robust_accuracy(
        module, Z, y_new[:300], 0.05, "linf", steps=10, rng=np.random.default_rng(10), clip=(0, 1)
    )
    right = net.classify(Z) == y_new[:300]
    assert not (stands & ~right).any()  # an image that is wrong as it is does not stand
    assert 0.1 < pure < right.mean()
    assert abs(stands.mean() - pure) < 0.02  # bfloat16 steps find as much as float32 steps
    assert (
        mnist_capacity.standing(module, Z, y_new[:300], 0.0, 1, 1, np.random.default_rng(10))
        == right
    ).all()


def test_a_net_that_names_one_class_only_is_recorded_as_collapsed(monkeypatch):
    weights = [np.zeros(shape) for shape in shapes(1, 8)]
    weights[7][3] = 1.0

    def constant_net(*args, **kwargs):
        return ConvNet(1, tuple(weights), 8, np.array([[2.3, 0.1]]))

    monkeypatch.setattr("lawrob_utils.recorded.mnist_capacity.convnets.fit_convnet", constant_net)
    row = mnist_capacity.row(
        rng=np.random.default_rng(0), data_set="digits", scale=1, warmup=0.4, epochs=1, seed=0
    )
    assert row["collapsed"] is True and row["largest_class"] == 1
    assert row["robust_test"] == row["natural_test"] < 0.2  # a constant is as robust as it is right
