"""Leaders: who leads a board, in sentences and lines, made from the board's rows and from nothing else.

Imports contexts and wording; never torch.
"""

from collections import Counter
from collections.abc import Mapping, Sequence

from bench.leaderboard.contexts import Board, Row
from bench.leaderboard.page_contexts import BoardCard, BoardLine, LeaderRow
from bench.leaderboard.unlearning_contexts import UnlearningBoard, UnlearningRow, VerdictKind
from bench.leaderboard.wording import MINUS, Shown, short_names

AnyBoard = Board | UnlearningBoard
Labels = Mapping[str, str]
"""Short names of a board's submissions by slug."""

_VERDICTS: dict[VerdictKind, str] = {
    "gone": "The noise is gone.",
    "left": "The noise is still in the network.",
    "over": "It turned against the noise, which gives the images away as well.",
    "open": "The scores do not decide whether the noise is gone.",
    "none": "There is no verdict.",
}

MOST_ROWS = 5
MOST_NAMES = 3

UE_COLUMNS = ("Clean test accuracy", "Unlearnable Distance", "Worst case over defenses")
UNLEARNING_COLUMNS = ("Distance to retraining", "Gaussian noise: GUS", "Accuracy against retraining")


def leads(rank: str) -> bool:
    """Say whether a rank in words leaves the first place open: `1` and `1 to 4` do."""
    return rank == "1" or rank.startswith("1 to ")


def leader_slugs(board: AnyBoard) -> list[str]:
    """Return who leads a board and who cannot be told apart from a leader, best mean first."""
    rows: Sequence[Row | UnlearningRow] = board.ranked
    return [row.slug for row in rows if leads(row.rank)]


def labels(board: AnyBoard) -> dict[str, str]:
    """Return short names of a board's submissions by slug: without brackets, in full where two would be the same."""
    rows: Sequence[Row | UnlearningRow] = (*board.ranked, *board.anchors, *board.unranked)
    whole = {row.slug: row.name for row in rows}
    short = short_names(whole)
    twice = Counter(whole.values())
    return {slug: whole[slug] if name == slug and twice[whole[slug]] == 1 else name for slug, name in short.items()}


def ue_findings(board: Board, guess: str) -> tuple[str, ...]:
    """Say who leads a board of the UE track, what that is worth, and what the other measure says.

    guess: accuracy of guessing, in words.
    """
    if not board.ranked:
        return ("No ranked submission yet, so nothing leads.",)
    label, first = labels(board), board.ranked[0]
    found = [
        (
            f"{_who_leads(board, label)} A network that trained on the data of {label[first.slug]} classifies "
            f"{_with_interval(first.accuracy)} of clean images correctly; guessing reaches {guess}, clean training "
            f"{board.reference}."
        ),
        *([_distance_sentence(label[first.slug], first.ud)] if first.ud.measured else []),
        *([_worst_sentence(board, label)] if any(row.worst.measured for row in board.ranked) else []),
    ]
    return tuple(found)


def _distance_sentence(name: str, shown: Shown) -> str:
    """Say what a UD is against 1, where clean training is."""
    if shown.bounds is None:
        meaning = "from one seed, which decides nothing; 1 is as on clean data"
    elif shown.bounds[1] < 1:
        meaning = "so fewer layers can learn than on clean data, where it is 1"
    elif shown.bounds[0] > 1:
        meaning = "so more layers can change the loss than on clean data, where it is 1"
    else:
        meaning = "an interval that includes 1: by this measure nothing tells it apart from clean data"
    return f"Unlearnable Distance of {name}: {_with_interval(shown)}, {meaning}."


def _worst_sentence(board: Board, label: Labels) -> str:
    best = min((row for row in board.ranked if row.worst.measured), key=lambda row: float(row.worst.sort))
    return (
        f"A trainer who picks the best defense gets more back. In this worst case {label[best.slug]} has the lowest "
        f"accuracy: {_with_interval(best.worst)}."
    )


