"""The SDP certificate: its time and value against LipSDP by general solvers, and its brackets on
trained nets.

Run `python tests/benchmarks/bench_certificate.py [--quick] [--record FILE]`. Where cvxpy is
importable (an environment of its own: pip install cvxpy scs clarabel), LipSDP is solved in the same
run and the ratio of the times printed; else the times of tests/oracles/bench_certificate.json stand
in, marked so. Targets: at least 100 times faster than the fastest general solver at (d, k) =
(20, 50), 300 times at (100, 200) and (20, 200); about a second at (100, 2000); upper/lower on
twenty trained memorising nets with k ≤ 4d: median ≤ 1.15, worst ≤ 1.3. Writes
_build/benchmarks/certificate.json.

All times are processor time on one thread, so that other work on the machine distorts neither side;
for the general solvers only the solver counts, not the modelling layer before it.
"""

import argparse
import json
import os
import platform
import sys
import time
from pathlib import Path
from types import SimpleNamespace

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np  # noqa: E402  (after the number of threads is set)

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from oracles.exact import exact_lipschitz  # noqa: E402

from lawrob_utils import data, lipschitz  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]
RECORD = ROOT / "tests/oracles/bench_certificate.json"
TARGET = {(20, 50): 100, (100, 200): 300, (20, 200): 300}
TRAINED = [(24, 192, 24), (24, 192, 48), (24, 192, 96), (50, 400, 50), (50, 400, 100)]
TRAINED += [(50, 400, 200), (100, 400, 50), (100, 400, 100), (100, 400, 200), (100, 400, 400)]


def random_net(d, k, seed=0):
    """w_j ~ N(0, I/d), a_j ~ N(0, 1/k), b_j ~ 0.3·N(0, 1)."""
    rng = np.random.default_rng(seed)
    return SimpleNamespace(
        W=rng.standard_normal((k, d)) / np.sqrt(d),
        a=rng.standard_normal(k) / np.sqrt(k),
        b=0.3 * rng.standard_normal(k),
    )


def best_of(work, repeats):
    """(fewest seconds, last result) of several calls."""
    seconds = []
    for _ in range(repeats):
        start = time.process_time()
        result = work()
        seconds.append(time.process_time() - start)
    return min(seconds), result


def lipsdp(net, form, solver):
    """(seconds of the solver alone, value) of LipSDP-Neuron: its matrix inequality ("dual") or the
    relaxation over correlations ("primal")."""
    import cvxpy as cp

    k, d = net.W.shape
    options = {"CLARABEL": {}, "SCS": {"eps": 1e-5, "max_iters": 10_000}}[solver]
    if form == "dual":
        rho, lam = cp.Variable(), cp.Variable(k, nonneg=True)
        cross = -cp.diag(lam) @ net.W
        block = cp.bmat(
            [[rho * np.eye(d), cross.T], [cross, 2 * cp.diag(lam) - np.outer(net.a, net.a)]]
        )
        problem = cp.Problem(cp.Minimize(rho), [0.5 * (block + block.T) >> 0])
    else:
        M = 0.5 * net.a[:, None] * net.W
        B = np.concatenate([M, M.sum(axis=0)[None]])
        X = cp.Variable((k + 1, k + 1), PSD=True)
        problem = cp.Problem(cp.Maximize(cp.trace(B @ B.T @ X)), [cp.diag(X) == 1])
    problem_data, chain, inverse = problem.get_problem_data(solver, solver_opts=options)
    start = time.process_time()
    solution = chain.solve_via_data(problem, problem_data, solver_opts=options)
    seconds = time.process_time() - start
    problem.unpack_results(solution, chain, inverse)
    return seconds, float(np.sqrt(problem.value))


