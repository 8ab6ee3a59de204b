"""BDR: bit depth reduction, keeps the two highest bits of every training pixel, once before training.

Imports torch. Setting of ISS (arXiv:2301.13838) and APBench.
"""

import torch
from torch import Tensor

from bench.defenses.defense import Defense

KEPT_BITS = 2
"""Published: the levels 0, 64, 128 and 192 are left."""


def reduce_depth(images: Tensor, _labels: Tensor, _generator: torch.Generator) -> Tensor:
    """Return uint8 images (N, C, H, W) with all but the highest bits of each pixel set to 0."""
    return images.bitwise_and(256 - 2 ** (8 - KEPT_BITS))


BDR = Defense(images=reduce_depth)
