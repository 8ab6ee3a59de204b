"""Contexts: what templates may read. Everything is ranked, rounded and worded before it gets here.

Imports records and figures for their types; never torch.
"""

from dataclasses import dataclass

from bench.leaderboard.citation import BoardCitation, Evidence
from bench.leaderboard.columns import Column
from bench.leaderboard.figures import LONG_BOARD, DataTable, Figure
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
    """One submission on a board. rank is empty where nothing is ranked; note says why, or what a control shows.

    worst: accuracy in the worst case over defenses; official: UD by the published search.
    """

    slug: str
    name: str
    family: str
    role: Role
    rank: str
    groups: str
    accuracy: Shown
    worst: Shown
    drop: Shown
    ud: Shown
    official: Shown
    peak: Shown
    seeds: str
    tier: str
    note: str
    evidence: Evidence


@dataclass(frozen=True)
class ConditionRow:
    """Measurements of one submission under several conditions."""

    slug: str
    name: str
    cells: tuple[Shown, ...]


@dataclass(frozen=True)
class MatrixCell:
    """One mean of a matrix. level: of its background, empty without a number; title: interval and seeds, or why not."""

    text: str
    title: str
    level: str
    interval: str
    measured: bool


@dataclass(frozen=True)
class MatrixRow:
    """One submission in a matrix."""

    slug: str
    name: str
    role: Role
    cells: tuple[MatrixCell, ...]


@dataclass(frozen=True)
class Matrix:
    """Submissions by condition. intervals: the same cells with their intervals; scale: both ends of the background's.

    beyond: what the background of a cell of level `over` means, empty where there is none.
    """

    name: str
    caption: str
    columns: tuple[str, ...]
    rows: tuple[MatrixRow, ...]
    intervals: DataTable
    scale: tuple[str, str]
    beyond: str = ""


@dataclass(frozen=True)
class PublishedCell:
    """One figure of a publication as printed, or what is missing. mark: a doubt in a word, empty without one."""

    text: str
    mark: str
    stated: bool


@dataclass(frozen=True)
class PublishedTable:
    """A published table. columns: header and mark of the whole column. doubts: places with what is known of them."""

    id: str
    tag: str
    title: str
    source: str
    href: str
    setting: str
    keys: tuple[str, ...]
    columns: tuple[tuple[str, str], ...]
    rows: tuple[tuple[tuple[str, ...], tuple[PublishedCell, ...]], ...]
    doubts: tuple[tuple[str, str], ...]
    notes: tuple[str, ...]


@dataclass(frozen=True)
class ReportedBlock:
    """What publications report on a board's data set without a defense: method and one cell for each column."""

    dataset: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, tuple[PublishedCell, ...]], ...]
    sources: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Board:
    """A protocol's board in words and numbers. defended, searched: whether there are worst cases, and official UDs."""

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
    defended: bool
    searched: bool

    @property
    def long(self) -> bool:
        """Whether the page has to spare the browser."""
        return len(self.ranked) > LONG_BOARD


@dataclass(frozen=True)
class Badge:
    """A badge of a submission. src: beside its page; alt: what it says; markdown: to copy."""

    protocol: str
    src: str
    alt: str
    markdown: str


@dataclass(frozen=True, kw_only=True)
class BoardContext(Context):
    """A board with its charts and the file of the same numbers.

    defenses, networks: a sentence on what the pages by defense and by network say, empty without such a page.
    days: on which it changed, newest first, each with its place on the page of changes.
    """

    board: Board
    columns: tuple[Column, ...]
    citation: BoardCitation
    facts: tuple[Fact, ...]
    defenses: str
    networks: str
    reported: ReportedBlock | None
    figures: tuple[Figure, ...]
    csv: str
    days: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, kw_only=True)
class ReportedContext(Context):
    """All published tables. marks: words and meanings; boards: ids and titles."""

    tables: tuple[PublishedTable, ...]
    marks: tuple[tuple[str, str], ...]
    boards: tuple[tuple[str, str], ...]


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

    condition: str
    words: str
    seeds: str
    rows: tuple[MeasuredRow, ...]


@dataclass(frozen=True)
class ConditionLine:
    """One defense with a network: how many seeds, and one cell for each column of its overview."""

    defense: str
    primary: bool
    seeds: str
    cells: tuple[Shown, ...]


@dataclass(frozen=True)
class Overview:
    """A submission under every condition, by network. seeds: the values of every seed, one row a metric."""

    columns: tuple[Metric, ...]
    groups: tuple[tuple[str, tuple[ConditionLine, ...]], ...]
    seeds: DataTable


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
    """What one protocol shows of a submission.

    overview: of all conditions, None where there is one only. certainty: whether it was found again, in a sentence.
    """

    protocol: str
    title: str
    tier: str
    standing: str
    certainty: str
    drop: str
    control: str
    facts: tuple[Fact, ...]
    checks: tuple[CheckRow, ...]
    primary: ConditionTable
    overview: Overview | None
    figures: tuple[Figure, ...]
    maps: tuple[Figure, ...]
    runs: tuple[RunRow, ...]
    id: str
    raw: str
    command: str


@dataclass(frozen=True)
class StoredRow:
    """One line of the list of all results. state: shown, superseded, or why it is not on the board.

    attempt: which of the submission's artifacts it measured; notes: what was said about it since, oldest first.
    """

    protocol: str
    tier: str
    ended: str
    name: str
    raw: str
    state: str
    attempt: str = ""
    withdrawn: bool = False
    notes: tuple[str, ...] = ()


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
    badges: tuple[Badge, ...] = ()


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
