"""CutMix: the label's weight is the area that was really pasted."""

import pytest
import torch
from defended import SHAPES, network, random_batch, seeded
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F

from bench.defenses.cutmix import box_masks, cutmix_objective, mixed_loss, paste


def paste_by_loop(images, partners, rows, columns, scales):
    """Return pasted images and area shares, pixel by pixel."""
    height, width = images.shape[2:]
    found, areas = images.clone(), []
    for i, (row, column, scale) in enumerate(zip(rows.tolist(), columns.tolist(), scales, strict=True)):
        tall, wide = int(scale * height), int(scale * width)
        area = 0
        for y in range(height):
            for x in range(width):
                if 0 <= y - (row - tall // 2) < tall and 0 <= x - (column - wide // 2) < wide:
                    found[i, :, y, x] = images[partners[i], :, y, x]
                    area += 1
        areas.append(area / (height * width))
    return found, torch.tensor(areas)


@given(st.data())
def test_boxes_and_areas_are_those_of_a_plain_loop(data):
    height, width = data.draw(st.integers(1, 8)), data.draw(st.integers(1, 8))
    rows = torch.tensor(data.draw(st.lists(st.integers(0, height - 1), min_size=3, max_size=3)))
    columns = torch.tensor(data.draw(st.lists(st.integers(0, width - 1), min_size=3, max_size=3)))
    scales = torch.tensor(data.draw(st.lists(st.floats(0, 1, width=32), min_size=3, max_size=3)))
    partners = torch.tensor(data.draw(st.permutations(range(3))))
    images = torch.rand(3, 3, height, width, generator=seeded())
    boxes = box_masks(rows, columns, scales, height, width)
    expected, areas = paste_by_loop(images, partners, rows, columns, scales)
    assert torch.equal(paste(images, partners, boxes), expected)
    assert torch.allclose(boxes.flatten(1).float().mean(1), areas)


def test_an_empty_box_is_the_identity():
    images = random_batch((5, 3, 8, 8)).images
    centers, partners = torch.arange(5), torch.tensor([1, 2, 3, 4, 0])
    boxes = box_masks(centers, centers, torch.zeros(5), 8, 8)
    assert not boxes.any()
    assert torch.equal(paste(images, partners, boxes), images)


def test_label_weights_sum_to_one():
    """Equal logits make every label's loss ln 3, whatever the shares, if the weights sum to one."""
    labels, partner_labels = torch.tensor([0, 1, 2]), torch.tensor([2, 2, 1])
    loss = mixed_loss(torch.zeros(3, 3), labels, partner_labels, torch.tensor([0.0, 0.3, 1.0]))
    assert loss.item() == pytest.approx(1.0986123)


def test_the_loss_weighs_labels_by_the_pixels_that_the_network_saw():
    """Image i is filled with i, so that what was pasted, from where and how much can be read off."""
    batch = random_batch((6, 1, 8, 8))
    batch.images.copy_(torch.arange(6.0)[:, None, None, None].expand(6, 1, 8, 8))
    seen = []

    class Spy(nn.Module):
        def forward(self, images):
            seen.append(images)
            return images.flatten(1)[:, :4].cumsum(1)

    loss, logits = cutmix_objective(Spy(), batch)
    one_hot = F.one_hot(batch.labels, 4).double()
    soft = torch.stack([one_hot[image.flatten().long()].mean(0) for image in seen[0]])
    assert loss.item() == pytest.approx(float(-(soft * logits.double().log_softmax(1)).sum(1).mean()), abs=1e-5)


@pytest.mark.parametrize("shape", SHAPES)
def test_the_step_has_a_gradient_and_repeats_with_its_seed(shape):
    model = network(shape[1])
    loss, logits = cutmix_objective(model, random_batch(shape))
    loss.backward()
    assert logits.shape == (shape[0], 4)
    assert all(parameter.grad is not None for parameter in model.parameters())
    assert cutmix_objective(network(shape[1]), random_batch(shape))[0].item() == loss.item()
    assert cutmix_objective(network(shape[1]), random_batch(shape, seed=7))[0].item() != loss.item()
