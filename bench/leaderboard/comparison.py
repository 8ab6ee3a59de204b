"""Comparison: entries of one protocol held against the first of them, metric by metric and condition by condition.

Imports frames, boards and the statistics of pairs; never torch. The command and the page say the same from it.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Literal

import numpy as np

from bench.leaderboard import board, unlearning_order
from bench.leaderboard.families import all_pairs
from bench.leaderboard.frame import per_seed, seeds_of
from bench.leaderboard.paired import LEVEL, Paired, compare_paired, detectable, least_seeds
from bench.leaderboard.ranking import SeedTable, rank_text
from bench.leaderboard.sources import Entry, Sources, UnlearningEntry
from bench.leaderboard.wording import condition_words, probe_words
from bench.metrics.catalog import METRICS, Metric
from bench.metrics.gus_statistics import holm
from bench.protocol import Protocol
from bench.results import Result
from bench.unlearning_protocol import AnyProtocol, UnlearningProtocol

FEWEST, MOST = 2, 6
"""How many entries one comparison may have."""

WORST = "worst"
"""Condition of the unlearning track: the worst case over probes, seed by seed."""

COMPARED = {
    "ue": ("test_accuracy", "worst_test_accuracy", "peak_accuracy", "ud", "ud_matched", "worst_ud_matched"),
    "unlearning": (
        "retrain_distance",
        "accuracy_gap",
        "checkpoint_test_accuracy",
        "removal",
        "gus",
        "tow",
        "mia_gap",
        "compute_share",
    ),
}
"""Metrics that are compared unless others are asked for, by track; the first one decides."""

Verdict = Literal["better", "worse", "higher", "lower", "cannot tell", "same document"]
OnBoard = Literal["apart", "tied", "apart by rule", "not ranked"]
Values = Mapping[tuple[str, str], Mapping[int, float]]
"""Values by seed, by condition and metric."""


@dataclass(frozen=True)
class Contestant:
    """An entry that is compared. label: how it was named; rank: on the board, empty where it is not ranked."""

    label: str
    name: str
    role: str
    result: Result
    values: Values
    rank: str = ""


@dataclass(frozen=True)
class BoardFacts:
    """What a comparison takes from the board. entries: ranked. pairs: tested together. level: of the next pair.

    apart: pairs of slugs that the board separates. groups: which group each ranked slug is ranked in.
    """

    pairs: int
    level: float
    ranks: Mapping[str, str]
    apart: frozenset[frozenset[str]]
    groups: Mapping[str, bool]

    def between(self, first: str, second: str) -> OnBoard:
        """Say how two slugs stand on the board."""
        if first not in self.groups or second not in self.groups:
            return "not ranked"
        if self.groups[first] != self.groups[second]:
            return "apart by rule"
        return "apart" if frozenset((first, second)) in self.apart else "tied"


@dataclass(frozen=True)
class Difference:
    """One entry against the first, in one metric under one condition. detectable: see `paired.detectable`."""

    entry: int
    paired: Paired
    detectable: float | None
    verdict: Verdict


@dataclass(frozen=True)
class Line:
    """One metric under one condition. differences: of every entry but the first, in their order."""

    condition: str
    metric: Metric
    differences: tuple[Difference, ...]


@dataclass(frozen=True)
class Cells:
    """The deciding metric over all conditions: wins and losses of an entry against the first.

    adjusted: by condition, the larger of the two tests' p after Holm's correction over the conditions that can be
    tested; None for the others. ahead, behind: by means alone, whatever the tests say.
    """

    entry: int
    metric: Metric
    adjusted: tuple[tuple[str, float | None], ...]
    wins: int
    losses: int
    open: int
    ahead: int
    behind: int


@dataclass(frozen=True)
class Comparison:
    """Entries of one protocol compared. primary: condition and metric that decide."""

    protocol: AnyProtocol
    primary: tuple[str, str]
    contestants: tuple[Contestant, ...]
    board: BoardFacts
    lines: tuple[Line, ...]
    cells: tuple[Cells, ...]
    notes: tuple[str, ...]

    @property
    def deciding(self) -> Line | None:
        """The line of the primary metric; None where it was not asked for or nobody has it."""
        return next((line for line in self.lines if (line.condition, line.metric.key) == self.primary), None)


def compare(
    contestants: Sequence[Contestant], protocol: AnyProtocol, facts: BoardFacts, metrics: Sequence[str] = ()
) -> Comparison:
    """Compare contestants with the first one.

    metrics: keys, instead of those of COMPARED; the primary one is always among them.
    """
    condition, decisive = primary_of(protocol)
    keys = list(dict.fromkeys([decisive, *(metrics or COMPARED[protocol.track])]))
    lines = [
        _line(label, METRICS[key], contestants, protocol, facts)
        for label in condition_labels(protocol)
        for key in keys
        if any((label, key) in item.values for item in contestants)
    ]
    others = range(1, len(contestants))
    return Comparison(
        protocol,
        (condition, decisive),
        tuple(contestants),
        facts,
        tuple(lines),
        tuple(_cells(entry, [line for line in lines if line.metric.key == decisive]) for entry in others),
        tuple(_notes(contestants)),
    )


def primary_of(protocol: AnyProtocol) -> tuple[str, str]:
    """Return the condition and the metric that rank a protocol's board."""
    return (protocol.primary.label if isinstance(protocol, Protocol) else WORST, COMPARED[protocol.track][0])


