"""CutMix: pastes a random box of another image into each training image; the loss is shared by area.

Imports torch. Source: arXiv:1905.04899; boxes drawn for each image as in APBench (kornia's RandomCutMixV2 0.6.12).
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from bench.defenses.defense import Batch, Defense


def cutmix_objective(model: nn.Module, batch: Batch) -> tuple[Tensor, Tensor]:
    """Return the loss (nats) of images with a pasted box, shared by area between both labels, and their logits.

    The box's share of the area, before it is cut off at the borders, is uniform on 0 to 1 (Beta(1, 1)) for each image;
    its center is a uniformly drawn pixel; partners are a random permutation of the batch.
    """
    count, _, height, width = batch.images.shape
    device, generator = batch.images.device, batch.generator
    partners = torch.randperm(count, generator=generator).to(device)
    scales = torch.rand(count, generator=generator).sqrt().to(device)
    centers = [torch.randint(length, (count,), generator=generator).to(device) for length in (height, width)]
    boxes = box_masks(centers[0], centers[1], scales, height, width)
    logits = model(paste(batch.images, partners, boxes))
    shares = boxes.flatten(1).float().mean(1)
    return mixed_loss(logits, batch.labels, batch.labels[partners], shares), logits


def box_masks(rows: Tensor, columns: Tensor, scales: Tensor, height: int, width: int) -> Tensor:
    """Return which pixels (B, H, W) each box covers: centers (B,), sides `scales` (B,) times those of the image.

    Sides are rounded down to whole pixels; a box reaches side // 2 pixels above and left of its center.
    """
    inside_rows = _covered(rows, (scales * height).long(), height)
    inside_columns = _covered(columns, (scales * width).long(), width)
    return inside_rows[:, :, None] & inside_columns[:, None, :]


def paste(images: Tensor, partners: Tensor, boxes: Tensor) -> Tensor:
    """Return images (B, C, H, W) with the partner's pixels where `boxes` (B, H, W) is true."""
    return torch.where(boxes[:, None], images[partners], images)


def mixed_loss(logits: Tensor, labels: Tensor, partner_labels: Tensor, shares: Tensor) -> Tensor:
    """Return the mean over images of (1 - share) * CE(label) + share * CE(partner's label)."""
    own = F.cross_entropy(logits, labels, reduction="none")
    other = F.cross_entropy(logits, partner_labels, reduction="none")
    return ((1 - shares) * own + shares * other).mean()


def _covered(centers: Tensor, sides: Tensor, length: int) -> Tensor:
    """Return which positions along an axis each box covers, (B, length)."""
    offsets = torch.arange(length, device=centers.device) - (centers - sides // 2)[:, None]
    return (offsets >= 0) & (offsets < sides[:, None])


CUTMIX = Defense(objective=cutmix_objective)
