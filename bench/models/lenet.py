"""LeNet-5 for images of at most 32x32 pixels.

May import torch and bench.errors only.
"""

from torch import Tensor, nn
from torch.nn import functional as F

from bench.errors import UsageProblem

IMAGE_SIZE = 32
"""Height and width, in pixels, that the first convolution expects."""


class PadToSize(nn.Module):
    """Center images on 32x32 pixels of zeros; where the margin is odd, right and bottom get the extra line."""

    def forward(self, images: Tensor) -> Tensor:
        """Map images (N, C, H, W), H and W at most 32, to (N, C, 32, 32). Raises UsageProblem for larger ones."""
        rows, columns = (IMAGE_SIZE - side for side in images.shape[-2:])
        if rows < 0 or columns < 0:
            height, width = images.shape[-2:]
            raise UsageProblem(f"lenet5: images have {height}x{width} pixels, at most {IMAGE_SIZE}x{IMAGE_SIZE} fit")
        return F.pad(images, (columns // 2, columns - columns // 2, rows // 2, rows - rows // 2))


class LeNet(nn.Module):
    """Two 5x5 convolutions, each with ReLU and 2x2 max-pooling, and three linear layers.

    Weight names: conv1, conv2, fc1, fc2, fc3.
    """

    def __init__(self, *, in_channels: int, classes: int) -> None:
        super().__init__()
        self.pad = PadToSize()
        self.conv1 = nn.Conv2d(in_channels, 6, 5)
        self.conv2 = nn.Conv2d(6, 16, 5)
        self.fc1 = nn.Linear(16 * 5 * 5, 120)
        self.fc2 = nn.Linear(120, 84)
        self.fc3 = nn.Linear(84, classes)

    def stages(self) -> list[nn.Module]:
        """Return the network as a chain from images to logits, one weight a stage; in order it equals `forward`.

        The stages share this model's parameters.
        """
        return [
            nn.Sequential(self.pad, self.conv1, nn.ReLU(), nn.MaxPool2d(2)),
            nn.Sequential(self.conv2, nn.ReLU(), nn.MaxPool2d(2), nn.Flatten()),
            nn.Sequential(self.fc1, nn.ReLU()),
            nn.Sequential(self.fc2, nn.ReLU()),
            self.fc3,
        ]

    def forward(self, images: Tensor) -> Tensor:
        """Map images (N, in_channels, H, W), scale 0 to 1, H and W at most 32, to logits (N, classes)."""
        features = F.max_pool2d(F.relu(self.conv1(self.pad(images))), 2)  # (N, 6, 14, 14)
        features = F.max_pool2d(F.relu(self.conv2(features)), 2).flatten(1)  # (N, 400)
        logits: Tensor = self.fc3(F.relu(self.fc2(F.relu(self.fc1(features)))))
        return logits


def lenet5(in_channels: int, classes: int) -> LeNet:
    """Build LeNet-5: 62,006 parameters for 3 channels, 10 classes (61,706 for 1), 5 convolution and linear weights."""
    return LeNet(in_channels=in_channels, classes=classes)
