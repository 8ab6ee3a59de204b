"""Orthogonal projection: what a linear model reads goes, to the last digit before rounding and mostly after it."""

import pytest
import torch
from defended import random_pixels, seeded

from bench.defenses.orthogonal import fit_linear, orthonormal, project_images, project_out, quantize

CLASSES = 4


def shortcut(seed: int = 0, amplitude: int = 24):
    """Return random gray images with one fixed pattern a class: a linear model needs nothing else."""
    labels = torch.arange(400) % CLASSES
    base = torch.randint(80, 176, (400, 1, 8, 8), generator=seeded(seed))
    patterns = torch.randint(0, 2, (CLASSES, 1, 8, 8), generator=seeded(99)) * 2 - 1
    return (base + amplitude * patterns[labels]).to(torch.uint8), labels


def linear_accuracy(images, labels, held, held_labels) -> float:
    """Fit a linear model of this test's own (ridge regression in closed form) and return its held-out accuracy."""

    def rows(pixels):
        flat = pixels.flatten(1).double() / 255
        return torch.cat([flat, torch.ones(len(flat), 1, dtype=torch.float64)], 1)

    x, targets = rows(images), torch.eye(CLASSES, dtype=torch.float64)[labels]
    weights = torch.linalg.solve(x.T @ x + 1e-3 * torch.eye(x.shape[1], dtype=torch.float64), x.T @ targets)
    return float(((rows(held) @ weights).argmax(1) == held_labels).double().mean())


@pytest.mark.parametrize(("shape", "classes"), [((40, 1, 8, 8), 10), ((40, 3, 16, 16), 10), ((40, 1, 2, 2), 10)])
def test_nothing_is_left_along_any_direction_before_rounding(shape, classes):
    flat = random_pixels(shape).flatten(1).float() / 255
    directions = orthonormal(torch.randn(classes, flat.shape[1], generator=seeded()))
    found = project_out(flat, directions)
    assert float((found @ directions).abs().max()) < 1e-4
    assert torch.allclose(project_out(found, directions), found, atol=1e-12)


def test_one_direction_by_hand():
    """Without (3, 4) / 5, the row (1, 1) is (1, 1) - 7/25 (3, 4)."""
    directions = orthonormal(torch.tensor([[3.0, 4.0]]))
    found = project_out(torch.tensor([[1.0, 1.0]]), directions)
    assert found[0].tolist() == pytest.approx([0.16, -0.12])


def test_directions_are_orthonormal_and_span_the_weights():
    weights = torch.randn(CLASSES, 12, generator=seeded())
    directions = orthonormal(weights)
    assert torch.allclose(directions.T @ directions, torch.eye(CLASSES, dtype=torch.float64), atol=1e-12)
    assert float(project_out(weights, directions).abs().max()) < 1e-6


def test_the_fitted_weights_read_the_shortcut():
    images, labels = shortcut()
    flat = images.flatten(1).float() / 255
    weights = fit_linear(flat, labels, seeded())
    assert weights.shape == (CLASSES, 64)
    assert float(((flat @ weights.T).argmax(1) == labels).float().mean()) > 0.9


def test_a_model_that_is_fitted_again_loses_the_shortcut_even_after_rounding():
    """Held-out accuracy of a linear model, chance 0.25: 1.00 before, 0.43 after, and 0.44 if nothing is rounded."""
    (images, labels), (held, held_labels) = shortcut(), shortcut(seed=1)
    both, both_labels = torch.cat([images, held]), torch.cat([labels, held_labels])
    projected = project_images(both, both_labels, seeded())
    assert projected.dtype == torch.uint8
    assert projected.shape == both.shape
    before = linear_accuracy(images, labels, held, held_labels)
    after = linear_accuracy(projected[:400], labels, projected[400:], held_labels)
    assert before > 0.95
    assert after < 0.5


def test_rounding_alone_leaves_a_trace_of_less_than_a_level():
    """Each of D rounding errors is at most half a level, so along a unit vector at most sqrt(D) / 2 levels: 0.0157."""
    images, labels = shortcut()
    flat = images.flatten(1).float() / 255
    directions = orthonormal(fit_linear(flat, labels, seeded()))
    projected = project_out(flat, directions)
    assert 0 <= float(projected.min()) <= float(projected.max()) <= 1  # nothing is clipped here
    left = (quantize(projected).double() / 255 @ directions).abs().max()
    assert 1e-4 < float(left) < 0.0157


def test_pixels_outside_the_scale_are_clipped():
    assert quantize(torch.tensor([-0.3, 0.0, 0.5, 1.0, 1.7])).tolist() == [0, 0, 128, 255, 255]


def test_the_same_seed_gives_the_same_images_and_another_does_not():
    images, labels = shortcut()
    found = project_images(images, labels, seeded())
    assert torch.equal(found, project_images(images, labels, seeded()))
    assert not torch.equal(found, project_images(images, labels, seeded(1)))
