"""Records of the static API: one for each kind of document, so that schemas and documents cannot differ.

A field that is absent in a document is missing, never null. Every path is relative to the top of the site. Imports
pydantic and the records; never torch, no pandas.
"""

from typing import Annotated, Any, Literal

from pydantic import Field

from bench.leaderboard.replication import Replication
from bench.records import Record

VERSION = "v1"

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Named = Annotated[str, Field(pattern=r"^sha256:[0-9a-f]{64}$")]
Day = Annotated[str, Field(pattern=r"^\d{4}-\d{2}-\d{2}$")]
Track = Literal["ue", "unlearning"]
Tier = Literal["quick", "full"]
Role = Literal["reference", "control", "entry"]
Status = Literal["ok", "not_run", "failed", "not_measurable", "refused"]


class ApiFile(Record):
    """A file of the site. sha256, bytes: of the whole file."""

    path: str
    sha256: Sha256
    bytes: int


class ApiGenerator(Record):
    """The program that wrote the documents."""

    name: Literal["bench"]
    version: str


class ApiCount(Record):
    """A protocol in the index. results: stored ones that answer it as it is worded now; ranked: entries on its board.

    protocol, board: paths of their documents. measured: day of the newest run behind a shown result.
    """

    id: str
    track: Track
    title: str
    sha256: Named
    protocol: str
    board: str
    submissions: int
    ranked: int
    results: int
    measured: Day | None = None


class ApiIndex(Record):
    """What there is. root: from here to the top of the site. files: all other documents of the API.

    submissions: paths of their documents. downloads: other files with numbers.
    """

    schema_: Literal["bench.api.index/1"] = Field(alias="schema")
    root: str
    generator: ApiGenerator
    protocols: tuple[ApiCount, ...]
    submissions: tuple[str, ...]
    files: tuple[ApiFile, ...]
    downloads: tuple[ApiFile, ...]


class ApiProtocol(Record):
    """A protocol. sha256: digest of all of it that can move a number, see the documentation of protocols."""

    schema_: Literal["bench.api.protocol/1"] = Field(alias="schema")
    sha256: Named
    protocol: dict[str, Any]


class ApiResultRef(Record):
    """A result document. key: digest of what was asked; id: of what was found."""

    id: Named
    key: Named
    path: str


class ApiPlace(Record):
    """Where an entry stands: ranks from best to worst that the seeds leave open, and letters of its tie groups."""

    best: int
    worst: int
    ties: tuple[str, ...]
    keeps_accuracy: bool | None = None


class ApiValue(Record):
    """A measurement. mean, low, high: full precision, fractions from 0 to 1; low and high bound the 95 % interval.

    over: `items` for a number of all seeds together, whose n is 0. reason: why there is no mean.
    """

    metric: str
    condition: str
    primary: bool
    status: Status
    n: int
    over: Literal["seeds", "items"]
    reason: str | None = None
    mean: float | None = None
    low: float | None = None
    high: float | None = None


class ApiScore(Record):
    """What a row is ranked by: mean over seeds and its interval, which one seed does not have."""

    mean: float
    n: int
    low: float | None = None
    high: float | None = None


class ApiRow(Record):
    """A submission on a board.

    replication: whether other hardware found the same; attempt: which of the submission's artifacts was measured, by
    the ledger (`2 of 3`). Both are absent where nothing is shown.
    """

    slug: str
    name: str
    role: Role
    submission: str
    place: ApiPlace | None = None
    score: ApiScore | None = None
    tier: Tier | None = None
    result: ApiResultRef | None = None
    replication: Replication | None = None
    attempt: str | None = None
    values: tuple[ApiValue, ...] = ()


class ApiBoard(Record):
    """A board: ranked entries best first, then references and controls, then the rest.

    metric, condition: what it is ranked by; condition `worst` means seed by seed the worst of all. sha256: of the
    protocol; digest: of the protocol and the ids of the results shown, by slug.
    """

    schema_: Literal["bench.api.board/1"] = Field(alias="schema")
    protocol: str
    title: str
    sha256: Named
    digest: Named
    metric: str
    condition: str
    measured: Day | None = None
    rows: tuple[ApiRow, ...]


class ApiRank(Record):
    """A ranked entry."""

    slug: str
    best: int
    worst: int
    ties: tuple[str, ...]
    mean: float


class ApiRanking(Record):
    """The ranks of a protocol, best first."""

    protocol: str
    sha256: Named
    digest: Named
    metric: str
    condition: str
    ranks: tuple[ApiRank, ...]


class ApiRanks(Record):
    """The ranks of every protocol."""

    schema_: Literal["bench.api.ranks/1"] = Field(alias="schema")
    protocols: tuple[ApiRanking, ...]


class ApiStored(Record):
    """A stored result of a submission. shown: whether the board shows it. first, last: days of its runs."""

    protocol: str
    tier: Tier
    id: Named
    key: Named
    path: str
    shown: bool
    first: Day | None = None
    last: Day | None = None


class ApiSubmission(Record):
    """A submission: its manifest as its author wrote it, and every stored result."""

    schema_: Literal["bench.api.submission/1"] = Field(alias="schema")
    slug: str
    track: Track
    role: Role
    page: str
    manifest: dict[str, Any]
    results: tuple[ApiStored, ...]


class ApiMetric(Record):
    """A metric of the catalog. unit `fraction` and `points` are stored from 0 to 1. low, high: its bounds, if any."""

    key: str
    label: str
    short: str
    unit: str
    direction: Literal["lower", "higher", "neither"]
    track: Track
    decimals: int
    low: float | None = None
    high: float | None = None
    definition: str
    formula: str
    source: str
    pitfalls: str


class ApiMetrics(Record):
    """The catalog of metrics."""

    schema_: Literal["bench.api.metrics/1"] = Field(alias="schema")
    metrics: tuple[ApiMetric, ...]


class ApiReported(Record):
    """What publications report: tables with the digits as printed. Never measured here and never ranked."""

    schema_: Literal["bench.api.reported/1"] = Field(alias="schema")
    tables: tuple[dict[str, Any], ...]
