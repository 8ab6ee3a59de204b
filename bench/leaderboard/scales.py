"""Scales: small drawings that show where measured values lie between two ends, as shares of the width.

Imports the standard library and contexts; never torch. Shares, not pixels: texts keep their size on a phone.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from bench.leaderboard.page_contexts import MarkKind, Scale, ScaleMark, ScaleTick
from bench.leaderboard.wording import Shown

EDGE = 2.0
"""Share of the width that stays free on either side, in percent, so that no mark is cut."""

ROW, TOP, BOTTOM = 38, 26, 34
"""Distance of two values, of the first from the top, and of the last from the bottom with its numbers; in pixels."""

FAR_LEFT, FAR_RIGHT = 18.0, 82.0


@dataclass(frozen=True)
class Point:
    """A value to show: its name, the number in words and for its place, both in the unit of the scale."""

    name: str
    kind: MarkKind
    shown: Shown
    factor: float = 1.0

    @property
    def value(self) -> float:
        """The number in the unit of the scale."""
        return float(self.shown.sort) * self.factor

    @property
    def bounds(self) -> tuple[float, float]:
        """The interval in the unit of the scale; the number twice where there is none."""
        low, high = self.shown.bounds or (float(self.shown.sort), float(self.shown.sort))
        return low * self.factor, high * self.factor


def build_scale(
    name: str,
    title: str,
    points: Sequence[Point],
    *,
    ends: tuple[float, float],
    ticks: Sequence[tuple[float, str]],
    words: str,
    band: tuple[float, float] | None = None,
) -> Scale | None:
    """Place values on a scale; None without a measured value. What lies beyond the ends is drawn at the end.

    ticks: named places, with few letters. words: what they mean. band: both ends of a zone.
    """
    shown = [point for point in points if point.shown.measured]
    if not shown:
        return None
    marks = tuple(_mark(point, position, ends) for position, point in enumerate(shown))
    listed = "; ".join(f"{mark.name}: {mark.text}" for mark in marks)
    return Scale(
        name=name,
        title=title,
        description=f"{listed}.",
        marks=marks,
        ticks=tuple(_tick(value, text, ends) for value, text in ticks),
        band=_band(band, ends) if band else None,
        words=words,
        height=TOP + ROW * (len(marks) - 1) + BOTTOM,
    )


def place(value: float, ends: tuple[float, float]) -> float:
    """Return where a value lies, in percent of the width."""
    low, high = ends
    share = min(max((value - low) / (high - low), 0.0), 1.0)
    return EDGE + (100 - 2 * EDGE) * share


def _mark(point: Point, position: int, ends: tuple[float, float]) -> ScaleMark:
    low, high = point.bounds
    text = f"{point.shown.text} ({point.shown.interval})" if point.shown.bounds else point.shown.text
    return ScaleMark(
        name=point.name,
        text=text,
        kind=point.kind,
        x=_percent(place(point.value, ends)),
        low=_percent(place(low, ends)),
        high=_percent(place(high, ends)),
        y=TOP + ROW * position,
    )


def _tick(value: float, text: str, ends: tuple[float, float]) -> ScaleTick:
    at = place(value, ends)
    return ScaleTick(_percent(at), text, "start" if at < FAR_LEFT else "end" if at > FAR_RIGHT else "middle")


def _band(band: tuple[float, float], ends: tuple[float, float]) -> tuple[str, str]:
    low, high = place(band[0], ends), place(band[1], ends)
    return _percent(low), _percent(high - low)


def _percent(value: float) -> str:
    return f"{value:.2f}%"
