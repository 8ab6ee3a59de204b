"""CIFAR as compressed archives (.npz), each with the decoder `pixpack.py` beside it; decoded pixels are cached.

May import numpy, bench.data and bench.files. Every archive, and the decoder before it is run, must have the digest that
is listed here. Decoding takes seconds, so its pixels are kept as `<first 16 hex of the archive's digest>.npy`
in the cache folder, and are checked against the pixel digest inside the archive each time they are read.
"""

import hashlib
import io
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import numpy as np
from numpy.typing import NDArray

from bench.data.dataset import ImageData, ImageSplit
from bench.data.places import cache_folder, check_file
from bench.errors import DataMismatch
from bench.files import write_and_sweep

DECODER = "pixpack.py"
DECODER_SHA256 = "55c4e2211c8c462661cc1af3691a6eda23928f4d2bbadc746e56a0e584716274"


@dataclass(frozen=True)
class Archive:
    """One archive: its file name, the SHA-256 of the file, and how many images it holds."""

    name: str
    sha256: str
    images: int = 10_000


@dataclass(frozen=True)
class Archives:
    """The archives of a data set: training images in torchvision's order, as far as there are any, and test images."""

    train: tuple[Archive, ...]
    test: Archive
    decoder_sha256: str = DECODER_SHA256


CIFAR10_ARCHIVES = Archives(
    train=(
        Archive("cifar10_train1.npz", "0e34f0a1e4e9a11a0d464abef0cad13d971dca113e957ad5bf4c42922e2ce1e7"),
        Archive("cifar10_train2.npz", "89e177b3bf089bdfc6cf7e9b56b8868c13ba4f02bb8de0f33fbe6dec207593af"),
        Archive("cifar10_train3.npz", "a1987054a641fa4a731c9193d9b88fa192d7ae123540bd9cb81e1666f56a3c4a"),
        Archive("cifar10_train4.npz", "9976b6e1024707675035e941c80b4804d584a891983c58b24703de0af8ccc5cf"),
        Archive("cifar10_train5.npz", "39baaa9b47a69ddb288c4e3411ed77d3690f3542752514c19727fe393d4d44e8"),
    ),
    test=Archive("cifar10_test.npz", "7a2993864cfc15e9e00d6d0c99fec59321bd5659958407dafcc5a8dfd15146e0"),
)

CIFAR100_ARCHIVES = Archives(
    train=(
        Archive("cifar100_train1_lossless.npz", "e77dd5311afdeca3d98135b73cd500654cd023c4680408654811096a2f12c951"),
    ),
    test=Archive("cifar100_test_lossless.npz", "f03b9d1efaab670d49244f054bc4e4adf43fd36cfca2aac2438daac85be449cc"),
)


def lacking_archives(folder: Path, archives: Archives, needed: int) -> list[str]:
    """Return what `folder` lacks for the first `needed` training images: file names, or a sentence."""
    names = [archive.name for archive in (*_first(archives, needed), archives.test)]
    lacking = [name for name in (*names, DECODER) if not (folder / name).is_file()]
    held = sum(archive.images for archive in archives.train)
    if held < needed:
        lacking.append(f"an archive of training images {held} to {needed - 1}, which exist as official files only")
    return lacking


def read_archives(folder: Path, archives: Archives, needed: int) -> ImageData:
    """Read at least the first `needed` training images and all test images, in canonical order. Raises DataMismatch."""
    train = [_read(folder, archive, archives.decoder_sha256) for archive in _first(archives, needed)]
    return ImageData(
        ImageSplit(np.concatenate([part.images for part in train]), np.concatenate([part.labels for part in train])),
        _read(folder, archives.test, archives.decoder_sha256),
    )


def _first(archives: Archives, needed: int) -> list[Archive]:
    """Return the archives that the first `needed` training images lie in, as far as there are any."""
    chosen: list[Archive] = []
    for archive in archives.train:
        if sum(earlier.images for earlier in chosen) >= needed:
            break
        chosen.append(archive)
    return chosen


def _read(folder: Path, archive: Archive, decoder_sha256: str) -> ImageSplit:
    path = check_file(folder / archive.name, "sha256", archive.sha256)
    with np.load(path, allow_pickle=False) as content:
        labels = content["labels"].astype(np.int64)
        pixels_sha256 = str(content["sha256"])
    cached = cache_folder() / "pixels" / f"{archive.sha256[:16]}.npy"
    pixels = _read_cached(cached, pixels_sha256)
    if pixels is None:
        pixels = _decode(path, decoder_sha256, pixels_sha256)
        _write_cached(cached, pixels)
    return ImageSplit(np.ascontiguousarray(pixels.transpose(0, 3, 1, 2)), labels)


def _decode(path: Path, decoder_sha256: str, pixels_sha256: str) -> NDArray[np.uint8]:
    """Decode the pixels of an archive, uint8 (N, H, W, 3). Raises DataMismatch."""
    pixels: NDArray[np.uint8] = _load_decoder(path.parent / DECODER, decoder_sha256).decode(path)
    if _pixel_digest(pixels) != pixels_sha256:
        raise DataMismatch(f"{path}: decoded pixels do not have the digest that the archive states")
    return pixels


def _load_decoder(path: Path, expected: str) -> ModuleType:
    """Import the decoder from the bytes whose digest was checked, so that nothing can change in between."""
    source = path.read_bytes()
    found = hashlib.sha256(source).hexdigest()
    if found != expected:
        raise DataMismatch(
            f"{path}: not the decoder that is expected, it was not run\n"
            f"  expected sha256 {expected}\n  found    sha256 {found}"
        )
    module = ModuleType("pixpack")
    exec(compile(source, str(path), "exec"), module.__dict__)  # noqa: S102 - only the one pinned file reaches this
    return module


def _read_cached(path: Path, pixels_sha256: str) -> NDArray[np.uint8] | None:
    """Return cached pixels, None where there are none or where they are damaged."""
    try:
        pixels: NDArray[np.uint8] = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return None
    return pixels if _pixel_digest(pixels) == pixels_sha256 else None


def _write_cached(path: Path, pixels: NDArray[np.uint8]) -> None:
    """Write pixels whole or not at all. A cache that cannot be written costs time, not the run."""
    buffer = io.BytesIO()
    np.save(buffer, pixels, allow_pickle=False)
    with suppress(OSError):
        write_and_sweep(path, buffer.getvalue())


def _pixel_digest(pixels: NDArray[np.uint8]) -> str:
    return hashlib.sha256(np.ascontiguousarray(pixels).tobytes()).hexdigest()
