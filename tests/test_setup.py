"""What a stranger is told when the machine lacks something. The whole way, from a fresh clone, is
what `.ci/run` does."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture
def clone(tmp_path):
    (tmp_path / "book/_tools").mkdir(parents=True)
    for name in ("book/_tools/setup.sh", "Makefile", "requirements.lock", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path / name)
    return tmp_path


def setup(clone: Path, **env: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        ["bash", "book/_tools/setup.sh"],
        cwd=clone,
        env={**os.environ, **env},
        capture_output=True,
        text=True,
    )


def fake_python(folder: Path, version: str) -> str:
    """An interpreter that is out of range: it answers every question as Python `version` would."""
    path = folder / f"python{version}"
    path.write_text(
        f'#!/bin/sh\ncase "$*" in *version_info*) exit 1;; *) echo "Python {version}.0";; esac\n'
    )
    path.chmod(0o755)
    return str(path)


def test_without_a_python_in_range_it_says_what_to_install_and_leaves_nothing(clone):
    for python in ("/nowhere/python3", fake_python(clone, "3.14")):
        done = setup(clone, PYTHON=python)
        assert done.returncode != 0
        for remedy in ("3.11, 3.12 or 3.13", "apt-get install python3 python3-venv", "WSL", python):
            assert remedy in done.stderr
        assert not (clone / ".venv").exists()


def test_an_unknown_choice_of_torch_is_refused_before_anything_is_installed(clone):
    done = setup(clone, LAWROB_TORCH="cuda12")
    assert done.returncode != 0 and "LAWROB_TORCH=cuda12" in done.stderr and "cpu" in done.stderr
    assert not (clone / ".venv").exists()


def test_make_names_every_target_once_and_none_that_has_no_script():
    makefile = (ROOT / "Makefile").read_text()
    for line in makefile.splitlines():
        if "book/_tools/" in line and not line.startswith("#"):
            script = line.split("book/_tools/")[1].split()[0]
            assert (ROOT / "book/_tools" / script).exists(), script


def test_the_lock_pins_every_package_by_hash_and_leaves_torch_and_cuda_out():
    entries = re.split(r"^(?=\w)", (ROOT / "requirements.lock").read_text(), flags=re.M)[1:]
    assert all(re.match(r"[\w.-]+==\S+", entry) and "--hash=sha256:" in entry for entry in entries)
    names = [entry.split("==")[0] for entry in entries]
    assert not [n for n in names if n == "torch" or n.startswith(("nvidia", "cuda", "triton"))]
