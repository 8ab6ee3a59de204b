import re
from datetime import datetime
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from factories import Found, make_result, make_run, write_submission
from justhtml import JustHTML
from leaderboard.both import HOSTILE, REFUSED, build_undrawn, read_both, write_both
from protocol_factory import make_protocol

from bench.leaderboard.changelog import ChangeLine, newest_changes
from bench.leaderboard.changes_page import board_days, changes_context
from bench.leaderboard.feed import FEEDS, NEVER, atom, feed_files
from bench.leaderboard.history import board_histories
from bench.leaderboard.sources import Sources, read_sources

ATOM = "{http://www.w3.org/2005/Atom}"


def line(name: str = "Fog", **changes: str) -> ChangeLine:
    fields = {
        "id": "sha256:" + "0" * 64,
        "moment": "2026-01-31T10:05:00Z",
        "track": "ue",
        "protocol": "ue-tiny-v1",
        "title": "Tiny",
        "slug": "fog",
        "name": name,
        "sentence": "joined.",
    }
    return ChangeLine(**{**fields, **changes}, shown=True)


def check_atom(content: bytes) -> ET.Element:
    """What RFC 4287 asks of a feed and of its entries."""
    feed = ET.fromstring(content)
    assert feed.tag == f"{ATOM}feed"
    for element in (feed, *feed.iter(f"{ATOM}entry")):
        for name in ("id", "title", "updated"):
            assert len(element.findall(f"{ATOM}{name}")) == 1, name
        assert re.fullmatch(r"urn:sha256:[0-9a-f]{64}", element.findtext(f"{ATOM}id", ""))
        assert element.findtext(f"{ATOM}title")
        assert datetime.fromisoformat(element.findtext(f"{ATOM}updated", "")).tzinfo is not None
        assert element.findall(f"{ATOM}link[@rel='alternate']")
    assert feed.findall(f"{ATOM}author/{ATOM}name")
    assert len(feed.findall(f"{ATOM}link[@rel='self']")) == 1
    ids = [item.text for item in feed.iter(f"{ATOM}id")]
    assert len(set(ids)) == len(ids)
    return feed


def test_feeds_are_atom_with_one_entry_for_each_result(tmp_path: Path) -> None:
    sources = read_both(tmp_path)
    files = feed_files(board_histories(sources))
    assert set(files) == set(FEEDS)
    counts = {path: len(check_atom(content).findall(f"{ATOM}entry")) for path, content in files.items()}
    # Six UE results, one of them beside another; five checkpoint results.
    assert counts == {"changes/feed.xml": 11, "changes/ue.xml": 6, "changes/unlearning.xml": 5}
    updated = check_atom(files["changes/feed.xml"]).findtext(f"{ATOM}updated")
    assert updated == "2026-01-31T10:05:00Z"


def test_an_empty_feed_is_atom_too() -> None:
    feed = check_atom(feed_files([])["changes/feed.xml"])
    assert feed.findtext(f"{ATOM}updated") == NEVER


def test_another_result_adds_one_entry_and_leaves_the_others(tmp_path: Path) -> None:
    protocol = make_protocol()
    first = (make_result(protocol, Found((0.1, 0.11, 0.1))), make_run())
    second = (make_result(protocol, Found((0.2, 0.21, 0.2))), make_run(ended="2026-02-02T00:00:00Z"))
    ids = []
    for results in ([first], [first, second]):
        write_submission(tmp_path, "fog", results=results)
        sources = read_sources(tmp_path, protocols={protocol.id: protocol})
        feed = check_atom(feed_files(board_histories(sources))["changes/ue.xml"])
        ids.append([item.findtext(f"{ATOM}id") for item in feed.iter(f"{ATOM}entry")])
    assert len(ids[1]) == 2
    assert ids[1][1:] == ids[0]


@pytest.mark.parametrize("name", [*HOSTILE, *REFUSED, "a & b", "]]>"])
def test_feeds_hold_any_name_as_text(name: str) -> None:
    feed = check_atom(atom("changes/feed.xml", "t", [line(name)]))
    summary = feed.findtext(f"{ATOM}entry/{ATOM}summary", "")
    assert summary.endswith(" joined.")
    if name in HOSTILE:
        assert summary == f"{name} joined."
    assert {item.tag.removeprefix(ATOM) for item in feed.iter()} == {
        *("feed", "id", "title", "updated", "link", "author", "name", "entry", "category", "summary")
    }


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    root = tmp_path_factory.mktemp("both")
    return build_undrawn(root, write_both(root))


def test_the_page_has_every_change_under_its_day_and_board(files: dict[str, bytes]) -> None:
    text = files["changes/index.html"].decode()
    document = JustHTML(text, strict=True, sanitize=False)
    items = [node.to_text() for node in document.query("section.changes li")]
    assert len(items) == 11
    assert any(item.startswith("Haze joined ue-tiny-v1 at rank 1 to 3 of 3") for item in items)
    assert [node.to_text() for node in document.query("section.changes h2")] == ["2026-01-31"]
    days = {node.attrs["id"]: node.to_text().replace(" :", ":") for node in document.query("ul.days li")}
    assert days == {
        "ue-tiny-v1-2026-01-31": "2026-01-31: 6 results",
        "unlearning-tiny-v1-2026-01-31": "2026-01-31: 5 results",
    }


def test_boards_lead_to_their_days(files: dict[str, bytes], tmp_path: Path) -> None:
    for folder, name in (("ue", "ue-tiny-v1"), ("unlearning", "unlearning-tiny-v1")):
        page = files[f"{folder}/{name}/index.html"].decode()
        assert f'href="../../changes/index.html#{name}-2026-01-31"' in page
        assert f'href="{name}.tex"' in page
    sources = read_both(tmp_path)
    assert board_days(sources, sources.protocols["ue-tiny-v1"]) == (("2026-01-31", "ue-tiny-v1-2026-01-31"),)


def test_an_empty_history_says_so(tmp_path: Path) -> None:
    context = changes_context(board_histories(Sources({make_protocol().id: make_protocol()}, ())))
    assert (context.days, context.boards, context.left_out) == ((), (), 0)
    assert "No result with a recorded run" in build_undrawn(tmp_path, {})["changes/index.html"].decode()


def test_older_changes_are_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bench.leaderboard.changes_page.MOST_CHANGES", 4)
    histories = board_histories(read_both(tmp_path))
    context = changes_context(histories)
    assert sum(len(board.lines) for day in context.days for board in day.boards) == 4
    assert context.left_out == 7
    assert len(newest_changes(histories, 100)) == 11
