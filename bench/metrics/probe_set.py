"""Which training images SAL is measured on: drawn by their loss, so that a few stand for all.

May import torch only.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

EVEN = 0.5
"""Share of the draw that does not look at the loss: an image without loss now may have some after a change."""


class ProbeSet(NamedTuple):
    """Drawn images: their indices (M,) in ascending order, int64, and what each one's loss is multiplied by (M,).

    The sum of the drawn losses, so multiplied, is an unbiased estimate of the mean loss of all images.
    """

    indices: Tensor
    shares: Tensor


def image_losses(model: nn.Module, images: Tensor, labels: Tensor, *, batch_size: int = 1024) -> Tensor:
    """Return the cross-entropy (N,) of each image, nats, float64 on the CPU, in eval mode; the mode is restored."""
    training = model.training
    model.eval()
    with torch.inference_mode():
        losses = torch.cat(
            [
                F.cross_entropy(model(part), targets, reduction="none")
                for part, targets in zip(images.split(batch_size), labels.split(batch_size), strict=True)
            ]
        )
    model.train(training)
    return losses.double().cpu()


def draw_by_loss(losses: Tensor, labels: Tensor, count: int, generator: torch.Generator) -> ProbeSet:
    """Draw images, half of them evenly and half in proportion to their loss.

    losses, labels: (N,), on the CPU. count: how many; all images where there are no more.
    generator: CPU generator; one number is taken.
    One systematic draw goes along label and loss, so every label and every height of loss has its part. Each image
    counts by the inverse of its probability.
    Source: Horvitz and Thompson, J. Am. Stat. Assoc. 47 (1952), 663-685; Madow, Ann. Math. Stat. 20 (1949), 333-354.
    """
    chances = _chances(losses, count)
    order = losses.argsort(stable=True)
    order = order[labels[order].argsort(stable=True)]
    ends = chances[order].cumsum(0)
    # The end of the line is a whole number but for rounding; scaled, the last step cannot fall beyond it.
    ends = ends * (min(count, len(losses)) / ends[-1])
    steps = torch.rand(1, generator=generator, dtype=torch.float64) + torch.arange(min(count, len(losses)))
    drawn = order[torch.searchsorted(ends, steps, right=True).clamp_max(len(losses) - 1)].sort().values
    return ProbeSet(drawn, 1 / (len(losses) * chances[drawn]))


def _chances(losses: Tensor, count: int) -> Tensor:
    """Return the probability (N,) that each image is drawn; their sum is `count`, and none is above 1."""
    total = float(losses.sum())
    even = torch.full_like(losses, 1 / len(losses))
    wanted = EVEN * even + (1 - EVEN) * losses / total if total > 0 else even
    certain = torch.zeros(len(losses), dtype=torch.bool)
    while True:
        left = min(count, len(losses)) - int(certain.sum())
        chances = torch.where(certain, 1.0, wanted * left / wanted[~certain].sum().clamp_min(1e-300))
        beyond = chances > 1
        if not bool(beyond.any()):
            return chances
        certain |= beyond
