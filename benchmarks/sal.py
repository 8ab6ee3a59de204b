"""What a measurement of SAL costs, as a multiple of one training epoch, and of each other, in one run.

`python benchmarks/sal.py` trains on digits and prints one JSON document. Times are processor seconds of one thread, so
that other work on the machine matters less; every search is timed at the same moments of the same training. The
published search takes about a minute each time on the narrow network, half an hour on the wide one; `--passes 1` runs
a tenth of it and multiplies, since its passes are alike.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable
from statistics import median
from typing import Any

import torch
from torch import nn

from bench.data import load_data
from bench.defenses.defense import NONE
from bench.machine import cpu_name
from bench.metrics.converged_sal import measure_converged_sal
from bench.metrics.official_sal import OfficialSearch, measure_official_sal
from bench.metrics.sal import Search, measure_sal
from bench.models.build import build_model
from bench.protocol import Protocol, load_protocol
from bench.runtime import generator_for, prepare_process
from bench.training import Epoch, Labeled, to_device, train

KEY = "benchmark/sal"
PUBLISHED = OfficialSearch()


def measure_searches(model: str, passes: int, repetitions: int) -> dict[str, Any]:
    """Time every search after each epoch that the protocol measures; return seconds and ratios by epoch."""
    prepare_process(torch.device("cpu"))
    protocol = load_protocol("ue-digits-v1")
    data = load_data(protocol.dataset).train
    images = to_device(torch.from_numpy(data.images), torch.from_numpy(data.labels), torch.device("cpu"))
    order = torch.randperm(len(data.labels), generator=generator_for(protocol.dataset.name, "probe"))
    chosen = order[: protocol.sal.probe_images].sort().values
    probe = Labeled(images.images[chosen], images.labels[chosen])
    found: list[dict[str, Any]] = []
    clock = time.process_time()

    def measure(network: nn.Module, epoch: Epoch) -> None:
        nonlocal clock
        epoch_seconds = time.process_time() - clock
        if epoch.number in protocol.sal.epochs:
            timed = _timed(network, probe, images, protocol, passes, repetitions)
            row = {"epoch": epoch.number, "loss": epoch.train_loss, "training": epoch_seconds, "searches": timed}
            found.append(_with_ratios(row))
        clock = time.process_time()

    network = build_model(model, in_channels=1, classes=10, generator=generator_for(KEY, "weights"))
    train(
        network,
        images,
        Labeled(images.images[:1], images.labels[:1]),
        protocol.recipe_of("resnet-narrow"),
        NONE,
        shuffle=generator_for(KEY, "shuffle"),
        augment=generator_for(KEY, "augment"),
        probe=measure,
    )
    return {"model": model, "passes": passes, "repetitions": repetitions, "epochs": found}


def _timed(
    network: nn.Module, probe: Labeled, images: Labeled, protocol: Protocol, passes: int, repetitions: int
) -> dict[str, list[float]]:
    """Return the seconds of every search, on the probe and on all images."""
    timed = {name: _seconds(search, repetitions) for name, search in _searches(network, probe, protocol).items()}
    for name, search in _searches(network, images, protocol).items():
        timed[f"{name}, all images"] = _seconds(search, 1)
    official, loader = OfficialSearch(protocol.sal.epsilon, passes=passes), generator_for(KEY, "loader")
    once = _seconds(lambda: measure_official_sal(network, images.images, images.labels, official, loader), 1)
    timed["published, all images"] = [seconds * PUBLISHED.passes / passes for seconds in once]
    return timed


def _searches(network: nn.Module, data: Labeled, protocol: Protocol) -> dict[str, Callable[[], object]]:
    epsilon, settings = protocol.sal.epsilon, Search(protocol.sal.max_steps, protocol.sal.tolerance)
    return {
        "plain": lambda: measure_sal(network, data.images, data.labels, epsilon=epsilon, search=settings),
        "converged": lambda: measure_converged_sal(network, data.images, data.labels, epsilon=epsilon),
    }


def _seconds(work: Callable[[], object], repetitions: int) -> list[float]:
    found = []
    for _ in range(repetitions):
        clock = time.process_time()
        work()
        found.append(time.process_time() - clock)
    return found


def _with_ratios(row: dict[str, Any]) -> dict[str, Any]:
    """Add medians over the training epoch, and over the published search."""
    middle = {name: median(seconds) for name, seconds in row["searches"].items()}
    published = middle["published, all images"]
    return row | {
        "over_training": {name: round(seconds / row["training"], 2) for name, seconds in middle.items()},
        "times_cheaper_than_published": {name: round(published / seconds, 1) for name, seconds in middle.items()},
    }


def main() -> None:
    """Measure and print one JSON document."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--model", default="resnet-narrow", choices=["resnet-narrow", "resnet18"])
    parser.add_argument("--passes", type=int, default=PUBLISHED.passes)
    parser.add_argument("--repetitions", type=int, default=3)
    chosen = parser.parse_args()
    found = measure_searches(chosen.model, chosen.passes, chosen.repetitions)
    machine = {"processor": cpu_name(), "python": sys.version.split()[0], "torch": torch.__version__}
    sys.stdout.write(json.dumps(found | machine, indent=2) + "\n")


if __name__ == "__main__":
    main()
