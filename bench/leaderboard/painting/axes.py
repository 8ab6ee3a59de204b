"""Axes: grid, ticks, labels and titles as SVG, and how far they reach.

Imports the scales and what they rest on; nothing else of the project.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from bench.leaderboard.painting.boxes import Box
from bench.leaderboard.painting.numbers import Writer, brief, plain_writer, rounded, span_writer, ticks
from bench.leaderboard.painting.reading import AXIS, Channel, Chart
from bench.leaderboard.painting.scales import Bands, Continuous, Place
from bench.leaderboard.painting.subset import Spec, demand, only
from bench.leaderboard.painting.words import fitted, markup

TICK, LABEL_PADDING, TITLE_PADDING, LABEL_LIMIT = 5, 2, 4, 180
LARGEST_EXTENT = 200
SLANT = -30
"""The one angle, in degrees, that labels below a plot may have."""

THEME = frozenset(
    [
        "domainColor",
        "gridColor",
        "labelColor",
        "labelFontSize",
        "tickColor",
        "titleColor",
        "titleFontSize",
        "titleFontWeight",
    ]
)


@dataclass(frozen=True, slots=True)
class Label:
    """A label of a tick: its text, where it lies along the axis, and where its text begins: start, middle or end."""

    text: str
    place: float
    anchor: str
    width: float


Gap = Callable[[Label, Label], float]
"""The pixels between two labels, below 0 where they overlap."""


@dataclass(frozen=True, slots=True)
class PaintedAxis:
    """An axis as SVG: what lies below the marks, what lies above the grid, and the box of the latter."""

    grid: str
    drawn: str
    box: Box


class Axis:
    """One axis of a chart, `x` below the plot or `y` left of it."""

    def __init__(self, chart: Chart, axis: str, scale: Place) -> None:
        self.across = axis == "x"
        self.scale = scale
        self.width, self.height = chart.width, chart.height
        self.theme = only(chart.theme.get("axis", {}), THEME, "axis theme")
        demand(self.theme.keys() == THEME, "an axis theme that is not whole")
        found = [layer.x if axis == "x" else layer.y for layer in chart.layers]
        channels = [channel for channel in found if channel is not None]
        self.options, self.title = _merged(channels, axis)
        self.angle = self.options.get("labelAngle", 0)
        demand(self.angle == 0 or (self.angle == SLANT and self.across and isinstance(scale, Bands)), "turned labels")
        self.linear = isinstance(scale, Continuous) and scale.kind == "linear"
        # The first layer decides on the grid, and a line at one number asks for none.
        self.constant = channels[0].datum is not None
        self.above = any(layer.mark == "rect" for layer in chart.layers) and isinstance(scale, Bands)

    def paint(self) -> PaintedAxis:
        """Return the axis as SVG. Raises OutsideSubset."""
        ticked = self.options.get("ticks", True)
        size = TICK if ticked else 0
        values = self._values()
        places = [rounded(place) for place in self._places(values)]
        length = self.height if self.across else self.width
        color = self.theme
        grid = ""
        if self.options.get("grid", isinstance(self.scale, Continuous) and not self.constant):
            grid = self._rules(places, 0, -length if self.across else length, color["gridColor"], 0.5)
        box = Box()
        drawn = []
        shift = self.options.get("offset", 0) * (1 if self.across else -1)
        if ticked:
            drawn.append(self._rules(places, 0, size if self.across else -size, color["tickColor"], 0.5 + shift))
            for place in places[:1] + places[-1:]:
                self._reach(box, place - 1, place + 1, size + 1)
                self._reach(box, place, place, -1)
        if self.options.get("labels", True):
            drawn.append(self._labels(values, size + LABEL_PADDING, 0.5 + shift, box))
        if self.options.get("domain", True):
            end = self.width if self.across else self.height
            drawn.append(self._line(end, 0.5 + shift, color["domainColor"]))
        extent = min(max(box.bottom if self.across else -box.left, 0), LARGEST_EXTENT)
        self._reach(box, 0, self.width if self.across else self.height, extent)
        self._reach(box, 0, 0, 0)
        if self.title:
            drawn.append(self._titled(extent + TITLE_PADDING, 0.5 + shift, box))
        moved = Box()
        moved.union(box, dx=0 if self.across else shift, dy=self.height + shift if self.across else 0)
        return PaintedAxis(grid, "".join(drawn), moved)

    def _reach(self, box: Box, first: float, last: float, away: float) -> None:
        """Make a box reach along the axis and so far away from the plot."""
        if self.across:
            box.add(first, 0, last, away)
        else:
            box.add(-away, first, 0, last)

    def _values(self) -> Sequence[Any]:
        scale = self.scale
        if isinstance(scale, Bands):
            return scale.names
        if "values" in self.options:
            low, high = sorted((scale.first, scale.last))
            inside = [value for value in self.options["values"] if math.floor(low) <= scale(value) <= math.ceil(high)]
            return _thinned(sorted(inside), self._count())
        demand(scale.kind != "log", "a logarithmic axis without ticks of its own")
        return ticks(scale.start, scale.stop, self._count())

    def _count(self) -> int:
        """Return how many ticks an axis has room for."""
        scale = self.scale
        assert isinstance(scale, Continuous)
        if scale.kind == "log":
            return len(self.options["values"])
        count = math.ceil((self.width if self.across else self.height) / 40)
        least = self.options.get("tickMinStep")
        if least is None:
            return count
        return min(count, math.floor((scale.stop - scale.start) / least or 1) + 1)

    def _places(self, values: Sequence[Any]) -> list[float]:
        # Stripes have whole widths: half a pixel less centers a line of one pixel on them.
        inset = 0.5 if isinstance(self.scale, Bands) and self.scale.banded else 0.0
        return [place - inset for place in self.scale.places(values)]

    def _rules(self, places: Sequence[int], start: float, length: float, color: str, shift: float) -> str:
        if not places:
            return ""
        if self.across:
            top = brief(self.height + shift + start)
            strokes = [f"M{brief(place + 0.5)},{top}v{brief(length)}" for place in places]
        else:
            left = brief(shift + start)
            strokes = [f"M{left},{brief(place + 0.5)}h{brief(length)}" for place in places]
        return f'<path stroke="{color}" d="{"".join(strokes)}"/>'

    def _line(self, end: float, shift: float, color: str) -> str:
        if self.across:
            return f'<path stroke="{color}" d="M0.5,{brief(self.height + shift)}h{brief(end)}"/>'
        return f'<path stroke="{color}" d="M{brief(shift)},{brief(end + 0.5)}v{brief(-end)}"/>'

    def _labels(self, values: Sequence[Any], away: float, shift: float, box: Box) -> str:
        size = self.theme["labelFontSize"]
        limit = self.options.get("labelLimit", LABEL_LIMIT)
        write = self._writer()
        labels = []
        for value, place in zip(values, self._places(values), strict=True):
            text, room = fitted(write(value), size, limit)
            labels.append(Label(text, place, self._anchor(place), room))
        labels = self._without_overlap(labels, size)
        if self.angle:
            return self._slanted(labels, away, shift, box)
        parts = []
        for label in labels:
            if self.across:
                left = label.place - {"start": 0.0, "middle": label.width / 2, "end": label.width}[label.anchor]
                box.add(left, away, left + label.width, away + size)
                x, y = label.place + 0.5, self.height + shift + away + rounded(0.79 * size)
            else:
                middle = label.place + rounded(0.3 * size) - rounded(0.8 * size)
                box.add(-away - label.width, middle, -away, middle + size)
                x, y = shift - away, label.place + 0.5 + rounded(0.3 * size)
            anchor = "" if label.anchor == "start" else f' text-anchor="{label.anchor}"'
            parts.append(f'<text x="{brief(x)}" y="{brief(y)}"{anchor}>{markup(label.text)}</text>')
        return f'<g fill="{self.theme["labelColor"]}" font-size="{brief(size)}">{"".join(parts)}</g>'

    def _slanted(self, labels: list[Label], away: float, shift: float, box: Box) -> str:
        """Draw labels that end at their ticks and rise towards them."""
        size, angle = self.theme["labelFontSize"], math.radians(self.angle)
        sine, cosine = math.sin(angle), math.cos(angle)
        parts = []
        for label in labels:
            for x, y in ((-label.width, 0), (0, 0), (-label.width, size), (0, size)):
                across, down = label.place + x * cosine - y * sine, away + x * sine + y * cosine
                box.add(across, down, across, down)
            place = f"translate({brief(label.place + 0.5)},{brief(self.height + shift + away)})rotate({self.angle})"
            parts.append(f'<text transform="{place}" y="{rounded(0.79 * size)}">{markup(label.text)}</text>')
        look = f'fill="{self.theme["labelColor"]}" font-size="{brief(size)}" text-anchor="end"'
        return f"<g {look}>{''.join(parts)}</g>"

    def _anchor(self, place: float) -> str:
        """Return which end of a label lies at its tick: at the ends of an axis of numbers it stays above the axis."""
        if not self.across:
            return "end"
        if isinstance(self.scale, Continuous):
            left, right = abs(place), abs(self.width - place)
            if left < right and left <= 1:
                return "start"
            if right <= 1:
                return "end"
        return "middle"

    def _writer(self) -> Writer:
        scale, form = self.scale, self.options.get("format")
        if isinstance(scale, Bands):
            demand(form is None, "a number format for names")
            return str
        if scale.kind == "log":
            demand(form is not None, "a logarithmic axis without a number format")
            return plain_writer(str(form))
        return span_writer(scale.start, scale.stop, self._count(), form)

    def _without_overlap(self, labels: list[Label], size: float) -> list[Label]:
        names = isinstance(self.scale, Bands)
        if names and not self.options.get("labelOverlap"):
            return labels
        reduce = every_second if names or self.linear else _one_after_another
        return reduce(labels, lambda first, second: self._gap(first, second, size))

    def _gap(self, first: Label, second: Label, size: float) -> float:
        """Return the pixels between two labels, below 0 where they overlap."""
        if not self.across:
            return abs(first.place - second.place) - size
        shares = {"start": 0.0, "middle": 0.5, "end": 1.0}
        lefts = [label.place - shares[label.anchor] * label.width for label in (first, second)]
        return max(lefts[1] - lefts[0] - first.width, lefts[0] - lefts[1] - second.width)

    def _titled(self, away: float, shift: float, box: Box) -> str:
        theme = self.theme
        size = theme["titleFontSize"]
        text, room = fitted(self.title, size)
        half = room / 2
        look = f'font-size="{brief(size)}" fill="{theme["titleColor"]}" text-anchor="middle"'
        demand(theme["titleFontWeight"] == "normal", "a title that is not plain")
        if self.across:
            middle = self.width / 2
            box.add(middle - half, away, middle + half, away + size)
            y = self.height + shift + away + rounded(0.79 * size)
            return f'<text x="{brief(middle + 0.5)}" y="{brief(y)}" {look}>{markup(text)}</text>'
        middle = self.height / 2
        box.add(-away - size, middle - half, -away, middle + half)
        x = shift - away + rounded(-0.21 * size)
        return f'<text transform="translate({brief(x)},{brief(middle + 0.5)})rotate(-90)" {look}>{markup(text)}</text>'


def every_second(labels: list[Label], gap: Gap) -> list[Any]:
    """Return labels without those that overlap: every second one goes until none does, and two at least stay."""
    shown = labels
    while len(shown) >= 3 and any(gap(first, second) < 0 for first, second in pairwise(shown)):
        shown = shown[::2]
    if len(shown) < 3 and len(labels) >= 3 and shown[-1] is not labels[-1]:
        shown = [*shown[:1], labels[-1]] if len(shown) > 1 else [*shown, labels[-1]]
    return shown


def _thinned(values: list[float], count: int) -> list[float]:
    """Return every second value, and every second of those, until no more than count are left; two at least."""
    shown = values
    while len(shown) > count and len(shown) >= 3:
        shown = shown[::2]
    return shown if len(shown) >= 3 else [values[0], values[-1]] if len(values) > 1 else values


def _one_after_another(labels: list[Label], gap: Gap) -> list[Label]:
    """Return labels without those that overlap the last one that stays."""
    if len(labels) < 3 or all(gap(first, second) >= 0 for first, second in pairwise(labels)):
        return labels
    shown = labels[:1]
    for label in labels[1:]:
        if gap(shown[-1], label) >= 0:
            shown.append(label)
    demand(len(shown) >= 3, "labels of which hardly any fit")
    return shown


def _merged(channels: Sequence[Channel], axis: str) -> tuple[Spec, str | None]:
    """Return the options of an axis and its title, which the layers must agree on."""
    options: Spec = {}
    for channel in channels:
        for key, value in only(channel.guide or {}, AXIS, "axis").items():
            demand(options.setdefault(key, value) == value, f"layers that differ in the {key} of {axis}")
    titles = [channel.title for channel in channels if channel.title]
    demand(len(set(titles)) <= 1, f"several titles of {axis}")
    return options, titles[0] if titles else None
