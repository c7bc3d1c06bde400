"""The record of chapter 1: whole, what MNIST's images are, and reproduced by running it again."""

import json

import numpy as np
import pytest

pytest.importorskip("torch")

from lawrob_utils import data  # noqa: E402
from lawrob_utils.attacks import pgd  # noqa: E402
from lawrob_utils.recorded import mnist_flips  # noqa: E402

RECORD = mnist_flips.RECORD.folder
needs_mnist = pytest.mark.skipif(
    not data.mnist_available(), reason="MNIST is not at hand (set LAWROB_DATA_DIR)"
)


def test_missing_record_names_the_command_that_makes_it(tmp_path):
    with pytest.raises(FileNotFoundError, match="python -m lawrob_utils.records mnist_flips"):
        mnist_flips.load(tmp_path)


def test_without_mnist_it_says_how_to_get_it(monkeypatch):
    monkeypatch.setattr("lawrob_utils.data.mnist_available", lambda: False)
    with pytest.raises(ValueError, match="needs MNIST: .*fetch_mnist.*LAWROB_DATA_DIR"):
        mnist_flips.RECORD.run("quick")


@needs_mnist
def test_one_run_knows_no_processes_and_needs_a_folder(tmp_path):
    with pytest.raises(ValueError, match="one run: it needs a folder and knows no .'jobs'."):
        mnist_flips.RECORD.run("quick", tmp_path, jobs=2)
    with pytest.raises(ValueError, match="it needs a folder"):
        mnist_flips.RECORD.run("quick")


def test_unknown_curve_and_preset_are_refused_in_words(tmp_path):
    with pytest.raises(ValueError, match="kind = 'gauss'"):
        mnist_flips.load(RECORD).curve("gauss", "l2")
    with pytest.raises(ValueError, match="preset = 'huge' is unknown; allowed: 'full', 'quick'"):
        mnist_flips.run(tmp_path, "huge")


def test_mnist_record_is_small_whole_and_consistent():
    assert sum(f.stat().st_size for f in RECORD.glob("*.*[!y]")) < 60_000
    got = mnist_flips.load(RECORD)
    assert got.X.shape == (10, 784) and list(got.y) == list(range(10))
    np.testing.assert_array_equal(got.net.classify(got.X), got.y)
    for (kind, norm), radii in mnist_flips.RADII.items():
        recorded, accuracy = got.curve(kind, norm)
        assert tuple(recorded) == radii
        if kind == "pgd":
            assert (np.diff(accuracy) <= 0).all()


def test_recorded_images_are_flipped_again():
    got = mnist_flips.load(RECORD)
    assert pgd(got.net, got.X, got.y, 1.5, "l2", clip=(0, 1)).fooled.all()


@needs_mnist
def test_recorded_images_are_mnist_test_images():
    got, test = mnist_flips.load(RECORD), data.mnist("test")
    np.testing.assert_allclose(got.X, test.X[got.place], atol=1e-6)
    np.testing.assert_array_equal(got.y, test.labels[got.place])


@needs_mnist
@pytest.mark.parametrize(
    ("kind", "norm", "radius"), [("pgd", "l2", 0.5), ("pgd", "linf", 0.05), ("noise", "l2", 4.0)]
)
def test_rows_of_the_mnist_record_are_reproduced(kind, norm, radius):
    got, test = mnist_flips.load(RECORD), data.mnist("test")
    radii, accuracy = got.curve(kind, norm)
    n = json.loads((RECORD / "provenance.json").read_text())["settings"]["n_test"]
    again = mnist_flips.measure_accuracy(
        got.net, test.X[:n], test.labels[:n], kind, norm, tuple(radii)
    )
    assert abs(again - accuracy)[radii == radius] <= 0.005


@needs_mnist
def test_quick_preset_runs_and_its_record_can_be_read(tmp_path):
    got = mnist_flips.run(tmp_path, "quick")
    radii, accuracy = got.curve("pgd", "l2")
    assert accuracy[0] > 0.8 and accuracy[radii == 1.5] < 0.2
