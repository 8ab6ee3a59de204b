"""REM: noise that lowers the loss of moved and attacked images; the gradient passes through T, not the attack."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from surrogate_factory import assert_kept_and_used, given_digits, noise
from torch.nn import functional as F

from bench.attacks import rem
from bench.attacks.rem import (
    PUBLISHED,
    REDUCED,
    attack_images,
    craft_rem,
    describe_surrogate,
    final_noise,
    rate_at,
    rem_settings,
    robust_objective,
    train_robustly,
)
from bench.attacks.surrogate import fresh_surrogate, label_objective, mean_objective, open_workbench
from bench.protocol import Augmentation
from bench.training import augment_batch

TINY = replace(REDUCED, updates=40, batch_size=30, steps=3, samples=1, attack_steps=2)
MOVED = Augmentation(crop_padding=1, flip=True)


def bench(count=60, augmentation=None):
    return open_workbench("rem", given_digits(count, augmentation=augmentation or Augmentation()))


def draws(seed=3):
    return torch.Generator().manual_seed(seed)


def test_the_loss_of_the_surrogate_falls_below_that_of_clean_and_of_noisy_images():
    workbench = bench()
    model = train_robustly(workbench, TINY)
    delta = final_noise(workbench, model, TINY)
    objective = label_objective(workbench, model, workbench.clean.labels)
    random = torch.from_numpy(noise(given_digits())).float() / 255
    perturbed = mean_objective(workbench, delta, objective)
    assert perturbed < 0.5 * mean_objective(workbench, torch.zeros_like(delta), objective)
    assert perturbed < 0.5 * mean_objective(workbench, random, objective)


def test_the_gradient_passes_through_the_augmentation_and_stops_at_the_attack():
    """T is linear, so the gradient of a pixel is what T makes of that pixel alone, times the gradient behind it."""
    workbench = bench(2, MOVED)
    model, chosen = fresh_surrogate(workbench).eval(), torch.arange(2)
    delta = torch.full_like(workbench.clean.images, 0.01).requires_grad_(True)
    found = torch.autograd.grad(robust_objective(workbench, model, TINY, draws())(delta, chosen), delta)[0]

    generator = draws()
    seen = augment_batch((workbench.clean.images + delta).detach(), MOVED, generator)
    attacked = attack_images(workbench, model, seen, workbench.clean.labels, TINY, generator).requires_grad_(True)
    behind = torch.autograd.grad(F.cross_entropy(model(attacked), workbench.clean.labels, reduction="sum"), attacked)[0]
    for row in range(8):
        for column in range(8):
            pixel = torch.zeros_like(seen)
            pixel[:, :, row, column] = 1
            expected = (augment_batch(pixel, MOVED, draws()) * behind).sum(dim=(1, 2, 3))
            # A pixel is one of two sums of at most 64 products in float32.
            assert torch.allclose(found[:, 0, row, column], expected, rtol=1e-4, atol=1e-6)
    assert not torch.equal(seen, workbench.clean.images)


def test_the_attack_raises_the_loss_within_its_radius_and_the_box():
    workbench = bench()
    model = fresh_surrogate(workbench).eval()
    images, labels = workbench.clean.images, workbench.clean.labels
    attacked = attack_images(workbench, model, images, labels, TINY, draws())
    assert F.cross_entropy(model(attacked), labels) > F.cross_entropy(model(images), labels)
    assert (attacked - images).abs().max() <= 0.5 * workbench.epsilon + 1e-6
    assert attacked.min() >= 0
    assert attacked.max() <= 1
    assert not attacked.requires_grad


def test_the_budget_is_kept_and_the_seed_decides(monkeypatch):
    monkeypatch.setattr(rem, "rem_settings", lambda _given: replace(TINY, updates=4))
    first, again, other = (craft_rem(given_digits(seed=seed)) for seed in (0, 0, 1))
    assert_kept_and_used(first, given_digits())
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_every_sample_draws_anew():
    workbench = bench(4, MOVED)
    model, chosen = fresh_surrogate(workbench).eval(), torch.arange(4)
    objective = robust_objective(workbench, model, TINY, draws())
    zero = torch.zeros_like(workbench.clean.images)
    assert objective(zero, chosen).item() != objective(zero, chosen).item()


def test_the_rate_falls_to_a_tenth_at_updates_2000_and_4000_of_5000():
    rates = [rate_at(number, PUBLISHED) for number in (0, 1999, 2000, 3999, 4000, 4999)]
    assert rates == pytest.approx([0.1, 0.1, 0.01, 0.01, 0.001, 0.001])
    assert rate_at(0, replace(PUBLISHED, updates=1)) == 0.1


def test_steps_and_attack_of_any_settings_cross_their_ball():
    for settings in (PUBLISHED, REDUCED):
        assert settings.steps * settings.step_share == pytest.approx(2)
        assert settings.attack_steps * settings.attack_step_share == pytest.approx(2)


def test_without_augmentation_one_sample_is_drawn_and_the_manifest_says_so():
    assert rem_settings(given_digits(model="resnet18", augmentation=MOVED)) == PUBLISHED
    assert rem_settings(given_digits(augmentation=MOVED)) == REDUCED
    assert rem_settings(given_digits()) == replace(REDUCED, samples=1)
    words = describe_surrogate(given_digits())
    assert "samples 1 (published: 5)" in words
    assert words.endswith("no augmentation, T = identity")
    assert "identity" not in describe_surrogate(given_digits(augmentation=MOVED))
