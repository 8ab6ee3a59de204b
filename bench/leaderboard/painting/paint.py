"""Paint: a Vega-Lite specification to static SVG in plain Python, for the charts of this site.

Draws what the library would draw, to 1/100 of a pixel; whatever it does not know it refuses. Imports nothing heavy.
"""

import hashlib
import math

from bench.leaderboard.painting.axes import Axis
from bench.leaderboard.painting.boxes import Box
from bench.leaderboard.painting.legends import OFFSET, PaintedLegend
from bench.leaderboard.painting.marks import Plot, paint_marks
from bench.leaderboard.painting.numbers import brief
from bench.leaderboard.painting.reading import Chart, read_chart
from bench.leaderboard.painting.repeats import painted_axis, painted_legend
from bench.leaderboard.painting.scales import place_scale
from bench.leaderboard.painting.subset import NAME, OutsideSubset, Spec, demand, number

THEME = frozenset({"axis", "background", "font", "legend", "padding", "text", "view"})


def paint(spec: Spec) -> str:
    """Return a chart as SVG without style attributes, to be put inline.

    Names inside it depend on the chart's name and on what is drawn, so they are unique in a page.
    Raises OutsideSubset for a specification that asks for what is not painted here.
    """
    try:
        chart = read_chart(spec)
        return _drawing(chart)
    except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError) as error:
        raise OutsideSubset(f"a specification of another form: {error!r}") from error


def _drawing(chart: Chart) -> str:
    theme = chart.theme
    demand(theme.keys() == THEME and theme["background"] == "transparent", "another theme")
    demand(theme["view"] == {"stroke": None} and theme["font"] == "sans-serif", "another theme")
    plot = Plot(chart, place_scale(chart, "x"), place_scale(chart, "y"))
    axes = [Axis(chart, "x", plot.x), Axis(chart, "y", plot.y)]
    below, across = (painted_axis(axis) for axis in axes)
    marks = [paint_marks(plot, layer) for layer in chart.layers]
    legend = painted_legend(chart)

    upright = Box.plot(chart.width, chart.height)
    upright.union(below.box)
    whole = Box.plot(chart.width, chart.height)
    whole.union(across.box)
    for painted in marks:
        whole.union(painted.box)
        if painted.scoped:
            upright.union(painted.box)
    whole.union(upright)

    parts = [below.grid, across.grid]
    shown = [axis_painted.drawn for axis, axis_painted in zip(axes, (below, across), strict=True) if not axis.above]
    late = [axis_painted.drawn for axis, axis_painted in zip(axes, (below, across), strict=True) if axis.above]
    parts += shown
    for painted in marks:
        parts.append(f'<g clip-path="url(#{NAME}-0)">{painted.drawn}</g>' if painted.clipped else painted.drawn)
    if legend is not None:
        top = math.floor(upright.top) - OFFSET - legend.height
        whole.add(0, top, legend.width, top + legend.height)
        parts.append(_placed(legend, chart, top))
    parts += late
    definitions = _definitions(chart, legend, clipped=any(painted.clipped for painted in marks))
    return _framed(chart, "".join(parts), definitions, whole)


def _placed(legend: PaintedLegend, chart: Chart, top: float) -> str:
    theme = chart.theme["legend"]
    look = f'fill="{theme["labelColor"]}" font-size="{brief(theme["labelFontSize"])}"'
    return f'<g transform="translate(0,{brief(top)})" {look}>{legend.drawn}</g>'


def _definitions(chart: Chart, legend: PaintedLegend | None, *, clipped: bool) -> str:
    parts = []
    if clipped:
        rectangle = f'<rect width="{brief(chart.width)}" height="{brief(chart.height)}"/>'
        parts.append(f'<clipPath id="{NAME}-0">{rectangle}</clipPath>')
    if legend is not None and legend.gradient:
        parts.append(f'<linearGradient id="{NAME}-1">{legend.gradient}</linearGradient>')
    return f"<defs>{''.join(parts)}</defs>" if parts else ""


def _framed(chart: Chart, body: str, definitions: str, whole: Box) -> str:
    padding = number(chart.theme["padding"], "padding")
    left, top = math.ceil(-whole.left), math.ceil(-whole.top)
    width = brief(left + chart.width + math.ceil(whole.right - chart.width) + 2 * padding)
    height = brief(top + chart.height + math.ceil(whole.bottom - chart.height) + 2 * padding)
    drawn = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" '
        f'font-family="{chart.theme["font"]}">{definitions}'
        f'<g fill="none" stroke-miterlimit="10" transform="translate({brief(left + padding)},{brief(top + padding)})">'
        f"{body}</g></svg>"
    )
    if NAME not in drawn:
        return drawn
    name = hashlib.sha256(f"{chart.name}\n{drawn}".encode()).hexdigest()[:12]
    return drawn.replace(NAME, f"d{name}")
