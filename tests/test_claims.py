"""The claim ledger is in step with the book, its checker finds every kind of disagreement, and its
pages link both ways."""

import contextlib
import io
import json
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml
from sphinx.cmd.build import main as sphinx_build

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "book" / "_ext"))

from ledger import problems, read_ledger, shows  # noqa: E402

STATEMENT = "Squares are\nnever negative: $x^2 \\ge 0$."

CHAPTER = f"""# Squares

:::{{claim}} S1
{STATEMENT}
:::

:::{{prf:lemma}} Squares
:label: lem-squares

$x^2 \\ge 0$.
:::

:::{{prf:proof}}
The product of two numbers of equal sign is not negative {{cite:p}}`euclid`.
:::
"""

CLAIM = {
    "id": "S1",
    "title": "Squares are not negative",
    "statement": STATEMENT,
    "source": [{"text": "{cite:t}`euclid`", "version": "Heiberg"}],
    "assumptions": "$x$ is real",
    "status": ["proved here", "cited", "measured", "fails outside its assumptions"],
    "evidence": {
        "proved here": ["lem-squares"],
        "cited": ["euclid"],
        "measured": [{"quantity": "smallest of 100 squares", "value": "0.25 ± 0.01"}],
        "fails outside its assumptions": ["squares-complex"],
    },
    "notebook": "notebooks/01-squares",
    "tests": ["tests/test_squares.py::test_squares_are_not_negative"],
}


def code(id, source, printed, *tags):
    outputs = [{"output_type": "stream", "name": "stdout", "text": printed}] if printed else []
    return {
        "cell_type": "code",
        "id": id,
        "metadata": {"tags": list(tags)},
        "source": source,
        "outputs": outputs,
        "execution_count": 1,
    }


def markdown(id, source, *tags):
    return {"cell_type": "markdown", "id": id, "metadata": {"tags": list(tags)}, "source": source}


def write_book(root, claims, cells):
    """A book of one chapter in the layout of this one, with a configuration for plain Sphinx."""
    notebook = {
        "cells": cells,
        "metadata": {
            "kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}
        },
        "nbformat": 4,
        "nbformat_minor": 5,
    }
    files = {
        "book/claims.yml": yaml.safe_dump(claims),
        "book/claims.md": "# Claims\n\n:::{claim-ledger}\n:::\n",
        "book/references.bib": "@book{euclid,\n author={Euclid},\n title={Elements},\n "
        "year={1883},\n publisher={Teubner}\n}\n",
        "notebooks/01-squares.ipynb": json.dumps(notebook),
        "tests/test_squares.py": "def test_squares_are_not_negative():\n    pass\n",
        "index.md": "# Book\n\n```{toctree}\nnotebooks/01-squares\nbook/claims\n```\n\n"
        "```{bibliography}\n```\n",
        "conf.py": f"""import sys
sys.path.insert(0, {str(ROOT / "book" / "_ext")!r})
extensions = ["myst_nb", "sphinx_proof", "sphinx_exercise", "sphinx_togglebutton",
              "sphinxcontrib.bibtex", "claims", "exercises"]
myst_enable_extensions = ["colon_fence", "dollarmath"]
bibtex_bibfiles = ["book/references.bib"]
nb_execution_mode = "off"
exclude_patterns = ["_build"]
html_theme = "sphinx_book_theme"
""",
    }
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, encoding="utf-8")


def cells():
    return [
        markdown("squares-title", CHAPTER),
        code("squares-real", "print(...)", "smallest 0.25 error 0.01\n", "claim:S1"),
        code("squares-complex", "print((1j) ** 2)", "(-1+0j)\n"),
    ]


def build(root, builder="html", *options):
    """Sphinx's exit code and what it complains of, warnings as errors; in this process, which has
    imported it once."""
    target = root / "_build" / builder
    with contextlib.redirect_stderr(io.StringIO()) as said:
        code = sphinx_build(["-n", "-W", "-q", "-b", builder, *options, str(root), str(target)])
    return SimpleNamespace(returncode=code, stderr=said.getvalue())


