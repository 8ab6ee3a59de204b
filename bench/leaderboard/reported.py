"""Reported: figures that publications state, each table with its source. Read from `bench/reported/*.toml`.

Imports the records only; never torch. These figures are shown and never ranked: each was found under a protocol of its
own, which its tag names.
"""

from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Literal

from bench.records import Record, parse_toml

TABLES = ("paper-table-1", "paper-table-2", "paper-table-3", "apbench", "apbench-transfer", "iss", "pil")
"""All tables, in the order in which they are shown."""

Dimension = Literal["dataset", "method", "model", "defense"]
MarkKind = Literal["lost", "inferred", "denominator", "no-defense"]


class Column(Record):
    """A column of figures: their metric, and what the column alone says about them."""

    key: str
    metric: Literal["test_accuracy", "learnable_layers", "ud", "ud_change"]
    dataset: str = ""
    method: str = ""
    model: str = ""
    defense: str = ""


class Mark(Record):
    """A doubt about a cell, or about a whole column where `row` is empty; row: its leading cells."""

    row: tuple[str, ...]
    column: str
    mark: MarkKind
    note: str


class ReportedTable(Record):
    """A published table. Figures are kept as the digits that were printed, because 0.60 says more than 0.6.

    tag: whose protocol it is. fixed: what holds for every figure. rows: one cell for each of `keys`, then one figure
    for each column; empty where the source has none. Accuracies are in percent.
    """

    format: Literal["bench.reported/1"]
    id: str
    tag: str
    title: str
    source: str
    href: str
    setting: str
    notes: tuple[str, ...]
    fixed: dict[Dimension, str]
    keys: tuple[Dimension, ...]
    columns: tuple[Column, ...]
    rows: tuple[tuple[str, ...], ...]
    marks: tuple[Mark, ...] = ()


@dataclass(frozen=True)
class ReportedFigure:
    """One published figure with everything that is known about it; text is empty where the source has none."""

    table: str
    tag: str
    dataset: str
    method: str
    model: str
    defense: str
    metric: str
    text: str
    mark: MarkKind | Literal[""]
    note: str
    source: str


@cache
def load_reported() -> tuple[ReportedTable, ...]:
    """Read all published tables, in the order in which they are shown."""
    folder = resources.files("bench") / "reported"
    texts = ((folder / f"{name}.toml").read_text(encoding="utf-8") for name in TABLES)
    return tuple(ReportedTable.model_validate(parse_toml(text)) for text in texts)


def figures_of(table: ReportedTable) -> list[list[ReportedFigure]]:
    """Return the figures of a table, row by row."""
    return [_row(table, row) for row in table.rows]


def undefended(dataset: str) -> list[ReportedFigure]:
    """Return what was reported for a data set without a defense on ResNet-18: accuracy and Unlearnable Distance."""
    return [
        figure
        for table in load_reported()
        for row in figures_of(table)
        for figure in row
        if (figure.dataset, figure.model, figure.defense) == (dataset, "resnet18", "none")
        and figure.metric in ("test_accuracy", "ud")
        and figure.text
    ]


def _row(table: ReportedTable, row: tuple[str, ...]) -> list[ReportedFigure]:
    count = len(table.keys)
    known = {**table.fixed, **dict(zip(table.keys, row[:count], strict=True))}
    return [
        _figure(table, row[:count], column, text, known)
        for column, text in zip(table.columns, row[count:], strict=True)
    ]


def _figure(
    table: ReportedTable, key: tuple[str, ...], column: Column, text: str, known: dict[Dimension, str]
) -> ReportedFigure:
    marks = [mark for mark in table.marks if mark.column == column.key and mark.row in ((), key)]
    mark = marks[0] if marks else None
    return ReportedFigure(
        table=table.id,
        tag=table.tag,
        dataset=column.dataset or known["dataset"],
        method=column.method or known["method"],
        model=column.model or known["model"],
        defense=column.defense or known["defense"],
        metric=column.metric,
        text=text,
        mark=mark.mark if mark else "",
        note=mark.note if mark else "",
        source=table.source,
    )
