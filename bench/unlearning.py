"""Runs a reference unlearner on a challenge kit and counts what it costs. Imports torch."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

import torch

from bench.challenges import Kit, KitRequest, computing_seconds, new_model, state_arrays
from bench.checkpoints import encode_checkpoint
from bench.errors import TrainingDiverged
from bench.provenance import describe_hardware
from bench.registry import resolve
from bench.runtime import generator_for
from bench.submission import UnlearnCost, UnlearnRecipe
from bench.unlearners import UNLEARNERS
from bench.unlearners.unlearner import Meter, Unlearner, UnlearnInput
from bench.unlearning_protocol import Setting, UnlearningProtocol

TRAINING_UNITS = 3.0
"""Compute of training on one example once: a forward pass is one unit, a backward pass two."""


@dataclass(frozen=True)
class Unlearned:
    """A made checkpoint: the bytes of its file, their hex SHA-256, and what it cost."""

    content: bytes
    sha256: str
    cost: UnlearnCost


def unlearner_settings(protocol: UnlearningProtocol, name: str) -> dict[str, Setting]:
    """Return all settings of an unlearner under a protocol. Raises UnknownName, UsageProblem."""
    unlearner: Unlearner = resolve("unlearner", name, UNLEARNERS)
    return unlearner.complete(protocol.unlearners.get(name, {}))


def run_unlearner(request: KitRequest, kit: Kit, recipe: UnlearnRecipe, device: torch.device) -> Unlearned:
    """Return the checkpoint that a recipe makes from a kit; the same on the same machine and software.

    Raises UnknownName, UsageProblem for a setting that does not exist, TrainingDiverged where weights are not finite.
    """
    unlearner: Unlearner = resolve("unlearner", recipe.unlearner, UNLEARNERS)
    forget, retain = kit.sets()
    training = TRAINING_UNITS * request.protocol.recipe.epochs * len(kit.trained.labels)
    meter = Meter(limit=training * recipe.budget / 100)
    model = new_model(request, "original", device)
    model.load_state_dict(dict(kit.original))
    stream = f"{request.stream}/{recipe.unlearner}"
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    clock = computing_seconds(device)
    found = unlearner.run(
        UnlearnInput(
            model=model.eval(),
            forget=forget,
            retain=retain,
            classes=request.protocol.dataset.classes,
            recipe=request.protocol.recipe,
            settings=unlearner.complete(recipe.settings),
            make_model=lambda purpose: new_model(request, purpose, device),
            generator=lambda purpose: generator_for(stream, purpose),
            meter=meter,
        )
    )
    arrays = state_arrays(found)
    seconds = computing_seconds(device) - clock
    if not all(torch.isfinite(value).all() for value in found.state_dict().values()):
        raise TrainingDiverged(f"{recipe.unlearner} on {request.probe}/{request.seed}: weights are not finite")
    content = encode_checkpoint(arrays)
    hardware = describe_hardware(device)
    cost = UnlearnCost(
        compute_share=round(meter.spent / training, 6),
        seconds=round(seconds, 3),
        training_seconds=kit.seconds,
        peak_memory_bytes=int(torch.cuda.max_memory_allocated(device)) if device.type == "cuda" else None,
        hardware=_hardware_words(hardware),
    )
    return Unlearned(content, hashlib.sha256(content).hexdigest(), cost)


def _hardware_words(hardware: Mapping[str, str | int]) -> str:
    return str(hardware.get("gpu") or hardware.get("cpu") or "unknown")
