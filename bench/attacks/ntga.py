"""NTGA: neural tangent generalization attack, noise that misleads an infinitely wide network that learns from it.

Imports torch. Source: arXiv:2106.06151.
"""

from dataclasses import asdict, dataclass, replace
from math import pi
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from bench.attacks.attack import Attack, CraftInput
from bench.attacks.surrogate import Objective, Workbench, descend, open_workbench, quantize
from bench.errors import UsageProblem
from bench.training import Labeled

WEIGHT_VARIANCE = 1.76
BIAS_VARIANCE = 0.18

LARGEST_COSINE = 1 - 1e-14
"""Where two inputs point the same way, the derivative of the angle between them has no value."""

VALIDATION_CHUNK = 2048
"""Images whose loss is differentiated at a time; sums of gradients, so it moves only last bits."""


@dataclass(frozen=True)
class NTGASettings:
    """`steps` sign steps of `step_share` * epsilon; a network with `layers` hidden layers, trained for `time`.

    time: steps of gradient descent at learning rate 1 on half the mean squared error over images and classes.
    regularization: of the kernel, as a share of its mean diagonal. validation_share: share of the training images.
    """

    steps: int = 10
    step_share: float = 0.11
    layers: int = 5
    time: float = 4096.0
    regularization: float = 1e-4
    validation_share: float = 0.2


PUBLISHED = NTGASettings()
"""For CIFAR-10 and the fully connected surrogate, with 40,000 images to perturb and 10,000 to validate."""


def craft_ntga(given: CraftInput) -> NDArray[np.int8]:
    """Return noise that raises the validation loss of infinitely wide networks, within the L-infinity budget.

    A fifth of the training images, drawn, is for validation, and the others are perturbed against it. The publication
    leaves the fifth out; here the roles are then swapped, so that every image is perturbed. No test image is used.
    The kernel is computed here because the library of the publication, neural-tangents, brings JAX and TensorFlow
    along; the released code has erf units and none after the last, the publication and this module have ReLU units
    and a linear last layer. Its loop starts each of its iterations from the clean images with the whole budget and so
    equals one sign step; here the iterations are those that the publication states.
    """
    workbench = open_workbench("ntga", given)
    return quantize(raise_validation_loss(workbench, PUBLISHED), given)


def raise_validation_loss(workbench: Workbench, settings: NTGASettings) -> Tensor:
    """Return the perturbation (N, C, H, W), scale 0 to 1; blocks of images are perturbed one by one, as `descend` does.

    Raises UsageProblem for fewer than two images.
    """
    count = len(workbench.clean.labels)
    held_out = round(settings.validation_share * count)
    if not 0 < held_out < count:
        raise UsageProblem(f"ntga needs images to perturb and images to validate, got {count} in all")
    order = torch.randperm(count, generator=workbench.generator("order")).to(workbench.device)
    validation, training = order[:held_out], order[held_out:]
    delta = torch.zeros_like(workbench.clean.images)
    for block, judge in ((training, validation), (validation, training)):
        part = replace(workbench, clean=_subset(workbench, block))
        start = torch.zeros_like(part.clean.images)
        objectives = [judged_by(part, _subset(workbench, chunk), settings) for chunk in judge.split(VALIDATION_CHUNK)]
        delta[block] = descend(
            part, start, objectives, steps=settings.steps, step_size=settings.step_share * workbench.epsilon
        )
    return delta


def _subset(workbench: Workbench, chosen: Tensor) -> Labeled:
    return Labeled(workbench.clean.images[chosen], workbench.clean.labels[chosen])


def judged_by(part: Workbench, validation: Labeled, settings: NTGASettings) -> Objective:
    """Return minus the summed cross-entropy of validation images after training on a perturbed block."""

    def objective(delta: Tensor, chosen: Tensor) -> Tensor:
        block = _flat(part.clean.images[chosen] + delta)
        targets = F.one_hot(part.clean.labels[chosen], part.classes).double()
        logits = predict(block, targets, _flat(validation.images), settings)
        return -F.cross_entropy(logits, validation.labels, reduction="sum")

    return objective


def _flat(images: Tensor) -> Tensor:
    return images.reshape(len(images), -1).double()


