"""Evaluates submissions: plan the cells, run those that are missing, assemble and store the results.

Knows the whole lab but imports no torch itself: cells run in worker processes.
"""

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from bench.artifacts import read_perturbation
from bench.crafting import recreate_artifact
from bench.data import load_data
from bench.data.identity import pin_measured
from bench.errors import InvalidSubmission, RefusedArtifact, UsageProblem
from bench.execution.cache import CachedCell, CellCache
from bench.execution.events import Listener
from bench.execution.local import run_cells
from bench.problems import exit_code, format_problems
from bench.protocol import Cell, Protocol, Tier, load_protocol
from bench.results import (
    ArtifactRef,
    CellResult,
    Check,
    Outcome,
    ReferenceRef,
    Result,
    Run,
    Subject,
    build_result,
    rounded,
    subject_key,
)
from bench.store import belongs_to, find_result, load_results, write_result
from bench.submission import Artifact, Submission, load_submission
from bench.tracks.ue import CellJob, build_subject, cell_key, measure_conditions
from bench.validation import check_perturbation, validate_folder
from bench.verification import keys_hold, readable_submissions, reference_cells

CACHE_FOLDER = Path(".bench") / "cells"


@dataclass(frozen=True)
class Options:
    """How to evaluate. fresh: measure again even what is stored; jobs: worker processes, None for a fitting number."""

    tier: Tier = "full"
    device: Literal["auto", "cpu", "cuda"] = "auto"
    jobs: int | None = None
    fresh: bool = False


@dataclass(frozen=True)
class Plan:
    """What evaluating one submission under one protocol takes.

    protocol: with measured digests where it pins none. own, clean: the cells of the submission and of clean training,
    with their keys.
    stored: the path of a sound result that already answers this, None where there is none.
    """

    root: Path
    submission: Submission
    protocol: Protocol
    tier: Tier
    artifact: Artifact | None
    subject: Subject
    checks: tuple[Check, ...]
    own: dict[Cell, str]
    clean: dict[Cell, str]
    stored: Path | None

    @property
    def label(self) -> str:
        """`slug on protocol`, for messages."""
        return f"{self.submission.slug} on {self.protocol.id}"

    def jobs(self) -> list[CellJob]:
        """Return the cells of this plan, the submission's own ones first."""
        folder = self.submission.folder
        own = [
            CellJob(key, self.protocol, cell, folder, self.artifact, f"{self.submission.slug} {cell.label}")
            for cell, key in self.own.items()
        ]
        clean = [
            CellJob(key, self.protocol, cell, folder, None, f"clean {cell.label}") for cell, key in self.clean.items()
        ]
        return own + clean


@dataclass(frozen=True)
class Replication:
    """A cell measured again beside the stored one: equal to the last digit, or how far its accuracy is off."""

    label: str
    identical: bool
    accuracy_difference: float


@dataclass(frozen=True)
class Evaluated:
    """The outcome of one plan. trained counts its own cells that were measured in this run."""

    plan: Plan
    path: Path
    result: Result
    trained: int
    replications: tuple[Replication, ...] = ()


@dataclass
class KnownCells:
    """Finished cells by key: from the cache, from the evaluated submissions' own results, and from the reference's.

    A cell inside a stored result counts only under a key that today's code gives to the artifacts that the submission
    pins, so that no submission can bring cells for another one or for clean training.
    """

    root: Path
    cache: CellCache
    submissions: tuple[Submission, ...]

    @cached_property
    def stored(self) -> dict[str, CellResult]:
        """Cells inside stored results; each result's digests are checked when it is read. Raises CorruptResult."""
        cells = reference_cells(readable_submissions(self.root))
        for submission in self.submissions:
            for stored in load_results(submission.folder):
                cells |= _sound_cells(stored.result, submission)
        return cells

    def find(self, key: str) -> CellResult | None:
        """Return a finished cell, None where there is none."""
        cached = self.cache.read(key)
        return cached.cell if cached else self.stored.get(key)


