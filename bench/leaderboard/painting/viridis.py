"""Viridis: the colors from dark violet to yellow that stand for numbers. Imports nothing of the project.

Source of the colors: the viridis map of Matplotlib (CC0), 31 of them at equal distances.
"""

_KNOTS = (
    "440154 470e61 481a6c 482575 472f7d 443a83 414487 3d4e8a 39568c 35608d 31688e 2d708e 2a788e 27818e 23888e 21918d "
    "1f988b 1fa088 22a884 2ab07f 35b779 43bf71 54c568 66cc5d 7ad151 8fd744 a5db36 bcdf27 d2e21b e9e51a fde725"
)
_COLORS = [tuple(int(knot[index : index + 2], 16) for index in (0, 2, 4)) for knot in _KNOTS.split()]


def viridis(share: float) -> str:
    """Return the color at a share of the way from the first to the last, 0 to 1, as `#rrggbb`."""
    way = share * (len(_COLORS) - 1)
    index = min(int(way), len(_COLORS) - 2)
    rest = way - index
    red, green, blue = (
        int(low + (high - low) * rest + 0.5) for low, high in zip(_COLORS[index], _COLORS[index + 1], strict=True)
    )
    return f"#{red:02x}{green:02x}{blue:02x}"
