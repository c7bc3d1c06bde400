"""What a sweep adds to its rows, at about a second of work a row: seconds of the sweep against the bare loop in this process.

Run `python tests/benchmarks/bench_sweep.py [--quick]`. Target: less than 5 % with a journal on disk. The time to start worker processes
is told apart, since it is paid once. Prints a table and writes _build/benchmarks/sweep.json.
"""

import argparse
import json
import os
import statistics
import tempfile
import time
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np  # noqa: E402  (after the number of threads is set)

from lawrob_utils.sweep import generator, points, sweep  # noqa: E402


def row(*, rng, device, i, products):
    """Matrix products, about 13 ms each on one core."""
    A = rng.standard_normal((600, 600))
    for _ in range(products):
        A = A @ A
        A /= np.linalg.norm(A)
    return {"trace": float(np.trace(A)), "began": time.time()}


def seconds(work) -> float:
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="3 rounds of 4 rows instead of 5 of 8")
    quick = parser.parse_args().quick
    rounds, count = (3, 4) if quick else (5, 8)
    one = min(seconds(lambda: row(rng=generator(1, {}), device="cpu", i=0, products=20)) for _ in range(3))
    grid = {"i": tuple(range(count)), "products": (max(1, round(20 / one)),)}

    def bare():
        for p in points(grid):
            row(rng=generator(1, p), device="cpu", **p)

    def swept():
        with tempfile.TemporaryDirectory() as folder:
            sweep(row, grid, folder, seed=1, progress=False)

    pairs = [(seconds(bare), seconds(swept)) for _ in range(rounds)]
    overhead = [after / before - 1 for before, after in pairs]
    per_row = statistics.median(before for before, _ in pairs) / count
    empty = {"i": tuple(range(200)), "products": (0,)}
    with tempfile.TemporaryDirectory() as folder:
        alone = seconds(lambda: sweep(row, empty, folder, seed=1, progress=False))
    alone = (alone - seconds(lambda: [row(rng=generator(1, p), device="cpu", **p) for p in points(empty)])) / 200
    begin = time.time()
    start = min(r["began"] for r in sweep(row, {"i": (0, 1), "products": (1,)}, seed=1, jobs=2, progress=False)) - begin
    print(f"{count} rows of {per_row:.2f} s each, {rounds} rounds, one process")
    print(f"overhead of the sweep: median {statistics.median(overhead):+.1%}, from {min(overhead):+.1%} to {max(overhead):+.1%} (target: below 5 %)")
    print(f"a row without work: {alone * 1e3:.1f} ms; two worker processes started in {start:.1f} s, once")
    out = Path("_build/benchmarks")
    out.mkdir(parents=True, exist_ok=True)
    record = {"seconds_per_row": per_row, "overhead": overhead, "seconds_of_an_empty_row": alone, "start_of_two_processes": start, "target": 0.05}
    (out / "sweep.json").write_text(json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    main()
