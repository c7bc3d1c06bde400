"""Sweeps: the same rows wherever they run, and nothing lost when one is killed, the disk is full or the journal is damaged."""

import collections
import io
import itertools
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from lawrob_utils import _workers
from lawrob_utils.sweep import generator, points, read_rows, sweep

HERE = Path(__file__).parent
GRID = {"n": (1, 2, 3), "seed": (0, 1)}


def draw(*, rng, device, n, seed):
    return {"x": rng.standard_normal(), "text": f"n is {n}", "even": n % 2 == 0}


def threads(*, rng, device, i):
    import numpy as np
    import torch
    from threadpoolctl import threadpool_info

    A = rng.standard_normal((60, 60))
    loss = torch.tanh(torch.from_numpy(A) @ torch.from_numpy(A)).sum()
    most = max(pool["num_threads"] for pool in threadpool_info())
    return {
        "product": float(np.abs(A @ A).sum()),
        "loss": loss.item(),
        "blas": most,
        "torch": torch.get_num_threads(),
        "process": os.getpid(),
    }


def logged(*, rng, device, folder, i):
    """Tells a file that it began."""
    with open(Path(folder) / "begun", "a") as file:
        file.write(f"{i}\n")
    time.sleep(0.1)
    return {"x": rng.standard_normal()}


def fails(*, rng, device, n, seed):
    if n == 2:
        raise ArithmeticError(f"no root of {n}")
    return {"x": n}


def dies(*, rng, device, i):
    os._exit(1) if i == 1 else time.sleep(0.5)
    return {"x": i}


def fills_the_disk(*, rng, device, i, limit):
    import resource

    if i == 3:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    return {"x": i / 7}


def without_seconds(table):
    return [
        {name: value for name, value in row.items() if name not in ("seconds", "process")}
        for row in table
    ]


def begun(folder):
    file = Path(folder) / "begun"
    return collections.Counter(file.read_text().split()) if file.exists() else collections.Counter()


def in_another_process(call, **options):
    return subprocess.Popen(
        [sys.executable, "-c", f"from test_sweep import *\n{call}"],
        cwd=HERE,
        stderr=subprocess.PIPE,
        text=True,
        **options,
    )


@pytest.fixture(scope="module")
def cluster():
    """A Dask scheduler and two workers on this machine, where a task that kills its worker is not tried again."""
    dask, distributed = pytest.importorskip("dask"), pytest.importorskip("distributed")
    with dask.config.set({"distributed.scheduler.allowed-failures": 0}):
        with distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, dashboard_address=":0"
        ) as cluster:
            yield cluster.scheduler_address


def test_points_are_products_in_order_one_mapping_after_another():
    assert points({"a": (1, 2), "b": ("x", "y")}) == [
        {"a": a, "b": b} for a, b in itertools.product((1, 2), "xy")
    ]
    assert points(({"a": (1,)}, {"a": (2,), "c": (None, True)})) == [
        {"a": 1},
        {"a": 2, "c": None},
        {"a": 2, "c": True},
    ]
    assert type(points({"a": tuple(np.arange(2))})[1]["a"]) is int


@pytest.mark.parametrize(
    ("grid", "words"),
    [
        ({"a": ()}, "has no rows"),
        ((), "has no rows"),
        ({"a": 3}, "no mapping from parameters to tuples"),
        ({"a": "abc"}, "no mapping from parameters to tuples"),
        ({"a": ([1],)}, "cannot stand in the table"),
        ({"a": ("1.5",)}, "cannot stand in the table"),
        ({"a": (1, 1)}, "comes twice"),
        (({"a": (1,)}, {"a": (1,), "b": (None,)}), "comes twice"),
        ({"rng": (1,)}, "names of the sweep"),
    ],
)
def test_grids_that_are_none_are_refused_before_a_row_runs(grid, words, tmp_path):
    with pytest.raises(ValueError, match=words):
        sweep(draw, grid, tmp_path / "out", seed=1)
    assert not (tmp_path / "out").exists()


