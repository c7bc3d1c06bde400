"""PGD-40 with the active set against a plain loop, where about half of the images fall: time ratio and robust accuracy.

Run `python tests/benchmarks/bench_pgd.py [--quick]`. Targets: at least 1.8 times the plain loop's speed, robust accuracy within 0.5 %.
Net: an MLP 64-512-512-10 trained on scikit-learn's digits (all 1797), float32; radii: eps = 0.6 in l2, 0.115 in linf, where a little over half
of the images fall. The plain loop takes the same steps from the same kind of start. Times are CPU seconds.
Prints a table and writes _build/benchmarks/pgd.json.
"""

import argparse
import json
import os
import time
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np  # noqa: E402  (after the number of threads is set)
import torch  # noqa: E402

from lawrob_utils import attacks, data, networks  # noqa: E402

EPS = {"l2": 0.6, "linf": 0.115}
STEPS = 40


def plain_pgd(f, X, y, eps, norm, sizes, rng) -> float:
    """Robust accuracy by the textbook loop: every image takes every step; judged at the last iterate."""
    x0, y = torch.tensor(X), torch.tensor(y)
    if norm == "l2":
        u = rng.standard_normal(X.shape)
        u *= (
            eps
            * rng.uniform(size=(len(X), 1)) ** (1 / X.shape[1])
            / np.linalg.norm(u, axis=1, keepdims=True)
        )
    else:
        u = rng.uniform(-eps, eps, X.shape)
    x = (x0 + torch.tensor(u, dtype=x0.dtype)).clamp(0, 1)
    for size in sizes:
        x.requires_grad_()
        (g,) = torch.autograd.grad(torch.nn.functional.cross_entropy(f(x), y, reduction="sum"), x)
        with torch.no_grad():
            if norm == "l2":
                delta = x + size * g / g.norm(dim=1, keepdim=True).clamp_min(1e-12) - x0
                x = x0 + delta * (eps / delta.norm(dim=1, keepdim=True).clamp_min(1e-12)).clamp_max(
                    1
                )
            else:
                x = x0 + (x + size * g.sign() - x0).clamp(-eps, eps)
            x = x.clamp(0, 1)
    with torch.no_grad():
        return float((f(x).argmax(dim=1) == y).double().mean())


def timed(work, *arguments, **settings):
    start = time.process_time()
    return work(*arguments, **settings), time.process_time() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="one run instead of five")
    runs = 1 if parser.parse_args().quick else 5
    images = data.digits()
    X, y = images.X.astype(np.float32), images.labels
    net = networks.fit_mlp(X, y, (512, 512), rng=np.random.default_rng(0), epochs=20)
    f = net.as_module("float32")
    rows = []
    for norm, eps in EPS.items():
        schedules = {
            "same steps": eps * np.arange(STEPS, 0, -1) / STEPS,
            "constant step 2.5 eps/40": np.full(STEPS, 2.5 * eps / STEPS),
        }
        for name, sizes in schedules.items():
            step = None if name == "same steps" else sizes[0]
            results = []
            for run in range(runs):
                slow, slow_s = timed(
                    plain_pgd, f, X, y, eps, norm, sizes, np.random.default_rng(run)
                )
                fast, fast_s = timed(
                    attacks.robust_accuracy,
                    f,
                    X,
                    y,
                    eps,
                    norm,
                    steps=STEPS,
                    step_size=step,
                    rng=np.random.default_rng(run),
                    clip=(0, 1),
                )
                results.append((slow, fast, slow_s / fast_s))
            plain, ours, ratio = (np.array(column) for column in zip(*results, strict=True))
            rows.append(
                {"norm": norm, "eps": eps, "steps": name, "plain": plain.mean(), "active": ours.mean(),
                 "difference": abs(ours - plain).max(), "worst": ratio.min(), "median": float(np.median(ratio))}
            )  # fmt: skip

    print(
        f"{net.name} on all 1797 digits, PGD-{STEPS}, float32, {runs} run(s), {torch.get_num_threads()} thread(s)"
    )
    print(
        f"{'norm':<6}{'eps':>5}  {'steps of both':<26}{'plain acc':>10}{'active acc':>11}{'max diff':>9}{'worst ratio':>12}{'median':>8}"
    )
    for row in rows:
        print(
            "{norm:<6}{eps:>5}  {steps:<26}{plain:>10.3f}{active:>11.3f}{difference:>9.4f}{worst:>12.2f}{median:>8.2f}".format(
                **row
            )
        )
    print("targets: median ratio >= 1.8 and difference <= 0.005 for the default (same steps)")
    out = Path("_build/benchmarks")
    out.mkdir(parents=True, exist_ok=True)
    record = {
        "rows": rows,
        "runs": runs,
        "target": {"ratio": 1.8, "difference": 0.005},
        "threads": torch.get_num_threads(),
    }
    (out / "pgd.json").write_text(json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    main()
