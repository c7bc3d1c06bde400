"""`make mutants`: change one thing in the code that certifies or witnesses, and see whether a test
notices.

A sample (`--sample 600`, seed 0; `--all` takes hours) of what mutmut changes in the modules named
in pyproject.toml, each tried against the tests that reach it. mutmut is installed into _build, at
the version below, and works on a copy. Survivors are printed with what was changed. Words name what
to try instead of a sample: `mutants.py 'lawrob_utils.law.*'`.
"""

from __future__ import annotations

import argparse
import ast
import json
import os
import random
import shutil
import subprocess
import sys
from collections import Counter
from fnmatch import fnmatch
from pathlib import Path

from runs import ROOT

# With what it needs that the lock has not; pytest and the rest stay the locked ones.
MUTMUT = (
    "mutmut==3.8.1 libcst==1.9.0 coverage==7.17.4 setproctitle==1.3.8 textual==8.2.8 rich==15.0.0"
)
TOOL, WORK = ROOT / "_build/mutmut", ROOT / "_build/mutants"
NOT_ASKED = [
    "*.law.x_law_curve_*",
    "*.law.x_power_law_*",
    "*.fewbits.x_fit_few_bits_*",
]  # these estimate
VERDICT = {0: "survived", 1: "killed", 3: "killed", 33: "reached by no test"}


def mutmut(*words: str, **options) -> subprocess.CompletedProcess:
    paths = os.pathsep.join([str(TOOL), os.environ.get("PYTHONPATH", "")])
    env = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": paths}
    return subprocess.run([sys.executable, "-m", "mutmut", *words], cwd=WORK, env=env, **options)


def functions(path: Path) -> dict[str, ast.FunctionDef]:
    """The functions of a module that mutmut has written, by name, with every string emptied."""
    tree = ast.parse(path.read_text("utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            node.value = ""
    return {node.name: node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}


def verdicts() -> dict[str, int | None]:
    """What mutmut has found so far: the exit code of the tests, by the mutant's name. Mutants that
    differ in words only, and those of functions that estimate, are not asked for."""
    found = {}
    for path in sorted((WORK / "mutants/lawrob_utils").rglob("*.py.meta")):
        codes, known = (
            json.loads(path.read_text())["exit_code_by_key"],
            functions(path.with_suffix("")),
        )
        for name, code in codes.items():
            own = name.rpartition(".")[2]
            was = own.partition("__mutmut_")[0] + "__mutmut_orig"
            same = own in known and ast.dump(_body(known[own])) == ast.dump(_body(known[was]))
            if not same and not any(fnmatch(name, pattern) for pattern in NOT_ASKED):
                found[name] = code
    return found


def _body(function: ast.FunctionDef) -> ast.Module:
    return ast.Module([ast.Expr(ast.Lambda(function.args, ast.Constant(0))), *function.body], [])


def main() -> int:
    """0 whatever survives: who reads the list is the judge."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", help="mutants, or patterns of their names")
    parser.add_argument("--sample", type=int, default=600)
    parser.add_argument("--all", action="store_true")
    options = parser.parse_args()
    if not TOOL.exists():
        pip = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--target", str(TOOL)]
        subprocess.run([*pip, *MUTMUT.split()], check=True)
    shutil.rmtree(WORK, ignore_errors=True)
    for name in ("lawrob_utils", "tests", "book", "notebooks"):
        shutil.copytree(ROOT / name, WORK / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", WORK)
    mutmut(
        "run", "none", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )  # makes all, tries none
    names = [
        n
        for n in sorted(verdicts())
        if not options.names or any(fnmatch(n, p) for p in options.names)
    ]
    if not (options.all or options.names):
        names = sorted(random.Random(0).sample(names, min(options.sample, len(names))))
    mutmut("run", "--max-children", str(os.cpu_count()), *names, check=True)
    found = {
        name: VERDICT.get(code, f"ended by {code}")
        for name, code in verdicts().items()
        if name in set(names)
    }
    for name, verdict in found.items():
        if verdict in ("survived", "reached by no test"):
            shown = mutmut("show", name, capture_output=True, text=True).stdout.splitlines()
            changed = [
                line for line in shown if line[:1] in "+-" and line[:3] not in ("+++", "---")
            ]
            print(f"\n{verdict}: {name}", *changed, sep="\n")
    print(f"\n{len(names)} of {len(verdicts())} mutants:", dict(Counter(found.values())))
    return 0


if __name__ == "__main__":
    sys.exit(main())
