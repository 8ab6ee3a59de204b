"""Changes page: what changed on every board, day by day, and the days of each board.

Imports the changelog; never torch.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from bench.leaderboard.changelog import MOST_CHANGES, ChangeLine, moved_sentences, newest_changes, rank_newest_days
from bench.leaderboard.contexts import Context
from bench.leaderboard.feed import FEEDS
from bench.leaderboard.history import MOST_DAYS, BoardHistory, board_histories
from bench.leaderboard.sources import Sources
from bench.unlearning_protocol import AnyProtocol

PATH = "changes/index.html"

Moved = Mapping[tuple[str, str], str]
"""By board and day: which others moved, in words."""


@dataclass(frozen=True)
class ChangesOnBoard:
    """The changes of one board on one day. moved: which others they moved, empty where none."""

    protocol: str
    title: str
    href: str
    lines: tuple[ChangeLine, ...]
    moved: str


@dataclass(frozen=True)
class ChangesOfDay:
    """The changes of one day, board by board."""

    day: str
    boards: tuple[ChangesOnBoard, ...]


@dataclass(frozen=True)
class DayOfBoard:
    """A day of a board. id: of its place on the page; results: how many appeared; listed: whether the page has them."""

    id: str
    day: str
    results: int
    listed: bool


@dataclass(frozen=True)
class BoardDays:
    """A board and its days, newest first."""

    protocol: str
    title: str
    href: str
    days: tuple[DayOfBoard, ...]


@dataclass(frozen=True, kw_only=True)
class ChangesContext(Context):
    """All changes, newest first. left_out: how many older ones the page does not have. feeds: file names and titles."""

    days: tuple[ChangesOfDay, ...]
    boards: tuple[BoardDays, ...]
    left_out: int
    feeds: tuple[tuple[str, str], ...]


def changes_contexts(sources: Sources) -> list[ChangesContext]:
    """Gather the page of changes."""
    return [changes_context(board_histories(sources))]


def rank_changed_days(sources: Sources, protocol: AnyProtocol) -> None:
    """Rank the days of a board that the page of changes tells of, which takes all its results.

    Done while they are open anyway, and for many boards side by side; what is found is remembered.
    """
    rank_newest_days(board_histories(sources), protocol.id, MOST_CHANGES)


def changes_context(histories: Sequence[BoardHistory]) -> ChangesContext:
    """Put the newest changes together by day and board."""
    lines = newest_changes(histories, MOST_CHANGES)
    listed = {(line.protocol, line.day): "" for line in lines}
    for history in histories:
        days = [day for protocol, day in listed if protocol == history.protocol.id]
        listed |= {(history.protocol.id, day): words for day, words in moved_sentences(history, days).items()}
    return ChangesContext(
        path=PATH,
        title="What changed",
        description="Every result that appeared on a board, with what it did to the ranks, newest first.",
        days=tuple(
            ChangesOfDay(day, tuple(_on_boards(listed, day, tuple(found))))
            for day, found in groupby(lines, key=lambda line: line.day)
        ),
        boards=tuple(_board_days(history, listed) for history in histories if history.days),
        left_out=sum(len(history.changes) for history in histories) - len(lines),
        feeds=tuple((path.rpartition("/")[2], title.partition(": ")[2]) for path, (_, title) in FEEDS.items()),
    )


def day_id(protocol: str, day: str) -> str:
    """Return the place of a board's day on the page, for links."""
    return f"{protocol}-{day}"


def newest_days(history: BoardHistory) -> tuple[str, ...]:
    """Return the days of a board that the page lists, newest first."""
    return tuple(reversed(history.days[-MOST_DAYS:]))


def board_days(sources: Sources, protocol: AnyProtocol) -> tuple[tuple[str, str], ...]:
    """Return the newest days of a board and their places on the page of changes, newest first."""
    return tuple((day, day_id(protocol.id, day)) for day in newest_days(BoardHistory(sources, protocol)))


def _on_boards(moved: Moved, day: str, lines: Sequence[ChangeLine]) -> Iterable[ChangesOnBoard]:
    for protocol in sorted({line.protocol for line in lines}):
        own = tuple(line for line in lines if line.protocol == protocol)
        href = _board_href(own[0].track, protocol)
        yield ChangesOnBoard(protocol, own[0].title, href, own, moved[protocol, day])


def _board_days(history: BoardHistory, listed: Collection[tuple[str, str]]) -> BoardDays:
    protocol = history.protocol
    counts = Counter(change.day for change in history.changes)
    return BoardDays(
        protocol.id,
        protocol.title,
        _board_href(protocol.track, protocol.id),
        tuple(
            DayOfBoard(day_id(protocol.id, day), day, counts[day], (protocol.id, day) in listed)
            for day in newest_days(history)
        ),
    )


def _board_href(track: str, protocol: str) -> str:
    return f"{track}/{protocol}/index.html"
