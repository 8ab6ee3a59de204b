"""What is wrong with an unlearning submission, beside what any manifest can have wrong.

May import bench.errors, records, bench.checkpoint_check and the plain table of unlearners; no torch.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from bench.artifacts import read_tensors
from bench.checkpoint_check import checkpoint_problems, protocol_layout
from bench.errors import RefusedArtifact
from bench.manifest_problems import ManifestText, is_fill_in, listed_protocol_problems, suggest
from bench.problems import Problem, quoted
from bench.submission import PROTOCOL_LIMIT, Checkpoint, UnlearnRecipe
from bench.toml_lines import line_of
from bench.unlearners import UNLEARNERS
from bench.unlearning_protocol import UnlearningProtocol, load_unlearning_protocol, unlearning_protocol_ids


def unlearning_problems(folder: Path, manifest: ManifestText) -> list[Problem]:
    """Return what is wrong with the protocols, recipes and checkpoints of a manifest of the unlearning track."""
    known = {name: load_unlearning_protocol(name) for name in unlearning_protocol_ids()}
    problems = [*_protocol_problems(manifest, known), *_recipe_problems(manifest)]
    seen: set[tuple[str, str, int]] = set()
    others: list[tuple[str, str]] = []
    for index, entry in manifest.entries("artifact"):
        checkpoint, at = _checkpoint(entry), f"/artifact/{index}"
        # A malformed table has its own findings; its file may be unsafe all the same.
        found = [] if checkpoint is None else list(_kit_problems(manifest, at, checkpoint, known, seen))
        problems += found
        if checkpoint is None or checkpoint.protocol not in known or any(item.code in _NO_KIT for item in found):
            others += [(at, path) for path in [_path(entry)] if path]
            continue
        seen.add((checkpoint.protocol, checkpoint.probe, checkpoint.seed))
        problems += _file_problems(folder, manifest, at, checkpoint, known[checkpoint.protocol])
    for at, path in others[:OTHER_FILES_LIMIT]:
        problems += _unsafe_problems(folder, manifest, at, path)
    return problems


OTHER_FILES_LIMIT = 32
"""Files that answer no kit and are opened all the same, to say whether they are safe."""

_NO_KIT = frozenset({"probe", "seed", "artifact-twice"})


def _path(entry: Any) -> str:
    path = entry.get("path") if isinstance(entry, dict) else None
    return path if isinstance(path, str) and not is_fill_in(path) else ""


def _unsafe_problems(folder: Path, manifest: ManifestText, at: str, path: str) -> Iterator[Problem]:
    """Yield whether a file that no kit asks for is unsafe; nothing else of it matters."""
    try:
        read_tensors(folder, path, lambda _: False)
    except FileNotFoundError:
        return
    except RefusedArtifact as error:
        message, _, remedy = str(error).partition("; ")
        remedy = remedy or "hand in a regular safetensors file"
        yield manifest.problem(f"{at}/path", "unsafe", message, remedy, unsafe=True)


def _checkpoint(entry: Any) -> Checkpoint | None:
    try:
        return Checkpoint.model_validate(entry)
    except ValidationError:
        return None


def _protocol_problems(manifest: ManifestText, known: Mapping[str, UnlearningProtocol]) -> Iterator[Problem]:
    remedy = f"known protocols of this track: {', '.join(sorted(known))}"
    yield from listed_protocol_problems(manifest, known, remedy)
    answered = [entry.get("protocol") for _, entry in manifest.entries("artifact") if isinstance(entry, dict)]
    for index, name in manifest.protocols()[:PROTOCOL_LIMIT]:
        if name in known and name not in answered:
            message = f"there is no checkpoint for protocol {name!r}"
            remedy = "add an [[artifact]] for each probe and seed"
            yield manifest.problem(f"/protocols/{index}", "artifact-missing", message, remedy)


def _recipe_problems(manifest: ManifestText) -> Iterator[Problem]:
    for index, entry in manifest.entries("recipe"):
        name = entry.get("unlearner") if isinstance(entry, dict) else None
        if isinstance(name, str) and name not in UNLEARNERS:
            remedy = suggest(name, UNLEARNERS, f"known unlearners: {', '.join(sorted(UNLEARNERS))}")
            message = f"unknown unlearner {quoted(name)}"
            yield manifest.problem(f"/recipe/{index}/unlearner", "unlearner-unknown", message, remedy)


def _kit_problems(
    manifest: ManifestText,
    at: str,
    checkpoint: Checkpoint,
    known: Mapping[str, UnlearningProtocol],
    seen: set[tuple[str, str, int]],
) -> Iterator[Problem]:
    """Yield where a checkpoint answers no kit of a protocol that the submission lists."""
    listed = [name for _, name in manifest.protocols()]
    name = checkpoint.protocol
    if name not in listed:
        remedy = suggest(name, listed, "add it there, or correct the name here")
        yield manifest.problem(
            f"{at}/protocol", "artifact-protocol", f"protocol {quoted(name)} is not in 'protocols'", remedy
        )
    if name not in known:
        return
    seeds = {item.label: item.seeds.full for item in known[name].probes}
    if checkpoint.probe not in seeds:
        remedy = suggest(checkpoint.probe, seeds, f"probes of {name}: {', '.join(seeds)}")
        yield manifest.problem(f"{at}/probe", "probe", f"{name} has no probe {quoted(checkpoint.probe)}", remedy)
    elif checkpoint.seed >= seeds[checkpoint.probe]:
        message = f"{checkpoint.probe} has no kit of seed {checkpoint.seed}"
        yield manifest.problem(f"{at}/seed", "seed", message, f"seeds are 0 to {seeds[checkpoint.probe] - 1}")
    if (name, checkpoint.probe, checkpoint.seed) in seen:
        message = f"second checkpoint for {checkpoint.probe}/{checkpoint.seed}"
        yield manifest.problem(at, "artifact-twice", message, "hand in one checkpoint for each kit")


def _file_problems(
    folder: Path, manifest: ManifestText, at: str, checkpoint: Checkpoint, protocol: UnlearningProtocol
) -> Iterator[Problem]:
    made_again = any(_makes(entry, checkpoint) for _, entry in manifest.entries("recipe"))
    for problem in checkpoint_problems(folder, checkpoint, protocol_layout(protocol), made_again=made_again):
        key = {"size": "bytes", "digest": "sha256", "artifact-absent": "path"}.get(problem.code)
        if key is None:
            yield problem
        else:
            pointer = f"{at}/{key}"
            line = line_of(manifest.lines, pointer)
            yield replace(problem, file=manifest.shown, pointer=pointer, line=line)
    method = manifest.table.get("method")
    family = method.get("family") if isinstance(method, dict) else None
    if checkpoint.sha256 == checkpoint.original and family != "reference":
        message = f"{quoted(checkpoint.path)} is the original of its kit: nothing was unlearned"
        remedy = "hand in what your method returns"
        yield manifest.problem(f"{at}/sha256", "original", message, remedy, severity="warning")


def _makes(entry: Any, checkpoint: Checkpoint) -> bool:
    try:
        return UnlearnRecipe.model_validate(entry).protocol == checkpoint.protocol
    except ValidationError:
        return False
