"""The draw by loss: probabilities by hand, unbiasedness by enumeration of the one random number, invariants."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional as F

from bench.metrics.probe_set import _chances, draw_by_loss, image_losses
from bench.models.resnet import ResNet

losses_and_counts = st.tuples(
    st.lists(st.one_of(st.just(0.0), st.floats(1e-9, 20)), min_size=1, max_size=40), st.integers(1, 45)
)


def generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def doubles(values: list[float]) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float64)


def test_half_of_the_chance_is_even_and_half_follows_the_loss():
    # Two of four images, losses 3, 1, 0, 0: half of 2/4 each, and half of 2 * loss / 4.
    assert _chances(doubles([3, 1, 0, 0]), 2).tolist() == pytest.approx([1.0, 0.5, 0.25, 0.25])


def test_what_would_be_drawn_more_than_once_is_drawn_surely():
    # Of losses 8, 0, 0, 0 and two images the first would have 0.25 + 1; it has 1, the others share the rest.
    assert _chances(doubles([8, 0, 0, 0]), 2).tolist() == pytest.approx([1.0, 1 / 3, 1 / 3, 1 / 3])


def test_without_any_loss_the_draw_is_even():
    assert _chances(doubles([0.0] * 5), 2).tolist() == pytest.approx([0.4] * 5)


@given(losses_and_counts, st.integers(0, 1000))
def test_as_many_are_drawn_as_asked_each_once_in_order(given_, seed):
    values, count = given_
    chosen = draw_by_loss(doubles(values), torch.arange(len(values)) % 3, count, generator(seed))
    assert len(chosen.indices) == min(count, len(values))
    assert chosen.indices.tolist() == sorted(set(chosen.indices.tolist()))
    assert (chosen.shares > 0).all()


@given(losses_and_counts)
def test_chances_are_probabilities_and_add_up_to_the_count(given_):
    values, count = given_
    chances = _chances(doubles(values), count)
    assert float(chances.sum()) == pytest.approx(min(count, len(values)))
    assert (chances > 0).all()
    assert (chances <= 1 + 1e-12).all()


def test_all_images_count_alike_where_there_are_no_more():
    chosen = draw_by_loss(doubles([5, 0, 1]), torch.tensor([0, 1, 0]), 10, generator(0))
    assert chosen.indices.tolist() == [0, 1, 2]
    assert chosen.shares.tolist() == pytest.approx([1 / 3] * 3)


def test_the_weighed_sum_is_unbiased_for_any_other_value_of_the_images(monkeypatch):
    """The draw takes one number; its mean over a fine grid of that number is the mean over all images."""
    losses, other = doubles([4, 0.5, 0, 0.1, 2, 0, 0.3, 1]), doubles([1, -2, 5, 7, 0.5, 3, -1, 4])
    labels, found = torch.tensor([0, 1, 0, 1, 0, 1, 0, 1]), []
    for number in (torch.arange(4000, dtype=torch.float64) + 0.5) / 4000:
        monkeypatch.setattr(torch, "rand", lambda *_, number=number, **__: number[None])
        chosen = draw_by_loss(losses, labels, 3, generator(0))
        found.append(float((other[chosen.indices] * chosen.shares).sum()))
    assert sum(found) / len(found) == pytest.approx(float(other.mean()), abs=2e-3)


def test_every_label_and_every_height_has_its_part():
    losses = torch.rand(300, generator=generator(5), dtype=torch.float64)
    labels = torch.arange(300) % 3
    for seed in range(20):
        chosen = draw_by_loss(losses, labels, 60, generator(seed))
        assert torch.bincount(labels[chosen.indices]).tolist() == pytest.approx([20, 20, 20], abs=3)
        # The loss itself is hit almost exactly, whichever images were drawn.
        assert float((losses[chosen.indices] * chosen.shares).sum()) == pytest.approx(float(losses.mean()), rel=0.05)


def test_another_seed_draws_other_images_and_the_same_seed_the_same():
    losses, labels = torch.rand(200, generator=generator(1), dtype=torch.float64), torch.arange(200) % 10
    first, again, other = (draw_by_loss(losses, labels, 30, generator(seed)) for seed in (1, 1, 2))
    assert first.indices.tolist() == again.indices.tolist() != other.indices.tolist()


def test_losses_are_those_of_eval_mode_and_the_mode_is_restored():
    torch.manual_seed(0)
    model = ResNet(in_channels=1, classes=3, width=2).train()
    images, labels = torch.rand(7, 1, 8, 8), torch.tensor([0, 1, 2, 0, 1, 2, 0])
    found = image_losses(model, images, labels, batch_size=3)
    assert model.training
    model.eval()
    with torch.no_grad():
        expected = [float(F.cross_entropy(model(images[i : i + 1]), labels[i : i + 1])) for i in range(7)]
    assert found.tolist() == pytest.approx(expected, rel=1e-5)
    assert found.dtype == torch.float64
