"""Blur: the setting used does something, the published one does not."""

import torch
from defended import SHAPES, pixel_sets, random_pixels, seeded
from hypothesis import given
from torchvision.transforms.v2.functional import gaussian_blur

from bench.defenses.blur import SIGMA, blur, blur_images


@given(pixel_sets(3))
def test_the_published_sigma_is_the_identity_on_bytes(images):
    assert torch.equal(blur(images, 0.1), images)


def test_one_white_pixel_spreads_over_its_neighbors_by_hand():
    """The weights along one axis are a, b, a with a / b = e^-0.5: 0.27407, 0.45186."""
    image = torch.zeros(1, 1, 5, 5, dtype=torch.uint8)
    image[0, 0, 2, 2] = 255
    found = blur(image, 1.0)[0, 0]
    assert found[1:4, 1:4].tolist() == [[19, 32, 19], [32, 52, 32], [19, 32, 19]]
    assert int(found.sum()) == 4 * 19 + 4 * 32 + 52


def test_torchvision_blurs_alike_up_to_one_level_of_rounding():
    for shape in SHAPES:
        images = random_pixels(shape)
        found = blur_images(images, torch.zeros(12, dtype=torch.int64), seeded())
        assert int((found.int() - gaussian_blur(images, [3, 3], [SIGMA, SIGMA]).int()).abs().max()) <= 1
        assert float((found.float() - images.float()).abs().mean()) > 20


@given(pixel_sets(1))
def test_blurring_stays_between_the_darkest_and_the_lightest_pixel(images):
    found = blur(images, SIGMA)
    assert int(found.min()) >= int(images.min())
    assert int(found.max()) <= int(images.max())


def test_chunks_do_not_show(monkeypatch):
    images, labels = random_pixels((12, 1, 8, 8)), torch.zeros(12, dtype=torch.int64)
    whole = blur_images(images, labels, seeded())
    monkeypatch.setattr("bench.defenses.blur.CHUNK", 5)
    assert torch.equal(blur_images(images, labels, seeded()), whole)
