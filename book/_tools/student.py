"""Student copies: every notebook with its holes, without its solutions and outputs.

    python book/_tools/student.py [FOLDER]       (default: _build/student)

The copies are made on demand and never stored: the chapter in notebooks/ is the one source.
"""

import argparse
import copy
import json
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]

NOTE = """This is a working copy of a chapter of *The Law of Robustness*: \
solutions and outputs are taken out.
Run the cells in order; where you meet a hole, fill it in and run it again \
until it says that the answer is correct.
It needs the package `lawrob_utils`."""


def chapters(folder: Path) -> list[Path]:
    """The notebooks of the chapters in `folder`, in reading order; the preface, number 00, is
    none."""
    return [p for p in sorted(folder.glob("[0-9]*.ipynb")) if not p.name.startswith("00")]


def student_copy(notebook: dict[str, Any]) -> dict[str, Any]:
    """The notebook (nbformat 4 JSON) without the cells tagged `solution` and without outputs; the
    argument stays as it is."""
    result = copy.deepcopy(notebook)
    result["cells"] = [
        c for c in result["cells"] if "solution" not in c["metadata"].get("tags", [])
    ]
    for cell in result["cells"]:
        if cell["cell_type"] == "code":
            cell["outputs"], cell["execution_count"] = [], None
    note = {
        "cell_type": "markdown",
        "id": "working-copy",
        "metadata": {},
        "source": NOTE.splitlines(keepends=True),
    }
    result["cells"].insert(0, note)
    return result


def write_student_copies(sources: Path, folder: Path) -> list[Path]:
    """Write a student copy of every chapter in `sources` to `folder`; returns the files written.

    Raises `ValueError` if `sources` has no chapters, or if `folder` is `sources` itself, whose
    files it would overwrite.
    """
    if not chapters(sources):
        raise ValueError(f"sources = {sources} holds no notebooks named like 01-title.ipynb")
    if folder.resolve() == sources.resolve():
        raise ValueError(
            f"folder = {folder} is where the chapters themselves are; give another one"
        )
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for chapter in chapters(sources):
        copied = student_copy(json.loads(chapter.read_text(encoding="utf-8")))
        written.append(folder / chapter.name)
        written[-1].write_text(
            json.dumps(copied, indent=1, ensure_ascii=False) + "\n", encoding="utf-8"
        )
    return written


def main(arguments: list[str]) -> int:
    """The command line; returns the exit status."""
    parser = argparse.ArgumentParser(
        description="Write copies of the notebooks with holes and without solutions."
    )
    parser.add_argument("folder", nargs="?", type=Path, default=ROOT / "_build" / "student")
    folder = parser.parse_args(arguments).folder
    try:
        written = write_student_copies(ROOT / "notebooks", folder)
    except (ValueError, OSError) as problem:
        print(problem, file=sys.stderr)
        return 1
    print(f"{len(written)} student copies in {folder}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
