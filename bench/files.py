"""Files written whole or not at all.

May import the standard library and bench.locking.

A file is written under a temporary name beside its place, `.<name>.<random>.tmp`, brought onto the disk, and renamed.
Its writer holds a lock on it meanwhile, so that what a killed writer left can be told from what is being written.
"""

import os
import tempfile
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


def remove_leftovers(folder: Path) -> list[Path]:
    """Remove what killed writers left in a folder, not in those below it; return what was removed.

    Files that are being written are left alone, whoever writes them. Raises OSError.
    """
    return [path for path in sorted(folder.glob(f".*{SUFFIX}")) if _remove_abandoned(path)]


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
    """Remove a temporary file unless its writer holds it; say whether it was removed."""
    if path.is_symlink() or not path.is_file():
        return False
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    except FileNotFoundError:
        return False
    try:
        abandoned = lock_now(descriptor)
        if abandoned:
            path.unlink(missing_ok=True)
        return abandoned
    finally:
        os.close(descriptor)


def _sync_folder(folder: Path) -> None:
    """Bring a rename onto the disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
