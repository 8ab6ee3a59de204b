"""Verification: whether stored results follow from their own cells, and belong to the submission they lie in.

Knows records, tables and the metrics that follow from cells; imports no torch.
"""

from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from bench.data.identity import data_refs, pin_stated
from bench.errors import BenchError, CorruptResult
from bench.protocol import Cell, Protocol, load_protocol
from bench.results import CellResult, Measurement, Result
from bench.store import belongs_to, check_result, check_runs, load_results, read_result, result_files, runs_path
from bench.submission import MANIFEST_NAME, Submission, load_submission
from bench.tracks.ue import cell_key, measure_conditions


def verify(root: Path, paths: Iterable[Path]) -> tuple[int, list[str]]:
    """Check the results at paths; return how many there are and every problem, naming file and JSON pointer.

    root: folder that holds submissions/, where the clean reference is looked up. Raises UsageProblem for no such path.
    """
    paths = list(paths)
    files = [file for path in paths for file in result_files(path)]
    reference, problems = _reference(root)
    for file in files:
        problems += _verify_file(file, reference)
    problems += [problem for path in paths if path.is_dir() for problem in _lost_runs(path)]
    return len(files), list(dict.fromkeys(problems))


def readable_submissions(root: Path) -> list[Submission]:
    """Return the submissions below `<root>/submissions` whose manifests can be read, by slug."""
    found = []
    for path in sorted((root / "submissions").glob(f"*/{MANIFEST_NAME}")):
        # An unfinished manifest is reported by `bench validate`; it must not stop the work on the others.
        with suppress(BenchError):
            found.append(load_submission(path.parent))
    return found


def own_cells(result: Result) -> dict[Cell, CellResult]:
    """Return a result's cells by what they are one seed of."""
    return {Cell(cell.model, cell.defense, cell.seed): cell for cell in result.outcome.cells}


def keys_hold(result: Result, protocol: Protocol) -> bool:
    """Say whether every cell of a result has the key that today's code gives to its artifacts, protocol and seed.

    Digests of images that the protocol does not pin are those that the result states.
    """
    subject = result.subject
    asked = protocol.model_copy(update={"dataset": pin_stated(protocol.dataset, subject.data)})
    return all(found.key == cell_key(asked, cell, subject.artifacts) for cell, found in own_cells(result).items())


def reference_cells(submissions: Iterable[Submission]) -> dict[str, CellResult]:
    """Return clean training's cells by key, from the stored results of submissions of the family `reference`.

    Raises CorruptResult for an unsound result, and for two different cells under one key.
    """
    cells: dict[str, CellResult] = {}
    for submission in submissions:
        if submission.manifest.method.family != "reference":
            continue
        for stored in load_results(submission.folder):
            if stored.result.subject.artifacts or not belongs_to(stored.result, submission.manifest):
                continue
            for cell in stored.result.outcome.cells:
                if cells.setdefault(cell.key, cell) != cell:
                    raise CorruptResult(f"{stored.path}: another stored result has a different cell of key {cell.key}")
    return cells


def _reference(root: Path) -> tuple[dict[str, CellResult], list[str]]:
    try:
        return reference_cells(readable_submissions(root)), []
    except BenchError as error:
        return {}, [str(error)]


def _verify_file(path: Path, reference: dict[str, CellResult]) -> list[str]:
    problems = check_result(path)
    if problems:
        return problems + check_runs(path)
    result = read_result(path)
    found = [*_belonging(path, result), *_unfounded(result, reference)]
    return [f"{path}: {text}" for text in found] + check_runs(path)


def _belonging(path: Path, result: Result) -> Iterator[str]:
    """Yield where a result is not one of the submission that it lies in."""
    folder = path.parents[2]
    try:
        manifest = load_submission(folder).manifest
    except BenchError as error:
        yield f"its submission cannot be read: {str(error).splitlines()[0]}"
        return
    if not belongs_to(result, manifest):
        yield f"/subject/artifacts: are not those that {folder.name} pins for {result.subject.protocol.id}"


def _unfounded(result: Result, reference: dict[str, CellResult]) -> Iterator[str]:
    """Yield every measurement that does not follow from the cells of the result and of clean training."""
    subject, own = result.subject, own_cells(result)
    try:
        protocol = load_protocol(subject.protocol.id)
    except BenchError as error:
        yield f"/subject/protocol/id: {error}"
        return
    if protocol.sha256 != subject.protocol.sha256:
        yield "/subject/protocol/sha256: is not that of the protocol as it is; measure again"
        return
    if subject.data != data_refs(pin_stated(protocol.dataset, subject.data)):
        yield "/subject/data: are not the images that the protocol asks for"
        return
    asked = list(protocol.cells(subject.tier))
    if list(own) != asked or [(item.label, item.seeds) for item in subject.conditions] != _conditions(asked):
        yield "/outcome/cells: are not the cells that the protocol's tier asks for"
        return
    clean = own if not subject.artifacts else _referenced(result, asked, reference)
    if clean is None:
        yield "/outcome/references: these clean cells are in no stored result of a reference submission"
        return
    expected = measure_conditions(protocol, subject.tier, own, clean)
    yield from _differences(result.outcome.measurements, expected)


def _conditions(cells: Iterable[Cell]) -> list[tuple[str, tuple[int, ...]]]:
    seeds: dict[str, tuple[int, ...]] = {}
    for cell in cells:
        seeds[cell.condition] = (*seeds.get(cell.condition, ()), cell.seed)
    return list(seeds.items())


def _referenced(result: Result, asked: list[Cell], reference: dict[str, CellResult]) -> dict[Cell, CellResult] | None:
    """Return the clean cells that a result names, None where one is missing or is not the clean cell asked for."""
    keys = [key for item in result.outcome.references for key in item.cells]
    found = [reference.get(key) for key in keys]
    clean = {Cell(cell.model, cell.defense, cell.seed): cell for cell in found if cell is not None}
    return clean if list(clean) == asked and len(keys) == len(asked) else None


def _differences(stored: tuple[Measurement, ...], expected: tuple[Measurement, ...]) -> Iterator[str]:
    if [(item.metric, item.condition) for item in stored] != [(item.metric, item.condition) for item in expected]:
        yield "/outcome/measurements: are not the metrics of the protocol's conditions"
        return
    for index, (found, follows) in enumerate(zip(stored, expected, strict=True)):
        if found != follows:
            yield f"/outcome/measurements/{index}: {found.metric} does not follow from the cells"


def _lost_runs(folder: Path) -> list[str]:
    """Return the runs files below a folder whose result is gone."""
    runs = sorted(folder.glob("**/results/*/*.runs.jsonl"))
    kept = {runs_path(path) for path in result_files(folder)}
    return [f"{path}: the result that these runs found is gone" for path in runs if path not in kept]
