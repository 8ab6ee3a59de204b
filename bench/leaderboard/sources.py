"""Sources: everything a page is made from: protocols, manifests and stored results of both tracks.

May import the shelf and the records; never torch.
"""

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache, cached_property, wraps
from pathlib import Path
from typing import Any, Generic, Literal, TypeVar, cast, get_type_hints

from bench.leaderboard.memory import Memory
from bench.leaderboard.shelf import Filed, Head, Shelf, Shelved, ledger_of, read_shelves
from bench.ledger import Ledger
from bench.protocol import Protocol
from bench.results import CheckpointResult
from bench.submission import Manifest, UnlearningManifest
from bench.unlearning_protocol import AnyProtocol, UnlearningProtocol, all_protocol_ids, load_any_protocol

Role = Literal["reference", "control", "entry"]
Anchor = Literal["original", "retrain", "retrain-second"]
ANCHORS: tuple[Anchor, ...] = ("original", "retrain", "retrain-second")

REPRODUCTION = "docs/reproduction.md"
"""What publications claim and what is measured; a page of the site."""

_ROLES: dict[str, Role] = {"reference": "reference", "control": "control"}

_TIER_ORDER = {"full": 1, "quick": 0}

ManifestOf = TypeVar("ManifestOf", Manifest, UnlearningManifest)
ProtocolOf = TypeVar("ProtocolOf", Protocol, UnlearningProtocol, AnyProtocol)
Value = TypeVar("Value")
EntryOf = TypeVar("EntryOf", bound="Stored[Any]")


@dataclass(frozen=True)
class Stored(Generic[ManifestOf]):
    """A submission of one track with all its stored results, in the order of protocol and file name.

    sources: digests of the manifest's text and of the ledger, empty without one.
    """

    folder: Path
    filed: Filed
    results: tuple[Shelved, ...]
    sources: tuple[str, str]

    @property
    def manifest(self) -> ManifestOf:
        """The manifest, read when it is asked for the first time."""
        return cast("ManifestOf", self.filed.manifest)

    @property
    def ledger(self) -> Ledger:
        """The attempts, and what was said about results. Raises CorruptResult."""
        return ledger_of(self.folder, self.sources[1])

    @property
    def slug(self) -> str:
        """The manifest's slug."""
        return self.filed.slug

    @property
    def name(self) -> str:
        """The name of the method."""
        return self.filed.name

    @property
    def role(self) -> Role:
        """What the submission is for on a board: an anchor, a control that must show no effect, or an entry."""
        return _ROLES.get(self.filed.family, "entry")

    def owns(self, stored: Shelved) -> bool:
        """Say whether a result measured exactly the artifacts that the manifest pins."""
        return stored.head.owned

    def shown(self, protocol: AnyProtocol) -> Shelved | None:
        """Return the result that a board shows, None where no result answers this protocol as it is worded now.

        A result of another artifact than the manifest pins is never shown, nor one that was withdrawn.
        The full tier goes before the quick one, then the latest run, then the larger id.
        """
        return self._shown.get((protocol.id, protocol_digest(protocol)))

    @cached_property
    def _shown(self) -> dict[tuple[str, str], Shelved]:
        """What is shown, by id and digest of a protocol."""
        valid = (stored for stored in self.results if stored.head.owned and not stored.head.withdrawn)
        ordered = sorted(valid, key=_precedence)  # The last one of a protocol stays.
        return {(stored.head.protocol, stored.head.protocol_sha256): stored for stored in ordered}

    def state(self, protocol: AnyProtocol | None = None) -> str:
        """Return a digest of the manifest, the ledger and all results, or of those of one protocol."""
        if protocol is None:
            return self._whole_state
        return self._digest_of(stored.head.sha256 for stored in self.results_of(protocol))

    def results_of(self, protocol: AnyProtocol) -> Sequence[Shelved]:
        """Return the results of a protocol, whatever its wording was and whether or not they are shown."""
        return self._by_protocol.get(protocol.id, ())

    @cached_property
    def _by_protocol(self) -> dict[str, list[Shelved]]:
        found: dict[str, list[Shelved]] = {}
        for stored in self.results:
            found.setdefault(stored.head.protocol, []).append(stored)
        return found

    @cached_property
    def _whole_state(self) -> str:
        heads: list[Head] = [stored.head for stored in self.results]
        return self._digest_of(head.sha256 for head in heads)

    def _digest_of(self, states: Iterable[str]) -> str:
        return hashlib.sha256("\n".join([*self.sources, *states]).encode()).hexdigest()

    @cached_property
    def named(self) -> frozenset[str]:
        """The ids of the protocols that its manifest names, and of those of its results, shown or not."""
        return frozenset([*self.filed.protocols, *(stored.head.protocol for stored in self.results)])

    def belongs_on(self, protocol: AnyProtocol) -> bool:
        """Say whether the submission belongs on a protocol's board: it names it or has a result of it."""
        return protocol.id in self.filed.protocols or self.shown(protocol) is not None


