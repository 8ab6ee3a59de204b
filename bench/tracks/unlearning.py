"""The unlearning track without a network: keys, subjects, and which metrics follow from measured checkpoints.

Imports no torch, so that planning an evaluation and reading stored cells stays cheap; bench.tracks.unlearning_cell
measures.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from operator import methodcaller
from pathlib import Path
from typing import ClassVar

from bench.code_digest import code_digest
from bench.data.identity import data_refs
from bench.errors import UndefinedMetric
from bench.metrics import gus_statistics
from bench.metrics.closeness import Pair, absolute_gap, relearn_ratio, removal, retrain_distance, tow
from bench.models import MODELS
from bench.probes import PROBES
from bench.protocol import Dataset, Tier
from bench.records import digest
from bench.registry import module_of
from bench.results import (
    CheckpointRef,
    CheckpointResult,
    EvaluatorRef,
    Measurement,
    ProbeRef,
    ProtocolRef,
    Subject,
    rounded,
    summarize,
)
from bench.submission import Checkpoint, UnlearnRecipe
from bench.unlearning_protocol import CheckpointMetrics, ProbeCell, ProbeCondition, UnlearningProtocol

CELL_MODULES = (
    "bench.data.perturbed",
    "bench.defenses.defense",
    "bench.metrics.closeness",
    "bench.metrics.difficulty",
    "bench.metrics.gus",
    "bench.metrics.membership",
    "bench.metrics.relearning",
    "bench.models.build",
    "bench.probes.probe",
    "bench.runtime",
    "bench.tracks.unlearning_cell",
    "bench.training",
)
"""Modules that decide what is measured on a checkpoint; a cell adds those of its model and probe."""

METRIC_MODULES = ("bench.metrics.closeness", "bench.metrics.gus_statistics", "bench.results", "bench.tracks.unlearning")
"""Modules that decide what follows from measured checkpoints."""

REFERENCES = ("original", "retrain")
"""What every score is read against, by the unlearners that make it."""

Cells = Mapping[ProbeCell, CheckpointResult]


@dataclass(frozen=True)
class Submitted:
    """A checkpoint of a submission: where it lies, and how it is made again where it does not."""

    folder: Path
    checkpoint: Checkpoint
    recipe: UnlearnRecipe | None


@dataclass(frozen=True)
class CheckpointJob:
    """A checkpoint to measure.

    key: its digest. retrained: the reference of the same kit that outputs are compared with. label: its name in
    messages. root: folder that holds the challenge kits.
    """

    key: str
    root: Path
    protocol: UnlearningProtocol
    cell: ProbeCell
    own: Submitted
    retrained: Submitted
    label: str
    runner: ClassVar[str] = "bench.tracks.unlearning_cell:run_checkpoint"


@dataclass(frozen=True)
class _Trio:
    """One seed of a probe: the submission's checkpoint, the original and the retrained one."""

    own: CheckpointResult
    original: CheckpointResult
    retrained: CheckpointResult

    def value(self, key: str) -> float:
        """Return a value of the submission's checkpoint. Raises UndefinedMetric."""
        return _value(self.own, key)


def cell_modules(model: str, probe: str) -> set[str]:
    """Return the modules that decide what is measured with a probe. Raises UnknownName."""
    return {*CELL_MODULES, module_of("model", model, MODELS), module_of("probe", probe, PROBES)}


def checkpoint_key(
    protocol: UnlearningProtocol, cell: ProbeCell, own: CheckpointRef, retrained: str, challenge: str
) -> str:
    """Return the digest of everything that decides what is measured on a checkpoint.

    retrained: hex SHA-256 of the reference's file. challenge: commitment to the secret. protocol: with pinned data.
    """
    condition = protocol.condition(cell.probe)
    return digest(
        {
            "schema": "bench.checkpoint/1",
            "checkpoint": own.model_dump(mode="json"),
            "retrained": retrained,
            "challenge": challenge,
            "data": [split.model_dump(mode="json") for split in data_refs(protocol.dataset)],
            "recipe": protocol.recipe.model_dump(mode="json", exclude_defaults=True),
            "probe": condition.model_dump(mode="json", exclude={"name", "primary", "seeds"}),
            "metrics": protocol.metrics.model_dump(mode="json"),
            "model": cell.model,
            "seed": cell.seed,
            "code_sha256": code_digest(cell_modules(cell.model, condition.probe)),
        }
    )


