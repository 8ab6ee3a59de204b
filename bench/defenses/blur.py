"""Blur: a 3x3 Gaussian of standard deviation 1 pixel over every training image, once before training.

Imports torch. The published standard deviation is 0.1: there a neighbor weighs e^-50, nothing changes in uint8, and
the published column repeats the undefended one. So this is the one setting here that is not the published one.
"""

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from bench.defenses.defense import Defense

SIGMA = 1.0
CHUNK = 1000
"""Images at a time: a whole data set in float64 would not fit a laptop."""


def blur_images(images: Tensor, _labels: Tensor, _generator: torch.Generator) -> Tensor:
    """Return blurred uint8 images (N, C, H, W)."""
    return torch.cat([blur(chunk, SIGMA) for chunk in images.split(CHUNK)])


def blur(images: Tensor, sigma: float) -> Tensor:
    """Return uint8 images (N, C, H, W) under a 3x3 Gaussian of `sigma` pixels, rounded; borders are mirrored."""
    side = math.exp(-0.5 / sigma**2)
    row = torch.tensor([side, 1.0, side], dtype=torch.float64, device=images.device) / (1 + 2 * side)
    kernel = torch.outer(row, row)[None, None]  # (1, 1, 3, 3)
    planes = images.flatten(0, 1)[:, None].double()  # (N * C, 1, H, W)
    blurred = F.conv2d(F.pad(planes, (1, 1, 1, 1), mode="reflect"), kernel)
    return blurred.round().to(torch.uint8).reshape(images.shape)


BLUR = Defense(images=blur_images)
