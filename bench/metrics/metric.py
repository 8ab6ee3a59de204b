"""Metric: what a number is called, which way is better, how it is shown and where it is defined.

Imports nothing heavy, so that pages know a metric without importing the code that measures it.
"""

from dataclasses import dataclass
from typing import Literal

Direction = Literal["lower", "higher", "neither"]


@dataclass(frozen=True)
class Metric:
    """One metric.

    unit: `fraction` is shown as a percentage; the other units are shown as they are.
    direction: which way a protector wants it, `neither` where it only describes.
    bounds: smallest and largest possible value, None where there is none.
    decimals: digits shown after the point, in the unit shown.
    definition: plain words, with the formula; source: where it comes from; pitfalls: how it misleads.
    """

    key: str
    label: str
    short: str
    unit: Literal["fraction", "layers", "ratio", "nats", "points", "score", "epochs", "p"]
    direction: Direction
    bounds: tuple[float | None, float | None]
    decimals: int
    track: Literal["ue", "unlearning"]
    definition: str
    formula: str
    source: str
    pitfalls: str
