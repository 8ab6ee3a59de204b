"""Result: the canonical document of what was asked and found, and the only bridge between measuring and showing.

May import pydantic, scipy.special and bench.records; no torch, no pandas. bench.store keeps results on disk.
"""

import hashlib
import math
import statistics
from collections.abc import Iterator, Sequence
from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag
from scipy.special import stdtrit

from bench.records import Record, canonical_bytes, digest

DECIMALS = 6
"""Measured values are rounded half to even to this many decimals before they are hashed."""

SEAL_HEX = 4


def _kind(value: Any) -> str:
    """Say whether a part of a document is of the unlearning track: such parts name their probe."""
    names = value if isinstance(value, dict) else getattr(type(value), "model_fields", ())
    return "checkpoint" if "probe" in names else "training"


_OF_TRACK = Discriminator(_kind)
TRACK_TAGS = ("checkpoint", "training")
"""What pydantic adds to the places of errors in parts that differ between tracks."""


class ArtifactRef(Record):
    """An artifact by content: what was measured, whatever it was called."""

    role: Literal["perturbation"]
    sha256: str
    bytes: int
    dtype: str
    shape: tuple[int, ...]
    norm: str


class CheckpointRef(Record):
    """A checkpoint by content, and which kit it answers; original: SHA-256 of the kit's original checkpoint."""

    role: Literal["checkpoint"]
    probe: str
    seed: int
    sha256: str
    bytes: int
    original: str


AnyArtifact = Annotated[
    Annotated[ArtifactRef, Tag("training")] | Annotated[CheckpointRef, Tag("checkpoint")], _OF_TRACK
]


class ProtocolRef(Record):
    """A protocol by id and digest."""

    id: str
    sha256: str


class EvaluatorRef(Record):
    """The code that measured, by the digest of its syntax trees (comments and docstrings do not count)."""

    name: Literal["bench"]
    code_sha256: str


class DataRef(Record):
    """A split that was used, by digest."""

    name: str
    images: int
    sha256: str


class ConditionRef(Record):
    """A condition that was asked for, with its seeds in order."""

    label: str
    model: str
    defense: str
    primary: bool
    seeds: tuple[int, ...]


class ProbeRef(Record):
    """A probe that was asked for, with its seeds in order."""

    label: str
    model: str
    probe: str
    primary: bool
    seeds: tuple[int, ...]


AnyCondition = Annotated[Annotated[ConditionRef, Tag("training")] | Annotated[ProbeRef, Tag("checkpoint")], _OF_TRACK]


class Subject(Record):
    """What was asked. Its digest is the result's `key`.

    challenge: digest that commits to the secret of the challenge kits; None where a track has none.
    """

    track: Literal["ue", "unlearning"]
    tier: Literal["quick", "full"]
    protocol: ProtocolRef
    artifacts: tuple[AnyArtifact, ...]
    evaluator: EvaluatorRef
    data: tuple[DataRef, ...]
    conditions: tuple[AnyCondition, ...]
    challenge: str | None = None


class SalCurve(Record):
    """SAL of one run. values[t][l] belongs to epochs[t] and layers[l]; loss[t] is the probe loss; nats."""

    epochs: tuple[int, ...]
    layers: tuple[str, ...]
    loss: tuple[float, ...]
    values: tuple[tuple[float, ...], ...]
    gradients: tuple[int, ...]


class OfficialCurve(Record):
    """What the published search met in one run: losses, not SAL, which depends on the origin that is chosen.

    running_loss[t]: of training, the published origin; start_loss[t]: at the weights themselves, eval mode.
    highest[t][l], lowest[t][l]: extreme mean losses; epochs[t], layers[l]; nats. gradients[t]: of batches.
    """

    epochs: tuple[int, ...]
    layers: tuple[str, ...]
    running_loss: tuple[float, ...]
    start_loss: tuple[float, ...]
    highest: tuple[tuple[float, ...], ...]
    lowest: tuple[tuple[float, ...], ...]
    gradients: tuple[int, ...]