def against_solvers(quick):
    try:
        import cvxpy  # noqa: F401

        solvers = [("dual", "SCS"), ("dual", "CLARABEL"), ("primal", "SCS"), ("primal", "CLARABEL")]
    except ImportError:
        solvers = []
    recorded = (
        {(r["d"], r["k"]): r for r in json.loads(RECORD.read_text("utf-8"))["random"]}
        if RECORD.exists() and not solvers
        else {}
    )
    rows = []
    for d, k in [
        (20, 50),
        (50, 100),
        (20, 200),
        (100, 200),
        (20, 500),
        (100, 500),
        (100, 2000),
        (784, 1000),
    ]:
        if quick and k > 200:
            continue
        net = random_net(d, k)
        seconds, certificate = best_of(
            lambda net=net: lipschitz.sdp_certificate(net), 5 if k <= 500 else 2
        )
        row = {
            "d": d,
            "k": k,
            "certificate": certificate.value,
            "gap": certificate.value / certificate.relaxation - 1,
            "seconds": seconds,
        }
        row["spectral"] = lipschitz.spectral_bound([net.W, net.a[None]]) / certificate.value
        row["path_norm"] = lipschitz.nets.path_norm(net) / certificate.value
        row["solvers"] = recorded.get((d, k), {}).get("solvers", [])
        row["solved_in_this_run"] = bool(solvers)
        for form, solver in solvers if k <= 200 else []:
            if solver == "CLARABEL" and k > (50 if form == "dual" else 100):
                continue  # many minutes
            time_, value = lipsdp(net, form, solver)
            row["solvers"].append(
                {
                    "form": form,
                    "solver": solver,
                    "seconds": time_,
                    "value/certificate": value / certificate.value,
                }
            )
            print("   ", d, k, row["solvers"][-1], flush=True)
        rows.append(row)
    return rows


def trained(quick):
    """Twenty two-layer nets that fit random ±1 labels on the sphere, four widths k = d/2 … 4d."""
    from lawrob_utils.networks import fit_two_layer

    rows = []
    for i, (d, n, k) in enumerate(TRAINED * (1 if quick else 2)):
        rng = np.random.default_rng(i)
        X, y = data.sphere(n, d, rng), data.random_signs(n, rng)
        batch = fit_two_layer(X, y, k, rng=rng, steps=3000, lr=1e-2, tol=1e-6)
        net = batch[0]
        seconds, certificate = best_of(lambda net=net: lipschitz.sdp_certificate(net), 3)
        whole, bracket = best_of(lambda net=net: lipschitz.relu_bracket(net, net.starts), 1)
        at_data = float(np.linalg.norm(net.gradient(X), axis=1).max())
        sampled = float(np.linalg.norm(net.gradient(data.sphere(6000, d, rng)), axis=1).max())
        rows.append(
            {
                "d": d, "n": n, "k": k, "mse": float(batch.mse[0]), "lower": bracket.lower,
                "upper": bracket.upper, "ratio": bracket.ratio,
                "lower_by": bracket.lower_by, "certificate_s": seconds, "bracket_s": whole,
                "spectral/certificate": lipschitz.spectral_bound([net.W,
                net.a[None]]) / certificate.value,
                "path_norm/certificate": lipschitz.nets.path_norm(net) / certificate.value,
                "at_data/certificate": at_data / certificate.value,
                "sphere_sample/certificate": sampled / certificate.value,
            }
        )  # fmt: skip
    return rows


def exact():
    """Certificate over exact value in low dimension, where it becomes loose as k grows past d."""
    rows = []
    for d, k in [(2, 20), (2, 50), (2, 200), (3, 50), (4, 40)]:
        ratios, searches = [], []
        for seed in range(5):
            net = random_net(d, k, seed)
            truth = exact_lipschitz(net)
            ratios.append(lipschitz.sdp_certificate(net).value / truth.upper)
            X = 3 * np.random.default_rng(seed).standard_normal((64, d))
            searches.append(
                lipschitz.annealed_ascent(((net.W, net.b), (net.a[None], np.zeros(1))), X).value
                / truth.upper
            )
        rows.append(
            {
                "d": d,
                "k": k,
                "certificate/exact": [min(ratios), max(ratios)],
                "ascent/exact": [min(searches), max(searches)],
            }
        )
    return rows


def deep():
    rows = []
    for widths in [(10, 32, 32, 1), (20, 50, 50, 1), (20, 50, 50, 50, 1), (64, 64, 64, 10)]:
        rng = np.random.default_rng(0)
        layers = [
            (rng.standard_normal((o, i)) / np.sqrt(i), 0.3 * rng.standard_normal(o))
            for i, o in zip(widths[:-1], widths[1:], strict=True)
        ]
        chain = [W for W, _ in layers]
        seconds, bound = best_of(lambda chain=chain: lipschitz.deep_certificate(chain), 2)
        X = rng.standard_normal((256, widths[0]))
        bracket = lipschitz.deep_bracket(layers, X)
        rows.append(
            {
                "widths": widths,
                "product": lipschitz.spectral_bound(chain),
                "bound": bound,
                "seconds": seconds,
                "lower": bracket.lower,
            }
        )
    return rows


