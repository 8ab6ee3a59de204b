"""CutOut: black squares, no more."""

import pytest
import torch
from defended import SHAPES, random_batch, seeded
from hypothesis import given
from hypothesis import strategies as st

from bench.defenses.cutout import blacken, cut_squares


def blacken_by_loop(images, rows, columns, side):
    found = images.clone()
    for image, row, column in zip(found, rows.tolist(), columns.tolist(), strict=True):
        top, left = row - side // 2, column - side // 2
        for y in range(max(top, 0), min(top + side, image.shape[1])):
            for x in range(max(left, 0), min(left + side, image.shape[2])):
                image[:, y, x] = 0
    return found


@given(st.data())
def test_squares_are_those_of_a_plain_loop(data):
    height, width = data.draw(st.integers(1, 9)), data.draw(st.integers(1, 9))
    rows = torch.tensor(data.draw(st.lists(st.integers(0, height - 1), min_size=2, max_size=2)))
    columns = torch.tensor(data.draw(st.lists(st.integers(0, width - 1), min_size=2, max_size=2)))
    side = data.draw(st.integers(0, 9))
    images = torch.rand(2, 3, height, width, generator=seeded()) + 0.1
    assert torch.equal(blacken(images, rows, columns, side), blacken_by_loop(images, rows, columns, side))


def test_between_a_quarter_of_the_square_and_all_of_it_is_black():
    images = torch.ones(4000, 1, 32, 32)
    black = (cut_squares(images, seeded()) == 0).flatten(1).sum(1)
    assert int(black.min()) == 64
    assert int(black.max()) == 256


@pytest.mark.parametrize("shape", SHAPES)
def test_all_channels_of_an_image_lose_the_same_square_and_nothing_else_changes(shape):
    images = random_batch(shape).images + 0.1
    found = cut_squares(images, seeded())
    black = found == 0
    assert torch.equal(black, black[:, :1].expand_as(black))
    assert torch.equal(torch.where(black, images, found), images)


def test_the_same_seed_cuts_the_same_squares_and_another_does_not():
    images = random_batch((12, 3, 32, 32)).images
    assert torch.equal(cut_squares(images, seeded()), cut_squares(images, seeded()))
    assert not torch.equal(cut_squares(images, seeded()), cut_squares(images, seeded(1)))
