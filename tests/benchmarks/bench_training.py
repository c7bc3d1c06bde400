"""Batched training of E = 64 two-layer nets at (d, k, n) = (20, 32, 100) against a loop over nn.Modules: time ratio.

Run `python tests/benchmarks/bench_training.py [--quick]`. Target: at least 8 times the loop in the worst of five runs.
Both train the same nets, full batch, by Adam, in the same precision; times are CPU time. Prints a table and writes _build/benchmarks/training.json.
"""

import argparse
import json
import os
import time
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np  # noqa: E402  (after the number of threads is set)
import torch  # noqa: E402

from lawrob_utils import data, networks  # noqa: E402

E, D, K, N = 64, 20, 32, 100


def loop_of_modules(X, y, steps, dtype) -> float:
    """CPU seconds a step for all E nets, one nn.Module after the other, as a tutorial would write it."""
    X, y = torch.tensor(X, dtype=dtype), torch.tensor(y, dtype=dtype)
    start = time.process_time()
    for e in range(E):
        net = torch.nn.Sequential(torch.nn.Linear(D, K), torch.nn.ReLU(), torch.nn.Linear(K, 1)).to(
            dtype
        )
        adam = torch.optim.Adam(net.parameters(), lr=1e-2)
        for _ in range(steps):
            adam.zero_grad()
            ((net(X)[:, 0] - y[e]) ** 2).mean().backward()
            adam.step()
    return (time.process_time() - start) / steps


def batched(X, y, steps, dtype) -> float:
    """CPU seconds a step for all E nets at once: everything that `fit_two_layer` does."""
    start = time.process_time()
    networks.fit_two_layer(
        X, y, K, rng=np.random.default_rng(1), steps=steps, dtype=str(dtype).removeprefix("torch.")
    )
    return (time.process_time() - start) / steps


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="20 steps of the loop instead of 100")
    steps = 20 if parser.parse_args().quick else 100
    rng = np.random.default_rng(0)
    X, y = data.sphere(N, D, rng), data.random_signs(E * N, rng).reshape(E, N)
    rows = []
    for dtype in (torch.float32, torch.float64):
        loop_of_modules(X, y, 5, dtype), batched(X, y, 5, dtype)  # warm up
        runs = [
            (loop_of_modules(X, y, steps, dtype), batched(X, y, 10 * steps, dtype))
            for _ in range(5)
        ]
        ratios = sorted(slow / fast for slow, fast in runs)
        loop_ms, batch_ms = (1e3 * float(np.median(times)) for times in zip(*runs, strict=True))
        rows.append(
            {
                "dtype": str(dtype),
                "loop_ms": loop_ms,
                "batch_ms": batch_ms,
                "worst": ratios[0],
                "median": ratios[2],
            }
        )

    print(
        f"E = {E} nets, (d, k, n) = ({D}, {K}, {N}), CPU milliseconds a step for all nets, five runs, {torch.get_num_threads()} thread(s)"
    )
    print(
        f"{'precision':<16}{'loop ms':>9}{'batch ms':>10}{'worst ratio':>13}{'median':>8}{'target':>8}"
    )
    for row in rows:
        print(
            "{dtype:<16}{loop_ms:>9.1f}{batch_ms:>10.2f}{worst:>13.1f}{median:>8.1f}    >= 8".format(
                **row
            )
        )
    out = Path("_build/benchmarks")
    out.mkdir(parents=True, exist_ok=True)
    record = {
        "rows": rows,
        "steps": steps,
        "target": {"worst": 8.0},
        "threads": torch.get_num_threads(),
    }
    (out / "training.json").write_text(json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    main()
