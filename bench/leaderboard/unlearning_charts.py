"""Charts of the unlearning track: from rows to a Vega-Lite specification with explicit names.

designs.py says in Altair what each chart looks like. Imports what fills designs; neither altair nor pandas nor torch.
"""

import math
from collections.abc import Iterable, Sequence
from typing import Any

from bench.leaderboard.charting import Row, Spec, filled, plain
from bench.leaderboard.charts import clipped
from bench.leaderboard.labels import place_labels

LOSING = "method that costs accuracy"
OWN, RETRAINED, ORIGINAL, IDEAL = "this submission", "retrained", "original", "no trace: N(0, 1)"
WIDTH, HEIGHT = 360, 300
LOWEST_RATE = 0.001

NO_COST = "compute not reported"
COST_STEPS = {0.05: "compute up to 5 %", 0.2: "compute 5 to 20 %", math.inf: "compute above 20 %"}
"""Words for compute as a share of that of training, by the largest share that they hold for."""

_COST_SIZES = {NO_COST: 16, **dict(zip(COST_STEPS.values(), (36, 80, 150), strict=True))}
"""Area of a point in square pixels."""

_SERIES = {
    OWN: ("var(--c1)", [1, 0]),
    RETRAINED: ("var(--c2)", [6, 3]),
    ORIGINAL: ("var(--c3)", [8, 3, 2, 3]),
    IDEAL: ("currentColor", [1, 3]),
}
"""Color and dashes of a series; the same in every chart."""


def forgetting_chart(
    rows: Sequence[Row], *, name: str, tolerance: float, x_title: str, y_title: str, description: str
) -> Spec:
    """Draw the distance to retraining against what accuracy loses, one point a submission.

    rows: `name`, `slug`, `role`, `x` (points, negative is a loss), `y` (at least 0), `x_low`, `x_high`, `y_low`,
    `y_high` (NaN without interval), `cost` (of `COST_STEPS` or `NO_COST`), `text`, and `label`, empty where a name
    would cover others. tolerance: the loss in points up to which accuracy counts as kept. Both axes are linear near 0
    and logarithmic far from it.
    """
    x_domain = _domain([row["x"] for row in rows], floor=-4 * tolerance, ceiling=tolerance)
    y_domain = _domain([row["y"] for row in rows], ceiling=1.2)
    return filled(
        "forgetting",
        {
            "name": name,
            "x_title": x_title,
            "y_title": y_title,
            "description": description,
            "limit": -tolerance,
            "x_domain": list(x_domain),
            "y_domain": list(y_domain),
            "x_ticks": _ticks(x_domain, WIDTH // 40),
            **_costs(rows),
            "y_ticks": _ticks(y_domain, HEIGHT // 40),
            "width": WIDTH,
            "height": HEIGHT,
        },
        data=plain(_with_labels(_bounded(rows, x_domain, y_domain), x_domain, y_domain)),
    )


def roc_chart(rows: Sequence[Row], *, name: str, description: str) -> Spec:
    """Draw true positive rates against false positive rates on logarithmic axes, with the diagonal.

    rows: `series`, `fpr`, `tpr`, `low`, `high` (None without an interval), each above 0 or missing.
    """
    parts = {"name": name, "description": description, "lowest": LOWEST_RATE, "width": 320, "height": 300}
    return filled("roc", {**parts, **_series(rows)}, data=plain(rows))


def score_chart(bars: Sequence[Row], lines: Sequence[Row], *, name: str, description: str) -> Spec:
    """Draw the density of Gaussian scores as bars, with lines for what they are read against.

    bars: `left`, `right`, `density`, `count`. lines: `series`, `score`, `density`, in order.
    """
    parts = {"name": name, "description": description, "width": 340, "height": 240}
    return filled("score", {**parts, **_series(lines)}, bars_data=plain(bars), lines_data=plain(lines))


def _series(rows: Iterable[Row]) -> dict[str, list[Any]]:
    """Return how the series that occur in rows are told apart."""
    found = {row["series"] for row in rows}
    present = [name for name in _SERIES if name in found]
    return {
        "present": present,
        "colors": [_SERIES[name][0] for name in present],
        "dashes": [_SERIES[name][1] for name in present],
    }


def _costs(rows: Sequence[Row]) -> dict[str, list[Any]]:
    """Return the steps of cost that occur, the cheapest first, and their sizes."""
    found = {row["cost"] for row in rows}
    present = [cost for cost in (*COST_STEPS.values(), NO_COST) if cost in found]
    return {"costs": present, "cost_sizes": [_COST_SIZES[cost] for cost in present]}


def _domain(values: Sequence[float], *, floor: float = 0.0, ceiling: float) -> tuple[float, float]:
    """Return the ends of an axis: those given, or what the points need and a tenth more."""
    low, high = float(min(values)), float(max(values))
    return (floor if low >= floor else 1.4 * low, ceiling if high <= ceiling else 1.4 * high)


def _ticks(domain: tuple[float, float], most: int) -> list[float]:
    """Return round values of an axis, 0 among them, the smallest left out where there are too many for it."""
    steps = [0.25, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1000.0]
    chosen = [step for step in steps if not (domain[1] - domain[0] > 3 and step < 1)]
    while True:
        values = [*(-step for step in reversed(chosen)), 0.0, *chosen]
        inside = [value for value in values if domain[0] <= value <= domain[1]]
        if len(inside) <= most:
            return inside
        # Beyond this number the library would leave out every second one, and 0 may be among them.
        chosen = chosen[1:]


def _bounded(rows: Sequence[Row], x_domain: tuple[float, float], y_domain: tuple[float, float]) -> list[Row]:
    """Cut intervals at the ends of the axes, so that lines stay inside the plot."""
    ends = {f"{axis}_{end}": domain for axis, domain in (("x", x_domain), ("y", y_domain)) for end in ("low", "high")}
    return [{**row, **{name: clipped(row[name], *domain) for name, domain in ends.items()}} for row in rows]


def _symlog(value: float, constant: float) -> float:
    return math.copysign(math.log1p(abs(value) / constant), value)


def _inverse_symlog(value: float, constant: float) -> float:
    return math.copysign(math.expm1(abs(value)) * constant, value)


def _with_labels(rows: Sequence[Row], x_domain: tuple[float, float], y_domain: tuple[float, float]) -> list[Row]:
    """Add `label_x`, `label_y` and `side` of each label, in the units of the axes; side is empty without a label."""
    left, right = (_symlog(value, 1) for value in x_domain)
    bottom, top = (_symlog(value, 0.5) for value in y_domain)
    points = [
        (
            (_symlog(row["x"], 1) - left) / (right - left) * WIDTH,
            (top - _symlog(row["y"], 0.5)) / (top - bottom) * HEIGHT,
        )
        for row in rows
    ]
    placed = place_labels(points, [row["label"] for row in rows], width=WIDTH, height=HEIGHT)
    across, down = (right - left) / WIDTH, (top - bottom) / HEIGHT
    return [
        {
            **row,
            "label_x": round(_inverse_symlog(left + item.x * across, 1), 4) if item else 0.0,
            "label_y": round(_inverse_symlog(top - item.y * down, 0.5), 4) if item else 0.0,
            "side": item.side if item else "",
        }
        for row, item in zip(rows, placed, strict=True)
    ]
