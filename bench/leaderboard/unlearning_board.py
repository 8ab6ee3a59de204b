"""Board of the unlearning track: a protocol's submissions, ranked and worded, with their chart and matrices.

Imports the figures; never torch.
"""

from collections.abc import Iterable, Mapping, Sequence

from bench.leaderboard.citation import cite_board, evidence_of
from bench.leaderboard.columns import unlearning_columns
from bench.leaderboard.contexts import Fact, Matrix, MatrixCell, MatrixRow
from bench.leaderboard.figures import DataTable
from bench.leaderboard.matrix import LEVELS
from bench.leaderboard.sources import Sources, UnlearningEntry, remembered
from bench.leaderboard.unlearning_contexts import UnlearningBoard, UnlearningBoardContext, UnlearningRow
from bench.leaderboard.unlearning_figures import tradeoff_figure
from bench.leaderboard.unlearning_order import (
    Place,
    WorstCase,
    families,
    gaussian_label,
    keeps_accuracy,
    margin_words,
    shared_seeds,
    standings,
    tolerance_words,
    verdict,
    worst_distance,
    worst_gap,
)
from bench.leaderboard.unlearning_sentences import anchor_sentences, leader_sentences, ties_sentence
from bench.leaderboard.wording import (
    ANCHOR_WORDS,
    NOT_REPORTED,
    STATUS_WORDS,
    TIER_WORDS,
    UNLEARNING_FAMILY_WORDS,
    Shown,
    group_letters,
    list_words,
    number,
    probe_short_words,
    probe_words,
    seeds_words,
    short_names,
    show,
)
from bench.metrics.catalog import METRICS
from bench.results import Measurement, Result
from bench.unlearning_protocol import ProbeCondition, UnlearningProtocol

DISTANCE, REMOVAL = "retrain_distance", "removal"
OVER = 1.1
"""A share of removal from which a poison counts as removed beyond retraining in the matrix."""


@remembered
def build_board(sources: Sources, protocol: UnlearningProtocol) -> UnlearningBoard:
    """Rank and word a protocol's submissions: those that keep accuracy, those that do not, references, the rest."""
    places = standings(sources, protocol)
    rows = [_row(entry, protocol, places) for entry in _ordered(sources, protocol, places)]
    keeping = tuple(row for row in rows if row.rank and row.keeps)
    anchors = tuple(row for row in rows if row.role != "entry")
    ranked = [row for row in rows if row.rank]
    return UnlearningBoard(
        protocol=protocol.id,
        title=protocol.title,
        summary=protocol.summary,
        keeping=keeping,
        losing=tuple(row for row in ranked if not row.keeps),
        anchors=anchors,
        unranked=tuple(row for row in rows if row.role == "entry" and not row.rank),
        leaders=leader_sentences(ranked, places, gaussian_label(protocol) is not None),
        anchor_words=anchor_sentences(anchors, gaussian_label(protocol) is not None),
        ties=ties_sentence(ranked, families(sources, protocol)),
        gaussian=gaussian_label(protocol) is not None,
        primary=probe_words(protocol.primary.probe),
        tolerance=tolerance_words(),
        margin=margin_words(protocol),
    )


def board_context(sources: Sources, protocol: UnlearningProtocol) -> UnlearningBoardContext:
    """Gather a protocol's board with its chart and matrices."""
    board = build_board(sources, protocol)
    shown = ((entry, entry.shown(protocol)) for entry in sources.unlearning_naming(protocol))
    results = {entry.slug: stored.result for entry, stored in shown if stored is not None}
    return UnlearningBoardContext(
        path=f"unlearning/{protocol.id}/index.html",
        title=f"{protocol.title}: unlearning board",
        description=f"{protocol.title}: which method makes a network forget, at what accuracy, certainty and cost.",
        section="unlearning",
        board=board,
        columns=unlearning_columns(protocol, gaussian_label(protocol)),
        citation=cite_board(row.evidence for row in (*board.ranked, *board.anchors, *board.unranked)),
        facts=_facts(board, protocol),
        matrices=_matrices(board, protocol, results),
        figures=tuple(tradeoff_figure(board)),
        csv=f"{protocol.id}.csv",
    )


def _ordered(sources: Sources, protocol: UnlearningProtocol, places: Mapping[str, Place]) -> Sequence[UnlearningEntry]:
    order = {slug: position for position, slug in enumerate(places)}
    roles = {"entry": 0, "reference": 1, "control": 2}
    anchors = {name: position for position, name in enumerate(ANCHOR_WORDS)}

    def key(entry: UnlearningEntry) -> tuple[int, int, int, str]:
        anchor = anchors.get(entry.anchor(protocol) or "", len(anchors))
        return (roles[entry.role], order.get(entry.slug, len(order)), anchor, entry.slug)

    return sorted((entry for entry in sources.unlearning_naming(protocol) if entry.belongs_on(protocol)), key=key)


