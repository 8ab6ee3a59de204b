"""The interactive board: what a view shows, that its address brings it back, and that the keyboard reaches it all."""

import json
import random
import re
from pathlib import Path
from typing import Any

import pytest
from browser.board_view import SNAPSHOT, VISIT, Holds, below, expected, random_state, read_table
from browser.conftest import Site, Watched, check_axe
from playwright.sync_api import Page, expect

BOARD = "ue/ue-wide-v1/index.html"
UNLEARNING = "unlearning/unlearning-tiny-v1/index.html"
STATES, RELOADS = 100, 5
"""Random states of each of two boards, and how many of them are opened in a fresh page too."""

QUERIES: list[tuple[str, Holds]] = [
    ("wide", lambda _, row: "wide" in row["text"]),
    ("-wide", lambda _, row: "wide" not in row["text"]),
    ('"error-minimizing noise" em', lambda _, row: "error-minimizing noise" in row["text"] and "em" in row["text"]),
    ("family:er", lambda _, row: "er" in row["data"]["family"]),
    ("accuracy<25", below("accuracy", 25)),
    ("-accuracy<25", lambda table, row: not below("accuracy", 25)(table, row)),
    ("seeds=3", lambda table, row: table.shown(row, "seeds") == 3),
    ("no such words at all", lambda *_: False),
]


def snapshot(page: Page) -> dict[str, Any]:
    return dict(page.evaluate(SNAPSHOT))


def header(page: Page, name: str) -> Any:
    return page.locator(f"#board th[data-key='{name}'] button")


def opened(page: Page, *panels: str) -> None:
    for name in panels:
        page.locator(".tools").get_by_role("button", name=name, exact=True).click()


@pytest.mark.parametrize("board", [BOARD, UNLEARNING])
def test_random_states_show_what_their_address_says(watched: Watched, site: Site, board: str) -> None:
    table = read_table(watched.open(board, java_script_enabled=False))
    page, generator = watched.open(board), random.Random(board)
    states = [random_state(generator, table, QUERIES) for _ in range(STATES)]
    assert len({state.fragment for state in states}) > 0.9 * STATES
    for state in states:
        page.evaluate(VISIT, state.fragment)
        assert snapshot(page) == expected(table, state), state.fragment
    for state in states[:RELOADS]:
        page.goto("about:blank")
        page.goto(f"{site.url}{board}#{state.fragment}")
        assert snapshot(page) == expected(table, state), state.fragment
        page.reload()
        assert snapshot(page) == expected(table, state), state.fragment


def test_what_is_done_by_hand_is_in_the_address(watched: Watched, site: Site) -> None:
    page = watched.open(BOARD)
    header(page, "ud").click()
    header(page, "ud").click()
    header(page, "accuracy").click(modifiers=["Shift"])
    opened(page, "Filters", "Columns")
    page.get_by_label("synthetic shortcut").check()
    page.get_by_role("checkbox", name="Peak accuracy, %").uncheck()
    page.get_by_label("Select OPS (one-pixel shortcut)").check()
    page.get_by_label("Filter methods").press_sequentially("wide accuracy<90")
    address = page.evaluate("location.hash")
    assert address == ("#sort=-ud,accuracy&family=synthetic-shortcut&q=wide+accuracy%3C90&hide=peak&sel=ops-wide")
    before = snapshot(page)
    fresh = watched.open(f"{BOARD}{address}")
    assert snapshot(fresh) == before
    expect(fresh.get_by_label("Filter methods")).to_have_value("wide accuracy<90")
    expect(fresh.locator("#board th[data-key='accuracy']")).not_to_have_attribute("aria-sort", re.compile("."))
    expect(header(fresh, "accuracy")).to_contain_text("sort key 2, ascending")


def test_back_and_forward_go_through_the_steps(watched: Watched) -> None:
    page = watched.open(BOARD)
    seen = [snapshot(page)]
    header(page, "ud").click()
    seen.append(snapshot(page))
    page.get_by_label("Filter methods").press_sequentially("lsp")  # typed in one go: one step
    seen.append(snapshot(page))
    page.locator("body").click(position={"x": 1, "y": 1})
    page.get_by_label("Select LSP").check()
    seen.append(snapshot(page))
    assert len({json.dumps(item) for item in seen}) == 4
    for index in (2, 1, 0):
        page.go_back()
        assert snapshot(page) == seen[index]
    for index in (1, 2, 3):
        page.go_forward()
        assert snapshot(page) == seen[index]


