"""Confines the process that reads a released file: limits, no network, and no way out of Python.

Imports the standard library alone. bench.importing.child calls these in the order in which they stand here.
"""

import ctypes
import sys
from typing import Any, NoReturn

from bench.errors import RefusedArtifact

MEMORY_LIMIT_BYTES = 4 * 1024**3
MEMORY_BASE_BYTES = 512 * 1024**2
MEMORY_FACTOR = 6
"""Bytes of memory for each byte of a file: it is read, taken apart, put together as an array, and written."""

OUTPUT_LIMIT_BYTES = 4 * 1024**3
CPU_LIMIT_SECONDS = 300

_NEW_USER_AND_NETWORK = 0x10000000 | 0x40000000
_NO_NEW_PRIVILEGES = 38

HARMLESS = frozenset(
    {
        "array.__new__",
        "builtins.id",
        "compile",
        "mmap.__new__",
        "object.__delattr__",
        "object.__getattr__",
        "object.__setattr__",
        "pickle.find_class",
        "sys._getframe",
    }
)
"""The audited operations that reading data needs. Opening, importing, connecting and starting are not among them.

`compile` is how numpy parses a header as a literal; running what was compiled is `exec`, and refused.
"""

PRELOADED = ("ast", "encodings.cp437", "tokenize")
"""What readers load while they read: numpy for headers, zipfile for names. Later nothing can be loaded."""


def memory_limit(file_bytes: int) -> int:
    """Return how much memory, in bytes, the reader of a file of this size gets: a small file needs little."""
    return min(MEMORY_LIMIT_BYTES, MEMORY_BASE_BYTES + MEMORY_FACTOR * file_bytes)


def limit_process(memory_bytes: int = MEMORY_LIMIT_BYTES) -> None:
    """Limit memory, processor time, file size and processes, for good."""
    import resource  # noqa: PLC0415 (not on Windows, and needed by the child process alone)

    limits = {
        resource.RLIMIT_AS: memory_bytes,
        resource.RLIMIT_CPU: CPU_LIMIT_SECONDS,
        resource.RLIMIT_FSIZE: OUTPUT_LIMIT_BYTES,
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_NPROC: 0,
    }
    for kind, wanted in limits.items():
        hard = resource.getrlimit(kind)[1]
        allowed = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(kind, (allowed, allowed))


def leave_network() -> bool:
    """Move to a network namespace without any device, where the system allows it; return whether it did."""
    if not sys.platform.startswith("linux"):
        return False
    library = ctypes.CDLL(None, use_errno=True)
    left: bool = library.unshare(_NEW_USER_AND_NETWORK) == 0
    library.prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0)
    return left


def refuse_all_else() -> None:
    """Refuse, from here on and for good, every audited operation that is not harmless."""
    sys.addaudithook(_refuse)


def _refuse(event: str, _arguments: tuple[Any, ...]) -> None:
    if event not in HARMLESS:
        _stop(event)


def _stop(event: str) -> NoReturn:
    raise RefusedArtifact(f"file: reading it asks for {event!r}, which no data needs; it was stopped")
