"""Monte Carlo for a finite class against the bare matrix product of signs and values: time ratio,
peak memory.

Run `python tests/benchmarks/bench_rademacher.py [--quick]`. Target for 10 000 functions at 2000
points with 200 draws: at most 1.5 times the product's time, and memory that holds the sums
of a block of functions, not of the class. Prints a table and writes _build/benchmarks/rademacher.json.
"""

import argparse
import json
import os
import statistics
import time
import tracemalloc
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np  # noqa: E402  (after the number of threads is set)

from lawrob_utils import data, rademacher  # noqa: E402


def seconds(work) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def peak_mb(work) -> float:
    """Most memory that `work` held at once, beyond what existed before."""
    tracemalloc.start()
    work()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak / 1e6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--quick",
        action="store_true",
        help="2000 functions instead of 10 000, 3 rounds instead of 9",
    )
    quick = parser.parse_args().quick
    N, n, d, draws, rounds = (2_000 if quick else 10_000), 2_000, 300, 200, (3 if quick else 9)
    rng = np.random.default_rng(0)
    X, W = data.sphere(n, d, rng), data.sphere(N, d, rng)
    V, S = np.clip(2 * W @ X.T, -1, 1), data.random_signs(draws * n, rng).reshape(draws, n)

    def blocks():
        return (V[i : i + 1024] for i in range(0, N, 1024))

    # (name, the work, the bare work it is compared with)
    cases = [
        (
            "matrix of values",
            lambda: rademacher.finite_class(V, draws=draws, rng=rng),
            lambda: [S @ v.T for v in blocks()],
        ),
    ]
    rows = []
    for name, work, bare in cases:
        bare()  # warm up
        # bare, work, bare, work, …: each ratio compares neighbours, so that a drift of the clock
        # rate cancels
        pairs = [(seconds(bare), seconds(work)) for _ in range(rounds)]
        ratio = statistics.median(w / b for b, w in pairs)
        rows.append(
            {
                "case": name,
                "bare_s": min(b for b, _ in pairs),
                "work_s": min(w for _, w in pairs),
                "ratio": ratio,
                "peak_mb": peak_mb(work),
            }
        )
    print(
        f"{N} functions, {n} points, {draws} draws; the values alone take {V.nbytes / 1e6:.0f} MB; "
        f"best times, median ratio of {rounds} rounds"
    )
    print(f"{'case':<30}{'bare s':>8}{'work s':>8}{'ratio':>7}{'target':>8}{'peak MB':>9}")
    for row in rows:
        print(
            "{case:<30}{bare_s:>8.2f}{work_s:>8.2f}{ratio:>7.2f}  <= 1.5{peak_mb:>9.1f}".format(
                **row
            )
        )
    out = Path("_build/benchmarks")
    out.mkdir(parents=True, exist_ok=True)
    record = {
        "N": N,
        "n": n,
        "draws": draws,
        "rows": rows,
        "target": {"ratio": 1.5},
        "threads": os.environ["OMP_NUM_THREADS"],
    }
    (out / "rademacher.json").write_text(json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    main()
