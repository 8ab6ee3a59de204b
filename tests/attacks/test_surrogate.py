"""What attacks with a surrogate share: projection, sign steps, rounding, words about settings, and their protocol."""

from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch
from surrogate_factory import given_digits

from bench.attacks import ATTACKS
from bench.attacks.attack import Attack
from bench.attacks.surrogate import (
    descend,
    describe_settings,
    fresh_surrogate,
    mean_objective,
    open_workbench,
    project,
    quantize,
    shifted_labels,
    train_clean,
)
from bench.errors import UsageProblem
from bench.protocol import Budgets, Recipe
from bench.registry import resolve

WITH_SURROGATE = ("dc", "em", "hypo", "pil", "rem", "sep", "tap")


@dataclass(frozen=True)
class Settings:
    steps: int = 30
    restarts: int = 8


def test_projection_worked_out_by_hand():
    """The budget limits the first value, the image box the second and third, nothing the last."""
    delta = torch.tensor([0.5, 0.2, -0.2, 0.1])
    images = torch.tensor([0.5, 0.9, 0.1, 0.5])
    assert project(delta, images, 0.25).tolist() == pytest.approx([0.25, 0.1, -0.1, 0.1])


def test_sign_descent_ends_at_the_corner_of_the_box_nearest_to_the_target():
    workbench = open_workbench("em", given_digits(4))

    def distance(delta, chosen):
        return (workbench.clean.images[chosen] + delta - 1).square().sum()

    delta = descend(
        workbench, torch.zeros_like(workbench.clean.images), [distance], steps=12, step_size=workbench.epsilon / 10
    )
    expected = (1 - workbench.clean.images).clamp(max=workbench.epsilon)
    # A sign step stands still only where the gradient is 0; else it ends within one step of the target.
    assert (delta - expected).abs().max() <= workbench.epsilon / 10 + 1e-6
    assert mean_objective(workbench, delta, distance) < mean_objective(workbench, torch.zeros_like(delta), distance)


def test_sign_descent_lowers_the_sum_of_its_objectives():
    workbench = open_workbench("sep", given_digits(2, images=np.full((2, 1, 2, 2), 128, np.uint8), labels=np.arange(2)))

    def toward(slope):
        return lambda delta, _chosen: slope * delta.sum()

    start = torch.zeros_like(workbench.clean.images)
    delta = descend(workbench, start, [toward(3.0), toward(-1.0)], steps=2, step_size=0.01)
    assert torch.allclose(delta, torch.full_like(start, -0.02), atol=1e-6)


def test_rounding_goes_to_the_nearest_whole_number_within_budget_and_box():
    given = given_digits(1, images=np.array([[[[0, 250, 100, 100]]]], np.uint8), labels=np.array([0]), limit=8)
    delta = torch.tensor([[[[-3.0, 7.0, 2.6, -8.4]]]]) / 255
    assert quantize(delta, given).tolist() == [[[[0, 5, 3, -8]]]]


def test_shifted_labels_wrap_around():
    workbench = open_workbench("tap", given_digits(10))
    labels = workbench.clean.labels.tolist()
    assert shifted_labels(workbench, 1).tolist() == [(label + 1) % 10 for label in labels]


def test_clean_training_keeps_the_checkpoints_that_are_asked_for():
    workbench = open_workbench("sep", given_digits())
    recipe = Recipe(epochs=3, batch_size=20, learning_rate=0.1, momentum=0.9, weight_decay=0.0, schedule="constant")
    model = fresh_surrogate(workbench)
    kept = train_clean(workbench, model, recipe, checkpoints=(1, 3))
    assert len(kept) == 2
    assert not any(module.training for module in (*kept, model))
    weights = [copy.linear.weight for copy in (*kept, model)]
    assert torch.equal(weights[1], weights[2])
    assert not torch.equal(weights[0], weights[1])


def test_settings_that_are_not_the_published_ones_are_named_with_both_values():
    published = Settings()
    assert describe_settings("resnet18", published, published) == "resnet18; settings as published"
    assert describe_settings("resnet-narrow", replace(published, restarts=1), published) == (
        "resnet-narrow (published: resnet18); restarts 1 (published: 8); otherwise as published"
    )


@pytest.mark.parametrize("name", WITH_SURROGATE)
@pytest.mark.parametrize("model", ["resnet18", "resnet-narrow"])
def test_every_surrogate_fits_the_line_of_a_manifest(name, model):
    attack: Attack = resolve("attack", name, ATTACKS)
    assert attack.surrogate is not None
    words = attack.surrogate(given_digits(model=model))
    assert 0 < len(words) <= 280
    assert len(attack.summary) <= 280


@pytest.mark.parametrize("name", WITH_SURROGATE)
@pytest.mark.parametrize("limit", [None, 128])
def test_a_budget_that_is_absent_or_beyond_int8_is_refused(name, limit):
    attack: Attack = resolve("attack", name, ATTACKS)
    with pytest.raises(UsageProblem, match="needs an L-infinity budget of at most 127"):
        attack.craft(given_digits(4, budgets=Budgets(linf=limit)))
