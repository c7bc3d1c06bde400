"""Exercises: one source gives the page, the check and the student copy, and the three agree."""

import contextlib
import io
import json
import os
import re
import sys
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "book" / "_tools"))
os.environ.setdefault("MPLBACKEND", "agg")

from test_claims import build, code, markdown, write_book  # noqa: E402

from lawrob_utils.check import known_exercises  # noqa: E402
from student import chapters, main, student_copy, write_student_copies  # noqa: E402

CHAPTERS = {p.stem: json.loads(p.read_text(encoding="utf-8")) for p in chapters(ROOT / "notebooks")}


def source(cell):
    return "".join(cell["source"])


def tagged(chapter, tag, kind):
    return [
        c
        for c in CHAPTERS[chapter]["cells"]
        if c["cell_type"] == kind and tag in c["metadata"].get("tags", [])
    ]


def ids_in(cell, kind):
    """The exercises that a cell belongs to: labels in a statement, calls of check.exercise in
    code."""
    pattern = (
        r"^:label: ex-(\S+)" if kind == "markdown" else r"check\.exercise\(\s*[\"']([^\"']+)[\"']"
    )
    return re.findall(pattern, source(cell), flags=re.M)


def parts(chapter):
    """{exercise id: {"exercise": [cells], "hole": [cells], "solution": [cells]}} of a chapter."""
    found = {}
    for tag, kind in (("exercise", "markdown"), ("hole", "code"), ("solution", "code")):
        for cell in tagged(chapter, tag, kind):
            for id in ids_in(cell, kind) or ["none: " + cell["id"]]:
                found.setdefault(id, {"exercise": [], "hole": [], "solution": []})[tag].append(cell)
    return found


EXERCISES = [(chapter, id) for chapter in CHAPTERS for id in parts(chapter)]


@pytest.fixture(scope="module")
def spaces():
    """What each chapter's setup cell defines, run once a chapter."""
    made = {}

    def space(chapter):
        if chapter not in made:
            made[chapter] = {"__name__": "__main__"}
            for cell in tagged(chapter, "setup", "code"):
                exec(compile(source(cell), f"{chapter}/{cell['id']}", "exec"), made[chapter])
        return dict(made[chapter])

    return space


def run(cell, space):
    """What the cell prints."""
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(source(cell), cell["id"], "exec"), space)
    return printed.getvalue()


@pytest.mark.parametrize(("chapter", "id"), EXERCISES)
def test_exercise_has_one_statement_one_hole_and_one_solution_in_this_order(chapter, id):
    cells = parts(chapter)[id]
    assert {tag: len(found) for tag, found in cells.items()} == {
        "exercise": 1,
        "hole": 1,
        "solution": 1,
    }
    order = [
        CHAPTERS[chapter]["cells"].index(cells[tag][0]) for tag in ("exercise", "hole", "solution")
    ]
    assert order == sorted(order)


@pytest.mark.parametrize(("chapter", "id"), EXERCISES)
def test_untouched_hole_is_not_yet_right(chapter, id, spaces):
    printed = run(parts(chapter)[id]["hole"][0], spaces(chapter))
    assert f"{id}: not yet." in printed and "correct" not in printed


@pytest.mark.parametrize(("chapter", "id"), EXERCISES)
def test_solution_is_correct(chapter, id, spaces):
    printed = run(parts(chapter)[id]["solution"][0], spaces(chapter))
    assert f"✓ {id}: correct" in printed and "not yet" not in printed


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_chapter_has_at_least_four_exercises(chapter):
    assert len(parts(chapter)) >= 4


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_solutions_are_folded_for_readers_of_the_notebook_too(chapter):
    assert all(
        "hide-cell" in cell["metadata"]["tags"] for cell in tagged(chapter, "solution", "code")
    )


def test_every_checker_has_its_exercise_and_every_exercise_its_checker():
    assert sorted(id for _, id in EXERCISES) == list(known_exercises())


# Student copies -----------------------------------------------------------------------------------


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_student_copy_has_every_hole_no_solution_and_no_output(chapter):
    copied = student_copy(CHAPTERS[chapter])
    nbformat.validate(nbformat.from_dict(copied))
    tags = [set(c["metadata"].get("tags", [])) for c in copied["cells"]]
    assert sum("hole" in t for t in tags) == len(parts(chapter))
    assert not any("solution" in t for t in tags)
    assert not any(c.get("outputs") or c.get("execution_count") for c in copied["cells"])


def test_making_student_copies_leaves_the_chapters_alone(tmp_path):
    before = {p: p.read_bytes() for p in (ROOT / "notebooks").glob("*.ipynb")}
    assert main([str(tmp_path / "copies")]) == 0
    assert {p.stem for p in (tmp_path / "copies").iterdir()} == set(CHAPTERS)
    assert before == {p: p.read_bytes() for p in before}


def test_student_copies_never_overwrite_the_chapters():
    with pytest.raises(ValueError, match="give another"):
        write_student_copies(ROOT / "notebooks", ROOT / "notebooks")


def test_no_chapters_is_said_in_words(tmp_path):
    with pytest.raises(ValueError, match="holds no notebooks"):
        write_student_copies(tmp_path, tmp_path / "copies")


# The page -----------------------------------------------------------------------------------------

PAGE = [
    markdown(
        "title",
        "# Sums\n\n:::{prf:lemma} One\n:label: lem-one\n\n$1 = 1$.\n:::\n\nBy {prf:ref}`lem-one`.",
    ),
    markdown("statement", ":::{exercise} Add\n:label: ex-sum-1\n\nAdd 1 and 1.\n:::", "exercise"),
    code("hole", "answer = ...", "sum-1: not yet.\n", "hole"),
    code("solved", "answer = 2", "correct\n", "solution", "hide-cell"),
    code("folded", "print(3)", "3\n", "hide-input"),
    markdown("explained", ":::{solution} ex-sum-1\n:class: dropdown\n\nCount.\n:::", "solution"),
]


@pytest.fixture(scope="module", params=["html", "singlehtml"])
def page(request, tmp_path_factory):
    root = tmp_path_factory.mktemp("page")
    write_book(root, [], PAGE)
    done = build(root, request.param)
    assert done.returncode == 0, done.stderr
    name = "notebooks/01-squares.html" if request.param == "html" else "index.html"
    return (root / "_build" / request.param / name).read_text()


def test_page_marks_the_hole_and_folds_the_solution(page):
    assert page.count("Your turn") == 1
    assert page.count('"collapsed admonition-title">Show a solution') == 1
    assert "Show code cell source" in page


def test_switch_of_a_folded_cell_is_named_as_it_is_written(page):
    assert "Toggle hidden content" not in page


def test_boxes_of_proofs_and_exercises_are_drawn_in_both_builders(page):
    assert (
        "$1 = 1$" not in page and "Lemma" in page and "Exercise" in page and "Solution to" in page
    )
