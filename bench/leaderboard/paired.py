"""Paired: what differences between two entries, seed by seed, can say. The t-test, the exact test, and their power.

Imports numpy and scipy; never pandas, never torch. docs/statistics.md says what each test promises.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache

import numpy as np
from numpy.typing import NDArray
from scipy.special import nctdtr, stdtr, stdtrit

LEVEL = 0.05
"""Largest share of wrong separations: over all pairs of a board together, or of one comparison that was asked for."""

POWER = 0.8
"""Chance with which a difference has to be found before it counts as one that can be seen."""

MOST_FLIPPED = 20
"""Most seeds whose signs are all flipped; beyond, 2^n is too many."""

DECIMALS = 9
"""Means are rounded to so many decimals: values have six, so the mean of eight seeds loses nothing but float noise."""

SLACK = 1e-9
"""Relative difference below which two sums count as equal: far below the rounding of results, far above float noise."""

STEPS = 60
"""Halvings of an interval before its ends are the same float."""

Values = NDArray[np.float64]


@dataclass(frozen=True)
class Paired:
    """Two entries compared over the seeds that both have: the second minus the first.

    mean_first, mean_second: over common seeds. low, high: 95 % interval of the difference. p: of the paired t-test.
    exact_p: of the sign-flip test, None with no seed and beyond MOST_FLIPPED seeds. All but `seeds` are None where a
    number is not defined: without a common seed, and with one seed all that needs a spread.
    """

    seeds: tuple[int, ...]
    mean_first: float | None = None
    mean_second: float | None = None
    difference: float | None = None
    spread: float | None = None
    low: float | None = None
    high: float | None = None
    p: float | None = None
    exact_p: float | None = None

    @property
    def separated(self) -> bool:
        """Whether both tests reject equality at LEVEL, each on its own."""
        return self.p is not None and self.exact_p is not None and max(self.p, self.exact_p) <= LEVEL


def compare_paired(first: Mapping[int, float], second: Mapping[int, float], *, resolution: float) -> Paired:
    """Compare two entries by their values by seed; see Paired.

    resolution: smallest difference that the metric can show, > 0; see `spreads`.
    """
    seeds = tuple(sorted(first.keys() & second.keys()))
    if not seeds:
        return Paired(())
    mine = np.array([first[seed] for seed in seeds], dtype=float)
    other = np.array([second[seed] for seed in seeds], dtype=float)
    differences = (other - mine)[:, None]
    count, mean, spread = (float(item[0]) for item in spreads(differences, resolution=resolution))
    exact = sign_flip_p(differences[:, 0])
    found = Paired(seeds, _rounded(mine.mean()), _rounded(other.mean()), _rounded(mean), exact_p=exact)
    if len(seeds) == 1:
        return found
    half = float(stdtrit(count - 1, 0.975)) * spread / math.sqrt(count)
    p = float(t_p_values(np.array([count]), np.array([mean]), np.array([spread]))[0])
    return replace(found, spread=spread, low=mean - half, high=mean + half, p=p)


def _rounded(value: float | np.floating) -> float:
    return round(float(value), DECIMALS)


def spreads(differences: Values, *, resolution: float) -> tuple[Values, Values, Values]:
    """Return how many differences each column has, their mean, and their standard deviation, not below `resolution`.

    differences: (seeds, pairs), NaN where a seed is not shared. resolution: a spread below it is taken as it, so that
    differences which happen to be equal are not read as certainty.
    """
    present = np.isfinite(differences)
    whole = bool(present.all())  # as on most boards: then there is nothing to leave out
    count = present.sum(axis=0)
    mean = (differences if whole else np.where(present, differences, 0.0)).sum(axis=0) / np.maximum(count, 1)
    apart = differences - mean
    squares = ((apart if whole else np.where(present, apart, 0.0)) ** 2).sum(axis=0)
    spread = np.maximum(np.sqrt(squares / np.maximum(count - 1, 1)), resolution)
    return count.astype(float), mean, spread


def t_p_values(count: Values, mean: Values, spread: Values) -> Values:
    """Return the two-sided p of the paired t-test for each pair; 1 with fewer than two common seeds."""
    t = np.abs(mean) / (spread / np.sqrt(np.maximum(count, 1)))
    return np.asarray(np.where(count >= 2, 2 * stdtr(np.maximum(count - 1, 1), -t), 1.0), dtype=np.float64)


def sign_flip_p(differences: Values) -> float | None:
    """Return the exact two-sided p of the sign-flip test: the share of all 2^n sign patterns with so large a mean.

    differences: (n,), finite. If the two entries draw from one distribution in every seed, the sign of each difference
    is a fair coin, whatever that distribution is. None without differences and beyond MOST_FLIPPED of them.
    """
    if not 0 < len(differences) <= MOST_FLIPPED:
        return None
    sums = differences[:1]  # The first sign is kept: the other half of the patterns mirrors this one.
    for value in differences[1:]:
        sums = np.concatenate([sums + value, sums - value])
    least = abs(float(differences.sum())) - SLACK * float(np.abs(differences).sum())
    return float(np.mean(np.abs(sums) >= least))


def smallest_exact_p(seeds: int) -> float:
    """Return the smallest p that the sign-flip test can give with so many seeds: 2 of 2^n patterns."""
    return 2.0 ** (1 - seeds) if seeds else 1.0


@cache
def least_seeds(level: float = LEVEL) -> int:
    """Return how many seeds the sign-flip test needs before it can reject at a level."""
    return next(seeds for seeds in range(1, 100) if smallest_exact_p(seeds) <= level)


@cache
def detectable_spreads(seeds: int, level: float, power: float = POWER) -> float:
    """Return the smallest difference, in spreads of the differences, that a t-test at `level` finds with `power`.

    Noncentral t: with a true difference of delta spreads, t has noncentrality delta * sqrt(seeds). Needs two seeds.
    That the test finds it on the wrong side has no chance worth counting.
    """
    freedom = seeds - 1
    limit = float(stdtrit(freedom, 1 - level / 2))

    def found(shift: float) -> float:
        return 1.0 - float(nctdtr(freedom, shift, limit))

    high = 1.0
    while found(high) < power:
        high *= 2
    low = 0.0
    for _ in range(STEPS):
        middle = (low + high) / 2
        low, high = (low, middle) if found(middle) >= power else (middle, high)
    return high / math.sqrt(seeds)


def detectable(paired: Paired, level: float) -> float | None:
    """Return the smallest difference that the t-test finds with 80 % power; None with too few seeds for either test."""
    if paired.spread is None or len(paired.seeds) < least_seeds():
        return None
    return paired.spread * detectable_spreads(len(paired.seeds), level)
