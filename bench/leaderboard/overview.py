"""Overviews: one submission under every condition of a protocol, a line each, grouped by network.

Imports the records and the metric catalog; never torch.
"""

from collections.abc import Iterable

from bench.leaderboard.contexts import ConditionLine, Overview
from bench.leaderboard.figures import DataTable
from bench.leaderboard.frame import seeds_of
from bench.leaderboard.matrix import matched_distance
from bench.leaderboard.wording import DEFENSE_WORDS, condition_words, list_words, number, show
from bench.metrics.catalog import METRICS
from bench.protocol import Condition, Protocol
from bench.results import Measurement, Result

COLUMNS = ("test_accuracy", "accuracy_drop", "peak_accuracy", "ud", "ud_matched", "learnable_layers")


def build_overview(protocol: Protocol, result: Result) -> Overview:
    """Gather a submission's numbers under every condition of its protocol."""
    models = dict.fromkeys(condition.model for condition in protocol.conditions)
    return Overview(
        columns=tuple(METRICS[key] for key in COLUMNS),
        groups=tuple(
            (model, tuple(_line(result, item) for item in protocol.conditions if item.model == model))
            for model in models
        ),
        seeds=DataTable(
            "Values by seed under every condition",
            ("condition", "metric", "seeds", "values"),
            tuple(row for condition in protocol.conditions for row in _seed_rows(result, condition)),
        ),
    )


def _line(result: Result, condition: Condition) -> ConditionLine:
    return ConditionLine(
        defense=DEFENSE_WORDS.get(condition.defense, condition.defense),
        primary=condition.primary,
        seeds=str(len(seeds_of(result, condition.label))),
        cells=tuple(show(METRICS[key], _found(result, key, condition)) for key in COLUMNS),
    )


def _found(result: Result, key: str, condition: Condition) -> Measurement | None:
    return matched_distance(result, condition) if key == "ud_matched" else result.measurement(key, condition.label)


def _seed_rows(result: Result, condition: Condition) -> Iterable[tuple[str, ...]]:
    seeds = seeds_of(result, condition.label)
    # Reversed, so that of two the first one counts, as in `Result.measurement`.
    of_metric = {
        item.metric: item for item in reversed(result.outcome.measurements) if item.condition == condition.label
    }
    for key, metric in METRICS.items():
        measurement = of_metric.get(key)
        if measurement is None or measurement.per_seed is None:
            continue
        values = ", ".join(number(metric, value) for value in measurement.per_seed)
        used = list_words(map(str, seeds[: len(measurement.per_seed)]))
        yield condition_words(condition.label), metric.short, used, values
