"""REM: robust error-minimizing noise, which keeps lowering the loss where images are moved, flipped and attacked.

Imports torch. Source: arXiv:2203.14533.
"""

from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from bench.attacks.attack import Attack, CraftInput, say_nothing
from bench.attacks.surrogate import (
    PUBLISHED_MODEL,
    Objective,
    Workbench,
    descend,
    describe_settings,
    fresh_surrogate,
    open_workbench,
    quantize,
)
from bench.protocol import Augmentation
from bench.training import Labeled, augment_batch

LEARNING_RATE = 0.1
MOMENTUM = 0.9
WEIGHT_DECAY = 5e-4
RATE_DECAY = 0.1


@dataclass(frozen=True)
class REMSettings:
    """`updates` of the surrogate, each on noise made anew by `steps` sign steps of `step_share` * epsilon.

    samples: draws of the augmentation T whose gradients a step adds up. attack_share: radius of the inner attack, in
    epsilons; it takes `attack_steps` sign steps of `attack_step_share` radii.
    """

    updates: int = 5000
    batch_size: int = 128
    steps: int = 10
    step_share: float = 0.2
    samples: int = 5
    attack_share: float = 0.5
    attack_steps: int = 10
    attack_step_share: float = 0.2


PUBLISHED = REMSettings()
"""For CIFAR-10: 10 steps of 1.6/255 within 8/255 against an attack of 10 steps of 0.8/255 within 4/255."""

REDUCED = replace(PUBLISHED, updates=300, steps=5, step_share=0.4, samples=2, attack_steps=4, attack_step_share=0.5)
"""For narrow networks: fewer steps, each so much longer that noise and attack still cross their ball."""


def rem_settings(given: CraftInput) -> REMSettings:
    """Return the published settings for the published surrogate, the reduced ones for any other.

    Without augmentation T is the identity, and one sample of it is all there are.
    """
    settings = PUBLISHED if given.model == PUBLISHED_MODEL else REDUCED
    return settings if _augments(given.augmentation) else replace(settings, samples=1)


def describe_surrogate(given: CraftInput) -> str:
    """Say in one line which surrogate and settings are used, and where there is nothing to sample."""
    words = describe_settings(given.model, rem_settings(given), PUBLISHED)
    return words if _augments(given.augmentation) else f"{words}; no augmentation, T = identity"


def craft_rem(given: CraftInput) -> NDArray[np.int8]:
    """Return robust error-minimizing noise within the L-infinity budget."""
    workbench = open_workbench("rem", given)
    settings = rem_settings(given)
    return quantize(final_noise(workbench, train_robustly(workbench, settings), settings), given)


def train_robustly(workbench: Workbench, settings: REMSettings) -> nn.Module:
    """Return the surrogate, in eval mode, after adversarial training on noise that is made anew for each of its steps.

    min over theta of the mean over images of
    min over |du| <= epsilon of E_T max over |da| <= radius of CE(f_theta(T(x + du) + da), y).
    Source: arXiv:2203.14533, as in the released code.
    """
    model = fresh_surrogate(workbench).eval()
    optimizer = torch.optim.SGD(model.parameters(), lr=LEARNING_RATE, momentum=MOMENTUM, weight_decay=WEIGHT_DECAY)
    draws = workbench.generator("draws")
    batches = _batches(workbench, settings)
    for number in range(settings.updates):
        for group in optimizer.param_groups:
            group["lr"] = rate_at(number, settings)
        chosen = next(batches)
        batch = Labeled(workbench.clean.images[chosen], workbench.clean.labels[chosen])
        delta = defensive_noise(replace(workbench, clean=batch, progress=say_nothing), model, settings, draws)
        # Noise is handed in as whole 1/255, so that is what the surrogate learns from.
        delta = (delta * 255).round() / 255
        seen = augment_batch(batch.images + delta, workbench.augmentation, draws)
        attacked = attack_images(workbench, model, seen, batch.labels, settings, draws)
        _update(model, optimizer, attacked, batch.labels)
        workbench.progress("updates of the surrogate", number + 1, settings.updates)
    return model


def final_noise(workbench: Workbench, model: nn.Module, settings: REMSettings) -> Tensor:
    """Return the noise of all images against the trained surrogate, (N, C, H, W), scale 0 to 1.

    The released loader leaves out the last, incomplete batch; here every image gets its noise from this pass.
    """
    return defensive_noise(workbench, model, settings, workbench.generator("final draws"))


