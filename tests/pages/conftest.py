"""The built book, served from this machine, and one browser for all page tests.

Where the book is not built, or no browser is installed, these tests are skipped with the reason; where CI is set they fail instead.
"""

import functools
import gzip
import http.server
import os
import re
import shutil
import threading
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SITE = Path(os.environ.get("LAWROB_SITE", ROOT / "_build" / "html"))
FLAGS = [
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
]  # fmt: skip


def missing(reason: str):
    """Skip, except in CI, where a missing build or browser is a failure."""
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)


def site() -> Path:
    if not (SITE / "index.html").is_file():
        missing("the book is not built: run `make book` first")
    return SITE


def page_names() -> list[str]:
    """Every page of the book, as a path below the site; empty when nothing is built."""
    hidden = {"index.html"}  # redirects to the first page
    return sorted(
        name
        for path in SITE.rglob("*.html")
        if (name := path.relative_to(SITE).as_posix()) not in hidden
        and not name.startswith("_static")
    )


def content_pages() -> list[str]:
    """Pages that were written, as opposed to the search page, the index and the page for wrong addresses."""
    return [name for name in page_names() if "/" in name]


def chapters() -> list[str]:
    return [name for name in page_names() if name.startswith("notebooks/")]


def one_of_each_kind() -> list[str]:
    """The longest page of each folder, and those that stand alone: pages of a kind have one frame and one style sheet."""
    kinds = {}
    for name in sorted(page_names(), key=lambda name: (SITE / name).stat().st_size):
        kinds[name.rpartition("/")[0] or name] = name
    return list(kinds.values())


def pytest_generate_tests(metafunc):
    """`page`, `content_page`, `chapter` and `kind` run over the pages there are; with none, the test asks for the site, which says why."""
    for argument, names in (
        ("page", page_names),
        ("content_page", content_pages),
        ("chapter", chapters),
        ("kind", one_of_each_kind),
    ):
        if argument in metafunc.fixturenames:
            metafunc.parametrize(argument, names() or [pytest.param("", id="none")])


@pytest.hookimpl(tryfirst=True)  # before xdist looks for the groups
def pytest_collection_modifyitems(items):
    """With `--dist loadgroup` the tests of one page go to one process, which reads the page once; so do
    those of any other file, but for the chapters of tests/test_changed_numbers.py, which have nothing
    in common."""
    names = "page", "content_page", "chapter", "kind"
    for item in items:
        values = item.callspec.params if hasattr(item, "callspec") else {}
        split = item.path.parent.name == "pages" or item.path.name == "test_changed_numbers.py"
        pages = [values[key] for key in names if key in values]
        group = pages[0] if split and pages else item.path
        item.add_marker(pytest.mark.xdist_group(name=str(group)))


@pytest.fixture(scope="session")
def built() -> Path:
    return site()


@pytest.fixture(scope="session")
def first(built) -> str:
    """The page that index.html leads to."""
    return re.search(r"url=([^\"]+)\"", (built / "index.html").read_text(encoding="utf-8"))[1]


class Quiet(http.server.SimpleHTTPRequestHandler):
    """Serves the site as hosts for static pages do: an unknown address gets 404.html."""

    def log_message(self, *args):
        pass

    def send_error(self, code, message=None, explain=None):
        if code != 404:
            return super().send_error(code, message, explain)
        body = (Path(self.directory) / "404.html").read_bytes()
        self.send_response(404)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


@pytest.fixture(scope="session")
def address(built):
    """The address of the served site, ending in a slash."""
    server = http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), functools.partial(Quiet, directory=str(built))
    )
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="session")
def browser(built):
    try:
        from playwright import sync_api
    except ModuleNotFoundError:
        missing("playwright is not installed: the package's extra `test` has it")
    program = next(
        filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
    )
    if program is None:
        missing("no browser: install Debian's chromium (apt-get install chromium)")
    with sync_api.sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=program, args=FLAGS)
        yield chromium
        chromium.close()


# Opens all that is folded.
OPEN = """() => {
    document.querySelectorAll('details').forEach((box) => { box.open = true; });
    document.querySelectorAll('button.toggle-button-hidden').forEach((button) => button.click());
}"""

