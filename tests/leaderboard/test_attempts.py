"""Attempts and withdrawals on pages: counted from the ledger, said in words, and what is withdrawn is not ranked."""

from dataclasses import replace
from pathlib import Path

import pytest
from factories import write_board

from bench.attempts import annotate, enter_stored
from bench.leaderboard.attempts import NO_ATTEMPT, ONLY_RISES, attempt_words, history_words
from bench.leaderboard.board import standings
from bench.leaderboard.building import build_files
from bench.leaderboard.sources import read_sources
from bench.ledger import read_ledger
from bench.protocol import Protocol


@pytest.fixture
def board(tmp_path) -> tuple[Path, Protocol]:
    protocol = write_board(tmp_path)
    for folder in sorted((tmp_path / "submissions").iterdir()):
        enter_stored(folder)
    return tmp_path, protocol


def test_a_withdrawn_result_is_struck_through_with_its_reason_and_not_ranked(board):
    root, protocol = board
    known = {protocol.id: protocol}
    ranked = [item.slug for item in standings(read_sources(root, protocols=known), protocol)[0]]
    slug = ranked[0]
    for path in sorted((root / "submissions" / slug / "results").glob("*/*.json")):
        annotate(path, reason="Wrong <i>images</i>.", by="A. Maintainer", action="withdraw")
    sources = read_sources(root, protocols=known)
    assert [item.slug for item in standings(sources, protocol)[0]] == ranked[1:]
    page = build_files(root, protocols=known)[f"submissions/{slug}/index.html"].decode()
    assert '<tr class="withdrawn"><th scope="row"><del>' in page
    assert "withdrawn, not on the board" in page
    assert "A. Maintainer: Wrong &lt;i&gt;images&lt;/i&gt;." in page
    assert "<i>images" not in page


def test_an_attempt_is_on_the_page_and_in_the_csv(board):
    root, protocol = board
    files = build_files(root, protocols={protocol.id: protocol})
    header, *rows = files[f"ue/{protocol.id}/{protocol.id}.csv"].decode().splitlines()
    column = header.split(",").index("attempt")
    assert {row.split(",")[column] for row in rows} >= {"1 of 1"}
    slug = standings(read_sources(root, protocols={protocol.id: protocol}), protocol)[0][0].slug
    page = files[f"submissions/{slug}/index.html"].decode()
    assert "Attempt, by the ledger" in page
    assert "1 of 1; entered 1 time" in page


def test_attempts_that_only_rise_are_said(board):
    root, protocol = board
    sources = read_sources(root, protocols={protocol.id: protocol})
    slug = standings(sources, protocol)[0][0].slug
    ledger = read_ledger(root / "submissions" / slug)
    entry = next(item for item in sources.entries if item.slug == slug)
    result = entry.shown(protocol).result
    (line, *_) = [item for item in ledger.evaluations if item.result == result.id]
    before = [line.model_copy(update={"artifacts": (str(n),), "value": 0.99 - n / 100, "tier": "full"}) for n in (0, 1)]
    risen = replace(ledger, lines=(*before, line.model_copy(update={"tier": "full", "value": 0.1})))
    assert attempt_words(risen, result) == "3 of 3"
    assert history_words(risen, result).endswith(ONLY_RISES)
    fallen = replace(ledger, lines=(*reversed(before), line.model_copy(update={"tier": "full", "value": 0.995})))
    assert ONLY_RISES not in history_words(fallen, result)


def test_a_result_without_a_line_says_so(tmp_path):
    protocol = write_board(tmp_path)
    sources = read_sources(tmp_path, protocols={protocol.id: protocol})
    entry = next(item for item in sources.entries if item.results)
    assert attempt_words(entry.ledger, entry.results[0].result) == NO_ATTEMPT
