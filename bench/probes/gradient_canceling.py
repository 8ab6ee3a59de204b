"""The gradient-canceling probe: poisons that hold training at weights with a low accuracy.

May import torch, bench.errors, bench.probes.parameter_gradients, bench.probes.probe and bench.training.
Source: arXiv:2303.03592 (gradient canceling, GradPC), as in arXiv:2406.17216, appendix A.1.3.
"""

import copy
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from bench.errors import SearchDiverged, UsageProblem
from bench.probes.parameter_gradients import (
    inner_product,
    length,
    loss_gradient,
    set_gradient,
    traced_gradient,
    trainable,
)
from bench.probes.probe import Changed, Effect, Poison, Probe, ProbeInput, split_sets
from bench.training import Labeled, accuracy
from bench.unlearning_protocol import Setting

GROWTHS = 40
"""Larger radii that are tried at most."""


@dataclass(frozen=True)
class Search:
    """How images are searched for. optimizer: `adam` or `sgd`. step: its learning rate, scale 0 to 1 of the pixels.

    batch: poisons in a pass. stop: share of the first objective at which the search ends.
    """

    optimizer: str
    iterations: int
    step: float
    batch: int
    stop: float


def make_gradient_canceling(given: ProbeInput) -> Poison:
    """Train a clean network, move it to weights with a low accuracy, and make those a stationary point of training.

    Exactly `count` random images are changed, without bound and not limited to 0 to 1; labels unchanged.
    secret, each float64 and a scalar but for the first: `objectives` (2,), J before and after; `low_accuracy`, test
    accuracy of the weights aimed at; `clean_accuracy`, that of the network that was moved; `radius`, how far it was.
    Raises UsageProblem where count is not smaller than the training set, or the optimizer is unknown; SearchDiverged
    where no radius lowers the accuracy enough, or J is not finite.
    """
    settings = given.settings
    items = len(given.train.labels)
    if given.count >= items:
        raise UsageProblem(f"gradient-canceling: count is {given.count}; expected fewer than the {items} images")
    search = Search(
        optimizer=str(settings["optimizer"]),
        iterations=int(settings["iterations"]),
        step=float(settings["step"]),
        batch=int(settings["batch"]),
        stop=float(settings["stop"]),
    )
    if search.optimizer not in {"adam", "sgd"}:
        raise UsageProblem(f"gradient-canceling: optimizer is {search.optimizer!r}; expected 'adam' or 'sgd'")
    model = given.make_model("clean")
    given.fit(model, given.train, "clean")
    model.eval()
    low, radius = lower_accuracy(model, given)
    indices = torch.randperm(items, generator=given.generator("items"))[: given.count].sort().values
    start, kept = split_sets(given.train, indices)
    images, objectives = cancel_gradient(low, kept, start, search)
    return Poison(
        Changed(indices, images.cpu(), start.labels.cpu()),
        secret={
            "objectives": torch.tensor(objectives, dtype=torch.float64),
            "low_accuracy": torch.tensor(accuracy(low, given.test), dtype=torch.float64),
            "clean_accuracy": torch.tensor(accuracy(model, given.test), dtype=torch.float64),
            "radius": torch.tensor(radius, dtype=torch.float64),
        },
    )


def lower_accuracy(model: nn.Module, given: ProbeInput) -> tuple[nn.Module, float]:
    """Return a moved copy of a clean network whose test accuracy is below `accuracy_below`, and the radius it took.

    The radius begins at `radius` and is multiplied by `growth` until then. Raises SearchDiverged where it never is.
    """
    settings = given.settings
    radius, growth = float(settings["radius"]), float(settings["growth"])
    below = float(settings["accuracy_below"])
    if radius <= 0 or growth <= 1:
        raise UsageProblem(f"gradient-canceling: radius {radius} and growth {growth}; expected above 0 and above 1")
    for _ in range(GROWTHS):
        low = corrupted(model, given.train, radius, int(settings["batch"]), given.generator("corruption"))
        if accuracy(low, given.test) < below:
            return low, radius
        radius *= growth
    raise SearchDiverged(f"gradient-canceling: no radius up to {radius / growth:g} lowers the accuracy below {below}")