def test_reset_and_the_marks_of_active_filters_take_filters_away(watched: Watched) -> None:
    page = watched.open(f"{BOARD}#sort=-ud&family=generative,filter&q=h&complete=1")
    whole = watched.open(BOARD, java_script_enabled=False).locator("#board tbody tr").count()
    expect(page.locator(".view-words")).to_have_text(f"4 of {whole} shown, sorted by UD, largest first")
    page.get_by_role("button", name="Clear Family: generative or filter").click()
    page.get_by_role("button", name="Clear Text: with “h”").click()
    expect(page.locator(".active li")).to_have_text(["complete rows"])
    page.get_by_role("button", name="Reset").click()
    expect(page.locator(".view-words")).to_have_text(f"{whole} of {whole} shown")
    assert page.evaluate("location.href").endswith(BOARD)


def test_what_an_address_may_not_ask_for_is_ignored_and_named(watched: Watched) -> None:
    page = watched.open(f"{BOARD}#sort=nothing,ud&family=martian&hide=name&color=red&q=%E0%A4%A&sel=nobody&complete=2")
    expect(page.locator(".notice")).to_contain_text(
        "sort=nothing, family=martian, hide=name, color=red, q=%E0%A4%A, sel=nobody and complete=2. It is ignored"
    )
    assert snapshot(page)["sorted"] == [["ud", "ascending"]]
    assert "name" in snapshot(page)["columns"]


def test_places_on_the_page_are_no_views(watched: Watched) -> None:
    page = watched.open(f"{BOARD}#charts")
    expect(page.locator("#charts")).to_be_in_viewport()
    page.get_by_label("Filter methods").fill("lsp")
    page.evaluate("location.hash = 'charts'")
    assert snapshot(page)["rows"] == ["lsp-wide"]
    expect(page.locator(".notice")).to_be_hidden()
    page.go_back()
    assert page.evaluate("location.hash") == "#q=lsp"


def test_facets_count_what_each_option_would_give(watched: Watched) -> None:
    page = watched.open(f"{BOARD}#kind=sample-wise")
    rows = read_table(page).rows
    opened(page, "Filters")
    for name, label in (("family", "Family"), ("kind", "Kind of perturbation"), ("tier", "Tier")):
        for box in page.get_by_role("group", name=label, exact=True).locator("label").all():
            words, count = box.locator("span").all_inner_texts()
            # Within its own facet an option adds; every other facet restricts.
            others = [row for row in rows if name == "kind" or row["data"]["kind"] == "sample-wise"]
            expected_count = sum(row["data"].get(name) == words for row in others)
            assert int(count) == expected_count, words
            assert ("nothing" in (box.get_attribute("class") or "")) == (expected_count == 0)
            expect(box.locator("input")).to_be_enabled()
    page.get_by_label("generative").check()
    page.get_by_label("control", exact=False).first.check()
    assert sorted(snapshot(page)["rows"]) == ["h-formula", "h-long"]


@pytest.mark.parametrize(
    ("text", "note"),
    [
        ("color:red", "“color” is no column, so “color:red” is looked for as it stands"),
        ("accuracy<abc", "“abc” is no number"),
        ("family<3", "“family” is text and cannot be compared with <"),
    ],
)
def test_a_filter_that_is_not_understood_says_so(watched: Watched, text: str, note: str) -> None:
    page = watched.open(BOARD)
    page.get_by_label("Filter methods").fill(text)
    expect(page.locator(".notice")).to_have_text(f"{note}.")


