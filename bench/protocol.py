"""Protocol, Recipe, Cell: what is asked, as data. Read from `bench/protocols/*.toml`.

May import pydantic, bench.errors and bench.records; no torch, no pandas.
"""

import os
from dataclasses import dataclass
from functools import cache
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, PositiveInt, SerializerFunctionWrapHandler, model_serializer, model_validator

from bench.errors import UnknownName
from bench.records import Record, digest, parse_toml

Track = Literal["ue", "unlearning"]
"""The two questions: can perturbed data be learned, and is data that was to be forgotten gone?"""

Tier = Literal["quick", "full"]
TIERS: tuple[Tier, ...] = ("quick", "full")


PRIVATE_VARIABLE = "BENCH_PROTOCOLS"
"""Environment variable that names one more folder of protocols, for trials and for tests."""


Norm = Literal["linf", "l0", "l2", "unbounded"]
"""The norms that a change can be limited in; under `unbounded` it is not, where a protocol admits that."""


class Selection(Record):
    """Which images of a split are used: all, or the first `per_class` of each class within `first` images.

    exclude: indices (in the order of docs/protocols.md) that are left out before counting.
    """

    per_class: PositiveInt | None = None
    first: PositiveInt | None = None
    exclude: tuple[int, ...] = ()


class ReleaseFile(Record):
    """An official release file by its MD5, the only digest that its authors publish; its reader checks it."""

    name: str
    md5: str = Field(pattern=r"^[0-9a-f]{32}$")


