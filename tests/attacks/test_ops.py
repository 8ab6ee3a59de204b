"""OPS: one pixel an image, the same place and color in a class, distinct between classes, by the published score."""

import numpy as np
import pytest

from bench.attacks.attack import CraftInput
from bench.attacks.ops import corner_colors, craft_ops, pixel_scores
from bench.data.perturbed import apply_perturbation
from bench.errors import UsageProblem
from bench.protocol import Budgets


def photographs(count: int = 40, classes: int = 4) -> CraftInput:
    images = np.random.default_rng(1).integers(0, 256, (count, 3, 6, 6), dtype=np.uint8)
    return CraftInput(images, np.arange(count, dtype=np.int64) % classes, Budgets(l0=1), 0)


def shortcut(given: CraftInput, label: int) -> tuple[int, int, tuple[int, ...]]:
    """Return row, column and color that all images of a class have in common at the place that was changed."""
    changed = apply_perturbation(given.images, craft_ops(given))
    members = given.labels == label
    places = np.argwhere((changed != given.images)[members].any(axis=(0, 1)))
    assert len(places) == 1
    row, column = places[0]
    colors = np.unique(changed[members][:, :, row, column], axis=0)
    assert len(colors) == 1
    return int(row), int(column), tuple(int(value) for value in colors[0])


def test_at_most_one_pixel_of_each_image_changes():
    given = photographs()
    changed = apply_perturbation(given.images, craft_ops(given)) != given.images
    assert changed.any(axis=1).sum(axis=(1, 2)).max() == 1


def test_a_class_shares_place_and_extreme_color_and_no_two_classes_do():
    given = photographs()
    found = [shortcut(given, label) for label in range(4)]
    assert len(set(found)) == 4
    assert all(value in (0, 255) for _, _, color in found for value in color)


def test_the_choice_is_the_best_by_a_plain_loop_over_all_places_and_colors():
    given = photographs(classes=1)
    images = given.images / 255
    best, choice = -1.0, None
    for color in corner_colors(3):
        for row in range(6):
            for column in range(6):
                change = np.abs(color - images[:, :, row, column])
                if change.mean() / change.std() > best:
                    best = change.mean() / change.std()
                    choice = (row, column, tuple(int(255 * value) for value in color))
    assert shortcut(given, 0) == choice


def test_scores_worked_out_by_hand():
    """Two grey images: the first pixel changes by 0.9 and 0.5, the second always by 1, the third never."""
    images = np.array([[[[0.1, 0.0, 1.0]]], [[[0.5, 0.0, 1.0]]]])
    assert pixel_scores(images, np.array([1.0])).tolist() == pytest.approx([0.7 / 0.2, np.inf, 0.0])


def test_a_protocol_without_an_l0_budget_is_refused():
    given = photographs()
    with pytest.raises(UsageProblem, match="needs an L0 budget"):
        craft_ops(CraftInput(given.images, given.labels, Budgets(linf=8), 0))
