"""Words: how wide a text is, how much of it fits, and what it looks like inside SVG.

Imports the letters; nothing else of the project.
"""

from html import escape

from bench.leaderboard.painting.letters import SHIFTS, UNIT, WIDTHS
from bench.leaderboard.painting.subset import OutsideSubset

ELLIPSIS = "\u2026"


def width(text: str, size: float) -> float:
    """Return the width of a line of text in pixels. Raises OutsideSubset for letters whose width is not known here."""
    try:
        units = sum([WIDTHS[letter] for letter in text])
    except KeyError as error:
        raise OutsideSubset(f"a letter of unknown width: {error}") from None
    for index in range(1, len(text)):
        shift = SHIFTS.get(text[index - 1 : index + 1])
        if shift:
            units += shift
    return units * size / UNIT


def fitted(text: object, size: float, limit: float = 0) -> tuple[str, float]:
    """Return a text without space at its ends, cut with an ellipsis where it is not narrower than a limit in pixels.

    limit: 0 for none. Also returns the room that it takes in pixels; of a text that was cut that is the limit.
    """
    line = str(text).strip(" ")
    whole = width(line, size)
    if not limit or whole < limit:
        return line, whole
    room = limit - width(ELLIPSIS, size)
    low, high = 0, len(line)
    while low < high:
        middle = 1 + (low + high) // 2
        if width(line[:middle], size) < room:
            low = middle
        else:
            high = middle - 1
    return line[:low] + ELLIPSIS, limit


def markup(text: str) -> str:
    """Return a text as it is written inside an element."""
    return escape(text, quote=False)
