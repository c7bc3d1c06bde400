"""Records: grids of runs, on one core, several or a cluster, stopped and taken up again.

Read in order: `points` (what a grid is), `generator` (why a row is the same wherever it runs),
`Record`. `python -m lawrob_utils.records list` names them; book/reproducing.md has the rest.
"""

from __future__ import annotations

import argparse
import contextlib
import csv
import functools
import hashlib
import importlib
import inspect
import io
import itertools
import json
import os
import pkgutil
import platform
import sys
import time
import traceback
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any
from unittest.mock import patch

import joblib
import numpy as np
from filelock import FileLock, Timeout
from threadpoolctl import threadpool_limits
from tqdm import tqdm

from . import _validate as check
from . import data

Row = dict[str, Any]
Grid = Mapping[str, Sequence] | Sequence[Mapping[str, Sequence]]
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
RESERVED = {"rng", "device", "seconds"}
UNREACHABLE_AFTER = 5.0  # seconds


def points(grid: Grid) -> list[Row]:
    """The rows of a grid: the product of a mapping {parameter: values}, or of several in turn.

    The last parameter changes fastest; a mapping need not have all parameters. Raises ValueError
    for an empty grid, a value that cannot stand in a table, or a row that comes twice.
    """
    rows: dict[str, Row] = {}
    for axes in [grid] if isinstance(grid, Mapping) else grid:
        lists = isinstance(axes, Mapping) and map(type, axes.values())
        if lists is False or not set(lists) <= {tuple, list, range} or RESERVED & axes.keys():
            raise ValueError(f"grid: {axes!r} must map parameters, not {RESERVED}, to tuples")
        for values in itertools.product(*axes.values()):
            row = dict(zip(axes, map(_scalar, values), strict=True))
            if _key(row) in rows:
                raise ValueError(f"grid: the row {row} comes twice")
            rows[_key(row)] = row
    if not rows:
        raise ValueError(f"grid = {grid!r} has no rows; every parameter needs a value")
    return list(rows.values())


def generator(seed: int, parameters: Mapping[str, Any]) -> np.random.Generator:
    """numpy's generator, seeded with SHA-256 of the seed and the parameters as sorted JSON.

    So it depends on neither the order of the rows nor the machine. (1 and 1.0 differ.) Every row
    has its own. Rows that share data draw them from `generator(seed, {"n": n, "d": d})`, say.
    """
    given = {name: _scalar(value) for name, value in parameters.items()}
    text = _json({"seed": check.count(seed, "seed", at_least=0), "parameters": given})
    return np.random.default_rng(np.frombuffer(hashlib.sha256(text.encode()).digest(), dtype="<u4"))


