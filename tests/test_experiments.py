"""Records: written whole or not at all, say where they come from, and are reproduced by running them again."""

import json
import os
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")

from lawrob_utils import data  # noqa: E402
from lawrob_utils.attacks import pgd  # noqa: E402
from lawrob_utils.experiments import mnist_flips  # noqa: E402
from lawrob_utils.experiments.provenance import provenance, record, write_atomically  # noqa: E402

RECORD = Path(__file__).parents[1] / "book" / "recorded" / "mnist-flips"
needs_mnist = pytest.mark.skipif(not data.mnist_available(), reason="MNIST is not at hand (set LAWROB_DATA_DIR)")


def test_a_write_that_fails_leaves_the_old_file_and_nothing_beside_it(tmp_path, monkeypatch):
    file = tmp_path / "a.csv"
    write_atomically(file, "old")

    def broken(*_):
        raise OSError("disk full")

    monkeypatch.setattr(os, "replace", broken)
    with pytest.raises(OSError, match="disk full"):
        write_atomically(file, "new")
    assert file.read_text() == "old"
    assert list(tmp_path.iterdir()) == [file]


def test_provenance_is_written_last(tmp_path):
    with pytest.raises(TypeError):
        record(tmp_path, {"a.csv": "1\n", "b.bin": 3}, {"command": "x"})
    assert not (tmp_path / "provenance.json").exists()
    record(tmp_path, {"a.csv": "1\n"}, {"command": "x"})
    assert json.loads((tmp_path / "provenance.json").read_text()) == {"command": "x"}


def test_provenance_tells_command_seed_versions_hardware_date_and_time():
    about = provenance("python -m x", seed=3, seconds=1.26, packages=("numpy", "no-such-package"))
    assert about["command"] == "python -m x" and about["seed"] == 3 and about["wall_seconds"] == 1.3
    assert about["versions"]["numpy"] == np.__version__ and about["versions"]["no-such-package"] is None
    assert {"date", "hardware", "threads", "settings"} <= set(about)
    json.dumps(about)


def test_missing_record_names_the_command_that_makes_it(tmp_path):
    with pytest.raises(FileNotFoundError, match="python -m lawrob_utils.experiments mnist-flips"):
        mnist_flips.load(tmp_path)


def test_unknown_curve_and_preset_are_refused_in_words(tmp_path):
    with pytest.raises(ValueError, match="kind = 'gauss'"):
        mnist_flips.load(RECORD).curve("gauss", "l2")
    with pytest.raises(ValueError, match="preset = 'huge' is unknown; allowed: 'full', 'quick'"):
        mnist_flips.run(tmp_path, "huge")


def test_mnist_record_is_small_whole_and_consistent():
    assert sum(f.stat().st_size for f in RECORD.iterdir()) < 60_000
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
@pytest.mark.parametrize(("kind", "norm", "radius"), [("pgd", "l2", 0.5), ("pgd", "linf", 0.05), ("noise", "l2", 4.0)])
def test_rows_of_the_mnist_record_are_reproduced(kind, norm, radius):
    got, test = mnist_flips.load(RECORD), data.mnist("test")
    radii, accuracy = got.curve(kind, norm)
    n = json.loads((RECORD / "provenance.json").read_text())["settings"]["n_test"]
    again = mnist_flips.measure_accuracy(got.net, test.X[:n], test.labels[:n], kind, norm, tuple(radii))
    assert abs(again - accuracy)[radii == radius] <= 0.005


@needs_mnist
def test_quick_preset_runs_and_its_record_can_be_read(tmp_path):
    got = mnist_flips.run(tmp_path, "quick")
    radii, accuracy = got.curve("pgd", "l2")
    assert accuracy[0] > 0.8 and accuracy[radii == 1.5] < 0.2
