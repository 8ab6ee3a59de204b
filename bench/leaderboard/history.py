"""History: which result came when, and what its board was before and after. Derived from stored results alone.

Imports numpy through the ranking and the records; never torch. What a board showed on a day follows from the results
that some run had found by then, by the rules that choose what it shows today.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from bench.leaderboard.board import PRIMARY
from bench.leaderboard.board import test_images as count_test_images
from bench.leaderboard.frame import per_seed
from bench.leaderboard.moments import moment_of
from bench.leaderboard.ranking import paired_p_values, separated
from bench.leaderboard.sources import Entry, Sources, UnlearningEntry
from bench.leaderboard.unlearning_order import RESOLUTION, keeps_accuracy, worst_distance
from bench.protocol import Protocol
from bench.results import Result
from bench.store import StoredResult
from bench.unlearning_protocol import AnyProtocol, UnlearningProtocol

MOST_DAYS = 60
"""Days of a board whose ranks are worked out, the newest ones."""

AnyEntry = Entry | UnlearningEntry
Kind = Literal["joined", "replaced", "returned", "beside", "artifact", "wording"]
"""joined: the first that a board shows of a submission. replaced: shown instead of an earlier one. returned: an earlier
one is shown again, since a run found it again. The others are never shown: beside a better one, of another artifact
than the manifest pins, of an earlier wording of the protocol."""

Ranks = Mapping[str, tuple[int, int]]
"""By slug: the best and the worst rank that the evidence leaves open."""


@dataclass(frozen=True)
class Change:
    """One result that appeared, and what it did to its submission's row. previous: what was shown until then."""

    moment: str
    kind: Kind
    entry: AnyEntry
    protocol: AnyProtocol
    stored: StoredResult
    previous: StoredResult | None = None

    @property
    def day(self) -> str:
        """The day, in UTC."""
        return self.moment[:10]


