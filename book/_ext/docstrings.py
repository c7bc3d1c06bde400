"""Docstrings of the package on the API pages.

They are plain text with `code` in single backquotes and doctests, written to be read in an editor;
this makes reStructuredText of them: signs that would be mark-up are escaped, a block under a
heading such as ``Parameters`` becomes a list, and the first word of a paragraph that says what is
given, returned or raised is set in bold.
"""

import re

HEADINGS = "Parameters|Attributes|Returns|Raises|Formula|Source"


def escaped(line: str) -> str:
    """The line with the signs of reStructuredText escaped, except inside backquotes."""
    parts = re.split(r"(`[^`]*`)", line)
    return "".join(
        part
        if part.startswith("`") and len(part) > 1
        else re.sub(r"([\\*|`])|(?<=\w)(_)(?!\w)", r"\\\1\2", part)
        for part in parts
    )


def blocks(lines: list[str]) -> list[list[str]]:
    """The paragraphs: runs of lines that are not blank."""
    found, run = [], []
    for line in [*lines, ""]:
        if line.strip():
            run.append(line.rstrip())
        elif run:
            found.append(run)
            run = []
    return found


def indent(line: str) -> int:
    return len(line) - len(line.lstrip())


def entries(lines: list[str]) -> list[str]:
    """An indented block, one entry for each line of least indentation, deeper lines joined to the
    entry above them."""
    least, found = min(map(indent, lines)), []
    for line in lines:
        if indent(line) == least or not found:
            found.append(line.strip())
        else:
            found[-1] += " " + line.strip()
    return found


def restructured(lines: list[str]) -> list[str]:
    """reStructuredText for a docstring of the package."""
    out = []
    for block in blocks(lines):
        if block[0].lstrip().startswith(">>>"):
            out += [*block, ""]
            continue
        first, rest = block[0], block[1:]
        if re.fullmatch(rf"\s*({HEADINGS}):?", first) and rest and indent(rest[0]) > indent(first):
            out += (
                [f"**{first.strip().rstrip(':')}**", ""]
                + [f"- {escaped(entry)}" for entry in entries(rest)]
                + [""]
            )
        elif all(
            line.lstrip().startswith("- ") or indent(line) > indent(block[0]) for line in block
        ):
            if first.lstrip().startswith("- "):
                out += [f"- {escaped(entry[2:])}" for entry in entries(block)] + [""]
            elif rest:
                out += ["::", "", *("   " + line for line in block), ""]
            else:
                out += [escaped(first.strip()), ""]
        else:
            text = escaped(" ".join(line.strip() for line in block))
            out += [re.sub(rf"^({HEADINGS})\b", r"**\1**", text), ""]
    return out


def rewrite(app, what, name, obj, options, lines):
    lines[:] = restructured(lines)


def setup(app):
    app.setup_extension("sphinx.ext.autodoc")
    app.connect("autodoc-process-docstring", rewrite)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
