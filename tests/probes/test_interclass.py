"""The interclass probe: swapped labels, unchanged images, errors counted by hand, no order of the two classes."""

import pytest
import torch
from hypothesis import given as drawn
from hypothesis import strategies as st
from probe_inputs import assert_only_these_change, assert_secret_decides, digest, given_blobs, numbered, predicting

from bench.errors import UsageProblem
from bench.probes.interclass import INTERCLASS

PAIR = {"first": 1, "second": 3}


def test_half_of_the_items_of_each_class_are_swapped_and_no_image_changes():
    given = given_blobs(INTERCLASS, count=14, **PAIR)
    forget = INTERCLASS.make(given).forget
    assert_only_these_change(given, INTERCLASS.make(given), 14)
    assert torch.equal(forget.images, given.train.images[forget.indices])
    before = given.train.labels[forget.indices]
    assert sorted(before.tolist()) == [1] * 7 + [3] * 7
    assert (forget.labels == torch.where(before == 1, 3, 1)).all()


def test_an_odd_count_leaves_one_item_out():
    given = given_blobs(INTERCLASS, count=15, **PAIR)
    assert_only_these_change(given, INTERCLASS.make(given), 14)


def test_the_secret_decides_and_the_order_of_the_classes_does_not():
    assert_secret_decides(INTERCLASS, lambda stream: given_blobs(INTERCLASS, count=10, stream=stream, **PAIR))
    swapped = given_blobs(INTERCLASS, count=10, first=3, second=1)
    assert digest(INTERCLASS.make(swapped)) == digest(INTERCLASS.make(given_blobs(INTERCLASS, count=10, **PAIR)))


def effect(labels, predictions, first=1, second=3):
    poison = INTERCLASS.make(given_blobs(INTERCLASS, count=2, **PAIR))
    settings = {"first": first, "second": second}
    return INTERCLASS.measure(predicting(predictions), poison, numbered(labels), settings).values


def test_errors_are_counted_by_hand():
    """Of two 1s and three 3s, 1 -> 3, 3 -> 1 and 3 -> 0 are wrong, the first two confused; others are left out."""
    found = effect([1, 1, 3, 3, 3, 0, 2], [1, 3, 1, 0, 3, 2, 2])
    assert found == {"interclass_error": 3 / 5, "interclass_confusion": 2 / 5}


@drawn(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=12))
def test_both_scores_are_symmetric_and_confusion_is_part_of_the_error(pairs):
    labels, predictions = [1, *(label for label, _ in pairs)], [1, *(found for _, found in pairs)]
    found = effect(labels, predictions)
    assert found == effect(labels, predictions, first=3, second=1)
    assert 0 <= found["interclass_confusion"] <= found["interclass_error"] <= 1


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"count": 42, **PAIR}, "count is 42, 21 of each class, but class 1 has 20 images"),
        ({"count": 2, "first": 2, "second": 2}, "expected two different ones"),
        ({"count": 2, "first": 1, "second": 4}, "classes are 1 and 4"),
        ({"count": 1, **PAIR}, "count is 1; expected at least 2"),
    ],
)
def test_what_cannot_be_made_is_refused(settings, message):
    with pytest.raises(UsageProblem, match=message):
        INTERCLASS.make(given_blobs(INTERCLASS, **settings))


def test_a_class_that_is_not_in_the_test_set_is_refused():
    with pytest.raises(UsageProblem, match="no test image is of class 1 or 3"):
        effect([0, 2], [0, 2])
