"""Small stand-ins for both forms of CIFAR: official batch files and archives with a decoder, of the same images."""

import hashlib
from pathlib import Path

import numpy as np

from bench.data.cifar_archives import Archive, Archives
from bench.data.cifar_batches import Batch, Batches
from bench.data.dataset import ImageData, ImageSplit

CLASSES = 3
BATCH_IMAGES = 6

DECODER = b"import numpy as np\n\ndef decode(path):\n    with np.load(path) as z:\n        return 255 - z['coded']\n"


def make_split(images: int, seed: int) -> ImageSplit:
    """Random images with every class equally often, in random order."""
    generator = np.random.default_rng(seed)
    pixels = generator.integers(0, 256, (images, 3, 32, 32), dtype=np.uint8)
    return ImageSplit(pixels, generator.permutation(np.arange(images) % CLASSES).astype(np.int64))


def make_data(batches: int = 2) -> ImageData:
    """Images in torchvision's order, test images too."""
    return ImageData(make_split(batches * BATCH_IMAGES, seed=1), make_split(2 * CLASSES, seed=2))


def interleaved(split: ImageSplit) -> ImageSplit:
    """The canonical order of test images, one image at a time."""
    queues = [list(np.flatnonzero(split.labels == label)) for label in range(CLASSES)]
    order = [queues[position % CLASSES].pop(0) for position in range(len(split.labels))]
    return ImageSplit(split.images[order], split.labels[order])


def parts(split: ImageSplit) -> list[ImageSplit]:
    cuts = range(0, len(split.labels), BATCH_IMAGES)
    return [ImageSplit(split.images[at : at + BATCH_IMAGES], split.labels[at : at + BATCH_IMAGES]) for at in cuts]


def write_batches(folder: Path, data: ImageData) -> Batches:
    """Write official batch files below `folder` and return their facts."""
    train = [write_batch(folder / "batches" / f"part_{index}", part) for index, part in enumerate(parts(data.train))]
    test = write_batch(folder / "batches" / "test", data.test)
    return Batches(folder="batches", labels="labels", classes=CLASSES, train=tuple(train), test=test)


def write_batch(path: Path, split: ImageSplit, *, dtype: bytes = b"u1") -> Batch:
    path.parent.mkdir(parents=True, exist_ok=True)
    content = python2_pickle(split.images.reshape(len(split.labels), -1), split.labels, dtype=dtype)
    path.write_bytes(content)
    return Batch(path.name, hashlib.md5(content, usedforsecurity=False).hexdigest(), len(split.labels))


def python2_pickle(rows: np.ndarray, labels: np.ndarray, *, dtype: bytes = b"u1") -> bytes:
    """A dict with `data` and `labels` as Python 2 pickled it (protocol 2, byte strings), like the official files."""

    def text(value: bytes) -> bytes:
        return b"T" + len(value).to_bytes(4, "little") + value

    def number(value: int) -> bytes:
        return b"J" + int(value).to_bytes(4, "little", signed=True)

    array = b"cnumpy.core.multiarray\n_reconstruct\n" + b"(cnumpy\nndarray\n" + number(0) + b"\x85" + text(b"b") + b"tR"
    kind = b"cnumpy\ndtype\n(" + text(dtype) + number(0) + number(1) + b"tR"
    kind += b"(" + number(3) + text(b"|") + b"NNN" + number(-1) + number(-1) + number(0) + b"tb"
    shape = number(rows.shape[0]) + number(rows.shape[1]) + b"\x86"
    state = b"(" + number(1) + shape + kind + b"\x89" + text(rows.tobytes()) + b"tb"
    listed = b"](" + b"".join(number(label) for label in labels) + b"e"
    return b"\x80\x02}(" + text(b"data") + array + state + text(b"labels") + listed + b"u."


def write_archives(folder: Path, data: ImageData) -> Archives:
    """Write archives and their decoder into `folder` and return their facts."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "pixpack.py").write_bytes(DECODER)
    train = [write_archive(folder / f"train{index}.npz", part) for index, part in enumerate(parts(data.train))]
    test = write_archive(folder / "test.npz", interleaved(data.test))
    return Archives(tuple(train), test, hashlib.sha256(DECODER).hexdigest())


def write_archive(path: Path, split: ImageSplit) -> Archive:
    pixels = np.ascontiguousarray(split.images.transpose(0, 2, 3, 1))
    stated = np.array(hashlib.sha256(pixels.tobytes()).hexdigest())
    np.savez(path, coded=255 - pixels, labels=split.labels.astype(np.uint8), sha256=stated)
    return Archive(path.name, hashlib.sha256(path.read_bytes()).hexdigest(), len(split.labels))
