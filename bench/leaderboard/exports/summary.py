"""Summary: what pages and documents about all boards need to know of each, so that none is opened for them again.

Imports the tables of boards; never torch.
"""

import hashlib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from bench.leaderboard.api.records import ApiFile, ApiRank, ApiRanking, Track
from bench.leaderboard.exports.table import BoardTable
from bench.leaderboard.replication import Replication
from bench.records import canonical_bytes


@dataclass(frozen=True)
class BoardSummary:
    """A board without its rows. folder: in the site; digest: of what is shown; measured: day of the newest run.

    submissions, ranked: how many; replicated: rows by word, as far as anything is shown; files: its exports.
    ranking: an `ApiRanking` as canonical JSON, as the document of all ranks has it.
    """

    protocol: str
    track: Track
    title: str
    folder: str
    sha256: str
    digest: str
    measured: str
    submissions: int
    ranked: int
    replicated: tuple[tuple[Replication, int], ...]
    files: tuple[ApiFile, ...]
    ranking: str


def summarize_board(table: BoardTable, files: Mapping[str, bytes]) -> BoardSummary:
    """Return the summary of a board. files: its exports by path."""
    words = Counter(row.replication for row in table.rows if row.replication)
    return BoardSummary(
        protocol=table.protocol.id,
        track=table.protocol.track,
        title=table.protocol.title,
        folder=table.folder,
        sha256=table.sha256,
        digest=table.digest,
        measured=table.measured,
        submissions=len(table.rows),
        ranked=len(table.ranked),
        replicated=tuple(sorted(words.items())),
        files=tuple(file_record(path, content) for path, content in sorted(files.items())),
        ranking=canonical_bytes(_ranking(table).model_dump(mode="json", by_alias=True, exclude_none=True)).decode(),
    )


def file_record(path: str, content: bytes) -> ApiFile:
    """Return what is said of a file."""
    return ApiFile(path=path, sha256=hashlib.sha256(content).hexdigest(), bytes=len(content))


def _ranking(table: BoardTable) -> ApiRanking:
    return ApiRanking(
        protocol=table.protocol.id,
        sha256=table.sha256,
        digest=table.digest,
        metric=table.metric.key,
        condition=table.condition,
        ranks=tuple(
            ApiRank(slug=row.slug, best=row.place.best, worst=row.place.worst, ties=row.place.ties, mean=row.score.mean)
            for row in table.ranked
            if row.place and row.score and row.score.mean is not None
        ),
    )
