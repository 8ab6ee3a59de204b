"""Sharpness-Aware Learnability (SAL): how far the loss can move when one layer moves a little.

May import torch and bench.errors; knows nothing of files, protocols or submissions.
Source: arXiv:2509.08058; the radius is relative to the layer's norm, as in the published code.
"""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional as F

from bench.errors import SearchDiverged

LossAndGradient = Callable[[Tensor], tuple[float, Tensor]]


@dataclass(frozen=True)
class Search:
    """Settings of the search inside the ball.

    max_steps: gradient evaluations for each direction, the start not counted.
    tolerance: stop when an accepted step adds less than this share of the change found so far.
    """

    max_steps: int = 50
    tolerance: float = 1e-7


@dataclass(frozen=True)
class BallSearch:
    """What a search found: the largest rise and fall of the loss, both >= 0, and what they cost.

    rise_at, fall_at: the changes v of the weight, shaped like it, ||v|| <= radius.
    gradients: number of loss-and-gradient evaluations.
    """

    rise: float
    fall: float
    rise_at: Tensor
    fall_at: Tensor
    gradients: int

    @property
    def sal(self) -> float:
        """The larger of rise and fall: max |L(w + v) - L(w)| over the ball."""
        return max(self.rise, self.fall)


def project_to_ball(change: Tensor, radius: float) -> Tensor:
    """Return the point of the L2 ball around zero that is nearest to `change` (any shape)."""
    norm = float(torch.linalg.vector_norm(change))
    inside: Tensor = change if norm <= radius else change * (radius / norm)
    return inside


def search_ball(
    loss_and_gradient: LossAndGradient,
    weight: Tensor,
    radius: float,
    *,
    search: Search,
    start: tuple[float, Tensor] | None = None,
    loss_floor: float | None = None,
) -> BallSearch:
    """Search the ball ||v|| <= radius for the largest rise and the largest fall of the loss.

    loss_and_gradient: maps a weight to its loss and the gradient there, shaped like `weight`.
    radius: absolute L2 radius, >= 0.
    start: loss and gradient at `weight` itself, where the caller has them already.
    loss_floor: a value the loss cannot go below (0 for cross-entropy). The fall can then be at most
        loss - loss_floor; where the rise is already larger the fall cannot decide SAL and is not searched.
    Raises SearchDiverged where a loss or gradient is not finite.
    """
    origin = _finite(start or loss_and_gradient(weight), "at the layer's own weights")
    none = torch.zeros_like(weight)
    evaluations = 0 if start else 1
    if radius == 0:
        return BallSearch(0.0, 0.0, none, none, evaluations)
    rise, rise_at, steps = _climb(loss_and_gradient, weight, radius, origin, search, sign=1.0)
    evaluations += steps
    if loss_floor is not None and rise >= origin[0] - loss_floor:
        return BallSearch(rise, 0.0, rise_at, none, evaluations)
    fall, fall_at, steps = _climb(loss_and_gradient, weight, radius, origin, search, sign=-1.0)
    return BallSearch(rise, fall, rise_at, fall_at, evaluations + steps)


def _climb(
    loss_and_gradient: LossAndGradient,
    weight: Tensor,
    radius: float,
    origin: tuple[float, Tensor],
    search: Search,
    *,
    sign: float,
) -> tuple[float, Tensor, int]:
    """Projected steepest ascent of sign * loss with a step length that adapts; the value never falls.

    The first step reaches the boundary along the gradient. Accepted steps double the step length: on the
    boundary that approaches the fixed point v = radius * g(v) / ||g(v)||, which solves the problem for a convex
    loss. Refused steps quarter it.
    """
    start, gradient = sign * origin[0], origin[1]
    best, change, step, spent = start, torch.zeros_like(weight), radius, 0
    while spent < search.max_steps and step >= 1e-4 * radius:
        candidate = project_to_ball(change + (sign * step) * _direction(gradient, weight), radius)
        loss, slope = _finite(loss_and_gradient(weight + candidate), "inside the ball")
        spent += 1
        gain = sign * loss - best
        if gain <= 0:
            step /= 4
            continue
        best, gradient, change, step = sign * loss, slope, candidate, min(2 * step, 16 * radius)
        if gain <= search.tolerance * (best - start):
            break
    return best - start, change, spent


def _direction(gradient: Tensor, weight: Tensor) -> Tensor:
    """Return the unit vector along the gradient, or along the weight where the gradient is zero.

    A loss that vanished in float32 has no gradient; rescaling the layer can still raise it.
    """
    if not bool(gradient.any()):
        gradient = weight if bool(weight.any()) else torch.ones_like(weight)
    unit: Tensor = gradient / torch.linalg.vector_norm(gradient)
    return unit


def _finite(found: tuple[float, Tensor], where: str) -> tuple[float, Tensor]:
    loss, gradient = found
    if not math.isfinite(loss) or not bool(torch.isfinite(gradient).all()):
        raise SearchDiverged(f"SAL search: loss {loss} or its gradient is not finite {where}; no value is reported")
    return found


def layer_weights(model: nn.Module) -> dict[str, nn.Parameter]:
    """Return the weights that SAL perturbs: those of Conv2d and Linear modules, by name, in module order."""
    layers = {name: module for name, module in model.named_modules() if isinstance(module, nn.Conv2d | nn.Linear)}
    return {f"{name}.weight": model.get_parameter(f"{name}.weight") for name in layers}


