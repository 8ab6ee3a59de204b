"""GD: gradient descent on the retained data alone, at a small constant rate.

Imports torch. Source: arXiv:2406.17216, section 5; theta <- theta - eta grad L_R(theta).
"""

from torch import nn

from bench.unlearners.descent import descend_on_retained, finished
from bench.unlearners.unlearner import Unlearner, UnlearnInput


def tune_on_retained(given: UnlearnInput) -> nn.Module:
    """Return the model after further training on the retained data, in train mode, augmented as the original's."""
    given.model.train()
    descend_on_retained(given, given.model)
    return finished(given.model)


GD = Unlearner(
    name="GD (gradient descent)",
    family="retain-tuning",
    summary="Further training on the retained data at a small rate; nothing is done about the forget set.",
    paper="https://arxiv.org/abs/2406.17216",
    run=tune_on_retained,
    # The published values are lost; these are of a reimplementation.
    defaults={"epochs": 0, "learning_rate": 1e-3, "momentum": 0.9, "weight_decay": 5e-4, "schedule": "constant"},
)
