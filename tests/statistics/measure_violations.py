"""Measures how often intervals hold where the model that they assume does not; see docs/statistics-coverage.md.

    python tests/statistics/measure_violations.py

Prints one table: what is drawn, how many seeds or items, and how often the 95 % interval holds the truth.
"""

import random
import sys
from collections.abc import Callable, Iterator

import numpy as np

from bench.metrics.gus_statistics import equivalence, gaussian_unlearning_score, hierarchical_interval
from bench.results import summarize

DRAWS = 4000

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


def over_items() -> Iterator[tuple[str, str, float]]:
    """Yield rows of the intervals over items, where networks of one method differ by more than their items do."""
    for between in (0.0, 0.05, 0.1, 0.3):
        for models in (3, 8):
            draw, hits, bounds = random.Random(1), 0, 0
            for _ in range(500):
                centers = [draw.gauss(0.5, between) for _ in range(models)]
                scores = [draw.gauss(center, 1.0) for center in centers for _ in range(200)]
                interval = gaussian_unlearning_score(scores).interval
                hits += interval.low <= 0.5 <= interval.high
                bounds += equivalence(scores, 0.1).bound >= 0.5
            what = f"items pooled over networks that differ by {between:g}"
            yield f"{what}: mean", f"{models} x 200", hits / 500
            yield f"{what}: bound", f"{models} x 200", bounds / 500


def over_models() -> Iterator[tuple[str, str, float]]:
    """Yield rows of the bootstrap over models and items."""
    for models in (3, 8, 20):
        draw, generator, hits = random.Random(1), random.Random(2), 0
        for _ in range(300):
            centers = [draw.gauss(0.5, 0.3) for _ in range(models)]
            scores = [[draw.gauss(center, 1.0) for _ in range(20)] for center in centers]
            interval = hierarchical_interval(scores, draws=300, generator=generator)
            hits += interval.low <= 0.5 <= interval.high
        yield "bootstrap over networks and items", f"{models} x 20", hits / 300


def main() -> None:
    """Print the table."""
    sys.stdout.write("| drawn | n | holds |\n|---|---|---|\n")
    for rows in (over_seeds, over_items, over_models):
        for what, count, holds in rows():
            sys.stdout.write(f"| {what} | {count} | {100 * holds:.1f} % |\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main()