def _row(entry: UnlearningEntry, protocol: UnlearningProtocol, places: Mapping[str, Place]) -> UnlearningRow:
    stored = entry.shown(protocol)
    result = stored.result if stored else None
    place = places.get(entry.slug)
    primary, gaussian = protocol.primary.label, gaussian_label(protocol)
    worst = worst_distance(result, protocol) if result else WorstCase(None, "")
    gap = worst_gap(result, protocol) if result else WorstCase(None, "")
    anchor = entry.anchor(protocol)
    seeds = shared_seeds(result, protocol) if result else 0
    return UnlearningRow(
        slug=entry.slug,
        name=entry.name,
        family=UNLEARNING_FAMILY_WORDS[entry.filed.family],
        role=entry.role,
        anchor=ANCHOR_WORDS[anchor] if anchor else "",
        rank=place.text if place else "",
        groups=group_letters(place.ties) if place else "",
        place=str(list(places).index(entry.slug) + 1) if place else "",
        worst=_shown_worst(worst, result, DISTANCE),
        worst_probe=probe_short_words(worst.probe) if worst.probe else "",
        gus=_shown(result, "gus", gaussian),
        verdict=verdict(result, protocol),
        tpr=_shown(result, "gus_tpr_01", gaussian),
        accuracy=_shown(result, "checkpoint_test_accuracy", primary),
        gap=_shown_worst(gap, result, "accuracy_gap"),
        gap_probe=probe_short_words(gap.probe) if gap.probe else "",
        keeps=keeps_accuracy(result, protocol) if result else None,
        tow=_shown(result, "tow", primary),
        mia=_shown(result, "mia_gap", primary),
        cost=_cost(result, primary),
        seeds=str(seeds) if seeds else "none",
        tier=TIER_WORDS[result.subject.tier] if result else "none",
        note="" if place or entry.role != "entry" else _why_unranked(result, worst),
        evidence=evidence_of(entry.slug, stored, entry.manifest.cite.bibtex if entry.manifest.cite else ""),
    )


def _shown(result: Result | None, key: str, label: str | None) -> Shown:
    measurement = result.measurement(key, label) if result and label else None
    return show(METRICS[key], measurement)


def _shown_worst(found: WorstCase, result: Result | None, key: str) -> Shown:
    if found.measurement is None and result is not None:
        return Shown(STATUS_WORDS["not_measurable"], "", "", 0, measured=False)
    return show(METRICS[key], found.measurement)


def _cost(result: Result | None, primary: str) -> Shown:
    shown = _shown(result, "compute_share", primary)
    if result is None or shown.measured:
        return shown
    return Shown(NOT_REPORTED, "", "", 0, measured=False)


def _why_unranked(result: Result | None, worst: WorstCase) -> str:
    if result is None:
        return "No result that the board can show is stored yet."
    if result.subject.tier != "full":
        return "Measured in the quick tier, which has too few seeds to rank."
    return f"No distance to retraining on every probe, so it has no worst case. {worst.reason}."


def _facts(board: UnlearningBoard, protocol: UnlearningProtocol) -> tuple[Fact, ...]:
    data = protocol.dataset
    return (
        Fact("Data", f"{data.name}, {data.classes} classes, {data.height} by {data.width} pixels"),
        Fact("Network", protocol.model),
        Fact("Probes", list_words(probe_words(condition.probe) for condition in protocol.probes)),
        Fact("Largest budget", f"{protocol.budget.share * 100:g}\u202f% of the compute of training"),
        Fact(
            "Submissions",
            f"{len(board.ranked)} ranked, {len(board.anchors)} references, {len(board.unranked)} unranked",
        ),
    )


def _matrices(
    board: UnlearningBoard, protocol: UnlearningProtocol, results: Mapping[str, Result]
) -> tuple[Matrix, ...]:
    rows = [row for row in (*board.anchors, *board.ranked, *board.unranked) if row.slug in results]
    if not rows:
        return ()
    removal = _matrix_rows(rows, protocol, results, REMOVAL)
    distance = _matrix_rows(rows, protocol, results, DISTANCE)
    columns = tuple(_column(condition) for condition in protocol.probes)
    made = (
        (REMOVAL, "How much of each poison is gone: 0 as in the original, 1 as after retraining", removal),
        (DISTANCE, "Distance to retraining on each probe, from either side: 0 is ideal", distance),
    )
    scales = {
        REMOVAL: ("0 and below: as in the original", "1: as after retraining"),
        DISTANCE: ("0: like retraining", "1 and above: as far as the original"),
    }
    return tuple(
        Matrix(
            name=f"by-probe-{key.replace('_', '-')}",
            caption=f"{title}. Mean over seeds",
            columns=columns,
            rows=found,
            intervals=_intervals(title, columns, found),
            scale=scales[key],
            beyond=f"above {OVER:g}: more than retraining, over-unlearned" if key == REMOVAL else "",
        )
        for key, title, found in made
    )


def _column(condition: ProbeCondition) -> str:
    return f"{probe_short_words(condition.probe)}{' (primary)' if condition.primary else ''}"


def _matrix_rows(
    rows: Sequence[UnlearningRow], protocol: UnlearningProtocol, results: Mapping[str, Result], key: str
) -> tuple[MatrixRow, ...]:
    names = short_names({row.slug: row.name for row in rows})
    return tuple(
        MatrixRow(
            row.slug,
            names[row.slug],
            row.role,
            tuple(_cell(key, results[row.slug].measurement(key, condition.label)) for condition in protocol.probes),
        )
        for row in rows
    )


def _cell(key: str, measurement: Measurement | None) -> MatrixCell:
    metric = METRICS[key]
    shown = show(metric, measurement)
    if measurement is None or measurement.mean is None:
        return MatrixCell(shown.text, shown.reason, "", shown.text, measured=False)
    words = f"{shown.interval}, {seeds_words(shown.n)}" if shown.bounds else shown.interval
    title = f"95\u202f% interval {words}" if shown.bounds else words
    over = key == REMOVAL and measurement.mean > OVER
    level = "over" if over else str(min(max(int(measurement.mean * LEVELS), 0), LEVELS - 1))
    return MatrixCell(number(metric, measurement.mean), title, level, words, measured=True)


def _intervals(title: str, columns: Iterable[str], rows: Sequence[MatrixRow]) -> DataTable:
    return DataTable(
        f"{title}: 95\u202f% intervals",
        ("method", *columns),
        tuple((row.name, *(cell.interval for cell in row.cells)) for row in rows),
    )
