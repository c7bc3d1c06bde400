"""Pages read well on a phone, on a desk, in the dark and on paper."""

import re

PHONE = 390


def test_phone_needs_no_sideways_scroll_of_the_page(page, look):
    facts = look(page)["phone"]
    assert facts["page_width"] <= PHONE
    assert facts["sticking_out"] == []


def test_what_scrolls_sideways_can_be_reached_with_the_keyboard(page, look):
    for width in ("phone", "desk"):
        assert look(page)[width]["unreachable"] == []


def test_long_formula_scrolls_in_its_box(new_window, first):
    """A formula wider than a phone, put into a page, stays inside the column and can be scrolled to
    its end."""
    window = new_window(width=PHONE)
    tab = window.visit(first)
    tab.evaluate(
        """async () => {
            const terms = Array.from({length: 30}, (_, i) => 'x_{' + i + '}').join('+');
            document.querySelector('.bd-article').insertAdjacentHTML('beforeend',
                '<div class="math" id="long">\\\\[' + terms + '\\\\]</div>' +
                '<p>and <span class="math" id="inline">\\\\(' + terms +
                '\\\\)</span> in a line</p>');
            await MathJax.typesetPromise(
                ['long', 'inline'].map((id) => document.getElementById(id)));
            window.dispatchEvent(new Event('resize'));
        }"""
    )
    window.settle()
    assert tab.evaluate("document.documentElement.scrollWidth") <= PHONE
    for box in ("#long mjx-container", "#inline"):
        inner, outer, stop = tab.evaluate(
            "(box) => { const e = document.querySelector(box); return [e.scrollWidth, "
            "e.clientWidth, e.tabIndex]; }",
            box,
        )
        assert inner > outer + 100 and outer <= PHONE and stop == 0


def test_one_search_field_is_shown(page, look):
    for width in ("desk", "phone"):
        own = 1 if page == "search.html" else 0  # the search page has the large field besides
        assert look(page)[width]["search_fields"] == 1 + own


def test_menu_opens_on_a_phone_and_leads_to_another_page(new_window, first):
    tab = new_window(width=PHONE).visit(first)
    tab.locator(".primary-toggle").locator("visible=true").first.click()
    tab.locator("#pst-primary-sidebar-modal nav.bd-links li:not(.current) > a").locator(
        "visible=true"
    ).first.click()
    tab.wait_for_url(lambda url: first not in url)


def test_lines_are_neither_too_long_nor_too_small(content_page, look):
    for width in ("desk", "phone"):
        lines = look(content_page)[width]["lines"]
        assert max((line["em"] for line in lines), default=40) <= 50, (
            "a line longer than 50 em (about 100 characters)"
        )
        assert min((line["size"] for line in lines), default=16) >= 15


def test_words_in_tables_stay_whole_on_a_phone(content_page, look):
    assert look(content_page)["phone"]["broken_words"] == []


def test_figures_in_the_dark_are_turned_over_unless_their_colours_matter(content_page, look):
    for figure in look(content_page)["dark"]["figures"]:
        assert figure["filter"] == ("none" if figure["keeps"] else "invert(1) hue-rotate(180deg)")
        assert figure["opacity"] == "1"


def test_dark_page_does_not_flash_white_and_a_page_without_scripts_is_light_throughout(
    built, browser, address, first
):
    with browser.new_context(color_scheme="dark", java_script_enabled=False) as context:
        tab = context.new_page()
        tab.goto(address + first)
        assert tab.locator("html").get_attribute("data-theme") == "light"
    head = (built / first).read_text(encoding="utf-8").split("</head>")[0]
    assert re.search(r"<script>\s*\(function.*prefers-color-scheme", head, re.S), (
        "the theme must be chosen before the page is drawn"
    )


def test_paper_shows_the_text_and_no_controls(chapter, look):
    assert look(chapter)["paper"] == {"title": True, "controls": []}