class Entry(Stored[Manifest]):
    """A submission of the UE track."""


class UnlearningEntry(Stored[UnlearningManifest]):
    """A submission of the unlearning track."""

    def anchor(self, protocol: UnlearningProtocol) -> Anchor | None:
        """Return which reference of a protocol the submission is; None for every other submission."""
        recipe = self.manifest.recipe_for(protocol.id) if self.role == "reference" else None
        return next((name for name in ANCHORS if recipe is not None and name == recipe.unlearner), None)


@dataclass(frozen=True)
class Sources:
    """All protocols by id, in the order of `newest_first`, and all submissions by slug, sorted, the two tracks apart.

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
    memory: Memory = field(default_factory=Memory, compare=False)

    def without_submissions(self) -> "Sources":
        """Return what there would be without any submission; nothing that was found about them is shared."""
        return replace(self, entries=(), left_out=(), unlearning_entries=(), memory=Memory())

    @property
    def all_protocols(self) -> list[AnyProtocol]:
        """The protocols of both tracks."""
        return [*self.protocols.values(), *self.unlearning_protocols.values()]

    @property
    def submissions(self) -> tuple[Entry | UnlearningEntry, ...]:
        """The submissions of both tracks."""
        return (*self.entries, *self.unlearning_entries)

    def protocol(self, name: str) -> AnyProtocol | None:
        """Return a protocol of either track by id, None where nobody knows it."""
        return self.protocols.get(name) or self.unlearning_protocols.get(name)

    def state(self, protocol: AnyProtocol) -> str:
        """Return a digest of everything that a protocol's board is made from."""
        if protocol.id not in self._states:
            # Also of those that the board does not show: its history and the file of all measurements tell of them.
            states = [f"{entry.slug} {entry.state(protocol)}" for entry in self.naming(protocol)]
            # Checkpoints are read against references by keys, wherever those lie.
            if isinstance(protocol, UnlearningProtocol):
                states.append(self.unlearning_references)
            text = "\n".join([protocol_digest(protocol), *states])
            self._states[protocol.id] = hashlib.sha256(text.encode()).hexdigest()
        return self._states[protocol.id]

    def naming(self, protocol: AnyProtocol) -> Sequence[Entry | UnlearningEntry]:
        """Return the submissions of a protocol's track that name it or have a result of it, shown or not, by slug."""
        return self.ue_naming(protocol) if isinstance(protocol, Protocol) else self.unlearning_naming(protocol)

    def ue_naming(self, protocol: Protocol) -> Sequence[Entry]:
        """Return those of the UE track, as `naming` does."""
        return self._naming.get(protocol.id, ())

    def unlearning_naming(self, protocol: UnlearningProtocol) -> Sequence[UnlearningEntry]:
        """Return those of the unlearning track, as `naming` does."""
        return self._unlearning_naming.get(protocol.id, ())

    @cached_property
    def _naming(self) -> dict[str, list[Entry]]:
        return _by_protocol(self.entries)

    @cached_property
    def _unlearning_naming(self) -> dict[str, list[UnlearningEntry]]:
        return _by_protocol(self.unlearning_entries)

    @cached_property
    def unlearning_references(self) -> str:
        """Digest of all references of the unlearning track."""
        states = (entry.state() for entry in self.unlearning_entries if entry.role == "reference")
        return hashlib.sha256("\n".join(states).encode()).hexdigest()

    @cached_property
    def everything(self) -> str:
        """Digest of everything that the site is made from."""
        states = [f"{entry.slug} {entry.state()}" for entry in self.submissions]
        parts = [*map(protocol_digest, self.all_protocols), *states, *self.left_out, self.reproduction]
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()

    def reference(self, protocol: Protocol) -> Entry | None:
        """Return the reference that has a result in a protocol, the first by slug; None where there is none."""
        if protocol.id not in self._references:
            naming = self.ue_naming(protocol)
            found = (entry for entry in naming if entry.role == "reference" and entry.shown(protocol))
            self._references[protocol.id] = next(found, None)
        return self._references[protocol.id]

    def on_board(self, protocol: Protocol) -> tuple[Entry, ...]:
        """Return the submissions that belong on a protocol's board: those that name it or have a result of it."""
        return tuple(entry for entry in self.ue_naming(protocol) if entry.belongs_on(protocol))

    def anchors(self, protocol: UnlearningProtocol) -> Mapping[Anchor, UnlearningEntry]:
        """Return the references of a protocol that have a result; of several, the one whose slug says so goes first."""
        if protocol.id not in self._anchors:
            found: dict[Anchor, UnlearningEntry] = {}
            for entry in self.unlearning_naming(protocol):
                name = entry.anchor(protocol)
                if name is not None and entry.shown(protocol) and (name not in found or entry.slug == name):
                    found[name] = entry
            self._anchors[protocol.id] = found
        return self._anchors[protocol.id]

    def checkpoints(self, keys: Iterable[str]) -> tuple[CheckpointResult, ...]:
        """Return the measured checkpoints of references that have these keys, in their order; unknown keys are skipped.

        A result names what it was read against by keys, whatever the reference's submission is called.
        """
        return tuple(self._reference_cells[key] for key in keys if key in self._reference_cells)

    @cached_property
    def _states(self) -> dict[str, str]:
        return {}

    @cached_property
    def _references(self) -> dict[str, Entry | None]:
        return {}

    @cached_property
    def _anchors(self) -> dict[str, Mapping[Anchor, UnlearningEntry]]:
        return {}

    @cached_property
    def _reference_cells(self) -> dict[str, CheckpointResult]:
        references = (entry for entry in self.unlearning_entries if entry.role == "reference")
        results = (stored.result for entry in references for stored in entry.results)
        return {cell.key: cell for result in results for cell in result.checkpoint_cells}


