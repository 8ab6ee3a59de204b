"""The Gaussian probe: what it draws, that a trained network follows the null, and that a trace goes by retraining."""

import math
from functools import cache

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from torch import Tensor, nn
from torch.nn import functional as F

from bench.data import load_data
from bench.defenses.defense import NONE
from bench.errors import UsageProblem
from bench.metrics.gus import input_gradients, noise_scores
from bench.metrics.gus_statistics import pooled_test, share
from bench.models.build import build_model
from bench.probes.gaussian import GAUSSIAN, draw_items, item_noise, private_images
from bench.probes.probe import ProbeInput, poisoned_set, split_sets
from bench.protocol import Recipe, load_protocol
from bench.runtime import generator_for
from bench.training import Labeled, accuracy, to_device, train

SETTINGS = {**GAUSSIAN.defaults, "sigma": 0.25, "canaries": 10, "never": 15}


@cache
def digits() -> tuple[Labeled, Labeled]:
    data = load_data(load_protocol("ue-digits-v1").dataset)
    device = torch.device("cpu")
    parts = (data.train, data.test)
    train_set, test_set = (to_device(torch.tensor(p.images), torch.tensor(p.labels), device) for p in parts)
    return train_set, test_set


def small_digits(count: int) -> Labeled:
    data, _ = digits()
    return Labeled(data.images[:count], data.labels[:count])


def probe_input(*, items: int = 100, count: int = 20, seed: int = 0, **changed) -> ProbeInput:
    def unused(*_):
        raise AssertionError("the Gaussian probe needs no training")

    return ProbeInput(
        train=small_digits(items),
        test=digits()[1],
        classes=10,
        count=count,
        seed=seed,
        settings={**SETTINGS, **changed},
        make_model=unused,
        fit=unused,
        generator=lambda purpose: generator_for(f"test/gaussian/{seed}", purpose),
    )


# What is drawn


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 40), st.integers(0, 30), st.integers(0, 30))
def test_exactly_as_many_items_are_drawn_as_asked_and_none_twice(seed, count, canaries, never):
    given_input = probe_input(count=count, seed=seed, canaries=canaries, never=never)
    parts = draw_items(given_input)
    assert [len(part) for part in parts] == [count, canaries, never]
    assert len(torch.cat(parts).unique()) == count + canaries + never
    assert all(bool((part[1:] > part[:-1]).all()) for part in parts)


def test_too_many_items_are_refused():
    with pytest.raises(UsageProblem, match=r"\[80, 10, 15\] items"):
        GAUSSIAN.make(probe_input(count=80))


def test_only_the_drawn_items_change_and_labels_stay():
    given_input = probe_input()
    poison = GAUSSIAN.make(given_input)
    trained = poisoned_set(given_input.train, poison)
    differs = (trained.images != given_input.train.images).flatten(1).any(1)
    changed = torch.cat((poison.forget.indices, poison.kept.indices)).sort().values
    assert torch.equal(differs.nonzero().flatten(), changed)
    assert torch.equal(trained.labels, given_input.train.labels)


def test_an_item_is_its_base_plus_its_noise_and_not_clipped():
    poison = GAUSSIAN.make(probe_input())
    secret = poison.secret
    assert torch.equal(poison.forget.images, secret["base"] + secret["noise"])
    assert torch.equal(poison.kept.images, secret["kept_base"] + secret["kept_noise"])
    assert float(poison.forget.images.min()) < -0.2
    assert float(poison.forget.images.max()) > 1.2
    assert 0 <= float(secret["base"].min()) < float(secret["base"].max()) <= 1


def test_noise_of_an_item_can_be_drawn_again_alone():
    given_input = probe_input()
    poison = GAUSSIAN.make(given_input)
    index = int(poison.forget.indices[7])
    alone = 0.25 * torch.randn(1, 8, 8, generator=given_input.generator(f"noise {index}"))
    assert torch.equal(poison.secret["noise"][7], alone)
    backwards = item_noise(given_input, poison.forget.indices.flip(0))
    assert torch.equal(backwards.flip(0), poison.secret["noise"])


def test_noise_has_its_standard_deviation_and_no_item_shares_it():
    noise = item_noise(probe_input(items=1400), torch.arange(1400)).flatten(1)
    assert stats.kstest((noise / 0.25).flatten().tolist(), "norm").pvalue > 0.01
    # Correlations of 64 values have a standard deviation of 1/8; a shared draw would have 1.
    assert float((torch.corrcoef(noise) - torch.eye(1400)).abs().max()) < 0.8


