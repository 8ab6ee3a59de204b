"""Board pages: boards of either track with the days on which they changed.

Imports the boards and the history; never torch.
"""

from dataclasses import replace

from bench.leaderboard.board import board_context
from bench.leaderboard.changes_page import board_days
from bench.leaderboard.contexts import BoardContext
from bench.leaderboard.sources import Sources
from bench.leaderboard.unlearning_board import board_context as unlearning_board_context
from bench.leaderboard.unlearning_contexts import UnlearningBoardContext
from bench.protocol import Protocol
from bench.unlearning_protocol import UnlearningProtocol


def board_contexts(sources: Sources, protocol: Protocol) -> list[BoardContext]:
    """Gather the page of a protocol's board."""
    return [replace(board_context(sources, protocol), days=board_days(sources, protocol))]


def unlearning_board_contexts(sources: Sources, protocol: UnlearningProtocol) -> list[UnlearningBoardContext]:
    """Gather the page of the board of an unlearning protocol."""
    return [replace(unlearning_board_context(sources, protocol), days=board_days(sources, protocol))]
