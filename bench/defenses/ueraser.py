"""UEraser: trains on the worst of several strongly augmented copies of each image.

Imports torch, and kornia when it is first used. Source: arXiv:2303.15127; settings of its code for CIFAR-10, with
the probabilities of APBench.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from bench.defenses.defense import Batch, Defense

COPIES = 5
ROUGHNESS = (0.3, 0.7)
INTENSITY = (0.5, 1.0)
SHUFFLE_PROBABILITY = 0.5
WORST_SHARE = 0.25
"""Share of the epochs in which `ueraser` looks for the worst copy: 50 of the published 200."""

Augmentation = Callable[[Tensor], Tensor]


def lite_objective(model: nn.Module, batch: Batch) -> tuple[Tensor, Tensor]:
    """Return the loss of one augmented copy of each image, and its logits."""
    return worst_objective(model, batch, 1)


def early_objective(model: nn.Module, batch: Batch) -> tuple[Tensor, Tensor]:
    """Return the loss of the worst copy in the first quarter of the epochs, of one copy later; and its logits."""
    return worst_objective(model, batch, COPIES if batch.progress < WORST_SHARE else 1)


def max_objective(model: nn.Module, batch: Batch) -> tuple[Tensor, Tensor]:
    """Return the loss of the worst augmented copy of each image, and its logits."""
    return worst_objective(model, batch, COPIES)


def worst_objective(model: nn.Module, batch: Batch, copies: int) -> tuple[Tensor, Tensor]:
    """Return the mean over images of the largest cross-entropy (nats) of their copies, and the logits of that copy.

    As published, each copy of the batch is a forward pass of its own with gradients: batch normalization sees one
    kind of TrivialAugment at a time, and its running statistics move once for every copy.
    """
    logits = torch.stack([model(copy) for copy in augmented_copies(batch.images, copies, batch.generator)])
    losses = copy_losses(logits, batch.labels)  # (K, B)
    worst = losses.max(0)
    chosen = logits[worst.indices, torch.arange(len(batch.labels), device=logits.device)]
    return worst.values.mean(), chosen


def copy_losses(logits: Tensor, labels: Tensor) -> Tensor:
    """Return the cross-entropy (K, B) of every copy of every image; logits (K, B, classes), labels (B,)."""
    return F.cross_entropy(logits.flatten(0, 1), labels.repeat(len(logits)), reduction="none").view(len(logits), -1)


def augmented_copies(images: Tensor, copies: int, generator: torch.Generator) -> list[Tensor]:
    """Return augmented copies, each (B, C, H, W), of images of scale 0 to 1.

    Brightness and contrast along plasma maps, a channel shuffle, then one operation of TrivialAugment for each copy
    of the batch. Takes one number from `generator`; the global random streams are left as they were.
    """
    early, trivial = _augmentations(images.device)
    seed = int(torch.randint(2**63 - 1, (), generator=generator))
    with torch.no_grad(), _seeded(seed, images.device):
        stacked = images.repeat(copies, 1, 1, 1)  # (K * B, C, H, W)
        for augmentation in early:
            stacked = augmentation(stacked)
        # TrivialAugment draws one operation for all it is given, so each copy gets its own call.
        with _nondeterministic_allowed():
            return [trivial(copy) for copy in stacked.split(len(images))]


@cache
def _augmentations(device: torch.device) -> tuple[tuple[Augmentation, ...], Augmentation]:
    """Return what all copies go through together, and TrivialAugment. Plasma maps are made on the device."""
    from kornia.augmentation import (  # noqa: PLC0415 (half a second that other defenses need not wait)
        RandomChannelShuffle,
        RandomPlasmaBrightness,
        RandomPlasmaContrast,
    )
    from kornia.augmentation.auto import TrivialAugment  # noqa: PLC0415 (as above)

    brightness = RandomPlasmaBrightness(roughness=ROUGHNESS, intensity=INTENSITY, p=1.0)
    contrast = RandomPlasmaContrast(roughness=ROUGHNESS, p=1.0)
    for plasma in (brightness, contrast):
        plasma.set_rng_device_and_dtype(device, torch.float32)
    early = (brightness, contrast, RandomChannelShuffle(p=SHUFFLE_PROBABILITY))
    return cast(tuple[Augmentation, ...], early), cast(Augmentation, TrivialAugment())


@contextmanager
def _seeded(seed: int, device: torch.device) -> Iterator[None]:
    """Seed the global streams of the CPU and of `device`, which kornia draws from, and restore them."""
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.default_generator.manual_seed(seed)
        if device.type == "cuda":
            with torch.cuda.device(device):
                torch.cuda.manual_seed(seed)
        yield


@contextmanager
def _nondeterministic_allowed() -> Iterator[None]:
    """Let kornia equalize on a GPU: it sums counts in float32, which PyTorch refuses as order-dependent.

    The counts are whole numbers far below 2**24, so their sums are exact in any order and results still repeat.
    """
    enforced = torch.are_deterministic_algorithms_enabled()
    warns = torch.is_deterministic_algorithms_warn_only_enabled()
    torch.use_deterministic_algorithms(False)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(enforced, warn_only=warns)


UERASER_LITE = Defense(objective=lite_objective)
"""UEraser-lite: trains on one strongly augmented copy of each image."""

UERASER = Defense(objective=early_objective)
"""UEraser: trains on the worst of five augmented copies for a quarter of the epochs, then on one copy."""

UERASER_MAX = Defense(objective=max_objective)
"""UEraser-max: trains on the worst of five augmented copies of each image, all the time."""
