"""Statistics of Gaussian scores against tables, simulations of the null, and the identities between them."""

import math
import random
import subprocess
import sys
from itertools import pairwise
from statistics import NormalDist

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from bench.errors import UndefinedMetric
from bench.metrics.gus_statistics import (
    auc,
    deviation,
    equivalence,
    gaussian_unlearning_score,
    holm,
    mean,
    pooled_test,
    roc_points,
    share,
    threshold,
    tpr_at,
    tpr_two_sided_at,
)

scores = st.lists(st.floats(-6, 6), min_size=1, max_size=30)
many_scores = st.lists(st.floats(-6, 6), min_size=2, max_size=30)

# Mean shift: true positive rates at 0.1, 0.05, 0.01, 0.001 and AUC, of N(shift, 1) against N(0, 1).
POWER = {
    0.0: (0.1000, 0.0500, 0.0100, 0.0010, 0.5000),
    0.1: (0.1187, 0.0612, 0.0130, 0.0014, 0.5282),
    0.2: (0.1397, 0.0742, 0.0167, 0.0019, 0.5562),
    0.3: (0.1632, 0.0893, 0.0214, 0.0026, 0.5840),
    0.5: (0.2172, 0.1261, 0.0339, 0.0048, 0.6382),
    0.75: (0.2975, 0.1854, 0.0575, 0.0096, 0.7021),
    1.0: (0.3891, 0.2595, 0.0924, 0.0183, 0.7602),
    1.5: (0.5865, 0.4424, 0.2043, 0.0559, 0.8556),
    2.0: (0.7638, 0.6388, 0.3721, 0.1378, 0.9214),
    2.5: (0.8885, 0.8038, 0.5689, 0.2775, 0.9615),
    3.0: (0.9571, 0.9123, 0.7497, 0.4641, 0.9831),
    4.0: (0.9967, 0.9907, 0.9529, 0.8185, 0.9977),
}


def normal_quantiles(count: int, shift: float = 0.0) -> list[float]:
    """The most regular sample of N(shift, 1)."""
    normal = NormalDist(shift)
    return [normal.inv_cdf((rank + 0.5) / count) for rank in range(count)]


def draws(count: int, seed: int, shift: float = 0.0) -> list[float]:
    generator = random.Random(seed)
    return [generator.gauss(shift, 1.0) for _ in range(count)]


@pytest.mark.parametrize("shift", POWER)
def test_shifted_scores_reproduce_the_power_table(shift):
    values = normal_quantiles(20_000, shift)
    rates = [tpr_at([values], rate).value for rate in (0.1, 0.05, 0.01, 0.001)]
    # Four decimals are printed, and 20,000 quantiles resolve 0.00005.
    assert rates == pytest.approx(POWER[shift][:4], abs=1.1e-4)
    assert auc(values) == pytest.approx(POWER[shift][4], abs=1.1e-4)


@pytest.mark.parametrize("shift", [0.0, 0.5, 2.0])
def test_drawn_scores_reproduce_the_power_table_within_their_binomial_error(shift):
    found = tpr_at([draws(2000, seed=11, shift=shift)], 0.01, level=0.999)
    assert found.interval.low < stats.norm.cdf(shift - 2.3263478740408408) < found.interval.high
    assert auc(draws(2000, seed=11, shift=shift)) == pytest.approx(stats.norm.cdf(shift / math.sqrt(2)), abs=0.026)


@pytest.mark.parametrize(("rate", "limit"), [(0.1, 1.28155), (0.05, 1.64485), (0.01, 2.32635), (0.001, 3.09023)])
def test_thresholds_are_quantiles_of_the_null(rate, limit):
    assert threshold(rate) == pytest.approx(limit, abs=5e-6)


@given(scores)
def test_rates_begin_at_zero_and_end_at_one(values):
    assert tpr_at([values], 0.0).value == 0.0
    assert tpr_at([values], 1.0).value == 1.0


@given(scores, st.floats(0, 1), st.floats(0, 1))
def test_a_larger_false_positive_rate_never_finds_fewer(values, one, other):
    low, high = sorted((one, other))
    assert tpr_at([values], low).value <= tpr_at([values], high).value


