"""Verification: whether stored results follow from their own cells, and belong to the submission they lie in.

Knows records, tables and the metrics that follow from cells; imports no torch.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from bench.claims_check import claim_findings
from bench.data.identity import data_refs, pin_stated
from bench.errors import BenchError, CorruptResult
from bench.integrity import folder_problems, submission_folders
from bench.problems import visible
from bench.protocol import Cell, Protocol
from bench.results import (
    AnyCell,
    ArtifactRef,
    CellResult,
    CheckpointRef,
    CheckpointResult,
    Measurement,
    Result,
)
from bench.store import belongs_to, check_runs, examine_result, load_results, result_files, runs_path
from bench.submission import Submission, UnlearningManifest, listed_folders, load_submission
from bench.tracks.ue import measure_conditions
from bench.tracks.ue_estimators import cell_key
from bench.tracks.unlearning import REFERENCES, Submitted, checkpoint_key, measure_probes
from bench.unlearning_protocol import AnyProtocol, ProbeCell, UnlearningProtocol, load_any_protocol

AnyAsked = Cell | ProbeCell


def verify(root: Path, paths: Iterable[Path]) -> tuple[int, list[str]]:
    """Check the results at paths; return how many there are and every problem, naming file and JSON pointer.

    root: folder that holds submissions/, where the clean reference is looked up. Raises UsageProblem for no such path.
    """
    paths = list(paths)
    files = [file for path in paths for file in result_files(path)]
    reference, problems = _reference(root)
    retrained = _retrained(root)
    for file in files:
        problems += _verify_file(file, reference, retrained)
    for path in paths:
        problems += [*_lost_runs(path), *_record_problems(path)] if path.is_dir() else _entry_problems(path)
    return len(files), list(dict.fromkeys(problems))


def readable_submissions(root: Path) -> list[Submission]:
    """Return the submissions below `<root>/submissions` whose manifests can be read, by slug."""
    found = []
    for folder in listed_folders(root / "submissions"):
        # An unfinished manifest is reported by `bench validate`; it must not stop the work on the others.
        with suppress(BenchError):
            found.append(load_submission(folder))
    return found


def own_cells(result: Result) -> dict[Cell, CellResult]:
    """Return a UE result's cells by what they are one seed of."""
    return {Cell(cell.model, cell.defense, cell.seed): cell for cell in result.training_cells}


def own_checkpoints(result: Result) -> dict[ProbeCell, CheckpointResult]:
    """Return an unlearning result's cells by what they are one seed of."""
    return {ProbeCell(cell.model, cell.probe, cell.seed): cell for cell in result.checkpoint_cells}


def checkpoints_by_cell(submission: Submission, protocol: UnlearningProtocol) -> dict[ProbeCell, Submitted]:
    """Return what a submission brings for a protocol by probe and seed; none of another track."""
    manifest = submission.manifest
    if not isinstance(manifest, UnlearningManifest):
        return {}
    recipe = manifest.recipe_for(protocol.id)
    return {
        ProbeCell(protocol.model, item.probe, item.seed): Submitted(submission.folder, item, recipe)
        for item in manifest.artifacts_for(protocol.id)
    }


def keys_hold(result: Result, protocol: AnyProtocol, retrained: Iterable[str] = ()) -> bool:
    """Say whether every cell of a result has the key that today's code gives to its artifacts, protocol and seed.

    Digests of images that the protocol does not pin are those that the result states. retrained: for checkpoints, hex
    digests of the retrained networks that their outputs may have been compared with.
    """
    subject = result.subject
    asked = protocol.model_copy(update={"dataset": pin_stated(protocol.dataset, subject.data)})
    if isinstance(asked, UnlearningProtocol):
        return _checkpoint_keys_hold(result, asked, set(retrained))
    refs = [item for item in subject.artifacts if isinstance(item, ArtifactRef)]
    assert isinstance(asked, Protocol)
    return all(found.key == cell_key(asked, cell, refs) for cell, found in own_cells(result).items())


