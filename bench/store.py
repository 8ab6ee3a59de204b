"""Results on disk: where they lie, read with every check, written whole.

May import pydantic, bench.errors, bench.records and bench.results; no torch, no pandas.

Two files a result, in `submissions/<slug>/results/<protocol>/`:
  <16 hex of id>.json        exactly the RFC 8785 bytes of the document and a newline; the same finding, the same bytes
  <16 hex of id>.runs.jsonl  one line for each run that found it: when, where, with what, at what cost
"""

import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from bench.errors import CorruptResult, RefusedArtifact, UsageProblem
from bench.files import remove_leftovers, write_atomically
from bench.glance import plainly_follows, plainly_sound
from bench.locking import sole_writer
from bench.problems import visible
from bench.records import canonical_bytes
from bench.result_form import FOUND_LIMIT, form_findings, run_findings, value_findings
from bench.results import (
    SEAL_HEX,
    TRACK_TAGS,
    ArtifactRef,
    CheckpointRef,
    Result,
    Run,
    leaf_seal,
    leaves,
    result_bytes,
    summarize,
)
from bench.seals import flat_leaves, quick_seal
from bench.submission import AnyManifest, Manifest
from bench.untrusted import read_untrusted

RESULT_LIMIT_BYTES = 16 * 1024 * 1024
RUNS_LIMIT_BYTES = 4 * 1024 * 1024
RUNS_LIMIT = 1000
VALUE_LIMIT = 200_000
"""Values of a result document, twenty times what the largest protocol asks for: checking them takes memory and time."""


@dataclass(frozen=True)
class StoredResult:
    """A result as it lies on disk, with the runs that found it."""

    path: Path
    slug: str
    result: Result
    runs: tuple[Run, ...]


def results_folder(submission_folder: Path, protocol_id: str) -> Path:
    """Return the folder of a submission's results of one protocol."""
    return submission_folder / "results" / protocol_id


def read_result(path: Path, content: bytes | None = None) -> Result:
    """Read a stored result and check its digests. Raises CorruptResult naming the file and the JSON pointer.

    content: as of `examine_result`.
    """
    result, problems = examine_result(path, content)
    if result is None or problems:
        raise CorruptResult(problems[0])
    return result


def load_results(submission_folder: Path) -> list[StoredResult]:
    """Read all stored results of a submission, by protocol and file name. Raises CorruptResult."""
    return [
        StoredResult(path, submission_folder.name, read_result(path), read_runs(runs_path(path)))
        for path in result_paths(submission_folder)
    ]


def result_paths(submission_folder: Path) -> list[Path]:
    """Return the documents of a submission, by protocol and file name."""
    return sorted((submission_folder / "results").glob("*/*.json"))


def stored_bytes(path: Path) -> tuple[bytes, bytes]:
    """Return the bytes of a stored result, unchecked, and of its runs, empty without any. Raises CorruptResult."""
    try:
        document = _content(path, RESULT_LIMIT_BYTES)
        beside = runs_path(path)
        return document, _content(beside, RUNS_LIMIT_BYTES) if os.path.lexists(beside) else b""
    except (FileNotFoundError, RefusedArtifact) as error:
        raise CorruptResult(str(error)) from error


def find_result(submission_folder: Path, protocol_id: str, key: str) -> Path | None:
    """Return the path of a sound stored result that answers `key`, None where there is none."""
    for path in sorted(results_folder(submission_folder, protocol_id).glob("*.json")):
        if read_result(path).key == key:
            return path
    return None


def write_result(result: Result, run: Run, submission_folder: Path) -> Path:
    """Write a result whole (temporary file, fsync, rename) and add the run to its runs; return the result's path.

    The runs go first: a writer that is killed between both leaves no result without a run. Of two writers one waits.
    """
    path = results_folder(submission_folder, result.subject.protocol.id) / f"{result.name}.json"
    with sole_writer(path.parent):
        remove_leftovers(path.parent)
        runs = read_runs(runs_path(path))
        if run.sealed() not in runs:
            write_atomically(runs_path(path), b"".join(map(run_line, (*runs, run.sealed()))))
        write_atomically(path, result_bytes(result))
    return path


def run_line(run: Run) -> bytes:
    """Return a run as it is stored."""
    return canonical_bytes(run.model_dump(mode="json")) + b"\n"


def runs_path(result_path: Path) -> Path:
    """Return the path of the runs file beside a result file."""
    return result_path.with_suffix(".runs.jsonl")


