"""PIL: perturbation-induced linearization, made with a linear surrogate alone.

Imports torch. Source: arXiv:2601.19967.
"""

import math
from dataclasses import asdict, dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from bench.attacks.attack import Attack, CraftInput
from bench.attacks.surrogate import (
    Workbench,
    count_work,
    descend,
    describe_settings,
    open_workbench,
    quantize,
    train_clean,
)
from bench.protocol import Recipe

PUBLISHED_IMAGES = 50_000
SURROGATE = "two linear maps without bias"


@dataclass(frozen=True)
class PILSettings:
    """Batch of the clean surrogate, then `steps` sign steps of `step_share` * epsilon.

    shortcut_weight: share of the first part of the objective, that delta alone tells the label.
    """

    epochs: int = 30
    batch_size: int = 512
    steps: int = 30
    step_share: float = 0.1
    shortcut_weight: float = 0.9


PUBLISHED = PILSettings()
"""For the 50,000 images of CIFAR-10: 30 steps of 0.8/255 within 8/255."""


def pil_settings(given: CraftInput) -> PILSettings:
    """Return the published settings with the batch in proportion to the images: as many updates as published.

    With 512 of 1,437 images a batch, 30 epochs would be 60 updates in place of 2,910, and the surrogate untrained.
    """
    batch_size = math.ceil(PUBLISHED.batch_size * len(given.labels) / PUBLISHED_IMAGES)
    return replace(PUBLISHED, batch_size=min(PUBLISHED.batch_size, batch_size))


def craft_pil(given: CraftInput) -> NDArray[np.int8]:
    """Return perturbations that a linear model reads, within the L-infinity budget."""
    workbench = open_workbench("pil", given)
    settings = pil_settings(given)
    model = linear_surrogate(workbench)
    train_clean(workbench, model, clean_recipe(settings))
    return quantize(-linearize(workbench, model, settings), given)


def linear_surrogate(workbench: Workbench) -> nn.Module:
    """Build two stacked linear maps without bias, values of an image -> classes -> classes."""
    values = workbench.clean.images[0].numel()
    generator = workbench.generator("surrogate weights")
    with torch.random.fork_rng(devices=[]):
        maps = [
            nn.Linear(values, workbench.classes, bias=False),
            nn.Linear(workbench.classes, workbench.classes, bias=False),
        ]
    for linear in maps:
        nn.init.kaiming_uniform_(linear.weight, a=math.sqrt(5), generator=generator)
    model = nn.Sequential(nn.Flatten(), *maps)
    count_work(model, workbench)
    return model.to(workbench.device)


def clean_recipe(settings: PILSettings) -> Recipe:
    """Return the published training of the surrogate: no weight decay, no augmentation."""
    return Recipe(
        epochs=settings.epochs,
        batch_size=settings.batch_size,
        learning_rate=0.003,
        momentum=0.9,
        weight_decay=0.0,
        schedule="cosine",
    )


def linearize(workbench: Workbench, model: nn.Module, settings: PILSettings) -> Tensor:
    """Return the delta (N, C, H, W), scale 0 to 1, that is SUBTRACTED from the images.

    min over |delta| <= epsilon of w CE(g(delta), y) + (1 - w) KL(uniform || softmax g(x - delta)), with
    w = shortcut_weight: delta alone tells the label, and what is left of the image tells nothing.
    model: g, clean, in eval mode. The start is uniform noise; the image box is kept only when delta is subtracted.
    Source: arXiv:2601.19967, as in the released code.
    """
    uniform = torch.rand(workbench.clean.images.shape, generator=workbench.generator("start")).to(workbench.device)

    def objective(delta: Tensor, chosen: Tensor) -> Tensor:
        shortcut = F.cross_entropy(model(delta), workbench.clean.labels[chosen], reduction="sum")
        left = F.log_softmax(model(workbench.clean.images[chosen] - delta), dim=1)  # (B, classes)
        # KL(uniform || p) = -log(classes) - mean of log p; the constant has no gradient but belongs to the value.
        emptiness = -(left.mean(dim=1) + math.log(workbench.classes)).sum()
        return settings.shortcut_weight * shortcut + (1 - settings.shortcut_weight) * emptiness

    return descend(
        workbench,
        workbench.epsilon * (2 * uniform - 1),
        [objective],
        steps=settings.steps,
        step_size=settings.step_share * workbench.epsilon,
        boxed=False,
    )


PIL = Attack(
    name="PIL (perturbation-induced linearization)",
    family="error-minimizing",
    summary="Noise from which a linear model reads the label while the rest of the image tells it nothing; the "
    "surrogate is linear, so it is made in seconds.",
    norm="linf",
    uses_labels=True,
    paper="https://arxiv.org/abs/2601.19967",
    craft=craft_pil,
    surrogate=lambda given: describe_settings(SURROGATE, pil_settings(given), PUBLISHED, SURROGATE),
    settings=lambda given: asdict(pil_settings(given)),
)
