"""Which code measures SAL by which estimator, and so what keys, subjects and jobs of UE cells are.

Imports no torch. bench.tracks.ue answers for `exact` alone; it is left as it is while stored results name its digest.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from bench.code_digest import code_digest
from bench.data.identity import data_refs
from bench.protocol import Cell, Dataset, Protocol, SeedCount, Tier
from bench.records import digest
from bench.results import ArtifactRef, EvaluatorRef, Subject
from bench.submission import Artifact
from bench.tracks import ue

CONVERGED_MODULES = (
    "bench.metrics.converged_sal",
    "bench.metrics.hard_images",
    "bench.metrics.probe_set",
    "bench.metrics.sphere_ascent",
    "bench.metrics.tails",
    "bench.tracks.ue_converged_cell",
)
"""Modules that `converged` adds to those that decide the numbers of every UE cell."""

METRIC_MODULES = (*ue.METRIC_MODULES, "bench.tracks.ue_estimators")
"""Modules that decide what follows from finished cells of `converged`."""


@dataclass(frozen=True)
class ConvergedJob(ue.CellJob):
    """A cell whose SAL is searched by `converged`."""

    runner: ClassVar[str] = "bench.tracks.ue_converged_cell:run_cell"


def cell_job(
    protocol: Protocol, cell: Cell, refs: Sequence[ArtifactRef], folder: Path, artifact: Artifact | None, label: str
) -> ue.CellJob:
    """Return a cell to measure. protocol: its data set pinned; refs: the artifact by content, if there is one."""
    kind = ConvergedJob if _is_converged(protocol) else ue.CellJob
    return kind(cell_key(protocol, cell, refs), protocol, cell, folder, artifact, label)


def cell_key(protocol: Protocol, cell: Cell, artifacts: Sequence[ArtifactRef]) -> str:
    """Return the digest of everything that decides a cell's numbers; see bench.tracks.ue.cell_key."""
    if not _is_converged(protocol):
        return ue.cell_key(protocol, cell, artifacts)
    assumed = {} if cell.defense == "none" else {"defense_linf": protocol.defense_linf}
    return digest(
        {
            **assumed,
            "schema": "bench.cell/1",
            "artifacts": [artifact.model_dump(mode="json") for artifact in artifacts],
            "data": [split.model_dump(mode="json") for split in data_refs(protocol.dataset)],
            "model": cell.model,
            "defense": cell.defense,
            "seed": cell.seed,
            "recipe": protocol.recipe_of(cell.model).model_dump(mode="json", exclude_defaults=True),
            "budget": protocol.budgets.linf and protocol.budgets.linf / 255,
            "sal": protocol.sal.model_dump(mode="json", exclude={"official"}, exclude_defaults=True),
            "official": None,
            "code_sha256": code_digest({*ue.cell_modules([(cell.model, cell.defense)]), *CONVERGED_MODULES}),
        }
    )


def build_subject(
    protocol: Protocol, tier: Tier, artifacts: Sequence[ArtifactRef], dataset: Dataset | None = None
) -> Subject:
    """Return what is asked when a submission's artifacts are measured under a protocol and tier.

    dataset: the protocol's, pinned by bench.data.identity; needed where the protocol does not pin both splits.
    """
    subject = ue.build_subject(protocol, tier, artifacts, dataset)
    if not _is_converged(protocol):
        return subject
    pairs = [(item.model, item.defense) for item in protocol.conditions if _is_asked(item.seeds, tier)]
    modules = {*ue.cell_modules(pairs), *CONVERGED_MODULES, *METRIC_MODULES}
    return subject.model_copy(update={"evaluator": EvaluatorRef(name="bench", code_sha256=code_digest(modules))})


def _is_asked(seeds: SeedCount, tier: Tier) -> bool:
    return (seeds.quick if tier == "quick" else seeds.full) > 0


def _is_converged(protocol: Protocol) -> bool:
    return protocol.sal.estimator == "converged"
