"""axe finds no violation of WCAG 2.1 A and AA: every page, light and dark, with what is folded opened, wide and narrow."""

import pytest

AXE = pytest.importorskip("axe_playwright_python.sync_playwright")
RULES = {"runOnly": {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"]}, "resultTypes": ["violations"]}
OPEN_ALL = """() => {
    document.querySelectorAll('details').forEach((box) => { box.open = true; });
    document.querySelectorAll('button.toggle-button-hidden').forEach((button) => button.click());
}"""


@pytest.fixture(scope="module")
def axe():
    return AXE.Axe()


def violations(axe, tab) -> list[str]:
    found = axe.run(tab, options=RULES).response["violations"]
    return [f"{item['id']}: {node['target']} {node.get('failureSummary', '')[:200]}" for item in found for node in item["nodes"][:5]]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_page_passes_axe(page, scheme, axe, window, visit):
    tab = visit(window(dark=scheme == "dark"), page)
    assert tab.evaluate("document.documentElement.dataset.theme") == scheme
    tab.evaluate(OPEN_ALL)
    assert tab.locator(".toggle-button-hidden").count() == 0
    assert violations(axe, tab) == []


def test_page_passes_axe_on_a_phone(content_page, axe, window, visit):
    tab = visit(window(390), content_page)
    tab.evaluate(OPEN_ALL)
    tab.wait_for_timeout(250)  # boxes that scroll get their tab stop after the page has settled
    assert violations(axe, tab) == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_menu_on_a_phone_passes_axe(scheme, axe, window, visit, first):
    tab = visit(window(390, dark=scheme == "dark"), first)
    tab.click(".bd-header-article .primary-toggle, .bd-header .primary-toggle >> visible=true")
    assert tab.locator("#pst-primary-sidebar-modal a").first.is_visible()
    assert violations(axe, tab) == []
