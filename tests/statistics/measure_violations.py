"""Measures how often intervals hold where the model that they assume does not; see docs/statistics-coverage.md.

    python tests/statistics/measure_violations.py

Prints one table: what is drawn, how many seeds or items, and how often the 95 % interval holds the truth.
"""

import math
import sys
from collections.abc import Callable, Iterator
from statistics import NormalDist

import numpy as np

from bench.metrics.gus_statistics import equivalence, gaussian_unlearning_score, threshold, tpr_at
from bench.results import summarize

DRAWS = 4000
NETWORK_DRAWS = 2000

Draw = Callable[[np.random.Generator, int], np.ndarray]


def skewed(generator: np.random.Generator, seeds: int) -> np.ndarray:
    """Exponential: a mean of 1 with a long tail."""
    return generator.exponential(1.0, seeds)


def failing(generator: np.random.Generator, seeds: int) -> np.ndarray:
    """A training that fails in one of ten seeds: 0.95 or so, else 0.1; mean 0.865."""
    return np.where(generator.random(seeds) < 0.1, 0.1, 0.95) + generator.normal(0, 0.005, seeds)


def counted(generator: np.random.Generator, seeds: int) -> np.ndarray:
    """Accuracy near 1 on 360 test images: a few errors, counted; mean 0.99."""
    return generator.binomial(360, 0.99, seeds) / 360


def heavy(generator: np.random.Generator, seeds: int) -> np.ndarray:
    """Student's t with 3 degrees of freedom, mean 0."""
    return generator.standard_t(3, seeds)


def worst_of_four(generator: np.random.Generator, seeds: int) -> np.ndarray:
    """The largest of four equal conditions in each seed; the truth is the mean of that largest one, 1.0294."""
    return generator.normal(0, 1, (seeds, 4)).max(axis=1)


CASES: dict[str, tuple[Draw, float]] = {
    "normal": (lambda generator, seeds: generator.normal(0, 1, seeds), 0.0),
    "counted: accuracy 0.99 of 360 images": (counted, 0.99),
    "worst of four conditions, its mean": (worst_of_four, 1.0293753730039641),
    "heavy tails: Student's t, 3 degrees": (heavy, 0.0),
    "skewed: exponential": (skewed, 1.0),
    "one training in ten fails": (failing, 0.865),
}


def over_seeds() -> Iterator[tuple[str, str, float]]:
    """Yield rows of the interval over seeds."""
    for name, (draw, truth) in CASES.items():
        for seeds in (3, 5, 8):
            generator = np.random.default_rng(seeds)
            hits = 0
            for _ in range(DRAWS):
                low, high = summarize("metric", "condition", draw(generator, seeds)).ci95 or (0.0, 0.0)
                hits += low <= truth <= high
            yield f"seeds, {name}", str(seeds), hits / DRAWS


def over_networks() -> Iterator[tuple[str, str, float]]:
    """Yield rows of what is said over networks of one method, which differ by more than their items do.

    `items alone` is what would hold if the networks were forgotten.
    """
    for between in (0.0, 0.05, 0.1, 0.3):
        for networks in (3, 5, 8):
            held = _held(between, networks)
            for what, hits in held.items():
                yield f"networks that differ by {between:g}: {what}", f"{networks} x 200", hits / NETWORK_DRAWS


def _held(between: float, networks: int) -> dict[str, int]:
    generator, center = np.random.default_rng(networks), 0.5
    truth = NormalDist(0, math.hypot(1, between)).cdf(center - threshold(0.01))
    held = dict.fromkeys(("bound, items alone", "bound", "interval of the mean", "rate at 1 %"), 0)
    for _ in range(NETWORK_DRAWS):
        centers = generator.normal(center, between, (networks, 1))
        scores = (centers + generator.normal(0, 1, (networks, 200))).tolist()
        together = [value for values in scores for value in values]
        held["bound, items alone"] += equivalence([together], 0.1).bound >= center
        held["bound"] += equivalence(scores, 0.1).bound >= center
        interval = gaussian_unlearning_score(scores).interval
        held["interval of the mean"] += interval.low <= center <= interval.high
        interval = tpr_at(scores, 0.01).interval
        held["rate at 1 %"] += interval.low <= truth <= interval.high
    return held


def main() -> None:
    """Print the table."""
    sys.stdout.write("| drawn | n | holds |\n|---|---|---|\n")
    for rows in (over_seeds, over_networks):
        for what, count, holds in rows():
            sys.stdout.write(f"| {what} | {count} | {100 * holds:.1f} % |\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main()
