"""Frame: plain rows and values by seed, made from results. What ranking and charts read.

Imports the records; never torch.
"""

from typing import NamedTuple

from bench.leaderboard.shelf import Shelved
from bench.leaderboard.sources import Entry, Sources
from bench.protocol import Protocol
from bench.results import CellResult, Result

OFFICIAL_METRICS = ("ud_official", "ud_official_start")


class SalRow(NamedTuple):
    """SAL of one layer of one seed after one epoch; learnable: whether it is above the threshold, None without one."""

    seed: int
    epoch: int
    layer: str
    sal: float
    learnable: bool | None


def shown_results(sources: Sources, protocol: Protocol) -> list[tuple[Entry, Shelved]]:
    """Return the results that a protocol's board shows, by slug."""
    pairs = ((entry, entry.shown(protocol)) for entry in sources.on_board(protocol))
    return [(entry, stored) for entry, stored in pairs if stored is not None]


def sal_rows(result: Result, condition: str) -> list[SalRow]:
    """Return SAL of each layer at each measured epoch, by seed, and whether it is above that seed's threshold.

    The last is None where the result has no threshold for the seed.
    """
    thresholds = beta_by_seed(result, condition)
    return [
        SalRow(cell.seed, epoch, layer, value, value > thresholds[cell.seed] if cell.seed in thresholds else None)
        for cell in cells_of(result, condition)
        for epoch, values in zip(cell.sal.epochs, cell.sal.values, strict=True)
        for layer, value in zip(cell.sal.layers, values, strict=True)
    ]


def learnable_counts(result: Result, condition: str) -> dict[tuple[int, int], int]:
    """Return the number of learnable layers by seed and epoch, in their order; seeds without a threshold are absent."""
    counts: dict[tuple[int, int], int] = {}
    for row in sal_rows(result, condition):
        if row.learnable is not None:
            counts[row.seed, row.epoch] = counts.get((row.seed, row.epoch), 0) + row.learnable
    return dict(sorted(counts.items()))


def beta_by_seed(result: Result, condition: str) -> dict[int, float]:
    """Return the learnable threshold of each seed; empty where it was not measured."""
    return per_seed(result, "beta", condition)


def per_seed(result: Result, metric: str, condition: str) -> dict[int, float]:
    """Return the values of a metric under a condition by seed; empty where it was not measured.

    The published search belongs to the seeds whose cells have it; another metric with fewer values than the condition
    has seeds, like the worst case over defenses, to the first of them.
    """
    measurement = result.measurement(metric, condition)
    if measurement is None or measurement.per_seed is None:
        return {}
    seeds = seeds_of(result, condition)
    if metric in OFFICIAL_METRICS:
        cells = [cell for cell in result.training_cells if cell.condition == condition]
        seeds = tuple(cell.seed for cell in cells if cell.official is not None)
    seeds = seeds[: len(measurement.per_seed)]
    return dict(zip(seeds, measurement.per_seed, strict=True))


def seeds_of(result: Result, condition: str) -> tuple[int, ...]:
    """Return the seeds that a condition was asked for with, in order; none where it was not asked for."""
    return next((asked.seeds for asked in result.subject.conditions if asked.label == condition), ())


def cells_of(result: Result, condition: str) -> list[CellResult]:
    """Return the cells of a condition, by seed."""
    cells = (cell for cell in result.training_cells if cell.condition == condition)
    return sorted(cells, key=lambda cell: cell.seed)
