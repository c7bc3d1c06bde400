"""Solve LipSDP with general solvers and store the values: makes lipsdp.json beside it.

Run it in an environment of its own (pip install cvxpy clarabel scs numpy); it imports nothing of
this project:

    python tests/oracles/lipsdp.py

Two forms of the same semidefinite programme, both from Fazlyab et al. (2019), "LipSDP-Neuron":
`dual`, the linear matrix inequality in ρ and the diagonal multipliers, for any depth; `primal`, the
relaxation over (k+1)×(k+1) correlation matrices, for two layers and one output (Wang et al. 2022).
A solver's value is only as good as its tolerance and may lie on either side of the optimum.
"""

import json
import platform
import sys
import time
from importlib.metadata import version
from pathlib import Path

import cvxpy as cp
import numpy as np

CLARABEL = dict(solver="CLARABEL", tol_gap_abs=1e-9, tol_gap_rel=1e-9, tol_feas=1e-9)
SCS = dict(solver="SCS", eps=1e-5, max_iters=20_000)


def matrices(widths, seed):
    """W_l with entries N(0, 1/inputs), drawn in this order from one generator: the recipe that the
    tests repeat."""
    rng = np.random.default_rng(seed)
    return [
        rng.standard_normal((o, i)) / np.sqrt(i)
        for i, o in zip(widths[:-1], widths[1:], strict=True)
    ]


def dual(chain, **solver):
    """min √ρ such that ρ‖x‖² − ‖W_D v_{D−1}‖² − 2 Σ_l v_lᵀΛ_l(W_l v_{l−1} − v_l) ≥ 0 for all x,
    v_1, …, v_{D−1}."""
    sizes = [chain[0].shape[1], *(len(W) for W in chain[:-1])]
    at = np.cumsum([0, *sizes])
    pick = [np.eye(at[-1])[at[i] : at[i + 1]] for i in range(len(sizes))]
    rho = cp.Variable()
    form = rho * (pick[0].T @ pick[0]) - pick[-1].T @ chain[-1].T @ chain[-1] @ pick[-1]
    multipliers = [cp.Variable(n, nonneg=True) for n in sizes[1:]]
    for l, lam in enumerate(multipliers, start=1):
        cross = pick[l].T @ cp.diag(lam) @ (chain[l - 1] @ pick[l - 1] - pick[l])
        form = form - cross - cross.T
    problem = cp.Problem(cp.Minimize(rho), [0.5 * (form + form.T) >> 0])
    problem.solve(**solver)
    return float(np.sqrt(rho.value)), problem.status


def primal(chain, **solver):
    """√(max ⟨BBᵀ, X⟩ over X ⪰ 0 with unit diagonal), rows of B: ½ a_j w_j and their sum."""
    M = 0.5 * chain[1].T * chain[0]
    B = np.concatenate([M, M.sum(axis=0)[None]])
    X = cp.Variable((len(B), len(B)), PSD=True)
    problem = cp.Problem(cp.Maximize(cp.trace(B @ B.T @ X)), [cp.diag(X) == 1])
    problem.solve(**solver)
    return float(np.sqrt(problem.value)), problem.status


CASES = [
    ("dual", (5, 10, 1), range(3), CLARABEL),
    ("primal", (5, 10, 1), range(3), CLARABEL),
    ("primal", (3, 20, 1), range(3), CLARABEL),
    ("primal", (20, 30, 1), range(2), CLARABEL),
    ("primal", (20, 50, 1), range(2), CLARABEL),
    ("dual", (20, 50, 1), range(1), SCS),
    ("dual", (50, 100, 1), range(1), SCS),
    ("primal", (20, 200, 1), range(1), SCS),
    ("dual", (6, 8, 7, 1), range(3), CLARABEL),
    ("dual", (6, 8, 7, 3), range(2), CLARABEL),
    ("dual", (5, 6, 6, 6, 1), range(2), CLARABEL),
    ("dual", (10, 20, 20, 1), range(1), CLARABEL),
    ("dual", (10, 32, 32, 1), range(1), SCS),
]


def main():
    rows = []
    for form, widths, seeds, solver in CASES:
        for seed in seeds:
            chain = matrices(widths, seed)
            start = time.perf_counter()
            value, status = {"dual": dual, "primal": primal}[form](chain, **solver)
            seconds = time.perf_counter() - start
            row = {
                "form": form, "widths": widths, "seed": seed, "solver": solver["solver"],
                "value": value, "status": status, "seconds": round(seconds, 2),
                "sum_of_entries": float(sum(W.sum() for W in chain)),
            }  # fmt: skip
            rows.append(row)
            print(row, flush=True)
    record = {
        "what": "values of LipSDP-Neuron; weights by matrices(widths, seed), sum_of_entries guards "
        "the recipe",
        "command": "python tests/oracles/lipsdp.py",
        "date": time.strftime("%Y-%m-%d"),
        "python": sys.version.split()[0],
        "packages": {p: version(p) for p in ("cvxpy", "clarabel", "scs", "numpy")},
        "machine": platform.machine(),
        "settings": {"CLARABEL": CLARABEL, "SCS": SCS},
        "rows": rows,
    }
    text = json.dumps(record, indent=1)
    Path(__file__).with_suffix(".json").write_text(text + "\n")


if __name__ == "__main__":
    main()