@given(scores)
def test_the_curve_rises_from_corner_to_corner_and_its_area_is_the_auc(values):
    points = roc_points(values)
    assert (points[0].false_positive, points[0].true_positive) == (0.0, 0.0)
    assert (points[-1].false_positive, points[-1].true_positive) == (1.0, 1.0)
    pairs = list(pairwise(points))
    assert all(a.false_positive <= b.false_positive and a.true_positive <= b.true_positive for a, b in pairs)
    area = sum((b.false_positive - a.false_positive) * a.true_positive for a, b in pairs)
    assert area == pytest.approx(auc(values), abs=1e-12)


def test_the_curve_of_two_scores_by_hand():
    points = [(point.false_positive, point.true_positive) for point in roc_points([0.0, 0.0])]
    assert points == [(0.0, 0.0), (0.5, 0.0), (0.5, 1.0), (1.0, 1.0)]


def test_null_scores_give_the_diagonal_within_the_dkw_band():
    values = draws(750, seed=3)
    band = math.sqrt(math.log(2 / 0.001) / (2 * 750))
    assert max(abs(point.true_positive - point.false_positive) for point in roc_points(values)) < band


def test_a_two_sided_rate_sees_negative_scores_and_the_one_sided_does_not():
    values = [-3.0, -2.6, -2.5, 0.0, 2.4, 2.6]
    assert tpr_at([values], 0.01).hits == 2
    assert tpr_two_sided_at([values], 0.01).hits == 3  # beyond 2.5758
    assert tpr_two_sided_at([normal_quantiles(20_000)], 0.01).value == pytest.approx(0.01, abs=1e-4)


@pytest.mark.parametrize(("hits", "count"), [(0, 50), (1, 10), (7, 750), (749, 750), (50, 50)])
def test_binomial_intervals_agree_with_scipy(hits, count):
    expected = stats.binomtest(hits, count).proportion_ci(0.95, method="exact")
    found = share([hits], [count]).interval
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), rel=1e-9)


def test_intervals_of_null_runs_cover_the_false_positive_rate():
    found = [tpr_at([draws(750, seed)], 0.01) for seed in range(200)]
    covered = sum(rate.interval.low <= 0.01 <= rate.interval.high for rate in found)
    # Exact intervals cover at least 95 %; 180 of 200 is 3.2 standard errors below.
    assert covered >= 180
    rates = [rate.value for rate in found]
    assert mean(rates) == pytest.approx(0.01, abs=4 * 0.0036 / math.sqrt(200))
    assert deviation(rates) == pytest.approx(0.0036, rel=0.2)  # four standard errors of a deviation of 200


def test_pooled_p_values_are_uniform_under_the_null():
    tests = [pooled_test(draws(50, seed)) for seed in range(1000)]
    assert stats.kstest([test.two_sided for test in tests], "uniform").pvalue > 0.01
    assert stats.kstest([test.one_sided for test in tests], "uniform").pvalue > 0.01


def test_a_pooled_test_by_hand():
    found = pooled_test([0.5, 1.5, 1.0, 1.0])
    assert found.z == 2.0
    assert found.two_sided == pytest.approx(0.04550026)
    assert found.one_sided == pytest.approx(0.02275013)
    assert pooled_test([-1.0] * 4).one_sided == pytest.approx(0.97724987)


# Power at 0.01, one-sided, by number of items and shift.
@pytest.mark.parametrize(
    ("count", "shift", "power"), [(750, 0.1, 0.660), (1000, 0.1, 0.798), (1250, 0.1, 0.887), (750, 0.2, 0.999)]
)
def test_the_pooled_test_has_its_tabled_power(count, shift, power):
    generator = random.Random(5)
    # A mean of `count` scores is all that the test sees.
    means = [generator.gauss(shift, 1 / math.sqrt(count)) for _ in range(2000)]
    rejected = sum(pooled_test([value] * count).one_sided < 0.01 for value in means)
    assert rejected / 2000 == pytest.approx(power, abs=4 * math.sqrt(0.25 / 2000))


