"""SEP: self-ensemble protection, features of another class in every checkpoint of one clean training.

Imports torch. Source: arXiv:2211.12005, variant SEP-FA: feature alignment, without variance reduction.
"""

from dataclasses import asdict, dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from bench.attacks.attack import Attack, CraftInput
from bench.attacks.surrogate import (
    BATCH_IMAGES,
    PUBLISHED_MODEL,
    Objective,
    Workbench,
    descend,
    describe_settings,
    fresh_surrogate,
    open_workbench,
    quantize,
    shifted_labels,
    train_clean,
)
from bench.errors import UsageProblem
from bench.models.resnet import ResNet
from bench.protocol import Recipe


@dataclass(frozen=True)
class SEPSettings:
    """Epochs of the clean training and checkpoints kept of it, then `steps` sign steps of `step_share` * epsilon."""

    epochs: int = 120
    batch_size: int = 128
    checkpoints: int = 30
    steps: int = 30
    step_share: float = 0.125


PUBLISHED = SEPSettings()
"""For CIFAR-10: checkpoints after every fourth epoch; 30 steps of 1/255, within 8/255 and within 2/255 alike."""

REDUCED = SEPSettings(epochs=40, checkpoints=10)


def sep_settings(given: CraftInput) -> SEPSettings:
    """Return the published settings for the published surrogate, the reduced ones for any other."""
    return PUBLISHED if given.model == PUBLISHED_MODEL else REDUCED


def clean_recipe(workbench: Workbench, settings: SEPSettings) -> Recipe:
    """Return the published clean training: rate 0.1, a tenth after 5/8 and 3/4 of the epochs (75 and 90 of 120)."""
    return Recipe(
        epochs=settings.epochs,
        batch_size=settings.batch_size,
        learning_rate=0.1,
        momentum=0.9,
        weight_decay=5e-4,
        schedule="step",
        milestones=(settings.epochs * 5 // 8, settings.epochs * 3 // 4),
        augmentation=workbench.augmentation,
    )


def craft_sep(given: CraftInput) -> NDArray[np.int8]:
    """Return perturbations toward the features of another class within the L-infinity budget."""
    workbench = open_workbench("sep", given)
    settings = sep_settings(given)
    every = settings.epochs // settings.checkpoints
    kept = range(every, every * settings.checkpoints + 1, every)
    recipe = clean_recipe(workbench, settings)
    return quantize(
        align_features(workbench, train_clean(workbench, _surrogate(workbench), recipe, checkpoints=kept), settings),
        given,
    )


def align_features(workbench: Workbench, checkpoints: list[nn.Module], settings: SEPSettings) -> Tensor:
    """Return min over |delta| <= epsilon of the sum of the alignments from delta = 0, (N, C, H, W), scale 0 to 1.

    checkpoints: of one clean training, in eval mode. Source: arXiv:2211.12005, as in the released code.
    """
    start = torch.zeros_like(workbench.clean.images)
    objectives = [alignment(workbench, model) for model in checkpoints]
    return descend(
        workbench, start, objectives, steps=settings.steps, step_size=settings.step_share * workbench.epsilon
    )


def alignment(workbench: Workbench, model: nn.Module) -> Objective:
    """Return the mean over features of (h(x + delta) - m)^2, summed over images.

    h: features before the last linear layer. m: their mean over the clean images of class (y + C / 2) mod C.
    """
    targets = shifted_labels(workbench, workbench.classes // 2)
    means = class_means(workbench, model)

    def objective(delta: Tensor, chosen: Tensor) -> Tensor:
        # The features are read stage by stage, past the surrogate's own count.
        workbench.work.count(len(chosen), with_gradient=True)
        differences = features(model, workbench.clean.images[chosen] + delta) - means[targets[chosen]]
        return differences.square().mean(dim=1).sum()

    return objective


def features(model: nn.Module, images: Tensor) -> Tensor:
    """Return what the last linear layer of a ResNet gets, (N, features)."""
    assert isinstance(model, ResNet), "_surrogate refuses another network"
    for stage in model.stages()[:-1]:
        images = stage(images)
    return images.mean(dim=(2, 3))


def class_means(workbench: Workbench, model: nn.Module) -> Tensor:
    """Return the mean features of every class over its clean images, (classes, features), float32."""
    with torch.inference_mode():
        found = torch.cat([features(model, images) for images in workbench.clean.images.split(BATCH_IMAGES)]).double()
        # A product with the one-hot labels adds in a fixed order, unlike an indexed sum on some devices.
        members = nn.functional.one_hot(workbench.clean.labels, workbench.classes).double()  # (N, classes)
        means = (members.T @ found) / members.sum(dim=0).clamp(min=1)[:, None]
    return means.float().clone()


def _surrogate(workbench: Workbench) -> nn.Module:
    model = fresh_surrogate(workbench)
    if not isinstance(model, ResNet):
        raise UsageProblem(f"sep reads the features of a ResNet; the protocol's network is {workbench.model}")
    return model


SEP = Attack(
    name="SEP (self-ensemble protection, feature alignment)",
    family="error-maximizing",
    summary="Moves the features of an image to the mean features of another class, in all checkpoints of one clean "
    "training at once.",
    norm="linf",
    uses_labels=True,
    paper="https://arxiv.org/abs/2211.12005",
    craft=craft_sep,
    surrogate=lambda given: describe_settings(given.model, sep_settings(given), PUBLISHED),
    settings=lambda given: asdict(sep_settings(given)),
)
