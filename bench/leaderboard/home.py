"""Home: the front page and the overview of each track, made from the boards.

Imports the boards; never torch.
"""

from collections.abc import Callable, Sequence
from typing import TypeVar

from bench.leaderboard.board import build_board
from bench.leaderboard.contexts import Board, Row
from bench.leaderboard.leaders import (
    UE_COLUMNS,
    UNLEARNING_COLUMNS,
    labels,
    leader_slugs,
    ue_columns,
    ue_findings,
    ue_rows,
    unlearning_cautions,
    unlearning_columns,
    unlearning_findings,
    unlearning_rows,
)
from bench.leaderboard.moments import first_moment
from bench.leaderboard.outlines import Outline, guess_words, ue_outline, unlearning_outline
from bench.leaderboard.page_contexts import (
    BoardLines,
    HomeContext,
    Recent,
    Scale,
    Side,
    Source,
    TrackContext,
)
from bench.leaderboard.scales import Point, build_scale
from bench.leaderboard.shelf import Shelved
from bench.leaderboard.sources import Entry, Sources, UnlearningEntry, newest_first
from bench.leaderboard.unlearning_board import build_board as build_unlearning_board
from bench.leaderboard.unlearning_contexts import UnlearningBoard, UnlearningRow
from bench.leaderboard.wording import TIER_WORDS, Shown
from bench.protocol import Protocol
from bench.unlearning_protocol import AnyProtocol

ENOUGH = 5
"""Ranked methods from which a board can stand for its track."""

MOST_LEADERS = 2
MOST_RECENT = 5
MOST_HOME_ROWS = 5

SOURCES = (
    Source(
        "How Far Are We From True Unlearnability?",
        "arXiv:2509.08058",
        "https://arxiv.org/abs/2509.08058",
        "proposes Sharpness-Aware Learnability and the Unlearnable Distance",
    ),
    Source(
        "Machine Unlearning Fails to Remove Data Poisoning Attacks",
        "arXiv:2406.17216",
        "https://arxiv.org/abs/2406.17216",
        "proposes the Gaussian Unlearning Score and the poisons that a network has to lose",
    ),
    Source(
        "What makes unlearning hard and what to do about it",
        "arXiv:2406.01257",
        "https://arxiv.org/abs/2406.01257",
        "proposes the tug-of-war score, and refining what has to be forgotten by its difficulty",
    ),
    Source(
        "Machine Unlearning Challenge",
        "report by Li",
        "",
        "describes dual-phase ascent and data modification",
    ),
)
"""The four publications whose questions, metrics and methods this benchmark measures."""

AnyBoard = TypeVar("AnyBoard", Board, UnlearningBoard, Outline)
RowOf = TypeVar("RowOf", Row, UnlearningRow)


def index_contexts(sources: Sources) -> list[HomeContext]:
    """Gather the front page."""
    boards = [ue_outline(sources, protocol) for protocol in sources.protocols.values()]
    unlearning = [unlearning_outline(sources, protocol) for protocol in sources.unlearning_protocols.values()]
    sides = (_ue_side(sources, boards), _unlearning_side(sources, unlearning))
    return [
        HomeContext(
            path="index.html",
            title="Data nobody can learn from, models that must forget",
            description=(
                "Measures data that must not be learned and networks that must forget, with their uncertainty."
            ),
            sides=tuple(side for side in sides if side is not None),
            boards=(
                BoardLines(
                    "Unlearnable examples: each board with the numbers of its first method",
                    UE_COLUMNS,
                    tuple(board.line for board in boards),
                ),
                BoardLines(
                    "Machine unlearning: each board with the numbers of its first method",
                    UNLEARNING_COLUMNS,
                    tuple(board.line for board in unlearning),
                ),
            ),
            recent=recent_results(sources),
            submissions=len(sources.submissions),
            results=sum(len(entry.results) for entry in sources.submissions),
            sources=SOURCES,
        )
    ]


def ue_index_contexts(sources: Sources) -> list[TrackContext]:
    """Gather the overview of the UE track."""
    boards = [ue_outline(sources, protocol) for protocol in sources.protocols.values()]
    return [
        TrackContext(
            path="ue/index.html",
            title="Can data be made unlearnable?",
            description=(
                "Measures unlearnable examples: what a network learns from data that was changed against learning."
            ),
            section="overview",
            boards=tuple(board.card for board in boards if board.card is not None),
            waiting=tuple(
                (f"ue/{item.protocol}/index.html", item.title, item.summary) for item in boards if not item.ranked
            ),
        )
    ]


