"""Files: every download of the site by its path, board by board and submission by submission.

Imports the writers of each format; never torch.
"""

from collections.abc import Mapping, Sequence

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
from bench.leaderboard.exports import parquet
from bench.leaderboard.exports.badges import board_badges
from bench.leaderboard.exports.bibtex import board_bibtex
from bench.leaderboard.exports.csv_files import board_csv, reported_csv
from bench.leaderboard.exports.latex import board_latex
from bench.leaderboard.exports.markdown import board_markdown
from bench.leaderboard.exports.table import BoardTable, board_table
from bench.leaderboard.feed import feed_files
from bench.leaderboard.history import board_histories
from bench.leaderboard.sources import Entry, Sources, UnlearningEntry
from bench.leaderboard.submission_page import raw_name
from bench.results import result_bytes
from bench.unlearning_protocol import AnyProtocol


def board_tables(sources: Sources) -> list[BoardTable]:
    """Return the table of every board, by protocol id."""
    protocols: dict[str, AnyProtocol] = {**sources.protocols, **sources.unlearning_protocols}
    return [board_table(sources, protocols[name]) for name in sorted(protocols)]


def board_files(sources: Sources, table: BoardTable) -> dict[str, bytes]:
    """Return what one board gives: its exports, its documents of the API and the badges of its submissions."""
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
        **board_badges(table),
    }


def submission_files(sources: Sources, entry: Entry | UnlearningEntry) -> dict[str, bytes]:
    """Return what one submission gives: its document of the API, and its results byte for byte."""
    raw = {f"submissions/{entry.slug}/{raw_name(stored)}": result_bytes(stored.result) for stored in entry.results}
    return {submission_path(entry.slug): submission_document(sources, entry), **raw}


def catalog_files() -> dict[str, bytes]:
    """Return what depends on no submission: metrics, published figures, schemas."""
    return {
        f"{ROOT}/metrics.json": metrics_document(),
        f"{ROOT}/reported.json": reported_document(),
        "reported/reported.csv": reported_csv(),
        **schema_files(),
    }


def overall_files(sources: Sources, tables: Sequence[BoardTable]) -> dict[str, bytes]:
    """Return what takes all boards together: ranks, and every measurement in one file."""
    return {f"{ROOT}/ranks.json": ranks_document(tables), parquet.PATH: parquet.measurements_parquet(sources)}


def index_files(sources: Sources, tables: Sequence[BoardTable], files: Mapping[str, bytes]) -> dict[str, bytes]:
    """Return the index of the API over all other downloads. Raw results and badges are found through submissions."""
    listed = {path: content for path, content in files.items() if not path.startswith("submissions/")}
    return {INDEX: index_document(sources, tables, listed)}


def download_files(sources: Sources, tables: Sequence[BoardTable]) -> dict[str, bytes]:
    """Return every download of the site by its path. tables: of all boards, see `board_tables`."""
    files = {**catalog_files(), **overall_files(sources, tables)}
    for table in tables:
        files |= board_files(sources, table)
    for entry in sources.submissions:
        files |= submission_files(sources, entry)
    return {**files, **index_files(sources, tables, files), **feed_files(board_histories(sources))}
