"""Bad Teacher: distillation from a random network on the forget set and from the original on a part of the rest.

Imports torch. Source: arXiv:2205.08096.
"""

import copy

import torch
from torch import nn

from bench.training import Labeled
from bench.unlearners.descent import finished, planned_epochs
from bench.unlearners.steps import batches, distillation, take_step
from bench.unlearners.unlearner import Unlearner, UnlearnInput

FORWARDS = 3.0
"""Forward passes an example: the student and both teachers."""


def mixed_set(given: UnlearnInput) -> Labeled:
    """Return the forget set and a random share of the retain set; the labels say 1 for what has to be forgotten."""
    count = round(given.number("retain_share") * len(given.retain.labels))
    order = torch.randperm(len(given.retain.labels), generator=given.generator("retain share"))
    kept = given.retain.images[order[:count].to(given.retain.images.device)]
    marks = torch.zeros(len(given.forget.labels) + count, dtype=torch.int64, device=given.forget.labels.device)
    marks[: len(given.forget.labels)] = 1
    return Labeled(torch.cat([given.forget.images, kept]), marks)


def unlearn_bad_teacher(given: UnlearnInput) -> nn.Module:
    """Minimize KL(teacher || student), averaged over examples; the random network teaches what has to be forgotten.

    Source: arXiv:2205.08096. Its public code also divides by the number of classes; this does not.
    """
    student = given.model
    competent = copy.deepcopy(student).eval().requires_grad_(False)
    random = given.make_model("random teacher").eval().requires_grad_(False)
    data = mixed_set(given)
    temperature, draws = given.number("temperature"), given.generator("batches")
    optimizer = torch.optim.Adam(student.parameters(), lr=given.number("learning_rate"))
    student.train()
    for _ in range(planned_epochs(given, len(data.labels), forward=FORWARDS)):
        for batch in batches(data, given.recipe.batch_size, draws, given.recipe.augmentation):
            with torch.no_grad():
                forget = (batch.labels == 1)[:, None]  # (B, 1)
                target = torch.where(forget, random(batch.images), competent(batch.images))  # (B, classes)
            loss = distillation(student(batch.images), target, temperature)
            take_step(optimizer, loss, len(batch.labels), given.meter, forward=FORWARDS)
    return finished(student)


BAD_TEACHER = Unlearner(
    name="Bad Teacher",
    family="distillation",
    summary="The network learns to answer like a random network on the forget set and like itself on part of the rest.",
    paper="https://arxiv.org/abs/2205.08096",
    run=unlearn_bad_teacher,
    defaults={"epochs": 0, "learning_rate": 1e-4, "temperature": 1.0, "retain_share": 0.3},
)
