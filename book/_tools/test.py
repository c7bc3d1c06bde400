"""`make test`: every step runs even if one before it failed; the summary at the end says which."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time

import build
from run_notebooks import run
from runs import ROOT, Run, cache_dir, mnist_at_hand, notebooks

UNIT_TESTS = (
    "tests",
    "lawrob_utils",
    "book/recorded",
    "--doctest-modules",
    "--ignore=tests/pages",
    "--ignore=tests/benchmarks",
    "--ignore=tests/oracles",
    "-n",
    "2",
    "--dist",
    "loadfile",
)


def pytest(*arguments: str) -> int:
    return subprocess.run([sys.executable, "-m", "pytest", "-q", *arguments], cwd=ROOT).returncode


def without_mnist() -> int:
    """The notebooks that read MNIST or ask whether it is there, once more as if it were absent."""
    last = {nb: Run.load(nb, cache_dir()) for nb in notebooks()}
    chosen = [
        nb
        for nb, run in last.items()
        if run is None or "mnist" in run.used or "mnist_available" in nb.read_text("utf-8")
    ]
    with tempfile.TemporaryDirectory() as empty:
        return run(chosen, env={"LAWROB_DATA_DIR": empty}) if chosen else 0


def main() -> int:
    steps = {
        "notebooks against their stored numbers": lambda: run(notebooks()),
        "unit tests and doctests": lambda: pytest(*UNIT_TESTS),
        "pages build": lambda: build.main(),
        "pages": lambda: pytest("tests/pages", "-n", "2", "--dist", "loadgroup"),
    }
    if mnist_at_hand():
        steps["notebooks without MNIST"] = without_mnist
    else:
        print(
            "MNIST is not at hand (LAWROB_DATA_DIR, or the download of `make book`): what needs it is skipped."
        )
    results = {}
    for name, step in steps.items():
        print(f"\n==> {name}", flush=True)
        started = time.monotonic()
        results[name] = (step(), time.monotonic() - started)
    print(
        "\n"
        + "\n".join(
            f"{'passed' if code == 0 else 'FAILED'}  {name} ({seconds:.0f} s)"
            for name, (code, seconds) in results.items()
        )
    )
    return int(any(code for code, _ in results.values()))


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    sys.exit(main())
