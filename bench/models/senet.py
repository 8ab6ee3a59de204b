"""SENet-18 for small images: pre-activation residual blocks whose channels are weighted by squeeze and excitation.

May import torch only. Shares no code with bench.models.resnet: a cell's key covers the one file of its model.
"""

from torch import Tensor, nn
from torch.nn import functional as F

REDUCTION = 16
"""Channels of a block for each hidden unit of its squeeze and excitation."""


class SqueezeBlock(nn.Module):
    """Two 3x3 convolutions, each behind BatchNorm and ReLU, their output scaled per channel, and a shortcut.

    The shortcut is the block's input, or a 1x1 convolution of the activated input where the shape changes.
    """

    def __init__(self, in_width: int, width: int, stride: int) -> None:
        super().__init__()
        self.bn1 = nn.BatchNorm2d(in_width)
        self.conv1 = nn.Conv2d(in_width, width, 3, stride=stride, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.shortcut = nn.Sequential()
        if stride != 1 or in_width != width:
            self.shortcut = nn.Sequential(nn.Conv2d(in_width, width, 1, stride=stride, bias=False))
        self.fc1 = nn.Conv2d(width, width // REDUCTION, 1)
        self.fc2 = nn.Conv2d(width // REDUCTION, width, 1)

    def forward(self, features: Tensor) -> Tensor:
        """Map (N, in_width, H, W) to (N, width, H / stride, W / stride)."""
        activated = F.relu(self.bn1(features))
        residual = self.conv2(F.relu(self.bn2(self.conv1(activated))))
        shortcut = self.shortcut(activated) if len(self.shortcut) else features
        # Not in place: hooks and functional calls must see both operands.
        scaled: Tensor = residual * self._channel_scale(residual) + shortcut
        return scaled

    def _channel_scale(self, residual: Tensor) -> Tensor:
        """Return a scale in (0, 1) for each image and channel, (N, width, 1, 1)."""
        squeezed = F.adaptive_avg_pool2d(residual, 1)
        return F.sigmoid(self.fc2(F.relu(self.fc1(squeezed))))


class SENet(nn.Module):
    """SENet-18 layout [2, 2, 2, 2] with a 3x3 stem, a BatchNorm after it and none before the pooling.

    width: channels of the stem and the first stage, at least 16; later stages have 2, 4 and 8 times as many.
    Weight names follow the published evaluation code: conv1, layer{1-4}.{0,1}.conv{1,2}, shortcut.0, fc{1,2}, linear.
    """

    def __init__(self, *, in_channels: int, classes: int, width: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, width, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.layer1 = _stage(width, width, stride=1)
        self.layer2 = _stage(width, 2 * width, stride=2)
        self.layer3 = _stage(2 * width, 4 * width, stride=2)
        self.layer4 = _stage(4 * width, 8 * width, stride=2)
        self.linear = nn.Linear(8 * width, classes)

    def stages(self) -> list[nn.Module]:
        """Return the network as a chain from images to logits; applied in order it equals `forward`.

        The stages share this model's parameters.
        """
        blocks = [block for stage in self._body() for block in stage]
        stem = nn.Sequential(self.conv1, self.bn1, nn.ReLU())
        head = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), self.linear)
        return [stem, *blocks, head]

    def forward(self, images: Tensor) -> Tensor:
        """Map images (N, in_channels, H, W), scale 0 to 1, to logits (N, classes)."""
        features = F.relu(self.bn1(self.conv1(images)))
        for stage in self._body():
            features = stage(features)
        logits: Tensor = self.linear(F.adaptive_avg_pool2d(features, 1).flatten(1))
        return logits

    def _body(self) -> tuple[nn.Sequential, ...]:
        return (self.layer1, self.layer2, self.layer3, self.layer4)


def senet18(in_channels: int, classes: int) -> SENet:
    """Build SENet-18: 11,260,354 parameters and 37 convolution and linear weights for 3 channels, 10 classes."""
    return SENet(in_channels=in_channels, classes=classes, width=64)


def _stage(in_width: int, width: int, *, stride: int) -> nn.Sequential:
    return nn.Sequential(SqueezeBlock(in_width, width, stride), SqueezeBlock(width, width, 1))