def build_subject(
    protocol: UnlearningProtocol, tier: Tier, artifacts: Sequence[CheckpointRef], dataset: Dataset, challenge: str
) -> Subject:
    """Return what is asked when a submission's checkpoints are measured under a protocol and tier."""
    asked = [condition for condition in protocol.probes if _seeds(condition, tier)]
    modules = set(METRIC_MODULES).union(*(cell_modules(protocol.model, item.probe) for item in asked))
    return Subject(
        track="unlearning",
        tier=tier,
        protocol=ProtocolRef(id=protocol.id, sha256=protocol.sha256),
        artifacts=tuple(artifacts),
        evaluator=EvaluatorRef(name="bench", code_sha256=code_digest(modules)),
        data=data_refs(dataset),
        conditions=tuple(
            ProbeRef(
                label=condition.label,
                model=protocol.model,
                probe=condition.probe,
                primary=condition.primary,
                seeds=_seeds(condition, tier),
            )
            for condition in asked
        ),
        challenge=challenge,
    )


def measure_probes(
    protocol: UnlearningProtocol, tier: Tier, own: Cells, original: Cells, retrained: Cells
) -> tuple[Measurement, ...]:
    """Return every metric under every probe of a tier, in protocol order.

    own, original, retrained: measured checkpoints; for a reference, its own ones are among them.
    A probe without seeds in this tier is `not_run`.
    """
    found: list[Measurement] = []
    for condition in protocol.probes:
        cells = [ProbeCell(protocol.model, condition.label, seed) for seed in _seeds(condition, tier)]
        if not cells:
            reason = f"not part of tier {tier}"
            found += [_missing(key, condition, "not_run", reason) for key in (*_PLAIN, *_PAIRED)]
            continue
        trios = [_Trio(own[cell], original[cell], retrained[cell]) for cell in cells]
        found += _measured(condition, trios, protocol.metrics)
        models = protocol.metrics.distribution_models
        reason = f"needs {models} checkpoints of one forget set; each kit has a forget set of its own"
        found += [_missing(key, condition, "not_run", reason) for key in _DISTRIBUTIONS]
    return tuple(found)


REMOVAL: dict[str, str] = {
    "gaussian": "gus",
    "gradient-matching": "targeted_success",
    "gradient-canceling": "indiscriminate_accuracy",
    "patch": "patch_success",
    "interclass": "interclass_error",
}
"""The value that says how much of a probe's poison is left, as each probe's file states it."""


def _measured(condition: ProbeCondition, trios: Sequence[_Trio], settings: CheckpointMetrics) -> list[Measurement]:
    effect, relearn_limit = REMOVAL[condition.probe], settings.relearn_epochs
    values = [key for key in _OWN if all(key in trio.own.values for trio in trios)]
    found = [_by_seed(key, condition, methodcaller("value", key), trios) for key in values]
    found += [_by_seed(key, condition, value, trios) for key, value in _PAIRED.items()]
    found += [
        _by_seed("removal", condition, lambda trio: _removal(trio, effect), trios),
        _by_seed("retrain_distance", condition, lambda trio: _distance(trio, effect), trios),
        _by_seed("relearn_ratio", condition, lambda trio: _relearning(trio, relearn_limit), trios),
    ]
    if all(trio.own.gaussian is not None for trio in trios):
        found += _gaussian(condition, trios, settings.equivalence_margin)
    return found


def _gaussian(condition: ProbeCondition, trios: Sequence[_Trio], margin: float) -> list[Measurement]:
    """Return what follows from the Gaussian scores of all seeds."""
    networks = [trio.own.gaussian.forget if trio.own.gaussian else () for trio in trios]
    found = [_by_seed("gus_residual", condition, _residual, trios)]
    try:
        return found + _over_networks(condition.label, networks, margin)
    except UndefinedMetric as error:
        # A network without any gradient, such as a constant one, has no scores: then nothing is known of the method.
        return found + [_missing(key, condition, "not_measurable", str(error)) for key in _POOLED]


def _over_networks(label: str, networks: gus_statistics.Networks, margin: float) -> list[Measurement]:
    """Return rates, tests and the claim that the trace is gone. Raises UndefinedMetric for a network without scores."""
    scores = [value for values in networks for value in values]
    claim = gus_statistics.equivalence(networks, margin)
    pooled = {
        "gus_auc": gus_statistics.auc(scores),
        "gus_p": gus_statistics.pooled_test(scores).two_sided,
        "gus_bound": claim.bound,
        "gus_equivalence_p": claim.p_value,
    }
    return [
        *(_rate(key, label, gus_statistics.tpr_at(networks, rate)) for key, rate in _RATES.items()),
        _rate("gus_tpr_two_sided", label, gus_statistics.tpr_two_sided_at(networks, 0.01)),
        *(_pooled(key, label, value) for key, value in pooled.items()),
    ]


