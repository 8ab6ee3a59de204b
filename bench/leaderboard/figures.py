"""Figures: a chart, its words and its table, ready to be placed. One function for each figure of the site.

Imports the charts and what they show; never torch.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from bench.leaderboard import charts
from bench.leaderboard.charting import Row, Spec
from bench.leaderboard.charts import CLEAN, THIS
from bench.leaderboard.frame import SalRow, cells_of, learnable_counts, per_seed, sal_rows
from bench.leaderboard.wording import number, scale, unit_words
from bench.metrics.catalog import METRICS, Metric
from bench.results import Result

LONG_BOARD = 100
"""Ranked entries above which a board is long: its page says each number once and puts off what is out of view."""


@dataclass(frozen=True)
class DataTable:
    """The numbers of a figure as text; the first cell of a row is its header."""

    caption: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Figure:
    """A chart in its page. name is unique within the page and starts with a letter; caption says what to look for.

    table: its numbers; None where the table of a long board above it has them.
    """

    name: str
    title: str
    caption: str
    spec: Spec
    table: DataTable | None


def seed_figure(metric: Metric, mine: Result, clean: Result | None, condition: str, *, name: str) -> Figure | None:
    """Draw a metric's value by seed against clean training; None where nothing was measured."""
    values = {THIS: per_seed(mine, metric.key, condition)}
    if clean is not None:
        values[CLEAN] = per_seed(clean, metric.key, condition)
    if not values[THIS]:
        return None
    factor = scale(metric)
    rows: list[Row] = [
        {"series": series, "seed": str(seed), "value": value * factor}
        for series, seeds in values.items()
        for seed, value in seeds.items()
    ]
    title = f"{metric.label} ({unit_words(metric)})"
    table = DataTable(
        f"{metric.label} by seed, {unit_words(metric)}",
        ("seed", *values),
        tuple(
            (str(seed), *(_maybe(metric, seeds.get(seed)) for seeds in values.values()))
            for seed in sorted(set().union(*values.values()))
        ),
    )
    caption = f"One line for each seed, from {THIS} (circle) to {CLEAN} (diamond)."
    spec = charts.seed_chart(rows, name=name, title=title, description=f"{metric.label} by seed. {caption}")
    return Figure(name, f"{metric.label} by seed", caption, spec, table)


def accuracy_figure(mine: Result, clean: Result | None, condition: str, *, name: str) -> Figure:
    """Draw clean test accuracy after each epoch, all seeds, against clean training."""
    rows = _accuracies(mine, condition, THIS)
    if clean is not None:
        rows += _accuracies(clean, condition, CLEAN)
    caption = "One line for each seed. A curve that peaks early and falls tells a trainer when to stop."
    spec = charts.epoch_chart(
        rows, name=name, title="clean test accuracy (%)", description=f"Test accuracy by epoch. {caption}", top=100
    )
    table = _epoch_table(rows, "Clean test accuracy after each epoch, %", METRICS["test_accuracy"].decimals)
    return Figure(name, "Clean test accuracy over training", caption, spec, table)


def learnable_figure(mine: Result, clean: Result | None, condition: str, *, name: str) -> Figure | None:
    """Draw the number of learnable layers at each measured epoch; None where no threshold was measured."""
    rows = _learnable(mine, condition, THIS)
    if not rows:
        return None
    if clean is not None:
        rows += _learnable(clean, condition, CLEAN)
    caption = (
        "Layers whose SAL is above the learnable threshold beta of the same seed. "
        "Unlearnable Distance divides the mean of the solid line by the mean of the dashed one."
    )
    spec = charts.epoch_chart(rows, name=name, title="learnable layers", description=caption)
    table = _epoch_table(rows, "Learnable layers at each measured epoch", 0)
    return Figure(name, "Learnable layers over training", caption, spec, table)


def sal_figures(mine: Result, clean: Result | None, condition: str, *, name: str) -> tuple[Figure, ...]:
    """Draw SAL by layer and epoch, this submission beside clean training, on one color scale."""
    results = {THIS: mine} if clean is None else {THIS: mine, CLEAN: clean}
    means = {series: _sal_means(result, condition) for series, result in results.items()}
    top = max((row["sal"] for rows in means.values() for row in rows), default=0.0)
    return tuple(
        _sal_figure(rows, series, top=top or 1.0, name=f"{name}_{'this' if series == THIS else 'clean'}")
        for series, rows in means.items()
        if rows
    )


def _sal_figure(rows: list[Row], series: str, *, top: float, name: str) -> Figure:
    caption = (
        "Mean over seeds. Brighter: moving this layer alone can change the training loss more. "
        "White dot: above the learnable threshold for most seeds."
    )
    spec = charts.sal_chart(rows, name=name, top=top, description=f"SAL by layer and epoch, {series}. {caption}")
    values = {(row["layer"], row["epoch"]): row["sal"] for row in rows}
    layers, epochs = (list(dict.fromkeys(row[key] for row in rows)) for key in ("layer", "epoch"))
    table = DataTable(
        f"SAL in nats by layer and epoch, {series}",
        ("layer", *(f"epoch {epoch}" for epoch in sorted(epochs))),
        tuple((layer, *(f"{values[layer, epoch]:.4f}" for epoch in sorted(epochs))) for layer in layers),
    )
    return Figure(name, f"SAL of each layer: {series}", caption, spec, table)


def _sal_means(result: Result, condition: str) -> list[Row]:
    """Average SAL and the share of seeds above threshold over seeds; layers stay in network order."""
    found: dict[tuple[str, int], list[SalRow]] = {}
    for row in sal_rows(result, condition):
        found.setdefault((row.layer, row.epoch), []).append(row)
    return [
        {
            "layer": layer,
            "epoch": epoch,
            "sal": _mean([row.sal for row in rows]),
            "learnable": _mean([row.learnable for row in rows if row.learnable is not None]),
        }
        for (layer, epoch), rows in found.items()
    ]


def _mean(values: Sequence[float]) -> float | None:
    return round(math.fsum(values) / len(values), 6) if values else None


def _accuracies(result: Result, condition: str, series: str) -> list[Row]:
    return [
        {"series": series, "seed": str(cell.seed), "epoch": epoch, "value": round(value * 100, 4)}
        for cell in cells_of(result, condition)
        for epoch, value in enumerate(cell.test_accuracy, start=1)
    ]


def _learnable(result: Result, condition: str, series: str) -> list[Row]:
    return [
        {"series": series, "seed": str(seed), "epoch": epoch, "value": float(count)}
        for (seed, epoch), count in learnable_counts(result, condition).items()
    ]


def _epoch_table(rows: list[Row], caption: str, decimals: int) -> DataTable:
    values = {(row["series"], row["seed"], row["epoch"]): row["value"] for row in rows}
    keys = list(dict.fromkeys((series, seed) for series, seed, _ in values))
    epochs = sorted({epoch for _, _, epoch in values})
    return DataTable(
        caption,
        ("epoch", *(f"{series}, seed {seed}" for series, seed in keys)),
        tuple((str(epoch), *(_cell(values.get((*key, epoch)), decimals) for key in keys)) for epoch in epochs),
    )


def _cell(value: float | None, decimals: int) -> str:
    return "not measured" if value is None else f"{value:.{decimals}f}"


def _maybe(metric: Metric, value: float | None) -> str:
    return "not measured" if value is None else number(metric, value)
