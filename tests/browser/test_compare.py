"""The compare page in a browser: the numbers of the command for all pairs of real boards, and addresses that hold."""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
from browser.conftest import Watched, check_axe
from playwright.sync_api import Page, expect

from bench.leaderboard.compare_page import compare_contexts
from bench.leaderboard.comparison import board_facts, compare, condition_labels, contestant
from bench.leaderboard.comparison_report import cells_words, comparison_record, difference_text, p_text
from bench.leaderboard.comparison_sources import protocol_sources
from bench.leaderboard.environment import Renderer, static_assets
from bench.leaderboard.wording import number
from bench.metrics.catalog import METRICS
from bench.unlearning_protocol import load_any_protocol

ROOT = Path(__file__).resolve().parent.parent.parent
UE, UNLEARNING = "ue-digits-v1", "unlearning-digits-v1"

READ_ROWS = """() => Array.from(document.querySelectorAll("#compare-result tr[data-metric]")).map((row) => [
  Number(row.dataset.condition), row.dataset.metric,
  ...Array.from(row.cells).slice(1).map((cell) => cell.textContent)])"""


@dataclass(frozen=True)
class Real:
    """The compare page of a real board as a file, and what the command finds for entries of it."""

    base: str
    name: str
    slugs: tuple[str, ...]
    record: Callable[..., dict[str, Any]]
    sentences: Callable[..., list[str]]
    conditions: tuple[str, ...]

    def open(self, watched: Watched, fragment: str = "", **options: Any) -> Page:
        return watched.open(self.name + fragment, base=self.base, **options)


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Real]:
    """Both digits boards, one page each, without the rest of the site."""
    return {name: build(name, tmp_path_factory.mktemp(name)) for name in (UE, UNLEARNING)}


def build(name: str, out: Path) -> Real:
    protocol = load_any_protocol(name)
    sources = protocol_sources(ROOT, protocol)
    facts = board_facts(sources, protocol)
    context = compare_contexts(sources, protocol)[0]
    assets = static_assets(b"")
    page = Renderer(str, assets).render("pages/compare.html", context)
    for path, content in {context.path: page, **{item.path: item.content for item in assets.values()}}.items():
        (out / path).parent.mkdir(parents=True, exist_ok=True)
        (out / path).write_bytes(content)
    entries = {
        entry.slug: contestant(entry, protocol, entry.slug, facts.ranks.get(entry.slug, ""))
        for entry in sources.submissions
    }

    def compared(*slugs: str) -> Any:
        return compare([entries[slug] for slug in slugs], protocol, facts)

    return Real(
        base=out.as_uri() + "/",
        name=context.path,
        slugs=tuple(item["slug"] for item in context.data["entries"]),
        record=lambda *slugs: comparison_record(compared(*slugs)),
        sentences=lambda *slugs: [cells_words(compared(*slugs), cells) for cells in compared(*slugs).cells],
        conditions=tuple(condition_labels(protocol)),
    )


def expected_rows(real: Real, *slugs: str) -> list[tuple[Any, ...]]:
    """What the page must show for entries, from the numbers of the command's JSON."""
    rows = []
    for line in real.record(*slugs)["lines"]:
        metric = METRICS[line["metric"]]
        percent = "\u202f%" if metric.unit == "fraction" else ""
        for found in line["differences"]:
            few = found["verdict"] == "cannot tell" and len(found["seeds"]) < 6
            rows.append(
                (
                    real.conditions.index(line["condition"]),
                    metric.key,
                    found["entry"],
                    f"cannot separate, {len(found['seeds'])} seeds" if few else found["verdict"],
                    difference_text(metric, found["difference"]),
                    f"{number(metric, found['low'])} to {number(metric, found['high'])}",
                    number(metric, found["mean_first"]) + percent,
                    number(metric, found["mean_entry"]) + percent,
                    p_text(found["p"]),
                    p_text(found["exact_p"]),
                    "-" if few else difference_text(metric, found["detectable"], sign=False),
                )
            )
    return rows


def choose(page: Page, *slugs: str) -> None:
    page.evaluate("(fragment) => { window.location.hash = fragment; }", ",".join(slugs))
    expect(page.locator("#compare-command")).to_contain_text(f"bench compare {' '.join(slugs)} --protocol")


@pytest.mark.parametrize(("name", "every"), [(UE, 1), (UNLEARNING, 6)])
def test_page_and_command_show_the_same_numbers(watched: Watched, real: dict[str, Real], name: str, every: int) -> None:
    board = real[name]
    page = board.open(watched)
    pairs = list(combinations(board.slugs, 2))[::every]
    assert len(pairs) > 30
    verdicts = set()
    for pair in pairs:
        choose(page, *pair)
        rows = [tuple(row) for row in page.evaluate(READ_ROWS)]
        assert sorted(rows) == sorted(expected_rows(board, *pair)), pair
        for sentence in board.sentences(*pair):
            assert sentence in (page.text_content("#compare-result") or ""), pair
        verdicts |= {row[3] for row in rows}
    assert {"better", "worse", "cannot tell"} <= verdicts


