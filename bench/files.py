"""Files written whole or not at all.

May import the standard library and bench.locking.

A file is written under a temporary name beside its place, `.<name>.<random>.tmp`, brought onto the disk, and renamed.
Its writer holds a lock on it meanwhile, so that what a killed writer left can be told from what is being written.
"""

import os
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from bench.locking import lock, lock_now

SUFFIX = ".tmp"

AT_ONCE = 16
"""Files that are brought onto the disk side by side; a disk takes many in the time that it takes one."""

Item = TypeVar("Item")


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file so that a reader sees all of it or the old one; parents are made.

    Once this returns, the file survives a loss of power. Raises OSError, which names the path.
    """
    write_together({path: content})


def write_together(files: Mapping[Path, bytes]) -> None:
    """Write several files, each as `write_atomically` does, in the time of a few.

    The bytes of all are on the disk before the first has its name. Raises OSError, which names the path; files that
    have no name by then are left as they were. As many are open at once, so callers hand over hundreds at most.
    """
    beside: list[_Beside] = []
    try:
        for path, content in files.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            with _naming(path):
                beside.append(_Beside(path))
                beside[-1].fill(content)
        _side_by_side(_Beside.sync, beside)
        for item in beside:
            item.give_name()
    finally:
        for item in beside:
            item.close()
    _side_by_side(_sync_folder, sorted({path.parent for path in files}))


def remove_leftovers(folder: Path) -> list[Path]:
    """Remove what killed writers left in a folder, not in those below it; return what was removed.

    Files that are being written are left alone, whoever writes them. Raises OSError.
    """
    return [path for path in sorted(folder.glob(f".*{SUFFIX}")) if _remove_abandoned(path)]


@contextmanager
def _naming(path: Path) -> Iterator[None]:
    """Let an error of the system name the file, as after a write to a full disk."""
    try:
        yield
    except OSError as error:
        if error.filename is None:
            raise OSError(error.errno, error.strerror, str(path)) from error
        raise


class _Beside:
    """A file under a temporary name beside its place, locked while it is open."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor, self._temporary = _temporary(path)
        self._named = False

    def fill(self, content: bytes) -> None:
        """Write all of it."""
        rest = memoryview(content)
        while rest:
            rest = rest[os.write(self._descriptor, rest) :]
        os.fchmod(self._descriptor, 0o644)

    def sync(self) -> None:
        """Bring the bytes onto the disk."""
        with _naming(self._path):
            os.fsync(self._descriptor)

    def give_name(self) -> None:
        """Put it in its place, while it is open: closing it gives up the lock."""
        with _naming(self._path):
            self._temporary.replace(self._path)
            self._named = True

    def close(self) -> None:
        """Let go of it; without its name it goes."""
        if not self._named:
            self._temporary.unlink(missing_ok=True)
        os.close(self._descriptor)


def _side_by_side(work: Callable[[Item], None], items: Sequence[Item]) -> None:
    """Do the same with each item, in threads where that is worth it; raise the error of the first that has one."""
    if len(items) < AT_ONCE:
        for item in items:
            work(item)
        return
    with ThreadPoolExecutor(AT_ONCE) as pool:
        for _ in pool.map(work, items):
            pass


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
