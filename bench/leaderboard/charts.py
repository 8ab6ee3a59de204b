"""Charts: one function for each chart, from a frame to a Vega-Lite specification with explicit names.

Imports altair and pandas; never torch. Colors are custom properties of the page, so that charts follow its theme.
"""

import math
from typing import Any

import altair as alt
import pandas as pd

from bench.leaderboard.labels import place_labels

VEGA_LITE = "6.4"

Spec = dict[str, Any]

THIS, CLEAN = "this submission", "clean training"
ENTRY, CONTROL, REFERENCE = "ranked entry", "control", "reference"
INTERVAL_WIDTH = 330
TRADEOFF_WIDTH, TRADEOFF_HEIGHT = 340, 250

_THEME: Spec = {
    "background": "transparent",
    "font": "sans-serif",
    "padding": 4,
    "view": {"stroke": None},
    "axis": {
        "domainColor": "var(--line)",
        "gridColor": "var(--hair)",
        "labelColor": "currentColor",
        "labelFontSize": 13,
        "tickColor": "var(--line)",
        "titleColor": "currentColor",
        "titleFontSize": 13,
        "titleFontWeight": "normal",
    },
    "legend": {
        "labelColor": "currentColor",
        "labelFontSize": 13,
        "titleColor": "currentColor",
        "titleFontSize": 13,
        "titleFontWeight": "normal",
        "orient": "top",
        "symbolStrokeWidth": 2,
    },
    "text": {"color": "currentColor", "fontSize": 13},
}

_SERIES_COLOR = alt.Scale(domain=[THIS, CLEAN], range=["var(--c1)", "var(--c2)"])
_SERIES_DASH = alt.Scale(domain=[THIS, CLEAN], range=[[1, 0], [5, 3]])
_SERIES_SHAPE = alt.Scale(domain=[THIS, CLEAN], range=["circle", "diamond"])


def interval_chart(rows: pd.DataFrame, *, name: str, title: str, description: str) -> Spec:
    """Draw mean and 95 % interval of each entry of a board, best first, the name above its line.

    rows: columns `name`, `role`, `value`, `low`, `high` (NaN without interval), in the unit shown, in board order.
    """
    order = list(dict.fromkeys(rows["name"]))
    # Names stand in the plot and not beside it: on a phone the labels of an axis take half of the width.
    y = alt.Y("name:N", title=None, sort=order, axis=alt.Axis(labels=False, ticks=False, domain=False, grid=True))
    color = alt.Color("role:N", scale=_role_colors(), legend=alt.Legend(title=None))
    base = alt.Chart().encode(y=y)
    x = alt.X("value:Q", title=title, scale=alt.Scale(zero=True, nice=True))
    bars = (
        base.transform_filter("isValid(datum.low)")
        .mark_rule(strokeWidth=2, aria=False)
        .encode(x=alt.X("low:Q", title=title), x2="high:Q", color=color)
        .properties(name=f"{name}_intervals")
    )
    dots = (
        base.mark_point(filled=True, size=80, opacity=1, aria=False)
        .encode(
            x=x,
            color=color,
            shape=alt.Shape("role:N", scale=_role_shapes(), legend=alt.Legend(title=None)),
            tooltip=[alt.Tooltip("name:N"), alt.Tooltip("text:N", title=title)],
        )
        .properties(name=f"{name}_means")
    )
    names = (
        base.mark_text(align="left", baseline="bottom", dy=-7, limit=INTERVAL_WIDTH, aria=False)
        .encode(x=alt.value(0), text="name:N")
        .properties(name=f"{name}_names")
    )
    chart = alt.layer(bars, dots, names, data=inline_data(rows))
    height = max(90, 42 * len(order))
    return finish(chart, name=name, description=description, width=INTERVAL_WIDTH, height=height)


