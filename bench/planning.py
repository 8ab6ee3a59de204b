"""Plans: what evaluating one submission under one protocol takes, for either track.

Knows the lab but imports no torch itself.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from bench.artifacts import read_perturbation
from bench.challenge_secret import challenge_check, read_secret
from bench.checkpoint_check import check_checkpoints
from bench.crafting import recreate_artifact
from bench.data import load_data
from bench.data.identity import pin_measured
from bench.errors import InvalidSubmission, UsageProblem
from bench.problems import exit_code, format_problems
from bench.protocol import Protocol, Tier, load_protocol
from bench.results import (
    AnyCell,
    ArtifactRef,
    CellResult,
    Check,
    CheckpointRef,
    CheckpointResult,
    Measurement,
    Subject,
    subject_key,
)
from bench.store import find_result
from bench.submission import Artifact, Manifest, Submission, UnlearningManifest
from bench.tracks.ue import CellJob, measure_conditions
from bench.tracks.ue_estimators import build_subject, cell_job
from bench.tracks.unlearning import (
    CheckpointJob,
    Submitted,
    checkpoint_key,
    measure_probes,
)
from bench.tracks.unlearning import (
    build_subject as build_checkpoint_subject,
)
from bench.unlearning_protocol import (
    AnyProtocol,
    ProbeCell,
    UnlearningProtocol,
    load_unlearning_protocol,
    unlearning_protocol_ids,
)
from bench.validation import check_perturbation
from bench.verification import checkpoints_by_cell, readable_submissions

Job = CellJob | CheckpointJob
"""A unit of work of either track."""

Role = Literal["clean", "original", "retrain"]
Measure = Callable[[tuple[AnyCell, ...], Mapping[Role, tuple[AnyCell, ...]]], tuple[Measurement, ...]]
"""(own cells, cells of each reference) -> every metric of the plan's protocol and tier."""


@dataclass(frozen=True)
class Plan:
    """What evaluating one submission under one protocol takes.

    own, references: the cells of the submission and of what it is read against, protocol order. stored: the path of a
    sound result that already answers this, None where there is none.
    """

    submission: Submission
    protocol: AnyProtocol
    tier: Tier
    subject: Subject
    checks: tuple[Check, ...]
    own: tuple[Job, ...]
    references: Mapping[Role, tuple[Job, ...]]
    measure: Measure
    stored: Path | None

    @property
    def label(self) -> str:
        """`slug on protocol`, for messages."""
        return f"{self.submission.slug} on {self.protocol.id}"

    def jobs(self) -> list[Job]:
        """Return the cells of this plan, the submission's own ones first."""
        return [*self.own, *(job for jobs in self.references.values() for job in jobs)]


def make_plan(root: Path, submission: Submission, protocol_id: str, tier: Tier) -> Plan:
    """Plan a valid submission under one of its protocols. root: folder that holds submissions/.

    Raises UnknownName, InvalidSubmission, DatasetMissing; UsageProblem where a reference is missing.
    """
    if isinstance(submission.manifest, UnlearningManifest):
        if protocol_id not in unlearning_protocol_ids():
            raise UsageProblem(f"{protocol_id} is no protocol of the unlearning track, {submission.slug} is")
        return _plan_unlearning(root, submission, load_unlearning_protocol(protocol_id), tier)
    return _plan_ue(submission, submission.manifest, load_protocol(protocol_id), tier)


def _plan_ue(submission: Submission, manifest: Manifest, protocol: Protocol, tier: Tier) -> Plan:
    artifact = next(iter(manifest.artifacts_for(protocol.id)), None)
    # From here on the digests are fixed: a worker that finds other images than were planned with refuses them.
    dataset = pin_measured(protocol.dataset)
    pinned = protocol.model_copy(update={"dataset": dataset})
    refs, checks = _read_artifact(submission, artifact, pinned)
    subject = build_subject(protocol, tier, refs, dataset)
    cells = protocol.cells(tier)
    folder, slug = submission.folder, submission.slug

    def measure(own: tuple[AnyCell, ...], references: Mapping[Role, tuple[AnyCell, ...]]) -> tuple[Measurement, ...]:
        found = [
            {cell: item for cell, item in zip(cells, part, strict=True) if isinstance(item, CellResult)}
            for part in (own, references["clean"])
        ]
        return measure_conditions(pinned, tier, *found)

    return Plan(
        submission=submission,
        protocol=pinned,
        tier=tier,
        subject=subject,
        checks=checks,
        own=tuple(cell_job(pinned, cell, refs, folder, artifact, f"{slug} {cell.label}") for cell in cells),
        references={"clean": tuple(cell_job(pinned, cell, (), folder, None, f"clean {cell.label}") for cell in cells)},
        measure=measure,
        stored=find_result(folder, protocol.id, subject_key(subject)),
    )


