"""EM: budget, stop rule, and a loss below that of clean images and of noise."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from surrogate_factory import assert_kept_and_used, given_digits, noise, readable_share

from bench.attacks.em import PUBLISHED, REDUCED, SHORT, craft_em, em_settings, minimize_error
from bench.attacks.surrogate import label_objective, mean_objective, open_workbench, quantize
from bench.errors import TrainingDiverged

TINY = replace(REDUCED, batch_size=30, steps=5, step_share=0.2)


@pytest.fixture(scope="module")
def crafted():
    given = given_digits(200)
    workbench = open_workbench("em", given)
    delta, model = minimize_error(workbench, TINY)
    return given, workbench, delta, model


def test_the_budget_is_kept_and_both_signs_are_used(crafted):
    given, _, delta, _ = crafted
    values = quantize(delta, given)
    assert_kept_and_used(values, given)
    assert (values < 0).any()
    assert (values > 0).any()


def test_the_surrogate_ends_below_the_stop_error_and_prefers_perturbed_images(crafted):
    given, workbench, delta, model = crafted
    objective = label_objective(workbench, model, workbench.clean.labels)
    perturbed, clean, random = (
        mean_objective(workbench, values, objective)
        for values in (delta, torch.zeros_like(delta), torch.from_numpy(noise(given)).float() / 255)
    )
    assert perturbed < 0.5 * clean
    assert perturbed < 0.5 * random
    hits = (model(workbench.clean.images + delta).argmax(1) == workbench.clean.labels).float().mean()
    assert hits > 1 - TINY.stop_error


def test_a_linear_model_reads_the_label_from_the_perturbation_alone(crafted):
    given, _, delta, _ = crafted
    assert readable_share(quantize(delta, given), given.labels) > 0.9


def test_without_reaching_the_stop_error_nothing_is_made():
    workbench = open_workbench("em", given_digits())
    with pytest.raises(TrainingDiverged, match=r"training error 0\.\d+ after 1 rounds"):
        minimize_error(workbench, replace(TINY, steps=0, updates=1, most_rounds=1))


def test_the_seed_decides_the_perturbation():
    first, again, other = (craft_em(given_digits(30, seed=seed)) for seed in (0, 0, 1))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_only_the_published_network_gets_the_published_settings():
    assert em_settings(given_digits(model="resnet18")) == PUBLISHED
    assert em_settings(given_digits()) == REDUCED


def test_photographs_on_a_small_network_get_fewer_and_longer_steps():
    photographs = np.zeros((400, 3, 32, 32), np.uint8)
    assert em_settings(given_digits(images=photographs)) == SHORT
    assert em_settings(given_digits(images=photographs, model="resnet18")) == PUBLISHED
    assert (SHORT.steps, SHORT.step_share) == (5, 0.2)
