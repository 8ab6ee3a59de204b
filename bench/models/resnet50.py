"""ResNet-50 for small images: bottleneck blocks behind a 3x3 stem.

May import torch only. Shares no code with bench.models.resnet: a cell's key covers the one file of its model.
"""

from torch import Tensor, nn
from torch.nn import functional as F

EXPANSION = 4
"""Channels that a block hands on, as a multiple of those of its 3x3 convolution."""


class Bottleneck(nn.Module):
    """A 1x1, a 3x3 and a 1x1 convolution and a shortcut, which is a 1x1 convolution where the shape changes.

    width: channels of the 3x3 convolution, which carries the stride; the block hands on 4 times as many.
    """

    def __init__(self, in_width: int, width: int, stride: int) -> None:
        super().__init__()
        out_width = EXPANSION * width
        self.conv1 = nn.Conv2d(in_width, width, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, stride=stride, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, out_width, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(out_width)
        self.shortcut = nn.Sequential()
        if stride != 1 or in_width != out_width:
            self.shortcut = nn.Sequential(
                nn.Conv2d(in_width, out_width, 1, stride=stride, bias=False), nn.BatchNorm2d(out_width)
            )

    def forward(self, features: Tensor) -> Tensor:
        """Map (N, in_width, H, W) to (N, 4 * width, H / stride, W / stride)."""
        residual = F.relu(self.bn1(self.conv1(features)))
        residual = F.relu(self.bn2(self.conv2(residual)))
        residual = self.bn3(self.conv3(residual))
        # Not in place: hooks and functional calls must see both operands.
        return F.relu(residual + self.shortcut(features))


class ResNet50(nn.Module):
    """Bottleneck layout [3, 4, 6, 3] with a 3x3 stem and no max-pooling.

    width: channels of the stem and of the first stage's 3x3 convolutions; later stages have 2, 4 and 8 times as many.
    Weight names follow the published evaluation code: conv1, layer{1-4}.{0-5}.conv{1,2,3}, shortcut.0, linear.
    """

    def __init__(self, *, in_channels: int, classes: int, width: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, width, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.layer1 = _stage(width, width, blocks=3, stride=1)
        self.layer2 = _stage(EXPANSION * width, 2 * width, blocks=4, stride=2)
        self.layer3 = _stage(2 * EXPANSION * width, 4 * width, blocks=6, stride=2)
        self.layer4 = _stage(4 * EXPANSION * width, 8 * width, blocks=3, stride=2)
        self.linear = nn.Linear(8 * EXPANSION * width, classes)

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


def resnet50(in_channels: int, classes: int) -> ResNet50:
    """Build ResNet-50: 23,520,842 parameters and 54 convolution and linear weights for 3 channels, 10 classes."""
    return ResNet50(in_channels=in_channels, classes=classes, width=64)


def _stage(in_width: int, width: int, *, blocks: int, stride: int) -> nn.Sequential:
    first = Bottleneck(in_width, width, stride)
    return nn.Sequential(first, *(Bottleneck(EXPANSION * width, width, 1) for _ in range(blocks - 1)))