def _read_artifact(
    submission: Submission, artifact: Artifact | None, protocol: Protocol
) -> tuple[tuple[ArtifactRef, ...], tuple[Check, ...]]:
    """Return an artifact by content and its measured checks, against the images that are trained on."""
    if artifact is None:
        return (), ()
    recreate_artifact(submission.folder, artifact, protocol)
    perturbation = read_perturbation(submission.folder, artifact)
    data = load_data(protocol.dataset)
    problems, checks = check_perturbation(perturbation, artifact, protocol, data.train_images, data.train_labels)
    if exit_code(problems):
        raise InvalidSubmission(format_problems(problems, "text"))
    ref = ArtifactRef(
        role=artifact.role,
        sha256=perturbation.sha256,
        bytes=perturbation.size,
        dtype=str(perturbation.values.dtype),
        shape=perturbation.values.shape,
        norm=artifact.norm,
    )
    return (ref,), tuple(checks)


def _plan_unlearning(root: Path, submission: Submission, protocol: UnlearningProtocol, tier: Tier) -> Plan:
    dataset = pin_measured(protocol.dataset)
    pinned = protocol.model_copy(update={"dataset": dataset})
    secret = read_secret()
    cells = protocol.cells(tier)
    own = _submitted(submission, pinned, cells)
    others = [item for item in readable_submissions(root) if item.slug != submission.slug]
    checks = (challenge_check(secret), *check_checkpoints(submission, pinned, others))
    bases: dict[Role, dict[ProbeCell, Submitted]] = {
        "original": _reference(root, submission, pinned, cells, own, "original"),
        "retrain": _reference(root, submission, pinned, cells, own, "retrain"),
    }
    refs = {cell: checkpoint_ref(own[cell]) for cell in cells}
    subject = build_checkpoint_subject(protocol, tier, [refs[cell] for cell in cells], dataset, secret.commitment)

    def job(cell: ProbeCell, submitted: Submitted, name: str) -> CheckpointJob:
        retrained = bases["retrain"][cell]
        key = checkpoint_key(pinned, cell, checkpoint_ref(submitted), retrained.checkpoint.sha256, secret.commitment)
        return CheckpointJob(key, root, pinned, cell, submitted, retrained, f"{name} {cell.label}")

    def measure(found: tuple[AnyCell, ...], references: Mapping[Role, tuple[AnyCell, ...]]) -> tuple[Measurement, ...]:
        parts = [
            {cell: item for cell, item in zip(cells, part, strict=True) if isinstance(item, CheckpointResult)}
            for part in (found, references["original"], references["retrain"])
        ]
        return measure_probes(pinned, tier, *parts)

    return Plan(
        submission=submission,
        protocol=pinned,
        tier=tier,
        subject=subject,
        checks=checks,
        own=tuple(job(cell, own[cell], submission.slug) for cell in cells),
        references={role: tuple(job(cell, found[cell], role) for cell in cells) for role, found in bases.items()},
        measure=measure,
        stored=find_result(submission.folder, protocol.id, subject_key(subject)),
    )


def checkpoint_ref(submitted: Submitted) -> CheckpointRef:
    """Return a checkpoint by content, as its manifest pins it; the cell refuses a file of other bytes."""
    found = submitted.checkpoint
    return CheckpointRef(
        role=found.role,
        probe=found.probe,
        seed=found.seed,
        sha256=found.sha256,
        bytes=found.bytes,
        original=found.original,
    )


def _submitted(
    submission: Submission, protocol: UnlearningProtocol, cells: tuple[ProbeCell, ...]
) -> dict[ProbeCell, Submitted]:
    found = checkpoints_by_cell(submission, protocol)
    missing = [cell.label for cell in cells if cell not in found]
    if missing:
        raise InvalidSubmission(
            f"{submission.slug}: no checkpoint of {protocol.id} for {', '.join(missing[:5])}"
            + (f" and {len(missing) - 5} more" if len(missing) > 5 else "")
            + "; a submission brings one for each probe and seed of the tier"
        )
    return found


def _reference(
    root: Path,
    submission: Submission,
    protocol: UnlearningProtocol,
    cells: tuple[ProbeCell, ...],
    own: Mapping[ProbeCell, Submitted],
    role: str,
) -> dict[ProbeCell, Submitted]:
    """Return the reference checkpoints of the very kits that a submission unlearned from.

    Of several, `submissions/<role>` goes first. Raises UsageProblem where there is none.
    """
    candidates = [submission, *sorted(readable_submissions(root), key=lambda item: (item.slug != role, item.slug))]
    for candidate in candidates:
        manifest = candidate.manifest
        if not isinstance(manifest, UnlearningManifest) or manifest.method.family != "reference":
            continue
        recipe = manifest.recipe_for(protocol.id)
        if recipe is None or recipe.unlearner != role:
            continue
        found = checkpoints_by_cell(candidate, protocol)
        if all(cell in found and found[cell].checkpoint.original == own[cell].checkpoint.original for cell in cells):
            return found
    raise UsageProblem(
        f"{protocol.id}: no submission has the reference {role!r} for these challenge kits; "
        f"`bench unlearn {role} --protocol {protocol.id} --slug NAME` makes it"
    )
