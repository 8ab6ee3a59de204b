"""Reads a released file in a confined process (bench.importing.child) and checks what comes back.

May import numpy, bench.errors, records and the table of formats. Opens files, parses none.
"""

import json
import os
import stat
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Literal

import numpy as np
from numpy.typing import NDArray

from bench.errors import EnvironmentProblem, InvalidSubmission, RefusedArtifact, UsageProblem
from bench.importing import FORMATS, child
from bench.importing.confinement import CPU_LIMIT_SECONDS, memory_limit
from bench.importing.formats import Content, Format
from bench.problems import visible
from bench.registry import resolve
from bench.untrusted import list_entries, read_untrusted

FILE_LIMIT_BYTES = 2 * 1024**3
PICTURE_LIMIT_BYTES = 4 * 1024**2
WALL_SECONDS = 2 * CPU_LIMIT_SECONDS
_VERDICT_LIMIT_BYTES = 64 * 1024
_DTYPES = frozenset(
    f"{order}{code}"
    for order in "<>|"
    for code in ("b1", *(f"{k}{n}" for k in "iu" for n in "1248"), *("f2", "f4", "f8"))
)


@dataclass(frozen=True)
class Received:
    """What a file holds, by role, and whether the process that read it had no network (`none`) or only no way to it."""

    contents: dict[str, Content]
    network: Literal["none", "open"]


def read_apart(name: str, files: Mapping[str, Path], *, trust_pickle: bool) -> Received:
    """Read a released file, and what belongs to it, in a confined process.

    files: by role, `data` first. Raises UsageProblem; RefusedArtifact for a pickle without `trust_pickle` and for what
    is unsafe; InvalidSubmission for what cannot be read; EnvironmentProblem where no process can be started.
    """
    chosen: Format = resolve("format", name, FORMATS)
    if chosen.pickled and not trust_pickle:
        raise RefusedArtifact(
            f"{name} files are pickles, which can run code when they are opened; nothing was opened\n"
            "  with --trust-pickle it is read in a confined process, as data, by a reader that imports nothing it names"
        )
    surplus = sorted(files.keys() - {"data", *chosen.roles})
    if surplus:
        raise UsageProblem(f"format {name} takes no --{surplus[0]}; formats that do: npy")
    with ExitStack() as stack:
        opened = {role: stack.enter_context(_opened(path, chosen)) for role, path in files.items()}
        arrays, verdict = (stack.enter_context(tempfile.TemporaryFile()) for _ in range(2))
        _run(name, opened, arrays, verdict)
        return _received(_verdict(verdict, files["data"]), arrays)


@contextmanager
def _opened(path: Path, chosen: Format) -> Iterator[int]:
    """Open a regular file without following a link; a folder of pictures is packed into an archive first."""
    if path.is_dir() and not path.is_symlink():
        if not chosen.folder:
            raise UsageProblem(f"{path} is a folder; this format is one file")
        with tempfile.TemporaryFile() as file:
            _pack(path, file)
            yield file.fileno()
        return
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY)
    except FileNotFoundError as error:
        raise UsageProblem(f"{path}: no such file") from error
    except OSError as error:
        raise RefusedArtifact(
            f"{path} cannot be opened, or is a link ({error.strerror}); name the file itself"
        ) from error
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise RefusedArtifact(f"{path} is not a regular file")
        if status.st_size > FILE_LIMIT_BYTES:
            raise RefusedArtifact(f"{path} is too large: {status.st_size} bytes, at most {FILE_LIMIT_BYTES} are read")
        yield descriptor
    finally:
        os.close(descriptor)


def _pack(folder: Path, file: IO[bytes]) -> None:
    """Pack the pictures of a folder, links refused, so that the confined process needs to open nothing."""
    left = FILE_LIMIT_BYTES
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        for path in _pictures(folder):
            content = bytes(read_untrusted(folder, path, min(left, PICTURE_LIMIT_BYTES)))
            archive.writestr(path, content)
            left -= len(content)
    file.flush()
    file.seek(0)


