"""read_untrusted: the bytes of a file that somebody else wrote, and of no other file.

May import bench.errors and bench.problems. Nothing is parsed here.
"""

import errno
import os
import stat
from collections.abc import Iterator
from pathlib import Path

from bench.errors import RefusedArtifact
from bench.problems import quoted, visible

ENTRY_LIMIT = 20_000
"""A submission's folder with more files and folders than this is refused."""

_CHUNK_BYTES = 8 * 1024 * 1024


def read_untrusted(folder: Path, path: str, limit: int) -> bytearray:
    """Return the content of the regular file `path` inside `folder`, read once.

    Raises RefusedArtifact where the path leaves the folder or goes through a link, where the file is not a regular one,
    is larger than `limit` bytes or changes while it is read; FileNotFoundError where there is none.
    """
    descriptor = _open_inside(folder, path)
    try:
        return _read_all(descriptor, f"{folder}/{visible(path)}", limit)
    finally:
        os.close(descriptor)


def path_parts(path: str) -> tuple[str, ...]:
    """Return the parts of a relative path. Raises RefusedArtifact unless each is a plain name."""
    parts = tuple(path.split("/"))
    if path.startswith("/"):
        raise RefusedArtifact(f"{quoted(path)} is an absolute path; write it relative to the submission's folder")
    if ".." in parts:
        raise RefusedArtifact(f"{quoted(path)} goes up with '..'; artifacts lie inside the submission's folder")
    if any(part in ("", ".") or "\\" in part or not part.isprintable() for part in parts):
        raise RefusedArtifact(f"{quoted(path)} is not a plain relative path; write it as 'folder/name.safetensors'")
    return parts


def list_entries(folder: Path, limit: int = ENTRY_LIMIT) -> Iterator[tuple[str, int]]:
    """Yield relative path and mode of everything below a folder, by name, following no link and opening no file.

    Raises RefusedArtifact after `limit` entries.
    """
    pending, count = [""], 0
    while pending:
        prefix = pending.pop()
        with os.scandir(folder / prefix) as scan:
            entries = sorted(scan, key=lambda entry: entry.name)
        count += len(entries)
        if count > limit:
            raise RefusedArtifact(f"{folder} holds more than {limit} files; a submission is a manifest and artifacts")
        for entry in entries:
            path = f"{prefix}{entry.name}"
            yield path, entry.stat(follow_symlinks=False).st_mode
            if entry.is_dir(follow_symlinks=False):
                pending.append(f"{path}/")


def _open_inside(folder: Path, path: str) -> int:
    """Open a file by walking down from the folder, one directory descriptor at a time, following no link."""
    *directories, name = path_parts(path)
    current = _open(os.fspath(folder), os.O_DIRECTORY, None, str(folder))
    try:
        for directory in directories:
            below = _open(directory, os.O_DIRECTORY, current, path)
            os.close(current)
            current = below
        return _open(name, os.O_NONBLOCK, current, path)
    finally:
        os.close(current)


def _open(name: str, flags: int, parent: int | None, path: str) -> int:
    try:
        return os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NOCTTY | flags, dir_fd=parent)
    except FileNotFoundError:
        raise
    except OSError as error:
        link = error.errno in (errno.ELOOP, errno.ENOTDIR)
        reason = (
            "is or goes through a symbolic link, or is no folder" if link else f"cannot be opened ({error.strerror})"
        )
        raise RefusedArtifact(f"{quoted(path)} {reason}; put a regular, readable file there") from error


def _read_all(descriptor: int, where: str, limit: int) -> bytearray:
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):
        raise RefusedArtifact(f"{where} is not a regular file but a {_kind(status.st_mode)}; put a regular file there")
    if status.st_size > limit:
        raise RefusedArtifact(f"{where} is too large: {status.st_size} bytes, at most {limit} are read")
    content = bytearray(status.st_size)
    filled, view = 0, memoryview(content)
    while filled < len(content):
        count = os.readv(descriptor, [view[filled : filled + _CHUNK_BYTES]])
        if count == 0:
            break
        filled += count
    if filled != len(content) or os.read(descriptor, 1) or os.fstat(descriptor).st_size != len(content):
        raise RefusedArtifact(f"{where} changed its size while it was read; try again when nothing writes to it")
    return content


def _kind(mode: int) -> str:
    kinds = {stat.S_IFIFO: "FIFO", stat.S_IFDIR: "folder", stat.S_IFSOCK: "socket", stat.S_IFCHR: "device"}
    return kinds.get(stat.S_IFMT(mode), "device")
