"""Attempts in words: how many artifacts were tried before the one that is shown, and what was said about results.

May import the records alone; never torch.
"""

from bench.leaderboard.wording import time_words
from bench.ledger import Ledger, artifact_digests
from bench.results import Result

NO_ATTEMPT = "not in the ledger"
ONLY_RISES = (
    "each attempt scored better than the one before. Where only better attempts are handed in, the last one promises "
    "more than it should: expect less on new seeds"
)
ACTION_WORDS = {"note": "Note", "withdraw": "Withdrawn", "restore": "Withdrawal taken back"}


def attempt_words(ledger: Ledger, result: Result) -> str:
    """Return which attempt a result is: `2 of 3`."""
    found = ledger.attempt(result.subject.protocol.id, artifact_digests(result))
    return f"{found.number} of {found.total}" if found else NO_ATTEMPT


def history_words(ledger: Ledger, result: Result) -> str:
    """Return which attempt a result is, after how many runs, and whether attempts only ever got better."""
    measured = sum(line.result == result.id for line in ledger.evaluations)
    said = f"{attempt_words(ledger, result)}; entered {measured} time{'s' * (measured != 1)}"
    return f"{said}; {ONLY_RISES}" if ledger.only_rises(result.subject.protocol.id) else said


def note_words(ledger: Ledger, result: Result) -> tuple[str, ...]:
    """Return the annotations of a result in words, oldest first."""
    return tuple(
        f"{ACTION_WORDS[line.action]}, {time_words(line.at)}, {line.by}: {line.reason}"
        for line in ledger.annotations(result.id)
    )
