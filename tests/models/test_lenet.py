"""LeNet-5 is the published one: sizes, perturbed layers, and small images centered on 32x32 pixels."""

import pytest
import torch

from bench.errors import UsageProblem
from bench.metrics.sal import layer_weights
from bench.models.lenet import PadToSize, lenet5


@pytest.mark.parametrize(("channels", "parameters"), [(3, 62_006), (1, 61_706)])
def test_it_has_the_published_size_and_5_perturbed_layers(channels, parameters):
    model = lenet5(channels, 10)
    assert sum(parameter.numel() for parameter in model.parameters()) == parameters
    assert list(layer_weights(model)) == [f"{name}.weight" for name in ("conv1", "conv2", "fc1", "fc2", "fc3")]


@pytest.mark.parametrize(("size", "first", "last"), [(32, 0, 31), (28, 2, 29), (8, 12, 19), (7, 12, 18)])
def test_small_images_lie_in_the_center_of_zeros(size, first, last):
    padded = PadToSize()(torch.ones(1, 1, size, size))
    assert padded.shape == (1, 1, 32, 32)
    assert padded.sum() == size * size
    lit = padded[0, 0].nonzero()
    assert lit.amin(0).tolist() == [first, first]
    assert lit.amax(0).tolist() == [last, last]


def test_a_padded_image_has_the_logits_of_the_small_one():
    model = lenet5(1, 10).eval()
    images = torch.rand(2, 1, 28, 28, generator=torch.Generator().manual_seed(0))
    framed = torch.zeros(2, 1, 32, 32)
    framed[:, :, 2:30, 2:30] = images
    assert torch.equal(model(images), model(framed))


def test_larger_images_are_refused():
    with pytest.raises(UsageProblem, match="lenet5: images have 33x32 pixels, at most 32x32 fit"):
        lenet5(1, 10)(torch.zeros(1, 1, 33, 32))
