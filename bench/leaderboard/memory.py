"""Memory: what was worked out from the same inputs before, kept beside the digest of those inputs.

May import pydantic and the records; never torch. A value has one place, `<code>/<board>/<name>.json`, which the next
one takes over: what did not have to be looked at in a rendering is still there for the one after it.
"""

import hashlib
import shutil
import zlib
from collections.abc import Callable, Collection
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any, TypeVar, cast

from pydantic import TypeAdapter, ValidationError

from bench.files import remove_leftovers, write_atomically
from bench.records import canonical_bytes

FOLDER = "memory"

Value = TypeVar("Value")


class Memory:
    """Values by their inputs: those of this process, and those of earlier ones where there is a folder.

    code: digest of the code that works them out.
    """

    def __init__(self, folder: Path | None = None, *, code: str = "") -> None:
        self._all = folder / FOLDER if folder else None
        self._folder = self._all / (code[:16] or "any") if self._all else None
        self._code = code
        self._values: dict[str, object] = {}
        self._used: set[Path] = set()

    @property
    def lasts(self) -> bool:
        """Whether other processes will find what this one works out."""
        return self._folder is not None

    def recall(self, place: str, inputs: Any, kind: Any, work_out: Callable[[], Value]) -> Value:
        """Return the value of a place for these inputs (a JSON value), worked out unless it is known.

        place: `<board>/<name>`, or `<board>/<name>/<part>` for several values of a name. kind: the type of the value,
        which pydantic can write and read, or bytes, which are kept as they are.
        """
        key = hashlib.sha256(canonical_bytes([self._code, place, inputs])).hexdigest()
        if key not in self._values:
            self._values[key] = self._kept(place, key, kind, work_out)
        return cast("Value", self._values[key])

    def at_hand(self, name: str, work_out: Callable[[], Value]) -> Value:
        """Return what was worked out once for this reading of the sources; it is not kept for another one."""
        if name not in self._values:
            self._values[name] = work_out()
        return cast("Value", self._values[name])

    def _kept(self, place: str, key: str, kind: Any, work_out: Callable[[], Value]) -> object:
        if self._folder is None:
            return work_out()
        path = self._folder / f"{place}.json"
        self._used.add(path)
        with suppress(OSError, ValidationError):
            found, _, value = path.read_bytes().partition(b"\n")
            if found == _heading(key, value):
                return value if kind is bytes else _adapter(kind).validate_json(value)
        made = work_out()
        with suppress(OSError):  # a memory that cannot be written costs time, nothing else
            written = made if isinstance(made, bytes) else _adapter(kind).dump_json(made)
            write_atomically(path, _heading(key, written) + b"\n" + written)
        return made

    def forget_others(self, boards: Collection[str]) -> None:
        """Delete from the folder what other code worked out, what is about other boards, and parts that were not used.

        Parts of a name count as not used only where this process used others of them.
        """
        if self._all is None or self._folder is None or not self._all.is_dir():
            return
        _keep(self._all, {self._folder})
        _keep(self._folder, {self._folder / board for board in boards})
        for folder in {path.parent for path in self._used}:
            if folder.parent.parent == self._folder:
                _keep(folder, self._used)
            with suppress(FileNotFoundError):
                remove_leftovers(folder)


def _heading(key: str, value: bytes) -> bytes:
    """Return the first line of a file: what it was made from, and a checksum against what disks do."""
    return f"{key} {zlib.crc32(value):08x}".encode()


@cache
def _adapter(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(kind)


def _keep(folder: Path, kept: Collection[Path]) -> None:
    """Delete what is in a folder and not to be kept; leave alone what somebody is writing."""
    with suppress(OSError):  # as above
        for path in folder.iterdir():
            if path in kept or path.suffix == ".tmp":
                continue
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)
