"""What a page weighs when it is loaded for the first time: text as gzip -9 makes it, fonts and
pictures as they are."""

import pytest

BUDGET = 450_000  # bytes, for a page without the figures of its own cells


def test_chapter_is_within_its_budget(chapter, look, address, record_property):
    if not chapter:
        pytest.skip("no chapter is built")
    found = look(chapter)["weights"]
    frame = {
        url.removeprefix(address): size for url, size in found.items() if "/_images/" not in url
    }
    record_property("weight", sum(frame.values()))
    heaviest = sorted(frame.items(), key=lambda item: -item[1])[:6]
    print(
        f"{chapter}: {sum(frame.values()) / 1000:.0f} kB, with its figures "
        f"{sum(found.values()) / 1000:.0f} kB; heaviest {heaviest}"
    )
    assert sum(frame.values()) <= BUDGET, heaviest


def test_figures_are_at_most_60_kB_each(built):
    heavy = {
        path.name: path.stat().st_size
        for path in (built / "_images").glob("*")
        if path.stat().st_size > 60_000
    }
    assert heavy == {}


def test_site_carries_no_source_maps_and_no_icon_font(built):
    names = [path.name.lower() for path in built.rglob("*") if path.is_file()]
    assert [
        name
        for name in names
        if name.endswith(".map") or name.startswith("fa-") or "fontawesome" in name
    ] == []