def unlearning_index_contexts(sources: Sources) -> list[TrackContext]:
    """Gather the overview of the unlearning track."""
    boards = [unlearning_outline(sources, protocol) for protocol in sources.unlearning_protocols.values()]
    return [
        TrackContext(
            path="unlearning/index.html",
            title="Is the data gone?",
            description="Measures machine unlearning: what is left of a poison that a network was asked to forget.",
            section="unlearning",
            boards=tuple(board.card for board in boards if board.card is not None),
            waiting=tuple(
                (f"unlearning/{item.protocol}/index.html", item.title, item.summary)
                for item in boards
                if not item.ranked
            ),
        )
    ]


def main_board(boards: Sequence[AnyBoard], protocol: Callable[[str], AnyProtocol | None]) -> AnyBoard | None:
    """Return the board that stands for its track on the front page; None without any board.

    Boards with ENOUGH ranked methods go first, then those of a whole data set, then the most training images, then
    the most ranked methods, then the name and its newest version. protocol: returns a protocol by its id.
    """

    def precedence(board: AnyBoard) -> tuple[bool, bool, int, int, tuple[str, int]]:
        found = protocol(board.protocol)
        assert found is not None
        train = found.dataset.train
        ranked = len(board.ranked)
        part = train.select.per_class is not None
        return (ranked < ENOUGH, part, -train.images, -ranked, newest_first(board.protocol))

    measured = [board for board in boards if board.ranked]
    return min(measured or boards, key=precedence, default=None)


def _ue_side(sources: Sources, boards: Sequence[Outline]) -> Side | None:
    main = main_board(boards, sources.protocol)
    if main is None:
        return None
    protocol = sources.protocols[main.protocol]
    board = build_board(sources, protocol)
    return Side(
        key="ue",
        heading="Data nobody can learn from",
        question=(
            "Someone changes the pixels of images a little, so that a network trained on them "
            "learns nothing of use. Does it?"
        ),
        measures=(
            (
                "Clean test accuracy",
                "metrics/test_accuracy/index.html",
                (
                    "train on the changed images, test on untouched ones. Near guessing, the data was "
                    "protected. It ranks the boards."
                ),
            ),
            (
                "Unlearnable Distance (UD)",
                "metrics/ud/index.html",
                (
                    "how many layers of the network can still change its loss, against clean training. "
                    "0: none; 1: as many as on clean data."
                ),
            ),
        ),
        board=board.title,
        href=f"ue/{board.protocol}/index.html",
        overview="ue/index.html",
        findings=ue_findings(board, guess_words(protocol)),
        cautions=board.controls,
        scales=_ue_scales(board, protocol),
        columns=ue_columns(board),
        rows=ue_rows(board, MOST_HOME_ROWS),
        caption=(
            f"First {min(MOST_HOME_ROWS, len(board.ranked))} of {len(board.ranked)}; lower accuracy is better protected"
        ),
    )


def _unlearning_side(sources: Sources, boards: Sequence[Outline]) -> Side | None:
    main = main_board(boards, sources.protocol)
    if main is None:
        return None
    board = build_unlearning_board(sources, sources.unlearning_protocols[main.protocol])
    return Side(
        key="unlearning",
        heading="Models that must forget",
        question=(
            "A network was trained on data that it should not have seen. Can it be made to "
            "forget them without training anew?"
        ),
        measures=(
            (
                "Distance to retraining",
                "metrics/retrain_distance/index.html",
                (
                    "how far a network is from one that never saw the data. 0: like retraining; 1: like "
                    "doing nothing. It ranks the boards."
                ),
            ),
            (
                "Gaussian Unlearning Score (GUS)",
                "metrics/gus/index.html",
                (
                    "how strongly a network still reacts to secret noise it was to forget, in standard "
                    "deviations. 0: no trace."
                ),
            ),
        ),
        board=board.title,
        href=f"unlearning/{board.protocol}/index.html",
        overview="unlearning/index.html",
        findings=unlearning_findings(board),
        cautions=unlearning_cautions(board),
        scales=_unlearning_scales(board),
        columns=unlearning_columns(board),
        rows=unlearning_rows(board, MOST_HOME_ROWS),
        caption=f"First {min(MOST_HOME_ROWS, len(board.ranked))} of {len(board.ranked)}; lower distance is better",
    )


