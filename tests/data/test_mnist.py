"""MNIST: two forms, the same images; nothing is read that is not the original file."""

import gzip
import hashlib
from pathlib import Path

import numpy as np
import pytest

from bench.data import mnist
from bench.data.dataset import ImageData, split_digest
from bench.data.mnist import Pins, find_mnist, load_mnist
from bench.data.places import data_folders
from bench.errors import DataMismatch, DatasetMissing
from bench.protocol import Dataset, Split

DATASET = Dataset(
    name="mnist",
    classes=10,
    channels=1,
    height=28,
    width=28,
    class_names=tuple("0123456789"),
    train=Split(images=60_000),
    test=Split(images=3_000),
)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with both forms of six training and four test images, of which three are used."""
    monkeypatch.setenv("BENCH_DATA", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(mnist, "TEST_IMAGES", 3)
    generator = np.random.default_rng(0)
    images = generator.integers(0, 256, (10, 28, 28), dtype=np.uint8)
    labels = np.arange(10, dtype=np.uint8)
    arrays = (images[:6], labels[:6], images[6:], labels[6:])
    (tmp_path / "MNIST" / "raw").mkdir(parents=True)
    pins = {}
    for name, array in zip(mnist.PINS.official, arrays, strict=True):
        content = gzip.compress(idx(array))
        (tmp_path / "MNIST" / "raw" / name).write_bytes(content)
        pins[name] = hashlib.md5(content, usedforsecurity=False).hexdigest()
    np.savez(tmp_path / "mnist.npz", train_x=images[:6], train_y=labels[:6], test_x=images[6:9], test_y=labels[6:9])
    archive = hashlib.sha256((tmp_path / "mnist.npz").read_bytes()).hexdigest()
    monkeypatch.setattr(mnist, "PINS", Pins(pins, archive))
    return tmp_path


def idx(array: np.ndarray) -> bytes:
    lengths = b"".join(length.to_bytes(4, "big") for length in array.shape)
    return bytes([0, 0, 8, array.ndim]) + lengths + array.tobytes()


def check(data: ImageData) -> None:
    assert data.train.images.shape == (6, 1, 28, 28)
    assert data.train.labels.tolist() == [0, 1, 2, 3, 4, 5]
    assert data.test.labels.tolist() == [6, 7, 8]


def test_both_forms_give_the_same_images(folder: Path) -> None:
    official, place = load_mnist(DATASET)
    assert place == str(folder / "MNIST" / "raw")
    check(official)
    (folder / "MNIST" / "raw" / "t10k-labels-idx1-ubyte.gz").unlink()
    archived, place = load_mnist(DATASET)
    assert place == str(folder / "mnist.npz")
    check(archived)
    assert split_digest(official.train) == split_digest(archived.train)
    assert split_digest(official.test) == split_digest(archived.test)


def test_a_changed_file_is_refused(folder: Path) -> None:
    path = folder / "MNIST" / "raw" / "train-images-idx3-ubyte.gz"
    path.write_bytes(path.read_bytes() + b"x")
    with pytest.raises(DataMismatch, match=r"train-images-idx3-ubyte\.gz: not the file that is expected"):
        load_mnist(DATASET)


def test_what_is_lacking_is_named(folder: Path) -> None:
    (folder / "MNIST" / "raw" / "t10k-labels-idx1-ubyte.gz").unlink()
    (folder / "mnist.npz").unlink()
    with pytest.raises(DatasetMissing, match=r"lacks MNIST/raw/t10k-labels-idx1-ubyte\.gz; and lacks mnist\.npz"):
        find_mnist(None)


def test_the_published_files_are_pinned() -> None:
    from torchvision.datasets import MNIST

    assert dict(MNIST.resources) == mnist.PINS.official


@pytest.mark.data
def test_the_real_archive_holds_digits_of_every_class() -> None:
    if not any((folder / mnist.ARCHIVE).is_file() for folder in data_folders()):
        pytest.skip(f"{mnist.ARCHIVE} is in no data folder")
    data, _ = load_mnist(DATASET)
    assert data.train.images.shape == (60_000, 1, 28, 28)
    assert data.test.images.shape == (3_000, 1, 28, 28)
    # The first labels of both official files.
    assert data.train.labels[:5].tolist() == [5, 0, 4, 1, 9]
    assert data.test.labels[:5].tolist() == [7, 2, 1, 0, 4]
