import re

import pytest
from browser.conftest import Site, Watched
from playwright.sync_api import Page, expect

BOARD = "ue/ue-tiny-v1/index.html"
SUBMISSION = "submissions/fog/index.html"
WIDE = "ue/ue-wide-v1/defenses/index.html"
HOSTILE = "submissions/zz-hostile/index.html"


def ranked(page: Page) -> list[str]:
    return page.locator("#board tbody").first.locator("tr:visible th a").all_inner_texts()


def test_themes_differ(watched: Watched) -> None:
    colors = {
        watched.open(color_scheme=scheme).evaluate("getComputedStyle(document.body).backgroundColor")
        for scheme in ("light", "dark")
    }
    assert len(colors) == 2


def test_without_scripts_everything_is_there(watched: Watched) -> None:
    page = watched.open(BOARD, java_script_enabled=False)
    assert page.locator("#board tbody tr").count() == 7
    expect(page.locator("#board-filter")).to_be_hidden()
    expect(page.locator("#theme")).to_be_hidden()
    expect(page.locator("figure svg").first).to_be_visible()
    page.locator("figure summary").first.click()
    expect(page.locator("figure table").first).to_be_visible()


def test_from_a_file_sorting_and_charts_work(watched: Watched, site: Site) -> None:
    page = watched.open(BOARD, base=site.folder.as_uri() + "/")
    page.get_by_role("button", name="Method").click()
    assert ranked(page)[1:] == ["Fog", "Haze", "Mist"]
    page.locator(".drawing").first.scroll_into_view_if_needed()
    expect(page.locator(".drawing[data-live='yes']").first).to_be_visible()
    page.get_by_role("link", name="How to read", exact=True).click()
    expect(page.get_by_role("heading", level=1)).to_have_text("How to read a board")


def test_headers_sort_with_the_keyboard_and_say_so(watched: Watched) -> None:
    page = watched.open(BOARD)
    header = page.get_by_role("columnheader", name="Clean test accuracy")
    button = header.get_by_role("button")
    button.focus()
    page.keyboard.press("Enter")
    expect(header).to_have_attribute("aria-sort", "ascending")
    assert ranked(page)[:3] == ["Fog", "Mist", "Haze"]
    page.keyboard.press("Enter")
    expect(header).to_have_attribute("aria-sort", "descending")
    assert ranked(page)[-3:] == ["Haze", "Mist", "Fog"]


def test_filter_keeps_matching_rows_and_counts_them(watched: Watched) -> None:
    page = watched.open(BOARD)
    page.get_by_label("Filter methods").fill("synthetic fo")
    assert page.locator("#board tbody tr:visible th a").all_inner_texts() == ["Fog"]
    expect(page.locator(".view-words")).to_have_text("1 of 7 shown")


def test_charts_come_alive_only_when_they_are_seen(watched: Watched) -> None:
    page = watched.open(SUBMISSION, viewport={"width": 1280, "height": 400})
    assert page.locator("script[src*='charts.']").count() == 0
    page.locator("#ue-tiny-v1-sal_this").scroll_into_view_if_needed()
    expect(page.locator("#ue-tiny-v1-sal_this .drawing[data-live='yes'] svg")).to_be_visible()


def test_every_chart_of_a_page_draws(watched: Watched) -> None:
    page = watched.open(SUBMISSION, viewport={"width": 1280, "height": 900})
    drawings = page.locator(".drawing")
    for index in range(drawings.count()):
        drawings.nth(index).scroll_into_view_if_needed()
        expect(drawings.nth(index)).to_have_attribute("data-live", "yes")


def test_theme_button_goes_round_and_is_remembered(watched: Watched, site: Site) -> None:
    page = watched.open(color_scheme="light")
    button = page.locator("#theme")
    for expected in ("light", "dark"):
        button.click()
        expect(button).to_have_text(f"Theme: {expected}")
    dark = page.evaluate("getComputedStyle(document.body).backgroundColor")
    page.goto(site.url + BOARD)
    expect(page.locator("#theme")).to_have_text("Theme: dark")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == dark
    page.locator("#theme").click()
    expect(page.locator("#theme")).to_have_text("Theme: system")


def test_skip_link_is_the_first_stop_and_leads_to_the_content(watched: Watched) -> None:
    page = watched.open()
    page.keyboard.press("Tab")
    expect(page.locator(".skip")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("main")).to_be_focused()


