"""HYPO: hypocritical perturbations, which make a fixed clean network surer of the true class.

Imports torch. Source: arXiv:2102.04716, perturbation P2 of the released code.
"""

from dataclasses import asdict, dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from bench.attacks.attack import Attack, CraftInput
from bench.attacks.surrogate import (
    PUBLISHED_MODEL,
    Workbench,
    descend,
    describe_settings,
    fresh_surrogate,
    label_objective,
    open_workbench,
    quantize,
    train_clean,
)
from bench.protocol import Recipe

PUBLISHED_SURROGATE = "vgg16"


@dataclass(frozen=True)
class HYPOSettings:
    """Epochs of the clean surrogate, then `steps` sign steps of `step_share` * epsilon.

    The publication moves within an L2 ball of 0.5; sign steps within 8/255 are those of arXiv:2308.03258 (APBench).
    """

    epochs: int = 150
    batch_size: int = 128
    steps: int = 100
    step_share: float = 0.1


PUBLISHED = HYPOSettings()
"""For CIFAR-10: 100 steps of 0.8/255 within 8/255."""

REDUCED = replace(PUBLISHED, epochs=40)


def hypo_settings(given: CraftInput) -> HYPOSettings:
    """Return the published settings for a full-sized surrogate, the reduced ones for any other."""
    return PUBLISHED if given.model == PUBLISHED_MODEL else REDUCED


def clean_recipe(workbench: Workbench, settings: HYPOSettings) -> Recipe:
    """Return the published training of the clean surrogate: rate 0.1, a tenth after 2/3 and 5/6 of the epochs."""
    return Recipe(
        epochs=settings.epochs,
        batch_size=settings.batch_size,
        learning_rate=0.1,
        momentum=0.9,
        weight_decay=5e-4,
        schedule="step",
        milestones=(settings.epochs * 2 // 3, settings.epochs * 5 // 6),
        augmentation=workbench.augmentation,
    )


def craft_hypo(given: CraftInput) -> NDArray[np.int8]:
    """Return perturbations toward the own class within the L-infinity budget."""
    workbench = open_workbench("hypo", given)
    settings = hypo_settings(given)
    model = fresh_surrogate(workbench)
    train_clean(workbench, model, clean_recipe(workbench, settings))
    return quantize(reinforce_labels(workbench, model, settings), given)


def reinforce_labels(workbench: Workbench, model: nn.Module, settings: HYPOSettings) -> Tensor:
    """Return min over |delta| <= epsilon of CE(f(x + delta), y) from delta = 0, (N, C, H, W), scale 0 to 1.

    model: clean, in eval mode. Source: arXiv:2102.04716, as in the released code.
    """
    objective = label_objective(workbench, model, workbench.clean.labels)
    start = torch.zeros_like(workbench.clean.images)
    return descend(
        workbench, start, [objective], steps=settings.steps, step_size=settings.step_share * workbench.epsilon
    )


HYPO = Attack(
    name="HYPO (hypocritical perturbations)",
    family="error-minimizing",
    summary="Noise that lowers the loss of a fixed network trained on clean images: error-minimizing without turns.",
    norm="linf",
    uses_labels=True,
    paper="https://arxiv.org/abs/2102.04716",
    craft=craft_hypo,
    surrogate=lambda given: describe_settings(given.model, hypo_settings(given), PUBLISHED, PUBLISHED_SURROGATE),
    settings=lambda given: asdict(hypo_settings(given)),
)
