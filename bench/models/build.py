"""Builds a model of the table with weights drawn from a generator.

Imports torch; never pandas, altair or jinja2.
"""

import math

import torch
from torch import nn

from bench.models import MODELS
from bench.registry import resolve


def build_model(name: str, *, in_channels: int, classes: int, generator: torch.Generator) -> nn.Module:
    """Build a model of the table with PyTorch's default initialization drawn from `generator`.

    generator: CPU generator; the global random state is left as it was.
    Returns the model in train mode on the CPU, float32, channels last.
    Raises UnknownName.
    """
    with torch.random.fork_rng(devices=[]):
        model: nn.Module = resolve("model", name, MODELS)(in_channels, classes)
    for module in model.modules():
        _initialize(module, generator)
    return model.to(memory_format=torch.channels_last)


def _initialize(module: nn.Module, generator: torch.Generator) -> None:
    """Draw conv and linear weights as PyTorch does by default: uniform within 1 / sqrt(fan_in)."""
    if not isinstance(module, nn.Conv2d | nn.Linear):
        return
    nn.init.kaiming_uniform_(module.weight, a=math.sqrt(5), generator=generator)
    if module.bias is not None:
        bound = 1 / math.sqrt(module.weight[0].numel())
        nn.init.uniform_(module.bias, -bound, bound, generator=generator)
