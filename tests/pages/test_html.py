"""The built pages as files: links lead somewhere, pictures are described, headings and ids are in order."""

import re
from collections import Counter
from datetime import date
from html.parser import HTMLParser
from urllib.parse import unquote, urldefrag, urljoin, urlsplit

import pytest

VOID = {
    "area",
    "base",
    "br",
    "col",
    "embed",
    "hr",
    "img",
    "input",
    "link",
    "meta",
    "source",
    "track",
    "wbr",
}


class Page(HTMLParser):
    """Collects of one page: links, ids, pictures, headings, and the text that is neither code nor formula."""

    def __init__(self, text: str):
        super().__init__()
        self.links, self.ids, self.pictures, self.headings, self.words, self.loaded = (
            [],
            [],
            [],
            [],
            [],
            [],
        )
        self._open = []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        found = dict(attributes)
        if tag not in VOID:
            self._open.append((tag, found.get("class") or ""))
        if "id" in found:
            self.ids.append(found["id"])
        if tag == "a" and found.get("href"):
            self.links.append(found["href"])
        if tag == "img":
            self.pictures.append(found)
        if tag in ("img", "script", "iframe") and found.get("src"):
            self.loaded.append(found["src"])
        if (
            tag == "link"
            and found.get("href")
            and found.get("rel") not in ("canonical", "next", "prev", "index", "search")
        ):
            self.loaded.append(found["href"])
        if tag in {"h1", "h2", "h3", "h4", "h5", "h6"}:
            self.headings.append(int(tag[1]))

    def handle_endtag(self, tag):
        for place in range(len(self._open) - 1, -1, -1):
            if self._open[place][0] == tag:
                del self._open[place:]
                return

    def handle_data(self, data):
        inside = {tag for tag, _ in self._open}
        classes = " ".join(name for _, name in self._open)
        if (
            "article" in inside
            and not inside & {"script", "style", "pre", "code"}
            and "math" not in classes
        ):
            self.words.append(data)


@pytest.fixture(scope="session")
def pages(built):
    """Every page, parsed once."""
    return {
        path.relative_to(built).as_posix(): Page(path.read_text(encoding="utf-8"))
        for path in built.rglob("*.html")
        if "_static" not in path.parts
    }


def test_every_link_inside_the_book_leads_to_a_page_and_a_place_that_exist(page, pages, built):
    broken = []
    for link in pages[page].links:
        if urlsplit(link).scheme or link.startswith("//"):
            continue
        target, place = urldefrag(urljoin("/" + page, link))
        target = unquote(target).lstrip("/") or "index.html"
        if not (built / target).is_file():
            broken.append(link)
        elif place and target in pages and unquote(place) not in pages[target].ids:
            broken.append(link)
    assert broken == []


def test_page_loads_only_files_of_the_site(page, pages, built):
    for source in pages[page].loaded:
        assert not urlsplit(source).scheme.startswith("http") and not source.startswith("//"), (
            source
        )
        if not source.startswith("data:"):
            assert (
                built / unquote(urlsplit(urljoin("/" + page, source)).path).lstrip("/")
            ).is_file(), source


def test_every_picture_is_described_in_words(page, pages):
    for picture in pages[page].pictures:
        words = picture.get("alt") or ""
        assert len(words.split()) >= 3, f"{picture.get('src')} is described as {words!r}"
        assert not re.search(r"[0-9a-f]{16}|\.(png|svg|jpe?g)\b|_images/", words), words


def test_page_has_one_title_and_no_heading_level_is_left_out(page, pages):
    levels = pages[page].headings
    assert levels.count(1) == 1 and levels[0] == 1
    assert all(after <= before + 1 for before, after in zip(levels, levels[1:], strict=False))


def test_no_id_occurs_twice(page, pages):
    assert [name for name, times in Counter(pages[page].ids).items() if times > 1] == []


def test_no_mark_up_is_left_in_the_text(content_page, pages):
    """A dollar sign, a role or a fence in the text means that a formula, a link or a box was not understood."""
    text = " ".join(pages[content_page].words)
    left = re.findall(r".{0,30}(?:\$[^\s\d]|\\\(|:::|\{[a-z:]+\}`|\[@).{0,30}", text)
    assert left == []


def test_previous_and_next_lead_through_the_whole_book(pages, built, first):
    seen, here = [], first
    while here:
        seen.append(here)
        source = (built / here).read_text(encoding="utf-8")
        onward = re.search(r'class="right-next"\s+href="([^"]+)"', source)
        if len(seen) > 1:
            back = re.search(r'class="left-prev"\s+href="([^"]+)"', source)[1]
            assert urljoin(here, back) == seen[-2]
        here = urljoin(here, onward[1]) if onward else None
    written = {name for name in pages if "/" in name}
    assert set(seen) == written and len(seen) == len(written)


def test_footer_names_version_date_and_the_right_years(page, built):
    source = (built / page).read_text(encoding="utf-8")
    footer = re.search(r'<p class="book-footer"[^>]*>(.*?)</p>', source, re.S)[1]
    assert re.search(r"version \d+\.\d+", footer)
    year = int(re.search(r"built \d{1,2} [A-Z][a-z]+ (\d{4})", footer)[1])
    assert 2026 <= year <= date.today().year
    assert re.search(r"©\s*(2026–)?" + str(year), footer)


def test_no_button_or_link_needs_an_address_that_is_not_set(page, pages, built):
    """Outside links are citations and licences; while the repository has no address nothing points to one."""
    source = (built / page).read_text(encoding="utf-8")
    if 'data-repository=""' not in source:
        pytest.skip("the repository's address is set")
    assert not re.search(r"btn-source-|launch-buttons|colab|mybinder|executablebooks", source)
    assert not {"", "None", "javascript:void(0)"} & set(pages[page].links)
