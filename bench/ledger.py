"""Ledger: the attempts of a submission and what was said about its results, one sealed line each, appended only.

May import pydantic, bench.errors, records, bench.files, bench.results, bench.plain_text and bench.untrusted.

`submissions/<slug>/ledger.jsonl` holds a line for every run that ended with a result and for every annotation. A line
names the seal of the line before it, so that none can be changed, removed or moved without breaking the chain.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, TypeAdapter, ValidationError

from bench.errors import CorruptResult, RefusedArtifact
from bench.files import write_atomically
from bench.plain_text import Name, Sentence
from bench.records import Record, canonical_bytes, digest
from bench.results import Result, Run
from bench.untrusted import read_untrusted

LEDGER_NAME = "ledger.jsonl"
LEDGER_LIMIT_BYTES = 16 * 1024 * 1024

SCORES = {"ue": "test_accuracy", "unlearning": "retrain_distance"}
"""What a line says of a result, by track: its mean under the primary condition; in both tracks lower is better."""

RISING_ATTEMPTS = 3
"""From how many attempts on it is said that each was better than the one before."""

Time = Annotated[str, Field(pattern=r"^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(Z|\+00:00))?$")]
Digest = Annotated[str, Field(pattern=r"^sha256:[0-9a-f]{64}$")]
Action = Literal["note", "withdraw", "restore"]


class _Line(Record):
    schema_: Literal["bench.ledger/1"] = Field("bench.ledger/1", alias="schema")
    at: Time
    result: Digest
    previous: str = ""
    seal: str = ""

    @property
    def expected_seal(self) -> str:
        """Digest of all other fields; the stored seal must be this one."""
        return digest(self.model_dump(mode="json", by_alias=True, exclude={"seal"}, exclude_none=True))

    @property
    def content(self) -> bytes:
        """The line as it is stored."""
        return canonical_bytes(self.model_dump(mode="json", by_alias=True, exclude_none=True)) + b"\n"


class EvaluationLine(_Line):
    """One run that ended with a result.

    at: when it was entered, UTC; of imported lines, when the run ended. origin: `imported` where the line was made from
    a stored result afterwards. result, key: of the result. run: seal of the run. artifacts: SHA-256 of what was
    measured. metric, condition, value: the mean that boards look at first; no value where it was not measured.
    """

    kind: Literal["evaluation"] = "evaluation"
    origin: Literal["evaluated", "imported"]
    protocol: Name
    tier: Literal["quick", "full"]
    key: Digest
    run: Digest
    artifacts: tuple[str, ...]
    metric: Name
    condition: Name
    value: float | None = None


class AnnotationLine(_Line):
    """Something said about a result after it was stored; a withdrawn result stays visible and is not ranked."""

    kind: Literal["annotation"] = "annotation"
    action: Action
    by: Name
    reason: Sentence


AnyLine = Annotated[EvaluationLine | AnnotationLine, Field(discriminator="kind")]
_LINE: TypeAdapter[EvaluationLine | AnnotationLine] = TypeAdapter(AnyLine)


@dataclass(frozen=True)
class Attempt:
    """Which of the artifacts that were evaluated under a protocol a result measured, counted from 1."""

    number: int
    total: int


@dataclass(frozen=True)
class Ledger:
    """The lines of a submission, oldest first."""

    slug: str = ""
    lines: tuple[EvaluationLine | AnnotationLine, ...] = ()

    @property
    def evaluations(self) -> tuple[EvaluationLine, ...]:
        """The runs that ended."""
        return tuple(line for line in self.lines if isinstance(line, EvaluationLine))

    def annotations(self, result: str) -> tuple[AnnotationLine, ...]:
        """Return what was said about a result, by its id, oldest first."""
        return tuple(line for line in self.lines if isinstance(line, AnnotationLine) and line.result == result)

    def withdrawal(self, result: str) -> AnnotationLine | None:
        """Return the line that withdrew a result; None where nobody did, or where it was restored since."""
        states = [line for line in self.annotations(result) if line.action != "note"]
        return states[-1] if states and states[-1].action == "withdraw" else None

    def attempts(self, protocol: str) -> tuple[frozenset[str], ...]:
        """Return the artifacts that were evaluated under a protocol, each attempt once, oldest first.

        The quick tier measures a part of the checkpoints that the full tier does: both are one attempt.
        """
        found: list[frozenset[str]] = []
        for line in self.evaluations:
            if line.protocol == protocol:
                position = _position(found, frozenset(line.artifacts))
                if position is None:
                    found.append(frozenset(line.artifacts))
                else:
                    found[position] |= frozenset(line.artifacts)
        return tuple(found)

    def attempt(self, protocol: str, artifacts: Iterable[str]) -> Attempt | None:
        """Return which attempt some artifacts are; None where the ledger does not have them."""
        attempts = self.attempts(protocol)
        position = _position(attempts, frozenset(artifacts))
        return None if position is None else Attempt(position + 1, len(attempts))

    def only_rises(self, protocol: str) -> bool:
        """Say whether three attempts and more each scored better than the one before, in the full tier.

        Of an attempt that was measured several times, the last value counts.
        """
        attempts, scores = self.attempts(protocol), dict[int, float]()
        for line in self.evaluations:
            if (line.protocol, line.tier) == (protocol, "full") and line.value is not None:
                scores[_position(attempts, frozenset(line.artifacts)) or 0] = line.value
        values = [scores[position] for position in sorted(scores)]
        falling = all(after < before for before, after in pairwise(values))
        return len(values) >= RISING_ATTEMPTS and falling

    def superseded(self, line: EvaluationLine) -> bool:
        """Say whether the same artifacts were evaluated again later, as another question of the same protocol and tier.

        That is so after the evaluator changed: the old document may go, its line stays.
        """
        later = self.lines[self.lines.index(line) + 1 :]
        asked = (line.protocol, line.tier, line.artifacts)
        return any(
            isinstance(other, EvaluationLine)
            and (other.protocol, other.tier, other.artifacts) == asked
            and other.key != line.key
            for other in later
        )


def _position(attempts: Sequence[frozenset[str]], artifacts: frozenset[str]) -> int | None:
    """Return where an attempt is that has these artifacts or a part of them; no artifacts are an attempt of its own."""
    for position, known in enumerate(attempts):
        if known == artifacts or (known and artifacts and (known <= artifacts or artifacts <= known)):
            return position
    return None


def artifact_digests(result: Result) -> tuple[str, ...]:
    """Return the SHA-256 of what a result measured, in the order of its subject."""
    return tuple(item.sha256 for item in result.subject.artifacts)


def evaluation_line(result: Result, run: Run, *, origin: Literal["evaluated", "imported"], at: str) -> EvaluationLine:
    """Return the line of a run, not yet in a chain."""
    subject = result.subject
    metric, condition = SCORES[subject.track], next(item.label for item in subject.conditions if item.primary)
    found = result.measurement(metric, condition)
    return EvaluationLine(
        schema="bench.ledger/1",
        origin=origin,
        at=at,
        protocol=subject.protocol.id,
        tier=subject.tier,
        key=result.key,
        result=result.id,
        run=run.seal,
        artifacts=artifact_digests(result),
        metric=metric,
        condition=condition,
        value=found.mean if found else None,
    )


def now() -> str:
    """Return the time as lines have it: UTC, whole seconds."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def read_ledger(folder: Path) -> Ledger:
    """Return the ledger of a submission folder, an empty one where there is none. Raises CorruptResult."""
    ledger, problems = parse_ledger(folder)
    if problems:
        raise CorruptResult(problems[0])
    return ledger