def test_generator_is_numpys_seeded_with_sha256_of_seed_and_parameters():
    import hashlib

    digest = hashlib.sha256(b'{"parameters":{"a":1,"b":"x"},"seed":7}').digest()
    words = [int.from_bytes(digest[i : i + 4], "little") for i in range(0, 32, 4)]
    wanted = np.random.default_rng(words).random(3)
    for parameters in ({"a": 1, "b": "x"}, {"b": "x", "a": np.int64(1)}):
        np.testing.assert_array_equal(generator(7, parameters).random(3), wanted)
    assert (
        generator(8, {"a": 1, "b": "x"}).random()
        != wanted[0]
        != generator(7, {"a": 2, "b": "x"}).random()
    )


def test_rows_are_the_same_in_any_order_in_two_processes_and_on_a_dask_cluster_with_one_thread_each(
    cluster,
):
    pytest.importorskip("torch")
    grid = {"i": tuple(range(8))}
    here = sweep(threads, grid, seed=3)
    backwards = sweep(threads, {"i": grid["i"][::-1]}, seed=3)
    processes = sweep(threads, grid, seed=3, jobs=2)
    dask = sweep(threads, grid, seed=3, dask=cluster)
    assert (
        without_seconds(here)
        == without_seconds(backwards[::-1])
        == without_seconds(processes)
        == without_seconds(dask)
    )
    assert {(row["blas"], row["torch"]) for row in here + processes + dask} == {(1, 1)}
    assert len({row["process"] for row in processes}) == len({row["process"] for row in dask}) == 2
    assert len({row["product"] for row in here}) == 8


def test_threads_of_the_caller_are_given_back():
    torch = pytest.importorskip("torch")
    before = torch.get_num_threads(), os.environ.get("OMP_NUM_THREADS")
    torch.set_num_threads(2)
    sweep(threads, {"i": (0,)}, seed=3)
    assert torch.get_num_threads() == 2
    torch.set_num_threads(before[0])
    assert os.environ.get("OMP_NUM_THREADS") == before[1]


def test_sweep_that_is_killed_again_and_again_loses_no_finished_row_and_does_none_twice(tmp_path):
    rows, kills = 24, 3
    out, random = tmp_path / "out", np.random.default_rng()
    call = f"sweep(logged, {{'folder': ({str(tmp_path)!r},), 'i': tuple(range({rows}))}}, {str(out)!r}, seed=5, jobs=2, resume=True)"
    finished, counted = 0, []
    for _ in range(kills):
        process = in_another_process(call)
        stop = finished + int(random.integers(1, 5))
        while (out / "journal.jsonl").is_file() is False or (
            out / "journal.jsonl"
        ).read_bytes().count(b"\n") - 1 < stop:
            assert process.poll() is None, process.stderr.read()
            time.sleep(0.01)
        time.sleep(random.uniform(0, 0.1))
        process.kill()  # -9, of the sweep alone
        process.communicate(
            timeout=30
        )  # its workers have the same stderr, so this waits until they have noticed
        lines = (out / "journal.jsonl").read_bytes().split(b"\n")
        kept = [str(json.loads(line.partition(b" ")[2])["i"]) for line in lines[1:-1]]
        finished = len(kept)
        assert len(set(kept)) == finished >= stop
        counted.append({i: begun(tmp_path)[i] for i in kept})
    process = in_another_process(call)
    assert process.wait(120) == 0, process.stderr.read()
    process.communicate()
    again = begun(tmp_path)
    for before in counted:
        assert {
            i: again[i] for i in before
        } == before  # what was finished at a kill was never begun again
    assert (
        again.total() <= rows + kills * 2 * 2
    )  # and a worker without its sweep begins no further row
    table = read_rows(out)
    assert [row["i"] for row in table] == list(range(rows))
    assert [row["x"] for row in table] == [
        generator(5, {"folder": str(tmp_path), "i": i}).standard_normal() for i in range(rows)
    ]
    assert not (out / "journal.jsonl").exists()


