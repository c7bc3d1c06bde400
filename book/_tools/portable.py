"""`make portable`: compare the notebooks' numbers as if on other machines.

One row for each simulated machine: other kernels of OpenBLAS, other instruction sets in numpy and
torch, one and two threads, the oldest numpy that pyproject.toml admits, and other versions of
Python. PYTHONS="/path/to/python3.12 …" names interpreters that are not on the PATH; an interpreter
for which no CPU build of torch is to be had runs only the notebooks that loaded no torch when they
last ran here (`make book` runs them), and the row says so. Words on the command line choose the
rows whose names contain them: `portable.py threads numpy`.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from run_notebooks import run
from runs import ROOT, Run, cache_dir, needs_torch, notebooks

WORK = ROOT / "_build/portable"
MACHINES = {
    "as it is": {},
    "two threads": {"OMP_NUM_THREADS": "2", "OPENBLAS_NUM_THREADS": "2", "MKL_NUM_THREADS": "2"},
    "OpenBLAS Prescott": {"OPENBLAS_CORETYPE": "Prescott"},
    "OpenBLAS Haswell": {"OPENBLAS_CORETYPE": "Haswell"},
    "OpenBLAS SkylakeX": {"OPENBLAS_CORETYPE": "SkylakeX"},
    "numpy without AVX2": {"NPY_DISABLE_CPU_FEATURES": "X86_V3 X86_V4"},
    "numpy without AVX-512": {"NPY_DISABLE_CPU_FEATURES": "X86_V4"},
    "torch without vectors": {"ATEN_CPU_CAPABILITY": "default"},
    "torch AVX2": {"ATEN_CPU_CAPABILITY": "avx2"},
    "everything old": {
        "OPENBLAS_CORETYPE": "Prescott",
        "NPY_DISABLE_CPU_FEATURES": "X86_V3 X86_V4",
        "ATEN_CPU_CAPABILITY": "default",
    },
}


def oldest_numpy() -> str:
    return re.search(r'"numpy>=([\d.]+)"', (ROOT / "pyproject.toml").read_text()).group(1)


def with_oldest_numpy() -> dict[str, str]:
    """numpy's oldest admitted release, put in front of the installed one."""
    target = WORK / "numpy-oldest"
    if not target.exists():
        subprocess.run(
            [
                sys.executable,
                "-m",
                "pip",
                "install",
                "-q",
                "--no-deps",
                "--target",
                str(target),
                f"numpy=={oldest_numpy()}.*",
            ],
            check=True,
        )
    return {"PYTHONPATH": str(target)}


def other_pythons() -> dict[str, str]:
    """Interpreters of other versions, by version."""
    here = sys.version_info[:2]
    candidates = os.environ.get("PYTHONS", "").split() + [
        shutil.which(f"python3.{m}") or "" for m in (11, 12, 13)
    ]
    found: dict[str, str] = {}
    for python in filter(None, candidates):
        said = subprocess.run(
            [python, "-c", "import sys; print(*sys.version_info[:2])"],
            capture_output=True,
            text=True,
        )
        if said.returncode == 0 and said.stdout.split() != [str(v) for v in here]:
            found.setdefault(".".join(said.stdout.split()), python)
    return found


def environment_for(python: str) -> tuple[str, bool]:
    """An environment with the locked set for another Python, and whether torch is in it."""
    version = subprocess.run(
        [python, "-c", "import sys; print('%d.%d' % sys.version_info[:2])"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()
    venv = WORK / f"venv-{version}"
    own = venv / "bin/python"
    pip = [str(own), "-m", "pip", "install", "-q"]
    if not own.exists():
        subprocess.run([python, "-m", "venv", str(venv)], check=True)
        subprocess.run([*pip, "--require-hashes", "-r", "requirements.lock"], cwd=ROOT, check=True)
        subprocess.run([*pip, "--no-deps", "--no-build-isolation", "-e", "."], cwd=ROOT, check=True)
        torch = re.search(
            r"^TORCH=([\d.]+)", (ROOT / "book/_tools/setup.sh").read_text(), re.M
        ).group(1)
        subprocess.run(
            [
                *pip,
                f"torch=={torch}+cpu",
                "--extra-index-url",
                "https://download.pytorch.org/whl/cpu",
            ],
            cwd=ROOT,
            stderr=subprocess.DEVNULL,
        )
    return str(own), subprocess.run(
        [str(own), "-c", "import torch"], capture_output=True
    ).returncode == 0


def trials(words: list[str]) -> Iterator[tuple[str, str, dict[str, str], list[Path]]]:
    """(name, interpreter, environment, notebooks) of the rows whose names contain one of the words,
    or of all; nothing is installed for others."""

    def wanted(name: str) -> bool:
        return not words or any(word in name for word in words)

    yield from (
        (name, sys.executable, env, notebooks()) for name, env in MACHINES.items() if wanted(name)
    )
    if wanted(name := f"numpy {oldest_numpy()}"):
        yield name, sys.executable, with_oldest_numpy(), notebooks()
    for version, python in other_pythons().items():
        if wanted(name := f"Python {version}"):
            own, torch = environment_for(python)
            yield (
                name + ("" if torch else " (no torch)"),
                own,
                {},
                [nb for nb in notebooks() if torch or not needs_torch(nb, cache_dir())],
            )


def main() -> int:
    """1 if a number differs or a notebook fails anywhere, 2 if no row has such a name."""
    WORK.mkdir(parents=True, exist_ok=True)
    rows, failed = [], False
    for name, python, env, chosen in trials(sys.argv[1:]):
        if not chosen:
            rows.append(f"{name:<26} no notebook runs without torch")
            continue
        print(f"\n==> {name}", flush=True)
        started = time.monotonic()
        with tempfile.TemporaryDirectory(dir=WORK) as cache:
            code = run(chosen, verbose=False, env={**env, "LAWROB_CACHE_DIR": cache}, python=python)
            last = {path.stem: Run.read(path) for path in Path(cache).glob("*/runs/*.json")}
        wrong = [
            f"{stem}: {cell}"
            for stem, r in sorted(last.items())
            for cell in (*r.differing, *r.raised)
        ]
        missing = [nb.stem for nb in chosen if nb.stem not in last]
        failed |= bool(code or wrong or missing)
        rows.append(
            f"{name:<26} {len(chosen)} notebooks, {time.monotonic() - started:3.0f} s   "
            + ("; ".join(wrong + missing) or "all numbers as recorded")
        )
    if not rows:
        known = [
            *MACHINES,
            f"numpy {oldest_numpy()}",
            *(f"Python {version}" for version in other_pythons()),
        ]
        print(
            f"No row is named {' or '.join(sys.argv[1:])}; there are: {', '.join(known)}.",
            file=sys.stderr,
        )
        return 2
    print("\n" + "\n".join(rows))
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
