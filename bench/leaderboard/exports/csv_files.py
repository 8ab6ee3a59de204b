"""CSV: the numbers of a board, and all published figures, as tables for spreadsheets and other programs.

Imports the table of a board; never torch.
"""

import csv
import io
from collections.abc import Iterable, Iterator
from dataclasses import astuple, fields
from functools import lru_cache

from bench.leaderboard.exports.table import BoardTable, TableRow
from bench.leaderboard.reported import ReportedFigure, figures_of, load_reported

VALUE_COLUMNS = ("condition", "primary", "metric", "status", "reason", "mean", "low", "high", "n", "over")
ENTRY_COLUMNS = ("protocol", "slug", "role", "tier", "result", "attempt")
PLACE_COLUMNS = ("rank_best", "rank_worst", "ties", "keeps_accuracy", "replication", "name")

FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "'")


def board_csv(table: BoardTable) -> bytes:
    """Return all shown measurements of a board as CSV, by slug: full precision, empty where something is missing.

    attempt: `2 of 3`, by the ledger. mean, low, high: fractions from 0 to 1 where the metric is one. over: `seeds`, or
    `items` for a number of all seeds together, whose n is 0. rank_best, rank_worst, ties: of the whole board.
    keeps_accuracy: of the unlearning track, empty on other boards. A text that a spreadsheet could take for a formula
    starts with an apostrophe; so does one that starts with an apostrophe.
    """
    rows = sorted(table.rows, key=lambda row: row.slug)
    header = _line((*ENTRY_COLUMNS, *VALUE_COLUMNS, *PLACE_COLUMNS))
    return "\n".join([header, *(line for row in rows for line in _lines(table, row)), ""]).encode()


def reported_csv() -> bytes:
    """Return all published figures as CSV, one line each, as printed and with its source; accuracies in percent."""
    lines = (astuple(figure) for table in load_reported() for row in figures_of(table) for figure in row)
    return "\n".join([_line([item.name for item in fields(ReportedFigure)]), *map(_line, lines), ""]).encode()


def cell(value: object) -> str:
    """Return a value as a CSV cell: numbers at full precision, None as nothing, texts that are no formulas."""
    if value is None:
        return ""
    if isinstance(value, float):
        return repr(value)
    text = str(value)
    return f"'{text}" if text.startswith(FORMULA_STARTS) else text


def _lines(table: BoardTable, row: TableRow) -> Iterator[str]:
    place = row.place
    ranks = (place.best, place.worst, " ".join(place.ties)) if place else ("", "", "")
    keeps = "" if place is None or place.keeps is None else str(place.keeps).lower()
    result = row.stored.head.name if row.stored else ""
    # The same in every line of a row: most cells of a board.
    first = _line(map(cell, (table.protocol.id, row.slug, row.role, row.tier, result, row.attempt)))
    last = _line(map(cell, (*ranks, keeps, row.replication, row.name)))
    for value in row.values:
        words = _words(value.condition, value.primary, value.metric, value.status, value.reason)
        numbers = ",".join("" if item is None else repr(item) for item in (value.mean, value.low, value.high))
        yield f"{first},{words},{numbers},{value.n},{value.over},{last}"


@lru_cache(maxsize=4096)
def _words(*values: object) -> str:
    """Return cells of which a board has few different ones."""
    return _line(map(cell, values))


def _line(cells: Iterable[object]) -> str:
    """Return cells as a line without its end, or as a part of one that has other cells beside them."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow(list(map(str, cells)))
    return text.getvalue()[:-1]
