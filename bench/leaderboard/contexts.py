"""Contexts: what templates may read. Everything is ranked, rounded and worded before it gets here.

Imports records and figures for their types; never torch.
"""

from dataclasses import dataclass, field

from bench.leaderboard.figures import DataTable, Figure
from bench.leaderboard.sources import Role
from bench.leaderboard.wording import Shown
from bench.metrics.catalog import Metric


@dataclass(frozen=True, kw_only=True)
class Context:
    """What every page has.

    path: of the file in the site, with forward slashes. section: which menu entry is current.
    """

    path: str
    title: str
    description: str
    section: str = ""

    @property
    def root(self) -> str:
        """Relative prefix from this page to the top of the site."""
        return "../" * self.path.count("/")


@dataclass(frozen=True)
class Fact:
    """A term and what it is, in a list of facts. code: shown in a fixed-width face, may be long."""

    term: str
    text: str
    code: bool = False
    href: str = ""


@dataclass(frozen=True)
class Row:
    """One submission on a board. rank is empty where nothing is ranked; note says why, or what a control shows."""

    slug: str
    name: str
    family: str
    role: Role
    rank: str
    groups: str
    accuracy: Shown
    drop: Shown
    ud: Shown
    peak: Shown
    seeds: str
    tier: str
    note: str


@dataclass(frozen=True)
class ConditionRow:
    """Test accuracy of one submission under every condition; `weakest` is the condition that protects least."""

    slug: str
    name: str
    cells: tuple[Shown, ...]
    weakest: str


@dataclass(frozen=True)
class Board:
    """A protocol's board in words and numbers."""

    protocol: str
    title: str
    summary: str
    condition: str
    ranked: tuple[Row, ...]
    anchors: tuple[Row, ...]
    unranked: tuple[Row, ...]
    ties: str
    reference: str
    reference_name: str
    controls: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class IndexContext(Context):
    """The overview."""

    boards: tuple[Board, ...]
    submissions: int
    results: int


@dataclass(frozen=True, kw_only=True)
class BoardContext(Context):
    """A board with its charts, the table over conditions and the file of the same numbers."""

    board: Board
    facts: tuple[Fact, ...]
    conditions: tuple[str, ...]
    condition_rows: tuple[ConditionRow, ...]
    figures: tuple[Figure, ...]
    csv: str


@dataclass(frozen=True)
class MeasuredRow:
    """One metric of a submission under one condition."""

    metric: Metric
    shown: Shown
    direction: str
    per_seed: str


@dataclass(frozen=True)
class ConditionTable:
    """All metrics of a submission under one condition. seeds: in the order of the values by seed."""

    words: str
    label: str
    primary: bool
    seeds: str
    rows: tuple[MeasuredRow, ...]


@dataclass(frozen=True)
class CheckRow:
    """A check of the artifact."""

    name: str
    status: str
    measured: str
    detail: str


@dataclass(frozen=True)
class RunRow:
    """One run that found a result."""

    ended: str
    hardware: str
    software: str
    cells: str
    commit: str
    cost: str


@dataclass(frozen=True)
class ResultSection:
    """What one protocol shows of a submission."""

    protocol: str
    title: str
    tier: str
    standing: str
    drop: str
    control: str
    facts: tuple[Fact, ...]
    checks: tuple[CheckRow, ...]
    tables: tuple[ConditionTable, ...]
    figures: tuple[Figure, ...]
    maps: tuple[Figure, ...]
    runs: tuple[RunRow, ...]
    raw: str
    command: str


@dataclass(frozen=True)
class StoredRow:
    """One line of the list of all results. state: shown, superseded, or why it is not on the board."""

    protocol: str
    tier: str
    ended: str
    name: str
    raw: str
    state: str


@dataclass(frozen=True)
class ReportedRow:
    """A number that the author states."""

    metric: str
    condition: str
    value: str
    source: str


@dataclass(frozen=True, kw_only=True)
class SubmissionContext(Context):
    """A submission: what its author says, what was measured, and how to measure it again."""

    name: str
    summary: str
    role: Role
    facts: tuple[Fact, ...]
    artifacts: tuple[tuple[str, tuple[Fact, ...]], ...]
    sections: tuple[ResultSection, ...]
    stored: tuple[StoredRow, ...]
    reported: tuple[ReportedRow, ...]
    pending: tuple[str, ...]
    bibtex: str = ""


@dataclass(frozen=True, kw_only=True)
class ProtocolContext(Context):
    """A protocol: every setting, in words."""

    id: str
    summary: str
    notes: tuple[str, ...]
    groups: tuple[tuple[str, tuple[Fact, ...]], ...]
    conditions: DataTable


@dataclass(frozen=True, kw_only=True)
class MetricContext(Context):
    """A metric: definition, formula, source and pitfalls."""

    metric: Metric
    direction: str
    unit: str
    bounds: str


@dataclass(frozen=True, kw_only=True)
class MetricsContext(Context):
    """All metrics."""

    metrics: tuple[Metric, ...]


@dataclass(frozen=True, kw_only=True)
class GuideContext(Context):
    """A page of prose: how to submit, how to read, nothing here. margin: of the control, in words."""

    facts: tuple[Fact, ...] = ()
    protocols: tuple[str, ...] = field(default=())
    families: tuple[str, ...] = field(default=())
    statuses: tuple[tuple[str, str], ...] = field(default=())
    margin: str = ""