def unlearning_findings(board: UnlearningBoard) -> tuple[str, ...]:
    """Say who leads a board of the unlearning track, and at what distance."""
    if not board.ranked:
        return ("No ranked submission yet, so nothing leads.",)
    label, first = labels(board), board.ranked[0]
    name = label[first.slug]
    found = [
        (
            f"{_who_leads(board, label)} On its worst probe {name} is at a distance of {_with_interval(first.worst)}; "
            "retraining is at 0, doing nothing at 1."
        )
    ]
    if board.gaussian and first.gus.measured:
        found.append(f"GUS of {name}: {_with_interval(first.gus)}. {_VERDICTS[first.verdict.kind]}")
    return tuple(found)


def unlearning_cautions(board: UnlearningBoard) -> tuple[str, ...]:
    """Say what takes from the lead of a board: lost accuracy, noise that nobody removed, references that are odd."""
    if not board.ranked:
        return ()
    label = labels(board)
    noise = (_noise_sentence(board, label),) if board.gaussian else ()
    return (_accuracy_sentence(board, label), *noise)


def _accuracy_sentence(board: UnlearningBoard, label: Labels) -> str:
    ranked = board.ranked
    if not board.keeping:
        return (
            f"No method keeps the test accuracy of retraining within {board.tolerance} on every probe: "
            f"{label[ranked[0].slug]} {_gap_words(ranked[0])}."
        )
    return (
        f"{len(board.keeping)} of {len(ranked)} methods keep the test accuracy of retraining within {board.tolerance} "
        "and come first. Methods behind them can be closer to retraining and pay with accuracy."
    )


def _noise_sentence(board: UnlearningBoard, label: Labels) -> str:
    judged = [row for row in board.ranked if row.verdict.kind != "none"]
    gone = [row for row in judged if row.verdict.kind == "gone"]
    if not judged:
        return "No ranked method has Gaussian scores."
    test = f"the equivalence test of GUS (within {board.margin})"
    passed = _names([row.slug for row in gone], label) if gone else ""
    sentence = (
        f"{len(gone)} of {len(judged)} methods pass {test}: {passed}{_at_a_price(gone)}."
        if gone
        else f"No unlearner of {len(judged)} passes {test}: none has been shown to remove the noise."
    )
    retrained = [row for row in board.anchors if row.anchor == "retrained" and row.verdict.kind != "none"]
    if not retrained:
        return f"{sentence} Retraining has no Gaussian scores yet, so the test itself is unchecked."
    if retrained[0].verdict.kind == "gone":
        return f"{sentence} Retraining passes it, as it must."
    if retrained[0].verdict.kind == "open":
        return (
            f"{sentence} Retraining itself stays undecided ({retrained[0].verdict.detail}): "
            "these seeds are too few to show that a trace is gone."
        )
    return f"{sentence} Retraining itself does not pass it ({retrained[0].verdict.text}): read this with doubt."


def _at_a_price(rows: Sequence[UnlearningRow]) -> str:
    losing = [row for row in rows if row.keeps is False]
    if len(losing) < len(rows):
        return ""
    return f", which {_gap_words(losing[0])}" if len(rows) == 1 else ", which all lose accuracy against retraining"


def _gap_words(row: UnlearningRow) -> str:
    if not row.gap.measured:
        return "has no measured accuracy against retraining"
    verb = "loses" if float(row.gap.sort) < 0 else "gains"
    return f"{verb} {row.gap.text.removeprefix(MINUS)} of test accuracy on its worst probe"


def _who_leads(board: AnyBoard, label: Labels) -> str:
    first, total = leader_slugs(board), len(board.ranked)
    leader = label[board.ranked[0].slug]
    if total == 1:
        return f"{leader} is the only ranked method."
    if len(first) == total:
        return f"None of the {total} methods leads: the seeds cannot tell them apart. {leader} has the best mean."
    tied = f" The seeds cannot tell {_names(first[1:], label, 'or')} apart from it." if len(first) > 1 else ""
    return f"Of {total} methods, {leader} leads.{tied}"


def _names(slugs: Sequence[str], label: Labels, word: str = "and") -> str:
    """Name methods, the first few of them, the last one after a word."""
    short = [label[slug] for slug in slugs]
    if len(short) > MOST_NAMES:
        short = [*short[:MOST_NAMES], f"{len(short) - MOST_NAMES} more"]
    return short[0] if len(short) == 1 else f"{', '.join(short[:-1])} {word} {short[-1]}"


