"""Memory: what was worked out from the same inputs before, kept as JSON under the digest of those inputs.

May import pydantic and the records; never torch.
"""

import hashlib
from collections.abc import Callable
from contextlib import suppress
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
        self._folder = folder / FOLDER if folder else None
        self._code = code
        self._values: dict[str, object] = {}

    def recall(self, name: str, inputs: Any, kind: Any, work_out: Callable[[], Value]) -> Value:
        """Return the value of `name` for these inputs (a JSON value), worked out unless it is known.

        kind: its type, which pydantic can write and read.
        """
        key = hashlib.sha256(canonical_bytes([self._code, name, inputs])).hexdigest()
        if key not in self._values:
            self._values[key] = self._kept(key, kind, work_out)
        return cast("Value", self._values[key])

    def at_hand(self, name: str, work_out: Callable[[], Value]) -> Value:
        """Return what was worked out once for this reading of the sources; it is not kept for another one."""
        if name not in self._values:
            self._values[name] = work_out()
        return cast("Value", self._values[name])

    def _kept(self, key: str, kind: Any, work_out: Callable[[], Value]) -> object:
        if self._folder is None:
            return work_out()
        path, adapter = self._folder / f"{key}.json", TypeAdapter(kind)
        with suppress(OSError, ValidationError):
            return adapter.validate_json(path.read_bytes())
        value = work_out()
        with suppress(OSError):  # a memory that cannot be written costs time, nothing else
            write_atomically(path, adapter.dump_json(value))
        return value

    def forget_others(self) -> None:
        """Delete from the folder what this process neither recalled nor worked out."""
        if self._folder is None or not self._folder.is_dir():
            return
        remove_leftovers(self._folder)
        for path in self._folder.glob("*.json"):
            if path.stem not in self._values:
                path.unlink(missing_ok=True)
