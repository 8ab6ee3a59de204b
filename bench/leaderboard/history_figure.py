"""Figure of a submission's score over time, where a board has shown more than one result of it.

Imports altair, pandas through the charts; never torch.
"""

import altair as alt
import pandas as pd

from bench.leaderboard.charts import Spec, finish, inline_data
from bench.leaderboard.exports.table import board_metric, score_of
from bench.leaderboard.figures import DataTable, Figure
from bench.leaderboard.history import AnyEntry, timeline_of
from bench.leaderboard.wording import TIER_WORDS, scale, show, time_words, unit_words
from bench.unlearning_protocol import AnyProtocol

COLUMNS = ("when", "tier", "value", "low", "high")


def history_figures(entry: AnyEntry, protocol: AnyProtocol) -> tuple[Figure, ...]:
    """Draw the scores of a submission on a board over time; nothing where it has fewer than two.

    Results without a recorded run have no time and are left out.
    """
    if len([item for item in entry.results if item.result.subject.protocol.id == protocol.id]) < 2:
        return ()
    metric = board_metric(protocol)
    found = [(moment, stored) for moment, stored in timeline_of(entry, protocol) if moment]
    rows, lines = [], []
    for moment, stored in found:
        score = score_of(stored, protocol)
        shown = show(metric, score)
        tier = TIER_WORDS[stored.result.subject.tier]
        lines.append((time_words(moment), stored.result.name, tier, shown.text, shown.interval))
        if score is not None and score.mean is not None:
            low, high = shown.bounds or (float("nan"), float("nan"))
            values = [round(value * scale(metric), 4) for value in (score.mean, low, high)]
            rows.append((time_words(moment), tier, *values))
    if len(rows) < 2:
        return ()
    title = f"{metric.label} ({unit_words(metric)})"
    caption = "Each mark is a result that the board showed from then on, with its 95\u202f% interval."
    name = f"{protocol.id}-history"
    spec = history_chart(
        pd.DataFrame(rows, columns=list(COLUMNS)), name=name, title=title, description=f"{title} over time. {caption}"
    )
    table = DataTable(
        f"Results that the board of {protocol.id} has shown",
        ("since (UTC)", "result", "tier", metric.label, "95\u202f% interval"),
        tuple(lines),
    )
    return (Figure(name, "Score over time", caption, spec, table),)


def history_chart(rows: pd.DataFrame, *, name: str, title: str, description: str) -> Spec:
    """Draw a score with its interval for each time that it changed, in their order.

    rows: columns `when` (text, in order), `tier`, `value`, `low`, `high` (NaN without interval), in the unit shown.
    """
    # Times are names here and not places on an axis, which would depend on the time zone of the build.
    x = alt.X("when:N", title="shown since (UTC)", sort=None, axis=alt.Axis(labelAngle=-30))
    base = alt.Chart().encode(x=x)
    y = alt.Y("value:Q", title=title, scale=alt.Scale(zero=True, nice=True))
    bars = (
        base.transform_filter("isValid(datum.low)")
        .mark_rule(strokeWidth=2, color="var(--c1)", aria=False)
        .encode(y=alt.Y("low:Q", title=title), y2="high:Q")
        .properties(name=f"{name}_intervals")
    )
    dots = (
        base.mark_point(filled=True, size=80, opacity=1, aria=False)
        .encode(
            y=y,
            color=alt.Color(
                "tier:N",
                scale=alt.Scale(domain=list(TIER_WORDS.values()), range=["var(--c1)", "var(--c2)"]),
                legend=alt.Legend(title="tier"),
            ),
            shape=alt.Shape(
                "tier:N",
                scale=alt.Scale(domain=list(TIER_WORDS.values()), range=["circle", "diamond"]),
                legend=alt.Legend(title="tier"),
            ),
            tooltip=["when:N", "tier:N", alt.Tooltip("value:Q", title=title)],
        )
        .properties(name=f"{name}_means")
    )
    chart = alt.layer(bars, dots, data=inline_data(rows))
    return finish(chart, name=name, description=description, width=max(120, 70 * len(rows)), height=200)
