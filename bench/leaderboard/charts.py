"""Charts: one function for each chart, from rows to a Vega-Lite specification with explicit names.

designs.py says in Altair what each chart looks like. Imports what fills designs; neither altair nor pandas nor torch.
"""

import math
from collections.abc import Sequence

from bench.leaderboard import charting
from bench.leaderboard.charting import Row, filled, plain
from bench.leaderboard.labels import place_labels
from bench.leaderboard.pareto import front

Spec = charting.Spec
"""A Vega-Lite specification."""

THIS, CLEAN = "this submission", "clean training"
ENTRY, CONTROL, REFERENCE = "ranked entry", "control", "reference"
INTERVAL_WIDTH = 330
TRADEOFF_WIDTH, TRADEOFF_HEIGHT = 340, 250


def interval_chart(rows: Sequence[Row], *, name: str, title: str, description: str) -> Spec:
    """Draw mean and 95 % interval of each entry of a board, best first, the name above its line.

    rows: `name`, `role`, `value`, `low`, `high` (NaN without interval), `text`, in the unit shown, in board order.
    """
    order = list(dict.fromkeys(row["name"] for row in rows))
    return filled(
        "interval",
        {
            "name": name,
            "title": title,
            "description": description,
            "order": order,
            "width": INTERVAL_WIDTH,
            "height": max(90, 42 * len(order)),
        },
        data=plain(rows),
    )


def tradeoff_chart(rows: Sequence[Row], *, name: str, x_title: str, y_title: str, description: str) -> Spec:
    """Draw test accuracy (%) against Unlearnable Distance of each entry, with intervals and the Pareto front.

    rows: `name`, `slug`, `role`, `x`, `y`, `x_low`, `x_high`, `y_low`, `y_high` (NaN without interval), and `label`,
    which is empty where the legend says enough. A label that would cover another one or a point is left out, those of
    the front last. The front: entries that no other one beats in both measures, lower being better.
    """
    top = math.ceil(5 * max(1.0, *(float(row["y"]) for row in rows))) / 5
    entries = [row for row in rows if row["role"] == ENTRY]
    best = [entries[index] for index in front([(row["x"], row["y"]) for row in entries])]
    ends = (("x_low", 100.0), ("x_high", 100.0), ("y_low", top), ("y_high", top))
    cut = [{**row, **{end: clipped(row[end], 0.0, most) for end, most in ends}} for row in rows]
    return filled(
        "tradeoff",
        {
            "name": name,
            "x_title": x_title,
            "y_title": y_title,
            "description": description,
            "top": top,
            "width": TRADEOFF_WIDTH,
            "height": TRADEOFF_HEIGHT,
        },
        data=plain(_with_labels(cut, top, best)),
        front_data=plain(_steps(best, top)),
    )


def clipped(value: float | None, low: float, high: float) -> float | None:
    """Cut the end of an interval at the ends of its axis; without an interval there is none."""
    return None if value is None or math.isnan(value) else min(max(value, low), high)


def _steps(best: Sequence[Row], top: float) -> list[Row]:
    """Return the corners of the front from the upper edge of the plot to its right edge."""
    if not best:
        return []
    corners = [(best[0]["x"], top), *((row["x"], row["y"]) for row in best), (100.0, best[-1]["y"])]
    return [{"x": x, "y": y} for x, y in corners]


def _with_labels(rows: Sequence[Row], top: float, best: Sequence[Row]) -> list[Row]:
    """Add `label_x`, `label_y` and `side` of each label, in the units of the axes; side is empty without a label."""
    points = [(row["x"] / 100 * TRADEOFF_WIDTH, (1 - row["y"] / top) * TRADEOFF_HEIGHT) for row in rows]
    chosen = {row["slug"] for row in best}
    order = sorted(
        range(len(rows)), key=lambda index: (rows[index]["slug"] not in chosen, points[index][0] - points[index][1])
    )
    texts = [row["label"] for row in rows]
    placed = place_labels(points, texts, width=TRADEOFF_WIDTH, height=TRADEOFF_HEIGHT, order=order)
    return [
        {
            **row,
            "label_x": round(item.x / TRADEOFF_WIDTH * 100, 4) if item else 0.0,
            "label_y": round((1 - item.y / TRADEOFF_HEIGHT) * top, 4) if item else 0.0,
            "side": item.side if item else "",
        }
        for row, item in zip(rows, placed, strict=True)
    ]


def seed_chart(rows: Sequence[Row], *, name: str, title: str, description: str) -> Spec:
    """Draw one line a seed, with this submission at one end and clean training at the other.

    rows: `series`, `seed`, `value`, in the unit shown.
    """
    seeds = sorted({row["seed"] for row in rows}, key=int)
    return filled(
        "seed",
        {
            "name": name,
            "title": title,
            "description": description,
            "order": seeds,
            "width": 340,
            "height": max(70, 24 * len(seeds)),
        },
        data=plain(rows),
    )


def epoch_chart(rows: Sequence[Row], *, name: str, title: str, description: str, top: float | None = None) -> Spec:
    """Draw a value over epochs: one thin line a seed, dashes for clean training.

    rows: `series`, `seed`, `epoch`, `value`. top: upper end of the axis, None to fit.
    """
    scale = {"zero": True, "nice": True} if top is None else {"domain": [0, top]}
    parts = {"name": name, "title": title, "description": description, "scale": scale, "width": 340, "height": 200}
    return filled("epoch", parts, data=plain(rows))


def sal_chart(rows: Sequence[Row], *, name: str, top: float, description: str) -> Spec:
    """Draw SAL as a map of layer by epoch, mean over seeds; a dot marks what most seeds find learnable.

    rows: `epoch`, `layer`, `sal`, `learnable` (share of seeds), layers in network order.
    top: upper end of the color scale, shared by all maps that are read side by side.
    """
    layers = list(dict.fromkeys(row["layer"] for row in rows))
    height = max(120, 18 * len(layers))
    parts = {"name": name, "description": description, "order": layers, "top": top, "width": 330, "height": height}
    return filled("sal", parts, data=plain(rows))
