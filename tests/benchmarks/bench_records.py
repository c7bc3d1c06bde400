"""What a record adds to its rows at about a second of work a row: its seconds beyond those that the
rows measure of themselves.

Run `python tests/benchmarks/bench_records.py [--quick]`. Target: less than 2 % of the rows'
seconds, with a journal on disk, in one process; with two the seconds of both count, and the start
of the processes is told apart, since it is paid once. Prints a table and writes
_build/benchmarks/records.json.
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

from lawrob_utils.records import Record  # noqa: E402


def row(*, rng, device, i, products):
    """Products of matrices of 600 × 600."""
    began = time.time()
    A = rng.standard_normal((600, 600))
    for _ in range(products):
        A = A @ A
        A /= np.linalg.norm(A)
    trace = float(np.trace(A))
    return {"trace": trace, "began": began, "ended": time.time()}


def overhead(jobs: int, count: int, products: int) -> tuple[float, float, float]:
    """Seconds beyond the rows' own, as a share of them; seconds before the first row; the mean
    seconds of a row."""
    with tempfile.TemporaryDirectory() as folder:
        begin = time.time()
        grid = {"i": range(count), "products": (products,)}
        record = Record("bench", "products of matrices", {"quick": grid}, 1, row)
        rows = record.run("quick", folder, jobs=jobs, progress=False)
        end = time.time()
    first = min(r["began"] for r in rows)
    work = sum(r["ended"] - r["began"] for r in rows)
    return ((end - first) * jobs - work) / work, first - begin, work / count


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--quick", action="store_true", help="2 rounds of 4 rows instead of 5 of 10"
    )
    rounds, count = (2, 4) if parser.parse_args().quick else (5, 10)
    overhead(1, 1, 1)
    products = max(1, round(20 / overhead(1, 1, 20)[2]))
    print(
        f"{'processes':>9} {'seconds a row':>13} {'overhead: median':>16} {'least':>7} {'most':>7} "
        f"{'start':>7}"
    )
    table = []
    for jobs in (1, 2):
        found = [overhead(jobs, count, products) for _ in range(rounds)]
        shares, starts, seconds = zip(*found, strict=True)
        line = {
            "jobs": jobs,
            "seconds": statistics.mean(seconds),
            "overhead": sorted(shares),
            "start": max(starts),
        }
        table.append(line)
        middle = statistics.median(shares)
        print(
            f"{jobs:9d} {line['seconds']:13.2f} {middle:16.1%} {min(shares):7.1%} "
            f"{max(shares):7.1%} {line['start']:5.1f} s"
        )
    print(
        "target: below 2 % in one process; in two, the last rows of either process do not end "
        "together, which counts here too"
    )
    out = Path("_build/benchmarks")
    out.mkdir(parents=True, exist_ok=True)
    (out / "records.json").write_text(json.dumps({"rows": table, "target": 0.02}, indent=1) + "\n")


if __name__ == "__main__":
    main()
