"""Families: which of all pairs of a board are apart, with the error of all of them together in hand.

Imports numpy and bench.leaderboard.paired; never pandas, never torch. Needs memory for a few numbers a pair.
"""

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from bench.leaderboard.paired import LEVEL, SLACK, Values, detectable_spreads, least_seeds, spreads, t_p_values

MOST_BITS = 9
"""Sign patterns are taken from a group of at most 2^9; with ten seeds and fewer that is all of them, signs mirrored."""


@dataclass(frozen=True)
class Family:
    """All pairs of the columns of a table, i < j, row by row; and which of them are apart.

    i, j: columns. count: common seeds. mean: of column i minus column j. spread: of the differences, not below the
    resolution. tested: pairs with enough seeds for an exact test. holm: pairs that the t-test separates after Holm's
    correction over the tested ones. apart: those of them that the exact test over sign flips separates too.
    """

    entries: int
    i: NDArray[np.intp]
    j: NDArray[np.intp]
    count: Values
    mean: Values
    spread: Values
    tested: NDArray[np.bool_]
    holm: NDArray[np.bool_]
    apart: NDArray[np.bool_]

    @property
    def pairs(self) -> int:
        """How many pairs are tested."""
        return int(self.tested.sum())

    @property
    def level(self) -> float:
        """What the p of the next pair would have to be below: LEVEL over the pairs that Holm has not separated yet."""
        return LEVEL / max(self.pairs - int(self.holm.sum()), 1)

    @property
    def detectable(self) -> float | None:
        """Median over tested pairs of the smallest difference found with 80 % power; None where nothing is tested."""
        if not self.pairs:
            return None
        factors = {int(count): detectable_spreads(int(count), self.level) for count in set(self.count[self.tested])}
        each = [factors[int(count)] for count in self.count[self.tested]]
        return float(np.median(np.array(each) * self.spread[self.tested]))

    def matrix(self, pairs: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Return pairs as a symmetric matrix, False on the diagonal."""
        found = np.zeros((self.entries, self.entries), dtype=bool)
        found[self.i[pairs], self.j[pairs]] = True
        return np.asarray(found | found.T, dtype=np.bool_)


def all_pairs(values: Values, *, resolution: float) -> Family:
    """Test all pairs of columns together, at LEVEL.

    values: (seeds, entries), NaN where not measured. resolution: smallest difference that the metric can show, > 0.
    """
    entries = values.shape[1]
    i, j = (index.astype(np.intp) for index in np.triu_indices(entries, k=1))
    count, mean, spread = (np.zeros(len(i)) for _ in range(3))
    start = 0
    for column in range(entries - 1):
        stop = start + entries - 1 - column
        block = spreads(values[:, column : column + 1] - values[:, column + 1 :], resolution=resolution)
        count[start:stop], mean[start:stop], spread[start:stop] = block
        start = stop
    # Whether a pair is tested depends on seeds alone, never on values, so the others need no correction for it.
    tested = count >= least_seeds()
    holm = np.zeros(len(i), dtype=bool)
    holm[tested] = holm_rejects(t_p_values(count[tested], mean[tested], spread[tested]))
    squared = mean**2 * count / spread**2
    apart = holm.copy()
    if holm.any():
        least = float(squared[holm].min())
        apart &= squared * (1 - SLACK) > flip_limit(values, resolution=resolution, least=least)
    return Family(entries, i, j, count, mean, spread, tested, holm, apart)


def holm_rejects(p_values: Values, level: float = LEVEL) -> NDArray[np.bool_]:
    """Apply Holm's step-down correction; return which hypotheses fall."""
    rejected = np.zeros(len(p_values), dtype=bool)
    candidates = np.flatnonzero(p_values <= level)  # No other can fall, and on a large board most are others.
    order = candidates[np.argsort(p_values[candidates], kind="stable")]
    failures = np.flatnonzero(p_values[order] > level / (len(p_values) - np.arange(len(order))))
    rejected[order[: failures[0]] if len(failures) else order] = True
    return rejected


def flip_limit(values: Values, *, resolution: float, least: float = 0.0, level: float = LEVEL) -> float:
    """Return what the squared t of a pair must exceed: the largest of all pairs does so in `level` of sign patterns.

    If no two entries differ in distribution, mirroring all differences of a seed changes nothing that can be seen, so
    the largest t of the board is one draw among those of all patterns. Pairs with too few seeds take no part.
    Infinite where there are too few patterns. values and resolution: as in `all_pairs`.
    least: smallest squared t that will be held against the limit; a limit below it may come out smaller than it is.
    """
    signs = sign_patterns(values.shape[0])  # (patterns, seeds)
    allowed = int(level * len(signs) + SLACK)
    if allowed < 1:
        return float("inf")
    largest = np.zeros(len(signs))
    largest[0] = np.inf  # The signs as they are: no pair exceeds the largest.
    for column in range(values.shape[1] - 1):
        differences = values[:, column : column + 1] - values[:, column + 1 :]
        present = np.isfinite(differences)
        count = present.sum(axis=0)
        kept = np.where(present, differences, 0.0)
        # Pairs that share a seed or none have no t at all.
        chosen = np.flatnonzero(count >= least_seeds())
        chosen = chosen[_matters(kept[:, chosen], present[:, chosen], count[chosen], resolution, least)]
        if len(chosen):
            found = _squared_t(signs @ kept[:, chosen], (kept[:, chosen] ** 2).sum(axis=0), count[chosen], resolution)
            np.maximum(largest, found.max(axis=1), out=largest)
    return float(np.sort(largest)[::-1][allowed])


def _matters(
    kept: Values, present: NDArray[np.bool_], count: NDArray[np.int_], resolution: float, least: float
) -> NDArray[np.bool_]:
    """Say which pairs reach a squared t of `least` under some pattern other than the signs as they are.

    The largest sum has all signs alike, the next one flips the smallest difference. Most pairs of a large board fall
    short of what a separated pair shows; those are never looked at under all patterns.
    """
    sizes = np.abs(kept)
    total, squares = sizes.sum(axis=0), (kept**2).sum(axis=0)
    alike = present.all(axis=0) & (np.abs(kept.sum(axis=0)) >= total * (1 - SLACK))
    reached = total - 2 * np.where(alike, sizes.min(axis=0), 0.0)
    return np.asarray(_squared_t(reached, squares, count, resolution) >= least * (1 - SLACK), dtype=np.bool_)


def _squared_t(sums: Values, squares: Values, count: NDArray[np.int_], resolution: float) -> Values:
    """Return squared t from sums of differences, (..., pairs), and sums of their squares, which signs do not change."""
    between = sums**2
    between /= count
    within = squares - between
    np.maximum(within, (count - 1) * resolution**2, out=within)
    between /= within
    between *= count - 1
    return between


@cache
def sign_patterns(seeds: int) -> Values:
    """Return a group of sign patterns, (patterns, seeds) of 1 and -1, the unchanged signs first, none twice mirrored.

    All patterns with MOST_BITS + 1 seeds and fewer. With more, a subgroup of 2^MOST_BITS: a test over any group of
    symmetries is exact, a smaller group only gives it coarser steps.
    """
    bits = min(max(seeds - 1, 0), MOST_BITS)
    single = [1 << bit for bit in range(bits)]
    mixed = sorted(set(range(1, 1 << bits)) - set(single), key=lambda mask: (-mask.bit_count(), mask)) or [0]
    masks = [0, *single, *(mixed[index % len(mixed)] for index in range(seeds - 1 - bits))][:seeds]
    odd = [[(pattern & mask).bit_count() % 2 for mask in masks] for pattern in range(1 << bits)]
    return np.array(1 - 2 * np.array(odd), dtype=np.float64).reshape(1 << bits, seeds)
