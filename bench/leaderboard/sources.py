"""Sources: everything a page is made from, read once: protocols, manifests and stored results of both tracks.

May import pandas' neighbors of the page half and the records; never torch.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Generic, Literal, TypeVar

from bench.errors import InvalidSubmission, RefusedArtifact
from bench.protocol import Protocol
from bench.results import CheckpointResult
from bench.store import StoredResult, belongs_to, load_results
from bench.submission import MANIFEST_NAME, Manifest, Submission, UnlearningManifest, load_submission
from bench.unlearning_protocol import AnyProtocol, UnlearningProtocol, all_protocol_ids, load_any_protocol

Role = Literal["reference", "control", "entry"]
Anchor = Literal["original", "retrain", "retrain-second"]
ANCHORS: tuple[Anchor, ...] = ("original", "retrain", "retrain-second")

REPRODUCTION = "docs/reproduction.md"
"""What publications claim and what is measured; a page of the site."""

_TIER_ORDER = {"full": 1, "quick": 0}

ManifestOf = TypeVar("ManifestOf", Manifest, UnlearningManifest)


@dataclass(frozen=True)
class Stored(Generic[ManifestOf]):
    """A submission of one track with all its stored results, in the order of protocol and file name."""

    manifest: ManifestOf
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

    def shown(self, protocol: AnyProtocol) -> StoredResult | None:
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

    def belongs_on(self, protocol: AnyProtocol) -> bool:
        """Say whether the submission belongs on a protocol's board: it names it or has a result of it."""
        return protocol.id in self.manifest.protocols or self.shown(protocol) is not None


class Entry(Stored[Manifest]):
    """A submission of the UE track."""


class UnlearningEntry(Stored[UnlearningManifest]):
    """A submission of the unlearning track."""

    def anchor(self, protocol: UnlearningProtocol) -> Anchor | None:
        """Return which reference of a protocol the submission is; None for every other submission."""
        recipe = self.manifest.recipe_for(protocol.id)
        if self.role != "reference" or recipe is None:
            return None
        return next((name for name in ANCHORS if name == recipe.unlearner), None)


@dataclass(frozen=True)
class Sources:
    """All protocols by id and all submissions by slug, both sorted, the two tracks apart.

    protocols, entries: of the UE track. left_out: one line for each submission whose manifest cannot be read: its
    folder and why. unlearning_protocols, unlearning_entries: protocols and submissions of the unlearning track.
    reproduction: the text of REPRODUCTION, empty where a repository has none.
    """

    protocols: Mapping[str, Protocol]
    entries: tuple[Entry, ...]
    left_out: tuple[str, ...] = ()
    unlearning_protocols: Mapping[str, UnlearningProtocol] = field(default_factory=dict)
    unlearning_entries: tuple[UnlearningEntry, ...] = ()
    reproduction: str = ""

    @property
    def submissions(self) -> tuple[Entry | UnlearningEntry, ...]:
        """The submissions of both tracks."""
        return (*self.entries, *self.unlearning_entries)

    def protocol(self, name: str) -> AnyProtocol | None:
        """Return a protocol of either track by id, None where nobody knows it."""
        return self.protocols.get(name) or self.unlearning_protocols.get(name)

    def reference(self, protocol: Protocol) -> Entry | None:
        """Return the reference that has a result in a protocol, the first by slug; None where there is none."""
        found = (entry for entry in self.entries if entry.role == "reference" and entry.shown(protocol))
        return next(found, None)

    def on_board(self, protocol: Protocol) -> tuple[Entry, ...]:
        """Return the submissions that belong on a protocol's board: those that name it or have a result of it."""
        return tuple(entry for entry in self.entries if entry.belongs_on(protocol))

    def anchors(self, protocol: UnlearningProtocol) -> dict[Anchor, UnlearningEntry]:
        """Return the references of a protocol that have a result; of several, the one whose slug says so goes first."""
        found: dict[Anchor, UnlearningEntry] = {}
        for entry in self.unlearning_entries:
            name = entry.anchor(protocol)
            if name is not None and entry.shown(protocol) and (name not in found or entry.slug == name):
                found[name] = entry
        return found

    def checkpoints(self, keys: Iterable[str]) -> tuple[CheckpointResult, ...]:
        """Return the measured checkpoints of references that have these keys, in their order; unknown keys are skipped.

        A result names what it was read against by keys, whatever the reference's submission is called.
        """
        cells = (cell for entry in self.unlearning_entries if entry.role == "reference" for cell in _cells(entry))
        known = {cell.key: cell for cell in cells}
        return tuple(known[key] for key in keys if key in known)


def read_sources(root: Path, *, protocols: Mapping[str, AnyProtocol] | None = None) -> Sources:
    """Read what lies below `<root>/submissions`, against the bundled protocols or those given.

    A submission whose manifest cannot be read, an unfinished one for instance, is left out and named in `left_out`.
    Raises CorruptResult: a page is never made from a result that contradicts itself.
    """
    known = {name: load_any_protocol(name) for name in all_protocol_ids()} if protocols is None else dict(protocols)
    ordered = [known[name] for name in sorted(known)]
    submissions, left_out = _readable_submissions(root)
    entries: list[Entry] = []
    unlearners: list[UnlearningEntry] = []
    for submission in submissions:
        results = tuple(load_results(submission.folder))
        if isinstance(submission.manifest, Manifest):
            entries.append(Entry(submission.manifest, results))
        else:
            unlearners.append(UnlearningEntry(submission.manifest, results))
    return Sources(
        protocols={protocol.id: protocol for protocol in ordered if isinstance(protocol, Protocol)},
        entries=tuple(entries),
        left_out=tuple(left_out),
        unlearning_protocols={
            protocol.id: protocol for protocol in ordered if isinstance(protocol, UnlearningProtocol)
        },
        unlearning_entries=tuple(unlearners),
        reproduction=_read_text(root / REPRODUCTION),
    )


def unreadable_submissions(root: Path) -> list[str]:
    """Return one line for each submission that the site leaves out: its folder, why, and what to do."""
    return _readable_submissions(root)[1]


def last_run(stored: StoredResult) -> str:
    """Return when the last run that found a result ended; empty where no run is recorded."""
    return max((run.ended for run in stored.runs), default="")


def _read_text(path: Path) -> str:
    return path.read_text(encoding="utf-8") if path.is_file() else ""


def _cells(entry: UnlearningEntry) -> Iterable[CheckpointResult]:
    return (cell for stored in entry.results for cell in stored.result.checkpoint_cells)


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
