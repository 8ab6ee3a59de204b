"""PKL: pickled arrays and lists, read by an unpickler that builds data and imports nothing, whatever a file names.

May import numpy and bench.importing.formats. Every name in a pickle stands for a builder of this file or is refused:
numpy, torch and Pillow objects are rebuilt from their raw bytes here, so no code of theirs runs on what a file says.
"""

import io
import math
import pickle
from collections.abc import Callable
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from bench.errors import InvalidSubmission, RefusedArtifact
from bench.importing.formats import Content, Files, Format, check_array, class_numbers

LOAD_ERRORS = (
    pickle.UnpicklingError,
    AttributeError,
    EOFError,
    ImportError,
    IndexError,
    KeyError,
    TypeError,
    ValueError,
)
STORAGES = {
    "ByteStorage": "<u1",
    "CharStorage": "<i1",
    "DoubleStorage": "<f8",
    "FloatStorage": "<f4",
    "HalfStorage": "<f2",
    "IntStorage": "<i4",
    "LongStorage": "<i8",
    "ShortStorage": "<i2",
}
_TORCH_MAGIC = 0x1950A86A20F9469CFC6C


class Builder:
    """Stands for one function that a pickle may call; takes no state, so that a file cannot change it."""

    __slots__ = ("_build",)

    def __init__(self, build: Callable[..., Any]) -> None:
        self._build = build

    def __call__(self, *arguments: Any) -> Any:
        """Build the object."""
        return self._build(*arguments)

    def __setstate__(self, _state: Any) -> None:
        raise RefusedArtifact("file: a pickle that changes what it is read with")


class DtypeStandIn:
    """A numpy dtype of numbers: its code and its byte order."""

    __slots__ = ("code", "order")

    def __init__(self, code: str, *_flags: Any) -> None:
        if not isinstance(code, str) or code[:1] not in tuple("biuf") or code[1:] not in ("1", "2", "4", "8"):
            raise RefusedArtifact(f"file: an array of type {str(code)[:20]!r}, expected numbers")
        self.code, self.order = code, "<"

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        self.order = ">" if state[1] == ">" else "<"

    @property
    def dtype(self) -> np.dtype[Any]:
        """The dtype itself."""
        return np.dtype(self.order + self.code)


class ArrayStandIn:
    """A numpy array, filled in by the pickle's state or made from a buffer."""

    __slots__ = ("array",)

    def __init__(self) -> None:
        self.array: NDArray[Any] | None = None

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        _version, shape, dtype, fortran, raw = state
        self.fill(raw, dtype, shape, "F" if fortran else "C")

    def fill(self, raw: Any, dtype: DtypeStandIn, shape: Any, order: str) -> "ArrayStandIn":
        """Take the bytes of the array, which must be exactly what its shape needs."""
        data = raw.encode("latin1") if isinstance(raw, str) else bytes(raw)
        lengths = tuple(shape) if isinstance(shape, tuple) else (shape,)
        if not all(type(length) is int and length >= 0 for length in lengths):
            raise RefusedArtifact("file: an array whose shape is no shape")
        if check_array(lengths, dtype.dtype, "array") != len(data):
            raise RefusedArtifact(f"file: an array of shape {lengths} with {len(data)} bytes")
        self.array = np.frombuffer(data, dtype.dtype).reshape(lengths, order="F" if order == "F" else "C")
        return self


class StorageStandIn:
    """The memory of a torch tensor: numbers of one type, filled in when its bytes are found."""

    __slots__ = ("code", "numbers", "size")

    def __init__(self, code: str, size: int) -> None:
        if code not in STORAGES.values() or type(size) is not int or size < 0:
            raise RefusedArtifact("file: a tensor of an unknown type")
        self.code, self.size = code, size
        self.numbers: NDArray[Any] | None = None

    def fill(self, raw: bytes) -> None:
        """Take the bytes, which must be exactly as many as declared."""
        dtype = np.dtype(self.code)
        if len(raw) != self.size * dtype.itemsize:
            raise RefusedArtifact(f"file: a tensor declares {self.size} values and brings {len(raw)} bytes")
        self.numbers = np.frombuffer(raw, dtype)

    def __setstate__(self, _state: Any) -> None:
        raise RefusedArtifact("file: a pickle that changes what it is read with")


