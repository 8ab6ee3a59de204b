"""Board: a protocol's submissions, ranked and worded, with its two charts.

Imports the ranking and the records; never torch.
"""

from collections import Counter
from dataclasses import replace

from bench.leaderboard import charting, charts
from bench.leaderboard.citation import cite_board, evidence_of
from bench.leaderboard.columns import ue_columns
from bench.leaderboard.contexts import Board, BoardContext, Fact, Row
from bench.leaderboard.defended import defenses_summary, networks_summary
from bench.leaderboard.families import Family, all_pairs
from bench.leaderboard.figures import DataTable, Figure
from bench.leaderboard.frame import per_seed, shown_results
from bench.leaderboard.limits import detectable_sentence, too_few_sentence
from bench.leaderboard.matrix import rivals
from bench.leaderboard.ranking import SeedTable, Standing, rank, rank_text
from bench.leaderboard.reported_page import reported_block
from bench.leaderboard.shelf import Shelved
from bench.leaderboard.sources import Entry, Sources, remembered
from bench.leaderboard.wording import (
    FAMILY_WORDS,
    TIER_WORDS,
    Shown,
    condition_words,
    control_sentence,
    drop_sentence,
    group_letters,
    list_words,
    scale,
    seeds_words,
    short_names,
    show,
    with_unit,
)
from bench.metrics.catalog import METRICS
from bench.protocol import Protocol
from bench.results import Measurement
from bench.unlearning_protocol import AnyProtocol

PRIMARY = METRICS["test_accuracy"]
ROLE_WORDS = {"entry": charts.ENTRY, "control": charts.CONTROL, "reference": charts.REFERENCE}
MOST_BARS = 30


@remembered
def build_board(sources: Sources, protocol: Protocol) -> Board:
    """Rank and word a protocol's submissions: ranked entries best first, then reference and controls, then the rest."""
    rows, ties = _rows(sources, protocol)
    reference = sources.reference(protocol)
    shown = reference.shown(protocol) if reference else None
    return Board(
        protocol=protocol.id,
        title=protocol.title,
        summary=protocol.summary,
        condition=condition_words(protocol.primary.label),
        ranked=tuple(row for row in rows if row.rank),
        anchors=tuple(row for row in rows if row.role != "entry"),
        unranked=tuple(row for row in rows if row.role == "entry" and not row.rank),
        ties=ties,
        reference=show(PRIMARY, _measurement(shown, PRIMARY.key, protocol)).text,
        reference_name=reference.name if reference else "clean training",
        controls=tuple(row.note for row in rows if row.role == "control"),
        defended=len(rivals(protocol)) > 1,
        searched=any(row.official.measured for row in rows),
    )


@remembered
def standings(sources: Sources, protocol: Protocol) -> tuple[list[Standing], int]:
    """Rank the entries of a protocol that have the primary metric; also return how many seeds any two share."""
    table = ranked_values(sources, protocol)
    lower = PRIMARY.direction == "lower"
    seeds = len(table.values)
    shared = table.common_seeds if seeds > 1 else seeds
    return rank(table, lower_is_better=lower, resolution=1 / test_images(protocol)), shared


def ranked_values(sources: Sources, protocol: Protocol) -> SeedTable:
    """Return what a board ranks by, entries by slug."""
    return sources.memory.at_hand(f"ranked {protocol.id}", lambda: _ranked_values(sources, protocol))


def _ranked_values(sources: Sources, protocol: Protocol) -> SeedTable:
    entries = [pair for pair in shown_results(sources, protocol) if pair[0].role == "entry"]
    label = protocol.primary.label
    found = {entry.slug: per_seed(stored.result, PRIMARY.key, label) for entry, stored in entries}
    return SeedTable.of({slug: values for slug, values in sorted(found.items()) if values})


def test_images(protocol: AnyProtocol) -> int:
    """Return how many test images a protocol uses at most; one of them is the resolution of an accuracy."""
    select = protocol.dataset.test.select
    chosen = select.per_class * protocol.dataset.classes if select.per_class else protocol.dataset.test.images
    return min(chosen, protocol.dataset.test.images)


def board_context(sources: Sources, protocol: Protocol) -> BoardContext:
    """Gather a protocol's board with its charts and matrices."""
    board = build_board(sources, protocol)
    pairs = shown_results(sources, protocol)
    results = {entry.slug: stored.result for entry, stored in pairs}
    return BoardContext(
        path=f"ue/{protocol.id}/index.html",
        title=f"{protocol.title}: unlearnable examples board",
        description=f"{protocol.title}: submissions by clean test accuracy of networks trained on them.",
        section="overview",
        board=board,
        columns=ue_columns(protocol, board.reference_name, defended=board.defended, searched=board.searched),
        citation=cite_board(row.evidence for row in (*board.ranked, *board.anchors, *board.unranked)),
        facts=_facts(board, protocol, pairs),
        defenses=defenses_summary(board, protocol, results),
        networks=networks_summary(board, protocol, results),
        reported=reported_block(protocol),
        figures=_figures(board),
        csv=f"{protocol.id}.csv",
    )


