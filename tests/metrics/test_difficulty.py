"""Difficulty: entanglement against sums by hand, memorization against known cases, proxies against closed forms."""

import math

import numpy as np
import pytest
import torch
from torch import nn

from bench.errors import UndefinedMetric
from bench.metrics.difficulty import (
    MEMORIZATION_PROXIES,
    confidence,
    correctness,
    embeddings,
    entanglement_order,
    entanglement_score,
    held_out_change,
    log_odds,
    loss_curvature,
    max_probability,
    memorization_estimate,
    negative_entropy,
    symmetric_divergence,
)
from bench.models.build import build_model
from bench.training import Labeled


def draws(seed=0):
    return torch.Generator().manual_seed(seed)


def normal(*shape, seed=0):
    return torch.randn(*shape, generator=draws(seed), dtype=torch.float64)


def test_entanglement_by_hand():
    """Centers 0 and 4, spreads 1 and 4: (1 + 4) / (4^2 / 4). Weighted, the center of all six is 4/3."""
    retain = torch.tensor([[-1.0], [1.0], [-1.0], [1.0]])
    forget = torch.tensor([[2.0], [6.0]])
    assert entanglement_score(retain, forget) == pytest.approx(5 / 4)
    between = ((4 / 3) ** 2 + (8 / 3) ** 2) / 2
    assert entanglement_score(retain, forget, weighted=True) == pytest.approx(5 / between)


def test_a_mean_of_batch_means_would_give_something_else():
    """Batches of two and one: the published code would put the center of 0, 0 and 3 at 1.5 instead of 1."""
    retain = torch.tensor([[0.0], [0.0], [3.0]])
    forget = torch.tensor([[5.0]])
    assert entanglement_score(retain, forget) == pytest.approx(2 / 4)  # variance 2, (5 - 1)^2 / 4


def test_entanglement_ignores_rotation_scale_and_place():
    retain, forget = normal(40, 5), normal(12, 5, seed=1) + 0.5
    rotation = torch.linalg.qr(normal(5, 5, seed=2)).Q
    for weighted in (False, True):
        score = entanglement_score(retain, forget, weighted=weighted)
        moved = entanglement_score(3 * retain @ rotation + 7, 3 * forget @ rotation + 7, weighted=weighted)
        assert moved == pytest.approx(score, rel=1e-9)


def test_entanglement_of_random_sets():
    """ES of a random forget set is about 8 / (1/|S| + 1/|R|); the mean of 1/ES over 200 draws, within four errors."""
    everything = normal(600, 16)
    found = []
    for seed in range(200):
        order = torch.randperm(600, generator=draws(seed))
        found.append(1 / entanglement_score(everything[order[60:]], everything[order[:60]]))
    expected = (1 / 60 + 1 / 540) / 8
    assert np.mean(found) == pytest.approx(expected, abs=4 * np.std(found) / math.sqrt(200))


def test_entanglement_without_a_value():
    with pytest.raises(UndefinedMetric, match="0 with 3"):
        entanglement_score(torch.zeros(3, 2), torch.zeros(0, 2))
    with pytest.raises(UndefinedMetric, match="same center"):
        entanglement_score(torch.tensor([[-1.0], [1.0]]), torch.tensor([[-2.0], [2.0]]))


def test_the_order_is_by_distance_to_the_center_of_everything():
    """The center of 0, 0, 0, 8 and 10, -2, 2 is 18/7, not that of the retain set alone, 2."""
    retain = torch.tensor([[0.0], [0.0], [0.0], [8.0]])
    assert entanglement_order(retain, torch.tensor([[10.0], [-2.0], [2.0]])).tolist() == [2, 1, 0]
    assert entanglement_order(torch.zeros(1, 1), torch.tensor([[3.0], [0.4], [-2.0]])).tolist() == [1, 2, 0]


def test_embeddings_are_what_the_last_layer_gets():
    model = build_model("resnet-narrow", in_channels=1, classes=10, generator=draws()).train()
    images = normal(7, 1, 8, 8).float()
    before = [value.clone() for value in model.state_dict().values()]
    features = embeddings(model, images, batch_size=3)
    assert model.training
    assert all(torch.equal(a, b) for a, b in zip(before, model.state_dict().values(), strict=True))
    assert features.shape == (7, 64)
    model.eval()
    with torch.no_grad():
        logits = features.float() @ model.linear.weight.T + model.linear.bias
        torch.testing.assert_close(logits, model(images), atol=1e-5, rtol=1e-5)
    assert not any(module._forward_pre_hooks for module in model.modules())