class TensorStandIn:
    """A torch tensor: a view of a storage, checked to lie inside it and to repeat nothing."""

    __slots__ = ("_offset", "_shape", "_storage", "_stride")

    def __init__(self, storage: StorageStandIn, offset: int, shape: Any, stride: Any, *_hooks: Any) -> None:
        if not isinstance(storage, StorageStandIn):
            raise RefusedArtifact("file: a tensor without memory")
        self._storage, self._offset = storage, offset
        self._shape, self._stride = tuple(shape), tuple(stride)

    def __setstate__(self, _state: Any) -> None:
        raise RefusedArtifact("file: a pickle that changes what it is read with")

    @property
    def array(self) -> NDArray[Any]:
        """The tensor as an array."""
        numbers, numbers_of = self._storage.numbers, (self._offset, *self._shape, *self._stride)
        if (
            numbers is None
            or len(self._shape) != len(self._stride)
            or not all(type(n) is int and n >= 0 for n in numbers_of)
        ):
            raise RefusedArtifact("file: a tensor whose shape is no shape")
        check_array(self._shape, numbers.dtype, "tensor")
        last = self._offset + sum((n - 1) * step for n, step in zip(self._shape, self._stride, strict=True))
        if last >= len(numbers) or math.prod(self._shape) > len(numbers):
            raise RefusedArtifact(f"file: a tensor of shape {self._shape} on {len(numbers)} values; it does not fit")
        steps = tuple(step * numbers.itemsize for step in self._stride)
        return np.lib.stride_tricks.as_strided(numbers[self._offset :], self._shape, steps, writeable=False)


class PictureStandIn:
    """A pickled Pillow image: mode, size and raw bytes."""

    __slots__ = ("array",)

    def __setstate__(self, state: Any) -> None:
        mode, size, raw = state[1], state[2], state[-1]
        channels = {"RGB": 3, "L": 1}.get(mode)
        width, height = size
        if channels is None or not isinstance(raw, bytes) or len(raw) != channels * width * height:
            raise RefusedArtifact(f"file: a picture of mode {str(mode)[:20]!r} that does not fit its bytes")
        self.array = np.frombuffer(raw, np.uint8).reshape(height, width, channels)


def _scalar(dtype: DtypeStandIn, raw: Any) -> Any:
    data = raw.encode("latin1") if isinstance(raw, str) else bytes(raw)
    return np.frombuffer(data, dtype.dtype, count=1)[0].item()


def _encode(text: str, encoding: str = "latin1") -> bytes:
    if encoding != "latin1" or not isinstance(text, str):
        raise RefusedArtifact("file: text in an unexpected encoding")
    return text.encode("latin1")


def _bytearray(*content: Any) -> bytes:
    if content and not isinstance(content[0], bytes):
        raise RefusedArtifact("file: a byte array that is not made of bytes")
    return content[0] if content else b""


def _mapping(*pairs: Any) -> dict[Any, Any]:
    return dict(*pairs)


def _load_bytes(content: bytes) -> Any:
    return load_legacy(io.BytesIO(content))


def _names() -> dict[tuple[str, str], Any]:
    reconstruct = Builder(lambda *_: ArrayStandIn())
    frombuffer = Builder(lambda raw, dtype, shape, order="C": ArrayStandIn().fill(raw, dtype, shape, order))
    names: dict[tuple[str, str], Any] = {
        ("numpy", "ndarray"): Builder(lambda *_: ArrayStandIn()),
        ("numpy", "dtype"): Builder(DtypeStandIn),
        ("_codecs", "encode"): Builder(_encode),
        ("builtins", "bytearray"): Builder(_bytearray),
        ("collections", "OrderedDict"): Builder(_mapping),
        ("torch._utils", "_rebuild_tensor_v2"): Builder(TensorStandIn),
        ("torch._utils", "_rebuild_parameter"): Builder(lambda tensor, *_: tensor),
        ("torch.storage", "_load_from_bytes"): Builder(_load_bytes),
        ("torch", "Size"): Builder(tuple),
        ("PIL.Image", "Image"): PictureStandIn,
    }
    for core in ("numpy.core", "numpy._core"):
        names[f"{core}.multiarray", "_reconstruct"] = reconstruct
        names[f"{core}.multiarray", "scalar"] = Builder(_scalar)
        names[f"{core}.numeric", "_frombuffer"] = frombuffer
    return names | {("torch", name): code for name, code in STORAGES.items()}


_NAMES = _names()


