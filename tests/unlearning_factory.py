"""A valid unlearning protocol, manifests and results: 2 probes, 3 seeds; every argument has a default that works.

Results are built by bench.tracks.unlearning.measure_probes from made-up checkpoints, as an evaluation builds them.
"""

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from factories import make_run
from protocol_factory import HEX, make_protocol

from bench.protocol import Tier
from bench.results import (
    Check,
    CheckpointRef,
    CheckpointResult,
    DataRef,
    EvaluatorRef,
    GaussianCurve,
    Outcome,
    ProbeRef,
    ProtocolRef,
    ReferenceRef,
    Result,
    Subject,
    build_result,
    rounded,
)
from bench.store import write_result
from bench.submission import UnlearningManifest
from bench.tracks.unlearning import measure_probes
from bench.unlearning_crafting import manifest_text
from bench.unlearning_protocol import ProbeCell, UnlearningProtocol

ITEMS = 120
"""Gaussian scores of a checkpoint that are to be forgotten."""

DEFAULT = (0.97, 0.30)


def make_unlearning_protocol(**changes: Any) -> UnlearningProtocol:
    """A tiny protocol with the Gaussian probe, which is the primary one, and a patch."""
    seeds = {"quick": 1, "full": 3}
    fields: dict[str, Any] = {
        "schema": "bench.protocol/1",
        "id": "unlearning-tiny-v1",
        "track": "unlearning",
        "title": "Tiny digits: is the data gone?",
        "summary": "An unlearning protocol that exists for tests only.",
        "notes": ("First note.",),
        "dataset": make_protocol().dataset.model_dump(),
        "model": "resnet-narrow",
        "recipe": make_protocol().recipe.model_dump(),
        "probes": (
            {"probe": "gaussian", "primary": True, "count": ITEMS, "seeds": seeds, "settings": {"sigma": 0.25}},
            {"probe": "patch", "count": 60, "seeds": seeds, "settings": {"size": 2}},
        ),
    }
    return UnlearningProtocol.model_validate({**fields, **changes})


@dataclass(frozen=True)
class Left:
    """What an imagined unlearner leaves: mean Gaussian score, patch success, test accuracy, and what it spends.

    wobble: how far the three change from seed to seed. kept: mean score of the canaries that stay in the data.
    """

    gus: float
    patch: float
    accuracy: float = 0.96
    share: float | None = 0.1
    kept: float = 1.2
    wobble: float = 0.002
    forget_accuracy: float = 0.9


ORIGINAL = Left(gus=1.2, patch=0.9, accuracy=0.97, share=0.0, forget_accuracy=1.0, wobble=0.01)
RETRAIN = Left(gus=0.0, patch=0.1, share=1.0)
METHODS = {
    "original": ORIGINAL,
    "retrain": RETRAIN,
    "retrain-second": Left(gus=0.01, patch=0.104, share=1.0),
    "gd-tiny": Left(gus=0.9, patch=0.62, accuracy=0.962, wobble=0.005),
    "ga-tiny": Left(gus=-0.6, patch=0.02, accuracy=0.71, share=0.04, kept=-0.5, wobble=0.03),
}


def make_checkpoint(left: Left, cell: ProbeCell, name: str) -> CheckpointResult:
    """A measured checkpoint; its Gaussian scores have exactly the mean that is asked for."""
    shift = left.wobble * (cell.seed - 1)
    values = {
        "checkpoint_test_accuracy": min(1.0, left.accuracy + shift),
        "retain_accuracy": min(1.0, left.accuracy + 0.02 + shift),
        "forget_accuracy": min(1.0, left.forget_accuracy + shift / 2),
        "forget_clean_accuracy": left.forget_accuracy - 0.01,
        "mia_confidence": 0.1 + 0.3 * (1 - left.forget_accuracy),
        "activation_distance": abs(left.gus) / 3,
        "zrf": 0.8,
        "relearn_epochs": 4.0,
    }
    if left.share is not None:
        values["compute_share"] = left.share
    curve = None
    if cell.probe == "gaussian":
        curve = GaussianCurve(
            forget=_scores(left.gus + shift, ITEMS, f"{name} {cell.seed} forget"),
            kept=_scores(left.kept, 40, f"{name} {cell.seed} kept"),
            never=_scores(0.0, ITEMS, f"{name} {cell.seed} never"),
            skipped=0,
        )
        sets = {"gus": curve.forget, "gus_kept": curve.kept, "gus_never": curve.never}
        values |= {key: math.fsum(scores) / len(scores) for key, scores in sets.items()}
    else:
        values |= {"patch_success": left.patch + shift, "patch_accuracy": left.accuracy - 0.1}
    return CheckpointResult(
        key=f"sha256:{_digest(f'{name} {cell.label}')}",
        model=cell.model,
        probe=cell.probe,
        seed=cell.seed,
        values={key: rounded(value) for key, value in sorted(values.items())},
        gaussian=curve,
    )


def make_checkpoint_result(
    left: Left,
    name: str = "gd-tiny",
    *,
    protocol: UnlearningProtocol | None = None,
    tier: Tier = "full",
    edit: dict[str, float] | None = None,
    drop: Sequence[str] = (),
) -> Result:
    """A sealed result of the unlearning track. edit, drop: values of every checkpoint that are replaced or missing."""
    asked = make_unlearning_protocol() if protocol is None else protocol
    cells = asked.cells(tier)
    own = {cell: _edited(make_checkpoint(left, cell, name), edit or {}, drop) for cell in cells}
    original = {cell: make_checkpoint(ORIGINAL, cell, "original") for cell in cells}
    retrained = {cell: make_checkpoint(RETRAIN, cell, "retrain") for cell in cells}
    refs = [_ref(asked, cell, name) for cell in cells]
    return build_result(
        _subject(asked, tier, refs),
        Outcome(
            checks=(
                Check(id="challenge", status="warn", measured="open", detail="the default seed made the kits"),
                Check(id="distinct", status="pass", measured="no match", detail="no other submission has these bytes"),
            ),
            measurements=measure_probes(asked, tier, own, original, retrained),
            references=(
                ReferenceRef(role="original", cells=tuple(cell.key for cell in original.values())),
                ReferenceRef(role="retrain", cells=tuple(cell.key for cell in retrained.values())),
            ),
            cells=tuple(own.values()),
        ),
    )


