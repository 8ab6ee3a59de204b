"""Legends above the plot: the symbols of a series with their names, or a strip of colors with its numbers.

Imports the scales and what they rest on; nothing else of the project.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bench.leaderboard.painting.axes import Label, every_second
from bench.leaderboard.painting.boxes import Box
from bench.leaderboard.painting.numbers import brief, rounded, span_writer, ticks
from bench.leaderboard.painting.reading import Channel, Chart, Layer
from bench.leaderboard.painting.subset import NAME, Spec, demand, number, only
from bench.leaderboard.painting.symbols import reach, symbol
from bench.leaderboard.painting.viridis import viridis
from bench.leaderboard.painting.words import fitted, markup

OFFSET, COLUMN_PADDING, ROW_PADDING, LABEL_GAP, LABEL_LIMIT = 18, 10, 2, 4, 160
STRIP, STRIP_GAP, TITLE_GAP, STRIP_STOPS = 16, 2, 5, 15
SYMBOL_SIZE = 100
LEGEND_MARGIN = 8
ROLES_GUIDE = frozenset({"columns", "symbolOpacity", "symbolSize", "symbolType", "title"})
SIZES_GUIDE = frozenset({"columns", "symbolFillColor", "symbolOpacity", "symbolStrokeWidth", "title"})
MIXES = frozenset({("point",), ("line",), ("rule", "point"), ("line", "point"), ("rule", "rule", "point"), ("rect",)})
"""Kinds of marks that may share a legend here, in the order of their layers."""

THEME = frozenset(
    ["labelColor", "labelFontSize", "orient", "symbolStrokeWidth", "titleColor", "titleFontSize", "titleFontWeight"]
)


@dataclass(frozen=True, slots=True)
class PaintedLegend:
    """A legend as SVG with its upper left corner at the origin, its size, and gradients that it needs."""

    drawn: str
    width: int
    height: int
    gradient: str = ""


class Series:
    """The look of each name of a series: colors by name, and shapes and dashes where they differ too."""

    def __init__(self, channels: Mapping[str, Channel]) -> None:
        fields = {channel.field for channel in channels.values()}
        domains = [list(channel.scale.get("domain", ())) for channel in channels.values()]
        demand(len(fields) == 1 and all(domain == domains[0] for domain in domains), "a legend of several fields")
        demand(
            all(set(channel.scale) == {"domain", "range"} for channel in channels.values()), "a series without looks"
        )
        demand(all(channel.kind == "nominal" for channel in channels.values()), "a series of numbers")
        self.names = domains[0]
        self.looks = {name: list(channel.scale["range"]) for name, channel in channels.items()}
        demand(all(len(looks) == len(self.names) for looks in self.looks.values()), "a series with too few looks")

    def of(self, channel: str, name: object, otherwise: Any) -> Any:
        """Return how a name looks, the same for all where the channel does not tell them apart."""
        return self.looks[channel][self.names.index(name)] if channel in self.looks else otherwise


def paint_legend(chart: Chart) -> PaintedLegend | None:
    """Return the legend of a chart, None where it needs none. Raises OutsideSubset."""
    layers = [layer for layer in chart.layers if layer.series]
    if not layers:
        return None
    demand(tuple(layer.mark for layer in layers) in MIXES, "a legend of marks that are not known together")
    theme = only(chart.theme.get("legend", {}), THEME, "legend theme")
    demand(theme.keys() == THEME and theme["orient"] == "top", "a legend that is not above the plot")
    demand(theme["titleFontWeight"] == "normal", "a legend's title that is not plain")
    guides = [channel.guide for layer in layers for channel in layer.series.values() if channel.guide is not None]
    demand(guides and all(guide == guides[0] for guide in guides), "a legend that layers describe differently")
    if layers[0].mark == "rect":
        return _strip(layers[0].series["color"], guides[0] or {}, theme)
    found = _symbols(layers, guides[0] or {}, theme)
    sizes = [layer.sizes for layer in layers if layer.sizes is not None]
    demand(len(sizes) <= 1, "sizes of several layers")
    return _beside(found, _sizes(sizes[0], theme)) if sizes else found


def _beside(left: PaintedLegend, right: PaintedLegend) -> PaintedLegend:
    place = left.width + LEGEND_MARGIN
    drawn = f'{left.drawn}<g transform="translate({place},0)">{right.drawn}</g>'
    return PaintedLegend(drawn, place + right.width, max(left.height, right.height))


def size_of_names(channel: Channel) -> dict[Any, float]:
    """Return the size of each name of a series. Raises OutsideSubset."""
    scale = channel.scale
    demand(scale.keys() == {"domain", "range", "type"} and scale["type"] == "ordinal", "sizes of numbers")
    demand(len(scale["domain"]) == len(scale["range"]), "sizes that are not those of names")
    return dict(zip(scale["domain"], scale["range"], strict=True))


def _sizes(channel: Channel, theme: Mapping[str, Any]) -> PaintedLegend:
    """Draw the names of sizes below each other, beside circles of the size."""
    guide = channel.guide or {}
    demand(guide.keys() == SIZES_GUIDE, "a legend of sizes of its own")
    demand((guide["columns"], guide["symbolOpacity"], guide["title"]) == (1, 1, None), "sizes beside each other")
    demand(guide["symbolStrokeWidth"] == 0, "sizes with an edge")
    sizes = size_of_names(channel)
    least = theme["labelFontSize"]
    rooms = {name: max(math.ceil(math.sqrt(size)), least) for name, size in sizes.items()}
    widest = max(rooms.values())
    look = f' fill="{guide["symbolFillColor"]}"'
    entries = []
    for name, size in sizes.items():
        box = Box()
        across, up, down = reach("circle", size)
        x, middle = widest / 2, rooms[name] / 2
        box.add(x - across, middle - up, x + across, middle + down)
        drawn = symbol("circle", size, x, middle, look) + _label(name, widest + LABEL_GAP, middle, theme, box)
        entries.append((box, drawn))
    return _in_grid(entries, 1)


def _symbols(layers: Sequence[Layer], guide: Mapping[str, Any], theme: Mapping[str, Any]) -> PaintedLegend:
    demand("title" in guide and guide.keys() <= ROLES_GUIDE, "a legend of another form")
    series = Series({name: channel for layer in layers for name, channel in layer.series.items()})
    stroke_width, size = theme["symbolStrokeWidth"], guide.get("symbolSize", SYMBOL_SIZE)
    marks = {layer.mark for layer in layers}
    kind = guide.get("symbolType", "circle" if "point" in marks else "stroke")
    demand(kind in ("circle", "stroke"), f"legend symbol {kind}")
    room = max(math.ceil(math.sqrt(size) + stroke_width), theme["labelFontSize"])
    stroked, filled = bool(marks & {"line", "rule"}), "point" in marks
    first = next((layer.look["opacity"] for layer in layers if "opacity" in layer.look), 1)
    opacity = guide.get("symbolOpacity", first)
    entries: list[tuple[Box, str]] = []
    for name in series.names:
        color = series.of("color", name, None)
        demand(color is not None, "a series without colors")
        shape = series.of("shape", name, kind)
        look = f' fill="{color}"' if filled and shape != "stroke" else ""
        if stroked:
            look += f' stroke="{color}" stroke-width="{brief(stroke_width)}"'
            dash = series.of("strokeDash", name, None)
            if dash and shape == "stroke":
                look += f' stroke-dasharray="{",".join(map(brief, dash))}"'
        if opacity != 1:
            look += f' opacity="{opacity}"'
        box = Box()
        across, up, down = reach(shape, size)
        spread = stroke_width if stroked else 0
        middle = room / 2
        box.add(middle - across - spread, middle - up - spread, middle + across + spread, middle + down + spread)
        drawn = symbol(shape, size, middle, middle, look) + _label(name, room + LABEL_GAP, middle, theme, box)
        entries.append((box, drawn))
    found = _in_grid(entries, int(guide.get("columns", 0)) or len(entries))
    return found if guide["title"] is None else _below_title(guide["title"], found, theme)


def _below_title(title: object, legend: PaintedLegend, theme: Mapping[str, Any]) -> PaintedLegend:
    demand(isinstance(title, str) and title, "a legend with a title of another form")
    size = theme["titleFontSize"]
    text, room = fitted(title, size)
    top = size + TITLE_GAP
    drawn = (
        f'<text y="{brief(rounded(0.79 * size))}" font-size="{brief(size)}" fill="{theme["titleColor"]}">'
        f'{markup(text)}</text><g transform="translate(0,{brief(top)})">{legend.drawn}</g>'
    )
    return PaintedLegend(drawn, max(legend.width, math.ceil(room)), legend.height + top)


def _label(name: object, x: float, middle: float, theme: Mapping[str, Any], box: Box) -> str:
    size = theme["labelFontSize"]
    text, room = fitted(name, size, LABEL_LIMIT)
    base = middle + rounded(0.3 * size)
    top = base - rounded(0.8 * size)
    box.add(x, top, x + room, top + size)
    return f'<text x="{brief(x)}" y="{brief(base)}">{markup(text)}</text>' if text else ""


def _in_grid(entries: Sequence[tuple[Box, str]], columns: int) -> PaintedLegend:
    """Place entries in columns that are as wide as the widest of each, row by row."""
    boxes = [box for box, _ in entries]
    wanted, columns = columns, min(columns, len(entries))
    rows = math.ceil(len(entries) / columns)
    widths = [max(math.ceil(box.right) for box in boxes[column::columns]) for column in range(columns)]
    heights = [max(math.ceil(box.bottom) for box in _row(boxes, row, columns)) for row in range(rows)]
    lefts, tops = [0], [0]
    for column in range(1, columns):
        gap = max(COLUMN_PADDING + max(0, math.ceil(-box.left)) for box in boxes[column::columns])
        lefts.append(lefts[-1] + widths[column - 1] + gap)
    for row in range(1, rows):
        gap = max(ROW_PADDING + max(0, math.ceil(-box.top)) for box in _row(boxes, row, columns))
        tops.append(tops[-1] + heights[row - 1] + gap)
    whole = Box()
    parts = []
    for index, (box, drawn) in enumerate(entries):
        row, column = divmod(index, columns)
        spare = max(0.0, heights[row] - box.bottom) / 2 if wanted != 1 else 0.0
        x, y = lefts[column], tops[row] + spare
        whole.union(box, dx=x, dy=y)
        parts.append(f'<g transform="translate({brief(x)},{brief(y)})">{drawn}</g>' if x or y else drawn)
    return PaintedLegend("".join(parts), math.ceil(whole.right), math.ceil(whole.bottom))


def _row(boxes: Sequence[Box], row: int, columns: int) -> Sequence[Box]:
    return boxes[row * columns : (row + 1) * columns]


def color_scale(channel: Channel) -> Callable[[float], float]:
    """Return from a number how far it lies along the strip of colors, 0 to 1. Raises OutsideSubset."""
    scale: Spec = dict(channel.scale)
    demand(scale.get("type") == "sqrt" and scale.get("scheme") == "viridis", "colors of numbers other than viridis")
    demand(scale.keys() == {"type", "scheme", "domain"} and channel.quantitative, "colors of numbers without ends")
    start, stop = (number(end, "domain") for end in scale["domain"])
    demand(start == 0 < stop, "colors that do not begin at 0")

    def share(value: float) -> float:
        demand(0 <= value <= stop, "a number beyond the ends of its colors")
        return math.sqrt(value / stop)

    return share


def _strip(channel: Channel, guide: Mapping[str, Any], theme: Mapping[str, Any]) -> PaintedLegend:
    """Draw the strip of colors below its title, numbers below it."""
    demand(guide.keys() == {"format", "gradientLength", "tickCount"} and channel.title, "a strip without a length")
    share, stop = color_scale(channel), float(channel.scale["domain"][1])
    length, size = guide["gradientLength"], theme["labelFontSize"]
    values = ticks(0.0, stop, guide["tickCount"])
    if len(values) < 3:
        values = [0.0, stop]
    write = span_writer(0.0, stop, guide["tickCount"], guide["format"])
    title_size = theme["titleFontSize"]
    top = title_size + TITLE_GAP
    box = Box()
    title, room = fitted(channel.title, title_size)
    box.add(0, 0, room, title_size)
    box.add(0, top, length, top + STRIP)
    labels = []
    for value in values:
        part, (text, room) = share(value), fitted(write(value), size)
        anchor = "start" if part <= 0 else "end" if part >= 1 else "middle"
        labels.append(Label(text, part * length, anchor, room))
    shown = every_second(labels, _gap)
    parts = [
        (
            f'<text y="{brief(rounded(0.79 * title_size))}" fill="{theme["titleColor"]}">{markup(title)}</text>'
            f'<path fill="url(#{NAME}-1)" d="M0,{brief(top)}h{brief(length)}v{STRIP}h{brief(-length)}Z"/>'
        )
    ]
    y = top + STRIP + STRIP_GAP + rounded(0.79 * size)
    for label in shown:
        anchor = "" if label.anchor == "start" else f' text-anchor="{label.anchor}"'
        parts.append(f'<text x="{brief(label.place)}" y="{brief(y)}"{anchor}>{markup(label.text)}</text>')
        left = label.place - {"start": 0.0, "middle": 0.5, "end": 1.0}[label.anchor] * label.width
        box.add(left, y - rounded(0.79 * size), left + label.width, y - rounded(0.79 * size) + size)
    stops = [0.0, *(value for value in ticks(0.0, stop, STRIP_STOPS) if 0 < value < stop), stop]
    gradient = "".join(
        f'<stop offset="{round(share(value), 4):g}" stop-color="{viridis(share(value))}"/>' for value in stops
    )
    return PaintedLegend("".join(parts), math.ceil(box.right), math.ceil(box.bottom), gradient)


def _gap(first: Label, second: Label) -> float:
    shares = {"start": 0.0, "middle": 0.5, "end": 1.0}
    lefts = [label.place - shares[label.anchor] * label.width for label in (first, second)]
    return max(lefts[1] - lefts[0] - first.width, lefts[0] - lefts[1] - second.width)
