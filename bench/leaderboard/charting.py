"""Charting: designs of charts filled with what differs from one chart to the next: words, ends of axes and rows.

Imports the standard library; designs.py makes the designs that are read here.
"""

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

Spec = dict[str, Any]
Row = dict[str, Any]

VEGA_LITE = "6.4"
DESIGNS_FILE = "designs.json"


def hole(name: str) -> str:
    """Return what stands in a design for a part that is not known yet."""
    return f"{{{name}}}"


@dataclass(frozen=True, slots=True)
class _Whole:
    """A part of a design without holes, which all charts share."""

    part: Any


@cache
def _designs() -> dict[str, Any]:
    """Return the designs by name, what has no holes as `_Whole`."""
    text = resources.files("bench.leaderboard").joinpath(DESIGNS_FILE).read_text(encoding="utf-8")
    return {name: _marked(design) for name, design in json.loads(text).items()}


def _marked(part: Any) -> Any:
    if isinstance(part, str) and "{" in part:
        return part
    if isinstance(part, dict):
        named = {name: _marked(value) for name, value in part.items()}
        return named if any(not isinstance(value, _Whole) for value in named.values()) else _Whole(part)
    if isinstance(part, list):
        listed = [_marked(value) for value in part]
        return listed if any(not isinstance(value, _Whole) for value in listed) else _Whole(part)
    return _Whole(part)


def filled(design: str, parts: dict[str, Any], **rows: Sequence[Row]) -> Spec:
    """Return a design with its holes filled, equal to what Altair builds from the same parts; to be read only.

    parts: by the name of their hole. rows: data, by the name of the hole for its name.
    """
    names = {name: data_name(name) for name in rows}
    spec: Spec = _fill(_designs()[design], {hole(name): part for name, part in (parts | names).items()})
    spec["datasets"] = {names[name]: found for name, found in rows.items()}
    return spec


def data_name(part: str) -> str:
    """Return the name that data have in a chart, by their hole in its design."""
    return f"{part}_rows"


def plain(rows: Iterable[Mapping[str, Any]]) -> list[Row]:
    """Return rows as they are written into a page: a missing number is None, never NaN."""
    return [
        {name: None if isinstance(value, float) and math.isnan(value) else value for name, value in row.items()}
        for row in rows
    ]


def _fill(part: Any, parts: Mapping[str, Any]) -> Any:
    """Return a design with its holes filled; what fills them is not looked into again."""
    if isinstance(part, _Whole):
        return part.part
    if isinstance(part, dict):
        return {name: _fill(value, parts) for name, value in part.items()}
    if isinstance(part, list):
        return [_fill(value, parts) for value in part]
    if part in parts:
        return parts[part]
    # Only names are built from a hole and a word of the design: `{name}_dots`.
    start, end, word = part.partition("}")
    return f"{parts[start + end]}{word}"
