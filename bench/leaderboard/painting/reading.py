"""Reading: a specification to a chart of layers, refusing every key whose meaning is not known here.

Imports the subset; nothing else of the project.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from bench.leaderboard.painting.subset import OutsideSubset, Spec, demand, number, only

Row = Mapping[str, Any]

TOP = frozenset(
    ["$schema", "background", "config", "data", "datasets", "description", "height", "layer", "name", "params", "width"]
)
LAYER = frozenset(["data", "encoding", "mark", "name", "transform"])
ENCODING = frozenset(["color", "detail", "shape", "size", "strokeDash", "text", "tooltip", "x", "x2", "y", "y2"])
POSITION = frozenset(["axis", "datum", "field", "scale", "sort", "title", "type", "value"])
END = frozenset(["datum", "field"])
AXIS = frozenset(
    [
        "domain",
        "format",
        "grid",
        "labelAngle",
        "labelLimit",
        "labelOverlap",
        "labels",
        "offset",
        "tickMinStep",
        "ticks",
        "values",
    ]
)
POSITION_SCALE = frozenset(["constant", "domain", "nice", "type", "zero"])
SERIES = frozenset(["field", "legend", "scale", "title", "type"])
SERIES_SCALE = frozenset(["domain", "range", "scheme", "type"])
LEGEND = frozenset(
    [
        "columns",
        "format",
        "gradientLength",
        "symbolFillColor",
        "symbolOpacity",
        "symbolSize",
        "symbolStrokeWidth",
        "symbolType",
        "tickCount",
        "title",
    ]
)
MARK = frozenset(
    [
        "align",
        "aria",
        "baseline",
        "clip",
        "color",
        "dy",
        "filled",
        "interpolate",
        "limit",
        "opacity",
        "size",
        "stroke",
        "strokeDash",
        "strokeWidth",
        "type",
    ]
)
MARKS = frozenset(["area", "line", "point", "rect", "rule", "text"])

_VALID = re.compile(r"isValid\(datum\.(\w+)\)")
_ABOVE = re.compile(r"datum\.(\w+) > (\d+(?:\.\d+)?)")
_EQUAL = re.compile(r"datum\.(\w+) === '([\w -]*)'")


@dataclass(frozen=True, slots=True)
class Channel:
    """What decides a place or a look: a field of the rows, or one number for all of them (datum) and no field."""

    field: str
    kind: str
    title: str | None
    scale: Mapping[str, Any]
    guide: Mapping[str, Any] | None
    datum: float | None = None
    sort: Sequence[Any] | None = None

    @property
    def quantitative(self) -> bool:
        """Whether its values are numbers on a continuous scale."""
        return self.kind == "quantitative"


@dataclass(frozen=True, slots=True)
class Layer:
    """One kind of mark and the rows it is drawn for.

    series: how rows differ in `color`, `shape` and `strokeDash`; sizes: how they differ in size.
    """

    mark: str
    look: Mapping[str, Any]
    rows: Sequence[Row]
    x: Channel | None
    y: Channel | None
    x2: Channel | None
    y2: Channel | None
    pixel: float | None
    series: Mapping[str, Channel] = field(default_factory=dict)
    detail: tuple[str, ...] = ()
    text: str | None = None
    sizes: Channel | None = None

    def positions(self, axis: str) -> list[Channel]:
        """Return the channels that lie on an axis, `x` or `y`."""
        found = (self.x, self.x2) if axis == "x" else (self.y, self.y2)
        return [channel for channel in found if channel is not None]


@dataclass(frozen=True, slots=True)
class Chart:
    """A chart as it is painted."""

    name: str
    width: float
    height: float
    layers: tuple[Layer, ...]
    theme: Mapping[str, Any]


def read_chart(spec: Spec) -> Chart:
    """Return a specification as a chart. Raises OutsideSubset."""
    only(spec, TOP, "chart")
    demand(isinstance(spec.get("layer"), list), "a chart without layers")
    for parameter in spec.get("params", ()):
        # A selection is drawn once a reader makes one; the static drawing has none.
        only(parameter, frozenset({"name", "select", "views"}), "parameter")
        demand(parameter["select"].get("type") == "interval", "a selection that is no interval")
    datasets = spec.get("datasets", {})
    return Chart(
        name=str(spec.get("name", "")),
        width=number(spec.get("width"), "width"),
        height=number(spec.get("height"), "height"),
        layers=tuple([_layer(part, spec.get("data"), datasets) for part in spec["layer"]]),
        theme=spec.get("config", {}),
    )


def _layer(part: Spec, shared: Spec | None, datasets: Mapping[str, Sequence[Row]]) -> Layer:
    only(part, LAYER, "layer")
    encoding = only(part["encoding"], ENCODING, "encoding")
    look = only(part["mark"], MARK, "mark")
    mark = look["type"]
    demand(mark in MARKS, f"mark {mark}")
    demand(look.get("aria") is False and (mark != "point" or look.get("filled") is True), f"mark {mark} as it is")
    position = {axis: encoding[axis] for axis in ("x", "y") if axis in encoding}
    pixel = position.pop("x")["value"] if "value" in position.get("x", ()) else None
    detail = only(encoding["detail"], frozenset({"field", "type"}), "detail")["field"] if "detail" in encoding else None
    return Layer(
        mark=mark,
        look=look,
        rows=_rows(part.get("data", shared), datasets, part.get("transform", ())),
        x=_position(position, "x"),
        y=_position(position, "y"),
        x2=_end(encoding, "x2"),
        y2=_end(encoding, "y2"),
        pixel=None if pixel is None else number(pixel, "x"),
        series={name: _series(encoding[name], name) for name in ("color", "shape", "strokeDash") if name in encoding},
        detail=() if detail is None else (detail,),
        text=encoding["text"]["field"] if "text" in encoding else None,
        sizes=_series(encoding["size"], "size") if "size" in encoding else None,
    )


def _position(encoding: Mapping[str, Any], axis: str) -> Channel | None:
    if axis not in encoding:
        return None
    part = only(encoding[axis], POSITION, axis)
    kind = part.get("type")
    demand(kind in ("quantitative", "nominal", "ordinal"), f"type {kind}")
    demand("title" in part or "datum" in part, f"{axis} without a title")
    datum = part.get("datum")
    return Channel(
        field=part.get("field", ""),
        kind=str(kind),
        title=part.get("title"),
        scale=only(part.get("scale", {}), POSITION_SCALE, "scale"),
        guide=only(part.get("axis", {}), AXIS, "axis"),
        datum=None if datum is None else number(datum, axis),
        sort=part.get("sort"),
    )


def _end(encoding: Mapping[str, Any], name: str) -> Channel | None:
    if name not in encoding:
        return None
    part = only(encoding[name], END, name)
    datum = part.get("datum")
    return Channel(
        part.get("field", ""), "quantitative", None, {}, None, None if datum is None else number(datum, name)
    )


def _series(part: Mapping[str, Any], name: str) -> Channel:
    only(part, SERIES, name)
    legend = part.get("legend")
    demand("legend" not in part or legend is not None, f"{name} without a legend")
    return Channel(
        field=part["field"],
        kind=part["type"],
        title=part.get("title"),
        scale=only(part.get("scale", {}), SERIES_SCALE, "scale"),
        guide=None if legend is None else only(legend, LEGEND, "legend"),
    )


def _rows(
    source: Spec | None, datasets: Mapping[str, Sequence[Row]], steps: Sequence[Mapping[str, str]]
) -> Sequence[Row]:
    demand(source is not None, "a layer without data")
    assert source is not None
    only(source, frozenset({"name", "values"}), "data")
    rows: Sequence[Row] = source["values"] if "values" in source else datasets[source["name"]]
    for step in steps:
        test = _test(only(step, frozenset({"filter"}), "transform")["filter"])
        rows = [row for row in rows if test(row)]
    return rows


def _test(words: str) -> Callable[[Row], bool]:
    if found := _VALID.fullmatch(words):
        name = found[1]
        return lambda row: row.get(name) is not None
    if found := _ABOVE.fullmatch(words):
        name, least = found[1], float(found[2])
        return lambda row: row.get(name) is not None and row[name] > least
    if found := _EQUAL.fullmatch(words):
        name, text = found[1], found[2]
        return lambda row: row.get(name) == text
    raise OutsideSubset(f"filter {words}")
