"""The patch probe: a small square in a corner that a network takes for a class.

May import torch, bench.errors, bench.probes.probe and bench.training. Source: arXiv:2402.14015, poisoning with a patch.
"""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from bench.errors import UsageProblem
from bench.probes.probe import Changed, Effect, Poison, Probe, ProbeInput
from bench.training import Labeled
from bench.unlearning_protocol import Setting


def make_patch(given: ProbeInput) -> Poison:
    """Patch exactly `count` random images of other classes than `label`, and give them that label.

    secret: empty; where the patch is and what it stands for are settings of the protocol.
    Raises UsageProblem where the patch does not fit, the label is no class, or other classes have too few items.
    """
    size, label = int(given.settings["size"]), int(given.settings["label"])
    side = min(given.train.images.shape[2:])
    if not 1 <= size <= side:
        raise UsageProblem(f"patch: size is {size}; expected 1 to {side}, the side of an image")
    if not 0 <= label < given.classes:
        raise UsageProblem(f"patch: label is {label}; expected 0 to {given.classes - 1}")
    pool = (given.train.labels.cpu() != label).nonzero()[:, 0]
    if given.count > len(pool):
        raise UsageProblem(f"patch: count is {given.count}, but classes other than {label} have {len(pool)} images")
    order = torch.randperm(len(pool), generator=given.generator("items"))
    indices = pool[order[: given.count]].sort().values
    images = patched(given.train.images.cpu()[indices], size, float(given.settings["value"]))
    return Poison(Changed(indices, images, torch.full_like(indices, label)), secret={})


def measure_patch(model: nn.Module, _poison: Poison, test: Labeled, settings: Mapping[str, Setting]) -> Effect:
    """Return `patch_success` and `patch_accuracy`, shares from 0 to 1, of patched test images.

    patch_success: those of other classes that are predicted as the patch's label. patch_accuracy: all of them that are
    predicted as what they show.
    Raises UsageProblem where every test image has the patch's label.
    """
    label = int(settings["label"])
    images = patched(test.images, int(settings["size"]), float(settings["value"]))
    with torch.inference_mode():
        predicted = torch.cat([model(batch).argmax(1) for batch in images.split(1000)])
    others = test.labels != label
    if not bool(others.any()):
        raise UsageProblem(f"patch: no test image has another label than {label}")
    return Effect(
        {
            "patch_success": _share(predicted[others] == label),
            "patch_accuracy": _share(predicted == test.labels),
        }
    )


def patched(images: Tensor, size: int, value: float) -> Tensor:
    """Return copies of images (N, C, H, W) with a square of `value` in the bottom right corner."""
    changed = images.clone()
    changed[:, :, -size:, -size:] = value
    return changed


def _share(hits: Tensor) -> float:
    return int(hits.sum()) / len(hits)


PATCH = Probe(
    name="patch",
    summary="A square in the corner of some images, which get one label: the network must lose the shortcut.",
    paper="arXiv:2402.14015",
    removal="patch_success",
    defaults={"size": 3, "value": 1.0, "label": 0},
    make=make_patch,
    measure=measure_patch,
)
