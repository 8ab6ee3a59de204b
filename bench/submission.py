"""Manifest and Submission: what an author hands in. `submission.toml` is typed and refuses unknown keys.

May import pydantic, bench.errors and records; opens no artifact (bench.artifacts does).
"""

import os
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from pydantic import AfterValidator, Field

from bench.errors import InvalidSubmission, UnknownName
from bench.plain_text import Block, Digest, Link, Name, Sentence, Slug, check_line
from bench.problems import printable, visible
from bench.protocol import Norm
from bench.records import Record, parse_toml
from bench.toml_lines import check_nesting, check_numbers
from bench.untrusted import read_untrusted

MANIFEST_NAME = "submission.toml"
_NAMES_SHOWN = 100
_MESSAGE_LIMIT = 4000
MANIFEST_LIMIT_BYTES = 256 * 1024
ARTIFACT_LIMIT_BYTES = 1024**3
PROTOCOL_LIMIT = 64
ENTRY_LIMIT = 1000
"""Tables that a manifest may repeat, such as [[artifact]]; whatever reads them all looks at no more."""

COUNT_LIMIT = 2**53 - 1
"""Largest whole number that every reader of JSON keeps as it is."""

NUMBER_LIMIT = 1e12
"""Largest magnitude of a stated number; beyond it sums, squares and axes overflow."""

Family = Literal[
    "reference",
    "control",
    "error-minimizing",
    "error-maximizing",
    "synthetic-shortcut",
    "generative",
    "filter",
    "other",
]
"""Closed vocabulary of method families. `reference` is training on the data as it is, `control` must show no effect."""

FAMILIES: tuple[str, ...] = get_args(Family)


class Method(Record):
    """What the method is: names and facts, nothing measured."""

    name: Name
    family: Family
    summary: Sentence
    surrogate: Name = "none"
    uses_labels: bool
    extra_data: Name = "none"


class Author(Record):
    """Who hands it in."""

    name: Name
    orcid: Annotated[str, Field(pattern=r"^\d{4}-\d{4}-\d{4}-\d{3}[\dX]$")] | None = None
    github: Annotated[str, Field(pattern=r"^[A-Za-z0-9-]{1,39}$")] | None = None


class Links(Record):
    """Where to read more; https only."""

    paper: Link | None = None
    code: Link | None = None
    license: Name | None = None


class Citation(Record):
    """How to cite the method."""

    bibtex: Block


Count = Annotated[int, Field(ge=0, le=COUNT_LIMIT)]
Amount = Annotated[float, Field(ge=0, le=NUMBER_LIMIT)]
Number = Annotated[float, Field(ge=-NUMBER_LIMIT, le=NUMBER_LIMIT)]
Setting = Annotated[int, Field(ge=-COUNT_LIMIT, le=COUNT_LIMIT)] | Number | bool | Name
CraftDevice = Literal["cpu", "cuda"]


class CraftRecipe(Record):
    """How `bench craft` makes the artifact again, byte for byte, where it is too large to be kept in the repository.

    settings: the attack's hyper-parameters, for the reader; attack, seed and device alone decide.
    """

    attack: Name
    seed: Count
    device: CraftDevice = "cpu"
    settings: dict[Name, Setting] = Field(default_factory=dict, max_length=64)


class CraftCost(Record):
    """What making the artifact cost.

    seconds: wall clock. epoch_equivalents: forward-and-backward passes of the surrogate over the training images.
    """

    seconds: Amount
    epoch_equivalents: Amount | None = None
    hardware: Name


class Artifact(Record):
    """One perturbation file.

    path: relative, inside the folder. sha256, bytes: of the whole file. tensor: its name in the file.
    layout: NCHW, in units of 1/255. order: row i changes training image i of the protocol.
    kind: as declared; the evaluation measures it and shows both.
    norm: the budget it claims to keep, one of those that the protocol allows.
    """

    role: Literal["perturbation"]
    protocol: Name
    path: Annotated[str, Field(min_length=1, max_length=200), AfterValidator(check_line)]
    sha256: Digest
    bytes: int = Field(gt=0, le=ARTIFACT_LIMIT_BYTES)
    tensor: Name = "delta"
    layout: Literal["NCHW"] = "NCHW"
    order: Literal["dataset-index"] = "dataset-index"
    kind: Literal["sample-wise", "class-wise"]
    norm: Norm
    recipe: CraftRecipe | None = None
    cost: CraftCost | None = None


