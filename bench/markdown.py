"""Text of unknown origin inside Markdown: shown as it is, calling nobody, linking nowhere.

May import the standard library and bench.problems alone: the job that posts comments runs it without any package.
"""

import re

from bench.problems import visible

COMMENT_LIMIT = 60_000
"""Characters of a comment; GitHub takes 65,536."""

BREAK = "\N{ZERO WIDTH SPACE}"
"""Goes between the characters that would make a mention, a reference or a link; nothing is seen of it."""

_MARKUP = re.compile(r"[&<>\"'`*_\[\](){}|~\\#!$^]")
_ADDRESSES = (
    (re.compile(f"@(?!{BREAK})"), f"@{BREAK}"),
    (re.compile(f":(?=//)(?!{BREAK})"), f":{BREAK}"),
    (re.compile(r"(?i)\b(www|gh)(?=[.-])"), rf"\1{BREAK}"),
)
_STRUCTURE = (
    (re.compile(r"<"), "&lt;"),
    (re.compile(r"\]\s*(?=[(\[:])"), f"]{BREAK}"),
    (re.compile(r"(?<!&)#(?=\d)"), f"#{BREAK}"),
)
_CUT = "\n\n*Cut here: the whole text is in the artifact of the run.*\n"


def plain(text: str, limit: int = 400) -> str:
    """Return a text in one line for the middle of Markdown: what does not print is spelled out, markup is inert."""
    escaped = _MARKUP.sub(lambda found: f"&#{ord(found[0])};", visible(text, limit))
    return _inert(escaped.replace("&#35;", f"&#35;{BREAK}"))


def defang(body: str, limit: int = COMMENT_LIMIT) -> str:
    """Return a whole Markdown text of unknown origin without tags, links, mentions and references.

    What `plain` has made of names, between headings, lists and tables of our own, stays as it is.
    """
    lines = ("".join(c if c.isprintable() or c in (BREAK, "\t") else " " for c in line) for line in body.split("\n"))
    kept = "\n".join(lines)
    for pattern, replacement in _STRUCTURE:
        kept = pattern.sub(replacement, kept)
    return capped(_inert(kept), limit)


def capped(body: str, limit: int = COMMENT_LIMIT) -> str:
    """Return a text of at most `limit` characters, cut at the end of a line, with a word that says so."""
    if len(body) <= limit:
        return body
    head, _, _ = body[: limit - len(_CUT)].rpartition("\n")
    return head + _CUT


def _inert(text: str) -> str:
    for pattern, replacement in _ADDRESSES:
        text = pattern.sub(replacement, text)
    return text
