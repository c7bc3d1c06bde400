"""Where a recorded result comes from: `provenance` describes the run, `record` writes its files.

Every folder of book/recorded/ holds tidy files and one provenance.json. Used by all experiments.
"""

from __future__ import annotations

import json
import os
import platform
import re
import sys
import tempfile
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

PACKAGES = ("numpy", "scipy", "scikit-learn", "torch")


def provenance(
    command: str,
    *,
    seed: int,
    seconds: float,
    settings: Mapping[str, object] | None = None,
    packages: Sequence[str] = PACKAGES,
) -> dict[str, object]:
    """What is needed to judge and repeat a run, ready for JSON.

    Parameters: command, as typed from the repository root; seed of the generator; seconds of wall time; settings of the run;
    packages whose installed versions are written down (a missing one as null).

    Returns a dict with command, seed, settings, wall_seconds (0.1 s), date (UTC, ISO 8601), versions, hardware (machine, processor
    name, number of logical cores) and threads (the value of OMP_NUM_THREADS, or null). No host or user name, no path.
    """
    return {
        "command": command,
        "seed": seed,
        "settings": dict(settings or {}),
        "wall_seconds": round(seconds, 1),
        "date": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "versions": {"python": platform.python_version(), **{p: _version(p) for p in packages}},
        "hardware": {
            "machine": platform.machine(),
            "system": platform.system(),
            "processor": _processor(),
            "cores": os.cpu_count(),
        },
        "threads": os.environ.get("OMP_NUM_THREADS"),
    }


def write_atomically(path: Path, content: bytes | str) -> None:
    """`path` holds either its old content or all of the new one, never half: written beside it, then renamed.

    Folders on the way are made. Text is written as UTF-8.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    data = content.encode() if isinstance(content, str) else content
    handle, beside = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(beside, 0o644)
        os.replace(beside, path)
    except BaseException:
        os.unlink(beside)
        raise


def record(folder: Path, files: Mapping[str, bytes | str], about: Mapping[str, object]) -> None:
    """Write the files of one run and then its provenance.json, each atomically; the provenance comes last, so it vouches for the rest."""
    for name, content in files.items():
        write_atomically(Path(folder) / name, content)
    write_atomically(Path(folder) / "provenance.json", _readable(about) + "\n")


def _readable(about: Mapping[str, object]) -> str:
    """JSON with a line for every entry, and one for a whole list of numbers or words."""
    text = json.dumps(about, indent=2, ensure_ascii=False)
    short = re.sub(
        r"\[[^][{}]*\]",
        lambda found: re.sub(r"\s*\n\s*", " ", found[0]).replace("[ ", "[").replace(" ]", "]"),
        text,
    )
    return short if json.loads(short) == json.loads(text) else text


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _processor() -> str:
    """The processor's name as the system tells it; on Linux from /proc/cpuinfo, elsewhere what Python knows."""
    if sys.platform == "linux":
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or "unknown"
