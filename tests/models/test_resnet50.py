"""ResNet-50 is the published one: sizes, perturbed layers, and the outputs of torchvision's network."""

import torch
import torchvision
from torch import nn

from bench.metrics.sal import layer_weights
from bench.models.resnet50 import ResNet50, resnet50


def reference_of(model: ResNet50) -> nn.Module:
    """Return torchvision's ResNet-50 with the small stem, no max-pooling and the model's weights."""
    reference = torchvision.models.resnet50(num_classes=10)
    reference.conv1 = nn.Conv2d(3, 64, 3, padding=1, bias=False)
    reference.maxpool = nn.Identity()
    renamed = {
        key.replace("shortcut", "downsample").replace("linear", "fc"): value
        for key, value in model.state_dict().items()
    }
    reference.load_state_dict(renamed)
    return reference.eval()


def test_it_has_the_published_size_and_54_perturbed_layers():
    model = resnet50(3, 10)
    assert sum(parameter.numel() for parameter in model.parameters()) == 23_520_842
    names = list(layer_weights(model))
    assert len(names) == 54
    assert names[:6] == [
        "conv1.weight",
        "layer1.0.conv1.weight",
        "layer1.0.conv2.weight",
        "layer1.0.conv3.weight",
        "layer1.0.shortcut.0.weight",
        "layer1.1.conv1.weight",
    ]
    assert [name for name in names if "shortcut" in name] == [f"layer{i}.0.shortcut.0.weight" for i in (1, 2, 3, 4)]
    assert [sum(f"layer{i}." in name and "conv2" in name for name in names) for i in (1, 2, 3, 4)] == [3, 4, 6, 3]
    assert names[-1] == "linear.weight"


def test_outputs_equal_those_of_torchvision_with_a_small_stem():
    model = resnet50(3, 10).eval()
    images = torch.rand(2, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        # Same operations in the same order; the tolerance covers another choice of convolution algorithm.
        torch.testing.assert_close(model(images), reference_of(model)(images), rtol=1e-5, atol=1e-6)


def test_the_3x3_convolution_carries_the_stride():
    block = resnet50(3, 10).layer2[0]
    assert [block.conv1.stride, block.conv2.stride, block.conv3.stride] == [(1, 1), (2, 2), (1, 1)]
