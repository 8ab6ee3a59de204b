"""SAL against closed forms (test vectors A to G), brute force, and the invariants that any correct search keeps."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional as F

from bench.errors import SearchDiverged
from bench.metrics.sal import BallSearch, Search, layer_weights, measure_sal, project_to_ball, search_ball

EXACT = Search(max_steps=400, tolerance=1e-14)

SOFTMAX_WEIGHT = torch.tensor([[0.8, -0.3], [-0.5, 0.6], [0.1, -0.4]], dtype=torch.float64)
SOFTMAX_POINTS = torch.tensor([[1.0, 0.5], [-1.2, 0.7], [0.3, -1.1], [0.9, -0.8]], dtype=torch.float64)
SOFTMAX_LABELS = torch.tensor([0, 1, 2, 0])


def differentiable(loss):
    def loss_and_gradient(weight: Tensor) -> tuple[float, Tensor]:
        variable = weight.detach().requires_grad_(True)
        value = loss(variable)
        return float(value.detach()), torch.autograd.grad(value, variable)[0]

    return loss_and_gradient


def softmax_loss(points: Tensor, labels: Tensor):
    return differentiable(lambda weight: F.cross_entropy(points @ weight.T, labels))


def search(loss, weight, *, relative=None, radius=None) -> BallSearch:
    size = radius if radius is not None else relative * float(torch.linalg.vector_norm(weight))
    return search_ball(loss, weight, size, search=EXACT)


def tiny_network(seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Conv2d(1, 3, 3), nn.BatchNorm2d(3), nn.ReLU(), nn.Flatten(), nn.Linear(12, 3)).eval()


def tiny_probe(count: int = 12) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    return torch.rand(count, 1, 4, 4, generator=generator), torch.arange(count) % 3


@pytest.mark.parametrize(
    ("epsilon", "rise", "fall"),
    [(0.05, 0.0136947, 0.0132032), (0.1, 0.0278922, 0.0259264), (0.5, 0.1608153, 0.1118484)],
)
def test_vector_a_one_logistic_sample(epsilon, rise, fall):
    loss = differentiable(lambda weight: F.softplus(-weight[0]))
    found = search(loss, torch.tensor([1.0, 0.0], dtype=torch.float64), relative=epsilon)
    margin = 1.0
    assert found.rise == pytest.approx(softplus(-(margin - epsilon)) - softplus(-margin), rel=1e-6)
    assert found.fall == pytest.approx(softplus(-margin) - softplus(-(margin + epsilon)), rel=1e-6)
    # The printed vector has seven decimals.
    assert (found.rise, found.fall) == pytest.approx((rise, fall), abs=6e-8)


def softplus(value: float) -> float:
    return math.log1p(math.exp(value))


@pytest.mark.parametrize(("epsilon", "rise", "fall"), [(0.05, 0.0195139, 0.0185309), (0.1, 0.0400424, 0.0361113)])
def test_vector_b_two_class_softmax(epsilon, rise, fall):
    weight = torch.tensor([[1.0, 0.0], [0.0, 0.0]], dtype=torch.float64)
    point = torch.tensor([[1.0, 0.0]], dtype=torch.float64)
    found = search(softmax_loss(point, torch.tensor([0])), weight, relative=epsilon)
    move = math.sqrt(2) * epsilon
    assert found.rise == pytest.approx(softplus(-(1 - move)) - softplus(-1), rel=1e-6)
    assert found.fall == pytest.approx(softplus(-1) - softplus(-(1 + move)), rel=1e-6)
    assert (found.rise, found.fall) == pytest.approx((rise, fall), abs=6e-8)


@pytest.mark.parametrize(
    ("size", "rise", "fall"),
    [
        ({"relative": 0.05}, 0.0203324, 0.0196479),
        ({"relative": 0.2}, 0.0856065, 0.0746446),
        ({"radius": 0.05}, 0.0164936, 0.0160403),
    ],
)
def test_vector_c_softmax_regression(size, rise, fall):
    loss = softmax_loss(SOFTMAX_POINTS, SOFTMAX_LABELS)
    assert loss(SOFTMAX_WEIGHT)[0] == pytest.approx(0.5899885, abs=6e-8)
    found = search(loss, SOFTMAX_WEIGHT, **size)
    assert (found.rise, found.fall) == pytest.approx((rise, fall), abs=6e-8)


def test_vector_c_is_the_maximum_of_a_fine_sweep_of_the_boundary():
    """A second, dumber search: 200,000 random points of the sphere, the best of them refined by shrinking noise."""
    loss = lambda weight: F.cross_entropy(SOFTMAX_POINTS @ weight.transpose(-1, -2), SOFTMAX_LABELS)  # noqa: E731
    radius = 0.05 * float(torch.linalg.vector_norm(SOFTMAX_WEIGHT))
    found = search(softmax_loss(SOFTMAX_POINTS, SOFTMAX_LABELS), SOFTMAX_WEIGHT, relative=0.05)
    generator = torch.Generator().manual_seed(0)
    best = torch.randn(3, 2, generator=generator, dtype=torch.float64)
    scale, value = 1.0, -math.inf
    for _ in range(4000):
        candidate = best + scale * torch.randn(3, 2, generator=generator, dtype=torch.float64)
        candidate *= radius / torch.linalg.vector_norm(candidate)
        rise = float(loss(SOFTMAX_WEIGHT + candidate) - loss(SOFTMAX_WEIGHT))
        if rise > value:
            best, value = candidate, rise
        else:
            scale = max(scale * 0.997, 1e-5)
    assert found.rise == pytest.approx(value, rel=1e-6)
    assert found.rise >= value * (1 - 1e-9)


def test_vector_d_zero_weights_have_no_relative_ball_but_an_absolute_one():
    weight = torch.zeros(10, 2, dtype=torch.float64)
    loss = softmax_loss(torch.tensor([[1.0, 0.0]], dtype=torch.float64), torch.tensor([0]))
    found = search(loss, weight, radius=0.5)
    assert (found.rise, found.fall) == pytest.approx((0.4852182, 0.4599559), abs=6e-8)
    assert search(loss, weight, relative=0.05).sal == 0


def test_vector_e_squared_loss():
    loss = differentiable(lambda weight: (weight[0] * 3 - 5) ** 2)
    found = search(loss, torch.tensor([2.0], dtype=torch.float64), relative=0.05)
    assert (found.rise, found.fall, found.sal) == pytest.approx((0.69, 0.51, 0.69), rel=1e-6)


def test_vector_f_one_softmax_sample_reaches_a_ball_of_logits():
    """The logits can move within radius r * |x|; the best of a dense sweep of that ball's surface is the answer."""
    weight = torch.tensor([[0.4, -0.2], [0.1, 0.3]], dtype=torch.float64)
    point = torch.tensor([[0.6, -0.8]], dtype=torch.float64)
    found = search(softmax_loss(point, torch.tensor([1])), weight, radius=0.2)
    angles = torch.linspace(0, 2 * math.pi, 200_001, dtype=torch.float64)
    moved = (point @ weight.T) + 0.2 * torch.stack([angles.cos(), angles.sin()], dim=1)
    losses = F.cross_entropy(moved, torch.ones(len(moved), dtype=torch.int64), reduction="none")
    origin = float(F.cross_entropy(point @ weight.T, torch.tensor([1])))
    assert found.rise == pytest.approx(float(losses.max()) - origin, rel=1e-6)
    assert found.fall == pytest.approx(origin - float(losses.min()), rel=1e-6)


