"""Evaluates submissions: plan the cells, run those that are missing, assemble and store the results.

Knows the whole lab but imports no torch itself: cells run in worker processes.
"""

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from bench.attempts import enter_stored, store_result
from bench.errors import InvalidSubmission, RefusedArtifact, UsageProblem
from bench.execution.cache import CachedCell, CellCache
from bench.execution.events import Listener
from bench.execution.local import run_cells
from bench.planning import Job, Plan, make_plan
from bench.problems import exit_code, format_problems
from bench.protocol import Tier
from bench.results import AnyCell, Outcome, ReferenceRef, Result, Run, build_result, rounded
from bench.store import belongs_to, load_results
from bench.submission import Submission, load_submission
from bench.unlearning_protocol import load_any_protocol
from bench.validation import validate_folder
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
    def stored(self) -> dict[str, AnyCell]:
        """Cells inside stored results; each result's digests are checked when it is read. Raises CorruptResult."""
        cells = reference_cells(readable_submissions(self.root))
        for submission in self.submissions:
            for stored in load_results(submission.folder):
                cells |= _sound_cells(stored.result, submission)
        return cells

    def find(self, key: str) -> AnyCell | None:
        """Return a finished cell, None where there is none."""
        cached = self.cache.read(key)
        return cached.cell if cached else self.stored.get(key)


def _sound_cells(result: Result, submission: Submission) -> dict[str, AnyCell]:
    """Return a stored result's cells by key, none where it is of other artifacts or of older code."""
    if not belongs_to(result, submission.manifest):
        return {}
    sound = keys_hold(result, load_any_protocol(result.subject.protocol.id))
    return {cell.key: cell for cell in result.outcome.cells} if sound else {}


def plan_evaluation(root: Path, folders: Sequence[Path], protocols: Sequence[str], options: Options) -> list[Plan]:
    """Validate submissions and plan their cells. Raises as `evaluate` does, before anything is measured."""
    return [
        make_plan(root, submission, protocol_id, options.tier)
        for submission in _valid_submissions(folders)
        for protocol_id in _chosen_protocols(submission, protocols)
    ]


def missing_jobs(plans: Iterable[Plan], known: KnownCells, options: Options) -> list[Job]:
    """Return the cells that have to be measured, each once, in plan order."""
    jobs: dict[str, Job] = {}
    for plan in plans:
        if plan.stored and not options.fresh:
            continue
        for job in plan.jobs():
            if job.key not in jobs and (options.fresh or known.find(job.key) is None):
                jobs[job.key] = job
    return list(jobs.values())


def run_plans(
    plans: Sequence[Plan], known: KnownCells, missing: Sequence[Job], options: Options, listener: Listener
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
        if load_any_protocol(name).id not in offered:
            raise UsageProblem(f"{submission.slug} is not made for {name}; its manifest names {', '.join(offered)}")
    return protocols


def _conclude(plan: Plan, known: KnownCells, trained: set[str], options: Options) -> Evaluated:
    """Return the stored result of a plan, or assemble and store it."""
    if plan.stored and not options.fresh:
        enter_stored(plan.submission.folder)
        stored = next(item for item in load_results(plan.submission.folder) if item.path == plan.stored)
        return Evaluated(plan, plan.stored, stored.result, trained=0)
    own = tuple(_finished(known, job) for job in plan.own)
    references = {role: tuple(_finished(known, job) for job in jobs) for role, jobs in plan.references.items()}
    outcome = Outcome(
        checks=plan.checks,
        measurements=plan.measure(own, references),
        references=tuple(
            ReferenceRef(role=role, cells=tuple(job.key for job in jobs)) for role, jobs in plan.references.items()
        ),
        cells=own,
    )
    result = build_result(plan.subject, outcome)
    replications = _replications(plan, known, trained) if options.fresh else ()
    path = store_result(result, _describe_run(plan, result, known), plan.submission.folder)
    return Evaluated(plan, path, result, len(trained & {job.key for job in plan.own}), replications)


def _finished(known: KnownCells, job: Job) -> AnyCell:
    cell = known.find(job.key)
    assert cell is not None, "run_cells returns only when every cell is in the cache"
    return cell


def _replications(plan: Plan, known: KnownCells, trained: set[str]) -> tuple[Replication, ...]:
    """Compare freshly measured cells with those in stored results."""
    found = []
    for job in plan.own:
        stored, measured = known.stored.get(job.key), known.find(job.key)
        if job.key in trained and stored and measured:
            difference = rounded(measured.accuracy - stored.accuracy)
            found.append(Replication(job.cell.label, measured == stored, difference))
    return tuple(found)


def _describe_run(plan: Plan, result: Result, known: KnownCells) -> Run:
    """Return the provenance of a result from that of its cells, so that assembling it again says the same."""
    cached = [found for job in plan.own if (found := known.cache.read(job.key))]
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
    keys = {job.key for job in plan.own}
    stored = [
        item for item in load_results(plan.submission.folder) if keys & {c.key for c in item.result.outcome.cells}
    ]
    return max((run for item in stored for run in item.runs), key=lambda run: run.ended, default=None)


def _cost(cached: Sequence[CachedCell]) -> dict[str, float]:
    if not cached:
        return {}
    runs = [item.run for item in cached]
    sums = {key: sum(run[key] for run in runs) for key in ("seconds", "sal_seconds", "gradients") if key in runs[0]}
    names = {"gradients": "sal_gradients"}
    return {
        **{names.get(key, key): round(value, 1) for key, value in sums.items()},
        "peak_memory_bytes": max(run["peak_memory_bytes"] for run in runs),
    }


def _command(plan: Plan) -> tuple[str, ...]:
    """Return the command line that asks for this result, without paths of this machine."""
    target = f"submissions/{plan.submission.slug}"
    return ("bench", "evaluate", target, "--protocol", plan.protocol.id, "--tier", plan.tier)
