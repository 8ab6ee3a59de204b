"""steps: batches, optimizers and single steps that unlearners share.

May import torch, bench.errors, bench.training and bench.unlearners.unlearner.
"""

from collections.abc import Iterable, Iterator

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from bench.errors import UsageProblem
from bench.protocol import Augmentation
from bench.training import Labeled, augment_batch
from bench.unlearners.unlearner import Meter

NO_AUGMENTATION = Augmentation()


def batches(
    data: Labeled, size: int, generator: torch.Generator, augmentation: Augmentation = NO_AUGMENTATION
) -> Iterator[Labeled]:
    """Yield a set once in random batches, augmented as in training; the last one may be smaller.

    A last batch of one image is dropped: batch normalization in train mode cannot take it.
    """
    order = torch.randperm(len(data.labels), generator=generator).to(data.labels.device)
    for chosen in order.split(size):
        if len(chosen) > 1:
            yield Labeled(augment_batch(data.images[chosen], augmentation, generator), data.labels[chosen])


def endless_batches(
    data: Labeled, size: int, generator: torch.Generator, augmentation: Augmentation = NO_AUGMENTATION
) -> Iterator[Labeled]:
    """Yield random batches for ever, one pass over the set after the other.

    Raises UsageProblem where there is no batch to yield: for a set, or a size, of fewer than two images.
    """
    if min(size, len(data.labels)) < 2:
        raise UsageProblem(f"{len(data.labels)} images in batches of {size}: a batch needs at least two images")
    while True:
        yield from batches(data, min(size, len(data.labels)), generator, augmentation)


def sgd(
    parameters: Iterable[nn.Parameter], learning_rate: float, momentum: float = 0.0, weight_decay: float = 0.0
) -> torch.optim.SGD:
    """Return plain SGD, without Nesterov's correction."""
    return torch.optim.SGD(parameters, lr=learning_rate, momentum=momentum, weight_decay=weight_decay)


def take_step(
    optimizer: torch.optim.Optimizer,
    loss: Tensor,
    examples: int,
    meter: Meter,
    *,
    forward: float = 1.0,
    backward: float = 1.0,
) -> None:
    """Descend on a loss once and count what it cost; see Meter.count."""
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    optimizer.step()
    meter.count(examples, forward=forward, backward=backward)


def mean_loss(model: nn.Module, batch: Labeled) -> Tensor:
    """Return the mean cross-entropy (nats) of a batch."""
    return F.cross_entropy(model(batch.images), batch.labels)


def distillation(student: Tensor, teacher: Tensor, temperature: float) -> Tensor:
    """Return T^2 KL(teacher || student) of logits (B, classes), softened by a temperature, averaged over the batch."""
    target = F.log_softmax(teacher / temperature, dim=1)
    found = F.log_softmax(student / temperature, dim=1)
    return F.kl_div(found, target, reduction="batchmean", log_target=True) * temperature**2
