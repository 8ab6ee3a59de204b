"""Repeats: axes and legends that many charts of a site draw alike, kept under everything that decides how they look.

Imports the axes and legends; nothing else of the project.
"""

from collections.abc import Callable
from typing import TypeVar

from bench.leaderboard.painting.axes import Axis, PaintedAxis
from bench.leaderboard.painting.legends import PaintedLegend, paint_legend
from bench.leaderboard.painting.reading import Chart
from bench.leaderboard.painting.scales import Bands

MOST_KEPT = 4096
"""Drawings of each kind that a process keeps."""

Drawing = TypeVar("Drawing")

_AXES: dict[str, PaintedAxis] = {}
_LEGENDS: dict[str, PaintedLegend | None] = {}


def painted_axis(axis: Axis) -> PaintedAxis:
    """Return an axis as SVG, as `Axis.paint` does. Raises OutsideSubset."""
    scale = axis.scale
    places = (
        (scale.names, scale.step, scale.banded, scale.start)
        if isinstance(scale, Bands)
        else (scale.kind, scale.constant, scale.start, scale.stop, scale.first, scale.last)
    )
    options = (axis.options, axis.title, axis.linear, axis.constant)
    return _kept(_AXES, repr((axis.across, axis.width, axis.height, places, options, axis.theme)), axis.paint)


def painted_legend(chart: Chart) -> PaintedLegend | None:
    """Return the legend of a chart as SVG, as `paint_legend` does. Raises OutsideSubset."""
    layers = [(layer.mark, layer.look, layer.series, layer.sizes) for layer in chart.layers if layer.series]
    return _kept(_LEGENDS, repr((layers, chart.theme.get("legend"))), lambda: paint_legend(chart))


def _kept(known: dict[str, Drawing], key: str, paint: Callable[[], Drawing]) -> Drawing:
    if key not in known:
        drawn = paint()
        if len(known) >= MOST_KEPT:
            known.clear()
        known[key] = drawn
    return known[key]
