"""Difficulty of examples for unlearning: entanglement of features, memorization, and proxies for memorization.

May import torch, bench.errors and bench.training; knows nothing of files, protocols or submissions.
Source: arXiv:2406.01257 (entanglement); arXiv:2008.03703 (memorization); the proxies are those of a later paper on the
scalability of memorization-based unlearning.
"""

import copy
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from bench.errors import UndefinedMetric
from bench.training import Labeled

CURVATURE_STEP = 0.01


def embeddings(model: nn.Module, images: Tensor, *, batch_size: int = 1000) -> Tensor:
    """Return what the last linear layer of a forward pass gets for images (N, C, H, W), as float64 (N, features).

    For the networks of the benchmark that is the penultimate layer after pooling. Eval mode; the mode is restored.
    Raises UndefinedMetric where the model has no linear layer.
    """
    seen: list[Tensor] = []

    def keep(_module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        seen[:] = [inputs[0]]

    hooks = [module.register_forward_pre_hook(keep) for module in model.modules() if isinstance(module, nn.Linear)]
    if not hooks:
        raise UndefinedMetric("embeddings: the model has no linear layer, so no features in front of one")
    found = []
    try:
        for part in images.split(batch_size):
            logits_of(model, part)
            found.append(seen[0].double())
    finally:
        for hook in hooks:
            hook.remove()
    return torch.cat(found)


def logits_of(model: nn.Module, images: Tensor, *, batch_size: int = 1000) -> Tensor:
    """Return the logits (N, classes) of images in eval mode, without gradients; the mode is restored."""
    training = model.training
    model.eval()
    with torch.no_grad():
        logits = torch.cat([model(part) for part in images.split(batch_size)])
    model.train(training)
    return logits


def entanglement_score(retain_features: Tensor, forget_features: Tensor, *, weighted: bool = False) -> float:
    """Return ES, the spread within both sets over the distance between their centers; > 0, higher is harder.

    retain_features, forget_features: (N, features), one layer of one model.
    weighted: take the mean of all examples as the overall center, instead of the midpoint of the two centers that the
    public code takes. Unchanged by rotating and scaling the features.
    Source: arXiv:2406.01257, with exact means. A random forget set scores about 8 / (1/|S| + 1/|R|).
    Raises UndefinedMetric for an empty set and where the centers are the same point.
    """
    retain, forget = retain_features.double(), forget_features.double()
    if not len(retain) or not len(forget):
        raise UndefinedMetric(f"entanglement of {len(forget)} with {len(retain)} examples: both sets need one")
    centers = retain.mean(0), forget.mean(0)
    overall = torch.cat([retain, forget]).mean(0) if weighted else (centers[0] + centers[1]) / 2
    within = _spread(retain, centers[0]) + _spread(forget, centers[1])
    between = sum(float((center - overall).square().sum()) for center in centers) / 2
    if between == 0:
        raise UndefinedMetric("entanglement: both sets have the same center, so the ratio has no denominator")
    return within / between


def _spread(features: Tensor, center: Tensor) -> float:
    return float((features - center).square().sum(1).mean())


def entanglement_order(retain_features: Tensor, forget_features: Tensor) -> Tensor:
    """Return the indices of the forget set (N,), int64, by L2 distance to the mean of all examples, nearest first.

    Groups of this order differ in entanglement, but not always in one direction: measure it with entanglement_score.
    """
    forget = forget_features.double()
    center = torch.cat([retain_features.double(), forget]).mean(0)
    distances: Tensor = torch.linalg.vector_norm(forget - center, dim=1)
    return distances.argsort(stable=True)


def confidence(logits: Tensor, labels: Tensor) -> Tensor:
    """Return the softmax probability of the true label, float64 (N,); low means memorized."""
    return F.cross_entropy(logits.double(), labels, reduction="none").neg().exp()


def log_odds(logits: Tensor, labels: Tensor) -> Tensor:
    """Return log(p / (1 - p)) of the true label's probability p, float64 (N,); low means memorized.

    The order is that of `confidence`, without rounding to 1 where a network is very sure.
    """
    exact, column = logits.double(), labels[:, None]
    others = exact.scatter(1, column, -torch.inf).logsumexp(1)
    return exact.gather(1, column).squeeze(1) - others


def max_probability(logits: Tensor) -> Tensor:
    """Return the largest softmax probability, float64 (N,), 1 / classes to 1; low means memorized."""
    return logits.double().softmax(1).amax(1)


def negative_entropy(logits: Tensor) -> Tensor:
    """Return the sum of p log p, float64 (N,), nats, -log(classes) to 0; low means memorized."""
    log_probabilities = logits.double().log_softmax(1)
    return (log_probabilities.exp() * log_probabilities).sum(1)


def correctness(logits: Tensor, labels: Tensor) -> Tensor:
    """Return 1 where the largest logit is the label's, else 0, float64 (N,); low means memorized."""
    return (logits.argmax(1) == labels).double()


def loss_curvature(model: nn.Module, data: Labeled, *, step: float = CURVATURE_STEP, batch_size: int = 500) -> Tensor:
    """Return || grad_x (l(x + z) - l(x)) ||_2 for each image, float64 (N,), >= 0; high means memorized.

    z: of length `step`, along the sign of grad_x l; zero where that gradient is zero. l: cross-entropy, nats, in eval
    mode; the mode is restored. Costs two forward and two backward passes an image.
    """
    training = model.training
    model.eval()
    found = []
    for images, labels in zip(data.images.split(batch_size), data.labels.split(batch_size), strict=True):
        here = _input_gradients(model, images, labels)
        signs = here.sign()
        lengths = signs.flatten(1).norm(dim=1).clamp_min(1)[:, None, None, None]
        there = _input_gradients(model, images + step * signs / lengths, labels)
        found.append((there - here).double().flatten(1).norm(dim=1))
    model.train(training)
    return torch.cat(found)


def _input_gradients(model: nn.Module, images: Tensor, labels: Tensor) -> Tensor:
    images = images.detach().requires_grad_()
    # Images do not meet in eval mode, so the gradient of the sum holds that of each.
    loss = F.cross_entropy(model(images), labels, reduction="sum")
    return torch.autograd.grad(loss, images)[0]


def symmetric_divergence(logits: Tensor, others: Tensor) -> Tensor:
    """Return KL(p || q) + KL(q || p) of softmax answers, float64 (N,), nats, >= 0."""
    first, second = logits.double().log_softmax(1), others.double().log_softmax(1)
    return ((first.exp() - second.exp()) * (first - second)).sum(1)


def held_out_change(
    model: nn.Module,
    data: Labeled,
    held_out: Labeled,
    generator: torch.Generator,
    *,
    epochs: int = 30,
    patience: int = 4,
    learning_rate: float = 0.1,
    batch_size: int = 128,
) -> Tensor:
    """Return how far answers on `data` move, float64 (N,), when a copy is trained on other data; high means memorized.

    The copy is trained by plain SGD on `held_out` until its training loss has not fallen for `patience` epochs.
    The change is symmetric_divergence of the answers before and after. The model itself stays as it was.
    """
    student = copy.deepcopy(model).train()
    optimizer = torch.optim.SGD(student.parameters(), lr=learning_rate)
    losses: list[float] = []
    for _ in range(epochs):
        order = torch.randperm(len(held_out.labels), generator=generator).to(held_out.labels.device)
        losses.append(_descend(student, optimizer, held_out, order, batch_size))
        if len(losses) > patience and min(losses[-patience:]) >= min(losses[:-patience]):
            break
    return symmetric_divergence(logits_of(model, data.images), logits_of(student, data.images))


def _descend(
    model: nn.Module, optimizer: torch.optim.Optimizer, data: Labeled, order: Tensor, batch_size: int
) -> float:
    """Pass over a set once and return its mean running loss; a single image that is left over is left out."""
    total = torch.zeros((), dtype=torch.float64, device=order.device)
    for chosen in order.split(batch_size):
        if len(chosen) == 1:
            continue
        loss = F.cross_entropy(model(data.images[chosen]), data.labels[chosen])
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        total += loss.detach() * len(chosen)
    return float(total) / len(order)


def memorization_estimate(correct: Tensor, included: Tensor) -> tuple[Tensor, Tensor]:
    """Return memorization of each example, float64 (N,), -1 to 1, and its standard error, float64 (N,).

    correct: bool (M, N), whether model m answers example n correctly. included: bool (M, N), whether it was trained on
    it. Memorization is the share of correct answers among models with the example minus that among those without.
    Source: Feldman and Zhang, arXiv:2008.03703.
    Raises UndefinedMetric for examples that every model, or none, was trained on.
    """
    inside, outside = included.double(), (~included).double()
    counts = inside.sum(0), outside.sum(0)
    missing = int(((counts[0] == 0) | (counts[1] == 0)).sum())
    if missing:
        raise UndefinedMetric(f"memorization: {missing} examples are in the training sets of all models or of none")
    hits = correct.double()
    shares = (hits * inside).sum(0) / counts[0], (hits * outside).sum(0) / counts[1]
    errors = [share * (1 - share) / count for share, count in zip(shares, counts, strict=True)]
    return shares[0] - shares[1], (errors[0] + errors[1]).sqrt()


Proxy = Callable[[nn.Module, Labeled], Tensor]
"""(original, examples) -> a value each, float64 (N,); high means memorized."""

MEMORIZATION_PROXIES: dict[str, Proxy] = {
    "confidence": lambda model, data: -log_odds(logits_of(model, data.images), data.labels),
    "max-probability": lambda model, data: -max_probability(logits_of(model, data.images)),
    "negative-entropy": lambda model, data: -negative_entropy(logits_of(model, data.images)),
    "correctness": lambda model, data: -correctness(logits_of(model, data.images), data.labels),
    "curvature": loss_curvature,
}
"""Proxies that need nothing but the original, by name; each costs one forward pass an example but curvature, two
forward and two backward passes.
"""
