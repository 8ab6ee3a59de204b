"""Prose: a document in Markdown as blocks that a template places, so that nothing of it ever becomes markup by itself.

Imports markdown-it and contexts; never torch. Only what this reads is allowed in a document; HTML stays text.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from markdown_it import MarkdownIt
from markdown_it.token import Token

from bench.errors import UsageProblem
from bench.leaderboard.page_contexts import Block, Line, Span
from bench.leaderboard.wording import MINUS

NEGATIVE = re.compile(r"(?<![\w.)-])-(?=\d)")
"""A hyphen that stands for a minus sign: before a digit, and after nothing that it could join to it."""

Link = Callable[[str], tuple[str, bool]]
"""Turns an address of a document into one of the site, and says whether it leads elsewhere; empty for neither."""


def read_prose(text: str, *, link: Link) -> tuple[Block, ...]:
    """Return the blocks of a document. link: turns its addresses into those of the site.

    A table gets the line above it as its caption if that ends with a colon, the heading if not.
    Raises UsageProblem for what this cannot place.
    """
    tokens = MarkdownIt("commonmark", {"html": False}).enable("table").parse(text)
    blocks: list[Block] = []
    heading = ""
    used: set[str] = set()
    captions: set[str] = set()
    position = 0
    while position < len(tokens):
        end = _end(tokens, position)
        block = _block(tokens[position : end + 1], link)
        if block.kind == "heading":
            heading = plain(block.lines[0])
            block = replace(block, id=_unused(slug(heading), used))
        elif block.kind == "table":
            block = replace(block, caption=f"{heading}, by {plain(block.header[0])}")
            if blocks and blocks[-1].kind == "paragraph" and plain(blocks[-1].lines[0]).endswith(":"):
                block = replace(block, caption=plain(blocks.pop().lines[0]).removesuffix(":"))
            block = replace(block, caption=_unused(block.caption, captions, ", table "))
        blocks.append(block)
        position = end + 1
    return tuple(blocks)


def plain(line: Line) -> str:
    """Return the text of a line without its faces and links."""
    return "".join(span.text for span in line)


def slug(text: str) -> str:
    """Return text as an id: small letters, digits and hyphens, starting with a letter."""
    return "s-" + (re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-") or "section")


def _unused(name: str, used: set[str], joint: str = "-") -> str:
    found, count = name, 1
    while found in used:
        count += 1
        found = f"{name}{joint}{count}"
    used.add(found)
    return found


def _end(tokens: Sequence[Token], start: int) -> int:
    """Return the index of the token that closes the one at `start`, which may be that token itself."""
    depth = 0
    for index in range(start, len(tokens)):
        depth += tokens[index].nesting
        if depth == 0:
            return index
    raise UsageProblem("a document ends inside a block")


def _block(tokens: Sequence[Token], link: Link) -> Block:
    first = tokens[0]
    inline = [_line(token, link) for token in tokens if token.type == "inline"]
    if first.type == "heading_open":
        return Block("heading", level=int(first.tag.removeprefix("h")), lines=tuple(inline))
    if first.type == "paragraph_open":
        return Block("paragraph", lines=tuple(inline))
    if first.type in {"bullet_list_open", "ordered_list_open"}:
        return Block("list", level=1 if first.type == "ordered_list_open" else 0, lines=tuple(inline))
    if first.type == "table_open":
        rows = list(_rows(tokens, link))
        return Block("table", header=rows[0], rows=tuple(rows[1:]))
    if first.type in {"fence", "code_block"}:
        return Block("code", text=first.content.rstrip("\n"))
    line = (first.map or [0])[0] + 1
    raise UsageProblem(f"line {line}: a document may not hold a block of the kind {first.type}")


def _rows(tokens: Sequence[Token], link: Link) -> Iterator[tuple[Line, ...]]:
    row: list[Line] = []
    for token in tokens:
        if token.type == "inline":
            row.append(_line(token, link))
        elif token.type == "tr_close":
            yield tuple(row)
            row = []


def _line(token: Token, link: Link) -> Line:
    """Return a line of text in runs of one face each."""
    spans: list[Span] = []
    face = Span("")
    for child in token.children or ():
        if child.type in {"text", "code_inline", "html_inline"}:
            code = child.type == "code_inline"
            spans.append(replace(face, text=child.content if code else NEGATIVE.sub(MINUS, child.content), code=code))
        elif child.type in {"softbreak", "hardbreak"}:
            spans.append(replace(face, text=" "))
        elif child.type in {"strong_open", "strong_close"}:
            face = replace(face, strong=child.type == "strong_open")
        elif child.type == "link_open":
            href, outside = link(str(child.attrs["href"]))
            face = replace(face, href=href, outside=outside)
        elif child.type == "link_close":
            face = replace(face, href="", outside=False)
        elif child.type not in {"em_open", "em_close"}:
            raise UsageProblem(f"a document may not hold text of the kind {child.type}: {token.content[:60]!r}")
    return tuple(span for span in spans if span.text)
