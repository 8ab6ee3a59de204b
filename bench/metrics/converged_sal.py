"""SAL by a search that is converged: quasi-Newton on the boundary of the ball, from starts that a linear model names.

May import torch, bench.errors and its own family. docs/studies/sal.md measures it against the other searches.

Where the loss has vanished, its gradient tells which image is hardest now, not which one a change of the layer can
reach: there are many local maxima, and restarts at random miss the highest. The margins of the hardest images, taken
as linear in the layer's weights, say which of them can fall inside the ball, alone or together; that costs one pass
over these images for all layers, and its best answers are where the ascent begins.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.fx.experimental.optimization import fuse
from torch.fx.proxy import TraceError
from torch.nn import functional as F

from bench.errors import SearchDiverged
from bench.metrics.sal import LayerLearnability, Search, Staged, frozen, holds, layer_weights, search_ball
from bench.metrics.sphere_ascent import Ascent, Objective, Summit, climb


@dataclass(frozen=True)
class Convergence:
    """Settings of the search; the defaults are those that docs/studies/sal.md measures.

    ascent: of the last ascent, on all images. starts: directions of the linear model that are tried beside the
    gradient; 0 for the gradient alone. hardest: images in the linear model. heavy: images with the largest loss, which
    trial ascents are made on; at least that many, all: trials are ascents on all images. trial: of these ascents.
    saturated: mean loss (nats) from which on the gradient alone is enough.
    """

    ascent: Ascent = field(default_factory=Ascent)
    starts: int = 4
    hardest: int = 24
    heavy: int = 64
    trial: Ascent = field(default_factory=lambda: Ascent(tolerance=2e-2, steps=8))
    saturated: float = 0.03


BENT = 1.5
"""A loss that rises by this much more than its gradient says bends upward; it falls by less, which is not searched."""

THOROUGH = Convergence(Ascent(1e-4, 60), starts=8, hardest=64, heavy=1 << 30, trial=Ascent(1e-3, 30))
"""Several times as much work, for comparisons."""


class Hard(NamedTuple):
    """The linear model of some images: margins (M,) and their gradients for every layer, name -> (M, weights)."""

    margins: Tensor
    gradients: dict[str, Tensor]


@dataclass
class _Layer:
    """The loss as a function of one weight, from the activations below its stage.

    inputs: of the stage, (N, ...). total: images that the sum of losses is divided by. images: counted passes.
    """

    stage: nn.Module
    above: nn.Module
    name: str
    inputs: Tensor
    labels: Tensor
    total: int
    chunk: int
    images: int = 0

    def loss_and_gradient(self, value: Tensor) -> tuple[float, Tensor]:
        """Return the sum of losses over `total`, and its gradient, with the layer's weight replaced."""
        loss, gradient = 0.0, torch.zeros_like(value)
        for inputs, labels in zip(self.inputs.split(self.chunk), self.labels.split(self.chunk), strict=True):
            variable = value.detach().requires_grad_(True)
            logits = self.above(functional_call(self.stage, {self.name: variable}, (inputs,)))
            part = F.cross_entropy(logits, labels, reduction="none").double().sum() / self.total
            gradient += torch.autograd.grad(part, variable)[0]
            loss += float(part.detach())
        self.images += len(self.labels)
        return loss, gradient

    def only(self, chosen: Tensor) -> "_Layer":
        """Return the same for some images, their losses still divided by the number of all."""
        return _Layer(
            self.stage, self.above, self.name, self.inputs[chosen], self.labels[chosen], self.total, self.chunk
        )


@dataclass(frozen=True)
class _Probe:
    """What all layers share: images, labels, the losses (N,) and the gradient of their mean at the weights."""

    images: Tensor
    labels: Tensor
    losses: Tensor
    gradients: dict[str, Tensor]
    starts: dict[str, list[Tensor]]
    heavy: Tensor

    @property
    def loss(self) -> float:
        return float(self.losses.mean())