@dataclass(frozen=True)
class ArtifactDraft:
    """What of an [[artifact]] can be used, key by key, where the table as a whole may be wrong.

    path, tensor: "" where unusable. Everything else: None where it is missing, malformed or still to be filled in.
    unusable: the keys that are malformed or still to be filled in. unfilled: the latter alone.
    """

    path: str = ""
    tensor: str = Artifact.model_fields["tensor"].default
    protocol: str | None = None
    sha256: str | None = None
    bytes: int | None = None
    kind: Literal["sample-wise", "class-wise"] | None = None
    norm: Norm | None = None
    recipe: CraftRecipe | None = None
    unusable: frozenset[str] = frozenset()
    unfilled: frozenset[str] = frozenset()


class Reported(Record):
    """A number the author states: shown beside the measured one, never ranked."""

    metric: Name
    condition: Name
    value: Number
    source: Sentence


class Disclosure(Record):
    """What a reader should know about how the submission came about."""

    attempts_before_this: Count = 0
    test_set_used: bool
    conflict_of_interest: Name = "none"


class Agreement(Record):
    """Under which terms the artifacts are published."""

    artifact_license: Name
    publish: Literal[True]


class Manifest(Record):
    """A whole `submission.toml`. A submission without artifacts leaves the training images as they are."""

    schema_: Literal["bench.submission/1"] = Field(alias="schema")
    track: Literal["ue"]
    slug: Slug
    protocols: tuple[Name, ...] = Field(min_length=1, max_length=PROTOCOL_LIMIT)
    submitted: date
    method: Method
    authors: tuple[Author, ...] = Field(min_length=1, max_length=ENTRY_LIMIT)
    links: Links = Links()
    cite: Citation | None = None
    artifact: tuple[Artifact, ...] = Field((), max_length=PROTOCOL_LIMIT)
    reported: tuple[Reported, ...] = Field((), max_length=ENTRY_LIMIT)
    disclosure: Disclosure
    agreement: Agreement

    def artifacts_for(self, protocol_id: str) -> tuple[Artifact, ...]:
        """Return the artifacts that this submission brings for a protocol: none or one."""
        return tuple(artifact for artifact in self.artifact if artifact.protocol == protocol_id)


UnlearningFamily = Literal[
    "reference", "control", "retain-tuning", "ascent", "distillation", "saliency", "relabeling", "meta", "other"
]
"""Closed vocabulary of unlearning methods; `reference` is what scores are read against: the original, retraining."""

UNLEARNING_FAMILIES: tuple[str, ...] = get_args(UnlearningFamily)


class UnlearningMethod(Record):
    """What an unlearning method is: names and facts, nothing measured."""

    name: Name
    family: UnlearningFamily
    summary: Sentence


class UnlearnRecipe(Record):
    """How `bench unlearn` makes the checkpoints of a protocol again, byte for byte, on the same kind of machine.

    budget: percent of the compute of training the original. settings: complete, as they were used.
    """

    protocol: Name
    unlearner: Name
    budget: int = Field(gt=0, le=100)
    device: CraftDevice = "cpu"
    settings: dict[Name, Setting] = Field(default_factory=dict, max_length=64)


class UnlearnCost(Record):
    """What unlearning one checkpoint cost, as its maker says.

    compute_share: relative to training the original, a forward pass counted once and a backward pass twice.
    seconds: wall clock, or processor time of one thread; training_seconds: of training the original on that machine.
    peak_memory_bytes: largest memory of the accelerator, where one was used.
    """

    compute_share: Amount
    seconds: Amount
    training_seconds: Amount | None = None
    peak_memory_bytes: int | None = Field(default=None, gt=0, le=COUNT_LIMIT)
    hardware: Name


class Checkpoint(Record):
    """One unlearned network: for which kit of a protocol, and from which original.

    path: relative, inside the folder. sha256, bytes: of the whole file. original: SHA-256 of the kit's original.
    """

    role: Literal["checkpoint"]
    protocol: Name
    probe: Name
    seed: int = Field(ge=0, le=10000)
    path: Annotated[str, Field(min_length=1, max_length=200), AfterValidator(check_line)]
    sha256: Digest
    bytes: int = Field(gt=0, le=ARTIFACT_LIMIT_BYTES)
    original: Digest
    cost: UnlearnCost | None = None


class UnlearningDisclosure(Record):
    """What a reader should know about how an unlearning submission came about.

    search_trials: settings that were tried. tuned_on_retrained: whether a retrained model had a part in the choice.
    """

    attempts_before_this: Count = 0
    search_trials: Count = 0
    tuned_on_retrained: bool
    test_set_used: bool
    conflict_of_interest: Name = "none"


