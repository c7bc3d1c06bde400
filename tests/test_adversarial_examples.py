"""What chapter 1 claims of digits, networks and nearest neighbours, at other seeds."""

import numpy as np
import pytest

pytest.importorskip("torch")

from lawrob_utils import data  # noqa: E402
from lawrob_utils.attacks import robust_accuracy  # noqa: E402
from lawrob_utils.networks import fit_mlp  # noqa: E402
from lawrob_utils.recorded import digit_labels  # noqa: E402
from lawrob_utils.records import generator, points  # noqa: E402


@pytest.fixture(scope="module")
def trained():
    """As in the chapter, from another seed; nets: {share of random labels: (labels, net)}."""
    rng, images = np.random.default_rng(7), data.digits()
    order = rng.permutation(len(images.X))
    X, y = images.X[order], images.labels[order]
    nets = {}
    for share in (0, 1):
        labels = y[:1000].copy()
        redrawn = rng.random(1000) < share
        labels[redrawn] = rng.integers(0, 10, redrawn.sum())
        nets[share] = (
            labels,
            fit_mlp(
                X[:1000],
                labels,
                (128, 128),
                rng=rng,
                epochs=40,
                batch_size=100,
                lr=0.01,
                dtype="float64",
            ),
        )
    return X[:1000], X[1000:], y[1000:], nets


@pytest.mark.parametrize(("share", "low", "high"), [(0, 0.95, 1.0), (1, 0.05, 0.16)])
def test_digits_net_fits_true_and_random_labels_and_only_true_ones_carry_over(
    trained, share, low, high
):
    X, X_new, y_new, nets = trained
    labels, net = nets[share]
    assert (net.classify(X) == labels).all()
    assert low <= (net.classify(X_new) == y_new).mean() <= high


def test_short_attacks_flip_new_digits_and_noise_of_the_same_length_does_not(trained):
    _, X_new, y_new, nets = trained
    net, rng = nets[0][1], np.random.default_rng(0)
    clean, near, far = robust_accuracy(net, X_new, y_new, [0, 0.6, 1.0], clip=(0, 1))
    assert clean > 0.95 and near < 0.5 and far < 0.05
    u = rng.standard_normal(X_new.shape)
    u /= np.linalg.norm(u, axis=1, keepdims=True)
    assert (net.classify(np.clip(X_new + u, 0, 1)) == y_new).mean() > 0.9


def test_net_with_random_labels_falls_sooner_on_its_own_training_images(trained):
    X, _, _, nets = trained
    true, random = (
        robust_accuracy(net, X, labels, 0.3, clip=(0, 1)) for labels, net in (nets[0], nets[1])
    )
    assert true > 0.8 and random < 0.05


def test_random_direction_moves_a_linear_function_by_its_slope_over_root_d():
    rng, d = np.random.default_rng(0), 64
    w, u = rng.standard_normal(d), rng.standard_normal((200_000, d))
    u /= np.linalg.norm(u, axis=1, keepdims=True)
    assert (u @ w).std() == pytest.approx(np.linalg.norm(w) / np.sqrt(d), rel=0.01)
    for margin in (0.5, 1.0, 2.0):  # the proposition's bound for eps = 1
        assert (u @ w <= -margin).mean() <= w @ w / (2 * d * margin**2)


def test_noise_sqrt_d_times_as_long_as_the_worst_change_flips_a_linear_rule_in_one_case_of_six():
    rng, d = np.random.default_rng(1), 64
    u = rng.standard_normal((400_000, d))
    along = u[:, 0] / np.linalg.norm(u, axis=1)
    assert (along <= -1 / np.sqrt(d)).mean() == pytest.approx(0.1606, abs=0.002)
    for times in (1, 10, 1000):  # at no length does it flip half
        assert not ((times * along <= -1e-3) & (times * -along <= -1e-3)).any()
        assert (times * np.sqrt(d) * along <= -1).mean() < 0.5


def test_nearest_neighbour_answer_does_not_change_within_half_the_difference_of_distances():
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((40, 3)), rng.integers(0, 3, 40)

    def nearest(Z):
        return y[np.linalg.norm(Z[:, None] - X, axis=2).argmin(axis=1)]

    for x in np.vstack([X, rng.standard_normal((40, 3))]):
        distance, label = np.linalg.norm(X - x, axis=1), nearest(x[None])[0]
        radius = (distance[y != label].min() - distance[y == label].min()) / 2
        u = rng.standard_normal((500, 3))
        u *= 0.999 * radius / np.linalg.norm(u, axis=1, keepdims=True)
        assert (nearest(x + u) == label).all()


