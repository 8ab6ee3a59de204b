"""Relearning: how fast, and from how little, a model gets back what it should have forgotten.

May import torch, bench.errors, bench.training and the steps of bench.unlearners. The model measured is never changed.
"""

import copy
import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional as F

from bench.errors import TrainingDiverged, UndefinedMetric
from bench.training import Labeled, accuracy
from bench.unlearners.steps import batches, sgd

RELEARN_MARGIN = 1e-5
"""How far above the original's loss (nats) a forget set counts as known again."""


@dataclass(frozen=True)
class Recovery:
    """Accuracy, 0 to 1, on forget items that were not shown, before and after some others were."""

    before: float
    after: float


def forget_loss(model: nn.Module, data: Labeled, *, batch_size: int = 1000) -> float:
    """Return the mean cross-entropy (nats) of a set in eval mode; the mode is restored."""
    training = model.training
    model.eval()
    with torch.inference_mode():
        total = sum(
            F.cross_entropy(model(images), labels, reduction="sum").double()
            for images, labels in zip(data.images.split(batch_size), data.labels.split(batch_size), strict=True)
        )
    model.train(training)
    return float(total) / len(data.labels)


def relearn_target(original: nn.Module, forget: Labeled) -> float:
    """Return the loss (nats) at which a forget set counts as known again: that of the original plus 1e-5."""
    return forget_loss(original, forget) + RELEARN_MARGIN


def relearn_epochs(
    model: nn.Module,
    forget: Labeled,
    target_loss: float,
    *,
    learning_rate: float,
    limit: int,
    batch_size: int,
    generator: torch.Generator,
) -> int:
    """Return after how many epochs of plain SGD on the forget set its mean loss (nats) is at most the target.

    0 means that it is so already; limit + 1 means that it was not after `limit` epochs, a lower bound and no count.
    The loss is measured in eval mode after each epoch, training is in train mode without augmentation.
    generator: CPU; give models that are compared generators of the same seed.
    Source: relearn time, as in arXiv:2201.06640. Raises UndefinedMetric with fewer than two forget items,
    TrainingDiverged where the loss is not finite.
    """
    _at_least(forget, 2)
    student = _copy(model)
    for epoch in range(limit + 1):
        loss = forget_loss(student, forget)
        if not math.isfinite(loss):
            raise TrainingDiverged(f"relearning: the loss is {loss} after {epoch} epochs at rate {learning_rate}")
        if loss <= target_loss:
            return epoch
        if epoch < limit:
            _fit_epoch(student, forget, learning_rate, batch_size, generator)
    return limit + 1


def relearning_attack(
    model: nn.Module,
    forget: Labeled,
    *,
    shown: int,
    epochs: int,
    learning_rate: float,
    batch_size: int,
    generator: torch.Generator,
) -> Recovery:
    """Return the accuracy on the other forget items before and after fine-tuning on a few of them.

    shown: how many items, at least two and less than all, are drawn for it. generator: CPU; with the same seed the
    same items are drawn. Compare with the retrained model after the same attack: generalization recovers items too.
    Raises UndefinedMetric where no two items can be shown or none is left, TrainingDiverged for an infinite loss.
    """
    if not 2 <= shown < len(forget.labels):
        raise UndefinedMetric(
            f"relearning attack: of {len(forget.labels)} items {shown} cannot be shown and others left"
        )
    order = torch.randperm(len(forget.labels), generator=generator).to(forget.labels.device)
    few = Labeled(forget.images[order[:shown]], forget.labels[order[:shown]])
    others = Labeled(forget.images[order[shown:]], forget.labels[order[shown:]])
    student = _copy(model)
    before = accuracy(student, others)
    for _ in range(epochs):
        _fit_epoch(student, few, learning_rate, batch_size, generator)
    loss = forget_loss(student, few)
    if not math.isfinite(loss):
        raise TrainingDiverged(f"relearning attack: the loss is {loss} at rate {learning_rate}")
    return Recovery(before, accuracy(student, others))


def _copy(model: nn.Module) -> nn.Module:
    student = copy.deepcopy(model)
    # What was frozen while unlearning is not frozen for whoever relearns.
    return student.requires_grad_(True)


def _fit_epoch(
    model: nn.Module, data: Labeled, learning_rate: float, batch_size: int, generator: torch.Generator
) -> None:
    optimizer = sgd(model.parameters(), learning_rate)
    model.train()
    with _own_stream(data.images.device, generator):
        for batch in batches(data, batch_size, generator):
            optimizer.zero_grad(set_to_none=True)
            F.cross_entropy(model(batch.images), batch.labels).backward()
            optimizer.step()


@contextmanager
def _own_stream(device: torch.device, generator: torch.Generator) -> Iterator[None]:
    """Let layers that draw, such as dropout, draw from the generator's seed; the global streams are restored."""
    seed = int(torch.randint(2**63 - 1, (1,), generator=generator))
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(seed)
        yield


def _at_least(data: Labeled, fewest: int) -> None:
    if len(data.labels) < fewest:
        raise UndefinedMetric(f"relearning needs at least {fewest} forget items, got {len(data.labels)}")
