"""L1-sparse: fine-tuning on the retain set with an L1 penalty that fades out.

Imports torch. Source: arXiv:2304.04934.
"""

from torch import Tensor, nn
from torch.optim.lr_scheduler import CosineAnnealingLR

from bench.unlearners.descent import finished, planned_epochs
from bench.unlearners.steps import batches, mean_loss, sgd, take_step
from bench.unlearners.unlearner import Unlearner, UnlearnInput


def penalty_weight(first: float, epoch: int, epochs: int) -> float:
    """Return gamma_t = gamma (1 - t / T): `first` in epoch 0, falling in equal steps that would reach 0 after the last.

    Source: arXiv:2304.04934, the decreasing schedule.
    """
    return first * (1 - epoch / epochs)


def l1_norm(model: nn.Module) -> Tensor:
    """Return the sum of |theta| over all parameters, those of batch normalization among them, as a differentiable 0-d
    tensor.
    """
    parts = [parameter.abs().sum() for parameter in model.parameters()]
    total: Tensor = sum(parts[1:], start=parts[0])
    return total


def unlearn_l1_sparse(given: UnlearnInput) -> nn.Module:
    """Minimize the mean cross-entropy on the retain set plus gamma_t ||theta||_1, by SGD with a cosine rate."""
    model = given.model
    epochs = planned_epochs(given, len(given.retain.labels))
    optimizer = sgd(
        model.parameters(), given.number("learning_rate"), given.number("momentum"), given.number("weight_decay")
    )
    schedule = CosineAnnealingLR(optimizer, max(1, epochs))
    draws = given.generator("retain")
    model.train()
    for epoch in range(epochs):
        weight = penalty_weight(given.number("gamma"), epoch, epochs)
        for batch in batches(given.retain, given.recipe.batch_size, draws, given.recipe.augmentation):
            loss = mean_loss(model, batch) + weight * l1_norm(model)
            take_step(optimizer, loss, len(batch.labels), given.meter)
        schedule.step()
    return finished(model)


L1_SPARSE = Unlearner(
    name="L1-sparse fine-tuning",
    family="retain-tuning",
    summary="Training goes on with the retain set alone and an L1 penalty on all weights, which fades out.",
    paper="https://arxiv.org/abs/2304.04934",
    run=unlearn_l1_sparse,
    # gamma as in the public code, as far as it is known; the others are those of fine-tuning in the same line of work.
    defaults={"epochs": 0, "learning_rate": 0.01, "momentum": 0.9, "weight_decay": 5e-4, "gamma": 5e-4},
)
