"""Marks: points, lines, rules, rectangles, areas and texts of a layer as SVG, and how far they reach.

Imports the scales and what they rest on; nothing else of the project.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from bench.leaderboard.painting.boxes import Box
from bench.leaderboard.painting.legends import Series, color_scale, size_of_names
from bench.leaderboard.painting.numbers import brief, rounded
from bench.leaderboard.painting.reading import Channel, Chart, Layer, Row
from bench.leaderboard.painting.scales import Bands, Continuous, Place, column
from bench.leaderboard.painting.subset import OutsideSubset, demand
from bench.leaderboard.painting.symbols import reach, symbol
from bench.leaderboard.painting.viridis import viridis
from bench.leaderboard.painting.words import fitted, markup

CURVES = (None, "step-after")


@dataclass(frozen=True, slots=True)
class PaintedMarks:
    """The marks of a layer as SVG. box: how far they reach; scoped: whether legends keep away from them too."""

    drawn: str
    box: Box
    scoped: bool = False
    clipped: bool = False


@dataclass(frozen=True, slots=True)
class Plot:
    """Where marks are drawn: the chart and the two scales of its layers."""

    chart: Chart
    x: Place
    y: Place

    def places(self, layer: Layer, channel: Channel | None, axis: str) -> list[float]:
        """Return where the rows of a layer lie on an axis, in pixels. Raises OutsideSubset."""
        if channel is None:
            raise OutsideSubset(f"a {layer.mark} without {axis}")
        scale = self.x if axis == "x" else self.y
        if isinstance(scale, Bands):
            return scale.places([row[channel.field] for row in layer.rows])
        return scale.places(column(layer, channel))


def paint_marks(plot: Plot, layer: Layer) -> PaintedMarks:
    """Return the marks of a layer as SVG. Raises OutsideSubset."""
    demand(not layer.look.get("clip") or layer.mark in ("line", "area"), f"a clipped {layer.mark}")
    demand(layer.look.get("interpolate") in CURVES, "a curve between points")
    return _PAINTERS[layer.mark](plot, layer)


def _colors(layer: Layer) -> list[str]:
    """Return the color of each row."""
    if "color" not in layer.series:
        color = layer.look.get("color")
        demand(isinstance(color, str), f"a {layer.mark} without a color")
        return [str(color)] * len(layer.rows)
    channel = layer.series["color"]
    if channel.quantitative:
        share, cache = color_scale(channel), {}
        for value in set(column(layer, channel)):
            cache[value] = viridis(share(value))
        return [cache[value] for value in column(layer, channel)]
    return _looks(layer, "color", None)


def _looks(layer: Layer, name: str, otherwise: Any) -> list[Any]:
    if name not in layer.series:
        return [otherwise] * len(layer.rows)
    channel = layer.series[name]
    series = Series({name: channel})
    known = dict(zip(series.names, series.looks[name], strict=True))
    try:
        return [known[row[channel.field]] for row in layer.rows]
    except KeyError as error:
        raise OutsideSubset(f"{name} of an unnamed series: {error}") from None


def _points(plot: Plot, layer: Layer) -> PaintedMarks:
    demand("size" in layer.look or layer.sizes is not None, "points without a size")
    stroke = layer.look.get("stroke")
    spread = layer.look.get("strokeWidth", 2) if stroke else 0
    box = Box()
    parts = []
    xs, ys = plot.places(layer, layer.x, "x"), plot.places(layer, layer.y, "y")
    looks = zip(_colors(layer), _looks(layer, "shape", "circle"), _sizes(layer), strict=True)
    for x, y, (color, shape, size) in zip(xs, ys, looks, strict=True):
        across, up, down = reach(shape, size)
        box.add(x - across - spread, y - up - spread, x + across + spread, y + down + spread)
        parts.append((color, symbol(shape, size, x, y)))
    look = f' stroke="{stroke}" stroke-width="{spread}"' if stroke else ""
    return PaintedMarks(_grouped(parts, "fill", look + _opacity(layer)), box)


def _sizes(layer: Layer) -> list[float]:
    if layer.sizes is None:
        return [layer.look["size"]] * len(layer.rows)
    known, name = size_of_names(layer.sizes), layer.sizes.field
    demand(all(row.get(name) in known for row in layer.rows), "sizes beyond their names")
    return [known[row[name]] for row in layer.rows]


def _opacity(layer: Layer) -> str:
    opacity = layer.look.get("opacity", 1)
    return f' opacity="{opacity}"' if opacity != 1 else ""


def _grouped(parts: Sequence[tuple[str, str]], name: str, look: str) -> str:
    """Return elements in their order, those of one color that follow each other in a group.

    The opacity of a group would be that of all together, so it is put on each element.
    """
    written = []
    faint = " opacity=" in look
    before = None
    for color, part in parts:
        if color != before:
            written.append(f'{"</g>" if before is not None else ""}<g {name}="{color}"{"" if faint else look}>')
            before = color
        written.append(part.replace("/>", f"{look}/>") if faint else part)
    return "".join(written) + ("</g>" if parts else "")


def _rules(plot: Plot, layer: Layer) -> PaintedMarks:
    thickness = layer.look.get("strokeWidth", 1)
    whole = plot.chart
    box = Box()
    if layer.x is not None and layer.x.datum is not None and layer.y is None:
        demand(layer.x2 is None and isinstance(plot.x, Continuous), "a limit that is no line")
        ends = [(x, 0.0, x, whole.height) for x in plot.places(layer, layer.x, "x")[:1]]
    elif layer.x2 is not None and layer.y2 is None:
        ys = plot.places(layer, layer.y, "y")
        pairs = zip(plot.places(layer, layer.x, "x"), plot.places(layer, layer.x2, "x"), ys, strict=True)
        ends = [(x, y, x2, y) for x, x2, y in pairs]
    elif layer.y2 is not None and layer.x2 is None:
        xs = plot.places(layer, layer.x, "x")
        pairs = zip(plot.places(layer, layer.y, "y"), plot.places(layer, layer.y2, "y"), xs, strict=True)
        ends = [(x, y, x, y2) for y, y2, x in pairs]
    else:
        raise OutsideSubset("a rule that is neither an interval nor a limit")
    parts = []
    for (x, y, x2, y2), color in zip(ends, _colors(layer), strict=False):
        box.add(min(x, x2) - thickness, min(y, y2) - thickness, max(x, x2) + thickness, max(y, y2) + thickness)
        step = f"H{brief(x2)}" if y == y2 else f"V{brief(y2)}"
        parts.append((color, f'<path d="M{brief(x)},{brief(y)}{step}"/>'))
    look = f' stroke-width="{thickness}"' + _dash(layer.look.get("strokeDash")) + _opacity(layer)
    return PaintedMarks(_grouped(parts, "stroke", look), box)


def _dash(dash: Sequence[float] | None) -> str:
    return f' stroke-dasharray="{",".join(map(brief, dash))}"' if dash else ""


def _lines(plot: Plot, layer: Layer) -> PaintedMarks:
    """Draw a line for each series, its points in the order of the axis that the values lie on."""
    keys = [*layer.detail, *(str(channel.field) for channel in layer.series.values())]
    sort = layer.x if layer.y is not None and layer.y.quantitative else layer.y
    demand(sort is not None and sort.field, "a line without points")
    assert sort is not None
    xs, ys = plot.places(layer, layer.x, "x"), plot.places(layer, layer.y, "y")
    groups: dict[tuple[Any, ...], list[int]] = {}
    for index, row in enumerate(layer.rows):
        groups.setdefault(tuple([row.get(key) for key in keys]), []).append(index)
    colors, dashes = _colors(layer), _looks(layer, "strokeDash", layer.look.get("strokeDash"))
    thickness = layer.look.get("strokeWidth", 2)
    order = _order(sort, layer.rows)
    box = Box()
    step = layer.look.get("interpolate") == "step-after"
    parts = []
    for found in groups.values():
        chosen = sorted(found, key=lambda index: order[index])
        points = [(xs[index], ys[index]) for index in chosen]
        lefts, tops = [x for x, _ in points], [y for _, y in points]
        box.add(min(lefts) - thickness, min(tops) - thickness, max(lefts) + thickness, max(tops) + thickness)
        dash = "" if dashes[chosen[0]] == [1, 0] else _dash(dashes[chosen[0]])
        line = _stepped(points) if step else _path(points)
        parts.append((colors[chosen[0]], f'<path d="{line}"{dash}/>'))
    look = f' stroke-width="{thickness}"' + _opacity(layer)
    clipped = bool(layer.look.get("clip"))
    return PaintedMarks(_grouped(parts, "stroke", look), Box() if clipped else box, bool(keys), clipped)


def _order(sort: Channel, rows: Sequence[Row]) -> list[Any]:
    values = [row[sort.field] for row in rows]
    demand(len({isinstance(value, str) for value in values}) <= 1, "a line along names and numbers")
    return values


def _path(points: Sequence[tuple[float, float]]) -> str:
    return "M" + "L".join([f"{brief(x)},{brief(y)}" for x, y in points])


def _stepped(points: Sequence[tuple[float, float]]) -> str:
    (x, y), *rest = points
    return f"M{brief(x)},{brief(y)}" + "".join([f"H{brief(x)}V{brief(y)}" for x, y in rest])


def _areas(plot: Plot, layer: Layer) -> PaintedMarks:
    demand(not layer.series and not layer.detail and layer.x is not None and layer.x.field, "areas of several series")
    assert layer.x is not None
    xs = plot.places(layer, layer.x, "x")
    ends = zip(plot.places(layer, layer.y, "y"), plot.places(layer, layer.y2, "y"), strict=True)
    order = _order(layer.x, layer.rows)
    rows = [row for _, row in sorted(zip(order, zip(xs, ends, strict=True), strict=True), key=lambda item: item[0])]
    box = Box()
    if not rows:
        return PaintedMarks("", box)
    edge = [(x, low) for x, (low, _) in rows] + [(x, high) for x, (_, high) in reversed(rows)]
    across, down = zip(*edge, strict=True)
    box.add(min(across), min(down), max(across), max(down))
    clipped = bool(layer.look.get("clip"))
    drawn = f'<path fill="{_colors(layer)[0]}"{_opacity(layer)} d="{_path(edge)}Z"/>'
    return PaintedMarks(drawn, Box() if clipped else box, scoped=False, clipped=clipped)


def _rectangles(plot: Plot, layer: Layer) -> PaintedMarks:
    box = Box()
    ends: list[tuple[float, float, float, float]]
    if isinstance(plot.x, Bands) and isinstance(plot.y, Bands):
        wide, high = plot.x.step / 2, plot.y.step / 2
        middles = zip(plot.places(layer, layer.x, "x"), plot.places(layer, layer.y, "y"), strict=True)
        ends = [(x - wide, y - high, x + wide, y + high) for x, y in middles]
    else:
        demand(isinstance(plot.x, Continuous) and isinstance(plot.y, Continuous), "rectangles of names and numbers")
        sides = (plot.places(layer, layer.x, "x"), plot.places(layer, layer.y, "y"))
        others = (plot.places(layer, layer.x2, "x"), plot.places(layer, layer.y2, "y"))
        ends = list(zip(*sides, *others, strict=True))
    parts = []
    for (x, y, x2, y2), color in zip(ends, _colors(layer), strict=True):
        box.add(x, y, x2, y2)
        left, top, right, bottom = min(x, x2), min(y, y2), max(x, x2), max(y, y2)
        across = brief(right - left)
        parts.append((color, f'<path d="M{brief(left)},{brief(top)}h{across}v{brief(bottom - top)}h-{across}Z"/>'))
    return PaintedMarks(_grouped(parts, "fill", _opacity(layer)), box)


def _texts(plot: Plot, layer: Layer) -> PaintedMarks:
    look, theme = layer.look, plot.chart.theme.get("text", {})
    demand(theme.keys() == {"color", "fontSize"} and layer.text and not layer.series, "texts without a theme")
    size, align, baseline = theme["fontSize"], look.get("align", "center"), look.get("baseline", "middle")
    demand(align in ("left", "right") and baseline in ("middle", "bottom"), "texts beside their place")
    xs = [layer.pixel] * len(layer.rows) if layer.pixel is not None else plot.places(layer, layer.x, "x")
    name = layer.text or ""
    down = look.get("dy", 0) + rounded((0.3 if baseline == "middle" else -0.21) * size)
    box = Box()
    parts = []
    for x, y, row in zip(xs, plot.places(layer, layer.y, "y"), layer.rows, strict=True):
        text, room = fitted(row.get(name) or "", size, look.get("limit", 0))
        if not text:
            continue
        base, left = y + down, x - (room if align == "right" else 0)
        top = base - rounded(0.8 * size)
        box.add(left, top, left + room, top + size)
        parts.append(f'<text x="{brief(x)}" y="{brief(base)}">{markup(text)}</text>')
    anchor = ' text-anchor="end"' if align == "right" else ""
    drawn = f'<g fill="{look.get("color", theme["color"])}" font-size="{brief(size)}"{anchor}>{"".join(parts)}</g>'
    return PaintedMarks(drawn if parts else "", box)


_PAINTERS: dict[str, Callable[[Plot, Layer], PaintedMarks]] = {
    "area": _areas,
    "line": _lines,
    "point": _points,
    "rect": _rectangles,
    "rule": _rules,
    "text": _texts,
}
