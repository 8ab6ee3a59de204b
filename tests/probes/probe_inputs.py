"""A small data set of four classes, a network of two layers, and what every probe must leave alone."""

import hashlib
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from bench.probes.probe import Poison, Probe, ProbeInput, poisoned_set
from bench.runtime import generator_for
from bench.training import Labeled

CLASSES = 4
SIDE = 4


def blobs(items: int, purpose: str, *, classes: int = CLASSES) -> Labeled:
    """Gray images (N, 1, 4, 4), scale 0 to 1: a pattern for each class and noise. Classes have equally many."""
    patterns = torch.rand(classes, 1, SIDE, SIDE, generator=generator_for("blobs", "patterns"))
    labels = torch.arange(items) % classes
    noise = torch.randn(items, 1, SIDE, SIDE, generator=generator_for("blobs", purpose))
    return Labeled((patterns[labels] + 0.15 * noise).clamp(0, 1), labels)


class Smooth(nn.Module):
    """Two layers with tanh between them: second derivatives exist everywhere."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.body = nn.Linear(SIDE * SIDE, 12)
        self.head = nn.Linear(12, classes)

    def forward(self, images: Tensor) -> Tensor:
        return self.head(torch.tanh(self.body(images.flatten(1))))


def make_network(purpose: str, classes: int = CLASSES) -> nn.Module:
    generator = generator_for("network", purpose)
    with torch.random.fork_rng(devices=[]):
        model = Smooth(classes)
    for parameter in model.parameters():
        nn.init.normal_(parameter, std=0.3, generator=generator)
    return model


def fit_network(model: nn.Module, data: Labeled, _purpose: str) -> None:
    optimizer = torch.optim.SGD(model.parameters(), lr=0.5, momentum=0.9)
    for _ in range(60):
        optimizer.zero_grad()
        F.cross_entropy(model(data.images), data.labels).backward()
        optimizer.step()


def given_blobs(probe: Probe, *, count: int, stream: str = "one", items: int = 80, **settings: Any) -> ProbeInput:
    """What a probe gets: `items` training images, 40 test images, and its defaults with some settings replaced."""
    return ProbeInput(
        train=blobs(items, "train"),
        test=blobs(40, "test"),
        classes=CLASSES,
        count=count,
        seed=0,
        settings={**probe.defaults, **settings},
        make_model=make_network,
        fit=fit_network,
        generator=lambda purpose: generator_for(stream, purpose),
    )


def digest(poison: Poison) -> str:
    """Digest of every byte of a poison: what is trained on, and the secret."""
    parts = [poison.forget.indices, poison.forget.images, poison.forget.labels]
    parts += [poison.secret[name] for name in sorted(poison.secret)]
    return hashlib.sha256(b"".join(part.contiguous().numpy().tobytes() for part in parts)).hexdigest()


def assert_only_these_change(given: ProbeInput, poison: Poison, expected: int) -> None:
    """Exactly the expected number of items, each another one; every other item equal to the bit."""
    before = given.train.images.clone(), given.train.labels.clone()
    changed = poisoned_set(given.train, poison)
    indices = poison.forget.indices
    assert len(indices) == len(set(indices.tolist())) == expected
    assert poison.kept is None
    same = torch.ones(len(given.train.labels), dtype=torch.bool)
    same[indices] = False
    assert torch.equal(changed.images[same], given.train.images[same])
    assert torch.equal(changed.labels[same], given.train.labels[same])
    different = (changed.images != given.train.images).flatten(1).any(1) | (changed.labels != given.train.labels)
    assert different[indices].all()
    assert torch.equal(before[0], given.train.images)
    assert torch.equal(before[1], given.train.labels)


def assert_secret_decides(probe: Probe, given: Callable[[str], ProbeInput]) -> None:
    """The same secret gives the same bytes, whatever the global random state; another one gives others."""
    first = digest(probe.make(given("one")))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1234)
        again = digest(probe.make(given("one")))
    assert first == again
    assert digest(probe.make(given("two"))) != first


class Table(nn.Module):
    """Answers image number i, whose first pixel is i / 100, with row i of the logits."""

    def __init__(self, logits: Tensor) -> None:
        super().__init__()
        self.logits = logits

    def forward(self, images: Tensor) -> Tensor:
        return self.logits[(images[:, 0, 0, 0] * 100).round().long()]


def numbered(labels: list[int]) -> Labeled:
    """Test images for `Table`: number i in the first pixel, 0 elsewhere."""
    images = torch.zeros(len(labels), 1, SIDE, SIDE)
    images[:, 0, 0, 0] = torch.arange(len(labels)) / 100
    return Labeled(images, torch.tensor(labels))


def predicting(classes: list[int]) -> Table:
    """A network that predicts these classes for `numbered` images."""
    return Table(F.one_hot(torch.tensor(classes), CLASSES).float())
