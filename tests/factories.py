"""Factories: valid results, submission folders and boards. Every argument has a default that works."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from manifest_factory import manifest_text
from protocol_factory import EPOCHS, HEX, make_protocol, make_wide_protocol

from bench.protocol import Condition, Protocol, Tier
from bench.results import (
    ArtifactRef,
    CellResult,
    Check,
    ConditionRef,
    DataRef,
    EvaluatorRef,
    Measurement,
    OfficialCurve,
    Outcome,
    ProtocolRef,
    ReferenceRef,
    Result,
    Run,
    SalCurve,
    Subject,
    build_result,
    summarize,
)
from bench.store import write_result

LAYERS = ("conv1", "block1.conv", "block2.conv", "fc")


@dataclass(frozen=True)
class Found:
    """What an imagined evaluation found: final accuracies by seed, and how far SAL is from that of clean training."""

    accuracy: tuple[float, ...]
    sal_factor: float = 1.0
    peak: float | None = None
    kind: str = "class-wise"


CLEAN = Found(accuracy=(0.96, 0.97, 0.965))


def make_cell(
    seed: int = 0,
    *,
    accuracy: float = 0.96,
    sal_factor: float = 1.0,
    model: str = "resnet-narrow",
    defense: str = "none",
) -> CellResult:
    """A cell whose accuracies climb to `accuracy` and whose SAL falls with depth and time."""
    rise = [1 - math.exp(-epoch) for epoch in EPOCHS]
    test = [round(0.1 + (accuracy - 0.1) * part / rise[-1], 6) for part in rise]
    return CellResult(
        key=f"sha256:{seed:064x}",
        model=model,
        defense=defense,
        seed=seed,
        train_loss=tuple(round(2.3 * (1 - part), 6) for part in rise),
        train_accuracy=tuple(round(part, 6) for part in rise),
        test_accuracy=tuple(test),
        sal=make_sal(seed, sal_factor=sal_factor),
    )


def make_sal(seed: int = 0, *, sal_factor: float = 1.0) -> SalCurve:
    values = tuple(
        tuple(round(sal_factor * (2 + 0.1 * seed) / (epoch * (depth + 1)), 6) for depth in range(len(LAYERS)))
        for epoch in EPOCHS
    )
    return SalCurve(
        epochs=EPOCHS, layers=LAYERS, loss=(0.9, 0.5, 0.3, 0.2), values=values, gradients=tuple(40 for _ in EPOCHS)
    )


def beta_of(seed: int) -> float:
    return round(0.6 + 0.01 * seed, 6)


def learnable(cell: CellResult) -> float:
    beta = beta_of(cell.seed)
    counts = [sum(value > beta for value in row) for row in cell.sal.values]
    return sum(counts) / len(counts)


def make_result(
    protocol: Protocol | None = None,
    found: Found = CLEAN,
    *,
    tier: Tier = "full",
    clean: Found = CLEAN,
    digest: str | None = HEX,
    change: Sequence[Measurement] = (),
) -> Result:
    """A sealed result: measurements follow from its cells. digest: of the artifact, None for none at all.

    change: measurements that take the place of those with the same metric and condition.
    """
    asked = make_protocol() if protocol is None else protocol
    cells = _cells(asked, found, tier)
    measurements = _measurements(asked, found, clean, tier)
    replaced = {(item.metric, item.condition): item for item in change}
    measurements = [replaced.get((item.metric, item.condition), item) for item in measurements]
    outcome = Outcome(
        checks=() if digest is None else _checks(found),
        measurements=tuple(measurements),
        references=(ReferenceRef(role="clean", cells=tuple(f"sha256:{seed:064x}" for seed in range(3))),),
        cells=tuple(cells),
    )
    return build_result(_subject(asked, tier, digest), outcome)


def make_run(**changes: Any) -> Run:
    fields: dict[str, Any] = {
        "id": "run-1",
        "started": "2026-01-31T10:00:00Z",
        "ended": "2026-01-31T10:05:00Z",
        "command": ("bench", "evaluate", "submissions/fog"),
        "cells_trained": 6,
        "cells_reused": 0,
        "git_commit": "0123456789abcdef0123456789abcdef01234567",
        "git_dirty": False,
        "hardware": {"cpu": "Example CPU", "cores": 2, "device": "cpu"},
        "software": {"python": "3.11.7", "torch": "2.15.0"},
        "determinism": {"deterministic": True, "threads": 1},
        "cost": {"seconds": 281.25},
    }
    return Run.model_validate({**fields, **changes})


def write_submission(
    root: Path, slug: str = "fog", *, results: Sequence[tuple[Result, Run]] = (), **manifest: Any
) -> Path:
    """Write a submission folder with its results; return the folder."""
    folder = root / "submissions" / slug
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "submission.toml").write_text(manifest_text(slug, **manifest), encoding="utf-8")
    for result, run in results:
        write_result(result, run, folder)
    return folder


def write_board(root: Path, protocol: Protocol | None = None) -> Protocol:
    """Write a small board: clean, random noise, three methods that three seeds cannot rank, one not measured yet."""
    asked = make_protocol() if protocol is None else protocol

    def measured(found: Found, *, digest: str | None = HEX, tier: Tier = "full") -> list[tuple[Result, Run]]:
        return [(make_result(asked, found, digest=digest, tier=tier), make_run())]

    ids = (asked.id,)
    write_submission(
        root, "clean", name="Clean", family="reference", protocols=ids, results=measured(CLEAN, digest=None)
    )
    noise = Found((0.955, 0.968, 0.964), sal_factor=0.98, kind="sample-wise")
    write_submission(root, "random", name="Random noise", family="control", protocols=ids, results=measured(noise))
    strong = Found((0.110, 0.100, 0.105), sal_factor=0.2)
    write_submission(root, "fog", protocols=ids, results=measured(strong))
    near = Found((0.130, 0.090, 0.125), sal_factor=0.3, kind="sample-wise")
    write_submission(root, "mist", protocols=ids, results=[*measured(near), *measured(near, tier="quick")])
    weak = Found((0.610, 0.600, 0.620), sal_factor=0.7)
    write_submission(root, "haze", family="error-minimizing", protocols=ids, results=measured(weak))
    write_submission(root, "rime", family="other", protocols=ids)
    return asked


WIDE_METHODS = {
    "em": ("EM (error-minimizing noise)", 0.21, 0.15),
    "rem": ("REM (robust error-minimizing noise)", 0.25, 0.35),
    "tap": ("TAP (targeted adversarial poisoning)", 0.09, 1.3),
    "hypo": ("HYPO (hypocritical perturbation)", 0.71, 0.9),
    "sep": ("SEP-FA (self-ensemble protection)", 0.10, 1.1),
    "lsp": ("LSP (linearly separable perturbation)", 0.14, 0.3),
    "ops": ("OPS (one-pixel shortcut)", 0.15, 0.1),
    "pil": ("PIL (perturbation-induced linearization)", 0.13, 0.45),
    "ar": ("AR (autoregressive perturbation)", 0.12, 0.4),
    "cuda": ("CUDA (convolution-based data augmentation)", 0.31, 0.5),
    "dc": ("DC (deep confuse)", 0.18, 0.3),
    "ntga": ("NTGA", 0.42, 0.6),
    "sem": ("SEM (stable error-minimizing noise)", 0.3, 0.5),
}


def write_wide_board(
    root: Path, protocol: Protocol | None = None, *, methods: Sequence[str] = tuple(WIDE_METHODS)
) -> Protocol:
    """Write a board of thirteen conditions and sixteen submissions, one of the quick tier and one not measured yet.

    Every slug ends in `-wide`, so that the small board fits beside it.
    """
    asked = make_wide_protocol() if protocol is None else protocol

    def write(slug: str, found: Found, *, digest: str | None = HEX, tier: Tier = "full", **manifest: Any) -> None:
        results = [(make_result(asked, found, digest=digest, tier=tier), make_run())]
        write_submission(root, slug, protocols=(asked.id,), results=results, **manifest)

    write("clean-wide", CLEAN, digest=None, name="Clean training", family="reference")
    write("random-wide", Found((0.955, 0.968, 0.964), sal_factor=0.98), name="Random noise", family="control")
    for slug in methods:
        name, level, factor = WIDE_METHODS[slug]
        found = Found((level, round(level + 0.012, 6), round(level - 0.008, 6)), sal_factor=factor)
        write(f"{slug}-wide", found, tier="quick" if slug == "sem" else "full", name=name)
    write_submission(root, "rime-wide", family="other", protocols=(asked.id,))
    return asked


def _seeds(condition: Condition, tier: Tier) -> tuple[int, ...]:
    return tuple(range(condition.seeds.quick if tier == "quick" else condition.seeds.full))


RECOVERED = {"none": 0.0, "adversarial": 0.8, "ueraser-max": 0.9, "cutout": 0.05, "mixup": 0.1, "blur": 0.0}
"""Share of the way back to clean training that a defense goes; the others go half of it."""


def _defended(accuracy: float, defense: str) -> float:
    return round(accuracy + RECOVERED.get(defense, 0.5) * (0.95 - accuracy), 6)


def _cells(protocol: Protocol, found: Found, tier: Tier) -> list[CellResult]:
    return [
        make_cell(
            seed,
            accuracy=_defended(found.accuracy[seed % len(found.accuracy)], condition.defense),
            sal_factor=found.sal_factor + RECOVERED.get(condition.defense, 0.5) * (1 - found.sal_factor),
            model=condition.model,
            defense=condition.defense,
        ).model_copy(update={"official": _searched(protocol, condition, seed)})
        for condition in protocol.conditions
        for seed in _seeds(condition, tier)
    ]


def _searched(protocol: Protocol, condition: Condition, seed: int) -> OfficialCurve | None:
    """Five layers that moved by a tenth up and down, where the published search is run."""
    official = protocol.sal.official
    if official is None or not condition.primary or seed not in official.seeds:
        return None
    each = tuple((0.5,) * 5 for _ in official.epochs)
    return OfficialCurve(
        epochs=official.epochs,
        layers=tuple("abcde"),
        running_loss=(0.5,) * len(each),
        start_loss=(0.5,) * len(each),
        highest=tuple(tuple(value + 0.1 for value in row) for row in each),
        lowest=tuple(tuple(value - 0.1 for value in row) for row in each),
        gradients=(10,) * len(each),
    )


def _measurements(protocol: Protocol, found: Found, clean: Found, tier: Tier) -> list[Measurement]:
    pairs = list(zip(_cells(protocol, found, tier), _cells(protocol, clean, tier), strict=True))
    measurements = []
    for condition in protocol.conditions:
        chosen = [pair for pair in pairs if (pair[0].model, pair[0].defense) == (condition.model, condition.defense)]
        values_of = _values(chosen)
        if condition.defense != "none":
            values_of["ud_matched"] = values_of["ud"]
        for metric, values in values_of.items():
            if values:
                measurements.append(summarize(metric, condition.label, values))
            else:
                measurements.append(_not_run(metric, condition))
        if condition.primary:
            measurements += _primary_only(protocol, condition, pairs, tier)
    return measurements


def _not_run(metric: str, condition: Condition) -> Measurement:
    return Measurement(metric=metric, condition=condition.label, status="not_run", reason="no seed in this tier")


def _primary_only(
    protocol: Protocol, primary: Condition, pairs: Sequence[tuple[CellResult, CellResult]], tier: Tier
) -> list[Measurement]:
    """The worst cases over defenses, and UD by the published search, which is a little larger here."""
    found = []
    chosen = [pair for pair in pairs if (pair[0].model, pair[0].defense) == (primary.model, primary.defense)]
    if protocol.sal.official:
        searched = [pair for pair in chosen if pair[0].seed in protocol.sal.official.seeds]
        values = [1.1 * learnable(mine) / learnable(clean) for mine, clean in searched]
        found.append(summarize("ud_official", primary.label, values) if values else _not_run("ud_official", primary))
    rivals = [item for item in protocol.conditions if item.model == primary.model]
    seeds = min(len(_seeds(item, tier)) for item in rivals)
    metrics = {"worst_test_accuracy": "test_accuracy", "worst_ud_matched": "ud"}
    for metric, key in metrics.items() if len(rivals) > 1 else ():
        values = [
            max(_values([pair])[key][0] for pair in pairs if (pair[0].model, pair[0].seed) == (primary.model, seed))
            for seed in range(seeds)
        ]
        found.append(summarize(metric, primary.label, values) if values else _not_run(metric, primary))
    return found


def _values(pairs: Sequence[tuple[CellResult, CellResult]]) -> dict[str, list[float]]:
    return {
        "test_accuracy": [mine.test_accuracy[-1] for mine, _ in pairs],
        "accuracy_drop": [clean.test_accuracy[-1] - mine.test_accuracy[-1] for mine, clean in pairs],
        "peak_accuracy": [max(mine.test_accuracy) for mine, _ in pairs],
        "train_accuracy": [mine.train_accuracy[-1] for mine, _ in pairs],
        "ud": [learnable(mine) / learnable(clean) for mine, clean in pairs],
        "learnable_layers": [learnable(mine) for mine, _ in pairs],
        "beta": [beta_of(mine.seed) for mine, _ in pairs],
    }


def _checks(found: Found) -> tuple[Check, ...]:
    return (
        Check(id="norm", status="pass", measured="linf 32", detail="largest change 32/255, allowed 32/255"),
        Check(id="kind", status="pass", measured=found.kind, detail=f"declared class-wise, measured {found.kind}"),
    )


def _subject(protocol: Protocol, tier: Tier, digest: str | None) -> Subject:
    artifact = ArtifactRef(
        role="perturbation", sha256=digest or "", bytes=89728, dtype="int8", shape=(1400, 1, 8, 8), norm="linf"
    )
    return Subject(
        track="ue",
        tier=tier,
        protocol=ProtocolRef(id=protocol.id, sha256=protocol.sha256),
        artifacts=() if digest is None else (artifact,),
        evaluator=EvaluatorRef(name="bench", code_sha256=HEX),
        data=(
            DataRef(name="train", images=1400, sha256=HEX),
            DataRef(name="test", images=400, sha256=HEX[::-1]),
        ),
        conditions=tuple(
            ConditionRef(
                label=condition.label,
                model=condition.model,
                defense=condition.defense,
                primary=condition.primary,
                seeds=_seeds(condition, tier),
            )
            for condition in protocol.conditions
            if _seeds(condition, tier)
        ),
    )