def _sound_cells(result: Result, submission: Submission) -> dict[str, CellResult]:
    """Return a stored result's cells by key, none where it is of other artifacts or of older code."""
    if not belongs_to(result, submission.manifest):
        return {}
    sound = keys_hold(result, load_protocol(result.subject.protocol.id))
    return {cell.key: cell for cell in result.outcome.cells} if sound else {}


def plan_evaluation(root: Path, folders: Sequence[Path], protocols: Sequence[str], options: Options) -> list[Plan]:
    """Validate submissions and plan their cells. Raises as `evaluate` does, before anything is measured."""
    return [
        _plan(root, submission, load_protocol(protocol_id), options.tier)
        for submission in _valid_submissions(folders)
        for protocol_id in _chosen_protocols(submission, protocols)
    ]


def missing_jobs(plans: Iterable[Plan], known: KnownCells, options: Options) -> list[CellJob]:
    """Return the cells that have to be measured, each once, in plan order."""
    jobs: dict[str, CellJob] = {}
    for plan in plans:
        if plan.stored and not options.fresh:
            continue
        for job in plan.jobs():
            if job.key not in jobs and (options.fresh or known.find(job.key) is None):
                jobs[job.key] = job
    return list(jobs.values())


def run_plans(
    plans: Sequence[Plan], known: KnownCells, missing: Sequence[CellJob], options: Options, listener: Listener
) -> list[Evaluated]:
    """Measure the missing cells, then assemble and store the result of every plan.

    Raises EnvironmentProblem, CellFailed; finished cells stay in the cache.
    """
    if missing:
        run_cells(
            missing,
            workers=worker_count(options),
            device=options.device,
            cache=known.cache,
            fresh=options.fresh,
            listener=listener,
        )
    trained = {job.key for job in missing}
    return [_conclude(plan, known, trained, options) for plan in plans]


def worker_count(options: Options) -> int:
    """Return the number of worker processes: as asked, else one for each core, or one on an accelerator."""
    if options.jobs is not None:
        return options.jobs
    return 1 if options.device == "cuda" else max(1, os.cpu_count() or 1)


def _valid_submissions(folders: Sequence[Path]) -> list[Submission]:
    problems = [problem for folder in folders for problem in validate_folder(folder)]
    code = exit_code(problems)
    if code:
        text = format_problems(problems, "text")
        raise RefusedArtifact(text) if code == RefusedArtifact.exit_code else InvalidSubmission(text)
    return [load_submission(folder) for folder in folders]


def _chosen_protocols(submission: Submission, protocols: Sequence[str]) -> Sequence[str]:
    offered = submission.manifest.protocols
    if not protocols:
        return offered
    for name in protocols:
        if load_protocol(name).id not in offered:
            raise UsageProblem(f"{submission.slug} is not made for {name}; its manifest names {', '.join(offered)}")
    return protocols


