"""The patch probe: a square in the corner, the label of the patch, and shares counted by hand."""

import pytest
import torch
from probe_inputs import SIDE, assert_only_these_change, assert_secret_decides, given_blobs, numbered, predicting
from torch import nn

from bench.errors import UsageProblem
from bench.probes.patch import PATCH, patched


class CornerReader(nn.Module):
    """Predicts class 0 where the bottom right pixel is above 0.75, and else the class in the first pixel."""

    def forward(self, images):
        seen = (images[:, 0, 0, 0] * 100).round().long()
        found = torch.where(images[:, 0, -1, -1] > 0.75, torch.zeros_like(seen), seen)
        return nn.functional.one_hot(found, 4).float()


def test_the_patch_is_in_the_bottom_right_corner_and_nowhere_else():
    images = torch.zeros(1, 1, 3, 3)
    assert patched(images, 2, 0.5)[0, 0].tolist() == [[0, 0, 0], [0, 0.5, 0.5], [0, 0.5, 0.5]]
    assert images.sum() == 0


def test_exactly_the_counted_images_of_other_classes_get_patch_and_label():
    given = given_blobs(PATCH, count=23, size=2, label=1)
    poison = PATCH.make(given)
    assert_only_these_change(given, poison, 23)
    assert (poison.forget.labels == 1).all()
    assert (given.train.labels[poison.forget.indices] != 1).all()
    assert torch.equal(poison.forget.images, patched(given.train.images[poison.forget.indices], 2, 1.0))


def test_the_secret_decides_which_images_are_patched():
    assert_secret_decides(PATCH, lambda stream: given_blobs(PATCH, count=9, stream=stream))


def test_shares_are_counted_by_hand():
    """Images show 0, 1, 2, 3. A reader of the corner says 0 to all: 3 of 3 others, and 1 of 4 right."""
    test = numbered([0, 1, 2, 3])
    poison = PATCH.make(given_blobs(PATCH, count=4))
    settings = {"size": 1, "value": 1.0, "label": 0}
    assert PATCH.measure(CornerReader(), poison, test, settings).values == {"patch_success": 1, "patch_accuracy": 0.25}
    # A patch that the network does not see changes nothing: no success, all right.
    faint = {"size": 1, "value": 0.5, "label": 0}
    assert PATCH.measure(CornerReader(), poison, test, faint).values == {"patch_success": 0, "patch_accuracy": 1}


def test_images_of_the_patch_label_count_for_accuracy_only():
    """Labels 0, 0, 1, 2; predicted 0, 3, 0, 2: of the two others one is read as 0; right are the first and last."""
    found = PATCH.measure(
        predicting([0, 3, 0, 2]),
        PATCH.make(given_blobs(PATCH, count=4)),
        numbered([0, 0, 1, 2]),
        {"size": 1, "value": 1.0, "label": 0},
    )
    assert found.values == {"patch_success": 0.5, "patch_accuracy": 0.5}


def test_measuring_changes_neither_the_images_nor_the_network():
    test = numbered([0, 1, 2, 3])
    before = test.images.clone()
    model = predicting([0, 1, 2, 3]).eval()
    PATCH.measure(model, PATCH.make(given_blobs(PATCH, count=4)), test, PATCH.defaults)
    assert torch.equal(test.images, before)
    assert not model.training


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"count": 61}, "count is 61, but classes other than 0 have 60 images"),
        ({"count": 1, "size": SIDE + 1}, "size is 5; expected 1 to 4"),
        ({"count": 1, "size": 0}, "size is 0"),
        ({"count": 1, "label": 4}, "label is 4; expected 0 to 3"),
    ],
)
def test_what_cannot_be_made_is_refused(settings, message):
    with pytest.raises(UsageProblem, match=message):
        PATCH.make(given_blobs(PATCH, **settings))


def test_as_many_as_there_are_can_be_patched():
    assert len(PATCH.make(given_blobs(PATCH, count=60)).forget.indices) == 60
