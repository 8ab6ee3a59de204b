"""Text that somebody else wrote and pages show: one kind of record field for each form it may have.

May import pydantic. Everything else is refused with the character's number and the way out.
"""

import re
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field

_BLANK = frozenset("\u115f\u1160\u2800\u3164\uffa0")
"""Characters that print as nothing although they count as letters or symbols."""

_STACKED = re.compile(
    "[\u0300-\u036f\u0483-\u0489\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe00-\ufe0f\ufe20-\ufe2f]{4}"
)
"""Marks on top of each other, which cover the lines above and below."""


def check_plain(text: str) -> str:
    """Return a text without control characters and characters that reorder, hide or cover text. Raises ValueError."""
    if text.isascii() and text.isprintable():
        return text
    for character in text:
        if character not in "\n\t" and (character in _BLANK or not character.isprintable()):
            raise ValueError(f"holds the character U+{ord(character):04X}; use plain printable text")
    if found := _STACKED.search(text):
        raise ValueError(f"stacks marks on one character, such as U+{ord(found.group()[0]):04X}; use at most 3")
    return text


def check_line(text: str) -> str:
    """Return a text in a single line that prints. Raises ValueError."""
    if "\n" in text or "\t" in text:
        raise ValueError("holds a line break or a tab; write it in a single line")
    if text != text.strip():
        raise ValueError("starts or ends with a space; remove it")
    return check_plain(text)


def check_link(text: str) -> str:
    """Return an https address of a host on the web. Raises ValueError."""
    if not text.startswith("https://"):
        raise ValueError("is not an https:// link; write the full https address, no other kind is shown")
    if not text.isascii() or not text.isprintable() or any(character in _NOT_IN_LINKS for character in text):
        raise ValueError("holds a character that a link must escape; percent-encode it")
    try:
        address = urlsplit(text)
        usual = address.port in (None, 443)
    except ValueError:
        usual = False
    if not usual or address.username is not None or not _HOST.fullmatch(address.hostname or ""):
        raise ValueError("is not an address of a host on the web; write https://host.name/path")
    return text


_HOST = re.compile(r"(?=.{4,253}$)(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+(?:[a-z]{2,63}|xn--[a-z0-9-]{2,59})")
"""A name with at least two parts, the last one of letters: no number, no machine of the reader's own network."""

_NOT_IN_LINKS = frozenset(" \"'<>\\`{}|^")

Name = Annotated[str, Field(min_length=1, max_length=280), AfterValidator(check_line)]
Sentence = Annotated[str, Field(min_length=1, max_length=280), AfterValidator(check_line)]
Block = Annotated[str, Field(max_length=4000), AfterValidator(check_plain)]
Link = Annotated[str, Field(max_length=500), AfterValidator(check_link)]
Slug = Annotated[str, Field(pattern=r"^[a-z0-9](?:[a-z0-9-]{0,46})[a-z0-9]$")]
Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
