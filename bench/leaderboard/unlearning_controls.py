"""Controls: Gaussian scores of noise that must be remembered and of noise that nobody trained on.

Imports plain statistics and the records; never torch.
"""

from collections.abc import Mapping, Sequence
from functools import lru_cache

from bench.errors import UndefinedMetric
from bench.leaderboard.figures import DataTable
from bench.leaderboard.unlearning_charts import ORIGINAL, OWN, RETRAINED
from bench.leaderboard.unlearning_order import p_words, signed
from bench.metrics.gus_statistics import equivalence, gaussian_unlearning_score, pooled_test
from bench.metrics.gus_statistics import mean as arithmetic_mean
from bench.results import CheckpointResult

SETS = {
    "forget": "To forget: what the method had to remove",
    "kept": "Kept canaries: positive control, still in the training data",
    "never": "Never trained: negative control",
}
BROKEN = 0.001
"""p-value of the negative control below which the measurement itself is in doubt."""

Scores = tuple[tuple[float, ...], ...]
"""Of items, by network."""

Cells = Mapping[str, Sequence[CheckpointResult]]
"""Checkpoints of the Gaussian probe by series."""


def control_table(cells: Cells) -> DataTable | None:
    """Return mean scores of the three sets for a submission and its references; None without scores."""
    if OWN not in cells:
        return None
    series = [name for name in (OWN, ORIGINAL, RETRAINED) if name in cells]
    return DataTable(
        "Mean Gaussian score with its 95\u202f% interval: the wider one of those over items and over seeds",
        ("set", "items", *series),
        tuple(
            (
                words,
                str(len(_items(cells[OWN], key))),
                *(_mean_words(tuple(_scores(cells[name], key))) for name in series),
            )
            for key, words in SETS.items()
        ),
    )


def control_sentences(cells: Cells, margin: float) -> tuple[str, ...]:
    """Say what the positive and the negative control show; nothing without scores."""
    if OWN not in cells:
        return ()
    return (_kept_sentence(cells, margin), _never_sentence(cells))


def _kept_sentence(cells: Cells, margin: float) -> str:
    values = _items(cells[OWN], "kept")
    if len(values) < 2:
        return "No canary was kept, so there is no positive control."
    mean = arithmetic_mean(values)
    chance = pooled_test(values)
    before = f" (original: {_plain(_items(cells[ORIGINAL], 'kept'))})" if ORIGINAL in cells else ""
    said = f"The kept canaries score {signed(mean)}{before}."
    if _is_gone(_scores(cells[OWN], "kept"), margin):
        return (
            f"{said} Their trace is gone although they were to be kept: the method wiped out memory of noise as a "
            "whole, or was tuned to this test."
        )
    if chance.one_sided < BROKEN:
        return f"{said} They are still remembered, as they must be: the test can see a trace where there is one."
    if mean < 0 and chance.two_sided < BROKEN:
        return (
            f"{said} The network reacts against noise that it was to keep: the damage is not limited to the forget set."
        )
    return f"{said} Whether they are still remembered cannot be told."


def _never_sentence(cells: Cells) -> str:
    values = _items(cells[OWN], "never")
    if len(values) < 2:
        return "No noise was held back, so there is no negative control."
    chance = pooled_test(values)
    said = f"Noise that nobody trained on scores {_plain(values)} (by chance: p {p_words(chance.two_sided)})."
    if chance.two_sided < BROKEN:
        return f"{said} It must score 0: the scores of this checkpoint need an explanation."
    return f"{said} That is compatible with 0, as it must be."


def _is_gone(networks: Scores, margin: float) -> bool:
    try:
        return equivalence(networks, margin).bound < margin
    except UndefinedMetric:
        return False


def _scores(cells: Sequence[CheckpointResult], key: str) -> Scores:
    """Return the scores of a set by network."""
    return tuple(getattr(cell.gaussian, key) for cell in cells if cell.gaussian)


def _items(cells: Sequence[CheckpointResult], key: str) -> list[float]:
    return [value for values in _scores(cells, key) for value in values]


def _plain(values: Sequence[float]) -> str:
    return signed(arithmetic_mean(values)) if len(values) > 1 else "not measured"


@lru_cache(maxsize=256)
def _mean_words(networks: Scores) -> str:
    """Return a mean in words; those of the references are asked for with every submission."""
    try:
        score = gaussian_unlearning_score(networks)
    except UndefinedMetric:
        return "not measurable"
    return f"{signed(score.mean)} ({signed(score.interval.low)} to {signed(score.interval.high)})"
