"""MNIST: 60,000 training images and the first 3,000 of the 10,000 test images, handwritten digits, 28x28 gray.

May import numpy and bench.data; no torch. Two forms give the same images in the official order: the official files in
torchvision's folder, and one archive that holds no more test images than these.
"""

import gzip
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bench.data.dataset import ImageData, ImageSplit
from bench.data.places import DATA_VARIABLE, check_file, data_folders, missing
from bench.protocol import Dataset

TEST_IMAGES = 3_000

FOLDER = "MNIST/raw"
ARCHIVE = "mnist.npz"


@dataclass(frozen=True)
class Pins:
    """What the files must be: each official file by the MD5 that its authors publish, the archive by SHA-256."""

    official: dict[str, str]
    archive: str


PINS = Pins(
    official={
        "train-images-idx3-ubyte.gz": "f68b3c2dcbeaaa9fbdd348bbdeb94873",
        "train-labels-idx1-ubyte.gz": "d53e105ee54ea40749a09fcbcd1e9432",
        "t10k-images-idx3-ubyte.gz": "9fb629c4189551a2d022fa330f9573f3",
        "t10k-labels-idx1-ubyte.gz": "ec29112dd5afa0611ce80d1b7f02629c",
    },
    archive="a242c3e076ea47508b7bf7ec65c7959744eb904cfa9533bb947714afe40de124",
)

_REMEDY = (
    f"  put torchvision's folder {FOLDER}/ with its four .gz files into one of these folders, or name the folder that\n"
    f"  holds it in ${DATA_VARIABLE}"
)


def load_mnist(_dataset: Dataset) -> tuple[ImageData, str]:
    """Return MNIST and where it came from. Raises DatasetMissing, DataMismatch for a file that is not the original."""
    place = Path(find_mnist(None))
    return (_read_archive(place) if place.name == ARCHIVE else _read_official(place)), str(place)


def find_mnist(_first: int | None) -> str:
    """Return the folder of the official files, or the archive; all images are in it. Raises DatasetMissing."""
    seen = []
    for folder in data_folders():
        lacking = [name for name in PINS.official if not (folder / FOLDER / name).is_file()]
        if not lacking:
            return str(folder / FOLDER)
        if (folder / ARCHIVE).is_file():
            return str(folder / ARCHIVE)
        seen.append(
            (folder, f"lacks {FOLDER}/{lacking[0]}; and lacks {ARCHIVE}" if folder.is_dir() else "no such folder")
        )
    raise missing("mnist", seen, _REMEDY)


def _read_official(folder: Path) -> ImageData:
    train_images, train_labels, test_images, test_labels = (
        _read_idx(check_file(folder / name, "md5", md5)) for name, md5 in PINS.official.items()
    )
    return _data(train_images, train_labels, test_images, test_labels)


def _read_archive(path: Path) -> ImageData:
    with np.load(check_file(path, "sha256", PINS.archive), allow_pickle=False) as content:
        return _data(content["train_x"], content["train_y"], content["test_x"], content["test_y"])


def _data(
    train_images: NDArray[np.uint8],
    train_labels: NDArray[np.uint8],
    test_images: NDArray[np.uint8],
    test_labels: NDArray[np.uint8],
) -> ImageData:
    return ImageData(_split(train_images, train_labels), _split(test_images[:TEST_IMAGES], test_labels[:TEST_IMAGES]))


def _split(images: NDArray[np.uint8], labels: NDArray[np.uint8]) -> ImageSplit:
    return ImageSplit(images[:, None], labels.astype(np.int64))


def _read_idx(path: Path) -> NDArray[np.uint8]:
    """Return the array of an IDX file: two zero bytes, 8 for uint8, the number of axes, their big-endian lengths."""
    content = gzip.decompress(path.read_bytes())
    axes = content[3]
    shape = np.frombuffer(content, ">u4", axes, 4)
    return np.frombuffer(content, np.uint8, offset=4 + 4 * axes).reshape(tuple(shape))