@dataclass(frozen=True)
class LayerLearnability:
    """SAL of every layer at one moment of a training run.

    loss: L(theta; P), the loss all changes are measured from.
    values: weight name -> SAL, in module order, loss units (nats).
    gradients: loss-and-gradient evaluations spent.
    """

    loss: float
    values: dict[str, float]
    gradients: int


def measure_sal(
    model: nn.Module,
    images: Tensor,
    labels: Tensor,
    *,
    epsilon: float,
    search: Search,
    chunk: int = 4096,
) -> LayerLearnability:
    """Measure SAL of every convolution and linear weight, the other weights held still.

    images: the fixed probe set (N, C, H, W), float32, scale 0 to 1, un-augmented; labels: (N,) int64; both on the
        model's device.
    epsilon: radius relative to each layer's Frobenius norm.
    chunk: images per forward pass; results do not depend on it beyond rounding.
    The model is measured in eval mode and left exactly as it was; no random numbers are used.
    Raises SearchDiverged where a loss is not finite.
    Source: arXiv:2509.08058, Eq. 3, with the absolute value; estimator `exact` of docs/metrics.md.
    """
    weights = layer_weights(model)
    with frozen(model):
        loss, first = _shared_gradient(model, weights, images, labels, chunk)
        values: dict[str, float] = {}
        gradients = 1
        for stage, tail, inputs in walk(model, images, chunk):
            for name in [name for name, weight in weights.items() if holds(stage, weight)]:
                found = search_ball(
                    _tail_loss(tail, weights[name], inputs, labels, chunk),
                    weights[name].detach(),
                    epsilon * float(torch.linalg.vector_norm(weights[name])),
                    search=search,
                    start=(loss, first[name]),
                    loss_floor=0.0,
                )
                values[name] = found.sal
                gradients += found.gradients
    return LayerLearnability(loss, {name: values[name] for name in weights}, gradients)


@runtime_checkable
class Staged(Protocol):
    """A model that says how it is a chain of modules, so that what lies below a layer is computed only once."""

    def stages(self) -> list[nn.Module]:
        """Return modules that applied in order equal the model."""


@contextmanager
def frozen(model: nn.Module) -> Iterator[None]:
    """Put the model in eval mode without parameter gradients; restore every flag afterwards."""
    modes = [(module, module.training) for module in model.modules()]
    flags = [(parameter, parameter.requires_grad) for parameter in model.parameters()]
    model.eval()
    for parameter, _ in flags:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for module, training in modes:
            module.training = training
        for parameter, flag in flags:
            parameter.requires_grad_(flag)


def _stages(model: nn.Module) -> list[nn.Module]:
    """Return the model as a chain of modules; a model that does not say how is one link."""
    return model.stages() if isinstance(model, Staged) else [model]


def holds(stage: nn.Module, weight: nn.Parameter) -> bool:
    """Whether a weight is one of a module's own."""
    return any(parameter is weight for parameter in stage.parameters())


def walk(model: nn.Module, images: Tensor, chunk: int) -> Iterator[tuple[nn.Module, nn.Sequential, Tensor]]:
    """Yield each stage, the network from that stage on, and the stage's input for the whole probe set."""
    stages = _stages(model)
    inputs = images
    for index, stage in enumerate(stages):
        yield stage, nn.Sequential(*stages[index:]), inputs
        if index + 1 < len(stages):
            with torch.no_grad():
                inputs = torch.cat([stage(part) for part in inputs.split(chunk)])


def _shared_gradient(
    model: nn.Module, weights: dict[str, nn.Parameter], images: Tensor, labels: Tensor, chunk: int
) -> tuple[float, dict[str, Tensor]]:
    """Return the probe loss and its gradient for all layers from one backward pass."""
    variables = {name: weight.detach().requires_grad_(True) for name, weight in weights.items()}
    total, gradients = 0.0, {name: torch.zeros_like(weight) for name, weight in variables.items()}
    for part, targets in zip(images.split(chunk), labels.split(chunk), strict=True):
        loss = F.cross_entropy(functional_call(model, variables, (part,)), targets, reduction="none").double().sum()
        slopes = torch.autograd.grad(loss / len(images), list(variables.values()))
        total += float(loss.detach())
        for name, slope in zip(variables, slopes, strict=True):
            gradients[name] += slope
    return total / len(images), gradients


def _tail_loss(
    tail: nn.Sequential, weight: nn.Parameter, inputs: Tensor, labels: Tensor, chunk: int
) -> LossAndGradient:
    """Return the mean cross-entropy as a function of one weight, from the activations below its stage."""
    local = next(name for name, parameter in tail.named_parameters() if parameter is weight)

    def loss_and_gradient(value: Tensor) -> tuple[float, Tensor]:
        total, gradient = 0.0, torch.zeros_like(value)
        for part, targets in zip(inputs.split(chunk), labels.split(chunk), strict=True):
            variable = value.detach().requires_grad_(True)
            logits = functional_call(tail, {local: variable}, (part,))
            loss = F.cross_entropy(logits, targets, reduction="none").double().sum()
            gradient += torch.autograd.grad(loss / len(inputs), variable)[0]
            total += float(loss.detach())
        return total / len(inputs), gradient

    return loss_and_gradient
