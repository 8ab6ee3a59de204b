"""HYPO: a clean network is surer of the true class, more than on clean images or on noise."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from surrogate_factory import assert_kept_and_used, given_digits, noise

from bench.attacks import hypo
from bench.attacks.hypo import REDUCED, clean_recipe, craft_hypo, reinforce_labels
from bench.attacks.surrogate import fresh_surrogate, label_objective, mean_objective, open_workbench, train_clean

# Three epochs leave the surrogate unsure, so that there is a loss to lower.
TINY = replace(REDUCED, epochs=3, batch_size=20, steps=10)


@pytest.fixture
def tiny(monkeypatch):
    monkeypatch.setattr(hypo, "hypo_settings", lambda _given: TINY)


def test_the_loss_falls_below_that_of_clean_and_of_noisy_images():
    given = given_digits()
    workbench = open_workbench("hypo", given)
    model = fresh_surrogate(workbench)
    train_clean(workbench, model, clean_recipe(workbench, TINY))
    delta = reinforce_labels(workbench, model, TINY)
    objective = label_objective(workbench, model, workbench.clean.labels)
    perturbed = mean_objective(workbench, delta, objective)
    assert perturbed < 0.5 * mean_objective(workbench, torch.zeros_like(delta), objective)
    assert perturbed < 0.5 * mean_objective(workbench, torch.from_numpy(noise(given)).float() / 255, objective)


def test_the_budget_is_kept_and_the_seed_decides(tiny):
    first, again, other = (craft_hypo(given_digits(seed=seed)) for seed in (0, 0, 1))
    assert_kept_and_used(first, given_digits())
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)
