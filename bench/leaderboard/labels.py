"""Labels: where the names of points go in a chart so that none covers another name or another point.

Imports how wide letters are; nothing else of the project.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from bench.leaderboard.painting.subset import OutsideSubset
from bench.leaderboard.painting.words import width as width_of

CHARACTER, LINE = 13.0, 15.0
"""Width of a letter that is not known and height of a line at the charts' font size, in pixels."""

ROOM = 1.15
"""How much wider than here a reader's font may be."""

FONT_SIZE = 13.0

DOT = 6.0
"""Half of the width of a point, in pixels."""

GAP = 9.0
SHIFTS = (-5.0, 7.0, -13.0, 15.0, 1.0)
"""How far a name lies below its point, the best first: level with it an interval would strike it through."""

MOST_TRIED = 200
"""How many names are tried where a board has thousands."""

Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class Label:
    """A name and the end of it that lies at x: the left end on the right side of its point, and the reverse."""

    text: str
    x: float
    y: float
    side: Literal["left", "right"]


def place_labels(
    points: Sequence[tuple[float, float]],
    texts: Sequence[str],
    *,
    width: float,
    height: float,
    order: Iterable[int] | None = None,
) -> list[Label | None]:
    """Place names one after another, each at the first free place beside its point; None where no place is free.

    points: in pixels from the upper left corner of a plot of this width and height. An empty text gets no place.
    order: places in `points`, the name that matters most first; None for the order of the points.
    """
    dots = sorted((y, x, index) for index, (x, y) in enumerate(points))
    heights = [y for y, _, _ in dots]
    taken: list[Box] = []
    placed: list[Label | None] = [None] * len(points)
    asked = [index for index in (range(len(points)) if order is None else order) if texts[index]]
    for index in asked[:MOST_TRIED]:
        for label in _candidates(points[index], texts[index], width):
            box = label_box(label)
            near = dots[bisect_left(heights, box[1] - DOT) : bisect_right(heights, box[3] + DOT)]
            others = [(x - DOT, y - DOT, x + DOT, y + DOT) for y, x, other in near if other != index]
            if _fits(box, [*others, *taken], width, height):
                placed[index] = label
                taken.append(box)
                break
    return placed


def label_box(label: Label) -> Box:
    """Return the left, upper, right and lower edge of a label."""
    length = _length(label.text)
    start = label.x if label.side == "right" else label.x - length
    return (start, label.y - LINE / 2, start + length, label.y + LINE / 2)


def _length(text: str) -> float:
    try:
        return ROOM * width_of(text, FONT_SIZE)
    except OutsideSubset:
        return CHARACTER * len(text)


def _candidates(point: tuple[float, float], text: str, width: float) -> list[Label]:
    x, y = point
    right = [Label(text, x + GAP, y + shift, "right") for shift in SHIFTS]
    left = [Label(text, x - GAP, y + shift, "left") for shift in SHIFTS]
    return [*right, *left] if x <= 0.6 * width else [*left, *right]


def _fits(box: Box, others: Sequence[Box], width: float, height: float) -> bool:
    inside = box[0] >= 0 and box[1] >= -LINE and box[2] <= width and box[3] <= height
    return inside and not any(
        box[0] < other[2] and other[0] < box[2] and box[1] < other[3] and other[1] < box[3] for other in others
    )
