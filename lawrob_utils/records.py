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
import os
import pkgutil
import platform
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import joblib
import numpy as np
from tqdm import tqdm

from . import _validate as check
from . import data
from ._rows import Row, canonical, finished, key, read, results, run_row, scalar, workers, write

Grid = Mapping[str, Sequence] | Sequence[Mapping[str, Sequence]]
RESERVED = {"rng", "device", "seconds"}


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
            row = dict(zip(axes, map(scalar, values), strict=True))
            if key(row) in rows:
                raise ValueError(f"grid: the row {row} comes twice")
            rows[key(row)] = row
    if not rows:
        raise ValueError(f"grid = {grid!r} has no rows; every parameter needs a value")
    return list(rows.values())


def generator(seed: int, parameters: Mapping[str, Any]) -> np.random.Generator:
    """numpy's generator, seeded with SHA-256 of the seed and the parameters as sorted JSON.

    So it depends on neither the order of the rows nor the machine. (1 and 1.0 differ.) Every row
    has its own. Rows that share data draw them from `generator(seed, {"n": n, "d": d})`, say.
    """
    given = {name: scalar(value) for name, value in parameters.items()}
    text = canonical({"seed": check.count(seed, "seed", at_least=0), "parameters": given})
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
        with workers(jobs, dask), finished(folder, plan, resume) as (done, keep):
            todo = [p for p in wanted if key(p) not in done]
            parent = os.getpid() if dask is None else None
            run = functools.partial(joblib.delayed(run_row), self.row, device, parent)
            tasks = [run(p, generator(self.seed, p)) for p in todo]
            bar = tqdm(total=len(todo), unit="row", disable=None if progress else True)
            failed = []
            with bar, contextlib.closing(results(tasks)) as found:
                for p, result, trouble in found:
                    if trouble:
                        failed.append(f"the row {p} failed. It said:\n{trouble}")
                        tqdm.write(failed[-1], file=sys.stderr)
                    else:
                        keep(result)
                        done[key(p)] = result
                    bar.update()
            if failed:
                raise RuntimeError(
                    f"{len(failed)} of {len(wanted)} rows failed; the others are finished"
                    f"{' and kept' if folder else ''}. {failed[0]}"
                )
            rows = [done[key(p)] for p in wanted]
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


def _axes(grid: Grid) -> list[dict[str, list]]:
    several = [grid] if isinstance(grid, Mapping) else grid
    return [{k: list(map(scalar, v)) for k, v in axes.items()} for axes in several]


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
