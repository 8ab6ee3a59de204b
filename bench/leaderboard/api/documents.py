"""Documents of the static API: JSON files below `api/v1/`, made from tables and records.

Every path in a document is relative to the top of the site, which `root` of the index leads to. Imports the tables of
boards; never torch.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from functools import lru_cache

from bench import __version__
from bench.leaderboard.api.records import (
    VERSION,
    ApiBoard,
    ApiCount,
    ApiGenerator,
    ApiIndex,
    ApiMetric,
    ApiMetrics,
    ApiPlace,
    ApiProtocol,
    ApiRanks,
    ApiReported,
    ApiResultRef,
    ApiRow,
    ApiScore,
    ApiStored,
    ApiSubmission,
)
from bench.leaderboard.citation import raw_name
from bench.leaderboard.exports.summary import BoardSummary, file_record
from bench.leaderboard.exports.table import BoardTable, TableRow, Value
from bench.leaderboard.moments import first_moment, last_moment
from bench.leaderboard.reported import load_reported
from bench.leaderboard.shelf import Shelved
from bench.leaderboard.sources import Entry, Sources, UnlearningEntry
from bench.metrics.catalog import METRICS
from bench.records import Record, canonical_bytes, number_text
from bench.results import Measurement
from bench.unlearning_protocol import AnyProtocol

ROOT = f"api/{VERSION}"
INDEX = f"{ROOT}/index.json"


def document_bytes(record: Record) -> bytes:
    """Return a document as RFC 8785 JSON and a newline; what is None is left out."""
    return canonical_bytes(record.model_dump(mode="json", by_alias=True, exclude_none=True)) + b"\n"


def board_path(protocol: str) -> str:
    """Return where the document of a board lies in the site."""
    return f"{ROOT}/boards/{protocol}.json"


def board_document(table: BoardTable) -> bytes:
    """Return the document of a board.

    It has dozens of values in every row, each read from a result that was checked, so that they are written as they
    are, where the record would have its rows.
    """
    head = document_bytes(
        ApiBoard(
            schema="bench.api.board/1",
            protocol=table.protocol.id,
            title=table.protocol.title,
            sha256=table.sha256,
            digest=table.digest,
            metric=table.metric.key,
            condition=table.condition,
            measured=table.measured or None,
            rows=(),
        )
    )
    # Quotes inside a text are escaped, so that this stands where the rows are and nowhere else.
    return head.replace(b'"rows":[]', b'"rows":[%s]' % b",".join(map(_row_bytes, table.rows)), 1)


def protocol_document(protocol: AnyProtocol) -> bytes:
    """Return the document of a protocol; nothing of it is left out, because its digest is taken over all of it."""
    record = ApiProtocol(
        schema="bench.api.protocol/1", sha256=protocol.sha256, protocol=protocol.model_dump(mode="json", by_alias=True)
    )
    return canonical_bytes(record.model_dump(mode="json", by_alias=True)) + b"\n"


def ranks_document(boards: Sequence[BoardSummary]) -> bytes:
    """Return the ranks of every protocol, each as its summary has them."""
    head = document_bytes(ApiRanks(schema="bench.api.ranks/1", protocols=()))
    return head.replace(
        b'"protocols":[]', b'"protocols":[%s]' % ",".join(board.ranking for board in boards).encode(), 1
    )


def submission_document(sources: Sources, entry: Entry | UnlearningEntry) -> bytes:
    """Return the document of a submission."""
    shown = {
        protocol.id: entry.shown(protocol)
        for name in {stored.head.protocol for stored in entry.results}
        if (protocol := sources.protocol(name)) is not None
    }
    return document_bytes(
        ApiSubmission(
            schema="bench.api.submission/1",
            slug=entry.slug,
            track=entry.manifest.track,
            role=entry.role,
            page=f"submissions/{entry.slug}/index.html",
            manifest=entry.manifest.model_dump(mode="json", by_alias=True, exclude_none=True),
            results=tuple(
                _stored(entry.slug, stored, shown=shown.get(stored.head.protocol) is stored) for stored in entry.results
            ),
        )
    )


def submission_path(slug: str) -> str:
    """Return where the document of a submission lies in the site."""
    return f"{ROOT}/submissions/{slug}.json"


def metrics_document() -> bytes:
    """Return the catalog of metrics."""
    return document_bytes(
        ApiMetrics(
            schema="bench.api.metrics/1",
            metrics=tuple(
                ApiMetric(
                    **{name: getattr(metric, name) for name in ApiMetric.model_fields if name not in ("low", "high")},
                    low=metric.bounds[0],
                    high=metric.bounds[1],
                )
                for metric in METRICS.values()
            ),
        )
    )


def reported_document() -> bytes:
    """Return what publications report."""
    tables = tuple(table.model_dump(mode="json", by_alias=True) for table in load_reported())
    return document_bytes(ApiReported(schema="bench.api.reported/1", tables=tables))


def index_document(sources: Sources, boards: Sequence[BoardSummary], files: Mapping[str, bytes]) -> bytes:
    """Return the index. files: by path in the site, what it lists besides the exports of the boards."""
    stored = Counter(item.head.protocol_sha256 for entry in sources.submissions for item in entry.results)
    listed = [*(file_record(*item) for item in files.items()), *(file for board in boards for file in board.files)]
    listed.sort(key=lambda file: file.path)
    return document_bytes(
        ApiIndex(
            schema="bench.api.index/1",
            root="../../",
            generator=ApiGenerator(name="bench", version=__version__),
            protocols=tuple(_count(board, stored[board.sha256]) for board in boards),
            submissions=tuple(submission_path(slug) for slug in sorted(entry.slug for entry in sources.submissions)),
            files=tuple(file for file in listed if file.path.startswith(f"{ROOT}/")),
            downloads=tuple(file for file in listed if not file.path.startswith(f"{ROOT}/")),
        )
    )


def _count(board: BoardSummary, results: int) -> ApiCount:
    return ApiCount(
        id=board.protocol,
        track=board.track,
        title=board.title,
        sha256=board.sha256,
        protocol=f"{ROOT}/protocols/{board.protocol}.json",
        board=board_path(board.protocol),
        submissions=board.submissions,
        ranked=board.ranked,
        results=results,
        measured=board.measured or None,
    )


def _row_bytes(row: TableRow) -> bytes:
    head = canonical_bytes(_row(row).model_dump(mode="json", by_alias=True, exclude_none=True))
    # `values` is the last field by name.
    return head.replace(b'"values":[]', b'"values":[%s]' % ",".join(map(_value_text, row.values)).encode(), 1)


def _row(row: TableRow) -> ApiRow:
    """Return what is said of a row beside its values."""
    place = row.place
    return ApiRow(
        slug=row.slug,
        name=row.name,
        role=row.role,
        submission=submission_path(row.slug),
        place=ApiPlace(best=place.best, worst=place.worst, ties=place.ties, keeps_accuracy=place.keeps)
        if place
        else None,
        score=_score(row.score),
        tier=row.stored.head.tier if row.stored else None,
        result=_reference(row.slug, row.stored) if row.stored else None,
        replication=row.replication,
        attempt=row.attempt or None,
    )


def _score(score: Measurement | None) -> ApiScore | None:
    if score is None or score.mean is None:
        return None
    low, high = score.ci95 or (None, None)
    return ApiScore(mean=score.mean, n=len(score.per_seed or ()), low=low, high=high)


def _reference(slug: str, stored: Shelved) -> ApiResultRef:
    path = f"submissions/{slug}/{raw_name(stored)}"
    return ApiResultRef(id=stored.head.id, key=stored.head.key, path=path)


def _value_text(value: Value) -> str:
    """Return an `ApiValue` as RFC 8785 JSON: fields by name, those without a value left out."""
    numbers = [
        f'"{name}":{number_text(found)},'
        for name, found in (("high", value.high), ("low", value.low), ("mean", value.mean))
        if found is not None
    ]
    reason = f'"reason":{_text(value.reason)},' if value.reason else ""
    return (
        f'{{"condition":{_text(value.condition)},{"".join(numbers)}"metric":{_text(value.metric)},"n":{value.n},'
        f'"over":"{value.over}","primary":{"true" if value.primary else "false"},{reason}'
        f'"status":"{value.status}"}}'
    )


@lru_cache(maxsize=4096)
def _text(text: str) -> str:
    return canonical_bytes(text).decode()


def _stored(slug: str, stored: Shelved, *, shown: bool) -> ApiStored:
    reference = _reference(slug, stored)
    return ApiStored(
        protocol=stored.head.protocol,
        tier=stored.head.tier,
        id=reference.id,
        key=reference.key,
        path=reference.path,
        shown=shown,
        first=first_moment(stored)[:10] or None,
        last=last_moment(stored)[:10] or None,
    )
