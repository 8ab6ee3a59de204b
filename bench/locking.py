"""Locks that the system holds: they end with their holder, however it ends, and no clock decides about them.

May import the standard library alone.
"""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

try:
    import fcntl
except ImportError:  # not a POSIX system: files are still written whole, writers just do not wait for each other
    fcntl = None  # type: ignore[assignment]

_TAKEN = (errno.EAGAIN, errno.EACCES)


@contextmanager
def sole_writer(folder: Path) -> Iterator[None]:
    """Hold a folder, which is made where it is missing: another process that wants to hold it waits.

    The folder itself is locked, so nothing is left in it. Where a file system knows no such locks, nobody waits.
    Raises OSError where the folder cannot be made or opened.
    """
    folder.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        lock(descriptor)
        yield
    finally:
        os.close(descriptor)


def lock(descriptor: int) -> bool:
    """Lock an open file, waiting for whoever holds it; say whether this process holds it now.

    Closing the file releases it. False where the file system knows no locks.
    """
    return _lock(descriptor, wait=True)


def lock_now(descriptor: int) -> bool:
    """Lock an open file if nobody holds it; say whether this process holds it now. Closing the file releases it."""
    return _lock(descriptor, wait=False)


def _lock(descriptor: int, *, wait: bool) -> bool:
    if fcntl is None:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        # Held by another one, or a file system without locks, such as some network folders.
        if error.errno in (*_TAKEN, errno.EBADF, errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP):
            return False
        raise
    return True
