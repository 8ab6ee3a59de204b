"""Power: which differences the seeds of a board could tell apart at all, so that a tie is not read as equality.

Imports numpy, pandas and scipy.special; never torch.
"""

import math

import numpy as np
import pandas as pd
from scipy.special import nctdtr, stdtrit

from bench.leaderboard.ranking import LEVEL, common_seeds

POWER = 0.8
"""How often a difference has to be found to count as one that the seeds can tell."""


def detectable_difference(values: pd.DataFrame, *, resolution: float) -> float | None:
    """Return the smallest true difference of two entries that this board's seeds tell apart in POWER of all cases.

    values: a row a seed, a column an entry, NaN where a seed was not run. resolution: as of `ranking.rank`.
    Counted with the spread that differences between these entries have from seed to seed, all pairs together, with the
    fewest seeds that two entries share, and at the strictest level of Holm's correction over all pairs. In the unit of
    the values. None with fewer than two entries or two shared seeds, where nothing is ever told apart.
    """
    seeds, entries = common_seeds(values), len(values.columns)
    if entries < 2 or seeds < 2:
        return None
    level = LEVEL / (entries * (entries - 1) / 2)
    return _noncentrality(seeds - 1, level) * max(_spread(values), resolution) / math.sqrt(seeds)


def power_sentence(difference: float | None, unit: str, *, scale: float, decimals: int) -> str:
    """Say what the seeds of a board could tell apart. scale: from stored values to the unit."""
    if difference is None:
        return "With these seeds no difference, however large, can be told apart."
    return (
        f"With these seeds a true difference of {scale * difference:.{decimals}f} {unit} would be found in "
        f"{POWER:.0%} of all cases; a tie between two entries does not mean that they are closer than that."
    )


def _spread(values: pd.DataFrame) -> float:
    """Return the root mean square, over pairs, of the standard deviation of their differences from seed to seed."""
    table = values.to_numpy(dtype=float)
    rows, columns = np.triu_indices(table.shape[1], k=1)
    differences = table[:, rows] - table[:, columns]  # (seeds, pairs)
    counts = np.isfinite(differences).sum(axis=0)
    squares = np.nansum((differences - np.nanmean(differences, axis=0)) ** 2, axis=0)
    return float(np.sqrt(squares.sum() / (counts - 1).sum()))


def _noncentrality(freedom: int, level: float) -> float:
    """Return the noncentrality at which a two-sided t-test at a level rejects in POWER of all cases, by bisection."""
    critical = float(stdtrit(freedom, 1 - level / 2))
    low, high = 0.0, 1.0
    while 1 - nctdtr(freedom, high, critical) < POWER:
        low, high = high, 2 * high
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if 1 - nctdtr(freedom, middle, critical) < POWER else (low, middle)
    return high
