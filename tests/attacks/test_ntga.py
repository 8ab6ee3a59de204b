"""NTGA: kernels against formulas and wide networks, dynamics against Euler steps, gradients, budget."""

from dataclasses import replace
from itertools import pairwise
from math import acos, cos, pi, sin, sqrt

import numpy as np
import pytest
import torch
from surrogate_factory import assert_kept_and_used, given_digits, noise

from bench.attacks.ntga import (
    BIAS_VARIANCE,
    PUBLISHED,
    WEIGHT_VARIANCE,
    FlowInverse,
    both_kernels,
    craft_ntga,
    describe_surrogate,
    judged_by,
    predict,
    raise_validation_loss,
    tangent_kernel,
)
from bench.attacks.surrogate import open_workbench
from bench.errors import UsageProblem
from bench.training import Labeled


def inputs(count: int, width: int = 6, seed: int = 0) -> torch.Tensor:
    return torch.rand(count, width, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def kernels_by_hand(first: list[float], second: list[float], layers: int) -> tuple[float, float]:
    """Covariance and tangent kernel of two inputs, layer by layer, from the arc-cosine formulas."""

    def affine(moment: float) -> float:
        return WEIGHT_VARIANCE * moment + BIAS_VARIANCE

    def mean_product(one: list[float], other: list[float]) -> float:
        return sum(a * b for a, b in zip(one, other, strict=True)) / len(one)

    own, other = affine(mean_product(first, first)), affine(mean_product(second, second))
    covariance = affine(mean_product(first, second))
    tangent = covariance
    for _ in range(layers):
        angle = acos(covariance / sqrt(own * other))
        product = sqrt(own * other) * (sin(angle) + (pi - angle) * cos(angle)) / (2 * pi)
        tangent = affine(product) + WEIGHT_VARIANCE * tangent * (pi - angle) / (2 * pi)
        covariance, own, other = affine(product), affine(own / 2), affine(other / 2)
    return covariance, tangent


@pytest.mark.parametrize("layers", [0, 1, 5])
def test_kernels_follow_the_arc_cosine_formulas(layers):
    first, second = inputs(2)
    covariance, tangent = both_kernels(first[None], second[None], layers)
    expected = kernels_by_hand(first.tolist(), second.tolist(), layers)
    assert (covariance.item(), tangent.item()) == pytest.approx(expected, rel=1e-12)


def test_the_covariance_is_that_of_wide_random_networks():
    pair, width, networks = inputs(2), 200, 300
    generator = torch.Generator().manual_seed(1)

    def layer(values: torch.Tensor, units: int) -> torch.Tensor:
        fan_in = values.shape[-1]
        weights = torch.randn(networks, fan_in, units, generator=generator) * sqrt(WEIGHT_VARIANCE / fan_in)
        biases = torch.randn(networks, 1, units, generator=generator) * sqrt(BIAS_VARIANCE)
        return values @ weights + biases

    hidden = layer(pair.float().expand(networks, -1, -1), width).relu()
    outputs = layer(layer(hidden, width).relu(), 50)  # (networks, 2, 50)
    measured = torch.einsum("nau,nbu->ab", outputs, outputs) / (networks * 50)
    expected, _ = both_kernels(pair, pair, 2)
    assert torch.allclose(measured.double(), expected, rtol=0.06)  # 15,000 outputs, about 2 % with their shared layers


def test_the_tangent_kernel_is_that_of_a_wide_network_in_the_mean():
    pair, width = inputs(2), 256
    gradients = []
    for seed in range(20):
        generator = torch.Generator().manual_seed(seed)
        sizes = [6, width, width, 1]
        parameters = [
            torch.randn(shape, generator=generator, dtype=torch.float64, requires_grad=True)
            for fan_in, fan_out in pairwise(sizes)
            for shape in ((fan_in, fan_out), (fan_out,))
        ]
        rows = []
        for first in pair:
            units = first
            for weights, biases in zip(parameters[::2], parameters[1::2], strict=True):
                before = units if weights is parameters[0] else units.relu()
                units = before @ weights * sqrt(WEIGHT_VARIANCE / len(weights)) + biases * sqrt(BIAS_VARIANCE)
            rows.append(torch.cat([part.flatten() for part in torch.autograd.grad(units[0], parameters)]))
        stacked = torch.stack(rows)
        gradients.append(stacked @ stacked.T)
    assert torch.allclose(torch.stack(gradients).mean(dim=0), tangent_kernel(pair, pair, 2), rtol=0.1)


def test_training_follows_small_steps_of_gradient_descent():
    block, images = inputs(8), inputs(3, seed=1)
    targets = torch.eye(2, dtype=torch.float64)[torch.arange(8) % 2]
    settings = replace(PUBLISHED, layers=2, time=40.0)
    own, cross = tangent_kernel(block, block, 2), tangent_kernel(images, block, 2)
    own = own + settings.regularization * own.diagonal().mean() * torch.eye(8)
    outputs, learned = torch.zeros(3, 2, dtype=torch.float64), torch.zeros(8, 2, dtype=torch.float64)
    steps = 20_000
    for _ in range(steps):
        # Gradient of half the mean over 8 images and 2 classes of the squared error.
        error = (learned - targets) / targets.numel() * (settings.time / steps)
        outputs, learned = outputs - cross @ error, learned - own @ error
    assert torch.allclose(predict(block, targets, images, settings), outputs, atol=1e-3)


def test_the_gradient_of_the_matrix_function_is_exact_for_equal_eigenvalues_too():
    for values in ([2.0, 2.0, 2.0], [1.0, 1.0 + 1e-7, 4.0]):
        basis = torch.linalg.qr(inputs(3, 3)).Q
        kernel = (basis @ torch.diag(torch.tensor(values, dtype=torch.float64)) @ basis.T).requires_grad_(True)
        assert torch.autograd.gradcheck(lambda k: FlowInverse.apply((k + k.T) / 2, 1.3), (kernel,))


def test_the_gradient_is_finite_where_an_input_meets_itself():
    block = inputs(4).requires_grad_(True)
    (gradient,) = torch.autograd.grad(tangent_kernel(block, block, 5).sum(), block)
    assert torch.isfinite(gradient).all()


def test_the_validation_loss_rises_far_above_that_of_noise():
    given = given_digits(120)
    workbench = open_workbench("ntga", given)
    delta = raise_validation_loss(workbench, replace(PUBLISHED, steps=3, step_share=0.4))
    half = Labeled(workbench.clean.images[:60], workbench.clean.labels[:60])
    rest = replace(workbench, clean=Labeled(workbench.clean.images[60:], workbench.clean.labels[60:]))
    objective = judged_by(rest, half, PUBLISHED)
    every = torch.arange(60)
    random = torch.from_numpy(noise(given)).float() / 255
    crafted, drawn = (-objective(values[60:], every) for values in (delta, random))
    assert crafted > 1.05 * drawn


def test_every_image_is_changed_within_the_budget():
    given = given_digits()
    delta = craft_ntga(given)
    assert_kept_and_used(delta, given)
    assert np.abs(delta).reshape(len(delta), -1).max(axis=1).min() > 0


def test_the_seed_decides_the_perturbation():
    first, again, other = (craft_ntga(given_digits(30, seed=seed)) for seed in (0, 0, 1))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_the_surrogate_is_named_with_its_validation_images():
    words = describe_surrogate(given_digits(60))
    assert "infinitely wide" in words
    assert "12 of 60 training images judge" in words


def test_without_budget_or_images_it_says_what_it_needs():
    with pytest.raises(UsageProblem, match="needs an L-infinity budget"):
        craft_ntga(given_digits(limit=None))
    with pytest.raises(UsageProblem, match="got 1 in all"):
        craft_ntga(given_digits(1))