def test_embeddings_need_a_linear_layer():
    with pytest.raises(UndefinedMetric, match="linear"):
        embeddings(nn.Sequential(nn.Conv2d(1, 2, 8), nn.Flatten()), torch.zeros(1, 1, 8, 8))


def test_statistics_of_answers_by_hand():
    logits = torch.tensor([[0.8, 0.1, 0.1], [0.25, 0.5, 0.25]]).log()
    labels = torch.tensor([0, 0])
    assert confidence(logits, labels).tolist() == pytest.approx([0.8, 0.25])
    assert max_probability(logits).tolist() == pytest.approx([0.8, 0.5])
    assert log_odds(logits, labels).tolist() == pytest.approx([math.log(4), -math.log(3)])
    expected = [0.8 * math.log(0.8) + 0.2 * math.log(0.1), 0.5 * math.log(0.25) + 0.5 * math.log(0.5)]
    assert negative_entropy(logits).tolist() == pytest.approx(expected)
    assert correctness(logits, labels).tolist() == [1, 0]


def test_the_order_by_confidence_does_not_round_to_one():
    """Logits 60 and 50: both confidences are 1 in double precision, yet the second is the less sure answer."""
    model = nn.Sequential(nn.Flatten(), nn.Linear(2, 2, bias=False))
    with torch.no_grad():
        model[1].weight.copy_(torch.eye(2))
    data = Labeled(torch.tensor([[[[60.0, 0.0]]], [[[50.0, 0.0]]]]), torch.tensor([0, 0]))
    sure, unsure = MEMORIZATION_PROXIES["confidence"](model, data).tolist()
    assert [sure, unsure] == pytest.approx([-60, -50])


@pytest.mark.parametrize("name", MEMORIZATION_PROXIES)
def test_an_example_with_a_wrong_label_counts_as_memorized(name):
    """Ninety easy points that a linear model separates; the highest value belongs to one near the border."""
    model = nn.Sequential(nn.Flatten(), nn.Linear(2, 2, bias=False))
    with torch.no_grad():
        model[1].weight.copy_(torch.tensor([[3.0, 0.0], [-3.0, 0.0]]))
    images = torch.tensor([[2.0, 0.0], [-2.0, 0.0], [-0.1, 0.0]])[:, None, None, :]
    values = MEMORIZATION_PROXIES[name](model, Labeled(images, torch.tensor([0, 1, 0])))
    assert values.argmax() == 2


def test_curvature_of_logistic_regression():
    """l = log(1 + exp(-w x)): grad_x l = -s(-w x) w, so the change over z is |s(-w(x + z)) - s(-w x)| ||w||."""
    weight = torch.tensor([1.5, -2.0], dtype=torch.float64)
    model = nn.Sequential(nn.Flatten(), nn.Linear(2, 2, bias=False)).double()
    with torch.no_grad():
        model[1].weight.copy_(torch.stack([weight, torch.zeros(2)]))
    images = torch.tensor([[0.2, 0.1], [1.0, -3.0]], dtype=torch.float64)
    shift = -0.01 * weight.sign() / math.sqrt(2)
    expected = [
        abs(1 / (1 + math.exp(float((x + shift) @ weight))) - 1 / (1 + math.exp(float(x @ weight)))) * 2.5
        for x in images
    ]
    found = loss_curvature(model, Labeled(images[:, None, None, :], torch.zeros(2, dtype=torch.int64)), batch_size=1)
    assert found.tolist() == pytest.approx(expected, rel=1e-6)


def test_curvature_of_a_flat_loss_is_zero():
    model = nn.Sequential(nn.Flatten(), nn.Linear(4, 2))
    nn.init.zeros_(model[1].weight)
    assert loss_curvature(model, Labeled(torch.ones(3, 1, 2, 2), torch.tensor([0, 1, 0]))).tolist() == [0, 0, 0]


