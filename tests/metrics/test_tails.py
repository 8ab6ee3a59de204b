"""Many questions answered in one pass against one at a time, through the whole network."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional as F

from bench.metrics.sal import frozen, layer_weights
from bench.metrics.tails import Question, cut
from bench.models.build import build_model
from bench.models.resnet import ResNet


def network(width: int = 2) -> ResNet:
    """A network whose normalization is not the identity."""
    torch.manual_seed(0)
    model = ResNet(in_channels=1, classes=3, width=width).double()
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_()
            module.running_var.uniform_(0.5, 2)
            nn.init.uniform_(module.weight, 0.5, 2)
            nn.init.normal_(module.bias)
    return model


SMALL = network(1)


def some_images(count: int, size: int = 8) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    images = torch.rand(count, 1, size, size, generator=generator, dtype=torch.float64)
    return images, torch.arange(count) % 3, torch.rand(count, generator=generator, dtype=torch.float64)


def directly(model: nn.Module, question: Question, images: Tensor, labels: Tensor, shares: Tensor):
    """The weighed loss and its gradient through the whole network, nothing reused."""
    chosen = torch.arange(len(labels)) if question.images is None else question.images
    weight = question.weight.clone().requires_grad_(True)
    logits = functional_call(model, {question.layer: weight}, (images[chosen],))
    loss = (F.cross_entropy(logits, labels[chosen], reduction="none") * shares[chosen]).sum()
    return float(loss.detach()), torch.autograd.grad(loss, weight)[0]


def disturbed(model: nn.Module, layer: str, seed: int) -> Tensor:
    weight = model.get_parameter(layer).detach()
    generator = torch.Generator().manual_seed(seed)
    return weight * (1 + 0.1 * torch.randn(weight.shape, generator=generator, dtype=weight.dtype))


@pytest.mark.parametrize("rows", [5, 4096])
@pytest.mark.parametrize("size", [8, 20])
def test_every_layer_s_loss_and_gradient_are_those_of_the_whole_network(size, rows):
    model, (images, labels, shares) = network(), some_images(5, size)
    questions = [Question(name, disturbed(model, name, index)) for index, name in enumerate(layer_weights(model))]
    with frozen(model):
        tails = cut(model, images, labels, shares, rows=rows)
        answers = tails.ask(questions)
        for question, answer in zip(questions, answers, strict=True):
            loss, gradient = directly(model, question, images, labels, shares)
            assert answer.loss == pytest.approx(loss, rel=1e-9), question.layer
            torch.testing.assert_close(answer.gradient, gradient, rtol=1e-8, atol=1e-10)
    assert tails.passed == 21 * 5


@settings(max_examples=12)
@given(
    st.lists(
        st.tuples(st.integers(0, 20), st.integers(0, 9), st.one_of(st.none(), st.sets(st.integers(0, 5), min_size=1))),
        min_size=1,
        max_size=6,
    ),
    st.integers(1, 20),
)
def test_questions_may_come_in_any_order_repeat_and_ask_for_some_images(asked, rows):
    model, (images, labels, shares) = SMALL, some_images(6)
    names = list(layer_weights(model))
    with frozen(model):
        tails = cut(model, images, labels, shares, rows=rows)
        questions = [
            Question(names[place], disturbed(model, names[place], seed), chosen and torch.tensor(sorted(chosen)))
            for place, seed, chosen in asked
        ]
        for question, answer in zip(questions, tails.ask(questions), strict=True):
            loss, gradient = directly(model, question, images, labels, shares)
            assert answer.loss == pytest.approx(loss, rel=1e-9)
            torch.testing.assert_close(answer.gradient, gradient, rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize("name", ["lenet5", "senet18", "resnet50", "vit"])
def test_other_networks_answer_alike(name):
    channels, size = (3, 32) if name in ("vit", "resnet50") else (1, 8)
    model = build_model(name, in_channels=channels, classes=3, generator=torch.Generator().manual_seed(0)).double()
    images = torch.rand(2, channels, size, size, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    labels, shares = torch.tensor([0, 2]), torch.tensor([0.5, 2.0], dtype=torch.float64)
    names = list(layer_weights(model))
    with frozen(model):
        tails = cut(model, images, labels, shares, rows=4096)
        questions = [
            Question(layer, disturbed(model, layer, 3)) for layer in (names[0], names[len(names) // 2], names[-1])
        ]
        for question, answer in zip(questions, tails.ask(questions), strict=True):
            loss, gradient = directly(model, question, images, labels, shares)
            assert answer.loss == pytest.approx(loss, rel=1e-8)
            torch.testing.assert_close(answer.gradient, gradient, rtol=1e-6, atol=1e-9)


class Peeking(nn.Module):
    """Uses what lies between a convolution and its normalization: nothing may be folded here."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 3, 3, padding=1)
        self.norm = nn.BatchNorm2d(3)

    def forward(self, images: Tensor) -> Tensor:
        between = self.conv(images)
        return (self.norm(between) + between).mean((2, 3))


def test_a_network_that_looks_between_convolution_and_normalization_is_left_as_it_is():
    torch.manual_seed(0)
    model, (images, labels, shares) = Peeking().double(), some_images(4)
    nn.init.normal_(model.norm.running_mean)
    with frozen(model):
        question = Question("conv.weight", disturbed(model, "conv.weight", 0))
        answer = cut(model, images, labels, shares, rows=4096).ask([question])[0]
        loss, gradient = directly(model, question, images, labels, shares)
    assert answer.loss == pytest.approx(loss)
    torch.testing.assert_close(answer.gradient, gradient)


@pytest.mark.parametrize("settings", [{"groups": 2}, {"dilation": 2, "padding": 2}, {"padding": "same"}, {"stride": 2}])
def test_convolutions_of_every_kind_are_the_same_before_and_after(settings):
    torch.manual_seed(0)
    convolve = nn.Conv2d(2, 4, 3, **settings)
    model = nn.Sequential(nn.Conv2d(1, 2, 1), convolve, nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.LazyLinear(3))
    images, labels, shares = some_images(3, 4)
    model(images.float())
    model.double()
    with frozen(model):
        tails = cut(model, images, labels, shares, rows=4096)
        questions = [Question(name, disturbed(model, name, 1)) for name in ("0.weight", "1.weight", "5.weight")]
        for question, answer in zip(questions, tails.ask(questions), strict=True):
            loss, gradient = directly(model, question, images, labels, shares)
            assert answer.loss == pytest.approx(loss)
            torch.testing.assert_close(answer.gradient, gradient)