def condition_labels(protocol: AnyProtocol) -> list[str]:
    """Return the labels of a protocol's conditions, the primary one first; `worst` before all probes."""
    items = protocol.conditions if isinstance(protocol, Protocol) else protocol.probes
    ordered = sorted((item.label for item in items), key=lambda label: label != protocol.primary.label)
    return ordered if isinstance(protocol, Protocol) else [WORST, *ordered]


def condition_text(protocol: AnyProtocol, label: str) -> str:
    """Return a condition in words."""
    if isinstance(protocol, Protocol):
        return condition_words(label)
    return "worst case over probes" if label == WORST else probe_words(protocol.condition(label).probe)


def values_of(result: Result, protocol: AnyProtocol, labels: Collection[str] | None = None) -> Values:
    """Return every value by seed of a result; of the unlearning track also the worst cases over probes.

    labels: of the only conditions that are wanted.
    """
    found: dict[tuple[str, str], Mapping[int, float]] = {
        (item.condition, item.metric): per_seed(result, item.metric, item.condition)
        for item in result.outcome.measurements
        if item.per_seed is not None and (labels is None or item.condition in labels)
    }
    if isinstance(protocol, UnlearningProtocol):
        worst_cases = (unlearning_order.worst_distance, unlearning_order.worst_gap)
        for worst in (function(result, protocol).measurement for function in worst_cases):
            if worst is not None and worst.per_seed is not None:
                seeds = seeds_of(result, protocol.primary.label)
                found[WORST, worst.metric] = dict(zip(seeds, worst.per_seed, strict=False))
    return found


def resolution_of(metric: Metric, protocol: AnyProtocol) -> float:
    """Return the smallest spread that is taken at its word: one test image for shares, else the last digit shown.

    Distances to retraining have that of their board.
    """
    if metric.key == "retrain_distance":
        return unlearning_order.RESOLUTION
    if metric.unit in ("fraction", "points"):
        return 1 / board.test_images(protocol)
    return float(10.0**-metric.decimals)


def board_facts(sources: Sources, protocol: AnyProtocol) -> BoardFacts:
    """Return what the board of a protocol says of pairs; for that all its entries have to be in the sources."""
    if isinstance(protocol, Protocol):
        tables = {True: board.ranked_values(sources, protocol)}
        ranks = {item.slug: rank_text(item) for item in board.standings(sources, protocol)[0]}
        resolution = resolution_of(board.PRIMARY, protocol)
    else:
        tables = unlearning_order.ranked_values(sources, protocol)
        ranks = {slug: place.text for slug, place in unlearning_order.standings(sources, protocol).items()}
        resolution = unlearning_order.RESOLUTION
    families = {key: all_pairs(table.values, resolution=resolution) for key, table in tables.items()}
    largest = max(families.values(), key=lambda family: family.pairs)
    apart = [pair for key, table in tables.items() for pair in _apart(table, families[key].matrix(families[key].apart))]
    groups = {slug: key for key, table in tables.items() for slug in table.names}
    return BoardFacts(largest.pairs, largest.level, ranks, frozenset(apart), groups)


