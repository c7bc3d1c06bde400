"""Makes foolbox-parity.npz and foolbox-parity.json: what foolbox's PGD does to a small net on
digits.

Run once, in an environment of its own, from the repository root:
    python -m venv fb && fb/bin/pip install foolbox==3.3.4 torch==2.13.0 scikit-learn
    OMP_NUM_THREADS=1 fb/bin/python tests/oracles/make_foolbox_parity.py
Nothing of lawrob_utils is used here; tests/test_foolbox_parity.py compares it with what is stored.
"""

import json
import platform
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import foolbox
import numpy as np
import torch
from sklearn.datasets import load_digits

HERE = Path(__file__).parent
N, STEPS, SHORT = 200, 40, 3
RADII = {"l2": (0.1, 0.25, 0.4, 0.55, 0.7), "linf": (0.02, 0.05, 0.08, 0.11, 0.14)}
ATTACK = {"l2": foolbox.attacks.L2PGD, "linf": foolbox.attacks.LinfPGD}
REPEATS = 5


def trained_net(X: torch.Tensor, y: torch.Tensor) -> torch.nn.Module:
    torch.manual_seed(0)
    net = torch.nn.Sequential(torch.nn.Linear(64, 32), torch.nn.ReLU(), torch.nn.Linear(32, 10))
    adam = torch.optim.Adam(net.parameters(), lr=5e-3)
    for _ in range(400):
        adam.zero_grad()
        torch.nn.functional.cross_entropy(net(X), y).backward()
        adam.step()
    return net.eval()


def main() -> None:
    digits = load_digits()
    X, y = torch.tensor(digits.data / 16, dtype=torch.float32), torch.tensor(digits.target)
    net = trained_net(X, y)
    model = foolbox.PyTorchModel(net, bounds=(0, 1))
    X, y = X[:N], y[:N]
    arrays = {k.replace(".", "_"): v.numpy() for k, v in net.state_dict().items()} | {
        "X": X.numpy(),
        "y": y.numpy(),
    }
    results = []
    for norm, radii in RADII.items():
        one = ATTACK[norm](rel_stepsize=2.5 / STEPS, steps=STEPS, random_start=False)
        many = ATTACK[norm](rel_stepsize=2.5 / STEPS, steps=STEPS, random_start=True).repeat(
            REPEATS
        )
        for eps in radii:
            _, _, fooled = one(model, X, y, epsilons=eps)
            torch.manual_seed(1)
            _, _, often = many(model, X, y, epsilons=eps)
            results.append(
                {"norm": norm, "eps": eps, "robust_accuracy": float(1 - fooled.double().mean()),
                 "robust_accuracy_5_random_starts": float(1 - often.double().mean())}
            )  # fmt: skip
        short = ATTACK[norm](rel_stepsize=0.1, steps=SHORT, random_start=False)
        points, _, _ = short(model, X[:40], y[:40], epsilons=radii[2])
        arrays[f"short_{norm}"] = points.numpy()
    np.savez_compressed(HERE / "foolbox-parity.npz", **arrays)
    about = {
        "command": "OMP_NUM_THREADS=1 python tests/oracles/make_foolbox_parity.py",
        "date": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "versions": {
            "python": platform.python_version(),
            **{p: version(p) for p in ("foolbox", "torch", "numpy", "scikit-learn")},
        },
        "net": "MLP 64-32-10 trained on all 1797 digits, torch seed 0",
        "attack": f"first {N} digits; PGD-{STEPS}, constant step 2.5 eps/{STEPS}, cross-entropy, "
        f"box [0, 1]; short: {SHORT} steps of eps/10 "
        "from the image at the third radius, 40 images",
        "results": results,
    }
    (HERE / "foolbox-parity.json").write_text(json.dumps(about, indent=1) + "\n")


if __name__ == "__main__":
    main()
