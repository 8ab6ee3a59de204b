"""SAL as the published evaluation code searches it: mini-batch SGD inside a ball that is closed once a pass.

May import torch, bench.errors and its own family. Kept beside `exact` for comparison; its flaws are its point.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional as F

from bench.errors import SearchDiverged
from bench.metrics.sal import frozen, holds, layer_weights, project_to_ball, walk

Pass = Callable[[], Iterator[tuple[Tensor, Tensor]]]
"""One sweep of the training loader: full batches of inputs and labels (B,), in a fresh order each time."""


@dataclass(frozen=True)
class OfficialSearch:
    """Settings of the published search, with their published values.

    epsilon: radius relative to each layer's Frobenius norm. passes: sweeps for each direction, each of them followed
    by one projection. learning_rate: of plain SGD, a step for each batch. batch_size: the last, smaller batch is left
    out.
    """

    epsilon: float = 0.05
    passes: int = 10
    learning_rate: float = 0.1
    batch_size: int = 256


@dataclass(frozen=True)
class LossRange:
    """The extreme mean losses that the search met for one layer, over its passes; nats.

    SAL follows from an origin (`official_sal` of bench.metrics.distance). The published origin is the running training
    loss of the epoch; that is not the loss at the layer's own weights, and the difference enters every layer.
    """

    highest: float
    lowest: float


@dataclass(frozen=True)
class OfficialLearnability:
    """What the published search met at one moment of training.

    start: mean loss of the training set at the weights themselves, eval mode. ranges: weight name -> losses.
    gradients: batch gradients that were computed.
    """

    start: float
    ranges: dict[str, LossRange]
    gradients: int


def measure_official_sal(
    model: nn.Module,
    images: Tensor,
    labels: Tensor,
    search: OfficialSearch,
    generator: torch.Generator,
    augment: Callable[[Tensor], Tensor] | None = None,
) -> OfficialLearnability:
    """Search every convolution and linear weight as the published code does.

    images: the training set (N, C, H, W), scale 0 to 1; labels: (N,) int64; both on the model's device.
    generator: CPU generator of the loader's order; none of training's.
    augment: the training loader's augmentation of a batch; None where there is none, and then activations below the
        layer, which are constant in eval mode, are computed once.
    Both copies are in eval mode. The model is left exactly as it was. Raises SearchDiverged where a loss is not finite.
    Source: poison_train_sharp.py and util_sharp.py of the published code of arXiv:2509.08058, whole training set.
    """
    weights = layer_weights(model)
    size = min(search.batch_size, len(labels))
    gradients = 2 * search.passes * (len(labels) // size) * len(weights)
    ranges: dict[str, LossRange] = {}
    with frozen(model):
        start = _mean_loss(model, "", torch.empty(0), _loader(images, labels, size, generator, augment)())
        for stage, tail, inputs in walk(model, images, 4096):
            for name in [name for name, weight in weights.items() if holds(stage, weight)]:
                network, data = (tail, inputs) if augment is None else (model, images)
                loader = _loader(data, labels, size, generator, augment)
                ranges[name] = _search_layer(network, weights[name], loader, search)
    return OfficialLearnability(start, {name: ranges[name] for name in weights}, gradients)


def _search_layer(network: nn.Module, weight: nn.Parameter, loader: Pass, search: OfficialSearch) -> LossRange:
    """Return the extreme losses of two copies that walk down and up from the same weights."""
    local = next(name for name, parameter in network.named_parameters() if parameter is weight)
    origin = weight.detach().clone()
    radius = search.epsilon * float(torch.linalg.vector_norm(origin))
    low, high = origin.clone(), origin.clone()
    lowest, highest = math.inf, -math.inf
    for _ in range(search.passes):
        low = _sweep(network, local, low, loader(), -search.learning_rate)
        low = origin + project_to_ball(low - origin, radius)
        high = _sweep(network, local, high, loader(), search.learning_rate)
        high = origin + project_to_ball(high - origin, radius)
        batches = list(loader())
        lowest = min(lowest, _mean_loss(network, local, low, iter(batches)))
        highest = max(highest, _mean_loss(network, local, high, iter(batches)))
    return LossRange(highest, lowest)


def _sweep(
    network: nn.Module, local: str, value: Tensor, batches: Iterator[tuple[Tensor, Tensor]], step: float
) -> Tensor:
    """Return the weight after one SGD step for each batch; a positive step climbs. Nothing holds it in the ball."""
    for inputs, labels in batches:
        variable = value.detach().requires_grad_(True)
        loss = F.cross_entropy(functional_call(network, {local: variable}, (inputs,)), labels)
        value = value + step * torch.autograd.grad(loss, variable)[0]
    return value


def _mean_loss(network: nn.Module, local: str, value: Tensor, batches: Iterator[tuple[Tensor, Tensor]]) -> float:
    """Return the mean of the batch means, with one weight replaced; `local` "" replaces none."""
    losses = []
    with torch.no_grad():
        for inputs, labels in batches:
            logits = functional_call(network, {local: value} if local else {}, (inputs,))
            losses.append(F.cross_entropy(logits, labels).double())
    mean = float(torch.stack(losses).mean())
    if not math.isfinite(mean):
        raise SearchDiverged(f"official SAL search: the loss is {mean} inside the ball; no value is reported")
    return mean


def _loader(
    inputs: Tensor,
    labels: Tensor,
    size: int,
    generator: torch.Generator,
    augment: Callable[[Tensor], Tensor] | None,
) -> Pass:
    def sweep() -> Iterator[tuple[Tensor, Tensor]]:
        order = torch.randperm(len(labels), generator=generator).to(labels.device)
        for chosen in order[: len(order) // size * size].split(size):
            yield (inputs[chosen] if augment is None else augment(inputs[chosen])), labels[chosen]

    return sweep
