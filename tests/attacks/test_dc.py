"""DC: the virtual step against its formula, a generator that makes it worse, and the choice among generators."""

import copy

import numpy as np
import pytest
import torch
from surrogate_factory import LIMIT, given_digits
from torch import nn

from bench.attacks import dc
from bench.attacks.dc import (
    PUBLISHED,
    REDUCED,
    DCSettings,
    UNet,
    craft_dc,
    dc_settings,
    describe_surrogate,
    fresh_classifier,
    fresh_generator,
    generate,
    levels_for,
    train_generator,
    virtual_loss,
)
from bench.attacks.surrogate import open_workbench

TINY = DCSettings(rounds=2, epochs=1, batch_size=20, classifier_rate=0.1, generator_rate=1e-3, width=2)


class Scaled(nn.Module):
    """Noise of one learned number times the image."""

    def __init__(self, factor):
        super().__init__()
        self.factor = nn.Parameter(torch.tensor(factor, dtype=torch.float64))

    def forward(self, images):
        return self.factor * images


def explicit_virtual_loss(weights, images, labels, change, rate):
    """The virtual step of softmax regression, whose gradient is the mean of (p - y) x: no autograd."""

    def softmax(logits):
        powers = np.exp(logits - logits.max(axis=1, keepdims=True))
        return powers / powers.sum(axis=1, keepdims=True)

    perturbed, targets = images * (1 + change), np.eye(10)[labels]
    moved = weights - rate * (softmax(perturbed @ weights.T) - targets).T @ perturbed / len(images)
    return -np.log(softmax(images @ moved.T)[np.arange(len(images)), labels]).mean()


def test_the_virtual_step_and_its_gradient_are_those_of_the_formula():
    workbench = open_workbench("dc", given_digits(12))
    # Half as bright, so that no value is clipped.
    images, labels = workbench.clean.images.double() / 2, workbench.clean.labels
    classifier = nn.Sequential(nn.Flatten(), nn.Linear(64, 10, bias=False)).double()
    nn.init.normal_(classifier[1].weight, std=0.1, generator=torch.Generator().manual_seed(0))
    generator = Scaled(0.4)
    loss = virtual_loss(workbench, classifier, generator, images, labels, 5.0)
    loss.backward()

    def formula(factor):
        weights, values = classifier[1].weight.detach().numpy(), images.flatten(1).numpy()
        return explicit_virtual_loss(weights, values, labels.numpy(), workbench.epsilon * factor, 5.0)

    assert loss.item() == pytest.approx(formula(0.4), rel=1e-9)
    # A central difference of step 1e-5 errs by about 1e-10.
    assert generator.factor.grad.item() == pytest.approx((formula(0.4 + 1e-5) - formula(0.4 - 1e-5)) / 2e-5, rel=1e-6)


def test_the_gradient_through_batch_norm_is_that_of_finite_differences():
    workbench = open_workbench("dc", given_digits(20))
    images, labels = workbench.clean.images.double(), workbench.clean.labels
    classifier = fresh_classifier(workbench, torch.Generator().manual_seed(0)).double()
    generator = Scaled(-0.5)

    def loss_at(factor):
        generator.factor.data.fill_(factor)
        return virtual_loss(workbench, classifier, generator, images, labels, 0.1)

    slope = torch.autograd.grad(loss_at(-0.5), generator.factor)[0].item()
    # Double precision leaves 1e-10 of the loss over 2e-6; a wider step would cross kinks of ReLU.
    difference = (loss_at(-0.5 + 1e-6).item() - loss_at(-0.5 - 1e-6).item()) / 2e-6
    assert slope == pytest.approx(difference, rel=1e-3)
    assert slope != 0


def test_a_virtual_step_leaves_the_classifier_as_it_was():
    workbench = open_workbench("dc", given_digits(20))
    classifier = fresh_classifier(workbench, torch.Generator().manual_seed(0))
    generator = fresh_generator(workbench, TINY)
    before = copy.deepcopy(classifier.state_dict())
    loss = virtual_loss(workbench, classifier, generator, workbench.clean.images, workbench.clean.labels, 0.1)
    loss.backward(inputs=list(generator.parameters()))
    assert all(torch.equal(value, before[name]) for name, value in classifier.state_dict().items())


def test_training_the_generator_raises_the_virtual_loss():
    """At a small rate, at which the step of the classifier is close to its first order; Adam's path is not monotone."""
    workbench = open_workbench("dc", given_digits(40))
    images, labels = workbench.clean.images, workbench.clean.labels
    classifier = fresh_classifier(workbench, torch.Generator().manual_seed(0))
    generator = fresh_generator(workbench, TINY)
    optimizer = torch.optim.Adam(generator.parameters(), lr=1e-3)
    losses = []
    for _ in range(15):
        loss = -virtual_loss(workbench, classifier, generator, images, labels, 0.01)
        optimizer.zero_grad()
        loss.backward(inputs=list(generator.parameters()))
        optimizer.step()
        losses.append(-loss.item())
    assert sum(losses[-5:]) > sum(losses[:5])


def test_the_generator_with_the_lowest_clean_accuracy_is_kept(monkeypatch):
    workbench = open_workbench("dc", given_digits(20))
    seen = []

    def accuracy(_workbench, generator, _settings, _draws):
        seen.append(generator)
        return (0.5, 0.2, 0.9)[len(seen) - 1]

    monkeypatch.setattr(dc, "scratch_accuracy", accuracy)
    settings = DCSettings(rounds=3, epochs=1, batch_size=20, generator_rate=1e-2, width=2)
    best = train_generator(workbench, settings)
    assert best is seen[1]
    assert not torch.equal(generate(workbench, seen[1]), generate(workbench, seen[2]))


def test_the_budget_is_kept_and_the_seed_decides(monkeypatch):
    monkeypatch.setattr(dc, "dc_settings", lambda _given: TINY)
    first, again, other = (craft_dc(given_digits(seed=seed)) for seed in (0, 0, 1))
    given = given_digits()
    assert first.dtype == np.int8
    assert first.shape == given.images.shape
    assert 0 < np.abs(first.astype(int)).max() <= LIMIT
    changed = given.images.astype(int) + first
    assert changed.min() >= 0
    assert changed.max() <= 255
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_the_depth_adapts_to_the_image():
    assert [levels_for(side, side) for side in (1, 2, 8, 32, 224)] == [1, 1, 3, 4, 4]


@pytest.mark.parametrize(("channels", "height", "width"), [(1, 8, 8), (3, 32, 32), (3, 7, 9)])
def test_the_generator_maps_images_to_noise_of_their_shape_between_minus_one_and_one(channels, height, width):
    model = UNet(channels=channels, levels=levels_for(height, width), width=2)
    images = torch.rand((4, channels, height, width), generator=torch.Generator().manual_seed(0))
    found = model(images)
    assert found.shape == images.shape
    assert found.abs().max() <= 1


def test_the_noise_of_an_image_depends_on_that_image_alone():
    workbench = open_workbench("dc", given_digits(20))
    generator = fresh_generator(workbench, TINY).eval()
    few = open_workbench("dc", given_digits(5, classes=10))
    assert torch.allclose(generate(workbench, generator)[:5], generate(few, generator), atol=1e-6)


def test_settings_and_what_the_choice_looks_at_are_described():
    assert dc_settings(given_digits(model="resnet18")) == PUBLISHED
    assert dc_settings(given_digits()) == REDUCED
    words = describe_surrogate(given_digits())
    assert words.startswith("resnet-narrow (published: vgg11); rounds ")
    assert words.endswith("chosen on training images")
