"""Integrity of the record: whether folders hold what ledgers and manifests say, and what changed since a base.

Knows records, artifacts as bytes, and stored results; trains nothing, imports no torch.
"""

import hashlib
import stat
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from bench.errors import BenchError, RefusedArtifact
from bench.ledger import (
    LEDGER_LIMIT_BYTES,
    LEDGER_NAME,
    AnnotationLine,
    EvaluationLine,
    Ledger,
    evaluation_line,
    parse_ledger,
)
from bench.problems import visible
from bench.results import Run
from bench.store import RESULT_LIMIT_BYTES, StoredResult, read_result, read_runs, runs_path
from bench.submission import ARTIFACT_LIMIT_BYTES, MANIFEST_NAME, Artifact, Checkpoint, load_submission
from bench.untrusted import list_entries, read_untrusted

RESULT_SUFFIX, RUNS_SUFFIX, ARTIFACT_SUFFIX = ".json", ".runs.jsonl", ".safetensors"
_BOUND = ("protocol", "tier", "key", "artifacts", "metric", "condition", "value")
"""What a ledger's line repeats of the result that it names."""


@dataclass(frozen=True)
class Withdrawn:
    """A result that was withdrawn: still stored and shown, not ranked."""

    path: Path
    at: str
    by: str
    reason: str

    @property
    def text(self) -> str:
        """One line that says so."""
        return f"{self.path}: withdrawn {self.at} by {self.by}: {self.reason}"


def submission_folders(path: Path) -> list[Path]:
    """Return the submissions that a path means: itself, or all below it; none for a file."""
    if (path / MANIFEST_NAME).exists():
        return [path]
    found = (manifest.parent for manifest in path.glob(f"**/{MANIFEST_NAME}")) if path.is_dir() else ()
    # What begins with a dot is being written, or was when its writer was killed.
    return sorted(folder for folder in found if not any(p.startswith(".") for p in folder.relative_to(path).parts))


def folder_problems(folder: Path) -> list[str]:
    """Return where a submission's folder is not what its manifest and its ledger say; file and JSON pointer first."""
    ledger, problems = parse_ledger(folder)
    found = (_stray_entries(folder), _artifact_problems(folder), _ledger_problems(folder, ledger))
    return [*problems, *(problem for part in found for problem in part)]


def sound_results(folder: Path) -> list[StoredResult]:
    """Return the stored results whose documents and runs can be read; what is wrong with others is told elsewhere."""
    found = []
    for path in sorted((folder / "results").glob(f"*/*{RESULT_SUFFIX}")):
        with suppress(BenchError, OSError):
            found.append(StoredResult(path, folder.name, read_result(path), read_runs(runs_path(path))))
    return found


def withdrawn_results(folder: Path) -> list[Withdrawn]:
    """Return the stored results of a submission that are withdrawn."""
    ledger, _ = parse_ledger(folder)
    if len(ledger.lines) == len(ledger.evaluations):
        return []
    lines = ((stored.path, ledger.withdrawal(stored.result.id)) for stored in sound_results(folder))
    return [Withdrawn(path, line.at, line.by, line.reason) for path, line in lines if line is not None]


def _stray_entries(folder: Path) -> Iterator[str]:
    """Yield what lies below results/ and is neither a result nor its runs, and links anywhere."""
    try:
        for path, mode in list_entries(folder):
            shown = f"{folder}/{visible(path)}"
            if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
                yield f"{shown}: is no regular file; remove it"
            elif path.startswith("results/") and stat.S_ISREG(mode) and not _is_record(path):
                yield f"{shown}: is neither a result nor the runs of one; remove it"
    except (OSError, RefusedArtifact) as error:
        yield f"{folder}: {error}"


def _is_record(path: str) -> bool:
    parts = PurePosixPath(path).parts
    name = parts[-1].removesuffix(RUNS_SUFFIX).removesuffix(RESULT_SUFFIX)
    return len(parts) == 3 and len(name) == 16 and set(name) <= set("0123456789abcdef")


def _artifact_problems(folder: Path) -> Iterator[str]:
    """Yield where a stored file has other bytes than the manifest pins; an absent one may be made again."""
    try:
        manifest = load_submission(folder).manifest
    except BenchError:
        return  # `bench validate` lists what is wrong with a manifest.
    artifacts: tuple[Artifact | Checkpoint, ...] = manifest.artifact
    for index, artifact in enumerate(artifacts):
        try:
            content = read_untrusted(folder, artifact.path, ARTIFACT_LIMIT_BYTES)
        except FileNotFoundError:
            continue
        except RefusedArtifact as error:
            yield f"{folder}/{visible(artifact.path)}: {error}"
            continue
        pointer = f"{folder}/{MANIFEST_NAME}: /artifact/{index}"
        found = hashlib.sha256(content).hexdigest()
        if len(content) != artifact.bytes:
            yield f"{pointer}/bytes: is not the size of {visible(artifact.path)}, {len(content)}"
        if found != artifact.sha256:
            yield f"{pointer}/sha256: is not that of {visible(artifact.path)}, {found}"


