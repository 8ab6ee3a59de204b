"""Painted drawings against those of the charting library, which is the oracle: same shapes, same texts, same size."""

import copy
import itertools
import re
from collections.abc import Callable, Iterable
from typing import Any
from xml.etree import ElementTree

import pytest
from drawn import Drawing, differences, read_drawing
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from bench.leaderboard import charts, unlearning_charts
from bench.leaderboard.charting import Row, Spec
from bench.leaderboard.charts import CLEAN, CONTROL, ENTRY, REFERENCE, THIS
from bench.leaderboard.drawing import Painter
from bench.leaderboard.history_figure import history_chart
from bench.leaderboard.painting.numbers import brief
from bench.leaderboard.painting.paint import paint
from bench.leaderboard.painting.subset import OutsideSubset
from bench.leaderboard.painting.words import fitted, width
from bench.leaderboard.unlearning_charts import COST_STEPS, IDEAL, LOSING, NO_COST, ORIGINAL, OWN, RETRAINED
from bench.leaderboard.wording import TIER_WORDS

NAN = float("nan")
FULL, QUICK = TIER_WORDS["full"], TIER_WORDS["quick"]
SLOW = settings(max_examples=6, derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow])
"""Few, for the oracle takes 40 to 300 ms a drawing, and the same ones every time; a larger number draws more."""

LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 ()<>&\"'-.,:;{}/\\éßøŁ\u2013\u2019\u2212"
names = st.text(LETTERS, min_size=1, max_size=70)
roles = st.sampled_from([ENTRY, CONTROL, REFERENCE])
percents = st.floats(0, 100).map(lambda value: round(value, 4))
whole_percents = st.integers(0, 100).map(float)
distances = st.integers(0, 400).map(lambda value: value / 100)
"""Of points on a front: two that lie within a hundredth of a pixel have one place here and two in the library."""


def rows_of(columns: list[str], found: Iterable[tuple[Any, ...]]) -> list[Row]:
    return [dict(zip(columns, values, strict=True)) for values in found]


def interval_spec(found: list[tuple[str, str, float, float | None]]) -> Spec:
    rows = [
        {
            "name": name,
            "role": role,
            "value": value,
            "low": NAN if half is None else value - half,
            "high": NAN if half is None else value + half,
            "text": "",
        }
        for name, role, value, half in found
    ]
    return charts.interval_chart(rows, name="board", title="Clean test accuracy (%)", description="d")


def tradeoff_spec(found: list[tuple[str, str, float, float]]) -> Spec:
    rows: list[Row] = [
        {
            "name": name,
            "slug": f"s{index}",
            "role": role,
            "x": x,
            "y": y,
            "x_low": NAN if index % 2 else x - 3.0,
            "x_high": NAN if index % 2 else x + 3.0,
            "y_low": NAN if index % 3 else y - 0.1,
            "y_high": NAN if index % 3 else y + 0.1,
            "label": name[:12],
        }
        for index, (name, role, x, y) in enumerate(found)
    ]
    return charts.tradeoff_chart(rows, name="tradeoff", x_title="x (%)", y_title="y", description="d")


def seed_spec(this: list[float], clean: list[float]) -> Spec:
    found = [(THIS, str(seed), value) for seed, value in enumerate(this)]
    found += [(CLEAN, str(seed), value) for seed, value in enumerate(clean)]
    rows = rows_of(["series", "seed", "value"], found)
    return charts.seed_chart(rows, name="p-seeds", title="Tavg. WAVE (ratio)", description="d")


