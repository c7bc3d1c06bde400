"""A grid of runs: on one core, on several, or on a cluster; interrupted and taken up again; written down with where it comes from.

Read in order: `points` (what a grid is), `generator` (why a row is the same wherever it runs), `sweep`, `read_rows`.
Used by every experiment in `lawrob_utils.experiments`. joblib runs the rows, with its Dask backend on a cluster.
"""

from __future__ import annotations

import contextlib
import csv
import hashlib
import importlib.util
import io
import itertools
import json
import os
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import joblib
import numpy as np
from filelock import FileLock, Timeout
from threadpoolctl import threadpool_limits
from tqdm import tqdm

from . import _validate as check
from ._journal import Journal, canonical
from .experiments.provenance import provenance, record

Scalar = str | int | float | bool | None
Axes = Mapping[str, Sequence[Scalar]]
Grid = Axes | Sequence[Axes]
Row = dict[str, Scalar]
DEVICES = ("cpu", "cuda")
UNREACHABLE_AFTER = 5.0  # seconds
RESERVED = ("rng", "device", "seconds")


def points(grid: Grid) -> list[Row]:
    """The rows of a grid in order: the product of a mapping {parameter: values}, or the products of several mappings one after another.

    The last parameter changes fastest. A mapping need not have all parameters; the table leaves those cells empty.
    Raises ValueError for an empty grid, a value that is no JSON scalar, or a row that comes twice.
    """
    rows = [dict(zip(axes, map(_scalar, values), strict=True)) for axes in _axes(grid) for values in itertools.product(*axes.values())]
    seen: set[str] = set()
    for row in rows:
        if _key(row) in seen:
            raise ValueError(f"grid: the row {row} comes twice")
        seen.add(_key(row))
    if not rows:
        raise ValueError(f"grid = {grid!r} has no rows; every parameter needs at least one value")
    return rows


def generator(seed: int, parameters: Mapping[str, Scalar]) -> np.random.Generator:
    """numpy's default generator, seeded with SHA-256 of the seed and the parameters as JSON with sorted keys.

    So it depends on nothing else: not on the order of the rows, the number of processes or the machine. (1 and 1.0 differ.)
    `sweep` gives every row its own. Rows that must share data draw them from `generator(seed, {"n": n, "d": d})`, say.
    """
    text = canonical({"seed": check.count(seed, "seed", at_least=0), "parameters": {k: _scalar(v) for k, v in parameters.items()}})
    return np.random.default_rng(np.frombuffer(hashlib.sha256(text.encode()).digest(), dtype="<u4"))


def sweep(
    row: Callable[..., Mapping[str, object]],
    grid: Grid,
    folder: Path | str | None = None,
    *,
    seed: int,
    jobs: int = 1,
    dask: str | None = None,
    device: str = "cpu",
    resume: bool = False,
    regrid: bool = False,
    progress: bool = True,
    about: Mapping[str, object] | None = None,
) -> list[Row]:
    """`row(rng=…, device=…, **parameters)` for every row of the grid; the table is returned and, with a folder, recorded there.

    row: a function at the top of a module; gives a dict of numbers and strings. The sweep puts the parameters before them and `seconds`
    after them (processor time; with a GPU elapsed time). grid: see `points`. seed: with the parameters it decides the row's `generator`.
    jobs: processes, each with one thread. dask: the address of a Dask scheduler, e.g. "tcp://host:8786", whose workers have one thread
    each, or "local" to start one with `jobs` workers on this machine. device: "cpu" or "cuda", passed on to row.
    resume: keep the rows that an interrupted sweep of the same plan has finished; regrid: and allow that the grid has changed since.
    progress: a bar with the time left, if stderr is a terminal. about: further entries of provenance.json, such as command and tolerance.

    In the folder journal.jsonl takes each row as it is finished. In the end results.csv (one line a row, in grid order) and
    provenance.json replace it. A row that raises does not stop the others.

    Raises ValueError for bad arguments, a changed plan or a damaged journal, FileExistsError if an interrupted sweep is in the way,
    TimeoutError if the scheduler does not answer or another sweep works in the folder, OSError if the disk is full, RuntimeError if a row
    raised or a worker died. Rows finished before that are in the journal.
    """
    wanted = points(grid)
    check.count(jobs, "jobs"), check.one_of(device, "device", DEVICES)
    plan = {"row": f"{row.__module__}.{row.__qualname__}", "seed": seed, "device": device, "grid": _axes(grid)}
    with _recording(folder, plan, resume, regrid) as (done, keep), _workers(jobs, dask, device) as where:
        todo = [p for p in wanted if _key(p) not in done]
        tasks = (joblib.delayed(_run)(row, p, generator(seed, p), device, where["parent"]) for p in todo)
        failed: list[tuple[Row, str]] = []
        bar = tqdm(total=len(wanted), initial=len(wanted) - len(todo), unit="row", smoothing=0, disable=None if progress else True)
        with bar, joblib.parallel_config(**where["joblib"]):
            for p, result, trouble in joblib.Parallel(return_as="generator_unordered", batch_size=1)(tasks) if todo else ():
                if trouble:
                    failed.append((p, trouble))
                    tqdm.write(f"the row {p} failed:\n{trouble}", file=sys.stderr)
                else:
                    keep(done.setdefault(_key(p), result))
                bar.update()
        if failed:
            p, trouble = failed[0]
            more = f" (and {len(failed) - 1} more rows)" if len(failed) > 1 else ""
            raise RuntimeError(f"the row {p}{more} failed; the others are finished{' and kept' if folder else ''}.\n{trouble}")
        table = [done[_key(p)] for p in wanted]
        if folder is not None:
            _finish(Path(folder), plan, table, {**where["about"], **(about or {})})
    return table