def measure_converged_sal(
    model: nn.Module,
    images: Tensor,
    labels: Tensor,
    *,
    epsilon: float,
    search: Convergence | None = None,
    chunk: int = 4096,
) -> LayerLearnability:
    """Measure SAL of every convolution and linear weight, the other weights held still.

    images: (N, C, H, W), float32, scale 0 to 1, un-augmented; labels: (N,) int64; both on the model's device.
    epsilon: radius relative to each layer's Frobenius norm. chunk: images per pass; it matters for memory only.
    The model is measured in eval mode and left exactly as it was; no random numbers are used. `gradients` counts
    evaluations on as many images as there are, fractions rounded up.
    Raises SearchDiverged where a loss is not finite.
    Source: arXiv:2509.08058, Eq. 3, with the absolute value.
    """
    search = search or Convergence()
    weights = layer_weights(model)
    values: dict[str, float] = {}
    seen = len(labels)
    with frozen(model):
        probe = _look(model, weights, images, labels, epsilon, search, chunk)
        for stage, above, inputs in _stages(model, images, chunk):
            for name in [name for name, weight in weights.items() if holds(stage, weight)]:
                local = next(label for label, parameter in stage.named_parameters() if parameter is weights[name])
                layer = _Layer(stage, above, local, inputs, labels, len(labels), chunk)
                values[name], passed = _search_layer(layer, weights[name].detach(), name, epsilon, probe, search)
                seen += passed
    return LayerLearnability(probe.loss, {name: values[name] for name in weights}, -(-seen // len(labels)))


def linear_starts(margins: Tensor, gradients: Tensor, radius: float, keep: int, *, rounds: int = 25) -> list[Tensor]:
    """Return directions (weights,) that lower the margins of some images most, the best first; at most `keep`.

    margins: (M,), the logit of the label above that of the rival; gradients: (M, weights) of the margins.
    The loss of the linear model is sum_i softplus(-(m_i + radius * a_i . u)). Its fixed point, u along minus the sum of
    the gradients weighed by sigmoid(-margin), is iterated from every image alone and from all together; all of that
    happens in the (M, M) inner products. Directions closer than a cosine of 0.9 to a better one are left out.
    """
    gram = gradients @ gradients.T
    shares = torch.cat(
        [torch.eye(len(margins), device=margins.device), torch.sigmoid(-margins)[None], torch.ones_like(margins)[None]]
    )
    for _ in range(rounds):
        shares = torch.sigmoid(-_moved(margins, gram, shares, radius))
        shares = shares / shares.amax(1, keepdim=True).clamp_min(1e-30)
    order = F.softplus(-_moved(margins, gram, shares, radius)).sum(1).argsort(descending=True)
    lengths = torch.einsum("ki,ij,kj->k", shares, gram, shares).clamp_min(1e-30).sqrt()
    cosines = (shares @ gram @ shares.T / lengths[:, None] / lengths[None]).cpu()
    chosen: list[int] = []
    for index in order.tolist():
        if len(chosen) < keep and all(float(cosines[index, other]) < 0.9 for other in chosen):
            chosen.append(index)
    return [-(shares[index] @ gradients) for index in chosen]


def _moved(margins: Tensor, gram: Tensor, shares: Tensor, radius: float) -> Tensor:
    """Return the margins (K, M) at the boundary, along minus the gradients weighed by each row of `shares` (K, M)."""
    products = shares @ gram
    lengths = (products * shares).sum(1, keepdim=True).clamp_min(1e-30).sqrt()
    return margins - radius * products / lengths


def hard_images(
    model: nn.Module, weights: dict[str, nn.Parameter], images: Tensor, labels: Tensor, logits: Tensor, count: int
) -> Hard:
    """Return margins and their gradients for the images whose label leads by least.

    The gradients of `count` images for all weights are held at once: count x weights x 4 bytes.
    """
    own = F.one_hot(labels, logits.shape[1]).bool()
    rivals = logits.masked_fill(own, -torch.inf)
    margins = logits[own] - rivals.amax(1)
    chosen = margins.argsort()[:count]
    rival = rivals[chosen].argmax(1)
    sides = (F.one_hot(labels[chosen], logits.shape[1]) - F.one_hot(rival, logits.shape[1])).to(logits.dtype)
    variables = {name: weight.detach().requires_grad_(True) for name, weight in weights.items()}
    gradients: dict[str, list[Tensor]] = {name: [] for name in weights}
    # One backward pass an image: a vectorized map takes seconds to start, which is as long as a small training.
    for image, side in zip(images[chosen], sides, strict=True):
        lead = (functional_call(model, variables, (image[None],))[0] * side).sum()
        for name, slope in zip(variables, torch.autograd.grad(lead, list(variables.values())), strict=True):
            gradients[name].append(slope.flatten())
    return Hard(margins[chosen], {name: torch.stack(slopes) for name, slopes in gradients.items()})


def _search_layer(
    layer: _Layer, weight: Tensor, name: str, epsilon: float, probe: _Probe, search: Convergence
) -> tuple[float, int]:
    """Return SAL of one layer and how many images were passed."""
    radius = epsilon * float(torch.linalg.vector_norm(weight))
    if radius == 0:
        return 0.0, 0
    slope = probe.gradients[name]
    if not bool(slope.any()):
        # A loss that vanished in float32 has no gradient; rescaling the layer can still raise it.
        slope = weight
    start, passed = slope, 0
    starts = probe.starts.get(name, [])
    if starts:
        some = layer.only(probe.heavy)
        base = float(probe.losses[probe.heavy].sum()) / layer.total
        start = _best(some, weight, radius, base, [*starts, slope], search.trial)
        passed += some.images
    found = climb(_change(layer, weight, radius, probe.loss), start, search.ascent).value
    by_gradient = radius * float(torch.linalg.vector_norm(probe.gradients[name]))
    if found < min(probe.loss, BENT * by_gradient):
        fall = climb(_change(layer, weight, radius, probe.loss, sign=-1.0), -slope, search.ascent)
        found = max(found, fall.value)
    if found < min(probe.loss, by_gradient):
        # Neither way it keeps its slope up to the boundary: the largest change may lie inside the ball.
        found = max(found, _inside(layer, weight, radius, probe, name, search.ascent))
    return found, passed + layer.images


def _best(layer: _Layer, weight: Tensor, radius: float, base: float, starts: list[Tensor], settings: Ascent) -> Tensor:
    """Return the direction that the best of several ascents ends in."""
    best: Summit | None = None
    for start in starts:
        end = climb(_change(layer, weight, radius, base), start, settings, beaten_at=best.value if best else 0.0)
        best = end if best is None or end.value > best.value else best
    assert best is not None
    return best.direction


def _inside(layer: _Layer, weight: Tensor, radius: float, probe: _Probe, name: str, settings: Ascent) -> float:
    start, search = (probe.loss, probe.gradients[name]), Search(settings.steps, settings.tolerance)
    return search_ball(layer.loss_and_gradient, weight, radius, search=search, start=start, loss_floor=0.0).sal


def _change(layer: _Layer, weight: Tensor, radius: float, base: float, *, sign: float = 1.0) -> Objective:
    """Return how far the loss rises above `base` at the boundary, or falls below it, as a function of the direction."""

    def change(unit: Tensor) -> tuple[float, Tensor]:
        loss, gradient = layer.loss_and_gradient(weight + radius * unit)
        return sign * (loss - base), sign * radius * gradient

    return change


def _look(
    model: nn.Module,
    weights: dict[str, nn.Parameter],
    images: Tensor,
    labels: Tensor,
    epsilon: float,
    search: Convergence,
    chunk: int,
) -> _Probe:
    """Look once at all images: losses, the gradient for all layers, and where to start where the loss has vanished."""
    variables = {name: weight.detach().requires_grad_(True) for name, weight in weights.items()}
    gradients = {name: torch.zeros_like(weight) for name, weight in variables.items()}
    losses, logits = [], []
    for part, targets in zip(images.split(chunk), labels.split(chunk), strict=True):
        logits.append(functional_call(model, variables, (part,)))
        losses.append(F.cross_entropy(logits[-1], targets, reduction="none").double())
        slopes = torch.autograd.grad(losses[-1].sum() / len(images), list(variables.values()))
        for name, slope in zip(variables, slopes, strict=True):
            gradients[name] += slope
    found = torch.cat([part.detach() for part in losses])
    if not bool(torch.isfinite(found).all()):
        raise SearchDiverged("SAL search: the loss is not finite at the layer's own weights; no value is reported")
    heavy = found.argsort(descending=True)[: search.heavy].sort().values
    starts: dict[str, list[Tensor]] = {}
    if search.starts and float(found.mean()) < search.saturated:
        hard = hard_images(
            model, weights, images, labels, torch.cat([part.detach() for part in logits]), search.hardest
        )
        for name, weight in weights.items():
            radius = epsilon * float(torch.linalg.vector_norm(weight))
            directions = linear_starts(hard.margins, hard.gradients[name], radius, search.starts)
            starts[name] = [direction.view_as(weight) for direction in directions if bool(direction.any())]
    return _Probe(images, labels, found, gradients, starts, heavy)


def _stages(model: nn.Module, images: Tensor, chunk: int) -> Iterator[tuple[nn.Module, nn.Sequential, Tensor]]:
    """Yield each stage, the network above it, and the stage's input for all images.

    Above the stage nothing moves, so batch normalization is folded into the convolutions there.
    """
    stages = model.stages() if isinstance(model, Staged) else [model]
    folded = [_folded(stage) for stage in stages]
    inputs = images
    for index, stage in enumerate(stages):
        yield stage, nn.Sequential(*folded[index + 1 :]), inputs
        if index + 1 < len(stages):
            with torch.no_grad():
                inputs = torch.cat([folded[index](part) for part in inputs.split(chunk)])


def _folded(stage: nn.Module) -> nn.Module:
    """Return a copy in eval mode with batch normalization folded away, or the stage itself where that cannot be."""
    if not any(isinstance(module, nn.BatchNorm2d) for module in stage.modules()):
        return stage
    try:
        folded: nn.Module = fuse(stage)
    except TraceError:
        return stage
    return folded