def tradeoff_chart(rows: pd.DataFrame, *, name: str, x_title: str, y_title: str, description: str) -> Spec:
    """Draw test accuracy (%) against Unlearnable Distance of each entry.

    rows: columns `name`, `role`, `x`, `y`, and `label`, which is empty where the legend says enough. A label that
    would cover another one or a point is left out.
    """
    top = math.ceil(5 * max(1.0, float(rows["y"].max()))) / 5
    base = alt.Chart().encode(
        x=alt.X("x:Q", title=x_title, scale=alt.Scale(domain=[0, 100])),
        y=alt.Y("y:Q", title=y_title, scale=alt.Scale(domain=[0, top])),
    )
    dots = base.mark_point(filled=True, size=90, opacity=1, aria=False).encode(
        color=alt.Color("role:N", scale=_role_colors(), legend=alt.Legend(title=None)),
        shape=alt.Shape("role:N", scale=_role_shapes(), legend=alt.Legend(title=None)),
        tooltip=[alt.Tooltip("name:N"), alt.Tooltip("x:Q", title=x_title), alt.Tooltip("y:Q", title=y_title)],
    )
    labels = alt.Chart().encode(
        x=alt.X("label_x:Q", title=x_title), y=alt.Y("label_y:Q", title=y_title), text="label:N"
    )
    right = labels.transform_filter("datum.side === 'right'").mark_text(align="left", aria=False)
    left = labels.transform_filter("datum.side === 'left'").mark_text(align="right", aria=False)
    chart = alt.layer(
        dots.properties(name=f"{name}_dots"),
        right.properties(name=f"{name}_labels_right"),
        left.properties(name=f"{name}_labels_left"),
        data=inline_data(_with_labels(rows, top)),
    )
    return finish(chart, name=name, description=description, width=TRADEOFF_WIDTH, height=TRADEOFF_HEIGHT)


def _with_labels(rows: pd.DataFrame, top: float) -> pd.DataFrame:
    """Add `label_x`, `label_y` and `side` of each label, in the units of the axes; side is empty without a label."""
    points = [
        (x / 100 * TRADEOFF_WIDTH, (1 - y / top) * TRADEOFF_HEIGHT) for x, y in zip(rows["x"], rows["y"], strict=True)
    ]
    placed = place_labels(points, list(rows["label"]), width=TRADEOFF_WIDTH, height=TRADEOFF_HEIGHT)
    return rows.assign(
        label_x=[round(item.x / TRADEOFF_WIDTH * 100, 4) if item else 0.0 for item in placed],
        label_y=[round((1 - item.y / TRADEOFF_HEIGHT) * top, 4) if item else 0.0 for item in placed],
        side=[item.side if item else "" for item in placed],
    )


def seed_chart(rows: pd.DataFrame, *, name: str, title: str, description: str) -> Spec:
    """Draw one line a seed, with this submission at one end and clean training at the other.

    rows: columns `series`, `seed`, `value`, in the unit shown.
    """
    seeds = sorted(set(rows["seed"]), key=int)
    base = alt.Chart().encode(
        x=alt.X("value:Q", title=title, scale=alt.Scale(zero=True, nice=True)),
        y=alt.Y("seed:N", title="seed", sort=seeds, axis=alt.Axis(ticks=False, domain=False, offset=8)),
    )
    pairs = base.mark_line(color="var(--line)", strokeWidth=1.5, aria=False).encode(detail="seed:N")
    dots = base.mark_point(filled=True, size=80, opacity=1, aria=False).encode(
        color=alt.Color("series:N", scale=_SERIES_COLOR, legend=alt.Legend(title=None)),
        shape=alt.Shape("series:N", scale=_SERIES_SHAPE, legend=alt.Legend(title=None)),
        tooltip=[alt.Tooltip("series:N"), alt.Tooltip("seed:N"), alt.Tooltip("value:Q", title=title)],
    )
    chart = alt.layer(
        pairs.properties(name=f"{name}_pairs"), dots.properties(name=f"{name}_dots"), data=inline_data(rows)
    )
    return finish(chart, name=name, description=description, width=340, height=max(70, 24 * len(seeds)))


