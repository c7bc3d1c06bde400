"""A grid of runs: on one core, on several, or on a cluster; interrupted and taken up again; written down with where it comes from.

Read in order: `points` (what a grid is), `generator` (why a row is the same wherever it runs), `sweep`, `read_rows`.
Used by every experiment in `lawrob_utils.recorded`. joblib runs the rows, with its Dask backend on a cluster.
"""

from __future__ import annotations

import contextlib
import csv
import hashlib
import io
import itertools
import json
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import joblib
import numpy as np
from filelock import FileLock, Timeout
from tqdm import tqdm

from . import _validate as check
from ._journal import Journal, canonical
from ._provenance import provenance, record
from ._workers import end_with, one_thread, workers

Scalar = str | int | float | bool | None
Axes = Mapping[str, Sequence[Scalar]]
Grid = Axes | Sequence[Axes]
Row = dict[str, Scalar]
DEVICES = ("cpu", "cuda")
RESERVED = ("rng", "device", "seconds")


def points(grid: Grid) -> list[Row]:
    """The rows of a grid in order: the product of a mapping {parameter: values}, or the products of several mappings one after another.

    The last parameter changes fastest. A mapping need not have all parameters; the table leaves those cells empty.
    Raises ValueError for an empty grid, a value that is no JSON scalar, or a row that comes twice.
    """
    rows = [
        dict(zip(axes, map(_scalar, values), strict=True))
        for axes in _axes(grid)
        for values in itertools.product(*axes.values())
    ]
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
    text = canonical(
        {
            "seed": check.count(seed, "seed", at_least=0),
            "parameters": {k: _scalar(v) for k, v in parameters.items()},
        }
    )
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

    Raises ValueError for bad arguments, a changed plan or a damaged journal, FileExistsError if an interrupted sweep is in the way or
    another one is at work in the folder, TimeoutError if the scheduler does not answer, OSError if the disk is full, RuntimeError if a row
    raised or a worker or the scheduler was lost. Rows finished before that are in the journal.
    """
    wanted = points(grid)
    (
        check.count(seed, "seed", at_least=0),
        check.count(jobs, "jobs"),
        check.one_of(device, "device", DEVICES),
    )
    plan = {
        "row": f"{row.__module__}.{row.__qualname__}",
        "seed": seed,
        "device": device,
        "grid": _axes(grid),
    }
    with (
        workers(jobs, dask, device) as pool,
        _recording(folder, plan, resume, regrid) as (done, keep, earlier),
    ):
        todo = [p for p in wanted if _key(p) not in done]
        tasks = (
            joblib.delayed(_run)(row, p, generator(seed, p), device, pool.parent) for p in todo
        )
        failed: list[tuple[Row, str]] = []
        bar = tqdm(
            total=len(wanted),
            initial=len(wanted) - len(todo),
            unit="row",
            smoothing=0,
            disable=None if progress else True,
        )
        with bar, contextlib.closing(pool.results(tasks if todo else ())) as finished:
            for p, result, trouble in finished:
                if trouble:
                    failed.append((p, trouble))
                    tqdm.write(f"the row {p} failed; the others go on:\n{trouble}", file=sys.stderr)
                else:
                    keep(result)
                    done[_key(p)] = result
                bar.update()
        if failed:
            p, trouble = failed[0]
            more = f" and {len(failed) - 1} more" if len(failed) > 1 else ""
            raise RuntimeError(
                f"the row {p}{more} failed; the others are finished{' and kept' if folder else ''}. It said:\n{trouble}"
            )
        results = [name for p in wanted for name in done[_key(p)] if name not in RESERVED]
        columns = [
            *dict.fromkeys([name for axes in _axes(grid) for name in axes] + results),
            "seconds",
        ]
        table = [{name: done[_key(p)].get(name) for name in columns} for p in wanted]
        if folder is not None and (Path(folder) / "journal.jsonl").is_file():
            _finish(Path(folder), plan, table, {"workers": pool.about, **(about or {}), **earlier})
    return table


def read_rows(folder: Path | str, *, command: str | None = None) -> list[dict[str, Any]]:
    """The table results.csv in the folder, as `sweep` returned it: integers, floats, True and False, None for an empty cell, else text.

    Raises FileNotFoundError, naming the command that makes it, if there is no finished record.
    """
    folder = Path(folder)
    if not (folder / "provenance.json").is_file() or not (folder / "results.csv").is_file():
        raise FileNotFoundError(
            f"no record in {folder}" + (f"; make one with: {command}" if command else "")
        )
    with (folder / "results.csv").open(newline="", encoding="utf-8") as file:
        return [
            {name: _typed(text) for name, text in line.items()} for line in csv.DictReader(file)
        ]


def _run(
    row: Callable, parameters: Row, rng: np.random.Generator, device: str, parent: int | None
) -> tuple[Row, Row, str]:
    """One row, in whatever process: (parameters, the row of the table, the traceback if it raised)."""
    end_with(parent)
    try:
        with one_thread():
            clock = time.process_time if device == "cpu" else time.perf_counter
            begin = clock()
            result = row(rng=rng, device=device, **parameters)
            seconds = round(clock() - begin, 3)
        taken = [name for name in result if name in parameters or name in RESERVED]
        if taken:
            raise ValueError(
                f"the row returned {taken}, which are names of parameters or of the sweep"
            )
        return (
            parameters,
            {
                **parameters,
                **{name: _scalar(value) for name, value in result.items()},
                "seconds": seconds,
            },
            "",
        )
    except Exception:
        return parameters, {}, traceback.format_exc()


@contextlib.contextmanager
def _recording(
    folder: Path | str | None, plan: dict, resume: bool, regrid: bool
) -> Iterator[tuple[dict[str, Row], Callable, dict]]:
    """The finished rows by key, the function that keeps one more, and where rows of an earlier record come from.

    Nobody else writes into the folder meanwhile.
    """
    if folder is None:
        yield {}, lambda row: None, {}
        return
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    try:
        lock = FileLock(folder / ".sweep.lock", timeout=0).acquire()
    except Timeout:
        raise FileExistsError(
            f"another sweep is at work in {folder}; let it finish, or choose another folder"
        ) from None
    with lock:
        journal = Journal(folder / "journal.jsonl")
        head, rows = journal.head, journal.rows
        if head and rows and not resume:
            raise FileExistsError(
                f"{journal.path} holds {len(rows)} finished rows of an interrupted sweep; go on with --resume, or delete it to begin anew"
            )
        head = head if resume else None
        if not head and resume and (folder / "provenance.json").is_file():
            told, rows = json.loads((folder / "provenance.json").read_text()), read_rows(folder)
            source = {
                "rows": len(rows),
                **{name: told[name] for name in ("date", "versions", "hardware")},
            }
            head = {**told["settings"], "earlier": [*told.get("earlier", ()), source]}
        earlier = {"earlier": head["earlier"]} if head and "earlier" in head else {}
        if head:
            _same_plan(head, plan, folder, regrid)
        names = {name for axes in plan["grid"] + (head["grid"] if head else []) for name in axes}
        done = {_key({name: row.get(name) for name in names}): row for row in rows}
        if journal.cut:
            print(
                f"{journal.path}: the last line was cut off by an interruption; its row is run again",
                file=sys.stderr,
            )
        if not head or head["grid"] != plan["grid"]:
            done = {key: done[key] for key in map(_key, points(plan["grid"])) if key in done}
            journal.begin({**plan, **earlier}, done.values())
        yield done, journal.append, earlier


def _same_plan(old: dict, new: dict, folder: Path, regrid: bool) -> None:
    changed = [
        f"{name} was {old.get(name)!r} and is {new[name]!r}"
        for name in ("row", "seed", "device")
        if old.get(name) != new[name]
    ]
    if not regrid and old["grid"] != new["grid"]:
        before, now = (
            {name: [axes.get(name) for axes in p["grid"]] for axes in p["grid"] for name in axes}
            for p in (old, new)
        )
        names = [name for name in {**before, **now} if before.get(name) != now.get(name)]
        changed += [
            f"{name} was {_short(before.get(name))} and is {_short(now.get(name))}"
            for name in names
        ]
    if changed:
        raise ValueError(
            f"the sweep in {folder} was another one: {'; '.join(changed)}. Nothing was changed. Choose another folder"
            + (
                ", or keep the rows that both grids share with --resume --regrid"
                if old["grid"] != new["grid"]
                else ""
            )
        )


def _finish(folder: Path, plan: dict, table: list[Row], about: Mapping[str, object]) -> None:
    """results.csv, then provenance.json, then the journal goes."""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(table[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(table)
    command = str(about.get("command", f"sweep of {plan['row']}"))
    told = provenance(
        command,
        seed=plan["seed"],
        seconds=sum(float(row["seconds"] or 0) for row in table),
        settings=plan,
    )
    told["threads"] = "1"
    told["wall_seconds_are"] = (
        "the seconds of all rows together: processor time, with a GPU elapsed time"
    )
    try:
        (folder / "provenance.json").unlink(
            missing_ok=True
        )  # that of an older table must not vouch for this one
        record(folder, {"results.csv": text.getvalue()}, {**told, **about})
    except OSError as error:
        raise OSError(
            f"the record in {folder} cannot be written: {error.strerror or error}"
        ) from error
    (folder / "journal.jsonl").unlink()


def _axes(grid: Grid) -> list[dict[str, list]]:
    """The grid as JSON."""
    several = [grid] if isinstance(grid, Mapping) else list(grid)
    for axes in several:
        if not isinstance(axes, Mapping) or any(
            isinstance(values, str) or not isinstance(values, Sequence) for values in axes.values()
        ):
            raise ValueError(
                f"grid: {_short(axes)} is no mapping from parameters to tuples of values"
            )
        if any(name in RESERVED for name in axes):
            raise ValueError(
                f"grid: {', '.join(RESERVED)} are names of the sweep, not of parameters"
            )
    return [
        {str(name): [_scalar(value) for value in values] for name, values in axes.items()}
        for axes in several
    ]


def _scalar(value: object) -> Scalar:
    """A number (numpy's become Python's), a string that the table gives back as a string, True, False or None."""
    value = value.item() if isinstance(value, np.generic) else value
    if (
        value is None
        or isinstance(value, (bool, int, float))
        or (isinstance(value, str) and _typed(value) == value)
    ):
        return value
    raise ValueError(
        f"{_short(value)} cannot stand in the table; allowed: a number, True, False, None or a string that does not read as one of them"
    )


def _typed(text: str) -> Scalar:
    if text in ("", "True", "False"):
        return {"": None, "True": True, "False": False}[text]
    for kind in (int, float):
        with contextlib.suppress(ValueError):
            return kind(text)
    return text


def _key(parameters: Mapping[str, Scalar]) -> str:
    return canonical({name: value for name, value in parameters.items() if value is not None})


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 200 else text[:197] + "..."
