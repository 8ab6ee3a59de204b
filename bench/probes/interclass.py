"""The interclass probe: labels of two classes swapped, so that a network confuses them.

May import torch, bench.errors, bench.probes.probe and bench.training. Source: arXiv:2201.06640, interclass confusion.
"""

from collections.abc import Mapping

import torch
from torch import nn

from bench.errors import UsageProblem
from bench.probes.probe import Changed, Effect, Poison, Probe, ProbeInput
from bench.training import Labeled
from bench.unlearning_protocol import Setting


def make_interclass(given: ProbeInput) -> Poison:
    """Swap the labels of count // 2 random images of each of two classes; the images stay as they are.

    Exactly 2 * (count // 2) items are changed: `count`, or one less where it is odd. secret: empty.
    Raises UsageProblem where the classes are not two of the data set, or one of them has too few items.
    """
    first, second = _classes(given.settings)
    if first == second or not all(0 <= label < given.classes for label in (first, second)):
        raise UsageProblem(
            f"interclass: classes are {first} and {second}; expected two different ones from 0 to {given.classes - 1}"
        )
    half = given.count // 2
    if half == 0:
        raise UsageProblem("interclass: count is 1; expected at least 2, one image of each class")
    labels = given.train.labels.cpu()
    drawn = []
    for label in (first, second):
        pool = (labels == label).nonzero()[:, 0]
        if half > len(pool):
            raise UsageProblem(
                f"interclass: count is {given.count}, {half} of each class, but class {label} has {len(pool)} images"
            )
        drawn.append(pool[torch.randperm(len(pool), generator=given.generator(f"items/{label}"))[:half]])
    indices = torch.cat(drawn).sort().values
    return Poison(Changed(indices, given.train.images.cpu()[indices], first + second - labels[indices]), secret={})


def measure_interclass(model: nn.Module, _poison: Poison, test: Labeled, settings: Mapping[str, Setting]) -> Effect:
    """Return `interclass_error` and `interclass_confusion` on clean test images of the two classes, 0 to 1.

    interclass_error: the share of them predicted as any wrong class (IC-ERR). interclass_confusion: the share
    predicted as the other one of the two (FGT-ERR as a rate), never more than the error.
    Raises UsageProblem where the test images have neither class.
    """
    first, second = _classes(settings)
    chosen = (test.labels == first) | (test.labels == second)
    if not bool(chosen.any()):
        raise UsageProblem(f"interclass: no test image is of class {first} or {second}")
    images, labels = test.images[chosen], test.labels[chosen]
    with torch.inference_mode():
        predicted = torch.cat([model(batch).argmax(1) for batch in images.split(1000)])
    return Effect(
        {
            "interclass_error": int((predicted != labels).sum()) / len(labels),
            "interclass_confusion": int((predicted == first + second - labels).sum()) / len(labels),
        }
    )


def _classes(settings: Mapping[str, Setting]) -> tuple[int, int]:
    return int(settings["first"]), int(settings["second"])


INTERCLASS = Probe(
    name="interclass",
    summary="Swapped labels of two classes: the network must tell them apart again.",
    paper="arXiv:2201.06640",
    removal="interclass_error",
    defaults={"first": 3, "second": 5},
    make=make_interclass,
    measure=measure_interclass,
)
