"""Markdown: the ranking of a board as a pipe table, for a README or an issue.

Imports the table of a board and plain wording; never torch.
"""

import re

from bench.leaderboard.exports.latex import note
from bench.leaderboard.exports.table import BoardTable, TableRow, standing_words, tier_words
from bench.leaderboard.wording import show

_SPECIAL = re.compile(r"([\\`*_{}\[\]<>#|&~$^])")
_LINKED = re.compile(r"(?i)(https?|ftp)(://)|(www)(\.)|(?<=\S)(@)(?=\S)")

_SPACES = {0x00A0: " ", 0x202F: " "}


def markdown_text(text: str) -> str:
    """Return a text that Markdown shows as it is: no markup, no HTML, no link, one line.

    Characters that do not print are named as U+XXXX.
    """
    plain = plain_text(text)
    return _LINKED.sub(_unlinked, _SPECIAL.sub(r"\\\1", plain))


def plain_text(text: str) -> str:
    """Return a text in one line with ordinary spaces; characters that do not print are named as U+XXXX."""
    spaced = " ".join(text.splitlines()).translate(_SPACES)
    return "".join(character if character.isprintable() else f"U+{ord(character):04X}" for character in spaced)


def board_markdown(table: BoardTable) -> bytes:
    """Return the ranking of a board as a table, and below it what it rests on."""
    header = ("Rank", "Ties", "Method", table.metric.label, "95 % interval", "Seeds", "Tier")
    shown = [row for row in table.rows if row.place or row.stored]
    lines = [
        f"**{markdown_text(table.protocol.title)}**",
        "",
        _line(header),
        _line(("---",) * len(header), escape=False),
        *(_line(_cells(table, row)) for row in shown),
        "",
        markdown_text(note(table)),
    ]
    return ("\n".join(lines) + "\n").encode()


def _cells(table: BoardTable, row: TableRow) -> tuple[str, ...]:
    score = show(table.metric, row.score)
    rank = row.place.text if row.place else standing_words(row, 0)
    ties = ", ".join(row.place.ties) if row.place else ""
    seeds = str(score.n) if score.measured else ""
    return (rank, ties, row.name, score.text, score.interval, seeds, tier_words(row))


def _line(cells: tuple[str, ...], *, escape: bool = True) -> str:
    return f"| {' | '.join(markdown_text(cell) if escape else cell for cell in cells)} |"


def _unlinked(match: re.Match[str]) -> str:
    """Break what a renderer would turn into a link by itself: an escaped character shows the same."""
    scheme, slashes, www, dot, at = match.groups()
    if at:
        return r"\@"
    return rf"{scheme}\{slashes}" if scheme else rf"{www}\{dot}"