def epoch_spec(curves: list[list[float]], top: float | None) -> Spec:
    found = [
        (THIS if index % 2 == 0 else CLEAN, str(index // 2), epoch, value)
        for index, curve in enumerate(curves)
        for epoch, value in enumerate(curve, start=1)
    ]
    rows = rows_of(["series", "seed", "epoch", "value"], found)
    return charts.epoch_chart(rows, name="p-curves", title="clean test accuracy (%)", description="d", top=top)


def sal_spec(layers: list[str], values: list[list[float]], top: float) -> Spec:
    found = [
        (epoch, layer, value, (index + epoch) % 3 / 2)
        for epoch, column in enumerate(values, start=1)
        for index, (layer, value) in enumerate(zip(layers, column, strict=False))
    ]
    rows = rows_of(["epoch", "layer", "sal", "learnable"], found)
    return charts.sal_chart(rows, name="p-sal", top=top, description="d")


def forgetting_spec(found: list[tuple[str, str, float, float, float | None]]) -> Spec:
    rows: list[Row] = [
        {
            "name": name,
            "slug": f"s{index}",
            "role": role,
            "x": x,
            "y": y,
            "x_low": NAN if half is None else x - half,
            "x_high": NAN if half is None else x + half,
            "y_low": NAN if half is None else max(y - half / 10, 0),
            "y_high": NAN if half is None else y + half / 10,
            "cost": [*COST_STEPS.values(), NO_COST][(index + len(found)) % 4],
            "text": "",
            "label": name[:12],
        }
        for index, (name, role, x, y, half) in enumerate(found)
    ]
    return unlearning_charts.forgetting_chart(
        rows, name="tradeoff", tolerance=1.0, x_title="points", y_title="distance", description="d"
    )


def roc_spec(series: list[str], rates: list[float]) -> Spec:
    found: list[Any] = [
        (name, rate, max(rate, 0.002), rate / 2 if name == OWN else None, min(1.0, 2 * rate) if name == OWN else None)
        for name in series
        for rate in [*rates, 1.0]
    ]
    rows = rows_of(["series", "fpr", "tpr", "low", "high"], found)
    return unlearning_charts.roc_chart(rows, name="p-roc", description="d")


def history_spec(found: list[tuple[str, str, float, float | None]], title: str = "Clean test accuracy (%)") -> Spec:
    rows: list[Row] = [
        {
            "when": when,
            "tier": tier,
            "value": value,
            "low": NAN if half is None else value - half,
            "high": NAN if half is None else value + half,
        }
        for when, tier, value, half in found
    ]
    return history_chart(rows, name="p-history", title=title, description="d")


def score_spec(densities: list[float], *, original: bool) -> Spec:
    edges = [-3.5 + 0.5 * index for index in range(len(densities) + 1)]
    bars = rows_of(["left", "right", "density", "count"], zip(edges, edges[1:], densities, range(99), strict=False))
    found = [(IDEAL, edge, 0.1) for edge in edges]
    if original:
        found += [(ORIGINAL, end, 0.2) for left, right in itertools.pairwise(edges) for end in (left, right)]
    lines = rows_of(["series", "score", "density"], found)
    return unlearning_charts.score_chart(bars, lines, name="p-scores", description="d")


CASES: dict[str, Callable[[], Spec]] = {
    "intervals": lambda: interval_spec(
        [("Fog", ENTRY, 10.0, 1.5), ("AVATAR To. (Ty)", CONTROL, 96.0, None), ("W" * 60, REFERENCE, 97.5, 2.0)]
    ),
    "one interval": lambda: interval_spec([("Fog", ENTRY, 10.0, None)]),
    "equal intervals": lambda: interval_spec([("a", ENTRY, 50.0, 0.0), ("b", ENTRY, 50.0, 0.0)]),
    "hostile intervals": lambda: interval_spec(
        [("</text><script>alert(1)</script>", ENTRY, 5.0, 1.0), ("&amp;", ENTRY, 6.0, 1)]
    ),
    "tradeoff": lambda: tradeoff_spec(
        [("Fog", ENTRY, 10.0, 0.2), ("<b>", REFERENCE, 96.0, 3.35), ("none", CONTROL, 97.0, 1.0)]
    ),
    "one point": lambda: tradeoff_spec([("Fog", ENTRY, 0.0, 0.0)]),
    "points at the edge": lambda: tradeoff_spec(
        [("Fog", ENTRY, 100.0, 1.0), ("Sleet", ENTRY, 0.0, 0.0), ("x", ENTRY, 100, 0)]
    ),
    "seeds": lambda: seed_spec([10.0, 12.5, 9.0], [96.0, 97.0, 95.5]),
    "one seed": lambda: seed_spec([0.75], []),
    "eleven seeds": lambda: seed_spec([0.1 * index for index in range(11)], [1.0] * 11),
    "curves": lambda: epoch_spec([[10, 50, 100.0], [20, 60, 100.0], [0, 0, 0.0]], 100),
    "curves of any height": lambda: epoch_spec([[1.0, 5, 3, 20], [9.0, 8, 8, 7]], None),
    "map": lambda: sal_spec(["conv1.weight", "W" * 40, "fc"], [[0.0, 0.5, 1.0], [0.2, 0.3, 0.9]], 1.0),
    "wide map": lambda: sal_spec(["a", "b"], [[0.001 * epoch, 0.002] for epoch in range(40)], 0.04),
    "forgetting": lambda: forgetting_spec(
        [("GA", LOSING, -40.0, 0.9, 3.0), ("Fine-tuning", ENTRY, 0.5, 0.4, 1.0), ("retrain", REFERENCE, 0.0, 0.0, None)]
    ),
    "roc": lambda: roc_spec([OWN, RETRAINED, ORIGINAL, IDEAL], [0.001, 0.01, 0.1, 0.5]),
    "roc of two": lambda: roc_spec([OWN, IDEAL], [0.001]),
    "history": lambda: history_spec(
        [("2026-01-05 10:00", FULL, 10.0, 1.0), ("2026-02-11 11:11", QUICK, 12.0, None), ("2026-03-05", FULL, 14, 2)]
    ),
    "history of one time": lambda: history_spec(
        [("2026-01-05 10:00", FULL, -0.5, 0.1), ("2026-01-05 10:00", FULL, 1, 0)]
    ),
    "long history": lambda: history_spec([(f"2026-01-{day:02d}", QUICK, 0.1 * day, 0.2) for day in range(1, 32)], "x"),
    "scores": lambda: score_spec([0.01, 0.0, 0.2, 0.39, 0.2, 0.1], original=True),
    "scores alone": lambda: score_spec([1.0, 0.0, 0.5], original=False),
}
SPECS = {name: case() for name, case in CASES.items()}


def oracle(spec: Spec) -> Drawing:
    return read_drawing(Painter().svg(spec))


@pytest.mark.parametrize("name", SPECS)
def test_every_kind_of_chart_is_painted_as_the_library_draws_it(name: str) -> None:
    assert differences(read_drawing(paint(SPECS[name])), oracle(SPECS[name])) == []


@SLOW
@given(st.lists(st.tuples(names, roles, percents, st.none() | st.floats(0, 20)), min_size=1, max_size=8))
def test_intervals_are_painted_as_the_library_draws_them(found: list[tuple[str, str, float, float | None]]) -> None:
    check(interval_spec(found))


@SLOW
@given(st.lists(st.tuples(names, roles, whole_percents, distances), min_size=1, max_size=8))
def test_tradeoffs_are_painted_as_the_library_draws_them(found: list[tuple[str, str, float, float]]) -> None:
    check(tradeoff_spec(found))


@SLOW
@given(st.lists(percents, min_size=1, max_size=9), st.lists(percents, max_size=9))
def test_seeds_are_painted_as_the_library_draws_them(this: list[float], clean: list[float]) -> None:
    check(seed_spec(this, clean))


@SLOW
@given(
    st.lists(st.lists(percents, min_size=2, max_size=9), min_size=1, max_size=5), st.none() | st.sampled_from([100, 7])
)
def test_curves_are_painted_as_the_library_draws_them(curves: list[list[float]], top: float | None) -> None:
    check(epoch_spec(curves, top))


@SLOW
@given(
    st.lists(names, min_size=1, max_size=9, unique_by=str.strip),
    st.lists(st.lists(st.floats(0, 1), min_size=9, max_size=9), min_size=1, max_size=30),
    st.floats(1, 2000),
)
def test_maps_are_painted_as_the_library_draws_them(layers: list[str], shares: list[list[float]], top: float) -> None:
    check(sal_spec(layers, [[round(share * top, 6) for share in column] for column in shares], top))


@SLOW
@given(
    st.lists(
        st.tuples(
            names,
            st.sampled_from([ENTRY, LOSING, REFERENCE]),
            st.floats(-90, 9),
            st.floats(0, 9),
            st.none() | st.floats(0, 9),
        ),
        min_size=1,
        max_size=8,
    )
)
def test_forgetting_is_painted_as_the_library_draws_it(
    found: list[tuple[str, str, float, float, float | None]],
) -> None:
    check(forgetting_spec(found))


@SLOW
@given(
    st.sampled_from([[OWN, IDEAL], [OWN, RETRAINED, IDEAL], [OWN, ORIGINAL, RETRAINED, IDEAL]]),
    st.lists(st.floats(0.001, 1), min_size=1, max_size=30, unique=True),
)
def test_roc_curves_are_painted_as_the_library_draws_them(series: list[str], rates: list[float]) -> None:
    check(roc_spec(series, rates))


@SLOW
@given(
    st.lists(
        st.tuples(names, st.sampled_from([FULL, QUICK]), st.floats(-9, 99), st.none() | st.floats(0, 9)),
        min_size=1,
        max_size=8,
    )
)
def test_histories_are_painted_as_the_library_draws_them(found: list[tuple[str, str, float, float | None]]) -> None:
    check(history_spec(found))


@SLOW
@given(st.lists(st.floats(0, 3).map(lambda value: round(value, 6)), min_size=3, max_size=40), st.booleans())
@example([0.0, 1.0, 1e-05], False)  # a bar of a 400th of a pixel, which is painted flat
def test_scores_are_painted_as_the_library_draws_them(densities: list[float], original: bool) -> None:
    check(score_spec(densities, original=original))


def check(spec: Spec) -> None:
    """Compare with the library what is painted; what is refused is drawn by the library and needs no comparison."""
    try:
        painted = paint(spec)
    except OutsideSubset:
        return
    assert differences(read_drawing(painted), oracle(spec)) == []


def changed(name: str, *path: str | int, value: object) -> Spec:
    """Return a copy of a specification with one part replaced."""
    spec: Any = copy.deepcopy(SPECS[name])
    part = spec
    for step in path[:-1]:
        part = part[step]
    part[path[-1]] = value
    return dict(spec)


OUTSIDE = {
    "mark": changed("curves", "layer", 0, "mark", "type", value="trail"),
    "curve": changed("curves", "layer", 0, "mark", "interpolate", value="monotone"),
    "scale": changed("curves", "layer", 0, "encoding", "y", "scale", value={"type": "pow"}),
    "number format": changed("roc", "layer", 1, "encoding", "x", "axis", "format", value="s"),
    "filter": changed("intervals", "layer", 0, "transform", 0, "filter", value="datum.low < 3"),
    "theme": changed("seeds", "config", "background", value="white"),
    "facet": changed("seeds", "facet", value={"field": "seed"}),
    "legend": changed("seeds", "layer", 1, "encoding", "color", "legend", "symbolStrokeWidth", value=3),
    "legend title": changed("seeds", "layer", 1, "encoding", "color", "legend", "title", value=["two", "lines"]),
    "angle": changed("history", "layer", 0, "encoding", "x", "axis", "labelAngle", value=-60),
    "angle of numbers": changed("seeds", "layer", 0, "encoding", "x", "axis", value={"labelAngle": -30}),
    "missing number": changed("seeds", "datasets", value={SPECS["seeds"]["data"]["name"]: [{"series": THIS}]}),
    "letters": interval_spec([("\u4f60\u597d", ENTRY, 10.0, None), ("\u05d0\u05d1", ENTRY, 20.0, 1.0)]),
    "no data": changed("seeds", "data", value={"name": "other"}),
}


@pytest.mark.parametrize("name", OUTSIDE)
def test_what_is_not_known_is_refused_and_never_painted_wrong(name: str) -> None:
    with pytest.raises(OutsideSubset):
        paint(OUTSIDE[name])


def test_the_library_draws_what_is_refused() -> None:
    assert "\u4f60\u597d" in Painter().draw(OUTSIDE["letters"])


@pytest.mark.parametrize("name", SPECS)
def test_drawings_have_no_style_no_script_and_no_names_inside(name: str) -> None:
    svg = paint(SPECS[name])
    ElementTree.fromstring(svg)
    assert not re.search(r"\sstyle=|<script|\srole=|\saria-|<style|\son\w+=", svg)
    assert svg == paint(copy.deepcopy(SPECS[name]))


def test_ids_of_two_charts_of_a_page_differ_even_if_they_look_the_same() -> None:
    ids = [set(re.findall(r' id="([^"]+)"', paint(changed("map", "name", value=name)))) for name in ("one", "two")]
    assert all(len(found) == 1 for found in ids)
    assert not ids[0] & ids[1]


def test_a_text_is_as_wide_as_the_font_says() -> None:
    # In units of 1/2048: A and V are 1366 each, and stand 152 closer together.
    assert width("AV", 2048) == 2 * 1366 - 152
    assert width("", 13) == 0
    assert fitted("iiiiii", 2048, 0) == ("iiiiii", 6 * 455)
    # Room is left for the ellipsis of 2048: of six letters three are narrower than the rest of 1405.
    assert fitted("iiiiiiiiiiii", 2048, 3453) == ("iii\u2026", 3453)


@given(st.floats(-1e6, 1e6))
@example(-0.001)
@example(0.125)
@example(12.3)
def test_a_coordinate_is_the_shortest_text_of_its_hundredths(value: float) -> None:
    short = round(value, 2)
    assert brief(value) == (str(int(short)) if short == int(short) else repr(short))
