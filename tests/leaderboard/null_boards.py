"""Boards of equal entries, and how often a rule separates any two of them. Run as a script for docs/statistics.md:

    PYTHONPATH=. python tests/leaderboard/null_boards.py [--boards 1000]

Takes about two minutes on one core for 1,000 boards of each kind.
"""

import argparse
import sys
from collections.abc import Callable
from typing import Literal

import numpy as np
from scipy.stats import binom

from bench.leaderboard.families import all_pairs, holm_rejects
from bench.leaderboard.paired import LEVEL, t_p_values

PROMISE = 0.06
"""Largest share of boards of equal entries on which any pair may come out as different."""

RESOLUTION = 1 / 360
Draw = Callable[[np.random.Generator, tuple[int, ...]], np.ndarray]


def _normal(generator: np.random.Generator, size: tuple[int, ...]) -> np.ndarray:
    return 0.3 + 0.02 * generator.standard_normal(size)


def _discrete(generator: np.random.Generator, size: tuple[int, ...]) -> np.ndarray:
    return np.round(360 * np.clip(_normal(generator, size), 0, 1)) / 360


def _collapsing(generator: np.random.Generator, size: tuple[int, ...]) -> np.ndarray:
    return np.where(generator.random(size) < 0.5, 0.1, 0.8) + 0.005 * generator.standard_normal(size)


SHAPES: dict[str, Draw] = {
    "normal": _normal,
    "heavy-tailed": lambda generator, size: 0.3 + 0.02 * generator.standard_t(3, size),
    "skewed": lambda generator, size: 0.3 + 0.02 * generator.exponential(size=size),
    "discrete": _discrete,
    "collapsing": _collapsing,
}
"""Distributions of a value of one seed; every entry of a board has the same one."""

OUTSIDE: dict[str, Draw] = {
    "equal means, unlike shapes": lambda generator, size: np.where(
        np.arange(size[-1]) % 2 == 0,
        0.3 + 0.002 * generator.standard_normal(size),
        0.3 + 0.02 * (generator.exponential(size=size) - 1),
    ),
}
"""What no test here promises anything for: the entries differ, though not in their means."""


def false_alarms(
    shape: str, *, boards: int, seeds: int, entries: int, seed: int, rule: Literal["both", "t-test"] = "both"
) -> int:
    """Count boards of equal entries on which a rule separates any pair. t-test: Holm's correction and nothing else."""
    generator = np.random.default_rng([seed, seeds, entries])
    draw = {**SHAPES, **OUTSIDE}[shape]
    count = 0
    for _ in range(boards):
        family = all_pairs(draw(generator, (seeds, entries)), resolution=RESOLUTION)
        if rule == "both":
            count += bool(family.apart.any())
        else:
            count += bool(holm_rejects(t_p_values(family.count, family.mean, family.spread)).any())
    return count


def tolerated(boards: int, share: float = PROMISE) -> int:
    """Return the largest count that a true share of so many boards still gives in 999 of 1,000 tries."""
    return int(binom.ppf(0.999, boards, share))


def detection(*, boards: int, seeds: int, difference: float, level: float, seed: int) -> float:
    """Return how often a t-test at a level finds a true difference, in spreads of the differences."""
    generator = np.random.default_rng(seed)
    differences = difference + generator.standard_normal((seeds, boards))
    mean, spread = differences.mean(axis=0), differences.std(axis=0, ddof=1)
    return float((t_p_values(np.full(boards, float(seeds)), mean, spread) <= level).mean())


def main() -> None:
    """Print the share of false alarms for every shape, number of seeds and number of entries, under both rules."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--boards", type=int, default=1000)
    boards = parser.parse_args().boards
    sizes = [(seeds, entries) for seeds in (3, 5, 6, 8) for entries in (2, 8, 16)]
    _write("shape", "rule", *(f"{seeds} seeds, {entries} entries" for seeds, entries in sizes))
    _write(*(["---"] * (len(sizes) + 2)))
    rules: tuple[Literal["both", "t-test"], ...] = ("t-test", "both")
    for shape in (*SHAPES, *OUTSIDE):
        for rule in rules:
            shares = [
                false_alarms(shape, boards=boards, seeds=seeds, entries=entries, seed=1, rule=rule) / boards
                for seeds, entries in sizes
            ]
            _write(shape, rule, *(f"{share:.1%}" for share in shares))
    sys.stdout.write(f"level {LEVEL:g}; of {boards} boards {tolerated(boards)} are tolerated\n")


def _write(*cells: str) -> None:
    sys.stdout.write(f"| {' | '.join(cells)} |\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
