"""Charts of the unlearning track: from a frame to a Vega-Lite specification with explicit names.

Imports altair and pandas; never torch.
"""

import math

import altair as alt
import pandas as pd

from bench.leaderboard.charts import ENTRY, REFERENCE, Spec, finish, inline_data
from bench.leaderboard.labels import place_labels

LOSING = "method that costs accuracy"
OWN, RETRAINED, ORIGINAL, IDEAL = "this submission", "retrained", "original", "no trace: N(0, 1)"
WIDTH, HEIGHT = 360, 300
LOWEST_RATE = 0.001

_COLORS = alt.Scale(domain=[ENTRY, LOSING, REFERENCE], range=["var(--c1)", "var(--c3)", "var(--c2)"])
_SHAPES = alt.Scale(domain=[ENTRY, LOSING, REFERENCE], range=["circle", "triangle-up", "diamond"])
_SERIES = {
    OWN: ("var(--c1)", [1, 0]),
    RETRAINED: ("var(--c2)", [6, 3]),
    ORIGINAL: ("var(--c3)", [8, 3, 2, 3]),
    IDEAL: ("currentColor", [1, 3]),
}
"""Color and dashes of a series; the same in every chart."""


def forgetting_chart(
    rows: pd.DataFrame, *, name: str, tolerance: float, x_title: str, y_title: str, description: str
) -> Spec:
    """Draw the distance to retraining against what accuracy loses, one point a submission.

    rows: columns `name`, `role`, `x` (points, negative is a loss), `y` (at least 0), `x_low`, `x_high`, `y_low`,
    `y_high` (NaN without interval), `text`, and `label`, empty where a name would cover others. tolerance: the loss in
    points up to which accuracy counts as kept. Both axes are linear near 0 and logarithmic far from it.
    """
    x_domain, y_domain = _domain(rows["x"], floor=-4 * tolerance, ceiling=tolerance), _domain(rows["y"], ceiling=1.2)
    x_scale = alt.Scale(type="symlog", constant=1, domain=list(x_domain))
    y_scale = alt.Scale(type="symlog", constant=0.5, domain=list(y_domain))
    x_axis = alt.Axis(values=_ticks(x_domain), format="~f")
    y_axis = alt.Axis(values=_ticks(y_domain), format="~f")
    x = alt.X("x:Q", title=x_title, scale=x_scale, axis=x_axis)
    y = alt.Y("y:Q", title=y_title, scale=y_scale, axis=y_axis)
    color = alt.Color("role:N", scale=_COLORS, legend=alt.Legend(title=None, columns=1))
    rows = _bounded(rows, x_domain, y_domain)
    limit = (
        alt.Chart()
        .mark_rule(strokeDash=[4, 4], color="var(--line)", strokeWidth=1.5, aria=False)
        .encode(x=alt.datum(-tolerance, type="quantitative"))
        .properties(name=f"{name}_limit")
    )
    base = alt.Chart().encode(color=color)
    across = base.transform_filter("isValid(datum.x_low)").mark_rule(opacity=0.45, aria=False)
    along = base.transform_filter("isValid(datum.y_low)").mark_rule(opacity=0.45, aria=False)
    dots = base.mark_point(filled=True, size=80, opacity=1, aria=False).encode(
        x=x,
        y=y,
        shape=alt.Shape("role:N", scale=_SHAPES, legend=alt.Legend(title=None, columns=1)),
        tooltip=[alt.Tooltip("name:N"), alt.Tooltip("text:N", title="distance, gap")],
    )
    labels = alt.Chart().encode(
        x=alt.X("label_x:Q", title=x_title), y=alt.Y("label_y:Q", title=y_title), text="label:N"
    )
    right = labels.transform_filter("datum.side === 'right'").mark_text(align="left", aria=False)
    left = labels.transform_filter("datum.side === 'left'").mark_text(align="right", aria=False)
    chart = alt.layer(
        limit,
        across.encode(x=alt.X("x_low:Q", title=x_title), x2="x_high:Q", y=y).properties(name=f"{name}_across"),
        along.encode(x=x, y=alt.Y("y_low:Q", title=y_title), y2="y_high:Q").properties(name=f"{name}_along"),
        dots.properties(name=f"{name}_dots"),
        right.properties(name=f"{name}_labels_right"),
        left.properties(name=f"{name}_labels_left"),
        data=inline_data(_with_labels(rows, x_domain, y_domain)),
    )
    return finish(chart, name=name, description=description, width=WIDTH, height=HEIGHT)


def roc_chart(rows: pd.DataFrame, *, name: str, description: str) -> Spec:
    """Draw true positive rates against false positive rates on logarithmic axes, with the diagonal.

    rows: columns `series`, `fpr`, `tpr`, `low`, `high` (NaN without an interval), each above 0 or missing.
    """
    scale = alt.Scale(type="log", domain=[LOWEST_RATE, 1])
    axis = alt.Axis(values=[0.001, 0.01, 0.1, 1], format="~f")
    legend = alt.Legend(title=None, symbolType="stroke", symbolSize=400, columns=2)
    x = alt.X("fpr:Q", title="false positive rate", scale=scale, axis=axis)
    y = alt.Y("tpr:Q", title="true positive rate", scale=scale, axis=axis)
    base = alt.Chart().encode(x=x)
    band = (
        base.transform_filter("isValid(datum.low)")
        .mark_area(color="var(--c1)", opacity=0.18, clip=True, aria=False)
        .encode(y=alt.Y("low:Q", title="true positive rate", scale=scale), y2="high:Q")
        .properties(name=f"{name}_band")
    )
    lines = (
        base.transform_filter("isValid(datum.tpr)")
        .mark_line(strokeWidth=2, clip=True, aria=False)
        .encode(
            y=y,
            **_series(rows, legend),
            tooltip=["series:N", alt.Tooltip("fpr:Q", format=".3~g"), alt.Tooltip("tpr:Q", format=".3~g")],
        )
        .properties(name=f"{name}_lines")
    )
    chart = alt.layer(band, lines, data=inline_data(rows))
    return finish(chart, name=name, description=description, width=320, height=300)