# The real ledger ----------------------------------------------------------------------------------


def test_ledger_chapters_bibliography_and_tests_are_in_step():
    assert problems(ROOT) == []


def test_ledger_has_the_claims_of_the_first_three_chapters():
    assert {"A1", "A2", "A3", "M1", "M2", "M3", "M4", "M5", "R1", "R2", "R3", "R4"} <= set(
        read_ledger(ROOT / "book" / "claims.yml")
    )


# Its checker, on ledgers broken on purpose --------------------------------------------------------


def test_nothing_is_found_in_a_ledger_without_fault(tmp_path):
    write_book(tmp_path, [CLAIM], cells())
    assert problems(tmp_path) == []


BROKEN = {
    "no code cell carries the tag": lambda claim, cells: cells.pop(1),
    "tests is empty": lambda claim, cells: claim.update(tests=[]),
    "test_gone does not exist": lambda claim, cells: claim.update(
        tests=["tests/test_squares.py::test_gone"]
    ),
    "gone.py::test_a does not exist": lambda claim, cells: claim.update(
        tests=["tests/gone.py::test_a"]
    ),
    "'measured' has no evidence": lambda claim, cells: claim["evidence"].update(measured=[]),
    "'cited' has no evidence": lambda claim, cells: claim["evidence"].pop("cited"),
    "'proved here' has no evidence": lambda claim, cells: claim["evidence"].pop("proved here"),
    "'fails outside its assumptions' has no evidence": lambda claim, cells: claim["evidence"].pop(
        "fails outside its assumptions"
    ),
    "which is not in its status": lambda claim, cells: claim["status"].remove("cited"),
    "status is empty": lambda claim, cells: claim.update(status=[], evidence={}),
    "claim:S7 names no claim": lambda claim, cells: cells[2]["metadata"].update(tags=["claim:S7"]),
    "claim box S2 is not in the ledger": lambda claim, cells: cells.append(
        markdown("b", ":::{claim} S2\nNo.\n:::")
    ),
    "2 boxes for it": lambda claim, cells: cells.append(
        markdown("b", f":::{{claim}} S1\n{STATEMENT}\n:::")
    ),
    "0 boxes for it": lambda claim, cells: cells[0].update(
        source=CHAPTER.replace("{claim} S1", "{note}")
    ),
    "does not say what the ledger says": lambda claim, cells: claim.update(
        statement="Squares are positive."
    ),
    "no box labelled lem-cubes": lambda claim, cells: claim["evidence"].update(
        {"proved here": ["lem-cubes"]}
    ),
    "no box labelled lem-squares that a proof": lambda claim, cells: cells[0].update(
        source=CHAPTER.replace("prf:proof", "note")
    ),
    "bibliography has no entry gauss": lambda claim, cells: claim["evidence"].update(
        cited=["gauss"]
    ),
    "does not cite euclid": lambda claim, cells: cells[0].update(
        source=CHAPTER.replace("{cite:p}", "")
    ),
    "prints the value 0.26": lambda claim, cells: claim["evidence"].update(
        measured=[{"quantity": "q", "value": "0.26"}]
    ),
    "no cell squares-none": lambda claim, cells: claim["evidence"].update(
        {"fails outside its assumptions": ["squares-none"]}
    ),
    "there is no chapter": lambda claim, cells: claim.update(notebook="notebooks/02-cubes"),
    "needs a text and a version": lambda claim, cells: claim.update(
        source=[{"text": "talk", "version": ""}]
    ),
}


@pytest.mark.parametrize("words", BROKEN)
def test_checker_names_what_is_broken(tmp_path, words):
    claim, broken = json.loads(json.dumps(CLAIM)), cells()
    BROKEN[words](claim, broken)
    write_book(tmp_path, [claim], broken)
    assert words in "\n".join(problems(tmp_path))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"colour": "red"}, "fields are"),
        ({"id": "s1"}, "capital letter"),
        ({"status": ["believed"]}, "believed"),
    ],
)
def test_unreadable_ledger_is_refused_by_name(tmp_path, change, words):
    (tmp_path / "claims.yml").write_text(yaml.safe_dump([{**CLAIM, **change}]))
    with pytest.raises(ValueError, match=words):
        read_ledger(tmp_path / "claims.yml")