def test_the_negative_control_is_retained_unchanged_and_never_trained():
    given_input = probe_input()
    poison = GAUSSIAN.make(given_input)
    _, _, never = draw_items(given_input)
    trained = poisoned_set(given_input.train, poison)
    _, retained = split_sets(trained, poison.forget.indices)
    assert torch.equal(trained.images[never], poison.secret["never_base"])
    assert torch.equal(trained.labels[never], poison.secret["never_labels"])
    present = retained.images.flatten(1)
    assert all(bool((present == image.flatten()).all(1).any()) for image in poison.secret["never_base"])


def test_the_same_seed_gives_the_same_poison_and_another_seed_another():
    one, same, other = (GAUSSIAN.make(probe_input(seed=seed)) for seed in (0, 0, 1))
    assert all(torch.equal(value, same.secret[name]) for name, value in one.secret.items())
    assert torch.equal(one.forget.indices, same.forget.indices)
    assert not torch.equal(one.forget.indices, other.forget.indices)


def test_no_canaries_leave_no_kept_set():
    given_input = probe_input(canaries=0)
    poison = GAUSSIAN.make(given_input)
    assert poison.kept is None
    effect = GAUSSIAN.measure(perceptron(), poison, given_input.test, given_input.settings)
    assert effect.values.keys() == {"gus", "gus_never"}


@pytest.mark.parametrize("sigma", [0.0, -1.0])
def test_a_standard_deviation_must_be_above_zero(sigma):
    with pytest.raises(UsageProblem, match="sigma"):
        GAUSSIAN.make(probe_input(sigma=sigma))


# The private version of an image


def private(**changed) -> tuple[Tensor, Tensor]:
    given_input = probe_input(**changed)
    return private_images(given_input, torch.arange(100)), given_input.train.images


def test_without_any_augmentation_the_base_is_the_public_image():
    private_version, public = private(shift=0, flip=False, jitter=0.0)
    assert torch.allclose(private_version, public, atol=1e-6)


def test_shifts_are_drawn_for_each_image_and_bring_zeros_in():
    private_version, public = private(shift=1, flip=False, jitter=0.0)
    offsets = set()
    for mine, image in zip(private_version, public, strict=True):
        padded = F.pad(image, (1, 1, 1, 1))
        candidates = {
            (row, column): padded[:, row : row + 8, column : column + 8] for row in range(3) for column in range(3)
        }
        found = [offset for offset, shifted in candidates.items() if torch.allclose(mine, shifted, atol=1e-6)]
        assert found
        offsets.update(found)
    assert len(offsets) == 9


def test_flips_happen_to_about_half_of_the_images():
    private_version, public = private(shift=0, flip=True, jitter=0.0)
    mirrored = sum(
        torch.allclose(mine, image.flip(2), atol=1e-6) for mine, image in zip(private_version, public, strict=True)
    )
    assert 30 < mirrored < 70


def test_jitter_scales_images_within_its_limits():
    private_version, public = private(shift=0, flip=False, jitter=0.1)
    ratio = private_version.flatten(1).mean(1) / public.flatten(1).mean(1)
    # Contrast keeps the mean and brightness scales it; what is clipped at 0 and 1 moves it a little more.
    assert 0.85 < float(ratio.min()) < 0.95
    assert 1.03 < float(ratio.max()) < 1.15


# Networks


def perceptron(seed: int = 0) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return nn.Sequential(nn.Flatten(), nn.Linear(64, 256), nn.ReLU(), nn.Linear(256, 10))


def fit(data: Labeled, seed: int) -> nn.Module:
    model = perceptron(seed)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    for _ in range(150):
        optimizer.zero_grad()
        F.cross_entropy(model(data.images), data.labels).backward()
        optimizer.step()
    return model


@pytest.fixture(scope="module", params=[0, 1])
def trained_pair(request):
    """A network trained with the noise, one trained without what has to be forgotten, and the probe."""
    given_input = probe_input(items=600, count=150, canaries=100, never=150, seed=request.param)
    poison = GAUSSIAN.make(given_input)
    trained = poisoned_set(given_input.train, poison)
    _, retained = split_sets(trained, poison.forget.indices)
    return [
        GAUSSIAN.measure(fit(data, request.param), poison, given_input.test, given_input.settings)
        for data in (trained, retained)
    ]


def test_a_trained_network_remembers_the_noise_to_forget_and_the_canaries(trained_pair):
    original, _ = trained_pair
    assert pooled_test(original.scores["forget"]).one_sided < 1e-6
    assert pooled_test(original.scores["kept"]).one_sided < 1e-4


