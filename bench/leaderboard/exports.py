"""Exports: the numbers of a board as files for other programs.

Imports pandas through frames; never torch.
"""

import csv
import io
from dataclasses import astuple, fields

from bench.leaderboard.board import standings
from bench.leaderboard.frame import MEASUREMENT_COLUMNS, checkpoint_frame, measurement_frame
from bench.leaderboard.reported import ReportedFigure, figures_of, load_reported
from bench.leaderboard.sources import Sources
from bench.leaderboard.unlearning_order import standings as unlearning_standings
from bench.protocol import Protocol
from bench.unlearning_protocol import UnlearningProtocol


def board_csv(sources: Sources, protocol: Protocol) -> dict[str, bytes]:
    """Return all shown measurements of a board as CSV: full precision, fractions from 0 to 1, empty where missing.

    A cell that a spreadsheet could take for a formula starts with an apostrophe.
    """
    frame = measurement_frame(sources, protocol)
    ranked, _ = standings(sources, protocol)
    ranks = {standing.slug: (standing.best, standing.worst) for standing in ranked}
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([*MEASUREMENT_COLUMNS, "rank_best", "rank_worst"])
    for record in frame.to_dict("records"):
        cells = [_cell(record[column]) for column in MEASUREMENT_COLUMNS]
        writer.writerow([*cells, *ranks.get(str(record["slug"]), ("", ""))])
    return {f"ue/{protocol.id}/{protocol.id}.csv": text.getvalue().encode()}


def unlearning_csv(sources: Sources, protocol: UnlearningProtocol) -> dict[str, bytes]:
    """Return all shown measurements of a board of the unlearning track as CSV, in the form of `board_csv`.

    rank_best, rank_worst: of the whole board, those that keep the accuracy of retraining first.
    """
    frame = checkpoint_frame(sources, protocol)
    places = unlearning_standings(sources, protocol)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([*frame.columns, "keeps_accuracy", "rank_best", "rank_worst"])
    for record in frame.to_dict("records"):
        place = places.get(str(record["slug"]))
        rank = ("", "", "") if place is None else (str(place.keeps).lower(), place.best, place.worst)
        writer.writerow([*(_cell(record[column]) for column in frame.columns), *rank])
    return {f"unlearning/{protocol.id}/{protocol.id}.csv": text.getvalue().encode()}


def reported_csv(sources: Sources) -> dict[str, bytes]:  # noqa: ARG001 - every file of the site takes the sources
    """Return all published figures as CSV, one line each, as printed and with its source; accuracies in percent."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([item.name for item in fields(ReportedFigure)])
    for table in load_reported():
        for row in figures_of(table):
            writer.writerows([str(value) for value in astuple(figure)] for figure in row)
    return {"reported/reported.csv": text.getvalue().encode()}


def _cell(value: object) -> str:
    if isinstance(value, float):
        return "" if value != value else repr(value)  # noqa: PLR0124 - NaN is the one value unequal to itself
    text = str(value)
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r")) else text