class CellResult(Record):
    """What one cell found: curves over epochs, one value an epoch (accuracies 0 to 1, loss in nats)."""

    key: str
    model: str
    defense: str
    seed: int
    train_loss: tuple[float, ...]
    train_accuracy: tuple[float, ...]
    test_accuracy: tuple[float, ...]
    sal: SalCurve
    official: OfficialCurve | None = None

    @property
    def condition(self) -> str:
        """Label of the condition that this cell is one seed of."""
        return f"{self.model}/{self.defense}"

    @property
    def accuracy(self) -> float:
        """Test accuracy at the end."""
        return self.test_accuracy[-1]


class GaussianCurve(Record):
    """Scores of Gaussian poisons against one checkpoint, standard normal where the noise left no trace.

    forget: of what had to be forgotten. kept: of canaries in the retain set. never: of noise that was never trained on.
    skipped: items without a score.
    """

    forget: tuple[float, ...]
    kept: tuple[float, ...]
    never: tuple[float, ...]
    skipped: int


class CheckpointResult(Record):
    """What was measured on one checkpoint: values by metric key, and the scores of Gaussian poisons."""

    key: str
    model: str
    probe: str
    seed: int
    values: dict[str, float]
    gaussian: GaussianCurve | None = None

    @property
    def condition(self) -> str:
        """Label of the condition that this cell is one seed of."""
        return self.probe

    @property
    def accuracy(self) -> float:
        """Test accuracy."""
        return self.values["checkpoint_test_accuracy"]


AnyCell = Annotated[Annotated[CellResult, Tag("training")] | Annotated[CheckpointResult, Tag("checkpoint")], _OF_TRACK]


class Measurement(Record):
    """One metric under one condition: values by seed and what follows from them, or a status and a reason.

    ci95: two-sided Student-t interval over seeds; absent where there is one seed only.
    pooled: of a metric that takes all seeds together; pooled_ci95: its interval, where it has one.
    """

    metric: str
    condition: str
    status: Literal["ok", "not_run", "failed", "not_measurable", "refused"]
    reason: str | None = None
    per_seed: tuple[float, ...] | None = None
    mean: float | None = None
    sd: float | None = None
    ci95: tuple[float, float] | None = None
    pooled: float | None = None
    pooled_ci95: tuple[float, float] | None = None


class Check(Record):
    """A check of the submitted artifact with what was measured."""

    id: str
    status: Literal["pass", "warn"]
    measured: str
    detail: str


class ReferenceRef(Record):
    """Cells that scores are anchored to, by their keys."""

    role: Literal["clean", "original", "retrain"]
    cells: tuple[str, ...]


class Outcome(Record):
    """What was found."""

    checks: tuple[Check, ...]
    measurements: tuple[Measurement, ...]
    references: tuple[ReferenceRef, ...]
    cells: tuple[AnyCell, ...]


class Result(Record):
    """A whole result document.

    key: digest of `subject`, "what was asked". id: digest of schema, subject and outcome, "what was found".
    seal: 4 hex digits for each value of subject and outcome in document order; names the value that was changed.
    """

    schema_: Literal["bench.result/1"] = Field(alias="schema")
    id: str = Field(pattern=r"^sha256:[0-9a-f]{64}$")
    key: str = Field(pattern=r"^sha256:[0-9a-f]{64}$")
    seal: str = Field(pattern=r"^[0-9a-f]*$")
    subject: Subject
    outcome: Outcome

    @property
    def name(self) -> str:
        """File name without suffix: the first 16 hex digits of the id."""
        return self.id.removeprefix("sha256:")[:16]

    @property
    def training_cells(self) -> tuple[CellResult, ...]:
        """The cells of a result of the UE track; none of another one."""
        return tuple(cell for cell in self.outcome.cells if isinstance(cell, CellResult))

    @property
    def checkpoint_cells(self) -> tuple[CheckpointResult, ...]:
        """The cells of a result of the unlearning track; none of another one."""
        return tuple(cell for cell in self.outcome.cells if isinstance(cell, CheckpointResult))

    def measurement(self, metric: str, condition: str) -> Measurement | None:
        """Return a metric under a condition, None where the result does not have it."""
        for measurement in self.outcome.measurements:
            if (measurement.metric, measurement.condition) == (metric, condition):
                return measurement
        return None


