"""Boxes: how far drawn things reach, in pixels. Imports nothing of the project."""

import math


class Box:
    """The smallest upright rectangle around what was added; empty at first."""

    __slots__ = ("bottom", "left", "right", "top")

    def __init__(self) -> None:
        self.left = self.top = math.inf
        self.right = self.bottom = -math.inf

    @classmethod
    def plot(cls, width: float, height: float) -> "Box":
        """Return the box of a plot with its corner at the origin."""
        box = cls()
        box.add(0, 0, width, height)
        return box

    def add(self, left: float, top: float, right: float, bottom: float) -> None:
        """Reach around a rectangle too, whichever of its corners are named."""
        self.left = min(self.left, left, right)
        self.right = max(self.right, left, right)
        self.top = min(self.top, top, bottom)
        self.bottom = max(self.bottom, top, bottom)

    def union(self, other: "Box", *, dx: float = 0.0, dy: float = 0.0) -> None:
        """Reach around another box too, moved by some pixels."""
        if other.left <= other.right:
            self.add(other.left + dx, other.top + dy, other.right + dx, other.bottom + dy)
