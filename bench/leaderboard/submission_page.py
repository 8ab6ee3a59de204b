"""Submission pages: what an author says, what was measured, and how to measure it again.

Imports the figures; never torch.
"""

from collections.abc import Mapping
from functools import partial

from bench.leaderboard.attempts import attempt_words, history_words, note_words
from bench.leaderboard.board import standings
from bench.leaderboard.certainty import again_commands, certainty_sentence
from bench.leaderboard.citation import raw_name
from bench.leaderboard.contexts import (
    CheckRow,
    ConditionTable,
    Fact,
    MeasuredRow,
    ReportedRow,
    ResultSection,
    RunRow,
    StoredRow,
    SubmissionContext,
)
from bench.leaderboard.exports.badges import page_badges
from bench.leaderboard.figures import Figure, accuracy_figure, learnable_figure, sal_figures, seed_figure
from bench.leaderboard.frame import seeds_of
from bench.leaderboard.history_figure import history_figures
from bench.leaderboard.overview import build_overview
from bench.leaderboard.ranking import Standing, rank_text
from bench.leaderboard.shelf import Shelved
from bench.leaderboard.sources import Entry, Sources, UnlearningEntry, protocol_digest
from bench.leaderboard.wording import (
    DIRECTION_WORDS,
    FAMILY_WORDS,
    NOT_RECORDED,
    STATUS_WORDS,
    TIER_WORDS,
    condition_words,
    control_sentence,
    cost_words,
    drop_sentence,
    list_words,
    machine_words,
    margin_words,
    number,
    seeds_words,
    show,
    time_words,
    yes_no,
)
from bench.ledger import Ledger
from bench.metrics.catalog import METRICS
from bench.protocol import Protocol
from bench.results import Measurement, Result, Run
from bench.submission import AnyManifest, Artifact, Manifest

NORM_WORDS = {"linf": "L-infinity", "l0": "L0 (changed pixels)", "l2": "L2", "unbounded": "none (unbounded)"}
SEED_FIGURES = ("test_accuracy", "ud")

Standings = Mapping[str, tuple[int, Mapping[str, Standing]]]
"""By protocol: how many entries are ranked, and the standing of each."""


def submission_contexts(sources: Sources, entry: Entry) -> list[SubmissionContext]:
    """Gather the page of a submission."""
    places: dict[str, tuple[int, Mapping[str, Standing]]] = {}
    for protocol in sources.protocols.values():
        if entry.shown(protocol):
            places[protocol.id] = sources.memory.at_hand(
                f"standings {protocol.id}", partial(_places, sources, protocol)
            )
    return [_context(sources, entry, places)]


def _places(sources: Sources, protocol: Protocol) -> tuple[int, Mapping[str, Standing]]:
    ranked, _ = standings(sources, protocol)
    return len(ranked), {standing.slug: standing for standing in ranked}


def _context(sources: Sources, entry: Entry, places: Standings) -> SubmissionContext:
    manifest = entry.manifest
    sections = [
        _section(sources, entry, protocol, stored, places)
        for protocol in sources.protocols.values()
        if (stored := entry.shown(protocol)) is not None
    ]
    measured = {section.protocol for section in sections}
    return SubmissionContext(
        path=f"submissions/{entry.slug}/index.html",
        title=manifest.method.name,
        description=f"{manifest.method.name}: {manifest.method.summary}",
        section="overview",
        name=manifest.method.name,
        summary=manifest.method.summary,
        role=entry.role,
        facts=_manifest_facts(manifest),
        artifacts=tuple((artifact.protocol, _artifact_facts(artifact)) for artifact in manifest.artifact),
        sections=tuple(sections),
        stored=tuple(stored_row(sources, entry, stored) for stored in entry.results),
        reported=reported_rows(manifest),
        pending=tuple(name for name in manifest.protocols if name in sources.protocols and name not in measured),
        bibtex=manifest.cite.bibtex if manifest.cite else "",
        badges=page_badges(((name, "ue") for name in sorted(measured)), entry.slug, manifest.method.name),
    )


