"""Sources: everything a page is made from, read once: protocols, manifests and stored results.

May import pandas' neighbors of the page half and the records; never torch.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from bench.errors import InvalidSubmission, RefusedArtifact
from bench.protocol import Protocol, load_protocol, protocol_ids
from bench.store import StoredResult, belongs_to, load_results
from bench.submission import MANIFEST_NAME, Manifest, Submission, load_submission

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

    def owns(self, stored: StoredResult) -> bool:
        """Say whether a result measured exactly the artifacts that the manifest pins."""
        return belongs_to(stored.result, self.manifest)

    def shown(self, protocol: Protocol) -> StoredResult | None:
        """Return the result that a board shows, None where no result answers this protocol as it is worded now.

        A result of another artifact than the manifest pins is never shown.
        The full tier goes before the quick one, then the latest run, then the larger id.
        """
        answers = [
            stored
            for stored in self.results
            if stored.result.subject.protocol.sha256 == protocol.sha256 and self.owns(stored)
        ]
        return max(answers, key=_precedence, default=None)


@dataclass(frozen=True)
class Sources:
    """All protocols by id and all submissions by slug, both sorted.

    left_out: one line for each submission whose manifest cannot be read: its folder and why.
    """

    protocols: Mapping[str, Protocol]
    entries: tuple[Entry, ...]
    left_out: tuple[str, ...] = ()

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

    A submission whose manifest cannot be read, an unfinished one for instance, is left out and named in `left_out`.
    Raises CorruptResult: a page is never made from a result that contradicts itself.
    """
    known = {name: load_protocol(name) for name in protocol_ids()} if protocols is None else dict(protocols)
    submissions, left_out = _readable_submissions(root)
    entries = tuple(
        Entry(submission.manifest, tuple(load_results(submission.folder)))
        for submission in submissions
        if isinstance(submission.manifest, Manifest)
    )
    return Sources({name: known[name] for name in sorted(known)}, entries, tuple(left_out))


def unreadable_submissions(root: Path) -> list[str]:
    """Return one line for each submission that the site leaves out: its folder, why, and what to do."""
    return _readable_submissions(root)[1]


def last_run(stored: StoredResult) -> str:
    """Return when the last run that found a result ended; empty where no run is recorded."""
    return max((run.ended for run in stored.runs), default="")


def _readable_submissions(root: Path) -> tuple[list[Submission], list[str]]:
    found, left_out = [], []
    for manifest in sorted((root / "submissions").glob(f"*/{MANIFEST_NAME}")):
        try:
            found.append(load_submission(manifest.parent))
        except (InvalidSubmission, RefusedArtifact) as error:
            left_out.append(f"submissions/{manifest.parent.name}: left out of the site: {_reason(manifest, error)}")
    return found, left_out


def _reason(manifest: Path, error: Exception) -> str:
    """Return a problem in one line: of several, as the records report them, how many and where the first is."""
    count, *rest = str(error.__cause__ or error).splitlines()
    problem = f"{count}, the first at {rest[0]}" if rest else count
    return f"{MANIFEST_NAME}: {problem}; `bench validate {manifest.parent}` lists every problem"


def _precedence(stored: StoredResult) -> tuple[int, str, str]:
    return (_TIER_ORDER[stored.result.subject.tier], last_run(stored), stored.result.id)
