"""Shelf: what lies below `submissions/`, known by its content, and opened only where a page needs it.

A result is checked in full when its bytes are seen for the first time. What the boards must know before they open it is
then kept in `.bench/site/shelf.json` under the digest of those bytes, and files that nobody touched since are not even
opened, so that a site of thousands of results is read in a moment. Imports the records; never torch, never pandas.
"""

import hashlib
import json
import os
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Literal

from pydantic import ValidationError

from bench.errors import CorruptResult, InvalidSubmission, RefusedArtifact
from bench.files import write_and_sweep
from bench.leaderboard.crew import spread
from bench.leaderboard.opened import OPENED, digest_of
from bench.ledger import LEDGER_LIMIT_BYTES, LEDGER_NAME, Ledger, read_ledger
from bench.problems import visible
from bench.records import Record
from bench.results import Result, Run
from bench.store import belongs_to, read_result, read_runs, result_paths, runs_path, stored_bytes
from bench.submission import MANIFEST_NAME, MANIFESTS, AnyManifest, listed_folders, parse_any_manifest, read_manifest
from bench.untrusted import read_untrusted

INDEX = "shelf.json"
JUST_NOW = 2_000_000_000
"""Nanoseconds within which two changes of a file may bear one time."""

LEDGERS_AT_ONCE = 512
"""Ledgers that a process keeps open."""


class Head(Record):
    """What is known of a stored result without opening it.

    path: inside the submission's folder. sha256: of document and runs. owned: whether it measured the artifacts
    that the manifest pins. withdrawn: what the ledger says. ends: when the runs that found it ended, as they state it.
    """

    path: str
    sha256: str
    id: str
    key: str
    protocol: str
    protocol_sha256: str
    tier: Literal["quick", "full"]
    owned: bool
    withdrawn: bool
    ends: tuple[str, ...]

    @property
    def ended(self) -> str:
        """When the last run that found it ended, empty where no run is recorded."""
        return max(self.ends, default="")

    @property
    def name(self) -> str:
        """File name without suffix."""
        return self.id.removeprefix("sha256:")[:16]


class Filed(Record):
    """A manifest that is read when it is asked for, and what the whole site asks of every one.

    content: the manifest as JSON. license: of its artifacts.
    """

    track: Literal["ue", "unlearning"]
    slug: str
    name: str
    family: str
    protocols: tuple[str, ...]
    license: str
    content: str

    @classmethod
    def of(cls, manifest: AnyManifest) -> "Filed":
        """File a manifest."""
        return cls(
            track=manifest.track,
            slug=manifest.slug,
            name=manifest.method.name,
            family=manifest.method.family,
            protocols=manifest.protocols,
            license=manifest.agreement.artifact_license,
            content=manifest.model_dump_json(by_alias=True),
        )

    @cached_property
    def manifest(self) -> AnyManifest:
        """The manifest, which was checked when it was filed."""
        return MANIFESTS[self.track].model_validate_json(self.content)


class Kept(Record):
    """A submission as the index keeps it: its manifest and the heads of its results.

    stamp: what was seen of its files from outside, empty where that says nothing; sources: as of `Shelf`.
    """

    stamp: str
    sources: tuple[str, str]
    filed: Filed
    heads: tuple[Head, ...]


class Index(Record):
    """Everything that was known at the last reading. code: digest of the code that checked it."""

    code: str
    folders: dict[str, Kept]


@dataclass(frozen=True)
class Shelved:
    """A stored result; `result` and `runs` are read when they are asked for."""

    folder: Path
    head: Head

    @property
    def path(self) -> Path:
        """Where the document lies."""
        return self.folder / self.head.path

    @property
    def slug(self) -> str:
        """The submission's folder name."""
        return self.folder.name

    @property
    def content(self) -> bytes:
        """The bytes of the document, which are its canonical form. Raises CorruptResult if they changed since."""
        return OPENED.get(self._where, self.head.sha256)[0]

    @property
    def result(self) -> Result:
        """The document. Raises CorruptResult if it changed since it was checked."""
        return OPENED.get(self._where, self.head.sha256)[1]

    @property
    def runs(self) -> tuple[Run, ...]:
        """The runs that found it. Raises CorruptResult if they changed since they were checked."""
        return OPENED.get(self._where, self.head.sha256)[2]

    @cached_property
    def _where(self) -> str:
        return f"{self.folder}/{self.head.path}"


