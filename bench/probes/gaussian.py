"""The Gaussian probe: noise on some training images, whose trace in the input gradients has to go.

May import torch, bench.errors, bench.metrics, bench.protocol, bench.probes.probe and bench.training.
Source: arXiv:2406.17216, section 4.3 and appendix A.1.4.
"""

import math
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from bench.errors import UsageProblem
from bench.metrics.gus import gaussian_scores
from bench.probes.probe import Changed, Effect, Poison, Probe, ProbeInput
from bench.protocol import Augmentation
from bench.training import Labeled, augment_batch
from bench.unlearning_protocol import Setting


def make_gaussian(given: ProbeInput) -> Poison:
    """Replace `count` items to forget and `canaries` items to keep by a privately augmented image plus noise.

    secret: `base` and `noise` of what has to be forgotten; `kept_base` and `kept_noise` of the positive control;
    `never_base`, `never_noise` and `never_labels` of the negative control, which are retained, unchanged images and
    noise that nobody trains on. Images and noise are float32 (n, C, H, W) on the CPU, scale 0 to 1, noise not limited.
    Raises UsageProblem where the training set is too small or a setting makes no sense.
    """
    forget, kept, never = draw_items(given)
    secret = {
        "base": private_images(given, forget),
        "noise": item_noise(given, forget),
        "kept_base": private_images(given, kept),
        "kept_noise": item_noise(given, kept),
        "never_base": given.train.images[never.to(given.train.images.device)].cpu().contiguous(),
        "never_noise": item_noise(given, never),
        "never_labels": labels_of(given, never),
    }
    # Base and noise are added as they are: clipping would weaken the trace and make the noise depend on the image.
    changed = Changed(forget, secret["base"] + secret["noise"], labels_of(given, forget))
    canaries = Changed(kept, secret["kept_base"] + secret["kept_noise"], labels_of(given, kept))
    return Poison(changed, secret, kept=canaries if len(kept) else None)


def measure_gaussian(model: nn.Module, poison: Poison, test: Labeled, settings: Mapping[str, Setting]) -> Effect:
    """Return mean scores `gus`, `gus_kept` and `gus_never`, and every score by set: forget, kept, never.

    The mean of a set none of whose items has a score is left out, for example that of a constant network.
    skipped: items without a score in all three sets together. The test images are not used.
    """
    del test
    secret, sigma = poison.secret, number(settings, "sigma")
    sets = {
        "forget": (Labeled(secret["base"], poison.forget.labels), secret["noise"]),
        "never": (Labeled(secret["never_base"], secret["never_labels"]), secret["never_noise"]),
    }
    if poison.kept is not None:
        sets["kept"] = (Labeled(secret["kept_base"], poison.kept.labels), secret["kept_noise"])
    found = {name: gaussian_scores(model, base, noise, sigma) for name, (base, noise) in sets.items() if len(noise)}
    keys = {"forget": "gus", "kept": "gus_kept", "never": "gus_never"}
    return Effect(
        values={keys[name]: math.fsum(item.values) / len(item.values) for name, item in found.items() if item.values},
        scores={name: item.values for name, item in found.items()},
        skipped=sum(item.skipped for item in found.values()),
    )


def draw_items(given: ProbeInput) -> tuple[Tensor, Tensor, Tensor]:
    """Return disjoint random indices of what is forgotten, kept and never trained, ascending, int64, on the CPU.

    Exactly `count`, `canaries` and `never` of them, drawn without replacement. Raises UsageProblem.
    """
    sizes = [given.count, int(number(given.settings, "canaries")), int(number(given.settings, "never"))]
    items = len(given.train.labels)
    if min(sizes) < 0 or sum(sizes) > items:
        raise UsageProblem(f"gaussian: {sizes} items to forget, keep and leave alone, {items} training images")
    order = torch.randperm(items, generator=given.generator("index"))[: sum(sizes)]
    forget, kept, never = (part.sort().values for part in order.split(sizes))
    return forget, kept, never


def item_noise(given: ProbeInput, indices: Tensor) -> Tensor:
    """Return noise N(0, sigma^2) for items of the training set, float32 (n, C, H, W), on the CPU.

    Each item has its own generator, so that its noise can be drawn again alone, and in any order.
    Raises UsageProblem where sigma is not positive.
    """
    sigma, shape = number(given.settings, "sigma"), given.train.images.shape[1:]
    if sigma <= 0:
        raise UsageProblem(f"gaussian: sigma is {sigma:g}; it must be above 0")
    noise = torch.empty(len(indices), *shape)
    for place, index in enumerate(indices.tolist()):
        noise[place] = sigma * torch.randn(shape, generator=given.generator(f"noise {index}"))
    return noise


def private_images(given: ProbeInput, indices: Tensor) -> Tensor:
    """Return images of the training set in a version that nobody else has, float32 (n, C, H, W), scale 0 to 1, CPU.

    Shifted by up to `shift` pixels each way with zeros coming in, mirrored with probability 1/2 if `flip`, brightness
    and contrast scaled by 1 - jitter to 1 + jitter. What is trained on minus the public image is then not the noise.
    """
    settings = given.settings
    movement = Augmentation(crop_padding=int(number(settings, "shift")), flip=bool(settings["flip"]))
    jitter, images = number(settings, "jitter"), torch.empty(len(indices), *given.train.images.shape[1:])
    for place, index in enumerate(indices.tolist()):
        draws = given.generator(f"augment {index}")
        image = augment_batch(given.train.images[index : index + 1].cpu(), movement, draws)[0]
        brightness, contrast = (1 + jitter * (2 * torch.rand(2, generator=draws) - 1)).tolist()
        center = image.mean()
        images[place] = (brightness * (center + contrast * (image - center))).clamp(0, 1)
    return images


def labels_of(given: ProbeInput, indices: Tensor) -> Tensor:
    """Return the labels of items of the training set, int64 (n,), on the CPU."""
    return given.train.labels.cpu()[indices]


def number(settings: Mapping[str, Setting], name: str) -> float:
    """Return a setting as a number."""
    value = settings[name]
    assert not isinstance(value, str), f"{name} is not a number"
    return float(value)


GAUSSIAN = Probe(
    name="Gaussian noise",
    summary="Noise on images of the training set, known to the evaluator only. A network that still depends on it has "
    "input gradients that point along it.",
    paper="https://arxiv.org/abs/2406.17216",
    removal="gus",
    defaults={"sigma": 64 / 255, "canaries": 72, "never": 216, "shift": 1, "flip": False, "jitter": 0.1},
    make=make_gaussian,
    measure=measure_gaussian,
)
