"""Random patterns: one for each class, uniform, within the budget."""

import numpy as np
import pytest

from bench.attacks.attack import CraftInput
from bench.attacks.random_classwise import craft_random_classwise
from bench.budgets import measure_kind
from bench.errors import UsageProblem
from bench.protocol import Budgets

LABELS = np.arange(40, dtype=np.int64) % 10


def patterns(*, limit: int | None = 8, seed: int = 0) -> np.ndarray:
    images = np.zeros((len(LABELS), 3, 8, 8), np.uint8)
    return craft_random_classwise(CraftInput(images, LABELS, Budgets(linf=limit), seed))


def test_a_class_has_one_pattern_and_no_two_classes_share_it():
    delta = patterns()
    assert measure_kind(delta, LABELS) == "class-wise"
    assert len(np.unique(delta.reshape(len(delta), -1), axis=0)) == 10


def test_every_value_of_the_budget_occurs_about_equally_often():
    values, counts = np.unique(patterns()[:10], return_counts=True)
    assert values.tolist() == list(range(-8, 9))
    expected = 10 * 192 / 17
    assert ((counts - expected) ** 2 / expected).sum() < 39.3  # chi-square, 16 degrees of freedom, 0.1 %


def test_the_seed_decides_the_perturbation():
    assert np.array_equal(patterns(), patterns())
    assert not np.array_equal(patterns(), patterns(seed=1))


def test_without_a_budget_it_says_what_it_needs():
    with pytest.raises(UsageProblem, match="needs an L-infinity budget"):
        patterns(limit=None)