def contestant(
    entry: Entry | UnlearningEntry,
    protocol: AnyProtocol,
    label: str,
    rank: str,
    labels: Collection[str] | None = None,
) -> Contestant | None:
    """Return an entry as a contestant; None where it has no result that answers the protocol.

    label: how it is named. labels: of the only conditions that are wanted.
    """
    stored = entry.shown(protocol)
    if stored is None:
        return None
    name, values = entry.name, values_of(stored.result, protocol, labels)
    return Contestant(label, name, entry.role, stored.result, values, rank)


def verdict_of(metric: Metric, paired: Paired, *, same: bool) -> Verdict:
    """Say what the two tests decide about an entry against the first one."""
    if same:
        return "same document"
    if not paired.separated or not paired.difference:
        return "cannot tell"
    if metric.direction == "neither":
        return "higher" if paired.difference > 0 else "lower"
    return "better" if (paired.difference < 0) == (metric.direction == "lower") else "worse"


def _apart(table: SeedTable, matrix: np.ndarray) -> list[frozenset[str]]:
    names = table.names
    return [frozenset((names[i], names[j])) for i, j in combinations(range(len(names)), 2) if matrix[i, j]]


def _line(
    label: str, metric: Metric, contestants: Sequence[Contestant], protocol: AnyProtocol, facts: BoardFacts
) -> Line:
    first = contestants[0]
    resolution = resolution_of(metric, protocol)
    found = []
    for entry, other in enumerate(contestants[1:], start=1):
        sides = (item.values.get((label, metric.key), {}) for item in (first, other))
        paired = compare_paired(*sides, resolution=resolution)
        verdict = verdict_of(metric, paired, same=first.result.id == other.result.id)
        found.append(Difference(entry, paired, detectable(paired, facts.level), verdict))
    return Line(label, metric, tuple(found))


def _cells(entry: int, lines: Sequence[Line]) -> Cells:
    metric = lines[0].metric if lines else METRICS["test_accuracy"]
    lines = [line for line in lines if line.condition != WORST]
    items = {line.condition: line.differences[entry - 1].paired for line in lines}
    tested = {label: item for label, item in items.items() if len(item.seeds) >= least_seeds()}
    p_values = [max(item.p or 0.0, 1.0 if item.exact_p is None else item.exact_p) for item in tested.values()]
    adjusted = dict(zip(tested, holm(p_values), strict=True))
    sign = -1.0 if metric.direction == "lower" else 1.0
    gains = {label: sign * item.difference for label, item in items.items() if item.difference is not None}
    decided = [label for label, p in adjusted.items() if p <= LEVEL]
    wins, losses = (sum(gains[label] * side > 0 for label in decided) for side in (1, -1))
    return Cells(
        entry,
        metric,
        tuple((label, adjusted.get(label)) for label in items),
        wins,
        losses,
        len(items) - wins - losses,
        sum(gain > 0 for gain in gains.values()),
        sum(gain < 0 for gain in gains.values()),
    )


def _notes(contestants: Sequence[Contestant]) -> list[str]:
    notes = []
    if len({item.result.subject.evaluator.code_sha256 for item in contestants}) > 1:
        notes.append("These results were measured by different versions of the code.")
    if len({item.result.subject.challenge for item in contestants}) > 1:
        notes.append(
            "These results answer challenge kits of different secrets, so their seeds are not the same poisons."
        )
    if len({item.result.subject.tier for item in contestants}) > 1:
        notes.append("Some results are of the quick tier, which has fewer seeds; only common seeds are compared.")
    return notes
