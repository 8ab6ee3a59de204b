"""What measuring a checkpoint costs, part by part, and what its parts would cost done otherwise, in one run.

`python benchmarks/unlearning.py` prints one JSON document: minutes on an idle core. Times are processor seconds of one
thread. The checkpoint that is measured is the original of a challenge kit, which is made first. The part about large
membership attacks needs CIFAR-10 and says so where it is missing.
"""

import argparse
import cProfile
import json
import pstats
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.func import functional_call, grad, stack_module_state, vmap

from bench.challenges import Kit, KitRequest, new_model, open_kit
from bench.checkpoints import encode_checkpoint
from bench.data import load_data
from bench.defenses.defense import NONE
from bench.errors import DatasetMissing
from bench.files import write_atomically
from bench.machine import cpu_name
from bench.metrics.difficulty import logits_of
from bench.metrics.gus import BATCH_SIZE, input_gradients, label_margins
from bench.metrics.membership import FEATURES, SINGLE_FEATURES, svc_membership, threshold_membership
from bench.models.build import build_model
from bench.runtime import generator_for, prepare_process
from bench.submission import Checkpoint
from bench.tracks import unlearning_cell
from bench.tracks.unlearning import CheckpointJob, Submitted
from bench.training import Labeled, to_device, train
from bench.unlearning_protocol import ProbeCell, UnlearningProtocol, load_unlearning_protocol

KEY = "benchmark/unlearning"
CPU = torch.device("cpu")
STEPS = ("open_kit", "_network", "_accuracies", "measure_gaussian", "_memberships", "_closeness", "_difficulty")
FITTED = ("svc_membership", "starting_kit_accuracy", "relearn_epochs")
"""What of the steps takes a fit, by the function that does it."""

LARGE = "unlearning-cifar10-v1"
FORGET, TRAINED, EPOCHS = 750, 16_000, 10
"""Of the network whose memberships are told: images to forget, images trained on (those among them), epochs."""


def measure_steps(protocol: UnlearningProtocol, root: Path) -> dict[str, float]:
    """Return the seconds of each step of measuring the original of a kit as if it were a submitted checkpoint.

    Taken under Python's profiler, which weighs little on steps that compute. The kit is there before the clock starts.
    """
    cell = ProbeCell(protocol.model, "gaussian", 0)
    kit = open_kit(KitRequest(root, protocol, cell.probe, cell.seed), CPU)
    job = _job(root, protocol, cell, kit)
    profile = cProfile.Profile(time.process_time)
    profile.runcall(unlearning_cell.run_checkpoint, job, CPU, lambda *_progress: None)
    return _seconds_by_function(profile, ("run_checkpoint", *STEPS, *FITTED))


def _job(root: Path, protocol: UnlearningProtocol, cell: ProbeCell, kit: Kit) -> CheckpointJob:
    content = encode_checkpoint({name: values.cpu().numpy() for name, values in kit.original.items()})
    write_atomically(root / "original.safetensors", content)
    pinned = Checkpoint(
        role="checkpoint",
        protocol=protocol.id,
        probe=cell.probe,
        seed=cell.seed,
        path="original.safetensors",
        sha256=kit.original_sha256,
        bytes=len(content),
        original=kit.original_sha256,
    )
    own = Submitted(root, pinned, recipe=None)
    return CheckpointJob("sha256:" + "0" * 64, root, protocol, cell, own, own, label="original")


def _seconds_by_function(profile: cProfile.Profile, names: tuple[str, ...]) -> dict[str, float]:
    found = dict.fromkeys(names, 0.0)
    for (_, _, name), (_, _, _, cumulative, _) in pstats.Stats(profile).stats.items():
        if name in found:
            found[name] += cumulative
    return {name: round(seconds, 3) for name, seconds in found.items()}


def compare_gradients(protocol: UnlearningProtocol, networks: int, images: int, tries: int) -> dict[str, Any]:
    """Return the seconds that the input gradients of several networks take: one image at a time, in one backward pass
    for each network, and for all networks at once.

    Images are random: what they show costs nothing. Each way is held against the first.
    """
    shape = (images, protocol.dataset.channels, protocol.dataset.height, protocol.dataset.width)
    data = torch.rand(shape, generator=generator_for(KEY, "images"))
    labels = torch.arange(images) % protocol.dataset.classes
    models = [
        new_model(KitRequest(Path(), protocol, "gaussian", seed), "timed", CPU).eval() for seed in range(networks)
    ]
    ways: dict[str, Callable[[], list[Tensor]]] = {
        "one image at a time": lambda: [input_gradients(model, data, labels, batch_size=1) for model in models],
        "one backward pass": lambda: [input_gradients(model, data, labels, batch_size=BATCH_SIZE) for model in models],
        "all networks at once": partial(_together, models, data, labels),
    }
    expected = ways["one image at a time"]()
    seconds = {}
    for name, way in ways.items():
        found = way()
        assert all(torch.allclose(one, other, atol=1e-4) for one, other in zip(expected, found, strict=True)), name
        seconds[name] = _best(way, 1 if name == "one image at a time" else tries)
    return {"networks": networks, "images": images, "seconds": seconds} | _over("one backward pass", seconds)


def _together(models: list[nn.Module], images: Tensor, labels: Tensor) -> list[Tensor]:
    """Return the input gradients of every network, all of them run as one by `torch.vmap`."""
    states, buffers = stack_module_state(models)
    base = models[0]

    def margin(state: Mapping[str, Tensor], buffer: Mapping[str, Tensor], given: Tensor) -> Tensor:
        logits = functional_call(base, (dict(state), dict(buffer)), (given,))
        return label_margins(logits, labels).sum()

    gradients = vmap(grad(margin, argnums=2), in_dims=(0, 0, None))(states, buffers, images)
    return [item.flatten(1) for item in gradients]