def epoch_chart(rows: pd.DataFrame, *, name: str, title: str, description: str, top: float | None = None) -> Spec:
    """Draw a value over epochs: one thin line a seed, dashes for clean training.

    rows: columns `series`, `seed`, `epoch`, `value`. top: upper end of the axis, None to fit.
    """
    domain = alt.Scale(zero=True, nice=True) if top is None else alt.Scale(domain=[0, top])
    legend = alt.Legend(title=None, symbolType="stroke", symbolSize=400)
    base = alt.Chart().encode(
        x=alt.X("epoch:Q", title="epoch", axis=alt.Axis(tickMinStep=1, grid=False)),
        y=alt.Y("value:Q", title=title, scale=domain),
        detail="seed:N",
        tooltip=["series:N", "seed:N", "epoch:Q", alt.Tooltip("value:Q", title=title)],
    )
    lines = base.mark_line(strokeWidth=1.6, opacity=0.9, aria=False).encode(
        color=alt.Color("series:N", scale=_SERIES_COLOR, legend=legend),
        strokeDash=alt.StrokeDash("series:N", scale=_SERIES_DASH, legend=legend),
    )
    dots = base.mark_point(filled=True, size=14, opacity=0.9, aria=False).encode(
        color=alt.Color("series:N", scale=_SERIES_COLOR, legend=legend)
    )
    chart = alt.layer(
        lines.properties(name=f"{name}_lines"), dots.properties(name=f"{name}_dots"), data=inline_data(rows)
    )
    return finish(chart, name=name, description=description, width=340, height=200)


def sal_chart(rows: pd.DataFrame, *, name: str, top: float, description: str) -> Spec:
    """Draw SAL as a map of layer by epoch, mean over seeds; a dot marks what most seeds find learnable.

    rows: columns `epoch`, `layer`, `sal`, `learnable` (share of seeds), layers in network order.
    top: upper end of the color scale, shared by all maps that are read side by side.
    """
    layers = list(dict.fromkeys(rows["layer"]))
    base = alt.Chart().encode(
        x=alt.X("epoch:O", title="epoch", axis=alt.Axis(labelAngle=0, labelOverlap=True)),
        y=alt.Y("layer:N", title=None, sort=layers, axis=alt.Axis(labelLimit=150, ticks=False, domain=False)),
    )
    squares = base.mark_rect(aria=False).encode(
        color=alt.Color(
            "sal:Q",
            title="SAL (nats)",
            scale=alt.Scale(type="sqrt", domain=[0, top], scheme="viridis"),
            legend=alt.Legend(gradientLength=200, tickCount=4, format=".2~g"),
        ),
        tooltip=[
            alt.Tooltip("layer:N"),
            alt.Tooltip("epoch:O"),
            alt.Tooltip("sal:Q", title="SAL", format=".4f"),
            alt.Tooltip("learnable:Q", title="share of seeds above beta", format=".0%"),
        ],
    )
    dots = (
        base.transform_filter("datum.learnable > 0.5")
        .mark_point(filled=True, size=16, color="white", stroke="black", strokeWidth=0.7, opacity=1, aria=False)
        .properties(name=f"{name}_learnable")
    )
    chart = alt.layer(squares.properties(name=f"{name}_values"), dots, data=inline_data(rows))
    return finish(chart, name=name, description=description, width=330, height=max(120, 18 * len(layers)))


def _role_colors() -> alt.Scale:
    return alt.Scale(domain=[ENTRY, CONTROL, REFERENCE], range=["var(--c1)", "var(--c3)", "var(--c2)"])


def _role_shapes() -> alt.Scale:
    return alt.Scale(domain=[ENTRY, CONTROL, REFERENCE], range=["circle", "triangle-up", "diamond"])


def inline_data(rows: pd.DataFrame) -> alt.InlineData:
    """Return rows as inline data; a missing number becomes null, never NaN."""
    cells = rows.astype(object).where(rows.notna(), None)
    records = [dict(zip(cells.columns, row, strict=True)) for row in cells.itertuples(index=False, name=None)]
    return alt.InlineData(values=records)


def finish(
    chart: alt.Chart | alt.LayerChart | alt.FacetChart, *, name: str, description: str, width: int, height: int
) -> Spec:
    """Name, size and theme a chart; every chart goes through here.

    The schema is not checked here but in the tests: for each kind of chart once, not for each result.
    """
    spec: Spec = chart.properties(name=name, description=description, width=width, height=height).to_dict(
        validate=False
    )
    spec["config"] = _THEME
    return spec
