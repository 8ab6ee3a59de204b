"""Subset: the part of Vega-Lite that is painted here, and the one way of saying that a specification is outside of it.

Imports nothing of the project.
"""

from collections.abc import Mapping
from typing import Any

Spec = dict[str, Any]

NAME = "\0"
"""Stands for the name of a drawing until the drawing is known; no text holds it, for it has no width."""


class OutsideSubset(Exception):
    """A specification asks for what is not painted here; the library draws it instead."""


def only(part: Mapping[str, Any], known: frozenset[str], where: str) -> Mapping[str, Any]:
    """Return a part of a specification that has no other keys than the known ones. Raises OutsideSubset."""
    if not part.keys() <= known:
        raise OutsideSubset(f"{where}: {', '.join(sorted(part.keys() - known))}")
    return part


def demand(holds: object, what: str) -> None:
    """Raise OutsideSubset unless what is demanded holds."""
    if not holds:
        raise OutsideSubset(what)


def number(value: object, what: str) -> float:
    """Return a finite number. Raises OutsideSubset for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < 1e15:
        raise OutsideSubset(f"{what}: not a number that is painted here")
    return float(value)