class PlainUnpickler(pickle.Unpickler):
    """Builds numbers, text, containers and the stand-ins of this file; refuses every other name."""

    def __init__(self, file: BinaryIO, storages: dict[str, StorageStandIn]) -> None:
        super().__init__(file, encoding="latin1")
        self._storages = storages

    def find_class(self, module: str, name: str) -> Any:
        """Return what a name stands for; nothing is imported. Raises RefusedArtifact for one that is not listed."""
        if (module, name) not in _NAMES:
            raise RefusedArtifact(f"file: names {f'{module}.{name}'[:80]!r}, which is no data; nothing of it was run")
        return _NAMES[module, name]

    def persistent_load(self, pid: Any) -> StorageStandIn:
        """Return the storage that a tensor names."""
        if not isinstance(pid, tuple) or len(pid) not in (5, 6) or pid[0] != "storage" or not isinstance(pid[2], str):
            raise RefusedArtifact("file: a tensor whose memory is not in the file")
        return self._storages.setdefault(pid[2], StorageStandIn(pid[1], pid[4]))


def load_plain(file: BinaryIO, storages: dict[str, StorageStandIn] | None = None) -> Any:
    """Unpickle one object as data, stand-ins included. Raises RefusedArtifact."""
    try:
        return PlainUnpickler(file, {} if storages is None else storages).load()
    except (*LOAD_ERRORS, RecursionError, OverflowError) as error:
        raise RefusedArtifact(f"file: no pickle of plain data: {str(error)[:200]}") from error


def load_legacy(file: BinaryIO) -> Any:
    """Read what torch.save wrote before its zip format: five pickles, then the storages one after another."""
    if load_plain(file) != _TORCH_MAGIC:
        raise RefusedArtifact("file: not written by torch.save")
    load_plain(file)
    load_plain(file)
    storages: dict[str, StorageStandIn] = {}
    found = load_plain(file, storages)
    for key in load_plain(file):
        if key not in storages:
            raise RefusedArtifact("file: a storage that no tensor uses")
        size = int.from_bytes(file.read(8), "little")
        if size != storages[key].size:
            raise RefusedArtifact("file: a storage of another size than declared")
        storages[key].fill(file.read(size * np.dtype(storages[key].code).itemsize))
    return found


def read_pickle(files: Files) -> dict[str, Content]:
    """Read a pickled array, a dict of data and labels, or a list of (image, label)."""
    return {"data": as_content(load_plain(io.BytesIO(files["data"].read())))}


def as_content(found: Any) -> Content:
    """Return what an unpickled object holds. Raises InvalidSubmission where that is no perturbation."""
    if isinstance(found, dict):
        labels = next((found[key] for key in ("labels", "targets") if key in found), None)
        if "data" not in found:
            raise InvalidSubmission(f"file: a dict without `data`; its keys: {_listed(found)}")
        numbers = None if labels is None else class_numbers(_array(labels), "labels")
        return Content(_array(found["data"]), numbers, meaning="images")
    if (
        isinstance(found, list | tuple)
        and found
        and all(isinstance(pair, list | tuple) and len(pair) == 2 for pair in found)
    ):
        images = [_image(pair[0]) for pair in found]
        if len({(image.shape, image.dtype.str) for image in images}) > 1:
            raise InvalidSubmission("file: images of different shapes or types")
        check_array((len(images), *images[0].shape), images[0].dtype, "images")
        return Content(np.stack(images), class_numbers(_array([pair[1] for pair in found]), "labels"), meaning="images")
    return Content(_array(found))


def _image(found: Any) -> NDArray[Any]:
    """Return one image of a list; raw bytes are square, RGB or else gray, row by row."""
    if not isinstance(found, bytes):
        return _array(found)
    for channels in (3, 1):
        side = math.isqrt(len(found) // channels)
        if side * side * channels == len(found) and side:
            return np.frombuffer(found, np.uint8).reshape(side, side, channels)
    raise InvalidSubmission(f"file: {len(found)} raw bytes are no square image")


def _array(found: Any) -> NDArray[Any]:
    if isinstance(found, ArrayStandIn | TensorStandIn | PictureStandIn):
        if found.array is None:
            raise RefusedArtifact("file: an array without content")
        return found.array
    if isinstance(found, list | tuple) and found:
        numbers = [_array(item).item() if isinstance(item, ArrayStandIn | TensorStandIn) else item for item in found]
        if all(type(number) is int and abs(number) < 2**31 for number in numbers):
            return np.array(numbers, dtype=np.int64)
    raise InvalidSubmission(
        f"file: expected an array, a dict with `data`, or (image, label) pairs, found {_kind(found)}"
    )


def _kind(found: Any) -> str:
    return f"a {type(found).__name__}"


def _listed(found: dict[Any, Any]) -> str:
    return ", ".join(repr(key)[:40] for key in list(found)[:8]) or "none"


PKL = Format("pickled array (REM, SEM), or list of (image, label) (DUNE, COIN, ECLIPSE)", read_pickle, pickled=True)
