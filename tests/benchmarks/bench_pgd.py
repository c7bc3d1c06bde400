"""PGD-40 with the active set against a plain loop, where about half of the images fall: time ratio.

Run `python tests/benchmarks/bench_pgd.py [--quick]`. Targets for the default steps: 1.8 times the
plain loop's speed, robust accuracy within 0.5 %. The net is an MLP 64-512-512-10 trained on
scikit-learn's digits (all 1797), in float32; eps = 0.6 in l2, 0.115 in linf, where a little over
half of the images fall. Both loops take the same steps from the same kind of start.
"points": how many times fewer points the active set asks the net about, which is what the ratio can
be. With a constant step most images fall late, so it stays near 1.5, whatever the code.
Times are CPU seconds. Prints a table and writes _build/benchmarks/pgd.json.
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
    """Robust accuracy by the textbook loop: all images take all steps; judged at the last."""
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


class Counted(torch.nn.Module):
    """A net that counts the points it is asked about."""

    def __init__(self, net) -> None:
        super().__init__()
        self.net, self.points = net, 0

    def forward(self, x):
        self.points += len(x)
        return self.net(x)


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
    f = Counted(net.as_module("float32"))
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
                f.points = 0
                slow, slow_s = timed(
                    plain_pgd, f, X, y, eps, norm, sizes, np.random.default_rng(run)
                )
                asked, f.points = f.points, 0
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
                results.append((slow, fast, slow_s / fast_s, asked / f.points))
            plain, ours, ratio, points = (np.array(column) for column in zip(*results, strict=True))
            row = {"norm": norm, "eps": eps, "steps": name, "plain": plain.mean()}
            row |= {"active": ours.mean(), "difference": abs(ours - plain).max()}
            row |= {"worst": ratio.min(), "median": np.median(ratio), "points": points.mean()}
            rows.append(row)

    print(f"{net.name}, all 1797 digits, PGD-{STEPS}, float32, {runs} run(s)")
    heads = ("plain acc", "active acc", "max diff", "worst ratio", "median", "points")
    print(f"{'norm':<6}{'eps':>5}  {'steps of both':<26}" + "".join(f"{h:>12}" for h in heads))
    for row in rows:
        print(f"{row['norm']:<6}{row['eps']:>5}  {row['steps']:<26}", end="")
        columns = ("plain", "active", "difference", "worst", "median", "points")
        print("".join(f"{row[c]:>12.3f}" for c in columns))
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
