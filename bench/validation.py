"""Validation: every problem of a submission folder at once.

May import numpy, bench.errors, records, bench.artifacts, bench.manifest_problems, bench.perturbation_check and the
table of attacks; no torch, no pandas. A data set is loaded only where a perturbation is to be checked against it.
"""

import re
import stat
import unicodedata
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol as Interface

import numpy as np
from numpy.typing import NDArray

from bench.artifacts import SUFFIX, MissingArtifact, Perturbation, read_perturbation
from bench.attacks import ATTACKS
from bench.budgets import allowed_norms, allows_norm
from bench.checkpoint_validation import unlearning_problems
from bench.errors import BenchError, DatasetMissing, InvalidSubmission, RefusedArtifact, UnknownName, UsageProblem
from bench.manifest_problems import (
    ManifestText,
    find_problems,
    is_fill_in,
    listed_protocol_problems,
    parse_text,
    suggest,
)
from bench.metrics.catalog import METRICS
from bench.perturbation_check import check_perturbation, expected_shape, identity_problems, perturbation_problems
from bench.problems import Problem, exit_code, format_problems, quoted, visible
from bench.protocol import Dataset, Protocol, load_protocol, protocol_ids
from bench.submission import MANIFEST_NAME, PROTOCOL_LIMIT, Artifact, ArtifactDraft, known_folders, read_manifest
from bench.toml_lines import line_of
from bench.untrusted import list_entries

__all__ = ["Problem", "check_perturbation", "exit_code", "format_problems", "validate_folder"]

_OWN_FILES = frozenset({MANIFEST_NAME, "README.md", "LICENSE", "ledger.jsonl"})
_RESULT_FILE = re.compile(r"results/[a-z0-9.-]{2,100}/[0-9a-f]{16}(?:\.runs\.jsonl|\.json)")


class LabeledImages(Interface):
    """What a data set must offer here; bench.data.dataset.ImageData does."""

    @property
    def train_images(self) -> NDArray[np.uint8]:
        """Training images, uint8 (N, C, H, W)."""

    @property
    def train_labels(self) -> NDArray[np.int64]:
        """Training labels, int64 (N,)."""


DataLoader = Callable[[Dataset], LabeledImages]


def validate_folder(
    folder: Path, *, protocols: Mapping[str, Protocol] | None = None, load_data: DataLoader | None = None
) -> list[Problem]:
    """Return every problem of a submission folder; none where it can be evaluated. Warnings do not keep it from that.

    protocols: by id, those of the package by default. load_data: bench.data's by default; may raise DatasetMissing.
    Raises UnknownName or UsageProblem if there is no such folder.
    """
    _check_folder(folder)
    manifest = _read_manifest(folder)
    if isinstance(manifest, Problem):
        return [manifest, *(found for found in _entry_problems(folder, {MANIFEST_NAME}) if found.unsafe)]
    problems = find_problems(manifest)
    if not any(problem.pointer == "/slug" for problem in problems):
        problems += _slug_problems(folder, manifest)
    if manifest.table.get("track") == "unlearning":
        problems += [*unlearning_problems(folder, manifest), *_reported_problems(manifest)]
        problems += _unlisted_problems(folder, manifest)
        return _sorted(manifest, problems)
    known = {name: load_protocol(name) for name in protocol_ids()} if protocols is None else protocols
    problems += [*_protocol_problems(manifest, known), *_artifact_table_problems(manifest, known)]
    problems += _reported_problems(manifest)
    reader = _Reader(folder, manifest, known, load_data or _load_data)
    # One for a protocol is what a manifest may have; of more, which is a problem of its own, the first are opened.
    for index, artifact in manifest.artifacts()[:PROTOCOL_LIMIT]:
        problems += _artifact_problems(reader, f"/artifact/{index}", artifact)
    problems += _unlisted_problems(folder, manifest)
    return _sorted(manifest, problems)


def _sorted(manifest: ManifestText, problems: list[Problem]) -> list[Problem]:
    """Return each problem once, those of the manifest first, in the order of its lines."""
    return sorted(dict.fromkeys(problems), key=lambda problem: (problem.file != manifest.shown, problem.line or 0))


