"""Moments: the times that runs state, as UTC. A text that is no time is no moment, whatever it says.

Imports the records; never torch, no pandas.
"""

from datetime import UTC, datetime

from bench.results import Run
from bench.store import StoredResult


def moment_of(run: Run) -> str:
    """Return when a run ended, as `2026-01-31T10:05:00Z`; empty where it states no time with its zone."""
    try:
        ended = datetime.fromisoformat(run.ended)
        return f"{ended.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}" if ended.tzinfo and ended.year > 1 else ""
    except (ValueError, OverflowError):
        return ""


def first_moment(stored: StoredResult) -> str:
    """Return when a result was found first; empty where no run says."""
    return min(filter(None, map(moment_of, stored.runs)), default="")


def last_moment(stored: StoredResult) -> str:
    """Return when a result was found last; empty where no run says."""
    return max(filter(None, map(moment_of, stored.runs)), default="")