def read_runs(path: Path, content: bytes | None = None) -> tuple[Run, ...]:
    """Read the runs beside a result; none where there is no file. Raises CorruptResult.

    content: as of `examine_result`.
    """
    try:
        lines = (_content(path, RUNS_LIMIT_BYTES) if content is None else content).splitlines()
    except FileNotFoundError:
        return ()
    except RefusedArtifact as error:
        raise CorruptResult(str(error)) from error
    runs = tuple(_run(path, index, line) for index, line in enumerate(lines[:RUNS_LIMIT]))
    if len(lines) > RUNS_LIMIT:
        raise CorruptResult(f"{_shown(path)}: holds {len(lines)} runs, at most {RUNS_LIMIT} are read")
    for index, run in enumerate(runs):
        for pointer, text in run_findings(run):
            raise CorruptResult(f"{_shown(path)}: /{index}{pointer}: {text}")
    return runs


def _run(path: Path, index: int, line: bytes) -> Run:
    try:
        return Run.model_validate_json(line)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place, text = visible(_pointer((index, *first["loc"]))), visible(first["msg"], 400)
        raise CorruptResult(f"{_shown(path)}: {place}: not a runs file: {text}") from error


def result_files(path: Path) -> list[Path]:
    """Return the result files that a path means: itself, those of a submission, or those of all below a folder.

    Raises UsageProblem where there is nothing at the path.
    """
    if not os.path.lexists(path):
        raise UsageProblem(f"{_shown(path)}: no such file or folder")
    if path.is_dir() and not path.is_symlink():
        return sorted(path.glob("**/results/*/*.json"))
    return [path]


def check_runs(result_path: Path) -> list[str]:
    """Return what is wrong with the runs file beside a result: unreadable, changed, or speaking of another result."""
    path = runs_path(result_path)
    try:
        runs = read_runs(path)
    except CorruptResult as error:
        return [str(error)]
    if not runs:
        return [f"{_shown(path)}: no run is recorded for this result"]
    name = result_path.stem
    found = [f"{_shown(path)}: /{index}{text}" for index, run in enumerate(runs) for text in _run_problems(run, name)]
    if not found and _content(path, RUNS_LIMIT_BYTES) != b"".join(map(run_line, runs)):
        found.append(f"{_shown(path)}: bytes are not the RFC 8785 form of the runs, one to a line")
    return found


def _run_problems(run: Run, name: str) -> Iterator[str]:
    if not run.id.startswith(f"sha256:{name}"):
        yield f"/id: is not sha256:{name}..., the result beside it"
    if run.seal != run.expected_seal:
        yield ": was changed, its seal does not match"


def belongs_to(result: Result, manifest: AnyManifest) -> bool:
    """Say whether a result measured exactly the artifacts that a manifest pins for the result's protocol.

    Of checkpoints, a result may have those of some kits only: of the seeds that its tier asks for.
    """
    subject = result.subject
    if subject.track != manifest.track or subject.protocol.id not in manifest.protocols:
        return False
    if isinstance(manifest, Manifest):
        pinned = [(item.sha256, item.bytes, item.norm) for item in manifest.artifacts_for(subject.protocol.id)]
        return pinned == [
            (item.sha256, item.bytes, item.norm) for item in subject.artifacts if isinstance(item, ArtifactRef)
        ]
    kits = {
        (item.probe, item.seed, item.sha256, item.bytes, item.original)
        for item in manifest.artifacts_for(subject.protocol.id)
    }
    measured = [item for item in subject.artifacts if isinstance(item, CheckpointRef)]
    return all((item.probe, item.seed, item.sha256, item.bytes, item.original) in kits for item in measured)


def check_result(path: Path) -> list[str]:
    """Return every way in which a stored result contradicts itself, each naming file and JSON pointer.

    Checked: the file, canonical bytes, types, form, key, id, file and folder name, seal, and mean, sd, interval
    recomputed from seeds.
    """
    return examine_result(path)[1]


def examine_result(path: Path, content: bytes | None = None) -> tuple[Result | None, list[str]]:
    """Return a stored result, read once, and what `check_result` says of those bytes; None where it has no types.

    content: the bytes, where they are at hand; `stored_bytes` reads them.
    """
    where = _shown(path)
    try:
        content = _content(path, RESULT_LIMIT_BYTES) if content is None else content
        result = _parsed(content)
    except FileNotFoundError:
        return None, [f"{where}: no such file"]
    except RefusedArtifact as error:
        return None, [str(error)]
    except ValidationError as error:
        found = error.errors(include_url=False, include_input=False)
        return None, [f"{where}: {_finding(item)}" for item in found[:FOUND_LIMIT]]
    except ValueError as error:
        return None, [f"{where}: {error}"]
    in_place = path.stem == result.name and path.parent.name == result.subject.protocol.id
    if in_place and plainly_sound(content, result):
        return result, []
    body = result.model_dump(mode="json", by_alias=True, exclude_none=True, include={"schema_", "subject", "outcome"})
    # Digests exist of plain values alone, and means of curves that have points.
    unfit = list(islice(value_findings(body), FOUND_LIMIT))
    malformed = unfit or list(islice(form_findings(result), FOUND_LIMIT))
    contradictions = malformed or _contradictions(result)
    parts = None if unfit else _Parts.of(result, body)
    changes = () if parts is None else _changes(result, body, parts)
    problems = [f"{where}: {pointer}: {text}" for pointer, text in (*contradictions, *changes)]
    if path.stem != result.name:
        problems.append(f"{where}: file name is not the first 16 digits of the id, {result.name}")
    if path.parent.name != result.subject.protocol.id:
        problems.append(f"{where}: /subject/protocol/id: is not the folder's name, {visible(path.parent.name)}")
    if not problems and parts is not None and content != parts.document:
        problems.append(f"{where}: bytes are not the RFC 8785 form of the document and one newline")
    return result, problems