@dataclass(frozen=True, eq=False)
class Record:
    """A grid of runs with a name.

    row: a function at the top of a module; `row(rng=…, device=…, **parameters)` gives a dict of
    numbers and words. presets: a grid for each. seed: with the parameters, of a row's `generator`.
    minutes: of each preset on one core. needs: of "torch" and "mnist". tolerance: how far a row
    may differ elsewhere.
    """

    name: str
    summary: str
    presets: Mapping[str, Any]
    seed: int
    row: Callable[..., Mapping[str, object]]
    minutes: Mapping[str, float] = field(default_factory=dict)
    needs: tuple[str, ...] = ()
    tolerance: str = "none on one machine; elsewhere the last digits of trained networks differ"

    @property
    def folder(self) -> Path:
        """Where the record lies: beside the code that made it."""
        return Path(inspect.getfile(self.row)).parent

    def command(self, preset: str = "full") -> str:
        """The command that makes the record."""
        return f"python -m lawrob_utils.records {self.name} --preset {preset}"

    def grid(self, preset: str) -> Any:
        """The grid of a preset; raises ValueError if its name, torch or MNIST is not known here."""
        check.one_of(preset, "preset", tuple(self.presets))
        if "torch" in self.needs and importlib.util.find_spec("torch") is None:
            raise ValueError(f"{self.name} needs PyTorch: pip install torch")
        if "mnist" in self.needs and not data.mnist_available():
            raise ValueError(f"{self.name} needs MNIST: data.fetch_mnist(), or set LAWROB_DATA_DIR")
        return self.presets[preset]

    def load(self, folder: Path | str | None = None) -> list[Row]:
        """The recorded rows: numbers, True and False, None for an empty cell, else text.

        Raises FileNotFoundError, naming the command, if there is no finished record.
        """
        folder = self.folder if folder is None else Path(folder)
        if not all((folder / name).is_file() for name in ("provenance.json", "results.csv")):
            raise FileNotFoundError(f"no record in {folder}; make one with: {self.command()}")
        return read(folder)

    def run(
        self, preset: str = "quick", folder: Path | str | None = None, *, jobs: int = 1,
        dask: str | None = None, device: str = "cpu", resume: bool = False, progress: bool = True,
    ) -> list[Row]:  # fmt: skip
        """The rows of a preset: parameters, results, `seconds` (of the processor; GPU: elapsed).

        With a folder each row is in rows.jsonl there before it counts as finished; in the end
        results.csv and provenance.json replace that file. A row that raises does not stop the
        others. jobs: processes of one thread. dask: the address of a scheduler whose workers have
        one thread each, or "local" to start one with so many workers. device: "cpu" or "cuda".
        resume: go on with an interrupted run. progress: a bar, if stderr is a terminal.

        Raises ValueError for bad arguments, a changed grid, or if torch or MNIST is missing,
        FileExistsError if other rows are in the way or another run is at work, TimeoutError if no
        scheduler answers, OSError if the disk is full, RuntimeError if a row or a worker failed.
        """
        grid = self.grid(preset)
        wanted = points(grid)
        check.count(jobs, "jobs"), check.one_of(device, "device", ("cpu", "cuda"))
        row = f"{self.row.__module__}.{self.row.__qualname__}"
        plan = {"row": row, "seed": self.seed, "device": device, "grid": _axes(grid)}
        with _workers(jobs, dask), _finished(folder, plan, resume) as (done, keep):
            todo = [p for p in wanted if _key(p) not in done]
            parent = os.getpid() if dask is None else None
            run = functools.partial(joblib.delayed(_run), self.row, device, parent)
            tasks = [run(p, generator(self.seed, p)) for p in todo]
            bar = tqdm(total=len(todo), unit="row", disable=None if progress else True)
            failed = []
            with bar, contextlib.closing(_results(tasks)) as results:
                for p, result, trouble in results:
                    if trouble:
                        failed.append(f"the row {p} failed. It said:\n{trouble}")
                        tqdm.write(failed[-1], file=sys.stderr)
                    else:
                        keep(result)
                        done[_key(p)] = result
                    bar.update()
            if failed:
                raise RuntimeError(
                    f"{len(failed)} of {len(wanted)} rows failed; the others are finished"
                    f"{' and kept' if folder else ''}. {failed[0]}"
                )
            rows = [done[_key(p)] for p in wanted]
            names = dict.fromkeys(name for p in (*wanted, *rows) for name in p if name != "seconds")
            table = [{name: row.get(name) for name in (*names, "seconds")} for row in rows]
            if folder is not None and (Path(folder) / "rows.jsonl").is_file():
                seconds = sum(row["seconds"] for row in table)
                told = provenance(self.command(preset), self.seed, seconds, plan)
                where = f"{jobs} on one machine" if dask is None else "of a Dask scheduler"
                told |= {"workers": where, "preset": preset, "tolerance": self.tolerance}
                lines = io.StringIO()
                writer = csv.writer(lines, lineterminator="\n")
                writer.writerows([table[0], *(row.values() for row in table)])
                write(Path(folder), {"results.csv": lines.getvalue()}, told)
                (Path(folder) / "rows.jsonl").unlink()
        return table


def provenance(command: str, seed: int, seconds: float, settings: Mapping[str, Any]) -> Row:
    """What is needed to judge and repeat a run: versions, hardware, date; no host name, no path."""
    processor, cpu = platform.processor(), Path("/proc/cpuinfo")
    if cpu.is_file():  # Linux
        named = [line for line in cpu.read_text().splitlines() if line.startswith("model name")]
        processor = named[0].split(":", 1)[1].strip() if named else processor
    versions = {"python": platform.python_version()}
    for package in ("numpy", "scipy", "scikit-learn", "torch"):
        with contextlib.suppress(PackageNotFoundError):
            versions[package] = version(package)
    return {
        "command": command, "seed": seed, "settings": dict(settings),
        "wall_seconds": round(seconds, 1), "date": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "versions": versions, "threads": "1",
        "hardware": {"machine": platform.machine(), "system": platform.system(),
                     "processor": processor or "unknown", "cores": os.cpu_count()},
    }  # fmt: skip


def read(folder: Path) -> list[Row]:
    """The rows of results.csv in the folder."""
    with (folder / "results.csv").open(newline="", encoding="utf-8") as file:
        return [{k: _typed(v) for k, v in line.items()} for line in csv.DictReader(file)]


