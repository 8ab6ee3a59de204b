import re
from itertools import pairwise
from pathlib import Path

import pytest
from factories import Found, make_result, make_run, write_board, write_submission
from leaderboard.conftest import Built, Wide
from protocol_factory import HEX, make_protocol

from bench.leaderboard.board import board_context
from bench.leaderboard.contexts import BoardContext, Matrix
from bench.leaderboard.defended_pages import defenses_contexts, networks_contexts
from bench.leaderboard.environment import Renderer, static_assets
from bench.leaderboard.frame import per_seed
from bench.leaderboard.matrix import LEVELS
from bench.leaderboard.overview import build_overview
from bench.leaderboard.page_contexts import DefensesContext
from bench.leaderboard.sources import read_sources
from bench.leaderboard.submission_page import submission_contexts


@pytest.fixture(scope="module")
def page(wide: Wide) -> BoardContext:
    return board_context(wide.sources, wide.protocol)


@pytest.fixture(scope="module")
def defended(wide: Wide) -> DefensesContext:
    return defenses_contexts(wide.sources, wide.protocol)[0]


def cells(matrix: Matrix, slug: str) -> dict[str, str]:
    row = next(row for row in matrix.rows if row.slug == slug)
    return {column: cell.text for column, cell in zip(matrix.columns, row.cells, strict=True)}


