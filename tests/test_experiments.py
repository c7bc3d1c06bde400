"""Records: written whole or not at all, say where they come from, and are reproduced by running them again."""

import json
import os
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")

from lawrob_utils import (
    data,  # noqa: E402
    records,
)
from lawrob_utils._main import main  # noqa: E402
from lawrob_utils._provenance import provenance, record, write_atomically  # noqa: E402
from lawrob_utils.attacks import pgd  # noqa: E402
from lawrob_utils.recorded import mnist_flips  # noqa: E402
from lawrob_utils.sweep import points, read_rows  # noqa: E402

RECORDED = Path(__file__).parents[1] / "book" / "recorded"
RECORD = RECORDED / "mnist_flips"
needs_mnist = pytest.mark.skipif(
    not data.mnist_available(), reason="MNIST is not at hand (set LAWROB_DATA_DIR)"
)


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
    assert (
        about["versions"]["numpy"] == np.__version__
        and about["versions"]["no-such-package"] is None
    )
    assert {"date", "hardware", "threads", "settings"} <= set(about)
    json.dumps(about)


def test_missing_record_names_the_command_that_makes_it(tmp_path):
    with pytest.raises(FileNotFoundError, match="python -m lawrob_utils.records mnist_flips"):
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


def small(*, rng, device, n):
    return {"x": rng.random() if n < 3 else 1 / 0}


SMALL = records.Record(
    "small",
    "three numbers",
    {"quick": {"n": (1, 2)}, "full": {"n": (0, 1, 2)}, "wrong": {"n": (2, 3)}},
    seed=4,
    row=small,
)


@pytest.fixture
def only_small(monkeypatch, tmp_path):
    """The command line knows one experiment, and the current folder is empty."""
    monkeypatch.setattr("lawrob_utils._main.find", lambda name: SMALL)
    monkeypatch.setattr(records.Record, "folder", Path("book/recorded/small"))
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("name", records.names())
def test_every_experiment_goes_by_the_name_of_its_module_and_has_both_presets(name):
    experiment = records.find(name)
    assert (
        experiment.name == name
        and {"quick", "full"} <= set(experiment.presets)
        and set(experiment.minutes) <= set(experiment.presets)
    )
    assert set(experiment.needs) <= {"torch", "mnist"} and experiment.minutes.get("quick", 0) <= 0.5
    if experiment.whole is None:
        assert all(points(experiment.grid(preset)) for preset in experiment.presets)


@pytest.mark.parametrize(
    "name", [name for name in records.names() if (RECORDED / name / "provenance.json").is_file()]
)
def test_record_has_every_row_of_the_full_grid_and_says_how_it_was_made(name):
    experiment, about = (
        records.find(name),
        json.loads((RECORDED / name / "provenance.json").read_text()),
    )
    assert about["command"] == experiment.command("full") and about["seed"] == experiment.seed
    assert about["tolerance"] and about["versions"]["numpy"] and about["hardware"]["processor"]
    assert not [file.name for file in (RECORDED / name).iterdir() if file.name.endswith(".jsonl")]
    if experiment.whole is not None:
        return
    rows, wanted = read_rows(RECORDED / name), points(experiment.grid("full"))
    names = list(dict.fromkeys(parameter for row in wanted for parameter in row))
    assert [[row[p] for p in names] for row in rows] == [
        [row.get(p) for p in names] for row in wanted
    ]
    assert points(about["settings"]["grid"]) == wanted
    assert about["settings"]["row"] == f"{experiment.row.__module__}.{experiment.row.__qualname__}"
    assert about["wall_seconds"] == pytest.approx(sum(row["seconds"] for row in rows), abs=0.1)


def test_list_names_every_experiment_with_its_cost(capsys):
    assert main(["list"]) == 0
    told = capsys.readouterr().out
    for name in records.names():
        assert f"{name}\n    " in told
    assert "min on one core" in told


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["robust_fitt"], "error: record = 'robust_fitt' is unknown; allowed: 'architectures'"),
        (
            ["mnist_flips", "--preset", "huge"],
            "error: preset = 'huge' is unknown; allowed: 'full', 'quick'",
        ),
        (["mnist_flips", "--jobs", "2"], "is one run and no sweep"),
    ],
)
def test_unknown_names_are_answered_by_the_known_ones(arguments, words, capsys):
    assert main(arguments) == 2
    assert words.split(";")[0] in capsys.readouterr().err


def test_experiment_without_its_data_says_how_to_get_them(monkeypatch):
    monkeypatch.setattr("lawrob_utils.data.mnist_available", lambda: False)
    with pytest.raises(
        ValueError, match="mnist_flips needs MNIST: .*fetch_mnist.* LAWROB_DATA_DIR"
    ):
        mnist_flips.RECORD.run("quick")


def test_quick_preset_is_printed_and_full_is_recorded_under_the_name_of_the_experiment(
    only_small, capsys
):
    assert main(["small"]) == 0
    assert capsys.readouterr().out.startswith("n=1 x=0.") and not list(Path.cwd().iterdir())
    assert main(["small", "--preset", "full"]) == 0
    rows = SMALL.load()
    assert (
        [row["n"] for row in rows]
        == [0, 1, 2]
        == [row["n"] for row in read_rows(Path("book/recorded/small"))]
    )
    about = json.loads(Path("book/recorded/small/provenance.json").read_text())
    assert (
        about["command"] == "python -m lawrob_utils.records small --preset full"
        and about["tolerance"] == SMALL.tolerance
    )


def test_record_that_is_not_there_names_the_command(only_small):
    for folder in (None, Path("elsewhere")):
        with pytest.raises(
            FileNotFoundError, match="python -m lawrob_utils.records small --preset full"
        ):
            SMALL.load(folder)


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (
            ["--preset", "wrong", "--out", "there"],
            1,
            "the row {'n': 3} failed; the others are finished and kept",
        ),
        (["--regrid"], 2, "--regrid has no meaning without --resume"),
        (["--jobs", "0"], 2, "jobs = 0"),
        (["--device", "gpu"], 2, "device = 'gpu' is unknown; allowed: 'cpu', 'cuda'"),
        (["--dask", "tcp://127.0.0.1:9", "--out", "there"], 1, "no scheduler answers there"),
    ],
)
def test_trouble_is_told_in_a_line_with_an_exit_status(
    arguments, status, words, only_small, capsys, monkeypatch
):
    monkeypatch.setattr("lawrob_utils._workers.UNREACHABLE_AFTER", 0.3)
    assert main(["small", *arguments]) == status
    assert words in capsys.readouterr().err


def test_interrupt_tells_how_to_go_on(only_small, capsys, monkeypatch):
    def stopped(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("lawrob_utils.records.sweep", stopped)
    assert main(["small", "--preset", "full"]) == 130
    assert "the same command with --resume goes on" in capsys.readouterr().err
