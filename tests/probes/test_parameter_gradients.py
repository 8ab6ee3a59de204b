"""Parameter gradients: every layer counts, batches add up, a second backward pass works."""

import pytest
import torch
from probe_inputs import blobs, make_network
from torch.nn import functional as F

from bench.probes.parameter_gradients import (
    inner_product,
    length,
    loss_gradient,
    set_gradient,
    traced_gradient,
    trainable,
)


def test_the_gradient_has_every_trainable_parameter_and_is_that_of_the_sum():
    """A published implementation looks at the first tensor only."""
    model, data = make_network("any"), blobs(12, "train")
    found = loss_gradient(model, data.images, data.labels)
    F.cross_entropy(model(data.images), data.labels, reduction="sum").backward()
    assert len(found) == len(list(model.parameters())) == 4
    for part, parameter in zip(found, model.parameters(), strict=True):
        assert torch.allclose(part, parameter.grad)
        assert part.abs().sum() > 0
        assert not part.requires_grad


def test_frozen_parameters_are_left_out():
    model = make_network("any")
    model.body.weight.requires_grad_(requires_grad=False)
    assert [part.shape for part in trainable(model)] == [(12,), (4, 12), (4,)]


def test_no_gradient_is_left_in_the_network():
    model, data = make_network("any"), blobs(12, "train")
    loss_gradient(model, data.images, data.labels)
    assert all(parameter.grad is None for parameter in model.parameters())


def test_a_traced_gradient_has_the_same_values_and_reaches_the_images():
    """Compared with a central difference of the inner product with a fixed direction, in float64."""
    model, data = make_network("any").double(), blobs(3, "train")
    images = data.images.double().requires_grad_()
    direction = [torch.randn_like(part) for part in model.parameters()]
    traced = traced_gradient(model, images, data.labels)
    slope = torch.autograd.grad(inner_product(traced, direction), images)[0]
    plain = loss_gradient(model, images.detach(), data.labels)
    assert all(torch.equal(one, other) for one, other in zip(traced, plain, strict=True))
    move = torch.zeros_like(slope)
    move[1, 0, 2, 3] = 1e-5
    up, down = (
        inner_product(loss_gradient(model, images.detach() + sign * move, data.labels), direction) for sign in (1, -1)
    )
    assert float(slope[1, 0, 2, 3]) == pytest.approx(float(up - down) / 2e-5, rel=1e-5)


def test_a_set_in_batches_has_the_gradient_of_one_batch():
    model, data = make_network("any"), blobs(300, "train")
    whole = loss_gradient(model, data.images, data.labels)
    for one, other in zip(set_gradient(model, data), whole, strict=True):
        assert torch.allclose(one, other, rtol=1e-4, atol=1e-4)


def test_products_and_lengths_go_over_all_tensors_together():
    first, second = (
        [torch.tensor([1.0, 2.0]), torch.tensor([[2.0]])],
        [torch.tensor([3.0, 0.5]), torch.tensor([[-1.0]])],
    )
    assert inner_product(first, second) == 3 + 1 - 2
    assert length(first) == 3