def _check_folder(folder: Path) -> None:
    if not folder.exists():
        raise UnknownName("submission folder", str(folder), known_folders(folder.parent))
    if not folder.is_dir():
        where = visible(str(folder), 400)
        raise UsageProblem(f"{where} is not a folder; name the submission's folder, such as submissions/SLUG")


def _read_manifest(folder: Path) -> ManifestText | Problem:
    """Read a folder's manifest, or say what keeps it from being read."""
    shown = str(folder / MANIFEST_NAME)
    try:
        return parse_text(read_manifest(folder), shown)
    except FileNotFoundError:
        remedy = f"`bench new ue {visible(folder.name)}` writes one to fill in"
        return Problem(shown, "", "manifest-missing", f"there is no {MANIFEST_NAME}", remedy)
    except RefusedArtifact as error:
        return Problem(shown, "", "unsafe", *_message_and_remedy(error), unsafe=True)
    except UnicodeDecodeError as error:
        return Problem(shown, "", "encoding", f"is not UTF-8 at byte {error.start}", "save the file as UTF-8 text")


def _slug_problems(folder: Path, manifest: ManifestText) -> Iterator[Problem]:
    name, slug = folder.absolute().name, manifest.table.get("slug")
    if slug != name:
        message = f"slug {quoted(str(slug))} is not the folder's name, {quoted(name)}"
        yield manifest.problem("/slug", "slug", message, "rename the folder or correct the slug")


def _protocol_problems(manifest: ManifestText, known: Mapping[str, Protocol]) -> Iterator[Problem]:
    names = manifest.protocols()
    yield from listed_protocol_problems(manifest, known, f"known protocols: {', '.join(sorted(known))}")
    method = manifest.table.get("method")
    family = method.get("family") if isinstance(method, dict) else None
    raw = [entry.get("protocol") if isinstance(entry, dict) else None for _, entry in manifest.entries("artifact")]
    if family == "reference" or not all(isinstance(name, str) for name in raw):
        return
    for index, name in names:
        if name in known and name not in raw:
            message = f"there is no artifact for protocol {name!r}"
            remedy = 'add an [[artifact]] for it; only submissions of family "reference" may come without'
            yield manifest.problem(f"/protocols/{index}", "artifact-missing", message, remedy)


def _artifact_table_problems(manifest: ManifestText, known: Mapping[str, Protocol]) -> Iterator[Problem]:
    seen: set[str] = set()
    for index, artifact in manifest.artifacts():
        at = f"/artifact/{index}"
        if artifact.recipe is not None and artifact.recipe.attack not in ATTACKS:
            name = artifact.recipe.attack
            remedy = suggest(name, ATTACKS, f"known attacks: {', '.join(sorted(ATTACKS))}")
            yield manifest.problem(f"{at}/recipe/attack", "attack-unknown", f"unknown attack {quoted(name)}", remedy)
        if artifact.protocol is None:
            continue
        yield from _artifact_protocol_problems(manifest, f"{at}/protocol", artifact.protocol, seen)
        seen.add(artifact.protocol)
        budgets = known[artifact.protocol].budgets if artifact.protocol in known else None
        if budgets is not None and artifact.norm is not None and not allows_norm(budgets, artifact.norm):
            lack = "admits no unbounded change" if artifact.norm == "unbounded" else f"has no {artifact.norm} budget"
            message = f"protocol {quoted(artifact.protocol)} {lack}"
            remedy = f"norms it allows: {', '.join(allowed_norms(budgets))}"
            yield manifest.problem(f"{at}/norm", "norm", message, remedy)


def _artifact_protocol_problems(manifest: ManifestText, pointer: str, name: str, seen: set[str]) -> Iterator[Problem]:
    """Yield what is wrong with the protocol of an artifact; seen: those of the artifacts before it."""
    listed = dict.fromkeys(listed for _, listed in manifest.protocols())
    # A list that is itself wrong has its own finding, which may well be the same mistake.
    if name not in listed and listed and len(manifest.protocols()) == len(manifest.entries("protocols")):
        remedy = suggest(name, listed, "add it there, or correct the name here")
        message = f"protocol {quoted(name)} is not in 'protocols'"
        yield manifest.problem(pointer, "artifact-protocol", message, remedy)
    if name in seen:
        remedy = "hand in one artifact for a protocol; another setting is another submission"
        yield manifest.problem(pointer, "artifact-twice", f"second artifact for protocol {quoted(name)}", remedy)


