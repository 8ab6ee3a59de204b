"""Grayscale: three equal channels, the luma that Pillow computes, and nothing to do twice."""

import numpy as np
import torch
from defended import pixel_sets, random_pixels, seeded
from hypothesis import given
from PIL import Image

from bench.defenses.grayscale import copy_luma


def gray(images):
    return copy_luma(images, torch.zeros(len(images), dtype=torch.int64), seeded())


def test_pure_colors_get_the_published_weights():
    colors = torch.tensor([[255, 0, 0], [0, 255, 0], [0, 0, 255], [255, 255, 255]], dtype=torch.uint8)
    assert gray(colors[:, :, None, None])[:, 0, 0, 0].tolist() == [76, 150, 29, 255]


def test_the_luma_is_that_of_pillow():
    images = random_pixels((4, 3, 32, 32))
    expected = [np.asarray(Image.fromarray(image.permute(1, 2, 0).numpy()).convert("L")) for image in images]
    assert np.array_equal(gray(images)[:, 0].numpy(), np.stack(expected))


@given(pixel_sets(3))
def test_channels_are_equal_and_a_second_time_changes_nothing(images):
    found = gray(images)
    assert torch.equal(found, found[:, :1].expand_as(found))
    assert torch.equal(gray(found), found)


@given(pixel_sets(1))
def test_one_channel_stays_as_it_is(images):
    assert torch.equal(gray(images), images)