def _ledger_problems(folder: Path, ledger: Ledger) -> Iterator[str]:
    """Yield where ledger and stored results contradict each other, in either direction."""
    path, stored = folder / LEDGER_NAME, sound_results(folder)
    runs = {(item.result.id, run.seal): (item, run) for item in stored for run in item.runs}
    # A document that cannot be read has its own findings, so its name counts as stored.
    names = {file.name.removesuffix(RESULT_SUFFIX) for file in (folder / "results").glob(f"*/*{RESULT_SUFFIX}")}
    for index, line in enumerate(ledger.lines):
        text = _dangling(line, ledger, stored, names)
        if isinstance(line, EvaluationLine) and (found := runs.get((line.result, line.run))):
            yield from (f"{path}: /{index}{text}" for text in _contradictions(line, *found))
        elif text:
            yield f"{path}: /{index}{text}"
    entered: set[tuple[str, str]] = set()
    for index, line in enumerate(ledger.lines):
        if isinstance(line, EvaluationLine):
            if (line.result, line.run) in entered:
                yield f"{path}: /{index}/run: was entered before; a run is one line"
            entered.add((line.result, line.run))
    known = {(line.result, line.run) for line in ledger.evaluations}
    for item, _ in (found for key, found in runs.items() if key not in known):
        remedy = f"`bench ledger --import {folder}` enters it"
        yield f"{item.path}: a run of this result is not in {LEDGER_NAME}; {remedy}"


def _contradictions(line: EvaluationLine, stored: StoredResult, run: Run) -> Iterator[str]:
    expected = evaluation_line(stored.result, run, origin=line.origin, at=line.at)
    for name in _BOUND:
        if getattr(line, name) != getattr(expected, name):
            yield f"/{name}: is not that of {stored.path}"


def _dangling(
    line: EvaluationLine | AnnotationLine, ledger: Ledger, stored: list[StoredResult], names: set[str]
) -> str:
    """Return what is wrong with a line whose run is not stored, "" where that is accounted for."""
    if isinstance(line, AnnotationLine):
        known = any(line.result == other.result for other in ledger.evaluations)
        return "" if known else "/result: is no result of this ledger"
    name = line.result.removeprefix("sha256:")[:16]
    if any(item.result.id == line.result for item in stored):
        return f"/run: is in no line of the runs of {name}"
    if name in names or accounted_for(ledger, line):
        return ""
    return f"/result: {name} is not stored; `bench annotate` says why it went"


def accounted_for(ledger: Ledger, line: EvaluationLine) -> bool:
    """Say whether a result that is gone may be: it was annotated, or the same was measured again under a new key."""
    return bool(ledger.annotations(line.result)) or ledger.superseded(line)


def base_problems(root: Path, base: Path) -> list[str]:
    """Return what was changed or taken away since a base; results stay, ledgers and runs only grow.

    root, base: folders that hold submissions/, as it is now and as it was.
    """
    problems = []
    for before in submission_folders(base / "submissions"):
        folder = root / "submissions" / before.name
        if not (folder / MANIFEST_NAME).exists():
            problems.append(f"{folder}: was removed; withdraw its results with `bench annotate --withdraw` instead")
            continue
        problems += [*_shortened(folder, before, LEDGER_NAME), *_changed_results(folder, before)]
    return problems


def _changed_results(folder: Path, before: Path) -> Iterator[str]:
    ledger, _ = parse_ledger(folder)
    for old in sorted((before / "results").glob("*/*.json")):
        place = old.relative_to(before).as_posix()
        content, was = _bytes(folder, place), _bytes(before, place)
        if content is not None:
            if content != was:
                yield f"{folder}/{place}: was changed; a changed finding is a new document beside the old one"
            yield from _shortened(folder, before, place.removesuffix(RESULT_SUFFIX) + RUNS_SUFFIX)
            continue
        lines = [line for line in ledger.evaluations if line.result.startswith(f"sha256:{old.stem}")]
        if not any(accounted_for(ledger, line) for line in lines):
            yield f"{folder}/{place}: was removed; `bench annotate` it with the reason before it goes"


def _shortened(folder: Path, before: Path, place: str) -> Iterator[str]:
    """Yield that a file of lines does not begin with the lines that it had."""
    was, content = _bytes(before, place) or b"", _bytes(folder, place) or b""
    if content.startswith(was):
        return
    pairs = zip(was.splitlines(), [*content.splitlines(), *[b""] * was.count(b"\n")], strict=False)
    index = next((index for index, (old, new) in enumerate(pairs) if old != new), 0)
    yield f"{folder}/{place}: /{index}: was changed or removed; lines are appended only"


def _bytes(folder: Path, place: str) -> bytes | None:
    try:
        return bytes(read_untrusted(folder, place, max(RESULT_LIMIT_BYTES, LEDGER_LIMIT_BYTES)))
    except (FileNotFoundError, RefusedArtifact):
        return None


def changed_submissions(root: Path, base: Path) -> list[str]:
    """Return the folders below submissions/ that are not as in the base; artifacts count by their manifest alone."""
    now, before = (_folders(folder / "submissions") for folder in (root, base))
    return sorted(name for name in now | before if _files(root, name) != _files(base, name))


def _folders(submissions: Path) -> set[str]:
    if not submissions.is_dir():
        return set()
    return {path.name for path in submissions.iterdir() if path.is_dir() and not path.is_symlink()}


def _files(root: Path, slug: str) -> dict[str, str]:
    """Return the digests of a submission's files but artifacts, which the manifest names by digest."""
    folder = root / "submissions" / slug
    if not folder.is_dir():
        return {}
    return {
        path: _digest(folder, path)
        for path, mode in list_entries(folder)
        if not stat.S_ISDIR(mode) and not path.endswith(ARTIFACT_SUFFIX)
    }


def _digest(folder: Path, path: str) -> str:
    try:
        return hashlib.sha256(read_untrusted(folder, path, RESULT_LIMIT_BYTES)).hexdigest()
    except (BenchError, OSError):
        return "no regular file"
