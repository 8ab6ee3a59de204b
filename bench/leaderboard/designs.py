"""Designs: every chart of the site as Altair builds it, without its data. What `designs.json` is made from.

Each design is a function of what differs from one chart to the next; `holes` names those parts where nothing is known
yet. Imports altair; never torch. Rendering a site reads `designs.json` instead, for importing altair takes seconds.
"""

import inspect
from collections.abc import Callable
from typing import Any

import altair as alt
from altair.utils import schemapi

from bench.leaderboard.charting import Spec, hole
from bench.leaderboard.charts import CLEAN, CONTROL, ENTRY, INTERVAL_WIDTH, REFERENCE, THIS
from bench.leaderboard.theme import THEME
from bench.leaderboard.unlearning_charts import LOSING
from bench.leaderboard.wording import TIER_WORDS

BRUSH = "brush"
"""The selection of points in a chart; what a page does with it reads the field `slug`."""

Drawing = alt.LayerChart | alt.FacetChart
Part = Any
"""A part of a specification, or the name of a hole for it."""

_SERIES_COLOR = alt.Scale(domain=[THIS, CLEAN], range=["var(--c1)", "var(--c2)"])
_SERIES_DASH = alt.Scale(domain=[THIS, CLEAN], range=[[1, 0], [5, 3]])
_SERIES_SHAPE = alt.Scale(domain=[THIS, CLEAN], range=["circle", "diamond"])


def _roles(middle: str) -> tuple[alt.Scale, alt.Scale]:
    """Return color and shape of each role; middle: the role between entries and references."""
    domain = [ENTRY, middle, REFERENCE]
    colors = alt.Scale(domain=domain, range=["var(--c1)", "var(--c3)", "var(--c2)"])
    return colors, alt.Scale(domain=domain, range=["circle", "triangle-up", "diamond"])


def interval(name: str, title: str, order: Part, data: str) -> Drawing:
    """Mean and interval of each entry of a board, the name above its line. order: names, best first."""
    colors, shapes = _roles(CONTROL)
    # Names stand in the plot and not beside it: on a phone the labels of an axis take half of the width.
    y = alt.Y("name:N", title=None, sort=order, axis=alt.Axis(labels=False, ticks=False, domain=False, grid=True))
    color = alt.Color("role:N", scale=colors, legend=alt.Legend(title=None))
    base = alt.Chart().encode(y=y)
    bars = (
        base.transform_filter("isValid(datum.low)")
        .mark_rule(strokeWidth=2, aria=False)
        .encode(x=alt.X("low:Q", title=title), x2="high:Q", color=color)
        .properties(name=f"{name}_intervals")
    )
    dots = (
        base.mark_point(filled=True, size=80, opacity=1, aria=False)
        .encode(
            x=alt.X("value:Q", title=title, scale=alt.Scale(zero=True, nice=True)),
            color=color,
            shape=alt.Shape("role:N", scale=shapes, legend=alt.Legend(title=None)),
            tooltip=[alt.Tooltip("name:N"), alt.Tooltip("text:N", title=title)],
        )
        .properties(name=f"{name}_means")
    )
    names = (
        base.mark_text(align="left", baseline="bottom", dy=-7, limit=INTERVAL_WIDTH, aria=False)
        .encode(x=alt.value(0), text="name:N")
        .properties(name=f"{name}_names")
    )
    return alt.layer(bars, dots, names, data=alt.NamedData(name=data))