def write(folder: Path, files: Mapping[str, bytes | str], about: Mapping[str, Any]) -> None:
    """The files, each whole or not at all, and last provenance.json, which vouches for them."""
    (folder / "provenance.json").unlink(missing_ok=True)
    told = json.dumps(about, indent=1, ensure_ascii=False) + "\n"
    for name, content in {**files, "provenance.json": told}.items():
        beside = folder / f".{name}"
        try:
            with beside.open("wb") as file:
                file.write(content.encode() if isinstance(content, str) else content)
                file.flush()
                os.fsync(file.fileno())
            beside.replace(folder / name)
        except OSError as error:
            beside.unlink(missing_ok=True)
            raise OSError(f"{folder / name} cannot be written: {error.strerror}") from error


@contextlib.contextmanager
def _finished(folder: Path | str | None, plan: Row, resume: bool) -> Iterator[tuple]:
    """The finished rows by key, and the function that keeps one more; nobody else writes here."""
    if folder is None:
        yield {}, lambda row: None
        return
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(FileLock(folder / ".lock", timeout=0))
        except Timeout:
            raise FileExistsError(f"another run is at work in {folder}") from None
        path, old = folder / "rows.jsonl", folder / "provenance.json"
        whole = path.read_bytes().rpartition(b"\n")[0] if path.is_file() else b""  # no torn line
        try:
            head, *rows = [json.loads(line) for line in whole.splitlines()] or [None]
        except ValueError as error:
            raise ValueError(f"{path} is damaged: {error}; delete the line, or the file") from error
        if rows and not resume:
            raise FileExistsError(
                f"{path} holds {len(rows)} finished rows; go on with --resume, or delete it"
            )
        complete = head is None and resume and old.is_file()
        if complete:
            head, rows = json.loads(old.read_text())["settings"], read(folder)
        changed = [n for n in plan if head and resume and head.get(n) != plan[n]]
        if changed:
            was = "; ".join(f"{n} was {head[n]!r} and is {plan[n]!r}" for n in changed)
            raise ValueError(f"the run in {folder} was another: {was:.500}. Choose another folder")
        axes = {name for part in plan["grid"] for name in part}
        done = {_key({k: v for k, v in row.items() if k in axes}): row for row in rows}
        if complete:
            yield done, done.update
            return
        with path.open("ab", buffering=0) as file:
            file.truncate(0 if not rows else len(whole) + 1)
            if not rows:
                _append(file, plan)
            yield done, functools.partial(_append, file)


def _append(file: Any, line: Row) -> None:
    """One line more, on disk when this returns; if it cannot be, the file is as it was."""
    size, text = os.fstat(file.fileno()).st_size, json.dumps(line).encode() + b"\n"
    try:
        if file.write(text) != len(text):
            raise OSError("the disk is full")
        os.fsync(file.fileno())
    except OSError as error:
        file.truncate(size)
        raise OSError(f"{file.name} cannot be written: {error.strerror or error}") from error


@contextlib.contextmanager
def _workers(jobs: int, dask: str | None) -> Iterator[None]:
    """joblib told where the rows run: processes here, or workers of a Dask scheduler."""
    if dask is None:
        with joblib.parallel_config("loky", n_jobs=jobs, inner_max_num_threads=1):
            yield
        return
    if importlib.util.find_spec("distributed") is None:
        raise ValueError(f"dask = {dask!r} needs Dask: pip install 'dask[distributed]'")
    from distributed import Client

    local = {"n_workers": jobs, "threads_per_worker": 1, "dashboard_address": ":0"}
    where: Row = local if dask == "local" else {"address": dask}
    try:
        client = Client(timeout=UNREACHABLE_AFTER, **where)
    except (OSError, ValueError) as error:
        told = f"dask = {dask!r}: no scheduler answers there within {UNREACHABLE_AFTER:g} s"
        raise TimeoutError(f"{told} ({error})") from None
    with client, joblib.parallel_config("dask", client=client):
        if set(client.nthreads().values()) != {1}:
            raise ValueError(f"dask = {dask!r} needs workers: dask worker ADDRESS --nthreads 1")
        yield


def _results(tasks: list) -> Generator[tuple[Row, Row, str], None, None]:
    try:
        if tasks:
            yield from joblib.Parallel(return_as="generator_unordered", batch_size=1)(tasks)
    except Exception as error:  # a row's own are caught in `_run`
        raise RuntimeError(f"a worker or the scheduler was lost: {error!r}") from error


