"""Records: the same rows wherever they run, and nothing lost by a kill or a full disk."""

import json
import os
import re
import resource
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from filelock import FileLock

from lawrob_utils import _rows, records
from lawrob_utils.records import Record, generator, points

HERE = Path(__file__).parent
GRID = {"n": (1, 2, 3), "seed": (0, 1)}


def draw(*, rng, device, n, seed):
    return {"x": rng.standard_normal(), "text": f"n is {n}", "even": n % 2 == 0}


def threads(*, rng, device, i):
    import torch
    from threadpoolctl import threadpool_info

    A = rng.standard_normal((60, 60))
    most = max(pool["num_threads"] for pool in threadpool_info())
    return {"sum": float((A @ A).sum()), "blas": most, "torch": torch.get_num_threads()}


def logged(*, rng, device, folder, i):
    with open(Path(folder) / "begun", "a") as file:
        file.write(f"{i}\n")
    time.sleep(0.05)
    return {"x": rng.standard_normal()}


def fails(*, rng, device, n, seed):
    return {"x": 1 / (n - 2)}


def dies(*, rng, device, i):
    os._exit(1) if i == 1 else time.sleep(0.5)
    return {"x": i}


def of(row, grid=GRID, seed=1):
    return Record("mine", "a few numbers", {"quick": grid}, seed, row)


def without_seconds(table):
    return [{k: v for k, v in row.items() if k != "seconds"} for row in table]


def started(folder, rows):
    call = (
        "from test_records import *; signal.signal(signal.SIGINT, signal.default_int_handler); "
        f"of(logged, {{'folder': ({str(folder)!r},), 'i': range({rows})}})"
        f".run('quick', {str(folder / 'out')!r}, jobs=2, resume=True)"
    )
    return subprocess.Popen(
        [sys.executable, "-c", call], cwd=HERE, stderr=subprocess.PIPE, text=True
    )


def begun(folder):
    file = folder / "begun"
    return Counter(map(int, file.read_text().split())) if file.exists() else Counter()


def kept(folder):
    file = folder / "rows.jsonl"
    whole = file.read_bytes().split(b"\n")[1:-1] if file.exists() else []
    return [json.loads(line) for line in whole]


def wait_for(process, condition):
    while not condition():
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.01)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("finished")
    return of(draw).run("quick", folder), folder


def interrupted(folder, rows=3):
    """What an interruption after three rows leaves."""
    table, plan = of(draw).run(), {"row": f"{__name__}.draw", "seed": 1, "device": "cpu"}
    plan["grid"] = [{name: list(values) for name, values in GRID.items()}]
    lines = [json.dumps(line) + "\n" for line in (plan, *table[:rows])]
    (folder / "rows.jsonl").write_text("".join(lines))
    return folder / "rows.jsonl"


def test_points_are_products_in_order_one_mapping_after_another():
    assert points(({"a": (1, 2), "b": "x y".split()}, {"c": (None,)})) == [
        {"a": 1, "b": "x"}, {"a": 1, "b": "y"}, {"a": 2, "b": "x"}, {"a": 2, "b": "y"}, {"c": None},
    ]  # fmt: skip


