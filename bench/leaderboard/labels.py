"""Labels: where the names of points go in a chart so that none covers another name or another point.

Imports the standard library only.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

CHARACTER, LINE = 9.5, 15.0
"""Width of a capital and height of a line at the charts' font size, in pixels, rounded up."""

DOT = 6.0
"""Half of the width of a point, in pixels."""

GAP = 9.0
SHIFTS = (-5.0, 7.0, -13.0, 15.0)

Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class Label:
    """A name and the end of it that lies at x: the left end on the right side of its point, and the reverse."""

    text: str
    x: float
    y: float
    side: Literal["left", "right"]


def place_labels(
    points: Sequence[tuple[float, float]], texts: Sequence[str], *, width: float, height: float
) -> list[Label | None]:
    """Place names one after another, each at the first free place beside its point; None where no place is free.

    points: in pixels from the upper left corner of a plot of this width and height. An empty text gets no place.
    """
    dots = [(x - DOT, y - DOT, x + DOT, y + DOT) for x, y in points]
    taken: list[Box] = []
    placed: list[Label | None] = []
    for index, (point, text) in enumerate(zip(points, texts, strict=True)):
        others = [*taken, *dots[:index], *dots[index + 1 :]]
        free = [label for label in _candidates(point, text, width) if _fits(_box(label), others, width, height)]
        placed.append(free[0] if free and text else None)
        if free and text:
            taken.append(_box(free[0]))
    return placed


def _candidates(point: tuple[float, float], text: str, width: float) -> list[Label]:
    x, y = point
    right = [Label(text, x + GAP, y + shift, "right") for shift in SHIFTS]
    left = [Label(text, x - GAP, y + shift, "left") for shift in SHIFTS]
    return [*right, *left] if x <= 0.6 * width else [*left, *right]


def _box(label: Label) -> Box:
    length = CHARACTER * len(label.text)
    start = label.x if label.side == "right" else label.x - length
    return (start, label.y - LINE / 2, start + length, label.y + LINE / 2)


def _fits(box: Box, others: Sequence[Box], width: float, height: float) -> bool:
    inside = box[0] >= 0 and box[1] >= -LINE and box[2] <= width and box[3] <= height
    return inside and not any(
        box[0] < other[2] and other[0] < box[2] and box[1] < other[3] and other[1] < box[3] for other in others
    )
