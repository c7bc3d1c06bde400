"""Pages read well on a phone, on a desk, in the dark and on paper."""

import re

import pytest

PHONE = 390

# Elements that stick out of the window although no box around them scrolls (or hides what is for screen readers only).
STICKING_OUT = """(width) => {
    const clipped = (element) => {
        for (let box = element.parentElement; box && box !== document.body; box = box.parentElement)
            if (['auto', 'scroll', 'hidden', 'clip'].includes(getComputedStyle(box).overflowX)) return true;
        return false;
    };
    return [...document.querySelectorAll('main *')]
        .filter((element) => element.checkVisibility() && element.getBoundingClientRect().right > width + 1 && !clipped(element))
        .map((element) => element.tagName + '.' + element.className).slice(0, 5);
}"""

# Boxes that scroll sideways and cannot be reached with the keyboard.
UNREACHABLE = """() => [...document.querySelectorAll('main *')]
    .filter((box) => box.checkVisibility() && ['auto', 'scroll'].includes(getComputedStyle(box).overflowX) && box.scrollWidth > box.clientWidth + 1)
    .filter((box) => box.tabIndex < 0 && !box.querySelector('[tabindex="0"], a[href], button'))
    .map((box) => box.tagName + '.' + box.className).slice(0, 5)"""


def test_phone_needs_no_sideways_scroll_of_the_page(page, window, visit):
    tab = visit(window(PHONE), page)
    tab.evaluate("document.querySelectorAll('details').forEach((box) => { box.open = true; })")
    assert tab.evaluate("document.documentElement.scrollWidth") <= PHONE
    assert tab.evaluate(STICKING_OUT, PHONE) == []


def test_what_scrolls_sideways_can_be_reached_with_the_keyboard(content_page, window, visit):
    tab = visit(window(PHONE), content_page)
    tab.wait_for_timeout(250)
    assert tab.evaluate(UNREACHABLE) == []


def test_long_formula_scrolls_in_its_box(window, visit, first):
    """A formula wider than a phone, put into a page of the book, stays inside the column and can be scrolled to its end."""
    tab = visit(window(PHONE, fresh=True), first)
    tab.add_script_tag(url=tab.evaluate("document.querySelector('link[href*=\"lawrob.css\"]').href.replace(/lawrob\\.css.*/, 'mathjax/tex-chtml.js')"))
    tab.evaluate(
        """async () => {
            await MathJax.startup.promise;
            const terms = Array.from({length: 30}, (_, i) => 'x_{' + i + '}').join('+');
            document.querySelector('.bd-article').insertAdjacentHTML('beforeend',
                '<div class="math" id="long">\\\\[' + terms + '\\\\]</div><p>and <span class="math" id="inline">\\\\(' + terms + '\\\\)</span> in a line</p>');
            await MathJax.typesetPromise();
            window.dispatchEvent(new Event('resize'));
        }"""
    )
    tab.wait_for_timeout(400)
    assert tab.evaluate("document.documentElement.scrollWidth") <= PHONE
    for box in ("#long mjx-container", "#inline"):
        inner, outer, stop = tab.evaluate("(box) => { const e = document.querySelector(box); return [e.scrollWidth, e.clientWidth, e.tabIndex]; }", box)
        assert inner > outer + 100 and outer <= PHONE and stop == 0


def test_one_search_field_on_a_desk_and_one_on_a_phone(page, window, visit):
    for width in (1280, PHONE):
        tab = visit(window(width), page)
        fields = tab.evaluate("[...document.querySelectorAll('.search-button__button, form.bd-search')].filter((field) => field.checkVisibility()).length")
        assert fields == 1 if not page.endswith("search.html") else fields <= 2


def test_menu_opens_on_a_phone_and_leads_to_another_page(window, visit, first):
    tab = visit(window(PHONE, fresh=True), first)
    tab.click(".bd-header-article .primary-toggle, .bd-header .primary-toggle >> visible=true")
    tab.locator("#pst-primary-sidebar-modal nav.bd-links a:not(.current)").first.click()
    tab.wait_for_load_state()
    assert not tab.url.endswith(first)


def test_lines_are_neither_too_long_nor_too_small(content_page, window, visit):
    tab = visit(window(1920, fresh=False), content_page)
    widths = tab.evaluate(
        """() => [...document.querySelectorAll('.bd-article > section > p')].map((text) => {
            const style = getComputedStyle(text); return [text.clientWidth / parseFloat(style.fontSize), parseFloat(style.fontSize)]; })"""
    )
    if not widths:
        pytest.skip("no paragraph directly under the title")
    assert max(width for width, _ in widths) <= 50, "a line longer than 50 em (about 100 characters)"
    assert min(size for _, size in widths) >= 15


def test_figures_in_the_dark_are_turned_over_unless_their_colours_matter(content_page, window, visit):
    tab = visit(window(dark=True), content_page)
    figures = tab.evaluate(
        """() => [...document.querySelectorAll('.cell_output img')].map((img) => {
            const style = getComputedStyle(img);
            return [img.closest('.cell').className.includes('tag_keep-colo'), style.filter, style.opacity]; })"""
    )
    if not figures:
        pytest.skip("no figure made by a cell")
    for keeps, filtered, opacity in figures:
        assert filtered == ("none" if keeps else "invert(1) hue-rotate(180deg)")
        assert opacity == "1"


def test_background_of_the_page_is_dark_before_the_scripts_have_run(built, browser, address, first):
    """The theme is chosen in the head of the page, so that a dark page never flashes white; without scripts it is light throughout."""
    with browser.new_context(color_scheme="dark", java_script_enabled=False) as context:
        tab = context.new_page()
        tab.goto(address + first)
        assert tab.locator("html").get_attribute("data-theme") == "light"
    head = (built / first).read_text(encoding="utf-8").split("</head>")[0]
    assert re.search(r"<script>\s*\(function.*prefers-color-scheme", head, re.S)


def test_paper_shows_the_text_and_no_controls(content_page, window, visit):
    tab = visit(window(), content_page)
    tab.emulate_media(media="print")
    try:
        assert tab.locator(".bd-article h1").first.is_visible()
        for control in (".bd-sidebar-primary", ".bd-header-article", ".prev-next-footer", ".bd-sidebar-secondary"):
            assert all(not box.is_visible() for box in tab.locator(control).all()), control
        assert tab.evaluate("getComputedStyle(document.body).backgroundColor") in ("rgb(255, 255, 255)", "rgba(0, 0, 0, 0)")
    finally:
        tab.emulate_media(media="screen")
