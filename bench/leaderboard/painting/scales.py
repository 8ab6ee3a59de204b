"""Scales: from values to pixels, colors, shapes and dashes, with the defaults of the charting library.

Imports the chart as it was read; nothing else of the project.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bench.leaderboard.painting.numbers import nice
from bench.leaderboard.painting.reading import Channel, Chart, Layer
from bench.leaderboard.painting.subset import OutsideSubset, demand, number

DISCRETE_BARS = frozenset({"rect", "rule"})


@dataclass(frozen=True, slots=True)
class Continuous:
    """Numbers to pixels: linear, symlog or log. start and stop: ends of the domain; first and last: their pixels.

    constant: of symlog, where it bends.
    """

    kind: str
    start: float
    stop: float
    first: float
    last: float
    bend: Callable[[float], float]
    constant: float = 1.0

    def __call__(self, value: float) -> float:
        """Return where a value lies, in pixels."""
        return self.places([value])[0]

    def places(self, values: Sequence[float]) -> list[float]:
        """Return where values lie, in pixels."""
        bend = self.bend
        low, first, last = bend(self.start), self.first, self.last
        span = bend(self.stop) - low
        # In these steps and no fewer: a tick that lies between two pixels must be rounded as in the library.
        shares = [(bend(value) - low) / span for value in values]
        return [first * (1 - share) + last * share for share in shares]


@dataclass(frozen=True, slots=True)
class Bands:
    """Names to stripes of equal width, in order. banded: whether marks fill their stripe or lie in its middle.

    start: of the first stripe, a rounding error beside 0. Sums are made in the order of the library, whose ticks lie on
    whole pixels: the last bit decides between two of them.
    """

    names: tuple[Any, ...]
    step: float
    banded: bool
    index: Mapping[Any, int]
    start: float = 0.0

    def __call__(self, value: Any) -> float:
        """Return the middle of a name's stripe, in pixels."""
        return self.start + self.step * self.index[value] + 0.5 * self.step

    def places(self, values: Sequence[Any]) -> list[float]:
        """Return the middles of the stripes of names, in pixels."""
        step, index, start, half = self.step, self.index, self.start, 0.5 * self.step
        return [start + step * index[value] + half for value in values]


Place = Continuous | Bands


def place_scale(chart: Chart, axis: str) -> Place:
    """Return the scale of an axis, `x` or `y`, that all layers share. Raises OutsideSubset."""
    first, last = (0.0, chart.width) if axis == "x" else (chart.height, 0.0)
    layers = [layer for layer in chart.layers if layer.positions(axis)]
    demand(layers, f"no layer on {axis}")
    kinds = {channel.quantitative for layer in layers for channel in layer.positions(axis)}
    demand(len(kinds) == 1, f"numbers and names on {axis}")
    return _continuous(layers, axis, first, last) if kinds.pop() else _bands(layers, axis, abs(last - first))


def _main(layer: Layer, axis: str) -> Channel:
    channel = layer.x if axis == "x" else layer.y
    demand(channel is not None, f"{axis}2 without {axis}")
    assert channel is not None
    return channel


def _continuous(layers: list[Layer], axis: str, first: float, last: float) -> Continuous:
    scales = [_main(layer, axis).scale for layer in layers]
    kind = _shared([scale.get("type") for scale in scales]) or "linear"
    constant = _shared([scale.get("constant") for scale in scales]) or 1
    explicit = _shared([tuple(scale["domain"]) for scale in scales if "domain" in scale])
    if explicit is None:
        values = [value for layer in layers for value in _values(layer, axis)]
        demand(values, f"no values on {axis}")
        start, stop = min(values), max(values)
    else:
        demand(len(explicit) == 2, "a domain of other than two ends")
        start, stop = number(explicit[0], "domain"), number(explicit[1], "domain")
    if kind == "log":
        # Without ends of its own a logarithmic axis would be widened to powers, which is not painted here.
        demand(explicit is not None and start > 0, "a logarithmic axis without ends")
    elif _setting([_zero(layer, axis) for layer in layers]):
        start, stop = min(start, 0.0), max(stop, 0.0)
    demand(stop - start > 1e-9 * max(abs(start), abs(stop)), f"a single value on {axis}")
    if _setting([_nice(scale) for scale in scales]):
        demand(kind != "log", "a logarithmic axis that is widened")
        start, stop = nice(start, stop)
    return Continuous(kind, start, stop, first, last, _bend(kind, float(constant)), float(constant))


