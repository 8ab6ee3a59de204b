"""Rows find their images: by number, by class, by the clean file, by nearness; and are refused where that is unsure."""

import numpy as np
import pytest
from release_factory import import_release, make_delta, perturb, whole_target, write_npy, write_pickle

from bench.errors import InvalidSubmission, UsageProblem
from bench.importing.matching import NOBODY, match_by_index, match_exactly, match_nearest, match_within_classes


def one_pixel(*values: int) -> np.ndarray:
    """Images of 1 x 1 pixel, uint8 (N, 1, 1, 1)."""
    return np.array(values, np.uint8).reshape(-1, 1, 1, 1)


ONE_CLASS = np.zeros(3, np.int64)


def nearest(rows, images, tolerance=10):
    rows, images = one_pixel(*rows), one_pixel(*images)
    return match_nearest(rows, np.zeros(len(rows), np.int64), images, np.zeros(len(images), np.int64), tolerance)


def test_the_nearest_image_of_the_class_is_taken():
    assert nearest([203, 12, 98], [10, 100, 200]).row_of.tolist() == [1, 2, 0]


def test_an_image_of_another_class_is_not_taken():
    rows, images = one_pixel(12, 14), one_pixel(14, 12)
    matching = match_nearest(rows, np.array([0, 1]), images, np.array([0, 1]), tolerance=10)
    assert matching.row_of.tolist() == [0, 1]


def test_equal_images_are_told_apart_by_order_and_counted():
    matching = nearest([52, 12, 49], [50, 10, 50])
    assert matching.row_of.tolist() == [0, 1, 2]
    assert matching.duplicates == 2


def test_a_row_that_is_about_as_near_to_two_images_is_ambiguous():
    with pytest.raises(InvalidSubmission, match=r"1 row \(first: 1\) are about as near to two different images"):
        nearest([10, 25], [10, 20, 30])


def test_a_row_may_be_half_as_far_from_a_second_image_and_no_farther():
    assert nearest([24], [20, 30]).row_of.tolist() == [0, NOBODY]  # 4 and 6: just apart
    with pytest.raises(InvalidSubmission, match="about as near"):
        nearest([25], [21, 30])  # 4 and 5


def test_a_row_that_is_far_from_every_image_is_refused():
    with pytest.raises(InvalidSubmission, match="farther than 10/255"):
        nearest([10, 111], [10, 100])


def test_more_rows_than_equal_images_are_refused():
    with pytest.raises(InvalidSubmission, match="other rows took"):
        nearest([10, 11, 11], [10, 10, 99])


def test_block_means_exclude_no_match():
    rng = np.random.default_rng(3)
    images = rng.integers(0, 256, (200, 3, 5, 7)).astype(np.uint8)
    order = rng.permutation(200)
    rows = np.clip(images[order].astype(int) + rng.choice([-8, 8], images.shape), 0, 255).astype(np.uint8)
    matching = match_nearest(rows, None, images, np.zeros(200, np.int64), tolerance=8)
    assert (order[matching.row_of] == np.arange(200)).all()


def test_rows_of_a_class_go_to_its_images_in_turn():
    labels = np.array([1, 0, 1, 0])
    assert match_within_classes(np.array([0, 0, 1, 1]), None, labels).row_of.tolist() == [2, 0, 3, 1]
    ranked = match_within_classes(np.array([1, 1, 0, 7]), np.array([1, 0, 1, 0]), labels)
    assert ranked.row_of.tolist() == [1, NOBODY, 0, 2]
    assert ranked.unused == 1


def test_numbers_beyond_the_training_set_are_refused():
    assert match_by_index(np.array([2, 0]), 3).row_of.tolist() == [1, NOBODY, 0]
    with pytest.raises(InvalidSubmission, match="image number 3"):
        match_by_index(np.array([3]), 3)


def test_clean_rows_find_equal_images_in_order():
    assert match_exactly(one_pixel(5, 9, 5), one_pixel(5, 5, 9)).row_of.tolist() == [0, 2, 1]
    with pytest.raises(InvalidSubmission, match="equal no training image"):
        match_exactly(one_pixel(5, 5), one_pixel(5, 9))


def test_a_shuffled_release_with_its_clean_file_comes_back(root):
    target, order = whole_target(), np.random.default_rng(0).permutation(1437)
    images = perturb(make_delta())
    file = write_npy(root / "x.npy", images[order][:1400].transpose(0, 2, 3, 1) / 255)
    options = {"clean": write_npy(root / "c.npy", target.images[order].transpose(0, 2, 3, 1) / 255), "missing": "zero"}
    options["labels"] = write_npy(root / "y.npy", np.eye(10)[target.labels[order][:1400]])
    report = import_release(root, "npy", file, **options)
    absent = set(order[1400:].tolist()) & set(target.positions.tolist())
    assert report.order == "clean"
    assert (report.missing, report.used) == (len(absent), 60 - len(absent))
    assert report.labels.agreeing == report.labels.rows == report.used
    assert report.unchanged_images == len(absent)


def test_linearly_separable_noise_goes_to_the_classes_in_turn(root):
    target = whole_target()
    noise = make_delta() / 255
    labels = np.sort(target.labels)
    options = {"labels": write_npy(root / "l.npy", labels)}
    file = write_npy(root / "n.npy", noise)
    with pytest.raises(InvalidSubmission, match="--order class"):
        import_release(root, "npy", file, **options)
    report = import_release(root, "npy", file, order="class", **options)
    assert (report.order, report.labels.agreeing) == ("class", 60)


def test_a_list_of_images_that_no_training_image_resembles_is_refused(root):
    target = whole_target()
    noise = np.random.default_rng(0).integers(0, 256, target.images.shape).astype(np.uint8)
    file = write_pickle(root / "x.pkl", list(zip(noise, target.labels[::-1].tolist(), strict=True)))
    with pytest.raises(InvalidSubmission, match="order cannot be recovered"):
        import_release(root, "pkl", file, tolerance=16)


def test_orders_that_need_what_is_not_there_are_refused(root):
    file = write_npy(root / "own.npy", make_delta())
    with pytest.raises(UsageProblem, match="needs images"):
        import_release(root, "npy", file, order="match")
    with pytest.raises(UsageProblem, match="--labels"):
        import_release(root, "npy", file, order="class")
