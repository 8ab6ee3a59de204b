"""The loss as a function of one layer's weight, asked for many layers and answered in one pass of the network.

May import torch and bench.metrics.sal. A question leaves the network below its layer as it is, so what enters the
layer's stage is computed once; above it nothing moves either, so there all questions travel in one batch, batch
normalization is folded into the convolutions, and convolutions of small maps are products with a matrix.
"""

from collections.abc import Iterable, Sequence
from copy import copy
from dataclasses import dataclass, field
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional as F
from torch.utils.hooks import RemovableHandle

from bench.metrics.sal import Staged, holds, layer_weights

SMALL_MAP = 16
"""Pixels of a map up to which a matrix is cheaper than a convolution on a CPU; 64 with strides: slow gradients."""

LARGEST_MATRIX = 1 << 20
"""Entries of such a matrix, which a measurement makes anew."""


class Question(NamedTuple):
    """What is the loss with this weight in its layer? images: indices of those that count, None for all."""

    layer: str
    weight: Tensor
    images: Tensor | None = None


class Answer(NamedTuple):
    """The sum of the images' losses, each times its share, and the gradient for the weight."""

    loss: float
    gradient: Tensor


@dataclass(frozen=True)
class _Stage:
    """A link of the network: how it answers about layers below it, about its own ones, and what enters it (N, ...)."""

    fixed: nn.Module
    own: dict[str, nn.Module]
    inputs: Tensor


@dataclass
class Tails:
    """Some images before a network that is held still.

    stages: of the network, in order. places: layer -> its stage and the weight's name there. labels, shares: (N,);
    the shares, float64, weigh the losses. rows: images in one pass. passed: images that went through so far.
    """

    stages: tuple[_Stage, ...]
    places: dict[str, tuple[int, str]]
    labels: Tensor
    shares: Tensor
    rows: int
    passed: int = field(default=0)

    def ask(self, questions: Sequence[Question]) -> list[Answer]:
        """Answer questions, in their order."""
        ordered = sorted(range(len(questions)), key=lambda index: self.places[questions[index].layer][0])
        answers: dict[int, Answer] = {}
        for group in self._groups(ordered, questions):
            found = self._pass([questions[index] for index in group])
            answers |= dict(zip(group, found, strict=True))
        return [answers[index] for index in range(len(questions))]

    def _groups(self, ordered: Iterable[int], questions: Sequence[Question]) -> list[list[int]]:
        groups: list[list[int]] = []
        room = 0
        for index in ordered:
            size = self._size(questions[index])
            if size > room:
                groups.append([])
                room = self.rows
            groups[-1].append(index)
            room -= size
        return groups

    def _pass(self, questions: Sequence[Question]) -> list[Answer]:
        """Answer questions, ordered by stage, at once."""
        variables = [question.weight.detach().requires_grad_(True) for question in questions]
        stream: Tensor | None = None
        waiting = list(zip(questions, variables, strict=True))
        for index, stage in enumerate(self.stages):
            parts = [] if stream is None else [stage.fixed(stream)]
            while waiting and self.places[waiting[0][0].layer][0] == index:
                question, variable = waiting.pop(0)
                name = self.places[question.layer][1]
                entering = (_some(stage.inputs, question.images),)
                parts.append(functional_call(stage.own[question.layer], {name: variable}, entering, tie_weights=False))
            if parts:
                stream = torch.cat(parts) if len(parts) > 1 else parts[0]
        assert stream is not None
        labels = torch.cat([_some(self.labels, question.images) for question in questions])
        shares = torch.cat([_some(self.shares, question.images) for question in questions])
        losses = F.cross_entropy(stream, labels, reduction="none").double() * shares
        sums = torch.stack([part.sum() for part in losses.split([self._size(question) for question in questions])])
        gradients = torch.autograd.grad(sums.sum(), variables)
        self.passed += len(labels)
        return [Answer(*found) for found in zip(sums.tolist(), gradients, strict=True)]

    def _size(self, question: Question) -> int:
        return len(self.labels if question.images is None else question.images)


def cut(model: nn.Module, images: Tensor, labels: Tensor, shares: Tensor, *, rows: int) -> Tails:
    """Prepare a frozen model in eval mode for questions about these images.

    images: (N, C, H, W), scale 0 to 1; labels: (N,) int64; shares: (N,) float64. rows: largest number of images in a
    pass, which bounds memory.
    """
    weights = layer_weights(model)
    stages: list[_Stage] = []
    places: dict[str, tuple[int, str]] = {}
    inputs = images
    for index, module in enumerate(model.stages() if isinstance(model, Staged) else [model]):
        for layer, weight in weights.items():
            if holds(module, weight):
                local = next(name for name, parameter in module.named_parameters() if parameter is weight)
                places[layer] = (index, local)
        with torch.no_grad():
            names = {layer: name for layer, (place, name) in places.items() if place == index}
            fixed, own = _quick(module, inputs[:1], names)
            stages.append(_Stage(fixed, own, inputs))
            inputs = torch.cat([fixed(part) for part in inputs.split(rows)])
    return Tails(tuple(stages), places, labels, shares, rows)


def _some(values: Tensor, chosen: Tensor | None) -> Tensor:
    return values if chosen is None else values[chosen]


