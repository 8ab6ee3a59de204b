"""The table of data sets. A loader is a function (dataset) -> (ImageData, source).

Adding a data set is a line here. A loader gets the protocol's Dataset so that it need not read images that are not
asked for; selecting and checking is done here, for all alike.

May import numpy; no torch, so that validation can use it.
"""

from collections.abc import Callable

from bench.data.cifar import find_cifar10, find_cifar100, load_cifar10, load_cifar100
from bench.data.dataset import ImageData, check_data, select_images
from bench.data.digits import find_digits, load_digits
from bench.data.imagenet import find_imagenet100, load_imagenet100
from bench.data.mnist import find_mnist, load_mnist
from bench.errors import UnknownName
from bench.protocol import Dataset

DATASETS: dict[str, Callable[[Dataset], tuple[ImageData, str]]] = {
    "cifar10": load_cifar10,
    "cifar100": load_cifar100,
    "digits": load_digits,
    "imagenet100": load_imagenet100,
    "mnist": load_mnist,
}

FINDERS: dict[str, Callable[[int | None], str]] = {
    "cifar10": find_cifar10,
    "cifar100": find_cifar100,
    "digits": find_digits,
    "imagenet100": find_imagenet100,
    "mnist": find_mnist,
}
"""Where a data set lies, without reading it: (number of first training images needed, None: all) -> place."""


def find_data(dataset: Dataset) -> str:
    """Return where the images lie that a protocol asks for; opens no file. Raises UnknownName, DatasetMissing."""
    if dataset.name not in FINDERS:
        raise UnknownName("data set", dataset.name, FINDERS)
    return FINDERS[dataset.name](dataset.train.select.first)


def load_data(dataset: Dataset) -> ImageData:
    """Load the images a protocol asks for, select its subset, and check every pixel against the pinned digests.

    Raises UnknownName, DatasetMissing with the places looked at, DataMismatch.
    """
    if dataset.name not in DATASETS:
        raise UnknownName("data set", dataset.name, DATASETS)
    data, source = DATASETS[dataset.name](dataset)
    chosen = ImageData(select_images(data.train, dataset.train.select), select_images(data.test, dataset.test.select))
    return check_data(dataset, chosen, source)
