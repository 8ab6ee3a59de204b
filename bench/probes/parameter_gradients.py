"""Gradients of a loss in all trainable parameters, as lists of tensors, and what probes compute from them.

May import torch and bench.training. A gradient list has one tensor for each trainable parameter, in its order.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from bench.training import Labeled

BATCH_IMAGES = 256
"""Images of a pass over a whole set; in eval mode the size does not move the result beyond rounding."""


def trainable(model: nn.Module) -> list[nn.Parameter]:
    """Return the parameters that training changes, of every layer."""
    return [parameter for parameter in model.parameters() if parameter.requires_grad]


def loss_gradient(model: nn.Module, images: Tensor, labels: Tensor) -> list[Tensor]:
    """Return the gradient of the summed cross-entropy (nats) of a batch, without a graph."""
    loss = F.cross_entropy(model(images), labels, reduction="sum")
    return list(torch.autograd.grad(loss, trainable(model)))


def traced_gradient(model: nn.Module, images: Tensor, labels: Tensor) -> list[Tensor]:
    """Return the same gradient with its graph, for a second backward pass to the images."""
    loss = F.cross_entropy(model(images), labels, reduction="sum")
    return list(torch.autograd.grad(loss, trainable(model), create_graph=True))


def set_gradient(model: nn.Module, data: Labeled) -> list[Tensor]:
    """Return the gradient of the summed cross-entropy of a whole set, in batches."""
    total = [torch.zeros_like(parameter) for parameter in trainable(model)]
    for images, labels in zip(data.images.split(BATCH_IMAGES), data.labels.split(BATCH_IMAGES), strict=True):
        for part, found in zip(total, loss_gradient(model, images, labels), strict=True):
            part.add_(found)
    return total


def inner_product(first: list[Tensor], second: list[Tensor]) -> Tensor:
    """Return the inner product of two gradient lists, a scalar."""
    return torch.stack([(one * other).sum() for one, other in zip(first, second, strict=True)]).sum()


def length(gradient: list[Tensor]) -> Tensor:
    """Return the joint L2 norm of a gradient list, a scalar."""
    return inner_product(gradient, gradient).sqrt()
