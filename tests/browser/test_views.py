"""Every template at every size in both themes: nothing scrolls sideways, axe finds nothing, and pictures to look at.

BENCH_SCREENSHOTS names a folder for the pictures; without it they go to the test's own.
"""

import os
from itertools import pairwise
from pathlib import Path
from typing import Literal

import pytest
from axe_playwright_python.sync_playwright import Axe
from browser.conftest import Site, Watched
from playwright.sync_api import Page

from bench.leaderboard.pages import PAGES

VIEWS = {
    "home": "index.html",
    "ue": "ue/index.html",
    "board": "ue/ue-tiny-v1/index.html",
    "board-wide": "ue/ue-wide-v1/index.html",
    "board-reported": "ue/ue-cifar10-mini-v1/index.html",
    "defenses": "ue/ue-wide-v1/defenses/index.html",
    "networks": "ue/ue-wide-v1/networks/index.html",
    "submission": "submissions/fog/index.html",
    "submission-hostile": "submissions/zz-hostile/index.html",
    "submission-wide": "submissions/lsp-wide/index.html",
    "unlearning": "unlearning/index.html",
    "unlearning-board": "unlearning/unlearning-tiny-v1/index.html",
    "unlearning-submission": "submissions/gd-tiny/index.html",
    "protocol": "protocols/ue-tiny-v1/index.html",
    "unlearning-protocol": "protocols/unlearning-tiny-v1/index.html",
    "protocols": "protocols/index.html",
    "metric": "metrics/ud/index.html",
    "metric-unlearning": "metrics/gus/index.html",
    "metrics": "metrics/index.html",
    "reported": "reported/index.html",
    "submit": "submit/index.html",
    "read": "read/index.html",
    "reproduction": "reproduction/index.html",
    "missing": "404.html",
}
"""One page of each template, and some that stretch it."""

WIDTHS = (320, 360, 768, 1440, 1920)
PICTURED = (320, 768, 1440)
SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
TARGET = 24
"""Smallest side of something to press, in pixels, by WCAG 2.2; links inside a line of text are exempt."""


@pytest.fixture(scope="session")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    named = os.environ.get("BENCH_SCREENSHOTS")
    folder = Path(named) if named else tmp_path_factory.mktemp("views")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def overflow(page: Page) -> int:
    return int(page.evaluate("document.documentElement.scrollWidth - window.innerWidth"))


def test_every_template_is_among_the_views(site: Site) -> None:
    assert set(VIEWS.values()) <= set(site.pages)
    # A page of a template that no view shows has a shape of address that none of them has.
    shapes = {shape(name) for name in VIEWS.values()}
    assert {shape(name) for name in site.pages} <= shapes
    assert len(PAGES) <= len(VIEWS)


def shape(name: str) -> str:
    """Return an address with what differs from page to page of one template left out."""
    parts = name.split("/")
    if len(parts) > 2 and parts[0] in {"ue", "unlearning", "submissions", "protocols", "metrics"}:
        parts[1] = "*"
    return "/".join(parts)


@pytest.mark.parametrize("width", WIDTHS)
def test_no_page_scrolls_sideways(watched: Watched, site: Site, pictures: Path, width: int) -> None:
    page = watched.open(viewport={"width": width, "height": 900}, reduced_motion="reduce")
    for view, name in VIEWS.items():
        page.goto(site.url + name)
        # A theme changes colors only, which a picture shows and a width does not.
        for scheme in SCHEMES if width in PICTURED else ():
            page.emulate_media(color_scheme=scheme)
            picture = pictures / f"{view}-{width}-{scheme}.png"
            page.screenshot(path=picture, full_page=True)
            assert picture.stat().st_size > 0
        assert overflow(page) <= 0, name


@pytest.mark.parametrize("scheme", SCHEMES)
def test_axe_finds_nothing_on_any_template(watched: Watched, site: Site, scheme: str) -> None:
    # The dark theme differs in colors alone, so only the rules on colors are asked again.
    rules = {"runOnly": ["color-contrast", "link-in-text-block"]} if scheme == "dark" else {}
    page = watched.open(viewport={"width": 1280, "height": 900}, color_scheme=scheme)
    for name in VIEWS.values():
        page.goto(site.url + name)
        found = Axe().run(page, options={"preload": False, **rules})
        assert found.violations_count == 0, f"{name}: {found.generate_report()}"


def test_headings_go_down_one_step_at_a_time(watched: Watched, site: Site) -> None:
    page = watched.open()
    for name in VIEWS.values():
        page.goto(site.url + name)
        levels = page.evaluate("[...document.querySelectorAll('h1,h2,h3,h4')].map((node) => Number(node.tagName[1]))")
        assert levels[0] == 1, name
        assert levels.count(1) == 1, name
        assert all(after - before <= 1 for before, after in pairwise(levels)), name


@pytest.mark.parametrize("width", [320, 1280])
def test_what_stands_alone_is_large_enough_to_press(watched: Watched, site: Site, width: int) -> None:
    page = watched.open(viewport={"width": width, "height": 900})
    for name in VIEWS.values():
        page.goto(site.url + name)
        small = page.evaluate(
            """(least) => [...document.querySelectorAll("nav[aria-label='Main'] a, nav[aria-label='More'] a,"
                + " .contents a, .wordmark, .button, button:not(thead button), summary, .crumbs a")]
              .filter((node) => node.checkVisibility())
              .map((node) => [node.textContent.trim(), node.getBoundingClientRect()])
              .filter(([, box]) => Math.min(box.width, box.height) < least - 0.5)
              .map(([text, box]) => `${text}: ${box.width} x ${box.height}`)""",
            TARGET,
        )
        assert small == [], name


def test_focus_is_seen_on_every_kind_of_control(watched: Watched) -> None:
    page = watched.open("index.html")
    for selector in ("nav a", ".button", ".theme", ".scroll"):
        outline = page.locator(selector).first.evaluate(
            """(node) => { node.focus({focusVisible: true}); const style = getComputedStyle(node);
                return [style.outlineStyle, parseFloat(style.outlineWidth)]; }"""
        )
        assert outline[0] != "none", selector
        assert outline[1] >= 2, selector


def test_reduced_motion_is_honored(watched: Watched) -> None:
    for motion, behavior in (("reduce", "auto"), ("no-preference", "smooth")):
        page = watched.open(reduced_motion=motion)
        assert page.evaluate("getComputedStyle(document.documentElement).scrollBehavior") == behavior


def test_on_paper_the_menu_is_gone_and_tables_are_whole(watched: Watched, site: Site) -> None:
    page = watched.open("ue/ue-wide-v1/defenses/index.html", viewport={"width": 700, "height": 900})
    page.emulate_media(media="print")
    assert not page.locator("nav[aria-label='Main']").is_visible()
    clipped = page.evaluate(
        "[...document.querySelectorAll('.scroll')]"
        ".filter((node) => getComputedStyle(node).overflow !== 'visible').length"
    )
    assert clipped == 0


def test_scales_stay_inside_their_cards_on_a_phone(watched: Watched) -> None:
    page = watched.open("index.html", viewport={"width": 320, "height": 900})
    outside = page.evaluate(
        """[...document.querySelectorAll(".scale-figure svg")].flatMap((svg) => {
            const frame = svg.closest(".side").getBoundingClientRect();
            return [...svg.querySelectorAll("text")].map((node) => [node.textContent, node.getBoundingClientRect()])
                .filter(([, box]) => box.left < frame.left || box.right > frame.right).map(([text]) => text);
        })"""
    )
    assert page.locator(".scale-figure svg").count() == 4
    assert outside == []
