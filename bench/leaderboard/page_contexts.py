"""Contexts of the pages around the boards: home, overviews, defenses, networks, prose and guides.

Imports contexts for their types; never torch.
"""

from dataclasses import dataclass, field
from typing import Literal

from bench.leaderboard.contexts import ConditionRow, Context, Fact, Matrix
from bench.leaderboard.figures import DataTable
from bench.leaderboard.wording import Shown
from bench.metrics.catalog import Metric

MarkKind = Literal["method", "reference", "control"]


@dataclass(frozen=True)
class ScaleMark:
    """One measured value on a scale: where it lies and its interval, as shares of the width such as `34.5%`."""

    name: str
    text: str
    kind: MarkKind
    x: str
    low: str
    high: str
    y: int


@dataclass(frozen=True)
class ScaleTick:
    """A named place on a scale. anchor: which end of its words lies there."""

    x: str
    text: str
    anchor: Literal["start", "middle", "end"]


@dataclass(frozen=True)
class Scale:
    """A small drawing: a line for each value, on one scale. band: start and width of a zone. words: how to read it."""

    name: str
    title: str
    description: str
    marks: tuple[ScaleMark, ...]
    ticks: tuple[ScaleTick, ...]
    band: tuple[str, str] | None
    words: str
    height: int


@dataclass(frozen=True)
class LeaderRow:
    """One of the best methods of a board, with one cell for each column."""

    rank: str
    slug: str
    name: str
    cells: tuple[Shown, ...]


@dataclass(frozen=True)
class BoardLine:
    """A board in a line: who leads, and the numbers of the first. cells: empty where nothing is ranked."""

    href: str
    title: str
    ranked: int
    leaders: str
    cells: tuple[Shown, ...]


@dataclass(frozen=True)
class BoardLines:
    """All boards of a track in one table."""

    caption: str
    columns: tuple[str, ...]
    lines: tuple[BoardLine, ...]


@dataclass(frozen=True)
class Side:
    """One of the two questions on the front page, answered by its main board.

    measures: each measure with what it tells. findings: who leads, in sentences. cautions: what a reader has to know
    before he believes them.
    """

    key: str
    heading: str
    question: str
    measures: tuple[tuple[str, str, str], ...]
    board: str
    href: str
    overview: str
    findings: tuple[str, ...]
    cautions: tuple[str, ...]
    scales: tuple[Scale, ...]
    columns: tuple[str, ...]
    rows: tuple[LeaderRow, ...]
    caption: str


@dataclass(frozen=True)
class Recent:
    """A result that came in lately."""

    date: str
    slug: str
    name: str
    board: str
    href: str
    detail: str


@dataclass(frozen=True)
class Source:
    """A publication that the benchmark follows. href: empty without a public address."""

    title: str
    reference: str
    href: str
    role: str


@dataclass(frozen=True, kw_only=True)
class HomeContext(Context):
    """The front page: both questions, all boards in brief, what is new, and where the ideas come from."""

    sides: tuple[Side, ...]
    boards: tuple[BoardLines, ...]
    recent: tuple[Recent, ...]
    submissions: int
    results: int
    sources: tuple[Source, ...]


@dataclass(frozen=True)
class BoardCard:
    """A board on the overview of its track: what it measures, who leads, and its first methods."""

    protocol: str
    title: str
    summary: str
    href: str
    findings: tuple[str, ...]
    caption: str
    columns: tuple[str, ...]
    rows: tuple[LeaderRow, ...]
    ranked: int


@dataclass(frozen=True, kw_only=True)
class TrackContext(Context):
    """The overview of a track. waiting: boards without a ranked submission, as address, title and summary."""

    boards: tuple[BoardCard, ...]
    waiting: tuple[tuple[str, str, str], ...]


@dataclass(frozen=True)
class DefendedRow:
    """What the strongest defense gives back of one method."""

    slug: str
    name: str
    undefended: Shown
    defended: Shown
    defense: str
    share: str
    verdict: str


@dataclass(frozen=True, kw_only=True)
class DefensesContext(Context):
    """A board under every defense. rule: when a defense counts as breaking a method."""

    protocol: str
    board: str
    model: str
    sentences: tuple[str, ...]
    rule: str
    rows: tuple[DefendedRow, ...]
    matrices: tuple[Matrix, ...]


@dataclass(frozen=True, kw_only=True)
class NetworksContext(Context):
    """A board by network. networks: conditions of `rows`, in words, each with two columns."""

    protocol: str
    board: str
    sentences: tuple[str, ...]
    networks: tuple[str, ...]
    rows: tuple[ConditionRow, ...]


@dataclass(frozen=True, kw_only=True)
class ProtocolsContext(Context):
    """All protocols, by track: id, title, data, what is measured, and how many results are stored."""

    groups: tuple[tuple[str, DataTable], ...]


@dataclass(frozen=True)
class Span:
    """A run of text in one face. href: where it leads, empty for plain text; outside: whether that is another site."""

    text: str
    code: bool = False
    strong: bool = False
    href: str = ""
    outside: bool = False


Line = tuple[Span, ...]


@dataclass(frozen=True)
class Block:
    """A piece of a document: a heading with its id, a paragraph, a list, a table with a caption, or code."""

    kind: Literal["heading", "paragraph", "list", "table", "code"]
    level: int = 0
    id: str = ""
    lines: tuple[Line, ...] = ()
    caption: str = ""
    header: tuple[Line, ...] = ()
    rows: tuple[tuple[Line, ...], ...] = ()
    text: str = ""


@dataclass(frozen=True, kw_only=True)
class ProseContext(Context):
    """A document of the repository as a page. contents: id and words of its sections."""

    blocks: tuple[Block, ...]
    contents: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Step:
    """A step of a guide: what to do, the commands, and what comes of it."""

    heading: str
    commands: str
    words: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class SubmitContext(Context):
    """How to take part: the steps of each track, what is checked, the limits, and what happens to a pull request."""

    tracks: tuple[tuple[str, str, tuple[Step, ...]], ...]
    checks: DataTable
    limits: DataTable
    budgets: tuple[Fact, ...]
    request: tuple[str, ...]
    protocols: tuple[str, ...]


@dataclass(frozen=True)
class MetricLine:
    """A metric in the list of all: how it is read, its unit, and the first sentence of its definition."""

    metric: Metric
    direction: str
    unit: str
    words: str


@dataclass(frozen=True, kw_only=True)
class MetricsContext(Context):
    """All metrics, by track and by where they are shown."""

    groups: tuple[tuple[str, tuple[tuple[str, tuple[MetricLine, ...]], ...]], ...]


@dataclass(frozen=True, kw_only=True)
class GuideContext(Context):
    """A page of prose: how to read, nothing here.

    margin: of the control, tolerance: of accuracy, both in words. ways: up from an address that does not exist.
    comparisons: methods of a board and the pairs on it. power: seeds, and how far apart methods then have to be, in
    standard deviations of their difference.
    """

    statuses: tuple[tuple[str, str], ...] = field(default=())
    margin: str = ""
    tolerance: str = ""
    ways: tuple[str, ...] = field(default=())
    comparisons: tuple[int, int] = (0, 0)
    power: tuple[tuple[int, str], ...] = field(default=())
