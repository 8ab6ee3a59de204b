"""NPY and NPZ: numpy's own files, read without pickle and checked against their size before they are read.

May import numpy and bench.importing.formats.
"""

import io
import mmap
import os
import zipfile
import zlib
from typing import Any, BinaryIO

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from bench.errors import InvalidSubmission, RefusedArtifact
from bench.importing.formats import DATA_LIMIT_BYTES, Content, Files, Format, check_array, class_numbers

_IMAGE_KEYS = ("data", "images", "x_train", "x")
_DELTA_KEYS = ("delta", "perturbation", "noise")
_LABEL_KEYS = ("targets", "labels", "y_train", "y")
_ENTRY_LIMIT = 64


def read_npy(files: Files) -> dict[str, Content]:
    """Read one array of rows, its labels and the clean file it is paired with."""
    labels = class_numbers(map_array(files["labels"], "labels"), "labels") if "labels" in files else None
    found = {"data": Content(map_array(files["data"], "file"), labels)}
    if "clean" in files:
        found["clean"] = Content(map_array(files["clean"], "clean file"), meaning="images")
    return found


def map_array(file: BinaryIO, what: str) -> NDArray[Any]:
    """Return the array of a .npy file as a view of it. Raises RefusedArtifact, InvalidSubmission."""
    dtype, shape, fortran = _header(file, what)
    size = check_array(shape, dtype, what)
    left = os.fstat(file.fileno()).st_size - file.tell()
    if left != size:
        raise RefusedArtifact(f"{what}: declares shape {shape} of {size} bytes, {left} follow; damaged or forged")
    content = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    flat = np.frombuffer(content, dtype, count=size // dtype.itemsize, offset=file.tell())
    return flat.reshape(shape, order="F" if fortran else "C")


def read_npz(files: Files) -> dict[str, Content]:
    """Read the array of images or deltas of an archive, by the names that releases use, and its labels."""
    with open_zip(files["data"]) as archive:
        names = {info.filename.removesuffix(".npy"): info for info in archive.infolist()}
        if len(archive.infolist()) > _ENTRY_LIMIT:
            raise RefusedArtifact(f"file: {len(archive.infolist())} arrays, at most {_ENTRY_LIMIT} are read")
        key = next((name for name in (*_DELTA_KEYS, *_IMAGE_KEYS) if name in names), None)
        if key is None:
            expected = ", ".join((*_DELTA_KEYS, *_IMAGE_KEYS))
            raise InvalidSubmission(f"file: no array called {expected}; found {_listed(list(names))}")
        values = _entry(archive, names[key])
        label_key = next((name for name in _LABEL_KEYS if name in names), None)
        labels = class_numbers(_entry(archive, names[label_key]), label_key) if label_key else None
    return {"data": Content(values, labels, meaning="delta" if key in _DELTA_KEYS else "images")}


def open_zip(file: BinaryIO) -> zipfile.ZipFile:
    """Open a zip archive for reading. Raises InvalidSubmission."""
    try:
        return zipfile.ZipFile(file)
    except (zipfile.BadZipFile, NotImplementedError, ValueError) as error:
        raise InvalidSubmission(f"file: no zip archive that can be read: {error}") from error


def read_entry(archive: zipfile.ZipFile, info: zipfile.ZipInfo, limit: int) -> bytes:
    """Return an entry of an archive, never more than `limit` bytes of it. Raises RefusedArtifact, InvalidSubmission."""
    if info.file_size > limit:
        raise RefusedArtifact(f"{info.filename!r}: unpacks to {info.file_size} bytes, too large; limit {limit}")
    if info.flag_bits & 1 or info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise RefusedArtifact(f"{info.filename!r}: encrypted, or packed in a way that is not read")
    try:
        with archive.open(info) as stream:
            content = stream.read(limit + 1)
    except (zipfile.BadZipFile, ValueError, EOFError, OSError, zlib.error) as error:
        raise InvalidSubmission(f"{info.filename!r}: damaged: {error}") from error
    if len(content) != info.file_size:
        raise RefusedArtifact(f"{info.filename!r}: unpacks to another size than it declares")
    return content


def _entry(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> NDArray[Any]:
    content = io.BytesIO(read_entry(archive, info, DATA_LIMIT_BYTES))
    dtype, shape, fortran = _header(content, info.filename)
    size = check_array(shape, dtype, info.filename)
    data = content.getbuffer()[content.tell() :]
    if len(data) != size:
        raise RefusedArtifact(f"{info.filename}: declares shape {shape} of {size} bytes, {len(data)} follow")
    return np.frombuffer(data, dtype).reshape(shape, order="F" if fortran else "C")


def _header(file: BinaryIO, what: str) -> tuple[np.dtype[Any], tuple[int, ...], bool]:
    try:
        version = npy.read_magic(file)
        read = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
        shape, fortran, dtype = read(file)
    except (ValueError, TypeError, SyntaxError, RecursionError, EOFError) as error:
        raise InvalidSubmission(f"{what}: no .npy array that can be read: {str(error)[:200]}") from error
    if not all(isinstance(length, int) and length >= 0 for length in shape):
        raise InvalidSubmission(f"{what}: shape {shape} is no shape")
    return dtype, shape, fortran


def _listed(names: list[str]) -> str:
    return ", ".join(repr(name[:40]) for name in names[:8]) or "none"


NPY = Format(
    "one numpy array: deltas or images (OPS, LSP with --labels, NTGA with --clean)", read_npy, roles=("labels", "clean")
)
NPZ = Format("numpy archive with `data` and `targets` (AVATAR)", read_npz)