def test_wide_tables_scroll_in_a_region_that_the_keyboard_reaches(watched: Watched) -> None:
    page = watched.open(BOARD, viewport={"width": 360, "height": 800})
    region = page.get_by_role("region", name=re.compile("^Submissions to"))
    region.focus()
    page.keyboard.press("ArrowRight")
    # Scrolling is smooth. Asked from here: waiting inside the page evaluates text, which the policy bans.
    for _ in range(50):
        if region.evaluate("region => region.scrollLeft") > 0:
            break
        page.wait_for_timeout(100)
    assert region.evaluate("region => document.activeElement === region && region.scrollLeft") > 0


@pytest.mark.parametrize("width", [360, 800])
def test_headers_of_a_matrix_stay_in_view(watched: Watched, width: int) -> None:
    page = watched.open(WIDE, viewport={"width": width, "height": 250})
    region = page.get_by_role("region", name=re.compile("^Clean test accuracy of resnet-narrow, %, by defense"))
    # One reading, because the page itself may still be scrolling.
    places = region.evaluate("""region => {
        region.scrollTo(120, 90);
        const place = (selector) => region.querySelector(selector).getBoundingClientRect();
        const own = region.getBoundingClientRect();
        const column = place("thead th:nth-child(3)"), row = place("tbody tr:nth-child(2) th");
        return [region.scrollTop, region.scrollLeft, column.top - own.top, row.left - own.left];
    }""")
    assert min(places[:2]) > 50
    assert places[2:] == pytest.approx([0, 0], abs=1)


@pytest.mark.parametrize("width", [320, 360])
def test_on_a_phone_method_alone_sticks_and_takes_two_fifths_at_most(watched: Watched, width: int) -> None:
    page = watched.open(BOARD, viewport={"width": width, "height": 800})
    region = page.get_by_role("region", name=re.compile("^Submissions to"))
    expect(page.get_by_text("Swipe sideways").first).to_be_visible()
    region.evaluate("region => { region.scrollLeft = 300; }")
    start, space = region.evaluate("region => [region.getBoundingClientRect().left, region.clientWidth]")
    cells = page.locator("#board tbody tr").first.locator("td, th")
    boxes = [cells.nth(index).bounding_box() or {"x": 0.0, "width": 0.0} for index in range(2)]
    assert boxes[0]["x"] + boxes[0]["width"] < start
    assert boxes[1]["x"] == pytest.approx(start, abs=1)  # whole pixels: half of one at either edge
    assert boxes[1]["width"] <= 0.4 * space + 1
    assert page.locator("#board").evaluate("table => getComputedStyle(table).borderCollapse") == "separate"


def test_on_a_wide_screen_there_is_no_hint_to_swipe(watched: Watched) -> None:
    expect(watched.open(BOARD).get_by_text("Swipe sideways").first).to_be_hidden()


def test_names_in_the_interval_chart_can_be_read_on_a_phone(watched: Watched) -> None:
    page = watched.open(BOARD, viewport={"width": 360, "height": 800}, java_script_enabled=False)
    name = page.locator("#accuracy svg text").filter(has_text="Random noise")
    size = name.evaluate(
        "text => parseFloat(getComputedStyle(text).fontSize) * text.getScreenCTM().a"  # user units to pixels
    )
    assert size >= 10.5


def test_hostile_names_are_shown_as_text(watched: Watched) -> None:
    page = watched.open(HOSTILE, viewport={"width": 360, "height": 800})
    assert page.get_by_role("heading", level=1).inner_text().startswith("<script>alert(1)</script>WWW")
    assert page.locator("script:not([src]):not([type='application/json'])").count() == 0


def test_stored_results_are_canonical_for_the_browser_too(watched: Watched, site: Site) -> None:
    stored = next((site.folder / "submissions/fog").glob("*.json")).read_text(encoding="utf-8")
    sort = """(text) => {
        const sorted = (value) => Array.isArray(value) ? value.map(sorted)
            : value && typeof value === "object"
                ? Object.fromEntries(Object.keys(value).sort().map((key) => [key, sorted(value[key])]))
                : value;
        return JSON.stringify(sorted(JSON.parse(text)));
    }"""
    assert watched.open().evaluate(sort, stored) + "\n" == stored