@dataclass(frozen=True)
class Shelf:
    """One submission's folder: manifest and results, in the order of protocol and file name.

    sources: digests of the manifest's text and of the ledger, empty without one.
    """

    folder: Path
    filed: Filed
    sources: tuple[str, str]
    results: tuple[Shelved, ...]


def read_shelves(root: Path, cache: Path | None = None, *, code: str = "") -> tuple[list[Shelf], list[str]]:
    """Read all submissions of a repository, sorted by slug; also one line for each that cannot be read.

    cache: folder of the index, None for none. code: digest of the code; an index of other code is not used.
    Raises CorruptResult for a result that contradicts itself.
    """
    known, lines = _load_index(cache, code)
    folders = {folder.name: folder for folder in listed_folders(root / "submissions")}
    stamped = {name: kept.stamp for name, kept in known.items() if name in folders and kept.stamp}
    untouched = {name for name, stamp in stamped.items() if _stamp(str(folders[name])) == stamp}
    lines = {name: line for name, line in lines.items() if name in untouched}
    tasks = [(folder, known.get(name)) for name, folder in folders.items() if name not in untouched]
    read, stamps = {}, {}
    for (folder, _), (stamp, found_there) in zip(tasks, spread(_read, tasks), strict=True):
        read[folder.name], stamps[folder.name] = found_there, stamp
    read |= {name: _recalled(folders[name], known[name]) for name in untouched}
    found = [read[name] for name in folders]
    shelves = [item for item in found if isinstance(item, Shelf)]
    if cache is not None and (tasks or len(shelves) != len(known)):
        _save_index(cache, code, [lines.get(shelf.folder.name) or _line(shelf, stamps) for shelf in shelves])
    return shelves, [item for item in found if isinstance(item, str)]


def read_shelf(folder: Path, protocol: str | None = None) -> Shelf:
    """Read one submission, or its results of one protocol only.

    Raises CorruptResult, and for the manifest what `bench.submission.read_manifest` and `parse_any_manifest` do.
    """
    return _shelf(_survey(folder, None, protocol))


def _read(task: tuple[Path, Kept | None]) -> tuple[str, Shelf | str]:
    """Return the stamp of a folder and what lies in it, or why it cannot be read. Raises CorruptResult."""
    folder, kept = task
    stamp = _stamp(str(folder))  # before anything is read: what changes meanwhile is looked at again
    try:
        return stamp, _shelf(_survey(folder, kept))
    except (InvalidSubmission, RefusedArtifact, ValueError) as error:
        name = f"submissions/{visible(folder.name)}"
        return stamp, f"{name}: left out of the site: {_reason(folder / MANIFEST_NAME, error)}"


def _recalled(folder: Path, kept: Kept) -> Shelf:
    return Shelf(folder, kept.filed, kept.sources, tuple(Shelved(folder, head) for head in kept.heads))


def _stamp(folder: str) -> str:
    """Return what changes whenever a file of a folder does; empty where one changed just now, and may change unseen.

    Of every file its name, number, size and times: the time of its last change cannot be set by a program.
    """
    just_now = time.time_ns() - JUST_NOW
    lines = []
    for name in _watched(folder):
        try:
            at = os.lstat(f"{folder}/{name}")
        except FileNotFoundError:
            continue
        if at.st_ctime_ns > just_now:
            return ""
        lines.append(f"{name} {at.st_ino} {at.st_size} {at.st_mtime_ns} {at.st_ctime_ns} {at.st_mode}")
    return hashlib.sha256("\n".join(lines).encode(errors="surrogateescape")).hexdigest()


def _watched(folder: str) -> list[str]:
    """Return the names, inside a folder, of the files that say what a submission is; some may not exist."""
    found = [MANIFEST_NAME, LEDGER_NAME]
    for part in _listed(f"{folder}/results"):
        found += [f"results/{part}/{name}" for name in _listed(f"{folder}/results/{part}")]
    return found


def _listed(folder: str) -> list[str]:
    try:
        return sorted(os.listdir(folder))  # noqa: PTH208 - as above
    except (FileNotFoundError, NotADirectoryError):
        return []


@dataclass(frozen=True)
class _Surveyed:
    """A folder whose bytes are digested. new: document and runs of results that no index speaks of, by path."""

    folder: Path
    filed: Filed
    sources: tuple[str, str]
    known: dict[str, Head]
    new: dict[str, tuple[bytes, bytes]]


