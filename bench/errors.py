"""The exception tree. The command line catches BenchError alone; anything else is a bug and keeps its traceback.

Imports nothing.

BenchError (exit 1)
  UsageProblem (2)
    UnknownName
  InvalidSubmission (3)
    MissingArtifact, in bench.artifacts
  RefusedArtifact (4)
  EnvironmentProblem (5)
    DatasetMissing
    DataMismatch
  UndefinedMetric
  SearchDiverged
  TrainingDiverged
  CorruptResult
  CellFailed
  Interrupted (130)
"""

from collections.abc import Iterable


class BenchError(Exception):
    """Base of every error that a user can act on; its text is shown without a traceback."""

    exit_code = 1


class UsageProblem(BenchError):
    """The command line asks for something that does not exist or does not fit together."""

    exit_code = 2


class UnknownName(UsageProblem):
    """A name is in no table; the message lists the known ones."""

    def __init__(self, kind: str, name: str, known: Iterable[str]) -> None:
        super().__init__(f"unknown {kind} {name!r}; known: {', '.join(sorted(known)) or 'none'}")


class InvalidSubmission(BenchError):
    """A submission breaks the rules; the findings have been collected."""

    exit_code = 3


class RefusedArtifact(BenchError):
    """A file is unsafe to open: wrong format, pickled, oversized, a link, or changed while it was read."""

    exit_code = 4


class EnvironmentProblem(BenchError):
    """The machine lacks something: a data set, a device, disk space, a permission."""

    exit_code = 5


class DatasetMissing(EnvironmentProblem):
    """A data set is in none of the places it was looked for."""


class DataMismatch(EnvironmentProblem):
    """A data set is there but its pixels or labels are not the ones that the protocol pins."""


class UndefinedMetric(BenchError):
    """A metric has no value for these inputs; never replaced by 0 or NaN."""


class SearchDiverged(BenchError):
    """A loss inside a search is not finite; reported instead of a number that is too small."""


class TrainingDiverged(BenchError):
    """The training loss is not finite."""


class CorruptResult(BenchError):
    """A stored result is not what its own digests say."""


class ControlOutOfBand(BenchError):
    """A control is not where it must be, so no board can be believed until that is explained."""


class CellFailed(BenchError):
    """A cell could not be measured, in a fresh worker either."""


class Interrupted(BenchError):
    """The user or the system asked to stop; the text says what is kept and how to go on."""

    exit_code = 130
