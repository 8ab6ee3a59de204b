"""Both tracks in one repository: the small boards side by side, and hostile names where a manifest may hold them."""

from collections.abc import Mapping
from pathlib import Path

import pytest
from factories import write_board
from unlearning_factory import write_unlearning_board

from bench.leaderboard.building import build_files
from bench.leaderboard.exports.files import board_files, site_files, submission_files
from bench.leaderboard.sources import Sources, read_sources
from bench.unlearning_protocol import AnyProtocol

HOSTILE = (
    "<script>alert(1)</script>",
    "W" * 280,
    "=1+1",
    "@SUM(A1)",
    "a ]]> b -- c",
    r"\input{/etc/passwd} \\ {%$#_^~&",
    'pipe | tick ` star * "quote" [x](https://example.org) \'',
    "https://example.org and www.example.org",
    "שלום עולם 漢字",
)
"""Names that a manifest accepts."""

REFUSED = ("\u202edrowssap", "line\u2028separator", "null\x00", "bell\x07", "\ufffe", "two\nlines")
"""Texts that neither a manifest nor a result nor a run may hold."""


def write_both(root: Path) -> dict[str, AnyProtocol]:
    """Write a small board of each track; return both protocols by id."""
    protocols: tuple[AnyProtocol, ...] = (write_board(root), write_unlearning_board(root))
    return {protocol.id: protocol for protocol in protocols}


def build_undrawn(root: Path, protocols: Mapping[str, AnyProtocol]) -> dict[str, bytes]:
    """Build a site with empty pictures in place of its charts, which take most of the time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("bench.leaderboard.drawing.Painter.svg", lambda *_: "<svg></svg>")
        patch.setattr("bench.leaderboard.drawing.bundle", bytes)
        return build_files(root, protocols=protocols)


def read_both(root: Path) -> Sources:
    return read_sources(root, protocols=write_both(root))


def downloads(sources: Sources) -> dict[str, bytes]:
    """Return every file that is no page, by path in the site."""
    files = dict(site_files(sources))
    for protocol in sources.all_protocols:
        files |= board_files(sources, protocol)
    for entry in sources.submissions:
        files |= submission_files(sources, entry)
    return files
