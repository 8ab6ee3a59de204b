"""JPEG: what comes back is what an ordinary decoder shows, bit for bit."""

import pytest
import torch
from defended import SHAPES, seeded, smooth_pixels
from torchvision.io import ImageReadMode, decode_jpeg, encode_jpeg

from bench.defenses.jpeg import QUALITY, compress_images

LABELS = torch.zeros(12, dtype=torch.int64)


@pytest.mark.parametrize("shape", SHAPES)
def test_images_are_uint8_of_the_same_shape_and_come_out_the_same_each_time(shape):
    images = smooth_pixels(shape)
    before = images.clone()
    found = compress_images(images, LABELS, seeded())
    assert found.dtype == torch.uint8
    assert found.shape == images.shape
    assert torch.equal(found, compress_images(images, LABELS, seeded(1)))
    assert torch.equal(images, before)


@pytest.mark.filterwarnings("ignore:The image decoding and encoding capabilities:DeprecationWarning")
@pytest.mark.parametrize("shape", SHAPES)
def test_the_codec_of_torchvision_gives_the_same_pixels(shape):
    """Another binding of the same library: the largest difference is 0."""
    images = smooth_pixels(shape)
    mode = ImageReadMode.GRAY if shape[1] == 1 else ImageReadMode.RGB
    expected = torch.stack([decode_jpeg(encode_jpeg(image, quality=QUALITY), mode) for image in images])
    difference = (compress_images(images, LABELS, seeded()).int() - expected.int()).abs()
    assert int(difference.max()) == 0


def test_small_patterns_disappear_and_large_ones_stay():
    """A checkerboard of 8/255 is below the coarsest step at quality 10; an edge is not."""
    rows = torch.arange(32)
    checkers = 128 + 8 * (1 - 2 * ((rows[:, None] + rows) % 2))
    edge = torch.where(rows < 16, 40, 220).expand(32, 32)
    images = torch.stack([checkers, edge]).to(torch.uint8)[:, None]
    found = compress_images(images, LABELS[:2], seeded()).float()
    assert float(found[0].std()) == 0
    assert float((found[1] - images[1]).abs().mean()) < 8


def test_smooth_colors_change_little_and_noise_a_lot():
    smooth = smooth_pixels((12, 3, 32, 32))
    noise = torch.randint(0, 256, smooth.shape, dtype=torch.uint8, generator=seeded())

    def change(images):
        return float((compress_images(images, LABELS, seeded()).float() - images.float()).abs().mean())

    assert 2 * change(smooth) < change(noise)
