"""SalUn: random relabeling that moves only the weights on which the loss of the forget set depends most.

Imports torch. Source: arXiv:2310.12508.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from bench.training import Labeled
from bench.unlearners.random_relabel import RELABEL_DEFAULTS, descend_relabeled
from bench.unlearners.unlearner import Unlearner, UnlearnInput


def loss_gradients(model: nn.Module, data: Labeled, *, batch_size: int = 500) -> list[Tensor]:
    """Return the gradient of the summed cross-entropy of a set, one tensor per parameter; no weight is moved.

    The model is put in eval mode, so the sum does not depend on the batches.
    """
    model.eval()
    parameters = list(model.parameters())
    total = [torch.zeros_like(parameter) for parameter in parameters]
    for images, labels in zip(data.images.split(batch_size), data.labels.split(batch_size), strict=True):
        loss = F.cross_entropy(model(images), labels, reduction="sum")
        gradients = torch.autograd.grad(loss, parameters)
        total = [before + gradient for before, gradient in zip(total, gradients, strict=True)]
    return total


def saliency_masks(gradients: Sequence[Tensor], density: float) -> list[Tensor]:
    """Return boolean masks shaped like the gradients: true at the largest |gradient| over all of them together.

    density: share of all entries that is true, rounded to the nearest count; of equal ones the first are taken.
    Source: arXiv:2310.12508, with a quantile as the threshold.
    """
    sizes = [gradient.numel() for gradient in gradients]
    strength = torch.cat([gradient.abs().flatten() for gradient in gradients])
    strongest = strength.argsort(descending=True, stable=True)[: round(density * len(strength))]
    chosen = torch.zeros_like(strength, dtype=torch.bool)
    chosen[strongest] = True
    return [part.view(gradient.shape) for part, gradient in zip(chosen.split(sizes), gradients, strict=True)]


def unlearn_salun(given: UnlearnInput) -> nn.Module:
    """Relabel at random and descend, with all weights outside the mask kept as they were."""
    model, count = given.model, len(given.forget.labels)
    if given.meter.affordable(count) < 1:
        return model.eval()
    masks = saliency_masks(loss_gradients(model, given.forget), given.number("density"))
    given.meter.count(count)
    originals = [parameter.detach().clone() for parameter in model.parameters()]

    def restore() -> None:
        # A mask on the gradient would not do: momentum and weight decay move a weight without any gradient.
        with torch.no_grad():
            for parameter, original, mask in zip(model.parameters(), originals, masks, strict=True):
                parameter.copy_(torch.where(mask, parameter, original))

    return descend_relabeled(given, restore)


SALUN = Unlearner(
    name="SalUn (saliency unlearning)",
    family="saliency",
    summary="Random relabeling that moves only the half of the weights with the largest gradients on the forget set.",
    paper="https://arxiv.org/abs/2310.12508",
    run=unlearn_salun,
    defaults={**RELABEL_DEFAULTS, "density": 0.5},
)
