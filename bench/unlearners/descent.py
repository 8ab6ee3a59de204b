"""descent: the passes over retained data that several unlearners consist of, planned within the budget.

May import torch, bench.errors and what an unlearner is made of.
"""

from collections.abc import Callable, Sequence

import torch
from torch import nn
from torch.optim.lr_scheduler import CosineAnnealingLR, LambdaLR, LRScheduler

from bench.errors import TrainingDiverged, UsageProblem
from bench.unlearners.steps import batches, mean_loss, sgd, take_step
from bench.unlearners.unlearner import UnlearnInput

AfterStep = Callable[[Sequence[nn.Parameter], float], None]
"""Called after each step with the parameters that it moved and its learning rate."""

SCHEDULES = ("constant", "cosine")


def planned_epochs(given: UnlearnInput, examples: int, *, forward: float = 1.0, backward: float = 1.0) -> int:
    """Return the epochs that the setting `epochs` asks for, 0 meaning any number, as far as the budget pays for them.

    examples, forward, backward: what one epoch costs, see Meter.affordable.
    """
    affordable = given.meter.affordable(examples, forward=forward, backward=backward)
    wanted = int(given.number("epochs"))
    return min(wanted, affordable) if wanted else affordable


def optimizer_for(given: UnlearnInput, parameters: Sequence[nn.Parameter]) -> torch.optim.SGD:
    """Return SGD with the settings `learning_rate`, `momentum` and `weight_decay`."""
    return sgd(parameters, given.number("learning_rate"), given.number("momentum"), given.number("weight_decay"))


def rate_schedule(given: UnlearnInput, optimizer: torch.optim.Optimizer, epochs: int) -> LRScheduler:
    """Return the schedule of the setting `schedule`, stepped after each pass: constant, or cosine down to 0.

    Raises UsageProblem for another name.
    """
    name = given.settings["schedule"]
    if name not in SCHEDULES:
        raise UsageProblem(f"schedule is {name!r}; expected one of {', '.join(SCHEDULES)}")
    if name == "cosine":
        return CosineAnnealingLR(optimizer, max(1, epochs))
    return LambdaLR(optimizer, lambda _: 1.0)


def descend_on_retained(
    given: UnlearnInput, model: nn.Module, *, backward: float = 1.0, after_step: AfterStep | None = None
) -> None:
    """Descend on the cross-entropy of the retained data for the planned passes, in the modes that modules are in.

    Moves the parameters that need a gradient. backward: their share of the weights, see Meter.
    """
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = optimizer_for(given, parameters)
    epochs = planned_epochs(given, len(given.retain.labels), backward=backward)
    schedule = rate_schedule(given, optimizer, epochs)
    draws = given.generator("retain")
    for _ in range(epochs):
        for batch in batches(given.retain, given.recipe.batch_size, draws, given.recipe.augmentation):
            take_step(optimizer, mean_loss(model, batch), len(batch.labels), given.meter, backward=backward)
            if after_step is not None:
                after_step(parameters, float(optimizer.param_groups[0]["lr"]))
        schedule.step()


def finished(model: nn.Module) -> nn.Module:
    """Return a network as an unlearner hands it over: eval mode, every parameter trainable, no gradients kept.

    Raises TrainingDiverged where a weight or a statistic is not finite.
    """
    for name, values in model.state_dict().items():
        if not bool(torch.isfinite(values).all()):
            raise TrainingDiverged(f"{name} is not finite after unlearning; lower the learning rate")
    model.requires_grad_(True).zero_grad(set_to_none=True)
    return model.eval()
