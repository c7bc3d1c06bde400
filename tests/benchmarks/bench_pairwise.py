"""Exact pairwise slopes against the bare blockwise matrix product over the same triangle: time
ratio, peak memory.

Run `python tests/benchmarks/bench_pairwise.py [--quick]`. Target at n = 20 000, d = 784: at most 2
times the product's time, at most 1.5 GB. Prints a table and writes _build/benchmarks/pairwise.json.
"""

import argparse
import json
import os
import resource
import sys
import time
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np  # noqa: E402  (after the number of threads is set)

from lawrob_utils import data, lipschitz  # noqa: E402


def bare_product(X: np.ndarray) -> None:
    """The matrix products that any blockwise method needs, and nothing else."""
    n, block = X.shape[0], lipschitz.pairs._BLOCK
    for r in range(0, n, block):
        for c in range(r, n, block):
            X[r : r + block] @ X[c : c + block].T


def seconds(work, *arguments) -> float:
    start = time.perf_counter()
    work(*arguments)
    return time.perf_counter() - start


def peak_gb() -> float:
    kilo = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # kB on Linux, bytes on macOS
    return kilo / (1e9 if sys.platform == "darwin" else 1e6)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="n = 4000 instead of 20 000")
    n, d = (4_000 if parser.parse_args().quick else 20_000), 784
    rng = np.random.default_rng(0)
    # Half of the points are a cluster of radius 0.01, so that the recomputation of small distances
    # has work to do.
    spread, y = data.sphere(n, d, rng), data.random_signs(n, rng)
    cases = {
        "sphere": spread,
        "half in a tight cluster": np.where(np.arange(n)[:, None] % 2, spread, 0.01 * spread + 0.5),
    }
    rows = []
    for name, X in cases.items():
        bare_product(X[:2000])  # warm up
        # product, slopes, product: the mean of the two products cancels a drift of the clock rate
        before = seconds(bare_product, X)
        slopes = seconds(lipschitz.data_lipschitz, X, y)
        after = seconds(bare_product, X)
        product = (before + after) / 2
        rows.append(
            {
                "case": name,
                "n": n,
                "d": d,
                "product_s": product,
                "slopes_s": slopes,
                "ratio": slopes / product,
            }
        )
    memory = peak_gb()  # of the whole process, interpreter and data included

    print(f"{'case':<26}{'n':>7}{'d':>5}{'product s':>11}{'slopes s':>10}{'ratio':>7}{'target':>8}")
    for row in rows:
        print(
            "{case:<26}{n:>7}{d:>5}{product_s:>11.2f}{slopes_s:>10.2f}{ratio:>7.2f}    <= 2".format(
                **row
            )
        )
    print(f"peak memory {memory:.2f} GB, target <= 1.5 GB")
    out = Path("_build/benchmarks")
    out.mkdir(parents=True, exist_ok=True)
    record = {
        "rows": rows,
        "peak_gb": memory,
        "target": {"ratio": 2.0, "peak_gb": 1.5},
        "threads": os.environ["OMP_NUM_THREADS"],
    }
    (out / "pairwise.json").write_text(json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    main()
