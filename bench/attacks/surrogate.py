"""What attacks with a surrogate share: images on the device, clean training with checkpoints, sign descent, rounding.

Imports torch; never pandas, altair or jinja2. Every image and perturbation here has the scale 0 to 1, not normalized.
"""

import copy
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from bench.attacks.attack import CraftInput, Progress, Work
from bench.defenses.defense import NONE
from bench.errors import UsageProblem
from bench.models.build import build_model
from bench.protocol import Augmentation, Recipe
from bench.runtime import choose_device, generator_for, prepare_process
from bench.training import Epoch, Labeled, to_device, train

PUBLISHED_MODEL = "resnet18"
"""The surrogate of the publications; another one is given reduced settings, and the manifest says which."""

SMALL_VALUES = 2**20
"""Channel values of a data set up to which a CPU can afford many steps; digits have a tenth of it."""

BATCH_IMAGES = 512
"""Images that are perturbed at a time; with the model in eval mode, the size does not move the result."""

TRACKED_IMAGES = 100
"""Training images on which the accuracy of a surrogate is followed; no attack sees a test image."""

INT8_LIMIT = 127

Objective = Callable[[Tensor, Tensor], Tensor]
"""Maps a perturbation (B, C, H, W) and the indices (B,) of its images to their summed loss."""


@dataclass(frozen=True)
class Workbench:
    """Clean images on the device, and what every step needs.

    epsilon: the L-infinity budget, scale 0 to 1. stream: name of the random streams of this attack and seed.
    """

    clean: Labeled
    epsilon: float
    classes: int
    model: str
    augmentation: Augmentation
    device: torch.device
    stream: str
    progress: Progress
    work: Work = field(default_factory=Work)

    def generator(self, purpose: str) -> torch.Generator:
        """Return a CPU generator for one purpose; attacks and seeds share none."""
        return generator_for(self.stream, purpose)


def open_workbench(attack: str, given: CraftInput) -> Workbench:
    """Put the images on the device and make the process compute the same numbers each time.

    Raises UsageProblem without an L-infinity budget that int8 can hold; EnvironmentProblem for an absent device.
    """
    limit = given.budgets.linf
    if limit is None or limit > INT8_LIMIT:
        raise UsageProblem(f"{attack} needs an L-infinity budget of at most {INT8_LIMIT}; this protocol allows {limit}")
    device = choose_device(given.device)
    prepare_process(device)
    return Workbench(
        clean=to_device(torch.from_numpy(given.images), torch.from_numpy(given.labels), device),
        epsilon=limit / 255,
        classes=int(given.labels.max()) + 1 if given.classes is None else given.classes,
        model=given.model,
        augmentation=given.augmentation,
        device=device,
        stream=f"craft/{attack}/{given.seed}",
        progress=given.progress,
        work=given.work,
    )


def fresh_surrogate(workbench: Workbench) -> nn.Module:
    """Build the surrogate with weights of its own stream, on the device, in train mode."""
    channels = workbench.clean.images.shape[1]
    model = build_model(
        workbench.model,
        in_channels=channels,
        classes=workbench.classes,
        generator=workbench.generator("surrogate weights"),
    )
    count_work(model, workbench)
    return model.to(workbench.device)


