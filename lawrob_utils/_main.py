"""The command line of the experiments: `list`, or the name of one; see book/reproducing.md."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from .records import Record, find, names
from .sweep import DEVICES


def main(arguments: list[str] | None = None) -> int:
    """Run what the arguments ask for; the exit status is 0, 1 (rows failed, disk full, …), 2 (a wrong argument) or 130 (Ctrl-C)."""
    parser = argparse.ArgumentParser(
        prog="python -m lawrob_utils.records",
        description="Run an experiment of the book again, or a larger one.",
    )
    parser.add_argument("name", help=f"list, or one of: {', '.join(names())}")
    parser.add_argument(
        "--preset", default="quick", help="quick (seconds; the default) or full (the recorded one)"
    )
    parser.add_argument(
        "--jobs", type=int, default=1, metavar="N", help="processes, one thread each"
    )
    parser.add_argument(
        "--dask",
        metavar="ADDRESS",
        help="a Dask scheduler, e.g. tcp://host:8786, or local to start one with N workers",
    )
    parser.add_argument("--device", default="cpu", help=" or ".join(DEVICES))
    parser.add_argument("--resume", action="store_true", help="go on with an interrupted run")
    parser.add_argument(
        "--regrid",
        action="store_true",
        help="with --resume: keep the rows of a record whose grid has changed since",
    )
    parser.add_argument(
        "--out",
        type=Path,
        metavar="FOLDER",
        help="where the record goes (full: the record's own folder; quick: nowhere)",
    )
    options = parser.parse_args(arguments)
    kept = ""
    try:
        if options.name == "list":
            for name in names():
                try:
                    print(_described(find(name)))
                except ImportError:
                    print(f"{name}\n    needs PyTorch, which is not installed")
            return 0
        experiment = find(options.name)
        experiment.grid(options.preset)
        folder = options.out or (None if options.preset == "quick" else experiment.folder)
        if options.regrid and not options.resume:
            raise ValueError("--regrid has no meaning without --resume")
        kept = (
            ""
            if folder is None or experiment.whole
            else "\nThe finished rows are kept: the same command with --resume goes on."
        )
        rows = experiment.run(
            options.preset,
            folder,
            jobs=options.jobs,
            dask=options.dask,
            device=options.device,
            resume=options.resume,
            regrid=options.regrid,
        )
    except KeyboardInterrupt:
        print(f"stopped{kept}", file=sys.stderr)
        return 130
    except (ValueError, ImportError, FileExistsError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except (OSError, RuntimeError) as error:
        print(f"error: {error}{kept}", file=sys.stderr)
        return 1
    for row in rows if folder is None else ():
        print(*(f"{name}={value}" for name, value in row.items()))
    if folder is not None:
        print(f"written to {folder}" + (f": {len(rows)} rows" if rows else ""))
    return 0


def _described(experiment: Record) -> str:
    sizes = "; ".join(
        f"{preset}: "
        + ", ".join(
            filter(None, (_rows(experiment.size(preset)), _minutes(experiment.minutes.get(preset))))
        )
        for preset in experiment.presets
    )
    needs = f"; needs {' and '.join(experiment.needs)}" if experiment.needs else ""
    return f"{experiment.name}\n    {experiment.summary}\n    {sizes}{needs}"


def _rows(size: int | None) -> str:
    return "one run" if size is None else f"{size} rows"


def _minutes(minutes: float | None) -> str:
    return "" if minutes is None else f"{minutes:g} min on one core"


if __name__ == "__main__":
    sys.exit(main())
