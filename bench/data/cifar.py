"""CIFAR-10 and CIFAR-100 (fine labels): 50,000 training and 10,000 test images, 32x32 RGB, in one canonical order.

May import numpy and bench.data; no torch. bench.data.cifar_batches reads the official files, bench.data.cifar_archives
the compressed archives. Both give the same images in the same order:
  training  torchvision's order
  test      class-interleaved: position i has class i % classes, and rank i // classes among the images of that class
            in torchvision's order
"""

from dataclasses import dataclass
from pathlib import Path

from bench.data.cifar_archives import (
    CIFAR10_ARCHIVES,
    CIFAR100_ARCHIVES,
    DECODER,
    Archives,
    lacking_archives,
    read_archives,
)
from bench.data.cifar_batches import (
    CIFAR10_BATCHES,
    CIFAR100_BATCHES,
    Batches,
    lacking_batches,
    pin_batches,
    read_batches,
)
from bench.data.dataset import ImageData
from bench.data.places import DATA_VARIABLE, data_folders, missing
from bench.protocol import Dataset

TRAIN_IMAGES = 50_000


CIFAR10 = "cifar10", CIFAR10_BATCHES, CIFAR10_ARCHIVES
CIFAR100 = "cifar100", CIFAR100_BATCHES, CIFAR100_ARCHIVES


@dataclass(frozen=True)
class Found:
    """The folder that holds enough of a data set, and in which of the two forms."""

    folder: Path
    form: Batches | Archives

    @property
    def source(self) -> str:
        """Where the images come from, for messages."""
        return str(self.folder / self.form.folder if isinstance(self.form, Batches) else self.folder)


def load_cifar10(dataset: Dataset) -> tuple[ImageData, str]:
    """Return CIFAR-10 and the folder it came from; of the training images at least those that are asked for.

    Raises DatasetMissing with every place looked at, DataMismatch for a file that is not the original one.
    """
    return _load(_find(*CIFAR10, dataset.train.select.first), dataset)


def load_cifar100(dataset: Dataset) -> tuple[ImageData, str]:
    """Return CIFAR-100 with fine labels and the folder it came from; otherwise as load_cifar10."""
    return _load(_find(*CIFAR100, dataset.train.select.first), dataset)


def find_cifar10(first: int | None) -> str:
    """Return where the first `first` (None: all) training images and the test images lie. Raises DatasetMissing."""
    return _find(*CIFAR10, first).source


def find_cifar100(first: int | None) -> str:
    """Return where the first `first` (None: all) training images and the test images lie. Raises DatasetMissing."""
    return _find(*CIFAR100, first).source


def _find(name: str, batches: Batches, archives: Archives, first: int | None) -> Found:
    seen: list[tuple[Path, str]] = []
    for folder in data_folders():
        lacks_batches = lacking_batches(folder, batches, first or TRAIN_IMAGES)
        if not lacks_batches:
            return Found(folder, batches)
        lacks_archives = lacking_archives(folder, archives, first or TRAIN_IMAGES)
        if not lacks_archives:
            return Found(folder, archives)
        seen.append((folder, _describe(folder, lacks_batches, lacks_archives)))
    raise missing(name, seen, _remedy(batches, archives))


def _load(found: Found, dataset: Dataset) -> tuple[ImageData, str]:
    needed = dataset.train.select.first or TRAIN_IMAGES
    if isinstance(found.form, Batches):
        batches = pin_batches(found.form, (*dataset.train.files, *dataset.test.files))
        return read_batches(found.folder, batches, needed), found.source
    return read_archives(found.folder, found.form, needed), found.source


def _describe(folder: Path, lacks_batches: list[str], lacks_archives: list[str]) -> str:
    if not folder.is_dir():
        return "no such folder"
    return f"lacks {', '.join(lacks_batches)}; and lacks {', '.join(lacks_archives)}"


def _remedy(batches: Batches, archives: Archives) -> str:
    return (
        f"  put the official folder {batches.folder}/ (torchvision's layout), or the archives with their decoder\n"
        f"  ({', '.join(item.name for item in (*archives.train, archives.test))}, {DECODER}),\n"
        f"  into one of these folders, or name the folder that holds them in ${DATA_VARIABLE}"
    )
