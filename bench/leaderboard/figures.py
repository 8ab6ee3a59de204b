"""Figures: a chart, its words and its table, ready to be placed. One function for each figure of the site.

Imports pandas and the charts; never torch.
"""

from dataclasses import dataclass

import pandas as pd

from bench.leaderboard import charts
from bench.leaderboard.charts import CLEAN, THIS, Spec
from bench.leaderboard.frame import curve_frame, learnable_frame, per_seed, sal_frame
from bench.leaderboard.wording import number, scale, unit_words
from bench.metrics.catalog import METRICS, Metric
from bench.results import Result


@dataclass(frozen=True)
class DataTable:
    """The numbers of a figure as text; the first cell of a row is its header."""

    caption: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Figure:
    """A chart in its page. name is unique within the page and starts with a letter; caption says what to look for."""

    name: str
    title: str
    caption: str
    spec: Spec
    table: DataTable


def seed_figure(metric: Metric, mine: Result, clean: Result | None, condition: str, *, name: str) -> Figure | None:
    """Draw a metric's value by seed against clean training; None where nothing was measured."""
    values = {THIS: per_seed(mine, metric.key, condition)}
    if clean is not None:
        values[CLEAN] = per_seed(clean, metric.key, condition)
    if not values[THIS]:
        return None
    rows = pd.DataFrame(
        [
            (series, str(seed), value * scale(metric))
            for series, seeds in values.items()
            for seed, value in seeds.items()
        ],
        columns=["series", "seed", "value"],
    )
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
    frames = [curve_frame(mine, condition).assign(series_name=THIS)]
    if clean is not None:
        frames.append(curve_frame(clean, condition).assign(series_name=CLEAN))
    rows = _test_curves(pd.concat(frames))
    caption = "One line for each seed. A curve that peaks early and falls tells a trainer when to stop."
    spec = charts.epoch_chart(
        rows, name=name, title="clean test accuracy (%)", description=f"Test accuracy by epoch. {caption}", top=100
    )
    table = _epoch_table(rows, "Clean test accuracy after each epoch, %", METRICS["test_accuracy"].decimals)
    return Figure(name, "Clean test accuracy over training", caption, spec, table)


def learnable_figure(mine: Result, clean: Result | None, condition: str, *, name: str) -> Figure | None:
    """Draw the number of learnable layers at each measured epoch; None where no threshold was measured."""
    frames = [learnable_frame(mine, condition).assign(series=THIS)]
    if clean is not None:
        frames.append(learnable_frame(clean, condition).assign(series=CLEAN))
    if frames[0].empty:
        return None
    rows = _text_seeds(pd.concat(frames))
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
    means = {series: _sal_means(sal_frame(result, condition)) for series, result in results.items()}
    top = max((float(rows["sal"].max()) for rows in means.values() if not rows.empty), default=0.0)
    return tuple(
        _sal_figure(rows, series, top=top or 1.0, name=f"{name}_{'this' if series == THIS else 'clean'}")
        for series, rows in means.items()
        if not rows.empty
    )


def _sal_figure(rows: pd.DataFrame, series: str, *, top: float, name: str) -> Figure:
    caption = (
        "Mean over seeds. Brighter: moving this layer alone can change the training loss more. "
        "White dot: above the learnable threshold for most seeds."
    )
    spec = charts.sal_chart(rows, name=name, top=top, description=f"SAL by layer and epoch, {series}. {caption}")
    wide = rows.pivot(index="layer", columns="epoch", values="sal")
    layers = list(dict.fromkeys(rows["layer"]))
    table = DataTable(
        f"SAL in nats by layer and epoch, {series}",
        ("layer", *(f"epoch {epoch}" for epoch in wide.columns)),
        tuple((layer, *(f"{value:.4f}" for value in wide.loc[layer])) for layer in layers),
    )
    return Figure(name, f"SAL of each layer: {series}", caption, spec, table)


def _sal_means(rows: pd.DataFrame) -> pd.DataFrame:
    """Average SAL and the share of seeds above threshold over seeds; layers stay in network order."""
    return rows.groupby(["layer", "epoch"], as_index=False, sort=False)[["sal", "learnable"]].mean().round(6)


def _test_curves(rows: pd.DataFrame) -> pd.DataFrame:
    test = rows[rows["series"] == "test"].drop(columns="series").rename(columns={"series_name": "series"})
    return _text_seeds(test.assign(value=(test["value"] * 100).round(4)))


def _text_seeds(rows: pd.DataFrame) -> pd.DataFrame:
    return rows.assign(seed=rows["seed"].astype(str))[["series", "seed", "epoch", "value"]].reset_index(drop=True)


def _epoch_table(rows: pd.DataFrame, caption: str, decimals: int) -> DataTable:
    keys = list(dict.fromkeys(zip(rows["series"], rows["seed"], strict=True)))
    values = {
        (series, seed, int(epoch)): float(value)
        for series, seed, epoch, value in zip(rows["series"], rows["seed"], rows["epoch"], rows["value"], strict=True)
    }
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
