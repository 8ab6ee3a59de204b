"""Ranking: ranks as intervals, from paired differences between seeds. A rank never depends on names or file order.

Imports numpy and the statistics of pairs; never pandas, which is slow to import, and never torch.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from string import ascii_uppercase

import numpy as np
from numpy.typing import NDArray

from bench.leaderboard.families import all_pairs
from bench.leaderboard.paired import Values, least_seeds


@dataclass(frozen=True, eq=False)
class SeedTable:
    """What entries are ranked by. names: of entries; values: (seeds, entries), NaN where a seed was not run."""

    names: tuple[str, ...]
    values: Values

    @classmethod
    def of(cls, entries: Mapping[str, Mapping[int, float]]) -> "SeedTable":
        """Return the values of entries by name and seed as a table: a row for every seed that one of them has."""
        seeds = sorted({seed for values in entries.values() for seed in values})
        rows = [[values.get(seed, math.nan) for values in entries.values()] for seed in seeds]
        return cls(tuple(entries), np.array(rows, dtype=np.float64).reshape(len(seeds), len(entries)))

    @property
    def means(self) -> Values:
        """The mean of each entry over its own seeds; the same whatever the order of seeds."""
        columns = (column[np.isfinite(column)] for column in self.values.T)
        return np.array([math.fsum(column) / len(column) for column in columns], dtype=np.float64)

    @property
    def common_seeds(self) -> int:
        """The smallest number of seeds that any two entries share; 0 for an empty board."""
        present = np.isfinite(self.values).astype(int)
        return int((present.T @ present).min()) if present.size else 0


@dataclass(frozen=True)
class Standing:
    """Where an entry stands: between rank `best` and rank `worst`; `groups` are the letters of its tie groups."""

    slug: str
    mean: float
    best: int
    worst: int
    groups: str


def rank(table: SeedTable, *, lower_is_better: bool, resolution: float) -> list[Standing]:
    """Order entries by their mean and give each the ranks that the evidence leaves open.

    table: every entry has at least one number.
    resolution: smallest difference that the metric can show, > 0; see `paired.spreads`.
    Two entries are apart if two tests of their differences over common seeds reject equality, each at LEVEL over all
    pairs of the board: the paired t-test after Holm's correction, and the exact test of the largest t over sign flips.
    With fewer than six common seeds no exact test can reject, so such pairs tie. best = 1 + entries that are
    significantly better, worst = n - entries that are significantly worse. Entries that share a group letter are all
    tied with each other. Equal means are listed by name, with equal ranks unless third entries separate them.
    """
    names, means = table.names, table.means
    sign = 1.0 if lower_is_better else -1.0
    order = sorted(range(len(names)), key=lambda index: (sign * means[index], names[index]))
    apart = _apart(table, means, resolution)
    ahead = sign * (means[:, None] - means[None, :]) < 0  # ahead[i, j]: i has the better mean
    better = (apart & ahead).sum(axis=0)
    worse = (apart & ahead).sum(axis=1)
    groups = tie_groups(apart[np.ix_(order, order)])
    return [
        Standing(
            slug=names[index],
            mean=float(means[index]),
            best=1 + int(better[index]),
            worst=len(names) - int(worse[index]),
            groups=groups[position],
        )
        for position, index in enumerate(order)
    ]


def _apart(table: SeedTable, means: Values, resolution: float) -> NDArray[np.bool_]:
    """Return which entries are apart, (entries, entries)."""
    if len(table.values) < least_seeds():  # no test can reject, so none is made
        return np.zeros((len(means), len(means)), dtype=np.bool_)
    family = all_pairs(table.values, resolution=resolution)
    # Means are over all seeds, tests over common ones. Where the two point in opposite ways nothing is decided.
    agreeing = family.apart & (np.sign(family.mean) == np.sign(means[family.i] - means[family.j]))
    return family.matrix(agreeing)


def tie_groups(apart: NDArray[np.bool_]) -> list[str]:
    """Return the tie letters of entries that are listed from best to worst; empty for an entry without a group.

    A group is a longest run of neighbors of which no two are apart. Only runs of two and more get a letter.
    """
    entries = apart.shape[0]
    letters: list[list[str]] = [[] for _ in range(entries)]
    reached, named = 0, 0
    stop = 0
    for start in range(entries):
        # What follows a run's first entry is a run too, so the search goes on where the last one ended.
        stop = max(stop, start + 1)
        while stop < entries and not apart[start:stop, stop].any():
            stop += 1
        if stop - start > 1 and stop > reached:
            for position in range(start, stop):
                letters[position].append(letter(named))
            named += 1
        reached = max(reached, stop)
    return [" ".join(group) for group in letters]


def rank_text(standing: Standing) -> str:
    """Return `3` or `2 to 5`."""
    return str(standing.best) if standing.best == standing.worst else f"{standing.best} to {standing.worst}"


def letter(index: int) -> str:
    """Return the name of a tie group by its position from 0: A to Z, then AA, AB and so on."""
    quotient, remainder = divmod(index, len(ascii_uppercase))
    return (letter(quotient - 1) if quotient else "") + ascii_uppercase[remainder]
