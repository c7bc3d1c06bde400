"""Sphinx extension: how the cells of an exercise look on a page.

An exercise is a markdown cell tagged `exercise`, a code cell tagged `hole` that the reader fills
in, and a code cell tagged `solution`.  The hole is headed "Your turn"; the solution is folded
behind "Show a solution", whether or not the cell also carries `hide-cell`.  Two repairs of other
extensions stand at the end.
"""

from html import escape
from pathlib import Path

from docutils import nodes
from myst_nb.sphinx_ import HideCodeCellNode, depart_HideCellInput
from sphinx.application import Sphinx
from sphinx.util.typing import ExtensionMetadata


def dress_exercise_cells(app: Sphinx, doctree: nodes.document) -> None:
    """Head holes with "Your turn" and fold solutions."""
    for cell in doctree.findall(nodes.container):
        if cell.get("nb_element") != "cell_code":
            continue
        if "tag_hole" in cell["classes"]:
            cell.insert(0, nodes.paragraph(text="Your turn", classes=["hole-title"]))
        if "tag_solution" in cell["classes"]:
            cell["hide_mode"] = "all"
            cell["prompt_show"], cell["prompt_hide"] = "Show a solution", "Hide the solution"


def visit_folded(self, node: HideCodeCellNode) -> None:
    """Open the folded part of a cell.

    MyST-NB names every such switch "Toggle hidden content" for screen readers, whatever is written
    on it; here the switch is called what it says.
    """
    self.body.append(f'<details class="admonition hide {" ".join(node["classes"])}">\n<summary>\n')
    for state, prompt in (("collapsed", node["prompt_show"]), ("expanded", node["prompt_hide"])):
        self.body.append(f'<p class="{state} admonition-title">{escape(prompt)}</p>\n')
    self.body.append("</summary>\n")


def give_singlehtml_all_html_visitors(app: Sphinx) -> None:
    """Let the builder `singlehtml` draw every node that `html` can.

    sphinx-exercise registers visitors for `singlehtml`; Sphinx then looks up no others there, and
    the nodes of sphinx-proof have none.
    """
    visitors = app.registry.translation_handlers
    if "singlehtml" in visitors:
        visitors["singlehtml"] = {**visitors.get("html", {}), **visitors["singlehtml"]}


def setup(app: Sphinx) -> ExtensionMetadata:
    """Register with Sphinx."""
    app.setup_extension("myst_nb")
    app.add_node(HideCodeCellNode, override=True, html=(visit_folded, depart_HideCellInput))
    app.connect("doctree-read", dress_exercise_cells)
    app.connect("builder-inited", give_singlehtml_all_html_visitors)
    app.connect(
        "builder-inited",
        lambda app: app.config.html_static_path.append(
            str(Path(__file__).parent / "exercises_static")
        ),
    )
    app.add_css_file("exercises.css")
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
