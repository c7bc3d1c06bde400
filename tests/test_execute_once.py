"""The run that tests a notebook is the run the page shows; nothing runs twice, and nothing stale is
shown.

A book in miniature (two notebooks, a one-line helper package) goes through the real tools:
`build.py`, `refresh.py`, the notebooks' conftest and
the Sphinx extension `executed`.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import nbformat
import pytest

REPOSITORY = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(REPOSITORY / "book/_tools"))
import runs  # noqa: E402

CONFIG = """\
title: miniature
only_build_toc_files: true
exclude_patterns: ['.*', '.*/**', '_build']
execute: {execute_notebooks: cache}
sphinx:
  local_extensions: {executed: book/_ext}
"""


def write_notebook(path: Path, *sources: str, title: str = "Page") -> None:
    cells = [
        nbformat.v4.new_markdown_cell(f"# {title}\n\n:::{{cost}}\nsome seconds\n:::", id="title")
    ]
    cells += [nbformat.v4.new_code_cell(source, id=f"cell-{i}") for i, source in enumerate(sources)]
    nb = nbformat.v4.new_notebook(
        cells=cells,
        metadata={
            "kernelspec": {
                "display_name": "Python 3 (ipykernel)",
                "language": "python",
                "name": "python3",
            }
        },
    )
    nbformat.write(nb, path)


@pytest.fixture(scope="session")
def recorded_book(tmp_path_factory):
    root = tmp_path_factory.mktemp("recorded") / "mini"
    for folder in ("book/_tools", "notebooks", "lawrob_utils", "book/recorded"):
        (root / folder).mkdir(parents=True)
    for name in ("runs.py", "run_notebooks.py", "build.py", "refresh.py", "portable.py"):
        shutil.copy(REPOSITORY / "book/_tools" / name, root / "book/_tools")
    (root / "book/_ext").mkdir()
    shutil.copy(REPOSITORY / "book/_ext/executed.py", root / "book/_ext")
    shutil.copy(REPOSITORY / "notebooks/conftest.py", root / "notebooks")
    (root / "lawrob_utils/__init__.py").write_text(
        "def answer():\n    import torch\n\n    return 42\n"
    )
    (root / "torch.py").write_text("")  # stands in for the real one
    (root / "t10k-labels-idx1-ubyte.gz").write_text("")
    (root / "lawrob_utils/data.py").write_text(
        "def mnist_available():\n    return False\n\n\ndef fetch_mnist():\n    raise OSError('no "
        "network')\n"
    )
    (root / "requirements.lock").write_text("numpy==0\n")
    (root / "_config.yml").write_text(CONFIG)
    (root / "_toc.yml").write_text(
        "format: jb-book\nroot: book/index\nchapters:\n- file: notebooks/one\n- file: "
        "notebooks/two\n"
    )
    (root / "book/index.md").write_text("# Miniature\n")
    helper = "import sys; sys.path.insert(0, '..')\nimport lawrob_utils\n"
    write_notebook(
        root / "notebooks/one.ipynb",
        helper + "print('the answer is', lawrob_utils.answer())",
        "print('one')",
        title="One",
    )
    write_notebook(
        root / "notebooks/two.ipynb",
        "import matplotlib.pyplot as plt\nplt.plot([1, 2]);",
        "open('../t10k-labels-idx1-ubyte.gz').close()\nprint('two')",
        title="Two",
    )
    assert tool(root, "refresh").returncode == 0
    return root


@pytest.fixture(scope="session")
def built_book(recorded_book):
    done = tool(recorded_book, "build")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "running" not in done.stdout  # refresh has just run both
    return recorded_book


@pytest.fixture
def book(built_book, tmp_path):
    return shutil.copytree(built_book, tmp_path / "mini")


def python(root: Path, code: str) -> str:
    """What the code prints when it is run among the tools."""
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=root / "book/_tools", capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def tool(root: Path, name: str, **env: str) -> subprocess.CompletedProcess:
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("PYTEST_", "LAWROB_"))}
    return subprocess.run(
        [sys.executable, f"book/_tools/{name}.py"],
        cwd=root,
        env=runs.quick({**clean, **env}),
        capture_output=True,
        text=True,
        timeout=300,
    )


def page(root: Path, name: str) -> str:
    return (root / f"_build/html/notebooks/{name}.html").read_text()


def test_page_shows_the_run_that_tested_and_nothing_is_done_when_nothing_has_changed(book):
    assert "the answer is 42" in page(book, "one")
    assert "matplotlib.lines" not in page(book, "two")  # the trailing semicolon silences
    assert "This page's code took" in page(book, "one").replace("’", "'")
    before = page(book, "one")
    assert "nothing changed" in tool(book, "build").stdout
    assert page(book, "one") == before


def test_run_knows_whether_torch_was_loaded_and_mnist_read_however_deep_the_import(book):
    """`make portable`, the copies for download and `make test` ask it, and nothing else."""
    code = """import portable, runs
for notebook in runs.notebooks():
    run = runs.Run.load(notebook, runs.cache_dir())
    print(*run.used, portable.needs_torch(notebook, runs.cache_dir()))
