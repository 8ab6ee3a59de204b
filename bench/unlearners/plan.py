"""plan: how many epochs an unlearner takes, and how it hands its network over.

May import torch, bench.errors and bench.unlearners.unlearner.
"""

import torch
from torch import nn

from bench.errors import TrainingDiverged
from bench.unlearners.unlearner import UnlearnInput


def planned_epochs(given: UnlearnInput, examples: int, *, forward: float = 1.0, backward: float = 1.0) -> int:
    """Return the epochs that the setting `epochs` asks for, 0 meaning any number, as far as the budget pays for them.

    examples, forward, backward: what one epoch costs, see Meter.affordable.
    """
    affordable = given.meter.affordable(examples, forward=forward, backward=backward)
    wanted = int(given.number("epochs"))
    return min(wanted, affordable) if wanted else affordable


def handed_over(model: nn.Module) -> nn.Module:
    """Return a network in eval mode without gradients. Raises TrainingDiverged where a weight is not finite."""
    for name, values in model.state_dict().items():
        if not bool(torch.isfinite(values).all()):
            raise TrainingDiverged(f"{name} is not finite after unlearning; lower the learning rate")
    model.zero_grad(set_to_none=True)
    return model.eval()
