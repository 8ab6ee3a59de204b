"""Class-wise EM: one pattern a class, budget, subset, stop rule, and a loss below that of clean images."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from surrogate_factory import LIMIT, given_digits

from bench.attacks.em_classwise import (
    PUBLISHED,
    REDUCED,
    classwise_settings,
    craft_em_classwise,
    minimize_class_error,
    step_patterns,
    stratified_subset,
)
from bench.attacks.surrogate import fresh_surrogate, label_objective, mean_objective, open_workbench, project
from bench.budgets import measure_kind
from bench.errors import TrainingDiverged

TINY = replace(REDUCED, batch_size=30, share=0.5)


def test_a_class_has_one_pattern_within_the_budget():
    given = given_digits(150)
    delta = craft_em_classwise(given)
    assert delta.dtype == np.int8
    assert measure_kind(delta, given.labels) == "class-wise"
    assert len(np.unique(delta.reshape(len(delta), -1), axis=0)) == 10
    assert 0 < np.abs(delta.astype(int)).max() <= LIMIT


def test_the_surrogate_prefers_perturbed_images():
    workbench = open_workbench("em-classwise", given_digits(150))
    patterns, model = minimize_class_error(workbench, TINY)
    objective = label_objective(workbench, model, workbench.clean.labels)
    delta = patterns[workbench.clean.labels]
    clean = mean_objective(workbench, torch.zeros_like(delta), objective)
    assert mean_objective(workbench, delta, objective) < 0.7 * clean


def test_a_pattern_is_the_mean_of_the_steps_of_its_images_and_others_keep_theirs():
    workbench = open_workbench("em-classwise", given_digits())
    model = fresh_surrogate(workbench).eval()
    labels = workbench.clean.labels
    chosen = torch.nonzero((labels == 3) | (labels == 5)).flatten()
    patterns = torch.full((10, 1, 8, 8), 0.01)
    stepped = step_patterns(workbench, model, patterns, chosen, 0.02)
    for label in (3, 5):
        members = torch.nonzero(labels == label).flatten()
        delta = patterns[labels[members]].requires_grad_(True)
        loss = torch.nn.functional.cross_entropy(model(workbench.clean.images[members] + delta), labels[members])
        (gradient,) = torch.autograd.grad(loss, delta)
        moved = project(delta.detach() - 0.02 * gradient.sign(), workbench.clean.images[members], workbench.epsilon)
        assert torch.allclose(stepped[label], moved.mean(dim=0), atol=1e-6)
    assert torch.equal(stepped[[0, 1, 2, 4, 6, 7, 8, 9]], patterns[:8])


def test_the_subset_has_its_share_of_every_class():
    workbench = open_workbench("em-classwise", given_digits(200))
    labels = workbench.clean.labels
    subset = stratified_subset(workbench, 0.2)
    assert len(subset.unique()) == len(subset)
    for label in range(10):
        assert (labels[subset] == label).sum() == round(0.2 * int((labels == label).sum()))


def test_without_reaching_the_stop_error_nothing_is_made():
    workbench = open_workbench("em-classwise", given_digits())
    with pytest.raises(TrainingDiverged, match=r"training error 0\.\d+ after 1 rounds"):
        minimize_class_error(workbench, replace(TINY, most_rounds=1))


def test_the_seed_decides_the_perturbation():
    first, again, other = (craft_em_classwise(given_digits(40, seed=seed)) for seed in (0, 0, 1))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_only_the_published_network_gets_the_published_settings():
    assert classwise_settings(given_digits(model="resnet18")) == PUBLISHED
    assert classwise_settings(given_digits()) == REDUCED
