"""Figures of the unlearning track: a chart, its words and its table. One function for each figure.

Imports the charts and plain statistics; never torch.
"""

import math
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from functools import lru_cache

from bench.leaderboard import unlearning_charts as charts
from bench.leaderboard.charting import Row
from bench.leaderboard.charts import ENTRY, REFERENCE
from bench.leaderboard.figures import DataTable, Figure
from bench.leaderboard.pareto import front
from bench.leaderboard.unlearning_charts import (
    COST_STEPS,
    IDEAL,
    LOSING,
    LOWEST_RATE,
    NO_COST,
    ORIGINAL,
    OWN,
    RETRAINED,
)
from bench.leaderboard.unlearning_contexts import UnlearningBoard, UnlearningRow
from bench.leaderboard.unlearning_order import ACCURACY_TOLERANCE, signed
from bench.leaderboard.wording import Shown, short_names
from bench.metrics.gus_statistics import FALSE_POSITIVE_RATES, Networks, Rate, share, threshold

ROC_STEPS = 31
BIN = 0.5
MOST_BINS = 40

Scores = Mapping[str, Networks]
"""Gaussian scores by series and network; every network has some."""


def tradeoff_figure(board: UnlearningBoard) -> list[Figure]:
    """Draw forgetting against utility; nothing where no submission has both."""
    rows = [row for row in (*board.ranked, *board.anchors) if row.worst.measured and row.gap.measured]
    if not rows:
        return []
    names, labels = short_names({row.slug: row.name for row in rows}), _labeled(rows)
    points: list[Row] = [
        {
            "name": row.name[:60],
            "slug": row.slug,
            "role": _role(row),
            "x": round(float(row.gap.sort) * 100, 4),
            "y": round(float(row.worst.sort), 4),
            "x_low": _bound(row.gap, 0, 100),
            "x_high": _bound(row.gap, 1, 100),
            "y_low": _bound(row.worst, 0, 1),
            "y_high": _bound(row.worst, 1, 1),
            "cost": _cost_words(row.cost),
            "text": f"{row.worst.text}, {row.gap.text}",
            "label": names[row.slug][:24] if row.slug in labels else "",
        }
        for row in rows
    ]
    caption = (
        "The lower right corner is the aim: like retraining, without a loss of accuracy. Left of the dashed line more "
        f"than {ACCURACY_TOLERANCE * 100:g} point is lost. Lines: 95\u202f% intervals, cut at the frame. Size: compute "
        "that is reported, as a share of that of training. Named are the references and the methods that no other one "
        f"beats in both; the table {'above' if board.long else 'below the chart'} has all."
    )
    spec = charts.forgetting_chart(
        points,
        name="tradeoff",
        tolerance=ACCURACY_TOLERANCE * 100,
        x_title="accuracy against retraining, worst probe (points)",
        y_title="distance to retraining, worst probe",
        description=f"Distance to retraining against loss of accuracy. {caption}",
    )
    table = DataTable(
        "Distance to retraining and loss of accuracy, each on its worst probe",
        ("method", "distance", "95\u202f% interval", "accuracy against retraining", "95\u202f% interval"),
        tuple((row.name, row.worst.text, row.worst.interval, row.gap.text, row.gap.interval) for row in rows),
    )
    return [Figure("tradeoff", "Forgetting and utility", caption, spec, None if board.long else table)]


def roc_figure(scores: Scores, *, name: str) -> Figure:
    """Draw the ROC curve of "this item was in the training set" from Gaussian scores, all seeds together."""
    rates = [LOWEST_RATE ** (1 - step / (ROC_STEPS - 1)) for step in range(ROC_STEPS - 1)]
    drawn = [series for series in (OWN, RETRAINED, ORIGINAL) if scores.get(series)]
    ordered = {series: [sorted(values) for values in scores[series]] for series in drawn}
    rows = [_rate_row(series, ordered[series], rate) for series in drawn for rate in rates]
    rows += [_rate(series, 1.0, 1.0) for series in drawn]
    rows += [_rate(IDEAL, rate, rate) for rate in (LOWEST_RATE, 1.0)]
    caption = (
        "How many of the forgotten items an observer with the secret noise would recognize, at each rate of false "
        "alarms. On the diagonal the network knows nothing of the noise; above it the noise is left, below it the "
        "network reacts against it. Band: 95\u202f% interval of this submission, the wider one of those over items and "
        "over seeds."
    )
    table = DataTable(
        "True positive rate by false positive rate, with the wider one of its 95\u202f% intervals over items "
        "(Clopper-Pearson) and over seeds (Student's t)",
        ("false positive rate", *drawn),
        tuple(
            (f"{rate:g}", *(_rate_words(ordered[series], rate) for series in drawn)) for rate in FALSE_POSITIVE_RATES
        ),
    )
    spec = charts.roc_chart(rows, name=f"{name}_roc", description=f"ROC curve of Gaussian scores. {caption}")
    return Figure(f"{name}-roc", "Can an observer still tell?", caption, spec, table)


