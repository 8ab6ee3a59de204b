"""The gradient-matching probe: clean-label poisons that make training misread single test images.

May import torch, bench.errors, bench.probes.parameter_gradients, bench.probes.probe and bench.training.
Source: arXiv:2009.02276 (Witches' Brew), as in arXiv:2406.17216, appendix A.1.1.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from bench.errors import UsageProblem
from bench.probes.parameter_gradients import inner_product, length, loss_gradient, traced_gradient
from bench.probes.probe import Changed, Effect, Poison, Probe, ProbeInput
from bench.training import Labeled
from bench.unlearning_protocol import Setting

ANY_CLASS = -1
DECAY_EIGHTHS = (3, 5, 7)
DECAY = 0.1


@dataclass(frozen=True)
class Target:
    """A test image that has to be misread, and the training images that are to do it.

    image: float32 (1, C, H, W), scale 0 to 1. label: what it shows. adversarial: what it has to be read as.
    indices: int64 (n,), ascending, training images of class `adversarial`.
    """

    image: Tensor
    label: int
    adversarial: int
    indices: Tensor


@dataclass(frozen=True)
class Brew:
    """How poisons are searched for. epsilon: L-infinity bound. step: of signed Adam. Both on the scale 0 to 1.

    batch: poisons whose mean gradient is matched at a time. flip, translate: random views, see `random_views`.
    """

    epsilon: float
    iterations: int
    restarts: int
    step: float
    batch: int
    flip: bool
    translate: float


def make_gradient_matching(given: ProbeInput) -> Poison:
    """Train a clean network and search for poisons whose gradient points where that of the targets' lies points.

    Each of `targets` test images gets count // targets poisons, all of one class of its own, labels unchanged, so
    exactly targets * (count // targets) items are changed.
    secret: `targets`, float32 (t, C, H, W); `target_labels`, what they show, and `adversarial_labels`, what they shall
    be read as, int64 (t,); `objectives`, float32 (t, restarts), 1 - cosine at the end of each restart.
    Raises UsageProblem where there are too few classes, items or targets.
    """
    settings = given.settings
    brew = Brew(
        epsilon=float(settings["eps"]),
        iterations=int(settings["iterations"]),
        restarts=int(settings["restarts"]),
        step=float(settings["step"]),
        batch=int(settings["batch"]),
        flip=bool(settings["flip"]),
        translate=float(settings["translate"]),
    )
    model = given.make_model("clean")
    given.fit(model, given.train, "clean")
    model.eval()
    targets = choose_targets(given, model)
    images, objectives = [], []
    for number, target in enumerate(targets):
        start, views = given.generator(f"start/{number}"), given.generator(f"views/{number}")
        found, ends = brew_poisons(model, given.train, target, brew, start, views)
        images.append(found.cpu())
        objectives.append(ends)
    indices, order = torch.cat([target.indices for target in targets]).sort()
    return Poison(
        Changed(indices, torch.cat(images)[order], given.train.labels.cpu()[indices]),
        secret={
            "targets": torch.cat([target.image.cpu() for target in targets]),
            "target_labels": torch.tensor([target.label for target in targets]),
            "adversarial_labels": torch.tensor([target.adversarial for target in targets]),
            "objectives": torch.tensor(objectives),
        },
    )


def choose_targets(given: ProbeInput, model: nn.Module) -> list[Target]:
    """Draw the targets among test images that the clean network reads rightly, each with poisons of its own class.

    model: clean, in eval mode. In a target, the logit of its own class leads that of the adversarial class by `lead` or
    more. With `nearest` above 0, it is drawn from so many of these images: those with the smallest lead.
    Raises UsageProblem where there are too few classes, items or such images.
    """
    wanted, fixed = int(given.settings["targets"]), int(given.settings["target_class"])
    if not ANY_CLASS <= fixed < given.classes:
        raise UsageProblem(f"gradient-matching: target_class is {fixed}; expected a class below {given.classes} or -1")
    if not 1 <= wanted < given.classes:
        raise UsageProblem(f"gradient-matching: targets is {wanted}; expected 1 to {given.classes - 1}")
    each, nearest, lead = given.count // wanted, int(given.settings["nearest"]), float(given.settings["lead"])
    if each == 0:
        raise UsageProblem(f"gradient-matching: count is {given.count}, fewer than the {wanted} targets")
    draws = given.generator("targets")
    with torch.inference_mode():
        logits = torch.cat([model(batch) for batch in given.test.images.split(1000)]).cpu()
    labels, test_labels = given.train.labels.cpu(), given.test.labels.cpu()
    right = logits.argmax(1) == test_labels
    leads = logits.gather(1, test_labels[:, None]) - logits  # (N, classes)
    classes = [label for label in torch.randperm(given.classes, generator=draws).tolist() if label != fixed]
    targets: list[Target] = []
    taken = torch.zeros(len(right), dtype=torch.bool)
    for adversarial in classes[:wanted]:
        shown = test_labels != adversarial if fixed == ANY_CLASS else test_labels == fixed
        candidates = (right & shown & ~taken & (leads[:, adversarial] >= lead)).nonzero()[:, 0]
        if len(candidates) == 0:
            raise UsageProblem(
                f"gradient-matching: too few test images are read rightly, {lead:g} or more above class {adversarial}"
            )
        if nearest > 0:
            candidates = candidates[leads[candidates, adversarial].argsort(stable=True)[:nearest]]
        chosen = int(candidates[int(torch.randint(len(candidates), (), generator=draws))])
        taken[chosen] = True
        pool = (labels == adversarial).nonzero()[:, 0]
        if each > len(pool):
            raise UsageProblem(
                f"gradient-matching: {each} poisons a target, but class {adversarial} has {len(pool)} training images"
            )
        indices = pool[torch.randperm(len(pool), generator=draws)[:each]].sort().values
        image = given.test.images[chosen : chosen + 1].clone()
        targets.append(Target(image, int(test_labels[chosen]), adversarial, indices))
    return targets


def brew_poisons(
    model: nn.Module, train: Labeled, target: Target, brew: Brew, start: torch.Generator, views: torch.Generator
) -> tuple[Tensor, list[float]]:
    """Return the poisons (n, C, H, W) of the restart with the smallest objective, and the objective of each restart.

    Objective: 1 - cos(gradient of CE(f(target), adversarial), mean gradient of CE(f(x + delta), adversarial)) over all
    trainable parameters, 0 to 2. Each restart begins at normal noise times epsilon, clipped. The objective at the end
    is that without random views. Source: arXiv:2009.02276.
    """
    base, labels = (
        train.images[target.indices.to(train.images.device)],
        train.labels[:1].new_tensor([target.adversarial]),
    )
    wanted = loss_gradient(model, target.image, labels)
    labels = labels.expand(len(base))
    found: list[tuple[float, Tensor]] = []
    for _ in range(brew.restarts):
        noise = torch.randn(base.shape, generator=start).to(base)
        delta = _within(base, brew.epsilon * noise, brew.epsilon)
        delta = _descend(model, base, labels, delta, wanted, brew, views)
        found.append((match(model, base + delta, labels, wanted, brew.batch), delta))
    best = min(found, key=lambda pair: pair[0])[1]
    # Once more to the box: adding what was subtracted can leave it by a rounding error.
    return (base + best).clamp(0, 1), [objective for objective, _ in found]


def match(model: nn.Module, images: Tensor, labels: Tensor, wanted: list[Tensor], batch: int) -> float:
    """Return the objective of poisons without random views, averaged over their batches."""
    parts = [
        float(_misalignment(loss_gradient(model, *pair), wanted)) * len(pair[1])
        for pair in zip(images.split(batch), labels.split(batch), strict=True)
    ]
    return sum(parts) / len(labels)


def random_views(images: Tensor, *, flip: bool, translate: float, generator: torch.Generator) -> Tensor:
    """Return randomly mirrored and shifted images (B, C, H, W), one draw an image, differentiable in the images.

    translate: largest shift in pixels, by row and by column, uniform; between pixels the value is bilinear, outside
    the image it is 0.
    """
    if flip:
        mirrored = torch.rand(len(images), generator=generator) < 0.5
        images = torch.where(mirrored.to(images.device)[:, None, None, None], images.flip(3), images)
    if translate > 0:
        shifts = (2 * torch.rand(2, len(images), generator=generator) - 1) * translate
        # Two small matrix products: sampling on a grid has no deterministic backward pass on a GPU.
        rows, columns = (
            _shift_matrix(shift, side).to(images) for shift, side in zip(shifts, images.shape[2:], strict=True)
        )
        images = torch.einsum("bij,bcjk,blk->bcil", rows, images, columns)
    return images


def measure_gradient_matching(
    model: nn.Module, poison: Poison, test: Labeled, _settings: Mapping[str, Setting]
) -> Effect:
    """Return `targeted_success` and `targeted_probability`, 0 to 1.

    targeted_success: the share of targets predicted as their adversarial class. targeted_probability: the mean
    probability of that class. scores: the probability for each target, under `targets`.
    """
    adversarial = poison.secret["adversarial_labels"].to(test.labels)
    with torch.inference_mode():
        logits = model(poison.secret["targets"].to(test.images))
    probabilities = logits.double().softmax(1).gather(1, adversarial[:, None])[:, 0]
    return Effect(
        {
            "targeted_success": int((logits.argmax(1) == adversarial).sum()) / len(adversarial),
            "targeted_probability": float(probabilities.mean()),
        },
        scores={"targets": tuple(probabilities.tolist())},
    )


def _descend(
    model: nn.Module,
    base: Tensor,
    labels: Tensor,
    delta: Tensor,
    wanted: list[Tensor],
    brew: Brew,
    views: torch.Generator,
) -> Tensor:
    """Return delta after signed Adam steps on the objective of randomly viewed batches, projected after each step."""
    delta = delta.clone().requires_grad_()
    optimizer = torch.optim.Adam([delta], lr=brew.step)
    milestones = [brew.iterations * eighths // 8 for eighths in DECAY_EIGHTHS]
    schedule = torch.optim.lr_scheduler.MultiStepLR(optimizer, milestones, DECAY)
    for _ in range(brew.iterations):
        gradient = torch.zeros_like(base)
        for chosen in torch.arange(len(base), device=base.device).split(brew.batch):
            seen = random_views(base[chosen] + delta[chosen], flip=brew.flip, translate=brew.translate, generator=views)
            objective = _misalignment(traced_gradient(model, seen, labels[chosen]), wanted)
            gradient += torch.autograd.grad(objective, delta)[0]
        delta.grad = gradient.sign()
        optimizer.step()
        schedule.step()
        with torch.no_grad():
            delta.copy_(_within(base, delta, brew.epsilon))
    return delta.detach()


def _misalignment(found: list[Tensor], wanted: list[Tensor]) -> Tensor:
    """Return 1 - cosine of two gradients, 0 to 2; a sum over images has the cosine of their mean."""
    return 1 - inner_product(found, wanted) / (length(found) * length(wanted))


def _within(base: Tensor, delta: Tensor, epsilon: float) -> Tensor:
    """Return the closest delta within the bound that keeps base + delta within 0 to 1."""
    return (base + delta.clamp(-epsilon, epsilon)).clamp(0, 1) - base


def _shift_matrix(shift: Tensor, side: int) -> Tensor:
    """Return matrices (B, side, side) that move a row of values by `shift` (B,) pixels, linear between pixels."""
    places = torch.arange(side, dtype=shift.dtype)
    distance = (places[:, None] + shift[:, None, None] - places).abs()
    return (1 - distance).clamp(min=0)


GRADIENT_MATCHING = Probe(
    name="gradient-matching",
    summary="Slightly changed images of a class, rightly labeled, make training read single test images as that class.",
    paper="arXiv:2009.02276",
    removal="targeted_success",
    defaults={
        "targets": 1,
        "eps": 16 / 255,
        "iterations": 250,
        "restarts": 8,
        "step": 0.025,
        "batch": 512,
        "flip": True,
        "translate": 4.0,
        "target_class": ANY_CLASS,
        "nearest": 0,
        "lead": 0.0,
    },
    make=make_gradient_matching,
    measure=measure_gradient_matching,
)
