"""What surrounds the text of a page: version and date, the repository's address, the copies of
notebooks for download.

- The version comes from ``pyproject.toml``, the date from the build (or ``SOURCE_DATE_EPOCH``).
- ``lawrob_repository`` in ``_config.yml`` is the one place where the public address of the
  repository is set.  While it is empty, no button or link needs it; once it is set, the repository
  buttons and a launch button for Colab appear.
- A notebook offered for download gets a first cell that says what it needs to run elsewhere.
"""

import json
import os
import re
import sys
import time
import tomllib
from pathlib import Path
from urllib.parse import urlparse

from docutils import nodes
from sphinx.errors import ConfigError

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "_tools"))
import runs  # noqa: E402

FIRST_YEAR = 2026
FORMULA = r'<span class="math notranslate nohighlight">\\\([^<]*\\\)</span>'
# A formula in a line with the signs that touch it: a line must not end between them.
BESIDE_FORMULA = re.compile(
    rf"[(\[“‘]*{FORMULA}(?:[-–]?[,.;:?!)\]”’%]+|[-–](?=\w))|[(\[“‘]+{FORMULA}"
)
SIGNATURE = re.compile(r'<dt class="sig .*?</dt>', re.S)
FIRST_CELL = "how-to-run-this-copy"


def project(srcdir) -> dict:
    """The ``[project]`` table of the nearest ``pyproject.toml`` at or above the book's folder."""
    for folder in [Path(srcdir), *Path(srcdir).parents]:
        if (folder / "pyproject.toml").is_file():
            return tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8")).get(
                "project", {}
            )
    return {}


def build_time() -> time.struct_time:
    return time.gmtime(float(os.environ.get("SOURCE_DATE_EPOCH", time.time())))


def repository_options(address: str) -> dict:
    """Theme options for the repository's address; without one, every option that would make a
    button is off."""
    parts = urlparse(address)
    if address and (parts.scheme not in ("http", "https") or parts.path.strip("/").count("/") != 1):
        raise ConfigError(
            f"lawrob_repository is {address!r}; it must be empty or an address like "
            f'"https://github.com/org/name"'
        )
    on = bool(address)
    options = {
        "repository_url": address.rstrip("/"),
        "use_repository_button": on,
        "use_issues_button": on,
        "use_edit_page_button": on,
    }
    if on and parts.netloc == "github.com":
        options["launch_buttons"] = {"colab_url": "https://colab.research.google.com"}
    return options


def configure(app, config):
    about = project(app.srcdir)
    config.version = config.release = about.get("version", "")
    config.project = config.html_title
    year = build_time().tm_year
    config.copyright = str(FIRST_YEAR) if year <= FIRST_YEAR else f"{FIRST_YEAR}–{year}"
    config.html_theme_options.update(repository_options(config.lawrob_repository))
    config.html_context["lawrob_repository"] = config.lawrob_repository
    if config.html_baseurl:
        config.notfound_urls_prefix = urlparse(config.html_baseurl).path or "/"


def first_cell(torch: bool, title: str, release: str, built: str, repository: str) -> dict:
    """A cell that says which book, version and date the copy is of, and what to install before it
    runs."""
    extra = "[train]" if torch else ""
    trains = (
        "> It trains networks, so `[train]` asks for PyTorch too; on Linux, "
        "`pip install torch --index-url https://download.pytorch.org/whl/cpu` first saves several "
        "gigabytes.\n"
    )
    if repository:
        install = f'`pip install "lawrob-utils{extra} @ git+{repository}"`'
    else:
        install = (
            f'`pip install ".{extra}"`, typed in the folder of a copy of the book\'s repository'
        )
    text = (
        f"> **Before you run this copy.** It is a chapter of *{title}*, version {release}, "
        f"downloaded from the pages built on {built}.\n"
        f"> It needs Python 3.11 or later and the book's package `lawrob-utils`: {install}.\n"
        + (trains if extra else "")
        + "> Boxes such as theorems and links to other chapters are shown as plain text outside "
        "the book."
    )
    return {
        "cell_type": "markdown",
        "id": FIRST_CELL,
        "metadata": {},
        "source": text.splitlines(keepends=True),
    }


def explain_downloads(app, error):
    """Put the first cell into each notebook under ``_sources``, once."""
    if error is not None or app.builder.format != "html":
        return
    built = time.strftime("%d %B %Y", build_time()).lstrip("0")
    copies, cache = Path(app.outdir) / "_sources", runs.cache_dir(Path(app.srcdir))
    for path in sorted(copies.rglob("*.ipynb")):
        notebook = json.loads(path.read_text(encoding="utf-8"))
        cells = [cell for cell in notebook["cells"] if cell.get("id") != FIRST_CELL]
        notebook["cells"] = [
            first_cell(
                runs.needs_torch(path.relative_to(copies), cache),
                app.config.html_title,
                app.config.release,
                built,
                app.config.lawrob_repository,
            ),
            *cells,
        ]
        path.write_text(json.dumps(notebook, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def unique_ids(app, doctree, docname):
    """sphinx-proof and sphinx-exercise give the body of every box, and every proof, the same id; a
    page may hold an id once."""
    repeated = {"proof-content", "exercise-content", "solution-content"}
    for number, node in enumerate(doctree.findall(nodes.section)):
        node["ids"] = [f"{name}-{number}" if name in repeated else name for name in node["ids"]]
    for number, node in enumerate(
        doctree.findall(
            lambda node: isinstance(node, nodes.admonition) and node["ids"][:1] == ["proof"]
        )
    ):
        node["ids"] = [f"proof-{number}"]
        node["classes"] = ["proof", "lawrob-proof"]


def without_list(signature: re.Match) -> str:
    """Sphinx breaks a long signature with a list of descriptions that describe nothing; plain boxes
    look the same."""
    text = signature[0].replace("<dl>", '<div class="sig-lines">').replace("</dl>", "</div>")
    return text.replace("<dd>", "<div>").replace("</dd>", "</div>")


def page_context(app, pagename, templatename, context, doctree):
    """Buttons: notebooks are downloaded, prose pages printed; a source file in MyST helps no
    reader."""
    if context.get("body"):
        body = context["body"].replace(
            ' role="doc-biblioentry"', ' role="listitem"'
        )  # an item's role that axe calls outdated
        body = SIGNATURE.sub(without_list, body)
        context["body"] = BESIDE_FORMULA.sub(r'<span class="nobr">\g<0></span>', body)
    buttons = []
    for button in context.get("header_buttons", []):
        if button.get("label") == "download-buttons":
            inner = button["buttons"]
            if context.get("page_source_suffix") == ".ipynb":
                for item in inner:
                    if item["label"] == "download-source-button":
                        item.update(
                            text="Notebook (.ipynb)",
                            tooltip="Download this chapter as a notebook",
                            icon="fas fa-download",
                        )
            else:
                inner = [item for item in inner if item["label"] != "download-source-button"]
            for item in inner:
                if item["label"] == "download-pdf-button":
                    item.update(
                        text="Print or save as PDF", tooltip="Print this page", icon="fas fa-print"
                    )
            button = {**button, "buttons": inner}
        buttons.append(button)
    context["header_buttons"] = buttons


def setup(app):
    sys.path.insert(0, str(Path(app.srcdir)))  # autodoc documents the package of this tree
    if "lawrob_repository" not in app.config:
        app.add_config_value("lawrob_repository", "", "env", types=[str])
    app.connect("config-inited", configure, priority=100)
    app.connect("doctree-resolved", unique_ids)
    app.connect("html-page-context", page_context, priority=900)
    app.connect("build-finished", explain_downloads)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