def predict(block: Tensor, targets: Tensor, images: Tensor, settings: NTGASettings) -> Tensor:
    """Return the outputs (V, classes) of an infinitely wide network on `images` (V, D) after training on a block.

    block: (M, D), targets: (M, classes), float64. f_t = K_vt K_tt^-1 (I - exp(-K_tt t / (M classes))) Y, gradient flow
    on half the mean squared error from outputs of 0. Source: arXiv:2106.06151, Eq. 4, with the time unit of the
    library it was computed with.
    """
    kernel = tangent_kernel(block, block, settings.layers)
    kernel = kernel + settings.regularization * kernel.diagonal().mean() * torch.eye(len(block)).to(kernel)
    learned: Tensor = FlowInverse.apply(kernel, settings.time / targets.numel())
    return tangent_kernel(images, block, settings.layers) @ (learned @ targets)


def tangent_kernel(first: Tensor, second: Tensor, layers: int) -> Tensor:
    """Return the neural tangent kernel (A, B) between inputs (A, D) and (B, D), float64.

    Of an infinitely wide fully connected network with `layers` hidden layers of ReLU units and a linear last one, in
    the parameterization that keeps it finite, weights of WEIGHT_VARIANCE and biases of BIAS_VARIANCE.
    Source: arXiv:1902.06720, appendix C and E.
    """
    return both_kernels(first, second, layers)[1]


def both_kernels(first: Tensor, second: Tensor, layers: int) -> tuple[Tensor, Tensor]:
    """Return the covariance of the outputs of two sets of inputs at the start, (A, B), and the tangent kernel."""
    width = first.shape[1]
    own, other = (_affine(inputs.square().sum(dim=1) / width) for inputs in (first, second))
    covariance = _affine(first @ second.T / width)
    tangent = covariance
    for _ in range(layers):
        lengths = (own[:, None] * other[None, :]).sqrt()
        cosine = (covariance / lengths).clamp(-LARGEST_COSINE, LARGEST_COSINE)
        angle = torch.arccos(cosine)
        active = (pi - angle) / (2 * pi)  # the probability that both units are on
        covariance = _affine(lengths * ((1 - cosine.square()).sqrt() / (2 * pi) + active * cosine))
        tangent = covariance + WEIGHT_VARIANCE * tangent * active
        own, other = _affine(own / 2), _affine(other / 2)
    return covariance, tangent


def _affine(moment: Tensor) -> Tensor:
    return moment * WEIGHT_VARIANCE + BIAS_VARIANCE


class FlowInverse(torch.autograd.Function):
    """K^-1 (I - exp(-K t)) of a symmetric positive definite K (M, M), float64, differentiable in K.

    Through eigenvalues, but not through the derivatives of eigenvectors, which equal eigenvalues do not have.
    """

    @staticmethod
    def forward(ctx: Any, kernel: Tensor, time: float) -> Tensor:
        """Return the matrix function."""
        eigenvalues, vectors = torch.linalg.eigh(kernel)
        ctx.save_for_backward(eigenvalues, vectors)
        ctx.time = time
        learned: Tensor = vectors @ (_flow_inverse(eigenvalues, time)[:, None] * vectors.T)
        return learned

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        """Return the gradient by divided differences (Daleckii and Krein)."""
        eigenvalues, vectors = ctx.saved_tensors
        values = _flow_inverse(eigenvalues, ctx.time)
        gaps = eigenvalues[:, None] - eigenvalues[None, :]
        middle = (eigenvalues[:, None] + eigenvalues[None, :]) / 2
        slopes = (ctx.time * torch.exp(-middle * ctx.time) - _flow_inverse(middle, ctx.time)) / middle
        close = gaps.abs() < 1e-5 * middle
        ratios = (values[:, None] - values[None, :]) / torch.where(close, torch.ones_like(gaps), gaps)
        differences = torch.where(close, slopes, ratios)
        return vectors @ (differences * (vectors.T @ gradient @ vectors)) @ vectors.T, None


def _flow_inverse(eigenvalues: Tensor, time: float) -> Tensor:
    return -torch.expm1(-eigenvalues * time) / eigenvalues


def describe_surrogate(given: CraftInput) -> str:
    """Say in one line what learns in place of a network, whatever network is trained later."""
    count = len(given.labels)
    held_out = round(PUBLISHED.validation_share * count)
    return (
        f"infinitely wide fully connected network, {PUBLISHED.layers} hidden ReLU layers (published: also a CNN); "
        f"{held_out} of {count} training images judge the others, then the other way round; otherwise as published"
    )


NTGA = Attack(
    name="NTGA (neural tangent generalization attack)",
    family="error-maximizing",
    summary="Noise that raises the validation loss of an infinitely wide network that learns from it, by its neural "
    "tangent kernel; the validation images are training images.",
    norm="linf",
    uses_labels=True,
    paper="https://arxiv.org/abs/2106.06151",
    craft=craft_ntga,
    surrogate=describe_surrogate,
    settings=lambda _: asdict(PUBLISHED),
)
