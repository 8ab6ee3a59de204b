"""Submission pages of the unlearning track: what is left of each poison, who says so, and how to measure it again.

Imports the figures and plain statistics; never torch.
"""

from collections.abc import Iterable, Mapping, Sequence

from bench.leaderboard.certainty import again_commands, certainty_sentence
from bench.leaderboard.citation import raw_name
from bench.leaderboard.contexts import Fact
from bench.leaderboard.exports.badges import page_badges
from bench.leaderboard.figures import DataTable, Figure
from bench.leaderboard.frame import seeds_of
from bench.leaderboard.history_figure import history_figures
from bench.leaderboard.shelf import Shelved
from bench.leaderboard.sources import Anchor, Sources, UnlearningEntry
from bench.leaderboard.submission_page import attempt_facts, check_rows, reported_rows, run_rows, stored_row
from bench.leaderboard.unlearning_charts import ORIGINAL, OWN, RETRAINED
from bench.leaderboard.unlearning_contexts import (
    ProbeLine,
    ProbeTable,
    UnlearningSection,
    UnlearningSubmissionContext,
)
from bench.leaderboard.unlearning_controls import control_sentences, control_table
from bench.leaderboard.unlearning_figures import roc_figure, score_figure
from bench.leaderboard.unlearning_order import (
    Place,
    gaussian_label,
    standings,
    tolerance_words,
    verdict,
    worst_distance,
    worst_gap,
)
from bench.leaderboard.wording import (
    ANCHOR_WORDS,
    STATUS_WORDS,
    TIER_WORDS,
    UNLEARNING_FAMILY_WORDS,
    direction_words,
    list_words,
    number,
    probe_words,
    seeds_words,
    setting_words,
    show,
    yes_no,
)
from bench.metrics.catalog import METRICS
from bench.results import CheckpointResult, Measurement, Result
from bench.submission import UnlearningManifest
from bench.unlearning_protocol import ProbeCondition, UnlearningProtocol

SUMMARY = {
    "removal": "poison gone, share",
    "retrain_distance": "distance to retraining",
    "checkpoint_test_accuracy": "test accuracy",
    "accuracy_gap": "against retraining",
    "forget_accuracy": "accuracy on the forget set",
    "tow": "ToW",
    "mia_gap": "MIA gap",
}
"""What the table of all probes shows, a column each, and its header."""

Standings = Mapping[str, Mapping[str, Place]]
"""By protocol: the place of each ranked entry."""

AnchorTexts = Mapping[Anchor, Mapping[tuple[str, str], str]]
"""What each reference has, in words, by metric and condition."""


def unlearning_submission_contexts(sources: Sources, entry: UnlearningEntry) -> list[UnlearningSubmissionContext]:
    """Gather the page of a submission of the unlearning track."""
    shown = (protocol for protocol in sources.unlearning_protocols.values() if entry.shown(protocol))
    return [_context(sources, entry, {protocol.id: standings(sources, protocol) for protocol in shown})]


def _context(sources: Sources, entry: UnlearningEntry, places: Standings) -> UnlearningSubmissionContext:
    manifest = entry.manifest
    sections = [
        _section(sources, entry, protocol, stored, places[protocol.id])
        for protocol in sources.unlearning_protocols.values()
        if (stored := entry.shown(protocol)) is not None
    ]
    measured = {section.protocol for section in sections}
    return UnlearningSubmissionContext(
        path=f"submissions/{entry.slug}/index.html",
        title=manifest.method.name,
        description=f"{manifest.method.name}: {manifest.method.summary}",
        section="unlearning",
        name=manifest.method.name,
        summary=manifest.method.summary,
        role=entry.role,
        facts=_manifest_facts(manifest),
        disclosure=_disclosure_facts(manifest),
        recipes=tuple(
            (recipe.protocol, _recipe_facts(manifest, recipe.protocol))
            for recipe in manifest.recipe
            if recipe.protocol in manifest.protocols
        ),
        checkpoints=tuple(
            (name, _checkpoint_table(manifest, name)) for name in manifest.protocols if manifest.artifacts_for(name)
        ),
        sections=tuple(sections),
        stored=tuple(stored_row(sources, entry, stored) for stored in entry.results),
        reported=reported_rows(manifest),
        pending=tuple(
            name for name in manifest.protocols if name in sources.unlearning_protocols and name not in measured
        ),
        bibtex=manifest.cite.bibtex if manifest.cite else "",
        badges=page_badges(((name, "unlearning") for name in sorted(measured)), entry.slug, manifest.method.name),
    )


