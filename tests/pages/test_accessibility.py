"""axe finds no violation of WCAG 2.1 A and AA: light and dark, wide and narrow, with all that is
folded opened."""

import pytest
from conftest import COLOURS, EVERYTHING, LIGHTEN, ONE_OF_EACH_COLOUR, STRUCTURE, run_axe


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_page_passes_axe(page, scheme, look):
    facts = look(page)["desk" if scheme == "light" else "dark"]
    assert facts["theme"] == scheme
    assert facts["folded"] == 0
    assert facts["formula_colours"] == 0
    assert look(page)["axe"][scheme] == []


def test_every_formula_is_there_for_screen_readers(chapter, look):
    facts = look(chapter)["desk"]
    assert facts["formulas_drawn"] == facts["formulas_spoken"] > 0


def test_page_of_each_kind_passes_axe_on_a_phone(kind, look):
    assert look(kind)["axe"]["phone"] == []


def test_axe_sees_a_pale_word_among_others_of_its_kind_and_a_picture_without_a_text(
    new_window, first
):
    """What is left out before axe looks does not hide a fault: a word of its own colour, a picture,
    in the light and in the dark."""
    window = new_window()
    tab = window.visit(first)
    tab.evaluate(
        """() => {
            const add = (element, html) => element.insertAdjacentHTML('beforeend', html);
            add(document.querySelectorAll('.bd-article p')[1],
                '<span>as it is</span><span style="color: #999">pale</span>');
            add(document.querySelector('.bd-article'), '<img src="data:,">');
        }"""
    )
    tab.evaluate(LIGHTEN)
    assert any(fault.startswith("image-alt") for fault in run_axe(tab, STRUCTURE))
    tab.evaluate(ONE_OF_EACH_COLOUR)
    faults = run_axe(tab, COLOURS)
    assert len(faults) == 1 and "2.8" in faults[0]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_menu_on_a_phone_passes_axe(scheme, new_window, first):
    tab = new_window(width=390, dark=scheme == "dark").visit(first)
    tab.locator(".primary-toggle").locator("visible=true").first.click()
    assert tab.locator("#pst-primary-sidebar-modal a").first.is_visible()
    assert run_axe(tab, EVERYTHING) == []
