"""What is stored in the notebooks can be read by everyone and came from one clean run."""

import base64
import json
import re
from collections import Counter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
CHAPTERS = {
    p.stem: json.loads(p.read_text(encoding="utf-8"))
    for p in sorted((ROOT / "notebooks").glob("*.ipynb"))
}

LINES, CHARACTERS = 20, 1800
FOLDED_LINES, FOLDED_CHARACTERS = 45, 3600  # plotting cells that a page shows folded
PNG_BYTES = 60_000

chapter = pytest.mark.parametrize("chapter", CHAPTERS)


def source(cell):
    return "".join(cell["source"])


def tags(cell):
    return cell["metadata"].get("tags", [])


def code_cells(chapter):
    return [c for c in CHAPTERS[chapter]["cells"] if c["cell_type"] == "code"]


def text(chapter):
    return "\n\n".join(
        source(c) for c in CHAPTERS[chapter]["cells"] if c["cell_type"] == "markdown"
    )


def outputs(chapter):
    """(cell, output, text of the output) of every stored output."""
    for cell in code_cells(chapter):
        for out in cell["outputs"]:
            plain = "".join(out.get("text", [])) + "".join(
                out.get("data", {}).get("text/plain", [])
            )
            yield cell, out, plain


@chapter
def test_every_figure_has_a_name_a_caption_and_a_text_for_those_who_cannot_see_it(chapter):
    for cell, out, _ in outputs(chapter):
        if "image/png" in out.get("data", {}):
            shown = cell["metadata"].get("mystnb", {})
            figure, alt = shown.get("figure", {}), shown.get("image", {}).get("alt", "")
            assert figure.get("name", "").startswith("fig-"), cell["id"]
            assert len(figure.get("caption", "")) >= 30, cell["id"]
            assert len(alt) >= 30 and alt != figure["caption"], cell["id"]
            assert len(cell["outputs"]) == 1, f"{cell['id']}: a figure cell has no other output"


@chapter
def test_every_image_in_the_text_has_an_alternative_text(chapter):
    assert not re.search(r"!\[\s*\]\(|<img(?![^>]*\balt=)", text(chapter))


@chapter
def test_every_stored_picture_is_a_png_of_at_most_60_kB(chapter):
    for cell, out, _ in outputs(chapter):
        pictures = [kind for kind in out.get("data", {}) if kind.startswith("image/")]
        assert pictures in ([], ["image/png"]), cell["id"]
        for kind in pictures:
            assert len(base64.b64decode("".join(out["data"][kind]))) <= PNG_BYTES, cell["id"]


@chapter
def test_no_output_is_an_error_a_warning_a_progress_bar_or_an_address_in_memory(chapter):
    for cell, out, plain in outputs(chapter):
        assert out["output_type"] != "error", cell["id"]
        assert out.get("name") != "stderr", cell["id"]
        assert not re.search(
            r"Traceback|\w+Warning:|\w+Error:|it/s\]|\d+%\||\bat 0x[0-9a-f]+", plain
        ), cell["id"]
        assert "image/png" in out.get("data", {}) or not re.match(r"[<\[]+\w+.*>", plain), (
            f"{cell['id']}: a repr"
        )


@chapter
def test_every_claim_holds_with_the_parameters_as_they_stand(chapter):
    """`expect` prints nothing while a claim is true."""
    assert [
        c["id"] for c, _, plain in outputs(chapter) if "With these settings this" in plain
    ] == []


@chapter
def test_a_figure_is_kept_under_the_name_that_the_page_gives_it(chapter):
    for cell in code_cells(chapter):
        for name in re.findall(r"\bplot(?:ting)?\.show\((.*?)\)", source(cell)):
            assert name.strip("\"'") == cell["metadata"]["mystnb"]["figure"]["name"], cell["id"]


@chapter
def test_cells_were_run_once_in_order(chapter):
    assert [c["execution_count"] for c in code_cells(chapter)] == list(
        range(1, len(code_cells(chapter)) + 1)
    )


@chapter
def test_code_cells_are_short(chapter):
    for cell in code_cells(chapter):
        folded = "hide-input" in tags(cell)
        lines = [line for line in source(cell).splitlines() if line.strip()]
        assert len(lines) <= (FOLDED_LINES if folded else LINES), cell["id"]
        assert len(source(cell)) <= (FOLDED_CHARACTERS if folded else CHARACTERS), cell["id"]


@chapter
def test_cell_ids_are_words_and_unique(chapter):
    ids = [cell.get("id", "") for cell in CHAPTERS[chapter]["cells"]]
    assert [i for i, count in Counter(ids).items() if count > 1] == []
    assert [
        i
        for i in ids
        if not re.fullmatch(r"[a-z]+(-[a-z0-9]+)*", i) or re.fullmatch(r"[0-9a-f]{8}.*", i)
    ] == []


@chapter
def test_metadata_says_nothing_of_machine_or_editor(chapter):
    notebook = CHAPTERS[chapter]
    assert notebook["metadata"] == {
        "kernelspec": {
            "display_name": "Python 3 (ipykernel)",
            "language": "python",
            "name": "python3",
        },
        "language_info": {"name": "python"},
    }
    assert (notebook["nbformat"], notebook["nbformat_minor"]) == (4, 5)
    assert [
        c["id"] for c in notebook["cells"] if not set(c["metadata"]) <= {"tags", "mystnb"}
    ] == []


@chapter
def test_no_path_of_a_machine_is_stored(chapter):
    stored = "\n".join(
        [source(c) for c in CHAPTERS[chapter]["cells"]] + [plain for *_, plain in outputs(chapter)]
    )
    assert (
        re.findall(
            r"(?<![\w.])(?:/(?:home|root|Users|tmp|opt|work|mnt|var)/\S*|[A-Z]:\\\S*)", stored
        )
        == []
    )


@pytest.mark.parametrize("chapter", [c for c in CHAPTERS if not c.startswith("00")])
def test_first_code_cell_and_no_other_is_the_setup(chapter):
    assert ["setup" in tags(cell) for cell in code_cells(chapter)] == [True] + [False] * (
        len(code_cells(chapter)) - 1
    )


@chapter
def test_links_lead_to_files_that_exist(chapter):
    folder = ROOT / "notebooks"
    found = re.findall(r"\]\(([^)\s]+)\)", text(chapter)) + re.findall(
        r"\{doc\}`(?:[^`<]*<)?([^`>]+)>?`", text(chapter)
    )
    local = [link.split("#")[0] for link in found if not re.match(r"[a-z]+:|#", link)]
    assert [
        f
        for f in local
        if f and not any((folder / (f + s)).is_file() for s in ("", ".ipynb", ".md"))
    ] == []


@pytest.mark.parametrize("chapter", [c for c in CHAPTERS if not c.startswith("00")])
def test_chapter_opens_with_its_title_and_says_what_it_costs(chapter):
    assert text(chapter).startswith("# ")
    assert text(chapter).count("{cost}") == 1


def test_names_of_figures_and_boxes_are_used_once_in_the_book():
    names = [
        cell["metadata"]["mystnb"]["figure"]["name"]
        for c in CHAPTERS
        for cell in code_cells(c)
        if "figure" in cell["metadata"].get("mystnb", {})
    ]
    names += [
        label for c in CHAPTERS for label in re.findall(r"^:label: *(\S+)", text(c), flags=re.M)
    ]
    assert [n for n, count in Counter(names).items() if count > 1] == []