# What is read off a page once it has settled; the tests judge it.
FACTS = """() => {
    const seen = (element) => element.checkVisibility({visibilityProperty: true, opacityProperty: true});
    const name = (element) => element.tagName.toLowerCase() + '.' + element.className;
    const scrolls = (box) => ['auto', 'scroll'].includes(getComputedStyle(box).overflowX);
    const clips = (box) => scrolls(box) || ['hidden', 'clip'].includes(getComputedStyle(box).overflowX);
    const clipped = (element) => {
        for (let box = element.parentElement; box && box !== document.body; box = box.parentElement) if (clips(box)) return true;
        return false;
    };
    const all = (selector) => [...document.querySelectorAll(selector)];
    const inside = all('main *:not(mjx-container *, pre *, svg *)').filter(seen);
    return {
        theme: document.documentElement.dataset.theme,
        formulas: all('.math.notranslate').map((box) => box.querySelector('mjx-container mjx-math :is(mjx-c, mjx-utext)') !== null),
        formulas_drawn: all('mjx-math[aria-hidden=true]').length,
        formulas_spoken: all('mjx-assistive-mml > math').length,
        formula_errors: all('mjx-merror, [data-mjx-error]').map((box) => box.textContent),
        formula_fonts: [...document.fonts].filter((font) => font.family.includes('MJX') && font.status === 'loaded').length,
        icons: all('i[class*=fa-], span[class*=fa-]').filter(seen).map((icon) => {
            const style = getComputedStyle(icon), box = icon.getBoundingClientRect();
            return {name: icon.className, drawn: style.maskImage.startsWith('url("data:image/svg'), width: box.width, height: box.height};
        }),
        search_fields: all('.search-button__button, form.bd-search').filter(seen).length,
        page_width: document.documentElement.scrollWidth,
        sticking_out: inside.filter((element) => element.getBoundingClientRect().right > innerWidth + 1 && !clipped(element)).map(name),
        unreachable: inside.filter((box) => scrolls(box) && box.scrollWidth > box.clientWidth + 1 && box.tabIndex < 0
            && !box.querySelector('[tabindex="0"], a[href], button')).map(name),
        broken_words: all('.bd-article :is(td, th)').filter(seen).flatMap((cell) => {
            const texts = document.createTreeWalker(cell, NodeFilter.SHOW_TEXT), range = document.createRange(), broken = [];
            for (let text; (text = texts.nextNode());) for (const word of text.data.matchAll(/[a-z]{2,12}/gi)) {
                range.setStart(text, word.index);
                range.setEnd(text, word.index + word[0].length);
                if (new Set([...range.getClientRects()].map((box) => Math.round(box.top))).size > 1) broken.push(word[0]);
            }
            return broken;
        }),
        lines: all('.bd-article > section > p').filter(seen).map((text) => {
            const size = parseFloat(getComputedStyle(text).fontSize);
            return {em: text.clientWidth / size, size};
        }),
        figures: all('.cell_output img').map((img) => {
            const style = getComputedStyle(img);
            return {keeps: /tag_keep-colou?rs/.test(img.closest('.cell').className), filter: style.filter, opacity: style.opacity};
        }),
        formula_colours: all('.math.notranslate mjx-math').filter(
            (math) => getComputedStyle(math).color !== getComputedStyle(math.closest('.math').parentElement).color).length,
        folded: all('.toggle-button-hidden, details:not([open])').length,
    };
}"""


# What a printer would show.
PAPER = """() => {
    const seen = (selector) => [...document.querySelectorAll(selector)].some((box) => box.checkVisibility());
    return {title: seen('.bd-article h1'), controls: ['.bd-sidebar-primary', '.bd-header-article', '.prev-next-footer', '.bd-sidebar-secondary'].filter(seen)};
}"""

# Before axe looks: the glyphs of a formula, tens of thousands in a chapter, are hidden from screen
# readers, who get MathML, and have the colour of the text (`formula_colours`): they give way to
# empty boxes of their size, and MathML to its text. A word of code has the colour of its class: of
# each class in each kind of box one stays a box of its own.
LIGHTEN = """() => {
    const boxes = [...document.querySelectorAll('mjx-math')].map((math) => [math, math.getBoundingClientRect()]);
    for (const [math, box] of boxes) {
        math.replaceChildren();
        Object.assign(math.style, {display: 'inline-block', width: box.width + 'px', height: box.height + 'px'});
    }
    document.querySelectorAll('mjx-assistive-mml > math').forEach((math) => { math.textContent = math.textContent; });
    const known = new Set();
    for (const word of document.querySelectorAll('pre span')) {
        if (word.children.length || word.id || word.hasAttribute('style')) continue;
        let kind = '';
        for (let box = word; box && box !== document.body; box = box.parentElement) kind += `${box.tagName}.${box.className}/`;
        if (known.has(kind)) word.replaceWith(word.textContent); else known.add(kind);
    }
}"""

