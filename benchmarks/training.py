"""What training costs done otherwise, as multiples of how it is done, and whether its results stay the same.

`python benchmarks/training.py` prints one JSON document: some minutes on an idle core. Every way trains the same
network from the same weights in the same batches, one after the other in rounds, but for several networks at once: each
of those has batches of its own, without augmentation. Times are processor seconds of one
thread on a processor, seconds by the clock on a GPU. `--accuracy 8` also trains to the end with so many seeds each way
and returns test accuracies. `--data cifar10` takes the CIFAR-10 subset of `ue-cifar10-mini-v1` instead of digits.
"""

import argparse
import copy
import json
import os
import shutil
import sys
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from statistics import mean, median, stdev
from typing import Any
from unittest import mock

import torch
from torch import Tensor, nn
from torch.func import functional_call, grad_and_value, stack_module_state, vmap
from torch.nn import functional as F

from bench.data import load_data
from bench.defenses.defense import NONE, Batch, Defense
from bench.machine import cpu_name
from bench.models.build import build_model
from bench.protocol import Protocol, load_protocol
from bench.runtime import choose_device, generator_for, prepare_process
from bench.training import Labeled, to_device, train

KEY = "benchmark/training"
PROTOCOLS = {"digits": "ue-digits-v2", "cifar10": "ue-cifar10-mini-v1"}
AT_ONCE = 4
"""Networks that are trained at once."""

Change = Callable[[nn.Module], Any]


@dataclass(frozen=True)
class Way:
    """A way of training. fit: train for a seed and so many epochs, return test accuracy; networks: trained by it."""

    fit: Callable[[int, int], float]
    networks: int = 1


@dataclass(frozen=True)
class Task:
    """A network and what it is trained on."""

    protocol: Protocol
    model: str
    data: Labeled
    test: Labeled
    device: torch.device

    def network(self, seed: int) -> nn.Module:
        """Return the network of a seed, as it begins."""
        spec = self.protocol.dataset
        generator = generator_for(f"{KEY}/{seed}", "weights")
        made = build_model(self.model, in_channels=spec.channels, classes=spec.classes, generator=generator)
        return made.to(self.device).to(memory_format=torch.channels_last)

    def fit(self, seed: int, epochs: int, *, defense: Defense = NONE, change: Change | None = None) -> float:
        """Train as cells are trained. change: what is done to the network before."""
        recipe = self.protocol.recipe_of("resnet-narrow").model_copy(update={"epochs": epochs})
        network = self.network(seed)
        found = train(
            network if change is None else change(network),
            self.data,
            self.test,
            recipe,
            defense,
            shuffle=generator_for(f"{KEY}/{seed}", "shuffle"),
            augment=generator_for(f"{KEY}/{seed}", "augment"),
            probe=lambda *_: None,
        )
        return found[-1].test_accuracy


def ways(task: Task) -> dict[str, Way]:
    """Return every way of training, the one of cells first."""
    contiguous = replace(task, data=_contiguous(task.data), test=_contiguous(task.test))
    kind = task.device.type

    def lower(model: nn.Module, batch: Batch) -> tuple[Tensor, Tensor]:
        with torch.autocast(kind, torch.bfloat16):
            logits = model(batch.images)
        return F.cross_entropy(logits.float(), batch.labels), logits

    def fused(seed: int, epochs: int) -> float:
        with mock.patch.object(torch.optim, "SGD", partial(torch.optim.SGD, fused=True)):
            return task.fit(seed, epochs)

    known = {
        "as it is": Way(task.fit),
        "channels first": Way(partial(contiguous.fit, change=lambda it: it.to(memory_format=torch.contiguous_format))),
        "fused optimizer": Way(fused),
        "bfloat16 (autocast)": Way(partial(task.fit, defense=replace(NONE, objective=lower))),
        f"{AT_ONCE} networks at once, each": Way(partial(fit_at_once, task), AT_ONCE),
    }
    if kind != "cpu" or shutil.which(os.environ.get("CXX", "g++")):  # what is compiled is C++
        known["compiled"] = Way(partial(task.fit, change=partial(torch.compile, dynamic=False)))
    return known