def _checkpoint_keys_hold(result: Result, protocol: UnlearningProtocol, retrained: set[str]) -> bool:
    refs = {(item.probe, item.seed): item for item in result.subject.artifacts if isinstance(item, CheckpointRef)}
    challenge = result.subject.challenge or ""
    for cell, found in own_checkpoints(result).items():
        ref = refs.get((cell.probe, cell.seed))
        if ref is None or not any(
            found.key == checkpoint_key(protocol, cell, ref, digest, challenge) for digest in retrained
        ):
            return False
    return True


def reference_cells(submissions: Iterable[Submission]) -> dict[str, AnyCell]:
    """Return the cells of references by key: clean training, and the original and retrained networks.

    They come from the stored results of submissions of the family `reference`.

    Raises CorruptResult for an unsound result, and for two different cells under one key.
    """
    cells: dict[str, AnyCell] = {}
    for submission in submissions:
        if submission.manifest.method.family != "reference":
            continue
        for stored in load_results(submission.folder):
            trained_on_changes = any(isinstance(item, ArtifactRef) for item in stored.result.subject.artifacts)
            if trained_on_changes or not belongs_to(stored.result, submission.manifest):
                continue
            for cell in stored.result.outcome.cells:
                if cells.setdefault(cell.key, cell) != cell:
                    raise CorruptResult(f"{stored.path}: another stored result has a different cell of key {cell.key}")
    return cells


def _reference(root: Path) -> tuple[dict[str, AnyCell], list[str]]:
    try:
        return reference_cells(readable_submissions(root)), []
    except BenchError as error:
        return {}, [str(error)]


def _retrained(root: Path) -> set[str]:
    """Return the digests of the retrained networks that outputs may have been compared with."""
    return {
        item.sha256
        for submission in readable_submissions(root)
        if isinstance(submission.manifest, UnlearningManifest) and submission.manifest.method.family == "reference"
        for recipe in submission.manifest.recipe
        if recipe.unlearner == "retrain"
        for item in submission.manifest.artifacts_for(recipe.protocol)
    }


def _verify_file(path: Path, reference: dict[str, AnyCell], retrained: set[str]) -> list[str]:
    result, problems = examine_result(path)
    if result is None or problems:
        return problems + check_runs(path)
    found = [*_belonging(path, result), *_followed(result, reference, retrained)]
    return [f"{visible(str(path), 400)}: {text}" for text in found] + check_runs(path)


def _belonging(path: Path, result: Result) -> Iterator[str]:
    """Yield where a result is not one of the submission that it lies in."""
    folder = path.absolute().parents[2]
    try:
        manifest = load_submission(folder).manifest
    except BenchError as error:
        yield f"its submission cannot be read: {visible(str(error).partition(chr(10))[0], 400)}"
        return
    if not belongs_to(result, manifest):
        yield f"/subject/artifacts: are not those that {visible(folder.name)} pins for {result.subject.protocol.id}"


def _followed(result: Result, reference: dict[str, AnyCell], retrained: set[str]) -> list[str]:
    """Return every measurement that does not follow, or that nothing can follow for: a cell may hold anything."""
    try:
        return list(_unfounded(result, reference, retrained))
    except (BenchError, ArithmeticError, LookupError, ValueError) as error:
        reason = visible(f"{type(error).__name__}: {error}", 200)
        return [f"/outcome/cells: hold values that the metrics cannot follow from ({reason})"]


def _unfounded(result: Result, reference: dict[str, AnyCell], retrained: set[str]) -> Iterator[str]:
    """Yield every claim that does not fit, and every measurement that does not follow from cells and references."""
    subject = result.subject
    try:
        protocol = load_any_protocol(subject.protocol.id)
    except BenchError as error:
        yield f"/subject/protocol/id: {error}"
        return
    if protocol.sha256 != subject.protocol.sha256:
        yield "/subject/protocol/sha256: is not that of the protocol as it is; measure again"
        return
    if subject.data != data_refs(pin_stated(protocol.dataset, subject.data)):
        yield "/subject/data: are not the images that the protocol asks for"
        return
    own: Sequence[AnyAsked]
    own = list(own_cells(result)) if isinstance(protocol, Protocol) else list(own_checkpoints(result))
    asked: Sequence[AnyAsked] = list(protocol.cells(subject.tier))
    if own != asked or [(item.label, item.seeds) for item in subject.conditions] != _conditions(asked):
        yield "/outcome/cells: are not the cells that the protocol's tier asks for"
        return
    yield from claim_findings(result, protocol, keys_hold=keys_hold(result, protocol, retrained))
    follow = _ue_measurements if isinstance(protocol, Protocol) else _checkpoint_measurements
    expected = follow(result, protocol, reference)
    if expected is None:
        yield "/outcome/references: these cells are in no stored result of a reference submission"
        return
    yield from _differences(result.outcome.measurements, expected)


