"""The UE track without a network: what a cell's key and a result's subject are, and which metrics follow from cells.

Imports no torch, so that planning an evaluation and reading stored cells stays cheap; bench.tracks.ue_cell trains.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.code_digest import code_digest
from bench.defenses import DEFENSES
from bench.errors import UndefinedMetric
from bench.metrics.distance import learnable_layers, learnable_threshold, unlearnable_distance
from bench.models import MODELS
from bench.protocol import Cell, Condition, Dataset, Protocol, Tier
from bench.records import digest
from bench.registry import module_of
from bench.results import (
    ArtifactRef,
    CellResult,
    ConditionRef,
    DataRef,
    EvaluatorRef,
    Measurement,
    ProtocolRef,
    Subject,
    summarize,
)
from bench.submission import Artifact

CELL_MODULES = (
    "bench.data.perturbed",
    "bench.defenses.defense",
    "bench.metrics.sal",
    "bench.models.build",
    "bench.runtime",
    "bench.tracks.ue_cell",
    "bench.training",
)
"""Modules that decide the numbers of every UE cell; a cell adds those of its model and defense.

Loaders of data sets and readers of artifacts are not among them: what they give is pinned by digests.
"""

METRIC_MODULES = ("bench.metrics.distance", "bench.perturbation_check", "bench.results", "bench.tracks.ue")
"""Modules that decide what follows from finished cells and what is said about an artifact."""

Cells = Mapping[Cell, CellResult]


@dataclass(frozen=True)
class CellJob:
    """A cell to measure.

    key: its digest. folder, artifact: where the perturbation lies; no artifact, images as they are. label: its name
    in messages.
    """

    key: str
    protocol: Protocol
    cell: Cell
    folder: Path
    artifact: Artifact | None
    label: str


@dataclass(frozen=True)
class _Run:
    """The same seed with and without the perturbation, and the threshold they are counted with."""

    own: CellResult
    clean: CellResult
    beta: float


def cell_modules(conditions: Iterable[tuple[str, str]]) -> set[str]:
    """Return the modules that decide the numbers of cells with these (model, defense) pairs. Raises UnknownName."""
    modules = set(CELL_MODULES)
    for model, defense in conditions:
        modules |= {module_of("model", model, MODELS), module_of("defense", defense, DEFENSES)}
    return modules


def cell_key(protocol: Protocol, cell: Cell, artifacts: Sequence[ArtifactRef]) -> str:
    """Return the digest of everything that decides a cell's numbers; cells of different protocols may share one."""
    return digest(
        {
            "schema": "bench.cell/1",
            "artifacts": [artifact.model_dump(mode="json") for artifact in artifacts],
            "data": [split.model_dump(mode="json") for split in _data_refs(protocol.dataset)],
            "model": cell.model,
            "defense": cell.defense,
            "seed": cell.seed,
            "recipe": protocol.recipe.model_dump(mode="json"),
            "sal": protocol.sal.model_dump(mode="json"),
            "code_sha256": code_digest(cell_modules([(cell.model, cell.defense)])),
        }
    )


def build_subject(protocol: Protocol, tier: Tier, artifacts: Sequence[ArtifactRef]) -> Subject:
    """Return what is asked when a submission's artifacts are measured under a protocol and tier."""
    conditions = [condition for condition in protocol.conditions if _seeds(condition, tier)]
    modules = cell_modules((item.model, item.defense) for item in conditions) | set(METRIC_MODULES)
    return Subject(
        track="ue",
        tier=tier,
        protocol=ProtocolRef(id=protocol.id, sha256=protocol.sha256),
        artifacts=tuple(artifacts),
        evaluator=EvaluatorRef(name="bench", code_sha256=code_digest(modules)),
        data=_data_refs(protocol.dataset),
        conditions=tuple(
            ConditionRef(
                label=condition.label,
                model=condition.model,
                defense=condition.defense,
                primary=condition.primary,
                seeds=_seeds(condition, tier),
            )
            for condition in conditions
        ),
    )


def measure_conditions(protocol: Protocol, tier: Tier, own: Cells, clean: Cells) -> tuple[Measurement, ...]:
    """Return every metric under every condition of a tier, in catalog order within protocol order.

    own, clean: the finished cells of the submission and of clean training; for the clean reference they are the same.
    A condition without seeds in this tier is `not_run`.
    """
    found: list[Measurement] = []
    for condition in protocol.conditions:
        seeds = _seeds(condition, tier)
        cells = [Cell(condition.model, condition.defense, seed) for seed in seeds]
        if not cells:
            found += [_not_run(metric, condition, tier) for metric in _METRICS]
            continue
        # Threshold and denominator come from the clean run of the same seed, so that seeds are independent replicates.
        runs = [_Run(own[cell], clean[cell], learnable_threshold(clean[cell].sal.values)) for cell in cells]
        found += [_measure(metric, condition, runs) for metric in _METRICS]
    return tuple(found)


_METRICS: dict[str, Callable[[_Run], float]] = {
    "test_accuracy": lambda run: run.own.test_accuracy[-1],
    "peak_accuracy": lambda run: max(run.own.test_accuracy),
    "accuracy_drop": lambda run: run.clean.test_accuracy[-1] - run.own.test_accuracy[-1],
    "train_accuracy": lambda run: run.own.train_accuracy[-1],
    "learnable_layers": lambda run: learnable_layers(run.own.sal.values, run.beta),
    "ud": lambda run: unlearnable_distance(run.own.sal.values, run.clean.sal.values, run.beta),
    "beta": lambda run: run.beta,
}


def _measure(metric: str, condition: Condition, runs: Sequence[_Run]) -> Measurement:
    try:
        return summarize(metric, condition.label, [_METRICS[metric](run) for run in runs])
    except UndefinedMetric as error:
        return Measurement(metric=metric, condition=condition.label, status="not_measurable", reason=str(error))


def _not_run(metric: str, condition: Condition, tier: Tier) -> Measurement:
    return Measurement(metric=metric, condition=condition.label, status="not_run", reason=f"not part of tier {tier}")


def _seeds(condition: Condition, tier: Tier) -> tuple[int, ...]:
    return tuple(range(condition.seeds.quick if tier == "quick" else condition.seeds.full))


def _data_refs(dataset: Dataset) -> tuple[DataRef, ...]:
    return tuple(
        DataRef(name=f"{dataset.name}/{name}", images=split.images, sha256=split.sha256)
        for name, split in (("train", dataset.train), ("test", dataset.test))
    )