def compare_memberships(limits: list[int], draws: int) -> dict[str, Any]:
    """Return what membership attacks cost and find when they are fitted on more and more examples a side.

    A narrow network is trained on 16,000 images of CIFAR-10, of which 750 stand for what was to be forgotten. For each
    limit: seconds of a fit of all features, and how far its shares are from those of the largest limit, which takes
    other examples each time. Raises DatasetMissing.
    """
    members, held_out, forget = _sides()
    rows: list[dict[str, Any]] = []
    largest = max(limits)
    reference: dict[str, float] = {}
    for limit in sorted(limits, reverse=True):
        found, seconds = [], []
        for draw in range(1 if limit == largest else draws):
            chosen = _some(members, limit, f"members {draw}"), _some(held_out, limit, f"others {draw}")
            clock = time.process_time()
            found.append(svc_membership(*chosen[0], *chosen[1], *forget, limit=limit, features=FEATURES))
            seconds.append(time.process_time() - clock)
        reference = reference or found[0]
        rows.append({"limit": limit, "seconds": round(float(np.median(seconds)), 2), **_told(found, reference)})
    clock = time.process_time()
    threshold = threshold_membership(*members, *held_out, *forget, limit=largest, features=SINGLE_FEATURES)
    fast = {"seconds": round(time.process_time() - clock, 3), "shares": {k: round(v, 3) for k, v in threshold.items()}}
    return {"by_limit": rows, "threshold": fast}


def _told(found: list[dict[str, float]], reference: dict[str, float]) -> dict[str, dict[str, float]]:
    """Return for each feature the mean share of several draws, and how far they are from the reference."""
    shares = {name: np.array([item[name] for item in found]) for name in reference}
    errors = {name: values - reference[name] for name, values in shares.items()}
    return {
        "shares": {name: round(float(values.mean()), 3) for name, values in shares.items()},
        "root_mean_square_error": {name: round(float(np.sqrt(np.square(e).mean())), 3) for name, e in errors.items()},
        "largest_error": {name: round(float(np.abs(e).max()), 3) for name, e in errors.items()},
    }


Side = tuple[np.ndarray, np.ndarray]


def _sides() -> tuple[Side, Side, Side]:
    """Return logits and labels of trained-on, held-out and to-be-forgotten images."""
    protocol = load_unlearning_protocol(LARGE)
    data = load_data(protocol.dataset)
    order = torch.randperm(len(data.train.labels), generator=generator_for(KEY, "draw"))[:TRAINED].numpy()
    chosen = _labeled(data.train.images[order], data.train.labels[order])
    test = _labeled(data.test.images, data.test.labels)
    recipe = load_unlearning_protocol("unlearning-cifar10-mini-v1").recipe.model_copy(update={"epochs": EPOCHS})
    network = build_model("resnet-narrow", in_channels=3, classes=10, generator=generator_for(KEY, "weights"))
    streams = {name: generator_for(KEY, name) for name in ("shuffle", "augment")}
    train(
        network, chosen, Labeled(test.images[:1], test.labels[:1]), recipe, NONE, **streams, probe=lambda *_epoch: None
    )

    def side(part: Labeled) -> Side:
        return logits_of(network, part.images).double().numpy(), part.labels.numpy()

    forget = Labeled(chosen.images[:FORGET], chosen.labels[:FORGET])
    return side(Labeled(chosen.images[FORGET:], chosen.labels[FORGET:])), side(test), side(forget)


def _labeled(images: np.ndarray, labels: np.ndarray) -> Labeled:
    return to_device(torch.from_numpy(images), torch.from_numpy(labels), CPU)


def _some(side: Side, count: int, purpose: str) -> Side:
    order = torch.randperm(len(side[1]), generator=generator_for(KEY, purpose))[:count].numpy()
    return side[0][order], side[1][order]


def _best(work: Callable[[], object], tries: int) -> float:
    found = []
    for _ in range(tries):
        clock = time.process_time()
        work()
        found.append(time.process_time() - clock)
    return round(min(found), 3)


def _over(base: str, seconds: dict[str, float]) -> dict[str, Any]:
    return {f"times that of {base}": {name: round(value / seconds[base], 2) for name, value in seconds.items()}}


def main() -> None:
    """Measure and print one JSON document."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--limits", type=int, nargs="*", default=[500, 1000, 2000, 4000, 9975])
    parser.add_argument("--draws", type=int, default=5)
    chosen = parser.parse_args()
    prepare_process(CPU)
    small, photographs = (load_unlearning_protocol(f"unlearning-{name}-v1") for name in ("digits", "cifar10-mini"))
    found: dict[str, Any] = {"gradients": {small.id: compare_gradients(small, 8, 216, 5)}}
    with tempfile.TemporaryDirectory() as folder:
        found["steps"] = {small.id: measure_steps(small, Path(folder))}
        try:
            found["gradients"][photographs.id] = compare_gradients(photographs, 3, 500, 3)
            found["steps"][photographs.id] = measure_steps(photographs, Path(folder))
            found["memberships"] = compare_memberships(chosen.limits, chosen.draws)
        except DatasetMissing as error:
            found["left_out"] = f"what needs CIFAR-10: {error}"
    machine = {"processor": cpu_name(), "python": sys.version.split()[0], "torch": torch.__version__}
    sys.stdout.write(json.dumps(found | machine, indent=2) + "\n")


if __name__ == "__main__":
    main()
