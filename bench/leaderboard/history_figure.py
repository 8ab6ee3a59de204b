"""Figure of a submission's score over time, where a board has shown more than one result of it.

Imports what fills designs of charts; never torch.
"""

from collections.abc import Sequence

from bench.leaderboard.charting import Row, Spec, filled, plain
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
    if len(entry.results_of(protocol)) < 2:
        return ()
    metric = board_metric(protocol)
    found = [(moment, stored) for moment, stored in timeline_of(entry, protocol) if moment]
    rows, lines = [], []
    for moment, stored in found:
        score = score_of(stored, protocol)
        shown = show(metric, score)
        tier = TIER_WORDS[stored.head.tier]
        lines.append((time_words(moment), stored.head.name, tier, shown.text, shown.interval))
        if score is not None and score.mean is not None:
            low, high = shown.bounds or (float("nan"), float("nan"))
            values = [round(value * scale(metric), 4) for value in (score.mean, low, high)]
            rows.append((time_words(moment), tier, *values))
    if len(rows) < 2:
        return ()
    title = f"{metric.label} ({unit_words(metric)})"
    caption = "Each mark is a result that the board showed from then on, with its 95\u202f% interval."
    name = f"{protocol.id}-history"
    marks = [dict(zip(COLUMNS, row, strict=True)) for row in rows]
    spec = history_chart(marks, name=name, title=title, description=f"{title} over time. {caption}")
    table = DataTable(
        f"Results that the board of {protocol.id} has shown",
        ("since (UTC)", "result", "tier", metric.label, "95\u202f% interval"),
        tuple(lines),
    )
    return (Figure(name, "Score over time", caption, spec, table),)


def history_chart(rows: Sequence[Row], *, name: str, title: str, description: str) -> Spec:
    """Draw a score with its interval for each time that it changed, in their order.

    rows: `when` (text, in order), `tier`, `value`, `low`, `high` (NaN without interval), in the unit shown.
    """
    size = {"width": max(120, 70 * len(rows)), "height": 200}
    order = list(dict.fromkeys(row["when"] for row in rows))
    parts = {"name": name, "title": title, "description": description, "order": order, **size}
    return filled("history", parts, data=plain(rows))
