"""TAP: targeted adversarial perturbations, which make a fixed clean network see the next class.

Imports torch. Source: arXiv:2106.10807, the class-targeted attack.
"""

from dataclasses import asdict, dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from bench.attacks.attack import Attack, CraftInput
from bench.attacks.surrogate import (
    PUBLISHED_MODEL,
    SMALL_VALUES,
    Objective,
    Workbench,
    descend,
    describe_settings,
    fresh_surrogate,
    label_objective,
    mean_objective,
    open_workbench,
    project,
    quantize,
    shifted_labels,
    train_clean,
)
from bench.protocol import Recipe
from bench.training import augment_batch

LABEL_SHIFT = 1


@dataclass(frozen=True)
class TAPSettings:
    """Epochs and batch of the clean surrogate, then `restarts` times `steps` sign steps of `step_share` * epsilon."""

    epochs: int = 40
    batch_size: int = 128
    restarts: int = 8
    steps: int = 250
    step_share: float = 0.05


PUBLISHED = TAPSettings()
"""For CIFAR-10: 250 steps of 0.4/255 within 8/255."""

REDUCED = replace(PUBLISHED, restarts=1)

SHORT = replace(REDUCED, steps=50, step_share=0.1)
"""For narrow networks and photographs on a CPU: a fifth of the steps, of twice the length."""


def tap_settings(given: CraftInput) -> TAPSettings:
    """Return the published settings for the published surrogate, reduced ones for any other."""
    if given.model == PUBLISHED_MODEL:
        return PUBLISHED
    return SHORT if given.images.size > SMALL_VALUES else REDUCED


def clean_recipe(workbench: Workbench, *, epochs: int, batch_size: int) -> Recipe:
    """Return the published training of the clean surrogate: rate 0.1, a tenth after 3/8, 5/8 and 7/8 of the epochs."""
    return Recipe(
        epochs=epochs,
        batch_size=batch_size,
        learning_rate=0.1,
        momentum=0.9,
        weight_decay=5e-4,
        nesterov=True,
        schedule="step",
        milestones=(epochs * 3 // 8, epochs * 5 // 8, epochs * 7 // 8),
        augmentation=workbench.augmentation,
    )


def craft_tap(given: CraftInput) -> NDArray[np.int8]:
    """Return perturbations toward the next class within the L-infinity budget."""
    workbench = open_workbench("tap", given)
    settings = tap_settings(given)
    model = fresh_surrogate(workbench)
    train_clean(workbench, model, clean_recipe(workbench, epochs=settings.epochs, batch_size=settings.batch_size))
    return quantize(target_next_class(workbench, model, settings), given)


def target_next_class(workbench: Workbench, model: nn.Module, settings: TAPSettings) -> Tensor:
    """Return min over |delta| <= epsilon of CE(f(T(x + delta)), (y + 1) mod C), (N, C, H, W), scale 0 to 1.

    model: clean, in eval mode. T: the augmentation of the surrogate's training, differentiated through.
    Each restart begins at clipped normal noise; the one with the lowest mean loss without T is kept.
    Source: arXiv:2106.10807, as in the released code.
    """
    targets = shifted_labels(workbench, LABEL_SHIFT)
    plain = label_objective(workbench, model, targets)
    noise, draws = workbench.generator("start"), workbench.generator("augment")
    found: list[tuple[float, Tensor]] = []
    for _ in range(settings.restarts):
        normal = torch.randn(workbench.clean.images.shape, generator=noise).to(workbench.device)
        start = project(workbench.epsilon * normal, workbench.clean.images, workbench.epsilon)
        objective = _augmented(workbench, model, targets, draws)
        delta = descend(
            workbench, start, [objective], steps=settings.steps, step_size=settings.step_share * workbench.epsilon
        )
        found.append((mean_objective(workbench, delta, plain), delta))
    return min(found, key=lambda pair: pair[0])[1]


def _augmented(workbench: Workbench, model: nn.Module, targets: Tensor, draws: torch.Generator) -> Objective:
    def objective(delta: Tensor, chosen: Tensor) -> Tensor:
        images = augment_batch(workbench.clean.images[chosen] + delta, workbench.augmentation, draws)
        return F.cross_entropy(model(images), targets[chosen], reduction="sum")

    return objective


TAP = Attack(
    name="TAP (targeted adversarial perturbations)",
    family="error-maximizing",
    summary="Adversarial examples of a clean surrogate toward the next class; a network trained on them learns the "
    "features of the wrong class.",
    norm="linf",
    uses_labels=True,
    paper="https://arxiv.org/abs/2106.10807",
    craft=craft_tap,
    surrogate=lambda given: describe_settings(given.model, tap_settings(given), PUBLISHED),
    settings=lambda given: asdict(tap_settings(given)),
)
