"""UEraser: the worst of its copies, drawn without a trace in the global random streams."""

import random
from dataclasses import replace

import kornia.augmentation
import numpy as np
import pytest
import torch
from defended import SHAPES, network, random_batch, seeded

from bench.defenses import ueraser
from bench.defenses.ueraser import (
    COPIES,
    augmented_copies,
    copy_losses,
    early_objective,
    lite_objective,
    max_objective,
    worst_objective,
)


@pytest.mark.parametrize("shape", SHAPES)
def test_copies_are_images_and_differ(shape):
    images = random_batch(shape).images
    before = images.clone()
    copies = augmented_copies(images, COPIES, seeded())
    assert [copy.shape for copy in copies] == [images.shape] * COPIES
    assert all(0 <= float(copy.min()) <= float(copy.max()) <= 1 for copy in copies)
    assert all(not torch.equal(one, other) for i, one in enumerate(copies) for other in copies[:i])
    assert torch.equal(images, before)
    assert not any(copy.requires_grad for copy in copies)


def test_every_operation_occurs_and_none_leaves_the_scale():
    images = random_batch((2, 1, 8, 8)).images
    generator = seeded()
    for _ in range(40):
        for copy in augmented_copies(images, COPIES, generator):
            assert torch.isfinite(copy).all()
            assert 0 <= float(copy.min()) <= float(copy.max()) <= 1


def test_the_same_seed_gives_the_same_copies_and_the_next_ones_differ():
    images, generator = random_batch((12, 3, 32, 32)).images, seeded()
    first, second = augmented_copies(images, 2, generator), augmented_copies(images, 2, generator)
    again = augmented_copies(images, 2, seeded())
    assert all(torch.equal(one, other) for one, other in zip(first, again, strict=True))
    assert not torch.equal(first[0], second[0])


def test_global_random_streams_and_determinism_are_left_as_they_were():
    images = random_batch((4, 3, 32, 32)).images
    torch.use_deterministic_algorithms(True)
    try:
        before = torch.get_rng_state(), np.random.get_state()[1].copy(), random.getstate()
        augmented_copies(images, COPIES, seeded())
        assert torch.are_deterministic_algorithms_enabled()
    finally:
        torch.use_deterministic_algorithms(False)
    assert torch.equal(torch.get_rng_state(), before[0])
    assert np.array_equal(np.random.get_state()[1], before[1])
    assert random.getstate() == before[2]


def test_copies_do_not_depend_on_the_global_stream():
    images = random_batch((4, 3, 32, 32)).images
    found = []
    with torch.random.fork_rng(devices=[]):
        for seed in (1, 2):
            torch.default_generator.manual_seed(seed)
            found.append(augmented_copies(images, 2, seeded()))
    assert all(torch.equal(one, other) for one, other in zip(*found, strict=True))


def test_the_order_is_brightness_contrast_shuffle_trivial(monkeypatch):
    called = []
    for name in ("RandomPlasmaBrightness", "RandomPlasmaContrast", "RandomChannelShuffle"):
        spied(monkeypatch, getattr(kornia.augmentation, name), called)
    spied(monkeypatch, kornia.augmentation.auto.TrivialAugment, called)
    augmented_copies(random_batch((2, 3, 8, 8)).images, 2, seeded())
    assert called == [
        *("RandomPlasmaBrightness", "RandomPlasmaContrast", "RandomChannelShuffle"),
        *("TrivialAugment", "TrivialAugment"),
    ]


def spied(monkeypatch, augmentation, called):
    original = augmentation.forward

    def forward(self, *arguments, **options):
        called.append(augmentation.__name__)
        return original(self, *arguments, **options)

    monkeypatch.setattr(augmentation, "forward", forward)


def test_plasma_is_the_published_formula():
    """Brightness: clip(x + (2M - 1) * intensity); contrast: clip((x - 0.5) * 4M + 0.5); M the map that was drawn."""
    (brightness, contrast, shuffle), _ = ueraser._augmentations(torch.device("cpu"))
    images = random_batch((6, 3, 8, 8)).images
    with torch.random.fork_rng(devices=[]):
        found = brightness(images)
        plasma, intensity = brightness._params["plasma"], brightness._params["intensity"]
        assert torch.allclose(found, (images + (2 * plasma - 1) * intensity[:, None, None, None]).clamp(0, 1))
        assert 0.5 <= float(intensity.min()) <= float(intensity.max()) <= 1
        found = contrast(images)
        plasma = contrast._params["plasma"]
        assert torch.allclose(found, ((images - 0.5) * 4 * plasma + 0.5).clamp(0, 1))
        assert plasma.shape == images.shape
    assert shuffle.p == 0.5


@pytest.mark.parametrize("shape", SHAPES)
def test_the_worst_is_at_least_the_mean_and_the_mean_at_least_the_best(shape):
    batch = random_batch(shape)
    loss, chosen = worst_objective(network(shape[1]), batch, COPIES)
    model = network(shape[1])
    copies = augmented_copies(batch.images, COPIES, random_batch(shape).generator)
    losses = copy_losses(torch.stack([model(copy) for copy in copies]), batch.labels)
    assert losses.shape == (COPIES, shape[0])
    assert losses.max(0).values.mean() >= losses.mean() >= losses.min(0).values.mean()
    assert loss.item() == pytest.approx(losses.max(0).values.mean().item())
    assert loss.item() == pytest.approx(torch.nn.functional.cross_entropy(chosen, batch.labels).item())


def test_losses_of_copies_belong_to_their_images():
    """Two copies of two images with two classes: ln(1 + e^-d) of the margin d."""
    logits = torch.tensor([[[3.0, 0.0], [0.0, 3.0]], [[0.0, 0.0], [3.0, 0.0]]])
    losses = copy_losses(logits, torch.tensor([0, 1]))
    expected = torch.tensor([[0.0485874, 0.0485874], [0.6931472, 3.0485874]])
    assert torch.allclose(losses, expected)


def test_one_copy_is_lite_and_late_ueraser_is_lite_and_early_ueraser_is_max():
    def loss(objective, progress):
        batch = replace(random_batch((12, 3, 32, 32)), progress=progress)
        return objective(network(), batch)[0].item()

    lite, worst = loss(lite_objective, 0.0), loss(max_objective, 0.0)
    assert lite == loss(lambda model, batch: worst_objective(model, batch, 1), 0.0)
    assert loss(early_objective, 0.25) == lite == loss(lite_objective, 0.9)
    assert loss(early_objective, 0.24) == worst == loss(max_objective, 0.9)
    assert worst > lite


def test_a_step_has_a_gradient_and_moves_statistics_once_a_copy():
    model = network()
    loss, logits = max_objective(model, random_batch((12, 3, 32, 32)))
    loss.backward()
    assert logits.shape == (12, 4)
    assert all(parameter.grad is not None for parameter in model.parameters())
    assert int(model[1].num_batches_tracked) == COPIES
    assert model.training