def make_unlearning_manifest(
    slug: str = "gd-tiny", *, protocol: UnlearningProtocol | None = None, unlearner: str | None = None, **changes: Any
) -> UnlearningManifest:
    """A manifest with a checkpoint for every probe and seed. method: fields of the method that are replaced."""
    asked = make_unlearning_protocol() if protocol is None else protocol
    made_by = slug.removesuffix("-tiny") if unlearner is None else unlearner
    family = "reference" if made_by in ("original", "retrain", "retrain-second") else "retain-tuning"
    method = {"name": made_by.upper(), "family": family, "summary": f"What {slug} does.", **changes.pop("method", {})}
    cost = {"compute_share": 0.1, "seconds": 3.0, "training_seconds": 30.0, "hardware": "2 cores"}
    fields: dict[str, Any] = {
        "schema": "bench.submission/1",
        "track": "unlearning",
        "slug": slug,
        "protocols": (asked.id,),
        "submitted": "2026-01-31",
        "method": method,
        "authors": ({"name": "Ada Example"},),
        "recipe": ({"protocol": asked.id, "unlearner": made_by, "budget": 10, "settings": {"learning_rate": 0.01}},),
        "artifact": tuple(
            {
                **_ref(asked, cell, slug).model_dump(),
                "protocol": asked.id,
                "path": f"checkpoints/{cell.probe}-{cell.seed}.safetensors",
                "cost": cost,
            }
            for cell in asked.cells("full")
        ),
        "disclosure": {"search_trials": 12, "tuned_on_retrained": False, "test_set_used": False},
        "agreement": {"artifact_license": "CC-BY-4.0", "publish": True},
    }
    return UnlearningManifest.model_validate({**fields, **changes}, strict=False)


def write_unlearner(
    root: Path,
    slug: str = "gd-tiny",
    left: Left | None = None,
    *,
    protocol: UnlearningProtocol | None = None,
    results: Sequence[Result] | None = None,
    **manifest: Any,
) -> Path:
    """Write a submission folder with a full result, or with the results given; return the folder."""
    folder = root / "submissions" / slug
    folder.mkdir(parents=True, exist_ok=True)
    text = manifest_text(make_unlearning_manifest(slug, protocol=protocol, **manifest))
    (folder / "submission.toml").write_text(text, encoding="utf-8")
    if results is None:
        left = METHODS.get(slug, Left(*DEFAULT)) if left is None else left
        results = [make_checkpoint_result(left, slug, protocol=protocol)]
    for result in results:
        write_result(result, make_run(), folder)
    return folder


def write_unlearning_board(root: Path) -> UnlearningProtocol:
    """Write a board: the three references, gd, ga, and a method without a result."""
    protocol = make_unlearning_protocol()
    for slug, left in METHODS.items():
        write_unlearner(root, slug, left, protocol=protocol)
    write_unlearner(root, "unmeasured", protocol=protocol, results=[])
    return protocol


def _subject(protocol: UnlearningProtocol, tier: Tier, refs: Sequence[CheckpointRef]) -> Subject:
    seeds = {probe.label: tuple(range(getattr(probe.seeds, tier))) for probe in protocol.probes}
    return Subject(
        track="unlearning",
        tier=tier,
        protocol=ProtocolRef(id=protocol.id, sha256=protocol.sha256),
        artifacts=tuple(refs),
        evaluator=EvaluatorRef(name="bench", code_sha256=HEX),
        data=(DataRef(name="train", images=1400, sha256=HEX), DataRef(name="test", images=400, sha256=HEX[::-1])),
        conditions=tuple(
            ProbeRef(
                label=probe.label,
                model=protocol.model,
                probe=probe.probe,
                primary=probe.primary,
                seeds=seeds[probe.label],
            )
            for probe in protocol.probes
            if seeds[probe.label]
        ),
        challenge=HEX,
    )


def _edited(cell: CheckpointResult, edit: dict[str, float], drop: Sequence[str]) -> CheckpointResult:
    values = {key: value for key, value in {**cell.values, **edit}.items() if key not in drop}
    curve = cell.gaussian
    if curve is not None and "gus" in drop:
        # No mean, no scores: a result that has one of them alone is refused.
        curve = curve.model_copy(update={"forget": (), "skipped": ITEMS})
    return cell.model_copy(update={"values": values, "gaussian": curve})


def _scores(center: float, count: int, name: str) -> tuple[float, ...]:
    """Return scores with standard deviation near 1 whose mean is `center` to the stored precision."""
    generator = random.Random(name)
    drawn = [generator.gauss(0.0, 1.0) for _ in range(count)]
    drift = math.fsum(drawn) / count
    return tuple(rounded(center + value - drift) for value in drawn)


def _ref(protocol: UnlearningProtocol, cell: ProbeCell, name: str) -> CheckpointRef:
    return CheckpointRef(
        role="checkpoint",
        probe=cell.probe,
        seed=cell.seed,
        sha256=_digest(f"file {protocol.id} {name} {cell.label}"),
        bytes=70000,
        original=HEX,
    )


def _digest(text: str) -> str:
    return f"{random.Random(text).getrandbits(256):064x}"
