"""MixUp: trains on weighted means of two images and, with the same weights, of their losses.

Imports torch. Source: arXiv:1710.09412; weights drawn for each image as in APBench (kornia's RandomMixUpV2).
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from bench.defenses.defense import Batch, Defense


def mixup_objective(model: nn.Module, batch: Batch) -> tuple[Tensor, Tensor]:
    """Return the mixed loss (nats) of images that are mixed with others of the batch, and their logits.

    The partner's share is uniform on 0 to 1 for each image; partners are a random permutation of the batch.
    """
    shares = torch.rand(len(batch.labels), generator=batch.generator).to(batch.images)
    partners = torch.randperm(len(batch.labels), generator=batch.generator).to(batch.images.device)
    logits = model(mix(batch.images, partners, shares))
    return mixed_loss(logits, batch.labels, batch.labels[partners], shares), logits


def mix(images: Tensor, partners: Tensor, shares: Tensor) -> Tensor:
    """Return (1 - share) * image + share * partner; images (B, C, H, W), partners (B,) indices, shares (B,)."""
    weight = shares[:, None, None, None]
    return (1 - weight) * images + weight * images[partners]


def mixed_loss(logits: Tensor, labels: Tensor, partner_labels: Tensor, shares: Tensor) -> Tensor:
    """Return the mean over images of (1 - share) * CE(label) + share * CE(partner's label)."""
    own = F.cross_entropy(logits, labels, reduction="none")
    other = F.cross_entropy(logits, partner_labels, reduction="none")
    return ((1 - shares) * own + shares * other).mean()


MIXUP = Defense(objective=mixup_objective)