class Run(Record):
    """Provenance of one run that found a result; outside `key` and `id`.

    started, ended: UTC, ISO 8601. cells_trained counts the cells this run trained, cells_reused those it found done.
    cost is that of the trained cells, wherever they were trained.
    """

    id: str
    started: str
    ended: str
    command: tuple[str, ...]
    cells_trained: int
    cells_reused: int
    git_commit: str | None
    git_dirty: bool | None
    hardware: dict[str, str | int]
    software: dict[str, str]
    determinism: dict[str, str | int | bool]
    cost: dict[str, float]
    seal: str = ""

    @property
    def expected_seal(self) -> str:
        """Digest of all other fields; the stored seal must be this one."""
        return digest(self.model_dump(mode="json", exclude={"seal"}))

    def sealed(self) -> "Run":
        """Return the run with its seal set."""
        return self.model_copy(update={"seal": self.expected_seal})


def rounded(value: float) -> float:
    """Round half to even to DECIMALS. Raises ValueError for NaN and infinities: a missing number has a status."""
    if not math.isfinite(value):
        raise ValueError(f"{value} cannot be stored; say what is missing with a status and a reason")
    return round(float(value), DECIMALS)


def subject_key(subject: Subject) -> str:
    """Return the key of a subject."""
    return digest(subject_document(subject))


def subject_document(subject: Subject) -> dict[str, Any]:
    """Return a subject as it is digested."""
    return subject.model_dump(mode="json", exclude_none=True)


def build_result(subject: Subject, outcome: Outcome) -> Result:
    """Seal a subject and its outcome into a result."""
    body = {
        "schema": "bench.result/1",
        "subject": subject_document(subject),
        "outcome": outcome.model_dump(mode="json", exclude_none=True),
    }
    return Result.model_validate_json(
        canonical_bytes({**body, "id": digest(body), "key": digest(body["subject"]), "seal": seal_of(body)})
    )


def summarize(metric: str, condition: str, per_seed: Sequence[float]) -> Measurement:
    """Return an `ok` measurement: mean, standard deviation and Student-t 95 % interval over seeds.

    One value has neither standard deviation nor interval.
    """
    values = tuple(rounded(value) for value in per_seed)
    mean = statistics.fmean(values)
    if len(values) == 1:
        return Measurement(metric=metric, condition=condition, status="ok", per_seed=values, mean=rounded(mean))
    sd = statistics.stdev(values)
    half = float(stdtrit(len(values) - 1, 0.975)) * sd / math.sqrt(len(values))
    return Measurement(
        metric=metric,
        condition=condition,
        status="ok",
        per_seed=values,
        mean=rounded(mean),
        sd=rounded(sd),
        ci95=(rounded(mean - half), rounded(mean + half)),
    )


def result_bytes(result: Result) -> bytes:
    """Return the bytes on disk: RFC 8785 and one newline."""
    return canonical_bytes(result.model_dump(mode="json", by_alias=True, exclude_none=True)) + b"\n"


def leaves(value: Any, pointer: str = "") -> Iterator[tuple[str, Any]]:
    """Yield (JSON pointer, value) of every number, string, boolean and empty container, in canonical order."""
    if isinstance(value, dict) and value:
        for key in sorted(value):
            yield from leaves(value[key], f"{pointer}/{key.replace('~', '~0').replace('/', '~1')}")
    elif isinstance(value, list | tuple) and value:
        for index, item in enumerate(value):
            yield from leaves(item, f"{pointer}/{index}")
    else:
        yield pointer, value


def seal_of(body: dict[str, Any]) -> str:
    """Return the seal of a document body: SEAL_HEX digits for each value, in document order."""
    return "".join(leaf_seal(pointer, value) for pointer, value in leaves(body))


def leaf_seal(pointer: str, value: Any) -> str:
    """Return the first SEAL_HEX digits of the SHA-256 of a value and of its place."""
    return hashlib.sha256(pointer.encode() + b"=" + canonical_bytes(value)).hexdigest()[:SEAL_HEX]
