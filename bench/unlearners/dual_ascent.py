"""Dual-phase ascent: in each epoch a pass of ascent on the forget set, then a pass of descent on the retain set.

Imports torch. Source: the report of Li on the machine unlearning challenge.
"""

from collections.abc import Callable

from torch import Tensor, nn

from bench.training import Labeled
from bench.unlearners.descent import finished, planned_epochs
from bench.unlearners.steps import batches, mean_loss, sgd, take_step
from bench.unlearners.unlearner import Unlearner, UnlearnInput
from bench.unlearning_protocol import Setting

DUAL_DEFAULTS: dict[str, Setting] = {
    "epochs": 0,
    "learning_rate": 0.01,
    "decay": 0.1,
    "decay_after": 0.45,
    "momentum": 0.0,
    "weight_decay": 0.0,
}
"""Of both methods with two phases: the rate is multiplied by `decay` after the share `decay_after` of the epochs.

The report lowers it after 20 of 45 epochs. It states neither momentum nor weight decay; both are left out here.
"""

ForgetLoss = Callable[[nn.Module, Labeled], Tensor]
"""(model, batch of the forget set) -> what the first phase descends on, nats."""


def phase_rate(given: UnlearnInput, epoch: int, epochs: int) -> float:
    """Return alpha, the learning rate of the second phase in an epoch, counted from 0."""
    late = epoch >= round(given.number("decay_after") * epochs)
    return given.number("learning_rate") * (given.number("decay") if late else 1.0)


def run_two_phases(given: UnlearnInput, forget_loss: ForgetLoss) -> nn.Module:
    """Descend on `forget_loss` over the forget set at rate alpha beta, then on cross-entropy over the retain set at
    alpha, epoch after epoch.
    """
    model, size = given.model, given.recipe.batch_size
    epochs = planned_epochs(given, len(given.forget.labels) + len(given.retain.labels))
    # An optimizer each: with momentum, one phase must not go on in the direction of the other.
    first, second = (sgd(model.parameters(), 0.0, given.number("momentum"), given.number("weight_decay")) for _ in "12")
    draws = given.generator("batches")
    model.train()
    for epoch in range(epochs):
        rate = phase_rate(given, epoch, epochs)
        first.param_groups[0]["lr"] = given.number("beta") * rate
        second.param_groups[0]["lr"] = rate
        for batch in batches(given.forget, size, draws, given.recipe.augmentation):
            take_step(first, forget_loss(model, batch), len(batch.labels), given.meter)
        for batch in batches(given.retain, size, draws, given.recipe.augmentation):
            take_step(second, mean_loss(model, batch), len(batch.labels), given.meter)
    return finished(model)


def unlearn_dual_ascent(given: UnlearnInput) -> nn.Module:
    """Take steps theta + alpha beta grad L on the forget set, then theta - alpha grad L on the retain set."""
    return run_two_phases(given, lambda model, batch: -mean_loss(model, batch))


DUAL_ASCENT = Unlearner(
    name="Dual-phase gradient ascent",
    family="ascent",
    summary="Each epoch climbs the loss of the forget set in short steps and then repairs the rest by training on it.",
    paper=None,
    run=unlearn_dual_ascent,
    defaults={**DUAL_DEFAULTS, "beta": 0.3},
)