def _ue_measurements(
    result: Result, protocol: AnyProtocol, reference: dict[str, AnyCell]
) -> tuple[Measurement, ...] | None:
    assert isinstance(protocol, Protocol)
    tier, own = result.subject.tier, own_cells(result)
    asked = list(protocol.cells(tier))
    clean = own if not result.subject.artifacts else _referenced(result, "clean", asked, reference)
    return None if clean is None else measure_conditions(protocol, tier, own, clean)


def _checkpoint_measurements(
    result: Result, protocol: AnyProtocol, reference: dict[str, AnyCell]
) -> tuple[Measurement, ...] | None:
    assert isinstance(protocol, UnlearningProtocol)
    tier, own = result.subject.tier, own_checkpoints(result)
    asked = list(protocol.cells(tier))
    known: dict[str, AnyCell] = {**reference, **{cell.key: cell for cell in own.values()}}
    found = [_referenced_checkpoints(result, role, asked, known) for role in REFERENCES]
    if any(part is None for part in found):
        return None
    return measure_probes(protocol, tier, own, *(part for part in found if part is not None))


def _conditions(cells: Iterable[AnyAsked]) -> list[tuple[str, tuple[int, ...]]]:
    seeds: dict[str, tuple[int, ...]] = {}
    for cell in cells:
        seeds[cell.condition] = (*seeds.get(cell.condition, ()), cell.seed)
    return list(seeds.items())


def _referenced(
    result: Result, role: str, asked: list[Cell], reference: dict[str, AnyCell]
) -> dict[Cell, CellResult] | None:
    """Return the clean cells that a result names, None where one is missing or is not the clean cell asked for."""
    keys = _reference_keys(result, role)
    found = [reference.get(key) for key in keys]
    clean = {Cell(cell.model, cell.defense, cell.seed): cell for cell in found if isinstance(cell, CellResult)}
    return clean if list(clean) == asked and len(keys) == len(asked) else None


def _referenced_checkpoints(
    result: Result, role: str, asked: list[ProbeCell], reference: dict[str, AnyCell]
) -> dict[ProbeCell, CheckpointResult] | None:
    keys = _reference_keys(result, role)
    found = [reference.get(key) for key in keys]
    cells = {ProbeCell(cell.model, cell.probe, cell.seed): cell for cell in found if isinstance(cell, CheckpointResult)}
    return cells if list(cells) == asked and len(keys) == len(asked) else None


def _reference_keys(result: Result, role: str) -> list[str]:
    return [key for item in result.outcome.references if item.role == role for key in item.cells]


def _differences(stored: tuple[Measurement, ...], expected: tuple[Measurement, ...]) -> Iterator[str]:
    if [(item.metric, item.condition) for item in stored] != [(item.metric, item.condition) for item in expected]:
        yield "/outcome/measurements: are not the metrics of the protocol's conditions"
        return
    for index, (found, follows) in enumerate(zip(stored, expected, strict=True)):
        if found != follows:
            yield f"/outcome/measurements/{index}: {found.metric} does not follow from the cells"


def _record_problems(path: Path) -> list[str]:
    return [problem for folder in submission_folders(path) for problem in folder_problems(folder)]


def _entry_problems(path: Path) -> list[str]:
    """Return what the ledger of its submission says against one result file."""
    folder = path.absolute().parents[2]
    names = (str(folder / path.absolute().relative_to(folder)), path.stem)
    found = folder_problems(folder) if submission_folders(folder) == [folder] else []
    return [problem for problem in found if any(name in problem for name in names)]


def _lost_runs(folder: Path) -> list[str]:
    """Return the runs files below a folder whose result is gone."""
    runs = sorted(folder.glob("**/results/*/*.runs.jsonl"))
    kept = {runs_path(path) for path in result_files(folder)}
    return [f"{path}: the result that these runs found is gone" for path in runs if path not in kept]
