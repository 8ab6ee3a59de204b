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
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
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
        for folder in dict.fromkeys(path.parent for path in files):
            folder.mkdir(parents=True, exist_ok=True)
        for path, content in files.items():
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
    share = -(-len(items) // AT_ONCE)
    parts = [items[start : start + share] for start in range(0, len(items), share)]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        for _ in pool.map(partial(_one_by_one, work), parts):
            pass


def _one_by_one(work: Callable[[Item], None], items: Sequence[Item]) -> None:
    for item in items:
        work(item)


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
