import torch
from torch import nn

from bench.runtime import generator_for
from bench.studies.features import Features, penultimate
from bench.studies.poison_shift import shift_of_features
from bench.studies.record import PoisonSettings, PoisonShift
from bench.training import Labeled

SETTINGS = PoisonSettings(
    share=0.05, weight_decay=1e-2, doublings=2, ascent_steps=10, batch_size=16, trial_iterations=30, iterations=60,
    shares=(0.5, 1.0), repetitions=2,
)  # fmt: skip


def make_features(count: int = 120) -> Features:
    generator = torch.Generator().manual_seed(0)
    inputs = torch.randn(count, 4, generator=generator, dtype=torch.float64)
    labels = inputs[:, :3].argmax(1)
    half = count // 2
    return Features(inputs[:half], labels[:half], inputs[half:], labels[half:], "a", "b", 0.5)


def measure(key: str = "key") -> PoisonShift:
    return shift_of_features("toy", 3, make_features(), SETTINGS, key, lambda _: None)


def test_removing_every_poison_leads_back_to_the_clean_optimum() -> None:
    found = measure()
    whole = {(item.group, item.repetition): item for item in found.removals if item.share == 1}
    assert found.poisons == 3
    # The order of removal does not matter once all are gone: both repetitions find one shift.
    assert abs(whole["poisons", 0].l2 - whole["poisons", 1].l2) < 1e-5
    assert whole["random", 0].l2 != whole["random", 1].l2


def test_a_study_counts_what_it_removes_and_its_norms_fit_together() -> None:
    found = measure()
    assert [item.removed for item in found.removals] == [2, 3] * 6
    assert len(found.removals) == 2 * 2 * 3
    # |x|_2 <= |x|_1 <= sqrt(n) |x|_2 for the 3 * 5 weights.
    assert all(item.l2 <= item.l1 <= 15**0.5 * item.l2 + 1e-12 for item in found.removals)
    assert found.end < found.start
    assert found.floor <= found.end


def test_the_same_key_gives_the_same_study_and_another_key_another() -> None:
    first = measure()
    assert first == measure()
    assert first != measure("other")


def test_penultimate_features_are_what_the_last_layer_gets() -> None:
    model = nn.Sequential()
    model.add_module("body", nn.Flatten())
    model.add_module("linear", nn.Linear(4, 2))
    images = torch.rand(7, 1, 2, 2, generator=generator_for("k", "images"))
    found = penultimate(model, Labeled(images, torch.zeros(7, dtype=torch.int64)), batch_size=3)
    assert torch.equal(found, images.flatten(1).double())
    assert model.training
