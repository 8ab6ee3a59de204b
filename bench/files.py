"""Files and folders written whole or not at all.

May import the standard library and bench.locking.

A file is written under a temporary name beside its place, `.<name>.<random>.tmp`, brought onto the disk, and renamed;
a folder likewise. Its writer holds a lock on it meanwhile, so that what a killed writer left can be told from what is
being written.
"""

import glob
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.locking import lock, lock_now

SUFFIX = ".tmp"


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file so that a reader sees all of it or the old one; parents are made.

    Once this returns, the file survives a loss of power. Raises OSError, which names the path.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        _write_beside(path, content)
    except OSError as error:
        if error.filename is None:  # as after a write to a full disk
            raise OSError(error.errno, error.strerror, str(path)) from error
        raise
    _sync_folder(path.parent)


def write_and_sweep(path: Path, content: bytes) -> None:
    """Write a file as `write_atomically` does, and remove what killed writers of the same file left. Raises OSError."""
    write_atomically(path, content)
    remove_leftovers(path.parent, path.name)


@contextmanager
def unfinished_folder(parent: Path, name: str) -> Iterator[Path]:
    """Yield a new folder to fill, for this user alone, and to rename to its place; it is removed where it stays.

    It is called `.<name>.<random>.tmp`, and `remove_leftovers` takes it once this process is gone. Raises OSError.
    """
    while True:
        made = Path(tempfile.mkdtemp(dir=parent, prefix=f".{name}.", suffix=SUFFIX))
        descriptor = os.open(made, os.O_RDONLY | os.O_DIRECTORY)
        lock(descriptor)
        if _names(made, descriptor):  # as with files, it looks abandoned until it is locked
            break
        os.close(descriptor)
    try:
        yield made
    finally:
        shutil.rmtree(made, ignore_errors=True)
        os.close(descriptor)


def remove_leftovers(folder: Path, name: str | None = None) -> list[Path]:
    """Remove what killed writers left in a folder, not in those below it; return what was removed.

    name: of the file or folder that was being written, None for all. What is being written is left alone, whoever
    writes it, and so is what belongs to another user. Raises OSError.
    """
    return [path for path in _temporaries(folder, name) if _remove_abandoned(path)]


def remove_all_leftovers(folder: Path) -> list[Path]:
    """Remove what killed writers left in a folder and in those below it, through no link. Raises OSError."""
    return [path for place, _, _ in os.walk(folder) for path in remove_leftovers(Path(place))]


def find_leftovers(folder: Path) -> list[Path]:
    """Return what killed writers left in a folder and in those below it, by path, and what is being written now."""
    return sorted(path for place, _, _ in os.walk(folder) for path in _temporaries(Path(place), None))


def _temporaries(folder: Path, name: str | None) -> list[Path]:
    return sorted(folder.glob(f".{glob.escape(f'{name}.') if name else ''}*{SUFFIX}"))


def _write_beside(path: Path, content: bytes) -> None:
    descriptor, temporary = _temporary(path)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fchmod(descriptor, 0o644)
            os.fsync(descriptor)
            # Renamed while it is open, because closing it gives up the lock.
            temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def _temporary(path: Path) -> tuple[int, Path]:
    """Return a new file beside a path, open and, where the file system can, locked."""
    while True:
        descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=SUFFIX)
        # Waits for nobody but `remove_leftovers`: between creation and lock the file looks abandoned.
        lock(descriptor)
        if _names(Path(name), descriptor):
            return descriptor, Path(name)
        os.close(descriptor)


def _names(path: Path, descriptor: int) -> bool:
    """Say whether a path is that of an open file."""
    try:
        return os.path.samestat(path.stat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False


def _remove_abandoned(path: Path) -> bool:
    """Remove a temporary file or folder unless its writer holds it; say whether it was removed."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:  # gone meanwhile, a link, or somebody else's
        return False
    try:
        status = os.fstat(descriptor)
        kind = stat.S_IFMT(status.st_mode)
        ours = status.st_uid == os.getuid() and kind in (stat.S_IFREG, stat.S_IFDIR)
        if not ours or not lock_now(descriptor):
            return False
        if kind == stat.S_IFDIR:
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
        return True
    finally:
        os.close(descriptor)


def _sync_folder(folder: Path) -> None:
    """Bring a rename onto the disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