def print_random(rows):
    print(
        f"{'d':>4}{'k':>6}{'certificate':>13}{'gap':>9}{'ms':>9}{'spectral':>10}{'path':>7}",
        "  solvers: seconds, times slower, value/certificate − 1",
    )
    for row in rows:
        print("{d:>4}{k:>6}{certificate:>13.6f}{gap:>9.0e}".format(**row), end="")
        print(
            f"{1e3 * row['seconds']:>9.1f}{row['spectral']:>10.2f}{row['path_norm']:>7.2f}",
            end="   ",
        )
        for s in row["solvers"]:
            print(
                f"{s['solver']} {s['form']} {s['seconds']:.1f} s, "
                f"{s['seconds'] / row['seconds']:.0f}x, {s['value/certificate'] - 1:+.0e}",
                end="; ",
            )
        if row["solvers"]:
            fastest, target = (
                min(s["seconds"] for s in row["solvers"]) / row["seconds"],
                TARGET.get((row["d"], row["k"])),
            )
            print(
                f"fastest {fastest:.0f}x"
                + (f", target >= {target}x" if target else "")
                + ("" if row["solved_in_this_run"] else " (recorded)"),
                end="",
            )
        print()


def print_trained(rows):
    names = [
        "d",
        "n",
        "k",
        "mse",
        "lower",
        "upper",
        "ratio",
        "ms",
        "spectral",
        "path",
        "at data",
        "sampled",
    ]
    print("\n" + "".join(f"{name:>9}" for name in names), "  (the last four over the certificate)")
    for r in rows:
        print(
            "{d:>9}{n:>9}{k:>9}{mse:>9.0e}{lower:>9.3f}{upper:>9.3f}{ratio:>9.3f}".format(**r),
            end="",
        )
        context = [
            r[f"{name}/certificate"]
            for name in ("spectral", "path_norm", "at_data", "sphere_sample")
        ]
        print(f"{1e3 * r['certificate_s']:>9.1f}" + "".join(f"{value:>9.2f}" for value in context))
    ratios = [r["ratio"] for r in rows]
    print(
        f"upper/lower on {len(ratios)} trained nets: median {np.median(ratios):.3f} (target <= "
        f"1.15), worst {max(ratios):.3f} (target <= 1.3)"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="small sizes and ten trained nets")
    parser.add_argument(
        "--record", type=Path, help="also write the results with their provenance to this file"
    )
    arguments = parser.parse_args()
    lipschitz.sdp_certificate(random_net(20, 50))  # warm up

    result = {"random": against_solvers(arguments.quick)}
    print_random(result["random"])
    result["trained"] = trained(arguments.quick)
    print_trained(result["trained"])
    result["exact"] = exact()
    print("\ncertificate / exact value and ascent / exact value, smallest to largest of five nets")
    for r in result["exact"]:
        sides = [
            " – ".join(f"{x:.2f}" for x in r[name])
            for name in ("certificate/exact", "ascent/exact")
        ]
        print(f"  d = {r['d']}, k = {r['k']}: {sides[0]},  {sides[1]}")
    result["deep"] = deep()
    print("\ndeep: product of norms, bound, seconds, best gradient found")
    for r in result["deep"]:
        print(
            f"  {'-'.join(map(str, r['widths']))}: {r['product']:.3f}, {r['bound']:.4f}, "
            f"{r['seconds']:.2f} s, {r['lower']:.3f}"
        )

    out = Path("_build/benchmarks")
    out.mkdir(parents=True, exist_ok=True)
    (out / "certificate.json").write_text(json.dumps(result, indent=1) + "\n")
    if arguments.record:
        from importlib.metadata import PackageNotFoundError, version

        packages = {}
        for name in ("numpy", "scipy", "torch", "cvxpy", "scs", "clarabel"):
            try:
                packages[name] = version(name)
            except PackageNotFoundError:
                packages[name] = "absent"
        provenance = {
            "command": "python tests/benchmarks/bench_certificate.py --record FILE",
            "date": time.strftime("%Y-%m-%d"), "python": sys.version.split()[0],
            "packages": packages, "machine": platform.machine(),
            "cores": os.cpu_count(), "threads": os.environ["OMP_NUM_THREADS"],
            "load_at_the_end": os.getloadavg()[0],
        }  # fmt: skip
        arguments.record.write_text(
            json.dumps({"provenance": provenance, **result}, indent=1) + "\n"
        )


if __name__ == "__main__":
    main()