@pytest.mark.parametrize(
    "grid",
    [{}.keys(), {"a": ()}, {"a": 3}, {"a": "xy"}, {"rng": (1,)}, {"a": (1, 1)}, {"a": ("7",)}],
)
def test_what_is_no_grid_is_refused_before_a_row_runs(grid, tmp_path):
    with pytest.raises(ValueError, match="grid|table"):
        of(draw, grid).run("quick", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_generator_is_numpys_seeded_with_sha256_of_seed_and_parameters():
    import hashlib

    text = b'{"parameters":{"d":2,"n":1.5},"seed":7}'
    words = np.frombuffer(hashlib.sha256(text).digest(), "<u4")
    assert generator(7, {"n": 1.5, "d": 2}).random() == np.random.default_rng(words).random()


def test_rows_of_two_dask_workers_and_of_two_processes_are_those_of_one_process(finished, tmp_path):
    for options in ({"jobs": 2}, {"jobs": 2, "dask": "local"}):
        rows = of(draw).run("quick", tmp_path / str(len(options)), **options)
        assert without_seconds(rows) == without_seconds(finished[0])


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_row_has_one_thread_and_the_caller_gets_its_own_back(jobs):
    torch = pytest.importorskip("torch")
    before = torch.get_num_threads(), os.environ.get("OMP_NUM_THREADS")
    torch.set_num_threads(2)
    rows = of(threads, {"i": (0, 1)}).run("quick", jobs=jobs)
    assert {(row["blas"], row["torch"]) for row in rows} == {(1, 1)}
    assert torch.get_num_threads() == 2
    assert os.environ.get("OMP_NUM_THREADS") == before[1]
    torch.set_num_threads(before[0])


def test_a_run_killed_three_times_loses_no_finished_row_and_does_none_twice(tmp_path):
    rows, out, once, counts = 24, tmp_path / "out", [], []
    for _ in range(3):
        process, stop = started(tmp_path, rows), len(once) + 3
        wait_for(process, lambda stop=stop: len(kept(out)) >= stop)
        process.kill()  # -9, of the main process alone
        once = [row["i"] for row in kept(out)]
        assert len(set(once)) == len(once) >= stop
        counts.append({i: begun(tmp_path)[i] for i in once})
    process = started(tmp_path, rows)
    assert process.wait(60) == 0
    again = begun(tmp_path)
    assert all(again[i] == count[i] for count in counts for i in count)  # never begun again
    assert again.total() <= rows + 3 * 5
    assert [(r["i"], r["x"]) for r in of(logged).load(out)] == [
        (i, generator(1, {"folder": str(tmp_path), "i": i}).standard_normal()) for i in range(rows)
    ]
    assert not (out / "rows.jsonl").exists()


def test_ctrl_c_keeps_the_finished_rows_and_starts_no_more(tmp_path):
    process = started(tmp_path, 200)
    wait_for(process, lambda: len(kept(tmp_path / "out")) > 3)
    process.send_signal(signal.SIGINT)
    assert "KeyboardInterrupt" in process.communicate(timeout=30)[1]
    before = begun(tmp_path).total()
    time.sleep(0.3)
    assert 3 < len(kept(tmp_path / "out")) <= before == begun(tmp_path).total() < 200


def test_table_is_read_back_as_returned_and_provenance_vouches_for_it(finished):
    table, folder = finished
    assert of(draw).load(folder) == table
    assert list(table[0]) == ["n", "seed", "x", "text", "even", "seconds"]
    about = json.loads((folder / "provenance.json").read_text())
    assert about["command"] == of(draw).command("quick") and about["seed"] == 1
    assert points(about["settings"]["grid"]) == points(GRID)
    assert about["versions"]["numpy"] == np.__version__ and about["hardware"]["processor"]
    assert sorted(f.name for f in folder.iterdir() if f.name != ".lock") == [
        "provenance.json", "results.csv",
    ]  # fmt: skip


def test_a_parameter_that_a_row_lacks_is_an_empty_cell(tmp_path):
    def row(*, rng, device, n, extra=None):
        return {"x": float("inf")} if extra else {}

    table = of(row, ({"n": (1,)}, {"n": (2,), "extra": ("a b",)})).run("quick", tmp_path)
    assert [(r["extra"], r["x"]) for r in table] == [(None, None), ("a b", np.inf)]
    assert of(row).load(tmp_path) == table


def test_resume_runs_only_what_is_missing_and_leaves_a_finished_record_alone(tmp_path, finished):
    interrupted(tmp_path)
    with pytest.raises(FileExistsError, match="3 finished rows; go on with --resume"):
        of(draw).run("quick", tmp_path)
    told = (tmp_path / "rows.jsonl").read_text().replace("n is 1", "kept")
    (tmp_path / "rows.jsonl").write_text(told)
    table = of(draw).run("quick", tmp_path, resume=True)
    assert [row["text"] for row in table] == ["kept"] * 2 + ["n is 2"] * 2 + ["n is 3"] * 2
    before = (tmp_path / "results.csv").stat().st_mtime_ns
    assert of(draw).run("quick", tmp_path, resume=True) == table
    assert (tmp_path / "results.csv").stat().st_mtime_ns == before


@pytest.mark.parametrize("cut", [1, 30, 10_000])
def test_a_torn_last_line_is_dropped_and_its_row_run_again(cut, tmp_path, finished):
    journal = interrupted(tmp_path)
    last = len(journal.read_bytes().splitlines()[-1])
    journal.write_bytes(journal.read_bytes()[: -min(cut, last)])
    table = of(draw).run("quick", tmp_path, resume=True)
    assert without_seconds(table) == without_seconds(finished[0])


def test_a_damaged_line_names_the_file_and_nothing_is_changed(tmp_path):
    journal = interrupted(tmp_path)
    journal.write_bytes(journal.read_bytes().replace(b'"n": 1', b'"n": ', 1))
    before = journal.read_bytes()
    with pytest.raises(ValueError, match="rows.jsonl is damaged"):
        of(draw).run("quick", tmp_path, resume=True)
    assert journal.read_bytes() == before


@pytest.mark.parametrize(
    ("other", "word"),
    [(of(draw, {"n": (1, 2), "seed": (0,)}), "grid was"), (of(draw, seed=2), "seed was 1 and is 2"),
     (of(fails), "row was")],
)  # fmt: skip
def test_a_changed_plan_is_refused_by_name_and_nothing_is_changed(other, word, tmp_path):
    before = interrupted(tmp_path).read_bytes()
    with pytest.raises(ValueError, match=word):
        other.run("quick", tmp_path, resume=True)
    assert (tmp_path / "rows.jsonl").read_bytes() == before


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_row_that_raises_is_named_and_does_not_stop_the_others(jobs, tmp_path):
    with pytest.raises(RuntimeError, match=r"(?s)2 of 6 rows failed.*kept.*'n': 2.*ZeroDivision"):
        of(fails).run("quick", tmp_path, jobs=jobs)
    assert sorted(row["n"] for row in kept(tmp_path)) == [1, 1, 3, 3]


def test_a_worker_that_dies_is_told_and_the_finished_rows_are_kept(tmp_path):
    with pytest.raises(RuntimeError, match="a worker or the scheduler was lost"):
        of(dies, {"i": range(-4, 2)}).run("quick", tmp_path, jobs=2)
    assert kept(tmp_path)


def test_a_full_disk_is_a_message_and_resume_completes(tmp_path, finished):
    journal = interrupted(tmp_path)
    before, limits = journal.read_bytes(), resource.getrlimit(resource.RLIMIT_FSIZE)
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) + 20, limits[1]))
    try:
        with pytest.raises(OSError, match="rows.jsonl cannot be written"):
            of(draw).run("quick", tmp_path, resume=True)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert journal.read_bytes() == before
    table = of(draw).run("quick", tmp_path, resume=True)
    assert without_seconds(table) == without_seconds(finished[0])


