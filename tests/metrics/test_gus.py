"""Gaussian scores: the exact null of any network, closed forms of networks that remember, and the traps on the way."""

import math
from statistics import fmean, variance

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from torch import Tensor, nn
from torch.nn import functional as F

from bench.metrics.gus import gaussian_scores, input_gradients, label_margins, noise_scores
from bench.metrics.gus_statistics import deviation, mean
from bench.models.build import build_model
from bench.training import Labeled

SIGMA = 0.1
CIFAR_MEAN, CIFAR_STD = (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)


class Normalized(nn.Module):
    """A network that takes pixels, scale 0 to 1, and normalizes them itself."""

    def __init__(self, network: nn.Module, center: Tensor, scale: Tensor) -> None:
        super().__init__()
        self.network, self.center, self.scale = network, center, scale

    def normalize(self, images: Tensor) -> Tensor:
        return (images - self.center) / self.scale

    def forward(self, images: Tensor) -> Tensor:
        return self.network(self.normalize(images))


class Logits(nn.Module):
    """Two logits, (0, f(images)): with label 0 the margin of an image is f of it."""

    def __init__(self, score) -> None:
        super().__init__()
        self.score = score

    def forward(self, images: Tensor) -> Tensor:
        found = self.score(images.flatten(1))
        return torch.stack((torch.zeros_like(found), found), dim=1)


def generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def normal(*shape: int, seed: int, dtype=torch.float32) -> Tensor:
    return torch.randn(*shape, generator=generator(seed), dtype=dtype)


def random_images(count: int, *, channels: int = 3, side: int = 8, classes: int = 10, seed: int = 0) -> Labeled:
    images = torch.rand(count, channels, side, side, generator=generator(seed))
    return Labeled(images, torch.arange(count) % classes)


def fresh_resnet(*, channels: int = 3, classes: int = 10) -> nn.Module:
    """Random weights, and running statistics that are not those of a new network."""
    model = build_model("resnet-narrow", in_channels=channels, classes=classes, generator=generator(1))
    with torch.no_grad():
        model(random_images(64, channels=channels, seed=5).images)
    return model


def perceptron(inputs: int, classes: int, *, width: int = 128, seed: int = 0) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return nn.Sequential(nn.Flatten(), nn.Linear(inputs, width), nn.ReLU(), nn.Linear(width, classes))


def fit(model: nn.Module, data: Labeled, *, steps: int = 250) -> nn.Module:
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    for _ in range(steps):
        optimizer.zero_grad()
        F.cross_entropy(model(data.images), data.labels).backward()
        optimizer.step()
    return model


def assert_null(values) -> None:
    """Hold scores against N(0, 1): distribution at 0.001, mean and variance at four standard errors."""
    count = len(values)
    assert stats.kstest(values, "norm").pvalue > 0.001
    assert abs(fmean(values)) < 4 / math.sqrt(count)
    assert abs(variance(values) - 1) < 4 * math.sqrt(2 / count)


# The null


def test_a_network_with_random_weights_follows_the_null():
    base = random_images(400)
    noise = SIGMA * normal(400, 3, 8, 8, seed=2)
    found = gaussian_scores(fresh_resnet(), base, noise, SIGMA)
    assert found.skipped == 0
    assert_null(found.values)


@pytest.fixture(scope="module")
def memorizer():
    """A network trained on 240 noisy points among 400, and what it was trained on."""
    points = normal(400, 300, seed=3)
    base = Labeled(points[:240, None, None], torch.randint(0, 5, (400,), generator=generator(4))[:240])
    labels = torch.randint(0, 5, (400,), generator=generator(4))
    noise = 0.5 * normal(240, 1, 1, 300, seed=5)
    trained = points[:, None, None].clone()
    trained[:240] += noise
    return fit(perceptron(300, 5), Labeled(trained, labels), steps=60), base, noise


def test_noise_that_was_not_trained_follows_the_null_of_a_network_that_remembers(memorizer):
    model, base, noise = memorizer
    assert mean(gaussian_scores(model, base, noise, 0.5).values) > 0.3
    assert_null(gaussian_scores(model, base, 0.5 * normal(240, 1, 1, 300, seed=6), 0.5).values)


