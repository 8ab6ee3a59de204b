"""What an SVG shows, whatever its elements: shapes with their corners, texts with their places, in page pixels."""

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from xml.etree import ElementTree

SHORT = 4
"""Corners of an outline that may be drawn either way round."""

_NUMBER = r"-?(?:\d+\.?\d*|\.\d+)(?:e-?\d+)?"
_COLOR = re.compile(r"rgb\((\d+), (\d+), (\d+)\)")
_INHERITED = ("fill", "stroke", "stroke-width", "stroke-dasharray", "text-anchor", "font-size", "clip-path")


@dataclass(frozen=True)
class Shape:
    """A filled or stroked outline. look: fill, stroke, width, dashes, opacity and whether it is clipped."""

    look: tuple[str, ...]
    corners: tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class Text:
    """A text and where it begins, ends or has its middle. turn: in degrees."""

    text: str
    anchor: str
    turn: int
    size: str
    x: float
    y: float


@dataclass(frozen=True)
class Drawing:
    """A whole drawing."""

    width: float
    height: float
    shapes: list[Shape]
    texts: list[Text]
    stops: list[tuple[float, str]]


def read_drawing(svg: str) -> Drawing:
    """Return what an SVG shows; what shows nothing is left out, and so is a shape drawn twice."""
    root = ElementTree.fromstring(svg)
    shapes: dict[Shape, None] = {}
    texts: list[Text] = []
    for element, place, look in _walk(root, (0.0, 0.0, 0), {"fill": "black", "stroke-width": "1"}):
        tag = element.tag.rpartition("}")[2]
        if tag == "text" and (element.text or "").strip():
            x, y, turn = _moved(place, float(element.get("x", 0)), float(element.get("y", 0)))
            size = look.get("font-size", "").removesuffix("px")
            texts.append(Text((element.text or "").strip(), look.get("text-anchor", "start"), turn, size, x, y))
        elif tag in ("path", "line", "circle"):
            for corners in _outlines(element, tag):
                shape = _shape(element, look, [(x + place[0], y + place[1]) for x, y in corners])
                if shape is not None:
                    shapes[shape] = None
    stops = [
        (float(stop.get("offset", 0)), _plain(stop.get("stop-color", ""))) for stop in root.iter() if "stop" in stop.tag
    ]
    return Drawing(float(root.get("width", 0)), float(root.get("height", 0)), list(shapes), texts, stops)


def _walk(
    element: ElementTree.Element, place: tuple[float, float, int], look: dict[str, str]
) -> Iterator[tuple[ElementTree.Element, tuple[float, float, int], dict[str, str]]]:
    if element.tag.endswith("defs") or element.get("display") == "none" or element.get("opacity") == "0":
        return
    look = {**look, **{name: element.attrib[name] for name in _INHERITED if name in element.attrib}}
    for kind, numbers in re.findall(r"(\w+)\(([^)]*)\)", element.get("transform", "")):
        values = [float(value) for value in numbers.split(",")]
        if kind == "rotate":
            assert values in ([-90], [-30], [330])
            place = (*place[:2], int(values[0]) - 360 * (values[0] > 180))
        else:
            place = _moved(place, *values)
    yield element, place, look
    for child in element:
        yield from _walk(child, place, look)


def _moved(place: tuple[float, float, int], dx: float, dy: float) -> tuple[float, float, int]:
    """Return a place after a step along axes that are turned with it."""
    x, y, turn = place
    sine, cosine = math.sin(math.radians(turn)), math.cos(math.radians(turn))
    return x + dx * cosine - dy * sine, y + dx * sine + dy * cosine, turn


def _shape(element: ElementTree.Element, look: dict[str, str], corners: list[tuple[float, float]]) -> Shape | None:
    fill, stroke = _plain(look.get("fill", "none")), _plain(look.get("stroke", "none"))
    width, dashes = float(look["stroke-width"]), look.get("stroke-dasharray", "")
    if len(corners) < 3:
        fill = "none"
    if width == 0 or stroke == "none":
        stroke, width, dashes = "none", 0.0, ""
    if fill == stroke == "none" or len(set(corners)) == 1:
        return None
    dashes = "" if dashes == "1,0" else dashes
    opacity = f"{float(element.get('opacity', 1)):g}"
    kept = (fill.partition("#")[0] if fill.startswith("url") else fill, stroke, f"{width:g}", dashes, opacity)
    return Shape((*kept, "clip" if "clip-path" in look else ""), tuple((round(x, 3), round(y, 3)) for x, y in corners))


