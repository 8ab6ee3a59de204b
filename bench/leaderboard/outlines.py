"""Outlines: what the pages about all boards say of each one. Remembered, so that they need not read its rows again.

Imports the boards; never torch.
"""

from dataclasses import dataclass

from bench.leaderboard.board import build_board
from bench.leaderboard.leaders import board_line, ue_card, unlearning_card
from bench.leaderboard.page_contexts import BoardCard, BoardLine
from bench.leaderboard.sources import Sources, remembered
from bench.leaderboard.unlearning_board import build_board as build_unlearning_board
from bench.protocol import Protocol
from bench.unlearning_protocol import AnyProtocol, UnlearningProtocol


@dataclass(frozen=True)
class Outline:
    """A board in short. ranked: slugs, best first. card: None where nothing is ranked."""

    protocol: str
    title: str
    summary: str
    ranked: tuple[str, ...]
    line: BoardLine
    card: BoardCard | None


@remembered
def ue_outline(sources: Sources, protocol: Protocol) -> Outline:
    """Return a board of the UE track in short."""
    board = build_board(sources, protocol)
    card = ue_card(board, guess_words(protocol)) if board.ranked else None
    ranked = tuple(row.slug for row in board.ranked)
    return Outline(board.protocol, board.title, board.summary, ranked, board_line(board), card)


@remembered
def unlearning_outline(sources: Sources, protocol: UnlearningProtocol) -> Outline:
    """Return a board of the unlearning track in short."""
    board = build_unlearning_board(sources, protocol)
    card = unlearning_card(board) if board.ranked else None
    ranked = tuple(row.slug for row in board.ranked)
    return Outline(board.protocol, board.title, board.summary, ranked, board_line(board), card)


def guess_words(protocol: AnyProtocol) -> str:
    """Return the accuracy of guessing in words."""
    return f"{100 / protocol.dataset.classes:.1f}\u202f%"