def test_interrupt_from_the_keyboard_keeps_the_finished_rows(tmp_path):
    call = f"sweep(logged, {{'folder': ({str(tmp_path)!r},), 'i': tuple(range(50))}}, {str(tmp_path / 'out')!r}, seed=5, jobs=2)"
    hear = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)"  # a job in the background of a shell does not
    process = in_another_process(f"{hear}\n{call}")
    while not begun(tmp_path).total() > 6:
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    error = process.communicate(timeout=60)[1]
    assert process.returncode != 0 and "KeyboardInterrupt" in error
    before = begun(tmp_path).total()
    assert before < 50
    with pytest.raises(
        FileExistsError, match="finished rows of an interrupted sweep; go on with --resume"
    ):
        sweep(logged, {"folder": (str(tmp_path),), "i": tuple(range(50))}, tmp_path / "out", seed=5)
    kept = (tmp_path / "out" / "journal.jsonl").read_bytes().count(b"\n") - 1
    assert 1 <= kept <= before == begun(tmp_path).total()


def interrupted(folder, after=3, grid=GRID):
    """A journal with the first rows of the grid, as an interruption leaves it."""

    class Stop(BaseException):
        pass

    left = iter(range(after))

    def some(*, rng, device, **parameters):
        if next(left, None) is None:
            raise Stop
        return draw(rng=rng, device=device, **parameters)

    some.__module__, some.__qualname__ = draw.__module__, draw.__qualname__
    with pytest.raises(Stop):
        sweep(some, grid, folder, seed=1)
    return folder / "journal.jsonl"


def counting():
    """`draw`, and the parameters of the rows it was called for."""
    called = []

    def counted(*, rng, device, **parameters):
        called.append(tuple(parameters.values()))
        return draw(rng=rng, device=device, **parameters)

    counted.__module__, counted.__qualname__ = draw.__module__, draw.__qualname__
    return counted, called


def test_table_is_read_back_as_it_was_returned_and_provenance_says_where_it_comes_from(tmp_path):
    grid = (GRID, {"n": (9,), "seed": (0,), "extra": ("a b",)})

    def row(*, extra=None, **rest):
        return {**draw(**rest), **({"length": float("inf"), "tiny": 1e-300} if extra else {})}

    table = sweep(
        row, grid, tmp_path, seed=1, about={"command": "python -m x", "tolerance": "none"}
    )
    assert table == read_rows(tmp_path)
    assert list(table[0]) == [
        "n",
        "seed",
        "extra",
        "x",
        "text",
        "even",
        "length",
        "tiny",
        "seconds",
    ]
    assert table[0]["extra"] is None and table[-1]["length"] == np.inf and table[1]["even"] is False
    about = json.loads((tmp_path / "provenance.json").read_text())
    assert about["command"] == "python -m x" and about["tolerance"] == "none" and about["seed"] == 1
    assert (
        points(about["settings"]["grid"]) == points(grid) and about["settings"]["device"] == "cpu"
    )
    assert {"versions", "hardware", "date", "wall_seconds", "workers"} <= set(about)
    assert sorted(file.name for file in tmp_path.iterdir() if not file.name.startswith(".")) == [
        "provenance.json",
        "results.csv",
    ]


def test_missing_record_names_its_command(tmp_path):
    with pytest.raises(FileNotFoundError, match="make one with: python -m x"):
        read_rows(tmp_path, command="python -m x")


def test_resume_runs_only_what_is_missing_and_a_finished_sweep_is_left_alone(tmp_path):
    interrupted(tmp_path)
    row, called = counting()
    table = sweep(row, GRID, tmp_path, seed=1, resume=True)
    assert called == [(2, 1), (3, 0), (3, 1)]
    assert without_seconds(table) == without_seconds(sweep(draw, GRID, seed=1))
    before = (tmp_path / "provenance.json").stat().st_mtime_ns
    assert sweep(row, GRID, tmp_path, seed=1, resume=True) == table and len(called) == 3
    assert (tmp_path / "provenance.json").stat().st_mtime_ns == before


