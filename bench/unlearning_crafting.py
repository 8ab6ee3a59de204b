"""Makes reference submissions of the unlearning track: runs an unlearner on every kit, writes the manifest.

Imports no torch; kits and checkpoints are made in worker processes.
"""

import json
import multiprocessing
import os
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from bench.errors import CellFailed, EnvironmentProblem, Interrupted, InvalidSubmission, UsageProblem
from bench.execution.lifeline import end_children, end_with_parent, uninterrupted_start
from bench.execution.worker import NO_MEMORY, first_line, is_out_of_memory
from bench.files import remove_leftovers, write_and_sweep, write_atomically
from bench.problems import quoted
from bench.protocol import Tier
from bench.registry import resolve
from bench.scaffold import check_slug
from bench.submission import (
    MANIFEST_NAME,
    Checkpoint,
    CraftDevice,
    UnlearningManifest,
    UnlearnRecipe,
    load_submission,
    parse_any_manifest,
)
from bench.unlearners import UNLEARNERS
from bench.unlearning_protocol import ProbeCell, UnlearningProtocol
from bench.untrusted import list_entries, open_untrusted, place_inside

if TYPE_CHECKING:
    from bench.unlearners.unlearner import Unlearner

Found = TypeVar("Found")
Report = Callable[[str], None]
"""Called with one line after each checkpoint or kit."""


@dataclass(frozen=True)
class Made:
    """What was made: the folder, how many checkpoints, and the largest share of training compute that one took."""

    folder: Path
    checkpoints: int
    largest_share: float


@dataclass(frozen=True)
class _Task:
    """One checkpoint to make in a worker process."""

    root: Path
    folder: Path
    protocol: UnlearningProtocol
    cell: ProbeCell
    recipe: UnlearnRecipe


def make_submission(
    root: Path,
    unlearner: str,
    protocol: UnlearningProtocol,
    *,
    slug: str,
    budget: int,
    tier: Tier,
    device: CraftDevice,
    jobs: int | None,
    report: Report,
) -> Made:
    """Run an unlearner on the kits of a tier and write its submission, or add a protocol to an existing one.

    budget: percent of training compute, one of the protocol's levels.
    Raises UnknownName, UsageProblem, DatasetMissing; InvalidSubmission where a checkpoint that the manifest pins comes
    out otherwise.
    """
    from bench.unlearning import unlearner_settings  # noqa: PLC0415 (imports torch, which a wrong slug need not wait for)

    check_slug(slug)
    if budget not in protocol.budget.levels:
        raise UsageProblem(f"budget {budget}: {protocol.id} has {', '.join(map(str, protocol.budget.levels))} percent")
    folder = root / "submissions" / slug
    known = _known(folder)
    recipe = UnlearnRecipe(
        protocol=protocol.id,
        unlearner=unlearner,
        budget=budget,
        device=device,
        settings=unlearner_settings(protocol, unlearner),
    )
    tasks = [_Task(root, folder, protocol, cell, recipe) for cell in protocol.cells(tier)]
    made = _run(tasks, jobs, report)
    _check_known(known, made, folder, protocol)
    manifest = _manifest(known, made, recipe, slug, trials=protocol.trials.get(unlearner, 0))
    text = manifest_text(manifest)
    assert parse_any_manifest(text) == manifest, "what is written reads back"
    write_and_sweep(folder / MANIFEST_NAME, text.encode())
    shares = [item.cost.compute_share for item in made if item.cost is not None]
    return Made(folder, len(made), max(shares))


def write_kits(
    root: Path,
    protocol: UnlearningProtocol,
    *,
    out: Path,
    tier: Tier,
    device: CraftDevice,
    jobs: int | None,
    report: Report,
) -> list[Path]:
    """Write the public part of every kit of a tier below `out`; return the folders.

    Raises DatasetMissing, UsageProblem where `out` holds another kit already.
    """
    cells = protocol.cells(tier)
    made: list[Path] = []
    with _pool(jobs, len(cells)) as pool:
        with uninterrupted_start():
            futures = {pool.submit(_public_folder, root, protocol, cell, device): cell for cell in cells}
        for future in as_completed(futures):
            cell = futures[future]
            source, target = _outcome(future, cell), out / f"{cell.probe}-{cell.seed}"
            _copy_kit(source, target)
            made.append(target)
            report(f"{cell.label}: {target}")
    return sorted(made)