@given(many_scores)
def test_the_interval_is_the_one_of_the_t_test(values):
    found = gaussian_unlearning_score([values])
    assert found.mean == pytest.approx(sum(values) / len(values), abs=1e-12)
    assert found.interval.low <= found.mean <= found.interval.high
    if found.deviation > 1e-6:
        expected = stats.ttest_1samp(values, 0.0).confidence_interval(0.95)
        assert (found.interval.low, found.interval.high) == pytest.approx((expected.low, expected.high), rel=1e-6)


@settings(max_examples=60)
@given(many_scores, st.floats(0.01, 3))
def test_equivalence_is_the_larger_of_two_t_tests(values, margin):
    found = equivalence([values], margin)
    if deviation(values) > 1e-6:
        above = stats.ttest_1samp(values, margin, alternative="less").pvalue
        below = stats.ttest_1samp(values, -margin, alternative="greater").pvalue
        assert found.p_value == pytest.approx(max(above, below), rel=1e-6, abs=1e-12)
    if abs(found.bound - margin) > 1e-9:
        assert (found.p_value < 0.05) == (found.bound < margin)


def test_the_equivalence_bound_by_hand():
    # Mean -1, deviation 1 (n - 1 = 2), standard error 1 / sqrt(3), t_{0.95, 2} = 2.919986.
    assert equivalence([[-2.0, -1.0, 0.0]], 0.1).bound == pytest.approx(1 + 2.919986 / math.sqrt(3), rel=1e-6)


def test_equivalence_of_equal_scores_compares_them_with_the_margin():
    assert equivalence([[0.5, 0.5, 0.5]], 1.0).p_value == 0.0
    assert equivalence([[-1.5, -1.5]], 1.0).p_value == 1.0
    assert equivalence([[1.5, 1.5]], 1.0).bound == 1.5


def test_an_insignificant_mean_is_no_claim_of_equivalence():
    values = draws(50, seed=1)
    assert pooled_test(values).two_sided > 0.05
    assert equivalence([values], 0.1).p_value > 0.05


def test_eight_times_216_null_scores_support_a_margin_of_a_tenth():
    assert equivalence([normal_quantiles(216)], 0.1).p_value > 0.05
    assert equivalence([normal_quantiles(8 * 216)], 0.1).p_value < 0.001


@given(many_scores)
def test_negative_scores_mirror_every_statistic(values):
    mirrored = [-value for value in values]
    assert mean(mirrored) == -mean(values)
    assert auc(mirrored) == pytest.approx(1 - auc(values), abs=1e-12)
    assert pooled_test(mirrored).two_sided == pooled_test(values).two_sided
    assert tpr_two_sided_at([mirrored], 0.05) == tpr_two_sided_at([values], 0.05)
    assert equivalence([mirrored], 0.1) == equivalence([values], 0.1)


def test_holm_by_hand():
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.9, 0.8]) == [1.0, 1.0]
    assert holm([]) == []


@given(st.lists(st.floats(0, 1), min_size=1, max_size=8))
def test_holm_lies_between_no_correction_and_bonferroni(p_values):
    for plain, adjusted in zip(p_values, holm(p_values), strict=True):
        assert plain <= adjusted <= min(1.0, len(p_values) * plain)


NETWORKS = [[1.0, 3.0], [4.0, 6.0], [9.0, 7.0]]
"""Means 2, 5 and 8: over networks 5 with a deviation of 3; over items 5 with a deviation of sqrt(42 / 5) = 2.898."""


def test_the_wider_interval_is_taken_by_hand():
    # t_{0.975, 2} = 4.302653 over networks, 4.302653 * 3 / sqrt(3) = 7.4524; over items 2.570582 * 2.898 / sqrt(6).
    found = gaussian_unlearning_score(NETWORKS)
    assert (found.mean, found.count) == (5.0, 6)
    assert (found.interval.low, found.interval.high) == pytest.approx((5 - 7.45241, 5 + 7.45241), abs=1e-4)
    alike = gaussian_unlearning_score([[-9.0, 9.0], [-9.0, 9.0], [-9.0, 9.0]])
    assert alike.interval.high == pytest.approx(2.570582 * math.sqrt(486 / 5) / math.sqrt(6), rel=1e-6)