def tradeoff(name: str, x_title: str, y_title: str, top: Part, data: str, front_data: str) -> Drawing:
    """Test accuracy against Unlearnable Distance, with intervals and the front. top: end of the vertical axis."""
    colors, shapes = _roles(CONTROL)
    # Widened ends would move points away from the places that their names were put beside.
    x = alt.X("x:Q", title=x_title, scale=alt.Scale(domain=[0, 100], nice=False))
    y = alt.Y("y:Q", title=y_title, scale=alt.Scale(domain=[0, top], nice=False))
    legend = alt.Legend(title=None, symbolOpacity=1)
    color = alt.Color("role:N", scale=colors, legend=legend)
    across, along = _intervals(x, y, color)
    best = (
        alt.Chart(alt.NamedData(name=front_data))
        .mark_line(
            color="currentColor", opacity=0.7, strokeDash=[2, 3], strokeWidth=1.2, interpolate="step-after", aria=False
        )
        .encode(x=x, y=y)
    )
    dots = (
        alt.Chart()
        .mark_point(filled=True, size=90, opacity=1, aria=False)
        .encode(
            x=x,
            y=y,
            color=color,
            shape=alt.Shape("role:N", scale=shapes, legend=legend),
            tooltip=[alt.Tooltip("name:N"), alt.Tooltip("x:Q", title=x_title), alt.Tooltip("y:Q", title=y_title)],
        )
        .add_params(_brush())
    )
    right, left = _labels(x_title, y_title)
    return alt.layer(
        across.properties(name=f"{name}_across"),
        along.properties(name=f"{name}_along"),
        best.properties(name=f"{name}_front"),
        dots.properties(name=f"{name}_dots"),
        right.properties(name=f"{name}_labels_right"),
        left.properties(name=f"{name}_labels_left"),
        data=alt.NamedData(name=data),
    )


def _brush() -> alt.Parameter:
    """Return the selection that a reader draws with the mouse, in the color of words, so that it is seen when dark."""
    look = alt.BrushConfig(fill="currentColor", fillOpacity=0.12, stroke="currentColor", strokeOpacity=0.5)
    return alt.selection_interval(name=BRUSH, encodings=["x", "y"], mark=look)


def _intervals(x: alt.X, y: alt.Y, color: alt.Color) -> tuple[alt.Chart, alt.Chart]:
    """Return the intervals of points in both directions."""
    base = alt.Chart().mark_rule(opacity=0.45, aria=False).encode(color=color)
    across = base.transform_filter("isValid(datum.x_low)")
    along = base.transform_filter("isValid(datum.y_low)")
    return (
        across.encode(x=alt.X("x_low:Q", title=x["title"]), x2="x_high:Q", y=y),
        along.encode(x=x, y=alt.Y("y_low:Q", title=y["title"]), y2="y_high:Q"),
    )


def _labels(x_title: str, y_title: str) -> tuple[alt.Chart, alt.Chart]:
    """Return the names of points, those right of their point and those left of it."""
    labels = alt.Chart().encode(
        x=alt.X("label_x:Q", title=x_title), y=alt.Y("label_y:Q", title=y_title), text="label:N"
    )
    right = labels.transform_filter("datum.side === 'right'").mark_text(align="left", aria=False)
    return right, labels.transform_filter("datum.side === 'left'").mark_text(align="right", aria=False)


def seed(name: str, title: str, order: Part, data: str) -> Drawing:
    """One line a seed, with this submission at one end and clean training at the other. order: seeds as text."""
    base = alt.Chart().encode(
        x=alt.X("value:Q", title=title, scale=alt.Scale(zero=True, nice=True)),
        y=alt.Y("seed:N", title="seed", sort=order, axis=alt.Axis(ticks=False, domain=False, offset=8)),
    )
    pairs = base.mark_line(color="var(--line)", strokeWidth=1.5, aria=False).encode(detail="seed:N")
    dots = base.mark_point(filled=True, size=80, opacity=1, aria=False).encode(
        color=alt.Color("series:N", scale=_SERIES_COLOR, legend=alt.Legend(title=None)),
        shape=alt.Shape("series:N", scale=_SERIES_SHAPE, legend=alt.Legend(title=None)),
        tooltip=[alt.Tooltip("series:N"), alt.Tooltip("seed:N"), alt.Tooltip("value:Q", title=title)],
    )
    return alt.layer(
        pairs.properties(name=f"{name}_pairs"), dots.properties(name=f"{name}_dots"), data=alt.NamedData(name=data)
    )


