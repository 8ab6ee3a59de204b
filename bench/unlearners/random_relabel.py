"""Random relabeling: descent on the forget set under random labels and on the retain set under its own.

Imports torch. Source: arXiv:1911.04933, the baseline of random labels; labels are drawn anew each epoch as in the
public code of arXiv:2310.12508.
"""

from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn

from bench.errors import UsageProblem
from bench.training import Labeled
from bench.unlearners.descent import finished, planned_epochs
from bench.unlearners.steps import batches, mean_loss, sgd, take_step
from bench.unlearners.unlearner import Unlearner, UnlearnInput
from bench.unlearning_protocol import Setting

ORDERS = ("forget-first", "mixed")

RELABEL_DEFAULTS: dict[str, Setting] = {
    "epochs": 0,
    "learning_rate": 0.013,
    "momentum": 0.9,
    "weight_decay": 5e-4,
    "order": "forget-first",
    "true_label": True,
}
"""Of random relabeling and of what is built on it.

order: `forget-first` passes over the forget set and then over the retain set, `mixed` over both shuffled together.
true_label: whether a drawn label may be the true one.
"""


def random_labels(labels: Tensor, classes: int, generator: torch.Generator, *, true_label: bool) -> Tensor:
    """Draw a label for each of labels (N,), uniformly over all classes, or over all but the true one.

    true_label: whether the true label may be drawn; it then comes up with probability 1 / classes.
    """
    if true_label:
        return torch.randint(classes, labels.shape, generator=generator).to(labels.device)
    shift = 1 + torch.randint(classes - 1, labels.shape, generator=generator)
    return (labels + shift.to(labels.device)) % classes


def unlearn_random_relabel(given: UnlearnInput) -> nn.Module:
    """Minimize the mean cross-entropy on the forget set under random labels and on the retain set, by SGD."""
    return descend_relabeled(given, lambda: None)


def descend_relabeled(given: UnlearnInput, after_step: Callable[[], None]) -> nn.Module:
    """Train on relabeled epochs with what is left of the budget; `after_step` is called after each step.

    Raises UsageProblem for a setting `order` that is not one of ORDERS.
    """
    model = given.model
    epochs = planned_epochs(given, len(given.forget.labels) + len(given.retain.labels))
    optimizer = sgd(
        model.parameters(), given.number("learning_rate"), given.number("momentum"), given.number("weight_decay")
    )
    labels, draws = given.generator("labels"), given.generator("batches")
    model.train()
    for _ in range(epochs):
        for batch in _relabeled_epoch(given, labels, draws):
            take_step(optimizer, mean_loss(model, batch), len(batch.labels), given.meter)
            after_step()
    return finished(model)


def _relabeled_epoch(given: UnlearnInput, labels: torch.Generator, draws: torch.Generator) -> Iterator[Labeled]:
    order = given.settings["order"]
    if order not in ORDERS:
        raise UsageProblem(f"order is {order!r}; expected one of {', '.join(ORDERS)}")
    drawn = random_labels(given.forget.labels, given.classes, labels, true_label=bool(given.settings["true_label"]))
    parts = [Labeled(given.forget.images, drawn), given.retain]
    if order == "mixed":
        parts = [Labeled(torch.cat([p.images for p in parts]), torch.cat([p.labels for p in parts]))]
    for part in parts:
        yield from batches(part, given.recipe.batch_size, draws, given.recipe.augmentation)


RANDOM_RELABEL = Unlearner(
    name="Random relabeling",
    family="relabeling",
    summary="The forget set gets random labels, drawn anew each epoch, and training goes on with both sets.",
    paper="https://arxiv.org/abs/1911.04933",
    run=unlearn_random_relabel,
    # The learning rate is SalUn's: the baseline's own is not known.
    defaults=RELABEL_DEFAULTS,
)
