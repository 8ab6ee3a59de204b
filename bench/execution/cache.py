"""Finished cells on disk, under their keys, with where and when they were measured.

May import filelock, bench.errors, bench.records, bench.results and bench.store.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock
from pydantic import ValidationError

from bench.files import remove_leftovers, write_atomically
from bench.records import Record, canonical_bytes
from bench.results import AnyCell


class CachedCell(Record):
    """A measured cell and its provenance."""

    cell: AnyCell
    run: dict[str, Any]
    git_commit: str | None
    git_dirty: bool | None
    hardware: dict[str, str | int]
    software: dict[str, str]
    determinism: dict[str, str | int | bool]


@dataclass(frozen=True)
class CellCache:
    """The folder of finished cells. It can be deleted at any time: what is missing is measured again."""

    folder: Path

    def read(self, key: str) -> CachedCell | None:
        """Return a finished cell, None where there is none; a damaged or misplaced file counts as none."""
        try:
            found = CachedCell.model_validate_json(self._path(key).read_bytes())
        except (FileNotFoundError, ValidationError):
            return None
        return found if found.cell.key == key else None

    def write(self, cached: CachedCell) -> None:
        """Store a finished cell whole."""
        write_atomically(self._path(cached.cell.key), canonical_bytes(cached.model_dump(mode="json")) + b"\n")

    @contextmanager
    def lock(self, key: str) -> Iterator[None]:
        """Hold a cell's lock: of two processes that want one cell, the second waits and finds it finished.

        The system holds the lock, not the file: a file that a killed process left locks nothing.
        """
        path = self._path(key).with_suffix(".lock")
        path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(path):
            remove_leftovers(path.parent)
            yield

    def _path(self, key: str) -> Path:
        name = key.removeprefix("sha256:")
        return self.folder / name[:2] / f"{name}.json"
