"""Pages show what the tested run printed, and nothing is executed by the build.

- points myst-nb at the jupyter-cache of the present world (see `book/_tools/runs.py`);
- makes a notebook without a run there a build error, where Jupyter Book would execute it itself;
- puts a box on a page whose numbers differ from the record, naming the cells;
- gives the directive ``{cost}``: the seconds the notebook took on the building machine.
"""

from __future__ import annotations

import sys
from pathlib import Path

from docutils import nodes
from myst_nb.core.execute.cache import NotebookClientCache
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.errors import ExtensionError
from sphinx.util.docutils import SphinxDirective

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "_tools"))
import runs  # noqa: E402


class CachedOnly(NotebookClientCache):
    """The cache's client without its second half: it never executes."""

    def start_client(self):
        from jupyter_cache import get_cache

        try:
            get_cache(self.nb_config.execution_cache_path).match_cache_notebook(self.notebook)
        except KeyError:
            raise ExtensionError(
                f"{Path(self.path).name} has no finished run in the cache; `make book` runs what "
                f"is stale before it builds"
            ) from None
        super().start_client()


def point_at_cache(app: Sphinx, config) -> None:
    config.nb_execution_mode = "cache"
    config.nb_execution_cache_path = str(runs.cache_dir(Path(app.srcdir)))


def run_of(app: Sphinx, docname: str) -> runs.Run | None:
    source = Path(app.env.doc2path(docname))
    return (
        runs.Run.load(source, Path(app.config.nb_execution_cache_path))
        if source.suffix == ".ipynb"
        else None
    )


def outdated(app: Sphinx, env: BuildEnvironment, added, changed, removed) -> list[str]:
    """Pages whose notebook was run again since they were read."""
    seen = getattr(env, "lawrob_runs", {})
    return [name for name in env.found_docs if name in seen and seen[name] != run_of(app, name)]


def mark_drift(app: Sphinx, doctree: nodes.document) -> None:
    docname = app.env.docname
    run = run_of(app, docname)
    if run is None:
        return
    if not hasattr(app.env, "lawrob_runs"):
        app.env.lawrob_runs = {}
    app.env.lawrob_runs[docname] = run
    _anchor_cells(app, docname, doctree)
    if run.differing:
        title = next(iter(doctree.findall(nodes.title)))
        title.parent.insert(title.parent.index(title) + 1, _drift_box(run.differing))


def _anchor_cells(app: Sphinx, docname: str, doctree: nodes.document) -> None:
    import nbformat

    cells = nbformat.read(app.env.doc2path(docname), as_version=4).cells
    for container in doctree.findall(nodes.container):
        index = container.get("cell_index")
        if index is not None and container.get("nb_element") == "cell_code":
            container["ids"].append(f"cell-{cells[index].id}")


def _drift_box(cells: tuple[str, ...]) -> nodes.warning:
    text = (
        "This page was built from a fresh run on this machine, and some of its numbers are not the "
        "recorded ones "
        "(another processor or library version, or a change to the code). Differing cells: "
    )
    links = []
    for cell in cells:
        links += [nodes.reference("", cell, refid=f"cell-{cell}"), nodes.Text(", ")]
    return nodes.warning(
        "", nodes.paragraph("", text, *links[:-1], nodes.Text(".")), classes=["lawrob-drift"]
    )


class Cost(SphinxDirective):
    """``{cost}``: the measured running time of this notebook; the body is what readers of the bare
    notebook see."""

    has_content = True

    def run(self) -> list[nodes.Node]:
        run = run_of(self.env.app, self.env.docname)
        text = (
            "\n".join(self.content)
            if run is None
            else f"This page's code took {run.seconds:.0f} s on the machine that built it, start "
            f"of Python included."
        )
        return [nodes.paragraph("", text, classes=["lawrob-cost"])]


def forget(app: Sphinx, env: BuildEnvironment, docname: str) -> None:
    getattr(env, "lawrob_runs", {}).pop(docname, None)


def merge(app: Sphinx, env: BuildEnvironment, docnames: list[str], other: BuildEnvironment) -> None:
    env.lawrob_runs = {
        **getattr(env, "lawrob_runs", {}),
        **{d: r for d, r in getattr(other, "lawrob_runs", {}).items() if d in docnames},
    }


def setup(app: Sphinx) -> dict:
    import myst_nb.core.execute as execute

    execute.NotebookClientCache = CachedOnly
    app.add_directive("cost", Cost)
    app.connect("config-inited", point_at_cache, priority=100)
    app.connect("env-get-outdated", outdated)
    app.connect("env-purge-doc", forget)
    app.connect("env-merge-info", merge)
    app.connect("doctree-read", mark_drift)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
