"""Charts of a study, from its record, as SVG files that stand alone: own colors, white ground, no page around them.

Imports altair, pandas and bench.leaderboard.drawing; never torch.
"""

import altair as alt
import pandas as pd

from bench.leaderboard.charts import Spec
from bench.leaderboard.drawing import Painter
from bench.studies.record import AnyStudy, LinearShift, MemorizationStudy, PoisonShift, SalStudy

POISONS, RANDOM, UNPOISONED = "poisons", "random clean points", "random points, set without poisons"
GROUPS = {"poisons": POISONS, "random": RANDOM, "unpoisoned": UNPOISONED}
COLORS = ["#b3261e", "#1f5fa8", "#4f7a28"]

PATH_STYLES: list[tuple[str, list[int]]] = [
    ("#b3261e", [1, 0]),
    ("#e07b39", [1, 0]),
    ("#7a3e9d", [7, 5]),
    ("#777777", [2, 4]),
    ("#222222", [1, 0]),
]
"""Color and dashes, by variant of the poisons; lines that lie on each other show between the dashes."""

PUBLISHED = "random, published number"
MATCHED = "random, same shift"

SEARCHES = {
    "plain": "projected steps, 6 at most",
    "gradient": "quasi-Newton from the gradient",
    "converged": "quasi-Newton, trial starts",
    "thorough": "the same, thorough",
    "exhaustive": "8 starts of 200 projected steps",
}
"""Searches of the study of SAL, in the order of their charts."""

DRAWS = {
    "same": "drawn evenly, the same for every seed",
    "even": "drawn evenly, anew each time",
    "loss": "drawn by loss, anew each time",
}
"""How the images of a probe were chosen, in the order of the legend."""

SMALLEST = 1e-6
"""Where a value that is smaller, or zero, lies on a logarithmic axis (nats)."""

_THEME: Spec = {
    "background": "white",
    "font": "sans-serif",
    "padding": 8,
    "view": {"stroke": None},
    "axis": {"labelFontSize": 12, "titleFontSize": 12, "titleFontWeight": "normal", "gridColor": "#e4e4e4"},
    "legend": {"labelFontSize": 12, "labelLimit": 320, "orient": "top", "titleFontSize": 12, "direction": "vertical"},
}


def draw_study(record: AnyStudy) -> dict[str, bytes]:
    """Return every chart of a study by file name, as SVG in UTF-8; the same record gives the same bytes."""
    painter = Painter()
    return {f"{name}.svg": (painter.svg(spec) + "\n").encode() for name, spec in study_specs(record).items()}


def study_specs(record: AnyStudy) -> dict[str, Spec]:
    """Return the Vega-Lite specification of every chart of a study, by name."""
    if isinstance(record, MemorizationStudy):
        return {"memorization-scores": score_chart(record), "memorization-proxies": proxy_chart(record)}
    if isinstance(record, SalStudy):
        return {
            "sal-found": found_chart(record),
            "sal-official": official_chart(record),
            "sal-sizes": size_chart(record),
        }
    study = record.study
    specs = {f"{study}-{item.dataset}-{norm}": removal_chart(item, norm) for item in record.poison_shifts
             for norm in ("l1", "l2")}  # fmt: skip
    return specs | {
        f"{study}-cosines": cosine_chart(record.linear_shift),
        f"{study}-path-cosines": path_chart(record.linear_shift, "cosine", "cosine of the way gone and the way back"),
        f"{study}-path-distances": path_chart(
            record.linear_shift, "distance", "distance to the end, over that at the start"
        ),
    }


def score_chart(study: MemorizationStudy) -> Spec:
    """Draw how many images have which memorization score, relabeled ones above the others."""
    width = 2 / len(study.histogram["others"])
    rows = [
        {"kind": kind, "low": -1 + index * width, "high": -1 + (index + 1) * width, "count": count}
        for kind, counts in study.histogram.items()
        for index, count in enumerate(counts)
    ]
    scale = alt.Scale(domain=["relabeled", "others"], range=COLORS[:2])
    chart = (
        alt.Chart(_data(pd.DataFrame(rows)))
        .mark_bar(opacity=0.6)
        .encode(
            x=alt.X("low:Q", bin="binned", title="memorization score", scale=alt.Scale(domain=[-1, 1])),
            x2="high:Q",
            y=alt.Y("count:Q", title="images", stack=None, scale=alt.Scale(type="symlog")),
            color=alt.Color("kind:N", scale=scale, legend=alt.Legend(title=None)),
        )
    )
    words = "Histogram of memorization scores of relabeled and other images."
    return _finish(chart, name="memorization_scores", description=words, height=240)


