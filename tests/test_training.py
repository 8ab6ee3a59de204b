"""The training loop: reproducible, fair to every image, untouched by what it is measured with."""

import pytest
import torch
from torch import nn

from bench.defenses.defense import NONE, Defense
from bench.errors import TrainingDiverged
from bench.metrics.sal import Search, measure_sal
from bench.protocol import Augmentation, Recipe
from bench.runtime import generator_for
from bench.training import Labeled, accuracy, augment_batch, to_device, train


def recipe(**changes) -> Recipe:
    settings = {
        "epochs": 3,
        "batch_size": 8,
        "learning_rate": 0.1,
        "momentum": 0.9,
        "weight_decay": 5e-4,
        "schedule": "cosine",
    }
    return Recipe(**{**settings, **changes})


def data(count: int = 36) -> Labeled:
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(count) % 3
    images = torch.rand(count, 1, 4, 4, generator=generator) + labels[:, None, None, None] / 3
    return Labeled(images, labels)


def network() -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(5)
        return nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(16, 3))


def run(model: nn.Module, *, probe=lambda *_: None, defense=NONE, **changes):
    return train(
        model,
        data(),
        data(12),
        recipe(**changes),
        defense,
        shuffle=generator_for("cell", "shuffle"),
        augment=generator_for("cell", "augment"),
        probe=probe,
    )


def same_weights(one: nn.Module, other: nn.Module) -> bool:
    return all(torch.equal(a, b) for a, b in zip(one.state_dict().values(), other.state_dict().values(), strict=True))


def test_training_with_and_without_sal_gives_bit_identical_weights():
    plain, probed = network(), network()
    images, labels = data().images, data().labels
    seen = []

    def probe(model, epoch):
        seen.append(measure_sal(model, images, labels, epsilon=0.05, search=Search(max_steps=5)))

    assert run(plain, augmentation=Augmentation(crop_padding=1, flip=True)) == run(
        probed, probe=probe, augmentation=Augmentation(crop_padding=1, flip=True)
    )
    assert len(seen) == 3
    assert same_weights(plain, probed)


def test_the_same_seed_gives_the_same_curves_and_they_are_worth_learning():
    first, second = run(network(), epochs=12), run(network(), epochs=12)
    assert first == second
    assert first[-1].train_loss < 0.5 * first[0].train_loss
    assert [epoch.number for epoch in first] == list(range(1, 13))


@pytest.mark.parametrize(
    ("schedule", "changes", "expected"),
    [
        ("constant", {}, [0.1, 0.1, 0.1, 0.1]),
        ("step", {"milestones": (1, 3), "decay": 0.5}, [0.1, 0.05, 0.05, 0.025]),
        ("cosine", {}, [0.1, 0.0853553, 0.05, 0.0146447]),
    ],
)
def test_learning_rates_follow_the_schedule(schedule, changes, expected, monkeypatch):
    rates = []
    original = torch.optim.SGD.step
    monkeypatch.setattr(
        torch.optim.SGD,
        "step",
        lambda self, *a, **k: (rates.append(self.param_groups[0]["lr"]), original(self, *a, **k))[1],
    )
    run(network(), epochs=4, batch_size=36, schedule=schedule, **changes)
    assert rates == pytest.approx(expected, abs=1e-6)


def test_each_image_of_full_batches_is_seen_once_an_epoch():
    seen = []
    defense = Defense(batch=lambda images, _: (seen.append(images.clone()), images)[1])
    run(network(), epochs=1, batch_size=8, defense=defense)
    rows = torch.cat(seen).flatten(1)
    assert [len(part) for part in seen] == [8, 8, 8, 8]
    assert len(torch.unique(rows, dim=0)) == 32


def test_a_diverged_training_is_an_error():
    with pytest.raises(TrainingDiverged, match="training loss is"):
        run(network(), learning_rate=1e30, epochs=3)


def test_accuracy_counts_over_unequal_batches_and_restores_the_mode():
    model = nn.Sequential(nn.Flatten(), nn.Linear(16, 3))
    model[1].weight.data.zero_()
    model[1].bias.data.copy_(torch.tensor([0.0, 1.0, 0.0]))
    assert accuracy(model.train(), data(7), batch_size=3) == 2 / 7
    assert model.training


def test_scaled_images_are_exact_fractions_of_255():
    pixels = torch.arange(16, dtype=torch.uint8).reshape(1, 1, 4, 4) * 17
    scaled = to_device(pixels, torch.tensor([0]), torch.device("cpu")).images
    assert torch.equal(scaled, pixels.float() / 255)


def test_crops_are_windows_of_the_zero_padded_image_and_all_offsets_occur():
    image = torch.arange(1.0, 17.0).reshape(1, 1, 4, 4)
    crops = augment_batch(image.expand(400, 1, 4, 4), Augmentation(crop_padding=1), generator_for("c", "augment"))
    padded = nn.functional.pad(image, (1, 1, 1, 1))[0]
    windows = {tuple(padded[:, r : r + 4, c : c + 4].flatten().tolist()) for r in range(3) for c in range(3)}
    assert {tuple(crop.flatten().tolist()) for crop in crops} == windows


def test_flips_turn_about_half_of_the_images_and_change_nothing_else():
    image = torch.arange(16.0).reshape(1, 1, 4, 4)
    batch = augment_batch(image.expand(1000, 1, 4, 4), Augmentation(flip=True), generator_for("c", "augment"))
    flipped = (batch == image.flip(3)).flatten(1).all(1)
    assert 430 < int(flipped.sum()) < 570
    assert bool((flipped | (batch == image).flatten(1).all(1)).all())


def test_without_augmentation_no_random_number_is_drawn():
    generator = generator_for("c", "augment")
    state = generator.get_state()
    batch = torch.rand(3, 1, 4, 4, generator=torch.Generator().manual_seed(0))
    assert augment_batch(batch, Augmentation(), generator) is batch
    assert torch.equal(generator.get_state(), state)


@pytest.mark.parametrize("nesterov", [False, True])
def test_two_steps_of_sgd_are_those_worked_out_by_hand(nesterov):
    """One weight per class, one constant image: the update rule with momentum and weight decay, in plain numbers."""
    model = nn.Sequential(nn.Flatten(), nn.Linear(1, 2, bias=False)).double()
    model[1].weight.data.copy_(torch.tensor([[0.3], [-0.2]], dtype=torch.float64))
    batch = Labeled(torch.ones(4, 1, 1, 1, dtype=torch.float64), torch.zeros(4, dtype=torch.int64))
    settings = recipe(epochs=2, batch_size=4, schedule="constant", weight_decay=0.1, nesterov=nesterov)
    generator = generator_for("cell", "shuffle")
    train(model, batch, batch, settings, NONE, shuffle=generator, augment=generator, probe=lambda *_: None)
    weight, velocity = torch.tensor([0.3, -0.2], dtype=torch.float64), torch.zeros(2, dtype=torch.float64)
    for _ in range(2):
        gradient = torch.softmax(weight, 0) - torch.tensor([1.0, 0.0], dtype=torch.float64) + 0.1 * weight
        velocity = 0.9 * velocity + gradient
        weight = weight - 0.1 * (gradient + 0.9 * velocity if nesterov else velocity)
    assert model[1].weight.detach().flatten().tolist() == pytest.approx(weight.tolist(), rel=1e-12)
