"""`make refresh`: run every notebook and store its outputs in it. Byte-identical when nothing
changed."""

from __future__ import annotations

import base64
import dataclasses
import sys
from pathlib import Path

import nbformat

from run_notebooks import run
from runs import ROOT, Run, cache_dir, notebooks, record_digest

METADATA = {
    "kernelspec": {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}


def recorded(executed: nbformat.NotebookNode) -> str:
    """The notebook as it is stored: outputs without metadata, no trace of the machine or the
    editor."""
    executed.metadata = nbformat.from_dict(METADATA)
    for cell in executed.cells:
        cell.metadata = nbformat.from_dict(
            {k: v for k, v in cell.metadata.items() if k in ("tags", "mystnb")}
        )
        for out in cell.get("outputs", []):
            if "metadata" in out:
                out.metadata = nbformat.from_dict({})
    executed.nbformat, executed.nbformat_minor = 4, 5
    nbformat.validate(executed)
    return nbformat.writes(executed, version=nbformat.NO_CONVERT) + "\n"


def picture(notebook: nbformat.NotebookNode, cell: str) -> bytes:
    """The PNG that a cell stored."""
    outputs = next(c for c in notebook.cells if c.id == cell).outputs
    return next(
        base64.b64decode(o.data["image/png"]) for o in outputs if "image/png" in o.get("data", {})
    )


def main(root: Path = ROOT, names: list[str] | None = None) -> int:
    chosen = [nb for nb in notebooks(root) if not names or nb.stem in names or nb.name in names]
    cache, failed = cache_dir(root), False  # of the world as it is when the run starts
    run(chosen, verbose=False, root=root)
    for notebook in chosen:
        last = Run.load(notebook, cache)
        if last is None or last.raised:
            print(f"{notebook.name} raised an error and keeps its old outputs", file=sys.stderr)
            failed = True
            continue
        text = recorded(nbformat.read(cache / "runs" / notebook.name, as_version=4))
        changed = text != notebook.read_text("utf-8")
        if changed:
            notebook.write_text(text, "utf-8")
        # What is now stored is what this run printed: nothing differs any more.
        dataclasses.replace(last, record=record_digest(notebook), differing=()).save(
            notebook, cache
        )
        print(f"{notebook.name}: {'re-recorded' if changed else 'unchanged'}")
        if notebook.stem == "00-preface":  # the README shows the book's first picture
            (root / "book/law.png").write_bytes(
                picture(nbformat.read(notebook, as_version=4), "preface-law-fig")
            )
    return int(failed)


if __name__ == "__main__":
    sys.exit(main(names=sys.argv[1:]))
