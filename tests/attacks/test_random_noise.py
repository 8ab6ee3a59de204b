"""The control: uniform, within its budget, blind to labels."""

import numpy as np
import pytest

from bench.attacks.attack import CraftInput
from bench.attacks.random_noise import craft_random
from bench.errors import UsageProblem
from bench.protocol import Budgets


def noise(labels: np.ndarray, *, limit: int | None = 8, seed: int = 0) -> np.ndarray:
    images = np.zeros((len(labels), 3, 8, 8), np.uint8)
    return craft_random(CraftInput(images, labels, Budgets(linf=limit), seed))


def test_every_value_of_the_budget_occurs_about_equally_often():
    values, counts = np.unique(noise(np.zeros(400, np.int64)), return_counts=True)
    assert values.tolist() == list(range(-8, 9))
    expected = 400 * 192 / 17
    assert ((counts - expected) ** 2 / expected).sum() < 39.3  # chi-square, 16 degrees of freedom, 0.1 %


def test_labels_do_not_matter_and_the_seed_does():
    labels = np.arange(20) % 10
    assert np.array_equal(noise(labels), noise(labels[::-1].copy()))
    assert not np.array_equal(noise(labels), noise(labels, seed=1))


def test_without_a_budget_it_says_what_it_needs():
    with pytest.raises(UsageProblem, match="needs an L-infinity budget"):
        noise(np.zeros(2, np.int64), limit=None)