class UnlearningManifest(Record):
    """A whole `submission.toml` of the unlearning track: one checkpoint for each probe and seed that it answers."""

    schema_: Literal["bench.submission/1"] = Field(alias="schema")
    track: Literal["unlearning"]
    slug: Slug
    protocols: tuple[Name, ...] = Field(min_length=1, max_length=PROTOCOL_LIMIT)
    submitted: date
    method: UnlearningMethod
    authors: tuple[Author, ...] = Field(min_length=1, max_length=ENTRY_LIMIT)
    links: Links = Links()
    cite: Citation | None = None
    recipe: tuple[UnlearnRecipe, ...] = Field((), max_length=PROTOCOL_LIMIT)
    artifact: tuple[Checkpoint, ...] = Field(max_length=ENTRY_LIMIT)
    reported: tuple[Reported, ...] = Field((), max_length=ENTRY_LIMIT)
    disclosure: UnlearningDisclosure
    agreement: Agreement

    def artifacts_for(self, protocol_id: str) -> tuple[Checkpoint, ...]:
        """Return the checkpoints that this submission brings for a protocol."""
        return tuple(artifact for artifact in self.artifact if artifact.protocol == protocol_id)

    def recipe_for(self, protocol_id: str) -> UnlearnRecipe | None:
        """Return how the checkpoints for a protocol are made again, None where the manifest does not say."""
        return next((recipe for recipe in self.recipe if recipe.protocol == protocol_id), None)


AnyManifest = Manifest | UnlearningManifest
MANIFESTS: dict[str, type[Manifest] | type[UnlearningManifest]] = {"ue": Manifest, "unlearning": UnlearningManifest}
"""What a manifest is read as, by its track."""


@dataclass(frozen=True)
class Submission:
    """A submission folder and its manifest, read and typed, not yet validated against protocol and files."""

    folder: Path
    manifest: AnyManifest

    @property
    def slug(self) -> str:
        """The manifest's slug."""
        return self.manifest.slug


def manifest_table(text: str) -> Any:
    """Parse the TOML of a manifest without looking at what it says. Raises ValueError, with the line in its text."""
    check_nesting(text)
    check_numbers(text)
    return parse_toml(text)


def parse_manifest(text: str) -> Manifest:
    """Parse the text of a UE manifest. Raises ValueError; its kind ValidationError has every problem."""
    return Manifest.model_validate(manifest_table(text))


def parse_any_manifest(text: str) -> AnyManifest:
    """Parse the text of a manifest of either track. Raises as `parse_manifest` does."""
    table = manifest_table(text)
    return manifest_model(table).model_validate(table)


def manifest_model(table: Any) -> type[Manifest] | type[UnlearningManifest]:
    """Return what a manifest's table is read as: by its track, as UE where it names none that exists."""
    track = table.get("track") if isinstance(table, dict) else None
    return MANIFESTS.get(track, Manifest) if isinstance(track, str) else Manifest


def read_manifest(folder: Path) -> str:
    """Return the text of a folder's manifest.

    Raises FileNotFoundError, RefusedArtifact where it is no regular file or too large, UnicodeDecodeError.
    """
    return read_untrusted(folder, MANIFEST_NAME, MANIFEST_LIMIT_BYTES).decode("utf-8")


def load_submission(folder: Path) -> Submission:
    """Read a submission that is known to be valid.

    Raises InvalidSubmission, RefusedArtifact for a linked manifest, UnknownName if there is no such folder.
    """
    try:
        return Submission(folder, parse_any_manifest(read_manifest(folder)))
    except FileNotFoundError as error:
        raise UnknownName("submission folder", str(folder), known_folders(folder.parent)) from error
    except ValueError as error:
        where = visible(str(folder), 400)
        message = printable(str(error)[:_MESSAGE_LIMIT])
        raise InvalidSubmission(
            f"{where}/{MANIFEST_NAME}: {message}; `bench validate {where}` lists every problem"
        ) from error


def listed_folders(parent: Path) -> list[Path]:
    """Return the folders in a folder that have a manifest, by name; those that are being written begin with a dot."""
    # In plain text, for a site has thousands of folders, and paths are slow to make and to compare.
    try:
        found = [name for name in os.listdir(parent) if not name.startswith(".")]  # noqa: PTH208 - as above
    except (FileNotFoundError, NotADirectoryError):
        return []
    with_manifest = (name for name in found if os.path.exists(f"{parent}/{name}/{MANIFEST_NAME}"))  # noqa: PTH110 - too
    return [parent / name for name in sorted(with_manifest)]


def known_folders(parent: Path) -> list[str]:
    """Return the names of the submission folders in a folder, as they can be shown; of many, the first ones."""
    names = [path.name for path in listed_folders(parent)]
    return [visible(name) for name in names[:_NAMES_SHOWN]]
