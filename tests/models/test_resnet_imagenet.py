"""ResNet-18 for large images is torchvision's, weight by weight."""

import torch
from torchvision.models import resnet18

from bench.metrics.sal import layer_weights
from bench.models.resnet_imagenet import resnet18_imagenet


def test_it_has_the_published_size_and_21_perturbed_layers():
    model = resnet18_imagenet(3, 100)
    assert sum(parameter.numel() for parameter in model.parameters()) == 11_227_812
    weights = list(layer_weights(model))
    assert len(weights) == 21
    assert (weights[0], weights[-1]) == ("conv1.weight", "fc.weight")


def test_with_torchvisions_weights_it_gives_torchvisions_logits():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        published = resnet18(num_classes=5).eval()
        images = torch.rand(2, 3, 64, 64)
    model = resnet18_imagenet(3, 5).eval()
    model.load_state_dict(published.state_dict())
    with torch.inference_mode():
        assert torch.equal(model(images), published(images))


def test_images_of_other_channels_fit():
    assert resnet18_imagenet(1, 5).eval()(torch.zeros(1, 1, 32, 32)).shape == (1, 5)