def defensive_noise(workbench: Workbench, model: nn.Module, settings: REMSettings, draws: torch.Generator) -> Tensor:
    """Return min over |du| <= epsilon of E_T max over da of the loss, from a uniform start, for the bench's images.

    model: in eval mode. draws: of starts and of T. Kept within the image box, unlike in the released code: there a
    value beyond the box has no gradient and never comes back, and half of a black image starts beyond it.
    """
    start = _uniform(workbench.clean.images, workbench.epsilon, draws)
    objectives = [robust_objective(workbench, model, settings, draws)] * settings.samples
    return descend(
        workbench, start, objectives, steps=settings.steps, step_size=settings.step_share * workbench.epsilon
    )


def robust_objective(
    workbench: Workbench, model: nn.Module, settings: REMSettings, draws: torch.Generator
) -> Objective:
    """Return the summed cross-entropy of attacked draws of T; its gradient passes through T, not through the attack."""

    def objective(delta: Tensor, chosen: Tensor) -> Tensor:
        labels = workbench.clean.labels[chosen]
        seen = augment_batch(workbench.clean.images[chosen] + delta, workbench.augmentation, draws)
        attacked = attack_images(workbench, model, seen.detach(), labels, settings, draws)
        return F.cross_entropy(model(seen + (attacked - seen.detach())), labels, reduction="sum")

    return objective


def attack_images(
    workbench: Workbench,
    model: nn.Module,
    images: Tensor,
    labels: Tensor,
    settings: REMSettings,
    draws: torch.Generator,
) -> Tensor:
    """Return images moved by sign ascent of the loss from a uniform start, within the attack's radius and [0, 1].

    model: in eval mode. images: (B, C, H, W), scale 0 to 1, without a graph.
    """
    radius = settings.attack_share * workbench.epsilon
    attacked = (images + _uniform(images, radius, draws)).clamp(0, 1)
    for _ in range(settings.attack_steps):
        leaf = attacked.requires_grad_(True)
        ascent = torch.autograd.grad(F.cross_entropy(model(leaf), labels, reduction="sum"), leaf)[0].sign()
        moved = attacked.detach() + settings.attack_step_share * radius * ascent
        attacked = (images + (moved - images).clamp(-radius, radius)).clamp(0, 1)
    return attacked.detach()


def rate_at(number: int, settings: REMSettings) -> float:
    """Return the learning rate of update `number`, from 0: a tenth after every two fifths of the updates."""
    every = max(1, settings.updates * 2 // 5)
    return float(LEARNING_RATE * RATE_DECAY ** (number // every))


def _update(model: nn.Module, optimizer: torch.optim.Optimizer, images: Tensor, labels: Tensor) -> None:
    model.train()
    optimizer.zero_grad(set_to_none=True)
    F.cross_entropy(model(images), labels).backward()
    optimizer.step()
    model.eval()


def _batches(workbench: Workbench, settings: REMSettings) -> Iterator[Tensor]:
    """Yield the indices of full batches without end, in a new order whenever the images are used up."""
    count = len(workbench.clean.labels)
    size = min(settings.batch_size, count)
    shuffle = workbench.generator("shuffle")
    while True:
        order = torch.randperm(count, generator=shuffle).to(workbench.device)
        yield from order[: count // size * size].split(size)


def _uniform(images: Tensor, radius: float, draws: torch.Generator) -> Tensor:
    """Return uniform noise within the radius, shaped like images and on their device; drawn on the CPU."""
    return radius * (2 * torch.rand(images.shape, generator=draws) - 1).to(images.device)


def _augments(augmentation: Augmentation) -> bool:
    return augmentation.flip or augmentation.crop_padding > 0


REM = Attack(
    name="REM (robust error-minimizing noise)",
    family="error-minimizing",
    summary="Error-minimizing noise made against a surrogate in adversarial training, under the protocol's "
    "augmentation; it is meant to last where the victim trains adversarially.",
    norm="linf",
    uses_labels=True,
    paper="https://arxiv.org/abs/2203.14533",
    craft=craft_rem,
    surrogate=describe_surrogate,
    settings=lambda given: asdict(rem_settings(given)),
)
