"""PNG: one picture a training image, its number in its name, in a zip archive; folders are packed before they get here.

May import numpy, Pillow and bench.importing.
"""

import io
import re
import zipfile
from collections import Counter
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import PngImagePlugin

from bench.errors import InvalidSubmission, RefusedArtifact
from bench.importing.arrays import open_zip, read_entry
from bench.importing.formats import DATA_LIMIT_BYTES, Content, Files, Format

PICTURE_LIMIT_BYTES = 4 * 1024**2
PICTURE_LIMIT = 2_000_000
SIDE_LIMIT = 512

_NUMBER = re.compile(r"[0-9]{1,7}")


def read_pictures(files: Files) -> dict[str, Content]:
    """Read the pictures {i}.png, or {class}/{j}.png, of an archive, below one common folder."""
    with open_zip(files["data"]) as archive:
        infos = [info for info in archive.infolist() if _is_picture(info)]
        if not infos:
            raise InvalidSubmission("file: no picture called {number}.png in it")
        numbers = np.array(picture_numbers([info.filename for info in infos]), dtype=np.int64)
        order = np.lexsort(numbers.T[::-1])
        values = _decode_all(archive, [infos[at] for at in order])
    numbers = numbers[order]
    if numbers[0, 0] < 0:
        return {"data": Content(values, index=numbers[:, 1], meaning="images")}
    return {"data": Content(values, numbers[:, 0], numbers[:, 1], within_class=True, meaning="images")}


def picture_numbers(names: list[str]) -> list[tuple[int, int]]:
    """Return (class or -1, number) of each picture from its name.

    Raises RefusedArtifact for a name that leaves its folder, InvalidSubmission for one that is no number, and where
    numbers repeat or pictures lie in several folders.
    """
    found, folders = [], set()
    for name in names:
        *folder, file = name.split("/")
        if (
            name.startswith("/")
            or "\\" in name
            or not name.isprintable()
            or any(part in ("", ".", "..") for part in folder)
        ):
            raise RefusedArtifact(f"{name[:80]!r} is no plain relative name; nothing was read")
        stem = file[:-4]
        if not _NUMBER.fullmatch(stem):
            raise InvalidSubmission(f"{name[:80]!r}: expected the number of the training image, such as 17.png")
        label = int(folder.pop()) if folder and _NUMBER.fullmatch(folder[-1]) else -1
        found.append((label, int(stem)))
        folders.add((label < 0, *folder))
    if len(folders) > 1:
        raise InvalidSubmission("file: pictures lie in several folders; import the one with the training images alone")
    if len(set(found)) != len(found):
        twice = next(pair for pair, count in Counter(found).items() if count > 1)
        raise InvalidSubmission(f"file: number {twice[1]} is there more than once")
    return found


def _is_picture(info: zipfile.ZipInfo) -> bool:
    name = info.filename
    return name.lower().endswith(".png") and not name.startswith("__MACOSX/")


def _decode_all(archive: zipfile.ZipFile, infos: list[zipfile.ZipInfo]) -> NDArray[np.uint8]:
    first = _decode(archive, infos[0])
    if len(infos) > PICTURE_LIMIT or len(infos) * first.nbytes > DATA_LIMIT_BYTES:
        raise RefusedArtifact(f"file: {len(infos)} pictures of shape {first.shape} are too large to be read")
    values = np.empty((len(infos), *first.shape), np.uint8)
    for row, info in enumerate(infos):
        picture = _decode(archive, info)
        if picture.shape != first.shape:
            raise InvalidSubmission(f"{info.filename!r}: shape {picture.shape}, the first one has {first.shape}")
        values[row] = picture
    return values


def _decode(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> NDArray[np.uint8]:
    """Return a picture as (H, W, C). The PNG reader is called by name: no other format is ever tried."""
    content = read_entry(archive, info, PICTURE_LIMIT_BYTES)
    where = repr(info.filename)
    try:
        with PngImagePlugin.PngImageFile(io.BytesIO(content)) as picture:
            if max(picture.size) > SIDE_LIMIT:
                raise RefusedArtifact(f"{where}: {picture.size} pixels, too large; at most {SIDE_LIMIT} a side")
            if picture.mode not in ("RGB", "L"):
                raise InvalidSubmission(f"{where}: mode {picture.mode}, expected RGB or gray without transparency")
            pixels: NDArray[Any] = np.asarray(picture)
    except (OSError, SyntaxError, ValueError, EOFError, IndexError, KeyError, TypeError) as error:
        raise InvalidSubmission(f"{where}: no PNG picture that can be read: {str(error)[:200]}") from error
    return pixels.reshape(*pixels.shape[:2], -1)


PNG = Format(
    "folder or zip of {i}.png, i the training index, or {class}/{j}.png (TAP, AR, ISS, APBench)",
    read_pictures,
    folder=True,
)
