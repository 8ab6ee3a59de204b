"""SCRUB: a student leaves its teacher, the original network, on the forget set and follows it on retained data.

Imports torch. Source: arXiv:2302.09880; arXiv:2406.17216, section 5.
"""

import torch
from torch import nn
from torch.nn import functional as F

from bench.unlearners.descent import finished, optimizer_for
from bench.unlearners.layers import statistics_kept
from bench.unlearners.steps import batches, distillation, take_step
from bench.unlearners.unlearner import Unlearner, UnlearnInput

FORWARD = 2.0
"""Forward passes of an example: one of the student, one of the teacher."""


def scrub(given: UnlearnInput) -> nn.Module:
    """Return the student, which starts as the original.

    Each of the first `msteps` epochs begins with a pass over the forget set; every epoch has one over the retained
    data and ends with it. One optimizer takes both, as in the released code.
    """
    # A new network takes the weights: one with random streams of its own, such as of dropout, cannot be deep-copied.
    teacher = given.make_model("teacher").eval().requires_grad_(False)
    teacher.load_state_dict(given.model.state_dict())
    student = given.model.train()
    optimizer = optimizer_for(given, list(student.parameters()))
    leaving, following = given.generator("forget"), given.generator("retain")
    for number in range(_planned(given)):
        if number < int(given.number("msteps")):
            leave_teacher(given, student, teacher, optimizer, leaving)
        follow_teacher(given, student, teacher, optimizer, following)
    return finished(student)


def leave_teacher(
    given: UnlearnInput,
    student: nn.Module,
    teacher: nn.Module,
    optimizer: torch.optim.Optimizer,
    draws: torch.Generator,
) -> None:
    """Ascend on beta T^2 KL(teacher || student) in one pass over the forget set.

    The gradient is zero while both give the same logits: what tells them apart at first is that the student's batches
    are normalized by their own statistics. Its running statistics are kept.
    """
    size = int(given.number("forget_batch_size"))
    with statistics_kept(student):
        for batch in batches(given.forget, size, draws, given.recipe.augmentation):
            away = distillation(student(batch.images), teacher(batch.images), given.number("temperature"))
            loss = -given.number("beta") * away
            take_step(optimizer, loss, len(batch.labels), given.meter, forward=FORWARD)


def follow_teacher(
    given: UnlearnInput,
    student: nn.Module,
    teacher: nn.Module,
    optimizer: torch.optim.Optimizer,
    draws: torch.Generator,
) -> None:
    """Descend on alpha T^2 KL(teacher || student) + gamma CE in one pass over the retained data."""
    for batch in batches(given.retain, given.recipe.batch_size, draws, given.recipe.augmentation):
        logits = student(batch.images)
        near = distillation(logits, teacher(batch.images), given.number("temperature"))
        loss = given.number("alpha") * near + given.number("gamma") * F.cross_entropy(logits, batch.labels)
        take_step(optimizer, loss, len(batch.labels), given.meter, forward=FORWARD)


def _planned(given: UnlearnInput) -> int:
    """Return the setting `epochs`, 0 meaning any number, as far as the budget pays for them, both passes counted."""
    wanted = int(given.number("epochs"))
    return min(wanted, _affordable(given)) if wanted else _affordable(given)


def _affordable(given: UnlearnInput) -> int:
    retain, forget = len(given.retain.labels), len(given.forget.labels)
    twofold, passes = given.meter.affordable(retain + forget, forward=FORWARD), int(given.number("msteps"))
    if twofold <= passes:
        return twofold
    # `passes` epochs have both passes; what is left pays for epochs over retained data alone.
    both = passes * (retain + forget)
    total = given.meter.affordable(1, forward=FORWARD)
    return passes + (total - both) // retain


SCRUB = Unlearner(
    name="SCRUB",
    family="distillation",
    summary="A student moves away from the original network on the forget set, then follows it on the retained data.",
    paper="https://arxiv.org/abs/2302.09880",
    run=scrub,
    # alpha, beta, gamma and msteps are of a reimplementation of arXiv:2406.17216; rate, temperature and forget batch
    # are those of SCRUB's large scale, momentum and weight decay those of its attack notebook.
    defaults={
        "epochs": 0,
        "msteps": 1,
        "alpha": 0.1,
        "beta": 0.01,
        "gamma": 0.9,
        "temperature": 4.0,
        "learning_rate": 5e-4,
        "momentum": 0.9,
        "weight_decay": 5e-4,
        "forget_batch_size": 32,
    },
)
