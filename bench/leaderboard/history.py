"""History: which result came when, and what its board was before and after. Derived from stored results alone.

Imports the ranking and the records; never torch. What a board showed on a day follows from the results
that some run had found by then, by the rules that choose what it shows today.
"""

import hashlib
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, TypeVar

from bench.leaderboard.board import PRIMARY
from bench.leaderboard.board import test_images as count_test_images
from bench.leaderboard.frame import per_seed
from bench.leaderboard.moments import first_moment, moment_of
from bench.leaderboard.ranking import SeedTable, rank
from bench.leaderboard.shelf import Shelved
from bench.leaderboard.sources import Entry, Sources, UnlearningEntry, protocol_digest, remembered
from bench.leaderboard.unlearning_order import RESOLUTION, keeps_accuracy, worst_distance
from bench.protocol import Protocol
from bench.results import Result
from bench.unlearning_protocol import AnyProtocol, UnlearningProtocol

MOST_DAYS = 60
"""Days of a board whose ranks are worked out, the newest ones."""

Found = TypeVar("Found")
AnyEntry = Entry | UnlearningEntry
Kind = Literal["joined", "replaced", "returned", "beside", "artifact", "wording", "withdrawn"]
"""joined: the first that a board shows of a submission. replaced: shown instead of an earlier one. returned: an earlier
one is shown again, since a run found it again. The others are never shown: beside a better one, of another artifact
than the manifest pins, of an earlier wording of the protocol, withdrawn since."""

RankedValues = tuple[int, dict[int, float]]
"""Group on the board, the first ranks first, and values by seed, of what a result is ranked by."""

Ranks = Mapping[str, tuple[int, int]]
"""By slug: the best and the worst rank that the evidence leaves open."""


@dataclass(frozen=True)
class Change:
    """One result that appeared, and what it did to its submission's row. previous: what was shown until then."""

    moment: str
    kind: Kind
    entry: AnyEntry
    protocol: AnyProtocol
    stored: Shelved
    previous: Shelved | None = None

    @property
    def day(self) -> str:
        """The day, in UTC."""
        return self.moment[:10]


class BoardHistory:
    """The changes of one board, oldest first, and its ranks at the end of any day."""

    def __init__(self, sources: Sources, protocol: AnyProtocol) -> None:
        self.protocol = protocol
        self._sources = sources
        sha256 = protocol_digest(protocol)
        self.changes: list[Change] = []
        # By submission: from which moment on a result was shown, oldest first.
        self._shown: list[tuple[AnyEntry, list[tuple[str, Shelved]]]] = []
        for entry in sources.naming(protocol):
            found = list(_changes(entry, protocol, sha256))
            self.changes += [change for change in found if change.moment]
            timeline = _timeline(found)
            if timeline:
                self._shown.append((entry, timeline))
        self.changes.sort(key=lambda change: (change.moment, change.entry.slug, change.stored.head.id))
        self._ranks: dict[str, Ranks] = {}

    @cached_property
    def days(self) -> tuple[str, ...]:
        """The days on which a result appeared, oldest first."""
        return tuple(sorted({change.day for change in self.changes}))

    def newest(self, count: int) -> Sequence[Change]:
        """Return the newest changes, oldest first: so many, and those of the same moment as the first of them."""
        if len(self.changes) <= count:
            return self.changes
        since = self.changes[-count].moment if count else ""
        return self.changes[bisect_left(self.changes, since, key=lambda change: change.moment) :]

    def recall(self, name: str, inputs: Any, kind: Any, work_out: Callable[[], Found]) -> Found:
        """Return what follows from the board and inputs (a JSON value), worked out unless it is known; see `Memory`."""
        place = f"{self.protocol.id}/{name}"
        return self._sources.memory.recall(place, [self._sources.state(self.protocol), inputs], kind, work_out)

    @property
    def names(self) -> dict[str, str]:
        """The names of all submissions that the board has ever shown, by slug."""
        return {entry.slug: entry.name for entry, _ in self._shown}

    def shown_on(self, day: str) -> dict[str, Shelved]:
        """Return what the board showed at the end of a day, by slug; results without a recorded run always existed."""
        found = {}
        for entry, timeline in self._shown:
            until = [stored for moment, stored in timeline if moment[:10] <= day]
            if until:
                found[entry.slug] = until[-1]
        return found

    def ranks_on(self, day: str) -> Ranks:
        """Return the ranks at the end of a day, by slug. They are those of the board where the day is its last one."""
        if day not in self._ranks:
            self._ranks[day] = self._rank(day)
        return self._ranks[day]

    def ranks_before(self, day: str) -> Ranks:
        """Return the ranks before a day: none before the first one."""
        earlier = [other for other in ("", *self.days) if other < day]
        return self.ranks_on(earlier[-1]) if earlier else {}

    def ranked_day(self, day: str) -> bool:
        """Say whether ranks of a day are worked out: it is among the newest MOST_DAYS."""
        return day in self.days[-MOST_DAYS:]

    def _rank(self, day: str) -> Ranks:
        names = {f"{slug} {stored.head.id}": slug for slug, stored in self.shown_on(day).items()}
        chosen = {slug: self._values[name] for name, slug in names.items() if name in self._values}
        shown = hashlib.sha256("\n".join(sorted(names)).encode()).hexdigest()
        made_from = [protocol_digest(self.protocol), shown]
        # What a day's board showed does not change with what comes later, so it is ranked once.
        place = f"{self.protocol.id}/ranks of a day/{day or 'before'}"
        return self._sources.memory.recall(
            place, made_from, dict[str, tuple[int, int]], lambda: _ranks(chosen, _resolution(self.protocol))
        )

    @cached_property
    def _values(self) -> dict[str, RankedValues]:
        return ranked_values(self._sources, self.protocol)


