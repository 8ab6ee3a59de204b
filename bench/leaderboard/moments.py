"""Moments: the times that runs state, as UTC. A text that is no time is no moment, whatever it says.

Imports the records; never torch, no pandas.
"""

from datetime import UTC, datetime
from functools import lru_cache

from bench.leaderboard.shelf import Shelved


@lru_cache(maxsize=2**16)
def moment_of(stated: str) -> str:
    """Return a time as `2026-01-31T10:05:00Z`; empty where what is stated is no time with its zone."""
    try:
        ended = datetime.fromisoformat(stated)
        return f"{ended.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}" if ended.tzinfo and ended.year > 1 else ""
    except (ValueError, OverflowError):
        return ""


def first_moment(stored: Shelved) -> str:
    """Return when a result was found first; empty where no run says."""
    return min(filter(None, map(moment_of, stored.head.ends)), default="")


def last_moment(stored: Shelved) -> str:
    """Return when a result was found last; empty where no run says."""
    return max(filter(None, map(moment_of, stored.head.ends)), default="")
