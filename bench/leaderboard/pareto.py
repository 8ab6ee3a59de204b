"""Pareto: which of many are beaten by no other in two measures at once. Imports the standard library only."""

from collections.abc import Sequence


def front(points: Sequence[tuple[float, float]]) -> list[int]:
    """Return the places of the points that no other one beats, from left to right; lower is better in both measures.

    One point beats another if it is lower in one measure and no higher in the other; equal points beat each other not.
    """
    found: list[int] = []
    least: tuple[float, float] | None = None
    for index in sorted(range(len(points)), key=lambda index: points[index]):
        # In this order only what comes earlier can beat a point, and of that the lowest beats most.
        if least is None or points[index][1] < least[1] or points[index] == least:
            least = points[index]
            found.append(index)
    return found