def manifest_text(manifest: UnlearningManifest) -> str:
    """Return the TOML text of a manifest; reading it back gives the same manifest."""
    table = manifest.model_dump(mode="python", by_alias=True, exclude_none=True)
    scalars = {key: value for key, value in table.items() if not isinstance(value, dict) and not _is_tables(value)}
    blocks = ["\n".join(_line(key, value) for key, value in scalars.items())]
    for key, value in table.items():
        if isinstance(value, dict) and value:
            blocks.append("\n".join([f"[{key}]", *(_line(name, item) for name, item in value.items())]))
        elif _is_tables(value):
            blocks += ["\n".join([f"[[{key}]]", *(_line(name, item) for name, item in row.items())]) for row in value]
    return "\n\n".join(blocks) + "\n"


def _is_tables(value: Any) -> bool:
    return isinstance(value, tuple) and bool(value) and all(isinstance(item, dict) for item in value)


def _line(key: str, value: Any) -> str:
    return f"{key if _BARE_KEY.fullmatch(key) else json.dumps(key, ensure_ascii=False)} = {_toml(value)}"


_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")


def _toml(value: Any) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(_line(name, item) for name, item in value.items()) + " }" if value else "{}"
    if isinstance(value, tuple | list):
        return "[" + ", ".join(_toml(item) for item in value) + "]"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    return value.isoformat() if hasattr(value, "isoformat") else repr(value)


def _known(folder: Path) -> UnlearningManifest | None:
    path = folder / MANIFEST_NAME
    if not os.path.lexists(path):
        return None
    manifest = load_submission(folder).manifest
    if not isinstance(manifest, UnlearningManifest) or not manifest.recipe:
        raise UsageProblem(f"{path} was not made by `bench unlearn`; choose another --slug than {folder.name}")
    return manifest


def _check_known(
    known: UnlearningManifest | None, made: Iterable[Checkpoint], folder: Path, protocol: UnlearningProtocol
) -> None:
    pinned = {} if known is None else {(item.probe, item.seed): item for item in known.artifacts_for(protocol.id)}
    for item in made:
        before = pinned.get((item.probe, item.seed))
        if before is not None and before.sha256 != item.sha256:
            raise InvalidSubmission(
                f"{folder}/{item.path}: came out otherwise than the manifest pins\n"
                f"  expected sha256 {before.sha256}\n  found    sha256 {item.sha256}\n"
                "  remove the submission to make it anew, or choose another --slug"
            )


def _manifest(
    known: UnlearningManifest | None, made: Sequence[Checkpoint], recipe: UnlearnRecipe, slug: str, *, trials: int
) -> UnlearningManifest:
    """Return the manifest with these checkpoints: a new one, or an existing one with the protocol's part replaced."""
    if known is None:
        return _new_manifest(made, recipe, slug, trials=trials)
    fresh = {(item.probe, item.seed) for item in made}
    kept = [item for item in known.artifact if item.protocol != recipe.protocol or (item.probe, item.seed) not in fresh]
    return known.model_copy(
        update={
            "protocols": tuple(dict.fromkeys((*known.protocols, recipe.protocol))),
            "recipe": (*(item for item in known.recipe if item.protocol != recipe.protocol), recipe),
            "artifact": tuple(sorted((*kept, *made), key=lambda item: (item.protocol, item.probe, item.seed))),
        }
    )


def _new_manifest(made: Sequence[Checkpoint], recipe: UnlearnRecipe, slug: str, *, trials: int) -> UnlearningManifest:
    unlearner: Unlearner = resolve("unlearner", recipe.unlearner, UNLEARNERS)
    return UnlearningManifest.model_validate(
        {
            "schema": "bench.submission/1",
            "track": "unlearning",
            "slug": slug,
            "protocols": (recipe.protocol,),
            "submitted": datetime.now(UTC).date(),
            "method": {"name": unlearner.name, "family": unlearner.family, "summary": unlearner.summary},
            "authors": ({"name": "The Unlearnability Bench maintainers"},),
            "links": {"paper": unlearner.paper} if unlearner.paper else {},
            "recipe": (recipe,),
            "artifact": tuple(made),
            "disclosure": {"search_trials": trials, "tuned_on_retrained": False, "test_set_used": trials > 0},
            "agreement": {"artifact_license": "CC-BY-4.0", "publish": True},
        }
    )


