"""DC (DeepConfuse): a generator of noise that is trained through one virtual step of a classifier.

Imports torch. Source: arXiv:1905.09027.
"""

import copy
import math
from dataclasses import asdict, dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional as F

from bench.attacks.attack import Attack, CraftInput
from bench.attacks.surrogate import (
    BATCH_IMAGES,
    PUBLISHED_MODEL,
    Workbench,
    count_work,
    describe_settings,
    open_workbench,
    quantize,
)
from bench.defenses.defense import NONE
from bench.models.build import build_model
from bench.protocol import Recipe
from bench.training import Labeled, train

PUBLISHED_SURROGATE = "vgg11"
MOST_LEVELS = 4
"""Resolutions of the published U-Net."""


@dataclass(frozen=True)
class DCSettings:
    """`rounds` of a fresh classifier that is trained for `epochs` on noise of the round before.

    classifier_rate: of its SGD, and of the virtual step. generator_rate: of Adam. width: channels of the U-Net at the
    full resolution, twice as many at each lower one.
    """

    rounds: int = 1000
    epochs: int = 20
    batch_size: int = 256
    classifier_rate: float = 0.01
    generator_rate: float = 1e-4
    width: int = 64


PUBLISHED = DCSettings()
"""For CIFAR-10 within 0.032, which is 8.2/255; here epsilon is the protocol's budget."""

REDUCED = DCSettings(rounds=10, epochs=5, batch_size=128, classifier_rate=0.1, generator_rate=3e-3, width=8)
"""For narrow networks and a few thousand images: higher rates for far fewer steps."""


def dc_settings(given: CraftInput) -> DCSettings:
    """Return the published settings for a full-sized classifier, the reduced ones for any other."""
    return PUBLISHED if given.model == PUBLISHED_MODEL else REDUCED


def describe_surrogate(given: CraftInput) -> str:
    """Say in one line which classifier and settings are used; the publication chooses on test images, this does not."""
    words = describe_settings(given.model, dc_settings(given), PUBLISHED, PUBLISHED_SURROGATE)
    return f"{words}; chosen on training images"


