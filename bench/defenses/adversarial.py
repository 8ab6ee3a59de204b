"""Adversarial training: trains on images moved within the L-infinity budget to where the loss is high.

Imports torch. Source: arXiv:1706.06083 (PGD); steps and start as in APBench.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from bench.defenses.defense import Batch, Defense
from bench.errors import UsageProblem

STEPS = 10
STEP_SHARE = 1 / 4
"""Step as a share of the radius: 2/255 for the 8/255 of photographs."""


def adversarial_objective(model: nn.Module, batch: Batch) -> tuple[Tensor, Tensor]:
    """Return the mean cross-entropy (nats) of adversarial images alone, and their logits.

    The radius is the protocol's budget: the trainer knows how far images may have been moved. Raises UsageProblem
    where the protocol has no L-infinity budget.
    """
    if batch.budget is None:
        raise UsageProblem(
            "defense adversarial: its radius is the protocol's L-infinity budget, and this protocol has none; "
            "give it `linf` under [budgets] or leave the defense out"
        )
    with _frozen(model):
        images = attack(model, batch.images, batch.labels, batch.budget, batch.generator)
    logits = model(images)
    return F.cross_entropy(logits, batch.labels), logits


def attack(model: nn.Module, images: Tensor, labels: Tensor, radius: float, generator: torch.Generator) -> Tensor:
    """Return images (B, C, H, W), scale 0 to 1, after projected sign steps up the loss of `model`.

    Starts from Gaussian noise of one step's standard deviation. No pixel moves by more than `radius` or leaves 0 to 1.
    """
    step = STEP_SHARE * radius
    lowest, highest = (images - radius).clamp(min=0), (images + radius).clamp(max=1)
    noise = torch.randn(images.shape, generator=generator).to(images)
    moved = (images + step * noise).clamp(lowest, highest)
    for _ in range(STEPS):
        moved.requires_grad_()
        (gradient,) = torch.autograd.grad(F.cross_entropy(model(moved), labels), moved)
        moved = (moved.detach() + step * gradient.sign()).clamp(lowest, highest)
    return moved


@contextmanager
def _frozen(model: nn.Module) -> Iterator[None]:
    """Hold the model in eval mode without gradients of its weights, and put it back in train mode."""
    learned = [parameter for parameter in model.parameters() if parameter.requires_grad]
    model.eval().requires_grad_(False)
    try:
        yield
    finally:
        for parameter in learned:
            parameter.requires_grad_()
        model.train()


ADVERSARIAL = Defense(objective=adversarial_objective)
