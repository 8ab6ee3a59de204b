"""CutOut: blackens one square of half the image's side, at a random place of each training image, in every batch.

Imports torch. Source: arXiv:1708.04552; 16 of 32 pixels as in APBench.
"""

import torch
from torch import Tensor

from bench.defenses.defense import Defense

SIDE_SHARE = 0.5
"""Side of the square as a share of the image's shorter side."""


def cut_squares(images: Tensor, generator: torch.Generator) -> Tensor:
    """Return images (B, C, H, W), each with a black square around a pixel drawn uniformly."""
    count, _, height, width = images.shape
    rows = torch.randint(height, (count,), generator=generator).to(images.device)
    columns = torch.randint(width, (count,), generator=generator).to(images.device)
    return blacken(images, rows, columns, int(SIDE_SHARE * min(height, width)))


def blacken(images: Tensor, rows: Tensor, columns: Tensor, side: int) -> Tensor:
    """Return images (B, C, H, W) with 0 in a square around (rows[i], columns[i]), cut off at the borders.

    The square covers `side` pixels from side // 2 above and left of its center.
    """
    inside_rows = _covered(rows, side, images.shape[2])  # (B, H)
    inside_columns = _covered(columns, side, images.shape[3])  # (B, W)
    square = inside_rows[:, None, :, None] & inside_columns[:, None, None, :]  # (B, 1, H, W)
    return images.masked_fill(square, 0)


def _covered(centers: Tensor, side: int, length: int) -> Tensor:
    """Return which positions along an axis each square covers, (B, length)."""
    offsets = torch.arange(length, device=centers.device) - (centers[:, None] - side // 2)
    return (offsets >= 0) & (offsets < side)


CUTOUT = Defense(batch=cut_squares)
