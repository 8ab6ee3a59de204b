"""Perturbation files: the one door through which the bytes of a submission come in. Nothing in them is ever executed.

May import numpy, bench.errors and records; no torch. The only format is safetensors; its header is parsed in a child
process (bench.safetensors_header), its data is viewed as integers and nothing else.
"""

import hashlib
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench import safetensors_header
from bench.errors import EnvironmentProblem, InvalidSubmission, RefusedArtifact
from bench.files import write_atomically
from bench.problems import quoted, visible
from bench.safetensors_header import HEADER_LIMIT_BYTES, HeaderError, TensorEntry
from bench.submission import ARTIFACT_LIMIT_BYTES, Artifact, ArtifactDraft
from bench.untrusted import open_untrusted

SUFFIX = ".safetensors"
TENSOR = "delta"
SHORT_HEADER_BYTES = 64 * 1024
"""A header of at most this length is parsed in this process: starting another one costs a hundred times as much."""

HEADER_SECONDS = 20

PERTURBATION_DTYPES: dict[str, np.dtype[Any]] = {"I8": np.dtype("<i1"), "I16": np.dtype("<i2")}
_DTYPE_NAMES = {
    np.dtype(code): name for name, code in {"I8": "<i1", "I16": "<i2", "I64": "<i8", "F32": "<f4", "U8": "u1"}.items()
}

Integers = NDArray[np.int8] | NDArray[np.int16]
HeaderReader = Callable[[bytes, int], list[TensorEntry]]


class MissingArtifact(InvalidSubmission):
    """An artifact is not where the manifest says; all else about its path is safe."""


@dataclass(frozen=True)
class Perturbation:
    """What a perturbation file holds.

    values: (N, C, H, W) as a rule, int8 or int16, in 1/255 units, read-only; the shape is the file's, not yet checked.
    Values that nobody wanted were not kept; one zero then stands for each of them.
    sha256, size: hex digest and bytes of the whole file, of the very bytes that `values` views.
    """

    values: Integers
    sha256: str
    size: int


@dataclass(frozen=True)
class TensorFile:
    """A safetensors file that was read once.

    entries: what its header declares, checked. content: the whole file, None where nobody wanted its tensors.
    sha256, size: hex digest and bytes of the whole file, of the very bytes that `content` is.
    """

    entries: list[TensorEntry]
    content: memoryview | None
    sha256: str
    size: int


def read_perturbation(
    folder: Path, artifact: Artifact | ArtifactDraft, *, shape: tuple[int, ...] | None = None
) -> Perturbation:
    """Read the perturbation of a submission; its size, shape and budget are left to `check_perturbation`.

    Of a whole artifact, the file must have the digest that it pins: it may have changed since it was checked. A draft
    needs a usable path; without a tensor name, the one tensor of the file is taken whatever its name. shape: values of
    another one are not kept in memory, whatever the file claims; None keeps any.
    Raises RefusedArtifact where the file is unsafe: not a regular safetensors file inside the folder, too large,
    changed while it was read, or inconsistent; MissingArtifact where there is none; InvalidSubmission where it holds
    something else.
    """
    where = visible(artifact.path)

    def wanted(entries: list[TensorEntry]) -> bool:
        return _only_entry(entries, where, artifact.tensor).shape == shape or shape is None

    try:
        file = read_tensors(folder, artifact.path, wanted)
    except FileNotFoundError as error:
        raise MissingArtifact(f"{folder}/{where}: no such file") from error
    entry = _only_entry(file.entries, where, artifact.tensor)
    dtype = PERTURBATION_DTYPES[entry.dtype]
    if isinstance(artifact, Artifact) and file.sha256 != artifact.sha256:
        raise InvalidSubmission(
            f"{visible(str(folder))}/{where}: is not the file that the manifest pins\n"
            f"  expected sha256 {artifact.sha256}\n  found    sha256 {file.sha256}"
        )
    if file.content is None:
        nothing: Integers = np.broadcast_to(np.zeros((), dtype), entry.shape)
        return Perturbation(nothing, file.sha256, file.size)
    values: Integers = view_tensor(file.content, entry, dtype)
    return Perturbation(values, file.sha256, file.size)