def proxy_chart(study: MemorizationStudy) -> Spec:
    """Draw the rank correlation of every proxy with the memorization score."""
    rows = [{"proxy": item.proxy, "spearman": item.spearman} for item in study.agreements]
    chart = (
        alt.Chart(_data(pd.DataFrame(rows)))
        .mark_bar(color=COLORS[1])
        .encode(
            x=alt.X(
                "spearman:Q", title="rank correlation with the memorization score", scale=alt.Scale(domain=[-1, 1])
            ),
            y=alt.Y("proxy:N", title=None, sort="-x", axis=alt.Axis(labelLimit=320)),
        )
    )
    words = "Rank correlation of cheap proxies with the memorization score."
    return _finish(chart, name="memorization_proxies", description=words, height=220)


def found_chart(study: SalStudy) -> Spec:
    """Draw what share of the largest known change every search found, a dot for each layer, run and epoch."""
    rows = found_rows(study)
    chart = (
        alt.Chart(_data(rows))
        .mark_tick(thickness=1.5, size=16, opacity=0.55)
        .encode(
            x=alt.X(
                "share:Q", title="SAL found, as a share of the largest any search found", scale=alt.Scale(domain=[0, 1])
            ),
            y=alt.Y("search:N", title=None, sort=list(SEARCHES.values()), axis=alt.Axis(labelLimit=320)),
            color=alt.Color(
                "epoch:N",
                scale=alt.Scale(domain=list(dict.fromkeys(rows["epoch"])), range=COLORS),
                legend=alt.Legend(title=None),
            ),
        )
    )
    words = "Share of the largest known change of the loss that every search found, by layer."
    return _finish(chart, name="sal_found", description=words, height=40 * rows["search"].nunique())


def found_rows(study: SalStudy) -> pd.DataFrame:
    """Return `search`, `attack`, `epoch` (`epoch 4`), `layer` and `share` of the largest value any search found."""
    rows = [
        {
            "search": SEARCHES[search],
            "attack": run.attack,
            "epoch": f"epoch {run.epoch}",
            "layer": layer,
            "share": share,
        }
        for run in study.probe
        for search, values in run.values.items()
        for layer, share in zip(study.layers, _shares(run.values, values), strict=True)
    ]
    return pd.DataFrame(rows)


def official_chart(study: SalStudy) -> Spec:
    """Draw what the published search found over what the converged one found on the same images, a dot a layer."""
    rows = [
        {"epoch": f"epoch {run.epoch}", "converged": new, "official": max(old, SMALLEST)}
        for run in study.whole
        for new, old in zip(run.values["converged"], run.values["official"], strict=True)
    ]
    frame = pd.DataFrame(rows)
    reach = [SMALLEST, 10 * float(frame[["converged", "official"]].max().max())]
    scale = alt.Scale(type="log", domain=reach, nice=False)
    axis = alt.Axis(format="~g", tickCount=6)
    dots = (
        alt.Chart(_data(frame))
        .mark_point(filled=True, size=26, opacity=0.6)
        .encode(
            x=alt.X("converged:Q", title="SAL by the converged search (nats)", scale=scale, axis=axis),
            y=alt.Y("official:Q", title="SAL by the published search (nats)", scale=scale, axis=axis),
            color=alt.Color(
                "epoch:N",
                scale=alt.Scale(domain=list(dict.fromkeys(frame["epoch"])), range=COLORS),
                legend=alt.Legend(title=None),
            ),
        )
    )
    ends = pd.DataFrame({"converged": reach, "official": reach})
    line = alt.Chart(_data(ends)).mark_line(color="#777777", strokeWidth=1).encode(x="converged:Q", y="official:Q")
    words = f"SAL of every layer by both searches; what the published one found below {SMALLEST:g} is drawn there."
    return _finish(alt.layer(line, dots), name="sal_official", description=words, height=360)


