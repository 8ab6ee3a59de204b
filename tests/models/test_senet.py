"""SENet-18 is the published one: sizes, perturbed layers, and a block worked out by hand."""

import torch

from bench.metrics.sal import layer_weights
from bench.models.senet import SqueezeBlock, senet18


def random_features(width: int) -> torch.Tensor:
    return torch.randn(2, width, 4, 4, generator=torch.Generator().manual_seed(0))


def test_it_has_the_published_size_and_37_perturbed_layers():
    model = senet18(3, 10)
    assert sum(parameter.numel() for parameter in model.parameters()) == 11_260_354
    names = list(layer_weights(model))
    assert len(names) == 37
    assert names[:5] == ["conv1.weight", *(f"layer1.0.{part}.weight" for part in ("conv1", "conv2", "fc1", "fc2"))]
    parts = ("conv1", "conv2", "shortcut.0", "fc1", "fc2")
    assert [name for name in names if name.startswith("layer2.0.")] == [f"layer2.0.{part}.weight" for part in parts]
    assert [name for name in names if "shortcut" in name] == [f"layer{i}.0.shortcut.0.weight" for i in (2, 3, 4)]
    assert names[-1] == "linear.weight"


def test_hidden_units_are_a_sixteenth_of_the_channels_and_have_a_bias():
    block = senet18(3, 10).layer4[1]
    assert block.fc1.weight.shape == (32, 512, 1, 1)
    assert block.fc2.weight.shape == (512, 32, 1, 1)
    assert block.fc1.bias is not None
    assert block.fc2.bias is not None


def test_a_block_that_excites_nothing_halves_its_residual():
    block = SqueezeBlock(16, 16, 1).eval()
    torch.nn.init.zeros_(block.fc2.weight)
    torch.nn.init.zeros_(block.fc2.bias)
    features = random_features(16)
    residual = block.conv2(torch.relu(block.bn2(block.conv1(torch.relu(block.bn1(features))))))
    # sigmoid(0) = 0.5, and the input itself is the shortcut.
    torch.testing.assert_close(block(features), features + 0.5 * residual)


def test_a_shortcut_convolution_sees_the_activated_input():
    block = SqueezeBlock(16, 32, 2).eval()
    torch.nn.init.zeros_(block.conv2.weight)
    torch.nn.init.constant_(block.bn1.bias, -100.0)
    assert torch.equal(block(random_features(16)), torch.zeros(2, 32, 2, 2))


def test_the_only_batchnorm_outside_the_blocks_follows_the_stem():
    norms = [name for name, module in senet18(3, 10).named_modules() if isinstance(module, torch.nn.BatchNorm2d)]
    assert [name for name in norms if "layer" not in name] == ["bn1"]
    assert len(norms) == 17
