"""Orthogonal projection: removes what a linear classifier reads from the training images, once before training.

Imports torch. Source: arXiv:2305.19254 (Sandoval-Segura et al., 2023), Algorithm 1.
"""

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from bench.defenses.defense import Defense

EPOCHS = 20
LEARNING_RATE = 0.1
BATCH_SIZE = 1024
"""For the 50,000 images of CIFAR-10; in proportion for fewer, so that there are as many updates as published."""
PUBLISHED_IMAGES = 50_000
MILESTONES = (10, 15)
"""Epochs after which the learning rate falls to a tenth."""
CHUNK = 1000
"""Images at a time: a whole data set in float64 would not fit a laptop."""


def project_images(images: Tensor, labels: Tensor, generator: torch.Generator) -> Tensor:
    """Return uint8 images (N, C, H, W) without their components along the weights of a linear classifier.

    One component a class goes. What is left is rounded and clipped to 0 to 255: images are uint8 everywhere here,
    while a projected pixel is seldom a whole number and can leave the range, so a trace of each component stays.
    """
    flat = images.flatten(1).float() / 255  # (N, D)
    directions = orthonormal(fit_linear(flat, labels, generator))
    kept = [quantize(project_out(chunk, directions)) for chunk in flat.split(CHUNK)]
    return torch.cat(kept).reshape(images.shape)


def fit_linear(flat: Tensor, labels: Tensor, generator: torch.Generator) -> Tensor:
    """Return the weights (classes, D) of a logistic regression without bias on pixels (N, D), scale 0 to 1.

    Starts from the uniform weights of a linear layer and sees the images in a new order each epoch.
    """
    bound = 1 / math.sqrt(flat.shape[1])
    start = torch.rand(int(labels.max()) + 1, flat.shape[1], generator=generator) * 2 * bound - bound
    weights = start.to(flat.device).requires_grad_()
    size = min(BATCH_SIZE, math.ceil(BATCH_SIZE * len(flat) / PUBLISHED_IMAGES))
    rate = LEARNING_RATE
    for epoch in range(EPOCHS):
        rate = rate / 10 if epoch in MILESTONES else rate
        for chosen in torch.randperm(len(flat), generator=generator).to(flat.device).split(size):
            loss = F.cross_entropy(flat[chosen] @ weights.T, labels[chosen])
            (gradient,) = torch.autograd.grad(loss, weights)
            with torch.no_grad():
                weights -= rate * gradient
    return weights.detach()


def orthonormal(weights: Tensor) -> Tensor:
    """Return an orthonormal basis (D, classes), float64, of the rows of `weights` (classes, D)."""
    rows = F.normalize(weights.double(), dim=1)
    basis: Tensor = torch.linalg.qr(rows.T).Q
    return basis


def project_out(flat: Tensor, directions: Tensor) -> Tensor:
    """Return rows (N, D), float64, without their components along orthonormal `directions` (D, classes)."""
    rows = flat.double()
    return rows - (rows @ directions) @ directions.T


def quantize(values: Tensor) -> Tensor:
    """Return the nearest uint8 pixels for values of scale 0 to 1, clipped to 0 to 255."""
    return (values * 255).round().clamp(0, 255).to(torch.uint8)


ORTHOGONAL = Defense(images=project_images)