def _pictures(folder: Path) -> list[str]:
    """Return the pictures below a folder, relative."""
    return [
        path
        for path, mode in list_entries(folder, limit=PICTURE_COUNT)
        if path.endswith(".png") and not stat.S_ISDIR(mode)
    ]


PICTURE_COUNT = 2_000_000


def _run(name: str, opened: Mapping[str, int], arrays: IO[bytes], verdict: IO[bytes]) -> None:
    request = {"format": name, "files": dict(opened), "arrays": arrays.fileno(), "verdict": verdict.fileno()}
    program = [sys.executable, "-I", "-B", child.__file__, json.dumps(request)]
    environment = {key: os.environ[key] for key in ("LD_LIBRARY_PATH",) if key in os.environ}
    # One thread: a process with several can leave no namespace.
    environment |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    kept = (*opened.values(), arrays.fileno(), verdict.fileno())
    quiet = subprocess.DEVNULL
    try:
        done = subprocess.run(
            program, stdin=quiet, stdout=quiet, stderr=quiet, env=environment, cwd="/", pass_fds=kept,
            timeout=WALL_SECONDS, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired as error:
        raise RefusedArtifact(f"file: takes longer than {WALL_SECONDS} s to read") from error
    except OSError as error:
        raise EnvironmentProblem(f"no process can be started to read the file: {error.strerror}") from error
    if done.returncode != 0:
        size = sum(os.fstat(descriptor).st_size for descriptor in opened.values())
        raise RefusedArtifact(
            f"file: the process that reads it ended with status {done.returncode}; "
            f"its limits are {memory_limit(size)} bytes of memory and {CPU_LIMIT_SECONDS} s"
        )


def _verdict(file: IO[bytes], path: Path) -> dict[str, Any]:
    file.seek(0)
    try:
        report: dict[str, Any] = json.loads(file.read(_VERDICT_LIMIT_BYTES + 1))
        if "error" not in report:
            return report
        text, code = str(report["error"]), report["exit_code"]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise RefusedArtifact(f"{path}: the process that reads it gave no sensible answer") from error
    message = f"{path}: {visible(text, 1000)}"
    raise InvalidSubmission(message) if code == InvalidSubmission.exit_code else RefusedArtifact(message)


def _received(report: dict[str, Any], arrays: IO[bytes]) -> Received:
    """Return what the process handed back; nothing of it is believed before it is checked against the file's size."""
    try:
        contents = {
            str(role): Content(
                _array(part["values"], arrays),
                None if part["labels"] is None else _numbers(part["labels"], arrays),
                None if part["index"] is None else _numbers(part["index"], arrays),
                part["within_class"] is True,
                part["meaning"] if part["meaning"] in ("delta", "images") else "either",
            )
            for role, part in report["contents"].items()
        }
        return Received(contents, "none" if report["network"] == "none" else "open")
    except (KeyError, TypeError, AttributeError, ValueError, OverflowError) as error:
        raise RefusedArtifact("file: the process that reads it gave no sensible answer") from error


def _array(entry: dict[str, Any], file: IO[bytes]) -> NDArray[Any]:
    shape, begin = tuple(entry["shape"]), entry["begin"]
    whole = all(type(number) is int and number >= 0 for number in (*shape, begin))
    if entry["dtype"] not in _DTYPES or not whole or not 1 <= len(shape) <= 6:
        raise ValueError("not an array")
    dtype, size = np.dtype(entry["dtype"]), 1
    for length in shape:
        size *= length
    if size == 0 or begin + size * dtype.itemsize > os.fstat(file.fileno()).st_size:
        raise ValueError("not in the file")
    return np.memmap(file, dtype, mode="r", offset=begin, shape=shape)


def _numbers(entry: dict[str, Any], file: IO[bytes]) -> NDArray[np.int64]:
    found = np.array(_array(entry, file))
    if found.ndim != 1 or found.dtype != np.int64:
        raise ValueError("not a list of numbers")
    return found