def count_work(model: nn.Module, workbench: Workbench) -> None:
    """Have a surrogate count the images it is given; copies of it count on."""

    # A plain function: a deep copy of the model shares it, and with it the count.
    def count(_model: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        workbench.work.count(len(inputs[0]), with_gradient=torch.is_grad_enabled())

    model.register_forward_pre_hook(count)


def train_clean(
    workbench: Workbench, model: nn.Module, recipe: Recipe, *, checkpoints: Sequence[int] = ()
) -> list[nn.Module]:
    """Train `model` in place on the clean images and leave it in eval mode.

    checkpoints: numbers of epochs, from 1, after which a copy is kept; returned in that order, in eval mode.
    """
    kept: list[nn.Module] = []

    def keep(current: nn.Module, epoch: Epoch) -> None:
        if epoch.number in checkpoints:
            kept.append(copy.deepcopy(current).eval())
        workbench.progress("surrogate epochs", epoch.number, recipe.epochs)

    tracked = Labeled(workbench.clean.images[:TRACKED_IMAGES], workbench.clean.labels[:TRACKED_IMAGES])
    train(
        model,
        workbench.clean,
        tracked,
        recipe,
        NONE,
        shuffle=workbench.generator("surrogate shuffle"),
        augment=workbench.generator("surrogate augment"),
        probe=keep,
    )
    model.eval()
    return kept


def label_objective(workbench: Workbench, model: nn.Module, targets: Tensor) -> Objective:
    """Return the summed cross-entropy (nats) of the perturbed images toward `targets`, int64 (N,)."""

    def objective(delta: Tensor, chosen: Tensor) -> Tensor:
        return F.cross_entropy(model(workbench.clean.images[chosen] + delta), targets[chosen], reduction="sum")

    return objective


def shifted_labels(workbench: Workbench, shift: int) -> Tensor:
    """Return (y + shift) mod classes, int64 (N,)."""
    return (workbench.clean.labels + shift) % workbench.classes


def project(delta: Tensor, images: Tensor, epsilon: float) -> Tensor:
    """Return the nearest perturbation within the L-infinity ball of `epsilon` that keeps images + delta in [0, 1]."""
    return (images + delta.clamp(-epsilon, epsilon)).clamp(0, 1) - images


def descend(
    workbench: Workbench,
    start: Tensor,
    objectives: Sequence[Objective],
    *,
    steps: int,
    step_size: float,
    boxed: bool = True,
) -> Tensor:
    """Return `start` after sign-gradient steps that lower the sum of the objectives, projected after every step.

    start: (N, C, H, W). objectives: differentiated one after another, so that only one graph is held at a time.
    step_size: scale 0 to 1. boxed: False leaves out the image box, for a perturbation that is not added to the
    images as it is.
    """
    moved = start.clone()
    done = 0
    for chosen in torch.arange(len(start), device=workbench.device).split(BATCH_IMAGES):
        images = workbench.clean.images[chosen]
        delta = start[chosen]
        for _ in range(steps):
            delta = delta - step_size * _gradient(objectives, delta, chosen).sign()
            delta = (
                project(delta, images, workbench.epsilon)
                if boxed
                else delta.clamp(-workbench.epsilon, workbench.epsilon)
            )
            done += len(chosen)
            workbench.progress("image steps", done, steps * len(start))
        moved[chosen] = delta
    return moved


def _gradient(objectives: Sequence[Objective], delta: Tensor, chosen: Tensor) -> Tensor:
    leaf = delta.detach().requires_grad_(True)
    total = torch.zeros_like(delta)
    for objective in objectives:
        total += torch.autograd.grad(objective(leaf, chosen), leaf)[0]
    return total


def mean_objective(workbench: Workbench, delta: Tensor, objective: Objective) -> float:
    """Return the objective of all perturbations divided by their number."""
    total = torch.zeros((), dtype=torch.float64, device=workbench.device)
    with torch.inference_mode():
        for chosen in torch.arange(len(delta), device=workbench.device).split(BATCH_IMAGES):
            total += objective(delta[chosen], chosen)
    return float(total) / len(delta)


def quantize(delta: Tensor, given: CraftInput) -> NDArray[np.int8]:
    """Return a perturbation rounded to whole 1/255, int8 (N, C, H, W), within the budget and the image box."""
    limit = given.budgets.linf
    assert limit is not None, "open_workbench refuses a protocol without an L-infinity budget"
    rounded = np.rint(delta.detach().cpu().numpy().astype(np.float64) * 255).astype(np.int16)
    images = given.images.astype(np.int16)
    boxed = np.clip(np.clip(rounded, -limit, limit), -images, 255 - images)
    assert np.abs(boxed).max() <= limit, "clipping to the box never enlarges a change"
    return np.ascontiguousarray(boxed.astype(np.int8))


def describe_settings(model: str, settings: Any, published: Any, published_model: str = PUBLISHED_MODEL) -> str:
    """Say in one line which surrogate is used and which settings, of two equal dataclasses, are not as published."""
    mine, theirs = asdict(settings), asdict(published)
    changes = [f"{name} {mine[name]} (published: {theirs[name]})" for name in mine if mine[name] != theirs[name]]
    network = model if model == published_model else f"{model} (published: {published_model})"
    return "; ".join([network, *changes, "otherwise as published" if changes else "settings as published"])
