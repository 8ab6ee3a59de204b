"""JPEG: compresses every training image at quality 10, once before training.

Imports Pillow and torch. The codec itself, on the CPU: no differentiable approximation is involved, on any device.
Setting of ISS (arXiv:2301.13838) and APBench (arXiv:2308.03258).
"""

import io

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from bench.defenses.defense import Defense

QUALITY = 10
"""Published. Color keeps Pillow's default at this quality, chroma at half the resolution (4:2:0)."""


def compress_images(images: Tensor, _labels: Tensor, _generator: torch.Generator) -> Tensor:
    """Return uint8 images (N, C, H, W), one or three channels, as a JPEG decoder gives them back."""
    return torch.from_numpy(np.stack([_compress(image) for image in images.cpu().numpy()])).to(images.device)


def _compress(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Encode and decode one image (C, H, W)."""
    buffer = io.BytesIO()
    pixels = image[0] if len(image) == 1 else np.ascontiguousarray(image.transpose(1, 2, 0))
    Image.fromarray(pixels).save(buffer, format="JPEG", quality=QUALITY)
    with Image.open(buffer) as decoded:
        found = np.asarray(decoded, dtype=np.uint8)
    return found[None] if len(image) == 1 else found.transpose(2, 0, 1)


JPEG = Defense(images=compress_images)