def _run(row: Callable, device: str, parent: int | None, parameters: Row, rng: np.random.Generator):
    """One row on one thread, in whatever process: its parameters, itself, or why it failed."""
    if parent not in (None, os.getpid(), os.getppid()):
        os._exit(1)  # the process that wanted the row was killed
    torch = sys.modules.get("torch")
    threads = torch.get_num_threads() if torch else 0
    clock = time.process_time if device == "cpu" else time.perf_counter
    try:
        with patch.dict(os.environ, ONE_THREAD), threadpool_limits(1):
            if torch:
                torch.set_num_threads(1)
            begin = clock()
            result = {k: _scalar(v) for k, v in row(rng=rng, device=device, **parameters).items()}
            seconds = round(clock() - begin, 3)
        if result.keys() & {*parameters, "seconds"}:
            raise ValueError(f"the row returned {[*result]}, some of which are names of parameters")
        return parameters, {**parameters, **result, "seconds": seconds}, ""
    except Exception:
        return parameters, {}, traceback.format_exc()
    finally:
        if torch:
            torch.set_num_threads(threads)


def _scalar(value: Any) -> Any:
    """What a table gives back as it was: a number, True, False, None, or no word for one."""
    value = value.item() if isinstance(value, np.generic) else value
    word = isinstance(value, str) and _typed(value) == value
    if word or value is None or isinstance(value, (bool, int, float)):
        return value
    raise ValueError(f"{value!r:.200} cannot stand in a table: a number, True, False, None or text")


def _typed(text: str) -> Any:
    if text in ("", "True", "False"):
        return {"": None, "True": True, "False": False}[text]
    for kind in (int, float):
        with contextlib.suppress(ValueError):
            return kind(text)
    return text


def _json(value: object) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def _axes(grid: Grid) -> list[dict[str, list]]:
    several = [grid] if isinstance(grid, Mapping) else grid
    return [{k: list(map(_scalar, v)) for k, v in axes.items()} for axes in several]


def _key(parameters: Mapping[str, Any]) -> str:
    return _json({name: value for name, value in parameters.items() if value is not None})


def names() -> tuple[str, ...]:
    """The records there are."""
    recorded = importlib.import_module("lawrob_utils.recorded")
    return tuple(sorted(module.name for module in pkgutil.iter_modules(recorded.__path__)))


def find(name: str) -> Record:
    """The record of that name; raises ValueError with the known names."""
    check.one_of(name, "record", names())
    return importlib.import_module(f"lawrob_utils.recorded.{name}").RECORD


def main(arguments: list[str] | None = None) -> int:
    """The command line; 0, 1 (rows failed, disk full, …), 2 (a wrong argument) or 130 (Ctrl-C)."""
    parser = argparse.ArgumentParser(prog="python -m lawrob_utils.records")
    parser.add_argument("name", help=f"list, or one of: {', '.join(names())}")
    parser.add_argument("--preset", default="quick", help="quick (seconds) or full (as recorded)")
    parser.add_argument("--jobs", type=int, default=1, help="processes, one thread each")
    parser.add_argument("--dask", metavar="ADDRESS", help="a scheduler's, or local to start one")
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    parser.add_argument("--resume", action="store_true", help="go on with an interrupted run")
    parser.add_argument("--out", type=Path, help="a folder (full: the record's; quick: none)")
    options = vars(parser.parse_args(arguments))
    name, folder = options.pop("name"), options.pop("out")
    try:
        if name == "list":
            for record in map(find, names()):
                minutes = ", ".join(f"{k} {v:g} min" for k, v in record.minutes.items())
                print(f"{record.name}\n    {record.summary}", end="\n    ")
                print(f"one core: {minutes}; needs {' and '.join(record.needs) or 'no more'}")
            return 0
        record = find(name)
        folder = record.folder if folder is None and options["preset"] == "full" else folder
        rows = record.run(folder=folder, **options)
        for row in rows if folder is None else ():
            print(*(f"{name}={value}" for name, value in row.items()))
        print(f"{len(rows)} rows" + ("" if folder is None else f" in {folder}"))
        return 0
    except KeyboardInterrupt:
        print("stopped; --resume goes on", file=sys.stderr)
        return 130
    except (ValueError, ImportError, FileExistsError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except (OSError, RuntimeError) as error:
        print(f"error: {error}\nFinished rows are kept: --resume goes on", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(importlib.import_module("lawrob_utils.records").main())