def corrupted(model: nn.Module, data: Labeled, radius: float, batch: int, generator: torch.Generator) -> nn.Module:
    """Return a copy of a network, moved uphill by at most `radius` (L2, all trainable parameters together).

    One pass over the data in random batches: a step along the gradient of the loss, then back into the ball. The step
    has length 1, or `radius` where that is more: a few batches could not leave a large ball otherwise.
    Source: arXiv:2303.03592, GradPC.
    """
    low = copy.deepcopy(model)
    weights = trainable(low)
    start = [weight.detach().clone() for weight in weights]
    order = torch.randperm(len(data.labels), generator=generator).to(data.labels.device)
    for chosen in order.split(batch):
        gradient = loss_gradient(low, data.images[chosen], data.labels[chosen])
        norm = length(gradient)
        if not bool(norm > 0):
            continue
        with torch.no_grad():
            moves = [
                weight - old + max(1, radius) / norm * part
                for weight, old, part in zip(weights, start, gradient, strict=True)
            ]
            shrink = (radius / length(moves)).clamp(max=1)
            for weight, old, move in zip(weights, start, moves, strict=True):
                weight.copy_(old + shrink * move)
    return low


def cancel_gradient(model: nn.Module, kept: Labeled, start: Labeled, search: Search) -> tuple[Tensor, list[float]]:
    """Return images (n, C, H, W) with start's labels that bring J down, and J of start's images and of them.

    J = 1/2 | (1/N) (sum over kept of the loss gradient + sum over poisons of the loss gradient) |^2 at the weights of
    `model`, in eval mode, N images of both together. The images with the smallest J on the way are returned.
    Source: arXiv:2303.03592.
    Raises SearchDiverged where J is not finite.
    """
    clean = set_gradient(model, kept)
    total = len(kept.labels) + len(start.labels)
    images = start.images.clone().requires_grad_()
    optimizer = {"adam": torch.optim.Adam, "sgd": torch.optim.SGD}[search.optimizer]([images], lr=search.step)
    first = last = objective_gradient(model, clean, images, start.labels, total, search.batch)[0]
    best, found = first, images.detach().clone()
    for _ in range(search.iterations):
        last, images.grad = objective_gradient(model, clean, images, start.labels, total, search.batch)
        if not torch.isfinite(torch.tensor(last)):
            raise SearchDiverged(f"gradient-canceling: J is {last}; a smaller step than {search.step} is needed")
        if last < best:
            best, found = last, images.detach().clone()
        if last <= search.stop * first:
            break
        optimizer.step()
    return found, [first, best]


def objective_gradient(
    model: nn.Module, clean: list[Tensor], images: Tensor, labels: Tensor, total: int, batch: int
) -> tuple[float, Tensor]:
    """Return J of poisons and its gradient in their images; see cancel_gradient.

    The gradient of J is that of <r, G> with the residual r held fixed, so poisons can be passed in batches.
    """
    pairs = list(zip(images.split(batch), labels.split(batch), strict=True))
    traced = traced_gradient(model, *pairs[0]) if len(pairs) == 1 else None
    parts = [[part.detach() for part in traced]] if traced else [loss_gradient(model, *pair) for pair in pairs]
    residual = [(base + sum(rest)) / total for base, *rest in zip(clean, *parts, strict=True)]
    objective = 0.5 * float(inner_product(residual, residual))
    gradient = torch.zeros_like(images)
    for pair in pairs:
        tilt = inner_product(residual, traced or traced_gradient(model, *pair)) / total
        gradient += torch.autograd.grad(tilt, images)[0]
    return objective, gradient


def measure_gradient_canceling(
    model: nn.Module, _poison: Poison, test: Labeled, _settings: Mapping[str, Setting]
) -> Effect:
    """Return `indiscriminate_accuracy`: the accuracy on clean test images, 0 to 1, lower with more of the poison."""
    return Effect({"indiscriminate_accuracy": accuracy(model, test)})


GRADIENT_CANCELING = Probe(
    name="gradient-canceling",
    summary="Images far outside the pixel range that lower the accuracy of whatever is trained on them.",
    paper="arXiv:2303.03592",
    removal="indiscriminate_accuracy",
    defaults={
        "radius": 0.5,
        "growth": 1.5,
        "accuracy_below": 0.5,
        "iterations": 1000,
        "step": 0.1,
        "optimizer": "adam",
        "batch": 256,
        "stop": 0.01,
    },
    make=make_gradient_canceling,
    measure=measure_gradient_canceling,
)