@pytest.mark.parametrize("shift", [1, 7, 100])
def test_noise_of_other_items_shows_nothing(memorizer, shift):
    model, base, noise = memorizer
    assert abs(mean(gaussian_scores(model, base, noise.roll(shift, 0), 0.5).values)) < 4 / math.sqrt(240)


def test_a_mean_over_zero_says_memory_and_ascent_turns_it_down(memorizer):
    model, base, noise = memorizer
    negated = gaussian_scores(model, base, -noise, 0.5).values
    assert negated == tuple(-value for value in gaussian_scores(model, base, noise, 0.5).values)
    assert mean(negated) < -0.3


@settings(max_examples=20)
@given(st.floats(1e-3, 1e3))
def test_units_of_the_noise_cancel(scale):
    gradients, noise = normal(20, 48, seed=1), SIGMA * normal(20, 48, seed=2).double()
    scaled = noise_scores(gradients, scale * noise, scale * SIGMA)
    assert scaled.values == pytest.approx(noise_scores(gradients, noise, SIGMA).values, rel=1e-9)


@pytest.mark.parametrize("scale", [1e-30, 1e-3, 1e10])
def test_the_scale_of_a_loss_cancels_and_nothing_is_added_to_its_norm(scale):
    # Squares of 1e-30 underflow in float32, and a usual 1e-8 in the denominator would bring every score to 0.
    gradients, noise = normal(20, 48, seed=1), SIGMA * normal(20, 48, seed=2)
    scaled = noise_scores(gradients * scale, noise, SIGMA)
    assert scaled.skipped == 0
    assert scaled.values == pytest.approx(noise_scores(gradients, noise, SIGMA).values, rel=1e-5)


def test_the_margin_has_the_direction_of_the_cross_entropy():
    model, base = fresh_resnet().double().eval(), random_images(12)
    images = base.images.double()
    noise = SIGMA * normal(12, 3, 8, 8, seed=2, dtype=torch.float64)
    variable = images.clone().requires_grad_(True)
    loss = F.cross_entropy(model(variable), base.labels, reduction="sum")
    (gradients,) = torch.autograd.grad(loss, variable)
    expected = -(gradients * noise).flatten(1).sum(1) / (SIGMA * gradients.flatten(1).norm(dim=1))
    found = gaussian_scores(model, Labeled(images, base.labels), noise, SIGMA)
    assert found.values == pytest.approx(expected.tolist(), rel=1e-9)


def test_an_image_whose_cross_entropy_has_no_gradient_left_has_a_score():
    weight = normal(3, 12, seed=1)
    model = nn.Sequential(nn.Flatten(), nn.Linear(12, 3, bias=False))
    base = Labeled(torch.full((1, 3, 2, 2), 500.0) * weight[0].view(1, 3, 2, 2), torch.tensor([0]))
    model[1].weight.data.copy_(weight)
    variable = base.images.clone().requires_grad_(True)
    F.cross_entropy(model(variable), base.labels).backward()
    assert float(variable.grad.norm()) == 0.0
    assert gaussian_scores(model, base, normal(1, 3, 2, 2, seed=2), 1.0).skipped == 0


def test_scores_are_slopes_along_the_noise():
    model, base = fresh_resnet().double().eval(), random_images(6)
    images, step = base.images.double(), 1e-6
    noise = SIGMA * normal(6, 3, 8, 8, seed=2, dtype=torch.float64)
    with torch.no_grad():
        ahead = label_margins(model(images + step * noise), base.labels)
        behind = label_margins(model(images - step * noise), base.labels)
    gradients = input_gradients(model, images, base.labels, batch_size=4)
    slopes = (gradients * noise.flatten(1)).sum(1)
    assert torch.allclose((ahead - behind) / (2 * step), slopes, rtol=1e-4, atol=1e-7)


# The coordinates of the noise


