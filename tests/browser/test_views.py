"""Every template at every size in both themes: nothing scrolls sideways, axe finds nothing, and pictures to look at.

BENCH_SCREENSHOTS names a folder for the pictures, which only people look at; without it none is taken.
"""

import os
from itertools import pairwise
from pathlib import Path
from typing import Literal

import pytest
from browser.conftest import Site, Watched, check_axe
from playwright.sync_api import Page

from bench.leaderboard.pages import SITE, UE_BOARD, UE_SUBMISSION, UNLEARNING_BOARD, UNLEARNING_SUBMISSION

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
    "compare": "compare/ue-wide-v1/index.html",
    "compare-unlearning": "compare/unlearning-tiny-v1/index.html",
    "compare-index": "compare/index.html",
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
    "changes": "changes/index.html",
    "downloads": "downloads/index.html",
    "missing": "404.html",
}
"""One page of each template, and some that stretch it."""

WIDTHS = (320, 360, 768, 1440, 1920)
PICTURED = (320, 768, 1440)
SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
PRESSED = (320, 1440)
TARGET = 24
"""Smallest side of something to press, in pixels, by WCAG 2.2; links inside a line of text are exempt."""

SMALL = """(least) => [...document.querySelectorAll("nav[aria-label='Main'] a, nav[aria-label='More'] a,"
        + " .contents a, .wordmark, .button, button:not(thead button), summary, .crumbs a")]
    .filter((node) => node.checkVisibility())
    .map((node) => [node.textContent.trim(), node.getBoundingClientRect()])
    .filter(([, box]) => Math.min(box.width, box.height) < least - 0.5)
    .map(([text, box]) => `${text}: ${box.width} x ${box.height}`)"""

LEVELS = "[...document.querySelectorAll('h1,h2,h3,h4')].map((node) => Number(node.tagName[1]))"
OVERFLOW = "document.documentElement.scrollWidth - window.innerWidth"
SETTLED = "() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => done())))"


@pytest.fixture(scope="session")
def pictures() -> Path | None:
    named = os.environ.get("BENCH_SCREENSHOTS")
    if not named:
        return None
    Path(named).mkdir(parents=True, exist_ok=True)
    return Path(named)


def test_every_template_is_among_the_views(site: Site) -> None:
    assert set(VIEWS.values()) <= set(site.pages)
    # A page of a template that no view shows has a shape of address that none of them has.
    shapes = {shape(name) for name in VIEWS.values()}
    assert {shape(name) for name in site.pages} <= shapes
    kinds = (UE_BOARD, UNLEARNING_BOARD, UE_SUBMISSION, UNLEARNING_SUBMISSION, SITE)
    assert len({page.template for kind in kinds for page in kind.pages}) <= len(VIEWS)


def shape(name: str) -> str:
    """Return an address with what differs from page to page of one template left out."""
    parts = name.split("/")
    if len(parts) > 2 and parts[0] in {"ue", "unlearning", "submissions", "protocols", "metrics", "compare"}:
        parts[1] = "*"
    return "/".join(parts)


@pytest.mark.parametrize("view", VIEWS)
def test_view_fits_every_width_and_axe_finds_nothing(watched: Watched, pictures: Path | None, view: str) -> None:
    page = watched.open(VIEWS[view], viewport={"width": 1280, "height": 900}, reduced_motion="reduce")
    check_headings(page.evaluate(LEVELS))
    for scheme in SCHEMES:
        check_axe(page, scheme)
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 900})
        page.evaluate(SETTLED)  # the table of a board measures itself after the page has
        assert page.evaluate(OVERFLOW) <= 0, width
        assert width not in PRESSED or page.evaluate(SMALL, TARGET) == [], width
        if pictures is not None and width in PICTURED:
            take_pictures(page, pictures, f"{view}-{width}")


def check_headings(levels: list[int]) -> None:
    """Fail unless there is one first heading, at the top, and headings go down one step at a time."""
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))


def take_pictures(page: Page, folder: Path, name: str) -> None:
    for scheme in SCHEMES:
        page.emulate_media(color_scheme=scheme)
        picture = folder / f"{name}-{scheme}.png"
        page.screenshot(path=picture, full_page=True)
        assert picture.stat().st_size > 0


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


def test_on_paper_the_menu_is_gone_and_tables_are_whole(watched: Watched) -> None:
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