def epoch(name: str, title: str, scale: Part, data: str) -> Drawing:
    """A value over epochs: one thin line a seed, dashes for clean training. scale: that of the value."""
    legend = alt.Legend(title=None, symbolType="stroke", symbolSize=400)
    base = alt.Chart().encode(
        x=alt.X("epoch:Q", title="epoch", axis=alt.Axis(tickMinStep=1, grid=False)),
        y=alt.Y("value:Q", title=title, scale=scale),
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
    return alt.layer(
        lines.properties(name=f"{name}_lines"), dots.properties(name=f"{name}_dots"), data=alt.NamedData(name=data)
    )


def sal(name: str, order: Part, top: Part, data: str) -> Drawing:
    """SAL as a map of layer by epoch; a dot marks what most seeds find learnable. top: upper end of the colors."""
    base = alt.Chart().encode(
        x=alt.X("epoch:O", title="epoch", axis=alt.Axis(labelAngle=0, labelOverlap=True)),
        y=alt.Y("layer:N", title=None, sort=order, axis=alt.Axis(labelLimit=150, ticks=False, domain=False)),
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
    return alt.layer(squares.properties(name=f"{name}_values"), dots, data=alt.NamedData(name=data))


def forgetting(
    name: str,
    x_title: str,
    y_title: str,
    limit: Part,
    x_domain: Part,
    y_domain: Part,
    x_ticks: Part,
    y_ticks: Part,
    costs: Part,
    cost_sizes: Part,
    data: str,
) -> Drawing:
    """The distance to retraining against what accuracy loses. limit: the loss up to which accuracy counts as kept.

    Both axes are linear near 0 and logarithmic far from it. costs: the steps of cost that occur; cost_sizes: theirs.
    """
    colors, shapes = _roles(LOSING)
    x_scale = alt.Scale(type="symlog", constant=1, domain=x_domain, nice=False)
    y_scale = alt.Scale(type="symlog", constant=0.5, domain=y_domain, nice=False)
    x = alt.X("x:Q", title=x_title, scale=x_scale, axis=alt.Axis(values=x_ticks, format=".2~f"))
    y = alt.Y("y:Q", title=y_title, scale=y_scale, axis=alt.Axis(values=y_ticks, format=".2~f"))
    legend = alt.Legend(title=None, columns=1, symbolOpacity=1)
    color = alt.Color("role:N", scale=colors, legend=legend)
    across, along = _intervals(x, y, color)
    kept = (
        alt.Chart()
        .mark_rule(strokeDash=[4, 4], color="var(--line)", strokeWidth=1.5, aria=False)
        .encode(x=alt.datum(limit, type="quantitative"))
        .properties(name=f"{name}_limit")
    )
    dots = (
        alt.Chart()
        .mark_point(filled=True, opacity=1, aria=False)
        .encode(
            x=x,
            y=y,
            color=color,
            shape=alt.Shape("role:N", scale=shapes, legend=legend),
            size=_steps(costs, cost_sizes),
            tooltip=[
                alt.Tooltip("name:N"),
                alt.Tooltip("text:N", title="distance, gap"),
                alt.Tooltip("cost:N", title="cost"),
            ],
        )
        .add_params(_brush())
    )
    right, left = _labels(x_title, y_title)
    return alt.layer(
        kept,
        across.properties(name=f"{name}_across"),
        along.properties(name=f"{name}_along"),
        dots.properties(name=f"{name}_dots"),
        right.properties(name=f"{name}_labels_right"),
        left.properties(name=f"{name}_labels_left"),
        data=alt.NamedData(name=data),
    )


def _steps(costs: Part, sizes: Part) -> alt.Size:
    """Reported costs in steps, as sizes of points, with a legend."""
    legend = alt.Legend(title=None, columns=1, symbolFillColor="currentColor", symbolOpacity=1, symbolStrokeWidth=0)
    return alt.Size("cost:O", scale=alt.Scale(type="ordinal", domain=costs, range=sizes), legend=legend)


def roc(name: str, lowest: Part, present: Part, colors: Part, dashes: Part, data: str) -> Drawing:
    """True positive rates against false positive rates on logarithmic axes from `lowest` on, with the diagonal.

    present: the series that occur; colors and dashes: theirs.
    """
    scale = alt.Scale(type="log", domain=[lowest, 1])
    axis = alt.Axis(values=[0.001, 0.01, 0.1, 1], format="~f")
    base = alt.Chart().encode(x=alt.X("fpr:Q", title="false positive rate", scale=scale, axis=axis))
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
            y=alt.Y("tpr:Q", title="true positive rate", scale=scale, axis=axis),
            **_lines(present, colors, dashes),
            tooltip=["series:N", alt.Tooltip("fpr:Q", format=".3~g"), alt.Tooltip("tpr:Q", format=".3~g")],
        )
        .properties(name=f"{name}_lines")
    )
    return alt.layer(band, lines, data=alt.NamedData(name=data))