def test_vector_g_projection():
    start, moved = torch.tensor([3.0, 4.0]), torch.tensor([4.0, 4.0])
    projected = start + project_to_ball(moved - start, 0.05 * 5)
    assert projected.tolist() == pytest.approx([3.25, 4.0])


@given(st.floats(0.001, 0.4), st.floats(0.001, 0.4))
@settings(max_examples=25, deadline=None)
def test_sal_never_falls_when_the_ball_grows(one, other):
    loss = softmax_loss(SOFTMAX_POINTS, SOFTMAX_LABELS)
    small, large = (search(loss, SOFTMAX_WEIGHT, relative=size).sal for size in sorted((one, other)))
    assert 0 <= small <= large * (1 + 1e-9)


@given(st.integers(0, 10_000), st.floats(0.01, 1.0))
@settings(max_examples=50, deadline=None)
def test_no_point_of_the_ball_beats_the_search(seed, share):
    loss = softmax_loss(SOFTMAX_POINTS, SOFTMAX_LABELS)
    found = search(loss, SOFTMAX_WEIGHT, relative=0.2)
    direction = torch.randn(3, 2, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    radius = share * 0.2 * float(torch.linalg.vector_norm(SOFTMAX_WEIGHT))
    change = direction * (radius / torch.linalg.vector_norm(direction))
    assert abs(loss(SOFTMAX_WEIGHT + change)[0] - loss(SOFTMAX_WEIGHT)[0]) <= found.sal * (1 + 1e-9)


def test_the_changes_found_lie_in_the_ball_and_give_the_values_reported():
    loss = softmax_loss(SOFTMAX_POINTS, SOFTMAX_LABELS)
    found = search(loss, SOFTMAX_WEIGHT, radius=0.3)
    origin = loss(SOFTMAX_WEIGHT)[0]
    for change, value, sign in ((found.rise_at, found.rise, 1), (found.fall_at, found.fall, -1)):
        assert float(torch.linalg.vector_norm(change)) == pytest.approx(0.3, rel=1e-6)
        assert sign * (loss(SOFTMAX_WEIGHT + change)[0] - origin) == pytest.approx(value, rel=1e-9)


def test_a_small_ball_gives_radius_times_gradient_norm_with_the_rise_on_top():
    loss = softmax_loss(SOFTMAX_POINTS, SOFTMAX_LABELS)
    first_order = 1e-4 * float(torch.linalg.vector_norm(loss(SOFTMAX_WEIGHT)[1]))
    found = search(loss, SOFTMAX_WEIGHT, radius=1e-4)
    assert found.fall <= first_order <= found.rise
    assert found.sal == found.rise == pytest.approx(first_order, rel=1e-3)


def test_the_fall_is_not_searched_where_the_loss_cannot_fall_as_far_as_it_rose():
    loss = differentiable(lambda weight: F.softplus(8 * weight[0] - 8))
    weight = torch.tensor([1.0], dtype=torch.float64)
    with_floor = search_ball(loss, weight, 2.0, search=EXACT, loss_floor=0.0)
    without = search_ball(loss, weight, 2.0, search=EXACT)
    assert with_floor.sal == without.sal == without.rise
    assert (with_floor.fall, without.fall > 0) == (0.0, True)


def test_a_vanished_gradient_does_not_hide_a_loss_that_can_rise():
    loss = differentiable(lambda weight: F.relu(weight[0] - 1.01))
    assert search(loss, torch.tensor([1.0], dtype=torch.float64), relative=0.05).sal == pytest.approx(0.04)


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_loss_that_is_not_finite_is_an_error_and_never_a_small_number(value):
    def loss(weight: Tensor) -> tuple[float, Tensor]:
        return (value if float(weight[0]) > 1.01 else 0.5), torch.ones(1)

    with pytest.raises(SearchDiverged, match="not finite inside the ball"):
        search_ball(loss, torch.tensor([1.0]), 0.05, search=EXACT)


def test_a_network_with_weights_that_are_not_finite_is_an_error():
    network = tiny_network()
    network[4].weight.data[0, 0] = math.nan
    with pytest.raises(SearchDiverged):
        measure_sal(network, *tiny_probe(), epsilon=0.05, search=Search())


def test_measure_sal_agrees_with_a_plain_search_over_the_whole_network():
    """The oracle perturbs the weight in place in a copy and runs the whole network for each evaluation."""
    network, (images, labels) = tiny_network().double(), tiny_probe()
    images = images.double()
    found = measure_sal(network, images, labels, epsilon=0.05, search=EXACT)
    for name, weight in layer_weights(network).items():
        loss = differentiable(
            lambda value, name=name: F.cross_entropy(
                torch.func.functional_call(network, {name: value}, (images,)), labels
            )
        )
        radius = 0.05 * float(torch.linalg.vector_norm(weight.detach()))
        assert found.values[name] == pytest.approx(
            search_ball(loss, weight.detach(), radius, search=EXACT).sal, rel=1e-9
        )


def test_measuring_leaves_no_trace_in_the_model_and_uses_no_random_numbers():
    network = tiny_network().train()
    network[1].eval()
    network[4].weight.requires_grad_(False)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    flags = [(module.training for module in network.modules()), [p.requires_grad for p in network.parameters()]]
    random_state = torch.get_rng_state()
    measure_sal(network, *tiny_probe(), epsilon=0.05, search=Search())
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert [p.requires_grad for p in network.parameters()] == flags[1]
    assert (network.training, network[1].training) == (True, False)
    assert torch.equal(torch.get_rng_state(), random_state)


def test_sal_is_measured_in_eval_mode():
    """In train mode, batch normalization would undo a rescaled convolution; in eval mode it does not."""
    network = tiny_network()
    found = measure_sal(network.train(), *tiny_probe(), epsilon=0.05, search=Search())
    again = measure_sal(network.eval(), *tiny_probe(), epsilon=0.05, search=Search())
    assert found == again


def test_a_layer_without_influence_has_sal_zero():
    network = nn.Sequential(nn.Flatten(), nn.Linear(16, 4), nn.ReLU(), nn.Linear(4, 3)).eval()
    network[1].bias.data.fill_(-100.0)
    found = measure_sal(network, *tiny_probe(), epsilon=0.05, search=Search())
    assert found.values["1.weight"] == 0
    assert found.values["3.weight"] == 0


def test_sal_does_not_depend_on_sample_order_or_on_the_size_of_chunks():
    network, (images, labels) = tiny_network().double(), tiny_probe()
    whole = measure_sal(network, images.double(), labels, epsilon=0.05, search=EXACT)
    order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(3))
    parts = measure_sal(network, images[order].double(), labels[order], epsilon=0.05, search=EXACT, chunk=5)
    assert list(parts.values.values()) == pytest.approx(list(whole.values.values()), rel=1e-9)


def test_a_relative_ball_does_not_change_when_one_layer_is_scaled_up_and_the_next_down():
    torch.manual_seed(0)
    network = nn.Sequential(nn.Flatten(), nn.Linear(16, 6, bias=False), nn.ReLU(), nn.Linear(6, 3, bias=False)).double()
    images, labels = tiny_probe()
    before = measure_sal(network, images.double(), labels, epsilon=0.05, search=EXACT)
    network[1].weight.data *= 7.0
    network[3].weight.data /= 7.0
    after = measure_sal(network, images.double(), labels, epsilon=0.05, search=EXACT)
    assert list(after.values.values()) == pytest.approx(list(before.values.values()), rel=1e-6)


def test_layer_weights_are_those_of_convolutions_and_linear_layers_only():
    assert list(layer_weights(tiny_network())) == ["0.weight", "4.weight"]
