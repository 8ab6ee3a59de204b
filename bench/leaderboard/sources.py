"""Sources: everything a page is made from, read once: protocols, manifests and stored results.

May import pandas' neighbors of the page half and the records; never torch.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from bench.protocol import Protocol, load_protocol, protocol_ids
from bench.store import StoredResult, load_results
from bench.submission import Manifest, list_submissions

Role = Literal["reference", "control", "entry"]

_TIER_ORDER = {"full": 1, "quick": 0}


@dataclass(frozen=True)
class Entry:
    """A submission with all its stored results, in the order of protocol and file name."""

    manifest: Manifest
    results: tuple[StoredResult, ...]

    @property
    def slug(self) -> str:
        """The manifest's slug."""
        return self.manifest.slug

    @property
    def role(self) -> Role:
        """What the submission is for on a board: an anchor, a control that must show no effect, or an entry."""
        family = self.manifest.method.family
        return family if family in ("reference", "control") else "entry"

    def shown(self, protocol: Protocol) -> StoredResult | None:
        """Return the result that a board shows, None where no result answers this protocol as it is worded now.

        The full tier goes before the quick one, then the latest run, then the larger id.
        """
        answers = [stored for stored in self.results if stored.result.subject.protocol.sha256 == protocol.sha256]
        return max(answers, key=_precedence, default=None)


@dataclass(frozen=True)
class Sources:
    """All protocols by id and all submissions by slug, both sorted."""

    protocols: Mapping[str, Protocol]
    entries: tuple[Entry, ...]

    def reference(self, protocol: Protocol) -> Entry | None:
        """Return the reference that has a result in a protocol, the first by slug; None where there is none."""
        found = (entry for entry in self.entries if entry.role == "reference" and entry.shown(protocol))
        return next(found, None)

    def on_board(self, protocol: Protocol) -> tuple[Entry, ...]:
        """Return the submissions that belong on a protocol's board: those that name it or have a result of it."""
        return tuple(
            entry
            for entry in self.entries
            if protocol.id in entry.manifest.protocols or entry.shown(protocol) is not None
        )


def read_sources(root: Path, *, protocols: Mapping[str, Protocol] | None = None) -> Sources:
    """Read what lies below `<root>/submissions`, against the bundled protocols or those given.

    Raises InvalidSubmission and CorruptResult: a page is never made from a file that contradicts itself.
    """
    known = {name: load_protocol(name) for name in protocol_ids()} if protocols is None else dict(protocols)
    entries = tuple(
        Entry(submission.manifest, tuple(load_results(submission.folder))) for submission in list_submissions(root)
    )
    return Sources({name: known[name] for name in sorted(known)}, entries)


def last_run(stored: StoredResult) -> str:
    """Return when the last run that found a result ended; empty where no run is recorded."""
    return max((run.ended for run in stored.runs), default="")


def _precedence(stored: StoredResult) -> tuple[int, str, str]:
    return (_TIER_ORDER[stored.result.subject.tier], last_run(stored), stored.result.id)
