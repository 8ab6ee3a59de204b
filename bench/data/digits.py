"""The handwritten digits that come with scikit-learn: 1,797 real 8x8 grey images, ten classes.

May import numpy, bench.data.dataset and records. scikit-learn itself is not imported, only its bundled file is read.
"""

import csv
import gzip
import importlib.util
from pathlib import Path

import numpy as np

from bench.data.dataset import ImageData, ImageSplit
from bench.errors import DatasetMissing
from bench.protocol import Dataset


def load_digits(_dataset: Dataset) -> tuple[ImageData, str]:
    """Return the digits and where they came from.

    Source values 0 to 16 become round(value * 255 / 16), uint8. Every fifth image (index divisible by 5) is a test
    image: 360 test and 1,437 training images, in the file's order.
    Raises DatasetMissing where scikit-learn is not installed.
    """
    path = _bundled_file()
    with gzip.open(path, "rt", newline="") as file:
        table = np.array(list(csv.reader(file)), dtype=np.float64)
    images = np.rint(table[:, :-1] * 255 / 16).astype(np.uint8).reshape(-1, 1, 8, 8)
    labels = table[:, -1].astype(np.int64)
    test = np.arange(len(labels)) % 5 == 0
    return ImageData(ImageSplit(images[~test], labels[~test]), ImageSplit(images[test], labels[test])), str(path)


def find_digits(_first: int | None) -> str:
    """Return the path of the bundled file; all images are in it. Raises DatasetMissing."""
    return str(_bundled_file())


def _bundled_file() -> Path:
    package = importlib.util.find_spec("sklearn")
    if package is None or not package.submodule_search_locations:
        raise DatasetMissing("digits: scikit-learn is not installed; `pip install scikit-learn` brings the images")
    return Path(package.submodule_search_locations[0]) / "datasets" / "data" / "digits.csv.gz"
