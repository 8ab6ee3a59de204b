"""Badges: small pictures that say where a submission stands, in words, for a README.

Imports the table of a board and plain wording; never torch.
"""

from collections.abc import Iterable

from markupsafe import escape

from bench.leaderboard.contexts import Badge
from bench.leaderboard.exports.markdown import markdown_text, plain_text
from bench.leaderboard.exports.table import BoardTable, TableRow, standing_words
from bench.leaderboard.replication import REPLICATION_WORDS
from bench.leaderboard.wording import show

INK, LEFT = "#ffffff", "#24292e"
RIGHT = {"ranked": "#0b5c75", "anchor": "#5f3c80", "none": "#555d65"}
"""Backgrounds: white text has a contrast of at least 4.5 on each, and none says anything that the words do not."""

HEIGHT, PADDING = 22, 8
LETTER = 6.6
"""Width of a letter: the text is stretched to the width that is planned for it, whatever the font is."""

MOST_LETTERS = 90


def board_badges(table: BoardTable) -> dict[str, bytes]:
    """Return the badge of every submission on a board, by path in the site."""
    return {badge_path(row.slug, table.protocol.id): badge(table, row) for row in table.rows}


def badge_path(slug: str, protocol: str) -> str:
    """Return where a badge lies in the site."""
    return f"submissions/{slug}/badge-{protocol}.svg"


def badge(table: BoardTable, row: TableRow) -> bytes:
    """Draw a badge: the protocol on the left, rank interval, score and status on the right, all as text."""
    left, right = table.protocol.id, plain_text(badge_words(table, row))
    kind = "ranked" if row.place else "anchor" if row.role != "entry" and row.stored else "none"
    first, second = _width(left), _width(right)
    title = f"{badge_alt(row.name, left)}: {right}"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" role="img" aria-label="{escape(title)}" '
        f'width="{first + second}" height="{HEIGHT}" viewBox="0 0 {first + second} {HEIGHT}">'
        f"<title>{escape(title)}</title>"
        f'<rect width="{first}" height="{HEIGHT}" fill="{LEFT}"/>'
        f'<rect x="{first}" width="{second}" height="{HEIGHT}" fill="{RIGHT[kind]}"/>'
        f'<g fill="{INK}" font-family="Verdana, DejaVu Sans, Arial, sans-serif" font-size="11">'
        f"{_text(left, PADDING)}{_text(right, first + PADDING)}</g></svg>\n"
    ).encode()


def badge_words(table: BoardTable, row: TableRow) -> str:
    """Say in one line where a submission stands, with which number, and who has measured it."""
    standing = standing_words(row, len(table.ranked))
    shown = show(table.metric, row.score)
    if not shown.measured or row.replication is None:
        return standing
    return f"{standing}, {table.metric.short} {shown.text}, {REPLICATION_WORDS[row.replication].partition(',')[0]}"


def badge_alt(name: str, protocol: str) -> str:
    """Return the text that stands where a badge cannot be shown."""
    return f"{plain_text(name)[:MOST_LETTERS]} on {protocol}"


def badge_markdown(name: str, slug: str, protocol: str, board: str) -> str:
    """Return Markdown that shows a badge and leads to its board; SITE stands for the address of the site.

    board: path of the board's page in the site.
    """
    return f"[![{markdown_text(badge_alt(name, protocol))}](SITE/{badge_path(slug, protocol)})](SITE/{board})"


def page_badges(boards: Iterable[tuple[str, str]], slug: str, name: str) -> tuple[Badge, ...]:
    """Return the badges that a submission's page shows. boards: protocol and track of each."""
    return tuple(
        Badge(
            protocol,
            badge_path(slug, protocol).rpartition("/")[2],
            badge_alt(name, protocol),
            badge_markdown(name, slug, protocol, f"{track}/{protocol}/index.html"),
        )
        for protocol, track in boards
    )


def _text(text: str, x: int) -> str:
    length = _width(text) - 2 * PADDING
    return f'<text x="{x}" y="15" textLength="{length}" lengthAdjust="spacingAndGlyphs">{escape(text)}</text>'


def _width(text: str) -> int:
    return round(LETTER * len(text)) + 2 * PADDING
