"""Comparison reports: a comparison as text, as Markdown, and as canonical JSON. docs/compare.md describes the JSON.

Imports comparisons and wording; never torch.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from bench.leaderboard.comparison import Cells, Comparison, Contestant, Difference, Line, condition_text
from bench.leaderboard.limits import too_few_words
from bench.leaderboard.paired import LEVEL, MOST_FLIPPED, least_seeds, smallest_exact_p
from bench.leaderboard.wording import number, seeds_words
from bench.metrics.catalog import Metric
from bench.records import canonical_bytes

Table = Callable[[Sequence[str], Sequence[Sequence[str]]], Iterable[str]]

SCHEMA = "bench.comparison/1"
HEADER = ("condition", "metric", "entry", "first", "entry's", "difference", "95 % interval", "p", "exact p", "verdict")
EXPLANATION = (
    "Each difference is the entry minus the first one, over the seeds that both have. A verdict needs p and exact p of "
    f"at most {LEVEL:g}, each line by itself: of twenty lines without any difference, one may be called."
)


def text_report(comparisons: Sequence[Comparison]) -> str:
    """Return comparisons for a terminal: aligned columns, one block a protocol."""
    return "\n\n".join("\n".join(_blocks(item, _aligned, str, heading="", bullet="  ")) for item in comparisons) + "\n"


def markdown_report(comparisons: Sequence[Comparison]) -> str:
    """Return comparisons as Markdown."""
    blocks = (_blocks(item, _piped, _unmarked, heading="## ", bullet="- ") for item in comparisons)
    return "\n\n".join("\n".join(lines) for lines in blocks) + "\n"


def json_report(comparisons: Sequence[Comparison]) -> bytes:
    """Return comparisons as canonical JSON (RFC 8785) and a newline; numbers have nine significant digits."""
    document = {
        "schema": SCHEMA,
        "comparisons": [comparison_record(item) for item in comparisons],
        "regressions": [list(item) for item in regressions(comparisons)],
    }
    return canonical_bytes(document) + b"\n"


def regressions(comparisons: Sequence[Comparison]) -> list[tuple[str, str]]:
    """Return protocol and label of every entry that is significantly worse than the first in the primary metric."""
    return [
        (item.protocol.id, item.contestants[found.entry].label)
        for item in comparisons
        if item.deciding is not None
        for found in item.deciding.differences
        if found.verdict == "worse"
    ]


def comparison_record(comparison: Comparison) -> dict[str, Any]:
    """Return a comparison as a JSON value."""
    condition, metric = comparison.primary
    return {
        "protocol": comparison.protocol.id,
        "track": comparison.protocol.track,
        "primary": {"condition": condition, "metric": metric},
        "board": {
            "ranked": len(comparison.board.ranks),
            "pairs": comparison.board.pairs,
            "level": _figure(comparison.board.level),
        },
        "entries": [
            {"label": item.label, "name": item.name, "role": item.role, "rank": item.rank, "result": item.result.id}
            for item in comparison.contestants
        ],
        "lines": [_line_record(comparison, line) for line in comparison.lines],
        "cells": [_cells_record(comparison, cells) for cells in comparison.cells],
        "notes": list(comparison.notes),
    }


def verdict_words(line: Line, found: Difference) -> str:
    """Return a verdict in words, with what decides it or what is lacking."""
    if found.verdict != "cannot tell":
        return found.verdict
    seeds = len(found.paired.seeds)
    if seeds < least_seeds():
        return too_few_words(seeds)
    if seeds > MOST_FLIPPED:
        return f"cannot tell: the exact test takes at most {MOST_FLIPPED} seeds"
    limit = difference_text(line.metric, found.detectable or 0.0, sign=False)
    return f"cannot tell: differences below about {limit} cannot be seen with {seeds_words(seeds)}"


def board_words(comparison: Comparison, found: Difference) -> str:
    """Say how the board, which corrects for all its pairs, sees a pair; empty where it does not rank both."""
    first, other = comparison.contestants[0], comparison.contestants[found.entry]
    stands = comparison.board.between(first.label, other.label)
    if stands == "not ranked":
        return ""
    if stands == "apart by rule":
        return f"The board puts {other.label} and {first.label} into different groups, by its rule on test accuracy."
    corrected = f"corrected for the {_count(comparison.board.pairs, 'pair')} of the board"
    told = "is apart from" if stands == "apart" else "ties with"
    return f"On the board {other.label} {told} {first.label}, {corrected}."


def cells_words(comparison: Comparison, cells: Cells) -> str:
    """Return wins and losses of an entry in a sentence."""
    first, other = comparison.contestants[0], comparison.contestants[cells.entry]
    tested = sum(p is not None for _, p in cells.adjusted)
    conditions = _count(len(cells.adjusted), "condition")
    holm = f", after Holm's correction over the {tested} that have seeds enough for a test" if tested else ""
    return (
        f"{other.label} against {first.label} in {cells.metric.short}, {conditions}: better in {cells.wins}, "
        f"worse in {cells.losses}, open in {cells.open}{holm}. By means alone: ahead in {cells.ahead}, "
        f"behind in {cells.behind}."
    )


def difference_text(metric: Metric, value: float, *, sign: bool = True) -> str:
    """Return a difference with its sign and unit: `-2.5 points`; shares differ by percentage points."""
    text = number(metric, value)
    plus = "+" if sign and value > 0 and float(text) > 0 else ""
    return plus + text + (" points" if metric.unit in ("fraction", "points") else "")


def p_text(value: float | None) -> str:
    """Return a p-value with two significant digits; a dash where there is none."""
    if value is None:
        return "-"
    return f"{value:.2g}" if value >= 0.0001 else "<0.0001"


def entry_words(item: Contestant) -> str:
    """Return who an entry is: label, name, and rank or role."""
    place = f"rank {item.rank}" if item.rank else {"entry": "not ranked"}.get(item.role, item.role)
    return f"{item.label}: {item.name} ({place})"


def _blocks(
    comparison: Comparison, table: Table, safe: Callable[[str], str], *, heading: str, bullet: str
) -> Iterable[str]:
    yield f"{heading}{comparison.protocol.id}: {comparison.protocol.title}"
    yield ""
    yield from (f"{bullet}{safe(entry_words(item))}" for item in comparison.contestants)
    yield ""
    yield EXPLANATION
    yield ""
    yield from table(HEADER, [_row(comparison, line, found) for line in comparison.lines for found in line.differences])
    yield ""
    few = sorted({len(found.paired.seeds) for line in comparison.lines for found in line.differences})
    yield from (f"{bullet}{too_few_words(seeds)}" for seeds in few if seeds < least_seeds())
    yield from (f"{bullet}{cells_words(comparison, cells)}" for cells in comparison.cells)
    if comparison.deciding is not None:
        told = (board_words(comparison, found) for found in comparison.deciding.differences)
        yield from (f"{bullet}{sentence}" for sentence in told if sentence)
    yield from (f"{bullet}{note}" for note in comparison.notes)


def _row(comparison: Comparison, line: Line, found: Difference) -> tuple[str, ...]:
    metric, paired = line.metric, found.paired
    means = [_maybe(metric, value) for value in (paired.mean_first, paired.mean_second)]
    interval = "-"
    if paired.low is not None and paired.high is not None:
        interval = f"{number(metric, paired.low)} to {number(metric, paired.high)}"
    difference = "-" if paired.difference is None else difference_text(metric, paired.difference)
    return (
        condition_text(comparison.protocol, line.condition),
        metric.short,
        comparison.contestants[found.entry].label,
        *means,
        difference,
        interval,
        p_text(paired.p),
        p_text(paired.exact_p),
        _short_verdict(line, found),
    )


def _short_verdict(line: Line, found: Difference) -> str:
    """Return a verdict for a table below which `too_few_words` stands."""
    seeds = len(found.paired.seeds)
    few = found.verdict == "cannot tell" and seeds < least_seeds()
    return f"cannot separate, {seeds_words(seeds)}" if few else verdict_words(line, found)


def _maybe(metric: Metric, value: float | None) -> str:
    return "-" if value is None else number(metric, value) + ("\u202f%" if metric.unit == "fraction" else "")


def _line_record(comparison: Comparison, line: Line) -> dict[str, Any]:
    return {
        "condition": line.condition,
        "metric": line.metric.key,
        "unit": line.metric.unit,
        "direction": line.metric.direction,
        "differences": [
            {
                "entry": _label(comparison, found),
                "seeds": list(found.paired.seeds),
                "mean_first": _figure(found.paired.mean_first),
                "mean_entry": _figure(found.paired.mean_second),
                "difference": _figure(found.paired.difference),
                "low": _figure(found.paired.low),
                "high": _figure(found.paired.high),
                "p": _figure(found.paired.p),
                "exact_p": _figure(found.paired.exact_p),
                "smallest_exact_p": smallest_exact_p(len(found.paired.seeds)),
                "detectable": _figure(found.detectable),
                "verdict": found.verdict,
                "board": comparison.board.between(comparison.contestants[0].label, _label(comparison, found))
                if (line.condition, line.metric.key) == comparison.primary
                else None,
                "words": verdict_words(line, found),
            }
            for found in line.differences
        ],
    }


def _cells_record(comparison: Comparison, cells: Cells) -> dict[str, Any]:
    return {
        "entry": comparison.contestants[cells.entry].label,
        "metric": cells.metric.key,
        "wins": cells.wins,
        "losses": cells.losses,
        "open": cells.open,
        "ahead": cells.ahead,
        "behind": cells.behind,
        "conditions": [{"condition": label, "adjusted_p": _figure(p)} for label, p in cells.adjusted],
    }


def _label(comparison: Comparison, found: Difference) -> str:
    return comparison.contestants[found.entry].label


def _figure(value: float | None) -> float | None:
    return None if value is None else float(f"{value:.9g}")


def _count(amount: int, word: str) -> str:
    return f"{amount} {word}{'s' * (amount != 1)}"


def _unmarked(text: str) -> str:
    """Return a manifest's text so that Markdown shows it as it is; control characters are not let into manifests."""
    return re.sub(r"([\\`*_<>\[\]|])", r"\\\1", text)


def _aligned(header: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterable[str]:
    table = [header, *rows]
    widths = [max(len(row[column]) for row in table) for column in range(len(header))]
    for row in table:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()


def _piped(header: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterable[str]:
    yield f"| {' | '.join(header)} |"
    yield f"|{'---|' * len(header)}"
    for row in rows:
        yield f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |"
