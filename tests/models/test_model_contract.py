"""What every model of the table owes the harness: repeatable weights, and a SAL measurement that leaves no trace."""

import pytest
import torch
from torch import nn

from bench.metrics.sal import Search, layer_weights, measure_sal
from bench.models import MODELS
from bench.models.build import build_model
from bench.models.lenet import lenet5
from bench.models.resnet import resnet_narrow
from bench.models.resnet50 import ResNet50
from bench.models.resnet_imagenet import ResNet as ImageNetResNet
from bench.models.senet import SENet
from bench.models.vit import vit
from bench.runtime import generator_for

# One of each class, narrow where a class has a width: SAL visits every layer, so its cost grows with size times depth.
SMALL_MODELS = {
    "resnet": lambda: resnet_narrow(1, 10),
    "resnet50": lambda: ResNet50(in_channels=1, classes=10, width=8),
    "resnet-imagenet": lambda: ImageNetResNet(in_channels=1, classes=10, width=8),
    "senet": lambda: SENet(in_channels=1, classes=10, width=16),
    "vit": lambda: vit(1, 10),
    "lenet5": lambda: lenet5(1, 10),
}
LABELS = torch.tensor([3, 7])


def build(name: str, *, channels: int = 1) -> nn.Module:
    return build_model(name, in_channels=channels, classes=10, generator=generator_for("test/0", "weights"))


def make_images(channels: int, size: int) -> torch.Tensor:
    return torch.rand(2, channels, size, size, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("name", MODELS)
def test_two_builds_are_equal_whatever_the_global_random_state(name):
    states = []
    for seed in (1, 2):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            states.append(build(name).state_dict())
    one, other = states
    assert list(one) == list(other)
    assert all(torch.equal(one[key], other[key]) for key in one)


@pytest.mark.parametrize("name", MODELS)
def test_stages_hold_every_parameter_once_and_the_perturbed_weights_in_order(name):
    model = build(name)
    chain = [id(parameter) for stage in model.stages() for parameter in stage.parameters()]
    weights = {id(weight) for weight in layer_weights(model).values()}
    assert sorted(chain) == sorted(id(parameter) for parameter in model.parameters())
    assert [one for one in chain if one in weights] == [id(weight) for weight in layer_weights(model).values()]


@pytest.mark.parametrize("name", SMALL_MODELS)
def test_measuring_sal_covers_every_layer_and_leaves_the_model_as_it_was(name):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = SMALL_MODELS[name]().to(memory_format=torch.channels_last)
    before = {key: value.clone() for key, value in model.state_dict().items()}
    random_state = torch.get_rng_state()
    found = measure_sal(model, make_images(1, 8), LABELS, epsilon=0.01, search=Search(max_steps=1))
    assert list(found.values) == list(layer_weights(model))
    assert all(value >= 0 for value in found.values.values())
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())
    assert all(module.training for module in model.modules())
    assert all(parameter.requires_grad and parameter.grad is None for parameter in model.parameters())
    assert torch.equal(torch.get_rng_state(), random_state)


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize(("channels", "size"), [(3, 32), (1, 8)])
def test_evaluation_repeats_exactly_and_training_reaches_every_parameter(name, channels, size):
    model = build(name, channels=channels)
    images = make_images(channels, size).contiguous(memory_format=torch.channels_last)
    nn.functional.cross_entropy(model(images), LABELS).backward()
    assert all(parameter.grad is not None for parameter in model.parameters())
    model.eval()
    with torch.inference_mode():
        assert torch.equal(model(images), model(images))