def parse_ledger(folder: Path) -> tuple[Ledger, list[str]]:
    """Return the lines of a ledger that can be read, and every problem, naming the file and a JSON pointer."""
    path = folder / LEDGER_NAME
    try:
        content = bytes(read_untrusted(folder, LEDGER_NAME, LEDGER_LIMIT_BYTES))
    except FileNotFoundError:
        return Ledger(folder.name), []
    except RefusedArtifact as error:
        return Ledger(folder.name), [f"{path}: {error}"]
    lines: list[EvaluationLine | AnnotationLine] = []
    problems: list[str] = []
    before = first_seal(folder.name)
    for index, raw in enumerate(content.splitlines(keepends=True)):
        try:
            line = _LINE.validate_json(raw)
        except (ValidationError, RecursionError) as error:
            return Ledger(folder.name, tuple(lines)), [*problems, f"{path}: /{index}{_first(error)}"]
        problems += [f"{path}: /{index}{text}" for text in _line_problems(line, raw, before)]
        before = line.seal
        lines.append(line)
    return Ledger(folder.name, tuple(lines)), problems


def first_seal(slug: str) -> str:
    """Return what the first line of a submission's ledger names as the line before it."""
    return digest({"ledger": slug})


def append_lines(folder: Path, added: Sequence[EvaluationLine | AnnotationLine]) -> Ledger:
    """Append lines to a ledger, the file written whole or not at all; the caller holds the submission's lock.

    Raises CorruptResult where the chain is already broken, OSError.
    """
    ledger = read_ledger(folder)
    chained = list(_chained(ledger.lines[-1].seal if ledger.lines else first_seal(folder.name), added))
    whole = Ledger(folder.name, (*ledger.lines, *chained))
    if chained:
        write_atomically(folder / LEDGER_NAME, b"".join(line.content for line in whole.lines))
    return whole


def _chained(
    before: str, added: Iterable[EvaluationLine | AnnotationLine]
) -> Iterable[EvaluationLine | AnnotationLine]:
    for line in added:
        linked = line.model_copy(update={"previous": before})
        sealed = linked.model_copy(update={"seal": linked.expected_seal})
        yield sealed
        before = sealed.seal


def _line_problems(line: EvaluationLine | AnnotationLine, raw: bytes, before: str) -> list[str]:
    if line.seal != line.expected_seal:
        return [": was changed, its seal does not match"]
    if line.previous != before:
        return ["/previous: is not the seal of the line before: a line was added, removed or moved"]
    return [] if raw == line.content else [": is not the RFC 8785 form of the line and one newline"]


def _first(error: Any) -> str:
    if isinstance(error, ValidationError):
        first = error.errors()[0]
        # The name that pydantic gives to a kind of line is no part of the document.
        place = "".join(f"/{part}" for part in first["loc"] if part not in ("evaluation", "annotation"))
        return f"{place}: {first['msg']}"
    return ": is nested too deeply"