def test_the_scale_of_a_normalized_space_breaks_the_null():
    center, scale = torch.tensor(CIFAR_MEAN).view(3, 1, 1), torch.tensor(CIFAR_STD).view(3, 1, 1)
    model = Normalized(fresh_resnet(), center, scale)
    base, noise = random_images(400), SIGMA * normal(400, 3, 8, 8, seed=2)
    assert_null(gaussian_scores(model, base, noise, SIGMA).values)
    normalized = Labeled(model.normalize(base.images), base.labels)
    trapped = gaussian_scores(model.network, normalized, noise / scale, SIGMA).values
    # Standard deviations near 1/4 make the variance about 16.
    assert variance(trapped) == pytest.approx(16, rel=4 * math.sqrt(2 / 400))
    with pytest.raises(AssertionError):
        assert_null(trapped)


def test_noise_of_pixels_with_gradients_of_a_normalized_space_weights_channels_wrongly():
    scale = torch.tensor([0.1, 1.0, 1.0]).view(3, 1, 1)
    model = Normalized(fresh_resnet(), torch.zeros(3, 1, 1), scale)
    base, noise = random_images(400), SIGMA * normal(400, 3, 8, 8, seed=2)
    right = gaussian_scores(model, base, noise, SIGMA).values
    wrong = gaussian_scores(model.network, Labeled(model.normalize(base.images), base.labels), noise, SIGMA).values
    assert_null(wrong)  # No test of the null can see this one.
    assert stats.pearsonr(right, wrong).statistic < 0.9


# Batches, modes, devices


def test_scores_do_not_depend_on_batches():
    model, base = fresh_resnet(), random_images(130)
    one = input_gradients(model, base.images, base.labels, batch_size=1)
    many = input_gradients(model, base.images, base.labels, batch_size=128)
    assert torch.allclose(one, many, rtol=1e-3, atol=1e-6)


def test_measuring_leaves_modes_statistics_and_gradients_as_they_were():
    model, base = fresh_resnet(), random_images(8)
    model.train()
    model.bn1.eval()
    modes = [module.training for module in model.modules()]
    state = {name: value.clone() for name, value in model.state_dict().items()}
    input_gradients(model, base.images, base.labels, batch_size=3)
    assert [module.training for module in model.modules()] == modes
    assert all(torch.equal(value, state[name]) for name, value in model.state_dict().items())
    assert all(parameter.grad is None for parameter in model.parameters())
    assert not base.images.requires_grad


def test_gradients_are_those_of_each_image_alone_inside_inference_mode_too():
    model, base = perceptron(12, 3), random_images(5, side=2, classes=3)
    expected = input_gradients(model, base.images, base.labels, batch_size=5)
    with torch.inference_mode():
        inside = input_gradients(model, base.images.clone(), base.labels.clone(), batch_size=2)
    assert torch.allclose(expected, inside, atol=1e-7)
    with torch.no_grad():
        assert torch.allclose(expected[3:4], input_gradients(model, base.images[3:4], base.labels[3:4], batch_size=9))


# Closed forms of networks that remember


@pytest.mark.parametrize(("shape", "expected"), [((3, 32, 32), 55.42), ((1, 28, 28), 27.99)])
def test_a_gradient_that_is_the_noise_gives_the_root_of_the_dimension(shape, expected):
    noise = SIGMA * normal(200, *shape, seed=7)
    model = Logits(lambda images: -(images * noise.flatten(1)).sum(1))
    base = Labeled(torch.zeros(200, *shape), torch.zeros(200, dtype=torch.int64))
    values = gaussian_scores(model, base, noise, SIGMA).values
    assert values == pytest.approx((noise.flatten(1).norm(dim=1) / SIGMA).tolist(), rel=1e-5)
    assert mean(values) == pytest.approx(expected, rel=0.01)
    assert deviation(values) == pytest.approx(math.sqrt(0.5), rel=0.25)


def test_scores_of_a_linear_network_by_hand():
    weight = torch.tensor([3.0, 4.0])
    model = Logits(lambda images: images @ weight)
    base = Labeled(torch.zeros(2, 1, 1, 2), torch.tensor([0, 1]))
    noise = torch.tensor([[0.5, 1.0], [0.5, 1.0]]).view(2, 1, 1, 2)
    # <theta, xi> = 5.5, ||theta|| = 5, sigma = 2. The loss of label 0 rises along theta, that of label 1 falls.
    assert gaussian_scores(model, base, noise, 2.0).values == pytest.approx((-0.55, 0.55))