def _reported_problems(manifest: ManifestText) -> Iterator[Problem]:
    for index, entry in manifest.entries("reported"):
        metric = entry.get("metric") if isinstance(entry, dict) else None
        if isinstance(metric, str) and metric not in METRICS and not is_fill_in(metric):
            remedy = suggest(metric, METRICS, "`bench list metrics` names them")
            message = f"unknown metric {quoted(metric)}"
            yield manifest.problem(f"/reported/{index}/metric", "metric-unknown", message, remedy)


def _unlisted_problems(folder: Path, manifest: ManifestText) -> Iterator[Problem]:
    """Yield what lies in the folder and is no part of it; an unusable path may mean any perturbation there."""
    all_named = all(artifact.path for _, artifact in manifest.artifacts())
    for problem in _entry_problems(folder, {MANIFEST_NAME, *manifest.listed_paths()}):
        if problem.unsafe or all_named or not problem.file.endswith(SUFFIX):
            yield problem


def _entry_problems(folder: Path, listed: set[str]) -> Iterator[Problem]:
    """Yield links, devices, names that collide, and files that the manifest does not list; nothing is opened."""
    seen: dict[str, str] = {}
    try:
        for path, mode in list_entries(folder):
            shown = f"{folder}/{path}"
            twin = seen.setdefault(_folded(path), path)
            if twin != path:
                message = f"is the same file as {quoted(twin)} on systems that ignore case"
                yield Problem(shown, "", "name-collision", message, "rename or remove one of them")
            if any(name == path or name.startswith(f"{path}/") for name in listed):
                continue
            if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
                message = "is a symbolic link" if stat.S_ISLNK(mode) else "is neither a file nor a folder"
                yield Problem(shown, "", "unsafe", message, "remove it; a submission holds regular files", unsafe=True)
            elif stat.S_ISREG(mode) and not _is_own(path):
                remedy = "remove it, or list it as an [[artifact]]"
                yield Problem(shown, "", "unlisted", "is not part of the submission", remedy, severity="warning")
    except RefusedArtifact as error:
        yield Problem(str(folder), "", "unsafe", *_message_and_remedy(error), unsafe=True)


def _folded(path: str) -> str:
    """Return what a path is to a file system that knows neither case nor spelling."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", path).casefold())


def _is_own(path: str) -> bool:
    """Say whether a file belongs to every submission: a text for readers, or a stored result under its own name."""
    return path in _OWN_FILES or _RESULT_FILE.fullmatch(path) is not None


@dataclass(frozen=True)
class _Reader:
    """What the artifacts of a folder are read and checked with."""

    folder: Path
    manifest: ManifestText
    protocols: Mapping[str, Protocol]
    load_data: DataLoader

    def expected_shape(self, artifact: ArtifactDraft) -> tuple[int, ...]:
        """Return the shape that a perturbation must have; () where no protocol says, which none has."""
        protocol = None if artifact.protocol is None else self.protocols.get(artifact.protocol)
        return () if protocol is None else expected_shape(protocol)


def _artifact_problems(reader: _Reader, at: str, artifact: ArtifactDraft) -> list[Problem]:
    """Return what is wrong with an artifact's file; nothing where its path cannot be used.

    Without a known protocol or a tensor name, only whether it is safe and as declared. at: JSON pointer of its table.
    """
    manifest = reader.manifest
    if not artifact.path:
        return []
    try:
        perturbation = read_perturbation(reader.folder, artifact, shape=reader.expected_shape(artifact))
    except MissingArtifact:
        return _absent(manifest, at, artifact)
    except RefusedArtifact as error:
        return [manifest.problem(f"{at}/path", "unsafe", *_message_and_remedy(error), unsafe=True)]
    except InvalidSubmission as error:
        return [manifest.problem(f"{at}/path", "content", *_message_and_remedy(error))]
    protocol = None if artifact.protocol is None else reader.protocols.get(artifact.protocol)
    complete = _complete(artifact, perturbation)
    if protocol is None or not artifact.tensor:
        problems = identity_problems(perturbation, complete)
    else:
        problems = _protocol_fit(perturbation, complete, protocol, reader.load_data)
    void = {code for code, key in _NEEDED.items() if getattr(artifact, key) is None}
    return [_placed(problem, reader, at) for problem in problems if problem.code not in void]


_NEEDED = {"kind": "kind", "budget": "norm", "dtype": "norm"}
"""Problems that mean nothing where a key of the artifact's table cannot be used, by code."""


