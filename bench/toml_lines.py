"""Where each key of a TOML text stands; and bounds on its depth and its numbers, checked before it is parsed.

May import the standard library alone. tomllib needs memory that grows with the square of a dotted key's length, so a
small file can ask for gigabytes: `check_nesting` comes first wherever a text is not our own.
"""

import re
import tomllib
from collections.abc import Iterator

DEPTH_LIMIT = 16
NUMBER_LIMIT = 100
"""Characters of a number: Python refuses to read or to print integers of some thousand digits."""

# Possessive, and a string without an end takes all that follows: no text is looked at twice. tomllib refuses it later.
_TEXT = (
    r'"""(?:[^"\\]|\\.|"{1,2}(?!"))*+"{0,5}|\'\'\'(?:[^\']|\'{1,2}(?!\'))*+\'{0,5}'  # strings of several lines
    r'|"(?:[^"\\\n]|\\.)*+"?|\'[^\'\n]*+\'?'  # strings of one line
    r"|\#[^\n]*+"
)
_TOKEN = re.compile(rf"{_TEXT}|[\w+-]++|[^\S\n]++|.", re.DOTALL)
_WITHOUT_DEPTH = re.compile(rf"{_TEXT}|[^\[\]{{}}.=,\n\"'#]++", re.DOTALL)
"""Whatever says nothing of depth and dots: texts, comments, words."""

_LONG_WORD = re.compile(rf"(?<![\w+-])[\w+-]{{{NUMBER_LIMIT + 1}}}")
_NUMBER_START = re.compile(r"[+-]?\d")
_OPENING, _CLOSING = frozenset("[{"), frozenset("]}")


class NestingError(ValueError):
    """A TOML text nests deeper than any record of ours."""


class NumberTooLong(ValueError):
    """A TOML text holds a number of more than NUMBER_LIMIT characters. line: where, 1-based."""

    def __init__(self, line: int, length: int) -> None:
        super().__init__(f"holds a number of {length} digits, at most {NUMBER_LIMIT} are read")
        self.line = line


def check_numbers(text: str) -> None:
    """Raise NumberTooLong where a number, or a bare key that looks like one, has more than NUMBER_LIMIT characters."""
    if not _LONG_WORD.search(text):
        return
    for line, part in _tokens(text):
        if len(part) > NUMBER_LIMIT and _NUMBER_START.match(part):
            raise NumberTooLong(line, len(part.lstrip("+-")))


def check_nesting(text: str) -> None:
    """Raise NestingError, with the line, where brackets nest or keys are dotted more than DEPTH_LIMIT times."""
    if _deepest(_WITHOUT_DEPTH.sub("", text)) <= DEPTH_LIMIT:
        return
    depth = dots = 0
    for line, part in _tokens(text):
        depth += (part in _OPENING) - (part in _CLOSING)
        dots = dots + 1 if part == "." else 0 if part in "[]{}=,\n" else dots
        if max(depth, dots) > DEPTH_LIMIT:
            raise NestingError(f"nests more than {DEPTH_LIMIT} levels deep (at line {line})")


def _deepest(marks: str) -> int:
    """Return how deep brackets nest or how many dots follow each other, in what is left without texts and words."""
    depth = dots = deepest = 0
    for mark in marks:
        depth += (mark in _OPENING) - (mark in _CLOSING)
        dots = dots + 1 if mark == "." else 0
        deepest = max(deepest, depth, dots)
    return deepest


def key_lines(text: str) -> dict[str, int]:
    """Return the 1-based line of every key and table of a TOML text that tomllib accepts, by JSON pointer.

    Keys inside inline tables and arrays are not listed: use the nearest pointer above (`line_of`).
    """
    lines = {"": 1}
    counts: dict[str, int] = {}
    table = ""
    for line, tokens in _statements(text):
        header = tokens[0] == "["
        array = header and tokens[1:2] == ["["]
        if not header:
            lines.setdefault(_pointer(table, _key_parts(tokens), {}), line)
            continue
        table = _pointer("", _key_parts(tokens[1 + array :]), {} if array else counts)
        if array:
            table = _next_element(table, counts)
        lines.setdefault(table, line)
    return lines


def line_of(lines: dict[str, int], pointer: str) -> int | None:
    """Return the line of a pointer, or of the nearest pointer above it that has one; None for the root alone."""
    while pointer and pointer not in lines:
        pointer = pointer.rpartition("/")[0]
    return lines[pointer] if pointer else None


def pointer_to(*parts: str | int) -> str:
    """Return the JSON pointer (RFC 6901) of a path of keys and indices."""
    return "".join(f"/{str(part).replace('~', '~0').replace('/', '~1')}" for part in parts)


def _tokens(text: str) -> Iterator[tuple[int, str]]:
    line = 1
    for match in _TOKEN.finditer(text):
        yield line, match.group()
        line += match.group().count("\n")


def _statements(text: str) -> Iterator[tuple[int, list[str]]]:
    """Yield line and tokens of each key or table header, without white space, comments and values."""
    depth, in_value, start = 0, False, 1
    statement: list[str] = []
    for line, part in _tokens(text):
        if part == "\n" and depth == 0:
            if statement:
                yield start, statement
            statement, in_value = [], False
        elif in_value:
            depth += (part in _OPENING) - (part in _CLOSING)
        elif part == "=":
            in_value = True
        elif not part.isspace() and not part.startswith("#"):
            start = start if statement else line
            statement.append(part)
    if statement:
        yield start, statement


def _key_parts(tokens: list[str]) -> list[str]:
    return [_unquoted(part) for part in tokens if part not in (".", "[", "]")]


def _unquoted(part: str) -> str:
    if part[0] not in "\"'":
        return part
    return str(tomllib.loads(f"key = {part}")["key"])


def _pointer(table: str, parts: list[str], counts: dict[str, int]) -> str:
    """Extend a table's pointer; a part that is an array of tables means its newest element."""
    pointer = table
    for part in parts:
        pointer += pointer_to(part)
        if pointer in counts:
            pointer += f"/{counts[pointer] - 1}"
    return pointer


def _next_element(table: str, counts: dict[str, int]) -> str:
    counts[table] = counts.get(table, 0) + 1
    return f"{table}/{counts[table] - 1}"
