"""Problem: one finding about a submission; and the ways to print findings.

May import the standard library alone.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Literal

Style = Literal["text", "json", "github"]


@dataclass(frozen=True)
class Problem:
    """One finding, with the way out.

    file: where it is, as the caller named the folder. pointer: JSON pointer into the manifest, or into an artifact
    (/delta/image/channel/row/column). line: 1-based line of the manifest, None where there is none.
    code: short word that does not change. unsafe: the file must not be opened.
    """

    file: str
    pointer: str
    code: str
    message: str
    remedy: str
    line: int | None = None
    unsafe: bool = False
    severity: Literal["error", "warning"] = "error"


def exit_code(problems: Sequence[Problem]) -> int:
    """Return 4 if anything is unsafe, else 3 if anything is an error, else 0."""
    if any(problem.unsafe for problem in problems):
        return 4
    return 3 if any(problem.severity == "error" for problem in problems) else 0


def format_problems(problems: Sequence[Problem], style: Style = "text") -> str:
    """Return the findings as plain lines, as a JSON document, or as GitHub workflow annotations."""
    if style == "json":
        return json.dumps(
            {"schema": "bench.problems/1", "problems": [asdict(problem) for problem in problems]}, indent=2
        )
    if style == "github":
        return "\n".join(_annotation(problem) for problem in problems)
    return "\n".join([*(_lines(problem) for problem in problems), count_problems(problems)])


def count_problems(problems: Sequence[Problem]) -> str:
    """Return a line such as `2 errors, 1 warning`."""
    errors = sum(problem.severity == "error" for problem in problems)
    counts = [(errors, "error"), (len(problems) - errors, "warning")]
    words = [f"{count} {word}{'s' * (count > 1)}" for count, word in counts if count]
    return ", ".join(words) or "no problems"


def visible(text: str, limit: int = 120) -> str:
    """Return a text of unknown origin in one line: what does not print becomes an escape, what is long is cut."""
    shown = text[: limit + 1]
    if not shown.isprintable():
        shown = "".join(character if character.isprintable() else _escape(character) for character in shown)
    return shown if len(text) <= limit else f"{shown[:limit]}... ({len(text)} characters)"


def printable(text: str) -> str:
    """Return a text of unknown origin line by line: what does not print becomes an escape, line breaks stay."""
    return "".join(part if part.isprintable() or part == "\n" else _escape(part) for part in text)


def quoted(text: str, limit: int = 120) -> str:
    """Return `visible` text in single quotes."""
    return f"'{visible(text, limit)}'"


def _escape(character: str) -> str:
    return character.encode("unicode_escape", "surrogatepass").decode("ascii")


def _lines(problem: Problem) -> str:
    line = "" if problem.line is None else f":{problem.line}"
    severity = "unsafe" if problem.unsafe else problem.severity
    pointer = f"{visible(problem.pointer)}: " if problem.pointer else ""
    head = f"{visible(problem.file, 400)}{line}: {severity}: {pointer}{visible(problem.message, 1000)}"
    return f"{head}\n    {visible(problem.remedy, 1000)}" if problem.remedy else head


def _annotation(problem: Problem) -> str:
    place = f"file={_property(problem.file)}" + ("" if problem.line is None else f",line={problem.line}")
    title = _property(f"{problem.code} {problem.pointer}".strip())
    return f"::{problem.severity} {place},title={title}::{_data(f'{problem.message}. {problem.remedy}')}"


def _data(text: str) -> str:
    return visible(text, 1000).replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