def test_no_point_of_the_ball_that_half_spaces_leave_has_another_nearest_label():
    rng, sharper = np.random.default_rng(2), []
    for _ in range(200):
        d = int(rng.integers(1, 4))
        X, y = rng.standard_normal((15, d)), np.arange(15) % 3
        x = rng.standard_normal(d)
        distance = np.linalg.norm(X - x, axis=1)
        own, other = y == y[distance.argmin()], y != y[distance.argmin()]
        radius = min(
            max(
                (distance[j] ** 2 - distance[i] ** 2) / (2 * np.linalg.norm(X[i] - X[j]))
                for i in np.flatnonzero(own)
            )
            for j in np.flatnonzero(other)
        )
        plain = (distance[other].min() - distance[own].min()) / 2
        assert radius >= plain - 1e-12
        sharper.append(radius > 1.1 * plain)
        u = rng.standard_normal((2000, d))
        Z = x + 0.999999 * radius * u / np.linalg.norm(u, axis=1, keepdims=True)
        nearest = np.linalg.norm(Z[:, None] - X, axis=2).argmin(axis=1)
        assert own[nearest].all()
    assert np.mean(sharper) > 0.3


def test_no_two_digits_of_different_classes_are_closer_than_the_chapter_says():
    images = data.digits()
    X, y = (
        images.X[np.random.default_rng(1).permutation(1797)[:1000]],
        images.labels[np.random.default_rng(1).permutation(1797)[:1000]],
    )
    closest = min(np.linalg.norm(X[y != y[i]] - X[i], axis=1).min() for i in range(1000))
    assert closest / 2 == pytest.approx(0.6156, abs=1e-4)


def test_gradients_written_by_hand_are_those_of_autograd():
    torch, rng = pytest.importorskip("torch"), np.random.default_rng(0)
    shapes = [(5, 4), (5,), (5, 5), (5,), (10, 5), (10,)]
    weights = [rng.standard_normal(s) for s in shapes]
    Z, y = rng.standard_normal((7, 4)), rng.integers(0, 10, 7)
    back = digit_labels._gradients(weights, Z, np.eye(10)[y])

    Zt, *wt = (torch.tensor(v, requires_grad=True) for v in (Z, *weights))
    h = torch.relu(torch.relu(Zt @ wt[0].T + wt[1]) @ wt[2].T + wt[3])
    loss = torch.nn.functional.cross_entropy(h @ wt[4].T + wt[5], torch.tensor(y), reduction="sum")
    right = torch.autograd.grad(loss, [Zt, *wt])
    by_hand = [back[0][0] @ weights[0], *(g for G, H in back for g in (G.T @ H, G.sum(axis=0)))]
    for mine, theirs in zip(by_hand, right, strict=True):
        assert np.abs(mine - theirs.numpy()).max() < 1e-12


def test_small_nets_trained_against_attacks_keep_true_labels_and_not_random_ones():
    """At a size and a seed that the record does not have."""
    kept = {
        labels: digit_labels.row(
            rng=np.random.default_rng(5), labels=labels, training="attacks",
            radius=0.2, hidden=20, effort=1, seed=5,
        )["kept"]
        for labels in ("true", "random")
    }  # fmt: skip
    assert kept["true"] > 0.95 and kept["random"] < 0.3


def test_record_of_the_digits_is_whole_and_its_first_cheap_row_is_found_again():
    rows = digit_labels.load()
    assert len(rows) == len(points(digit_labels.FULL))
    for row in rows:
        h = row["hidden"]
        assert row["parameters"] == 65 * h + h * (h + 1) + 10 * (h + 1)
        assert 0 <= row["kept"] <= row["clean"] <= 1
    old = next(r for r in rows if (r["labels"], r["training"]) == ("true", "plain"))
    given = {k: old[k] for k in ("labels", "training", "radius", "hidden", "effort", "seed")}
    new = digit_labels.row(rng=generator(digit_labels.SEED, given), **given)
    assert abs(new["clean"] - old["clean"]) < 0.01 and abs(new["kept"] - old["kept"]) <= 0.05