def test_selected_rows_can_be_compared_and_looked_at_alone(watched: Watched) -> None:
    page = watched.open(BOARD)
    link = page.get_by_role("link", name="Compare selected")
    for slug in ("tap-wide", "lsp-wide", "ops-wide", "cuda-wide", "em-wide", "h-rtl", "h-long"):
        page.locator(f"#board tr[data-slug='{slug}'] .pick input").check()
        count = page.locator("#board .pick input:checked").count()
        assert link.is_visible() == (2 <= count <= 6)
        if link.is_visible():
            chosen = ["tap-wide", "lsp-wide", "ops-wide", "cuda-wide", "em-wide", "h-rtl"][:count]
            assert link.get_attribute("href") == f"../../compare/ue-wide-v1/index.html#{','.join(chosen)}"
    page.get_by_role("button", name="Show only selected").click()
    assert len(snapshot(page)["rows"]) == 7
    page.get_by_role("button", name="Clear selection").click()
    assert len(snapshot(page)["rows"]) == len(read_table(page).rows)


def test_without_scripts_every_row_and_no_tool_is_there(watched: Watched, site: Site) -> None:
    page = watched.open(BOARD, java_script_enabled=False)
    for board in (BOARD, UNLEARNING):
        page.goto(f"{site.url}{board}#q=nothing&hide=accuracy")
        table = page.locator("#board")
        assert table.locator("tbody tr[data-slug]:visible").count() == table.locator("tbody tr[data-slug]").count() > 5
        assert table.locator("thead th:visible").count() == table.locator("thead th").count()
        assert page.locator("main").get_by_role("button").count() == 0
        assert page.locator("main").get_by_role("searchbox").count() == 0


def test_the_keyboard_alone_does_everything(watched: Watched) -> None:
    page = watched.open(BOARD)
    page.get_by_label("Filter methods").focus()
    page.keyboard.type("wide")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")  # to the panels, past three buttons and Reset
    for _ in range(4):
        page.keyboard.press("Tab")
    expect(page.get_by_label("synthetic shortcut")).to_be_focused()
    page.keyboard.press("Space")
    assert "family=synthetic-shortcut" in page.evaluate("location.hash")
    page.keyboard.press("Escape")
    expect(page.locator("#board-filters")).to_be_hidden()
    expect(page.get_by_role("button", name="Filters")).to_be_focused()
    header(page, "accuracy").focus()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    page.keyboard.press("Shift+Enter")
    assert "sort=accuracy,worst" in page.evaluate("location.hash")
    page.locator("#board .pick input").first.focus()
    page.keyboard.press("Space")
    expect(page.get_by_text("1 row selected")).to_be_visible()


@pytest.mark.parametrize("board", [BOARD, UNLEARNING])
def test_axe_finds_nothing_with_every_panel_open(watched: Watched, board: str) -> None:
    page = watched.open(f"{board}#q=accuracy%3C99+-color:x&complete=1", viewport={"width": 1280, "height": 900})
    opened(page, "Filters", "Columns", "Export and cite", "Verify")
    page.locator("#board .pick input:visible").first.check()
    page.get_by_role("button", name="Verify in this browser").click()
    expect(page.locator(".found-words.holds")).to_be_visible()
    check_axe(page, "light")
    check_axe(page, "dark")
    page.set_viewport_size({"width": 320, "height": 800})
    expect(page.locator(".framed.fits")).to_have_count(0)
    assert page.evaluate("document.documentElement.scrollWidth - window.innerWidth") <= 0


def test_on_paper_no_tool_is_left(watched: Watched) -> None:
    page = watched.open(BOARD)
    assert page.locator(".pick:visible, .chart-files:visible, .tools:visible").count() > 3
    page.emulate_media(media="print")
    assert page.locator(".pick:visible, .chart-files:visible, .tools:visible, .mark:visible").count() == 0
    assert page.locator("#board tbody tr:visible").count() > 5


def test_on_paper_names_are_whole_and_the_head_can_repeat(watched: Watched) -> None:
    page = watched.open(BOARD)
    page.emulate_media(media="print")
    heads = page.locator("#board thead th")
    assert set(heads.evaluate_all("cells => cells.map((cell) => getComputedStyle(cell).position)")) == {"static"}
    # Chromium leaves buttons out of a head that it repeats.
    buttons = heads.locator("button").evaluate_all("buttons => buttons.map((one) => getComputedStyle(one).display)")
    assert set(buttons) == {"contents"}
    cut = page.locator("#board tbody th a").evaluate_all(
        "links => links.filter((link) => getComputedStyle(link).display !== 'inline').length"
    )
    assert cut == 0


