"""Fast adversarial training on MNIST (ℓ∞, 0.3) against a plain PGD-10 loop: CPU time of an epoch,
and robust accuracy after equal epochs.

Run `python tests/benchmarks/bench_fast_training.py [--quick]` (about 5 minutes on one core; needs
MNIST). Target: an epoch at least 3 times faster, robust accuracy at most 0.01 below. Same nets
(scale 2), same 20 000 images, epochs, batches, optimiser and growing radius; the loop takes 10
steps of eps/4, in float32, with torch's own layers. Accuracy on 2000 test images under 20 steps
from each of 2 starts. Prints a table and writes _build/benchmarks/fast_training.json.
"""

import argparse
import json
import os
import sys
import time
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np  # noqa: E402  (after the number of threads is set)
import torch  # noqa: E402
from lawrob_utils.recorded.mnist_capacity import convnets, standing  # noqa: E402

from lawrob_utils import data  # noqa: E402

EPS, SCALE, BATCH, LR = 0.3, 2, 128, 5e-3


def plain_loop(X, y, epochs, rng) -> torch.nn.Module:
    """Madry's training as a tutorial would write it, with the schedules of `fit_convnet`."""
    nn, s = torch.nn, SCALE
    net = nn.Sequential(
        nn.Unflatten(1, (1, 28, 28)), nn.Conv2d(1, 2 * s, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(2 * s, 4 * s, 5, padding=2),
        nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(196 * s, 64 * s), nn.ReLU(),
        nn.Linear(64 * s, 10),
    )  # fmt: skip
    with torch.no_grad():
        for p, w in zip(net.parameters(), convnets._initial(s, 28, rng), strict=True):
            p.copy_(torch.tensor(w))
    adam, cost = torch.optim.Adam(net.parameters()), nn.CrossEntropyLoss()
    X, y = torch.tensor(X), torch.tensor(y)
    total, t = epochs * -(-len(X) // BATCH), 0
    for _ in range(epochs):
        for rows in torch.from_numpy(rng.permutation(len(X))).split(BATCH):
            t += 1
            adam.param_groups[0]["lr"] = LR * min(
                t / (0.3 * total), (total - t + 1) / (0.7 * total), 1.0
            )
            eps = EPS * min(1.0, t / (0.4 * total))
            x = (X[rows] + eps * (2 * torch.rand_like(X[rows]) - 1)).clamp(0, 1)
            for _ in range(10):
                x.requires_grad_()
                gradient = torch.autograd.grad(cost(net(x), y[rows]), x)[0]
                x = x.detach() + eps / 4 * gradient.sign()
                x = torch.clamp(X[rows] + (x - X[rows]).clamp(-eps, eps), 0, 1)
            adam.zero_grad()
            cost(net(x), y[rows]).backward()
            adam.step()
    return net


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--quick", action="store_true", help="one epoch on 2000 images: the times only"
    )
    parser.add_argument("--seeds", type=int, default=1, help="so many pairs of networks")
    options = parser.parse_args()
    if not data.mnist_available():
        print("MNIST is not here (LAWROB_DATA_DIR, or the download of make book)", file=sys.stderr)
        sys.exit(3)
    quick, seeds = options.quick, options.seeds
    n, epochs = (2000, 1) if quick else (20_000, 8)
    train, test = data.mnist("train"), data.mnist("test")
    pick = np.random.default_rng(0).permutation(10_000)[: 200 if quick else 2000]
    rows = []
    for seed in range(seeds):
        torch.manual_seed(seed)
        ways = {"plain PGD-10": lambda rng: plain_loop(train.X[:n], train.labels[:n], epochs, rng),
                "fast": lambda rng: convnets.fit_convnet(train.X[:n], train.labels[:n], SCALE,
                rng=rng, eps=EPS, epochs=epochs).as_module()}  # fmt: skip
        for way, fit in ways.items():
            begin = time.process_time()
            net = fit(np.random.default_rng(seed))
            seconds = (time.process_time() - begin) / epochs
            net.register_buffer("here", torch.zeros(1))
            robust = standing(
                net, test.X[pick], test.labels[pick], EPS, 20, 2, np.random.default_rng(1)
            ).mean()
            rows.append(
                {"way": way, "seed": seed, "seconds_per_epoch": seconds, "robust": float(robust)}
            )
            print(
                f"{way:14s} seed {seed}  {seconds:7.1f} s an epoch of {n} images   robust accuracy "
                f"{robust:.3f}",
                flush=True,
            )
    ratios = [
        a["seconds_per_epoch"] / b["seconds_per_epoch"]
        for a, b in zip(rows[::2], rows[1::2], strict=True)
    ]
    change = float(
        np.mean([b["robust"] - a["robust"] for a, b in zip(rows[::2], rows[1::2], strict=True)])
    )
    print(
        f"an epoch is {min(ratios):.1f} times faster in the worst run (target 3), robust accuracy "
        f"changes by {change:+.3f} (target at least -0.01)"
    )
    path = Path("_build/benchmarks/fast_training.json")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(
        json.dumps(
            {"n": n, "epochs": epochs, "runs": rows, "worst_ratio": min(ratios), "change": change},
            indent=1,
        )
        + "\n"
    )


if __name__ == "__main__":
    main()
