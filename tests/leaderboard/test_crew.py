"""A crew of processes: what stays, what is prepared, and what becomes of errors."""

import os
from functools import partial
from pathlib import Path

import pytest

from bench.leaderboard import crew
from bench.leaderboard.crew import Crew, one_crew, spread


class Here:
    """What a process of the crew was prepared with, and how often."""

    count = 0
    word = ""


def prepare(word: str) -> None:
    Here.count += 1
    Here.word = word


def who(task: int) -> tuple[int, int, int, str]:
    return task, os.getpid(), Here.count, Here.word


def fail_at_three(task: int) -> int:
    if task == 3:
        raise ValueError("three")
    return task


def note(path: Path, task: int) -> int:
    with path.open("ab") as file:
        file.write(b".")
    return task


@pytest.fixture(autouse=True)
def _two_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crew, "_workers", lambda: 2)


def test_outcomes_come_in_the_order_of_tasks_from_other_processes() -> None:
    found = list(spread(who, range(50), worth_it=True))
    assert [task for task, *_ in found] == list(range(50))
    assert os.getpid() not in {process for _, process, *_ in found}


def test_little_work_is_done_here() -> None:
    found = list(spread(who, range(3)))
    assert {process for _, process, *_ in found} == {os.getpid()}


def test_one_crew_stays_and_is_prepared_once_for_each_object() -> None:
    first, second = partial(prepare, "first"), partial(prepare, "second")
    with one_crew():
        rounds = [list(spread(who, range(40), prepare=made, worth_it=True)) for made in (first, first, second)]
    processes = [{process for _, process, *_ in found} for found in rounds]
    assert len(set().union(*processes)) <= 2
    assert {word for _, _, _, word in rounds[1]} == {"first"}
    assert {word for _, _, _, word in rounds[2]} == {"second"}
    assert max(count for _, _, count, _ in rounds[1]) == 1
    assert max(count for _, _, count, _ in rounds[2]) <= 2


def test_work_begins_before_anybody_asks_for_it() -> None:
    with one_crew():
        found = spread(who, range(4), worth_it=True)
        assert Crew.at_hand is not None
        assert Crew.at_hand._pool is not None
        assert [task for task, *_ in found] == [0, 1, 2, 3]
    assert Crew.at_hand is None


def test_an_error_is_raised_where_the_outcome_would_be() -> None:
    found = spread(fail_at_three, range(10), worth_it=True)
    assert [next(found) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(ValueError, match="three"):
        next(found)


def test_what_was_not_begun_is_not_done(tmp_path: Path) -> None:
    done = tmp_path / "done"
    with one_crew():
        found = spread(partial(note, done), range(20_000), worth_it=True)
        assert next(found) == 0
    assert 0 < done.stat().st_size < 20_000
