"""Factory of unlearning problems small enough to check by hand: 64 images to retain, 12 to forget, 3 classes."""

import copy
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from bench.protocol import Recipe
from bench.runtime import generator_for
from bench.training import Labeled
from bench.unlearners.unlearner import Meter, Unlearner, UnlearnInput
from bench.unlearning_protocol import Setting

CLASSES = 3
RETAIN = 64
FORGET = 12
RECIPE = Recipe(epochs=4, batch_size=16, learning_rate=0.1, momentum=0.9, weight_decay=5e-4, schedule="cosine")


def small_net(key: str) -> nn.Sequential:
    """Two convolutions with batch normalization and a classifier, with weights drawn for a key."""
    with torch.random.fork_rng(devices=[]):
        net = nn.Sequential(
            nn.Conv2d(1, 4, 3, padding=1, bias=False),
            nn.BatchNorm2d(4),
            nn.ReLU(),
            nn.Conv2d(4, 4, 3, padding=1, bias=False),
            nn.BatchNorm2d(4),
            nn.ReLU(),
            nn.Flatten(),
            nn.Linear(64, CLASSES),
        )
    draws = generator_for("net", key)
    with torch.no_grad():
        for name, parameter in net.named_parameters():
            if parameter.dim() > 1 or name == "7.bias":
                parameter.copy_(torch.randn(parameter.shape, generator=draws) * 0.3)
    return net


def linear_net(_: str = "") -> nn.Sequential:
    """One linear map, all weights zero: gradients that can be worked out by hand."""
    with torch.random.fork_rng(devices=[]):
        net = nn.Sequential(nn.Flatten(), nn.Linear(16, CLASSES))
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.zero_()
    return net


def make_set(key: str, count: int) -> Labeled:
    """Images (count, 1, 4, 4) in which a class is a row that is brighter, under noise."""
    draws = generator_for("data", key)
    labels = torch.randint(0, CLASSES, (count,), generator=draws)
    images = torch.rand((count, 1, 4, 4), generator=draws) * 0.6
    images[torch.arange(count), 0, labels] += 0.4
    return Labeled(images, labels)


def training_units(recipe: Recipe = RECIPE, count: int = RETAIN + FORGET) -> float:
    return 3.0 * recipe.epochs * count


def make_input(
    unlearner: Unlearner,
    *,
    share: float = 20.0,
    recipe: Recipe = RECIPE,
    key: str = "a",
    net: Callable[[str], nn.Module] = small_net,
    retain: Labeled | None = None,
    forget: Labeled | None = None,
    **settings: Setting,
) -> UnlearnInput:
    """An input of which every draw depends on a key and a purpose; share: of the compute of training."""
    model = net("original").eval()
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            # Statistics that no batch has by chance, so that replacing them shows.
            module.running_mean = torch.full_like(module.running_mean, 0.125)  # type: ignore[arg-type]
    retain, forget = retain or make_set("retain", RETAIN), forget or make_set("forget", FORGET)
    return UnlearnInput(
        model=model,
        forget=forget,
        retain=retain,
        classes=CLASSES,
        recipe=recipe,
        settings=unlearner.complete(settings),
        make_model=lambda purpose: net(f"{key}/{purpose}").train(),
        generator=lambda purpose: generator_for(f"unlearn/{key}", purpose),
        meter=Meter(share * training_units(recipe, len(retain.labels) + len(forget.labels))),
    )


def run(unlearner: Unlearner, **changes: Any) -> dict[str, Tensor]:
    """Return the state of the network that an unlearner makes of the input with some changes."""
    return state(unlearner.run(make_input(unlearner, **changes)))


def state(model: nn.Module) -> dict[str, Tensor]:
    return {name: values.detach().clone() for name, values in model.state_dict().items()}


def same(left: dict[str, Tensor], right: dict[str, Tensor]) -> bool:
    """Whether two states are equal bit for bit."""
    return left.keys() == right.keys() and all(torch.equal(left[name], right[name]) for name in left)


def original(net: Callable[[str], nn.Module] = small_net) -> nn.Module:
    """The model that `make_input` hands out."""
    from bench.unlearners.references import ORIGINAL

    return copy.deepcopy(make_input(ORIGINAL, net=net).model)
