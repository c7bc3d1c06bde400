"""Attacks: inside the ball, and optimal where the optimum is known."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

torch = pytest.importorskip("torch")

from lawrob_utils.attacks import pgd, robust_accuracy  # noqa: E402
from lawrob_utils.networks import MLP, fit_mlp  # noqa: E402

NORMS = ("l2", "linf")
ORDER = {"l2": 2, "linf": np.inf}
DUAL = {"l2": 2, "linf": 1}

cases = settings(max_examples=40, deadline=None)
seeds = st.integers(0, 2**32 - 1)


def random_net(rng, sizes):
    return MLP(
        tuple(
            (rng.standard_normal((o, i)), rng.standard_normal(o))
            for i, o in zip(sizes, sizes[1:], strict=False)
        )
    )


@pytest.fixture(scope="module")
def blobs():
    """Three overlapping classes in the unit cube, and a net that has learned them."""
    rng = np.random.default_rng(0)
    y = rng.integers(0, 3, 300)
    X = np.clip(0.3 + 0.4 * np.eye(3, 8)[y] + 0.1 * rng.standard_normal((300, 8)), 0, 1)
    return fit_mlp(X, y, (32, 32), rng=rng, epochs=40, lr=1e-2), X, y


@cases
@given(
    seed=seeds,
    norm=st.sampled_from(NORMS),
    eps=st.floats(0, 2),
    boxed=st.booleans(),
    dtype=st.sampled_from(["float32", "float64"]),
)
def test_result_lies_in_the_ball_and_in_the_box(seed, norm, eps, boxed, dtype):
    rng = np.random.default_rng(seed)
    net, X, y = (
        random_net(rng, (6, 8, 3)),
        rng.uniform(0, 1, (9, 6)).astype(dtype),
        rng.integers(0, 3, 9),
    )
    result = pgd(net, X, y, eps, norm, steps=5, restarts=2, rng=rng, clip=(0, 1) if boxed else None)
    moved = np.linalg.norm((result.X - X).astype(np.float64), ORDER[norm], axis=1)
    assert moved.max() <= eps + (1e-12 if dtype == "float64" else 1e-6)
    assert result.X.dtype == dtype
    if boxed:
        assert result.X.min() >= 0 and result.X.max() <= 1


@cases
@given(seed=seeds, norm=st.sampled_from(NORMS), eps=st.floats(0.01, 3))
def test_on_a_linear_classifier_the_closed_form_margin_is_attained(seed, norm, eps):
    rng = np.random.default_rng(seed)
    w, c = rng.standard_normal(7), rng.standard_normal()
    X, y = rng.standard_normal((12, 7)), rng.choice([-1, 1], 12)
    best = y * (X @ w + c) - eps * np.linalg.norm(w, DUAL[norm])
    net = MLP(((w[None], [c]),))
    np.testing.assert_allclose(
        pgd(net, X, y, eps, norm, steps=1, active_set=False).margin, best, atol=1e-9
    )
    np.testing.assert_allclose(
        pgd(net, X, y, eps, norm, rng=rng, restarts=2, active_set=False).margin,
        best,
        atol=1e-2 * eps,
    )


@cases
@given(seed=seeds, eps=st.floats(0.01, 1))
def test_on_a_linear_classifier_in_a_box_linf_attains_the_closed_form(seed, eps):
    rng = np.random.default_rng(seed)
    w, X, y = rng.standard_normal(7), rng.uniform(0, 1, (12, 7)), rng.choice([-1, 1], 12)
    worst = np.clip(
        X - eps * np.sign(y[:, None] * w), 0, 1
    )  # each coordinate as far as ball and box allow
    result = pgd(MLP(((w[None], [0.0]),)), X, y, eps, "linf", clip=(0, 1), active_set=False)
    np.testing.assert_allclose(result.margin, y * (worst @ w), atol=1e-9)


@pytest.mark.parametrize("norm", NORMS)
def test_for_scores_of_a_linear_model_the_pairwise_closed_form_is_attained(norm):
    rng = np.random.default_rng(0)
    W, X, y, eps = (
        rng.standard_normal((2, 7)),
        rng.standard_normal((12, 7)),
        rng.integers(0, 2, 12),
        0.3,
    )
    scores = X @ W.T
    gap = np.where(y == 0, scores[:, 0] - scores[:, 1], scores[:, 1] - scores[:, 0])
    best = gap - eps * np.linalg.norm(W[0] - W[1], DUAL[norm])
    result = pgd(MLP(((W, np.zeros(2)),)), X, y, eps, norm, steps=1, active_set=False)
    np.testing.assert_allclose(result.margin, best, atol=1e-9)


@cases
@given(seed=seeds, norm=st.sampled_from(NORMS), eps=st.floats(0, 1), restarts=st.integers(1, 3))
def test_active_set_fools_exactly_the_points_that_the_plain_loop_fools(seed, norm, eps, restarts):
    rng = np.random.default_rng(seed)
    net, X, y = random_net(rng, (5, 10, 3)), rng.standard_normal((20, 5)), rng.integers(0, 3, 20)
    plain, active = (
        pgd(
            net,
            X,
            y,
            eps,
            norm,
            steps=8,
            restarts=restarts,
            rng=np.random.default_rng(1),
            active_set=a,
        )
        for a in (False, True)
    )
    np.testing.assert_array_equal(active.fooled, plain.fooled)


@cases
@given(seed=seeds, norm=st.sampled_from(NORMS))
def test_robust_accuracy_never_rises_with_the_radius(seed, norm):
    rng = np.random.default_rng(seed)
    net, X = random_net(rng, (5, 10, 3)), rng.standard_normal((20, 5))
    radii = rng.permutation([0, 0.05, 0.1, 0.2, 0.4, 0.8])
    curve = robust_accuracy(net, X, net.classify(X), radii, norm, steps=5, rng=rng)
    assert (np.diff(curve[np.argsort(radii)]) <= 0).all()
    assert curve[radii == 0] == 1


def test_accuracy_at_radius_zero_is_the_plain_accuracy(blobs):
    net, X, y = blobs
    y = np.where(np.arange(len(y)) % 10 == 0, (y + 1) % 3, y)
    assert robust_accuracy(net, X, y, 0.0) == (net.classify(X) == y).mean()


@pytest.mark.parametrize("norm", NORMS)
def test_reported_margin_and_verdict_are_those_of_the_returned_points(blobs, norm):
    net, X, y = blobs
    result = pgd(net, X, y, 0.15, norm, rng=np.random.default_rng(0), clip=(0, 1))
    scores = net(result.X)
    own = scores[np.arange(len(y)), y]
    scores[np.arange(len(y)), y] = -np.inf
    np.testing.assert_allclose(result.margin, own - scores.max(axis=1), atol=1e-9)
    np.testing.assert_array_equal(result.fooled, net.classify(result.X) != y)
    assert 0.05 < result.fooled.mean() < 0.95  # the case is not trivial


@pytest.mark.parametrize("norm", NORMS)
def test_more_restarts_never_leave_a_larger_margin(blobs, norm):
    net, X, y = blobs
    one, five = (
        pgd(
            net,
            X,
            y,
            0.1,
            norm,
            steps=5,
            restarts=r,
            rng=np.random.default_rng(0),
            active_set=False,
        )
        for r in (1, 5)
    )
    assert (five.margin <= one.margin).all()
    assert (five.margin < one.margin).any()


@pytest.mark.parametrize("norm", NORMS)
def test_in_two_dimensions_pgd_finds_nearly_every_point_that_a_fine_grid_fools(norm):
    rng = np.random.default_rng(3)
    net, X, eps = random_net(rng, (2, 12, 3)), rng.standard_normal((60, 2)), 0.4
    y = net.classify(X)
    u = np.linspace(-eps, eps, 201)
    grid = np.stack(np.meshgrid(u, u), -1).reshape(-1, 2)
    grid = grid[np.linalg.norm(grid, ORDER[norm], axis=1) <= eps]
    truly = np.array(
        [(net.classify(x + grid) != label).any() for x, label in zip(X, y, strict=True)]
    )
    found = pgd(net, X, y, eps, norm, restarts=5, rng=rng).fooled
    assert 10 < truly.sum() < 50
    assert (found & ~truly).sum() <= 1  # only a sliver between grid points
    assert (truly & ~found).sum() <= 2


@pytest.mark.parametrize("scale", [1e-40, 1e-160, 1e30])
def test_l2_step_survives_gradients_of_any_size(scale):
    net = MLP((([[scale, 2 * scale]], [0.0]),))
    X = np.array([[1.0, 0.0]])
    result = pgd(net, X, [1], 0.5, "l2", steps=1, active_set=False)
    np.testing.assert_allclose(result.X, X - 0.5 * np.array([[1, 2]]) / np.sqrt(5), atol=1e-12)


@pytest.mark.parametrize("norm", NORMS)
def test_where_the_gradient_is_zero_the_point_stays(norm):
    net = MLP((([[1.0, 1.0]], [-5.0]), ([[1.0]], [1.0])))  # flat near the origin
    X = np.zeros((1, 2))
    result = pgd(net, X, [1], 0.5, norm)
    np.testing.assert_array_equal(result.X, X)
    assert not result.fooled[0]


def test_a_very_confident_model_is_still_attacked():
    W = 1e4 * np.array(
        [[1.0, 0.0], [-1.0, 0.0]]
    )  # cross-entropy has an exactly zero gradient here, even in float64
    X = np.array([[0.5, 0.0]])
    assert pgd(MLP(((W, np.zeros(2)),)), X, [0], 0.6).fooled.all()


def test_a_tie_counts_as_an_error():
    assert pgd(MLP((([[1.0], [1.0]], [0.0, 0.0]),)), [[1.0]], [0], 0.0).fooled.all()


def test_module_is_attacked_in_eval_mode_and_given_back_untouched():
    torch.manual_seed(0)
    net = torch.nn.Sequential(
        torch.nn.Linear(4, 8), torch.nn.BatchNorm1d(8), torch.nn.Dropout(0.5), torch.nn.Linear(8, 3)
    )
    net[1].eval()
    before = [p.clone() for p in (*net.parameters(), *net.buffers())]
    X, y = np.random.default_rng(0).standard_normal((10, 4)), np.zeros(10, dtype=int)
    first, second = pgd(net, X, y, 0.3), pgd(net, X, y, 0.3)
    np.testing.assert_array_equal(first.X, second.X)  # no dropout noise
    assert [m.training for m in net] == [True, False, True, True] and net.training
    assert all(
        torch.equal(p, q) for p, q in zip(before, (*net.parameters(), *net.buffers()), strict=True)
    )
    assert all(p.grad is None for p in net.parameters())


def test_images_keep_their_shape():
    net = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(16, 3))
    X = np.random.default_rng(0).uniform(0, 1, (5, 1, 4, 4)).astype(np.float32)
    for norm in NORMS:
        assert (
            pgd(
                net, X, [0, 1, 2, 0, 1], 0.1, norm, rng=np.random.default_rng(0), clip=(0, 1)
            ).X.shape
            == X.shape
        )


def test_random_starts_fill_the_ball_uniformly():
    """A flat model would keep the start only where it is worse: so look at the start itself."""
    from lawrob_utils.attacks import _random_in_ball

    delta = _random_in_ball(
        torch.zeros(20000, 3, dtype=torch.float64), 2.0, "l2", np.random.default_rng(0)
    ).numpy()
    radius = np.linalg.norm(delta, axis=1)
    assert radius.max() <= 2
    assert (radius < 2 * 0.5 ** (1 / 3)).mean() == pytest.approx(
        0.5, abs=0.02
    )  # half of the volume
    assert np.abs(delta.mean(axis=0)).max() < 0.03


@pytest.mark.parametrize("model_dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("data_dtype", ["float32", "float64"])
def test_a_plain_function_is_asked_in_the_precision_that_it_computes_in(model_dtype, data_dtype):
    rng = np.random.default_rng(0)
    W, X = rng.standard_normal((3, 6)), rng.standard_normal((20, 6)).astype(data_dtype)
    weights = torch.tensor(W, dtype=model_dtype)
    net, y = MLP(((W, np.zeros(3)),)), (X @ W.T).argmax(axis=1)
    asked = []

    def closure(x):
        asked.append(x.dtype)
        return x @ weights.T

    result = pgd(closure, X, y, 0.1)
    assert asked[-1] == model_dtype and result.X.dtype == data_dtype
    np.testing.assert_allclose(result.margin, pgd(net, X, y, 0.1).margin, atol=1e-5)
    radii = [0.0, 0.1, 0.4]
    np.testing.assert_array_equal(
        robust_accuracy(closure, X, y, radii), robust_accuracy(net, X, y, radii)
    )


def test_a_module_is_asked_in_its_own_precision_whatever_the_data():
    module = torch.nn.Sequential(torch.nn.Linear(4, 3)).double()
    X = np.random.default_rng(0).standard_normal((6, 4))
    for data in (X, X.astype(np.float32), torch.tensor(X), X.tolist()):
        assert robust_accuracy(module, data, [0] * 6, 0.0) <= 1
    integers = np.arange(8).reshape(2, 4)
    assert pgd(module.float(), integers, [0, 1], 0.5).X.dtype == np.float64


linear = MLP(((np.eye(3), np.zeros(3)),))
signed = MLP((([[1.0, 0.0, 0.0]], [0.0]),))
X3, y3 = np.full((3, 3), 0.5), np.array([0, 1, 2])


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: pgd(linear, X3, y3, -0.1), "eps = -0.1"),
        (lambda: pgd(linear, X3, y3, np.nan), "eps = nan"),
        (lambda: pgd(linear, X3, y3, 0.1, "l1"), "norm = 'l1' is unknown; allowed: 'l2', 'linf'"),
        (lambda: pgd(linear, X3, y3, 0.1, steps=0), "steps = 0"),
        (lambda: pgd(linear, X3, y3, 0.1, step_size=0.0), "step_size = 0.0"),
        (lambda: pgd(linear, X3, y3, 0.1, restarts=0), "restarts = 0"),
        (
            lambda: pgd(linear, X3, y3, 0.1, restarts=2),
            "restarts = 2 but rng is None; random starts",
        ),
        (lambda: pgd(linear, X3, y3, 0.1, rng=7), "rng = 7; a numpy.random.Generator"),
        (lambda: pgd(linear, X3, y3[:2], 0.1), "y has 2 entries; 3"),
        (lambda: pgd(linear, X3, y3[:, None], 0.1), r"y has shape \(3, 1\)"),
        (
            lambda: pgd(linear, X3, [0, 1, 3], 0.1),
            "y holds 3; a model with 3 outputs needs class numbers 0 to 2",
        ),
        (
            lambda: pgd(signed, X3, [0, 1, 1], 0.1),
            "y holds 0; a model with one output needs labels -1 and [+]1",
        ),
        (lambda: pgd(linear, X3[0], [0], 0.1), r"X has shape \(3,\)"),
        (lambda: pgd(linear, X3[:0], [], 0.1), r"X has shape \(0, 3\)"),
        (lambda: pgd(linear, X3 * np.inf, y3, 0.1), r"X\[0, 0\] = inf"),
        (lambda: pgd(linear, X3, y3, 0.1, clip=(0, 0.2)), "that holds .0.5, 0.5. of the"),
        (lambda: pgd(linear, X3, y3, 0.1, clip=(1, 0)), r"clip = \(1, 0\); an interval"),
        (lambda: pgd("net", X3, y3, 0.1), "model = 'net' is not callable"),
        (lambda: pgd(lambda x: x.sum(), X3, y3, 0.1), r"model gives a Tensor of shape \(\) for 3"),
        (lambda: pgd(lambda x: x.detach().numpy(), X3, y3, 0.1), "model gives a ndarray of shape"),
        (lambda: pgd(lambda x: [x], X3, y3, 0.1), "model fails on a torch batch"),
        (lambda: pgd(lambda x: x.numpy(), X3, y3, 0.1), "(?s)model fails on .*detach"),
        (
            lambda: pgd(torch.nn.Linear(4, 1), X3, y3, 0.1),
            r"model fails .* \(3, 3\): mat1 and mat2",
        ),
        (lambda: pgd(lambda x: signed(x), X3, y3, 0.1), "model fails on a torch batch"),
        (lambda: pgd(lambda x: x.detach(), X3, y3, 0.1), "model has no gradient in X"),
        (lambda: pgd(lambda x: x / 0, X3, y3, 0.1), "not finite on X"),
        (lambda: robust_accuracy(linear, X3, y3, []), r"eps = \[\]; one radius or a list"),
        (lambda: robust_accuracy(linear, X3[:0], [], 0.1), r"X has shape \(0, 3\)"),
        (lambda: robust_accuracy(linear, X3, y3, [[0.1]]), r"eps = \[\[0.1\]\]; one radius"),
        (lambda: robust_accuracy(linear, X3, y3, [0.1, -0.2]), "eps = -0.2"),
    ],
)
def test_bad_input_is_refused_in_words(call, words):
    with pytest.raises(ValueError, match=words):
        call()


NOT_NUMBERS = [
    "0.5",
    None,
    torch.ones(3, requires_grad=True),
    [[1.0], [1.0, 2.0]],
    {"0.weight": torch.ones(3)},
    [np.nan, 0.0, 0.0],
    1 + 2j,
]


@pytest.mark.parametrize("attack", [pgd, robust_accuracy])
@pytest.mark.parametrize("wrong", NOT_NUMBERS, ids=lambda v: type(v).__name__)
@pytest.mark.parametrize(
    "argument", ["model", "X", "y", "eps", "norm", "steps", "step_size", "restarts", "rng", "clip"]
)
def test_what_is_no_number_is_named_at_every_door(attack, argument, wrong):
    given = {"model": linear, "X": X3, "y": y3, "eps": 0.1, "norm": "l2", argument: wrong}
    if wrong is None and argument in ("step_size", "rng", "clip"):
        assert attack(**given) is not None
        return
    with pytest.raises(ValueError, match=rf"\b{argument}\b"):
        attack(**given)


shapes = st.lists(st.integers(0, 4), max_size=4).map(tuple)


@settings(max_examples=150, deadline=None)
@given(X=shapes, y=shapes, value=st.sampled_from([0.5, np.nan, -np.inf]), eps=st.floats())
def test_arrays_of_any_shape_are_attacked_or_named(X, y, value, eps):
    fits = len(X) > 1 and 0 not in X and y == X[:1] and value == 0.5 and 0 <= eps < np.inf
    try:
        attack = pgd(lambda x: x.flatten(1).sum(dim=1), np.full(X, value), np.ones(y), eps, steps=1)
    except ValueError as error:
        assert not fits and str(error).startswith(("X", "y", "eps"))
    else:
        assert fits and attack.X.shape == X