@remembered
def ranked_values(sources: Sources, protocol: AnyProtocol) -> dict[str, RankedValues]:
    """Return what each result of a board would be ranked by, by slug and id; those that cannot be ranked are absent."""
    found = {
        f"{entry.slug} {stored.head.id}": _ranked_values(entry, stored.result, protocol)
        for entry in sources.naming(protocol)
        if entry.role == "entry"
        for _, stored in timeline_of(entry, protocol)
    }
    return {name: values for name, values in found.items() if values is not None}


def board_histories(sources: Sources) -> list[BoardHistory]:
    """Return the history of every board, by protocol id."""
    ordered = sorted(sources.all_protocols, key=lambda protocol: protocol.id)
    return sources.memory.at_hand("histories", lambda: [BoardHistory(sources, protocol) for protocol in ordered])


_SHOWING = frozenset({"joined", "replaced", "returned"})


def timeline_of(entry: AnyEntry, protocol: AnyProtocol) -> list[tuple[str, Shelved]]:
    """Return what a board showed of a submission and from which moment on, oldest first."""
    return _timeline(_changes(entry, protocol, protocol_digest(protocol)))


def _timeline(changes: Iterable[Change]) -> list[tuple[str, Shelved]]:
    return [(change.moment, change.stored) for change in changes if change.kind in _SHOWING]


def _changes(entry: AnyEntry, protocol: AnyProtocol, sha256: str) -> Iterator[Change]:
    """Yield what each run did to a submission's row, in the order of time."""
    mine = entry.results_of(protocol)
    able = [
        item for item in mine if item.head.protocol_sha256 == sha256 and entry.owns(item) and not item.head.withdrawn
    ]
    for stored in mine:
        if not any(stored is item for item in able):
            kind: Kind = "withdrawn" if stored.head.withdrawn else "artifact"
            kind = kind if stored.head.protocol_sha256 == sha256 else "wording"
            yield Change(first_moment(stored), kind, entry, protocol, stored)
    last: dict[str, str] = {}
    shown: Shelved | None = None
    for moment, ended, stored in sorted(_events(able), key=lambda event: (event[0], event[1], event[2].head.id)):
        new = stored.head.id not in last
        last[stored.head.id] = max(ended, last.get(stored.head.id, ""))
        first = max(
            (item for item in able if item.head.id in last),
            key=lambda item: (item.head.tier == "full", last[item.head.id], item.head.id),
        )
        if first is not shown and first is stored:
            change: Kind = "joined" if shown is None else "replaced" if new else "returned"
            yield Change(moment, change, entry, protocol, stored, shown)
            shown = stored
        elif new:
            yield Change(moment, "beside", entry, protocol, stored, shown)


def _events(able: Sequence[Shelved]) -> Iterator[tuple[str, str, Shelved]]:
    """Yield each run as moment, the time as it states it, and its result; a result without runs was always there."""
    for stored in able:
        for ended in stored.head.ends:
            yield moment_of(ended), ended, stored
        if not stored.head.ends:
            yield "", "", stored


def _ranked_values(entry: AnyEntry, result: Result, protocol: AnyProtocol) -> tuple[int, dict[int, float]] | None:
    """Return group and values by seed of what a result is ranked by; None where it is not ranked."""
    if entry.role != "entry":
        return None
    if isinstance(protocol, Protocol):
        values = per_seed(result, PRIMARY.key, protocol.primary.label)
        return (0, values) if values else None
    worst = worst_distance(result, protocol).measurement
    if result.subject.tier != "full" or worst is None or worst.per_seed is None:
        return None
    return (0 if keeps_accuracy(result, protocol) else 1, dict(enumerate(worst.per_seed)))


def _ranks(chosen: Mapping[str, RankedValues], resolution: float) -> dict[str, tuple[int, int]]:
    """Rank values by slug as the boards do: group by group, lower is better in both tracks."""
    ranks: dict[str, tuple[int, int]] = {}
    for group in sorted({group for group, _ in chosen.values()}):
        before = len(ranks)
        table = SeedTable.of({slug: values for slug, (found, values) in sorted(chosen.items()) if found == group})
        standings = rank(table, lower_is_better=True, resolution=resolution)
        ranks |= {item.slug: (before + item.best, before + item.worst) for item in standings}
    return ranks


def _resolution(protocol: AnyProtocol) -> float:
    return RESOLUTION if isinstance(protocol, UnlearningProtocol) else 1 / count_test_images(protocol)