def _content(path: Path, limit: int) -> bytes:
    """Return the bytes of a file of results; no link is followed, not on the way from its submission either."""
    steps = path.parts[-3:] if path.parent.parent.name == "results" else path.parts[-1:]
    folder = path.parents[len(steps) - 1]
    try:
        return bytes(read_untrusted(folder, "/".join(steps), limit))
    except RefusedArtifact as error:
        raise RefusedArtifact(f"{_shown(path)}: {error}") from error


def _parsed(content: bytes) -> Result:
    """Return the result in a document. Raises ValueError."""
    values = content.count(b",") + content.count(b"[") + content.count(b"{")
    if values > VALUE_LIMIT:
        raise ValueError(f"holds about {values} values, at most {VALUE_LIMIT} are read")
    return Result.model_validate_json(content)


def _shown(path: Path) -> str:
    return visible(str(path), 400)


def _finding(item: Any) -> str:
    return f"{visible(_pointer(item['loc']))}: {visible(item['msg'], 400)}"


@dataclass(frozen=True)
class _Parts:
    """The canonical bytes of a result: of its subject, of schema, subject and outcome, and of the whole document.

    Each holds the one before, so that subject and outcome are written once.
    """

    subject: bytes
    body: bytes
    document: bytes

    @classmethod
    def of(cls, result: Result, body: dict[str, Any]) -> "_Parts":
        subject, outcome = canonical_bytes(body["subject"]), canonical_bytes(body["outcome"])
        schema, seal = canonical_bytes(body["schema"]), canonical_bytes(result.seal)
        named = b'"id":%b,"key":%b,' % (canonical_bytes(result.id), canonical_bytes(result.key))
        found = b'"outcome":%b,"schema":%b,' % (outcome, schema)
        asked = b'"subject":%b' % subject
        return cls(subject, b"{%b%b}" % (found, asked), b'{%b%b"seal":%b,%b}\n' % (named, found, seal, asked))


def _changes(result: Result, body: dict[str, Any], parts: _Parts) -> Iterator[tuple[str, str]]:
    """Yield pointer and text for each value that the digests and the seal show to be changed."""
    key_holds, id_holds = _named(parts.subject) == result.key, _named(parts.body) == result.id
    if key_holds and id_holds:
        if quick_seal(flat_leaves(body)) != result.seal:
            yield "/seal", "was changed"
        return
    for pointer in _broken(body, result.seal):
        yield pointer, "was changed, its seal does not match"
    if not key_holds:
        yield "/key", "is not the digest of the subject"
    if not id_holds:
        yield "/id", "is not the digest of schema, subject and outcome"


def _named(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def _contradictions(result: Result) -> Iterator[tuple[str, str]]:
    """Yield pointer and text wherever mean, sd or interval do not follow from the values by seed."""
    for index, stored in enumerate(result.outcome.measurements):
        if stored.per_seed is None:
            if stored.status == "ok" and stored.pooled is None:
                yield f"/outcome/measurements/{index}/per_seed", "is missing although the status is ok"
            elif stored.status != "ok" and not stored.reason:
                yield f"/outcome/measurements/{index}/reason", f"is missing although the status is {stored.status}"
            continue
        if plainly_follows(stored):
            continue
        expected = summarize(stored.metric, stored.condition, stored.per_seed)
        for field in ("mean", "sd", "ci95"):
            if getattr(stored, field) != getattr(expected, field):
                follows = getattr(expected, field)
                yield f"/outcome/measurements/{index}/{field}", f"does not follow from per_seed, which gives {follows}"


def _broken(body: dict[str, Any], seal: str) -> list[str]:
    """Return the pointers whose seal does not match, in document order, ten at most.

    Where values were added or removed, all behind the place do not match, and only the first is named.
    """
    checks = [seal[start : start + SEAL_HEX] for start in range(0, len(seal), SEAL_HEX)]
    found = list(leaves(body))
    broken = [
        pointer for (pointer, value), check in zip(found, checks, strict=False) if leaf_seal(pointer, value) != check
    ]
    return broken[:10] if len(checks) == len(found) else broken[:1]


def _pointer(location: tuple[str | int, ...]) -> str:
    return "/" + "/".join(str(part) for part in location if part not in TRACK_TAGS)
