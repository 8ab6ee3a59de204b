"""Coverage: every interval that is published holds what it promises, by simulation under the model it assumes.

A 95 % interval must hold the truth in 95 % of many draws, within four standard errors of that share. Draws are seeded,
so that a test never fails by chance. What happens where the model does not hold is in docs/statistics-coverage.md.
"""

import math
import random
from statistics import NormalDist

import numpy as np
import pytest
from scipy.stats import binom, kstest

from bench.leaderboard.families import all_pairs
from bench.leaderboard.ranking import SeedTable, rank
from bench.metrics.gus_statistics import (
    equivalence,
    gaussian_unlearning_score,
    pooled_test,
    share,
    threshold,
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
        interval = gaussian_unlearning_score([[generator.gauss(0.3, 1.4) for _ in range(20)]]).interval
        hits += interval.low <= 0.3 <= interval.high
    assert within(hits / DRAWS, 0.95)


@pytest.mark.parametrize("true", [0.4, -0.4])
def test_the_bound_of_an_equivalence_is_one_sided_and_holds_in_95_percent(true):
    generator = random.Random(3)
    bounds = [equivalence([[generator.gauss(true, 1.0) for _ in range(40)]], 0.1).bound for _ in range(DRAWS)]
    assert within(sum(abs(true) <= bound for bound in bounds) / DRAWS, 0.95)


def test_a_trace_at_the_margin_is_called_gone_in_five_percent_and_one_beyond_it_less_often():
    generator = random.Random(4)

    def gone(true: float) -> float:
        found = (equivalence([[generator.gauss(true, 1.0) for _ in range(200)]], 0.3) for _ in range(DRAWS))
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
        interval = share([hits], [count]).interval
        if interval.low <= rate <= interval.high:
            holds += float(binom.pmf(hits, count, rate))
    assert holds >= 0.95


def test_the_true_positive_rate_of_an_independent_network_is_the_false_positive_rate():
    generator = random.Random(5)
    hits = 0
    for _ in range(DRAWS):
        interval = tpr_at([[generator.gauss(0, 1) for _ in range(300)]], 0.01).interval
        hits += interval.low <= 0.01 <= interval.high
    assert hits / DRAWS >= 0.95 - 4 * math.sqrt(0.95 * 0.05 / DRAWS)


def test_p_values_of_noise_that_was_never_seen_are_uniform():
    generator = random.Random(6)
    values = [pooled_test([generator.gauss(0, 1) for _ in range(7)]).two_sided for _ in range(DRAWS)]
    assert kstest(values, "uniform").pvalue > 0.001


ITEMS = 200
BETWEEN = (0.0, 0.05, 0.1)
"""How far networks of one method differ: the stored results have up to 0.08, but for one method with 0.14."""


def drawn_networks(generator, networks: int, between: float, center: float):
    """Return scores of networks whose means differ, as nested lists."""
    centers = generator.normal(center, between, (networks, 1))
    return (centers + generator.normal(0, 1, (networks, ITEMS))).tolist()


def at_least(share_of_draws: float, promised: float, draws: int) -> bool:
    return share_of_draws >= promised - 4 * math.sqrt(promised * (1 - promised) / draws)


@pytest.mark.parametrize("networks", [3, 5, 8])
@pytest.mark.parametrize("between", BETWEEN)
def test_what_is_said_over_networks_holds_in_95_percent_however_far_they_differ(networks, between):
    """The bound, the interval of the mean and those of the rates; over items alone they hold in 73 to 92 %."""
    generator, draws, center = np.random.default_rng([networks, round(100 * between)]), 2000, 0.5
    rates = {rate: NormalDist(0, math.hypot(1, between)).cdf(center - threshold(rate)) for rate in (0.01, 0.1)}
    held = dict.fromkeys(("bound", "mean", *rates), 0)
    for _ in range(draws):
        scores = drawn_networks(generator, networks, between, center)
        held["bound"] += center <= equivalence(scores, 0.1).bound
        interval = gaussian_unlearning_score(scores).interval
        held["mean"] += interval.low <= center <= interval.high
        for rate, truth in rates.items():
            interval = tpr_at(scores, rate).interval
            held[rate] += interval.low <= truth <= interval.high
    for what, hits in held.items():
        assert at_least(hits / draws, 0.95, draws), what


@pytest.mark.parametrize(("networks", "most"), [(3, 1.8), (5, 1.35), (8, 1.22)])
def test_networks_that_do_not_differ_cost_little_width(networks, most):
    """How much farther the bound reaches than over items alone: the price of not knowing that networks are alike."""
    generator, draws = np.random.default_rng(networks), 500
    both, items = [], []
    for _ in range(draws):
        scores = drawn_networks(generator, networks, 0.0, 0.5)
        both.append(equivalence(scores, 0.1).bound - 0.5)
        items.append(equivalence([[value for values in scores for value in values]], 0.1).bound - 0.5)
    assert 1 < np.mean(both) / np.mean(items) < most


@pytest.mark.parametrize("networks", [3, 8])
@pytest.mark.parametrize("between", BETWEEN)
def test_a_trace_at_the_margin_is_called_gone_in_at_most_five_percent_whatever_networks_do(networks, between):
    generator, draws = np.random.default_rng([networks, round(100 * between)]), 2000
    gone = sum(equivalence(drawn_networks(generator, networks, between, 0.1), 0.1).p_value < 0.05 for _ in range(draws))
    assert gone / draws <= 0.05 + 4 * math.sqrt(0.05 * 0.95 / draws)


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
        found = rank(SeedTable(tuple("abcdef"), values), lower_is_better=True, resolution=1e-9)
        places = {standing.slug: standing for standing in found}
        wrong += any(
            places[slug].best > best[index] or places[slug].worst < worst[index] for index, slug in enumerate("abcdef")
        )
    assert wrong / BOARDS <= 0.05 + 4 * math.sqrt(0.05 * 0.95 / BOARDS)
