"""Replication: whether a finding was made more than once, on different hardware, and whether the findings agree.

Derived from stored results, never stored. Imports the records; never torch, no pandas.
"""

from collections.abc import Sequence
from itertools import combinations
from typing import Literal

from bench.leaderboard.shelf import Shelved
from bench.protocol import Protocol
from bench.results import Measurement, Result, Run
from bench.unlearning_protocol import AnyProtocol

Replication = Literal["measured", "verified", "differs"]

REPLICATION_WORDS: dict[Replication, str] = {
    "measured": "measured, not yet replicated",
    "verified": "verified on other hardware",
    "differs": "measured twice, the findings differ",
}

Machine = tuple[str, str, str]
"""What makes a machine another one: processor, accelerator, and which of them was used."""


def replication(stored: Sequence[Shelved], protocol: AnyProtocol) -> Replication:
    """Say whether results with one key, "what was asked", were found on different hardware and agree.

    A run counts where it trained as many cells as its result has: one that took them from a cache, or went on where
    another broke off, repeats nothing. Two documents agree where, for what the board ranks by, each mean lies in the
    interval of the other; a number without an interval decides nothing. One document that different hardware found is
    the same to the last digit. Raises ValueError where the results answer different questions.
    """
    if len({item.head.key for item in stored}) > 1:
        raise ValueError("replication: the results have different keys, so they answer different questions")
    machines = [(item.result, {_machine(run) for run in whole_runs(item)}) for item in stored]
    answers = [True for _, own in machines if len(own) > 1]
    for (first, mine), (second, other) in combinations(machines, 2):
        if any(left != right for left in mine for right in other):
            found = agree(first, second, protocol)
            answers += [] if found is None else [found]
    if not answers:
        return "measured"
    return "verified" if all(answers) else "differs"


def whole_runs(stored: Shelved) -> list[Run]:
    """Return the runs that trained every cell of a result themselves, on hardware that they name."""
    cells = len(stored.result.outcome.cells)
    return [run for run in stored.runs if run.hardware and run.cells_trained >= cells]


def agree(first: Result, second: Result, protocol: AnyProtocol) -> bool | None:
    """Say whether two results agree in what their board ranks by; None where a number or an interval is missing."""
    if isinstance(protocol, Protocol):
        pairs = [("test_accuracy", protocol.primary.label)]
    else:
        pairs = [("retrain_distance", condition.label) for condition in protocol.probes]
    answers = [_agree(first.measurement(*pair), second.measurement(*pair)) for pair in pairs]
    if False in answers:
        return False
    return None if None in answers else True


def _agree(first: Measurement | None, second: Measurement | None) -> bool | None:
    if first is None or second is None or first.ci95 is None or second.ci95 is None:
        return None
    if first.mean is None or second.mean is None:
        return None
    return _within(first.mean, second.ci95) and _within(second.mean, first.ci95)


def _within(value: float, interval: tuple[float, float]) -> bool:
    return interval[0] <= value <= interval[1]


def _machine(run: Run) -> Machine:
    cpu, gpu, device = (str(run.hardware.get(name, "")) for name in ("cpu", "gpu", "device"))
    return (cpu, gpu, device)
