"""Results that lie nowhere: a `Shelved` with its document and runs in memory, and submissions that hold some."""

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from manifest_factory import make_manifest

from bench.leaderboard.shelf import Filed, Head, Shelved
from bench.leaderboard.sources import Entry, UnlearningEntry
from bench.records import canonical_bytes
from bench.results import Result, Run, result_bytes
from bench.store import belongs_to
from bench.submission import AnyManifest, UnlearningManifest

UNWRITTEN = ("", "")
"""Digests of a manifest and a ledger that were never written."""


@dataclass(frozen=True)
class InMemory(Shelved):
    """A stored result that is opened without reading."""

    document: Result
    found_by: tuple[Run, ...]

    @property
    def content(self) -> bytes:
        return result_bytes(self.document)

    @property
    def result(self) -> Result:
        return self.document

    @property
    def runs(self) -> tuple[Run, ...]:
        return self.found_by


def in_memory(result: Result, *runs: Run, slug: str = "fog", withdrawn: bool = False) -> InMemory:
    """A result as a shelf knows it; it belongs to nobody before a submission holds it."""
    lines = b"".join(canonical_bytes(run.model_dump(mode="json")) + b"\n" for run in runs)
    subject = result.subject
    head = Head(
        path=f"results/{subject.protocol.id}/{result.name}.json",
        sha256=hashlib.sha256(result_bytes(result) + b"\0" + lines).hexdigest(),
        id=result.id,
        key=result.key,
        protocol=subject.protocol.id,
        protocol_sha256=subject.protocol.sha256,
        tier=subject.tier,
        owned=False,
        withdrawn=withdrawn,
        ends=tuple(run.ended for run in runs),
    )
    return InMemory(Path("submissions") / slug, head, result, runs)


def entry_in_memory(slug: str, *stored: InMemory, **manifest: Any) -> Entry:
    """A UE submission that owns those results which measured what its manifest pins."""
    made = make_manifest(slug, **manifest)
    return Entry(Path("submissions") / slug, Filed.of(made), _held(made, stored), UNWRITTEN)


def unlearner_in_memory(manifest: UnlearningManifest, *stored: InMemory) -> UnlearningEntry:
    """A submission of the unlearning track that owns those results which measured what its manifest pins."""
    return UnlearningEntry(Path("submissions") / manifest.slug, Filed.of(manifest), _held(manifest, stored), UNWRITTEN)


def known_by(item: Any, day: str) -> Any:
    """An entry with the runs until the end of a day; a result without any run was always there."""
    stored = []
    for found in item.results:
        runs = tuple(run for run in found.runs if run.ended[:10] <= day)
        if runs or not found.runs:
            stored.append(in_memory(found.result, *runs, slug=item.slug, withdrawn=found.head.withdrawn))
    return replace(item, results=_held(item.manifest, tuple(stored)))


def _held(manifest: AnyManifest, stored: tuple[InMemory, ...]) -> tuple[InMemory, ...]:
    return tuple(
        replace(item, head=item.head.model_copy(update={"owned": belongs_to(item.result, manifest)})) for item in stored
    )