def read_rows(folder: Path | str, *, command: str | None = None) -> list[Row]:
    """The table results.csv in the folder, as `sweep` returned it: integers, floats, True and False, None for an empty cell, else text.

    Raises FileNotFoundError, naming the command that makes it, if there is no finished record.
    """
    folder = Path(folder)
    if not (folder / "provenance.json").is_file() or not (folder / "results.csv").is_file():
        raise FileNotFoundError(f"no record in {folder}" + (f"; make one with: {command}" if command else ""))
    with (folder / "results.csv").open(newline="", encoding="utf-8") as file:
        return [{name: _typed(text) for name, text in line.items()} for line in csv.DictReader(file)]


def _run(row: Callable, parameters: Row, rng: np.random.Generator, device: str, parent: int | None) -> tuple[Row, Row, str]:
    """One row, in whatever process: (parameters, the row of the table, the traceback if it raised)."""
    if parent not in (None, os.getpid(), os.getppid()):
        os._exit(1)  # the sweep was killed; nobody would take the result
    try:
        with _one_thread():
            clock = time.process_time if device == "cpu" else time.perf_counter
            begin = clock()
            result = row(rng=rng, device=device, **parameters)
            seconds = round(clock() - begin, 3)
        taken = [name for name in result if name in parameters or name in RESERVED]
        if taken:
            raise ValueError(f"the row returned {taken}, which are names of parameters or of the sweep")
        return parameters, {**parameters, **{name: _scalar(value) for name, value in result.items()}, "seconds": seconds}, ""
    except Exception:
        return parameters, {}, traceback.format_exc()


@contextlib.contextmanager
def _one_thread() -> Iterator[None]:
    """One thread for the libraries that are loaded and, by the environment, for those that the row will load."""
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
    before = {name: os.environ.get(name) for name in names}
    os.environ.update(dict.fromkeys(names, "1"))
    torch = sys.modules.get("torch")
    threads = torch.get_num_threads() if torch else None
    try:
        with threadpool_limits(1):
            if torch:
                torch.set_num_threads(1)
            yield
    finally:
        if torch:
            torch.set_num_threads(threads)
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})


@contextlib.contextmanager
def _workers(jobs: int, address: str | None, device: str) -> Iterator[dict]:
    """How joblib is to run the rows, checked before the first of them: processes here, or a Dask scheduler and its workers."""
    if address is None:
        if device == "cuda" and not _cuda():
            raise ValueError("device = 'cuda', but PyTorch finds no CUDA device here; use device = 'cpu'")
        here = {"backend": "loky", "n_jobs": jobs, "inner_max_num_threads": 1}
        yield {"joblib": here, "parent": os.getpid(), "about": {"workers": f"{jobs} process(es), one thread each"}}
        return
    if importlib.util.find_spec("distributed") is None:
        raise ValueError(f"dask = {address!r}, but Dask is not installed: pip install 'dask[distributed]'")
    from distributed import Client

    local = {"n_workers": jobs, "threads_per_worker": 1, "dashboard_address": None} if address == "local" else {"address": address}
    try:
        client = Client(**local, timeout=UNREACHABLE_AFTER)
    except (OSError, ValueError) as error:
        raise TimeoutError(f"dask = {address!r}: no scheduler answers there within {UNREACHABLE_AFTER:g} s ({error})") from None
    with client:
        threads = client.nthreads()
        if not threads or max(threads.values()) > 1:
            found = f"has workers with {max(threads.values())} threads" if threads else "has no workers"
            raise ValueError(f"dask = {address!r} {found}; start them with: dask worker ADDRESS --nthreads 1")
        without = [name for name, found in client.run(_cuda).items() if not found] if device == "cuda" else []
        if without:
            raise ValueError(f"device = 'cuda', but PyTorch finds no CUDA device on {', '.join(without)}")
        yield {"joblib": {"backend": "dask"}, "parent": None, "about": {"workers": f"{len(threads)} Dask worker(s), one thread each"}}