def _survey(folder: Path, kept: Kept | None, protocol: str | None = None) -> _Surveyed:
    text = read_manifest(folder)
    sources = (hashlib.sha256(text.encode()).hexdigest(), _ledger_digest(folder))
    chosen = [path for path in result_paths(folder) if protocol in (None, path.parent.name)]
    same = kept is not None and kept.sources == sources
    heads = {head.path: head for head in kept.heads} if kept is not None and same else {}
    known, new = {}, {}
    for path in chosen:
        name = path.relative_to(folder).as_posix()
        stored = stored_bytes(path)
        if name in heads and heads[name].sha256 == digest_of(*stored):
            known[name] = heads[name]
        else:
            new[name] = stored  # kept, so that what is digested is what is checked
    filed = kept.filed if kept is not None and same else Filed.of(parse_any_manifest(text))
    return _Surveyed(folder, filed, sources, known, new)


def _head(item: _Surveyed, name: str, ledger: Ledger) -> Head:
    path = item.folder / name
    document, recorded = item.new[name]
    result, runs = read_result(path, document), read_runs(runs_path(path), recorded)
    return Head(
        path=name,
        sha256=digest_of(document, recorded),
        id=result.id,
        key=result.key,
        protocol=result.subject.protocol.id,
        protocol_sha256=result.subject.protocol.sha256,
        tier=result.subject.tier,
        owned=belongs_to(result, item.filed.manifest),
        withdrawn=ledger.withdrawal(result.id) is not None,
        ends=tuple(run.ended for run in runs),
    )


def _shelf(item: _Surveyed) -> Shelf:
    """Check in full what no index speaks of."""
    ledger = read_ledger(item.folder) if item.new else Ledger()
    heads = item.known | {name: _head(item, name, ledger) for name in item.new}
    ordered = (heads[name] for name in sorted(heads, key=lambda name: Path(name).parts))
    return Shelf(item.folder, item.filed, item.sources, tuple(Shelved(item.folder, head) for head in ordered))


@lru_cache(maxsize=LEDGERS_AT_ONCE)
def ledger_of(folder: Path, sha256: str) -> Ledger:
    """Return the ledger of a submission. Raises CorruptResult if it is broken or not the one that was digested."""
    ledger = read_ledger(folder)
    if _ledger_digest(folder) != sha256:
        raise CorruptResult(f"{folder / LEDGER_NAME}: changed while the site was built; build it again")
    return ledger


def _ledger_digest(folder: Path) -> str:
    try:
        return hashlib.sha256(read_untrusted(folder, LEDGER_NAME, LEDGER_LIMIT_BYTES)).hexdigest()
    except FileNotFoundError:
        return ""


def _load_index(cache: Path | None, code: str) -> tuple[dict[str, Kept], dict[str, bytes]]:
    """Return what the index says of each folder, and the lines that say it; nothing where it is of other code."""
    if cache is None:
        return {}, {}
    try:
        content = (cache / INDEX).read_bytes()
        index = Index.model_validate_json(content)
    except (OSError, ValidationError):
        return {}, {}
    if index.code != code:
        return {}, {}
    lines = content.split(b"\n")[1:-1]
    if len(lines) != len(index.folders):  # written otherwise, which is no reason not to believe it
        return index.folders, {}
    return index.folders, dict(zip(index.folders, [line.removesuffix(b",") for line in lines], strict=True))


def _line(shelf: Shelf, stamps: Mapping[str, str]) -> bytes:
    """Return what the index says of a folder, in one line: texts in JSON have no line breaks."""
    name = shelf.folder.name
    heads = tuple(item.head for item in shelf.results)
    kept = Kept(stamp=stamps[name], sources=shelf.sources, filed=shelf.filed, heads=heads)
    return f"{json.dumps(name)}:{kept.model_dump_json()}".encode()


def _save_index(cache: Path, code: str, lines: Sequence[bytes]) -> None:
    content = b'{"code":%s,"folders":{\n%s\n}}' % (json.dumps(code).encode(), b",\n".join(lines))
    with suppress(OSError):  # an index that cannot be written costs time, nothing else
        write_and_sweep(cache / INDEX, content)


def _reason(manifest: Path, error: Exception) -> str:
    """Return a problem in one line: of several, as the records report them, how many and where the first is."""
    count, *rest = str(error.__cause__ or error).splitlines()
    problem = visible(f"{count}, the first at {rest[0]}" if rest else count, 400)
    return f"{MANIFEST_NAME}: {problem}; `bench validate {visible(str(manifest.parent), 400)}` lists every problem"