def score_chart(bars: pd.DataFrame, lines: pd.DataFrame, *, name: str, description: str) -> Spec:
    """Draw the density of Gaussian scores as bars, with lines for what they are read against.

    bars: columns `left`, `right`, `density`, `count`. lines: columns `series`, `score`, `density`, in order.
    """
    x = alt.X("left:Q", title="score I of an item", scale=alt.Scale(nice=False, zero=False))
    drawn = (
        alt.Chart(inline_data(bars))
        .mark_rect(color="var(--c1)", opacity=0.35, aria=False)
        .encode(
            x=x,
            x2="right:Q",
            y=alt.Y("density:Q", title="density"),
            y2=alt.datum(0),
            tooltip=[alt.Tooltip("left:Q"), alt.Tooltip("right:Q"), alt.Tooltip("count:Q", title="items")],
        )
        .properties(name=f"{name}_bars")
    )
    legend = alt.Legend(title=None, symbolType="stroke", symbolSize=400, columns=2)
    curves = (
        alt.Chart(inline_data(lines))
        .mark_line(strokeWidth=2, aria=False)
        .encode(
            x=alt.X("score:Q", title="score I of an item"),
            y=alt.Y("density:Q", title="density"),
            **_series(lines, legend),
        )
        .properties(name=f"{name}_curves")
    )
    return finish(alt.layer(drawn, curves), name=name, description=description, width=340, height=240)


def _series(rows: pd.DataFrame, legend: alt.Legend) -> dict[str, alt.Color | alt.StrokeDash]:
    """Return how the series that occur in a frame are told apart."""
    present = [name for name in _SERIES if name in set(rows["series"])]
    colors = alt.Scale(domain=present, range=[_SERIES[name][0] for name in present])
    dashes = alt.Scale(domain=present, range=[_SERIES[name][1] for name in present])
    return {
        "color": alt.Color("series:N", scale=colors, legend=legend),
        "strokeDash": alt.StrokeDash("series:N", scale=dashes, legend=legend),
    }


def _domain(values: pd.Series, *, floor: float = 0.0, ceiling: float) -> tuple[float, float]:
    """Return the ends of an axis: those given, or what the points need and a tenth more."""
    low, high = float(values.min()), float(values.max())
    return (floor if low >= floor else 1.4 * low, ceiling if high <= ceiling else 1.4 * high)


def _ticks(domain: tuple[float, float]) -> list[float]:
    steps = [0.25, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1000.0]
    wide = domain[1] - domain[0] > 3
    chosen = [step for step in steps if not (wide and step < 1)]
    values = [*(-step for step in reversed(chosen)), 0.0, *chosen]
    return [value for value in values if domain[0] <= value <= domain[1]]


def _bounded(rows: pd.DataFrame, x_domain: tuple[float, float], y_domain: tuple[float, float]) -> pd.DataFrame:
    """Cut intervals at the ends of the axes, so that lines stay inside the plot."""
    bounded = rows.copy()
    for axis, (low, high) in (("x", x_domain), ("y", y_domain)):
        for end in ("low", "high"):
            bounded[f"{axis}_{end}"] = bounded[f"{axis}_{end}"].clip(low, high)
    return bounded


def _symlog(value: float, constant: float) -> float:
    return math.copysign(math.log1p(abs(value) / constant), value)


def _inverse_symlog(value: float, constant: float) -> float:
    return math.copysign(math.expm1(abs(value)) * constant, value)


def _with_labels(rows: pd.DataFrame, x_domain: tuple[float, float], y_domain: tuple[float, float]) -> pd.DataFrame:
    """Add `label_x`, `label_y` and `side` of each label, in the units of the axes; side is empty without a label."""
    left, right = (_symlog(value, 1) for value in x_domain)
    bottom, top = (_symlog(value, 0.5) for value in y_domain)
    points = [
        ((_symlog(x, 1) - left) / (right - left) * WIDTH, (top - _symlog(y, 0.5)) / (top - bottom) * HEIGHT)
        for x, y in zip(rows["x"], rows["y"], strict=True)
    ]
    placed = place_labels(points, list(rows["label"]), width=WIDTH, height=HEIGHT)
    return rows.assign(
        label_x=[
            round(_inverse_symlog(left + item.x / WIDTH * (right - left), 1), 4) if item else 0.0 for item in placed
        ],
        label_y=[
            round(_inverse_symlog(top - item.y / HEIGHT * (top - bottom), 0.5), 4) if item else 0.0 for item in placed
        ],
        side=[item.side if item else "" for item in placed],
    )
