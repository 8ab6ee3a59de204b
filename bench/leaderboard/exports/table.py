"""Table: a board as plain numbers, made once and written in every format. Rows stand in the order of the board's page.

Imports the rankings and the records; never torch.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from bench.leaderboard.attempts import attempt_words
from bench.leaderboard.board import PRIMARY
from bench.leaderboard.board import standings as ue_standings
from bench.leaderboard.citation import board_digest
from bench.leaderboard.moments import last_moment
from bench.leaderboard.replication import Replication, replication
from bench.leaderboard.shelf import Shelved
from bench.leaderboard.sources import Entry, Role, Sources, UnlearningEntry, protocol_digest
from bench.leaderboard.unlearning_board import DISTANCE
from bench.leaderboard.unlearning_order import standings as unlearning_standings
from bench.leaderboard.unlearning_order import worst_distance
from bench.leaderboard.wording import ANCHOR_WORDS, TIER_WORDS, condition_words
from bench.metrics.catalog import METRICS, Metric
from bench.protocol import Protocol
from bench.results import Measurement
from bench.unlearning_protocol import AnyProtocol

WORST = "worst"
"""Condition of a number that is the worst over all conditions, seed by seed."""


@dataclass(frozen=True)
class Place:
    """Where an entry stands on a board: ranks from `best` to `worst`, and the letters of its tie groups.

    keeps: whether it keeps the accuracy of retraining, None on boards that do not ask.
    """

    best: int
    worst: int
    ties: tuple[str, ...]
    keeps: bool | None = None

    @property
    def text(self) -> str:
        """The rank as `3` or `2 to 5`."""
        return str(self.best) if self.best == self.worst else f"{self.best} to {self.worst}"


@dataclass(frozen=True)
class Value:
    """One measurement as every export states it; None is a stated absence, with a status and a reason.

    mean, low, high: full precision, fractions from 0 to 1. over: `items` for a number of all seeds together.
    """

    metric: str
    condition: str
    primary: bool
    status: str
    reason: str
    mean: float | None
    low: float | None
    high: float | None
    n: int
    over: Literal["seeds", "items"]


@dataclass(frozen=True)
class TableRow:
    """One submission on a board. score: what it is ranked by; None, like `stored`, where nothing was measured.

    attempt: which of the submission's artifacts was measured, by the ledger; empty where nothing was.
    """

    slug: str
    name: str
    role: Role
    place: Place | None
    score: Measurement | None
    stored: Shelved | None
    replication: Replication | None
    attempt: str = ""

    @property
    def tier(self) -> str:
        """The tier of what is shown, empty where nothing is."""
        return self.stored.head.tier if self.stored else ""

    @cached_property
    def values(self) -> tuple[Value, ...]:
        """Every measurement of what is shown; several exports ask for them."""
        return tuple(values_of(self.stored)) if self.stored else ()


@dataclass(frozen=True)
class BoardTable:
    """A board with what its rows are ranked by. folder: in the site; digest: of what is shown, whatever it is called.

    measured: the day of the newest run behind a shown result, empty without one.
    """

    protocol: AnyProtocol
    sha256: str
    metric: Metric
    condition: str
    rows: tuple[TableRow, ...]
    digest: str
    measured: str

    @property
    def folder(self) -> str:
        """The folder of the board in the site, without a slash at its end."""
        return f"{self.protocol.track}/{self.protocol.id}"

    @property
    def score_words(self) -> str:
        """What the board is ranked by, in words."""
        if self.condition == WORST:
            return f"{self.metric.label}, worst probe"
        return f"{self.metric.label}, {condition_words(self.condition)}"

    @property
    def ranked(self) -> tuple[TableRow, ...]:
        """The ranked rows, best first."""
        return tuple(row for row in self.rows if row.place)


def board_table(sources: Sources, protocol: AnyProtocol) -> BoardTable:
    """Rank a protocol's submissions and gather what every export of the board needs."""
    if isinstance(protocol, Protocol):
        condition, places = protocol.primary.label, _ue_places(sources, protocol)
    else:
        condition = WORST
        places = {
            slug: Place(place.best, place.worst, tuple(place.ties.split()), place.keeps)
            for slug, place in unlearning_standings(sources, protocol).items()
        }
    rows = [_row(entry, protocol, places) for entry in sources.naming(protocol) if entry.belongs_on(protocol)]
    order = {slug: position for position, slug in enumerate(places)}
    rows.sort(key=lambda row: (_group(row), *_within(row, order)))
    shown = {row.slug: row.stored for row in rows if row.stored}
    sha256 = protocol_digest(protocol)
    return BoardTable(
        protocol=protocol,
        sha256=sha256,
        metric=board_metric(protocol),
        condition=condition,
        rows=tuple(rows),
        digest=board_digest(stored.head.id for stored in shown.values()),
        measured=max((last_moment(stored)[:10] for stored in shown.values()), default=""),
    )


