"""Image files of one class a folder, decoded once: which files are used, their pixels, and the file these are kept in.

May import numpy, Pillow and bench.data; no torch.
"""

import errno
import hashlib
import math
import os
import shutil
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import numpy as np
import PIL
from numpy.typing import NDArray
from PIL import Image

from bench.data.places import cache_folder
from bench.errors import DataMismatch, DatasetMissing
from bench.files import write_and_sweep

SUFFIXES = {".jpeg", ".jpg", ".png"}
RESIZED, CROPPED = 256, 224
"""The shorter side after resizing, for every CROPPED pixels of the square that is cut out of the middle."""

PROGRESS_SECONDS = 5
NAMED_PROBLEMS = 10


def list_images(folder: Path, class_names: Sequence[str], per_class: int | None) -> list[list[Path]]:
    """Return the first `per_class` (None: all) image files of each class, by file name.

    Other files, hidden ones and folders of other classes are passed over; links are followed.
    Raises DatasetMissing with every class that is not there or has too few images.
    """
    chosen = [_image_files(folder / name)[:per_class] for name in class_names]
    expected = per_class or 1
    problems = [
        f"{folder / name}: {'no such folder' if not (folder / name).is_dir() else f'{len(files)} images'}"
        for name, files in zip(class_names, chosen, strict=True)
        if len(files) < expected
    ]
    if problems:
        raise DatasetMissing(
            f"{folder}: {len(problems)} of {len(class_names)} classes lack images, each needs at least {expected}\n"
            + _named(problems)
        )
    return chosen


def decode_image(path: Path, size: int) -> NDArray[np.uint8]:
    """Return the middle of an image as RGB, uint8 (3, size, size), scale 0 to 255.

    The shorter side becomes size * 256 // 224, with Pillow's bilinear filter, which averages where it shrinks. Pixels
    of a JPEG file may differ in the last bit between versions of the decoder.
    Raises DataMismatch for a file that is no JPEG or PNG image, or is damaged.
    """
    try:
        with Image.open(path, formats=("JPEG", "PNG")) as file:
            image = file.convert("RGB")
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise DataMismatch(f"{path}: is no JPEG or PNG image, or is damaged ({error})") from error
    shorter = size * RESIZED // CROPPED
    width, height = (shorter * side // min(image.size) for side in image.size)
    image = image.resize((width, height), Image.Resampling.BILINEAR)
    left, top = round((width - size) / 2), round((height - size) / 2)
    return np.asarray(image.crop((left, top, left + size, top + size))).transpose(2, 0, 1)


def read_pixels(name: str, paths: Sequence[Path], size: int) -> NDArray[np.uint8]:
    """Return the pixels of image files, uint8 (N, 3, size, size), mapped from the file that they are kept in.

    name: what that file and messages begin with. The first call decodes, which takes minutes for thousands of images.
    Raises DataMismatch with the files that cannot be read.
    """
    kept = cache_folder() / "pixels" / f"{name}-{_listing_digest(paths, size)[:16]}.npy"
    pixels = _open_kept(kept)
    if pixels is not None:
        return pixels
    shape = (len(paths), 3, size, size)
    # A folder that cannot be written costs time and memory, not the run.
    with suppress(OSError):
        _keep(kept, name, paths, shape)
        pixels = _open_kept(kept)
    if pixels is None:
        pixels = np.empty(shape, np.uint8)
        _decode_all(name, paths, pixels)
    return pixels


def _image_files(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    found = (path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES and not path.name.startswith("."))
    return sorted(found, key=lambda path: path.name)


def _listing_digest(paths: Sequence[Path], size: int) -> str:
    """Return the hex digest of what decides the pixels: the files by path, length and time, and who decodes them how.

    Raises DataMismatch for a link to nothing.
    """
    sha = hashlib.sha256(f"Pillow {PIL.__version__}, {RESIZED} of {CROPPED}, bilinear, {size}\n".encode())
    for path in paths:
        try:
            status = path.stat()
        except OSError as error:
            raise DataMismatch(f"{path}: cannot be read ({error.strerror}); is it a link to nothing?") from error
        sha.update(f"{path.resolve()} {status.st_size} {status.st_mtime_ns}\n".encode(errors="surrogateescape"))
    return sha.hexdigest()


def _open_kept(path: Path) -> NDArray[np.uint8] | None:
    """Return kept pixels, mapped; None where there are none or where they are damaged."""
    try:
        pixels: NDArray[np.uint8] = np.load(path, mmap_mode="c", allow_pickle=False)
        stated = _digest_file(path).read_text(encoding="ascii")
    except (OSError, ValueError, EOFError):
        return None
    return pixels if _pixel_digest(pixels) == stated else None


def _keep(path: Path, name: str, paths: Sequence[Path], shape: tuple[int, ...]) -> None:
    """Decode into a file beside `path` and move it there when it is whole. Raises OSError, DataMismatch."""
    path.parent.mkdir(parents=True, exist_ok=True)
    # A mapped page that finds no room on the disk ends the process, so room is asked for before.
    if shutil.disk_usage(path.parent).free < 1.1 * math.prod(shape):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), path)
    partial = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        pixels = np.lib.format.open_memmap(partial, mode="w+", dtype=np.uint8, shape=shape)
        _decode_all(name, paths, pixels)
        pixels.flush()
        write_and_sweep(_digest_file(path), _pixel_digest(pixels).encode())
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def _decode_all(name: str, paths: Sequence[Path], pixels: NDArray[np.uint8]) -> None:
    """Fill `pixels` with those of all files, on every core, and say now and then how far it is. Raises DataMismatch."""

    def decode(index: int) -> str | None:
        try:
            pixels[index] = decode_image(paths[index], pixels.shape[-1])
        except DataMismatch as error:
            return str(error)
        return None

    problems, said = [], time.monotonic()
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for done, problem in enumerate(pool.map(decode, range(len(paths))), start=1):
            problems += [problem] if problem else []
            if time.monotonic() - said >= PROGRESS_SECONDS:
                said = time.monotonic()
                sys.stderr.write(f"{name}: {done} of {len(paths)} images decoded\n")
    if problems:
        raise DataMismatch(f"{_named(problems)}\n  replace them with the original files")


def _named(problems: Sequence[str]) -> str:
    """Return the first problems, a line each, and how many more there are."""
    more = [f"  and {len(problems) - NAMED_PROBLEMS} more"] if len(problems) > NAMED_PROBLEMS else []
    return "\n".join([*(f"  {problem}" for problem in problems[:NAMED_PROBLEMS]), *more])


def _digest_file(path: Path) -> Path:
    return path.with_suffix(".sha256")


def _pixel_digest(pixels: NDArray[np.uint8]) -> str:
    return hashlib.sha256(pixels.reshape(-1).data).hexdigest()