def read_tensors(folder: Path, path: str, wanted: Callable[[list[TensorEntry]], bool]) -> TensorFile:
    """Read a safetensors file of a submission once; its tensors are kept only where `wanted` says so of its header.

    So a file can claim what it likes: memory is taken for what was asked for, and no more. Digest and size are those
    of the whole file in either case. What `wanted` raises ends the reading.
    Raises RefusedArtifact where the file is unsafe, FileNotFoundError where there is none.
    """
    check_suffix(path)
    with open_untrusted(folder, path, ARTIFACT_LIMIT_BYTES) as file:
        start = file.read(8 + HEADER_LIMIT_BYTES)
        entries = open_tensors(start, visible(path), size=file.size)
        content = None
        if wanted(entries):
            whole = bytearray(file.size)
            whole[: len(start)] = start
            file.read_into(memoryview(whole)[len(start) :])
            content = memoryview(whole).toreadonly()
        else:
            file.skip()
        return TensorFile(entries, content, file.finish(), file.size)


def write_perturbation(path: Path, values: Integers) -> tuple[str, int]:
    """Write a perturbation whole or not at all; return the file's hex SHA-256 and its size. Equal values, equal bytes.

    values: (N, C, H, W), int8 or int16, in 1/255 units.
    """
    content = encode_perturbation(values)
    write_atomically(path, content)
    return hashlib.sha256(content).hexdigest(), len(content)


def encode_perturbation(values: Integers) -> bytes:
    """Return the bytes of a safetensors file with the one tensor `delta`. Raises ValueError otherwise."""
    names = {dtype: name for name, dtype in PERTURBATION_DTYPES.items()}
    dtype = values.dtype.newbyteorder("<")
    if dtype not in names or values.ndim != 4:
        raise ValueError(f"a perturbation is int8 or int16 of shape (N, C, H, W), got {values.dtype} {values.shape}")
    return encode_tensors({TENSOR: values})


def encode_tensors(tensors: Mapping[str, NDArray[Any]]) -> bytes:
    """Return the bytes of a safetensors file, tensors in the order given. Equal tensors, equal bytes.

    Raises KeyError for a dtype that is in no file of the bench.
    """
    entries, parts, position = {}, [], 0
    for name, values in tensors.items():
        dtype = values.dtype.newbyteorder("<")
        data = np.ascontiguousarray(values).astype(dtype, copy=False).tobytes()
        end = position + len(data)
        entries[name] = {"dtype": _DTYPE_NAMES[dtype], "shape": list(values.shape), "data_offsets": [position, end]}
        parts.append(data)
        position = end
    header = json.dumps(entries, separators=(",", ":")).encode()
    header += b" " * (-len(header) % 8)
    return b"".join([len(header).to_bytes(8, "little"), header, *parts])


def decode_perturbation(
    content: bytes | memoryview, path: str, tensor: str = TENSOR, *, read_header: HeaderReader | None = None
) -> Integers:
    """Return the one tensor of a safetensors file as a view of `content`.

    tensor: its name, "" for any. read_header: parses a header, by default `read_any_header`.
    Raises RefusedArtifact or InvalidSubmission.
    """
    entry = _only_entry(open_tensors(content, visible(path), read_header=read_header), visible(path), tensor)
    values: Integers = view_tensor(content, entry, PERTURBATION_DTYPES[entry.dtype])
    return values


def open_tensors(
    content: bytes | bytearray | memoryview,
    where: str,
    *,
    size: int | None = None,
    read_header: HeaderReader | None = None,
) -> list[TensorEntry]:
    """Return what the header of a safetensors file declares, checked; no tensor is looked at.

    size: bytes of the whole file, where `content` is its start alone. where: the file's name in messages.
    Raises RefusedArtifact.
    """
    size = len(content) if size is None else size
    length = int.from_bytes(content[:8], "little")
    if size < 8 or not 2 <= length <= size - 8 or content[8:9] != b"{":
        raise RefusedArtifact(f"{where}: {_what_it_looks_like(bytes(content[:512]), length, size)}")
    if length > HEADER_LIMIT_BYTES:
        raise RefusedArtifact(f"{where}: header of {length} bytes is too large, at most {HEADER_LIMIT_BYTES} are read")
    try:
        return (read_header or read_any_header)(bytes(content[8 : 8 + length]), size - 8 - length)
    except HeaderError as error:
        raise RefusedArtifact(f"{where}: {visible(str(error), 400)}; write it with a safetensors library") from error


