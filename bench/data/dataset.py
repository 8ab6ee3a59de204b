"""ImageData: the images and labels of a data set as arrays, their digest, and the selection a protocol asks for.

May import numpy, bench.errors and bench.protocol; no torch, so that validation can use it.
"""

import hashlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bench.errors import DataMismatch
from bench.protocol import Dataset, Selection, Split


@dataclass(frozen=True)
class ImageSplit:
    """One split: images uint8 (N, C, H, W), scale 0 to 255; labels int64 (N,)."""

    images: NDArray[np.uint8]
    labels: NDArray[np.int64]


@dataclass(frozen=True)
class ImageData:
    """The training and test images that a protocol uses, in its order."""

    train: ImageSplit
    test: ImageSplit

    @property
    def train_images(self) -> NDArray[np.uint8]:
        """Training images, uint8 (N, C, H, W), scale 0 to 255."""
        return self.train.images

    @property
    def train_labels(self) -> NDArray[np.int64]:
        """Training labels, int64 (N,)."""
        return self.train.labels


def split_digest(split: ImageSplit) -> str:
    """Return the hex SHA-256 of a split: its shape, its pixels, its labels as little-endian int64."""
    sha = hashlib.sha256(f"uint8 {'x'.join(map(str, split.images.shape))} int64\n".encode())
    # A flat view instead of bytes: gigabytes that are mapped from a file are not copied.
    sha.update(np.ascontiguousarray(split.images).reshape(-1).data)
    sha.update(np.ascontiguousarray(split.labels).astype("<i8").tobytes())
    return sha.hexdigest()


def select_images(split: ImageSplit, selection: Selection) -> ImageSplit:
    """Return the images a selection names, in their original order."""
    keep = np.ones(len(split.labels), dtype=bool)
    keep[[index for index in selection.exclude if index < len(keep)]] = False
    if selection.first is not None:
        keep[selection.first :] = False
    if selection.per_class is not None:
        for label in np.unique(split.labels):
            keep[np.flatnonzero(keep & (split.labels == label))[selection.per_class :]] = False
    if keep.all():
        return split
    return ImageSplit(split.images[keep], split.labels[keep])


def check_split(name: str, split: ImageSplit, pinned: Split, source: str) -> ImageSplit:
    """Return the split if it is the pinned one, bit for bit; without a pin, if it has as many images.

    Raises DataMismatch with both digests.
    """
    if pinned.sha256 is None:
        if len(split.labels) != pinned.images:
            raise DataMismatch(
                f"{name} from {source}: expected {pinned.images} images after selection, found {len(split.labels)}\n"
                "  replace the files with the official ones"
            )
        return split
    found = split_digest(split)
    if found != pinned.sha256:
        raise DataMismatch(
            f"{name} from {source}: the pixels or labels are not the ones that the protocol pins\n"
            f"  expected sha256 {pinned.sha256} of {pinned.images} images\n"
            f"  found    sha256 {found} of {len(split.labels)} images\n"
            "  replace the files with the official ones"
        )
    return split


def check_data(dataset: Dataset, data: ImageData, source: str) -> ImageData:
    """Return the data if both splits are what the protocol asks for. Raises DataMismatch."""
    check_split(f"{dataset.name}/train", data.train, dataset.train, source)
    check_split(f"{dataset.name}/test", data.test, dataset.test, source)
    return data