def fit_at_once(task: Task, seed: int, epochs: int) -> float:
    """Train AT_ONCE networks in one batch (`vmap`), without augmentation; return the mean of their accuracies."""
    recipe = task.protocol.recipe_of("resnet-narrow").model_copy(update={"epochs": epochs})
    networks = [task.network(AT_ONCE * seed + index) for index in range(AT_ONCE)]
    weights, buffers = stack_module_state(networks)
    frame = copy.deepcopy(networks[0]).to("meta").train()
    optimizer = torch.optim.SGD(
        list(weights.values()), lr=recipe.learning_rate, momentum=recipe.momentum, weight_decay=recipe.weight_decay
    )
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, epochs)

    def loss(own: dict[str, Tensor], state: dict[str, Tensor], images: Tensor, labels: Tensor) -> Tensor:
        return F.cross_entropy(functional_call(frame, (own, state), (images,)), labels)

    step = vmap(grad_and_value(loss), in_dims=0)
    shuffles = [generator_for(f"{KEY}/{AT_ONCE * seed + index}", "shuffle") for index in range(AT_ONCE)]
    for _ in range(epochs):
        orders = torch.stack([torch.randperm(len(task.data.labels), generator=item) for item in shuffles])
        whole = orders.shape[1] // recipe.batch_size * recipe.batch_size
        for chosen in orders[:, :whole].to(task.device).split(recipe.batch_size, dim=1):
            found, _ = step(weights, buffers, task.data.images[chosen], task.data.labels[chosen])
            for name, values in weights.items():
                values.grad = found[name]
            optimizer.step()
        scheduler.step()
    frame.eval()
    with torch.no_grad():
        logits = vmap(lambda own, state: functional_call(frame, (own, state), (task.test.images,)))(weights, buffers)
    return float((logits.argmax(2) == task.test.labels).float().mean())


def _contiguous(data: Labeled) -> Labeled:
    return replace(data, images=data.images.contiguous())


def measure(task: Task, rounds: int, seeds: int, only: Collection[str] = ()) -> dict[str, Any]:
    """Time an epoch each way in turn; return seconds, multiples of the first way, and accuracies by seed.

    only: ways besides the first one, all where it is empty.
    """
    found: dict[str, dict[str, Any]] = {}
    few = Labeled(task.test.images[:1], task.test.labels[:1])  # testing is not what is timed
    known, to_the_end = ways(replace(task, test=few)), ways(task)
    known = {name: way for name, way in known.items() if not only or name in ("as it is", *only)}
    for name, way in known.items():
        with _clock(task.device) as taken:
            way.fit(0, 1)  # compiles what is compiled, and finds memory
        found[name] = {"first": taken[0], "seconds": []}
    for _ in range(rounds):
        for name, way in known.items():
            with _clock(task.device) as taken:
                way.fit(0, 1)
            found[name]["seconds"].append(taken[0] / way.networks)
    plain = median(found["as it is"]["seconds"])
    for name, row in found.items():
        row |= {"times": round(median(row["seconds"]) / plain, 2), "first": round(row["first"], 2)}
        row["seconds"] = [round(value, 4) for value in row["seconds"]]
        if seeds:
            row["accuracy"] = _accuracies(task, to_the_end[name], seeds)
    return found


def _accuracies(task: Task, way: Way, seeds: int) -> dict[str, Any]:
    """Return test accuracies by seed; of several networks at once the mean of each lot, by lot."""
    values = [
        way.fit(seed, task.protocol.recipe_of("resnet-narrow").epochs) for seed in range(-(-seeds // way.networks))
    ]
    spread = stdev(values) if len(values) > 1 else 0.0
    return {"mean": round(mean(values), 4), "sd": round(spread, 4), "values": [round(value, 4) for value in values]}


@contextmanager
def _clock(device: torch.device) -> Iterator[list[float]]:
    """Yield a list that gets the seconds of what is done meanwhile."""
    taken: list[float] = []
    now = time.process_time if device.type == "cpu" else time.perf_counter
    _wait(device)
    started = now()
    yield taken
    _wait(device)
    taken.append(now() - started)


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def open_task(data: str, model: str, device: torch.device, images: int | None = None) -> Task:
    """Return a network's task. images: how many to train on, None for all. Raises DatasetMissing."""
    protocol = load_protocol(PROTOCOLS[data])
    found = load_data(protocol.dataset)
    train_set, test = (
        to_device(torch.from_numpy(part.images), torch.from_numpy(part.labels), device)
        for part in (found.train, found.test)
    )
    return Task(protocol, model, Labeled(train_set.images[:images], train_set.labels[:images]), test, device)


def main() -> None:
    """Measure and print one JSON document."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--data", default="digits", choices=list(PROTOCOLS))
    parser.add_argument("--model", default="resnet-narrow", choices=["resnet-narrow", "resnet18"])
    parser.add_argument("--images", type=int, help="how many to train on, such as 640 for ten batches; all by default")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--accuracy", type=int, default=0, metavar="SEEDS")
    parser.add_argument("--only", nargs="*", default=[], metavar="WAY")
    parser.add_argument("--device", default="auto")
    chosen = parser.parse_args()
    device = choose_device(chosen.device)
    prepare_process(device)
    task = open_task(chosen.data, chosen.model, device, chosen.images)
    found = measure(task, chosen.rounds, chosen.accuracy, chosen.only)
    machine = {
        "processor": cpu_name() if device.type == "cpu" else torch.cuda.get_device_name(device),
        "matrix_units": torch.cpu._is_amx_tile_supported() if device.type == "cpu" else True,
        "python": sys.version.split()[0],
        "torch": torch.__version__,
    }
    sys.stdout.write(json.dumps({"data": chosen.data, "model": chosen.model, "ways": found} | machine, indent=2) + "\n")


if __name__ == "__main__":
    main()
