"""Random relabeling: which labels are drawn, when they are drawn anew, and in which order the sets come."""

import pytest
import torch
from tiny_inputs import given_for, mean_cross_entropy

from bench.errors import UsageProblem
from bench.training import Labeled
from bench.unlearners import random_relabel
from bench.unlearners.random_relabel import RANDOM_RELABEL, random_labels, unlearn_random_relabel


def draws(seed=0):
    return torch.Generator().manual_seed(seed)


def test_labels_are_uniform_over_all_classes():
    labels = torch.arange(20000) % 10
    drawn = random_labels(labels, 10, draws(), true_label=True)
    # Four standard errors of a share of 1/10 among 20,000, and among the 2,000 of a class.
    assert float((drawn == labels).double().mean()) == pytest.approx(0.1, abs=4 * (0.09 / 20000) ** 0.5)
    shares = torch.bincount(drawn[labels == 3], minlength=10) / 2000
    assert (shares - 0.1).abs().max() < 4 * (0.09 / 2000) ** 0.5


def test_labels_are_uniform_over_the_other_classes():
    labels = torch.arange(20000) % 10
    drawn = random_labels(labels, 10, draws(), true_label=False)
    assert not bool((drawn == labels).any())
    shares = torch.bincount(drawn[labels == 3], minlength=10) / 2000
    others = shares[torch.arange(10) != 3]
    assert (others - 1 / 9).abs().max() < 4 * (8 / 81 / 2000) ** 0.5


def seen_batches(monkeypatch, **changed):
    """Run with every step recorded instead of taken; returns the batches."""
    seen = []

    def record(_model, batch):
        seen.append(batch)
        return torch.zeros((), requires_grad=True)

    monkeypatch.setattr(random_relabel, "mean_loss", record)
    unlearn_random_relabel(given_for(RANDOM_RELABEL, **changed))
    return seen


def labels_of(batches, images):
    """The label that each image came with, in the order of `images`."""
    table = {
        image.numpy().tobytes(): int(label)
        for batch in batches
        for image, label in zip(batch.images, batch.labels, strict=True)
    }
    return [table.get(image.numpy().tobytes()) for image in images]


def test_the_forget_set_comes_first_under_new_labels_each_epoch(monkeypatch):
    given = given_for(RANDOM_RELABEL)
    seen = seen_batches(monkeypatch, epochs=2, true_label=False)
    assert len(seen) == 2 * (1 + 4)
    first, second = seen[:5], seen[5:]
    drawn = [labels_of(epoch[:1], given.forget.images) for epoch in (first, second)]
    assert None not in drawn[0]
    assert drawn[0] != drawn[1]
    assert all(new != true for epoch in drawn for new, true in zip(epoch, given.forget.labels.tolist(), strict=True))
    assert labels_of(first[1:], given.retain.images) == given.retain.labels.tolist()


def test_mixed_epochs_hold_both_sets(monkeypatch):
    given = given_for(RANDOM_RELABEL)
    seen = seen_batches(monkeypatch, epochs=1, order="mixed")
    assert len(seen) == 5
    assert None not in labels_of(seen, given.forget.images)
    assert labels_of(seen, given.retain.images) == given.retain.labels.tolist()
    assert None in labels_of(seen[:1], given.forget.images)


def test_an_unknown_order_is_refused():
    with pytest.raises(UsageProblem, match="forget-first, mixed"):
        unlearn_random_relabel(given_for(RANDOM_RELABEL, order="backwards"))


def test_it_forgets_more_than_it_loses():
    given = given_for(RANDOM_RELABEL, epochs=20, learning_rate=0.05)
    before = [mean_cross_entropy(given.model, part) for part in (given.forget, given.retain)]
    model = unlearn_random_relabel(given)
    after = [mean_cross_entropy(model, part) for part in (given.forget, given.retain)]
    assert after[0] - before[0] > 2 * max(after[1] - before[1], 0.05)


def test_labels_of_the_input_are_not_touched():
    given = given_for(RANDOM_RELABEL, epochs=1)
    kept = Labeled(given.forget.images.clone(), given.forget.labels.clone())
    unlearn_random_relabel(given)
    assert torch.equal(given.forget.labels, kept.labels)
    assert torch.equal(given.forget.images, kept.images)