def _outlines(element: ElementTree.Element, tag: str) -> list[list[tuple[float, float]]]:
    """Return the corners of each part of an outline; of a circle those of the square around it."""
    if tag == "line":
        start = (float(element.get("x1", 0)), float(element.get("y1", 0)))
        return [[start, (float(element.get("x2", 0)), float(element.get("y2", 0)))]]
    if tag == "circle":
        x, y, r = (float(element.get(name, 0)) for name in ("cx", "cy", "r"))
        return [[(x - r, y - r), (x + r, y + r), (x, y)]]
    outlines: list[list[tuple[float, float]]] = []
    x = y = 0.0
    for letter, rest in re.findall(r"([MLHVZAmlhvza])([^MLHVZAmlhvza]*)", element.get("d", "")):
        values = [float(value) for value in re.findall(_NUMBER, rest)]
        if letter == "A":
            r = values[0]
            middle = x + (values[5] - x) / 2
            outlines[-1] = [(middle - r, y - r), (middle + r, y + r), (middle, y)]
            x, y = values[5:]
            continue
        if letter in "Zz":
            continue
        steps: list[tuple[float | None, float | None]]
        if letter in "hHvV":
            steps = [(value, None) if letter in "hH" else (None, value) for value in values]
        else:
            steps = [*zip(values[::2], values[1::2], strict=True)]
        for across, down in steps:
            if letter.islower():
                x, y = x + (across or 0), y + (down or 0)
            else:
                x, y = x if across is None else across, y if down is None else down
            if letter in "Mm":
                outlines.append([])
            outlines[-1].append((x, y))
    return outlines


def _plain(color: str) -> str:
    found = _COLOR.fullmatch(color)
    return "#" + "".join(f"{int(part):02x}" for part in found.groups()) if found else color


def differences(mine: Drawing, theirs: Drawing, *, tolerance: float = 0.02) -> list[str]:
    """Return how two drawings differ: in size, in a text, or in a shape by more pixels than the tolerance."""
    found = [f"size {mine.width, mine.height} is not {theirs.width, theirs.height}"] * (
        # The library rounds up a size that lies within a rounding error of a whole number, so one pixel says nothing.
        max(abs(mine.width - theirs.width), abs(mine.height - theirs.height)) > 1
    )
    found += _unmatched(
        [((item.text, item.anchor, item.turn, item.size), [(item.x, item.y)]) for item in mine.texts],
        [((item.text, item.anchor, item.turn, item.size), [(item.x, item.y)]) for item in theirs.texts],
        tolerance,
    )
    found += _unmatched(
        _seen(mine, tolerance),
        _seen(theirs, tolerance),
        tolerance,
    )
    if [color for _, color in mine.stops] != [color for _, color in theirs.stops]:
        found.append("colors of a strip")
    found += [
        f"stop at {a}, not {b}" for (a, _), (b, _) in zip(mine.stops, theirs.stops, strict=False) if abs(a - b) > 0.001
    ]
    return found


def _seen(drawing: Drawing, tolerance: float) -> list:  # type: ignore[type-arg]
    """Return the shapes that one can see; of those that lie on each other one, for the painter draws no mark twice."""
    found: list[tuple[object, list[tuple[float, float]]]] = []
    for item in drawing.shapes:
        corners = _canonical(item.corners)
        twice = any(look == item.look and _near(corners, other, tolerance) for look, other in found)
        if not (twice or _unseen(item, tolerance)):
            found.append((item.look, corners))
    return found


def _unseen(shape: Shape, tolerance: float) -> bool:
    """Say whether a shape has no extent that counts, such as an interval of a millionth: one of both leaves it out."""
    across, down = zip(*shape.corners, strict=True) if shape.corners else ((0.0,), (0.0,))
    return max(max(across) - min(across), max(down) - min(down)) < tolerance


def _canonical(corners: tuple[tuple[float, float], ...]) -> list[tuple[float, float]]:
    """Return corners from the same start, whichever way a short outline is drawn; repeated ones count once."""
    once = [corner for index, corner in enumerate(corners) if index == 0 or corner != corners[index - 1]]
    return sorted(once) if len(once) <= SHORT else once


def _unmatched(mine: list, theirs: list, tolerance: float) -> list[str]:  # type: ignore[type-arg]
    waiting: dict[object, list] = {}  # type: ignore[type-arg]
    for look, corners in theirs:
        waiting.setdefault(look, []).append(corners)
    found = []
    for look, corners in mine:
        options = waiting.get(look, [])
        match = next((option for option in options if _near(corners, option, tolerance)), None)
        if match is None:
            found.append(f"only here: {look} {corners[:6]}")
        else:
            options.remove(match)
    return found + [f"missing: {key} {corners[:6]}" for key, rest in waiting.items() for corners in rest]


def _near(mine: list[tuple[float, float]], theirs: list[tuple[float, float]], tolerance: float) -> bool:
    """Say whether two outlines are the same; of short ones corners may fall together, as those of a flat bar do."""
    if max(len(mine), len(theirs)) <= SHORT:
        return _within(mine, theirs, tolerance) and _within(theirs, mine, tolerance)
    return len(mine) == len(theirs) and all(map(partial(_meets, tolerance=tolerance), mine, theirs))


def _within(corners: list[tuple[float, float]], others: list[tuple[float, float]], tolerance: float) -> bool:
    return all(any(_meets(corner, other, tolerance) for other in others) for corner in corners)


def _meets(corner: tuple[float, float], other: tuple[float, float], tolerance: float) -> bool:
    return abs(corner[0] - other[0]) <= tolerance and abs(corner[1] - other[1]) <= tolerance
