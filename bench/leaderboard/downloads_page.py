"""Downloads page: every file with numbers, its size and digest, how to read it, how to cite it, who owns it.

Imports the tables of boards; never torch.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bench.leaderboard.api.documents import INDEX, ROOT
from bench.leaderboard.api.records import ApiFile
from bench.leaderboard.contexts import Context
from bench.leaderboard.exports import parquet
from bench.leaderboard.exports.files import board_summaries, site_files
from bench.leaderboard.exports.summary import BoardSummary, file_record
from bench.leaderboard.replication import REPLICATION_WORDS
from bench.leaderboard.sources import Sources

PATH = "downloads/index.html"

FORMATS = {
    "csv": "CSV, every measurement",
    "json": "JSON, every measurement",
    "tex": "LaTeX, the ranking",
    "md": "Markdown, the ranking",
    "bib": "BibTeX, what to cite",
}
"""Formats of a board by the suffix of their files."""

OVERALL = {
    parquet.PATH: "Parquet: every measurement of every protocol, seed by seed",
    "reported/reported.csv": "CSV: what publications report, never ranked",
    INDEX: "JSON: the index of the API, with the digest of every other file of it",
    f"{ROOT}/ranks.json": "JSON: rank intervals of every protocol",
    f"{ROOT}/metrics.json": "JSON: the catalog of metrics",
    f"{ROOT}/reported.json": "JSON: what publications report",
    f"{ROOT}/openapi.json": "OpenAPI: the paths of the API",
}
"""Files that are not of one board, with what they hold."""


@dataclass(frozen=True)
class DownloadFile:
    """A file. path: in the site; name: of the link; size: in words; sha256: of the whole file."""

    path: str
    name: str
    size: str
    sha256: str


@dataclass(frozen=True)
class BoardDownloads:
    """The files of a board, and what to say when it is cited. replicated: rows by word, as far as anything is shown."""

    protocol: str
    title: str
    folder: str
    files: tuple[DownloadFile, ...]
    measured: str
    digest: str
    sha256: str
    replicated: tuple[tuple[str, int], ...]


@dataclass(frozen=True, kw_only=True)
class DownloadsContext(Context):
    """All downloads. columns: of the Parquet file; licenses: of artifacts, with how many submissions chose each.

    examples: headings and lines of Python that run in the folder of the site.
    """

    overall: tuple[DownloadFile, ...]
    boards: tuple[BoardDownloads, ...]
    schemas: tuple[str, ...]
    columns: tuple[tuple[str, str], ...]
    licenses: tuple[tuple[str, int], ...]
    examples: tuple[tuple[str, str], ...]


def downloads_contexts(sources: Sources) -> list[DownloadsContext]:
    """Gather the page of downloads."""
    own = {path: file_record(path, content) for path, content in site_files(sources).items()}
    boards = board_summaries(sources)
    return [_context(sources, boards, own | {file.path: file for board in boards for file in board.files})]


def _context(sources: Sources, boards: Sequence[BoardSummary], files: Mapping[str, ApiFile]) -> DownloadsContext:
    licenses = Counter(entry.filed.license for entry in sources.submissions)
    return DownloadsContext(
        path=PATH,
        title="Downloads",
        description="Every number of this site as CSV, JSON, Parquet, LaTeX, Markdown and BibTeX, with digests.",
        overall=tuple(_file(path, words, files) for path, words in OVERALL.items()),
        boards=tuple(_board(board, files) for board in boards),
        schemas=tuple(sorted(path for path in files if path.startswith(f"{ROOT}/schema/"))),
        columns=tuple(parquet.COLUMNS.items()),
        licenses=tuple(sorted(licenses.items(), key=lambda item: (-item[1], item[0]))),
        examples=tuple(_examples(boards)),
    )


def size_words(size: int) -> str:
    """Return a size as `734 bytes`, `12.3 kB` or `4.5 MB`."""
    if size < 1000:
        return f"{size} bytes"
    return f"{size / 1000:.1f} kB" if size < 1_000_000 else f"{size / 1_000_000:.1f} MB"


def _board(board: BoardSummary, files: Mapping[str, ApiFile]) -> BoardDownloads:
    found = dict(board.replicated)
    return BoardDownloads(
        protocol=board.protocol,
        title=board.title,
        folder=board.folder,
        files=tuple(
            _file(f"{board.folder}/{board.protocol}.{suffix}", words, files) for suffix, words in FORMATS.items()
        ),
        measured=board.measured,
        digest=board.digest,
        sha256=board.sha256,
        replicated=tuple((text, found[word]) for word, text in REPLICATION_WORDS.items() if word in found),
    )


def _file(path: str, name: str, files: Mapping[str, ApiFile]) -> DownloadFile:
    file = files[path]
    return DownloadFile(path, name, size_words(file.bytes), file.sha256)


def _examples(boards: Sequence[BoardSummary]) -> list[tuple[str, str]]:
    """Return what each example shows and its lines; those of one board take the one with most ranked entries."""
    everything: tuple[str, ...] = (
        "import pandas",
        "",
        f'frame = pandas.read_parquet("{parquet.PATH}")',
        'chosen = frame[frame["shown"] & frame["primary"] & (frame["metric"] == "test_accuracy")]',
        'print(chosen.groupby(["protocol", "slug"], observed=True)["value"].agg(["mean", "std", "count"]))',
    )
    examples = {"Test accuracy of every submission to the boards of unlearnable examples": everything}
    if boards:
        board = max(boards, key=lambda board: (board.ranked, board.protocol))
        examples[f"The measurements of {board.protocol}"] = (
            "import pandas",
            "",
            f'frame = pandas.read_csv("{board.folder}/{board.protocol}.csv")',
            'print(frame[frame["primary"]].pivot(index="slug", columns=["condition", "metric"], values="mean"))',
        )
        examples[f"The ranking of {board.protocol}, without a library"] = (
            "import json",
            "",
            f'with open("{ROOT}/boards/{board.protocol}.json", encoding="utf-8") as file:',
            "    board = json.load(file)",
            'for row in board["rows"]:',
            '    if "place" in row:',
            '        print(row["place"]["best"], row["place"]["worst"], row["slug"], row["score"]["mean"])',
        )
    return [(words, "\n".join(lines)) for words, lines in examples.items()]