def test_last_line_cut_off_is_dropped_and_only_its_row_is_run_again(tmp_path, capsys):
    journal = interrupted(tmp_path)
    journal.write_bytes(journal.read_bytes()[:-9])
    row, called = counting()
    table = sweep(row, GRID, tmp_path, seed=1, resume=True)
    assert called == [(2, 0), (2, 1), (3, 0), (3, 1)]
    assert without_seconds(table) == without_seconds(sweep(draw, GRID, seed=1))
    assert "last line was cut off" in capsys.readouterr().err


@pytest.mark.parametrize("cut", [0, 1, 20])
def test_journal_cut_off_in_its_first_line_begins_anew(tmp_path, cut):
    journal = interrupted(tmp_path)
    journal.write_bytes(journal.read_bytes()[:cut])
    row, called = counting()
    sweep(row, GRID, tmp_path, seed=1, resume=True)
    assert len(called) == 6


def test_journal_without_a_row_is_in_nobodys_way(tmp_path):
    interrupted(tmp_path, after=0)
    assert len(sweep(draw, GRID, tmp_path, seed=2)) == 6
    about = json.loads((tmp_path / "provenance.json").read_text())
    assert about["seed"] == about["settings"]["seed"] == 2


@pytest.mark.parametrize("line", [1, 2, 4])
def test_damaged_line_is_an_error_that_names_file_and_line_and_changes_nothing(tmp_path, line):
    journal = interrupted(tmp_path)
    lines = journal.read_bytes().splitlines(keepends=True)
    lines[line - 1] = (
        lines[line - 1].replace(b'"', b"'", 1) if line == 2 else b"0" * 16 + lines[line - 1][16:]
    )
    journal.write_bytes(b"".join(lines))
    with pytest.raises(ValueError, match=rf"journal\.jsonl, line {line}: .*damaged"):
        sweep(draw, GRID, tmp_path, seed=1, resume=True)
    assert journal.read_bytes() == b"".join(lines) and not (tmp_path / "results.csv").exists()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            {"grid": {"n": (1, 2, 3, 4), "seed": (0, 1)}},
            r"n was .*1, 2, 3\].* and is .*1, 2, 3, 4\]",
        ),
        ({"grid": {"n": (1, 2, 3)}}, "seed was .*0, 1.* and is None"),
        ({"grid": (GRID, {"n": (5,), "seed": (0,)})}, "n was"),
        ({"seed": 2}, "seed was 1 and is 2"),
        ({"row": fails}, "row was 'test_sweep.draw' and is 'test_sweep.fails'"),
    ],
)
@pytest.mark.parametrize("whole", [False, True])
def test_changed_plan_under_resume_is_refused_by_name_and_nothing_is_changed(
    tmp_path, change, words, whole
):
    journal = interrupted(tmp_path)
    if whole:
        sweep(draw, GRID, tmp_path, seed=1, resume=True)
    file = tmp_path / "results.csv" if whole else journal
    before = file.read_bytes()
    plan = {"row": draw, "grid": GRID, "seed": 1, **change}
    with pytest.raises(ValueError, match=words):
        sweep(plan.pop("row"), plan.pop("grid"), tmp_path, **plan, resume=True)
    assert file.read_bytes() == before