def _plan(root: Path, submission: Submission, protocol: Protocol, tier: Tier) -> Plan:
    artifact = next(iter(submission.manifest.artifacts_for(protocol.id)), None)
    # From here on the digests are fixed: a worker that finds other images than were planned with refuses them.
    dataset = pin_measured(protocol.dataset)
    pinned = protocol.model_copy(update={"dataset": dataset})
    refs, checks = _read_artifact(submission, artifact, pinned)
    subject = build_subject(protocol, tier, refs, dataset)
    cells = protocol.cells(tier)
    return Plan(
        root=root,
        submission=submission,
        protocol=pinned,
        tier=tier,
        artifact=artifact,
        subject=subject,
        checks=checks,
        own={cell: cell_key(pinned, cell, refs) for cell in cells},
        clean={cell: cell_key(pinned, cell, ()) for cell in cells},
        stored=find_result(submission.folder, protocol.id, subject_key(subject)),
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


def _conclude(plan: Plan, known: KnownCells, trained: set[str], options: Options) -> Evaluated:
    """Return the stored result of a plan, or assemble and store it."""
    if plan.stored and not options.fresh:
        stored = next(item for item in load_results(plan.submission.folder) if item.path == plan.stored)
        return Evaluated(plan, plan.stored, stored.result, trained=0)
    own = {cell: _finished(known, key) for cell, key in plan.own.items()}
    clean = {cell: _finished(known, key) for cell, key in plan.clean.items()}
    outcome = Outcome(
        checks=plan.checks,
        measurements=measure_conditions(plan.protocol, plan.tier, own, clean),
        references=(ReferenceRef(role="clean", cells=tuple(plan.clean.values())),),
        cells=tuple(own.values()),
    )
    result = build_result(plan.subject, outcome)
    replications = _replications(plan, known, trained) if options.fresh else ()
    path = write_result(result, _describe_run(plan, result, known), plan.submission.folder)
    return Evaluated(plan, path, result, len(trained & {*plan.own.values()}), replications)


def _finished(known: KnownCells, key: str) -> CellResult:
    cell = known.find(key)
    assert cell is not None, "run_cells returns only when every cell is in the cache"
    return cell


def _replications(plan: Plan, known: KnownCells, trained: set[str]) -> tuple[Replication, ...]:
    """Compare freshly measured cells with those in stored results."""
    found = []
    for cell, key in plan.own.items():
        stored, measured = known.stored.get(key), known.find(key)
        if key in trained and stored and measured:
            difference = rounded(measured.test_accuracy[-1] - stored.test_accuracy[-1])
            found.append(Replication(cell.label, measured == stored, difference))
    return tuple(found)


def _describe_run(plan: Plan, result: Result, known: KnownCells) -> Run:
    """Return the provenance of a result from that of its cells, so that assembling it again says the same."""
    cached = [found for key in plan.own.values() if (found := known.cache.read(key))]
    if not cached and (source := _source_run(plan)):
        return source.model_copy(
            update={
                "id": result.id,
                "command": _command(plan),
                "cells_trained": 0,
                "cells_reused": len(plan.own),
                "cost": {},
            }
        )
    commits = {(item.git_commit, item.git_dirty) for item in cached}
    commit, dirty = commits.pop() if len(commits) == 1 else (None, None)
    newest: Any = max(cached, key=lambda item: item.run["ended"], default=None)
    return Run(
        id=result.id,
        started=min((item.run["started"] for item in cached), default=""),
        ended=newest.run["ended"] if newest else "",
        command=_command(plan),
        cells_trained=len(cached),
        cells_reused=len(plan.own) - len(cached),
        git_commit=commit,
        git_dirty=dirty,
        hardware=newest.hardware if newest else {},
        software=newest.software if newest else {},
        determinism=newest.determinism if newest else {},
        cost=_cost(cached),
    )


def _source_run(plan: Plan) -> Run | None:
    """Return the newest run of a stored result that a plan's cells were taken from."""
    keys = set(plan.own.values())
    stored = [
        item for item in load_results(plan.submission.folder) if keys & {c.key for c in item.result.outcome.cells}
    ]
    return max((run for item in stored for run in item.runs), key=lambda run: run.ended, default=None)


def _cost(cached: Sequence[CachedCell]) -> dict[str, float]:
    if not cached:
        return {}
    return {
        "seconds": round(sum(item.run["seconds"] for item in cached), 1),
        "sal_seconds": round(sum(item.run["sal_seconds"] for item in cached), 1),
        "sal_gradients": sum(item.run["gradients"] for item in cached),
        "peak_memory_bytes": max(item.run["peak_memory_bytes"] for item in cached),
    }


def _command(plan: Plan) -> tuple[str, ...]:
    """Return the command line that asks for this result, without paths of this machine."""
    target = f"submissions/{plan.submission.slug}"
    return ("bench", "evaluate", target, "--protocol", plan.protocol.id, "--tier", plan.tier)
