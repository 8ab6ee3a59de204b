from typing import Any

import altair as alt
import pytest
from factories import Found, make_result

from bench.leaderboard import charts
from bench.leaderboard.charting import Row, Spec
from bench.leaderboard.drawing import Painter, bundle
from bench.leaderboard.figures import Figure, accuracy_figure, learnable_figure, sal_figures, seed_figure
from bench.leaderboard.painting.paint import paint
from bench.metrics.catalog import METRICS

PRIMARY = "resnet-narrow/none"
HOSTILE = "</script><script>alert(1)</script>"


def board_spec() -> Spec:
    nan = float("nan")
    rows: list[Row] = [
        {"name": "Fog", "role": charts.ENTRY, "value": 10.0, "low": 9.0, "high": 11.0, "text": "10.0"},
        {"name": HOSTILE, "role": charts.REFERENCE, "value": 96.0, "low": nan, "high": nan, "text": "96.0"},
    ]
    return charts.interval_chart(rows, name="accuracy", title="accuracy", description="d")


def tradeoff_spec() -> Spec:
    ends = {"x_low": 8.0, "x_high": 12.0, "y_low": None, "y_high": None}
    rows: list[Row] = [
        {"name": "Fog", "slug": "fog", "role": charts.ENTRY, "x": 10.0, "y": 0.2, **ends, "label": "Fog"}
    ]
    return charts.tradeoff_chart(rows, name="tradeoff", x_title="x", y_title="y", description="d")


def figures() -> list[Figure]:
    mine, clean = make_result(found=Found((0.1, 0.2, 0.3), sal_factor=0.5)), make_result()
    made = [
        seed_figure(METRICS["ud"], mine, clean, PRIMARY, name="seeds"),
        accuracy_figure(mine, clean, PRIMARY, name="curves"),
        learnable_figure(mine, clean, PRIMARY, name="layers"),
        *sal_figures(mine, clean, PRIMARY, name="sal"),
    ]
    return [figure for figure in made if figure is not None]


SPECS = {"board": board_spec(), "tradeoff": tradeoff_spec()} | {item.name: item.spec for item in figures()}


@pytest.mark.parametrize("name", sorted(SPECS))
def test_every_chart_is_valid_vega_lite_and_draws_without_style(name: str) -> None:
    alt.Chart.from_dict(SPECS[name])
    svg = Painter().svg(SPECS[name])
    assert svg.startswith("<svg")
    assert "style=" not in svg
    assert "NaN" not in svg


@pytest.mark.parametrize("name", sorted(SPECS))
def test_every_chart_is_painted_without_the_library(name: str) -> None:
    assert paint(SPECS[name]).startswith("<svg")


@pytest.mark.parametrize("name", sorted(SPECS))
def test_every_chart_and_layer_is_named(name: str) -> None:
    spec = SPECS[name]
    names = [spec["name"], *(layer["name"] for layer in spec.get("layer", []))]
    assert len(set(names)) == len(names)


def test_missing_bounds_become_null_and_not_nan() -> None:
    values: list[dict[str, Any]] = next(iter(board_spec()["datasets"].values()))
    assert [row["low"] for row in values] == [9.0, None]


def test_names_in_charts_cannot_leave_the_drawing() -> None:
    assert "<script" not in Painter().svg(board_spec())


def test_maps_that_are_read_side_by_side_share_one_color_scale() -> None:
    domains = {
        tuple(figure.spec["layer"][0]["encoding"]["color"]["scale"]["domain"])
        for figure in figures()
        if figure.name.startswith("sal")
    }
    assert domains == {(0, 2.1)}  # mean over seeds of (2 + 0.1 seed), the clean first layer at epoch 1


def test_a_figure_holds_its_numbers_as_a_table() -> None:
    table = next(figure for figure in figures() if figure.name == "curves").table
    assert table.columns[:2] == ("epoch", "this submission, seed 0")
    assert table.rows[-1][:2] == ("4", "10.0")


def test_ids_of_a_drawing_do_not_depend_on_what_was_drawn_before() -> None:
    first, second = (Painter().svg(SPECS["sal_this"]) for _ in range(2))
    assert first == second
    assert "(#gradient" not in first


def test_a_drawing_is_taken_from_the_cache(tmp_path: Any) -> None:
    first = Painter(tmp_path).svg(tradeoff_spec())
    stored = next(tmp_path.glob("*/*.svg"))
    stored.write_text("<svg>cached</svg>", encoding="utf-8")
    assert Painter(tmp_path).svg(tradeoff_spec()) == "<svg>cached</svg>" != first


def test_the_script_bundle_is_put_together_once(tmp_path: Any) -> None:
    first = bundle(tmp_path)
    assert b"vegaEmbed" in first
    next(tmp_path.glob("bundle-*.js")).write_bytes(b"kept")
    assert bundle(tmp_path) == b"kept"
