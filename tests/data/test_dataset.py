"""Selecting and pinning images, and the bundled digits."""

import hashlib
from dataclasses import replace

import numpy as np
import pytest

from bench.data import DATASETS, FINDERS, load_data
from bench.data.dataset import ImageSplit, check_split, select_images, split_digest
from bench.errors import DataMismatch, UnknownName
from bench.protocol import Selection, Split, load_protocol


def make_split(labels: list[int]) -> ImageSplit:
    """One-pixel images whose value is their index."""
    images = np.arange(len(labels), dtype=np.uint8).reshape(-1, 1, 1, 1)
    return ImageSplit(images, np.array(labels, dtype=np.int64))


@pytest.mark.parametrize(
    ("selection", "kept"),
    [
        (Selection(), [0, 1, 2, 3, 4, 5]),
        (Selection(first=4), [0, 1, 2, 3]),
        (Selection(per_class=1), [0, 2]),
        (Selection(per_class=2, exclude=(0, 99)), [1, 2, 3, 5]),
        (Selection(per_class=2, first=3), [0, 1, 2]),
        (Selection(first=3, exclude=(1,)), [0, 2]),
    ],
)
def test_selection_keeps_the_first_of_each_class_in_order(selection: Selection, kept: list[int]) -> None:
    chosen = select_images(make_split([0, 0, 1, 1, 1, 0]), selection)
    assert chosen.images.ravel().tolist() == kept


def test_split_digest_is_the_digest_of_shape_pixels_and_labels() -> None:
    by_hand = b"uint8 2x1x1x1 int64\n" + bytes([0, 1]) + (7).to_bytes(8, "little") + (8).to_bytes(8, "little")
    assert split_digest(make_split([7, 8])) == hashlib.sha256(by_hand).hexdigest()


def test_split_digest_sees_a_changed_pixel_label_and_order() -> None:
    split = make_split([0, 1])
    others = [
        ImageSplit(split.images + np.uint8(1), split.labels),
        ImageSplit(split.images, split.labels + 1),
        ImageSplit(split.images[::-1], split.labels[::-1]),
        ImageSplit(split.images.reshape(1, 1, 2, 1), split.labels),
    ]
    assert len({split_digest(item) for item in (split, *others)}) == 5


def test_split_digest_does_not_see_the_memory_layout() -> None:
    split = make_split([0, 1])
    assert split_digest(replace(split, images=np.asfortranarray(split.images))) == split_digest(split)


def test_a_mismatch_names_both_digests_and_the_source() -> None:
    split = make_split([0, 1])
    with pytest.raises(DataMismatch, match=rf"toy/train from somewhere(.|\n)*{'0' * 64}(.|\n)*{split_digest(split)}"):
        check_split("toy/train", split, Split(images=2, sha256="0" * 64), "somewhere")


def test_a_split_without_a_pin_is_only_counted() -> None:
    split = make_split([0, 1])
    assert check_split("toy/train", split, Split(images=2), "somewhere") is split
    with pytest.raises(DataMismatch, match="toy/train from somewhere: expected 3 images after selection, found 2"):
        check_split("toy/train", split, Split(images=3), "somewhere")


def test_digits_are_pinned_and_split_by_position() -> None:
    data = load_data(load_protocol("ue-digits-v1").dataset)
    assert data.train_images.shape == (1437, 1, 8, 8)
    assert data.test.images.shape == (360, 1, 8, 8)
    assert data.train_images.max() == 255
    # Source values are 0 to 16, so there are 17 levels.
    assert len(np.unique(data.train_images)) == 17
    # The file starts with the digits 0 to 9; position 0 and 5 are test images.
    assert data.test.labels[:2].tolist() == [0, 5]
    assert data.train_labels[:4].tolist() == [1, 2, 3, 4]


def test_an_unknown_data_set_lists_the_known_ones() -> None:
    dataset = load_protocol("ue-digits-v1").dataset.model_copy(update={"name": "digit"})
    with pytest.raises(
        UnknownName, match="unknown data set 'digit'; known: cifar10, cifar100, digits, imagenet100, mnist"
    ):
        load_data(dataset)


def test_every_data_set_can_be_found_and_loaded() -> None:
    assert FINDERS.keys() == DATASETS.keys()
