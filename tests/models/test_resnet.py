"""The networks are the published ones: parameters, perturbed layers, and one chain of stages."""

import pytest
import torch

from bench.errors import UnknownName
from bench.metrics.sal import layer_weights
from bench.models import MODELS
from bench.models.build import build_model
from bench.models.resnet import resnet18
from bench.runtime import generator_for


def build(name: str, *, in_channels: int = 3, seed: int = 0):
    return build_model(name, in_channels=in_channels, classes=10, generator=generator_for(f"test/{seed}", "weights"))


def test_resnet18_has_the_published_size_and_21_perturbed_layers():
    model = resnet18(3, 10)
    assert sum(parameter.numel() for parameter in model.parameters()) == 11_173_962
    weights = layer_weights(model)
    assert len(weights) == 21
    assert sum(weight.numel() for weight in weights.values()) == 11_164_352
    assert list(weights)[:4] == [
        "conv1.weight",
        "layer1.0.conv1.weight",
        "layer1.0.conv2.weight",
        "layer1.1.conv1.weight",
    ]
    assert [name for name in weights if "shortcut" in name] == [f"layer{i}.0.shortcut.0.weight" for i in (2, 3, 4)]
    assert list(weights)[-1] == "linear.weight"


def test_the_narrow_network_has_the_same_layers_and_an_eighth_of_the_width():
    wide, narrow = layer_weights(build("resnet18")), layer_weights(build("resnet-narrow"))
    assert list(wide) == list(narrow)
    assert [w.shape[0] for w in list(wide.values())[:-1]] == [8 * w.shape[0] for w in list(narrow.values())[:-1]]


@pytest.mark.parametrize("name", sorted(MODELS))
@pytest.mark.parametrize(("channels", "size"), [(3, 32), (1, 8)])
def test_stages_in_order_equal_the_forward_pass(name, channels, size):
    model = build(name, in_channels=channels).eval()
    images = torch.rand(2, channels, size, size, generator=torch.Generator().manual_seed(0))
    features = images
    for stage in model.stages():
        features = stage(features)
    assert torch.equal(features, model(images))
    assert features.shape == (2, 10)


def test_weights_come_from_the_generator_alone():
    state = torch.get_rng_state()
    one, same, other = build("resnet-narrow"), build("resnet-narrow"), build("resnet-narrow", seed=1)
    assert torch.equal(one.linear.weight, same.linear.weight)
    assert not torch.equal(one.linear.weight, other.linear.weight)
    assert torch.equal(torch.get_rng_state(), state)


def test_initial_weights_follow_the_default_uniform_law():
    weight = build("resnet18").layer4[1].conv2.weight.detach()
    bound = (1 / (512 * 9)) ** 0.5
    assert float(weight.abs().max()) <= bound
    assert float(weight.std()) == pytest.approx(bound / 3**0.5, rel=0.01)


def test_an_unknown_model_lists_the_known_ones():
    with pytest.raises(UnknownName, match=r"unknown model 'resnet19'; known: .*resnet-narrow, resnet18"):
        build("resnet19")
