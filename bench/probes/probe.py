"""Probe: what a poison that tests unlearning is, what it gets to see, and how its effect on a checkpoint is measured.

May import torch and bench.training; knows nothing of files or submissions.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from bench.training import Labeled
from bench.unlearning_protocol import Setting

MakeModel = Callable[[str], nn.Module]
"""Purpose -> a network of the protocol with fresh weights, on the device, in train mode."""

FitModel = Callable[[nn.Module, Labeled, str], None]
"""(model, data, purpose): trains a network in place by the protocol's recipe."""

MakeGenerator = Callable[[str], torch.Generator]
"""Purpose -> CPU generator, derived from the secret of the challenge, the protocol, the probe and the seed."""


@dataclass(frozen=True)
class ProbeInput:
    """What a probe is made from.

    train, test: the clean images, float32 (N, C, H, W), scale 0 to 1, and labels. count: items to change.
    settings: of the probe, complete. seed: of the challenge kit, from 0; may choose classes in turn.
    """

    train: Labeled
    test: Labeled
    classes: int
    count: int
    seed: int
    settings: Mapping[str, Setting]
    make_model: MakeModel
    fit: FitModel
    generator: MakeGenerator


@dataclass(frozen=True)
class Changed:
    """Items of the training set as they are trained on instead of the clean ones.

    indices: int64 (n,), ascending. images: float32 (n, C, H, W), not limited to 0 to 1. labels: int64 (n,).
    """

    indices: Tensor
    images: Tensor
    labels: Tensor

    def __post_init__(self) -> None:
        """Refuse what would change an item twice."""
        if not bool((self.indices[1:] > self.indices[:-1]).all()):
            raise ValueError("indices of changed items must ascend")


@dataclass(frozen=True)
class Poison:
    """A made probe.

    forget: what has to be forgotten. kept: changed items that stay in the retain set (a positive control), or None.
    secret: tensors that only the evaluator has; names and shapes are the probe's own.
    """

    forget: Changed
    secret: Mapping[str, Tensor]
    kept: Changed | None = None


@dataclass(frozen=True)
class Effect:
    """What is left of a poison in a checkpoint.

    values: scalars by metric key of bench.metrics.catalog. scores: values for each item by set, see the probe.
    skipped: items for which no score exists.
    """

    values: Mapping[str, float]
    scores: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    skipped: int = 0


@dataclass(frozen=True)
class Probe:
    """A poison of the table.

    defaults: all its settings. make: builds the poison. measure: (model in eval mode, poison, clean test images,
    settings) -> its effect; leaves the model as it was.
    removal: metric key of `Effect.values` that says how much of the poison is left, compared with a retrained model.
    """

    name: str
    summary: str
    paper: str | None
    removal: str
    defaults: Mapping[str, Setting]
    make: Callable[[ProbeInput], Poison]
    measure: Callable[[nn.Module, Poison, Labeled, Mapping[str, Setting]], Effect]


def poisoned_set(clean: Labeled, poison: Poison) -> Labeled:
    """Return the training set with the poison in place; the clean tensors are not changed."""
    images, labels = clean.images.clone(), clean.labels.clone()
    for part in (poison.forget, poison.kept):
        if part is not None:
            images[part.indices] = part.images.to(images)
            labels[part.indices] = part.labels.to(labels)
    return Labeled(images, labels)


def split_sets(trained: Labeled, forget: Tensor) -> tuple[Labeled, Labeled]:
    """Split a training set into what has to be forgotten, by index, and what is retained, in order."""
    keep = torch.ones(len(trained.labels), dtype=torch.bool, device=trained.labels.device)
    forget = forget.to(trained.labels.device)
    keep[forget] = False
    return Labeled(trained.images[forget], trained.labels[forget]), Labeled(trained.images[keep], trained.labels[keep])
