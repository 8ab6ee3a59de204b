"""CUDA: one kernel a class, each image divided by its own maximum, dark images left alone."""

import numpy as np
import pytest
from scipy.ndimage import correlate
from surrogate_factory import given_digits

from bench.attacks.cuda import class_kernels, craft_cuda, filter_images
from bench.data.perturbed import apply_perturbation
from bench.errors import UsageProblem
from bench.protocol import Budgets

FREE = Budgets(unbounded=True)


def photographs(count: int = 4) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, 3, 6, 5), dtype=np.uint8)


def test_kernels_are_those_of_the_released_code():
    # Computed beside it: numpy's global stream, seeded, as the released program draws from it.
    np.random.seed(3)
    for kernel in class_kernels(4, 3):
        drawn = np.random.uniform(low=0, high=0.3, size=(3, 1, 3, 3))
        drawn[0, 0, np.random.randint(3), np.random.randint(3)] = 1.0
        assert np.array_equal(kernel, drawn[0, 0])


def test_one_entry_of_a_kernel_is_one_and_the_others_are_small():
    kernels = class_kernels(20, 0)
    assert ((kernels == 1).sum(axis=(1, 2)) == 1).all()
    assert np.sort(kernels.reshape(20, -1))[:, -2].max() < 0.3


def test_every_channel_is_filtered_alike_with_zeros_outside():
    kernel, images = class_kernels(1, 0)[0], photographs()
    for image, filtered in zip(images, filter_images(images, kernel), strict=True):
        channels = [correlate(channel / 255, kernel, mode="constant") for channel in image]
        expected = np.stack(channels) / np.max(channels) * 255
        # Truncated; a value that is whole but for rounding may fall one below.
        assert np.isin(np.floor(expected + 1e-9) - filtered, (0, 1)).all()
        assert filtered.max() == 255


def test_a_kernel_that_keeps_the_image_only_stretches_it():
    kernel = np.zeros((3, 3))
    kernel[1, 1] = 1.0
    images = np.array([[[[0, 51, 102]]]], np.uint8)
    assert filter_images(images, kernel).tolist() == [[[[0, 127, 255]]]]


def test_an_image_without_light_stays_and_a_constant_one_darkens_toward_its_border():
    images = np.stack([np.zeros((1, 5, 5), np.uint8), np.full((1, 5, 5), 7, np.uint8)])
    dark, even = filter_images(images, np.array([[1, 1, 1], [1, 0, 1], [1, 1, 1]]) / 8)
    assert not dark.any()
    assert even[0, 2].tolist() == [159, 255, 255, 255, 159]  # 5 of 8 parts lie inside


def test_the_perturbation_leads_to_the_filtered_image():
    given = given_digits(budgets=FREE)
    delta, kernels = craft_cuda(given), class_kernels(10, 0)
    assert delta.dtype == np.int16
    changed = apply_perturbation(given.images, delta)
    for label in range(10):
        members = given.labels == label
        assert np.array_equal(changed[members], filter_images(given.images[members], kernels[label]))


def test_the_seed_decides_the_perturbation():
    first, again, other = (craft_cuda(given_digits(budgets=FREE, seed=seed)) for seed in (0, 0, 1))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_a_protocol_that_limits_changes_is_refused():
    with pytest.raises(UsageProblem, match="admits unbounded changes"):
        craft_cuda(given_digits())
