"""PIL: delta alone tells a linear model the label, the rest of the image tells it nothing."""

import math

import numpy as np
import pytest
import torch
from surrogate_factory import assert_kept_and_used, given_digits, noise, readable_share

from bench.attacks.pil import PUBLISHED, clean_recipe, craft_pil, linear_surrogate, linearize, pil_settings
from bench.attacks.surrogate import open_workbench, train_clean


@pytest.fixture(scope="module")
def linearized():
    given = given_digits()
    workbench = open_workbench("pil", given)
    model = linear_surrogate(workbench)
    train_clean(workbench, model, clean_recipe(pil_settings(given)))
    return given, workbench, model, linearize(workbench, model, pil_settings(given))


def cross_entropy(model, workbench, images):
    return torch.nn.functional.cross_entropy(model(images), workbench.clean.labels).item()


def test_delta_alone_tells_the_surrogate_the_label(linearized):
    given, workbench, model, delta = linearized
    assert cross_entropy(model, workbench, delta) < 0.5 * cross_entropy(
        model, workbench, torch.from_numpy(noise(given)).float() / 255
    )
    assert (model(delta).argmax(1) == workbench.clean.labels).all()


def test_the_surrogate_is_linear_and_has_no_bias(linearized):
    _, workbench, model, delta = linearized
    images = workbench.clean.images
    assert torch.allclose(model(images) - model(delta), model(images - delta), atol=1e-5)
    assert model(torch.zeros_like(images)).abs().max() == 0


def test_what_is_left_of_the_image_tells_less_than_the_image(linearized):
    """Cross-entropy to the own label rises toward, or beyond, that of a guess."""
    _, workbench, model, delta = linearized
    clean = cross_entropy(model, workbench, workbench.clean.images)
    left = cross_entropy(model, workbench, workbench.clean.images - delta)
    assert clean < left
    assert left > 0.5 * math.log(10)


def test_a_linear_model_reads_the_label_from_the_perturbation_alone():
    given = given_digits(300)
    delta = craft_pil(given)
    assert_kept_and_used(delta, given)
    assert readable_share(delta, given.labels) > 0.99


def test_the_seed_decides_the_perturbation():
    first, again, other = (craft_pil(given_digits(30, seed=seed)) for seed in (0, 0, 1))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_the_batch_is_in_proportion_to_the_images():
    assert pil_settings(given_digits(1437)).batch_size == 15
    labels = np.zeros(50_000, np.int64)
    assert pil_settings(given_digits(1, labels=labels)) == PUBLISHED