def _residual(trio: _Trio) -> float:
    before = _value(trio.original, "gus")
    if before == 0:
        raise UndefinedMetric("the original has a GUS of 0: there is nothing of which a share could be left")
    return trio.value("gus") / before


def _removal(trio: _Trio, effect: str) -> float:
    return removal(trio.value(effect), original=_value(trio.original, effect), retrained=_value(trio.retrained, effect))


def _distance(trio: _Trio, effect: str) -> float:
    return retrain_distance(
        trio.value(effect), original=_value(trio.original, effect), retrained=_value(trio.retrained, effect)
    )


def _relearning(trio: _Trio, limit: int) -> float:
    own, retrained = trio.value("relearn_epochs"), _value(trio.retrained, "relearn_epochs")
    return relearn_ratio(int(own), int(retrained), limit=limit)


def _pair(trio: _Trio, key: str) -> Pair:
    return Pair(trio.value(key), _value(trio.retrained, key))


def _tow(trio: _Trio, first: str) -> float:
    return tow(_pair(trio, first), _pair(trio, "retain_accuracy"), _pair(trio, "checkpoint_test_accuracy"))


_OWN = (
    "checkpoint_test_accuracy",
    "retain_accuracy",
    "forget_accuracy",
    "forget_clean_accuracy",
    "gus",
    "gus_kept",
    "gus_never",
    "targeted_success",
    "targeted_probability",
    "indiscriminate_accuracy",
    "patch_success",
    "patch_accuracy",
    "interclass_error",
    "interclass_confusion",
    "mia_correctness",
    "mia_confidence",
    "mia_entropy",
    "mia_modified_entropy",
    "mia_probabilities",
    "mia_loss",
    "mia_tpr_01",
    "activation_distance",
    "zrf",
    "relearn_epochs",
    "entanglement",
    "memorization",
    "compute_share",
    "seconds_ratio",
    "memory_ratio",
)
"""What is measured on a checkpoint by itself, in the order it is shown; each where the probe has it."""

_PLAIN = ("checkpoint_test_accuracy", "retain_accuracy", "forget_accuracy")

_PAIRED: dict[str, Callable[[_Trio], float]] = {
    "accuracy_gap": lambda trio: (
        trio.value("checkpoint_test_accuracy") - _value(trio.retrained, "checkpoint_test_accuracy")
    ),
    "tow": lambda trio: _tow(trio, "forget_accuracy"),
    "tow_mia": lambda trio: _tow(trio, "mia_confidence"),
    "mia_gap": lambda trio: absolute_gap(_pair(trio, "mia_confidence")),
}
"""What follows from a checkpoint and the references of its kit, seed by seed."""

_RATES = {"gus_tpr_001": 0.001, "gus_tpr_01": 0.01, "gus_tpr_05": 0.05, "gus_tpr_10": 0.1}

_POOLED = (*_RATES, "gus_tpr_two_sided", "gus_auc", "gus_p", "gus_bound", "gus_equivalence_p")
"""What follows from the Gaussian scores of all seeds together, in the order it is shown."""

_DISTRIBUTIONS = ("klom", "ulira", "neurips_score")


def _value(cell: CheckpointResult, key: str) -> float:
    if key not in cell.values:
        raise UndefinedMetric(f"{key} has no value for {cell.probe}/{cell.seed}")
    return cell.values[key]


def _by_seed(
    key: str, condition: ProbeCondition, value: Callable[[_Trio], float], trios: Sequence[_Trio]
) -> Measurement:
    try:
        return summarize(key, condition.label, [value(trio) for trio in trios])
    except UndefinedMetric as error:
        return _missing(key, condition, "not_measurable", str(error))


def _rate(key: str, label: str, found: gus_statistics.Rate) -> Measurement:
    return _pooled(key, label, found.value, (found.interval.low, found.interval.high))


def _pooled(key: str, label: str, value: float, interval: tuple[float, float] | None = None) -> Measurement:
    bounds = None if interval is None else (rounded(interval[0]), rounded(interval[1]))
    return Measurement(metric=key, condition=label, status="ok", pooled=rounded(value), pooled_ci95=bounds)


def _missing(key: str, condition: ProbeCondition, status: str, reason: str) -> Measurement:
    return Measurement.model_validate({"metric": key, "condition": condition.label, "status": status, "reason": reason})


def _seeds(condition: ProbeCondition, tier: Tier) -> tuple[int, ...]:
    return tuple(range(condition.seeds.quick if tier == "quick" else condition.seeds.full))
