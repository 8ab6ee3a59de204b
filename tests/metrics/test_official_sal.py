"""The published search against a plain copy of its procedure, and the two flaws it is kept for."""

import copy
import math

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from bench.errors import SearchDiverged
from bench.metrics.distance import official_sal
from bench.metrics.official_sal import OfficialSearch, measure_official_sal
from bench.metrics.sal import Search, layer_weights, measure_sal

SEARCH = OfficialSearch(epsilon=0.05, passes=3, learning_rate=0.1, batch_size=5)


class Chain(nn.Sequential):
    """A small network that says how it is a chain."""

    def stages(self) -> list[nn.Module]:
        return [nn.Sequential(*self[:3]), nn.Sequential(*self[3:])]


def network() -> Chain:
    with torch.random.fork_rng():
        torch.manual_seed(3)
        return Chain(nn.Conv2d(1, 3, 3), nn.BatchNorm2d(3), nn.ReLU(), nn.Flatten(), nn.Linear(12, 3))


def data(count: int = 13) -> tuple[Tensor, Tensor]:
    return torch.rand(count, 1, 4, 4, generator=torch.Generator().manual_seed(1)), torch.arange(count) % 3


def order() -> torch.Generator:
    return torch.Generator().manual_seed(7)


def literal(model: nn.Module, images: Tensor, labels: Tensor, search: OfficialSearch) -> dict[str, tuple]:
    """The published procedure, word for word: two whole copies, an optimizer each, three sweeps an iteration."""
    generator, found = order(), {}

    def sweep():
        permutation = torch.randperm(len(labels), generator=generator)
        full = len(labels) // search.batch_size * search.batch_size
        return [(images[chosen], labels[chosen]) for chosen in permutation[:full].split(search.batch_size)]

    sweep()  # the loss at the weights themselves
    for name in layer_weights(model):
        copies = {sign: copy.deepcopy(model).eval() for sign in (-1, 1)}
        origin = model.get_parameter(name).detach().clone()
        extremes = {-1: [], 1: []}
        for _ in range(search.passes):
            for sign, each in copies.items():
                weight = each.get_parameter(name)
                optimizer = torch.optim.SGD([weight], lr=search.learning_rate)
                for inputs, targets in sweep():
                    optimizer.zero_grad()
                    (-sign * F.cross_entropy(each(inputs), targets)).backward()
                    optimizer.step()
                with torch.no_grad():
                    relative = (weight - origin).norm() / origin.norm()
                    if relative > search.epsilon:
                        weight.copy_(origin + (weight - origin) * search.epsilon / relative)
            batches = sweep()
            for sign, each in copies.items():
                with torch.no_grad():
                    extremes[sign].append(torch.stack([F.cross_entropy(each(a), b) for a, b in batches]).mean().item())
        found[name] = (max(extremes[1]), min(extremes[-1]))
    return found


def test_it_finds_what_the_published_procedure_finds():
    model, (images, labels) = network(), data()
    found = measure_official_sal(model, images, labels, SEARCH, order())
    for name, (highest, lowest) in literal(model, images, labels, SEARCH).items():
        assert (found.ranges[name].highest, found.ranges[name].lowest) == pytest.approx((highest, lowest), abs=1e-5)
    assert list(found.ranges) == list(layer_weights(model))
    assert found.gradients == 2 * 3 * 2 * 2


def test_without_augmentation_stored_activations_change_nothing():
    model, (images, labels) = network(), data()
    stored = measure_official_sal(model, images, labels, SEARCH, order())
    whole = measure_official_sal(model, images, labels, SEARCH, order(), augment=lambda batch: batch)
    for name, found in stored.ranges.items():
        assert (found.highest, found.lowest) == pytest.approx(
            (whole.ranges[name].highest, whole.ranges[name].lowest), abs=1e-6
        )


def test_the_model_and_all_random_states_are_left_as_they_were():
    model, (images, labels) = network().train(), data()
    before, state = copy.deepcopy(model.state_dict()), torch.get_rng_state()
    measure_official_sal(model, images, labels, SEARCH, order())
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())
    assert torch.equal(state, torch.get_rng_state())
    assert model.training
    assert all(parameter.requires_grad for parameter in model.parameters())


def test_where_the_loss_has_vanished_it_finds_next_to_nothing_of_what_the_ball_holds():
    model = nn.Sequential(nn.Linear(2, 2, bias=False))
    with torch.no_grad():
        model[0].weight.copy_(torch.tensor([[8.0, 0.0], [-8.0, 0.0]]))
    images, labels = torch.tensor([[1.0, 0.0], [-1.0, 0.0]]).repeat(5, 1), torch.tensor([0, 1]).repeat(5)
    exact = measure_sal(model, images, labels, epsilon=1.0, search=Search(60, 1e-6))
    found = measure_official_sal(model, images, labels, OfficialSearch(epsilon=1.0, batch_size=5), order())
    assert exact.loss < 1e-6
    # The ball holds the weight that tells nothing: ln 2. Steps as long as the gradient never leave the start.
    assert exact.values["0.weight"] == pytest.approx(math.log(2), abs=1e-3)
    assert found.ranges["0.weight"].highest - found.start < 1e-6


def test_a_weight_that_is_not_finite_is_an_error():
    model, (images, labels) = network(), data()
    with torch.no_grad():
        model[0].weight[0] = torch.inf
    with pytest.raises(SearchDiverged, match="official SAL search"):
        measure_official_sal(model, images, labels, SEARCH, order())


def test_an_offset_of_the_origin_enters_every_layer():
    highest, lowest = [[0.51, 0.9]], [[0.49, 0.2]]
    assert official_sal(highest, lowest, [0.5]) == [[pytest.approx(0.01), pytest.approx(0.4)]]
    offset = official_sal(highest, lowest, [1.2])
    assert min(offset[0]) >= 0.7
    assert official_sal([[0.4]], [[0.6]], [0.5]) == [[0.0]]
