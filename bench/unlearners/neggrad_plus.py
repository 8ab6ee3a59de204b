"""NegGrad+: descent on retained data and ascent on the forget set in the same steps.

Imports torch. Source: arXiv:2302.09880; arXiv:2406.17216, section 5, where it is called NGP.
"""

from torch import nn

from bench.unlearners.descent import finished, optimizer_for, planned_epochs, rate_schedule
from bench.unlearners.layers import statistics_kept
from bench.unlearners.steps import batches, endless_batches, mean_loss, take_step
from bench.unlearners.unlearner import Unlearner, UnlearnInput


def descend_and_ascend(given: UnlearnInput) -> nn.Module:
    """Return the model after minimizing beta L_R - (1 - beta) L_S.

    Each step takes one batch of retained data and one of the forget set, which is gone through again and again; an
    epoch is a pass over the retained data. The batches go through the network one after the other, each normalized
    by its own statistics; only those of retained data enter the running ones.
    """
    size = given.recipe.batch_size
    beta, forget_size = given.number("beta"), min(size, len(given.forget.labels))
    model = given.model.train()
    optimizer = optimizer_for(given, list(model.parameters()))
    retain = len(given.retain.labels)
    epochs = planned_epochs(given, retain + -(-retain // size) * forget_size)
    schedule = rate_schedule(given, optimizer, epochs)
    draws, augmentation = given.generator("retain"), given.recipe.augmentation
    forgotten = endless_batches(given.forget, forget_size, given.generator("forget"), augmentation)
    for _ in range(epochs):
        for kept in batches(given.retain, size, draws, augmentation):
            away = next(forgotten)
            loss = beta * mean_loss(model, kept)
            with statistics_kept(model):
                loss = loss - (1 - beta) * mean_loss(model, away)
            take_step(optimizer, loss, len(kept.labels) + len(away.labels), given.meter)
        schedule.step()
    return finished(model)


NEGGRAD_PLUS = Unlearner(
    name="NegGrad+",
    family="ascent",
    summary="Every step descends on a batch of retained data and ascends, with a small weight, on one to be forgotten.",
    paper="https://arxiv.org/abs/2302.09880",
    run=descend_and_ascend,
    # beta is of a reimplementation; published values go from 0.95 to 0.999. Rate and no weight decay are SCRUB's.
    defaults={
        "epochs": 0,
        "beta": 0.999,
        "learning_rate": 0.01,
        "momentum": 0.9,
        "weight_decay": 0.0,
        "schedule": "constant",
    },
)
