"""GA: gradient ascent on the forget set, until a rule says stop.

Imports torch. Source: arXiv:2406.17216, section 5; theta <- theta + eta grad L_S(theta).
"""

from dataclasses import dataclass

import torch
from torch import nn

from bench.training import Labeled, accuracy
from bench.unlearners.descent import finished, optimizer_for, planned_epochs
from bench.unlearners.layers import statistics_kept
from bench.unlearners.steps import batches, mean_loss, take_step
from bench.unlearners.unlearner import Unlearner, UnlearnInput

WATCHED = 1000
"""Largest number of retained examples that the stopping rule looks at."""


@dataclass(frozen=True)
class _Seen:
    """Accuracies (0 to 1) that the stopping rule compares."""

    forget: float
    retain: float


def ascend_on_forgotten(given: UnlearnInput) -> nn.Module:
    """Return the model after ascent on the forget set.

    Stops before a pass when forget accuracy is at most `stop_forget_accuracy`, or when accuracy on up to 1,000 drawn
    retained examples is more than `stop_retain_drop` below what it was at first. Looking costs forward passes.
    Batches are normalized by their own statistics, as in training, but the running ones are kept: those of the
    forget set alone would ruin the network even at rate 0.
    """
    watched = _watched(given)
    optimizer = optimizer_for(given, list(given.model.parameters()))
    draws = given.generator("forget")
    forget, look = len(given.forget.labels), len(given.forget.labels) + len(watched.labels)
    if not planned_epochs(given, 1, forward=forget + 2 * look, backward=forget):
        return finished(given.model)
    first = last = _look(given, watched)
    for _ in range(planned_epochs(given, 1, forward=forget + look, backward=forget)):
        if _should_stop(given, first, last):
            break
        given.model.train()
        with statistics_kept(given.model):
            for batch in batches(given.forget, given.recipe.batch_size, draws, given.recipe.augmentation):
                take_step(optimizer, -mean_loss(given.model, batch), len(batch.labels), given.meter)
        last = _look(given, watched)
    return finished(given.model)


def _watched(given: UnlearnInput) -> Labeled:
    order = torch.randperm(len(given.retain.labels), generator=given.generator("watched"))
    chosen = order[:WATCHED].to(given.retain.labels.device)
    return Labeled(given.retain.images[chosen], given.retain.labels[chosen])


def _look(given: UnlearnInput, watched: Labeled) -> _Seen:
    given.meter.count(len(given.forget.labels) + len(watched.labels), backward=0.0)
    return _Seen(accuracy(given.model, given.forget), accuracy(given.model, watched))


def _should_stop(given: UnlearnInput, first: _Seen, last: _Seen) -> bool:
    forgotten = last.forget <= given.number("stop_forget_accuracy")
    return forgotten or first.retain - last.retain > given.number("stop_retain_drop")


GA = Unlearner(
    name="GA (gradient ascent)",
    family="ascent",
    summary="Ascent on the loss of the forget set, until its accuracy has fallen or retained accuracy suffers.",
    paper="https://arxiv.org/abs/2406.17216",
    run=ascend_on_forgotten,
    # Rate and momentum are of a reimplementation. The stopping rule is chosen: 0.9 is about what networks reach on
    # images of CIFAR-10 that they were not trained on, which the unlearner may not measure on a retrained network.
    defaults={
        "epochs": 0,
        "learning_rate": 1e-5,
        "momentum": 0.9,
        "weight_decay": 0.0,
        "stop_forget_accuracy": 0.9,
        "stop_retain_drop": 0.02,
    },
)
