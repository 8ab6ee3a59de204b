"""Eighty real digits, a network with batch normalization that has learned them, and an input for any unlearner."""

import copy
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn

from bench.data.digits import load_digits
from bench.protocol import Recipe, load_protocol
from bench.runtime import generator_for
from bench.training import Labeled
from bench.unlearners.unlearner import Meter, Unlearner, UnlearnInput

RECIPE = Recipe(epochs=10, batch_size=16, learning_rate=0.1, momentum=0.9, weight_decay=5e-4, schedule="constant")


@cache
def digits(count: int = 80) -> Labeled:
    data, _ = load_digits(load_protocol("ue-digits-v1").dataset)
    images = torch.from_numpy(data.train.images[:count]).float() / 255
    return Labeled(images, torch.from_numpy(data.train.labels[:count]))


def fresh_model(purpose: str = "original", classes: int = 10) -> nn.Module:
    """A convolution, batch normalization and a linear layer: 4 * 9 + 8 + 360 * classes / 10 + classes weights."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(sum(purpose.encode()))
        return nn.Sequential(
            nn.Conv2d(1, 4, 3, bias=False),
            nn.BatchNorm2d(4),
            nn.ReLU(),
            nn.AdaptiveAvgPool2d(3),
            nn.Flatten(),
            nn.Linear(36, classes),
        )


@cache
def _trained() -> nn.Module:
    model, data = fresh_model(), digits()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    for _ in range(30):
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(data.images), data.labels).backward()
        optimizer.step()
    return model.eval()


def given_for(unlearner: Unlearner, *, limit: float = 1e9, **changed: Any) -> UnlearnInput:
    """Sixteen digits to forget, 64 to retain; a new copy of the trained network each time."""
    data = digits()
    return UnlearnInput(
        model=copy.deepcopy(_trained()),
        forget=Labeled(data.images[:16], data.labels[:16]),
        retain=Labeled(data.images[16:], data.labels[16:]),
        classes=10,
        recipe=RECIPE,
        settings=unlearner.complete(changed),
        make_model=fresh_model,
        generator=lambda purpose: generator_for("tiny", purpose),
        meter=Meter(limit),
    )


def weights(model: nn.Module) -> list[Tensor]:
    return [parameter.detach().clone() for parameter in model.parameters()]


def state(model: nn.Module) -> list[Tensor]:
    return [value.clone() for value in model.state_dict().values()]


def same(first: list[Tensor], second: list[Tensor]) -> bool:
    return all(torch.equal(a, b) for a, b in zip(first, second, strict=True))


def mean_cross_entropy(model: nn.Module, data: Labeled) -> float:
    with torch.no_grad():
        return float(nn.functional.cross_entropy(model(data.images), data.labels))
