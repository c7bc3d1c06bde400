"""One value in _config.yml, lawrob_repository, decides whether pages have buttons that lead to the
repository."""

import os
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]


def small_book(folder: Path, address: str) -> Path:
    """A book of one notebook and one page with the configuration of this one; returns its built
    page."""
    settings = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))
    settings["sphinx"]["config"]["lawrob_repository"] = address
    settings["sphinx"]["local_extensions"] = {"book_site": "book/_ext", "offline": "book/_ext"}
    settings["execute"]["execute_notebooks"] = "off"
    for name in (
        "book/references.bib",
        "book/_ext",
        "book/_static",
        "book/_templates",
        "pyproject.toml",
    ):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).symlink_to(ROOT / name)
    (folder / "_config.yml").write_text(yaml.safe_dump(settings), encoding="utf-8")
    (folder / "_toc.yml").write_text(
        "format: jb-book\nroot: notebooks/one\nchapters:\n- file: two\n", encoding="utf-8"
    )
    (folder / "two.md").write_text("# Two\n", encoding="utf-8")
    (folder / "notebooks").mkdir()
    cells = [
        nbformat.v4.new_markdown_cell("# One\n\nA formula $x$."),
        nbformat.v4.new_code_cell("import torch"),
    ]
    spec = {"name": "python3", "display_name": "Python 3 (ipykernel)", "language": "python"}
    nbformat.write(
        nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": spec}),
        folder / "notebooks" / "one.ipynb",
    )
    command = [
        str(Path(sys.executable).with_name("jupyter-book")),
        "build",
        "-n",
        "-W",
        "-q",
        str(folder),
    ]
    done = subprocess.run(
        command, capture_output=True, text=True, env={**os.environ, "PYTHONWARNINGS": "ignore"}
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return folder / "_build" / "html" / "notebooks" / "one.html"


@pytest.fixture(scope="module")
def with_address(tmp_path_factory):
    return small_book(tmp_path_factory.mktemp("book"), "https://github.com/some-org/some-book")


def test_set_address_gives_repository_buttons_and_a_launch_button(with_address):
    page = with_address.read_text(encoding="utf-8")
    for link in (
        'href="https://github.com/some-org/some-book"',
        "https://github.com/some-org/some-book/issues/new",
        "https://github.com/some-org/some-book/edit/main/notebooks/one.ipynb",
        "https://colab.research.google.com/github/some-org/some-book/blob/main/notebooks/one.ipynb",
    ):
        assert link in page


def test_set_address_is_where_a_downloaded_notebook_installs_from(with_address):
    copy = nbformat.read(
        with_address.parents[1] / "_sources" / "notebooks" / "one.ipynb", as_version=4
    )
    nbformat.validate(copy)
    assert (
        'pip install "lawrob-utils[train] @ git+https://github.com/some-org/some-book"'
        in copy.cells[0].source
    )


def test_address_that_is_no_repository_is_refused_with_what_is_allowed(tmp_path):
    with pytest.raises(
        AssertionError,
        match=r"lawrob_repository is 'github.com/x'.*must be empty or an address like",
    ):
        small_book(tmp_path, "github.com/x")
