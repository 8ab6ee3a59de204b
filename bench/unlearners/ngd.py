"""NGD: gradient descent on the retained data with Gaussian noise in every step.

Imports torch. Source: arXiv:2406.17216, section 5; theta <- theta - eta (grad L_R(theta) + xi), xi ~ N(0, s2 I).
"""

from collections.abc import Sequence

import torch
from torch import nn

from bench.unlearners.descent import descend_on_retained, finished
from bench.unlearners.unlearner import Unlearner, UnlearnInput


def tune_with_noise(given: UnlearnInput) -> nn.Module:
    """Return the model after noisy training on the retained data.

    Each step moves the weights as GD does, momentum and weight decay included; then every trained parameter gets
    normal noise of standard deviation eta * sqrt(noise_variance). Added to the gradient instead, it would pass
    through the velocity and come out up to 1 / (1 - momentum) times as large; the publication does not say which.
    Running batch statistics get no noise.
    """
    draws = on_device(given.generator("noise"), next(given.model.parameters()).device)
    spread = given.number("noise_variance") ** 0.5

    def shake(parameters: Sequence[nn.Parameter], rate: float) -> None:
        add_noise(parameters, rate * spread, draws)

    given.model.train()
    descend_on_retained(given, given.model, after_step=shake)
    return finished(given.model)


@torch.no_grad()
def add_noise(parameters: Sequence[nn.Parameter], std: float, generator: torch.Generator) -> None:
    """Add independent normal noise of a standard deviation to parameters in place; all on the generator's device."""
    for parameter in parameters:
        parameter.add_(torch.randn(parameter.shape, generator=generator, device=generator.device), alpha=std)


def on_device(generator: torch.Generator, device: torch.device) -> torch.Generator:
    """Return a CPU generator as it is where the device is the CPU, and one on the device that it seeds elsewhere.

    A value for every weight at every step would take longer to draw on the CPU than the step takes on the device.
    """
    if device.type == "cpu":
        return generator
    seed = int(torch.randint(2**63 - 1, (), generator=generator))
    return torch.Generator(device).manual_seed(seed)


NGD = Unlearner(
    name="NGD (noisy gradient descent)",
    family="retain-tuning",
    summary="Further training on the retained data with Gaussian noise added to the weights after every step.",
    paper="https://arxiv.org/abs/2406.17216",
    run=tune_with_noise,
    # The published values are lost; these are of a reimplementation.
    defaults={
        "epochs": 0,
        "learning_rate": 1e-3,
        "momentum": 0.9,
        "weight_decay": 5e-4,
        "schedule": "constant",
        "noise_variance": 1e-7,
    },
)
