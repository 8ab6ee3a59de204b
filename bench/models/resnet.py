"""ResNet-18 for small images, and the same network with narrower layers for CPU protocols.

May import torch only.
"""

from torch import Tensor, nn
from torch.nn import functional as F


class BasicBlock(nn.Module):
    """Two 3x3 convolutions and a shortcut, which is a 1x1 convolution where the shape changes."""

    def __init__(self, in_width: int, width: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_width, width, 3, stride=stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.shortcut = nn.Sequential()
        if stride != 1 or in_width != width:
            self.shortcut = nn.Sequential(
                nn.Conv2d(in_width, width, 1, stride=stride, bias=False), nn.BatchNorm2d(width)
            )

    def forward(self, features: Tensor) -> Tensor:
        """Map (N, in_width, H, W) to (N, width, H / stride, W / stride)."""
        residual = F.relu(self.bn1(self.conv1(features)))
        residual = self.bn2(self.conv2(residual))
        # Not in place: hooks and functional calls must see both operands.
        return F.relu(residual + self.shortcut(features))


class ResNet(nn.Module):
    """ResNet-18 layout [2, 2, 2, 2] with a 3x3 stem and no max-pooling.

    width: channels of the stem and the first stage; later stages have 2, 4 and 8 times as many.
    Weight names follow the published evaluation code: conv1, layer{1-4}.{0,1}.conv{1,2}, shortcut.0, linear.
    """

    def __init__(self, *, in_channels: int, classes: int, width: int) -> None:
        super().__init__()
        widths = [width, 2 * width, 4 * width, 8 * width]
        self.conv1 = nn.Conv2d(in_channels, width, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.layer1 = _stage(width, widths[0], stride=1)
        self.layer2 = _stage(widths[0], widths[1], stride=2)
        self.layer3 = _stage(widths[1], widths[2], stride=2)
        self.layer4 = _stage(widths[2], widths[3], stride=2)
        self.linear = nn.Linear(widths[3], classes)

    def stages(self) -> list[nn.Module]:
        """Return the network as a chain from images to logits; applied in order it equals `forward`.

        The stages share this model's parameters. What lies below a stage need be computed only once
        when one of its weights is perturbed.
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


def resnet18(in_channels: int, classes: int) -> ResNet:
    """Build ResNet-18: 11,173,962 parameters and 21 convolution and linear weights for 3 channels, 10 classes."""
    return ResNet(in_channels=in_channels, classes=classes, width=64)


def resnet_narrow(in_channels: int, classes: int) -> ResNet:
    """Build ResNet-18 with 8 channels in the stem instead of 64: the same 21 weights, 63 times fewer parameters."""
    return ResNet(in_channels=in_channels, classes=classes, width=8)


def _stage(in_width: int, width: int, *, stride: int) -> nn.Sequential:
    return nn.Sequential(BasicBlock(in_width, width, stride), BasicBlock(width, width, 1))
