"""What is known of each notebook's last run, and whether it still counts.

A run belongs to a *fingerprint* of everything outside the notebook that its numbers may depend on: the helper package, the recorded
data, the lock, the versions of Python, numpy and torch, and whether MNIST is at hand. The fingerprint is part of the cache's path, so a
change of any of these makes every notebook stale, and a change back finds the old runs again.

Read by the notebooks' conftest (which writes runs), the build, the refresh and the Sphinx extension `executed`.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
MEASURED_VERSIONS = ("numpy", "scipy", "torch", "scikit-learn", "matplotlib")


def quick(env: Mapping[str, str] = os.environ) -> dict[str, str]:
    """The environment for a process that reads notebooks, without what only delays its start (see the folder `quick`)."""
    path = [str(Path(__file__).parent / "quick"), env.get("PYTHONPATH", "")]
    return {**env, "PYTHONPATH": os.pathsep.join(filter(None, path))}


def notebooks(root: Path = ROOT) -> list[Path]:
    return sorted((root / "notebooks").glob("*.ipynb"))


def digest_files(paths: list[Path], root: Path) -> str:
    h = hashlib.sha256()
    for path in sorted(p for p in paths if p.is_file()):
        h.update(
            path.relative_to(root).as_posix().encode()
            + b"\0"
            + hashlib.sha256(path.read_bytes()).digest()
        )
    return h.hexdigest()


def sources(root: Path, *folders: str) -> list[Path]:
    """Files below the folders, without byte code and editors' leavings."""
    return [
        p
        for f in folders
        for p in (root / f).rglob("*")
        if p.is_file()
        and "__pycache__" not in p.parts
        and ".ipynb_checkpoints" not in p.parts
        and not p.name.startswith(".")
    ]


def mnist_at_hand() -> bool:
    sys.path.insert(0, str(ROOT))
    from lawrob_utils.data import mnist_available  # imports numpy only

    return mnist_available()


def fingerprint(root: Path = ROOT, mnist: bool | None = None) -> str:
    """Sixteen hex digits that name the world the notebooks run in."""

    def installed(name: str) -> str:
        try:
            return version(name)
        except PackageNotFoundError:
            return "absent"

    world = {
        "files": digest_files(
            [
                *sources(root, "lawrob_utils", "book/recorded"),
                root / "requirements.lock",
                root / "notebooks/conftest.py",
            ],
            root,
        ),
        "python": sys.version.split()[0],
        "versions": {name: installed(name) for name in MEASURED_VERSIONS},
        "mnist": mnist_at_hand() if mnist is None else mnist,
    }
    return hashlib.sha256(json.dumps(world, sort_keys=True).encode()).hexdigest()[:16]


def cache_dir(root: Path = ROOT, mnist: bool | None = None) -> Path:
    """The jupyter-cache of this world; the runs lie in its folder `runs`. `LAWROB_CACHE_DIR` puts it elsewhere (used by `make portable`)."""
    base = Path(os.environ.get("LAWROB_CACHE_DIR", root / "_build/.jupyter_cache"))
    return base / fingerprint(root, mnist)


def text_of(outputs: list[dict]) -> list:
    """The part of a cell's outputs that is compared: all but pictures and execution counts."""
    kept = []
    for out in outputs:
        data = {
            k: v for k, v in out.get("data", {}).items() if k not in ("image/png", "image/jpeg")
        }
        kept.append(
            {
                "type": out["output_type"],
                "text": out.get("text"),
                "data": data,
                "name": out.get("name"),
            }
        )
    return kept


def record_digest(notebook: Path) -> str:
    """Names what a run is compared with: the code cells' sources, metadata and stored outputs. Prose may change freely."""
    cells = [
        c for c in json.loads(notebook.read_text("utf-8"))["cells"] if c["cell_type"] == "code"
    ]
    kept = [[c["source"], c["metadata"], text_of(c["outputs"])] for c in cells]
    return hashlib.sha256(json.dumps(kept, sort_keys=True).encode()).hexdigest()[:16]


@dataclass(frozen=True)
class Run:
    """One finished run of a notebook: against which record, how long, the ids of the cells that differ
    from it or raised, and which of "torch" and "mnist" it used (torch was loaded, MNIST was read)."""

    record: str
    seconds: float
    differing: tuple[str, ...]
    raised: tuple[str, ...]
    used: tuple[str, ...] = ()  # with a default, for runs that an older build has kept

    @staticmethod
    def path(notebook: Path, cache: Path) -> Path:
        return cache / "runs" / f"{notebook.stem}.json"

    @classmethod
    def load(cls, notebook: Path, cache: Path) -> Run | None:
        try:
            return cls.read(cls.path(notebook, cache))
        except (FileNotFoundError, json.JSONDecodeError, KeyError):
            return None

    @classmethod
    def read(cls, path: Path) -> Run:
        stored = json.loads(path.read_text("utf-8"))
        lists = (tuple(stored[name]) for name in ("differing", "raised", "used"))
        return cls(stored["record"], stored["seconds"], *lists)

    def save(self, notebook: Path, cache: Path) -> None:
        path = self.path(notebook, cache)
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(f".part{os.getpid()}")
        part.write_text(json.dumps(asdict(self), indent=1), "utf-8")
        part.replace(path)


def needs_torch(notebook: Path, cache: Path) -> bool:
    """Whether the notebook loaded torch when it last ran; one that has not run here may."""
    run = Run.load(notebook, cache)
    return run is None or "torch" in run.used


def is_stale(notebook: Path, cache: Path) -> bool:
    run = Run.load(notebook, cache)
    return run is None or bool(run.raised) or run.record != record_digest(notebook)
