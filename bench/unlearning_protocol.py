"""UnlearningProtocol, ProbeCondition, ProbeCell: what is asked of checkpoints, as data, from `bench/protocols/*.toml`.

May import pydantic, bench.errors, bench.protocol and bench.records; no torch, no pandas.
"""

from dataclasses import dataclass
from typing import Any, Literal

from pydantic import Field, PositiveInt, model_validator

from bench.errors import UnknownName
from bench.protocol import Dataset, Protocol, Recipe, SeedCount, Tier, ids_of_track, load_protocol, protocol_text
from bench.records import Record, digest, parse_toml

Setting = int | float | bool | str
"""A hyper-parameter as a protocol and a manifest state it."""


class ProbeCondition(Record):
    """A probe that every submission is measured with; one of them is the primary one.

    name: of the condition, where one probe is asked for at several counts; that of the probe by default.
    count: items of the training set that the probe changes and that have to be forgotten.
    settings: of the probe, by name; what is not stated is as the probe's file says.
    """

    probe: str
    name: str = ""
    primary: bool = False
    count: PositiveInt
    seeds: SeedCount
    settings: dict[str, Setting] = Field(default_factory=dict)

    @property
    def label(self) -> str:
        """Short name, unique within a protocol."""
        return self.name or self.probe


class ComputeBudget(Record):
    """What an unlearner may spend, as shares of the compute of training the original.

    share: the limit. levels: the smaller budgets that can be asked for, in percent.
    """

    share: float = Field(default=0.1, gt=0, le=1)
    levels: tuple[PositiveInt, ...] = (2, 4, 6, 8, 10)


class CheckpointMetrics(Record):
    """Settings of the metrics of checkpoints.

    equivalence_margin: of the Gaussian score, below which a trace counts as gone. relearn_epochs: after how many
    epochs relearning is given up; relearn_rate: its learning rate. membership_limit: largest number of examples a side
    that a membership attack is fitted on. distribution_models: checkpoints of one forget set that a distribution of
    models needs.
    """

    equivalence_margin: float = Field(default=0.1, gt=0)
    relearn_epochs: PositiveInt = 10
    relearn_rate: float = Field(default=0.001, gt=0)
    membership_limit: PositiveInt = 10000
    distribution_models: PositiveInt = 32


class UnlearningProtocol(Record):
    """A versioned question about checkpoints. Never changed once a result of it is published.

    model: the network that is trained, and that every checkpoint is of. recipe: how the original is trained, and the
    retrained references. unlearners: settings of reference unlearners that differ from those of their files, by name.
    trials: how many settings of an unlearner were tried on data like these, with test images for validation.
    """

    schema_: Literal["bench.protocol/1"] = Field(alias="schema")
    id: str = Field(pattern=r"^[a-z0-9-]+-v[0-9]+$")
    track: Literal["unlearning"]
    title: str
    summary: str
    notes: tuple[str, ...] = ()
    dataset: Dataset
    model: str
    recipe: Recipe
    budget: ComputeBudget = ComputeBudget()
    metrics: CheckpointMetrics = CheckpointMetrics()
    probes: tuple[ProbeCondition, ...] = Field(min_length=1)
    unlearners: dict[str, dict[str, Setting]] = Field(default_factory=dict)
    trials: dict[str, PositiveInt] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _one_primary(self) -> "UnlearningProtocol":
        names = [item.label for item in self.probes]
        if len(set(names)) != len(names):
            raise ValueError("two conditions have one name")
        if sum(item.primary for item in self.probes) != 1:
            raise ValueError("exactly one probe is the primary one")
        return self

    @property
    def sha256(self) -> str:
        """Digest of everything that can move a number of a checkpoint: all but words and the unlearners' settings."""
        asked: dict[str, Any] = self.model_dump(
            mode="json", by_alias=True, exclude={"title", "summary", "notes", "unlearners", "trials"}
        )
        return digest(asked)

    @property
    def primary(self) -> ProbeCondition:
        """The probe that the ranking is about."""
        return next(condition for condition in self.probes if condition.primary)

    def condition(self, label: str) -> ProbeCondition:
        """Return a condition by its label. Raises KeyError where the protocol does not have it."""
        for condition in self.probes:
            if condition.label == label:
                return condition
        raise KeyError(label)

    def cells(self, tier: Tier) -> tuple["ProbeCell", ...]:
        """Return every cell of a tier, probes in file order, seeds innermost."""
        return tuple(
            ProbeCell(self.model, condition.label, seed)
            for condition in self.probes
            for seed in range(condition.seeds.quick if tier == "quick" else condition.seeds.full)
        )


@dataclass(frozen=True, order=True)
class ProbeCell:
    """One unit of work: a checkpoint of a model for a probe and a seed, on the protocol's data set.

    probe: label of the condition.
    """

    model: str
    probe: str
    seed: int

    @property
    def condition(self) -> str:
        """Label of the condition that this cell is one seed of."""
        return self.probe

    @property
    def label(self) -> str:
        """`probe/seed`."""
        return f"{self.probe}/{self.seed}"


AnyProtocol = Protocol | UnlearningProtocol
"""A protocol of either track."""


def unlearning_protocol_ids() -> list[str]:
    """Return the ids of all unlearning protocols, sorted."""
    return ids_of_track("unlearning")


def load_unlearning_protocol(protocol_id: str) -> UnlearningProtocol:
    """Read an unlearning protocol by id. Raises UnknownName."""
    return parse_unlearning_protocol(protocol_text(protocol_id, "unlearning"))


def parse_unlearning_protocol(text: str) -> UnlearningProtocol:
    """Parse the TOML text of an unlearning protocol; TOML arrays become tuples."""
    return UnlearningProtocol.model_validate(parse_toml(text))


def all_protocol_ids() -> list[str]:
    """Return the ids of all protocols of both tracks, sorted."""
    return sorted({*ids_of_track("ue"), *ids_of_track("unlearning")})


def load_any_protocol(protocol_id: str) -> AnyProtocol:
    """Read a protocol of either track by id. Raises UnknownName."""
    if protocol_id in unlearning_protocol_ids():
        return load_unlearning_protocol(protocol_id)
    if protocol_id not in all_protocol_ids():
        raise UnknownName("protocol", protocol_id, all_protocol_ids())
    return load_protocol(protocol_id)
