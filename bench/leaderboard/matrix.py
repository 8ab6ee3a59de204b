"""Matrices: submissions by defense, and submissions by network, as tables of what was measured.

Imports the records and the metric catalog; never torch.
"""

from collections.abc import Mapping, Sequence

from bench.leaderboard.contexts import Board, ConditionRow, Matrix, MatrixCell, MatrixRow, Row
from bench.leaderboard.figures import DataTable
from bench.leaderboard.wording import DEFENSE_WORDS, number, seeds_words, short_names, show
from bench.metrics.catalog import METRICS, Metric
from bench.protocol import Condition, Protocol
from bench.results import Measurement, Result

LEVELS = 10
"""Steps of the background of a cell; the style sheet has a class for each."""


def defense_matrices(board: Board, protocol: Protocol, results: Mapping[str, Result]) -> tuple[Matrix, ...]:
    """Gather test accuracy and matched UD of the primary network by defense; nothing where there is one defense only.

    results: by slug; rows are clean training first, then the board's order.
    """
    conditions = rivals(protocol)
    rows = _rows(board, results)
    if len(conditions) < 2 or not rows:
        return ()
    model = protocol.primary.model
    accuracy = _matrix(rows, protocol, results, METRICS["test_accuracy"], METRICS["worst_test_accuracy"])
    distance = _matrix(rows, protocol, results, METRICS["ud_matched"], METRICS["worst_ud_matched"])
    made = (
        ("accuracy", f"Clean test accuracy of {model}, %", accuracy),
        ("matched", f"UD matched of {model}", distance),
    )
    return tuple(
        Matrix(
            name=f"by-defense-{name}",
            caption=f"{title}, by defense: mean over seeds",
            columns=("Worst case", *(DEFENSE_WORDS.get(item.defense, item.defense) for item in conditions)),
            rows=cells,
            intervals=_intervals(title, conditions, cells),
            scale=_scale_words(name),
        )
        for name, title, cells in made
        if any(cell.measured for row in cells for cell in row.cells)
    )


def rivals(protocol: Protocol) -> tuple[Condition, ...]:
    """Return the conditions of the primary network: without a defense and with each."""
    return tuple(item for item in protocol.conditions if item.model == protocol.primary.model)


def networks(protocol: Protocol) -> tuple[Condition, ...]:
    """Return the primary condition and those of other networks; nothing where there is one network only."""
    others = tuple(item for item in protocol.conditions if item.model != protocol.primary.model)
    return (protocol.primary, *others) if others else ()


def network_rows(board: Board, protocol: Protocol, results: Mapping[str, Result]) -> tuple[ConditionRow, ...]:
    """Gather test accuracy and UD under the primary condition and with other networks, two cells a condition."""
    conditions = networks(protocol)
    return tuple(
        ConditionRow(
            row.slug,
            row.name,
            tuple(
                show(METRICS[key], results[row.slug].measurement(key, condition.label))
                for condition in conditions
                for key in ("test_accuracy", "ud")
            ),
        )
        for row in (_rows(board, results) if conditions else ())
    )


def matched_distance(result: Result, condition: Condition) -> Measurement | None:
    """Return UD against clean training under the same defense; without a defense that is UD itself."""
    return result.measurement("ud" if condition.defense == "none" else "ud_matched", condition.label)


def _rows(board: Board, results: Mapping[str, Result]) -> Sequence[Row]:
    references = [row for row in board.anchors if row.role == "reference"]
    controls = [row for row in board.anchors if row.role == "control"]
    return [row for row in (*references, *board.ranked, *controls, *board.unranked) if row.slug in results]


def _matrix(
    rows: Sequence[Row], protocol: Protocol, results: Mapping[str, Result], metric: Metric, worst: Metric
) -> tuple[MatrixRow, ...]:
    names = short_names({row.slug: row.name for row in rows})
    return tuple(
        MatrixRow(
            row.slug,
            names[row.slug],
            row.role,
            (
                _cell(worst, results[row.slug].measurement(worst.key, protocol.primary.label)),
                *(_cell(metric, _found(metric, results[row.slug], item)) for item in rivals(protocol)),
            ),
        )
        for row in rows
    )


def _found(metric: Metric, result: Result, condition: Condition) -> Measurement | None:
    if metric.key == "ud_matched":
        return matched_distance(result, condition)
    return result.measurement(metric.key, condition.label)


def _cell(metric: Metric, measurement: Measurement | None) -> MatrixCell:
    shown = show(metric, measurement)
    if measurement is None or measurement.mean is None:
        return MatrixCell(shown.text, shown.reason, "", shown.text, measured=False)
    words = f"{shown.interval}, {seeds_words(shown.n)}" if shown.bounds else shown.interval
    title = f"95\u202f% interval {words}" if shown.bounds else words
    level = str(min(max(int(measurement.mean * LEVELS), 0), LEVELS - 1))
    return MatrixCell(number(metric, measurement.mean), title, level, words, measured=True)


def _intervals(title: str, conditions: Sequence[Condition], rows: Sequence[MatrixRow]) -> DataTable:
    """Return the same table with intervals, for readers without a pointer."""
    words = [DEFENSE_WORDS.get(item.defense, item.defense) for item in conditions]
    return DataTable(
        f"{title}: 95\u202f% intervals",
        ("method", "worst case", *words),
        tuple((row.name, *(cell.interval for cell in row.cells)) for row in rows),
    )


def _scale_words(name: str) -> tuple[str, str]:
    return ("0\u202f%", "100\u202f%") if name == "accuracy" else ("0", "1 and above")
