import csv
import io
import re
from dataclasses import replace

import pytest
from leaderboard.conftest import Built
from protocol_factory import make_protocol

from bench.leaderboard.board import board_context
from bench.leaderboard.exports.csv_files import reported_csv
from bench.leaderboard.reported import TABLES, ReportedFigure, figures_of, load_reported, undefended
from bench.leaderboard.reported_page import reported_block, reported_contexts
from bench.leaderboard.sources import Sources
from bench.protocol import load_protocol

TABLE = {table.id: table for table in load_reported()}
PAGE = "reported/index.html"


def figures(name: str) -> list[ReportedFigure]:
    return [figure for row in figures_of(TABLE[name]) for figure in row]


def values(name: str, metric: str) -> dict[tuple[str, str, str, str], float]:
    return {
        (item.dataset, item.model, item.method, item.defense): float(item.text)
        for item in figures(name)
        if item.metric == metric and item.text
    }


def test_every_table_of_the_folder_is_listed_and_says_where_it_is_from() -> None:
    assert tuple(TABLE) == TABLES
    for table in TABLE.values():
        assert table.href.startswith("https://")
        assert table.source
        assert table.tag in ("paper", "APBench", "ISS", "PIL")


@pytest.mark.parametrize("name", TABLES)
def test_every_figure_is_a_number_or_empty_and_its_place_is_said_once(name: str) -> None:
    found = figures(name)
    places = [(item.dataset, item.method, item.model, item.defense, item.metric) for item in found]
    assert len(set(places)) == len(places)
    assert all(all(place) for place in places)
    assert all(re.fullmatch(r"[+-]?\d+\.\d+|", item.text) for item in found)
    marked = {(mark.row, mark.column) for mark in TABLE[name].marks}
    assert len([item for item in found if item.mark and item.mark != "no-defense"]) == len(
        [row for row, _ in marked if row]
    )


@pytest.mark.parametrize(("name", "count"), [("paper-table-1", 18), ("paper-table-2", 20)])
def test_every_published_ud_follows_from_its_layers(name: str, count: int) -> None:
    # Both tables divide by clean training without a defense; a thousandth is the rounding of three decimals.
    clean = {
        place[0]: value for place, value in values("paper-table-1", "learnable_layers").items() if "clean" in place
    }
    layers, distances = values(name, "learnable_layers"), values(name, "ud")
    assert len(distances) == count
    for place, distance in distances.items():
        assert distance == pytest.approx(layers[place] / clean[place[0]], abs=0.001), place


def test_every_published_change_is_the_difference_of_two_uds() -> None:
    plain, defended = values("paper-table-1", "ud"), values("paper-table-2", "ud")
    changes = values("paper-table-2", "ud_change")
    assert len(changes) == 15
    for place, change in changes.items():
        assert change == pytest.approx(defended[place] - plain[*place[:3], "none"], abs=0.0011), place


def test_uds_of_table_3_follow_from_their_own_network_unless_they_are_marked() -> None:
    layers = values("paper-table-3", "learnable_layers")
    for item in figures("paper-table-3"):
        own = layers.get((item.dataset, item.model, item.method, item.defense))
        if item.metric != "ud" or not item.text or own is None:
            continue
        model = "resnet18" if item.mark == "denominator" else item.model
        assert float(item.text) == pytest.approx(own / layers[item.dataset, model, "clean", "none"], abs=0.003), item


def test_doubtful_cells_are_marked_in_words_with_a_legend(built: Built) -> None:
    text = built.text(PAGE)
    page = reported_contexts(Sources({}, ()))[0]
    table = next(item for item in page.tables if item.id == "paper-table-3")
    cells = {keys[0]: row for keys, row in table.rows}
    header = [column for column, _ in table.columns]
    assert cells["ViT"][header.index("clean training, #LP")].mark == "inferred"
    assert cells["ViT"][header.index("EM, UD")].text == "lost"
    assert cells["ResNet-50"][header.index("TAP, UD")].mark == "other denominator"
    assert all(f'<span class="doubt">{word}</span></dt>' in text for word, _ in page.marks)
    assert "numerically no defense" in text


def test_what_a_source_leaves_open_is_a_word(built: Built) -> None:
    assert "not reported" in built.text(PAGE)
    assert not re.search(r"<td>\s*</td>", built.text(PAGE))


def test_the_page_is_in_the_menu_and_linked_from_every_board(built: Built) -> None:
    assert 'href="../../reported/index.html">Reported</a>' in built.text("ue/ue-tiny-v1/index.html")
    assert "What publications report" in built.text("ue/ue-tiny-v1/index.html")
    assert 'href="../ue/ue-tiny-v1/index.html"' in built.text(PAGE)


def test_a_board_shows_what_was_reported_on_its_data_and_no_other_board_does() -> None:
    block = reported_block(load_protocol("ue-cifar10-mini-v1"))
    assert block is not None
    assert block.columns[:3] == ("paper: test accuracy, %", "paper: UD", "APBench: test accuracy, %")
    rows = {method: [cell.text for cell in cells] for method, cells in block.rows}
    assert next(iter(rows)) == "clean training"
    assert rows["TAP"] == ["29.85", "1.639", "6.27", "8.17", "not reported"]
    assert reported_block(make_protocol()) is None


def test_reported_figures_never_enter_the_ranking() -> None:
    protocol = load_protocol("ue-cifar10-mini-v1")
    page = board_context(Sources({protocol.id: protocol}, ()), protocol)
    assert page.reported is not None
    assert (page.board.ranked, page.board.anchors, page.board.unranked, page.figures) == ((), (), (), ())


def test_the_first_table_of_a_source_stands_where_a_later_one_repeats_it() -> None:
    repeated = [item for item in undefended("cifar10") if (item.tag, item.method, item.metric) == ("paper", "em", "ud")]
    assert [item.table for item in repeated] == ["paper-table-1", "paper-table-3"]
    assert replace(repeated[1], table="paper-table-1", source=repeated[0].source) == repeated[0]


def test_the_csv_has_every_figure_as_printed_with_its_source() -> None:
    rows = list(csv.DictReader(io.StringIO(reported_csv().decode())))
    assert len(rows) == sum(len(figures(name)) for name in TABLES)
    row = next(
        row for row in rows if (row["table"], row["method"], row["dataset"]) == ("paper-table-1", "em", "cifar10")
    )
    assert (row["text"], row["tag"], row["source"]) == ("26.52", "paper", "arXiv:2509.08058, Table 1")