class DoubleConv(nn.Sequential):
    """Two 3x3 convolutions, each with batch normalization and ReLU."""

    def __init__(self, in_width: int, width: int) -> None:
        super().__init__(
            nn.Conv2d(in_width, width, 3, padding=1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(),
            nn.Conv2d(width, width, 3, padding=1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(),
        )


class UNet(nn.Module):
    """Maps images (N, channels, H, W) to noise of the same shape between -1 and 1.

    Average pooling on the way down, bilinear upsampling and concatenated skips on the way up, a 1x1 convolution with
    batch normalization and tanh at the end.
    levels: resolutions, each half of the one before. width: channels of the first one.
    """

    def __init__(self, *, channels: int, levels: int, width: int) -> None:
        super().__init__()
        widths = [width * 2**level for level in range(levels)]
        self.down = nn.ModuleList(DoubleConv(into, out) for into, out in zip([channels, *widths], widths, strict=False))
        self.up = nn.ModuleList(
            DoubleConv(low + high, high) for low, high in zip(widths[:0:-1], widths[-2::-1], strict=True)
        )
        self.last = nn.Sequential(nn.Conv2d(width, channels, 1, bias=False), nn.BatchNorm2d(channels), nn.Tanh())

    def forward(self, images: Tensor) -> Tensor:
        """Map images (N, channels, H, W), scale 0 to 1, to noise between -1 and 1."""
        features = self.down[0](images)
        skips = []
        for block in self.down[1:]:
            skips.append(features)
            features = block(F.avg_pool2d(features, 2))
        for block, skip in zip(self.up, reversed(skips), strict=True):
            risen = F.interpolate(features, size=skip.shape[-2:], mode="bilinear", align_corners=False)
            features = block(torch.cat([skip, risen], dim=1))
        noise: Tensor = self.last(features)
        return noise


def levels_for(height: int, width: int) -> int:
    """Return the resolutions that fit: at most the published number, the lowest at least 2 pixels on each side."""
    return max(1, min(MOST_LEVELS, int(math.log2(min(height, width)))))


def craft_dc(given: CraftInput) -> NDArray[np.int8]:
    """Return the noise of the best generator within the L-infinity budget."""
    workbench = open_workbench("dc", given)
    return quantize(generate(workbench, train_generator(workbench, dc_settings(given))), given)


def train_generator(workbench: Workbench, settings: DCSettings) -> nn.Module:
    """Return the generator whose noise leaves a classifier trained from scratch the lowest clean accuracy.

    max over g of CE(f_theta*(g)(x), y), where theta*(g) is trained on x + epsilon * g(x); in eval mode.
    Source: arXiv:1905.09027, as in the released code, which looks at the accuracy on test images.
    """
    trained = fresh_generator(workbench, settings)
    frozen = copy.deepcopy(trained).eval()
    optimizer = torch.optim.Adam(trained.parameters(), lr=settings.generator_rate)
    weights, shuffle, scratch = (workbench.generator(name) for name in ("classifiers", "shuffle", "scratch"))
    best, lowest = frozen, math.inf
    for number in range(1, settings.rounds + 1):
        classifier = fresh_classifier(workbench, weights)
        _play_round(workbench, classifier, trained, frozen, optimizer, settings, shuffle)
        frozen = copy.deepcopy(trained).eval()
        reached = scratch_accuracy(workbench, frozen, settings, scratch)
        if reached < lowest:
            best, lowest = frozen, reached
        workbench.progress(f"rounds, lowest clean accuracy {lowest:.3f}", number, settings.rounds)
    return best


def fresh_generator(workbench: Workbench, settings: DCSettings) -> UNet:
    """Build a U-Net for the bench's images with weights of its own stream, on the device, in train mode."""
    _, channels, height, width = workbench.clean.images.shape
    with torch.random.fork_rng(devices=[]):
        model = UNet(channels=channels, levels=levels_for(height, width), width=settings.width)
    generator = workbench.generator("generator weights")
    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_uniform_(module.weight, a=math.sqrt(5), generator=generator)
    return model.to(workbench.device, memory_format=torch.channels_last)  # type: ignore[call-overload,no-any-return]


def fresh_classifier(workbench: Workbench, weights: torch.Generator) -> nn.Module:
    """Build the protocol's network with the stream's next weights, on the device, in train mode."""
    channels = workbench.clean.images.shape[1]
    model = build_model(workbench.model, in_channels=channels, classes=workbench.classes, generator=weights)
    count_work(model, workbench)
    return model.to(workbench.device)


def _play_round(
    workbench: Workbench,
    classifier: nn.Module,
    trained: nn.Module,
    frozen: nn.Module,
    optimizer: torch.optim.Optimizer,
    settings: DCSettings,
    shuffle: torch.Generator,
) -> None:
    """Train the generator against a classifier that itself learns from the frozen generator's noise."""
    learner = torch.optim.SGD(classifier.parameters(), lr=settings.classifier_rate)
    perturbed = workbench.clean.images + generate(workbench, frozen)
    count = len(workbench.clean.labels)
    for _ in range(settings.epochs):
        order = torch.randperm(count, generator=shuffle).to(workbench.device)
        # Batches of nearly equal size: a last batch of few images would upset batch norm.
        for chosen in order.tensor_split(-(-count // settings.batch_size)):
            images, labels = workbench.clean.images[chosen], workbench.clean.labels[chosen]
            loss = -virtual_loss(workbench, classifier, trained, images, labels, settings.classifier_rate)
            optimizer.zero_grad(set_to_none=True)
            loss.backward(inputs=list(trained.parameters()))
            optimizer.step()
            learner.zero_grad(set_to_none=True)
            F.cross_entropy(classifier(perturbed[chosen]), labels).backward()
            learner.step()


def virtual_loss(
    workbench: Workbench, classifier: nn.Module, generator: nn.Module, images: Tensor, labels: Tensor, rate: float
) -> Tensor:
    """Return CE(f_theta'(x), y) with theta' = theta - rate * gradient of CE(f_theta(x + epsilon * g(x)), y).

    Differentiable with respect to the generator, through the step. classifier: in train mode; left as it was, as the
    statistics of batch norm go to copies.
    """
    parameters = dict(classifier.named_parameters())
    perturbed = (images + workbench.epsilon * generator(images)).clamp(0, 1)
    loss = F.cross_entropy(functional_call(classifier, {**parameters, **_buffers(classifier)}, (perturbed,)), labels)
    gradients = torch.autograd.grad(loss, list(parameters.values()), create_graph=True)
    moved = {
        name: value - rate * gradient for (name, value), gradient in zip(parameters.items(), gradients, strict=True)
    }
    return F.cross_entropy(functional_call(classifier, {**moved, **_buffers(classifier)}, (images,)), labels)


def generate(workbench: Workbench, generator: nn.Module) -> Tensor:
    """Return the noise of all images, (N, C, H, W), scale 0 to 1, such that images + noise stays in [0, 1].

    generator: in eval mode, so that the noise of an image depends on that image alone.
    """
    with torch.no_grad():
        parts = [
            (images + workbench.epsilon * generator(images)).clamp(0, 1) - images
            for images in workbench.clean.images.split(BATCH_IMAGES)
        ]
    return torch.cat(parts)


def scratch_accuracy(workbench: Workbench, generator: nn.Module, settings: DCSettings, draws: torch.Generator) -> float:
    """Return the accuracy on the clean training images of a classifier trained from scratch on perturbed ones."""
    recipe = Recipe(
        epochs=settings.epochs,
        batch_size=settings.batch_size,
        learning_rate=settings.classifier_rate,
        momentum=0.0,
        weight_decay=0.0,
        schedule="constant",
    )
    perturbed = Labeled(workbench.clean.images + generate(workbench, generator), workbench.clean.labels)
    classifier = fresh_classifier(workbench, draws)
    epochs = train(
        classifier, perturbed, workbench.clean, recipe, NONE, shuffle=draws, augment=draws, probe=lambda *_: None
    )
    return epochs[-1].test_accuracy


def _buffers(model: nn.Module) -> dict[str, Tensor]:
    return {name: buffer.clone() for name, buffer in model.named_buffers()}


DC = Attack(
    name="DC (DeepConfuse)",
    family="generative",
    summary="A U-Net that maps an image to noise, trained so that one step of a classifier on noisy images raises its "
    "loss on clean ones.",
    norm="linf",
    uses_labels=True,
    paper="https://arxiv.org/abs/1905.09027",
    craft=craft_dc,
    surrogate=describe_surrogate,
    settings=lambda given: asdict(dc_settings(given)),
)
