"""Runs notebooks through nbval, two at a time; the conftest beside them stores what they print."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from runs import ROOT, notebooks, quick


def run(
    chosen: Sequence[Path],
    *,
    verbose: bool = True,
    env: Mapping[str, str] | None = None,
    root: Path = ROOT,
    python: str = sys.executable,
) -> int:
    """pytest's exit code: 0 all as recorded, 1 some cell differs or raised. `verbose` shows how the numbers differ."""
    workers = "2" if len(chosen) > 1 else "0"
    command = [
        python,
        "-m",
        "pytest",
        *("-p", "xdist", "-p", "xdist.looponfail", "-p", "nbval.plugin"),
        "--nbval",
        "--nbval-current-env",
        "-p",
        "no:cacheprovider",
        "-q",
        "-n",
        workers,
        "--dist",
        "loadfile",
        "--tb=short" if verbose else "--tb=no",
        *([] if verbose else ["--no-summary"]),
        *map(str, chosen),
    ]
    few_plugins = {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}  # the others take seconds to load
    env = quick({**os.environ, **few_plugins, **(env or {})})
    return subprocess.run(command, cwd=root, env=env).returncode


if __name__ == "__main__":
    sys.exit(run([Path(name) for name in sys.argv[1:]] or notebooks()))