def score_figure(scores: Scores, *, name: str) -> Figure:
    """Draw the histogram of Gaussian scores against N(0, 1) and against the original's."""
    own, original = ([value for values in scores.get(name, ()) for value in values] for name in (OWN, ORIGINAL))
    edges = _edges([*own, *original])
    counts = _counts(own, edges)
    width = edges[1] - edges[0]
    bars: list[Row] = [
        {"left": left, "right": right, "density": round(count / len(own) / width, 6), "count": count}
        for left, right, count in zip(edges[:-1], edges[1:], counts, strict=True)
    ]
    before = _counts(original, edges)
    lines = list(_bell_curve(edges[0], edges[-1]))
    lines += [
        {"series": ORIGINAL, "score": end, "density": round(count / len(original) / width, 6)}
        for count, left, right in zip(before, edges, edges[1:], strict=False)
        for end in (left, right)
        if original
    ]
    caption = (
        "Bars: scores of the items to forget, all seeds together. Where nothing is left they follow the dotted bell "
        "curve; a shift to the right is memory, a shift to the left over-unlearning."
    )
    table = DataTable(
        "Items by score, in percent: this submission, N(0, 1) and the original",
        ("score", "this submission", "N(0, 1)", "original"),
        tuple(
            (
                f"{signed(left, 1)} to {signed(right, 1)}",
                f"{100 * mine / len(own):.1f}",
                f"{100 * (_below(right) - _below(left)):.1f}",
                f"{100 * theirs / len(original):.1f}" if original else "not measured",
            )
            for left, right, mine, theirs in zip(edges, edges[1:], counts, before, strict=False)
        ),
    )
    spec = charts.score_chart(
        bars, lines, name=f"{name}_scores", description=f"Histogram of Gaussian scores. {caption}"
    )
    return Figure(f"{name}-scores", "Scores of the items to forget", caption, spec, table)


def _cost_words(cost: Shown) -> str:
    if not cost.measured:
        return NO_COST
    return next(words for most, words in COST_STEPS.items() if float(cost.sort) <= most)


def _role(row: UnlearningRow) -> str:
    if row.role != "entry":
        return REFERENCE
    return ENTRY if row.keeps else LOSING


def _labeled(rows: Sequence[UnlearningRow]) -> set[str]:
    """Return the slugs of the references and of the entries that no other entry beats in distance and accuracy."""
    entries = [row for row in rows if row.role == "entry"]
    best = front([(float(row.worst.sort), -float(row.gap.sort)) for row in entries])
    return {entries[index].slug for index in best} | {row.slug for row in rows if row.role != "entry"}


def _bound(shown: Shown, index: int, factor: float) -> float:
    return round(shown.bounds[index] * factor, 4) if shown.bounds else float("nan")


def _rate_row(series: str, networks: Networks, rate: float) -> Row:
    if series != OWN:
        above, items = sum(_above(networks, rate)), sum(map(len, networks))
        return _rate(series, round(rate, 6), round(above / items, 6) if above else None)
    found = _rate_at(networks, rate)
    tpr = round(found.value, 6) if found.hits else None
    low, high = max(found.interval.low, LOWEST_RATE), max(found.interval.high, LOWEST_RATE)
    return {**_rate(series, round(rate, 6), tpr), "low": round(low, 6), "high": round(high, 6)}


def _rate_at(networks: Networks, rate: float) -> Rate:
    """Return the share of scores, in ascending order by network, above the threshold of a false positive rate."""
    return _share(tuple(_above(networks, rate)), tuple(map(len, networks)))


@lru_cache(maxsize=4096)
def _share(hits: tuple[int, ...], counts: tuple[int, ...]) -> Rate:
    """Count as `share`: at the ends of the curve that is the same for many rates and submissions."""
    return share(hits, counts)


def _above(networks: Networks, rate: float) -> list[int]:
    """Return how many scores lie above the threshold of a false positive rate, by network."""
    limit = threshold(rate)
    return [len(values) - bisect_right(values, limit) for values in networks]


def _rate(series: str, fpr: float, tpr: float | None) -> Row:
    return {"series": series, "fpr": fpr, "tpr": tpr, "low": None, "high": None}


def _rate_words(networks: Networks, rate: float) -> str:
    found = _rate_at(networks, rate)
    return f"{found.value:.4f} ({found.interval.low:.4f} to {found.interval.high:.4f})"


def _edges(values: Sequence[float]) -> list[float]:
    """Return the edges of bins, multiples of a width that keeps them few, around all values and the bell curve."""
    low, high = min(-3.5, *values), max(3.5, *values)
    width = BIN * max(1, math.ceil((high - low) / BIN / MOST_BINS))
    first, last = math.floor(low / width), math.floor(high / width) + 1
    return [round(width * step, 6) for step in range(first, last + 1)]


def _counts(values: Sequence[float], edges: Sequence[float]) -> list[int]:
    width = edges[1] - edges[0]
    counts = [0] * (len(edges) - 1)
    for value in values:
        counts[min(int((value - edges[0]) / width), len(counts) - 1)] += 1
    return counts


@lru_cache(maxsize=256)
def _bell_curve(first: float, last: float) -> tuple[Row, ...]:
    """Return the points of N(0, 1) between two edges, which many submissions share; to be read only."""
    points = [first + step * (last - first) / 100 for step in range(101)]
    return tuple({"series": IDEAL, "score": round(point, 4), "density": round(_density(point), 6)} for point in points)


def _density(value: float) -> float:
    return math.exp(-(value**2) / 2) / math.sqrt(2 * math.pi)


def _below(value: float) -> float:
    return (1 + math.erf(value / math.sqrt(2))) / 2