def _rows(sources: Sources, protocol: Protocol) -> tuple[list[Row], str]:
    ranked, shared = standings(sources, protocol)
    places = {standing.slug: position for position, standing in enumerate(ranked)}
    entries = sorted(sources.on_board(protocol), key=lambda entry: _place(entry, places))
    reference = sources.reference(protocol)
    anchor = reference.name if reference else "clean training"
    by_slug = {standing.slug: standing for standing in ranked}
    rows = [_row(entry, protocol, by_slug.get(entry.slug), anchor) for entry in entries]
    family = all_pairs(ranked_values(sources, protocol).values, resolution=1 / test_images(protocol))
    return rows, _ties_sentence(len(ranked), shared, family)


def _place(entry: Entry, places: dict[str, int]) -> tuple[int, int, str]:
    order = {"entry": 0, "reference": 1, "control": 2}
    return (order[entry.role], places.get(entry.slug, len(places)), entry.slug)


def _row(entry: Entry, protocol: Protocol, standing: Standing | None, anchor: str) -> Row:
    stored = entry.shown(protocol)
    accuracy = show(PRIMARY, _measurement(stored, PRIMARY.key, protocol))
    drop = _measurement(stored, "accuracy_drop", protocol)
    return Row(
        slug=entry.slug,
        name=entry.name,
        family=FAMILY_WORDS[entry.filed.family],
        role=entry.role,
        rank=rank_text(standing) if standing else "",
        groups=group_letters(standing.groups) if standing else "",
        accuracy=accuracy,
        worst=show(METRICS["worst_test_accuracy"], _measurement(stored, "worst_test_accuracy", protocol)),
        drop=show(METRICS["accuracy_drop"], drop),
        ud=show(METRICS["ud"], _measurement(stored, "ud", protocol)),
        official=_with_seeds(show(METRICS["ud_official"], _measurement(stored, "ud_official", protocol)), accuracy),
        peak=show(METRICS["peak_accuracy"], _measurement(stored, "peak_accuracy", protocol)),
        seeds=str(accuracy.n) if accuracy.measured else "none",
        tier=TIER_WORDS[stored.result.subject.tier] if stored else "none",
        note=_note(entry, drop, anchor, accuracy),
        evidence=evidence_of(entry.slug, stored, entry.manifest.cite.bibtex if entry.manifest.cite else ""),
    )


def _with_seeds(shown: Shown, accuracy: Shown) -> Shown:
    """Say how many seeds a number has where the accuracy of its row has more."""
    if not shown.measured or shown.n == accuracy.n:
        return shown
    return replace(shown, interval=f"{shown.interval}, {seeds_words(shown.n)}" if shown.bounds else shown.interval)


def _note(entry: Entry, drop: Measurement | None, anchor: str, accuracy: Shown) -> str:
    if entry.role == "control":
        sentence = drop_sentence(entry.name, anchor, drop, METRICS["accuracy_drop"])
        return f"{sentence} {control_sentence(drop)}"
    if entry.role == "reference":
        return "The anchor: every drop and every Unlearnable Distance is taken against it."
    return "" if accuracy.measured else accuracy.reason or "No result that the board can show is stored yet."


def _ties_sentence(entries: int, seeds: int, family: Family) -> str:
    if entries < 2:
        return "With fewer than two ranked entries there is nothing to compare."
    if seeds == 1:
        return "Some or all entries share only one seed with others. One seed tells nothing apart: those entries tie."
    if seeds == 0:
        return "Some entries share no seed with others: those cannot be compared, so they tie."
    shared = f"Any two entries share at least {seeds_words(seeds)}."
    if not family.pairs:
        return f"{shared} {too_few_sentence(seeds)}"
    return (
        f"{shared} They get different ranks only if their paired difference is significant over the whole board, by "
        f"the t-test after Holm's correction and by the exact sign-flip test; otherwise they tie. "
        f"{detectable_sentence(family, lambda value: with_unit(METRICS['accuracy_drop'], value))}"
    )


def _measurement(stored: Shelved | None, metric: str, protocol: Protocol) -> Measurement | None:
    return stored.result.measurement(metric, protocol.primary.label) if stored else None