@pytest.mark.parametrize("whole", [False, True])
def test_regrid_keeps_the_rows_of_both_grids(tmp_path, whole):
    interrupted(tmp_path)
    if whole:
        sweep(draw, GRID, tmp_path, seed=1, resume=True)
    larger = ({"n": (1, 2), "seed": (0, 1, 2)}, {"n": (7,), "seed": (0,)})
    row, called = counting()
    table = sweep(row, larger, tmp_path, seed=1, resume=True, regrid=True)
    assert sorted(called) == sorted([*([] if whole else [(2, 1)]), (1, 2), (2, 2), (7, 0)])
    assert without_seconds(table) == without_seconds(sweep(draw, larger, seed=1))
    earlier = json.loads((tmp_path / "provenance.json").read_text()).get("earlier", [])
    assert [source["rows"] for source in earlier] == ([6] if whole else [])


def test_regrid_never_takes_a_row_of_another_parameter_for_one_of_the_new_grid(tmp_path):
    interrupted(tmp_path)

    def row(*, seed=None, **rest):
        return draw(seed=seed, **rest)

    row.__module__, row.__qualname__ = draw.__module__, draw.__qualname__
    table = sweep(row, {"n": (1, 2)}, tmp_path, seed=1, resume=True, regrid=True)
    assert [r["x"] for r in table] == [generator(1, {"n": n}).standard_normal() for n in (1, 2)]


@pytest.mark.parametrize("jobs", [1, 2])
def test_row_that_raises_is_named_and_all_others_are_kept(tmp_path, jobs, capsys):
    with pytest.raises(
        RuntimeError,
        match=r"(?s)\{'n': 2, 'seed': .\} and 1 more failed; the others are finished and kept.*no root of 2",
    ):
        sweep(fails, GRID, tmp_path, seed=1, jobs=jobs)
    assert "ArithmeticError" in capsys.readouterr().err
    lines = (tmp_path / "journal.jsonl").read_bytes().splitlines()
    assert sorted(json.loads(line.partition(b" ")[2])["n"] for line in lines[1:]) == [1, 1, 3, 3]


@pytest.mark.parametrize("result", [{"x": [1, 2]}, {"n": 3}, {"seconds": 1.0}, {"x": ""}])
def test_result_that_fits_into_no_table_is_an_error_of_its_row(result):
    with pytest.raises(RuntimeError, match="'n': 1"):
        sweep(lambda **_: result, {"n": (1,)}, seed=1)


@pytest.mark.parametrize("where", ["processes", "dask"])
def test_worker_that_dies_ends_the_sweep_with_a_message_and_keeps_the_finished_rows(
    tmp_path, where, request
):
    workers = {"jobs": 2} if where == "processes" else {"dask": request.getfixturevalue("cluster")}
    sweep(dies, {"i": (0,)}, tmp_path, seed=1)
    with pytest.raises(RuntimeError, match="a worker or the scheduler was lost"):
        sweep(dies, {"i": (0, 1, 2)}, tmp_path, seed=1, resume=True, regrid=True, **workers)
    assert b'"i": 0' in (tmp_path / "journal.jsonl").read_bytes()


@pytest.mark.parametrize(("limit", "what"), [(400, "journal.jsonl"), (500, "the record")])
def test_full_disk_is_told_the_journal_stays_whole_and_resume_completes(tmp_path, limit, what):
    pytest.importorskip("resource")
    grid = {"i": (0, 1, 2, 3), "limit": (limit,)}
    process = in_another_process(f"sweep(fills_the_disk, {grid}, {str(tmp_path)!r}, seed=1)")
    error = process.communicate(timeout=120)[1]
    assert (
        process.returncode == 1
        and what in error.splitlines()[-1]
        and "cannot be written: " in error
    )
    kept = (tmp_path / "journal.jsonl").read_bytes()
    assert kept.endswith(b"\n") and kept.count(b"\n") == (4 if what == "journal.jsonl" else 5)
    assert not (tmp_path / "provenance.json").exists()
    process = in_another_process(
        f"sweep(fills_the_disk, {grid}, {str(tmp_path)!r}, seed=1, resume=True)".replace(
            "fills_the_disk,", "without_limit,"
        )
    )
    assert process.wait(120) == 0, process.stderr.read()
    process.communicate()
    assert [row["x"] for row in read_rows(tmp_path)] == [i / 7 for i in range(4)]