class Split(Record):
    """One split: how many images are used, and which ones these are.

    sha256: digest of their pixels and labels. A protocol that does not pin it takes the images that are at hand; their
    digest is measured when an evaluation is planned, and is part of every key.
    files: release files that the images must come from, wherever they are read from such files.
    """

    images: PositiveInt
    sha256: str | None = Field(default=None, pattern=r"^[0-9a-f]{64}$")
    files: tuple[ReleaseFile, ...] = ()
    select: Selection = Selection()

    @model_serializer(mode="wrap")
    def _without_absent_pins(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        # A pin that is not there is no part of a protocol's digest.
        pins = ("sha256", "files")
        return {key: value for key, value in handler(self).items() if value or key not in pins}


class Dataset(Record):
    """The data a protocol is about; `channels`, `height`, `width` describe one image, uint8, scale 0 to 255."""

    name: str
    classes: PositiveInt
    channels: PositiveInt
    height: PositiveInt
    width: PositiveInt
    class_names: tuple[str, ...]
    train: Split
    test: Split


class Budgets(Record):
    """Largest allowed change of an image under each norm; a norm that is absent is not allowed.

    linf: in 1/255 units, for every channel value. l0: number of changed pixels of an image.
    l2: in units of a 0-to-1 image, after quantization. unbounded: whether changes without any limit are admitted.
    """

    linf: PositiveInt | None = None
    l0: PositiveInt | None = None
    l2: float | None = None
    unbounded: bool = False


class Augmentation(Record):
    """Batch augmentation of training images: zero-padded random crops, and horizontal flips with probability 1/2."""

    crop_padding: int = Field(default=0, ge=0)
    flip: bool = False


class Recipe(Record):
    """How the victim network is trained; the learning rate is constant, stepped or cosine.

    momentum: of SGD; with Adam, the decay of its first moment.
    """

    optimizer: Literal["sgd", "adam"] = "sgd"
    epochs: PositiveInt
    batch_size: PositiveInt
    learning_rate: float = Field(gt=0)
    momentum: float = Field(ge=0, lt=1)
    weight_decay: float = Field(ge=0)
    nesterov: bool = False
    schedule: Literal["constant", "cosine", "step"]
    milestones: tuple[int, ...] = ()
    decay: float = 0.1
    augmentation: Augmentation = Augmentation()


class OfficialSal(Record):
    """How the published procedure is run beside `exact`, in cells of the primary condition.

    seeds: of those cells; it takes minutes, so the quick tier's are better left out. epochs: when, among those of
    `exact`. Batch size, passes and step length are the published ones by default.
    """

    seeds: tuple[int, ...]
    epochs: tuple[int, ...]
    batch_size: PositiveInt = 256
    passes: PositiveInt = 10
    learning_rate: float = Field(default=0.1, gt=0)


class SalSettings(Record):
    """How Sharpness-Aware Learnability is measured: the ball, the epochs, the probe set and the search.

    estimator: `exact` takes projected steps on the same images in every cell, `converged` a quasi-Newton search on
    images that are drawn by their loss, anew for each seed and epoch.
    probe_images: how many. max_steps, tolerance: of `exact`'s ascents, and of the last ones of `converged`.
    """

    estimator: Literal["exact", "converged"]
    epsilon: float = Field(gt=0)
    epochs: tuple[int, ...]
    probe_images: PositiveInt
    max_steps: PositiveInt
    tolerance: float = Field(gt=0)
    official: OfficialSal | None = None

    @model_validator(mode="after")
    def _published_beside_exact(self) -> "SalSettings":
        if self.official is not None and self.estimator != "exact":
            raise ValueError("the published search runs beside estimator 'exact' only")
        return self


class SeedCount(Record):
    """How many seeds (0, 1, ...) each tier runs; the quick tier's cells are among the full tier's."""

    quick: int = Field(ge=0)
    full: PositiveInt


class Condition(Record):
    """A model and a defense that every submission is measured under; one of them is the primary one."""

    model: str
    defense: str
    primary: bool = False
    seeds: SeedCount

    @property
    def label(self) -> str:
        """Short name, unique within a protocol: `model/defense`."""
        return f"{self.model}/{self.defense}"


class Protocol(Record):
    """A versioned question. Never changed once a result of it is published; a change is a new version.

    defense_linf: the L-infinity radius that a defense assumes, in 1/255; that of the budgets by default.
    recipes: how networks are trained for which `recipe` does not fit, by name.
    """

    schema_: Literal["bench.protocol/1"] = Field(alias="schema")
    id: str = Field(pattern=r"^[a-z0-9-]+-v[0-9]+$")
    track: Literal["ue"]
    title: str
    summary: str
    notes: tuple[str, ...] = ()
    dataset: Dataset
    budgets: Budgets
    defense_linf: PositiveInt | None = None
    recipe: Recipe
    recipes: dict[str, Recipe] = Field(default_factory=dict)
    sal: SalSettings
    conditions: tuple[Condition, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _anchored(self) -> "Protocol":
        """Every condition needs clean training without a defense, seed by seed, to measure distances from."""
        plain = {item.model: item.seeds for item in self.conditions if item.defense == "none"}
        for item in self.conditions:
            base = plain.get(item.model)
            if base is None or base.quick < item.seeds.quick or base.full < item.seeds.full:
                raise ValueError(f"{item.label} needs {item.model}/none with as many seeds in each tier")
        return self

    @property
    def sha256(self) -> str:
        """Digest of everything that can move a number: all but title, summary and notes."""
        asked = self.model_dump(mode="json", by_alias=True, exclude={"title", "summary", "notes"})
        return digest(asked)

    @property
    def primary(self) -> Condition:
        """The condition that the ranking is about."""
        return next(condition for condition in self.conditions if condition.primary)

    def recipe_of(self, model: str) -> Recipe:
        """Return how a network is trained: as `recipes` says for it, or as all others are."""
        return self.recipes.get(model, self.recipe)

    def cells(self, tier: Tier) -> tuple["Cell", ...]:
        """Return every cell of a tier, conditions in file order, seeds innermost."""
        return tuple(
            Cell(condition.model, condition.defense, seed)
            for condition in self.conditions
            for seed in range(condition.seeds.quick if tier == "quick" else condition.seeds.full)
        )


@dataclass(frozen=True, order=True)
class Cell:
    """One unit of work: model x defense x seed, on the protocol's data set."""

    model: str
    defense: str
    seed: int

    @property
    def condition(self) -> str:
        """Label of the condition that this cell is one seed of."""
        return f"{self.model}/{self.defense}"

    @property
    def label(self) -> str:
        """`model/defense/seed`."""
        return f"{self.condition}/{self.seed}"


def protocol_ids() -> list[str]:
    """Return the ids of all UE protocols, sorted: the built-in ones and those of the folder in $BENCH_PROTOCOLS."""
    return ids_of_track("ue")


def load_protocol(protocol_id: str) -> Protocol:
    """Read a UE protocol by id. Raises UnknownName."""
    return parse_protocol(protocol_text(protocol_id, "ue"))


def parse_protocol(text: str) -> Protocol:
    """Parse the TOML text of a UE protocol; TOML arrays become tuples."""
    return Protocol.model_validate(parse_toml(text))


def ids_of_track(track: Track) -> list[str]:
    """Return the ids of a track's protocols, sorted."""
    return sorted(name for name, file in _sources().items() if _track(file.read_text(encoding="utf-8")) == track)


def protocol_text(protocol_id: str, track: Track) -> str:
    """Return the TOML text of a protocol of a track. Raises UnknownName."""
    known = ids_of_track(track)
    if protocol_id not in known:
        raise UnknownName("protocol", protocol_id, known)
    return _sources()[protocol_id].read_text(encoding="utf-8")


@cache
def _track(text: str) -> str:
    return str(parse_toml(text)["track"])


def _sources() -> dict[str, Traversable]:
    """Return id -> file. A private protocol cannot take the id of a built-in one."""
    folders: list[Traversable] = [resources.files("bench") / "protocols"]
    if private := os.environ.get(PRIVATE_VARIABLE):
        folders.insert(0, Path(private))
    return {
        entry.name.removesuffix(".toml"): entry
        for folder in folders
        for entry in folder.iterdir()
        if entry.name.endswith(".toml")
    }
