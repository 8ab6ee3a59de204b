"""read_untrusted: the bytes of a file that somebody else wrote, and of no other file.

May import bench.errors and bench.problems. Nothing is parsed here.
"""

import errno
import hashlib
import os
import stat
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path

from bench.errors import RefusedArtifact
from bench.problems import quoted, visible

ENTRY_LIMIT = 20_000
"""A submission's folder with more files and folders than this is refused."""

DEPTH_LIMIT = 16
"""Folders inside folders of a submission."""

PART_LIMIT_BYTES = 120
"""Bytes of one name in a path; every file system in use takes 255, copies and temporary files add to it."""

_CHUNK_BYTES = 8 * 1024 * 1024
_NOT_IN_NAMES = frozenset('<>:"|?*\\')
_DEVICE_NAMES = frozenset({"aux", "con", "nul", "prn", *(f"{name}{n}" for name in ("com", "lpt") for n in "123456789")})


class UntrustedFile:
    """A regular file, open and of a known size; it is read once, from its start to its end.

    size: in bytes, when it was opened. Every byte that is passed goes into the digest.
    """

    def __init__(self, descriptor: int, where: str, limit: int) -> None:
        self._descriptor, self._where = descriptor, where
        self._status = os.fstat(descriptor)
        if not stat.S_ISREG(self._status.st_mode):
            kind = _kind(self._status.st_mode)
            raise RefusedArtifact(f"{where} is not a regular file but a {kind}; put a regular file there")
        self.size = self._status.st_size
        if self.size > limit:
            raise RefusedArtifact(f"{where} is too large: {self.size} bytes, at most {limit} are read")
        self._left, self._sha256 = self.size, hashlib.sha256()

    def read(self, count: int) -> bytearray:
        """Return the next `count` bytes, fewer at the end of the file. Raises RefusedArtifact."""
        content = bytearray(min(count, self._left))
        self.read_into(memoryview(content))
        return content

    def read_into(self, view: memoryview) -> None:
        """Fill a buffer with the next bytes, which must be there. Raises RefusedArtifact."""
        filled = 0
        while filled < len(view):
            got = os.readv(self._descriptor, [view[filled : filled + _CHUNK_BYTES]])
            if got == 0:
                raise self._changed()
            self._sha256.update(view[filled : filled + got])
            filled += got
        self._left -= filled

    def skip(self) -> None:
        """Pass over all that is left, keeping none of it. Raises RefusedArtifact."""
        while self._left:
            self.read(_CHUNK_BYTES)

    def finish(self) -> str:
        """Return the hex SHA-256 of the whole file, once all of it was passed.

        Raises RefusedArtifact where the file is not the one that was opened any more: longer, or written to meanwhile.
        """
        assert self._left == 0, "the digest is of the whole file"
        now = os.fstat(self._descriptor)
        before = (self._status.st_size, self._status.st_mtime_ns, self._status.st_ctime_ns)
        if os.read(self._descriptor, 1) or (now.st_size, now.st_mtime_ns, now.st_ctime_ns) != before:
            raise self._changed()
        return self._sha256.hexdigest()

    def _changed(self) -> RefusedArtifact:
        return RefusedArtifact(f"{self._where} changed while it was read; try again when nothing writes to it")


@contextmanager
def open_untrusted(folder: Path, path: str, limit: int) -> Iterator[UntrustedFile]:
    """Open the regular file `path` inside `folder` for one reading.

    Raises RefusedArtifact where the path leaves the folder or goes through a link, where the file is not a regular one
    or is larger than `limit` bytes; FileNotFoundError where there is none.
    """
    descriptor = _open_inside(folder, path)
    try:
        yield UntrustedFile(descriptor, f"{visible(str(folder))}/{visible(path)}", limit)
    finally:
        os.close(descriptor)


