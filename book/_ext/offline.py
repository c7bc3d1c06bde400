"""Pages that ask no other host for anything, and weigh little.

Jupyter Book's pages fetch MathJax from another host, carry an icon font of 0.7 MB for a dozen
icons, and load scripts that most pages do not need.  This extension, in reading order:

1. writes one MathJax file with the few components that the book uses, and MathJax's fonts, into the
   site;
2. leaves out of each page the scripts and styles that the page does not use (``needless``);
3. takes out of the finished site what no page asks for (source maps, the icon font, rules of the
   theme for classes that occur nowhere).

The icons themselves are drawn by ``book/_static/icons.css``.  ``tests/pages`` proves the result in
a browser without a network.
"""

import importlib.util
import re
import shutil
from pathlib import Path

MATHJAX_PARTS = [
    "startup.js",  # first: it defines the loader, which the other parts report to
    "core.js",
    "input/tex-base.js",
    "input/tex/extensions/ams.js",
    "input/tex/extensions/newcommand.js",
    "input/tex/extensions/configmacros.js",
    "input/tex/extensions/noundefined.js",
    "output/chtml.js",
    "output/chtml/fonts/tex.js",
    "a11y/assistive-mml.js",  # for screen readers
]
MATHJAX_FILE = "mathjax/tex-chtml.js"

# A script or style sheet is left out of a page when its name matches and the page holds none of the
# marks. An empty tuple: never needed.
NEEDED_BY = {
    r"thebe": (),
    r"comments": (),
    r"sbt-webpack": (),
    r"clipboard|copybutton": ('class="highlight', "literal-block-wrapper"),
    r"togglebutton": ("toggle", "dropdown", "tag_hide"),
    r"design-tabs": ("sd-tab-set",),
    r"sphinx-design": ("sd-",),
    r"proof\.css": ("proof",),
    r"exercise": ("exercise", "solution"),
}

# Loaded by no page once the above is done.
UNUSED = ["vendor", "scripts/fontawesome.js", "scripts/fontawesome.js.LICENSE.txt",
"sphinx-thebe.js", "thebelab", "webpack-macros.html",
          "sbt-webpack-macros.html", "locales", "images/logo_deepnote.svg",
          "images/logo_jupyterhub.svg", "images/logo_jupyterlite.svg",
          "jquery.js", "_sphinx_javascript_frameworks_compat.js", "underscore.js"]  # fmt: skip


# Classes of the icon font: its rules go although pages use the names, which icons.css draws.
ICON_FONT = {"fa", "fas", "fab", "far", "fa-solid", "fa-brands", "fa-regular", "fa-lg"}


def mathjax_source() -> Path:
    """The folder of MathJax 3 inside the package ``sphinx-mathjax-offline`` (its name has hyphens:
    it cannot be imported by statement)."""
    spec = importlib.util.find_spec("sphinx-mathjax-offline")
    if spec is None:
        raise ModuleNotFoundError(
            "the pages' formulas need the package sphinx-mathjax-offline, which the book's extra "
            "installs"
        )
    return Path(spec.origin).parent / "static" / "mathjax"


def write_mathjax(app):
    """One file in place of ten, so that formulas cost one request; the fonts stay apart, a page
    loads only those it shows."""
    if app.builder.format != "html":
        return
    source, target = mathjax_source(), Path(app.outdir) / "_static" / MATHJAX_FILE
    text = (
        "/* MathJax 3, Apache License 2.0, https://www.mathjax.org; "
        "the parts that this book uses, in one file. */\n"
    )
    text += "\n".join(
        re.sub(r"//# sourceMappingURL=.*", "", (source / part).read_text(encoding="utf-8"))
        for part in MATHJAX_PARTS
    )
    target.parent.mkdir(parents=True, exist_ok=True)
    if not target.exists() or target.read_text(encoding="utf-8") != text:
        target.write_text(text, encoding="utf-8")
    fonts = "output/chtml/fonts/woff-v2"
    shutil.copytree(source / fonts, target.parent / fonts, dirs_exist_ok=True)


def configure_mathjax(app, config):
    """Every component is in the one file, so the loader has nothing to load; the menu is left
    out."""
    settings = dict(config.mathjax3_config or {})
    settings["loader"] = {"load": []}
    settings["tex"] = {
        "packages": {"[+]": ["ams", "newcommand", "configmacros", "noundefined"]},
        **settings.get("tex", {}),
    }
    settings["options"] = {
        "enableMenu": False,
        "enableAssistiveMml": True,
        **settings.get("options", {}),
    }
    config.mathjax3_config = settings
    config.mathjax_path = MATHJAX_FILE


