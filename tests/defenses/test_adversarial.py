"""Adversarial training: the loss rises, the budget holds, and the network is left as it was."""

import pytest
import torch
from defended import SHAPES, network, random_batch, seeded
from torch import nn
from torch.nn import functional as F

from bench.defenses.adversarial import adversarial_objective, attack
from bench.errors import UsageProblem
from bench.training import plain_objective


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("radius", [8 / 255, 64 / 255])
def test_the_loss_rises_and_no_pixel_leaves_the_budget_or_the_scale(shape, radius):
    model, batch = network(shape[1]).eval(), random_batch(shape)
    moved = attack(model, batch.images, batch.labels, radius, seeded())
    with torch.no_grad():
        clean, adversarial = (F.cross_entropy(model(images), batch.labels) for images in (batch.images, moved))
    assert adversarial > clean
    assert float((moved - batch.images).abs().max()) <= radius + 1e-6
    assert 0 <= float(moved.min()) <= float(moved.max()) <= 1


def test_against_a_linear_model_the_attack_reaches_the_corner_of_the_ball():
    """Logits (w.x, -w.x): every pixel of a class-0 image moves down its weight's sign by the whole radius."""
    weights = torch.tensor([2.0, -1.0, 0.5, -3.0])

    class Linear(nn.Module):
        def forward(self, images):
            score = images.flatten(1) @ weights
            return torch.stack([score, -score], 1)

    images = torch.full((1, 1, 2, 2), 0.5)
    moved = attack(Linear(), images, torch.tensor([0]), 0.1, seeded())
    assert torch.allclose(moved.flatten(), 0.5 - 0.1 * weights.sign())


def test_without_a_radius_a_step_is_the_plain_one_bit_for_bit():
    plain, defended = network(), network()
    batch = random_batch((12, 3, 32, 32), budget=0.0)
    for model, objective in ((plain, plain_objective), (defended, adversarial_objective)):
        objective(model, batch)[0].backward()
        torch.optim.SGD(model.parameters(), lr=0.1).step()
    pairs = zip(plain.state_dict().values(), defended.state_dict().values(), strict=True)
    assert all(torch.equal(one, other) for one, other in pairs)


def test_modes_flags_gradients_and_statistics_are_those_of_one_plain_step():
    model = network()
    model[0].bias.requires_grad_(False)
    before = torch.get_rng_state()
    loss, _ = adversarial_objective(model, random_batch((12, 3, 32, 32)))
    assert all(module.training for module in model.modules())
    flags = {name: parameter.requires_grad for name, parameter in model.named_parameters()}
    assert [name for name, flag in flags.items() if not flag] == ["0.bias"]
    assert all(parameter.grad is None for parameter in model.parameters())
    assert int(model[1].num_batches_tracked) == 1
    assert torch.equal(torch.get_rng_state(), before)
    loss.backward()


def test_an_attack_that_fails_leaves_the_network_trainable():
    model, batch = network(), random_batch((12, 1, 32, 32))
    with pytest.raises(RuntimeError, match="channels"):
        adversarial_objective(model, batch)
    assert model.training
    assert all(parameter.requires_grad for parameter in model.parameters())


def test_a_protocol_without_a_budget_is_told_so():
    with pytest.raises(UsageProblem, match="L-infinity budget"):
        adversarial_objective(network(), random_batch((12, 3, 32, 32), budget=None))


def test_the_same_seed_gives_the_same_loss_and_another_does_not():
    shape = (12, 3, 32, 32)
    batches = random_batch(shape), random_batch(shape)
    assert len({adversarial_objective(network(), batch)[0].item() for batch in batches}) == 1
    # Left is what another stream starts with: the same images, other noise.
    repeated = adversarial_objective(network(), batches[0])[0].item()
    assert repeated != adversarial_objective(network(), random_batch(shape))[0].item()