def _manifest_facts(manifest: Manifest) -> tuple[Fact, ...]:
    method, links, disclosure = manifest.method, manifest.links, manifest.disclosure
    optional = (("Paper", links.paper), ("Code", links.code))
    return (
        Fact("Slug", manifest.slug, code=True),
        Fact("Family", FAMILY_WORDS[method.family]),
        Fact("Authors", list_words(author.name for author in manifest.authors)),
        Fact("Submitted", manifest.submitted.isoformat()),
        Fact("Surrogate model", method.surrogate),
        Fact("Uses labels", yes_no(method.uses_labels)),
        Fact("Extra data", method.extra_data),
        Fact("Attempts before this one", str(disclosure.attempts_before_this)),
        Fact("Test set used", yes_no(disclosure.test_set_used)),
        Fact("Conflict of interest", disclosure.conflict_of_interest),
        Fact("License of the artifacts", manifest.agreement.artifact_license),
        *(Fact(term, link, href=link) for term, link in optional if link),
    )


def _artifact_facts(artifact: Artifact) -> tuple[Fact, ...]:
    recipe = artifact.recipe
    made = (Fact("Made by", f"bench craft {recipe.attack}, seed {recipe.seed}"),) if recipe else ()
    return (
        Fact("File", artifact.path, code=True),
        Fact("SHA-256", artifact.sha256, code=True),
        Fact("Size", f"{artifact.bytes:,} bytes"),
        Fact("Budget it claims to keep", NORM_WORDS[artifact.norm]),
        Fact("Declared kind", artifact.kind),
        *made,
    )


def _section(sources: Sources, entry: Entry, protocol: Protocol, stored: Shelved, places: Standings) -> ResultSection:
    result = stored.result
    reference = sources.reference(protocol)
    anchor = reference.manifest.method.name if reference else "clean training"
    drop = result.measurement("accuracy_drop", protocol.primary.label)
    maps, figures = _figures(sources, entry, protocol, result)
    tier = result.subject.tier
    return ResultSection(
        protocol=protocol.id,
        title=protocol.title,
        tier=TIER_WORDS[tier],
        standing=_standing_sentence(entry, protocol, places),
        certainty=certainty_sentence(entry.results, stored),
        drop=""
        if entry.role == "reference"
        else drop_sentence(entry.manifest.method.name, anchor, drop, METRICS["accuracy_drop"]),
        control=control_sentence(drop) if entry.role == "control" else "",
        facts=_result_facts(entry, protocol, result),
        checks=check_rows(result),
        primary=_primary_table(protocol, result),
        overview=build_overview(protocol, result) if len(protocol.conditions) > 1 else None,
        figures=(*figures, *history_figures(entry, protocol)),
        maps=maps,
        runs=run_rows(stored),
        id=result.id,
        raw=raw_name(stored),
        command=again_commands(entry.slug, protocol.id, tier),
    )


def _standing_sentence(entry: Entry, protocol: Protocol, places: Standings) -> str:
    total, by_slug = places[protocol.id]
    standing = by_slug.get(entry.slug)
    if entry.role == "reference":
        return "This is the reference: it is what other submissions are compared with, and is not ranked."
    if entry.role == "control":
        return f"This is a control: it must show no effect larger than {margin_words()}, and is not ranked."
    if standing is None:
        return "Not ranked: the primary metric has not been measured."
    condition = condition_words(protocol.primary.label)
    return f"Rank {rank_text(standing)} of {total}, by clean test accuracy under {condition}."


def _figures(
    sources: Sources, entry: Entry, protocol: Protocol, mine: Result
) -> tuple[tuple[Figure, ...], tuple[Figure, ...]]:
    """Return the SAL maps and the other figures of a submission under the primary condition."""
    reference = sources.reference(protocol)
    stored = reference.shown(protocol) if reference else None
    clean = stored.result if stored and reference and reference.slug != entry.slug else None
    condition, prefix = protocol.primary.label, protocol.id
    if not any(cell.condition == condition for cell in mine.training_cells):
        return (), ()
    figures = [
        *(seed_figure(METRICS[key], mine, clean, condition, name=f"{prefix}-{key}") for key in SEED_FIGURES),
        accuracy_figure(mine, clean, condition, name=f"{prefix}-accuracy"),
        learnable_figure(mine, clean, condition, name=f"{prefix}-layers"),
    ]
    maps = sal_figures(mine, clean, condition, name=f"{prefix}-sal")
    return maps, tuple(figure for figure in figures if figure is not None)