def score(name: str, present: Part, colors: Part, dashes: Part, bars_data: str, lines_data: str) -> Drawing:
    """The density of scores as bars, with lines for what they are read against."""
    drawn = (
        alt.Chart(alt.NamedData(name=bars_data))
        .mark_rect(color="var(--c1)", opacity=0.35, aria=False)
        .encode(
            x=alt.X("left:Q", title="score I of an item", scale=alt.Scale(nice=False, zero=False)),
            x2="right:Q",
            y=alt.Y("density:Q", title="density"),
            y2=alt.datum(0),
            tooltip=[alt.Tooltip("left:Q"), alt.Tooltip("right:Q"), alt.Tooltip("count:Q", title="items")],
        )
        .properties(name=f"{name}_bars")
    )
    curves = (
        alt.Chart(alt.NamedData(name=lines_data))
        .mark_line(strokeWidth=2, aria=False)
        .encode(
            x=alt.X("score:Q", title="score I of an item"),
            y=alt.Y("density:Q", title="density"),
            **_lines(present, colors, dashes),
        )
        .properties(name=f"{name}_curves")
    )
    return alt.layer(drawn, curves)


def _lines(present: Part, colors: Part, dashes: Part) -> dict[str, alt.Color | alt.StrokeDash]:
    """Return how lines are told apart."""
    legend = alt.Legend(title=None, symbolType="stroke", symbolSize=400, columns=2)
    return {
        "color": alt.Color("series:N", scale=alt.Scale(domain=present, range=colors), legend=legend),
        "strokeDash": alt.StrokeDash("series:N", scale=alt.Scale(domain=present, range=dashes), legend=legend),
    }


def history(name: str, title: str, order: Part, data: str) -> Drawing:
    """A score with its interval for each time that it changed. Times are names, so that no time zone moves them.

    order: of the times. Without one, those of scores with an interval would come first.
    """
    base = alt.Chart().encode(x=alt.X("when:N", title="shown since (UTC)", sort=order, axis=alt.Axis(labelAngle=-30)))
    y = alt.Y("value:Q", title=title, scale=alt.Scale(zero=True, nice=True))
    tiers, legend = list(TIER_WORDS.values()), alt.Legend(title="tier")
    bars = (
        base.transform_filter("isValid(datum.low)")
        .mark_rule(strokeWidth=2, color="var(--c1)", aria=False)
        .encode(y=alt.Y("low:Q", title=title), y2="high:Q")
        .properties(name=f"{name}_intervals")
    )
    dots = (
        base.mark_point(filled=True, size=80, opacity=1, aria=False)
        .encode(
            y=y,
            color=alt.Color("tier:N", scale=alt.Scale(domain=tiers, range=["var(--c1)", "var(--c2)"]), legend=legend),
            shape=alt.Shape("tier:N", scale=alt.Scale(domain=tiers, range=["circle", "diamond"]), legend=legend),
            tooltip=["when:N", "tier:N", alt.Tooltip("value:Q", title=title)],
        )
        .properties(name=f"{name}_means")
    )
    return alt.layer(bars, dots, data=alt.NamedData(name=data))


DESIGNS: dict[str, Callable[..., Drawing]] = {
    "epoch": epoch,
    "forgetting": forgetting,
    "history": history,
    "interval": interval,
    "roc": roc,
    "sal": sal,
    "score": score,
    "seed": seed,
    "tradeoff": tradeoff,
}


def built(design: str, *, description: str, width: int | str, height: int | str, **parts: Part) -> Spec:
    """Return a chart's specification as Altair builds it. parts: the arguments of its design."""
    # The schema is not checked here but in the tests: for each kind of chart once.
    spec: Spec = DESIGNS[design](**parts).to_dict(validate=False)
    return {
        **spec,
        "name": parts["name"],
        "description": description,
        "width": width,
        "height": height,
        "config": THEME,
    }


def with_holes() -> dict[str, Spec]:
    """Return every design with a hole for each of its arguments, for its description, width and height."""
    with schemapi.debug_mode(False):  # a hole is no valid domain or number
        return {name: _with_holes(name, design) for name, design in DESIGNS.items()}


def _with_holes(name: str, design: Callable[..., Drawing]) -> Spec:
    arguments = {argument: hole(argument) for argument in inspect.signature(design).parameters}
    return built(name, description=hole("description"), width=hole("width"), height=hole("height"), **arguments)