def _manifest_facts(manifest: UnlearningManifest) -> tuple[Fact, ...]:
    links = manifest.links
    optional = (("Paper", links.paper), ("Code", links.code))
    return (
        Fact("Slug", manifest.slug, code=True),
        Fact("Family", UNLEARNING_FAMILY_WORDS[manifest.method.family]),
        Fact("Authors", list_words(author.name for author in manifest.authors)),
        Fact("Submitted", manifest.submitted.isoformat()),
        Fact("License of the artifacts", manifest.agreement.artifact_license),
        *(Fact(term, link, href=link) for term, link in optional if link),
    )


def _disclosure_facts(manifest: UnlearningManifest) -> tuple[Fact, ...]:
    disclosure = manifest.disclosure
    return (
        Fact("Attempts before this one", str(disclosure.attempts_before_this)),
        Fact("Settings that were tried", str(disclosure.search_trials)),
        Fact("Tuned on a retrained model", yes_no(disclosure.tuned_on_retrained)),
        Fact("Test set used", yes_no(disclosure.test_set_used)),
        Fact("Conflict of interest", disclosure.conflict_of_interest),
    )


def _recipe_facts(manifest: UnlearningManifest, protocol: str) -> tuple[Fact, ...]:
    recipe = manifest.recipe_for(protocol)
    if recipe is None:
        return ()
    return (
        Fact("Unlearner", recipe.unlearner, code=True),
        Fact("Budget", f"{recipe.budget}\u202f% of the compute of training the original"),
        Fact("Device", recipe.device),
        *(Fact(name, setting_words(value)) for name, value in sorted(recipe.settings.items())),
    )


def _checkpoint_table(manifest: UnlearningManifest, protocol: str) -> DataTable:
    return DataTable(
        "Checkpoints, one for each probe and seed; cost as its maker reports it",
        ("probe and seed", "size, bytes", "compute, share of training", "seconds", "hardware", "SHA-256"),
        tuple(
            (
                f"{probe_words(item.probe)}, seed {item.seed}",
                f"{item.bytes:,}",
                f"{item.cost.compute_share:.3f}" if item.cost else "not reported",
                f"{item.cost.seconds:.1f}" if item.cost else "not reported",
                item.cost.hardware if item.cost else "not reported",
                f"{item.sha256[:16]}\u2026",
            )
            for item in manifest.artifacts_for(protocol)
        ),
    )


def _section(
    sources: Sources,
    entry: UnlearningEntry,
    protocol: UnlearningProtocol,
    stored: Shelved,
    places: Mapping[str, Place],
) -> UnlearningSection:
    result = stored.result
    # The same beside every submission of a board.
    anchors = sources.memory.at_hand(f"anchors {protocol.id}", lambda: _anchor_texts(sources, protocol))
    tier = result.subject.tier
    cells = _cells(sources, result, protocol)
    return UnlearningSection(
        protocol=protocol.id,
        title=protocol.title,
        tier=TIER_WORDS[tier],
        standing=_standing_sentence(entry, protocol, places, tier),
        certainty=certainty_sentence(entry.results, stored),
        verdicts=_verdicts(result, protocol),
        summary=_summary(result, protocol),
        probes=tuple(_probe_table(condition, result, anchors) for condition in protocol.probes),
        controls=control_table(cells),
        control_words=control_sentences(cells, protocol.metrics.equivalence_margin),
        figures=(*_figures(cells, name=protocol.id), *history_figures(entry, protocol)),
        facts=_result_facts(entry, result),
        checks=check_rows(result),
        runs=run_rows(stored),
        id=result.id,
        raw=raw_name(stored),
        command=again_commands(entry.slug, protocol.id, tier),
    )


def _anchor_texts(sources: Sources, protocol: UnlearningProtocol) -> AnchorTexts:
    found: dict[Anchor, dict[tuple[str, str], str]] = {}
    for name, reference in sources.anchors(protocol).items():
        stored = reference.shown(protocol)
        if stored is not None:
            measured = stored.result.outcome.measurements
            found[name] = {
                (item.metric, item.condition): show(METRICS[item.metric], item).text for item in reversed(measured)
            }
    return found


def _cells(sources: Sources, result: Result, protocol: UnlearningProtocol) -> dict[str, tuple[CheckpointResult, ...]]:
    """Return the checkpoints of the Gaussian probe by series: the result's own and those that it was read against."""
    label = gaussian_label(protocol)
    found: dict[str, Iterable[CheckpointResult]] = {OWN: result.checkpoint_cells}
    for reference in result.outcome.references:
        if reference.role in ("original", "retrain"):
            series = ORIGINAL if reference.role == "original" else RETRAINED
            found[series] = sources.checkpoints(reference.cells)
    chosen = {
        series: tuple(cell for cell in cells if cell.condition == label and cell.gaussian is not None)
        for series, cells in found.items()
    }
    return {series: cells for series, cells in chosen.items() if cells}


