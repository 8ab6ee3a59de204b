"""Reported numbers as pages: the page of all published tables, and the block of them on a board.

Imports the records; never torch.
"""

from collections.abc import Iterable, Sequence

from bench.leaderboard.contexts import PublishedCell, PublishedTable, ReportedBlock, ReportedContext
from bench.leaderboard.reported import Column, ReportedFigure, ReportedTable, figures_of, load_reported, undefended
from bench.leaderboard.sources import Sources
from bench.leaderboard.wording import (
    DATASET_WORDS,
    DEFENSE_WORDS,
    MARK_WORDS,
    METRIC_WORDS,
    MINUS,
    MODEL_WORDS,
    NOT_REPORTED,
    method_words,
)
from bench.protocol import Protocol

PATH = "reported/index.html"
KEY_WORDS = {"dataset": "Data set", "method": "Method", "model": "Network", "defense": "Defense"}

MARK_MEANINGS = {
    "lost": "The figure could not be read from the publication; what it probably was is said below.",
    "inferred": "Part of the figure could not be read and was filled in.",
    "other denominator": "Divided by the clean value of another network than its own.",
    "no defense": "The transformation changes nothing, so the column repeats training without a defense.",
}


def reported_contexts(sources: Sources) -> list[ReportedContext]:
    """Gather the page of all published tables."""
    return [
        ReportedContext(
            path=PATH,
            title="Reported numbers",
            description="What publications report on unlearnable examples, each with its protocol. Never ranked.",
            section="reported",
            tables=tuple(_table(table) for table in load_reported()),
            marks=tuple(MARK_MEANINGS.items()),
            boards=tuple((protocol.id, protocol.title) for protocol in sources.protocols.values()),
        )
    ]


def reported_block(protocol: Protocol) -> ReportedBlock | None:
    """Gather what was reported on a protocol's data set without a defense; None where nothing was."""
    figures = undefended(protocol.dataset.name)
    if not figures:
        return None
    columns = list(dict.fromkeys((figure.tag, figure.metric) for figure in figures))
    # A later table of a source repeats figures of an earlier one; the first stands.
    cells = {(figure.method, figure.tag, figure.metric): figure for figure in reversed(figures)}
    methods = sorted({figure.method for figure in figures}, key=lambda method: (method != "clean", method))
    return ReportedBlock(
        dataset=DATASET_WORDS.get(protocol.dataset.name, protocol.dataset.name),
        columns=tuple(f"{tag}: {METRIC_WORDS[metric]}" for tag, metric in columns),
        rows=tuple(
            (method_words(method), tuple(_cell(cells.get((method, *column))) for column in columns))
            for method in methods
        ),
        sources=tuple(_sources(figures)),
    )


def _sources(figures: Iterable[ReportedFigure]) -> list[tuple[str, str]]:
    """Return tag and source, the first of each tag."""
    first = {figure.tag: figure.source for figure in reversed(list(figures))}
    return [(tag, first[tag]) for tag in dict.fromkeys(figure.tag for figure in figures)]


def _table(table: ReportedTable) -> PublishedTable:
    count = len(table.keys)
    return PublishedTable(
        id=table.id,
        tag=table.tag,
        title=table.title,
        source=table.source,
        href=table.href,
        setting=table.setting,
        keys=tuple(KEY_WORDS[key] for key in table.keys),
        columns=tuple(_header(table, column) for column in table.columns),
        rows=tuple(
            (_words(table.keys, row[:count]), tuple(_cell(figure) for figure in figures))
            for row, figures in zip(table.rows, figures_of(table), strict=True)
        ),
        doubts=tuple(_doubts(table)),
        notes=table.notes,
    )


def _cell(figure: ReportedFigure | None) -> PublishedCell:
    """Word a figure; the mark of a whole column stands at its head instead."""
    if figure is None:
        return PublishedCell(NOT_REPORTED, "", stated=False)
    mark = MARK_WORDS[figure.mark] if figure.mark and figure.mark != "no-defense" else ""
    if not figure.text:
        return PublishedCell(mark or NOT_REPORTED, "", stated=False)
    return PublishedCell(figure.text.replace("-", MINUS), mark, stated=True)


def _header(table: ReportedTable, column: Column) -> tuple[str, str]:
    """Return what a column is about and the mark of the whole column, empty where it has none."""
    keys = ("dataset", "method", "model", "defense")
    own = _words(keys, tuple(getattr(column, key) for key in keys))
    metrics = {item.metric for item in table.columns}
    words = [word for word in own if word]
    if len(metrics) > 1 or not words:
        words.append(METRIC_WORDS[column.metric])
    mark = next((mark.mark for mark in table.marks if mark.column == column.key and not mark.row), "")
    return ", ".join(words), MARK_WORDS[mark] if mark else ""


def _doubts(table: ReportedTable) -> Iterable[tuple[str, str]]:
    """Yield each marked place of a table and what is known about it."""
    columns = {column.key: _header(table, column)[0] for column in table.columns}
    for mark in table.marks:
        yield ", ".join([*_words(table.keys, mark.row), columns[mark.column]]), mark.note


def _words(keys: Sequence[str], values: Sequence[str]) -> tuple[str, ...]:
    """Return values of dimensions in words; fewer values than keys are allowed."""
    known = {"dataset": DATASET_WORDS, "model": MODEL_WORDS, "defense": DEFENSE_WORDS}
    return tuple(
        (method_words(value) if value else "") if key == "method" else known[key].get(value, value)
        for key, value in zip(keys, values, strict=False)
    )
