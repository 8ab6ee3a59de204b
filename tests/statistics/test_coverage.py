"""Coverage: every interval that is published holds what it promises, by simulation under the model it assumes.

A 95 % interval must hold the truth in 95 % of many draws, within four standard errors of that share. Draws are seeded,
so that a test never fails by chance. What happens where the model does not hold is in docs/statistics-coverage.md.
"""

import math
import random

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binom, kstest

from bench.leaderboard.families import all_pairs
from bench.leaderboard.ranking import rank
from bench.metrics.gus_statistics import (
    equivalence,
    gaussian_unlearning_score,
    hierarchical_interval,
    pooled_test,
    share,
    tpr_at,
)
from bench.results import summarize

DRAWS = 4000


def within(share_of_draws: float, promised: float, draws: int = DRAWS) -> bool:
    return abs(share_of_draws - promised) <= 4 * math.sqrt(promised * (1 - promised) / draws)


def covered(draw, truth: float, draws: int = DRAWS) -> float:
    """Return how often the interval of `summarize` over what `draw` returns holds the truth."""
    hits = 0
    for _ in range(draws):
        low, high = summarize("metric", "condition", draw()).ci95
        hits += low <= truth <= high
    return hits / draws


@pytest.mark.parametrize("seeds", [2, 3, 5, 8])
def test_the_interval_over_seeds_holds_the_mean_in_95_percent(seeds):
    generator = np.random.default_rng(seeds)
    assert within(covered(lambda: generator.normal(0.6, 0.05, seeds), 0.6), 0.95)


def test_the_interval_of_a_paired_difference_holds_whatever_a_seed_does_to_both():
    generator = np.random.default_rng(1)

    def draw():
        seed = generator.normal(0, 0.3, 5)
        clean, own = 0.9 + seed + generator.normal(0, 0.01, 5), 0.7 + seed + generator.normal(0, 0.02, 5)
        return clean - own

    assert within(covered(draw, 0.2), 0.95)


def test_the_interval_of_gus_holds_the_mean_whatever_the_variance_is():
    generator = random.Random(2)
    hits = 0
    for _ in range(DRAWS):
        interval = gaussian_unlearning_score([generator.gauss(0.3, 1.4) for _ in range(20)]).interval
        hits += interval.low <= 0.3 <= interval.high
    assert within(hits / DRAWS, 0.95)


@pytest.mark.parametrize("true", [0.4, -0.4])
def test_the_bound_of_an_equivalence_is_one_sided_and_holds_in_95_percent(true):
    generator = random.Random(3)
    bounds = [equivalence([generator.gauss(true, 1.0) for _ in range(40)], 0.1).bound for _ in range(DRAWS)]
    assert within(sum(abs(true) <= bound for bound in bounds) / DRAWS, 0.95)


def test_a_trace_at_the_margin_is_called_gone_in_five_percent_and_one_beyond_it_less_often():
    generator = random.Random(4)

    def gone(true: float) -> float:
        found = (equivalence([generator.gauss(true, 1.0) for _ in range(200)], 0.3) for _ in range(DRAWS))
        return sum(item.p_value < 0.05 for item in found) / DRAWS

    assert within(gone(0.3), 0.05)
    assert gone(0.36) < 0.02
    assert gone(0.0) > 0.95


@pytest.mark.parametrize("count", [1, 12, 60, 500])
@pytest.mark.parametrize("rate", [0.001, 0.01, 0.1, 0.5, 0.97])
def test_clopper_pearson_holds_at_least_95_percent_exactly(count, rate):
    """Summed over all outcomes, so no draw is needed; never too narrow is what it promises."""
    holds = 0.0
    for hits in range(count + 1):
        interval = share(hits, count).interval
        if interval.low <= rate <= interval.high:
            holds += float(binom.pmf(hits, count, rate))
    assert holds >= 0.95


def test_the_true_positive_rate_of_an_independent_network_is_the_false_positive_rate():
    generator = random.Random(5)
    hits = 0
    for _ in range(DRAWS):
        interval = tpr_at([generator.gauss(0, 1) for _ in range(300)], 0.01).interval
        hits += interval.low <= 0.01 <= interval.high
    assert hits / DRAWS >= 0.95 - 4 * math.sqrt(0.95 * 0.05 / DRAWS)


def test_p_values_of_noise_that_was_never_seen_are_uniform():
    generator = random.Random(6)
    values = [pooled_test([generator.gauss(0, 1) for _ in range(7)]).two_sided for _ in range(DRAWS)]
    assert kstest(values, "uniform").pvalue > 0.001


def test_the_bootstrap_over_models_comes_near_its_promise_with_many_models_and_falls_short_with_few():
    """Its documentation says so; a bootstrap is no exact interval."""

    def holds(models: int) -> float:
        draw, generator, hits = random.Random(7), random.Random(8), 0
        for _ in range(200):
            centers = [draw.gauss(0.0, 0.3) for _ in range(models)]
            scores = [[draw.gauss(center, 1.0) for _ in range(20)] for center in centers]
            interval = hierarchical_interval(scores, draws=200, generator=generator)
            hits += interval.low <= 0 <= interval.high
        return hits / 200

    assert 0.90 <= holds(20) <= 0.98
    assert 0.80 <= holds(3) <= 0.93


BOARDS = 1000


@pytest.mark.parametrize(("entries", "seeds"), [(6, 6), (6, 8), (12, 8)])
def test_equal_entries_are_told_apart_on_at_most_five_percent_of_boards(entries, seeds):
    """Family-wise: one wrong pair anywhere on a board counts. Seeds move all entries together, as they do."""
    generator = np.random.default_rng(entries * seeds)
    wrong = 0
    for _ in range(BOARDS):
        common = generator.normal(0, 0.05, (seeds, 1))
        values = 0.5 + common + generator.normal(0, 0.02, (seeds, entries))
        wrong += all_pairs(values, resolution=1e-9).apart.any()
    assert wrong / BOARDS <= 0.05 + 4 * math.sqrt(0.05 * 0.95 / BOARDS)
    assert wrong / BOARDS <= 0.06, "the limit of the specification"


def test_rank_intervals_hold_every_true_rank_on_at_least_95_percent_of_boards():
    generator = np.random.default_rng(9)
    true = np.array([0.10, 0.12, 0.12, 0.30, 0.50, 0.52])
    best = np.array([1 + (true < mean).sum() for mean in true])
    worst = np.array([len(true) - (true > mean).sum() for mean in true])
    wrong = 0
    for _ in range(BOARDS):
        values = true + generator.normal(0, 0.05, (8, 1)) + generator.normal(0, 0.02, (8, len(true)))
        found = rank(pd.DataFrame(values, columns=list("abcdef")), lower_is_better=True, resolution=1e-9)
        places = {standing.slug: standing for standing in found}
        wrong += any(
            places[slug].best > best[index] or places[slug].worst < worst[index] for index, slug in enumerate("abcdef")
        )
    assert wrong / BOARDS <= 0.05 + 4 * math.sqrt(0.05 * 0.95 / BOARDS)
