"""The one training loop. The data set lives on the device; every random draw comes from a generator passed in.

May import torch, bench.errors, bench.protocol and bench.defenses; knows nothing of files or submissions.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim.lr_scheduler import CosineAnnealingLR, LambdaLR, LRScheduler, MultiStepLR

from bench.defenses.defense import Batch, Defense, Objective
from bench.errors import TrainingDiverged
from bench.protocol import Augmentation, Recipe


@dataclass(frozen=True)
class Labeled:
    """Images float32 (N, C, H, W), scale 0 to 1, and labels int64 (N,), on one device."""

    images: Tensor
    labels: Tensor


@dataclass(frozen=True)
class Epoch:
    """What one epoch showed: mean training loss (nats) and accuracies (0 to 1); `number` counts from 1.

    The training figures are running ones: train mode, augmented batches, weights still moving.
    """

    number: int
    train_loss: float
    train_accuracy: float
    test_accuracy: float


Probe = Callable[[nn.Module, Epoch], None]
"""Called after each epoch with the model and the epoch's record; must leave the model as it was."""


def to_device(images: Tensor, labels: Tensor, device: torch.device) -> Labeled:
    """Scale uint8 images to 0 to 1 and move them and their labels to the device, channels last."""
    scaled = (images.to(device).float() / 255).contiguous(memory_format=torch.channels_last)
    return Labeled(scaled, labels.to(device))


def train(
    model: nn.Module,
    data: Labeled,
    test: Labeled,
    recipe: Recipe,
    defense: Defense,
    *,
    shuffle: torch.Generator,
    augment: torch.Generator,
    probe: Probe,
    budget: float | None = None,
) -> list[Epoch]:
    """Train `model` in place and return one record an epoch.

    shuffle, augment: CPU generators for the order of images and for augmentation and defense.
    probe: called after each epoch and each test.
    budget: the L-infinity budget that a defense may know, scale 0 to 1.
    Raises TrainingDiverged when a loss is not finite.
    """
    optimizer = _optimizer(model, recipe)
    scheduler = _schedule(optimizer, recipe)
    epochs = []
    for number in range(1, recipe.epochs + 1):
        loss, train_accuracy = _train_epoch(
            model,
            optimizer,
            _batches(data, recipe, defense, number, shuffle, augment, budget),
            defense.objective or plain_objective,
        )
        if not math.isfinite(loss):
            raise TrainingDiverged(f"training loss is {loss} in epoch {number}; nothing is recorded for this cell")
        epochs.append(Epoch(number, loss, train_accuracy, accuracy(model, test)))
        probe(model, epochs[-1])
        scheduler.step()
    return epochs


def accuracy(model: nn.Module, data: Labeled, *, batch_size: int = 1000) -> float:
    """Return the share of images whose largest logit is their label's, in eval mode; the mode is restored."""
    training = model.training
    model.eval()
    with torch.inference_mode():
        hits = sum(
            (model(images).argmax(1) == labels).sum()
            for images, labels in zip(data.images.split(batch_size), data.labels.split(batch_size), strict=True)
        )
    model.train(training)
    return int(hits) / len(data.labels)


def augment_batch(images: Tensor, augmentation: Augmentation, generator: torch.Generator) -> Tensor:
    """Return randomly flipped and zero-padded, cropped copies of a batch (B, C, H, W); draws per image on the CPU."""
    if augmentation.flip:
        flips = torch.rand(len(images), generator=generator) < 0.5
        images = torch.where(flips.to(images.device)[:, None, None, None], images.flip(3), images)
    if augmentation.crop_padding:
        images = _random_crop(images, augmentation.crop_padding, generator)
    return images


def plain_objective(model: nn.Module, batch: Batch) -> tuple[Tensor, Tensor]:
    """Return the mean cross-entropy (nats) of a batch and its logits."""
    logits = model(batch.images)  # (B, classes)
    return F.cross_entropy(logits, batch.labels), logits


def _batches(
    data: Labeled,
    recipe: Recipe,
    defense: Defense,
    number: int,
    shuffle: torch.Generator,
    augment: torch.Generator,
    budget: float | None,
) -> Iterator[Batch]:
    """Yield the full batches of an epoch, augmented and defended; the rest of its order is left out.

    A last batch of a few images would give batch normalization unusable statistics.
    """
    size = min(recipe.batch_size, len(data.labels))
    order = torch.randperm(len(data.labels), generator=shuffle).to(data.labels.device)
    for chosen in order[: len(order) // size * size].split(size):
        images = augment_batch(data.images[chosen], recipe.augmentation, augment)
        if defense.batch is not None:
            images = defense.batch(images, augment)
        yield Batch(images, data.labels[chosen], augment, (number - 1) / recipe.epochs, budget)


def _train_epoch(
    model: nn.Module, optimizer: torch.optim.Optimizer, batches: Iterator[Batch], objective: Objective
) -> tuple[float, float]:
    """Take a step for each batch; return mean loss and accuracy over their images."""
    model.train()
    device = next(model.parameters()).device
    loss_sum = torch.zeros((), dtype=torch.float64, device=device)
    hits = torch.zeros((), dtype=torch.int64, device=device)
    count = 0
    for batch in batches:
        loss, logits = objective(model, batch)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        loss_sum += loss.detach() * len(batch.labels)
        hits += (logits.detach().argmax(1) == batch.labels).sum()
        count += len(batch.labels)
    # Read back once an epoch: a read-back in the loop would stall the device at every step.
    return float(loss_sum) / count, int(hits) / count


def _random_crop(images: Tensor, padding: int, generator: torch.Generator) -> Tensor:
    """Return crops of the original size from zero-padded images, one offset an image."""
    count, _, height, width = images.shape
    padded = F.pad(images, (padding, padding, padding, padding))
    offsets = torch.randint(0, 2 * padding + 1, (2, count), generator=generator).to(images.device)
    rows = offsets[0][:, None] + torch.arange(height, device=images.device)  # (B, H)
    columns = offsets[1][:, None] + torch.arange(width, device=images.device)  # (B, W)
    index = torch.arange(count, device=images.device)[:, None, None]
    crops = padded.permute(0, 2, 3, 1)[index, rows[:, :, None], columns[:, None, :]]  # (B, H, W, C)
    return crops.permute(0, 3, 1, 2)


def _optimizer(model: nn.Module, recipe: Recipe) -> torch.optim.Optimizer:
    if recipe.optimizer == "adam":
        return torch.optim.Adam(
            model.parameters(),
            lr=recipe.learning_rate,
            betas=(recipe.momentum, 0.999),
            weight_decay=recipe.weight_decay,
        )
    return torch.optim.SGD(
        model.parameters(),
        lr=recipe.learning_rate,
        momentum=recipe.momentum,
        weight_decay=recipe.weight_decay,
        nesterov=recipe.nesterov,
    )


def _schedule(optimizer: torch.optim.Optimizer, recipe: Recipe) -> LRScheduler:
    if recipe.schedule == "cosine":
        return CosineAnnealingLR(optimizer, recipe.epochs)
    if recipe.schedule == "step":
        return MultiStepLR(optimizer, list(recipe.milestones), recipe.decay)
    return LambdaLR(optimizer, lambda _: 1.0)
