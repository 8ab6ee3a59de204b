"""A vision transformer for small data: shifted patch tokenization and locality self-attention.

May import torch and bench.errors only.
Source: arXiv:2112.13492, with the sizes of the published evaluation code.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from bench.errors import UsageProblem

PATCH_SIZE = 4
GRID_SIZE = 8
"""Patches along each side of the largest image, 32x32 pixels."""
WIDTH = 512
DEPTH = 6
HEADS = 8
DROPOUT_RATE = 0.1
SHIFTS = ((1, -1, 0, 0), (-1, 1, 0, 0), (0, 0, 1, -1), (0, 0, -1, 1))
"""Padding (left, right, top, bottom) that moves an image by one pixel: right, left, down, up."""


class Dropout(nn.Module):
    """Zero each value with the dropout rate and scale up the rest; the identity in eval mode.

    seed: start of this module's own random stream, one for each device. Masks thus depend on the calls before and
        never on the global random state, which they leave as it was; models built anew draw the same masks.
    """

    def __init__(self, seed: int) -> None:
        super().__init__()
        self.seed = seed
        self.generators: dict[torch.device, torch.Generator] = {}

    def forward(self, features: Tensor) -> Tensor:
        """Map features of any shape to the same shape."""
        if not self.training:
            return features
        if features.device not in self.generators:
            self.generators[features.device] = torch.Generator(features.device).manual_seed(self.seed)
        kept = torch.empty_like(features).bernoulli_(1 - DROPOUT_RATE, generator=self.generators[features.device])
        return features * kept / (1 - DROPOUT_RATE)


class PatchTokens(nn.Module):
    """One token for each 4x4 patch of the image and its four one-pixel shifts, behind a class token.

    Images may be smaller than 32x32 pixels, their sides multiples of 4: an 8x8 image has 4 patches. They use the
    position embedding's top left corner, so that 32x32 uses all of it.
    Class token and position embedding start as standard normal draws with a fixed seed, the same in every model.
    """

    def __init__(self, in_channels: int) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(0)
        patch_values = (1 + len(SHIFTS)) * in_channels * PATCH_SIZE**2
        self.norm = nn.LayerNorm(patch_values)
        self.patch = nn.Linear(patch_values, WIDTH)
        self.class_token = nn.Parameter(torch.randn(1, 1, WIDTH, generator=generator))
        self.positions = nn.Parameter(torch.randn(1, 1 + GRID_SIZE**2, WIDTH, generator=generator))
        self.dropout = Dropout(seed=0)

    def forward(self, images: Tensor) -> Tensor:
        """Map images (N, in_channels, H, W) to tokens (N, 1 + H * W / 16, 512). Raises UsageProblem."""
        rows, columns = _patch_grid(images)
        shifted = torch.cat([images, *(F.pad(images, shift) for shift in SHIFTS)], dim=1)
        patches = F.pixel_unshuffle(shifted, PATCH_SIZE).flatten(2).transpose(1, 2)  # (N, patches, patch_values)
        class_tokens = self.class_token.expand(len(images), -1, -1)
        tokens = torch.cat([class_tokens, self.patch(self.norm(patches))], dim=1)
        embedded: Tensor = self.dropout(tokens + self._position_embedding(rows, columns))
        return embedded

    def _position_embedding(self, rows: int, columns: int) -> Tensor:
        """Return the embedding of the class token and the top left rows x columns patches."""
        first, grid = self.positions[:, :1], self.positions[:, 1:].unflatten(1, (GRID_SIZE, GRID_SIZE))
        return torch.cat([first, grid[:, :rows, :columns].flatten(1, 2)], dim=1)


class Attention(nn.Module):
    """Self-attention with a learned temperature in which no token attends to itself, added to its input."""

    def __init__(self, *, seed: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(WIDTH)
        self.log_temperature = nn.Parameter(torch.tensor(-0.5 * math.log(WIDTH // HEADS)))
        self.qkv = nn.Linear(WIDTH, 3 * WIDTH, bias=False)
        self.out = nn.Linear(WIDTH, WIDTH)
        self.dropout = Dropout(seed)

    def forward(self, tokens: Tensor) -> Tensor:
        """Map tokens (N, T, 512), T at least 2, to the same shape."""
        heads = self.qkv(self.norm(tokens)).unflatten(2, (3, HEADS, WIDTH // HEADS))  # (N, T, 3, heads, 64)
        queries, keys, values = heads.permute(2, 0, 3, 1, 4)  # each (N, heads, T, 64)
        scores = queries @ keys.transpose(-1, -2) * self.log_temperature.exp()  # (N, heads, T, T)
        itself = torch.eye(tokens.shape[1], dtype=torch.bool, device=tokens.device)
        attention = scores.masked_fill(itself, -math.inf).softmax(-1)
        mixed = (attention @ values).transpose(1, 2).flatten(2)  # (N, T, 512)
        summed: Tensor = tokens + self.dropout(self.out(mixed))
        return summed


class FeedForward(nn.Module):
    """Two linear layers with GELU between them, applied to each token and added to it."""

    def __init__(self, *, seed: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(WIDTH)
        self.linear1 = nn.Linear(WIDTH, WIDTH)
        self.dropout1 = Dropout(seed)
        self.linear2 = nn.Linear(WIDTH, WIDTH)
        self.dropout2 = Dropout(seed + 1)

    def forward(self, tokens: Tensor) -> Tensor:
        """Map tokens (N, T, 512) to the same shape."""
        hidden = self.dropout1(F.gelu(self.linear1(self.norm(tokens))))
        summed: Tensor = tokens + self.dropout2(self.linear2(hidden))
        return summed


class Block(nn.Module):
    """Attention, then the layers that look at one token at a time."""

    def __init__(self, *, seed: int) -> None:
        super().__init__()
        self.attention = Attention(seed=seed)
        self.mlp = FeedForward(seed=seed + 1)

    def forward(self, tokens: Tensor) -> Tensor:
        """Map tokens (N, T, 512) to the same shape."""
        mixed: Tensor = self.mlp(self.attention(tokens))
        return mixed


class ClassHead(nn.Module):
    """Layer normalization and a linear layer on the class token."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(WIDTH)
        self.linear = nn.Linear(WIDTH, classes)

    def forward(self, tokens: Tensor) -> Tensor:
        """Map tokens (N, T, 512) to logits (N, classes)."""
        logits: Tensor = self.linear(self.norm(tokens[:, 0]))
        return logits