def _ue_scales(board: Board, protocol: Protocol) -> tuple[Scale, ...]:
    rows = (*board.ranked, *board.anchors)
    points = _points(board, rows, lambda row: row.accuracy, 100)
    guess = 100 / protocol.dataset.classes
    accuracy = build_scale(
        "scale-accuracy",
        "Clean test accuracy, %",
        points,
        ends=(0, 100),
        ticks=((guess, "guessing"), (100, "100")),
        words="Further left: less was learned.",
    )
    distances = _points(board, rows, lambda row: row.ud)
    top = max([1.5, *(point.bounds[1] for point in distances if point.shown.measured)])
    distance = build_scale(
        "scale-ud",
        "Unlearnable Distance",
        distances,
        ends=(0, min(top, 3.0)),
        ticks=((0, "0"), (1, "1")),
        words="0: no layer can learn. 1: as many layers as on clean data.",
    )
    return tuple(scale for scale in (accuracy, distance) if scale is not None)


def _unlearning_scales(board: UnlearningBoard) -> tuple[Scale, ...]:
    anchors = [row for name in ("original", "retrained") for row in board.anchors if row.anchor == name]
    rows = (*board.ranked, *anchors)
    points = _points(board, rows, lambda row: row.worst)
    distance = build_scale(
        "scale-distance",
        "Distance to retraining, worst probe",
        points,
        ends=(0, max([1.15, *(point.bounds[1] for point in points if point.shown.measured)])),
        ticks=((0, "0"), (1, "1")),
        words="0: like retraining. 1: like doing nothing. Above 1: further away than that.",
    )
    scores = _points(board, rows, lambda row: row.gus)
    bounds = [bound for point in scores if point.shown.measured for bound in point.bounds]
    margin = float(board.margin.lstrip("\u00b1"))
    low, high = min([-2 * margin, *bounds]), max([0.5, *bounds]) * 1.05
    score = build_scale(
        "scale-gus",
        "GUS, standard deviations",
        scores,
        ends=(low, high),
        ticks=tuple((value, f"{value:g}") for value in (0.0, 0.5, 1.0) if value < high),
        words=(
            f"0: no trace of the noise. Shaded: within {board.margin}, which counts as gone if the "
            "interval test supports it."
        ),
        band=(-margin, margin),
    )
    return tuple(scale for scale in (distance, score) if scale is not None)


def _points(
    board: Board | UnlearningBoard, rows: Sequence[RowOf], shown: Callable[[RowOf], Shown], factor: float = 1.0
) -> list[Point]:
    """Return the first leaders of a board and its references as points; shown: picks the number of a row."""
    label, first = labels(board), leader_slugs(board)[:MOST_LEADERS]
    return [
        Point(label[row.slug], "method" if row.slug in first else "reference", shown(row), factor)
        for row in rows
        if row.slug in first or row.role == "reference"
    ]


def recent_results(sources: Sources) -> tuple[Recent, ...]:
    """Return the newest results that a board shows, by when a run first found them, newest first."""
    found = [
        (first_moment(stored), entry, protocol, stored)
        for protocol in sources.all_protocols
        for entry in sources.naming(protocol)
        if (stored := entry.shown(protocol)) is not None and stored.head.ends
    ]
    found.sort(key=lambda item: (item[1].slug, item[2].id))
    found.sort(key=lambda item: item[0], reverse=True)
    return tuple(_recent(moment, entry, protocol, stored) for moment, entry, protocol, stored in found[:MOST_RECENT])


def _recent(moment: str, entry: Entry | UnlearningEntry, protocol: AnyProtocol, stored: Shelved) -> Recent:
    track = "ue" if isinstance(protocol, Protocol) else "unlearning"
    return Recent(
        date=moment[:10],
        slug=entry.slug,
        name=entry.name,
        board=protocol.title,
        href=f"{track}/{protocol.id}/index.html",
        detail=f"{TIER_WORDS[stored.head.tier]} tier",
    )
