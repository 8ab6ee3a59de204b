"""One checkpoint of the unlearning track, step by step: open the kit, load the networks, measure. Imports torch.

Never imports pandas, altair or jinja2.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from bench.challenges import Kit, KitRequest, complete_settings, new_model, open_kit, probe_of
from bench.checkpoints import CheckpointFile, parse_checkpoint, read_checkpoint
from bench.errors import InvalidSubmission
from bench.files import write_atomically
from bench.metrics.closeness import activation_distance, zero_retrain_forgetting
from bench.metrics.difficulty import confidence, embeddings, entanglement_score, logits_of
from bench.metrics.membership import loss_rates, starting_kit_accuracy, svc_membership, true_label_losses
from bench.metrics.relearning import relearn_epochs, relearn_target
from bench.models.layouts import checkpoint_layout
from bench.probes.probe import Effect
from bench.results import CheckpointResult, GaussianCurve, rounded
from bench.runtime import generator_for
from bench.submission import UnlearnCost
from bench.tracks.unlearning import CheckpointJob, Submitted
from bench.training import Labeled, accuracy
from bench.unlearning import run_unlearner

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class CheckpointRun:
    """What measuring a checkpoint cost and when: UTC times, seconds, largest memory in bytes."""

    started: str
    ended: str
    seconds: float
    peak_memory_bytes: int


@dataclass(frozen=True)
class _Measuring:
    """What the measurements of one checkpoint are made from; networks are in eval mode."""

    job: CheckpointJob
    kit: Kit
    own: nn.Module
    retrained: nn.Module
    original: nn.Module
    fresh: nn.Module
    forget: Labeled
    retain: Labeled


def run_checkpoint(
    job: CheckpointJob, device: torch.device, progress: Progress
) -> tuple[CheckpointResult, CheckpointRun]:
    """Measure one checkpoint; the same job gives the same result on the same machine and software.

    Raises BenchError for data, kits and checkpoints that cannot be used.
    """
    started, clock = datetime.now(UTC), time.perf_counter()
    request = KitRequest(job.root, job.protocol, job.cell.probe, job.cell.seed)
    kit = open_kit(request, device, progress)
    forget, retain = kit.sets()
    measuring = _Measuring(
        job,
        kit,
        own=_network(request, kit, job.own, device),
        retrained=_network(request, kit, job.retrained, device),
        original=_loaded(request, kit.original, device),
        fresh=new_model(request, "untrained", device).eval(),
        forget=forget,
        retain=retain,
    )
    effect = _probe_effect(measuring, request)
    values = {
        **_accuracies(measuring),
        **effect.values,
        **_memberships(measuring),
        **_closeness(measuring),
        **_difficulty(measuring),
        **_costs(job.own.checkpoint.cost, job.retrained.checkpoint.cost),
    }
    cell = CheckpointResult(
        key=job.key,
        model=job.cell.model,
        probe=job.cell.probe,
        seed=job.cell.seed,
        values={name: rounded(value) for name, value in sorted(values.items())},
        gaussian=_curve(effect),
    )
    return cell, CheckpointRun(
        started=started.isoformat(timespec="seconds"),
        ended=datetime.now(UTC).isoformat(timespec="seconds"),
        seconds=time.perf_counter() - clock,
        peak_memory_bytes=int(torch.cuda.max_memory_allocated(device)) if device.type == "cuda" else 0,
    )


def _network(request: KitRequest, kit: Kit, submitted: Submitted, device: torch.device) -> nn.Module:
    """Load a submitted checkpoint, made again by its recipe where its file is not there."""
    checkpoint = submitted.checkpoint
    if checkpoint.original != kit.original_sha256:
        raise InvalidSubmission(
            f"{submitted.folder}/{checkpoint.path}: starts from another original than this challenge kit's\n"
            f"  manifest says sha256 {checkpoint.original}\n  the kit has    sha256 {kit.original_sha256}\n"
            "  kits differ between machines, secrets and versions; unlearn from this kit, or evaluate with its own"
        )
    dataset = request.protocol.dataset
    layout = checkpoint_layout(request.protocol.model, in_channels=dataset.channels, classes=dataset.classes)
    try:
        file = read_checkpoint(submitted.folder, checkpoint, layout)
    except FileNotFoundError:
        file = _made_again(request, kit, submitted, device)
    if file.sha256 != checkpoint.sha256:
        raise InvalidSubmission(
            f"{submitted.folder}/{checkpoint.path}: is not the file that the manifest pins\n"
            f"  expected sha256 {checkpoint.sha256}\n  found    sha256 {file.sha256}"
        )
    return _loaded(request, {name: torch.from_numpy(values.copy()) for name, values in file.tensors.items()}, device)


def _made_again(request: KitRequest, kit: Kit, submitted: Submitted, device: torch.device) -> CheckpointFile:
    path = submitted.folder / submitted.checkpoint.path
    if submitted.recipe is None:
        raise InvalidSubmission(f"{path}: no such file, and the manifest has no recipe that makes it")
    unlearned = run_unlearner(request, kit, submitted.recipe, device)
    if unlearned.sha256 != submitted.checkpoint.sha256:
        raise InvalidSubmission(
            f"{path}: the recipe does not give the checkpoint that the manifest pins\n"
            f"  expected sha256 {submitted.checkpoint.sha256}\n  found    sha256 {unlearned.sha256}\n"
            "  another machine, library or version of the unlearner gives other bytes; hand the checkpoint in as a file"
        )
    write_atomically(path, unlearned.content)
    dataset = request.protocol.dataset
    layout = checkpoint_layout(request.protocol.model, in_channels=dataset.channels, classes=dataset.classes)
    return parse_checkpoint(unlearned.content, str(path), layout)


def _loaded(request: KitRequest, state: Mapping[str, Tensor], device: torch.device) -> nn.Module:
    model = new_model(request, "loaded", device)
    model.load_state_dict(dict(state))
    return model.eval()


def _probe_effect(given: _Measuring, request: KitRequest) -> Effect:
    return probe_of(request).measure(given.own, given.kit.poison, given.kit.test, complete_settings(request))


def _curve(effect: Effect) -> GaussianCurve | None:
    if not effect.scores:
        return None
    scores = {name: tuple(rounded(value) for value in values) for name, values in effect.scores.items()}
    return GaussianCurve(forget=scores["forget"], kept=scores["kept"], never=scores["never"], skipped=effect.skipped)


def _accuracies(given: _Measuring) -> dict[str, float]:
    indices = given.kit.poison.forget.indices
    clean = Labeled(given.kit.clean.images[indices], given.kit.clean.labels[indices])
    return {
        "checkpoint_test_accuracy": accuracy(given.own, given.kit.test),
        "retain_accuracy": accuracy(given.own, given.retain),
        "forget_accuracy": accuracy(given.own, given.forget),
        "forget_clean_accuracy": accuracy(given.own, clean),
    }


def _memberships(given: _Measuring) -> dict[str, float]:
    """Attacks that see logits alone. Members are the first retained examples, non-members the test images."""
    limit = min(given.job.protocol.metrics.membership_limit, len(given.kit.test.labels), len(given.retain.labels))
    members = Labeled(given.retain.images[:limit], given.retain.labels[:limit])
    held_out = Labeled(given.kit.test.images[:limit], given.kit.test.labels[:limit])
    sides = [(_logits(given.own, part), part.labels.cpu().numpy()) for part in (members, held_out, given.forget)]
    attacks = svc_membership(*sides[0], *sides[1], *sides[2], limit=limit)
    losses = [true_label_losses(*side) for side in (sides[2], sides[1])]
    generator = generator_for(given.job.cell.label, "membership")
    return {
        **{f"mia_{feature}": value for feature, value in attacks.items()},
        "mia_loss": starting_kit_accuracy(*losses, generator=generator),
        "mia_tpr_01": loss_rates(losses[0], losses[1])[0.01].rate,
    }


def _closeness(given: _Measuring) -> dict[str, float]:
    probabilities = [_probabilities(model, given.forget) for model in (given.own, given.retrained, given.fresh)]
    settings = given.job.protocol.metrics
    return {
        "activation_distance": activation_distance(probabilities[0], probabilities[1], norm="l1"),
        "zrf": zero_retrain_forgetting(probabilities[0], probabilities[2]),
        "relearn_epochs": relearn_epochs(
            given.own,
            given.forget,
            relearn_target(given.original, given.forget),
            learning_rate=settings.relearn_rate,
            limit=settings.relearn_epochs,
            batch_size=given.job.protocol.recipe.batch_size,
            generator=generator_for(given.job.cell.label, "relearn"),
        ),
    }


def _difficulty(given: _Measuring) -> dict[str, float]:
    """Facts of the kit, the same for every submission: how hard its forget set is for the original."""
    sure = confidence(logits_of(given.original, given.forget.images), given.forget.labels)
    features = [embeddings(given.original, part.images) for part in (given.retain, given.forget)]
    return {
        "entanglement": entanglement_score(*features),
        "memorization": 1 - float(sure.mean()),
    }


def _costs(own: UnlearnCost | None, retrained: UnlearnCost | None) -> dict[str, float]:
    """What the manifests say of cost, time and memory relative to retraining; nothing where they say nothing."""
    if own is None:
        return {}
    found = {"compute_share": own.compute_share}
    if retrained is not None and retrained.seconds > 0:
        found["seconds_ratio"] = own.seconds / retrained.seconds
    if retrained is not None and own.peak_memory_bytes and retrained.peak_memory_bytes:
        found["memory_ratio"] = own.peak_memory_bytes / retrained.peak_memory_bytes
    return found


def _logits(model: nn.Module, data: Labeled) -> np.ndarray:
    with torch.inference_mode():
        parts = [model(images).double().cpu() for images in data.images.split(1000)]
    return torch.cat(parts).numpy()


def _probabilities(model: nn.Module, data: Labeled) -> np.ndarray:
    logits = torch.from_numpy(_logits(model, data))
    return F.softmax(logits, dim=1).numpy()
