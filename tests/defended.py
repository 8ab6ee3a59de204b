"""Images, batches and networks that defenses are tried on."""

import numpy as np
import torch
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from torch import Tensor, nn

from bench.defenses.defense import Batch

SHAPES = [(12, 1, 8, 8), (12, 3, 32, 32)]


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def random_pixels(shape: tuple[int, ...], seed: int = 0) -> Tensor:
    return torch.randint(0, 256, shape, dtype=torch.uint8, generator=seeded(seed))


def smooth_pixels(shape: tuple[int, ...], seed: int = 0) -> Tensor:
    """Images with structure, as codecs expect them."""
    count, channels, height, width = shape
    coarse = torch.rand(count, channels, 4, 4, generator=seeded(seed))
    return (nn.functional.interpolate(coarse, (height, width), mode="bilinear") * 255).to(torch.uint8)


def random_batch(shape: tuple[int, ...], *, seed: int = 0, progress: float = 0.0, budget: float | None = 8 / 255):
    labels = torch.arange(shape[0]) % 4
    return Batch(torch.rand(shape, generator=seeded(seed)), labels, seeded(seed + 1), progress, budget)


def network(channels: int = 3) -> nn.Module:
    """Return a small network with batch normalization, in train mode; always the same weights."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(5)
        parts = [nn.Conv2d(channels, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.AdaptiveAvgPool2d(2), nn.Flatten()]
        return nn.Sequential(*parts, nn.Linear(16, 4)).train()


def pixel_sets(channels: int) -> st.SearchStrategy[Tensor]:
    """Draw uint8 images (N, channels, H, W)."""
    sides = st.integers(2, 9)
    shapes = st.tuples(st.integers(1, 3), st.just(channels), sides, sides)
    return shapes.flatmap(lambda shape: arrays.arrays(np.uint8, shape)).map(torch.from_numpy)
