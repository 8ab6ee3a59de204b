"""Makes reference submissions: runs an attack of the table, writes its artifact and, for a new one, its manifest.

May import numpy, rich and the attacks; an attack that needs torch imports it itself.
"""

import hashlib
import json
import os
import time
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console

from bench.artifacts import check_suffix, encode_perturbation
from bench.attacks import ATTACKS
from bench.attacks.attack import Attack, CraftInput
from bench.budgets import measure_kind
from bench.data import load_data
from bench.errors import InvalidSubmission, UsageProblem
from bench.files import write_and_sweep
from bench.machine import cpu_name
from bench.protocol import Protocol
from bench.registry import resolve
from bench.scaffold import check_slug
from bench.submission import MANIFEST_NAME, Artifact, CraftDevice, Manifest, load_submission, parse_manifest
from bench.untrusted import place_inside

ARTIFACT_NAME = "delta.safetensors"
PROGRESS_SECONDS = 5


@dataclass(frozen=True)
class Crafted:
    """What was made: the folder, the artifact's digest and size, and whether it agrees with an existing manifest."""

    folder: Path
    sha256: str
    size: int
    recreated: bool


def craft_submission(
    root: Path, attack_name: str, protocol: Protocol, *, slug: str, seed: int, device: CraftDevice = "cpu"
) -> Crafted:
    """Make a reference submission, or make the artifact of an existing one again.

    Raises UnknownName, UsageProblem, DatasetMissing; InvalidSubmission where an existing manifest pins another digest.
    """
    check_slug(slug)
    folder = root / "submissions" / slug
    path = folder / MANIFEST_NAME
    # Before the crafting, which can take hours.
    artifact = _existing_artifact(folder, protocol) if os.path.lexists(path) else None
    given = _craft_input(protocol, seed, device)
    clock = time.perf_counter()
    content, sha256, kind = _craft(attack_name, given)
    seconds = time.perf_counter() - clock
    if artifact is not None:
        _check_digest(artifact, sha256, folder)
        write_and_sweep(_place(folder, artifact), content)
        return Crafted(folder, sha256, len(content), recreated=True)
    attack: Attack = resolve("attack", attack_name, ATTACKS)
    artifact_table = _artifact_table(attack, attack_name, protocol, given, sha256=sha256, size=len(content), kind=kind)
    artifact_table += _settings_table(attack, given) + _cost_table(given, seconds)
    surrogate = attack.surrogate(given) if attack.surrogate else None
    manifest = _manifest(attack, protocol, slug, artifact_table, surrogate)
    parse_manifest(manifest)
    write_and_sweep(folder / ARTIFACT_NAME, content)
    write_and_sweep(path, manifest.encode())
    return Crafted(folder, sha256, len(content), recreated=False)


def recreate_artifact(folder: Path, artifact: Artifact, protocol: Protocol) -> None:
    """Make an absent artifact again from its recipe; one that is there, or has no recipe, is left alone.

    Raises InvalidSubmission where the recipe gives other bytes than the manifest pins.
    """
    if artifact.recipe is None or os.path.lexists(folder / artifact.path):
        return
    path = _place(folder, artifact)
    content, sha256, _ = _craft(
        artifact.recipe.attack, _craft_input(protocol, artifact.recipe.seed, artifact.recipe.device)
    )
    _check_digest(artifact, sha256, folder)
    write_and_sweep(path, content)


def _craft(attack_name: str, given: CraftInput) -> tuple[bytes, str, str]:
    """Return the bytes of an artifact, their hex SHA-256 and the kind the perturbation turns out to be."""
    attack: Attack = resolve("attack", attack_name, ATTACKS)
    delta = attack.craft(replace(given, progress=_ProgressLines(attack_name).show))
    content = encode_perturbation(delta)
    return content, hashlib.sha256(content).hexdigest(), measure_kind(delta, given.labels)


def _craft_input(protocol: Protocol, seed: int, device: CraftDevice) -> CraftInput:
    """Return what an attack gets to see of a protocol: never a test image.

    The device is part of the recipe: it promises the same bytes, and another device rounds otherwise.
    """
    data = load_data(protocol.dataset)
    return CraftInput(
        data.train_images,
        data.train_labels,
        protocol.budgets,
        seed,
        classes=protocol.dataset.classes,
        model=protocol.primary.model,
        augmentation=protocol.recipe.augmentation,
        device=device,
    )


