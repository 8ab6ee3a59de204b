"""Attempts: what is written when a run ends or a result is annotated, under one lock for each submission.

May import filelock, the records and bench.store; no torch.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock

from bench.errors import UsageProblem
from bench.files import remove_all_leftovers
from bench.ledger import (
    Action,
    AnnotationLine,
    EvaluationLine,
    Ledger,
    append_lines,
    evaluation_line,
    now,
    read_ledger,
)
from bench.problems import quoted
from bench.results import Result, Run
from bench.store import load_results, write_result
from bench.submission import MANIFEST_NAME

LOCKS = Path(".bench") / "records"


@contextmanager
def record_lock(folder: Path) -> Iterator[None]:
    """Hold the lock of a submission's record: its results, runs and ledger. Only one process writes them at a time."""
    place = folder.absolute()
    path = place.parent.parent / LOCKS / f"{place.name}.lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(path):
        remove_all_leftovers(folder)
        yield


def store_result(result: Result, run: Run, folder: Path) -> Path:
    """Write a result with its run and enter the run into the ledger; return the result's path.

    A process that dies in between leaves a result without a line, which the next evaluation enters.
    """
    with record_lock(folder):
        path = write_result(result, run, folder)
        _enter(folder, fresh=run.sealed().seal)
    return path


def enter_stored(folder: Path) -> tuple[EvaluationLine, ...]:
    """Enter the runs of stored results that the ledger does not have, told as imported; return the new lines."""
    if not _missing(folder):  # a record that is whole is only read, so that it may lie where nothing can be written
        return ()
    with record_lock(folder):
        return _enter(folder, fresh="")


def annotate(path: Path, *, reason: str, by: str, action: Action = "note") -> AnnotationLine:
    """Say something about a result, for good. path: its file, which may be gone where the ledger knows it.

    Raises UsageProblem for a path that is no result of the ledger, for an unusable reason or name, and where there is
    nothing to withdraw or restore.
    """
    folder = path.absolute().parents[2]
    if ".." in path.parts or path.suffix != ".json" or not (folder / MANIFEST_NAME).is_file():
        raise UsageProblem(f"{path}: no result file; name submissions/SLUG/results/PROTOCOL/ID.json")
    with record_lock(folder):
        _enter(folder, fresh="")
        ledger = read_ledger(folder)
        result = _named(ledger, path)
        withdrawn = ledger.withdrawal(result) is not None
        if action == "withdraw" and withdrawn:
            raise UsageProblem(f"{path}: is withdrawn already")
        if action == "restore" and not withdrawn:
            raise UsageProblem(f"{path}: is not withdrawn")
        line = _annotation(result, reason=reason, by=by, action=action)
        added = append_lines(folder, [line]).lines[-1]
    assert isinstance(added, AnnotationLine)
    return added


def _named(ledger: Ledger, path: Path) -> str:
    known = {line.result for line in ledger.evaluations if line.protocol == path.parent.name}
    found = [result for result in known if result.startswith(f"sha256:{path.stem}")]
    if len(path.stem) != 16 or len(found) != 1:
        raise UsageProblem(f"{path}: the ledger of {ledger.slug} knows no such result")
    return found[0]


def _annotation(result: str, *, reason: str, by: str, action: Action) -> AnnotationLine:
    try:
        return AnnotationLine(schema="bench.ledger/1", at=now(), result=result, action=action, by=by, reason=reason)
    except ValueError as error:
        remedy = "name and reason are one line of plain text, 280 characters at most"
        raise UsageProblem(f"cannot be written: by {quoted(by)}, reason {quoted(reason)}; {remedy}") from error


def _missing(folder: Path) -> list[tuple[Result, Run]]:
    """Return the runs of stored results that the ledger does not have."""
    known = {(line.result, line.run) for line in read_ledger(folder).evaluations}
    return [
        (stored.result, run)
        for stored in load_results(folder)
        for run in stored.runs
        if (stored.result.id, run.seal) not in known
    ]


def _enter(folder: Path, *, fresh: str) -> tuple[EvaluationLine, ...]:
    """Append the runs that are not in the ledger, oldest first; fresh: seal of the run that ended just now."""
    missing = [(run.seal == fresh, run.ended, run.seal, result, run) for result, run in _missing(folder)]
    added = [
        evaluation_line(
            result, run, origin="evaluated" if is_fresh else "imported", at=now() if is_fresh else run.ended
        )
        for is_fresh, _, _, result, run in sorted(missing, key=lambda item: item[:3])
    ]
    append_lines(folder, added)
    return tuple(added)
