"""Training E = 64 two-layer nets at (d, k, n) = (20, 32, 100) at once or one after the other:
ratio.


Run `python tests/benchmarks/bench_training.py [--quick]`. Target: at least 8 times the loop
over nn.Modules in the worst of five runs.
Both train the same nets, full batch, by Adam, in float64; times are CPU time. Prints a line and
writes _build/benchmarks/training.json.
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


def loop_of_modules(X, y, steps) -> float:
    """CPU seconds a step for all E nets, one nn.Module after the other, as a tutorial would write
    it."""
    X, y = torch.tensor(X), torch.tensor(y)
    start = time.process_time()
    for e in range(E):
        net = torch.nn.Sequential(torch.nn.Linear(D, K), torch.nn.ReLU(), torch.nn.Linear(K, 1))
        net.double()
        adam = torch.optim.Adam(net.parameters(), lr=1e-2)
        for _ in range(steps):
            adam.zero_grad()
            ((net(X)[:, 0] - y[e]) ** 2).mean().backward()
            adam.step()
    return (time.process_time() - start) / steps


def batched(X, y, steps) -> float:
    """CPU seconds a step for all E nets at once: everything that `fit_two_layer` does."""
    start = time.process_time()
    networks.fit_two_layer(X, y, K, rng=np.random.default_rng(1), steps=steps)
    return (time.process_time() - start) / steps


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="20 steps of the loop instead of 100")
    steps = 20 if parser.parse_args().quick else 100
    rng = np.random.default_rng(0)
    X, y = data.sphere(N, D, rng), data.random_signs(E * N, rng).reshape(E, N)
    loop_of_modules(X, y, 5), batched(X, y, 5)  # warm up
    runs = [(loop_of_modules(X, y, steps), batched(X, y, 10 * steps)) for _ in range(5)]
    ratios = sorted(slow / fast for slow, fast in runs)
    loop_ms, batch_ms = (1e3 * float(np.median(times)) for times in zip(*runs, strict=True))
    row = {"loop_ms": loop_ms, "batch_ms": batch_ms, "worst": ratios[0], "median": ratios[2]}
    print(
        f"E = {E} nets, (d, k, n) = ({D}, {K}, {N}), float64, {torch.get_num_threads()} thread(s)"
    )
    print("CPU milliseconds a step for all nets, five runs; target: worst ratio >= 8")
    print(
        "loop {loop_ms:.1f}, batch {batch_ms:.2f}; "
        "ratio: worst {worst:.1f}, median {median:.1f}".format(**row)
    )
    out = Path("_build/benchmarks")
    out.mkdir(parents=True, exist_ok=True)
    record = {
        "row": row,
        "steps": steps,
        "target": {"worst": 8.0},
        "threads": torch.get_num_threads(),
    }
    (out / "training.json").write_text(json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    main()
