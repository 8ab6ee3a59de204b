"""Ranking: ranks as intervals, from paired differences between seeds. A rank never depends on names or file order.

Imports numpy, pandas and scipy.special; never torch.
"""

from dataclasses import dataclass
from string import ascii_uppercase

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import stdtr

LEVEL = 0.05
"""Family-wise error over all pairs of a board."""


@dataclass(frozen=True)
class Standing:
    """Where an entry stands: between rank `best` and rank `worst`; `groups` are the letters of its tie groups."""

    slug: str
    mean: float
    best: int
    worst: int
    groups: str


def rank(values: pd.DataFrame, *, lower_is_better: bool, resolution: float) -> list[Standing]:
    """Order entries by their mean and give each the ranks that the evidence leaves open.

    values: a row a seed, a column an entry, NaN where a seed was not run; every column has at least one number.
    resolution: smallest difference that the metric can show, > 0; see `paired_p_values`.
    Two entries are apart if the paired t-test of their differences over common seeds rejects equality after Holm's
    correction over all pairs of the board, at LEVEL. best = 1 + entries that are significantly better, worst = n -
    entries that are significantly worse. Entries that share a group letter are all tied with each other.
    Equal means are listed by name, with equal ranks unless third entries separate them.
    """
    names = [str(name) for name in values.columns]
    means = values.mean(axis=0).to_numpy(dtype=float)
    apart = separated(paired_p_values(values.to_numpy(dtype=float), resolution=resolution))
    sign = 1.0 if lower_is_better else -1.0
    order = sorted(range(len(names)), key=lambda index: (sign * means[index], names[index]))
    ahead = sign * (means[:, None] - means[None, :]) < 0  # ahead[i, j]: i has the better mean
    groups = tie_groups(apart[np.ix_(order, order)])
    return [
        Standing(
            slug=names[index],
            mean=float(means[index]),
            best=1 + int((apart[:, index] & ahead[:, index]).sum()),
            worst=len(names) - int((apart[index] & ahead[index]).sum()),
            groups=groups[position],
        )
        for position, index in enumerate(order)
    ]


def paired_p_values(values: NDArray[np.float64], *, resolution: float) -> NDArray[np.float64]:
    """Return the two-sided p-value of the paired t-test for each pair of columns; 1 with fewer than two common seeds.

    values: (seeds, entries), NaN where not measured. resolution: a spread of differences below it is taken as it,
    so that differences which happen to be equal are not read as certainty.
    """
    entries = values.shape[1]
    p_values = np.ones((entries, entries))
    for index in range(entries):
        differences = values[:, index : index + 1] - values  # (seeds, entries)
        present = np.isfinite(differences)
        count = present.sum(axis=0)
        filled = np.where(present, differences, 0.0)
        mean = filled.sum(axis=0) / np.maximum(count, 1)
        squares = (np.where(present, differences - mean, 0.0) ** 2).sum(axis=0)
        spread = np.maximum(np.sqrt(squares / np.maximum(count - 1, 1)), resolution)
        t = np.abs(mean) / (spread / np.sqrt(np.maximum(count, 1)))
        p_values[index] = np.where(count >= 2, 2 * stdtr(np.maximum(count - 1, 1), -t), 1.0)
    return p_values


def separated(p_values: NDArray[np.float64], level: float = LEVEL) -> NDArray[np.bool_]:
    """Apply Holm's step-down correction over all pairs; return which pairs differ. Symmetric, False on the diagonal."""
    rows, columns = np.triu_indices(p_values.shape[0], k=1)
    pairs = p_values[rows, columns]
    order = np.argsort(pairs, kind="stable")
    limits = level / np.arange(len(pairs), 0, -1)
    failures = np.flatnonzero(pairs[order] > limits)
    rejected = order[: failures[0]] if len(failures) else order
    apart = np.zeros(p_values.shape, dtype=bool)
    apart[rows[rejected], columns[rejected]] = True
    return np.asarray(apart | apart.T, dtype=np.bool_)


def tie_groups(apart: NDArray[np.bool_]) -> list[str]:
    """Return the tie letters of entries that are listed from best to worst; empty for an entry without a group.

    A group is a longest run of neighbors of which no two are apart. Only runs of two and more get a letter.
    """
    entries = apart.shape[0]
    letters: list[list[str]] = [[] for _ in range(entries)]
    reached, named = 0, 0
    for start in range(entries):
        stop = start + 1
        while stop < entries and not apart[start:stop, stop].any():
            stop += 1
        if stop - start > 1 and stop > reached:
            for position in range(start, stop):
                letters[position].append(letter(named))
            named += 1
        reached = max(reached, stop)
    return [" ".join(group) for group in letters]


def common_seeds(values: pd.DataFrame) -> int:
    """Return the smallest number of seeds that any two entries share; 0 for an empty board."""
    present = values.notna().to_numpy(dtype=int)
    return int((present.T @ present).min()) if present.size else 0


def rank_text(standing: Standing) -> str:
    """Return `3` or `2 to 5`."""
    return str(standing.best) if standing.best == standing.worst else f"{standing.best} to {standing.worst}"


def letter(index: int) -> str:
    """Return the name of a tie group by its position from 0: A to Z, then AA, AB and so on."""
    quotient, remainder = divmod(index, len(ascii_uppercase))
    return (letter(quotient - 1) if quotient else "") + ascii_uppercase[remainder]
