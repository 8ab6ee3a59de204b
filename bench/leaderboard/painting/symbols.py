"""Symbols: the shapes of points, as SVG. Imports only how numbers are written.

A size is the area of the square around a symbol's circle, in square pixels.
"""

import math
from functools import cache

from bench.leaderboard.painting.numbers import brief
from bench.leaderboard.painting.subset import OutsideSubset


@cache
def reach(shape: str, size: float) -> tuple[float, float, float]:
    """Return how far a symbol reaches to either side of its middle, above and below it, in pixels."""
    radius = math.sqrt(size) / 2
    if shape in ("circle", "diamond"):
        return radius, radius, radius
    if shape == "triangle-up":
        return radius, radius * math.sqrt(3) / 2, radius * math.sqrt(3) / 2
    if shape == "stroke":
        return radius, 0.0, 0.0
    raise OutsideSubset(f"shape {shape}")


@cache
def _outline(shape: str, size: float) -> str:
    radius, up, _ = reach(shape, size)
    r, d, h = brief(radius), brief(2 * radius), brief(2 * up)
    if shape == "stroke":
        return f"h{d}"
    if shape == "diamond":
        return f"l{r},-{r}l{r},{r}l-{r},{r}Z"
    return f"h{d}l-{r},-{h}Z"


def symbol(shape: str, size: float, x: float, y: float, look: str = "") -> str:
    """Return a symbol around a middle, in pixels. look: attributes that it has alone, each after a space."""
    across, _, down = reach(shape, size)
    if shape == "circle":
        return f'<circle cx="{brief(x)}" cy="{brief(y)}" r="{brief(across)}"{look}/>'
    start = y + down if shape == "triangle-up" else y
    return f'<path d="M{brief(x - across)},{brief(start)}{_outline(shape, size)}"{look}/>'
