"""How far training and the search for SAL are from what this machine could do: operations counted, and their rate.

`python benchmarks/limits.py` prints one JSON document; `--model resnet18` takes some minutes. Ceilings are measured
here: products of large matrices for operations, copies of a large array for bytes. Operations are those of convolutions
and matrix products alone, counted by torch. One thread, processor seconds.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable
from importlib import import_module
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

from bench.data import load_data
from bench.defenses.defense import NONE
from bench.execution.worker import MEMORY_GUARD
from bench.machine import cpu_name
from bench.metrics.sal import Search, measure_sal
from bench.models.build import build_model
from bench.protocol import Protocol, load_protocol
from bench.runtime import generator_for, prepare_process
from bench.tracks.ue_converged_cell import measure_drawn
from bench.training import Labeled, to_device, train

KEY = "benchmark/limits"
EPOCHS = {"resnet-narrow": 12, "resnet18": 2}
"""Networks and the epochs they are trained for before SAL is measured."""


def ceilings() -> dict[str, float]:
    """Return operations and bytes a second: the best of several tries."""
    square, vector = torch.rand(1024, 1024), torch.rand(1 << 25)
    target = torch.empty_like(vector)
    product, copy = _best(lambda: square @ square, 10), _best(lambda: target.copy_(vector), 10)
    return {"operations": 2 * 1024**3 / product, "bytes": 2 * vector.nbytes / copy}


def measure_limits(name: str, tries: int) -> list[dict[str, Any]]:
    """Return for each work: operations, seconds, and the seconds that its operations would need at the ceiling."""
    prepare_process(torch.device("cpu"))
    setattr(import_module("torch.utils.deterministic"), MEMORY_GUARD, False)  # as in the workers
    protocol, rate = load_protocol("ue-digits-v2"), ceilings()["operations"]
    data = load_data(protocol.dataset).train
    images = to_device(torch.from_numpy(data.images), torch.from_numpy(data.labels), torch.device("cpu"))
    probe = Labeled(images.images[:256], images.labels[:256])
    rows = []
    for work, run in _works(name, EPOCHS[name], images, probe, protocol).items():
        with FlopCounterMode(display=False) as counted:
            run()
        seconds, operations = _best(run, tries), counted.get_total_flops()
        at_ceiling = operations / rate
        rows.append(
            {
                "work": work,
                "operations": operations,
                "seconds": round(seconds, 4),
                "seconds_at_ceiling": round(at_ceiling, 4),
                "share": round(at_ceiling / seconds, 3),
            }
        )
    return rows


def _works(name: str, epochs: int, images: Labeled, probe: Labeled, protocol: Protocol) -> dict[str, Callable[[], Any]]:
    """Return a training epoch, the same in batches of 256, and both searches after training."""
    model = build_model(name, in_channels=1, classes=10, generator=generator_for(KEY, "weights"))

    def epoch(batch_size: int, count: int = 1) -> None:
        recipe = protocol.recipe_of("resnet-narrow").model_copy(update={"epochs": count, "batch_size": batch_size})
        few = Labeled(images.images[:1], images.labels[:1])
        generators = {"shuffle": generator_for(KEY, "shuffle"), "augment": generator_for(KEY, "augment")}
        train(model, images, few, recipe, NONE, probe=lambda _model, _epoch: None, **generators)

    epoch(64, epochs)
    older = load_protocol("ue-digits-v1").sal
    plain = Search(older.max_steps, older.tolerance)
    return {
        "training epoch, batches of 64": lambda: epoch(64),
        "training epoch, batches of 256": lambda: epoch(256),
        "SAL, exact": lambda: measure_sal(model, probe.images, probe.labels, epsilon=older.epsilon, search=plain),
        "SAL, converged": lambda: measure_drawn(model, images, protocol.sal, generator_for(KEY, "draw")),
    }


def _best(run: Callable[[], object], tries: int) -> float:
    found = []
    for _ in range(tries):
        clock = time.process_time()
        run()
        found.append(time.process_time() - clock)
    return min(found)


def main() -> None:
    """Measure and print one JSON document."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--model", default="resnet-narrow", choices=list(EPOCHS))
    parser.add_argument("--tries", type=int, default=3)
    chosen = parser.parse_args()
    found = {"model": chosen.model, "ceilings": ceilings(), "work": measure_limits(chosen.model, chosen.tries)}
    machine = {"processor": cpu_name(), "python": sys.version.split()[0], "torch": torch.__version__}
    sys.stdout.write(json.dumps(found | machine, indent=2) + "\n")


if __name__ == "__main__":
    main()