def _facts(board: Board, protocol: Protocol, pairs: list[tuple[Entry, Shelved]]) -> tuple[Fact, ...]:
    data = protocol.dataset
    tiers = sorted({stored.result.subject.tier for _, stored in pairs})
    return (
        Fact("Data", f"{data.name}, {data.classes} classes, {data.height} by {data.width} pixels"),
        Fact("Ranked under", board.condition),
        Fact("Clean training", board.reference),
        Fact("Guessing", f"{100 / data.classes:.1f}\u202f%"),
        Fact("Tier shown", list_words(tiers)),
        Fact(
            "Submissions", f"{len(board.ranked)} ranked, {len(board.anchors)} anchors, {len(board.unranked)} unranked"
        ),
    )


def _figures(board: Board) -> tuple[Figure, ...]:
    rows = [row for row in (*board.ranked, *board.anchors) if row.accuracy.measured]
    first = [row for row in rows if row.role != "entry" or row in rows[:MOST_BARS]]
    figures = [_accuracy_figure(first, left_out=len(rows) - len(first))] if rows else []
    both = [row for row in rows if row.ud.measured]
    return tuple([*figures, _tradeoff_figure(both, long=board.long)] if both else figures)


def _accuracy_figure(rows: list[Row], *, left_out: int) -> Figure:
    bars: list[charting.Row] = [
        {
            "name": name,
            "role": ROLE_WORDS[row.role],
            "value": _scaled(row.accuracy),
            "low": _bound(row.accuracy, 0),
            "high": _bound(row.accuracy, 1),
            "text": f"{row.accuracy.text} ({row.accuracy.interval})",
        }
        for name, row in zip(_unique_names(rows), rows, strict=True)
    ]
    caption = "Mark: mean over seeds. Line: 95\u202f% interval. Further left protects better."
    if left_out:
        caption += f" The {left_out} least protected entries are left out; the table above has them."
    title = f"{PRIMARY.label} (%)"
    spec = charts.interval_chart(bars, name="accuracy", title=title, description=f"{title} by submission. {caption}")
    table = DataTable(
        title,
        ("method", "mean", "95\u202f% interval"),
        tuple((row.name, row.accuracy.text, row.accuracy.interval) for row in rows),
    )
    return Figure("accuracy", "Clean test accuracy with intervals", caption, spec, table)


def _tradeoff_figure(rows: list[Row], *, long: bool) -> Figure:
    points: list[charting.Row] = [
        {
            "name": name,
            "role": ROLE_WORDS[row.role],
            "slug": row.slug,
            "x": _scaled(row.accuracy),
            "y": round(float(row.ud.sort), 4),
            "x_low": _bound(row.accuracy, 0),
            "x_high": _bound(row.accuracy, 1),
            "y_low": round(row.ud.bounds[0], 4) if row.ud.bounds else None,
            "y_high": round(row.ud.bounds[1], 4) if row.ud.bounds else None,
            "label": label,
        }
        for name, label, row in zip(_unique_names(rows), _labels(rows), rows, strict=True)
    ]
    caption = (
        "Near the lower left: the network neither learns the task nor keeps layers that can still change its loss. "
        "The two measures disagree at the upper left, where layers can still change the loss although the task is not "
        "learned, and at the lower right, where the task is learned although hardly any layer can. "
        "Dotted line: the entries that no other one beats in both. Lines: 95\u202f% intervals, cut at the frame. Names "
        f"that would cover others are left out; the table {'above' if long else 'below the chart'} has all."
    )
    spec = charts.tradeoff_chart(
        points,
        name="tradeoff",
        x_title=f"{PRIMARY.label} (%)",
        y_title=METRICS["ud"].label,
        description=f"Test accuracy against Unlearnable Distance. {caption}",
    )
    table = DataTable(
        "Test accuracy and Unlearnable Distance",
        ("method", METRICS["test_accuracy"].label, METRICS["ud"].label),
        tuple((row.name, row.accuracy.text, row.ud.text) for row in rows),
    )
    return Figure("tradeoff", "Test accuracy and Unlearnable Distance", caption, spec, None if long else table)


def _unique_names(rows: list[Row]) -> list[str]:
    """Return names cut to what fits a chart; the slug is added where two submissions share one."""
    times = Counter(row.name for row in rows)
    return [f"{row.name[:40]} ({row.slug})" if times[row.name] > 1 else row.name[:60] for row in rows]


def _labels(rows: list[Row]) -> list[str]:
    """Return a short label for each ranked entry: what a name says in brackets is left to the tooltip and the table."""
    short = short_names({row.slug: row.name for row in rows})
    return [short[row.slug] if row.role == "entry" else "" for row in rows]


def _scaled(shown: Shown) -> float:
    return round(float(shown.sort) * scale(PRIMARY), 4)


def _bound(shown: Shown, index: int) -> float:
    return round(shown.bounds[index] * scale(PRIMARY), 4) if shown.bounds else float("nan")
