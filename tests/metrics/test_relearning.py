"""Relearning on small networks: plain loops, steps worked out by hand, and what must not change."""

import copy
import math

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from bench.errors import TrainingDiverged, UndefinedMetric
from bench.metrics.closeness import relearn_ratio
from bench.metrics.relearning import (
    RELEARN_MARGIN,
    forget_loss,
    relearn_epochs,
    relearn_target,
    relearning_attack,
)
from bench.training import Labeled


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def clusters(count: int = 40, *, seed: int = 0, label_shift: int = 0) -> Labeled:
    """Two well separated clusters in the corners of 2 x 2 images, in turn; a shift of 1 swaps their labels."""
    labels = torch.arange(count) % 2
    noise = 0.1 * torch.randn(count, 1, 2, 2, generator=generator(seed))
    images = noise + labels.float()[:, None, None, None]
    return Labeled(images, (labels + label_shift) % 2)


def network(seed: int = 0, *layers: nn.Module) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return nn.Sequential(nn.Flatten(), nn.Linear(4, 8), nn.Tanh(), *layers, nn.Linear(8, 2)).eval()


def trained(data: Labeled, epochs: int = 60) -> nn.Module:
    model = network()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
    for _ in range(epochs):
        optimizer.zero_grad()
        F.cross_entropy(model(data.images), data.labels).backward()
        optimizer.step()
    return model


SETTINGS = {"learning_rate": 0.2, "limit": 20, "batch_size": 10}


def test_the_loss_is_the_mean_over_items_whatever_the_batches():
    model, data = network(), clusters(41)
    expected = F.cross_entropy(model(data.images), data.labels).item()
    assert forget_loss(model, data, batch_size=7) == pytest.approx(expected)
    assert forget_loss(model, data) == pytest.approx(expected)
    assert relearn_target(model, data) == pytest.approx(expected + RELEARN_MARGIN)


def test_the_loss_is_measured_in_eval_mode_and_the_mode_is_restored():
    model = network(0, nn.Dropout(0.9)).train()
    assert forget_loss(model, clusters()) == forget_loss(model, clusters())
    assert model.training


def test_one_step_is_plain_gradient_descent():
    # One weight w = (0, 0) on inputs of 1: p = 1/2, and the step to (rate / 2, -rate / 2) lowers the loss of label 0.
    model = nn.Sequential(nn.Flatten(), nn.Linear(1, 2, bias=False))
    nn.init.zeros_(model[1].weight)
    data = Labeled(torch.ones(2, 1, 1, 1), torch.zeros(2, dtype=torch.long))
    rate = 0.4
    after_one = math.log(1 + math.exp(-rate))
    settings = {"learning_rate": rate, "limit": 5, "batch_size": 2, "generator": generator()}
    assert relearn_epochs(model, data, after_one + 1e-6, **settings) == 1
    assert relearn_epochs(model, data, after_one - 1e-3, **settings) == 2
    assert relearn_epochs(model, data, math.log(2) + 1e-6, **settings) == 0


def test_relearning_counts_epochs_as_a_plain_loop_does():
    data, model = clusters(), network()
    target = relearn_target(trained(data, 15), data)
    # Batches of the whole set: the order of items does not matter, and the loop needs no generator.
    found = relearn_epochs(
        model, data, target, learning_rate=0.5, limit=50, batch_size=len(data.labels), generator=generator()
    )
    student = copy.deepcopy(model)
    count = 0
    while F.cross_entropy(student(data.images), data.labels).item() > target:
        loss = F.cross_entropy(student(data.images), data.labels)
        gradients = torch.autograd.grad(loss, list(student.parameters()))
        with torch.no_grad():
            for parameter, gradient in zip(student.parameters(), gradients, strict=True):
                parameter.sub_(0.5 * gradient)
        count += 1
    assert found == count == 15


def test_what_is_known_needs_no_epoch_and_what_is_not_reached_says_so():
    data = clusters()
    assert relearn_epochs(trained(data), data, 1.0, **SETTINGS, generator=generator()) == 0
    assert relearn_epochs(network(), data, 0.0, **SETTINGS, generator=generator()) == 21