def test_the_larger_bound_is_taken_by_hand():
    # t_{0.95, 2} = 2.919986 over networks: 5 + 2.919986 * 3 / sqrt(3).
    assert equivalence(NETWORKS, 0.1).bound == pytest.approx(5 + 2.919986 * math.sqrt(3), rel=1e-6)
    # Networks of one mean leave the items: t_{0.95, 5} = 2.015048.
    alike = equivalence([[-1.0, 1.0]] * 3, 0.1)
    assert alike.bound == pytest.approx(2.015048 * math.sqrt(6 / 5) / math.sqrt(6), rel=1e-6)


def test_the_wider_interval_of_a_rate_is_taken_by_hand():
    # Shares 0, 0.5 and 1: mean 0.5, deviation 0.5; Student's t reaches beyond 0 and 1, where it is cut.
    spread = share([0, 50, 100], [100, 100, 100])
    assert (spread.value, spread.interval.low, spread.interval.high) == (0.5, 0.0, 1.0)
    expected = stats.binomtest(150, 300).proportion_ci(0.95, method="exact")
    alike = share([50, 50, 50], [100, 100, 100])
    assert (alike.interval.low, alike.interval.high) == pytest.approx((expected.low, expected.high), rel=1e-9)


networks_of_scores = st.lists(st.lists(st.floats(-6, 6), min_size=1, max_size=8), min_size=2, max_size=6)


@given(networks_of_scores)
def test_knowing_the_networks_never_makes_an_interval_narrower(networks):
    together = [[value for values in networks for value in values]]
    wide, narrow = gaussian_unlearning_score(networks).interval, gaussian_unlearning_score(together).interval
    assert wide.low <= narrow.low <= narrow.high <= wide.high
    assert equivalence(networks, 0.1).bound >= equivalence(together, 0.1).bound
    assert equivalence(networks, 0.1).p_value >= equivalence(together, 0.1).p_value
    wide, narrow = tpr_at(networks, 0.1).interval, tpr_at(together, 0.1).interval
    assert 0 <= wide.low <= narrow.low <= narrow.high <= wide.high <= 1


@given(networks_of_scores, st.floats(0.01, 3))
def test_a_claim_is_supported_exactly_where_its_bound_is_below_the_margin(networks, margin):
    found = equivalence(networks, margin)
    if abs(found.bound - margin) > 1e-9:
        assert (found.p_value < 0.05) == (found.bound < margin)


@given(st.permutations(NETWORKS))
def test_the_order_of_networks_does_not_matter(networks):
    assert equivalence(networks, 0.1) == equivalence(NETWORKS, 0.1)
    assert tpr_at(networks, 0.01) == tpr_at(NETWORKS, 0.01)


@pytest.mark.parametrize(
    "undefined",
    [
        lambda: mean([]),
        lambda: auc([]),
        lambda: roc_points([]),
        lambda: pooled_test([]),
        lambda: tpr_at([], 0.01),
        lambda: deviation([1.0]),
        lambda: gaussian_unlearning_score([[1.0]]),
        lambda: equivalence([[1.0]], 0.1),
        lambda: equivalence([[1.0, 2.0], []], 0.1),
        lambda: gaussian_unlearning_score([[1.0, 2.0], []]),
        lambda: gaussian_unlearning_score([]),
        lambda: tpr_at([[1.0], []], 0.01),
        lambda: share([], []),
    ],
)
def test_no_scores_give_an_error_instead_of_a_number(undefined):
    with pytest.raises(UndefinedMetric):
        undefined()


def test_statistics_import_nothing_heavy():
    script = "import sys, bench.metrics.gus_statistics; print(*sys.modules)"
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert not {"torch", "pandas", "altair"} & set(run.stdout.split())
