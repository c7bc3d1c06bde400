"""The parts of the book's extensions that can be judged without a build."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "book" / "_ext"))

import docstrings  # noqa: E402

offline = pytest.importorskip("offline")
book_site = pytest.importorskip("book_site")


def test_style_sheet_keeps_rules_for_used_classes_and_for_elements_and_nothing_else():
    css = (
        '@charset "UTF-8";a{x:y}.used,.lost{b:c}.lost a{d:e}.used:not(.lost){f:g}'
        "@media print{.lost{h:i}.used{j:k}}@media screen{.lost{l:m}}"
    )
    assert (
        offline.used_only(css, {"used"})
        == '@charset "UTF-8";a{x:y}.used{b:c}.used:not(.lost){f:g}@media print{.used{j:k}}'
    )


def test_braces_inside_a_string_of_a_style_sheet_are_no_rules():
    assert list(offline.rules("a:after{content:'}'}b{c:d}")) == [
        ("a:after", "content:'}'"),
        ("b", "c:d"),
    ]


def test_script_is_left_out_only_of_pages_without_what_it_serves():
    assert offline.needless("_static/copybutton.js", "<p>prose</p>")
    assert not offline.needless("_static/copybutton.js", '<div class="highlight-python">')
    assert not offline.needless("_static/doctools.js", "")


def test_signs_of_a_docstring_are_no_mark_up_but_code_stays_code():
    assert (
        docstrings.restructured(["|y| ≤ 1 and x_ and 2*n, see `a_|b`."])[0]
        == r"\|y\| ≤ 1 and x\_ and 2\*n, see `a_|b`."
    )


def test_indented_block_of_a_docstring_is_a_list_with_its_lines_joined():
    text = ["Parameters", "  X: points,", "    one a row.", "  y: labels.", "", ">>> f(1)", "2"]
    assert docstrings.restructured(text) == [
        "**Parameters**",
        "",
        "- X: points, one a row.",
        "- y: labels.",
        "",
        ">>> f(1)",
        "2",
        "",
    ]


def test_downloaded_copy_asks_for_torch_only_where_the_code_does():
    for needs in (True, False):
        cell = book_site.first_cell(needs, "Title", "1.0", "1 January 2027", "")
        assert ("[train]" in "".join(cell["source"])) == needs


@pytest.mark.parametrize(
    "address", ["example.org/a/b", "https://github.com/only-org", "ftp://github.com/a/b"]
)
def test_address_of_a_repository_is_complete_or_refused(address):
    with pytest.raises(Exception, match="must be empty or an address like"):
        book_site.repository_options(address)


def test_no_address_means_no_buttons():
    options = book_site.repository_options("")
    assert not any(options.values())
