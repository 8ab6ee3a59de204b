"""A small site, served and lying on disk, and pages that fail on any error or foreign request."""

import os
import shutil
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pytest
from axe_playwright_python.sync_playwright import Axe
from factories import Found, make_result, make_run, write_board, write_submission, write_wide_board
from playwright.sync_api import Browser, BrowserContext, Page, Playwright
from protocol_factory import make_protocol
from unlearning_factory import write_unlearning_board

from bench.leaderboard.building import render_site
from bench.leaderboard.serve import open_server
from bench.protocol import Protocol, load_protocol
from bench.unlearning_protocol import AnyProtocol

CANDIDATES = ("chromium", "chromium-browser", "google-chrome")
HOSTILE = "<script>alert(1)</script>" + "W" * 255

WATCH = """
window.violations = [];
document.addEventListener("securitypolicyviolation", (event) => window.violations.push(event.violatedDirective));
"""


@dataclass(frozen=True)
class Site:
    folder: Path
    url: str
    pages: tuple[str, ...]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.browser)


@pytest.fixture(scope="session")
def browser(playwright: Playwright) -> Iterator[Browser]:
    path = next((found for name in CANDIDATES if (found := shutil.which(name))), None)
    if path is None:
        reason = f"no browser: none of {', '.join(CANDIDATES)} is installed"
        if os.environ.get("BENCH_REQUIRE_BROWSER") == "1":
            pytest.fail(reason)
        pytest.skip(reason)
    browser = playwright.chromium.launch(executable_path=path)
    yield browser
    browser.close()


BIBTEX = "@misc{em, title = {Errors & their minimum}, year = 2021}"
HOSTILE_NAMES = {
    "h-formula": "=1+1",
    "h-latex": r"\input{x} & 50% #1_a$^~ [b] | `c` <d>",
    "h-long": HOSTILE,
    "h-rtl": "\u05e9\u05dc\u05d5\u05dd \u05e2\u05d5\u05dc\u05dd",
}


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """One site for every test: a small board, one with everything that a row can be, an empty one, and unlearning."""
    root = tmp_path_factory.mktemp("browser")
    protocol = write_board(root)
    write_submission(
        root, "zz-hostile", name=HOSTILE, author=HOSTILE, results=[(make_result(make_protocol()), make_run())]
    )
    wide = write_wide_board(root, methods=("tap", "lsp", "ops", "cuda", "sem"))
    write_hostile_rows(root, wide)
    photographs = load_protocol("ue-cifar10-mini-v1")
    unlearning = write_unlearning_board(root)
    notes = Path(__file__).resolve().parents[2] / "docs" / "reproduction.md"
    (root / "docs").mkdir()
    shutil.copy(notes, root / "docs")
    yield from serve_site(root, {item.id: item for item in (protocol, wide, photographs, unlearning)})


def write_hostile_rows(root: Path, protocol: Protocol) -> None:
    """Add names that every format must escape, and a method that states how to cite it."""
    for place, (slug, name) in enumerate(HOSTILE_NAMES.items()):
        level = 0.2 + 0.05 * place
        result = make_result(protocol, Found((level, level + 0.01, level), sal_factor=0.6, kind="sample-wise"))
        family = ("generative", "filter")[place % 2]
        write_submission(root, slug, name=name, family=family, protocols=(protocol.id,), results=[(result, make_run())])
    result = make_result(protocol, Found((0.21, 0.222, 0.202), sal_factor=0.15))
    write_submission(
        root,
        "em-wide",
        name="EM (error-minimizing noise)",
        family="error-minimizing",
        protocols=(protocol.id,),
        results=[(result, make_run(ended="2026-02-03T10:05:00Z"))],
        extra=f'[cite]\nbibtex = """{BIBTEX}"""\n',
    )


def serve_site(root: Path, protocols: Mapping[str, AnyProtocol]) -> Iterator[Site]:
    out = root / "site"
    rendered = render_site(root, out, protocols=protocols)
    names = tuple(path.relative_to(out).as_posix() for path in rendered.files if path.suffix == ".html")
    with open_server(out, 0) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield Site(out, f"http://127.0.0.1:{server.server_address[1]}/", names)
        server.shutdown()


class Watched:
    """Opens pages and remembers everything that must not happen on them."""

    def __init__(self, browser: Browser, site: Site) -> None:
        self._browser, self._site = browser, site
        self._contexts: list[BrowserContext] = []
        self.problems: list[str] = []

    def open(self, name: str = "index.html", *, base: str | None = None, **options: Any) -> Page:
        """Open a page of the site in a fresh context; options are those of the browser's context."""
        context = self._browser.new_context(**options)
        context.add_init_script(WATCH)
        self._contexts.append(context)
        page = context.new_page()
        start = self._site.url if base is None else base
        page.on("console", lambda message: self._note(message.type in ("error", "warning"), message.text))
        page.on("pageerror", lambda error: self._note(True, str(error)))
        own = (start, "data:", f"blob:{start}")
        page.on("request", lambda request: self._note(not request.url.startswith(own), request.url))
        page.goto(start + name)
        return page

    def close(self) -> None:
        for context in self._contexts:
            for page in context.pages:
                if page.evaluate("'violations' in window"):
                    self.problems += page.evaluate("window.violations")
            context.close()

    def _note(self, wrong: bool, text: str) -> None:
        if wrong:
            self.problems.append(text)


@pytest.fixture(autouse=True)
def watched(browser: Browser, site: Site) -> Iterator[Watched]:
    """Fail the test on console errors, page errors, policy violations and requests that leave the site."""
    watched = Watched(browser, site)
    yield watched
    watched.close()
    assert watched.problems == []


def check_axe(page: Page, scheme: Literal["light", "dark"]) -> None:
    """Fail on anything that axe finds on a page as it is, in one theme."""
    page.emulate_media(color_scheme=scheme)
    found = Axe().run(page, options={"preload": False})
    assert found.violations_count == 0, f"{page.url}, {scheme}: {found.generate_report()}"
