"""The retrained model compared with itself is perfect; compared with a second one it is not: the noise floor."""

from dataclasses import dataclass
from functools import cache

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from bench.metrics.closeness import (
    Pair,
    absolute_gap,
    activation_distance,
    relearn_ratio,
    tow,
    tow_mia,
    zero_retrain_forgetting,
)
from bench.metrics.distributions import klom, log_odds
from bench.metrics.membership import svc_membership, threshold_membership
from bench.metrics.relearning import relearn_epochs, relearn_target
from bench.training import Labeled, accuracy

CLASSES, SIZE = 3, 4


def draw(count: int, seed: int) -> Labeled:
    """Clusters that overlap, so that networks of different seeds disagree on some examples."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(count) % CLASSES
    images = torch.randn(count, 1, SIZE, SIZE, generator=generator)
    images[:, 0, 0, :CLASSES] += 1.5 * F.one_hot(labels, CLASSES)
    return Labeled(images, labels)


RETAIN, FORGET, TEST = draw(150, 1), draw(60, 2), draw(150, 3)


def network(seed: int) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return nn.Sequential(nn.Flatten(), nn.Linear(SIZE * SIZE, 32), nn.ReLU(), nn.Linear(32, CLASSES)).eval()


@cache
def trained(seed: int, *, on_forget: bool = False) -> nn.Module:
    """A network that has fitted its data, with weights and order of its own."""
    model = network(seed)
    images = torch.cat([RETAIN.images, FORGET.images]) if on_forget else RETAIN.images
    labels = torch.cat([RETAIN.labels, FORGET.labels]) if on_forget else RETAIN.labels
    generator = torch.Generator().manual_seed(seed)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    for _ in range(25):
        for chosen in torch.randperm(len(labels), generator=generator).split(30):
            optimizer.zero_grad()
            F.cross_entropy(model(images[chosen]), labels[chosen]).backward()
            optimizer.step()
    return model


def logits(model: nn.Module, data: Labeled) -> np.ndarray:
    with torch.inference_mode():
        return model(data.images).numpy()


def probabilities(model: nn.Module, data: Labeled) -> np.ndarray:
    return torch.softmax(torch.tensor(logits(model, data)).double(), 1).numpy()


@dataclass(frozen=True)
class Compared:
    """Every metric of closeness of one network to another."""

    tow: float
    tow_mia: float
    mia_gap: float
    activation_distance: float
    zrf_gap: float
    relearn_ratio: float


@cache
def compare(unlearned: nn.Module, retrained: nn.Module) -> Compared:
    both = (unlearned, retrained)
    shares = {
        name: Pair(*(accuracy(model, data) for model in both))
        for name, data in {"forget": FORGET, "retain": RETAIN, "test": TEST}.items()
    }
    sides = [
        [part for data in (RETAIN, TEST, FORGET) for part in (logits(model, data), data.labels.numpy())]
        for model in both
    ]
    mia = Pair(*(svc_membership(*side, limit=150, features=("confidence",))["confidence"] for side in sides))
    target = relearn_target(trained(1, on_forget=True), FORGET)
    epochs = [
        relearn_epochs(
            model,
            FORGET,
            target,
            learning_rate=0.2,
            limit=60,
            batch_size=20,
            generator=torch.Generator().manual_seed(0),
        )
        for model in both
    ]
    zrf = [zero_retrain_forgetting(probabilities(model, FORGET), probabilities(network(9), FORGET)) for model in both]
    return Compared(
        tow=tow(**shares),
        tow_mia=tow_mia(mia, shares["retain"], shares["test"]),
        mia_gap=absolute_gap(mia),
        activation_distance=activation_distance(*(probabilities(model, FORGET) for model in both), norm="l1"),
        zrf_gap=abs(zrf[0] - zrf[1]),
        relearn_ratio=relearn_ratio(*epochs, limit=60),
    )


def test_the_retrained_model_itself_is_perfect():
    found = compare(trained(1), trained(1))
    assert found == Compared(tow=1.0, tow_mia=1.0, mia_gap=0.0, activation_distance=0.0, zrf_gap=0.0, relearn_ratio=1.0)
    margins = np.tile(log_odds(logits(trained(1), FORGET), FORGET.labels.numpy()), (20, 1))
    assert klom(margins, margins).tolist() == [0.0] * len(FORGET.labels)


def test_a_second_retrained_model_is_not():
    found = compare(trained(2), trained(1))
    assert found.tow < 1
    assert found.tow_mia < 1
    assert found.activation_distance > 0.01
    assert found.zrf_gap > 0


def test_the_original_is_further_from_the_retrained_model_than_a_second_one():
    original, second = compare(trained(1, on_forget=True), trained(1)), compare(trained(2), trained(1))
    assert original.tow < second.tow
    assert original.activation_distance > second.activation_distance
    # The original knows the forget set: there is nothing to relearn.
    assert original.relearn_ratio == 0
    assert second.relearn_ratio == pytest.approx(1, abs=0.5)


def test_both_attacks_see_that_the_original_was_trained_on_the_forget_set():
    for attack in (svc_membership, threshold_membership):
        called = [
            attack(
                logits(model, RETAIN),
                RETAIN.labels.numpy(),
                logits(model, TEST),
                TEST.labels.numpy(),
                logits(model, FORGET),
                FORGET.labels.numpy(),
                limit=150,
                features=("confidence",),
            )["confidence"]
            for model in (trained(1, on_forget=True), trained(1))
        ]
        assert called[0] < called[1]