def test_divergence_by_hand_and_in_either_order():
    first, second = torch.tensor([[0.5, 0.5]]).log(), torch.tensor([[0.9, 0.1]]).log()
    expected = 0.4 * math.log(0.9 / 0.5) - 0.4 * math.log(0.1 / 0.5)
    assert symmetric_divergence(first, second).item() == pytest.approx(expected)
    assert symmetric_divergence(second, first).item() == pytest.approx(expected)
    assert symmetric_divergence(first, first).item() == 0


def test_training_on_other_data_moves_what_it_contradicts():
    model = nn.Sequential(nn.Flatten(), nn.Linear(2, 2))
    with torch.no_grad():
        model[1].weight.copy_(torch.tensor([[2.0, 2.0], [-2.0, -2.0]]))
        model[1].bias.zero_()
    images = torch.tensor([[1.0, 0.0], [0.0, 1.0]])[:, None, None, :]
    held_out = Labeled(torch.tensor([[1.0, 0.0]] * 8)[:, None, None, :], torch.ones(8, dtype=torch.int64))
    before = [parameter.clone() for parameter in model.parameters()]
    data = Labeled(images, torch.tensor([0, 0]))
    change = held_out_change(model, data, held_out, draws())
    assert change[0] > change[1] >= 0
    assert all(torch.equal(a, b) for a, b in zip(before, model.parameters(), strict=True))
    assert torch.equal(change, held_out_change(model, data, held_out, draws()))


def test_training_on_other_data_stops_when_the_loss_stays():
    """Blank images of both classes leave a loss of log 2 from the first epoch on; four more show that it stays."""
    model = nn.Sequential(nn.Flatten(), nn.Linear(1, 2))
    nn.init.zeros_(model[1].bias)
    blank = Labeled(torch.zeros(4, 1, 1, 1), torch.tensor([0, 1, 0, 1]))
    used, expected = draws(), draws()
    held_out_change(model, blank, blank, used, epochs=60, patience=4)
    for _ in range(1 + 4):
        torch.randperm(4, generator=expected)
    assert torch.equal(used.get_state(), expected.get_state())


def test_memorization_by_hand():
    correct = torch.tensor([[1, 1], [1, 0], [0, 1], [0, 1]], dtype=torch.bool)
    included = torch.tensor([[1, 1], [1, 1], [0, 1], [0, 0]], dtype=torch.bool)
    estimate, error = memorization_estimate(correct, included)
    assert estimate.tolist() == pytest.approx([1 - 0, 2 / 3 - 1])
    assert error.tolist() == pytest.approx([0, math.sqrt(2 / 9 / 3)])


def test_a_random_label_is_memorized_and_a_duplicate_is_not():
    """Ten classes: a model without the mislabeled example guesses it one time in ten, so about 0.9."""
    included = torch.rand(400, 2, generator=draws()) < 0.7
    guessed = torch.rand(400, generator=draws(1)) < 0.1
    correct = torch.stack([included[:, 0] | guessed, torch.ones(400, dtype=torch.bool)], dim=1)
    estimate, error = memorization_estimate(correct, included)
    assert estimate[0].item() == pytest.approx(0.9, abs=4 * error[0].item())
    assert estimate[1].item() == 0
    assert error.max() < 0.055


def test_the_standard_error_is_that_of_repetition():
    """Shares of 0.8 with and 0.3 without the example, over 2,000 studies of 40 models."""
    included = (torch.arange(40) < 28)[:, None].expand(40, 2000)
    chance = torch.where(included, 0.8, 0.3)
    correct = torch.rand(40, 2000, generator=draws()) < chance
    estimate, error = memorization_estimate(correct, included)
    assert estimate.mean().item() == pytest.approx(0.5, abs=4 * estimate.std().item() / math.sqrt(2000))
    expected = math.sqrt(0.8 * 0.2 / 28 + 0.3 * 0.7 / 12)
    assert estimate.std().item() == pytest.approx(expected, rel=0.08)
    # Estimated shares understate the variance by (n - 1) / n: at most 8 % here.
    assert error.square().mean().sqrt().item() == pytest.approx(expected, rel=0.08)


def test_memorization_needs_models_with_and_without_each_example():
    included = torch.tensor([[True, True], [True, False]])
    with pytest.raises(UndefinedMetric, match="1 examples"):
        memorization_estimate(included, included)