def test_a_forgotten_set_takes_longer_than_a_remembered_one():
    data = clusters()
    target = relearn_target(trained(data, 30), data)
    near = relearn_epochs(trained(data, 20), data, target, **SETTINGS, generator=generator())
    far = relearn_epochs(trained(clusters(label_shift=1), 30), data, target, **SETTINGS, generator=generator())
    assert 0 < near < far


@pytest.mark.parametrize("layers", [(), (nn.BatchNorm1d(8),), (nn.Dropout(0.5),)])
def test_neither_the_model_nor_the_global_stream_moves(layers):
    model, data = network(0, *layers), clusters()
    before, stream = copy.deepcopy(model.state_dict()), torch.get_rng_state()
    relearn_epochs(model, data, 0.01, **SETTINGS, generator=generator())
    relearning_attack(model, data, shown=10, epochs=2, learning_rate=0.1, batch_size=5, generator=generator())
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert not model.training
    assert all(parameter.grad is None for parameter in model.parameters())
    assert torch.equal(stream, torch.get_rng_state())


def test_the_same_seed_gives_the_same_numbers_with_dropout_too():
    model, data = network(0, nn.Dropout(0.5)), clusters()
    settings = {"shown": 8, "epochs": 2, "learning_rate": 0.1, "batch_size": 4}
    torch.manual_seed(1)
    first = relearning_attack(model, data, **settings, generator=generator(7))
    torch.manual_seed(2)
    assert relearning_attack(model, data, **settings, generator=generator(7)) == first


def test_weights_that_were_frozen_relearn_too():
    model = network().requires_grad_(False)
    thawed = network()
    data = clusters()
    assert relearn_epochs(model, data, 0.3, **SETTINGS, generator=generator()) == relearn_epochs(
        thawed, data, 0.3, **SETTINGS, generator=generator()
    )
    assert not any(parameter.requires_grad for parameter in model.parameters())


def test_the_retrained_model_itself_has_ratio_one():
    data = clusters()
    epochs = relearn_epochs(network(), data, 0.2, **SETTINGS, generator=generator())
    again = relearn_epochs(network(), data, 0.2, **SETTINGS, generator=generator())
    assert relearn_ratio(epochs, again, limit=20) == 1


def test_a_few_items_bring_back_the_others():
    data = clusters(label_shift=1)
    model = trained(clusters())
    found = relearning_attack(model, data, shown=6, epochs=40, learning_rate=0.5, batch_size=6, generator=generator())
    assert (found.before, found.after) == (0.0, 1.0)


def test_the_attack_never_sees_what_it_is_judged_on():
    # Labels without any rule: what is recovered of items that were not shown is chance.
    images = torch.randn(120, 1, 2, 2, generator=generator(1))
    labels = torch.randint(0, 2, (120,), generator=generator(2))
    found = relearning_attack(
        network(),
        Labeled(images, labels),
        shown=20,
        epochs=100,
        learning_rate=0.5,
        batch_size=20,
        generator=generator(),
    )
    # Four standard errors of a share of 100 items.
    assert found.after == pytest.approx(0.5, abs=0.2)


def test_no_epochs_change_nothing():
    found = relearning_attack(
        network(), clusters(), shown=6, epochs=0, learning_rate=0.5, batch_size=6, generator=generator()
    )
    assert found.before == found.after


@pytest.mark.parametrize("shown", [1, 40, 41])
def test_an_attack_needs_items_to_show_and_items_to_judge(shown):
    with pytest.raises(UndefinedMetric, match="cannot be shown"):
        relearning_attack(
            network(), clusters(), shown=shown, epochs=1, learning_rate=0.5, batch_size=6, generator=generator()
        )


def test_one_forget_item_is_too_few_and_a_divergence_is_no_count():
    with pytest.raises(UndefinedMetric, match="at least 2"):
        relearn_epochs(network(), clusters(1), 0.1, **SETTINGS, generator=generator())
    broken = network()
    with torch.no_grad():
        broken[1].weight.fill_(float("nan"))
    with pytest.raises(TrainingDiverged, match="after 0 epochs"):
        relearn_epochs(broken, clusters(), 0.1, **SETTINGS, generator=generator())