def read_sources(
    root: Path, *, protocols: Mapping[str, AnyProtocol] | None = None, cache: Path | None = None, code: str = ""
) -> Sources:
    """Read what lies below `<root>/submissions`, against the bundled protocols or those given.

    A submission whose manifest cannot be read, an unfinished one for instance, is left out and named in `left_out`.
    cache, code: see `read_shelves`. Raises CorruptResult: a page is never made from a result or
    a ledger that contradicts itself.
    """
    known = {name: load_any_protocol(name) for name in all_protocol_ids()} if protocols is None else dict(protocols)
    ordered = [known[name] for name in sorted(known, key=newest_first)]
    shelves, left_out = read_shelves(root, cache, code=code)
    entries = [entry_of(shelf) for shelf in shelves]
    return Sources(
        protocols={protocol.id: protocol for protocol in ordered if isinstance(protocol, Protocol)},
        entries=tuple(entry for entry in entries if isinstance(entry, Entry)),
        left_out=tuple(left_out),
        memory=Memory(cache, code=code),
        unlearning_protocols={
            protocol.id: protocol for protocol in ordered if isinstance(protocol, UnlearningProtocol)
        },
        unlearning_entries=tuple(entry for entry in entries if isinstance(entry, UnlearningEntry)),
        reproduction=_read_text(root / REPRODUCTION),
    )


def newest_first(protocol_id: str) -> tuple[str, int]:
    """Return what protocols are ordered by: their name, and of one name the newest version first."""
    name, _, version = protocol_id.rpartition("-v")
    return name, -int(version)


def entry_of(shelf: Shelf) -> Entry | UnlearningEntry:
    """Return the submission that lies on a shelf."""
    kind = Entry if shelf.filed.track == "ue" else UnlearningEntry
    return kind(shelf.folder, shelf.filed, shelf.results, shelf.sources)


def _by_protocol(entries: Iterable[EntryOf]) -> dict[str, list[EntryOf]]:
    found: dict[str, list[EntryOf]] = {}
    for entry in entries:
        for name in entry.named:
            found.setdefault(name, []).append(entry)
    return found


def remembered(work_out: Callable[[Sources, ProtocolOf], Value]) -> Callable[[Sources, ProtocolOf], Value]:
    """Keep what a function finds for a board until something changes that the board is made from.

    The function returns what pydantic can write and read: data classes, records, tuples, numbers and texts.
    """
    name = f"{work_out.__module__}.{work_out.__qualname__}"
    kind = cache(lambda: get_type_hints(work_out)["return"])

    @wraps(work_out)
    def recall(sources: Sources, protocol: ProtocolOf) -> Value:
        place, state = f"{protocol.id}/{name}", sources.state(protocol)
        found: Value = sources.memory.recall(place, state, kind(), lambda: work_out(sources, protocol))
        return found

    return recall


def _read_text(path: Path) -> str:
    return path.read_text(encoding="utf-8") if path.is_file() else ""


def protocol_digest(protocol: AnyProtocol) -> str:
    """Return the digest of a protocol, computed once for each object: it is asked for with every result."""
    known = _DIGESTS.get(id(protocol))
    if known is None or known[0] is not protocol:
        known = _DIGESTS[id(protocol)] = (protocol, protocol.sha256)
    return known[1]


_DIGESTS: dict[int, tuple[AnyProtocol, str]] = {}


def _precedence(stored: Shelved) -> tuple[int, str, str]:
    return (_TIER_ORDER[stored.head.tier], stored.head.ended, stored.head.id)