def size_chart(study: SalStudy) -> Spec:
    """Draw how far UD from some images is from UD of all: root mean square over attacks and seeds."""
    whole = study.sizes[-1].distances
    rows = [
        {"images": size.images, "probe": DRAWS[size.drawn], "difference": _distance(size.distances, whole)}
        for size in study.sizes[:-1]
    ]
    frame = pd.DataFrame(rows)
    chart = (
        alt.Chart(_data(frame))
        .mark_line(point=True, strokeWidth=1.8)
        .encode(
            x=alt.X(
                "images:Q",
                title="images of the probe",
                scale=alt.Scale(type="log", nice=False, padding=12),
                axis=alt.Axis(values=sorted(set(frame["images"]))),
            ),
            y=alt.Y("difference:Q", title="UD - UD from all images, root mean square"),
            color=alt.Color(
                "probe:N", scale=alt.Scale(domain=list(DRAWS.values()), range=COLORS), legend=alt.Legend(title=None)
            ),
        )
    )
    words = "Difference of UD from a probe and from all images, by size of the probe."
    return _finish(chart, name="sal_sizes", description=words)


def _distance(found: dict[str, tuple[float, ...]], whole: dict[str, tuple[float, ...]]) -> float:
    squares = [(a - b) ** 2 for name, values in found.items() for a, b in zip(values, whole[name], strict=True)]
    return float((sum(squares) / len(squares)) ** 0.5)


def _shares(searches: dict[str, tuple[float, ...]], values: tuple[float, ...]) -> list[float]:
    best = [max(found) for found in zip(*searches.values(), strict=True)]
    return [value / top if top > 0 else 1.0 for value, top in zip(values, best, strict=True)]


def removal_chart(shift: PoisonShift, norm: str) -> Spec:
    """Draw the shift over the points removed: means as lines, solid retrained and dashed predicted, runs as dots.

    norm: `l1` or `l2`. The axis is logarithmic; what is below 1e-5 of the largest shift is left out, 0 among it.
    """
    rows = removal_rows(shift, norm)
    group = alt.Color(
        "group:N",
        scale=alt.Scale(domain=list(GROUPS.values()), range=COLORS),
        legend=alt.Legend(title=None, symbolType="circle", symbolOpacity=1),
    )
    base = alt.Chart().encode(
        x=alt.X("removed:Q", title=f"points removed, of {shift.poisons}", axis=alt.Axis(grid=False, tickMinStep=1)),
        y=alt.Y(
            "value:Q",
            title=f"{norm.upper()} shift of the optimum",
            scale=alt.Scale(type="log"),
            axis=alt.Axis(format="~g", tickCount=6),
        ),
        color=group,
    )
    dash = alt.StrokeDash(
        "source:N",
        scale=alt.Scale(domain=["retrained", "predicted"], range=[[1, 0], [5, 3]]),
        legend=alt.Legend(title=None, symbolType="stroke"),
    )
    lines = base.transform_filter("!isValid(datum.repetition)").mark_line(strokeWidth=1.8).encode(strokeDash=dash)
    dots = base.transform_filter("isValid(datum.repetition)").mark_point(size=20, opacity=0.5, strokeWidth=1)
    name = f"removal_{shift.dataset}_{norm}"
    chart = alt.layer(
        lines.properties(name=f"{name}_lines"),
        dots.properties(name=f"{name}_dots"),
        data=_data(rows),
    )
    return _finish(chart, name=name, description=f"Shift of the optimum without some points, {shift.dataset}")


def removal_rows(shift: PoisonShift, norm: str) -> pd.DataFrame:
    """Return `group`, `removed`, `source`, `repetition` and `value`; a mean over repetitions has no repetition."""
    found = pd.DataFrame([item.model_dump() for item in shift.removals]).assign(
        group=lambda rows: rows["group"].map(GROUPS)
    )
    parts = []
    for source, column in (("retrained", norm), ("predicted", f"predicted_{norm}")):
        mean = found.groupby(["group", "removed"], sort=False)[column].mean().reset_index(name="value")
        parts.append(mean.assign(source=source, repetition=float("nan")))
    runs = found.assign(value=found[norm], source="retrained")
    rows = pd.concat([*parts, runs], ignore_index=True)[["group", "removed", "source", "repetition", "value"]]
    shown: pd.DataFrame = rows[rows["value"] > 1e-5 * found[norm].max()].reset_index(drop=True)
    return shown