def test_six_entries_are_compared_with_the_first(watched: Watched, real: dict[str, Real]) -> None:
    board = real[UE]
    chosen = board.slugs[3:9]
    page = board.open(watched, f"#{','.join(chosen)}")
    rows = [tuple(row) for row in page.evaluate(READ_ROWS)]
    assert sorted(rows) == sorted(expected_rows(board, *chosen))
    assert page.locator("#compare-choices select").count() == 6


def test_a_comparison_has_one_address_that_holds(watched: Watched, real: dict[str, Real]) -> None:
    board = real[UE]
    page = board.open(watched, "#lsp-digits,clean")
    before = page.evaluate(READ_ROWS)
    address = page.url
    page.locator("#compare-2").select_option("ops-digits")
    assert page.url.endswith("#lsp-digits,clean,ops-digits")
    assert len(page.evaluate(READ_ROWS)) == 2 * len(before)
    page.go_back()
    expect(page.locator("#compare-command")).to_contain_text("bench compare lsp-digits clean --protocol")
    assert (page.url, page.evaluate(READ_ROWS)) == (address, before)
    page.go_forward()
    expect(page.locator("#compare-command")).to_contain_text("lsp-digits clean ops-digits")
    again = board.open(watched, "#lsp-digits,clean")
    assert again.evaluate(READ_ROWS) == before


def test_what_is_unknown_is_ignored_with_a_notice(watched: Watched, real: dict[str, Real]) -> None:
    board = real[UE]
    page = board.open(watched, "#lsp-digits,<b>nothing</b>,clean,clean,%E0%A4%A")
    notice = page.locator("#compare-notice")
    expect(notice).to_be_visible()
    assert "<b>nothing</b>, clean, %E0%A4%A" in (notice.text_content() or "")
    assert page.locator("#compare-notice b").count() == 0
    assert page.evaluate(READ_ROWS) == [list(row) for row in board_rows(board, "lsp-digits", "clean", page)]
    choose(page, "lsp-digits", "clean")
    expect(notice).to_be_hidden()


def board_rows(board: Real, first: str, second: str, page: Page) -> list[tuple[Any, ...]]:
    """The expected rows in the order in which the page has them."""
    order = {(row[0], row[1]): place for place, row in enumerate(page.evaluate(READ_ROWS))}
    return sorted(expected_rows(board, first, second), key=lambda row: order[row[0], row[1]])


def test_the_link_is_copied_with_the_entries_in_it(watched: Watched, real: dict[str, Real]) -> None:
    page = real[UE].open(watched, "", permissions=["clipboard-read", "clipboard-write"])
    page.get_by_role("button", name="Copy link").click()
    output = page.locator("#compare-copied")
    expect(output.or_(page.locator("#compare-copied input")).first).not_to_be_empty()
    shown = page.locator("#compare-copied input")
    first, second = real[UE].slugs[:2]
    copied = shown.input_value() if shown.count() else page.evaluate("navigator.clipboard.readText()")
    assert copied.endswith(f"{UE}/index.html#{first},{second}")


def test_without_scripts_every_pair_is_there(watched: Watched, real: dict[str, Real]) -> None:
    page = real[UE].open(watched, java_script_enabled=False)
    ranked = page.locator(".separated tbody tr").count()
    assert ranked > 10
    assert page.locator(".pairs tbody tr").count() == ranked * (ranked - 1) // 2
    expect(page.locator("#comparer")).to_be_hidden()
    expect(page.locator("#command + p + pre")).to_contain_text("bench compare ")


@pytest.mark.parametrize(("width", "scheme"), [(320, "light"), (1440, "dark")])
def test_the_filled_page_fits_and_passes_axe(watched: Watched, real: dict[str, Real], width: int, scheme: Any) -> None:
    page = real[UE].open(watched, "#lsp-digits,clean", viewport={"width": width, "height": 800}, color_scheme=scheme)
    for details in page.locator("#compare-result details, #pairs ~ details").all():
        details.locator("summary").first.click()
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    check_axe(page, scheme)


def test_the_plot_has_a_mark_for_every_difference(watched: Watched, real: dict[str, Real]) -> None:
    board = real[UE]
    page = board.open(watched, "#pil-digits,clean")
    decided = [row for row in expected_rows(board, "pil-digits", "clean") if row[1] == "test_accuracy"]
    assert page.locator(".difference-plot .dot").count() == len(decided) == len(board.conditions)
    told = [row for row in decided if row[3] in ("better", "worse")]
    assert page.locator(".difference-plot .dot.told").count() == len(told) > 0
