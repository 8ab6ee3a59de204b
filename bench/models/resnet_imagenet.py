"""ResNet-18 for large images: a 7x7 stem of stride 2 and max-pooling, the layout and weight names of torchvision.

May import torch only. Shares no code with bench.models.resnet: a cell's key covers the one file of its model.
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
        self.downsample = nn.Sequential()
        if stride != 1 or in_width != width:
            self.downsample = nn.Sequential(
                nn.Conv2d(in_width, width, 1, stride=stride, bias=False), nn.BatchNorm2d(width)
            )

    def forward(self, features: Tensor) -> Tensor:
        """Map (N, in_width, H, W) to (N, width, H / stride, W / stride)."""
        residual = F.relu(self.bn1(self.conv1(features)))
        residual = self.bn2(self.conv2(residual))
        # Not in place: hooks and functional calls must see both operands.
        return F.relu(residual + self.downsample(features))


class ResNet(nn.Module):
    """ResNet-18 layout [2, 2, 2, 2] behind a stem that leaves a quarter of the height and width.

    width: channels of the stem and the first stage; later stages have 2, 4 and 8 times as many.
    Weight names follow torchvision: conv1, layer{1-4}.{0,1}.conv{1,2}, downsample.0, fc.
    """

    def __init__(self, *, in_channels: int, classes: int, width: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, width, 7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.layer1 = _stage(width, width, stride=1)
        self.layer2 = _stage(width, 2 * width, stride=2)
        self.layer3 = _stage(2 * width, 4 * width, stride=2)
        self.layer4 = _stage(4 * width, 8 * width, stride=2)
        self.fc = nn.Linear(8 * width, classes)

    def stages(self) -> list[nn.Module]:
        """Return the network as a chain from images to logits; applied in order it equals `forward`.

        The stages share this model's parameters.
        """
        blocks = [block for stage in self._body() for block in stage]
        stem = nn.Sequential(self.conv1, self.bn1, nn.ReLU(), nn.MaxPool2d(3, stride=2, padding=1))
        head = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), self.fc)
        return [stem, *blocks, head]

    def forward(self, images: Tensor) -> Tensor:
        """Map images (N, in_channels, H, W), scale 0 to 1, to logits (N, classes)."""
        features = F.max_pool2d(F.relu(self.bn1(self.conv1(images))), 3, stride=2, padding=1)
        for stage in self._body():
            features = stage(features)
        logits: Tensor = self.fc(F.adaptive_avg_pool2d(features, 1).flatten(1))
        return logits

    def _body(self) -> tuple[nn.Sequential, ...]:
        return (self.layer1, self.layer2, self.layer3, self.layer4)


def resnet18_imagenet(in_channels: int, classes: int) -> ResNet:
    """Build ResNet-18 as in torchvision: 11,227,812 parameters and 21 perturbed weights for 3 channels, 100 classes."""
    return ResNet(in_channels=in_channels, classes=classes, width=64)


def _stage(in_width: int, width: int, *, stride: int) -> nn.Sequential:
    return nn.Sequential(BasicBlock(in_width, width, stride), BasicBlock(width, width, 1))