def test_words_stand_beside_their_box(watched: Watched) -> None:
    page = watched.open(BOARD)
    opened(page, "Columns", "Export and cite")
    gaps = page.locator(".panel label.check, .panel fieldset label").evaluate_all("""labels => labels.map((label) => {
        const [box, words] = [label.querySelector("input"), label.querySelector("span") || label];
        return Math.abs(box.getBoundingClientRect().top - words.getBoundingClientRect().top);
    })""")
    assert len(gaps) > 10
    assert max(gaps) < 10


@pytest.mark.parametrize("width", [360, 1440])
def test_the_header_and_the_method_stay_in_view(watched: Watched, width: int) -> None:
    page = watched.open(BOARD, viewport={"width": width, "height": 500})
    # The page to the table's middle, and the frame of the table, if it has one, to its last row.
    page.locator("#board").evaluate("""table => {
        const [region, cell] = [table.closest(".scroll"), table.tHead.querySelector("[data-key=name]")];
        window.scrollTo({ top: region.offsetTop + region.offsetHeight / 3, behavior: "instant" });
        region.scrollTo({ top: region.scrollHeight, left: 300, behavior: "instant" });
    }""")
    cell = page.locator("#board th[data-key='name']")
    framed = page.locator(".framed.fits").count() == 0
    assert framed == (width < 1000)
    place = "(cell, of) => cell.closest(of).getBoundingClientRect().toJSON()"
    cell_box, frame = cell.evaluate(place, "th"), cell.evaluate(place, ".scroll")
    assert cell_box["top"] == pytest.approx(frame["top"] if framed else 0, abs=1)
    if framed:
        assert cell_box["left"] == pytest.approx(frame["left"], abs=1)


def test_brushing_a_chart_selects_its_rows(watched: Watched) -> None:
    page = watched.open(BOARD, viewport={"width": 1280, "height": 900})
    drawing = page.locator("#tradeoff .drawing")
    drawing.scroll_into_view_if_needed()
    expect(drawing).to_have_attribute("data-live", "yes")
    box = drawing.locator("svg").bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 0.16 * box["width"], box["y"] + 0.2 * box["height"])
    page.mouse.down()
    page.mouse.move(box["x"] + 0.4 * box["width"], box["y"] + 0.86 * box["height"], steps=5)
    page.mouse.up()
    expect(page.locator(".selection")).to_contain_text("rows selected")
    chosen = snapshot(page)["selected"]
    assert {"lsp-wide", "ops-wide"} <= set(chosen)
    assert "clean-wide" not in chosen or "em-wide" in chosen
    assert set(page.evaluate("location.hash").removeprefix("#sel=").split(",")) == set(chosen)


def saved(page: Page, label: str, folder: Path) -> bytes:
    with page.expect_download() as download:
        page.locator("#tradeoff").get_by_role("button", name=f"Download this chart as {label}").click()
    path = folder / download.value.suggested_filename
    download.value.save_as(path)
    return path.read_bytes()


@pytest.mark.parametrize("live", [True, False])
def test_charts_can_be_saved(watched: Watched, site: Site, tmp_path: Path, live: bool) -> None:
    page = watched.open("404.html")
    if not live:
        page.add_init_script("delete window.IntersectionObserver")
    page.goto(site.url + BOARD)
    page.locator("#tradeoff").scroll_into_view_if_needed()
    if live:
        expect(page.locator("#tradeoff .drawing")).to_have_attribute("data-live", "yes")
    drawing = saved(page, "SVG", tmp_path).decode()
    assert drawing.startswith("<svg")
    assert "LSP" in drawing
    assert not re.search(r"var\(--|currentColor", drawing)
    picture = saved(page, "PNG", tmp_path)
    assert picture[:8] == b"\x89PNG\r\n\x1a\n"
    assert len(picture) > 5000
    spec = page.locator("#tradeoff-spec").text_content() or ""
    assert json.loads(saved(page, "JSON", tmp_path)) == json.loads(spec)
