"""The UE track without a network: what a cell's key and a result's subject are, and which metrics follow from cells.

Imports no torch, so that planning an evaluation and reading stored cells stays cheap; bench.tracks.ue_cell trains.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, TypeVar

from bench.code_digest import code_digest
from bench.data.identity import data_refs
from bench.defenses import DEFENSES
from bench.errors import UndefinedMetric
from bench.metrics.distance import learnable_layers, learnable_threshold, official_sal, unlearnable_distance
from bench.models import MODELS
from bench.protocol import Cell, Condition, Dataset, OfficialSal, Protocol, Tier
from bench.records import digest
from bench.registry import module_of
from bench.results import (
    ArtifactRef,
    CellResult,
    ConditionRef,
    EvaluatorRef,
    Measurement,
    OfficialCurve,
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

OFFICIAL_MODULE = "bench.metrics.official_sal"
"""The published search, in the cells that run it."""

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
    runner: ClassVar[str] = "bench.tracks.ue_cell:run_cell"


@dataclass(frozen=True)
class _Run:
    """One seed with the perturbation and without it.

    clean: clean training of the same network without a defense; matched: under the same defense. beta: the threshold
    of `clean`.
    """

    own: CellResult
    clean: CellResult
    matched: CellResult
    beta: float


_Metric = Callable[[_Run], float]
_T = TypeVar("_T")


def official_settings(protocol: Protocol, cell: Cell) -> OfficialSal | None:
    """Return how the published search is run in a cell, None where it is not."""
    official = protocol.sal.official
    if official is None or cell.condition != protocol.primary.label or cell.seed not in official.seeds:
        return None
    return official


def linf_budget(protocol: Protocol) -> float | None:
    """Return the L-infinity radius that a defense assumes, scale 0 to 1."""
    radius = protocol.defense_linf or protocol.budgets.linf
    return None if radius is None else radius / 255


def cell_modules(conditions: Iterable[tuple[str, str]], *, official: bool = False) -> set[str]:
    """Return the modules that decide the numbers of cells with these (model, defense) pairs. Raises UnknownName."""
    modules = {*CELL_MODULES, OFFICIAL_MODULE} if official else set(CELL_MODULES)
    for model, defense in conditions:
        modules |= {module_of("model", model, MODELS), module_of("defense", defense, DEFENSES)}
    return modules


def cell_key(protocol: Protocol, cell: Cell, artifacts: Sequence[ArtifactRef]) -> str:
    """Return the digest of everything that decides a cell's numbers; cells of different protocols may share one.

    protocol: its data set pinned, if need be by bench.data.identity.
    """
    official = official_settings(protocol, cell)
    assumed = {} if cell.defense == "none" else {"defense_linf": protocol.defense_linf}
    # Defaults are left out: a setting that is added later, and not used, moves no number.
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
            "official": official and official.model_dump(mode="json", exclude={"seeds"}),
            "code_sha256": code_digest(cell_modules([(cell.model, cell.defense)], official=official is not None)),
        }
    )


def build_subject(
    protocol: Protocol, tier: Tier, artifacts: Sequence[ArtifactRef], dataset: Dataset | None = None
) -> Subject:
    """Return what is asked when a submission's artifacts are measured under a protocol and tier.

    dataset: the protocol's, pinned by bench.data.identity; needed where the protocol does not pin both splits.
    """
    conditions = [condition for condition in protocol.conditions if _seeds(condition, tier)]
    pairs = [(item.model, item.defense) for item in conditions]
    modules = cell_modules(pairs, official=protocol.sal.official is not None) | set(METRIC_MODULES)
    return Subject(
        track="ue",
        tier=tier,
        protocol=ProtocolRef(id=protocol.id, sha256=protocol.sha256),
        artifacts=tuple(artifacts),
        evaluator=EvaluatorRef(name="bench", code_sha256=code_digest(modules)),
        data=data_refs(dataset or protocol.dataset),
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
        # Without a defense, `ud_matched` would be `ud` again.
        metrics = _COMMON if condition.defense == "none" else {**_COMMON, **_MATCHED}
        cells = [Cell(condition.model, condition.defense, seed) for seed in _seeds(condition, tier)]
        if not cells:
            found += [_not_run(metric, condition, f"not part of tier {tier}") for metric in metrics]
            continue
        runs = [_run(cell, own, clean) for cell in cells]
        found += [_measure(metric, condition, metrics[metric], runs) for metric in metrics]
        if condition.primary and protocol.sal.official:
            searched = [run for run in runs if run.own.official is not None]
            reason = f"not part of tier {tier}"
            found += [
                _measure(metric, condition, value, searched) if searched else _not_run(metric, condition, reason)
                for metric, value in _OFFICIAL.items()
            ]
        if condition.primary:
            found += _worst_cases(protocol, tier, own, clean)
    return tuple(found)


def _run(cell: Cell, own: Cells, clean: Cells) -> _Run:
    undefended = clean[Cell(cell.model, "none", cell.seed)]
    # Threshold and denominator come from the clean run of the same seed, so that seeds are independent replicates.
    return _Run(own[cell], undefended, clean[cell], learnable_threshold(undefended.sal.values))


_COMMON: dict[str, _Metric] = {
    "test_accuracy": lambda run: run.own.test_accuracy[-1],
    "peak_accuracy": lambda run: max(run.own.test_accuracy),
    "accuracy_drop": lambda run: run.matched.test_accuracy[-1] - run.own.test_accuracy[-1],
    "train_accuracy": lambda run: run.own.train_accuracy[-1],
    "learnable_layers": lambda run: learnable_layers(run.own.sal.values, run.beta),
    "ud": lambda run: unlearnable_distance(run.own.sal.values, run.clean.sal.values, run.beta),
    "beta": lambda run: run.beta,
}

_MATCHED: dict[str, _Metric] = {
    "ud_matched": lambda run: unlearnable_distance(run.own.sal.values, run.matched.sal.values),
}

_OFFICIAL: dict[str, _Metric] = {
    "ud_official": lambda run: _official_distance(run, lambda curve: curve.running_loss),
    "ud_official_start": lambda run: _official_distance(run, lambda curve: curve.start_loss),
}


def _official_distance(run: _Run, origin: Callable[[OfficialCurve], Sequence[float]]) -> float:
    own, clean = run.own.official, run.clean.official
    assert own is not None
    assert clean is not None
    return unlearnable_distance(
        official_sal(own.highest, own.lowest, origin(own)), official_sal(clean.highest, clean.lowest, origin(clean))
    )


def _worst_cases(protocol: Protocol, tier: Tier, own: Cells, clean: Cells) -> list[Measurement]:
    """Return the largest value over all defenses, none among them, for the primary model and seed by seed."""
    primary = protocol.primary
    rivals = [item for item in protocol.conditions if item.model == primary.model]
    if len(rivals) == 1:
        return []
    seeds = range(min(len(_seeds(item, tier)) for item in rivals))
    if not seeds:
        return [_not_run(metric, primary, f"not every defense is part of tier {tier}") for metric in _WORST]
    found = []
    for metric, value in _WORST.items():
        runs = [[_run(Cell(item.model, item.defense, seed), own, clean) for item in rivals] for seed in seeds]
        found.append(_measure(metric, primary, value, runs))
    return found


_WORST: dict[str, Callable[[Sequence[_Run]], float]] = {
    "worst_test_accuracy": lambda runs: max(run.own.test_accuracy[-1] for run in runs),
    "worst_ud_matched": lambda runs: max(
        unlearnable_distance(run.own.sal.values, run.matched.sal.values) for run in runs
    ),
}


def _measure(metric: str, condition: Condition, value: Callable[[_T], float], runs: Sequence[_T]) -> Measurement:
    try:
        return summarize(metric, condition.label, [value(run) for run in runs])
    except UndefinedMetric as error:
        return Measurement(metric=metric, condition=condition.label, status="not_measurable", reason=str(error))


def _not_run(metric: str, condition: Condition, reason: str) -> Measurement:
    return Measurement(metric=metric, condition=condition.label, status="not_run", reason=reason)


def _seeds(condition: Condition, tier: Tier) -> tuple[int, ...]:
    return tuple(range(condition.seeds.quick if tier == "quick" else condition.seeds.full))