def without_limit(*, rng, device, i, limit):
    return {"x": i / 7}


without_limit.__qualname__ = "fills_the_disk"


def test_second_sweep_in_a_folder_is_refused(tmp_path):
    code = "import sys, filelock\nwith filelock.FileLock(sys.argv[1]):\n    print('held', flush=True)\n    sys.stdin.read()"
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path / ".sweep.lock")], text=True, **pipes
    ) as other:
        assert other.stdout.readline() == "held\n"
        with pytest.raises(FileExistsError, match="another sweep is at work in"):
            sweep(draw, GRID, tmp_path, seed=1)
    assert len(sweep(draw, GRID, tmp_path, seed=1)) == 6


def test_scheduler_that_does_not_answer_is_told_and_nothing_is_lost(tmp_path, monkeypatch):
    pytest.importorskip("distributed")
    before = interrupted(tmp_path).read_bytes()
    monkeypatch.setattr(_workers, "UNREACHABLE_AFTER", 0.5)
    with pytest.raises(
        TimeoutError, match="dask = 'tcp://127.0.0.1:9': no scheduler answers there within 0.5 s"
    ):
        sweep(draw, GRID, tmp_path, seed=1, resume=True, dask="tcp://127.0.0.1:9")
    assert (tmp_path / "journal.jsonl").read_bytes() == before
    with pytest.raises(TimeoutError, match="no scheduler answers"):
        sweep(draw, GRID, seed=1, dask="nonsense:address:1")


@pytest.mark.parametrize(
    ("workers", "threads", "words"), [(1, 2, "a worker with 2 threads"), (0, 1, "has no workers")]
)
def test_workers_with_several_threads_or_none_are_refused(workers, threads, words):
    distributed = pytest.importorskip("distributed")
    with distributed.LocalCluster(
        n_workers=workers, threads_per_worker=threads, processes=False, dashboard_address=":0"
    ) as cluster:
        with pytest.raises(
            ValueError, match=f"{words}; start workers with: dask worker ADDRESS --nthreads 1"
        ):
            sweep(draw, GRID, seed=1, dask=cluster.scheduler_address)


def test_dask_that_is_not_installed_is_told(monkeypatch):
    monkeypatch.setattr(_workers.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ValueError, match="Dask is not installed: pip install"):
        sweep(draw, GRID, seed=1, dask="local")


@pytest.mark.parametrize("where", ["here", "dask"])
def test_cuda_without_a_device_is_refused_before_any_row(tmp_path, where, request):
    if _workers.cuda():
        pytest.skip("this machine has one")
    dask = request.getfixturevalue("cluster") if where == "dask" else None
    row, called = counting()
    with pytest.raises(ValueError, match="device = 'cuda', but PyTorch finds no CUDA device"):
        sweep(row, GRID, tmp_path / "out", seed=1, device="cuda", dask=dask)
    assert not called and not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"jobs": 0}, "jobs = 0"),
        ({"device": "tpu"}, "device = 'tpu' is unknown"),
        ({"seed": -1}, "seed = -1"),
    ],
)
def test_bad_arguments_are_named(wrong, words, tmp_path):
    with pytest.raises(ValueError, match=words):
        sweep(draw, GRID, tmp_path / "out", **{"seed": 1, **wrong})
    assert not (tmp_path / "out").exists()


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_progress_with_the_time_left_is_shown_on_a_terminal_only(monkeypatch, capsys):
    sweep(draw, GRID, seed=1)
    assert capsys.readouterr() == ("", "")
    screen = Terminal()
    monkeypatch.setattr(sys, "stderr", screen)
    sweep(draw, GRID, seed=1, progress=False)
    assert screen.getvalue() == ""
    sweep(draw, GRID, seed=1)
    assert "6/6" in screen.getvalue() and "<" in screen.getvalue()
