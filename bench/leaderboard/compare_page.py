"""Compare pages: one for each protocol, complete as a table of pairs, and with the values that the script compares.

Imports comparisons and wording; never torch.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

from bench.leaderboard.comparison import (
    COMPARED,
    FEWEST,
    MOST,
    WORST,
    BoardFacts,
    Contestant,
    board_facts,
    condition_labels,
    condition_text,
    contestant,
    primary_of,
    resolution_of,
)
from bench.leaderboard.comparison_report import difference_text, p_text
from bench.leaderboard.contexts import Context
from bench.leaderboard.limits import too_few_words
from bench.leaderboard.paired import (
    LEVEL,
    MOST_FLIPPED,
    Paired,
    compare_paired,
    detectable_spreads,
    least_seeds,
)
from bench.leaderboard.sources import Sources
from bench.leaderboard.wording import direction_words, number, scale, short_names
from bench.metrics.catalog import METRICS, Metric
from bench.unlearning_protocol import AnyProtocol

MOST_LISTED = 30
"""Most ranked entries whose pairs are listed in the page, and whose values under every condition are in it."""


@dataclass(frozen=True)
class PairRow:
    """Two entries in the metric that ranks. difference: of the second minus the first, with its interval."""

    first: str
    second: str
    difference: str
    interval: str
    p: str
    exact_p: str
    verdict: str


@dataclass(frozen=True)
class EntryRow:
    """One ranked entry: names of those that it is apart from, on either side, and of those that it ties with."""

    slug: str
    name: str
    rank: str
    better: tuple[str, ...]
    tied: tuple[str, ...]
    worse: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class CompareContext(Context):
    """The page of one protocol. entries, pairs: empty where there are too many to list, or too few."""

    protocol: str
    name: str
    board: str
    ranked: int
    metric: Metric
    direction: str
    condition: str
    entries: tuple[EntryRow, ...]
    pairs: tuple[PairRow, ...]
    limit: str
    command: str
    data: dict[str, Any]


@dataclass(frozen=True)
class CompareCard:
    """One protocol in the list of compare pages."""

    protocol: str
    title: str
    shown: int
    command: str


@dataclass(frozen=True, kw_only=True)
class CompareIndexContext(Context):
    """The list of compare pages, by track."""

    groups: tuple[tuple[str, tuple[CompareCard, ...]], ...]
    fewest: int = FEWEST
    most: int = MOST


def compare_contexts(sources: Sources, protocol: AnyProtocol) -> list[CompareContext]:
    """Gather the compare page of a protocol."""
    return [_context(sources, protocol)]


def compare_index_contexts(sources: Sources) -> list[CompareIndexContext]:
    """Gather the list of compare pages."""
    groups = (
        ("Unlearnable examples", [item for item in sources.all_protocols if item.track == "ue"]),
        ("Machine unlearning", [item for item in sources.all_protocols if item.track == "unlearning"]),
    )
    return [
        CompareIndexContext(
            path="compare/index.html",
            title="Compare submissions",
            description="Two to six submissions of one protocol held against each other, seed by seed.",
            section="compare",
            groups=tuple((name, tuple(_card(sources, item) for item in items)) for name, items in groups if items),
        )
    ]


def page_data(contestants: Sequence[Contestant], protocol: AnyProtocol, facts: BoardFacts) -> dict[str, Any]:
    """Return what the script compares: values by seed as they are stored, and what the board says of pairs.

    values: by the positions of condition and metric, one for each of the condition's seeds, null where not measured.
    apart: of each entry, which entries the board separates it from, as hexadecimal digits of a number whose bit n
    stands for entry n. factors: smallest difference found with 80 % power, in spreads, by number of seeds.
    """
    labels = condition_labels(protocol)
    condition, decisive = primary_of(protocol)
    measured = {decisive, *(key for item in contestants for label, key in item.values if label in labels)}
    keys = [key for key in COMPARED[protocol.track] if key in measured]
    counts = {len(values) for item in contestants for values in item.values.values()}
    return {
        "protocol": protocol.id,
        "primary": [labels.index(condition), keys.index(decisive)],
        "worst": condition == WORST,
        "level": LEVEL,
        "least": least_seeds(),
        "flipped": MOST_FLIPPED,
        "most": MOST,
        "pairs": facts.pairs,
        "factors": {
            str(count): detectable_spreads(count, facts.level) for count in sorted(counts) if count >= least_seeds()
        },
        "metrics": [_metric_data(METRICS[key], protocol) for key in keys],
        "conditions": [condition_text(protocol, label) for label in labels],
        "entries": [
            _entry_data(item, apart, labels, keys, facts)
            for item, apart in zip(contestants, _apart(contestants, facts), strict=True)
        ],
    }


def _context(sources: Sources, protocol: AnyProtocol) -> CompareContext:
    facts = board_facts(sources, protocol)
    found = _contestants(sources, protocol, facts)
    ranked = [item for item in found if item.rank]
    listed = ranked if FEWEST <= len(ranked) <= MOST_LISTED else []
    condition, key = primary_of(protocol)
    return CompareContext(
        path=f"compare/{protocol.id}/index.html",
        title=f"Compare: {protocol.title}",
        description=f"{protocol.title}: which submissions the seeds can tell apart, and by how much.",
        section="compare",
        protocol=protocol.id,
        name=protocol.title,
        board=f"{protocol.track}/{protocol.id}/index.html",
        ranked=len(ranked),
        metric=METRICS[key],
        direction=direction_words(METRICS[key]),
        condition=condition_text(protocol, condition),
        entries=tuple(_entry_row(item, listed, facts) for item in listed),
        pairs=tuple(_pair_row(*pair, protocol, facts) for pair in combinations(listed, 2)),
        limit=_limit(listed, (condition, key)),
        command=_command(protocol, found),
        data=page_data(found, protocol, facts) if len(found) >= FEWEST else {},
    )


def _contestants(sources: Sources, protocol: AnyProtocol, facts: BoardFacts) -> list[Contestant]:
    """Return everything that the board shows: ranked entries in its order, then references, controls and the rest."""
    order = {slug: position for position, slug in enumerate(facts.ranks)}
    roles = {"entry": len(order), "reference": len(order) + 1, "control": len(order) + 2}
    ordered = sorted(sources.naming(protocol), key=lambda entry: (order.get(entry.slug, roles[entry.role]), entry.slug))
    few = len(order) <= MOST_LISTED
    labels = None if few else (primary_of(protocol)[0],)
    made = (
        contestant(entry, protocol, entry.slug, facts.ranks.get(entry.slug, ""), labels=labels) for entry in ordered
    )
    return [item for item in made if item is not None]


def _entry_row(item: Contestant, listed: Sequence[Contestant], facts: BoardFacts) -> EntryRow:
    names = short_names({other.label: other.name for other in listed})
    others = [other for other in listed if other is not item]
    place = listed.index(item)
    apart = [other for other in others if facts.between(item.label, other.label).startswith("apart")]
    return EntryRow(
        slug=item.label,
        name=item.name,
        rank=item.rank,
        better=tuple(names[other.label] for other in apart if listed.index(other) > place),
        tied=tuple(names[other.label] for other in others if other not in apart),
        worse=tuple(names[other.label] for other in apart if listed.index(other) < place),
    )


def _pair_row(first: Contestant, second: Contestant, protocol: AnyProtocol, facts: BoardFacts) -> PairRow:
    paired = _paired(first, second, primary_of(protocol), protocol)
    metric = METRICS[primary_of(protocol)[1]]
    interval = "-"
    if paired.low is not None and paired.high is not None:
        interval = f"{number(metric, paired.low)} to {number(metric, paired.high)}"
    return PairRow(
        first=first.label,
        second=second.label,
        difference="-" if paired.difference is None else difference_text(metric, paired.difference),
        interval=interval,
        p=p_text(paired.p),
        exact_p=p_text(paired.exact_p),
        verdict=facts.between(first.label, second.label),
    )


def _paired(first: Contestant, second: Contestant, primary: tuple[str, str], protocol: AnyProtocol) -> Paired:
    sides = (item.values.get(primary, {}) for item in (first, second))
    return compare_paired(*sides, resolution=resolution_of(METRICS[primary[1]], protocol))


def _limit(listed: Sequence[Contestant], primary: tuple[str, str]) -> str:
    """Say why nothing can be separated, where every pair has too few seeds."""
    shared = [
        len(first.values.get(primary, {}).keys() & second.values.get(primary, {}).keys())
        for first, second in combinations(listed, 2)
    ]
    return too_few_words(max(shared)) if shared and max(shared) < least_seeds() else ""


def _command(protocol: AnyProtocol, found: Sequence[Contestant]) -> str:
    names = [item.label for item in found[:FEWEST]] if len(found) >= FEWEST else ["A", "B"]
    return f"bench compare {' '.join(names)} --protocol {protocol.id}"


def _card(sources: Sources, protocol: AnyProtocol) -> CompareCard:
    shown = sum(entry.shown(protocol) is not None for entry in sources.naming(protocol))
    return CompareCard(protocol.id, protocol.title, shown, f"bench compare A B --protocol {protocol.id}")


def _metric_data(metric: Metric, protocol: AnyProtocol) -> dict[str, Any]:
    return {
        "key": metric.key,
        "short": metric.short,
        "label": metric.label,
        "unit": metric.unit,
        "direction": metric.direction,
        "decimals": metric.decimals,
        "scale": scale(metric),
        "resolution": resolution_of(metric, protocol),
    }


def _apart(contestants: Sequence[Contestant], facts: BoardFacts) -> Sequence[int]:
    """Return for each entry a number whose bit n says whether the board separates it from entry n."""
    places = {item.label: place for place, item in enumerate(contestants)}
    found = [0] * len(contestants)
    for first, second in facts.apart:
        if first in places and second in places and facts.between(first, second) == "apart":
            found[places[first]] |= 1 << places[second]
            found[places[second]] |= 1 << places[first]
    return found


def _entry_data(
    item: Contestant, apart: int, labels: Sequence[str], keys: Sequence[str], facts: BoardFacts
) -> dict[str, Any]:
    seeds: dict[str, list[int]] = {}
    values: dict[str, dict[str, list[float | None]]] = {}
    for place, label in enumerate(labels):
        mine = {str(index): item.values[label, key] for index, key in enumerate(keys) if (label, key) in item.values}
        if mine:
            used = sorted(set().union(*mine.values()))
            seeds[str(place)] = used
            values[str(place)] = {index: [found.get(seed) for seed in used] for index, found in mine.items()}
    return {
        "slug": item.label,
        "name": item.name,
        "role": item.role,
        "rank": item.rank,
        "group": None if item.label not in facts.groups else int(facts.groups[item.label]),
        "result": item.result.id,
        "apart": f"{apart:x}",
        "seeds": seeds,
        "values": values,
    }