def read_untrusted(folder: Path, path: str, limit: int) -> bytearray:
    """Return the content of the regular file `path` inside `folder`, read once.

    Raises as `open_untrusted` does, and RefusedArtifact where the file changes while it is read.
    """
    with open_untrusted(folder, path, limit) as file:
        content = file.read(file.size)
        file.finish()
    return content


def place_inside(folder: Path, path: str) -> Path:
    """Return where a file named by somebody else may be written: inside `folder`, through no link, over no link.

    Raises RefusedArtifact.
    """
    place = folder
    for part in path_parts(path):
        place = place / part
        if place.is_symlink():
            raise RefusedArtifact(f"{quoted(path)} is or goes through a symbolic link; remove the link")
    return place


def path_parts(path: str) -> tuple[str, ...]:
    """Return the parts of a relative path. Raises RefusedArtifact unless each is a plain name."""
    parts = tuple(path.split("/"))
    if path.startswith("/"):
        raise RefusedArtifact(f"{quoted(path)} is an absolute path; write it relative to the submission's folder")
    if ".." in parts:
        raise RefusedArtifact(f"{quoted(path)} goes up with '..'; artifacts lie inside the submission's folder")
    if any(part in ("", ".") or "\\" in part or not part.isprintable() for part in parts):
        raise RefusedArtifact(f"{quoted(path)} is not a plain relative path; write it as 'folder/name.safetensors'")
    for part in parts:
        if reason := _unportable(part):
            raise RefusedArtifact(f"{quoted(path)} {reason}; choose names of a-z, 0-9, '-', '_' and '.'")
    return parts


def _unportable(part: str) -> str:
    """Return why a name means another file, or none, on other systems; "" where it does not."""
    if _NOT_IN_NAMES & set(part) or part != part.strip() or part.endswith("."):
        return "holds a character that some systems drop or refuse"
    if part.split(".", maxsplit=1)[0].casefold() in _DEVICE_NAMES:
        return "is the name of a device on some systems"
    if unicodedata.normalize("NFKC", part) != part:
        return "is spelled with characters that some systems replace"
    return "has a name that is too long" if len(part.encode()) > PART_LIMIT_BYTES else ""


def list_entries(folder: Path, limit: int = ENTRY_LIMIT) -> Iterator[tuple[str, int]]:
    """Yield relative path and mode of everything below a folder, by name, following no link and opening no file.

    Raises RefusedArtifact after `limit` entries, below DEPTH_LIMIT folders, and where a folder cannot be listed.
    """
    pending, count = [""], 0
    while pending:
        prefix = pending.pop()
        entries = _entries(folder, prefix, limit - count)
        count += len(entries)
        if count > limit:
            raise RefusedArtifact(
                f"{visible(str(folder))} holds more than {limit} files; a submission is a manifest and artifacts"
            )
        for path, mode in entries:
            yield path, mode
            if stat.S_ISDIR(mode):
                pending.append(f"{path}/")


def _entries(folder: Path, prefix: str, limit: int) -> list[tuple[str, int]]:
    """Return path and mode of what lies in one folder, by name; of more than `limit`, one more than that."""
    if prefix.count("/") > DEPTH_LIMIT:
        raise RefusedArtifact(
            f"{visible(str(folder))}/{visible(prefix)} lies more than {DEPTH_LIMIT} folders deep; remove it"
        )
    try:
        with os.scandir(folder / prefix) as scan:
            return sorted(
                (f"{prefix}{entry.name}", entry.stat(follow_symlinks=False).st_mode)
                for entry in islice(scan, limit + 1)
            )
    except OSError as error:
        where = f"{visible(str(folder))}/{visible(prefix)}"
        raise RefusedArtifact(f"{where} cannot be listed ({error.strerror}); correct it or remove it") from error


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


def _kind(mode: int) -> str:
    kinds = {stat.S_IFIFO: "FIFO", stat.S_IFDIR: "folder", stat.S_IFSOCK: "socket", stat.S_IFCHR: "device"}
    return kinds.get(stat.S_IFMT(mode), "device")
