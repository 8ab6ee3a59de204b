"""Downloads page: every file with numbers, its size and digest, how to read it, how to cite it, who owns it.

Imports the tables of boards; never torch.
"""

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bench.leaderboard.api.documents import INDEX, ROOT
from bench.leaderboard.contexts import Context
from bench.leaderboard.exports import parquet
from bench.leaderboard.exports.table import BoardTable
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


def downloads_context(sources: Sources, tables: Sequence[BoardTable], files: Mapping[str, bytes]) -> DownloadsContext:
    """Gather the page. files: all downloads by path in the site."""
    licenses = Counter(entry.manifest.agreement.artifact_license for entry in sources.submissions)
    return DownloadsContext(
        path=PATH,
        title="Downloads",
        description="Every number of this site as CSV, JSON, Parquet, LaTeX, Markdown and BibTeX, with digests.",
        overall=tuple(_file(path, words, files) for path, words in OVERALL.items()),
        boards=tuple(_board(table, files) for table in tables),
        schemas=tuple(sorted(path for path in files if path.startswith(f"{ROOT}/schema/"))),
        columns=tuple(parquet.COLUMNS.items()),
        licenses=tuple(sorted(licenses.items(), key=lambda item: (-item[1], item[0]))),
        examples=tuple(_examples(tables)),
    )


def size_words(size: int) -> str:
    """Return a size as `734 bytes`, `12.3 kB` or `4.5 MB`."""
    if size < 1000:
        return f"{size} bytes"
    return f"{size / 1000:.1f} kB" if size < 1_000_000 else f"{size / 1_000_000:.1f} MB"


def _board(table: BoardTable, files: Mapping[str, bytes]) -> BoardDownloads:
    words = Counter(row.replication for row in table.rows if row.replication)
    return BoardDownloads(
        protocol=table.protocol.id,
        title=table.protocol.title,
        folder=table.folder,
        files=tuple(
            _file(f"{table.folder}/{table.protocol.id}.{suffix}", words, files) for suffix, words in FORMATS.items()
        ),
        measured=table.measured,
        digest=table.digest,
        sha256=table.sha256,
        replicated=tuple((text, words[word]) for word, text in REPLICATION_WORDS.items() if words[word]),
    )


def _file(path: str, name: str, files: Mapping[str, bytes]) -> DownloadFile:
    content = files[path]
    return DownloadFile(path, name, size_words(len(content)), hashlib.sha256(content).hexdigest())


def _examples(tables: Sequence[BoardTable]) -> list[tuple[str, str]]:
    """Return what each example shows and its lines; those of one board take the one with most ranked entries."""
    everything: tuple[str, ...] = (
        "import pandas",
        "",
        f'frame = pandas.read_parquet("{parquet.PATH}")',
        'chosen = frame[frame["shown"] & frame["primary"] & (frame["metric"] == "test_accuracy")]',
        'print(chosen.groupby(["protocol", "slug"], observed=True)["value"].agg(["mean", "std", "count"]))',
    )
    examples = {"Test accuracy of every submission to the boards of unlearnable examples": everything}
    if tables:
        table = max(tables, key=lambda table: (len(table.ranked), table.protocol.id))
        examples[f"The measurements of {table.protocol.id}"] = (
            "import pandas",
            "",
            f'frame = pandas.read_csv("{table.folder}/{table.protocol.id}.csv")',
            'print(frame[frame["primary"]].pivot(index="slug", columns=["condition", "metric"], values="mean"))',
        )
        examples[f"The ranking of {table.protocol.id}, without a library"] = (
            "import json",
            "",
            f'with open("{ROOT}/boards/{table.protocol.id}.json", encoding="utf-8") as file:',
            "    board = json.load(file)",
            'for row in board["rows"]:',
            '    if "place" in row:',
            '        print(row["place"]["best"], row["place"]["worst"], row["slug"], row["score"]["mean"])',
        )
    return [(words, "\n".join(lines)) for words, lines in examples.items()]
