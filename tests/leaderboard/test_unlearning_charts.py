"""Charts of the unlearning track are valid, named and hold their numbers as tables."""

import json
import math
import random

import altair as alt
import pytest

from bench.leaderboard.charting import Spec
from bench.leaderboard.charts import ENTRY, REFERENCE
from bench.leaderboard.drawing import Painter
from bench.leaderboard.figures import Figure
from bench.leaderboard.unlearning_charts import IDEAL, LOSING, NO_COST, ORIGINAL, OWN, RETRAINED, forgetting_chart
from bench.leaderboard.unlearning_figures import roc_figure, score_figure

NAN = float("nan")
HOSTILE = "</script><script>alert(1)</script>"


def normal(center: float, count: int = 300) -> list[float]:
    generator = random.Random(center)
    return [generator.gauss(center, 1) for _ in range(count)]


SCORES = {OWN: [normal(0.5)], ORIGINAL: [normal(1.2)], RETRAINED: [normal(0.0)]}


def forgetting_spec(rows: int = 3) -> Spec:
    columns = {
        "name": [HOSTILE, *(f"m{index}" for index in range(1, rows))],
        "slug": [f"m{index}" for index in range(rows)],
        "role": [ENTRY, LOSING, REFERENCE, *[ENTRY] * rows][:rows],
        "x": [-0.5, -70.0, 0.0, *(-0.01 * index for index in range(rows))][:rows],
        "y": [0.3, 5.0, 0.0, *(0.02 * index for index in range(rows))][:rows],
        "x_low": [-1.0, -90.0, NAN, *[NAN] * rows][:rows],
        "x_high": [0.0, -50.0, NAN, *[NAN] * rows][:rows],
        "y_low": [0.1, -3.0, NAN, *[NAN] * rows][:rows],
        "y_high": [0.5, 60.0, NAN, *[NAN] * rows][:rows],
        "text": ["t"] * rows,
        "cost": ["compute up to 5 %", "compute above 20 %", NO_COST, *[NO_COST] * rows][:rows],
        "label": [HOSTILE, "", "Retrain", *[""] * rows][:rows],
    }
    points = [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]
    return forgetting_chart(points, name="tradeoff", tolerance=1.0, x_title="x", y_title="y", description="d")


def figures() -> list[Figure]:
    return [roc_figure(SCORES, name="p"), score_figure(SCORES, name="p")]


SPECS = {"tradeoff": forgetting_spec(), "crowd": forgetting_spec(40)} | {item.name: item.spec for item in figures()}


@pytest.mark.parametrize("name", sorted(SPECS))
def test_every_chart_is_valid_vega_lite_and_draws_without_style(name: str) -> None:
    alt.Chart.from_dict(SPECS[name])
    svg = Painter().svg(SPECS[name])
    assert svg.startswith("<svg")
    assert "style=" not in svg
    assert "NaN" not in svg
    assert "<script" not in svg


@pytest.mark.parametrize("name", sorted(SPECS))
def test_every_chart_and_layer_is_named(name: str) -> None:
    names = [SPECS[name]["name"], *(layer["name"] for layer in SPECS[name]["layer"])]
    assert len(set(names)) == len(names)


def test_intervals_are_cut_at_the_frame() -> None:
    rows = next(iter(forgetting_spec()["datasets"].values()))
    assert rows[1]["y_low"] == 0
    assert rows[1]["y_high"] == pytest.approx(7.0)  # 1.4 times the highest point
    assert rows[2]["x_low"] is None


def test_the_curve_of_unlearned_scores_is_the_diagonal() -> None:
    spec = roc_figure({OWN: [[-3.0, 3.5]]}, name="p").spec
    rows = [row for data in spec["datasets"].values() for row in data]
    own = {row["fpr"]: row["tpr"] for row in rows if row["series"] == OWN}
    # One of two scores is above every threshold up to the false positive rate 0.001, whose threshold is 3.09.
    assert own[0.001] == 0.5
    assert own[1.0] == 1.0
    assert {(row["fpr"], row["tpr"]) for row in rows if row["series"] == IDEAL} == {(0.001, 0.001), (1.0, 1.0)}


def test_rates_of_zero_are_missing_on_a_logarithmic_axis() -> None:
    spec = roc_figure({OWN: [[-3.0, -2.0]]}, name="p").spec
    rows = [row for data in spec["datasets"].values() for row in data if row["series"] == OWN]
    assert all(row["tpr"] is None or row["tpr"] > 0 for row in rows)
    assert all(row["low"] is None or row["low"] >= 0.001 for row in rows)


def test_bars_of_the_histogram_hold_every_score_and_cover_area_one() -> None:
    figure = score_figure(SCORES, name="p")
    bars = next(data for data in figure.spec["datasets"].values() if "count" in data[0])
    assert sum(row["count"] for row in bars) == sum(len(values) for values in SCORES[OWN])
    area = sum(row["density"] * (row["right"] - row["left"]) for row in bars)
    assert area == pytest.approx(1, abs=1e-4)
    shares = [sum(float(row[column]) for row in figure.table.rows) for column in (1, 2, 3)]
    assert shares == pytest.approx([100, 100, 100], abs=1.5)


def test_far_scores_make_bins_wider_and_not_more() -> None:
    figure = score_figure({OWN: [*SCORES[OWN], [55.0]]}, name="p")
    assert len(figure.table.rows) <= 42
    assert math.isclose(sum(float(row[1]) for row in figure.table.rows), 100, abs_tol=1.5)
    assert "not measured" in json.dumps(figure.table.rows)