class ViT(nn.Module):
    """Pre-norm transformer of 6 blocks with 8 heads of 64, on up to 64 patch tokens and a class token of 512.

    Weight names: tokens.patch, blocks.{0-5}.attention.{qkv,out}, blocks.{0-5}.mlp.linear{1,2}, head.linear.
    """

    def __init__(self, *, in_channels: int, classes: int) -> None:
        super().__init__()
        self.tokens = PatchTokens(in_channels)
        # Three dropouts in a block; each has a stream of its own.
        self.blocks = nn.Sequential(*(Block(seed=1 + 3 * index) for index in range(DEPTH)))
        self.head = ClassHead(classes)

    def stages(self) -> list[nn.Module]:
        """Return the network as a chain from images to logits; applied in order it equals `forward`.

        The stages share this model's parameters. Each half of a block is a stage of its own.
        """
        halves = [half for block in self.blocks for half in block.children()]
        return [self.tokens, *halves, self.head]

    def forward(self, images: Tensor) -> Tensor:
        """Map images (N, in_channels, H, W), scale 0 to 1, to logits (N, classes). Raises UsageProblem."""
        logits: Tensor = self.head(self.blocks(self.tokens(images)))
        return logits


def vit(in_channels: int, classes: int) -> ViT:
    """Build a small-data ViT: 9,622,512 parameters and 26 linear weights for 3 channels, 10 classes."""
    return ViT(in_channels=in_channels, classes=classes)


def _patch_grid(images: Tensor) -> tuple[int, int]:
    """Return rows and columns of patches. Raises UsageProblem where they do not fit the position embedding."""
    height, width = images.shape[-2:]
    largest = PATCH_SIZE * GRID_SIZE
    if height % PATCH_SIZE or width % PATCH_SIZE or max(height, width) > largest:
        raise UsageProblem(
            f"vit: images have {height}x{width} pixels; expected multiples of {PATCH_SIZE}, at most {largest}x{largest}"
        )
    return height // PATCH_SIZE, width // PATCH_SIZE