def test_ledger_refuses_an_id_used_twice(tmp_path):
    (tmp_path / "claims.yml").write_text(yaml.safe_dump([CLAIM, CLAIM]))
    with pytest.raises(ValueError, match="twice"):
        read_ledger(tmp_path / "claims.yml")


@pytest.mark.parametrize(
    ("value", "text", "expected"),
    [
        ("0.25", "it is 0.25.", True),
        ("0.25", "it is 0.250", False),
        ("0.25", "it is 10.25", False),
        ("0.25", "it is -0.25", False),
        ("-0.25", "it is −0.25", True),
        ("0.25 ± 0.01", "0.25 (error 0.01)", True),
        ("0.25 ± 0.02", "0.25 (error 0.01)", False),
        ("< 0.01", "error <0.01", True),
        ("< 0.01", "error 0.01", False),
        ("20 of 20", "in 20 of 20 draws", True),
    ],
)
def test_a_value_is_shown_only_by_its_own_digits(value, text, expected):
    assert shows(value, text) is expected


# Its pages ----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    root = tmp_path_factory.mktemp("book")
    write_book(root, [CLAIM], cells())
    done = build(root)
    assert done.returncode == 0, done.stderr
    html = root / "_build" / "html"
    return (html / "notebooks" / "01-squares.html").read_text(), (
        html / "book" / "claims.html"
    ).read_text()


def test_claim_box_links_to_its_row_and_row_to_its_box_and_cell(pages):
    chapter, ledger = pages
    assert 'id="claim-s1"' in chapter and 'href="../book/claims.html#ledger-s1"' in chapter
    assert 'id="ledger-s1"' in ledger and 'href="../notebooks/01-squares.html#claim-s1"' in ledger
    assert (
        'id="measured-s1"' in chapter
        and 'href="../notebooks/01-squares.html#measured-s1"' in ledger
    )


def test_ledger_row_shows_status_value_proof_citation_and_test(pages):
    _, ledger = pages
    assert all(status in ledger for status in CLAIM["status"])
    assert "0.25 ± 0.01" in ledger
    assert "lem-squares" in ledger and "Euclid" in ledger
    assert "tests/test_squares.py::test_squares_are_not_negative" in ledger
    assert "1 claims" not in ledger and "1 claim" in ledger


def test_tests_are_links_only_once_the_repository_is_known(tmp_path, pages):
    assert "/blob/main/" not in pages[1]
    write_book(tmp_path, [CLAIM], cells())
    done = build(tmp_path, "html", "-D", "lawrob_repository=https://example.org/book")
    assert done.returncode == 0, done.stderr
    assert (
        'href="https://example.org/book/blob/main/tests/test_squares.py"'
        in (tmp_path / "_build/html/book/claims.html").read_text()
    )


def test_box_that_departs_from_the_ledger_breaks_the_build(tmp_path):
    write_book(tmp_path, [{**CLAIM, "statement": "Squares are positive."}], cells())
    done = build(tmp_path)
    assert done.returncode != 0 and "does not say what" in done.stderr


def test_box_of_an_unknown_claim_breaks_the_build(tmp_path):
    write_book(tmp_path, [CLAIM], [*cells(), markdown("b", ":::{claim} S9\nNo.\n:::")])
    done = build(tmp_path)
    assert done.returncode != 0 and "claim S9 is not in" in done.stderr


def test_changed_ledger_is_taken_up_by_the_next_build_and_a_parallel_one_agrees(tmp_path):
    write_book(tmp_path, [CLAIM], cells())
    assert build(tmp_path).returncode == 0
    (tmp_path / "book/claims.yml").write_text(yaml.safe_dump([{**CLAIM, "title": "Squares again"}]))
    done = build(tmp_path, "html", "-j", "2")
    assert done.returncode == 0, done.stderr
    for page in ("notebooks/01-squares.html", "book/claims.html"):
        assert "Squares again" in (tmp_path / "_build/html" / page).read_text()
