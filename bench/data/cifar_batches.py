"""The official CIFAR batch files, in the layout that torchvision uses on disk.

May import numpy and bench.data. The one file of this package that unpickles: the official files are pickles, and no
other form of them is published. Two walls stand before them. A file is opened only if its MD5 is the published one; and
since MD5 alone no longer proves anything, the unpickler knows three names, all of them needed to build a uint8 array.
"""

import io
import pickle
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.data.dataset import ImageData, ImageSplit
from bench.data.places import check_file
from bench.errors import DataMismatch
from bench.protocol import ReleaseFile


@dataclass(frozen=True)
class Batch:
    """One batch file: its name, the MD5 that its authors publish, and how many images it holds."""

    name: str
    md5: str
    images: int


@dataclass(frozen=True)
class Batches:
    """The batch files of a data set; `labels` is the key of the labels inside them."""

    folder: str
    labels: str
    classes: int
    train: tuple[Batch, ...]
    test: Batch


CIFAR10_BATCHES = Batches(
    folder="cifar-10-batches-py",
    labels="labels",
    classes=10,
    train=(
        Batch("data_batch_1", "c99cafc152244af753f735de768cd75f", 10_000),
        Batch("data_batch_2", "d4bba439e000b95fd0a9bffe97cbabec", 10_000),
        Batch("data_batch_3", "54ebc095f3ab1f0389bbae665268c751", 10_000),
        Batch("data_batch_4", "634d18415352ddfa80567beed471001a", 10_000),
        Batch("data_batch_5", "482c414d41f54cd18b22e5b47cb7c3cb", 10_000),
    ),
    test=Batch("test_batch", "40351d587109b95175f43aff81a1287e", 10_000),
)

CIFAR100_BATCHES = Batches(
    folder="cifar-100-python",
    labels="fine_labels",
    classes=100,
    train=(Batch("train", "16019d7e3df5f24257cddd939b257f8d", 50_000),),
    test=Batch("test", "f0ef6b0ae62326f3e7ffdfab6717acfc", 10_000),
)


def pin_batches(batches: Batches, files: Iterable[ReleaseFile]) -> Batches:
    """Return the batch files with the MD5 that a protocol pins, where it pins one. Raises DataMismatch."""
    pinned = {file.name: file.md5 for file in files}
    unknown = pinned.keys() - {f"{batches.folder}/{batch.name}" for batch in (*batches.train, batches.test)}
    if unknown:
        raise DataMismatch(f"{', '.join(sorted(unknown))}: pinned by the protocol, but not a file of {batches.folder}")

    def pin(batch: Batch) -> Batch:
        return replace(batch, md5=pinned.get(f"{batches.folder}/{batch.name}", batch.md5))

    return replace(batches, train=tuple(pin(batch) for batch in batches.train), test=pin(batches.test))


def lacking_batches(folder: Path, batches: Batches, needed: int) -> list[str]:
    """Return the files, relative to `folder`, that are absent and needed for the first `needed` training images."""
    names = [f"{batches.folder}/{batch.name}" for batch in (*_first(batches, needed), batches.test)]
    return [name for name in names if not (folder / name).is_file()]


def read_batches(folder: Path, batches: Batches, needed: int) -> ImageData:
    """Read at least the first `needed` training images and all test images, in canonical order. Raises DataMismatch."""
    root = folder / batches.folder
    train = [_read(root, batch, batches.labels) for batch in _first(batches, needed)]
    return ImageData(
        ImageSplit(np.concatenate([part.images for part in train]), np.concatenate([part.labels for part in train])),
        interleave(_read(root, batches.test, batches.labels), batches.classes),
    )


def interleave(split: ImageSplit, classes: int) -> ImageSplit:
    """Return the images with class i % classes at position i, those of a class in their present order.

    Raises DataMismatch if the classes are not equally frequent.
    """
    counts = np.bincount(split.labels, minlength=classes)
    if len(counts) != classes or counts.min() != counts.max():
        raise DataMismatch(f"test images: expected {classes} classes of equal size, found sizes {counts.tolist()}")
    order = np.argsort(split.labels, kind="stable").reshape(classes, -1).T.ravel()
    return ImageSplit(split.images[order], split.labels[order])


def _first(batches: Batches, needed: int) -> list[Batch]:
    """Return the batches that the first `needed` training images lie in."""
    chosen: list[Batch] = []
    for batch in batches.train:
        if sum(earlier.images for earlier in chosen) >= needed:
            break
        chosen.append(batch)
    return chosen


def _read(root: Path, batch: Batch, labels_key: str) -> ImageSplit:
    path = check_file(root / batch.name, "md5", batch.md5)
    content = _PlainUnpickler(io.BytesIO(path.read_bytes()), encoding="latin1").load()
    images: NDArray[np.uint8] = content["data"].reshape(-1, 3, 32, 32)
    return ImageSplit(images, np.array(content[labels_key], dtype=np.int64))


def _plain_dtype(code: str, _align: int, _copy: int) -> np.dtype[np.uint8]:
    if code != "u1":
        raise pickle.UnpicklingError(f"array of type {code!r}; these files hold uint8 only")
    return np.dtype("u1", copy=True)


def _empty_array(_kind: type, _shape: tuple[int, ...], _code: str) -> NDArray[np.uint8]:
    # The pickle's BUILD step fills it in, as it does for any array.
    return np.empty(0, np.uint8)


_ALLOWED: dict[tuple[str, str], Any] = {
    ("numpy.core.multiarray", "_reconstruct"): _empty_array,
    ("numpy", "ndarray"): np.ndarray,
    ("numpy", "dtype"): _plain_dtype,
}


class _PlainUnpickler(pickle.Unpickler):
    """Builds containers, text, numbers and uint8 arrays; refuses every other name."""

    def find_class(self, module: str, name: str) -> Any:
        """Return what a name of the pickle stands for. Raises UnpicklingError for a name that is not listed."""
        if (module, name) not in _ALLOWED:
            raise pickle.UnpicklingError(f"{module}.{name} is not part of an image file")
        return _ALLOWED[module, name]
