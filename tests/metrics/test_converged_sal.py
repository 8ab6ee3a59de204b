"""The converged SAL search against the plain one, brute force over directions, and invariants."""

import math

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from bench.metrics.converged_sal import THOROUGH, Convergence, _ascend, _Ball, _Probe, measure_converged_sal
from bench.metrics.sal import Search, layer_weights, measure_sal
from bench.metrics.sphere_ascent import Ascent, Climb, climb
from bench.metrics.tails import Answer
from bench.models.build import build_model
from bench.models.resnet import ResNet

EXACT = Search(max_steps=300, tolerance=1e-10)


def trained(epochs: int, seed: int = 0) -> tuple[ResNet, Tensor, Tensor]:
    """A network of width 2 on 48 random images, trained until it starts to know, or knows, their labels."""
    torch.manual_seed(seed)
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(48) % 3
    images = (0.5 * torch.rand(48, 1, 8, 8, generator=generator) + 0.25 * labels[:, None, None, None]).double()
    model = ResNet(in_channels=1, classes=3, width=2).double()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
    for _ in range(epochs):
        loss = F.cross_entropy(model(images), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return model, images, labels


def state(model: nn.Module) -> list[Tensor]:
    return [value.clone() for value in model.state_dict().values()]


@pytest.mark.parametrize("epochs", [8, 16])
def test_it_finds_what_a_long_plain_search_finds(epochs):
    model, images, labels = trained(epochs)
    plain = measure_sal(model, images, labels, epsilon=0.05, search=EXACT)
    found = measure_converged_sal(model, images, labels, epsilon=0.05)
    assert found.loss == pytest.approx(plain.loss, rel=1e-5)
    assert list(found.values) == list(plain.values)
    for layer, value in plain.values.items():
        assert found.values[layer] >= 0.995 * value, layer
    assert found.gradients < plain.gradients


def test_where_the_loss_has_vanished_it_finds_more():
    model, images, labels = trained(200)
    plain = measure_sal(model, images, labels, epsilon=0.05, search=EXACT)
    quick = measure_converged_sal(model, images, labels, epsilon=0.05)
    thorough = measure_converged_sal(model, images, labels, epsilon=0.05, search=THOROUGH)
    assert plain.loss < 0.03
    assert sum(quick.values.values()) > 0.98 * sum(plain.values.values())
    for layer in plain.values:
        assert thorough.values[layer] >= 0.98 * plain.values[layer], layer


def test_the_model_is_left_as_it_was_and_a_second_call_gives_the_same():
    model, images, labels = trained(60)
    model.train()
    before, random = state(model), torch.get_rng_state()
    first = measure_converged_sal(model, images, labels, epsilon=0.05)
    assert measure_converged_sal(model, images, labels, epsilon=0.05) == first
    assert all(torch.equal(old, new) for old, new in zip(before, state(model), strict=True))
    assert all(module.training for module in model.modules())
    assert all(parameter.requires_grad for parameter in model.parameters())
    assert torch.equal(torch.get_rng_state(), random)


def test_the_size_of_a_pass_does_not_matter():
    model, images, labels = trained(3)
    whole = measure_converged_sal(model, images, labels, epsilon=0.05)
    parts = measure_converged_sal(model, images, labels, epsilon=0.05, rows=7)
    assert parts.values == pytest.approx(whole.values, rel=1e-3)


def test_a_larger_ball_holds_a_larger_change():
    model, images, labels = trained(12)
    small, large = (measure_converged_sal(model, images, labels, epsilon=e).values for e in (0.02, 0.05))
    assert all(large[layer] > small[layer] for layer in small)


def test_a_layer_of_zeros_has_no_ball():
    model, images, labels = trained(3)
    with torch.no_grad():
        model.layer4[1].conv1.weight.zero_()
    assert measure_converged_sal(model, images, labels, epsilon=0.05).values["layer4.1.conv1.weight"] == 0


def test_a_fall_that_is_larger_than_any_rise_counts():
    """The bias is against the label of every image: moving the weight can help much and hurt little."""
    model = nn.Sequential(nn.Flatten(), nn.Linear(1, 2))
    with torch.no_grad():
        model[1].weight.copy_(torch.tensor([[1.0], [-1.0]]))
        model[1].bias.copy_(torch.tensor([-6.0, 6.0]))
    images, labels = torch.tensor([[[[6.0]]], [[[-6.0]]]]), torch.tensor([0, 0])
    plain = measure_sal(model, images, labels, epsilon=0.9, search=EXACT)
    found = measure_converged_sal(model, images, labels, epsilon=0.9)
    assert found.values["1.weight"] == pytest.approx(plain.values["1.weight"], rel=1e-3)


@pytest.mark.parametrize("name", ["resnet-narrow", "lenet5", "senet18", "vit"])
def test_networks_of_every_kind_can_be_measured(name):
    channels, size = (3, 32) if name == "vit" else (1, 8)
    model = build_model(name, in_channels=channels, classes=3, generator=torch.Generator().manual_seed(0))
    images = torch.rand(4, channels, size, size, generator=torch.Generator().manual_seed(1))
    search = Convergence(math.inf, hardest=2, starts=1, trial=Ascent(steps=1), ascent=Ascent(steps=2))
    found = measure_converged_sal(model, images, torch.tensor([0, 1, 2, 0]), epsilon=0.01, search=search)
    assert found.values.keys() == layer_weights(model).keys()
    assert all(value >= 0 and math.isfinite(value) for value in found.values.values())


def test_shares_weigh_the_images():
    """An image counted twice is the same as its twin beside it."""
    model, images, labels = trained(8)
    shares = torch.full((48,), 1 / 60)
    shares[:12] *= 2
    twins = torch.cat([torch.arange(48), torch.arange(12)])
    weighed = measure_converged_sal(model, images, labels, epsilon=0.05, shares=shares)
    doubled = measure_converged_sal(model, images[twins], labels[twins], epsilon=0.05)
    assert weighed.loss == pytest.approx(doubled.loss, rel=1e-6)
    assert weighed.values == pytest.approx(doubled.values, rel=2e-3)


def test_trials_on_few_images_lead_to_the_change_of_all():
    """Whatever the trials look at, what is reported is a change that all images have."""
    model, images, labels = trained(200)
    thorough = measure_converged_sal(model, images, labels, epsilon=0.05, search=THOROUGH)
    for heavy in (1, 1 << 30):
        found = measure_converged_sal(model, images, labels, epsilon=0.05, search=Convergence(heavy=heavy))
        assert all(found.values[layer] <= thorough.values[layer] * 1.01 for layer in found.values)


def test_an_ascent_that_cannot_reach_the_best_is_given_up():
    """Two hills that do not see each other: on the sphere of the second half no point is as high as the other start."""
    heights = torch.cat([torch.linspace(9.0, 10.0, 20), torch.linspace(0.0, 1.0, 20)]).double()

    def hills(direction: Tensor) -> tuple[float, Tensor]:
        return float((heights * direction.square()).sum()), 2 * heights * direction

    starts = torch.zeros(2, 40, dtype=torch.float64)
    starts[0, :20], starts[1, 20:] = 1, 1
    settings = Ascent(tolerance=1e-9, steps=200)
    ball = _Ball("layer", torch.zeros(40, dtype=torch.float64), 2.0)
    probe = _Probe(torch.zeros(1), {}, None)
    climbs = [Climb(start, settings) for start in starts]
    ascending, reply = _ascend(ball, climbs, probe), None
    while True:
        try:
            questions = ascending.send(reply)
        except StopIteration:
            break
        answers = [hills(question.weight / ball.radius) for question in questions]
        reply = [Answer(value, gradient / ball.radius) for value, gradient in answers]
    alone = [climb(hills, start, settings) for start in starts]
    assert climbs[0].evaluations == alone[0].evaluations
    assert climbs[0].value == pytest.approx(10, rel=1e-6)
    assert climbs[1].evaluations == 3 < alone[1].evaluations