class _Product(nn.Module):
    """A convolution with its bias as a product with a matrix; shape: of one image's output."""

    def __init__(self, matrix: Tensor, bias: Tensor, shape: torch.Size) -> None:
        super().__init__()
        self.matrix, self.bias, self.shape = matrix, bias, shape

    def forward(self, features: Tensor) -> Tensor:
        """Map (N, C, H, W) to (N, *shape)."""
        product = torch.addmm(self.bias, features.flatten(1), self.matrix)
        return product.view(-1, *self.shape)


class _Folded(nn.Module):
    """A convolution whose outputs are scaled and shifted by channel, as normalization in eval mode does.

    weight: the convolution's own, before scaling, under the name that it has there.
    """

    def __init__(self, conv: nn.Conv2d, norm: nn.Module | None) -> None:
        super().__init__()
        self.weight = conv.weight
        self.scale: Tensor | None = None
        self.bias = conv.bias
        self.convolve = partial(
            F.conv2d, stride=conv.stride, padding=conv.padding, dilation=conv.dilation, groups=conv.groups
        )
        self.strided, self.grouped = conv.stride != (1, 1), conv.groups != 1
        if isinstance(norm, nn.BatchNorm2d):
            assert norm.running_mean is not None
            assert norm.running_var is not None
            scale = norm.weight * torch.rsqrt(norm.running_var + norm.eps)
            bias = norm.bias - norm.running_mean * scale
            self.bias = nn.Parameter(bias if conv.bias is None else bias + conv.bias * scale, requires_grad=False)
            self.scale = scale[:, None, None, None]

    def forward(self, features: Tensor) -> Tensor:
        """Map (N, C, H, W) to (N, channels, H', W')."""
        weight = self.weight if self.scale is None else self.weight * self.scale
        return self.convolve(features, weight, self.bias)

    def still(self, shape: torch.Size) -> nn.Module:
        """Return what equals it for inputs of one shape (C, H, W) and costs less, its weight no longer moving."""
        small = shape[1] * shape[2] <= SMALL_MAP * (4 if self.strided else 1)
        if self.weight.device.type != "cpu" or not small or self.grouped:
            return self
        origin = self(torch.zeros(1, *shape, dtype=self.weight.dtype))
        if shape.numel() * origin.numel() > LARGEST_MATRIX:
            return self
        # The rows of the matrix are what it makes of the unit vectors.
        basis = torch.eye(shape.numel(), dtype=self.weight.dtype).view(-1, *shape)
        return _Product((self(basis) - origin).flatten(1), origin.flatten(), origin.shape[1:])


def _quick(stage: nn.Module, image: Tensor, layers: dict[str, str]) -> tuple[nn.Module, dict[str, nn.Module]]:
    """Return copies of a stage that cost less: one whose weights no longer move, and one for each layer that asks.

    image: one input of the stage (1, ...). layers: layer -> its weight's name in the stage. Tensors are shared.
    """
    seen = _look(stage, image)
    modules = dict(stage.named_modules())
    moving: dict[str, _Folded] = {}
    still: dict[str, nn.Module] = {}
    for name, (shape, norm) in seen.items():
        conv = modules[name]
        assert isinstance(conv, nn.Conv2d)
        moving[name] = _Folded(conv, modules.get(norm or ""))
        still[name] = moving[name].still(shape)
        if norm is not None:
            still[norm] = nn.Identity()
    fixed = _copy(stage, still)
    # A forward pass may use what lies between a convolution and its normalization; then nothing is replaced.
    if not bool(torch.isclose(fixed(image), stage(image), rtol=1e-3, atol=1e-4).all()):
        return stage, dict.fromkeys(layers, stage)
    own = {layer: name.removesuffix(".weight") for layer, name in layers.items()}
    return fixed, {
        layer: _copy(stage, still | {name: moving[name]}) if name in moving else fixed for layer, name in own.items()
    }


def _copy(module: nn.Module, changes: dict[str, nn.Module], name: str = "") -> nn.Module:
    """Return a module with some of its parts, by name, exchanged; all others and all tensors are shared."""
    if name in changes:
        return changes[name]
    twin = copy(module)
    parts = {child: _copy(part, changes, f"{name}.{child}".lstrip(".")) for child, part in module.named_children()}
    twin.__dict__["_modules"] = parts
    return twin


def _look(stage: nn.Module, image: Tensor) -> dict[str, tuple[torch.Size, str | None]]:
    """Return for each convolution the shape of its input, without the batch, and the normalization that follows it."""
    names = {module: name for name, module in stage.named_modules()}
    seen: dict[str, tuple[torch.Size, str | None]] = {}
    # The outputs are kept, so that no two of them have one address.
    made: list[tuple[str, Tensor]] = []

    def convolved(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        seen[names[module]] = (inputs[0].shape[1:], None)
        made.append((names[module], output))

    def normalized(module: nn.Module, inputs: tuple[Tensor, ...], _: Tensor) -> None:
        for name, output in made:
            if output is inputs[0]:
                seen[name] = (seen[name][0], names[module])

    hooks: list[RemovableHandle] = []
    for module in names:
        if isinstance(module, nn.Conv2d):
            hooks.append(module.register_forward_hook(convolved))
        elif isinstance(module, nn.BatchNorm2d):
            hooks.append(module.register_forward_hook(normalized))
    stage(image)
    for hook in hooks:
        hook.remove()
    return seen