def _bend(kind: str, constant: float) -> Callable[[float], float]:
    if kind == "linear":
        return float
    if kind == "log":
        return math.log
    if kind == "symlog":
        return lambda value: math.copysign(math.log1p(abs(value) / constant), value)
    raise OutsideSubset(f"scale {kind}")


def _values(layer: Layer, axis: str) -> list[float]:
    found = []
    for channel in layer.positions(axis):
        if channel.datum is not None:
            found.append(channel.datum)
        else:
            found += column(layer, channel)
    return found


def column(layer: Layer, channel: Channel) -> list[float]:
    """Return the numbers of a channel, one a row. Raises OutsideSubset where one is missing."""
    if channel.datum is not None:
        return [channel.datum] * len(layer.rows)
    name = channel.field
    try:
        values = [float(row[name]) for row in layer.rows]
    except (KeyError, TypeError, ValueError) as error:
        raise OutsideSubset(f"{name}: a missing number") from error
    demand(all(map(math.isfinite, values)), f"{name}: not a finite number")
    return values


def _zero(layer: Layer, axis: str) -> tuple[bool, bool]:
    """Return whether an axis begins at 0 for a layer, and whether the specification says so itself."""
    scale = _main(layer, axis).scale
    if "zero" in scale:
        return bool(scale["zero"]), True
    if "domain" in scale:
        return scale["domain"][0] <= 0 <= scale["domain"][-1], False
    other = layer.y if axis == "x" else layer.x
    upright = other is None or other.quantitative
    along = layer.mark in ("line", "area") and (axis == "x") == upright
    return not along, False


def _nice(scale: Mapping[str, Any]) -> tuple[bool, bool] | None:
    if "nice" in scale:
        return bool(scale["nice"]), True
    return None if "domain" in scale else (True, False)


def _setting(said: Sequence[tuple[bool, bool] | None]) -> bool:
    """Return what layers say together: the first that says it itself, else the first default."""
    ranked = sorted((item for item in said if item is not None), key=lambda item: not item[1])
    return ranked[0][0] if ranked else False


def _shared(values: Sequence[Any]) -> Any:
    found = {value for value in values if value is not None}
    demand(len(found) <= 1, "layers that differ in a scale")
    return found.pop() if found else None


def _bands(layers: list[Layer], axis: str, length: float) -> Bands:
    channels = [_main(layer, axis) for layer in layers]
    demand(all(channel.field and not channel.scale for channel in channels), f"names on {axis} with a scale")
    orders = [channel.sort for channel in channels]
    demand(all(order == orders[0] for order in orders), f"names on {axis} in several orders")
    present = {row[channel.field] for layer, channel in zip(layers, channels, strict=True) for row in layer.rows}
    if orders[0] is None:
        demand(all(type(value) is int for value in present), f"names on {axis} without an order")
        names = tuple(sorted(present))
    else:
        demand(isinstance(orders[0], list) and present <= set(orders[0]), f"names on {axis} beyond their order")
        names = tuple(name for name in dict.fromkeys(orders[0]) if name in present)
    demand(names, f"no names on {axis}")
    banded = any(layer.mark in DISCRETE_BARS for layer in layers)
    step = length / len(names)
    start = (length - step * len(names)) * 0.5
    return Bands(names, step, banded, {name: index for index, name in enumerate(names)}, start)