def test_one_writer_at_a_time(tmp_path):
    with (
        FileLock(tmp_path / ".lock"),
        pytest.raises(FileExistsError, match="another run is at work"),
    ):
        of(draw).run("quick", tmp_path)


def test_a_scheduler_that_does_not_answer_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr(_rows, "UNREACHABLE_AFTER", 0.3)
    with pytest.raises(TimeoutError, match="no scheduler answers there within 0.3 s"):
        of(draw).run("quick", tmp_path / "out", dask="tcp://127.0.0.1:9")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("options", "words"),
    [({"jobs": 0}, "jobs = 0"), ({"device": "tpu"}, "device"),
     ({"preset": "x"}, "preset = 'x'")],
)  # fmt: skip
def test_bad_arguments_are_named(options, words):
    with pytest.raises(ValueError, match=words):
        of(draw).run(**options)


@pytest.mark.parametrize("name", records.names())
def test_every_record_has_the_rows_of_its_full_grid_and_says_how_it_was_made(name):
    record = records.find(name)
    about = json.loads((record.folder / "provenance.json").read_text())
    assert record.name == name == record.folder.name and set(record.needs) <= {"torch", "mnist"}
    assert about["command"] == record.command() and about["seed"] == record.seed
    assert about["tolerance"] and about["hardware"]["processor"] and record.minutes["quick"] <= 0.5
    if name == "mnist_flips":  # one run and no grid
        return
    rows, wanted = record.load(), points(record.presets["full"])
    names = list(dict.fromkeys(parameter for row in wanted for parameter in row))
    assert [[r[p] for p in names] for r in rows] == [[r.get(p) for p in names] for r in wanted]
    assert points(about["settings"]["grid"]) == wanted
    assert about["settings"]["row"] == f"{record.row.__module__}.{record.row.__qualname__}"
    assert about["wall_seconds"] == pytest.approx(sum(row["seconds"] for row in rows), abs=0.1)


def test_the_page_names_every_record_and_who_reads_it():
    root = Path(__file__).parents[1]
    page = (root / "book/reproducing.md").read_text("utf-8")
    (line,) = [line for line in page.split("\n") if line.startswith("Chapter 1 reads")]
    told = {
        (int(part.split()[0]), name)
        for part in re.split("[Cc]hapter ", line)[1:]
        for name in re.findall("`(.*?)`", part)
    }
    read = {
        (int(book.name[:2]), name)
        for book in (root / "notebooks").glob("*.ipynb")
        for said in re.findall(
            "from lawrob_utils.recorded import (.*?)\\\\n", book.read_text("utf-8")
        )
        for name in re.findall(r"(?<!as )\b\w+(?=,|$| as )", said)
    }
    assert told == read and {name for _, name in read} == set(records.names())


def test_list_names_every_record_with_its_cost(capsys):
    assert records.main(["list"]) == 0
    told = capsys.readouterr().out
    assert all(f"{name}\n    " in told for name in records.names()) and "full 35 min" in told


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (["nothing"], 2, "record = 'nothing' is unknown; allowed: 'architectures'"),
        (["mine", "--preset", "x"], 2, "preset = 'x' is unknown"),
        (["mine", "--jobs", "0"], 2, "jobs = 0"),
        (["mine", "--dask", "tcp://127.0.0.1:9"], 1, "no scheduler answers there"),
        (["mine"], 1, "2 of 6 rows failed"),
    ],
)
def test_the_command_line_tells_trouble_with_an_exit_status(
    arguments, status, words, capsys, monkeypatch
):
    monkeypatch.setattr(_rows, "UNREACHABLE_AFTER", 0.3)
    if arguments[0] == "mine":
        monkeypatch.setattr(records, "find", lambda name: of(fails))
    assert records.main(arguments) == status
    assert words in capsys.readouterr().err


def test_a_record_that_is_not_there_names_the_command_that_makes_it(tmp_path):
    with pytest.raises(
        FileNotFoundError, match="python -m lawrob_utils.records mine --preset full"
    ):
        of(draw).load(tmp_path)