def needless(name: str, body: str) -> bool:
    """Whether a page whose content is ``body`` can do without the asset ``name``."""
    return any(
        re.search(pattern, name) and not any(mark in body for mark in marks)
        for pattern, marks in NEEDED_BY.items()
    )


def leave_out_needless(app, pagename, templatename, context, doctree):
    body = context.get("body") or ""
    for kind in ("script_files", "css_files"):
        kept = []
        for asset in context.get(kind, []):
            inline = getattr(asset, "attributes", {}).get("body") or ""
            name = str(getattr(asset, "filename", asset) or "")
            if not (needless(name, body) or "THEBE_JS_URL" in inline):
                kept.append(asset)
        context[kind] = kept


def rules(css: str):
    """The top-level rules of a style sheet as pairs (what stands before the braces, what stands
    between them); `None` for an @-statement."""
    start = place = 0
    while place < len(css):
        if css[place] in "\"'":
            place = css.index(css[place], place + 1)
        elif css[place] == ";":
            yield css[start : place + 1], None
            start = place + 1
        elif css[place] == "{":
            depth, inner = 1, place + 1
            while depth:
                place += 1
                if css[place] in "\"'":
                    place = css.index(css[place], place + 1)
                depth += {"{": 1, "}": -1}.get(css[place], 0)
            yield css[start : inner - 1], css[inner:place]
            start = place + 1
        place += 1


def classes(selector: str) -> set[str]:
    """The classes that an element must have, or have around it, for the selector to match."""
    return set(
        re.findall(
            r"\.(-?[A-Za-z_][\w-]*)",
            re.sub(r":(?:not|is|where|has)\([^)]*\)|\[[^]]*\]", "", selector),
        )
    )


def used_only(css: str, words: set[str]) -> str:
    """The style sheet less the rules for classes that occur nowhere in the site, neither in a page
    nor in a script.

    A selector goes when it names a class that is not among `words`, a rule when all its selectors
    go.  So do the icon font's rules.
    """
    kept = []
    for head, body in rules(re.sub(r"/\*.*?\*/", "", css, flags=re.S)):
        if body is None:
            kept.append(head)
        elif head.startswith(("@media", "@supports")):
            inner = used_only(body, words)
            kept += [f"{head}{{{inner}}}"] if inner else []
        elif head.startswith("@"):
            kept += [f"{head}{{{body}}}"] if "fontawesome" not in body else []
        else:
            selectors = re.split(r",(?![^(]*\))", head)
            wanted = [one for one in selectors if classes(one) <= words]
            kept += [f"{','.join(wanted)}{{{body}}}"] if wanted else []
    return "".join(kept)


def words_of_site(outdir: Path) -> set[str]:
    """Every word in the site's pages and scripts; a class that is used anywhere is among them."""
    texts = [
        *outdir.rglob("*.html"),
        *(
            path
            for path in outdir.rglob("*.js")
            if path.name not in ("searchindex.js", Path(MATHJAX_FILE).name)
        ),
    ]
    return {
        word
        for path in texts
        for word in re.findall(r"-?[A-Za-z_][\w-]*", path.read_text(encoding="utf-8"))
    }


def trim_site(app, error):
    """Take out of the site what no page asks for."""
    if error is not None or app.builder.format != "html":
        return
    static = Path(app.outdir) / "_static"
    for name in UNUSED:
        path = static / name
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
    for path in static.rglob("*.map"):
        path.unlink()
    for path in static.rglob("*.js"):
        if path.name != "searchindex.js" and "sourceMappingURL" in (
            text := path.read_text(encoding="utf-8")
        ):
            path.write_text(re.sub(r"//# sourceMappingURL=.*", "", text), encoding="utf-8")
    words = words_of_site(Path(app.outdir)) - ICON_FONT
    for path in [
        *(static / "styles").glob("*.css"),
        *static.glob("sphinx-design*.css"),
        *static.glob("mystnb*.css"),
    ]:
        path.write_text(used_only(path.read_text(encoding="utf-8"), words), encoding="utf-8")


def setup(app):
    app.connect(
        "config-inited", configure_mathjax, priority=900
    )  # after myst-parser has set its classes
    app.connect("builder-inited", write_mathjax)
    app.connect("html-page-context", leave_out_needless, priority=900)
    app.connect("build-finished", trim_site, priority=900)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
