"""SEP: features of all checkpoints move to the mean of the class half a circle away."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from surrogate_factory import assert_kept_and_used, given_digits
from torch import nn

from bench.attacks import sep
from bench.attacks.sep import (
    SEPSettings,
    align_features,
    alignment,
    class_means,
    clean_recipe,
    craft_sep,
    features,
)
from bench.attacks.surrogate import fresh_surrogate, mean_objective, open_workbench, train_clean
from bench.errors import UsageProblem
from bench.models import MODELS

# A hundred updates, so that the running statistics of batch norm have settled.
TINY = SEPSettings(epochs=20, batch_size=12, checkpoints=2, steps=20)


@pytest.fixture(scope="module")
def trained():
    workbench = open_workbench("sep", given_digits())
    return workbench, train_clean(
        workbench, fresh_surrogate(workbench), clean_recipe(workbench, TINY), checkpoints=(10, 20)
    )


def test_features_are_what_the_last_layer_gets(trained):
    workbench, checkpoints = trained
    images = workbench.clean.images[:5]
    assert torch.allclose(checkpoints[0].linear(features(checkpoints[0], images)), checkpoints[0](images), atol=1e-6)


def test_class_means_agree_with_a_plain_loop(trained):
    workbench, checkpoints = trained
    found = class_means(workbench, checkpoints[0])
    for label in range(10):
        own = features(checkpoints[0], workbench.clean.images[workbench.clean.labels == label])
        assert torch.allclose(found[label], own.mean(dim=0), atol=1e-6)


def test_the_features_move_to_the_class_five_further(trained):
    workbench, checkpoints = trained
    delta = align_features(workbench, checkpoints, TINY)
    targets = (workbench.clean.labels + 5) % 10
    for model in checkpoints:
        objective = alignment(workbench, model)
        assert mean_objective(workbench, delta, objective) < 0.5 * mean_objective(
            workbench, torch.zeros_like(delta), objective
        )
        nearest = torch.cdist(features(model, workbench.clean.images + delta), class_means(workbench, model)).argmin(
            dim=1
        )
        # Of the clean images, the own class is nearest for nine in ten and the target for none.
        assert (nearest == targets).float().mean() > 0.3
        assert (nearest == workbench.clean.labels).float().mean() < 0.3


def test_the_budget_is_kept_and_the_seed_decides(monkeypatch):
    monkeypatch.setattr(sep, "sep_settings", lambda _given: replace(TINY, epochs=4, steps=10))
    first, again, other = (craft_sep(given_digits(seed=seed)) for seed in (0, 0, 1))
    assert_kept_and_used(first, given_digits())
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_a_network_without_these_features_is_refused(monkeypatch):
    monkeypatch.setitem(MODELS, "flat", f"{__name__}:flat_network")
    monkeypatch.setattr(sep, "sep_settings", lambda _given: replace(TINY, epochs=2))
    with pytest.raises(UsageProblem, match="reads the features of a ResNet; the protocol's network is flat"):
        craft_sep(given_digits(model="flat"))


def flat_network(in_channels: int, classes: int) -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(64 * in_channels, classes))


def test_the_published_training_of_the_checkpoints():
    recipe = clean_recipe(open_workbench("sep", given_digits(4)), sep.PUBLISHED)
    assert (recipe.epochs, recipe.milestones) == (120, (75, 90))
