"""Opened: stored results that this process has open, read again only where there was no room to keep them.

Imports the records; never torch, never pandas.
"""

import hashlib
from collections import OrderedDict
from pathlib import Path

from bench.errors import CorruptResult
from bench.results import Result, Run
from bench.store import stored_bytes

OPEN_BYTES = 16 * 1024 * 1024
"""Bytes of results that a process keeps open, as they are written; in memory they take a few times as many.

A board looks at its results several times: of fewer than it has, each would be opened each time.
"""

Opened = tuple[bytes, Result, tuple[Run, ...]]
"""A result: the bytes of its document, the document, and the runs that found it."""


class OpenedResults:
    """The results that this process has open, those that were asked for last at the end."""

    def __init__(self) -> None:
        self._found: OrderedDict[tuple[str, str], Opened] = OrderedDict()
        self._bytes = 0

    def get(self, where: str, sha256: str) -> Opened:
        """Return a result that was checked before: its bytes, the document and its runs. Raises CorruptResult."""
        key = (where, sha256)
        found = self._found.get(key)
        if found is not None:
            self._found.move_to_end(key)
            return found
        document, recorded = stored_bytes(Path(where))
        if digest_of(document, recorded) != sha256:
            raise CorruptResult(f"{where}: changed while the site was built; build it again")
        runs = tuple(Run.model_validate_json(line) for line in recorded.splitlines())
        found = self._found[key] = document, Result.model_validate_json(document), runs
        self._bytes += len(document)
        while self._bytes > OPEN_BYTES and len(self._found) > 1:
            _, (left, _, _) = self._found.popitem(last=False)
            self._bytes -= len(left)
        return found


def digest_of(document: bytes, runs: bytes) -> str:
    """Return the hex SHA-256 of a document and of its runs."""
    sha = hashlib.sha256(document)
    sha.update(b"\0")
    sha.update(runs)
    return sha.hexdigest()


OPENED = OpenedResults()
"""Those of this process."""
