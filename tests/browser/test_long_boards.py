"""Boards of hundreds of rows: laid out as boxes they stay tables, and a script that starts early does all it does."""

import re
from collections import Counter
from typing import Any

import pytest
from browser.conftest import Site, Watched
from playwright.sync_api import Page, Route, expect

BOARD = "ue/ue-wide-v1/index.html"
UNLEARNING = "unlearning/unlearning-tiny-v1/index.html"
SCRIPT = re.compile(r'<script src="[^"]*site\.[0-9a-f]+\.js"[^>]*></script>')
PARTS = {"table": "table", "row": "tr", "columnheader": "thead th", "rowheader": "tbody th", "cell": "td"}


def open_long(watched: Watched, site: Site, board: str, **options: Any) -> Page:
    """Open a small board as if it were a long one: with its class, and with the script right behind the table."""
    page = watched.open("404.html", viewport={"width": 1280, "height": 4000}, **options)

    def lengthen(route: Route) -> None:
        text = (site.folder / board).read_text(encoding="utf-8")
        script = SCRIPT.search(text)
        assert script is not None
        table = re.search(r'<table id="board"[^>]*>', text)
        assert table is not None
        plain = re.sub(r' class="([^"]*)"', "", table[0])
        classes = re.search(r' class="([^"]*)"', table[0])
        long = plain.replace("<table", f'<table class="long {classes[1] if classes else ""}"', 1)
        text = text.replace(script[0], "").replace(table[0], long)
        start = text.index("</table>", text.index(long)) + len("</table>\n  </div>")
        route.fulfill(
            body=text[:start] + script[0].replace(" defer", "") + text[start:], content_type="text/html; charset=utf-8"
        )

    page.route(site.url + board, lengthen)
    page.goto(site.url + board)
    return page


def roles_of(page: Page) -> Counter[str]:
    """What assistive technology is told to be on the board, by role."""
    session = page.context.new_cdp_session(page)
    root = session.send("DOM.getDocument")["root"]["nodeId"]
    board = session.send("DOM.querySelector", {"nodeId": root, "selector": "#board"})["nodeId"]
    found = session.send("Accessibility.queryAXTree", {"nodeId": board})["nodes"]
    return Counter(node["role"]["value"] for node in found if not node["ignored"])


@pytest.mark.parametrize("board", [BOARD, UNLEARNING])
@pytest.mark.parametrize("scripts", [True, False])
def test_rows_that_are_boxes_stay_rows_of_a_table(watched: Watched, site: Site, board: str, scripts: bool) -> None:
    page = open_long(watched, site, board, java_script_enabled=scripts)
    rows = page.locator("#board tbody tr[data-slug]")
    assert rows.first.evaluate("row => getComputedStyle(row).display") == "flex"
    expected = {
        role: page.locator(f"#board {path}" if role != "table" else "#board").count() for role, path in PARTS.items()
    }
    found = roles_of(page)
    groups = page.locator("#board .group-name th").count()  # a heading of a group heads no single row
    assert {role: found[role] for role in ("table", "row", "columnheader", "cell")} == {
        role: expected[role] for role in ("table", "row", "columnheader", "cell")
    }
    assert found["rowheader"] in (expected["rowheader"], expected["rowheader"] - groups)
    assert expected["cell"] > 20


def test_the_roles_are_said_in_words_too(watched: Watched, site: Site) -> None:
    page = open_long(watched, site, BOARD)
    for role, path in PARTS.items():
        whole = "#board" if role == "table" else f"#board {path}"
        expect(page.locator(f'{whole}[role="{role}"]')).to_have_count(page.locator(whole).count())


@pytest.mark.parametrize("board", [BOARD, UNLEARNING])
def test_a_script_that_starts_early_brings_all_tools(watched: Watched, site: Site, board: str) -> None:
    page = open_long(watched, site, board)
    all_rows = page.locator("#board tbody tr[data-slug]").count()
    expect(page.locator("#board .pick input")).to_have_count(all_rows)
    expect(page.locator(".chart-files").first).to_be_visible()
    page.locator("#tradeoff").scroll_into_view_if_needed()
    expect(page.locator("#tradeoff .drawing")).to_have_attribute("data-live", "yes")
    slug = page.locator("#board tbody tr[data-slug]").last.get_attribute("data-slug") or ""
    page.get_by_label("Filter methods").fill(slug)
    assert page.locator("#board tbody tr[data-slug]:visible").count() >= 1
    page.goto(f"{site.url}{board}#charts")
    expect(page.locator("#charts")).to_be_in_viewport()


def test_a_row_beyond_the_first_can_come_picked_from_the_address(watched: Watched, site: Site) -> None:
    page = open_long(watched, site, BOARD)
    last = page.locator("#board tbody tr[data-slug]").last.get_attribute("data-slug")
    page.goto(f"{site.url}{BOARD}#sel={last}")
    expect(page.locator(f"#board tr[data-slug='{last}'] .pick input")).to_be_checked()
    page.get_by_role("button", name="Clear selection").click()
    expect(page.locator("#board .pick input:checked")).to_have_count(0)