def cosine_chart(shift: LinearShift) -> Spec:
    """Draw the cosine of the first clean step and the way back, a dot for each initialization."""
    rows = cosine_rows(shift)
    order = list(dict.fromkeys(rows["label"]))
    chart = (
        alt.Chart(_data(rows))
        .mark_point(filled=True, size=60, opacity=0.8)
        .encode(
            x=alt.X("cosine:Q", title="cosine of clean step and way back", scale=alt.Scale(domain=[-0.1, 1])),
            y=alt.Y("label:N", title=None, sort=order, axis=alt.Axis(labelLimit=320, grid=True)),
            color=alt.Color(
                "kind:N", scale=alt.Scale(domain=["poisons", "random"], range=COLORS[:2]), legend=alt.Legend(title=None)
            ),
        )
    )
    return _finish(chart, name="cosines", description="Cosine of clean step and way back", height=26 * len(order))


def cosine_rows(shift: LinearShift) -> pd.DataFrame:
    """Return `label`, `kind` and `cosine`, poisons before controls; an undefined cosine has no row."""
    poisons = [
        (_poison_label(run.coordinates, run.begin), "poisons", run.cosine)
        for run in shift.runs
        if run.cosine is not None
    ]
    random = [
        (PUBLISHED if item.wanted is None else MATCHED, "random", item.cosine)
        for item in shift.controls
        if item.matched is not False
    ]
    return pd.DataFrame([*poisons, *random], columns=["label", "kind", "cosine"])


def path_chart(shift: LinearShift, column: str, title: str) -> Spec:
    """Draw the mean over initializations of a value along gradient descent. column: `cosine` or `distance`."""
    rows = path_rows(shift, column)
    # Every label has its color and dash in every chart, whether it has rows there or not.
    labels = [*dict.fromkeys(_poison_label(run.coordinates, run.begin) for run in shift.runs), PUBLISHED]
    styles = [PATH_STYLES[index % len(PATH_STYLES)] for index in range(len(labels) - 1)] + [("#1f5fa8", [2, 3])]
    legend = alt.Legend(title=None, symbolType="stroke", symbolSize=500, symbolStrokeWidth=2)
    chart = (
        alt.Chart(_data(rows))
        .mark_line(strokeWidth=2)
        .encode(
            x=alt.X("step:Q", title="steps of gradient descent", scale=alt.Scale(type="symlog")),
            y=alt.Y("value:Q", title=title),
            color=alt.Color(
                "label:N", scale=alt.Scale(domain=labels, range=[style[0] for style in styles]), legend=legend
            ),
            strokeDash=alt.StrokeDash(
                "label:N", scale=alt.Scale(domain=labels, range=[style[1] for style in styles]), legend=legend
            ),
        )
    )
    return _finish(chart, name=f"path_{column}", description=title)


def path_rows(shift: LinearShift, column: str) -> pd.DataFrame:
    """Return `label`, `step` and the mean `value`; distances are shares of the one at the start."""
    named = [(_poison_label(run.coordinates, run.begin), run.path) for run in shift.runs]
    named += [(PUBLISHED, item.path) for item in shift.controls if item.wanted is None]
    values = []
    for label, path in named:
        for step in path:
            value = step.cosine if column == "cosine" else step.distance / path[0].distance
            values.append((label, step.step, value))
    rows = pd.DataFrame(values, columns=["label", "step", "value"]).dropna()
    return rows.groupby(["label", "step"], sort=False)["value"].mean().reset_index()


def _poison_label(coordinates: str, begin: str) -> str:
    return f"poisons: change in {coordinates} coordinates, {begin} start"


def _data(rows: pd.DataFrame) -> alt.InlineData:
    cells = rows.astype(object).where(rows.notna(), None)
    records = [dict(zip(cells.columns, row, strict=True)) for row in cells.itertuples(index=False, name=None)]
    return alt.InlineData(values=records)


def _finish(
    chart: alt.Chart | alt.LayerChart | alt.FacetChart, *, name: str, description: str, height: int = 260
) -> Spec:
    spec: Spec = chart.properties(name=name, description=description, width=420, height=height).to_dict(validate=False)
    spec["config"] = _THEME
    return spec
