"""Seals, computed quickly: what `results.leaves` and `results.seal_of` say, in one pass without a generator a level.

May import bench.records and bench.results. A site checks thousands of documents, and the seal is half of it.
"""

import hashlib
from collections.abc import Callable, Iterable
from typing import Any

from bench.records import canonical_bytes, number_text
from bench.results import SEAL_HEX

Leaf = tuple[str, Any]
"""(JSON pointer, value) of a number, string, boolean or empty container."""


def flat_leaves(value: Any) -> list[Leaf]:
    """Return what `results.leaves` yields, in its order."""
    found: list[Leaf] = []
    _flatten(value, "", found.append)
    return found


def quick_seal(leaves: Iterable[Leaf]) -> str:
    """Return what `results.seal_of` does for the document that these are all leaves of."""
    return "".join([_sealed(pointer, value) for pointer, value in leaves])


def _sealed(pointer: str, value: Any) -> str:
    if type(value) is float:
        return hashlib.sha256(f"{pointer}={number_text(value)}".encode()).hexdigest()[:SEAL_HEX]
    return hashlib.sha256(pointer.encode() + b"=" + canonical_bytes(value)).hexdigest()[:SEAL_HEX]


def _flatten(value: Any, pointer: str, add: Callable[[Leaf], None]) -> None:
    kind = type(value)
    if kind is dict and value:
        for key in sorted(value):
            escaped = key.replace("~", "~0").replace("/", "~1") if "/" in key or "~" in key else key
            _flatten(value[key], f"{pointer}/{escaped}", add)
    elif (kind is list or kind is tuple) and value:
        for index, item in enumerate(value):
            if type(item) is float:
                add((f"{pointer}/{index}", item))
            else:
                _flatten(item, f"{pointer}/{index}", add)
    else:
        add((pointer, value))
