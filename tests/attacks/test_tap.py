"""TAP: a clean network sees the next class; the best restart is kept; augmentation is part of the objective."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from surrogate_factory import assert_kept_and_used, given_digits

from bench.attacks import tap
from bench.attacks.surrogate import (
    fresh_surrogate,
    label_objective,
    mean_objective,
    open_workbench,
    shifted_labels,
    train_clean,
)
from bench.attacks.tap import REDUCED, clean_recipe, craft_tap, target_next_class
from bench.protocol import Augmentation

# A hundred updates, so that the running statistics of batch norm have settled.
TINY = replace(REDUCED, epochs=20, batch_size=12, steps=40)


@pytest.fixture(scope="module")
def trained():
    workbench = open_workbench("tap", given_digits())
    model = fresh_surrogate(workbench)
    train_clean(workbench, model, clean_recipe(workbench, epochs=TINY.epochs, batch_size=TINY.batch_size))
    return workbench, model


def test_the_probability_of_the_next_class_rises(trained):
    workbench, model = trained
    targets = shifted_labels(workbench, 1)[:, None]
    delta = target_next_class(workbench, model, TINY)
    with torch.inference_mode():
        before = model(workbench.clean.images).softmax(1).gather(1, targets).mean()
        after = model(workbench.clean.images + delta).softmax(1).gather(1, targets).mean()
    assert before < 0.2
    assert after > 0.5


def test_more_restarts_never_end_at_a_higher_loss(trained):
    """The first restart draws the same start either way, and the lowest is kept."""
    workbench, model = trained
    objective = label_objective(workbench, model, shifted_labels(workbench, 1))
    once, thrice = (
        mean_objective(
            workbench, target_next_class(workbench, model, replace(TINY, restarts=restarts, steps=3)), objective
        )
        for restarts in (1, 3)
    )
    assert thrice <= once


def test_the_augmentation_of_the_protocol_is_part_of_the_objective(trained):
    workbench, model = trained
    plain = target_next_class(workbench, model, replace(TINY, steps=3))
    cropped = target_next_class(
        replace(workbench, augmentation=Augmentation(crop_padding=1, flip=True)), model, replace(TINY, steps=3)
    )
    assert not torch.equal(plain, cropped)


def test_the_budget_is_kept_and_the_seed_decides(monkeypatch):
    monkeypatch.setattr(tap, "tap_settings", lambda _given: replace(TINY, epochs=4, steps=20))
    first, again, other = (craft_tap(given_digits(seed=seed)) for seed in (0, 0, 1))
    assert_kept_and_used(first, given_digits())
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_the_published_training_of_the_surrogate():
    recipe = clean_recipe(open_workbench("tap", given_digits(4)), epochs=40, batch_size=128)
    assert recipe.milestones == (15, 25, 35)


def test_only_the_published_network_gets_the_published_settings():
    photographs = np.zeros((400, 3, 32, 32), np.uint8)
    assert tap.tap_settings(given_digits(model="resnet18")) == tap.PUBLISHED
    assert tap.tap_settings(given_digits()) == tap.REDUCED
    assert tap.tap_settings(given_digits(images=photographs)) == tap.SHORT
