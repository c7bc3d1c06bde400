"""What a record is, and how the command line finds it: every package of `lawrob_utils.recorded`."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import pkgutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from . import _validate as check
from . import data, recorded
from .sweep import Grid, Row, generator, points, read_rows, sweep

__all__ = ["Grid", "Record", "Row", "find", "generator", "names", "points", "read_rows", "sweep"]


@dataclass(frozen=True, eq=False)
class Record:
    """A named sweep: its row function, a grid for every preset, the seed, and what it needs and costs.

    name: as on the command line, e.g. "robust_fit"; the record lies in book/recorded/NAME. summary: one line. row, presets, seed: see
    `lawrob_utils.sweep.sweep`. minutes: of each preset, on one core. needs: of "torch" and "mnist". tolerance: how far a row may differ
    on another machine, in words; it goes to provenance.json.
    whole: for an experiment that is no sweep, `whole(folder, preset)` writes the record; then row and presets' grids are not used.
    """

    name: str
    summary: str
    presets: Mapping[str, Any]
    seed: int
    row: Callable[..., Mapping[str, object]] | None = None
    minutes: Mapping[str, float] = field(default_factory=dict)
    needs: tuple[str, ...] = ()
    tolerance: str = "the same row again on the same machine and versions; elsewhere the last digits of trained networks differ"
    whole: Callable[[Path, str], object] | None = None

    def command(self, preset: str = "full") -> str:
        """The command that makes the record, as typed from the repository root."""
        return f"python -m lawrob_utils.records {self.name} --preset {preset}"

    def grid(self, preset: str) -> Grid:
        """The grid of a preset; raises ValueError with the known names."""
        return self.presets[check.one_of(preset, "preset", tuple(self.presets))]

    def run(self, preset: str = "quick", folder: Path | str | None = None, **options) -> list[Row]:
        """The rows of a preset; options are those of `sweep` (jobs, dask, device, resume, regrid, progress).

        Without a folder nothing is written. Raises ValueError for an unknown preset, for options or a folder that one single run does not
        know or needs, or if torch or MNIST is needed and missing.
        """
        grid = self.grid(preset)
        given = [
            name
            for name, value in options.items()
            if name != "progress" and value not in (1, None, "cpu", False)
        ]
        if self.whole is not None and given:
            raise ValueError(
                f"{self.name} is one run and no sweep: it does not know {', '.join(given)}"
            )
        if "torch" in self.needs and importlib.util.find_spec("torch") is None:
            raise ValueError(f"{self.name} needs PyTorch: pip install torch")
        if "mnist" in self.needs and not data.mnist_available():
            raise ValueError(
                f"{self.name} needs MNIST: python -c 'from lawrob_utils.data import fetch_mnist; fetch_mnist()', or set LAWROB_DATA_DIR"
            )
        if self.whole is not None:
            if folder is None:
                raise ValueError(f"{self.name} is one run and no sweep: it needs a folder")
            self.whole(Path(folder), preset)
            return []
        assert self.row is not None
        about = {"command": self.command(preset), "preset": preset, "tolerance": self.tolerance}
        return sweep(self.row, grid, folder, seed=self.seed, about=about, **options)

    def load(self, folder: Path | str | None = None) -> list[dict[str, Any]]:
        """The recorded rows, by default those beside its code; raises FileNotFoundError that names the command that makes them."""
        where = self.folder if folder is None else Path(folder)
        return read_rows(where, command=self.command())

    @property
    def folder(self) -> Path:
        """Where the record lies: beside the code that made it."""
        function = self.row or self.whole
        assert function is not None
        return Path(inspect.getfile(inspect.unwrap(function))).parent

    def size(self, preset: str) -> int | None:
        """The number of rows of a preset; None if it is no sweep."""
        return None if self.whole is not None else len(points(self.grid(preset)))


def names() -> tuple[str, ...]:
    """The records there are."""
    return tuple(sorted(module.name for module in pkgutil.iter_modules(recorded.__path__)))


def find(name: str) -> Record:
    """The record of that name; raises ValueError with the known names."""
    module = importlib.import_module(f"{recorded.__name__}.{check.one_of(name, 'record', names())}")
    return module.RECORD


if __name__ == "__main__":
    import sys

    from lawrob_utils._main import main

    sys.exit(main())
