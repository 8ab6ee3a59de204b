"""Results that are open: the same object as long as there is room, read again and checked where there was none."""

from pathlib import Path

import pytest
from factories import Found, make_result, make_run, write_submission
from protocol_factory import make_protocol

from bench.errors import CorruptResult
from bench.leaderboard import opened, shelf
from bench.leaderboard.shelf import Shelved, read_shelf

PROTOCOL = make_protocol()


def write_three(root: Path) -> list[Shelved]:
    results = [(make_result(PROTOCOL, Found((level, 0.5))), make_run()) for level in (0.3, 0.4, 0.6)]
    folder = write_submission(root, "fog", protocols=[PROTOCOL.id], results=results)
    return list(read_shelf(folder).results)


@pytest.fixture(autouse=True)
def _nothing_open(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shelf, "OPENED", opened.OpenedResults())


def test_a_result_is_opened_once_while_there_is_room(tmp_path: Path) -> None:
    stored = write_three(tmp_path)
    first = [item.result for item in stored]
    assert all(item.result is result for item, result in zip(stored, first, strict=True))
    assert all(item.content == item.path.read_bytes() for item in stored)


def test_what_was_asked_for_longest_ago_makes_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one, two, three = write_three(tmp_path)
    monkeypatch.setattr(opened, "OPEN_BYTES", sum(item.path.stat().st_size for item in (one, two, three)) - 1)
    first, second, again = one.result, two.result, one.result
    assert again is first
    assert three.result == three.result
    assert one.result is first
    assert two.result is not second
    assert two.result == second


def test_a_result_larger_than_the_room_is_open_all_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one, *_ = write_three(tmp_path)
    monkeypatch.setattr(opened, "OPEN_BYTES", 1)
    assert one.result is one.result


def test_a_result_that_changed_since_it_was_checked_is_refused(tmp_path: Path) -> None:
    one, *_ = write_three(tmp_path)
    one.path.write_bytes(one.path.read_bytes().replace(b"0.5", b"0.7"))
    with pytest.raises(CorruptResult, match="changed while the site was built"):
        _ = one.result
