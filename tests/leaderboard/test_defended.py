"""Which defense breaks which method, by values worked out by hand."""

from pathlib import Path

import pytest
from factories import CLEAN, Found, make_result, make_run, write_submission
from leaderboard.conftest import Wide
from protocol_factory import make_condition, make_protocol

from bench.leaderboard.board import board_context, build_board
from bench.leaderboard.defended import BROKEN, recoveries
from bench.leaderboard.defended_pages import defenses_contexts, networks_contexts
from bench.leaderboard.frame import shown_results
from bench.leaderboard.page_contexts import DefendedRow, DefensesContext
from bench.leaderboard.sources import read_sources


@pytest.fixture(scope="module")
def page(wide: Wide) -> DefensesContext:
    return defenses_contexts(wide.sources, wide.protocol)[0]


def row(page: DefensesContext, slug: str) -> DefendedRow:
    return next(item for item in page.rows if item.slug == slug)


def test_the_strongest_defense_is_that_of_the_highest_mean(page: DefensesContext) -> None:
    lsp = row(page, "lsp-wide")
    # The factory's UEraser-max goes 0.9 of the way from 0.1413 to 0.95: 0.8691. Clean training has 0.965, so that
    # (0.8691 - 0.1413) / (0.965 - 0.1413) = 0.8836 of what was lost comes back.
    assert (lsp.defense, lsp.defended.text, lsp.share) == ("UEraser-max", "86.9\u202f%", "88.4\u202f%")
    assert lsp.verdict == "holds in part"
    assert BROKEN > 0.8836


def test_a_method_that_takes_nothing_has_nothing_to_give_back(tmp_path: Path) -> None:
    protocol = make_protocol()
    write_submission(
        tmp_path, "clean", family="reference", results=[(make_result(protocol, CLEAN, digest=None), make_run())]
    )
    write_submission(tmp_path, "fog", results=[(make_result(protocol, Found((0.95, 0.95, 0.95))), make_run())])
    page = defenses_contexts(read_sources(tmp_path, protocols={protocol.id: protocol}), protocol)[0]
    assert (page.rows[0].share, page.rows[0].verdict) == ("", "takes less than 3 points")
    assert not any("broken" in sentence for sentence in page.sentences)


def test_a_defense_that_gives_nine_tenths_back_breaks_a_method(tmp_path: Path) -> None:
    # 0.3 of clean training's 0.965 are left; UEraser-max brings it to 0.3 + 0.9 * 0.65 = 0.885: a share of 0.88.
    # With every seed at 0.9 the same rule leads to 0.945, 0.045 of 0.065 lost: 0.69. A method at 0.05 gets 0.885.
    protocol = make_protocol(conditions=(make_condition(primary=True), make_condition(defense="ueraser-max")))
    write_submission(
        tmp_path, "clean", family="reference", results=[(make_result(protocol, CLEAN, digest=None), make_run())]
    )
    for slug, level in (("fog", 0.3), ("mist", 0.9), ("zero", 0.0)):
        result = make_result(protocol, Found((level, level, level)))
        write_submission(tmp_path, slug, results=[(result, make_run())])
    sources = read_sources(tmp_path, protocols={protocol.id: protocol})
    board = build_board(sources, protocol)
    results = {entry.slug: stored.result for entry, stored in shown_results(sources, protocol)}
    shares = {item.slug: item.share for item in recoveries(board, protocol, results)}
    assert shares == {
        "fog": pytest.approx((0.885 - 0.3) / 0.665),
        "mist": pytest.approx((0.945 - 0.9) / 0.065),
        "zero": pytest.approx(0.855 / 0.965),
    }


def test_without_clean_training_nothing_is_said_of_breaking(tmp_path: Path) -> None:
    protocol = make_protocol()
    write_submission(tmp_path, "fog", results=[(make_result(protocol, Found((0.1, 0.1, 0.1))), make_run())])
    page = defenses_contexts(read_sources(tmp_path, protocols={protocol.id: protocol}), protocol)[0]
    assert (page.rows, page.sentences) == ((), ())


def test_the_board_says_in_a_sentence_what_the_pages_say(wide: Wide, page: DefensesContext) -> None:
    board = board_context(wide.sources, wide.protocol)
    broken = sum(item.verdict == "broken" for item in page.rows)
    assert board.defenses == (
        f"11 defenses on resnet-narrow; some defense breaks {broken} of {len(page.rows)} methods."
    )
    networks = networks_contexts(wide.sources, wide.protocol)[0]
    assert board.networks == networks.sentences[-1]
    assert networks.sentences[-1].startswith("With lenet5, ")


def test_sentences_count_every_judged_method(page: DefensesContext) -> None:
    judged = sum(item.share != "" for item in page.rows)
    assert any(f"of {judged} methods" in sentence for sentence in page.sentences)
    holds = next(sentence for sentence in page.sentences if "holds best" in sentence)
    lowest = min((item for item in page.rows if item.share), key=lambda item: float(item.defended.sort))
    assert holds.startswith(
        f"{lowest.name} holds best: its strongest defense, {lowest.defense}, reaches {lowest.defended.text}"
    )