@contextlib.contextmanager
def _recording(folder: Path | str | None, plan: dict, resume: bool, regrid: bool) -> Iterator[tuple[dict[str, Row], Callable]]:
    """The rows that are finished, by key, and the function that keeps one more; nobody else writes into the folder meanwhile."""
    if folder is None:
        yield {}, lambda row: None
        return
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    try:
        lock = FileLock(folder / ".sweep.lock", timeout=0).acquire()
    except Timeout:
        raise TimeoutError(f"another sweep works in {folder}; let it finish, or choose another folder") from None
    with lock:
        journal = Journal(folder / "journal.jsonl")
        old, rows = journal.plan, journal.rows
        if old and not resume:
            raise FileExistsError(
                f"{folder} holds {len(rows)} finished rows of an interrupted sweep; go on with --resume, or delete {journal.path} to begin anew"
            )
        if not old and resume and (folder / "provenance.json").is_file():
            old, rows = json.loads((folder / "provenance.json").read_text())["settings"], read_rows(folder)
        if old:
            _same_plan(old, plan, folder, regrid)
        if journal.cut:
            print(f"{journal.path}: the last line was cut off by an interruption; its row is run again", file=sys.stderr)
        if journal.plan != plan:
            journal.append(plan)
        names = {name for axes in plan["grid"] + (old["grid"] if old else []) for name in axes}
        yield {_key({name: row.get(name) for name in names}): row for row in rows}, journal.append


def _same_plan(old: dict, new: dict, folder: Path, regrid: bool) -> None:
    changed = [f"{name} was {old.get(name)!r} and is {new[name]!r}" for name in ("row", "seed", "device") if old.get(name) != new[name]]
    if not regrid and old["grid"] != new["grid"]:
        before, now = ({name: [axes.get(name) for axes in p["grid"]] for axes in p["grid"] for name in axes} for p in (old, new))
        names = [name for name in {**before, **now} if before.get(name) != now.get(name)]
        changed += [f"{name} was {_short(before.get(name))} and is {_short(now.get(name))}" for name in names]
    if changed:
        raise ValueError(
            f"the sweep in {folder} was another one: {'; '.join(changed)}. Nothing was changed. Choose another folder"
            + (", or keep the rows that both grids share with --resume --regrid" if old["grid"] != new["grid"] else "")
        )


def _finish(folder: Path, plan: dict, table: list[Row], about: Mapping[str, object]) -> None:
    """results.csv, then provenance.json, then the journal goes."""
    parameters = list(dict.fromkeys(name for axes in plan["grid"] for name in axes))
    results = list(dict.fromkeys(name for row in table for name in row if name not in parameters and name != "seconds"))
    text = io.StringIO()
    writer = csv.DictWriter(text, [*parameters, *results, "seconds"], lineterminator="\n")
    writer.writeheader()
    writer.writerows(table)
    command = str(about.get("command", f"sweep of {plan['row']}"))
    told = provenance(command, seed=plan["seed"], seconds=sum(float(row["seconds"] or 0) for row in table), settings=plan)
    told["wall_seconds_are"] = "the seconds of all rows together: processor time, with a GPU elapsed time"
    record(folder, {"results.csv": text.getvalue()}, {**told, **about})
    (folder / "journal.jsonl").unlink()


def _axes(grid: Grid) -> list[dict[str, list]]:
    """The grid as JSON."""
    several = [grid] if isinstance(grid, Mapping) else list(grid)
    for axes in several:
        if not isinstance(axes, Mapping) or any(isinstance(values, str) or not isinstance(values, Sequence) for values in axes.values()):
            raise ValueError(f"grid: {_short(axes)} is no mapping from parameters to tuples of values")
        if any(name in RESERVED for name in axes):
            raise ValueError(f"grid: {', '.join(RESERVED)} are names of the sweep, not of parameters")
    return [{str(name): [_scalar(value) for value in values] for name, values in axes.items()} for axes in several]


def _scalar(value: object) -> Scalar:
    """A number (numpy's become Python's), a string that the table gives back as a string, True, False or None."""
    value = value.item() if isinstance(value, np.generic) else value
    if value is None or isinstance(value, (bool, int, float)) or (isinstance(value, str) and _typed(value) == value):
        return value
    raise ValueError(f"{_short(value)} cannot stand in the table; allowed: a number, True, False, None or a string that does not read as one of them")


def _typed(text: str) -> Scalar:
    if text in ("", "True", "False"):
        return {"": None, "True": True, "False": False}[text]
    for kind in (int, float):
        with contextlib.suppress(ValueError):
            return kind(text)
    return text


def _key(parameters: Mapping[str, Scalar]) -> str:
    return canonical({name: value for name, value in parameters.items() if value is not None})


def _cuda() -> bool:
    if importlib.util.find_spec("torch") is None:
        return False
    import torch

    return torch.cuda.is_available()


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 200 else text[:197] + "..."
