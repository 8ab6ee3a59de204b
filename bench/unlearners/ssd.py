"""SSD: selective synaptic dampening, which shrinks the weights that matter far more for the forget set.

Imports torch. Source: arXiv:2308.07707.
"""

import torch
from torch import Tensor, nn

from bench.training import Labeled
from bench.unlearners.descent import finished
from bench.unlearners.steps import mean_loss
from bench.unlearners.unlearner import Unlearner, UnlearnInput


def dampen_selected(given: UnlearnInput) -> nn.Module:
    """Return the model with dampened weights; no gradient step is taken and nothing is drawn.

    I_D is over all training data, retained and forgotten: both are passed once, in eval mode, without augmentation.
    That is what it costs, one epoch, also where the budget is smaller.
    """
    model, size = given.model.eval(), int(given.number("fisher_batch"))
    forget, forget_batches = squared_gradients(model, given.forget, size)
    retain, retain_batches = squared_gradients(model, given.retain, size)
    given.meter.count(len(given.forget.labels) + len(given.retain.labels))
    with torch.no_grad():
        for parameter, of_forget, of_retain in zip(model.parameters(), forget, retain, strict=True):
            everything = (of_forget + of_retain) / (forget_batches + retain_batches)
            parameter.copy_(
                dampened(
                    parameter,
                    of_forget / forget_batches,
                    everything,
                    alpha=given.number("alpha"),
                    dampening=given.number("lambda"),
                )
            )
    return finished(model)


def squared_gradients(model: nn.Module, data: Labeled, size: int) -> tuple[list[Tensor], int]:
    """Return the sum over batches of the squared gradient of a batch's mean loss, one tensor a parameter.

    Returns the number of batches too. With batches of one example the mean is the diagonal of the empirical Fisher
    matrix; with larger ones gradients cancel before they are squared, and it is smaller.
    """
    parameters = list(model.parameters())
    sums = [torch.zeros_like(parameter) for parameter in parameters]
    count = 0
    for images, labels in zip(data.images.split(size), data.labels.split(size), strict=True):
        gradients = torch.autograd.grad(mean_loss(model, Labeled(images, labels)), parameters)
        for total, gradient in zip(sums, gradients, strict=True):
            total.addcmul_(gradient, gradient)
        count += 1
    return sums, count


def dampened(weights: Tensor, forget: Tensor, everything: Tensor, *, alpha: float, dampening: float) -> Tensor:
    """Return w * min(lambda I_D / I_S, 1) where I_S > alpha I_D, and w elsewhere.

    forget, everything: the importances I_S and I_D, shaped like the weights, not negative.
    """
    selected = forget > alpha * everything
    factor = (dampening * everything / forget).clamp(max=1.0)
    return torch.where(selected, weights * factor, weights)


SSD = Unlearner(
    name="SSD (selective synaptic dampening)",
    family="saliency",
    summary="Weights whose squared gradients are far larger on the forget set than on all data are shrunk, once.",
    paper="https://arxiv.org/abs/2308.07707",
    run=dampen_selected,
    # Published for ResNet-18 and CIFAR. Batches of one example are the definition; the released code takes larger ones.
    defaults={"alpha": 10.0, "lambda": 1.0, "fisher_batch": 1},
)
