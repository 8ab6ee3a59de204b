"""Defense: hooks of a training-time counter-measure into the training loop; and `none`, which has no hook.

Imports torch; never pandas, altair or jinja2.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

ImageTransform = Callable[[Tensor], Tensor]
BatchTransform = Callable[[Tensor, torch.Generator], Tensor]


@dataclass(frozen=True)
class Defense:
    """Hooks of a training-time counter-measure; test images are never touched.

    images: maps the whole uint8 training set (N, C, H, W) once, before training, for example JPEG compression.
    batch: maps an augmented float batch (B, C, H, W), scale 0 to 1, for example cutting out a square.
    """

    images: ImageTransform | None = None
    batch: BatchTransform | None = None


NONE = Defense()
