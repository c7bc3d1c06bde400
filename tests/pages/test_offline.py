"""Pages ask no other host for anything, and work without a network: formulas, search, icons, downloads, the page for wrong addresses."""

import json
from urllib.parse import urljoin

import pytest


def test_page_asks_no_other_host_and_loads_without_error(page, window, visit):
    context = window()
    visit(context, page)
    assert context.foreign == []
    assert context.errors == []


def test_every_formula_is_typeset_without_a_network(content_page, built, window, visit):
    source = (built / content_page).read_text(encoding="utf-8")
    written = source.count('class="math notranslate')
    if not written:
        pytest.skip("no formula on this page")
    tab = visit(window(), content_page)
    shown = tab.evaluate(
        """() => [...document.querySelectorAll('.math.notranslate')].map((box) => {
            const math = box.querySelector('mjx-container mjx-math');
            return math !== null && math.textContent !== undefined && math.querySelector('mjx-c, mjx-utext') !== null;
        })"""
    )
    assert len(shown) == written
    assert all(shown), f"{shown.count(False)} of {written} formulas are not typeset"
    assert tab.locator("mjx-merror, [data-mjx-error]").count() == 0
    loaded = tab.evaluate("[...document.fonts].filter((font) => font.family.includes('MJX') && font.status === 'loaded').length")
    assert loaded > 0, "formulas are shown without their fonts"


def test_formulas_and_search_work_from_a_folder_without_a_server(built, window, visit):
    context = window(fresh=True)
    formula_pages = [path for path in sorted(built.glob("*/*.html")) if 'class="math notranslate' in path.read_text(encoding="utf-8")]
    if formula_pages:
        tab = visit(context, formula_pages[0].as_uri())
        assert tab.locator("mjx-container mjx-c").count() > 0
    tab = visit(context, (built / "search.html").as_uri() + "?q=lipschitz")
    tab.wait_for_selector("#search-results li a")
    assert context.foreign == []


def test_search_finds_a_word_of_the_book(window, visit, address, first):
    tab = visit(window(), first)
    tab.keyboard.press("Control+k")
    tab.fill("dialog#pst-search-dialog input[name=q]", "lipschitz")
    tab.keyboard.press("Enter")
    tab.wait_for_url("**/search.html?q=lipschitz*")
    tab.wait_for_selector("#search-results li a")
    href = tab.locator("#search-results li a").first.get_attribute("href")
    assert tab.request.get(urljoin(tab.url, href)).ok


def test_every_icon_button_shows_an_icon(page, window, visit):
    for width in (1280, 390):
        tab = visit(window(width), page)
        icons = tab.evaluate(
            """() => [...document.querySelectorAll('i[class*=fa-], span[class*=fa-]')].filter((icon) => icon.checkVisibility()).map((icon) => {
                const style = getComputedStyle(icon), box = icon.getBoundingClientRect();
                return {name: icon.className, drawn: style.maskImage.startsWith('url("data:image/svg'), width: box.width, height: box.height};
            })"""
        )
        assert icons
        assert [icon for icon in icons if not icon["drawn"] or icon["width"] < 8 or icon["height"] < 8] == []


def test_wrong_address_at_any_depth_shows_a_page_whose_links_work(window, visit, address):
    context = window(fresh=True)
    tab = visit(context, "no/such/folder/page.html")
    assert tab.locator("h1").inner_text().strip("#") == "Page not found"
    assert [error for error in context.errors if "no/such/folder" not in error] == []
    assert tab.evaluate("getComputedStyle(document.querySelector('.bd-article')).maxWidth") != "none", "the page has lost its style sheets"
    links = set(tab.evaluate("[...document.querySelectorAll('a[href], form[action]')].map((link) => link.href || link.action)"))
    inside = {link.split("#")[0] for link in links if link.startswith(address)} - {tab.url}
    assert len(inside) > 2
    assert [link for link in inside if not tab.request.get(link).ok] == []


def test_downloaded_notebook_says_first_what_it_needs(chapter, built, window, visit):
    if not chapter:
        pytest.skip("no chapter is built")
    tab = visit(window(), chapter)
    link = tab.locator("a.btn-download-source-button").get_attribute("href")
    assert link.endswith(".ipynb")
    answer = tab.request.get(urljoin(tab.url, link))
    assert answer.ok
    notebook = json.loads(answer.text())
    first = "".join(notebook["cells"][0]["source"])
    assert notebook["cells"][0]["cell_type"] == "markdown"
    assert "Python 3.11" in first and "lawrob-utils" in first and "pip install" in first
    code = "".join("".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == "code")
    assert ("[train]" in first) == ("torch" in code or "networks" in code or "attacks" in code)
    assert len({cell["id"] for cell in notebook["cells"]}) == len(notebook["cells"])


def test_chosen_colours_are_kept_from_page_to_page(window, visit, first):
    context = window(fresh=True)
    tab = visit(context, first)
    for _ in range(3):
        if tab.evaluate("document.documentElement.dataset.mode") == "dark":
            break
        tab.click(".bd-header-article .theme-switch-button")
    assert tab.evaluate("document.documentElement.dataset.theme") == "dark"
    tab = visit(context, "search.html")
    assert tab.evaluate("document.documentElement.dataset.theme") == "dark"
