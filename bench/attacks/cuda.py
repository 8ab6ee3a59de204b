"""CUDA: convolution-based unlearnable data, one blurring filter for each class.

May import numpy and bench.attacks.attack. Source: arXiv:2303.04278, section 4, as in the released code.
"""

import numpy as np
from numpy.typing import NDArray

from bench.attacks.attack import Attack, CraftInput
from bench.errors import UsageProblem

BLUR = 0.3
"""Filter entries are uniform between 0 and this, but for one that is 1."""

SIDE = 3


def craft_cuda(given: CraftInput) -> NDArray[np.int16]:
    """Return the differences between images filtered with their class's kernel and the images themselves."""
    if not given.budgets.unbounded:
        raise UsageProblem("cuda needs a protocol that admits unbounded changes; this one does not")
    classes = int(given.labels.max()) + 1 if given.classes is None else given.classes
    kernels = class_kernels(classes, given.seed)
    filtered = np.empty(given.images.shape, dtype=np.int16)
    for label in np.unique(given.labels):
        members = given.labels == label
        filtered[members] = filter_images(given.images[members], kernels[label])
    return filtered - given.images


def class_kernels(classes: int, seed: int) -> NDArray[np.float64]:
    """Return one kernel a class, (classes, 3, 3), from the same stream of numbers as the released code.

    That code draws a kernel for each of three color channels and keeps the first, whatever the images have.
    """
    stream = np.random.RandomState(seed)
    kernels = np.empty((classes, SIDE, SIDE))
    for kernel in kernels:
        kernel[:] = stream.uniform(0, BLUR, size=(3, 1, SIDE, SIDE))[0, 0]
        kernel[stream.randint(SIDE), stream.randint(SIDE)] = 1.0
    return kernels


def filter_images(images: NDArray[np.uint8], kernel: NDArray[np.float64]) -> NDArray[np.uint8]:
    """Return images (N, C, H, W), scale 0 to 255, correlated with one kernel (3, 3) in every channel.

    Outside of an image there are zeros. Each result is divided by its own maximum, so that it reaches 255, and
    truncated to whole numbers; an image without light stays as it is.
    """
    height, width = images.shape[2:]
    padded = np.pad(images.astype(np.float64) / 255, ((0, 0), (0, 0), (1, 1), (1, 1)))
    blurred = np.zeros(images.shape)
    for row, column in np.ndindex(kernel.shape):
        blurred += kernel[row, column] * padded[:, :, row : row + height, column : column + width]
    peaks = blurred.max(axis=(1, 2, 3), keepdims=True)
    scaled = np.divide(blurred, peaks, out=np.zeros_like(blurred), where=peaks > 0)
    whole: NDArray[np.uint8] = np.clip(scaled * 255, 0, 255).astype(np.uint8)
    return whole


CUDA = Attack(
    name="CUDA (class-wise blurring filters)",
    family="filter",
    summary="Filters every image with its class's random 3x3 kernel; changes are not limited. Needs no network.",
    norm="unbounded",
    uses_labels=True,
    paper="https://arxiv.org/abs/2303.04278",
    craft=craft_cuda,
    settings=lambda _: {"blur": BLUR, "kernel_side": SIDE},
)