def _complete(draft: ArtifactDraft, perturbation: Perturbation) -> Artifact:
    """Return an artifact to check a file against: unusable keys agree with the file, or stand in (see _NEEDED)."""
    return Artifact(
        role="perturbation",
        protocol=draft.protocol or "unknown",
        path=draft.path,
        sha256=draft.sha256 or perturbation.sha256,
        bytes=draft.bytes or perturbation.size,
        tensor=draft.tensor or "unknown",
        kind=draft.kind or "sample-wise",
        norm=draft.norm or "linf",
    )


def _protocol_fit(
    perturbation: Perturbation, artifact: Artifact, protocol: Protocol, load: DataLoader
) -> list[Problem]:
    try:
        data = load(protocol.dataset)
    except DatasetMissing as error:
        problems = perturbation_problems(perturbation, artifact, protocol, None, None)
        message = f"data set {protocol.dataset.name!r} is not here: budget checked on the perturbation alone, kind not"
        reason, more, _ = str(error).partition("\n")
        reason = f"{visible(reason, 300)} ..." if more else visible(reason, 300)
        remedy = f"the evaluation checks the rest; `bench doctor` tells how to provide the data set ({reason})"
        return [*problems, Problem(artifact.path, "", "data-missing", message, remedy, severity="warning")]
    return perturbation_problems(perturbation, artifact, protocol, data.train_images, data.train_labels)


def _absent(manifest: ManifestText, at: str, artifact: ArtifactDraft) -> list[Problem]:
    """Return that a file is not there, a warning where a recipe makes it; nothing where the recipe itself is wrong.

    Nothing either while size or digest are still to be filled in: whoever makes the file fills them in then.
    """
    message = f"{quoted(artifact.path)} is not there"
    if artifact.unfilled & {"sha256", "bytes"} or "recipe" in artifact.unusable:
        return []
    if artifact.recipe is not None and artifact.recipe.attack not in ATTACKS:
        return []
    if artifact.recipe is None:
        return [manifest.problem(f"{at}/path", "artifact-absent", message, "put the file there or correct the path")]
    attack, seed = visible(artifact.recipe.attack), artifact.recipe.seed
    slug = visible(str(manifest.table.get("slug")))
    protocol = visible(artifact.protocol or "PROTOCOL")
    remedy = f"`bench craft {attack} --protocol {protocol} --slug {slug} --seed {seed}` makes it again"
    return [manifest.problem(f"{at}/path", "artifact-absent", message, remedy, severity="warning")]


_FIELDS = {"size": "bytes", "digest": "sha256", "kind": "kind"}
"""Problems that are about a key of the artifact's table, by code."""


def _placed(problem: Problem, reader: _Reader, at: str) -> Problem:
    """Move a problem of an artifact to where its author looks: the manifest's key, or the file's path."""
    if problem.code not in _FIELDS:
        return replace(problem, file=f"{reader.folder}/{problem.file}")
    pointer = f"{at}/{_FIELDS[problem.code]}"
    return replace(problem, file=reader.manifest.shown, pointer=pointer, line=line_of(reader.manifest.lines, pointer))


def _message_and_remedy(error: BenchError) -> tuple[str, str]:
    message, _, remedy = str(error).rpartition("; ")
    return (message, remedy) if message else (remedy, "hand in a regular safetensors file")


def _load_data(dataset: Dataset) -> LabeledImages:
    from bench.data import load_data  # noqa: PLC0415 (only where a perturbation is checked against images)

    return load_data(dataset)