# Text gets its colour and its ground from the style sheets and the classes around it: of each kind one
# is kept, for the measuring of contrasts, and of each kind of link one with the text that it stands in.
# What a page before it has shown is known (the window's storage remembers it): answers how many are new.
ONE_OF_EACH_COLOUR = r"""() => {
    const kinds = JSON.parse(sessionStorage.kinds || '{}'), known = new Set(JSON.parse(sessionStorage.known || '[]'));
    const kept = new Set(), found = new Map(), before = known.size;
    const number = (text) => kinds[text] ??= Object.keys(kinds).length;
    const sheets = new Set([...document.styleSheets].filter((sheet) => !sheet.ownerNode.id.startsWith('MJX'))
        .map((sheet) => sheet.href || sheet.ownerNode.textContent));
    const root = number([...sheets].sort().join());
    const kind = (box) => {
        if (!box) return root;
        if (box.tagName === 'SECTION' && !box.className) return kind(box.parentElement);
        if (!found.has(box)) {
            const striped = box.tagName === 'TR' ? [...box.parentElement.children].indexOf(box) % 2 : '';
            const classes = (box.getAttribute('class') || '').replace(/tag_claim\S*/g, '');
            const style = (box.getAttribute('style') || '').match(/(color|background|opacity|font)[^;]*/g) || '';
            const own = `${box.tagName}.${classes}${striped}${style}`;
            found.set(box, number(`${kind(box.parentElement)}/${own}`));
        }
        return found.get(box);
    };
    const isNew = (box) => !known.has(kind(box)) && known.add(kind(box));
    document.querySelectorAll('mjx-assistive-mml > math').forEach((math) => math.replaceChildren());
    for (const link of document.querySelectorAll('p a, li a')) if (isNew(link)) kept.add(link).add(link.parentElement);
    for (const box of document.querySelectorAll('body *:not(script, style, svg *)')) {
        const texts = [...box.childNodes].filter((child) => child.nodeType === Node.TEXT_NODE && child.data.trim());
        if (texts.length && !kept.has(box) && !isNew(box)) texts.forEach((text) => text.remove());
    }
    document.querySelectorAll('pre span:empty').forEach((word) => word.remove());
    Object.assign(sessionStorage, {kinds: JSON.stringify(kinds), known: JSON.stringify([...known])});
    return known.size - before;
}"""


PACKED = ("text/", "javascript", "json", "svg", "xml")


@functools.cache
def packed(body: bytes) -> int:
    return len(gzip.compress(body, 9, mtime=0))


class Window:
    """A browser window of one width and colour scheme; requests to other hosts are refused and remembered in `foreign`.

    The browser keeps nothing from one visit to the next (Playwright turns its cache off where requests are filtered).
    """

    def __init__(self, browser, address, width=1280, dark=False):
        self.address = address
        self.context = browser.new_context(
            viewport={"width": width, "height": 900},
            color_scheme="dark" if dark else "light",
            reduced_motion="reduce",
        )
        self.context.set_default_timeout(60_000)
        self.foreign, self.errors, self.answers = [], [], []
        self.tab = self.context.new_page()
        self.context.route(re.compile(r"^(?!http://127\.0\.0\.1:|data:|blob:|file:)"), self._refuse)
        self.tab.on("pageerror", lambda error: self.errors.append(str(error)))
        self.tab.on("response", self._answered)
        self.tab.on("requestfailed", self._failed)

    def _refuse(self, route):
        self.foreign.append(route.request.url)
        route.abort()

    def _answered(self, answer):
        self.answers.append(answer)
        if answer.status >= 400:
            self.errors.append(f"{answer.status}: {answer.url}")

    def _failed(self, request):
        if (
            request.failure != "net::ERR_ABORTED"
        ):  # given up because the tab went on to another page
            self.errors.append(f"not loaded: {request.url}")

    def visit(self, page):
        """The tab, showing `page` (a path of the site or a whole address) with its formulas typeset and its fonts loaded."""
        for seen in (self.foreign, self.errors, self.answers):
            seen.clear()
        self.tab.goto(page if "://" in page else self.address + page, wait_until="load")
        self.tab.evaluate(
            "async () => { if (window.MathJax?.startup?.promise) await MathJax.startup.promise; await document.fonts.ready; }"
        )
        return self.tab

    def weights(self):
        """Bytes per address that this visit has loaded: text as gzip -9 makes it, fonts and pictures as they are."""
        self.tab.wait_for_load_state("networkidle")
        found = {}
        for answer in self.answers:
            if not answer.url.startswith("data:") and answer.status == 200:
                body, kind = answer.body(), answer.headers.get("content-type", "")
                text = any(word in kind for word in PACKED)
                found[answer.url] = packed(body) if text else len(body)
        return found

    def settle(self):
        """Wait until boxes that scroll have got their tab stops: the theme's script waits 300 ms after
        the next frame. The page's own clock is used, so that a busy machine changes nothing."""
        self.tab.evaluate(
            "() => new Promise((done) => requestAnimationFrame(() => setTimeout(done, 350)))"
        )

    def show(self, width=1280, scheme="light"):
        """The page it shows as on a window of this width, for a reader whose system asks for this colour scheme."""
        self.tab.emulate_media(color_scheme=scheme)
        self.tab.wait_for_function(
            "scheme => document.documentElement.dataset.theme === scheme", arg=scheme
        )
        if self.tab.viewport_size["width"] != width:
            self.tab.set_viewport_size({"width": width, "height": 900})
            self.settle()