def test_retraining_forgets_the_noise_and_keeps_the_canaries(trained_pair):
    _, retrained = trained_pair
    assert abs(retrained.values["gus"]) < 4 / math.sqrt(150)
    assert pooled_test(retrained.scores["kept"]).one_sided < 1e-4


def test_noise_that_nobody_trained_on_leaves_no_trace(trained_pair):
    for effect in trained_pair:
        assert abs(effect.values["gus_never"]) < 4 / math.sqrt(150)
        assert stats.kstest(effect.scores["never"], "norm").pvalue > 0.001


def test_values_are_means_of_the_scores(trained_pair):
    for effect in trained_pair:
        assert effect.skipped == 0
        for key, name in (("gus", "forget"), ("gus_kept", "kept"), ("gus_never", "never")):
            assert effect.values[key] == pytest.approx(sum(effect.scores[name]) / len(effect.scores[name]))


def test_the_score_that_unlearning_is_judged_by_is_measured(trained_pair):
    assert all(GAUSSIAN.removal in effect.values for effect in trained_pair)


def test_a_constant_network_has_no_score_instead_of_a_perfect_one():
    given_input = probe_input()
    model = perceptron()
    model[3].weight.data.zero_()
    effect = GAUSSIAN.measure(model, GAUSSIAN.make(given_input), given_input.test, given_input.settings)
    assert effect.values == {}
    assert effect.skipped == 20 + 10 + 15
    assert 0.05 < accuracy(model, given_input.test) < 0.15


# The null of a network that was trained


class Normalized(nn.Module):
    """The narrow ResNet behind a normalization to mean 0 and standard deviation 1, as released networks have it."""

    def __init__(self, network: nn.Module, center: float, scale: float) -> None:
        super().__init__()
        self.network, self.center, self.scale = network, center, scale

    def forward(self, images: Tensor) -> Tensor:
        return self.network((images - self.center) / self.scale)


def null_scores(gradients: Tensor, *, unit: float = 1.0) -> list[list[float]]:
    """1,000 draws of fresh noise for every base image. unit: of the coordinates of noise and gradient, in pixels."""
    sigma, repeats = 0.25, 1000
    noise = sigma * torch.randn(repeats, *gradients.shape, generator=generator_for("test/null", "fresh"))
    return [list(noise_scores(gradients, draw / unit, sigma).values) for draw in noise]


def follows_the_null(draws: list[list[float]]) -> bool:
    """All scores against N(0, 1) at 1 %, and the share of pooled p-values below 0.05 within its 99.9 % interval."""
    together = [value for draw in draws for value in draw]
    rejected = share([sum(pooled_test(draw).two_sided < 0.05 for draw in draws)], [len(draws)], level=0.999).interval
    return bool(stats.kstest(together, "norm").pvalue > 0.01 and rejected.low < 0.05 < rejected.high)


@pytest.fixture(scope="module")
def trained_resnet() -> Normalized:
    """A network that has learned the digits, with its noise in the training set."""
    given_input = probe_input(items=1000, count=100, canaries=50, never=50)
    data = poisoned_set(given_input.train, GAUSSIAN.make(given_input))
    network = build_model("resnet-narrow", in_channels=1, classes=10, generator=generator_for("test", "weights"))
    model = Normalized(network, float(data.images.mean()), float(data.images.std()))
    recipe = Recipe(epochs=3, batch_size=50, learning_rate=0.1, momentum=0.9, weight_decay=5e-4, schedule="cosine")
    draws = {purpose: generator_for("test", purpose) for purpose in ("shuffle", "augment")}
    train(model, data, given_input.test, recipe, NONE, probe=lambda *_: None, **draws)
    assert accuracy(model, given_input.test) > 0.8
    return model.eval()


def test_fresh_noise_follows_the_null_of_a_trained_network_in_the_coordinates_of_pixels(trained_resnet):
    base = small_digits(50)
    assert follows_the_null(null_scores(input_gradients(trained_resnet, base.images, base.labels, batch_size=50)))


def test_normalized_coordinates_with_the_scale_of_pixels_fail_the_null(trained_resnet):
    base = small_digits(50)
    normalized = (base.images - trained_resnet.center) / trained_resnet.scale
    gradients = input_gradients(trained_resnet.network, normalized, base.labels, batch_size=50)
    assert not follows_the_null(null_scores(gradients, unit=trained_resnet.scale))
    # With the scale of these coordinates the same gradients are right again.
    draws = null_scores(gradients / trained_resnet.scale)
    assert follows_the_null(draws)