class BoardHistory:
    """The changes of one board, oldest first, and its ranks at the end of any day."""

    def __init__(self, sources: Sources, protocol: AnyProtocol) -> None:
        self.protocol = protocol
        sha256 = protocol.sha256
        self.changes: list[Change] = []
        # By submission: from which moment on a result was shown, oldest first.
        self._shown: list[tuple[AnyEntry, list[tuple[str, StoredResult]]]] = []
        entries: Sequence[AnyEntry] = sources.entries if isinstance(protocol, Protocol) else sources.unlearning_entries
        for entry in entries:
            found = list(_changes(entry, protocol, sha256))
            self.changes += [change for change in found if change.moment]
            timeline = _timeline(found)
            if timeline:
                self._shown.append((entry, timeline))
        self.changes.sort(key=lambda change: (change.moment, change.entry.slug, change.stored.result.id))
        self._ranks: dict[str, Ranks] = {}

    @cached_property
    def days(self) -> tuple[str, ...]:
        """The days on which a result appeared, oldest first."""
        return tuple(sorted({change.day for change in self.changes}))

    @property
    def names(self) -> dict[str, str]:
        """The names of all submissions that the board has ever shown, by slug."""
        return {entry.slug: entry.manifest.method.name for entry, _ in self._shown}

    def shown_on(self, day: str) -> dict[str, StoredResult]:
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
        groups: dict[int, list[tuple[str, int]]] = defaultdict(list)
        columns, group_of, _, _ = self._scores
        for slug, stored in self.shown_on(day).items():
            column = columns.get((slug, stored.result.id))
            if column is not None:
                groups[group_of[column]].append((slug, column))
        ranks: dict[str, tuple[int, int]] = {}
        for group in sorted(groups):
            before = len(ranks)
            slugs, chosen = zip(*groups[group], strict=True)
            best, worst = self._bounds(np.asarray(chosen))
            ranks |= {
                slug: (before + int(low), before + int(high))
                for slug, low, high in zip(slugs, best, worst, strict=True)
            }
        return ranks

    def _bounds(self, chosen: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return best and worst rank of the chosen columns among one another, as `ranking.rank` gives them."""
        _, _, means, p_values = self._scores
        apart = separated(p_values[np.ix_(chosen, chosen)])
        ahead = means[chosen][:, None] < means[chosen][None, :]  # both tracks: lower is better
        best = 1 + (apart & ahead).sum(axis=0)
        return best, len(chosen) - (apart & ahead).sum(axis=1)

    @cached_property
    def _scores(self) -> tuple[dict[tuple[str, str], int], list[int], NDArray[np.float64], NDArray[np.float64]]:
        """Columns of all results that were ever ranked, by slug and id; their groups, means and p-values by pair.

        The values of a result never change, so each pair is compared once, however many days it was shown on.
        """
        columns: dict[tuple[str, str], int] = {}
        groups: list[int] = []
        values: list[dict[int, float]] = []
        for entry, timeline in self._shown:
            for _, stored in timeline:
                key = (entry.slug, stored.result.id)
                found = _ranked_values(entry, stored.result, self.protocol)
                if found is not None and key not in columns:
                    columns[key] = len(columns)
                    groups.append(found[0])
                    values.append(found[1])
        seeds = {seed: row for row, seed in enumerate(sorted({seed for item in values for seed in item}))}
        table = np.full((len(seeds), len(values)), np.nan)
        for column, item in enumerate(values):
            for seed, value in item.items():
                table[seeds[seed], column] = value
        means = np.array([sum(item.values()) / len(item) for item in values])
        return columns, groups, means, paired_p_values(table, resolution=_resolution(self.protocol))


def board_histories(sources: Sources) -> list[BoardHistory]:
    """Return the history of every board, by protocol id."""
    protocols: dict[str, AnyProtocol] = {**sources.protocols, **sources.unlearning_protocols}
    return [BoardHistory(sources, protocols[name]) for name in sorted(protocols)]


_SHOWING = frozenset({"joined", "replaced", "returned"})


def timeline_of(entry: AnyEntry, protocol: AnyProtocol) -> list[tuple[str, StoredResult]]:
    """Return what a board showed of a submission and from which moment on, oldest first."""
    return _timeline(_changes(entry, protocol, protocol.sha256))


def _timeline(changes: Iterable[Change]) -> list[tuple[str, StoredResult]]:
    return [(change.moment, change.stored) for change in changes if change.kind in _SHOWING]


def _changes(entry: AnyEntry, protocol: AnyProtocol, sha256: str) -> Iterator[Change]:
    """Yield what each run did to a submission's row, in the order of time."""
    mine = [stored for stored in entry.results if stored.result.subject.protocol.id == protocol.id]
    able = [item for item in mine if item.result.subject.protocol.sha256 == sha256 and entry.owns(item)]
    for stored in mine:
        if not any(stored is item for item in able):
            worded = stored.result.subject.protocol.sha256 == sha256
            moments = sorted(filter(None, map(moment_of, stored.runs)))
            yield Change(moments[0] if moments else "", "artifact" if worded else "wording", entry, protocol, stored)
    last: dict[str, str] = {}
    shown: StoredResult | None = None
    for moment, ended, stored in sorted(_events(able), key=lambda event: (event[0], event[1], event[2].result.id)):
        new = stored.result.id not in last
        last[stored.result.id] = max(ended, last.get(stored.result.id, ""))
        first = max(
            (item for item in able if item.result.id in last),
            key=lambda item: (item.result.subject.tier == "full", last[item.result.id], item.result.id),
        )
        if first is not shown and first is stored:
            kind: Kind = "joined" if shown is None else "replaced" if new else "returned"
            yield Change(moment, kind, entry, protocol, stored, shown)
            shown = stored
        elif new:
            yield Change(moment, "beside", entry, protocol, stored, shown)


def _events(able: Sequence[StoredResult]) -> Iterator[tuple[str, str, StoredResult]]:
    """Yield each run as moment, the time as it states it, and its result; a result without runs was always there."""
    for stored in able:
        for run in stored.runs:
            yield moment_of(run), run.ended, stored
        if not stored.runs:
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


def _resolution(protocol: AnyProtocol) -> float:
    return RESOLUTION if isinstance(protocol, UnlearningProtocol) else 1 / count_test_images(protocol)
