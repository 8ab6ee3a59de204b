"""Defended: what defenses and other networks make of a board of the UE track, in numbers and in sentences.

Imports the records and the metric catalog; never torch.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bench.leaderboard.contexts import Board
from bench.leaderboard.leaders import labels
from bench.leaderboard.matrix import defense_matrices, network_rows, networks, rivals
from bench.leaderboard.wording import (
    CONTROL_MARGIN,
    DEFENSE_WORDS,
    STATUS_WORDS,
    Shown,
    list_words,
    number,
    show,
)
from bench.metrics.catalog import METRICS
from bench.protocol import Condition, Protocol
from bench.results import Measurement, Result

ACCURACY = METRICS["test_accuracy"]

BROKEN = 0.9
"""Share of the lost accuracy that a defense has to give back to count as breaking a method."""

COSTLY = 0.05
"""Loss of clean training's own accuracy from which the cost of a defense is named: five percentage points."""


@dataclass(frozen=True)
class Recovery:
    """What the strongest defense gives back of a method.

    lost: what the method takes from clean training without a defense, as a fraction of images; share: how much of that
    the defense gives back, None where the method takes hardly anything.
    """

    slug: str
    undefended: Measurement
    defended: Measurement
    condition: Condition
    lost: float
    share: float | None


def defenses_summary(board: Board, protocol: Protocol, results: Mapping[str, Result]) -> str:
    """Return in a sentence what the defenses do to a board; empty where no page says more."""
    if not defense_matrices(board, protocol, results):
        return ""
    made = recoveries(board, protocol, results)
    count = len(rivals(protocol)) - 1
    if not made:
        return f"{count} defenses on {protocol.primary.model}."
    broken = [item for item in made if item.share is not None and item.share >= BROKEN]
    return f"{count} defenses on {protocol.primary.model}; some defense breaks {len(broken)} of {len(made)} methods."


def networks_summary(board: Board, protocol: Protocol, results: Mapping[str, Result]) -> str:
    """Return in a sentence what other networks make of a board; empty where no page says more."""
    if not network_rows(board, protocol, results):
        return ""
    sentences = network_sentences(board, protocol, results)
    return sentences[-1] if sentences else f"Also on {list_words(item.model for item in networks(protocol)[1:])}."


def recoveries(board: Board, protocol: Protocol, results: Mapping[str, Result]) -> list[Recovery]:
    """Return for each entry of a board what its strongest defense gives back, in the order of the board.

    The strongest is the one with the highest mean accuracy. Entries without a defended value are left out, and
    everything is where clean training has no undefended value.
    """
    clean = _clean(board, protocol, results)
    if clean is None:
        return []
    found = []
    for row in (*board.ranked, *board.unranked):
        result = results.get(row.slug)
        undefended = _measured(result, protocol.primary)
        tried = [
            (measurement, condition)
            for condition in rivals(protocol)
            if not condition.primary and (measurement := _measured(result, condition)) is not None
        ]
        if undefended is None or not tried:
            continue
        best, condition = max(tried, key=lambda item: _mean(item[0]))
        lost = _mean(clean) - _mean(undefended)
        share = (_mean(best) - _mean(undefended)) / lost if lost >= CONTROL_MARGIN else None
        found.append(Recovery(row.slug, undefended, best, condition, lost, share))
    return found


def _clean(board: Board, protocol: Protocol, results: Mapping[str, Result]) -> Measurement | None:
    references = [results[row.slug] for row in board.anchors if row.role == "reference" and row.slug in results]
    return _measured(references[0], protocol.primary) if references else None


def _measured(result: Result | None, condition: Condition) -> Measurement | None:
    measurement = result.measurement(ACCURACY.key, condition.label) if result else None
    return measurement if measurement is not None and measurement.mean is not None else None


def _mean(measurement: Measurement) -> float:
    assert measurement.mean is not None  # _measured has let only such through
    return measurement.mean


def defense_words(condition: Condition) -> str:
    """Return the defense of a condition in words."""
    return DEFENSE_WORDS.get(condition.defense, condition.defense)


def defense_sentences(
    board: Board, protocol: Protocol, results: Mapping[str, Result], made: Sequence[Recovery]
) -> tuple[str, ...]:
    """Say which defense breaks which method, who holds best, and what defenses cost; made: from `recoveries`."""
    label = labels(board)
    judged = [item for item in made if item.share is not None]
    found = []
    if judged:
        broken = [item for item in judged if item.share is not None and item.share >= BROKEN]
        found.append(_broken_sentence(broken, judged, label))
        held = min(judged, key=lambda item: _mean(item.defended))
        found.append(
            f"{label[held.slug]} holds best: its strongest defense, {defense_words(held.condition)}, reaches "
            f"{_text(held.defended)}."
        )
        strongest = Counter(defense_words(item.condition) for item in judged).most_common()
        counted = list_words(f"{name} against {count}" for name, count in strongest)
        found.append(f"The strongest defense is {counted} of {len(judged)} methods.")
    cost = _cost_sentence(board, protocol, results)
    return (*found, *([cost] if cost else []))


def _broken_sentence(broken: Sequence[Recovery], judged: Sequence[Recovery], label: Mapping[str, str]) -> str:
    if not broken:
        return f"No defense breaks any of {len(judged)} methods."
    by_defense: dict[str, list[str]] = {}
    for item in broken:
        by_defense.setdefault(defense_words(item.condition), []).append(label[item.slug])
    listed = "; ".join(f"{defense} breaks {list_words(slugs)}" for defense, slugs in by_defense.items())
    return f"{len(broken)} of {len(judged)} methods are broken by their strongest defense: {listed}."


def _cost_sentence(board: Board, protocol: Protocol, results: Mapping[str, Result]) -> str:
    """Say what defenses cost clean training itself, the dearest first."""
    references = [results[row.slug] for row in board.anchors if row.role == "reference" and row.slug in results]
    plain = _measured(references[0], protocol.primary) if references else None
    if plain is None:
        return ""
    losses = [
        (_mean(plain) - _mean(measurement), defense_words(condition))
        for condition in rivals(protocol)
        if not condition.primary and (measurement := _measured(references[0], condition)) is not None
    ]
    dear = sorted((item for item in losses if item[0] >= COSTLY), reverse=True)
    if not losses:
        return ""
    if not dear:
        return f"On clean images no defense costs {COSTLY * 100:g} points of accuracy or more."
    listed = list_words(f"{name} {number(METRICS['accuracy_drop'], loss)}" for loss, name in dear)
    return f"On clean images defenses cost accuracy too, in points: {listed}; the others less than {COSTLY * 100:g}."


def network_sentences(board: Board, protocol: Protocol, results: Mapping[str, Result]) -> tuple[str, ...]:
    """Say for each network which method leaves it the lowest accuracy."""
    label = labels(board)
    found = []
    for condition in networks(protocol):
        measured = [
            (_mean(measurement), row.slug, measurement)
            for row in board.ranked
            if (measurement := _measured(results.get(row.slug), condition)) is not None
        ]
        if measured:
            _, slug, measurement = min(measured, key=lambda item: (item[0], item[1]))
            found.append(f"With {condition.model}, {label[slug]} leaves the lowest accuracy: {_text(measurement)}.")
    return tuple(found)


def _text(measurement: Measurement) -> str:
    shown: Shown = show(ACCURACY, measurement)
    return f"{shown.text} ({shown.interval})" if shown.measured else STATUS_WORDS[measurement.status]
