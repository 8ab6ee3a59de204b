"""What a measurement of SAL costs, as a multiple of one training epoch, and of each other, in one run.

`python benchmarks/sal.py` trains on digits and prints one JSON document. Times are processor seconds of one thread, so
that other work on the machine matters less; every search is timed at the same moments of the same training: `exact` as
`ue-digits-v1` measures, `converged` as `ue-digits-v2` does, the draw of its images included, and the published one,
word for word and with what lies below a layer computed once. It takes about a minute each time on the narrow network;
`--passes 1` runs a tenth of it and multiplies, since its passes are alike.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from importlib import import_module
from statistics import median
from typing import Any

import torch
from torch import nn

from bench.data import load_data
from bench.defenses.defense import NONE
from bench.execution.worker import MEMORY_GUARD
from bench.machine import cpu_name
from bench.metrics.official_sal import OfficialSearch, measure_official_sal
from bench.metrics.sal import Search, measure_sal
from bench.models.build import build_model
from bench.protocol import Protocol, load_protocol
from bench.runtime import generator_for, prepare_process
from bench.tracks.ue_converged_cell import measure_drawn
from bench.training import Epoch, Labeled, to_device, train

KEY = "benchmark/sal"
PUBLISHED = OfficialSearch()


def measure_searches(model: str, passes: int, repetitions: int, at: Sequence[int] = ()) -> dict[str, Any]:
    """Time every search after some epochs, those that the protocol measures by default; return seconds and ratios."""
    prepare_process(torch.device("cpu"))
    setattr(import_module("torch.utils.deterministic"), MEMORY_GUARD, False)  # as in the workers
    protocol = load_protocol("ue-digits-v2")
    data = load_data(protocol.dataset).train
    images = to_device(torch.from_numpy(data.images), torch.from_numpy(data.labels), torch.device("cpu"))
    found: list[dict[str, Any]] = []
    clock = time.process_time()

    def measure(network: nn.Module, epoch: Epoch) -> None:
        nonlocal clock
        epoch_seconds = time.process_time() - clock
        row: dict[str, Any] = {"epoch": epoch.number, "loss": epoch.train_loss, "training": epoch_seconds}
        if epoch.number in (at or protocol.sal.epochs):
            row["searches"] = _timed(network, images, protocol, passes, repetitions)
        found.append(row)
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
    return {"model": model, "passes": passes, "repetitions": repetitions} | _with_ratios(found)


def _timed(
    network: nn.Module, images: Labeled, protocol: Protocol, passes: int, repetitions: int
) -> dict[str, list[float]]:
    """Return the seconds of every search: as both versions of the protocol measure, and the published one."""
    older = load_protocol("ue-digits-v1").sal
    chosen = torch.randperm(len(images.labels), generator=generator_for("digits", "probe"))[: older.probe_images]
    some = (images.images[chosen], images.labels[chosen])
    plain = Search(older.max_steps, older.tolerance)
    timed = {
        "exact": _seconds(lambda: measure_sal(network, *some, epsilon=older.epsilon, search=plain), repetitions),
        "converged": _seconds(
            lambda: measure_drawn(network, images, protocol.sal, generator_for(KEY, "draw")), repetitions
        ),
    }
    official = OfficialSearch(protocol.sal.epsilon, passes=passes)
    for name, augment in (("published", _as_it_is), ("published, activations reused", None)):
        loader = generator_for(KEY, "loader")
        given = (network, images.images, images.labels, official, loader, augment)
        once = _seconds(partial(measure_official_sal, *given), 1)
        timed[name] = [seconds * PUBLISHED.passes / passes for seconds in once]
    return timed


def _as_it_is(batch: torch.Tensor) -> torch.Tensor:
    """Stand for an augmentation, so that the whole network is computed for every layer, as the published code does."""
    return batch


def _seconds(work: Callable[[], object], repetitions: int) -> list[float]:
    found = []
    for _ in range(repetitions):
        clock = time.process_time()
        work()
        found.append(time.process_time() - clock)
    return found


def _with_ratios(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Return rows and what they come to together: over the whole training, and over the published search."""
    middle = [{name: median(seconds) for name, seconds in row["searches"].items()} for row in rows if "searches" in row]
    sums = {name: sum(item[name] for item in middle) for name in middle[0]}
    training = sum(row["training"] for row in rows)
    return {
        "epochs": rows,
        "over_training": {name: round(seconds / training, 2) for name, seconds in sums.items()},
        "times_cheaper_than_published": {name: round(sums["published"] / sums[name], 1) for name in sums},
        "times_cheaper_by_epoch": [
            {name: round(item["published"] / item[name], 1) for name in item} for item in middle
        ],
    }


def main() -> None:
    """Measure and print one JSON document."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--model", default="resnet-narrow", choices=["resnet-narrow", "resnet18"])
    parser.add_argument("--passes", type=int, default=PUBLISHED.passes)
    parser.add_argument("--repetitions", type=int, default=3)
    parser.add_argument("--at", type=int, nargs="*", default=[], help="epochs after which to time")
    chosen = parser.parse_args()
    found = measure_searches(chosen.model, chosen.passes, chosen.repetitions, chosen.at)
    machine = {"processor": cpu_name(), "python": sys.version.split()[0], "torch": torch.__version__}
    sys.stdout.write(json.dumps(found | machine, indent=2) + "\n")


if __name__ == "__main__":
    main()
