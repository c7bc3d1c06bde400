"""The built book, served from this machine, and one browser for all page tests.

Where the book is not built, or no browser is installed, these tests are skipped with the reason; where CI is set they fail instead.
"""

import functools
import http.server
import os
import re
import shutil
import threading
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SITE = Path(os.environ.get("LAWROB_SITE", ROOT / "_build" / "html"))
FLAGS = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"]  # fmt: skip


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
    return sorted(name for path in SITE.rglob("*.html") if (name := path.relative_to(SITE).as_posix()) not in hidden and not name.startswith("_static"))


def content_pages() -> list[str]:
    """Pages that were written, as opposed to the search page, the index and the page for wrong addresses."""
    return [name for name in page_names() if "/" in name]


def chapters() -> list[str]:
    return [name for name in page_names() if name.startswith("notebooks/")]


def pytest_generate_tests(metafunc):
    """`page`, `content_page` and `chapter` run over the pages there are; with none, the test asks for the site, which says why."""
    for argument, names in (("page", page_names), ("content_page", content_pages), ("chapter", chapters)):
        if argument in metafunc.fixturenames:
            metafunc.parametrize(argument, names() or [pytest.param("", id="none")])


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
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(built)))
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
    program = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if program is None:
        missing("no browser: install Debian's chromium (apt-get install chromium)")
    with sync_api.sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=program, args=FLAGS)
        yield chromium
        chromium.close()


@pytest.fixture(scope="session")
def window(browser):
    """Makes windows: `window(width=1280, dark=False)`, one of each kind.

    Requests to any other host are refused and remembered in `.foreign`; errors of scripts and of loading in `.errors`.
    """
    made = {}

    def make(width=1280, dark=False, fresh=False):
        if (width, dark) in made and not fresh:
            return made[width, dark]
        context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme="dark" if dark else "light", reduced_motion="reduce")
        context.set_default_timeout(15_000)
        context.foreign, context.errors = [], []

        def guard(route):
            url = route.request.url
            if url.startswith(("http://127.0.0.1:", "data:", "blob:", "file:")):
                return route.continue_()
            context.foreign.append(url)
            route.abort()

        context.route("**/*", guard)
        tab = context.new_page()
        tab.on("pageerror", lambda error: context.errors.append(str(error)))
        tab.on("requestfailed", lambda request: context.errors.append(f"not loaded: {request.url}"))
        tab.on("response", lambda answer: context.errors.append(f"{answer.status}: {answer.url}") if answer.status >= 400 else None)
        made[(width, dark) if not fresh else object()] = context
        return context

    yield make
    for context in made.values():
        context.close()


@pytest.fixture(scope="session")
def visit(address):
    """`visit(context, page)`: the tab that shows the page, its formulas typeset and its fonts loaded."""

    def go(context, page):
        context.foreign.clear()
        context.errors.clear()
        tab = context.pages[0]
        tab.goto(page if "://" in page else address + page, wait_until="load")
        tab.evaluate("async () => { if (window.MathJax?.startup?.promise) await MathJax.startup.promise; await document.fonts.ready; }")
        return tab

    return go