def view_tensor(content: bytes | memoryview, entry: TensorEntry, dtype: np.dtype[Any]) -> NDArray[Any]:
    """Return one declared tensor as a read-only view of the file's content."""
    start = 8 + int.from_bytes(content[:8], "little") + entry.begin
    values = np.frombuffer(content, dtype, count=(entry.end - entry.begin) // dtype.itemsize, offset=start)
    return values.reshape(entry.shape)


def read_any_header(header: bytes, data_bytes: int) -> list[TensorEntry]:
    """Parse a safetensors header: a short one here, for it cannot cost much, and any other in a child process.

    Raises what parse_header and read_header_apart raise.
    """
    if len(header) <= SHORT_HEADER_BYTES:
        return safetensors_header.parse_header(header, data_bytes)
    return read_header_apart(header, data_bytes)


def read_header_apart(header: bytes, data_bytes: int) -> list[TensorEntry]:
    """Parse a safetensors header in a child process with memory and time limits.

    Raises HeaderError, RefusedArtifact where the child broke a limit, EnvironmentProblem where none can be started.
    """
    program = [sys.executable, "-I", "-S", safetensors_header.__file__]
    environment = {name: os.environ[name] for name in ("LD_LIBRARY_PATH",) if name in os.environ}
    request = data_bytes.to_bytes(8, "little") + header
    try:
        child = subprocess.run(
            program, input=request, capture_output=True, timeout=HEADER_SECONDS, env=environment, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise RefusedArtifact(f"header takes longer than {HEADER_SECONDS} s to parse") from error
    except OSError as error:
        raise EnvironmentProblem(f"no process can be started to parse a header: {error.strerror}") from error
    if child.returncode != 0:
        raise RefusedArtifact(f"header breaks the limits of its parser (exit status {child.returncode})")
    return _entries(json.loads(child.stdout))


def check_suffix(path: str) -> None:
    """Raise RefusedArtifact unless a path ends as safetensors files do."""
    if not path.endswith(SUFFIX):
        raise RefusedArtifact(
            f"{quoted(path)} does not end in {SUFFIX}; other formats can run code when they are opened, "
            "so only safetensors files are taken; submissions/README.md shows how to write one"
        )
    if path.split("/", maxsplit=1)[0] == "results":
        raise RefusedArtifact(f"{quoted(path)} lies in results/, which evaluations write; put it elsewhere")


def _entries(verdict: dict[str, Any]) -> list[TensorEntry]:
    if "refused" in verdict:
        raise HeaderError(verdict["refused"])
    return [TensorEntry(**{**entry, "shape": tuple(entry["shape"])}) for entry in verdict["tensors"]]


def _only_entry(entries: list[TensorEntry], where: str, tensor: str) -> TensorEntry:
    names = [entry.name for entry in entries]
    if names != [tensor] and (tensor or len(names) != 1):
        found = ", ".join(quoted(name, 40) for name in names[:5])
        expected = f"the one tensor {quoted(tensor)}" if tensor else "one tensor"
        raise InvalidSubmission(f"{where}: expected {expected}, found {len(names)}: {found}")
    entry = entries[0]
    if entry.dtype not in PERTURBATION_DTYPES:
        raise InvalidSubmission(f"{where}: expected dtype int8 (I8) in 1/255 units, got {entry.dtype}")
    return entry


_LOOKS = (
    (re.compile(rb"\x80[\x02-\x05]"), "looks like a pickle"),
    (re.compile(rb"[c(][A-Za-z_][\w.]*\n[\w.]+\n|[(\]})][lpdt]?p0\n|\(lp0|\(dp0"), "looks like a pickle"),
    (re.compile(rb"PK\x03\x04|PK\x05\x06"), "looks like a zip archive (.pt and .npz files are)"),
    (re.compile(rb"\x93NUMPY"), "looks like a numpy .npy file"),
    (re.compile(rb"\x1f\x8b|BZh|\xfd7zXZ|\x28\xb5\x2f\xfd"), "looks like a compressed file"),
    (re.compile(rb"\x89HDF"), "looks like an HDF5 file"),
    (re.compile(rb"version https://git-lfs"), "looks like a Git LFS pointer, not the file itself (run `git lfs pull`)"),
)


def _what_it_looks_like(start: bytes, header_bytes: int, size: int) -> str:
    for pattern, words in _LOOKS:
        if pattern.match(start):
            return f"{words}, not a safetensors file; it was not opened"
    if start[8:9] == b"{":
        return f"is truncated: claims a header of {header_bytes} bytes, the file has {size} bytes"
    return "is not a safetensors file; submissions/README.md shows how to write one"
