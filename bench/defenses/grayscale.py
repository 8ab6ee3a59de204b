"""Grayscale: replaces the channels of every training image by its luma, once before training.

Imports torch. Images of one channel stay as they are. Setting of ISS (arXiv:2301.13838) and APBench.
"""

import torch
from torch import Tensor

from bench.defenses.defense import Defense

LUMA = (19595, 38470, 7471)
"""ITU-R 601 weights of red, green and blue (0.299, 0.587, 0.114) in units of 1/65536, as Pillow rounds them."""


def copy_luma(images: Tensor, _labels: Tensor, _generator: torch.Generator) -> Tensor:
    """Return uint8 images (N, C, H, W) whose channels are all the luma of the image."""
    if images.shape[1] == 1:
        return images
    red, green, blue = (weight * channel.int() for weight, channel in zip(LUMA, images.unbind(1), strict=True))
    luma = (red + green + blue + 32768).bitwise_right_shift(16)  # (N, H, W)
    return luma.to(torch.uint8)[:, None].repeat(1, 3, 1, 1)


GRAYSCALE = Defense(images=copy_luma)
