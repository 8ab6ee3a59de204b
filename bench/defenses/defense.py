"""Defense: hooks of a training-time counter-measure into the training loop; and `none`, which has no hook.

Imports torch; never pandas, altair or jinja2.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class Batch:
    """What one training step works on.

    images: augmented float batch (B, C, H, W), scale 0 to 1; labels: (B,) int64.
    generator: CPU generator for whatever the step draws.
    progress: share of the epochs that are finished, 0 in the first epoch, below 1.
    budget: the protocol's L-infinity budget, scale 0 to 1; None where it has none.
    """

    images: Tensor
    labels: Tensor
    generator: torch.Generator
    progress: float
    budget: float | None


ImageTransform = Callable[[Tensor, Tensor, torch.Generator], Tensor]
"""Maps the uint8 training set (N, C, H, W) and its labels (N,) to a set of the same shape."""

BatchTransform = Callable[[Tensor, torch.Generator], Tensor]
"""Maps an augmented float batch (B, C, H, W), scale 0 to 1, to one of the same shape."""

Objective = Callable[[nn.Module, Batch], tuple[Tensor, Tensor]]
"""Returns the loss to minimize, a mean over the batch, and the logits (B, classes) that training accuracy counts.

Gets the model in train mode and leaves it so.
"""


@dataclass(frozen=True)
class Defense:
    """Hooks of a training-time counter-measure; test images are never touched.

    images: maps the whole uint8 training set once, before training, for example JPEG compression.
    batch: maps each augmented batch, for example cutting out a square.
    objective: replaces the mean cross-entropy of a step, for example by that of adversarial images.
    """

    images: ImageTransform | None = None
    batch: BatchTransform | None = None
    objective: Objective | None = None


NONE = Defense()
"""No defense: images and loss are as they are."""
