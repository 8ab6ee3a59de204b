"""BDR: four levels, rounded down."""

import torch
from defended import pixel_sets, seeded
from hypothesis import given

from bench.defenses.bdr import reduce_depth


def reduced(images):
    return reduce_depth(images, torch.zeros(len(images), dtype=torch.int64), seeded())


def test_every_byte_goes_to_the_level_below_it():
    every = torch.arange(256).to(torch.uint8).reshape(1, 1, 16, 16)
    assert torch.equal(reduced(every).flatten().int(), torch.arange(256, dtype=torch.int32) // 64 * 64)
    assert reduced(every).unique().tolist() == [0, 64, 128, 192]


@given(pixel_sets(3))
def test_a_second_time_changes_nothing(images):
    found = reduced(images)
    assert found.dtype == torch.uint8
    assert torch.equal(reduced(found), found)