def board_metric(protocol: AnyProtocol) -> Metric:
    """Return the metric that a board is ranked by."""
    return PRIMARY if isinstance(protocol, Protocol) else METRICS[DISTANCE]


def score_of(stored: Shelved, protocol: AnyProtocol) -> Measurement | None:
    """Return what a result is ranked by: test accuracy of the primary condition, or the worst distance over probes."""
    if isinstance(protocol, Protocol):
        return stored.result.measurement(PRIMARY.key, protocol.primary.label)
    return worst_distance(stored.result, protocol).measurement


def values_of(stored: Shelved) -> Iterator[Value]:
    """Yield every measurement of a result in the order of the document."""
    primary = {condition.label for condition in stored.result.subject.conditions if condition.primary}
    for item in stored.result.outcome.measurements:
        pooled = item.pooled is not None
        low, high = (item.pooled_ci95 if pooled else item.ci95) or (None, None)
        yield Value(
            metric=item.metric,
            condition=item.condition,
            primary=item.condition in primary,
            status=item.status,
            reason=item.reason or "",
            mean=item.pooled if pooled else item.mean,
            low=low,
            high=high,
            n=len(item.per_seed or ()),
            over="items" if pooled else "seeds",
        )


def standing_words(row: TableRow, total: int) -> str:
    """Say where a row stands: its rank among all ranked entries, its part, or that it is not ranked."""
    if row.place:
        return f"rank {row.place.text} of {total}"
    if row.role != "entry":
        return row.role
    return "not ranked" if row.stored else "not measured yet"


def tier_words(row: TableRow) -> str:
    """Return the tier of a row in words, `none` where nothing is shown."""
    return TIER_WORDS[row.tier] if row.tier else "none"


def _ue_places(sources: Sources, protocol: Protocol) -> dict[str, Place]:
    ranked, _ = ue_standings(sources, protocol)
    return {item.slug: Place(item.best, item.worst, tuple(item.groups.split())) for item in ranked}


def _row(entry: Entry | UnlearningEntry, protocol: AnyProtocol, places: Mapping[str, Place]) -> TableRow:
    stored = entry.shown(protocol)
    same = [item for item in entry.results if stored and item.head.key == stored.head.key]
    return TableRow(
        slug=entry.slug,
        name=entry.name,
        role=entry.role,
        place=places.get(entry.slug),
        score=score_of(stored, protocol) if stored else None,
        stored=stored,
        replication=replication(same, protocol) if stored else None,
        attempt=attempt_words(entry.ledger, stored.result) if stored else "",
    )


def _group(row: TableRow) -> int:
    """Return the part of the board that a row is in: ranked, references, controls, not ranked."""
    if row.role == "entry":
        return 0 if row.place else 3
    return 1 if row.role == "reference" else 2


def _within(row: TableRow, order: Mapping[str, int]) -> tuple[int, int, str]:
    """Place a row among those of its kind: by rank, references in the order of their words, else by slug."""
    anchors = list(ANCHOR_WORDS)
    anchor = anchors.index(row.slug) if row.slug in anchors else len(anchors)
    return (order.get(row.slug, len(order)), anchor, row.slug)