def _result_facts(entry: Entry, protocol: Protocol, result: Result) -> tuple[Fact, ...]:
    artifacts = entry.manifest.artifacts_for(protocol.id)
    measured = {check.id: check.measured for check in result.outcome.checks}
    kind = tuple(
        Fact("Kind", f"declared {artifact.kind}, measured {measured.get('kind', STATUS_WORDS['not_run'])}")
        for artifact in artifacts
    )
    digests = tuple(Fact("Artifact measured", item.sha256, code=True) for item in result.subject.artifacts)
    return (
        *(digests or (Fact("Artifact measured", "none: the training images as they are"),)),
        *kind,
        *attempt_facts(entry.ledger, result),
        Fact("Question (key)", result.key, code=True),
        Fact("Finding (id)", result.id, code=True),
        Fact("Evaluator code", result.subject.evaluator.code_sha256, code=True),
    )


def _primary_table(protocol: Protocol, result: Result) -> ConditionTable:
    label = protocol.primary.label
    order = list(METRICS)
    found = [item for item in result.outcome.measurements if item.condition == label and item.metric in METRICS]
    found.sort(key=lambda item: order.index(item.metric))
    seeds = seeds_of(result, label)
    return ConditionTable(
        condition=label,
        words=condition_words(label),
        seeds=f"{seeds_words(len(seeds))}: {list_words(map(str, seeds))}",
        rows=tuple(_measured_row(item) for item in found),
    )


def _measured_row(measurement: Measurement) -> MeasuredRow:
    metric = METRICS[measurement.metric]
    values = ", ".join(number(metric, value) for value in measurement.per_seed or ())
    return MeasuredRow(
        metric, show(metric, measurement), DIRECTION_WORDS[metric.direction], values or STATUS_WORDS[measurement.status]
    )


def check_rows(result: Result) -> tuple[CheckRow, ...]:
    """Return the checks of a submission's artifacts as they are shown."""
    words = {"pass": "pass", "warn": "warning"}
    return tuple(CheckRow(item.id, words[item.status], item.measured, item.detail) for item in result.outcome.checks)


def run_rows(stored: Shelved) -> tuple[RunRow, ...]:
    """Return the runs that found a result, in the order of time."""
    return tuple(_run_row(run) for run in sorted(stored.runs, key=lambda run: (run.ended, run.id)))


def reported_rows(manifest: AnyManifest) -> tuple[ReportedRow, ...]:
    """Return the numbers that an author states."""
    return tuple(ReportedRow(item.metric, item.condition, f"{item.value:g}", item.source) for item in manifest.reported)


def _run_row(run: Run) -> RunRow:
    commit = NOT_RECORDED if run.git_commit is None else run.git_commit[:12]
    return RunRow(
        ended=time_words(run.ended),
        hardware=machine_words(run.hardware),
        software=", ".join(f"{name} {version}" for name, version in sorted(run.software.items())) or NOT_RECORDED,
        cells=f"{run.cells_trained} trained, {run.cells_reused} reused",
        commit=f"{commit}{', with changes' if run.git_dirty else ''}",
        cost=cost_words(run.cost),
    )


def stored_row(sources: Sources, entry: Entry | UnlearningEntry, stored: Shelved) -> StoredRow:
    """Return a line of the list of all results of a submission, and whether the board shows it."""
    head = stored.head
    protocol = sources.protocol(head.protocol)
    if protocol is None:
        state = "protocol no longer known"
    elif protocol_digest(protocol) != head.protocol_sha256:
        state = "answers an earlier wording of the protocol, not on the board"
    elif head.withdrawn:
        state = "withdrawn, not on the board"
    elif not entry.owns(stored):
        state = "of another artifact, not on the board"
    else:
        state = "shown" if entry.shown(protocol) == stored else "superseded"
    ended = time_words(head.ended)
    return StoredRow(
        head.protocol,
        TIER_WORDS[head.tier],
        ended,
        head.name,
        raw_name(stored),
        state,
        attempt=attempt_words(entry.ledger, stored.result),
        withdrawn=head.withdrawn,
        notes=note_words(entry.ledger, stored.result),
    )


def attempt_facts(ledger: Ledger, result: Result) -> tuple[Fact, ...]:
    """Return what the ledger says about how a result came about, and what was said about it since."""
    notes = tuple(Fact("Said since", note) for note in note_words(ledger, result))
    return (Fact("Attempt, by the ledger", history_words(ledger, result)), *notes)
