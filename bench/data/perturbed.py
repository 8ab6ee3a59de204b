"""The images that are trained on: clean images with a perturbation applied.

May import numpy only.
"""

import numpy as np
from numpy.typing import NDArray

_CHUNK_IMAGES = 1024


def apply_perturbation(images: NDArray[np.uint8], values: NDArray[np.int8] | NDArray[np.int16]) -> NDArray[np.uint8]:
    """Return the images that are trained on: clip(images + values, 0, 255), uint8, scale 0 to 255.

    images: uint8 (N, C, H, W). values: int8 or int16, same shape, in 1/255 units. Raises ValueError if shapes differ.
    """
    if images.shape != values.shape:
        raise ValueError(f"images of shape {images.shape} and a perturbation of shape {values.shape} do not fit")
    perturbed = np.empty_like(images)
    for start in range(0, len(images), _CHUNK_IMAGES):
        part = slice(start, start + _CHUNK_IMAGES)
        # A change of more than 255 clips like 255; limited first, the sum stays within int16.
        change = np.clip(values[part], -255, 255, dtype=np.int16)
        np.clip(images[part] + change, 0, 255, out=perturbed[part], casting="unsafe")
    return perturbed