def _run(tasks: Sequence[_Task], jobs: int | None, report: Report) -> list[Checkpoint]:
    made: dict[ProbeCell, Checkpoint] = {}
    with _pool(jobs, len(tasks)) as pool:
        with uninterrupted_start():
            futures = {pool.submit(_make, task): task for task in tasks}
        for future in as_completed(futures):
            task = futures[future]
            checkpoint = _outcome(future, task.cell)
            made[task.cell] = checkpoint
            assert checkpoint.cost is not None
            cost = f"{checkpoint.cost.compute_share:.1%} of training compute, {checkpoint.cost.seconds:.1f} s"
            report(f"{len(made)}/{len(tasks)} {task.cell.label}: {cost}")
    return [made[task.cell] for task in tasks]


@contextmanager
def _pool(jobs: int | None, tasks: int) -> Iterator[ProcessPoolExecutor]:
    """Yield worker processes; whatever ends this early ends them too, and nothing waits for what they were doing."""
    workers = max(1, min(jobs or os.cpu_count() or 1, tasks))
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(workers, mp_context=context, initializer=end_with_parent)
    try:
        yield pool
    except BaseException as error:
        pool.shutdown(wait=False, cancel_futures=True)
        end_children()
        if isinstance(error, KeyboardInterrupt):
            raise Interrupted("what is finished is kept, run the same command to go on") from None
        raise
    pool.shutdown()


def _outcome(future: Future[Found], cell: ProbeCell) -> Found:
    """Return what a worker process found. Raises CellFailed where it was lost or had too little memory."""
    try:
        return future.result()
    except BrokenProcessPool:
        raise CellFailed(f"{cell.label}: a worker process was killed, perhaps because memory ran out") from None
    except (MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        raise EnvironmentProblem(f"{cell.label}: {NO_MEMORY}: {first_line(error)}") from None


def _make(task: _Task) -> Checkpoint:
    """Make one checkpoint. Runs in a worker process."""
    from bench.challenges import KitRequest, open_kit  # noqa: PLC0415 (torch lives in the workers alone)
    from bench.runtime import choose_device, prepare_process  # noqa: PLC0415
    from bench.unlearning import run_unlearner  # noqa: PLC0415

    device = choose_device(task.recipe.device)
    prepare_process(device)
    request = KitRequest(task.root, task.protocol, task.cell.probe, task.cell.seed)
    kit = open_kit(request, device)
    unlearned = run_unlearner(request, kit, task.recipe, device)
    path = f"checkpoints/{task.protocol.id}/{task.cell.probe}-{task.cell.seed}.safetensors"
    write_and_sweep(place_inside(task.folder, path), unlearned.content)
    return Checkpoint(
        role="checkpoint",
        protocol=task.protocol.id,
        probe=task.cell.probe,
        seed=task.cell.seed,
        path=path,
        sha256=unlearned.sha256,
        bytes=len(unlearned.content),
        original=kit.original_sha256,
        cost=unlearned.cost,
    )


def _public_folder(root: Path, protocol: UnlearningProtocol, cell: ProbeCell, device_name: str) -> Path:
    """Make one kit and return where its public part lies. Runs in a worker process."""
    from bench.challenges import KitRequest, open_kit  # noqa: PLC0415 (torch lives in the workers alone)
    from bench.runtime import choose_device, prepare_process  # noqa: PLC0415

    device = choose_device(device_name)
    prepare_process(device)
    request = KitRequest(root, protocol, cell.probe, cell.seed)
    return open_kit(request, device).folder / "public"


def _copy_kit(source: Path, target: Path) -> None:
    """Copy the public part of a kit. Its list of files goes last: a kit that has it is whole.

    Raises UsageProblem where the target holds anything else, RefusedArtifact where it leads elsewhere.
    """
    names = sorted((file.name for file in source.iterdir()), key=lambda name: (name == "kit.json", name))
    if os.path.lexists(target):
        remove_leftovers(target)
        foreign = sorted({path for path, _ in list_entries(target, limit=_KIT_ENTRIES)} - set(names))
        if foreign:
            raise UsageProblem(f"{target} holds {quoted(foreign[0])}, which is no file of a kit; choose an empty --out")
    for name in names:
        _write_same(target, name, (source / name).read_bytes())


def _write_same(folder: Path, name: str, content: bytes) -> None:
    try:
        with open_untrusted(folder, name, sys.maxsize) as file:
            same = file.size == len(content) and bytes(file.read(file.size)) == content
    except FileNotFoundError:
        same = True
    if not same:
        raise UsageProblem(f"{folder / name} is of another kit; choose an empty --out")
    write_atomically(place_inside(folder, name), content)


_KIT_ENTRIES = 100
