"""What a page weighs when it is loaded for the first time: text as gzip -9 makes it, fonts and pictures as they are."""

import gzip

import pytest

BUDGET = 450_000  # bytes, for a page without the figures of its own cells
PACKED = ("text/", "javascript", "json", "svg", "xml")


def weights(browser, url: str) -> dict[str, int]:
    """Bytes per address that a cold browser loads for `url`."""
    with browser.new_context(viewport={"width": 1280, "height": 900}) as context:
        tab, answers = context.new_page(), []
        tab.on("response", lambda answer: answers.append(answer))
        tab.goto(url, wait_until="load")
        tab.evaluate("async () => { if (window.MathJax?.startup?.promise) await MathJax.startup.promise; await document.fonts.ready; }")
        tab.wait_for_load_state("networkidle")
        found = {}
        for answer in answers:
            if answer.url.startswith("data:") or answer.status != 200:
                continue
            body, kind = answer.body(), answer.headers.get("content-type", "")
            found[answer.url] = len(gzip.compress(body, 9, mtime=0)) if any(word in kind for word in PACKED) else len(body)
        return found


def test_chapter_is_within_its_budget(chapter, browser, address, record_property):
    if not chapter:
        pytest.skip("no chapter is built")
    found = weights(browser, address + chapter)
    frame = {url.removeprefix(address): size for url, size in found.items() if "/_images/" not in url}
    record_property("weight", sum(frame.values()))
    heaviest = sorted(frame.items(), key=lambda item: -item[1])[:6]
    print(f"{chapter}: {sum(frame.values()) / 1000:.0f} kB, with its figures {sum(found.values()) / 1000:.0f} kB; heaviest {heaviest}")
    assert sum(frame.values()) <= BUDGET, heaviest


def test_figures_are_at_most_60_kB_each(built):
    heavy = {path.name: path.stat().st_size for path in (built / "_images").glob("*") if path.stat().st_size > 60_000}
    assert heavy == {}


def test_site_carries_no_source_maps_and_no_icon_font(built):
    names = [path.name.lower() for path in built.rglob("*") if path.is_file()]
    assert [name for name in names if name.endswith(".map") or name.startswith("fa-") or "fontawesome" in name] == []
