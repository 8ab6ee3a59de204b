"""Files: every download of the site by its path, board by board and submission by submission.

Imports the writers of each format; never torch.
"""

from collections.abc import Callable

from bench.leaderboard.api.documents import (
    INDEX,
    ROOT,
    board_document,
    board_path,
    index_document,
    metrics_document,
    protocol_document,
    ranks_document,
    reported_document,
    submission_document,
    submission_path,
)
from bench.leaderboard.api.schemas import schema_files
from bench.leaderboard.citation import raw_name
from bench.leaderboard.exports import parquet
from bench.leaderboard.exports.badges import board_badges
from bench.leaderboard.exports.bibtex import board_bibtex
from bench.leaderboard.exports.csv_files import board_csv, reported_csv
from bench.leaderboard.exports.latex import board_latex
from bench.leaderboard.exports.markdown import board_markdown
from bench.leaderboard.exports.summary import BoardSummary, summarize_board
from bench.leaderboard.exports.table import BoardTable, board_table
from bench.leaderboard.feed import feed_files
from bench.leaderboard.history import board_histories, ranked_values
from bench.leaderboard.outlines import ue_outline, unlearning_outline
from bench.leaderboard.sources import Entry, Sources, UnlearningEntry
from bench.protocol import Protocol
from bench.unlearning_protocol import AnyProtocol


def board_files(sources: Sources, protocol: AnyProtocol) -> dict[str, bytes]:
    """Return what one board gives: its exports, its documents of the API and the badges of its submissions."""
    table = board_table(sources, protocol)
    files = exports_of(sources, table)
    _recall(sources, protocol, lambda: summarize_board(table, files))
    # Remembered for what is made from all boards.
    parquet.board_measurements(sources, protocol)
    ranked_values(sources, protocol)
    ue_outline(sources, protocol) if isinstance(protocol, Protocol) else unlearning_outline(sources, protocol)
    return {**files, **board_badges(table)}


def board_summary(sources: Sources, protocol: AnyProtocol) -> BoardSummary:
    """Return the summary of a board."""

    def work_out() -> BoardSummary:
        table = board_table(sources, protocol)
        return summarize_board(table, exports_of(sources, table))

    return _recall(sources, protocol, work_out)


def _recall(sources: Sources, protocol: AnyProtocol, work_out: Callable[[], BoardSummary]) -> BoardSummary:
    place = f"{protocol.id}/summary"
    found: BoardSummary = sources.memory.recall(place, sources.state(protocol), BoardSummary, work_out)
    return found


def board_summaries(sources: Sources) -> list[BoardSummary]:
    """Return the summary of every board, by protocol id."""
    return [board_summary(sources, item) for item in sorted(sources.all_protocols, key=lambda protocol: protocol.id)]


def exports_of(sources: Sources, table: BoardTable) -> dict[str, bytes]:
    """Return the exports of a board and its documents of the API."""
    protocol = table.protocol
    stem, document = f"{table.folder}/{protocol.id}", board_document(table)
    return {
        f"{stem}.csv": board_csv(table),
        f"{stem}.json": document,
        f"{stem}.tex": board_latex(table),
        f"{stem}.md": board_markdown(table),
        f"{stem}.bib": board_bibtex(sources, table),
        board_path(protocol.id): document,
        f"{ROOT}/protocols/{protocol.id}.json": protocol_document(protocol),
    }


def submission_files(sources: Sources, entry: Entry | UnlearningEntry) -> dict[str, bytes]:
    """Return what one submission gives: its document of the API, and its results byte for byte."""
    raw = {f"submissions/{entry.slug}/{raw_name(stored)}": stored.content for stored in entry.results}
    return {submission_path(entry.slug): submission_document(sources, entry), **raw}


def site_files(sources: Sources) -> dict[str, bytes]:
    """Return what takes all boards together, and what depends on no submission."""
    return sources.memory.at_hand("site files", lambda: _site_files(sources))


def _site_files(sources: Sources) -> dict[str, bytes]:
    boards = board_summaries(sources)
    files = {
        f"{ROOT}/ranks.json": ranks_document(boards),
        parquet.PATH: parquet.measurements_parquet(sources),
        f"{ROOT}/metrics.json": metrics_document(),
        f"{ROOT}/reported.json": reported_document(),
        "reported/reported.csv": reported_csv(),
        **schema_files(),
    }
    # Raw results and badges are found through the documents of submissions.
    return {**files, INDEX: index_document(sources, boards, files), **feed_files(board_histories(sources))}
