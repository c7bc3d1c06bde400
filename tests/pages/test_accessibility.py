"""axe finds no violation of WCAG 2.1 A and AA: light and dark, wide and narrow, with all that is folded opened."""

import pytest


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_page_passes_axe(page, scheme, look):
    facts = look(page, dark=scheme == "dark", axe=True)
    assert facts["theme"] == scheme
    assert facts["folded"] == 0
    assert facts["formula_colours"] == 0
    assert facts["axe"] == []


def test_every_formula_is_there_for_screen_readers(chapter, look):
    assert look(chapter)["formulas_drawn"] == look(chapter)["formulas_spoken"] > 0


def test_chapter_passes_axe_on_a_phone(chapter, look):
    assert look(chapter, 390, axe=True)["axe"] == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_menu_on_a_phone_passes_axe(scheme, new_window, axe, first):
    tab = new_window(width=390, dark=scheme == "dark").visit(first)
    tab.locator(".primary-toggle").locator("visible=true").first.click()
    assert tab.locator("#pst-primary-sidebar-modal a").first.is_visible()
    assert axe(tab) == []