@pytest.fixture(scope="session")
def new_window(browser, address):
    """`new_window(width=1280, dark=False)`: a window without a past."""
    made = []

    def make(**options):
        made.append(Window(browser, address, **options))
        return made[-1]

    yield make
    for window in made:
        window.context.close()


@pytest.fixture(scope="session")
def look(new_window):
    """`look(page)`: all that the tests ask about a page, from one visit with all that is folded opened.

    `desk`, `dark` and `phone` are the facts at 1280 pixels by day and by night and at 390 pixels; `paper` what a printer would show; `axe` what
    axe finds against WCAG 2.1 A and AA by day, by night and (one page of each kind) on a phone. A chapter is weighed as well.
    """
    window = functools.cache(new_window)

    @functools.cache
    def facts(page):
        if not page:
            missing("the book has no such page yet")
        # From narrow to wide, as each change of the width lays out tens of thousands of glyphs again.
        window().tab.goto("about:blank")
        window().tab.set_viewport_size({"width": 390, "height": 900})
        tab = window().visit(page)
        seen = {"weights": window().weights() if page in chapters() else {}, "axe": {}}
        tab.evaluate(OPEN)
        window().settle()
        seen["phone"] = tab.evaluate(FACTS)
        window().show()
        seen["desk"] = tab.evaluate(FACTS)
        tab.emulate_media(media="print")
        seen["paper"] = tab.evaluate(PAPER)
        tab.emulate_media(media="screen")
        tab.evaluate(LIGHTEN)
        if page in one_of_each_kind():
            window().show(width=390)
            seen["axe"]["phone"] = run_axe(tab, STRUCTURE)
            window().show()
        seen["axe"]["light"] = run_axe(tab, STRUCTURE)
        colours = tab.evaluate(ONE_OF_EACH_COLOUR)
        seen["axe"]["light"] += run_axe(tab, COLOURS) if colours else []
        window().show(scheme="dark")
        seen["dark"] = tab.evaluate(FACTS)
        seen["axe"]["dark"] = run_axe(tab, COLOURS) if colours else []
        window().show()
        return seen | {"foreign": list(window().foreign), "errors": list(window().errors)}

    return facts


WCAG = {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"]}
EVERYTHING = {"runOnly": WCAG}
COLOURS = {"runOnly": {"type": "rule", "values": ["color-contrast", "link-in-text-block"]}}
STRUCTURE = {"runOnly": WCAG, "rules": {"color-contrast": {"enabled": False}}}


def run_axe(tab, rules: dict) -> list[str]:
    """What axe finds on the page as the tab shows it."""
    try:
        from axe_playwright_python.sync_playwright import Axe
    except ModuleNotFoundError:
        missing("axe-playwright-python is not installed: the package's extra `test` has it")
    options = {**rules, "resultTypes": ["violations"], "preload": False}
    return [
        f"{item['id']}: {node['target']} {node.get('failureSummary', '')[:200]}"
        for item in Axe().run(tab, options=options).response["violations"]
        for node in item["nodes"][:5]
    ]