print(runs.needs_torch(runs.ROOT / "notebooks/never-run.ipynb", runs.cache_dir()))"""
    assert python(book, code).splitlines() == ["torch True", "mnist False", "True"]


def stale(root: Path) -> int:
    """How many notebooks the build would run."""
    code = "from runs import *; cache = cache_dir(); "
    code += "print(sum(is_stale(nb, cache) for nb in notebooks()))"
    return int(python(root, code))


@pytest.mark.parametrize(
    "path", ["lawrob_utils/__init__.py", "requirements.lock", "book/recorded/results.csv"]
)
def test_a_change_of_helper_lock_or_recorded_data_makes_every_notebook_stale_and_a_change_back_none(
    book, path
):
    file = book / path
    old = file.read_text() if file.exists() else None
    assert stale(book) == 0
    file.write_text((old or "") + "# changed\n")
    assert stale(book) == 2
    file.unlink() if old is None else file.write_text(old)
    assert stale(book) == 0


def test_prose_and_contents_may_change_without_a_run_and_changed_code_runs_its_notebook_only(book):
    nb = nbformat.read(book / "notebooks/two.ipynb", as_version=4)
    nb.cells[0].source += "\n\nA new sentence."
    nbformat.write(nb, book / "notebooks/two.ipynb")
    (book / "book/index.md").unlink()  # the first page
    (book / "_toc.yml").write_text(
        "format: jb-book\nroot: notebooks/one\nchapters:\n- file: notebooks/two\n"
    )
    built = tool(book, "build")
    assert built.returncode == 0 and "running" not in built.stdout
    assert "A new sentence." in page(book, "two")
    # A page that is gone leaves nothing behind, and the first page is found again.
    assert not (book / "_build/html/book/index.html").exists()
    assert "url=notebooks/one.html" in (book / "_build/html/index.html").read_text()
    nb.cells[2].source += "  # more"
    nbformat.write(nb, book / "notebooks/two.ipynb")
    assert stale(book) == 1


def test_a_drifted_number_fails_the_test_and_stands_in_a_box_until_it_is_recorded(book):
    file = book / "lawrob_utils/__init__.py"
    file.write_text(file.read_text().replace("42", "43"))
    tested = tool(book, "run_notebooks")
    assert tested.returncode == 1
    assert "the answer is 42" in tested.stdout and "the answer is 43" in tested.stdout
    built = tool(book, "build")
    assert built.returncode == 0, built.stdout + built.stderr
    assert "running" not in built.stdout
    html = page(book, "one")
    assert "the answer is 43" in html and "lawrob-drift" in html
    assert 'href="#cell-cell-0"' in html and 'id="cell-cell-0"' in html
    assert "lawrob-drift" not in page(book, "two")
    report = "import build; build.report(build.notebooks(), build.cache_dir())"
    assert python(book, report).startswith("one.ipynb: 1 cells differ")
    # Recording the new number takes the box away, and changes not a byte beside it.
    before = {p.name: p.read_bytes() for p in (book / "notebooks").glob("*.ipynb")}
    assert b"image/png" in before["two.ipynb"]
    assert tool(book, "refresh").returncode == 0
    after = {p.name: p.read_bytes() for p in (book / "notebooks").glob("*.ipynb")}
    assert after == {name: old.replace(b"is 42", b"is 43") for name, old in before.items()}
    assert tool(book, "build").returncode == 0
    assert "lawrob-drift" not in page(book, "one")


def test_a_notebook_that_raises_is_a_build_error_that_names_the_cell(book):
    write_notebook(book / "notebooks/one.ipynb", "1 / 0", title="One")
    built = tool(book, "build")
    assert built.returncode != 0
    assert "one.ipynb raised an error in cell-0" in built.stderr


def test_the_page_builder_refuses_a_notebook_without_a_run(book):
    write_notebook(book / "notebooks/two.ipynb", "print('never run')", title="Two")
    built = subprocess.run(
        [str(Path(sys.executable).with_name("jupyter-book")), "build", ".", "-W"],
        cwd=book,
        env=runs.quick(),
        capture_output=True,
        text=True,
    )
    assert built.returncode != 0
    assert "two.ipynb has no finished run in the cache" in built.stdout + built.stderr


def test_an_interrupted_build_keeps_the_notebooks_already_executed(book):
    (book / "requirements.lock").write_text("numpy==1\n")  # a new world
    write_notebook(book / "notebooks/two.ipynb", "import time; time.sleep(600)", title="Two")
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("PYTEST_", "LAWROB_"))}
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    process = subprocess.Popen(
        [sys.executable, "book/_tools/build.py"],
        cwd=book,
        env=clean,
        start_new_session=True,
        **quiet,
    )
    deadline = time.monotonic() + 120
    while (
        len(list(book.glob("_build/.jupyter_cache/*/runs/one.json"))) < 2
    ):  # the first is the recorded book's
        assert time.monotonic() < deadline and process.poll() is None, (
            "the first notebook did not finish"
        )
        time.sleep(0.2)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert stale(book) == 1
