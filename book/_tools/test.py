"""`make test`: every step runs even if one before it failed; the summary at the end says which.

The notebooks run first and alone, because pages tell how long they took. The pages are built while the
notebooks run again without MNIST; then three processes share all tests, so that two cores are never idle
while a test waits for a browser or a process. Each step's output comes in one piece.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor

from run_notebooks import run
from runs import ROOT, Run, cache_dir, mnist_at_hand, notebooks, quick

# tests/pages/conftest.py says which tests go to one process: those of a page, those of a file.
TESTS = [sys.executable, "-m", "pytest", "-q", "-n", "3", "--dist", "loadgroup"]
TESTS += ["--no-loadscope-reorder", "tests", "lawrob_utils", "--doctest-modules"]
TESTS += [f"--ignore=tests/{folder}" for folder in ("benchmarks", "oracles")]
BUILD = [sys.executable, "book/_tools/build.py"]


def without_mnist() -> list[str]:
    """The notebooks that read MNIST or ask whether it is there, once more as if it were absent."""
    last = {nb: Run.load(nb, cache_dir()) for nb in notebooks()}
    return [
        str(nb)
        for nb, known in last.items()
        if known is None or "mnist" in known.used or "mnist_available" in nb.read_text("utf-8")
    ]


def main() -> int:
    results: dict[str, tuple[int, float]] = {}

    def step(name: str, command: list[str], **env: str) -> None:
        started = time.monotonic()
        done = subprocess.run(
            command,
            cwd=ROOT,
            env=quick({**os.environ, **env}),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        results[name] = done.returncode, time.monotonic() - started
        print(f"\n==> {name}", done.stdout.decode(errors="replace"), sep="\n", flush=True)

    print("==> notebooks against their stored numbers", flush=True)
    started = time.monotonic()
    results["notebooks against their stored numbers"] = run(notebooks()), time.monotonic() - started
    print("\n==> the pages, and all tests (a few minutes; nothing is shown meanwhile)", flush=True)
    with ThreadPoolExecutor() as lanes, tempfile.TemporaryDirectory() as empty:
        build = lanes.submit(step, "pages build", BUILD)
        if mnist_at_hand():
            if chosen := without_mnist():
                command = [sys.executable, "book/_tools/run_notebooks.py", *chosen]
                step("notebooks without MNIST", command, LAWROB_DATA_DIR=empty)
        else:
            print("MNIST is not at hand (LAWROB_DATA_DIR, or the download of `make book`): skipped")
        build.result()
    step("unit tests, doctests and tests of the pages", TESTS)
    print()
    for name, (code, seconds) in results.items():
        print(f"{'FAILED' if code else 'passed'}  {name} ({seconds:.0f} s)")
    return int(any(code for code, _ in results.values()))


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    sys.exit(main())