def luminance(color: str) -> float:
    parts = [int(color[index : index + 2], 16) / 255 for index in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def test_worst_case_stands_first_and_clean_training_on_top(defended: DefensesContext) -> None:
    accuracy, matched = defended.matrices
    assert accuracy.columns[:4] == ("Worst case", "no defense", "JPEG, quality 10", "adversarial training")
    assert accuracy.columns == matched.columns
    assert len(accuracy.columns) == 13
    assert [row.slug for row in accuracy.rows][:2] == ["clean-wide", "tap-wide"]
    assert accuracy.rows[-1].slug == "random-wide"


def test_cells_hold_means_and_say_their_interval(defended: DefensesContext) -> None:
    lsp = cells(defended.matrices[0], "lsp-wide")
    # 0.14, 0.152, 0.132 undefended; UEraser-max goes 0.9 of the way to 0.95.
    assert (lsp["no defense"], lsp["UEraser-max"], lsp["Worst case"]) == ("14.1", "86.9", "86.9")
    row = next(row for row in defended.matrices[0].rows if row.slug == "lsp-wide")
    assert row.cells[1].title == "95\u202f% interval 11.6 to 16.6, 3 seeds"
    assert (row.cells[1].level, row.cells[0].level) == ("1", "8")


def test_ud_matched_without_a_defense_is_ud(page: BoardContext, defended: DefensesContext) -> None:
    board = {row.slug: row.ud.text for row in page.board.ranked}
    for slug, distance in board.items():
        assert cells(defended.matrices[1], slug)["no defense"] == distance
    assert set(cells(defended.matrices[1], "clean-wide").values()) == {"1.00"}


def test_a_missing_cell_is_a_status_word_with_its_reason(defended: DefensesContext) -> None:
    quick = cells(defended.matrices[0], "sem-wide")
    assert (quick["adversarial training"], quick["Worst case"]) == ("not run", "not run")
    assert quick["no defense"] == "30.0"
    row = next(row for row in defended.matrices[0].rows if row.slug == "sem-wide")
    assert (row.cells[0].title, row.cells[0].level) == ("no seed in this tier", "")


def test_intervals_of_a_matrix_are_a_table_too(defended: DefensesContext) -> None:
    table = defended.matrices[0].intervals
    assert table.columns[:3] == ("method", "worst case", "no defense")
    assert next(row for row in table.rows if row[0] == "LSP")[2] == "11.6 to 16.6, 3 seeds"


def test_other_networks_stand_beside_the_primary_one(wide: Wide) -> None:
    page = networks_contexts(wide.sources, wide.protocol)[0]
    assert page.networks == ("resnet-narrow, no defense", "lenet5, no defense")
    row = next(row for row in page.rows if row.slug == "lsp-wide")
    assert [cell.text for cell in row.cells] == ["14.1\u202f%", "0.13", "14.1\u202f%", "0.13"]


def test_a_protocol_with_one_condition_has_neither_matrix_nor_overview(tmp_path: Path) -> None:
    whole = make_protocol()
    protocol = make_protocol(conditions=whole.conditions[:1])
    write_board(tmp_path, protocol)
    sources = read_sources(tmp_path, protocols={protocol.id: protocol})
    page = board_context(sources, protocol)
    entry = next(entry for entry in sources.entries if entry.slug == "fog")
    fog = submission_contexts(sources, entry)[0]
    assert (page.defenses, page.networks, page.board.defended) == ("", "", False)
    assert (defenses_contexts(sources, protocol), networks_contexts(sources, protocol)) == ([], [])
    assert fog.sections[0].overview is None


def test_the_board_shows_worst_case_and_published_search_with_its_seeds(page: BoardContext) -> None:
    row = next(row for row in page.board.ranked if row.slug == "tap-wide")
    assert (page.board.defended, page.board.searched) == (True, True)
    assert row.worst.text == "86.4\u202f%"
    assert row.official.interval == "1.76 to 1.76, 2 seeds"


def test_the_published_search_belongs_to_the_seeds_that_ran_it(wide: Wide) -> None:
    stored = next(entry.shown(wide.protocol) for entry in wide.sources.entries if entry.slug == "tap-wide")
    assert stored is not None
    found = (per_seed(stored.result, "ud_official", asked.label) for asked in stored.result.subject.conditions)
    assert [list(values) for values in found if values] == [[1, 2]]


def test_an_overview_has_every_condition_by_network(wide: Wide) -> None:
    stored = next(entry.shown(wide.protocol) for entry in wide.sources.entries if entry.slug == "sem-wide")
    assert stored is not None
    overview = build_overview(wide.protocol, stored.result)
    assert [(model, len(lines)) for model, lines in overview.groups] == [("resnet-narrow", 12), ("lenet5", 1)]
    lines = {line.defense: line for line in overview.groups[0][1]}
    assert lines["no defense"].primary
    assert (lines["adversarial training"].seeds, lines["adversarial training"].cells[0].text) == ("0", "not run")
    assert ("resnet-narrow, JPEG, quality 10", "test acc.", "0", "62.5") in overview.seeds.rows


def test_wide_pages_carry_no_style_and_every_level_has_a_class(wide: Wide, defended: DefensesContext) -> None:
    renderer = Renderer(lambda _: "<svg></svg>", static_assets(b""))
    text = renderer.render("pages/defenses.html", defended).decode()
    levels = set(re.findall(r'class="heat heat-(\d)"', text))
    assert not re.search(r"\sstyle=", text)
    assert levels <= {str(level) for level in range(LEVELS)}
    assert len(levels) > 5
    for context in (page for entry in wide.sources.entries for page in submission_contexts(wide.sources, entry)):
        assert renderer.render("pages/submission.html", context)


def test_every_heat_level_is_read_with_ease_and_in_gray() -> None:
    style = static_assets(b"")["site.css"].content.decode()
    inks = re.search(r"--ink: light-dark\((#\w{6}), (#\w{6})\)", style)
    assert inks
    found = re.findall(r"\.heat-(\d) \{ background: light-dark\((#\w{6}), (#\w{6})\)", style)
    assert [level for level, *_ in found] == [str(level) for level in range(LEVELS)]
    for theme, sign in ((1, -1), (2, 1)):
        shades = [row[theme] for row in found]
        assert all(contrast(shade, inks[theme]) >= 4.5 for shade in shades)  # WCAG 2.2 AA
        steps = [sign * (luminance(b) - luminance(a)) for a, b in pairwise(shades)]
        assert min(steps) > 0


def test_two_submissions_of_one_short_name_are_told_apart(tmp_path: Path) -> None:
    protocol = make_protocol()
    for slug in ("fog", "mist"):
        result = make_result(protocol, Found((0.1, 0.11, 0.12)), digest=HEX)
        write_submission(tmp_path, slug, name=f"Veil ({slug})", results=[(result, make_run())])
    page = defenses_contexts(read_sources(tmp_path, protocols={protocol.id: protocol}), protocol)[0]
    assert [row.name for row in page.matrices[0].rows] == ["Veil, fog", "Veil, mist"]


def test_the_page_by_defense_links_the_meaning_of_its_matrices(built: Built) -> None:
    assert 'href="defenses/index.html"' in built.text("ue/ue-tiny-v1/index.html")
    text = built.text("ue/ue-tiny-v1/defenses/index.html")
    assert "metrics/worst_test_accuracy/index.html" in text
    assert "metrics/ud_matched/index.html" in text
