"""What a run of cells reports while it goes on: plain records, so that any engine and any display can be combined.

Imports the standard library only.
"""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class CellProgress:
    """A cell has finished `done` of `total` epochs."""

    label: str
    done: int
    total: int


@dataclass(frozen=True)
class CellFinished:
    """A cell is measured and stored."""

    label: str
    seconds: float


@dataclass(frozen=True)
class CellRetried:
    """A worker was lost with this cell; it starts again in a fresh worker."""

    label: str
    reason: str


Event = CellProgress | CellFinished | CellRetried
Listener = Callable[[Event], None]