def _figures(cells: Mapping[str, Sequence[CheckpointResult]], *, name: str) -> tuple[Figure, ...]:
    scores = {
        series: [cell.gaussian.forget for cell in found if cell.gaussian and cell.gaussian.forget]
        for series, found in cells.items()
    }
    if not scores.get(OWN):
        return ()
    return (roc_figure(scores, name=name), score_figure(scores, name=name))


def _standing_sentence(
    entry: UnlearningEntry, protocol: UnlearningProtocol, places: Mapping[str, Place], tier: str
) -> str:
    anchor = entry.anchor(protocol)
    if anchor:
        return f"This is a reference ({ANCHOR_WORDS[anchor]}): methods are read against it, and it is not ranked."
    if entry.role != "entry":
        return f"This is a {entry.role}: it is not ranked."
    place = places.get(entry.slug)
    if place is None:
        why = "of the quick tier, which has too few seeds" if tier != "full" else "without a distance on every probe"
        return f"Not ranked: a result {why}."
    group = (
        "it keeps the test accuracy of retraining"
        if place.keeps
        else f"it loses more than {tolerance_words()} of test accuracy against retraining"
    )
    return f"Rank {place.text} of {len(places)}, by the distance to retraining on its worst probe; {group}."


def _verdicts(result: Result, protocol: UnlearningProtocol) -> tuple[str, ...]:
    """Return what was found, in sentences: poison, distance, accuracy."""
    found = []
    gaussian = verdict(result, protocol)
    if gaussian.kind != "none":
        gus = show(METRICS["gus"], result.measurement("gus", gaussian_label(protocol) or ""))
        found.append(f"Gaussian noise: {gaussian.text} ({gaussian.detail}). GUS is {gus.text} ({gus.interval}).")
    worst, gap = worst_distance(result, protocol), worst_gap(result, protocol)
    if worst.measurement is not None:
        shown = show(METRICS["retrain_distance"], worst.measurement)
        found.append(f"Distance to retraining: {shown.text} ({shown.interval}), on {probe_words(worst.probe)}.")
    elif worst.reason:
        found.append(f"Distance to retraining: no worst case. {worst.reason}.")
    if gap.measurement is not None:
        shown = show(METRICS["accuracy_gap"], gap.measurement)
        found.append(f"Test accuracy against retraining: {shown.text} ({shown.interval}), on {probe_words(gap.probe)}.")
    return tuple(found)


def _summary(result: Result, protocol: UnlearningProtocol) -> DataTable:
    return DataTable(
        "Every probe at a glance: mean over seeds with its 95\u202f% interval",
        ("probe", *SUMMARY.values()),
        tuple(
            (
                f"{probe_words(condition.probe)}{' (primary)' if condition.primary else ''}",
                *(_with_interval(result, key, condition.label) for key in SUMMARY),
            )
            for condition in protocol.probes
        ),
    )


def _with_interval(result: Result, key: str, label: str) -> str:
    shown = show(METRICS[key], result.measurement(key, label))
    return f"{shown.text} ({shown.interval})" if shown.measured else shown.text


def _probe_table(condition: ProbeCondition, result: Result, anchors: AnchorTexts) -> ProbeTable:
    label, order = condition.label, list(METRICS)
    found = [item for item in result.outcome.measurements if item.condition == label]
    seeds = seeds_of(result, label)
    found.sort(key=lambda item: order.index(item.metric))
    return ProbeTable(
        probe=condition.probe,
        words=probe_words(condition.probe),
        primary=condition.primary,
        seeds=f"{seeds_words(len(seeds))}: {list_words(map(str, seeds))}",
        rows=tuple(_probe_line(item, anchors) for item in found),
    )


def _probe_line(measurement: Measurement, anchors: AnchorTexts) -> ProbeLine:
    metric, place = METRICS[measurement.metric], (measurement.metric, measurement.condition)
    before, after = (anchors.get(name, {}).get(place, STATUS_WORDS["absent"]) for name in ("original", "retrain"))
    return ProbeLine(
        key=measurement.metric,
        label=metric.label,
        shown=show(metric, measurement),
        original=before,
        retrained=after,
        direction=direction_words(metric),
        per_seed=", ".join(number(metric, value) for value in measurement.per_seed or ()),
    )


def _result_facts(entry: UnlearningEntry, result: Result) -> tuple[Fact, ...]:
    subject = result.subject
    return (
        Fact("Checkpoints measured", str(len(subject.artifacts))),
        Fact("Commitment to the secret of the kits", subject.challenge or "none", code=True),
        *attempt_facts(entry.ledger, result),
        Fact("Question (key)", result.key, code=True),
        Fact("Finding (id)", result.id, code=True),
        Fact("Evaluator code", subject.evaluator.code_sha256, code=True),
    )
