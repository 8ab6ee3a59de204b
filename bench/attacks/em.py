"""EM: error-minimizing noise, one perturbation an image, made in turns with a surrogate that learns from it.

Imports torch. Source: arXiv:2101.04898, sample-wise noise.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from itertools import cycle

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from bench.attacks.attack import Attack, CraftInput
from bench.attacks.surrogate import (
    PUBLISHED_MODEL,
    SMALL_VALUES,
    Workbench,
    descend,
    describe_settings,
    fresh_surrogate,
    label_objective,
    open_workbench,
    quantize,
)
from bench.errors import TrainingDiverged
from bench.training import Labeled, accuracy

LEARNING_RATE = 0.1
MOMENTUM = 0.9
WEIGHT_DECAY = 5e-4
LARGEST_GRADIENT_NORM = 5.0


@dataclass(frozen=True)
class EMSettings:
    """One round: `updates` steps of SGD on perturbed images, then `steps` sign steps of `step_share` * epsilon.

    stop_error: share of perturbed images that the surrogate gets wrong, below which no round follows.
    most_rounds: rounds after which it is given up; the publication has no such bound.
    """

    updates: int = 10
    batch_size: int = 512
    steps: int = 20
    step_share: float = 0.1
    stop_error: float = 0.01
    most_rounds: int = 100


PUBLISHED = EMSettings()
"""For CIFAR-10: 20 steps of 0.8/255 within 8/255."""

REDUCED = replace(PUBLISHED, batch_size=128)
"""For narrow networks and a few thousand images, of which 512 are a large part."""

SHORT = replace(REDUCED, steps=5, step_share=0.2)
"""For narrow networks and photographs on a CPU: a quarter of the steps, each twice as long, as in APBench."""


def em_settings(given: CraftInput) -> EMSettings:
    """Return the published settings for the published surrogate, reduced ones for any other."""
    if given.model == PUBLISHED_MODEL:
        return PUBLISHED
    return SHORT if given.images.size > SMALL_VALUES else REDUCED


def craft_em(given: CraftInput) -> NDArray[np.int8]:
    """Return signed sample-wise error-minimizing noise within the L-infinity budget."""
    workbench = open_workbench("em", given)
    delta, _ = minimize_error(workbench, em_settings(given))
    return quantize(delta, given)


def minimize_error(workbench: Workbench, settings: EMSettings) -> tuple[Tensor, nn.Module]:
    """Return the perturbation (N, C, H, W), scale 0 to 1, and the surrogate that has learned from it, in eval mode.

    min over theta of the mean over images of min over |delta| <= epsilon of CE(f_theta(x + delta), y).
    Raises TrainingDiverged where the stop error is not reached within the most rounds.
    Source: arXiv:2101.04898, as in the released code.
    """
    model = fresh_surrogate(workbench)
    optimizer = surrogate_optimizer(model)
    batches = cycle(ordered_batches(workbench, settings.batch_size))
    delta = torch.zeros_like(workbench.clean.images)
    error = 1.0
    for number in range(1, settings.most_rounds + 1):
        model.train()
        for _ in range(settings.updates):
            update_surrogate(model, optimizer, workbench, delta, next(batches))
        model.eval()
        objective = label_objective(workbench, model, workbench.clean.labels)
        delta = descend(
            workbench, delta, [objective], steps=settings.steps, step_size=settings.step_share * workbench.epsilon
        )
        error = 1 - accuracy(model, Labeled(workbench.clean.images + delta, workbench.clean.labels))
        workbench.progress(f"rounds, training error {error:.3f}", number, None)
        if error < settings.stop_error:
            return delta, model
    raise TrainingDiverged(
        f"em: training error {error:.3f} after {settings.most_rounds} rounds, expected below {settings.stop_error}; "
        "another seed may get there"
    )


def surrogate_optimizer(model: nn.Module) -> torch.optim.Optimizer:
    """Return SGD with the published settings."""
    return torch.optim.SGD(model.parameters(), lr=LEARNING_RATE, momentum=MOMENTUM, weight_decay=WEIGHT_DECAY)


def ordered_batches(workbench: Workbench, batch_size: int) -> Sequence[Tensor]:
    """Return the indices of all images in an order that is drawn once, in batches of at most `batch_size`.

    They are of nearly equal size: a last batch of few images would upset batch norm.
    """
    order = torch.randperm(len(workbench.clean.labels), generator=workbench.generator("order")).to(workbench.device)
    return order.tensor_split(-(-len(order) // batch_size))


def update_surrogate(
    model: nn.Module, optimizer: torch.optim.Optimizer, workbench: Workbench, delta: Tensor, chosen: Tensor
) -> None:
    """Take one SGD step on the perturbed images `chosen`, int64 (B,). delta: (N, C, H, W), scale 0 to 1."""
    loss = F.cross_entropy(model(workbench.clean.images[chosen] + delta[chosen]), workbench.clean.labels[chosen])
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    nn.utils.clip_grad_norm_(model.parameters(), LARGEST_GRADIENT_NORM)
    optimizer.step()


EM = Attack(
    name="EM (error-minimizing noise, sample-wise)",
    family="error-minimizing",
    summary="Noise that lowers the training loss of a surrogate, made in turns with training it; signed, as published "
    "on paper, while the released loader drops negative values.",
    norm="linf",
    uses_labels=True,
    paper="https://arxiv.org/abs/2101.04898",
    craft=craft_em,
    surrogate=lambda given: describe_settings(given.model, em_settings(given), PUBLISHED),
    settings=lambda given: asdict(em_settings(given)),
)