def _with_interval(shown: Shown) -> str:
    return f"{shown.text} ({shown.interval})"


def ue_columns(board: Board) -> tuple[str, ...]:
    """Return the columns of `ue_rows`."""
    return UE_COLUMNS if board.defended else UE_COLUMNS[:-1]


def ue_rows(board: Board, most: int = MOST_ROWS) -> tuple[LeaderRow, ...]:
    """Return the first methods of a board of the UE track."""
    label = labels(board)
    return tuple(
        LeaderRow(row.rank, row.slug, label[row.slug], _ue_cells(row)[: len(ue_columns(board))])
        for row in board.ranked[:most]
    )


def _ue_cells(row: Row) -> tuple[Shown, ...]:
    return (row.accuracy, row.ud, row.worst)


def unlearning_columns(board: UnlearningBoard) -> tuple[str, ...]:
    """Return the columns of `unlearning_rows`."""
    return tuple(column for column in UNLEARNING_COLUMNS if board.gaussian or "GUS" not in column)


def unlearning_rows(board: UnlearningBoard, most: int = MOST_ROWS) -> tuple[LeaderRow, ...]:
    """Return the first methods of a board of the unlearning track."""
    label = labels(board)
    return tuple(
        LeaderRow(
            row.rank,
            row.slug,
            label[row.slug],
            _unlearning_cells(row) if board.gaussian else (row.worst, row.gap),
        )
        for row in board.ranked[:most]
    )


def _unlearning_cells(row: UnlearningRow) -> tuple[Shown, ...]:
    return (row.worst, _judged(row), row.gap)


def _judged(row: UnlearningRow) -> Shown:
    """Return GUS with its verdict beside the interval."""
    gus = row.gus
    if not gus.measured or row.verdict.kind == "none":
        return gus
    words = f"{gus.interval}; {row.verdict.text}"
    return Shown(gus.text, words, gus.sort, gus.n, measured=True, bounds=gus.bounds)


def board_line(board: AnyBoard) -> BoardLine:
    """Return a board in a line: all columns of its track, empty without a ranked method."""
    if isinstance(board, Board):
        cells, track = [_ue_cells(row) for row in board.ranked[:1]], "ue"
    else:
        cells, track = [_unlearning_cells(row) for row in board.ranked[:1]], "unlearning"
    return BoardLine(
        href=f"{track}/{board.protocol}/index.html",
        title=board.title,
        ranked=len(board.ranked),
        leaders=_line_words(board),
        cells=cells[0] if cells else (),
    )


def _line_words(board: AnyBoard) -> str:
    first, total = leader_slugs(board), len(board.ranked)
    if not total:
        return "nothing measured yet"
    if len(first) == total and total > 1:
        return f"nobody: {total} tie"
    label = labels(board)
    tied = f"; tied: {_names(first[1:], label)}" if len(first) > 1 else ""
    return f"{label[first[0]]}{tied}"


def ue_card(board: Board, guess: str) -> BoardCard:
    """Return a board of the UE track for the overview of its track."""
    return BoardCard(
        protocol=board.protocol,
        title=board.title,
        summary=board.summary,
        href=f"ue/{board.protocol}/index.html",
        findings=(*ue_findings(board, guess), *board.controls),
        caption=f"Best protected first, {board.condition}; {board.reference_name} reaches {board.reference}",
        columns=ue_columns(board),
        rows=ue_rows(board),
        ranked=len(board.ranked),
    )


def unlearning_card(board: UnlearningBoard) -> BoardCard:
    """Return a board of the unlearning track for the overview of its track."""
    return BoardCard(
        protocol=board.protocol,
        title=board.title,
        summary=board.summary,
        href=f"unlearning/{board.protocol}/index.html",
        findings=(*unlearning_findings(board), *unlearning_cautions(board)),
        caption=f"Closest to retraining first, among methods within {board.tolerance} of its accuracy; then the others",
        columns=unlearning_columns(board),
        rows=unlearning_rows(board),
        ranked=len(board.ranked),
    )
