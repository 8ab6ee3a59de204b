"""SalUn: the mask holds the largest gradients, whole weights outside it stay as they were, bit for bit."""

import pytest
import torch
from hypothesis import given as drawn
from hypothesis import strategies as st
from tiny_inputs import given_for, same, state, weights
from torch import nn

from bench.unlearners.random_relabel import RANDOM_RELABEL, unlearn_random_relabel
from bench.unlearners.salun import SALUN, loss_gradients, saliency_masks, unlearn_salun


def test_the_mask_by_hand():
    gradients = [torch.tensor([[0.1, -5.0], [0.0, 2.0]]), torch.tensor([-3.0, 0.2])]
    matrix, vector = saliency_masks(gradients, 0.5)
    assert matrix.tolist() == [[False, True], [False, True]]
    assert vector.tolist() == [True, False]


@drawn(
    st.lists(st.floats(-1e3, 1e3, width=32), min_size=1, max_size=40),
    st.floats(0, 1),
)
def test_the_mask_is_as_dense_as_asked_and_holds_the_largest(values, density):
    """Of equal gradients, zeros for example, no more are taken than fit."""
    gradient = torch.tensor(values)
    (mask,) = saliency_masks([gradient], density)
    assert abs(int(mask.sum()) - density * len(values)) <= 1
    if 0 < int(mask.sum()) < len(values):
        assert gradient.abs()[mask].min() >= gradient.abs()[~mask].max()


def test_the_gradient_is_that_of_the_original_over_the_whole_set():
    """In batches of 5 as in one: no step is taken in between, and batch normalization does not see the batches."""
    given = given_for(SALUN)
    before = state(given.model)
    found = loss_gradients(given.model, given.forget, batch_size=5)
    assert same(state(given.model), before)
    model = given_for(SALUN).model
    nn.functional.cross_entropy(model(given.forget.images), given.forget.labels, reduction="sum").backward()
    for gradient, parameter in zip(found, model.parameters(), strict=True):
        torch.testing.assert_close(gradient, parameter.grad, atol=1e-5, rtol=1e-4)


def test_weights_outside_the_mask_stay_bit_for_bit():
    """With momentum and weight decay, which move weights that have no gradient."""
    given = given_for(SALUN, epochs=3, momentum=0.9, weight_decay=0.1, learning_rate=0.05)
    before = weights(given.model)
    masks = saliency_masks(loss_gradients(given.model, given.forget), 0.5)
    after = weights(unlearn_salun(given))
    for start, end, mask in zip(before, after, masks, strict=True):
        assert torch.equal(start[~mask], end[~mask])
    moved = sum(int((start != end)[mask].sum()) for start, end, mask in zip(before, after, masks, strict=True))
    assert moved > 0.95 * sum(int(mask.sum()) for mask in masks)


def test_with_every_weight_in_the_mask_it_is_random_relabeling():
    found = unlearn_salun(given_for(SALUN, epochs=2, density=1.0))
    assert same(state(found), state(unlearn_random_relabel(given_for(RANDOM_RELABEL, epochs=2))))


def test_with_an_empty_mask_no_weight_moves():
    given = given_for(SALUN, epochs=2, density=0.0)
    before = weights(given.model)
    assert same(weights(unlearn_salun(given)), before)


@pytest.mark.parametrize("density", [0.1, 0.5, 0.9])
def test_the_mask_of_a_network_has_the_density(density):
    given = given_for(SALUN)
    masks = saliency_masks(loss_gradients(given.model, given.forget), density)
    total = sum(mask.numel() for mask in masks)
    assert abs(sum(int(mask.sum()) for mask in masks) - density * total) <= 1
