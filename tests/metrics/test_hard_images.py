"""The linear model of the hardest images: gradients against autograd, directions against every direction of a plane."""

import math

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from bench.metrics.hard_images import Hard, hard_images, linear_starts
from bench.metrics.sal import frozen, layer_weights
from bench.models.build import build_model


def margins_of(logits: Tensor, labels: Tensor) -> list[float]:
    return [
        float(row[label] - max(value for other, value in enumerate(row.tolist()) if other != label))
        for row, label in zip(logits, labels.tolist(), strict=True)
    ]


@pytest.mark.parametrize("name", ["resnet-narrow", "lenet5", "vit"])
def test_hard_images_lead_least_and_their_gradients_are_autograd_s(name):
    channels, size = (3, 32) if name == "vit" else (1, 8)
    model = build_model(name, in_channels=channels, classes=3, generator=torch.Generator().manual_seed(0)).double()
    images = torch.rand(6, channels, size, size, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    labels, shares = torch.tensor([0, 1, 2, 0, 1, 2]), torch.linspace(0.1, 0.6, 6)
    model.eval()
    logits = model(images).detach()
    with frozen(model):
        hard = hard_images(model, images, labels, shares, logits, 4)
    expected = margins_of(logits, labels)
    assert hard.margins.tolist() == pytest.approx(sorted(expected)[:4])
    assert [expected[index] for index in hard.indices.tolist()] == pytest.approx(sorted(expected)[:4])
    assert hard.shares.tolist() == pytest.approx(shares[hard.indices].tolist())
    for place, index in enumerate(hard.indices.tolist()):
        row, label = model(images[index][None])[0], int(labels[index])
        rival = max((other for other in range(3) if other != label), key=row.tolist().__getitem__)
        slopes = torch.autograd.grad(row[label] - row[rival], list(layer_weights(model).values()))
        for layer, slope in zip(layer_weights(model), slopes, strict=True):
            torch.testing.assert_close(hard.gradients(layer)[place], slope.flatten(), rtol=1e-6, atol=1e-9)


def test_gradients_of_grouped_convolutions_are_autograd_s():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(1, 4, 1), nn.Conv2d(4, 4, 3, groups=2, padding=1), nn.Flatten(), nn.Linear(64, 3))
    images, labels = torch.rand(2, 1, 4, 4), torch.tensor([0, 1])
    with frozen(model):
        hard = hard_images(model, images, labels, torch.ones(2), model(images).detach(), 2)
    for place, index in enumerate(hard.indices.tolist()):
        row, label = model(images[index][None])[0], int(labels[index])
        rival = max((other for other in range(3) if other != label), key=row.tolist().__getitem__)
        slope = torch.autograd.grad(row[label] - row[rival], model[1].weight)[0]
        torch.testing.assert_close(hard.gradients("1.weight")[place], slope.flatten(), rtol=1e-4, atol=1e-6)


def linear(margins: Tensor, gradients: Tensor, shares: Tensor | None = None) -> Hard:
    shares = torch.ones(len(margins)) if shares is None else shares
    # A linear layer with one output has its inputs as gradients.
    met = {"layer": (nn.Linear(gradients.shape[1], 1), gradients, torch.ones(len(margins), 1))}
    return Hard(torch.arange(len(margins)), margins, shares, met)


def test_linear_starts_are_the_best_directions_of_the_plane():
    """In two dimensions every direction can be tried."""
    generator = torch.Generator().manual_seed(4)
    margins, gradients = torch.rand(6, generator=generator) * 4 + 4, torch.randn(6, 2, generator=generator) * 3
    shares = torch.tensor([0.1, 1.0, 0.5, 2.0, 0.3, 0.7])
    angles = torch.linspace(0, 2 * math.pi, 2001)[:-1]
    units = torch.stack([angles.cos(), angles.sin()], 1)

    def losses(unit: Tensor) -> Tensor:
        return shares * F.softplus(-(margins + 1.5 * gradients @ unit))

    best = max(float(losses(unit).sum()) for unit in units)
    starts, foreseen = linear_starts(linear(margins, gradients, shares), "layer", 1.5, 3)
    found = [losses(start / start.norm()) for start in starts]
    sums = [float(item.sum()) for item in found]
    assert sums[0] == pytest.approx(best, rel=1e-2)
    assert sums == sorted(sums, reverse=True)
    assert foreseen.tolist() == pytest.approx(torch.stack(found).amax(0).tolist(), rel=1e-4)
    assert len(linear_starts(linear(margins, gradients), "layer", 1.5, 1)[0]) == 1


def test_one_image_alone_is_lowered_along_its_gradient():
    (start,), foreseen = linear_starts(linear(torch.tensor([5.0]), torch.tensor([[3.0, 4.0]])), "layer", 1.0, 4)
    assert (start / start.norm()).tolist() == pytest.approx([-0.6, -0.8])
    assert foreseen.tolist() == pytest.approx([math.log(2)], rel=1e-5)


def test_directions_that_are_nearly_one_are_tried_once():
    gradients = torch.tensor([[1.0, 0.0], [1.0, 0.01], [-1.0, 0.0]])
    starts, _ = linear_starts(linear(torch.tensor([3.0, 3.0, 3.0]), gradients), "layer", 1.0, 8)
    assert len(starts) == 2
