"""Gaussian scores: how far the input gradients of a network still point along noise that it was trained on.

May import torch and bench.training; knows nothing of files, protocols or submissions. What follows from the scores is
in bench.metrics.gus_statistics. Source: arXiv:2406.17216, section 4.3.
"""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from bench.training import Labeled

BATCH_SIZE = 250
"""Images that are differentiated at once; bounds memory, does not move a score."""


@dataclass(frozen=True)
class GaussianScores:
    """Scores of noise items, in their order, positive where the network remembers the noise.

    values: of the items that have a score. skipped: items whose gradient is zero or not finite; they have none.
    """

    values: tuple[float, ...]
    skipped: int


def gaussian_scores(model: nn.Module, base: Labeled, noise: Tensor, sigma: float) -> GaussianScores:
    """Return the score of each item, where g is the gradient of the loss at the item's image before noise.

    base: images before noise (N, C, H, W), in the coordinates that the noise was added in, and the labels trained on.
    noise, sigma: see noise_scores. Raises ValueError where shapes differ or sigma is not positive.
    """
    if noise.shape != base.images.shape:
        raise ValueError(f"noise {tuple(noise.shape)} does not have the shape of the images {tuple(base.images.shape)}")
    return noise_scores(input_gradients(model, base.images, base.labels, batch_size=BATCH_SIZE), noise, sigma)


def noise_scores(gradients: Tensor, noise: Tensor, sigma: float) -> GaussianScores:
    """Return I = -<g, xi> / (sigma ||g||) for each item.

    gradients: g, (N, d). noise: xi, (N, ...) with d values each from N(0, sigma^2), neither clipped nor rounded, in the
    coordinates of the gradients. sigma: the standard deviation that the noise was drawn with, not one measured from it.
    For a network that does not depend on xi every score is drawn from N(0, 1), whatever the network.
    Raises ValueError where shapes differ or sigma is not positive.
    """
    directions = noise.flatten(1).to(gradients.device, torch.float64)
    if directions.shape != gradients.shape or sigma <= 0:
        raise ValueError(f"noise {tuple(directions.shape)}, gradients {tuple(gradients.shape)}, sigma {sigma}")
    slopes = gradients.double()
    products = (slopes * directions).sum(1)
    norms = torch.linalg.vector_norm(slopes, dim=1)
    values = tuple(
        -product / (sigma * norm)
        for product, norm in zip(products.tolist(), norms.tolist(), strict=True)
        if norm > 0 and math.isfinite(norm) and math.isfinite(product)
    )
    return GaussianScores(values, skipped=len(gradients) - len(values))


def input_gradients(model: nn.Module, images: Tensor, labels: Tensor, *, batch_size: int) -> Tensor:
    """Return the gradient of each image's margin with respect to that image, (N, d), of the images' dtype.

    The margin m = log sum_{j != y} exp z_j - z_y has the direction of the cross-entropy's gradient, which is
    (1 - p_y) grad m: it does not vanish for an image that is fitted well. Measured in eval mode, where images do not
    depend on each other; modes and parameter gradients are left as they were.
    """
    device = next((parameter.device for parameter in model.parameters()), images.device)
    parts = []
    # Also inside a caller's inference mode; its tensors become ordinary ones when they are copied.
    with torch.inference_mode(False), torch.enable_grad(), _eval_mode(model):
        for part, targets in zip(images.split(batch_size), labels.split(batch_size), strict=True):
            variable = part.to(device, copy=True).requires_grad_(True)
            margins = label_margins(model(variable), targets.to(device).clone())
            parts.append(_gradient(margins.sum(), variable).flatten(1))
    return torch.cat(parts)


def label_margins(logits: Tensor, labels: Tensor) -> Tensor:
    """Return log sum_{j != y} exp z_j - z_y for logits (N, classes) and labels (N,): positive where wrong."""
    own = labels[:, None]
    others = logits.scatter(1, own, -torch.inf)
    return torch.logsumexp(others, dim=1) - logits.gather(1, own).squeeze(1)


def _gradient(total: Tensor, images: Tensor) -> Tensor:
    """Return the gradient of a sum with respect to images; zero where it does not depend on them."""
    if not total.requires_grad:
        return torch.zeros_like(images)
    (gradient,) = torch.autograd.grad(total, images, materialize_grads=True)
    return gradient


@contextmanager
def _eval_mode(model: nn.Module) -> Iterator[None]:
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        yield
    finally:
        for module, training in modes:
            module.training = training