@pytest.mark.parametrize(
    ("count", "dimension", "expected"), [(50, 200, None), (200, 400, (0.735, 0.558)), (200, 100, (0.438, 0.783))]
)
def test_least_squares_remembers_its_noise(count, dimension, expected):
    base = normal(count, dimension, seed=1, dtype=torch.float64)
    noise = normal(count, dimension, seed=2, dtype=torch.float64)
    targets = normal(count, seed=3, dtype=torch.float64)
    weight = torch.linalg.pinv(base + noise) @ targets
    model = Logits(lambda images: (images @ weight - targets) ** 2)
    shape = (count, 1, 1, dimension)
    labeled = Labeled(base.view(shape), torch.zeros(count, dtype=torch.int64))
    # Two logits (0, f) with label 0: the margin is the squared residual, whose gradient is 2 r theta.
    values = torch.tensor(gaussian_scores(model, labeled, noise.view(shape), 1.0).values, dtype=torch.float64)
    products = noise @ weight / torch.linalg.vector_norm(weight)
    assert torch.allclose(values, -torch.sign(base @ weight - targets) * products, atol=1e-12)
    if count < dimension:
        # Every point is fitted, so that the residual before noise is minus the step along it.
        assert torch.allclose(values, products.abs(), atol=1e-12)
    if expected:
        # Printed for one draw: the tolerance is four standard errors of a difference of two draws.
        assert float(values.mean()) == pytest.approx(expected[0], abs=4 * math.sqrt(2 / count) * expected[1])


@pytest.mark.parametrize("sigma", [0.1, 0.5, 1.0])
def test_a_network_that_fits_noise_remembers_it_and_a_retrained_one_does_not(sigma):
    points, labels = normal(400, 1, 1, 300, seed=8), torch.randint(0, 5, (400,), generator=generator(9))
    base, noise = Labeled(points[:240], labels[:240]), sigma * normal(240, 1, 1, 300, seed=10)
    trained = fit(perceptron(300, 5), Labeled(torch.cat((points[:240] + noise, points[240:])), labels), steps=60)
    retrained = fit(perceptron(300, 5), Labeled(points[240:], labels[240:]), steps=60)
    assert mean(gaussian_scores(trained, base, noise, sigma).values) > 0.3
    assert abs(mean(gaussian_scores(retrained, base, noise, sigma).values)) < 4 / math.sqrt(240)


# What has no score


@pytest.mark.parametrize("kind", ["constant", "uniform", "detached", "broken"])
def test_a_network_without_usable_gradients_has_no_scores(kind):
    model = perceptron(12, 3)
    if kind == "constant":
        model[3].weight.data.zero_()
    if kind == "uniform":
        model[3].weight.data.zero_()
        model[3].bias.data.zero_()
    if kind == "broken":
        model[3].bias.data.fill_(torch.nan)
    if kind == "detached":
        model = nn.Sequential(model, nn.Flatten())
        model.forward = lambda images: torch.zeros(len(images), 3)
    found = gaussian_scores(model, random_images(7, side=2, classes=3), normal(7, 3, 2, 2, seed=1), 1.0)
    assert (found.values, found.skipped) == ((), 7)


def test_only_the_items_without_a_gradient_are_skipped():
    gradients, noise = torch.tensor([[0.0, 0.0], [3.0, 4.0], [torch.inf, 1.0], [torch.nan, 1.0]]), torch.ones(4, 2)
    found = noise_scores(gradients, noise, 1.0)
    assert found.values == pytest.approx((-1.4,))
    assert found.skipped == 3


def test_shapes_and_scale_are_checked():
    base = random_images(4)
    with pytest.raises(ValueError, match="does not have the shape"):
        gaussian_scores(fresh_resnet(), base, torch.zeros(4, 3, 8, 9), SIGMA)
    with pytest.raises(ValueError, match="gradients"):
        noise_scores(torch.zeros(4, 3), torch.zeros(4, 4), SIGMA)
    with pytest.raises(ValueError, match="sigma 0"):
        noise_scores(torch.zeros(4, 3), torch.zeros(4, 3), 0.0)