@dataclass
class _ProgressLines:
    """Prints to stderr how far an attack is, at most a line every PROGRESS_SECONDS; a quick attack prints none."""

    attack: str
    console: Console = field(default_factory=lambda: Console(stderr=True))
    said: float = field(default_factory=time.monotonic)

    def show(self, step: str, done: int, total: int | None) -> None:
        """Print one line if it is time for one."""
        now = time.monotonic()
        if now - self.said < PROGRESS_SECONDS:
            return
        self.said = now
        share = f"{done} of {total}" if total is not None else f"{done}"
        self.console.print(f"{self.attack}: {share} {step}", highlight=False, markup=False, soft_wrap=True)


def _existing_artifact(folder: Path, protocol: Protocol) -> Artifact:
    manifest = load_submission(folder).manifest
    found = manifest.artifacts_for(protocol.id)[:1] if isinstance(manifest, Manifest) else ()
    for artifact in found:
        _place(folder, artifact)
        return artifact
    raise UsageProblem(f"{folder / MANIFEST_NAME} has no artifact for {protocol.id}; choose another --slug")


def _place(folder: Path, artifact: Artifact) -> Path:
    """Return where an artifact is written: its path is the manifest's word, and the manifest may be somebody's."""
    check_suffix(artifact.path)
    return place_inside(folder, artifact.path)


def _check_digest(artifact: Artifact, sha256: str, folder: Path) -> None:
    if sha256 != artifact.sha256:
        raise InvalidSubmission(
            f"{folder / artifact.path}: the recipe does not give the artifact that the manifest pins\n"
            f"  expected sha256 {artifact.sha256}\n  found    sha256 {sha256}\n"
            "  the attack or a library has changed since; hand the artifact in as a file instead"
        )


def _manifest(attack: Attack, protocol: Protocol, slug: str, artifact_table: str, surrogate: str | None) -> str:
    surrogate_line = f"surrogate = {json.dumps(surrogate)}\n" if surrogate else ""
    links = f"[links]\npaper = {json.dumps(attack.paper)}\n\n" if attack.paper else ""
    return f"""\
schema = "bench.submission/1"
track = "ue"
slug = "{slug}"
protocols = ["{protocol.id}"]
submitted = {datetime.now(UTC).date().isoformat()}

[method]
name = {json.dumps(attack.name)}
family = "{attack.family}"
summary = {json.dumps(attack.summary)}
{surrogate_line}uses_labels = {str(attack.uses_labels).lower()}

[[authors]]
name = "The Unlearnability Bench maintainers"

{links}{artifact_table}
[disclosure]
test_set_used = {str(attack.test_set_used).lower()}

[agreement]
artifact_license = "CC-BY-4.0"
publish = true
"""


def _artifact_table(
    attack: Attack, attack_name: str, protocol: Protocol, given: CraftInput, *, sha256: str, size: int, kind: str
) -> str:
    device = "" if given.device == "cpu" else f'device = "{given.device}"\n'
    return f"""\
[[artifact]]
role = "perturbation"
protocol = "{protocol.id}"
path = "{ARTIFACT_NAME}"
sha256 = "{sha256}"
bytes = {size}
kind = "{kind}"
norm = "{attack.norm}"

[artifact.recipe]
attack = "{attack_name}"
seed = {given.seed}
{device}"""


def _settings_table(attack: Attack, given: CraftInput) -> str:
    settings = attack.settings(given) if attack.settings else {}
    lines = [f"{name} = {json.dumps(value)}" for name, value in settings.items() if value is not None]
    return "\n".join(["", "[artifact.recipe.settings]", *lines, ""]) if lines else ""


def _hardware(given: CraftInput) -> str:
    if given.device == "cpu":
        return f"{cpu_name()}, one thread"
    from bench.provenance import gpu_name  # noqa: PLC0415 (imports torch, which an attack on the CPU may not need)

    return gpu_name()


def _cost_table(given: CraftInput, seconds: float) -> str:
    epochs = given.work.image_passes / len(given.images)
    counted = f"epoch_equivalents = {epochs:.1f}\n" if epochs else ""
    return f"\n[artifact.cost]\nseconds = {seconds:.1f}\n{counted}hardware = {json.dumps(_hardware(given))}\n"
