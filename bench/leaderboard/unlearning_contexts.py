"""Contexts of the unlearning track: what its templates may read, ranked, rounded and worded before it gets here.

Imports contexts and figures for their types; never torch.
"""

from dataclasses import dataclass
from typing import Literal

from bench.leaderboard.citation import BoardCitation, Evidence
from bench.leaderboard.columns import Column
from bench.leaderboard.contexts import Badge, CheckRow, Context, Fact, Matrix, ReportedRow, RunRow, StoredRow
from bench.leaderboard.figures import LONG_BOARD, DataTable, Figure
from bench.leaderboard.sources import Role
from bench.leaderboard.wording import Shown

VerdictKind = Literal["gone", "left", "over", "open", "none"]


@dataclass(frozen=True)
class Verdict:
    """What the Gaussian scores say about the poison, in words. detail: the number that decided, empty without one."""

    kind: VerdictKind
    text: str
    detail: str


@dataclass(frozen=True)
class UnlearningRow:
    """One submission on a board. rank is empty where nothing is ranked; note says why.

    place: its position in the order of the board, for sorting; empty without one. anchor: which reference it is, in
    words. worst, worst_probe: largest distance to retraining over probes, and where. gap, gap_probe: the same for what
    accuracy loses. keeps: whether it keeps the accuracy of retraining, None where that is unknown.
    """

    slug: str
    name: str
    family: str
    role: Role
    anchor: str
    rank: str
    groups: str
    place: str
    worst: Shown
    worst_probe: str
    gus: Shown
    verdict: Verdict
    tpr: Shown
    accuracy: Shown
    gap: Shown
    gap_probe: str
    keeps: bool | None
    tow: Shown
    mia: Shown
    cost: Shown
    seeds: str
    tier: str
    note: str
    evidence: Evidence


@dataclass(frozen=True)
class UnlearningBoard:
    """A protocol's board. keeping, losing: entries with and without the accuracy of retraining, both best first.

    leaders: what the numbers say, sentence by sentence. gaussian: whether the Gaussian probe is on the board.
    anchor_words: how to read the references. tolerance: of accuracy, in words. margin: of the verdict, in words.
    """

    protocol: str
    title: str
    summary: str
    keeping: tuple[UnlearningRow, ...]
    losing: tuple[UnlearningRow, ...]
    anchors: tuple[UnlearningRow, ...]
    unranked: tuple[UnlearningRow, ...]
    leaders: tuple[str, ...]
    anchor_words: tuple[str, ...]
    ties: str
    gaussian: bool
    primary: str
    tolerance: str
    margin: str

    @property
    def ranked(self) -> tuple[UnlearningRow, ...]:
        """The ranked entries, best first."""
        return (*self.keeping, *self.losing)

    @property
    def long(self) -> bool:
        """Whether the page has to spare the browser."""
        return len(self.ranked) > LONG_BOARD


@dataclass(frozen=True, kw_only=True)
class UnlearningBoardContext(Context):
    """A board with its charts, its matrices and the file of the same numbers. days: as of `BoardContext`."""

    board: UnlearningBoard
    columns: tuple[Column, ...]
    citation: BoardCitation
    facts: tuple[Fact, ...]
    matrices: tuple[Matrix, ...]
    figures: tuple[Figure, ...]
    csv: str
    days: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class ProbeLine:
    """One metric of a checkpoint under a probe, beside both references. page: whether the metric has a page."""

    key: str
    label: str
    shown: Shown
    original: str
    retrained: str
    direction: str
    per_seed: str


@dataclass(frozen=True)
class ProbeTable:
    """Every metric of a submission under one probe. seeds: in the order of the values by seed."""

    probe: str
    words: str
    primary: bool
    seeds: str
    rows: tuple[ProbeLine, ...]


@dataclass(frozen=True)
class UnlearningSection:
    """What one protocol shows of a submission.

    verdicts: what the numbers say, sentence by sentence. controls: sets of Gaussian scores beside the references, empty
    without them; control_words: what they say. certainty: whether it was found again, in a sentence.
    """

    protocol: str
    title: str
    tier: str
    standing: str
    certainty: str
    verdicts: tuple[str, ...]
    summary: DataTable
    probes: tuple[ProbeTable, ...]
    controls: DataTable | None
    control_words: tuple[str, ...]
    figures: tuple[Figure, ...]
    facts: tuple[Fact, ...]
    checks: tuple[CheckRow, ...]
    runs: tuple[RunRow, ...]
    id: str
    raw: str
    command: str


@dataclass(frozen=True, kw_only=True)
class UnlearningSubmissionContext(Context):
    """A submission of the unlearning track: what was measured, what its author says, how to measure it again.

    recipes: by protocol, how the checkpoints are made. checkpoints: by protocol, every file.
    """

    name: str
    summary: str
    role: Role
    facts: tuple[Fact, ...]
    disclosure: tuple[Fact, ...]
    recipes: tuple[tuple[str, tuple[Fact, ...]], ...]
    checkpoints: tuple[tuple[str, DataTable], ...]
    sections: tuple[UnlearningSection, ...]
    stored: tuple[StoredRow, ...]
    reported: tuple[ReportedRow, ...]
    pending: tuple[str, ...]
    bibtex: str = ""
    badges: tuple[Badge, ...] = ()


@dataclass(frozen=True, kw_only=True)
class UnlearningProtocolContext(Context):
    """An unlearning protocol: every setting, in words."""

    id: str
    summary: str
    notes: tuple[str, ...]
    groups: tuple[tuple[str, tuple[Fact, ...]], ...]
    probes: DataTable
