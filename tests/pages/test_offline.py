"""Pages ask no other host for anything, and work without a network: formulas, search, icons,
downloads, the page for wrong addresses."""

import json
import re
from urllib.parse import urljoin

import pytest


def test_page_asks_no_other_host_and_loads_without_error(page, look):
    assert look(page)["foreign"] == []
    assert look(page)["errors"] == []


def test_every_formula_is_typeset_without_a_network(content_page, built, look):
    written = (
        (built / content_page).read_text(encoding="utf-8").count('class="math notranslate')
        if content_page
        else 0
    )
    facts = look(content_page)["desk"]
    assert len(facts["formulas"]) == written
    assert all(facts["formulas"]), (
        f"{facts['formulas'].count(False)} of {written} formulas are not typeset"
    )
    assert facts["formula_errors"] == []
    assert facts["formula_fonts"] > 0 or not written, "formulas are shown without their fonts"


def test_book_has_formulas(built):
    """The test above would also pass on a book without any."""
    assert any(
        'class="math notranslate' in path.read_text(encoding="utf-8")
        for path in built.glob("*/*.html")
    )


def test_every_icon_button_shows_an_icon(page, look):
    for width in ("desk", "phone"):
        icons = look(page)[width]["icons"]
        assert icons
        assert [
            icon for icon in icons if not icon["drawn"] or icon["width"] < 8 or icon["height"] < 8
        ] == []


def test_formulas_and_search_work_from_a_folder_without_a_server(built, new_window):
    window = new_window()
    with_formula = next(
        path
        for path in sorted(built.glob("*/*.html"))
        if 'class="math notranslate' in path.read_text(encoding="utf-8")
    )
    assert window.visit(with_formula.as_uri()).locator("mjx-container mjx-c").count() > 0
    tab = window.visit((built / "search.html").as_uri() + "?q=lipschitz")
    tab.wait_for_selector("#search-results li a")
    assert window.foreign == []


def test_search_finds_a_word_of_the_book(new_window, first):
    tab = new_window().visit(first)
    tab.keyboard.press("Control+k")
    tab.fill("dialog#pst-search-dialog input[name=q]", "lipschitz")
    tab.keyboard.press("Enter")
    tab.wait_for_url("**/search.html?q=lipschitz*")
    tab.wait_for_selector("#search-results li a")
    href = tab.locator("#search-results li a").first.get_attribute("href")
    assert tab.request.get(urljoin(tab.url, href)).ok


def test_wrong_address_at_any_depth_shows_a_page_whose_links_work(new_window, address):
    window = new_window()
    tab = window.visit("no/such/folder/page.html")
    assert tab.locator("h1").inner_text().strip("#") == "Page not found"
    assert [error for error in window.errors if "no/such/folder" not in error] == []
    assert (
        tab.evaluate("getComputedStyle(document.querySelector('.bd-article')).maxWidth") != "none"
    ), "the page has lost its style sheets"
    links = set(
        tab.evaluate(
            "[...document.querySelectorAll('a[href], form[action]')].map((link) => link.href || "
            "link.action)"
        )
    )
    inside = {link.split("#")[0] for link in links if link.startswith(address)} - {tab.url}
    assert len(inside) > 2
    assert [link for link in inside if not tab.request.get(link).ok] == []


def test_downloaded_notebook_says_first_what_it_needs(chapter, built):
    if not chapter:
        pytest.skip("no chapter is built")
    button = re.search(
        r"<a[^>]*\bbtn-download-source-button\b[^>]*>",
        (built / chapter).read_text(encoding="utf-8"),
    )[0]
    link = re.search(r'href="([^"]+\.ipynb)"', button)[1]
    notebook = json.loads((built / urljoin(chapter, link)).read_text(encoding="utf-8"))
    opening = "".join(notebook["cells"][0]["source"])
    assert notebook["cells"][0]["cell_type"] == "markdown"
    assert all(word in opening for word in ("Python 3.11", "lawrob-utils", "pip install"))
    code = "\n".join(
        "".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == "code"
    )
    assert "[train]" in opening or "import torch" not in code
    assert len({cell["id"] for cell in notebook["cells"]}) == len(notebook["cells"])


def test_chosen_colours_are_kept_from_page_to_page(new_window, first):
    window = new_window()
    tab = window.visit(first)
    for _ in range(3):
        if tab.evaluate("document.documentElement.dataset.mode") == "dark":
            break
        tab.click(".bd-header-article .theme-switch-button")
    assert tab.evaluate("document.documentElement.dataset.theme") == "dark"
    assert window.visit("search.html").evaluate("document.documentElement.dataset.theme") == "dark"
