"""`make portable` on a book in miniature: one notebook, whose number is another one where torch has
no vector instructions."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

TOOLS = Path(__file__).resolve().parents[1] / "book/_tools"
SOURCE = "import os\nprint(1.25 if os.environ.get('ATEN_CPU_CAPABILITY') == 'default' else 1.5)"


@pytest.fixture(scope="module")
def book(tmp_path_factory):
    root = tmp_path_factory.mktemp("portable") / "mini"
    for folder in ("book/_tools", "notebooks", "lawrob_utils"):
        (root / folder).mkdir(parents=True)
    for name in ("portable.py", "run_notebooks.py", "runs.py"):
        shutil.copy(TOOLS / name, root / "book/_tools")
    shutil.copy(TOOLS.parents[1] / "notebooks/conftest.py", root / "notebooks")
    (root / "lawrob_utils/__init__.py").write_text("")
    (root / "lawrob_utils/data.py").write_text("def mnist_available():\n    return False\n")
    (root / "pyproject.toml").write_text('dependencies = ["numpy>=0.0.1"]\n')
    (root / "requirements.lock").write_text("numpy==0\n")
    printed = nbformat.v4.new_output("stream", name="stdout", text="1.5\n")
    cell = nbformat.v4.new_code_cell(SOURCE, id="a-number", execution_count=1, outputs=[printed])
    kernel = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}
    nbformat.write(
        nbformat.v4.new_notebook(cells=[cell], metadata={"kernelspec": kernel}),
        root / "notebooks/one.ipynb",
    )
    return root


def portable(root: Path, *words: str) -> subprocess.CompletedProcess:
    clean = {
        k: v for k, v in os.environ.items() if not k.startswith(("PYTEST_", "LAWROB_", "ATEN_"))
    }
    return subprocess.run(
        [sys.executable, "book/_tools/portable.py", *words],
        cwd=root,
        env=clean,
        capture_output=True,
        text=True,
        timeout=300,
    )


def rows(done: subprocess.CompletedProcess) -> dict[str, str]:
    """The table at the end: what was found, by the name of the row."""
    lines = done.stdout.rstrip().rpartition("\n\n")[2].splitlines()
    return {line[:26].strip(): line[26:].split("   ")[-1] for line in lines}


def test_number_that_is_the_same_elsewhere_passes_and_only_rows_with_the_word_are_run(book):
    done = portable(book, "torch AVX2")
    assert done.returncode == 0, done.stdout + done.stderr
    assert rows(done) == {"torch AVX2": "all numbers as recorded"}


def test_number_that_changes_on_another_machine_is_named_with_its_cell_and_fails_the_whole(book):
    done = portable(book, "without vectors")
    assert done.returncode == 1
    assert rows(done) == {"torch without vectors": "one: a-number"}


def test_word_that_names_no_row_is_told_the_names_and_nothing_is_run_or_installed(book):
    done = portable(book, "quantum")
    assert done.returncode == 2 and not done.stdout
    assert (
        "No row is named quantum; there are: as it is, two threads, " in done.stderr
        and "numpy 0.0.1" in done.stderr
    )
    assert not list((book / "_build/portable").glob("*numpy*"))
