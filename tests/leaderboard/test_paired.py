"""Two entries over common seeds: values worked out by hand, and scipy as the independent implementation."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from leaderboard.null_boards import detection
from scipy.stats import nct, permutation_test, ttest_rel
from scipy.stats import t as student

from bench.leaderboard.paired import (
    compare_paired,
    detectable,
    detectable_spreads,
    least_seeds,
    sign_flip_p,
    smallest_exact_p,
    spreads,
)
from bench.metrics.gus_statistics import holm

SECOND = {0: 0.5, 1: 0.25, 2: 0.5, 3: 0.75}
FIRST = {0: 0.25, 1: 0.25, 2: 0.25, 3: 0.25}


def test_a_comparison_worked_out_by_hand() -> None:
    # Differences 1/4, 0, 1/4, 1/2: mean 1/4, variance (0 + 1/16 + 0 + 1/16) / 3 = 1/24. t = 0.25 / sqrt(1/96) = 2.449.
    found = compare_paired(FIRST, SECOND, resolution=0.001)
    assert found.seeds == (0, 1, 2, 3)
    assert (found.mean_first, found.mean_second, found.difference) == (0.25, 0.5, 0.25)
    assert found.spread == pytest.approx((1 / 24) ** 0.5)
    assert found.p == pytest.approx(0.0917, abs=1e-4)
    half = 3.18245 * (1 / 96) ** 0.5  # 97.5 % quantile of Student's t with three degrees of freedom
    assert (found.low, found.high) == pytest.approx((0.25 - half, 0.25 + half), abs=1e-5)
    # Sums of the 16 sign patterns of 1, 0, 1, 2 quarters: 4 needs all three alike and either sign of 0: 4 of 16.
    assert found.exact_p == 0.25
    assert not found.separated


def test_only_common_seeds_count() -> None:
    found = compare_paired({0: 0.1, 1: 0.2, 7: 0.9}, {1: 0.3, 7: 0.8, 9: 0.0}, resolution=0.001)
    assert found.seeds == (1, 7)
    assert found.mean_first == pytest.approx(0.55)


def test_no_common_seed_and_one_seed_have_no_test() -> None:
    assert compare_paired({0: 0.1}, {1: 0.2}, resolution=0.001).difference is None
    one = compare_paired({0: 0.1}, {0: 0.2}, resolution=0.001)
    assert (one.difference, one.p, one.low, one.exact_p) == (pytest.approx(0.1), None, None, 1.0)


def test_equal_differences_are_read_with_the_resolution_of_the_metric() -> None:
    # Two seeds, both one step apart: t = 1 / (1 / sqrt(2)) = 1.41 with one degree of freedom, p = 0.39.
    found = compare_paired({0: 0.5, 1: 0.6}, {0: 0.501, 1: 0.601}, resolution=0.001)
    assert found.p == pytest.approx(0.3918, abs=1e-4)


values = st.lists(st.integers(0, 360).map(lambda hits: hits / 360), min_size=2, max_size=7)


@given(st.data())
def test_the_t_test_agrees_with_scipy(data: st.DataObject) -> None:
    first = data.draw(values)
    second = data.draw(
        st.lists(st.sampled_from(first).map(lambda v: v + 0.1), min_size=len(first), max_size=len(first))
    )
    first = [value + 0.0137 * index for index, value in enumerate(first)]
    found = compare_paired(dict(enumerate(first)), dict(enumerate(second)), resolution=1e-9)
    expected = ttest_rel(second, first)
    interval = expected.confidence_interval(0.95)
    assert found.p == pytest.approx(expected.pvalue, rel=1e-6)
    assert (found.low, found.high) == pytest.approx((interval.low, interval.high), rel=1e-6, abs=1e-9)


@given(values)
def test_swapping_the_entries_mirrors_the_comparison(column: list[float]) -> None:
    first, second = dict(enumerate(column)), dict.fromkeys(range(len(column)), 0.4)
    one, other = (compare_paired(*pair, resolution=0.01) for pair in ((first, second), (second, first)))
    assert one.difference == pytest.approx(-other.difference)
    assert (one.low, one.p, one.exact_p) == pytest.approx((-other.high, other.p, other.exact_p))


@given(st.lists(st.lists(st.floats(-9, 9), min_size=4, max_size=4), min_size=2, max_size=5))
def test_spreads_do_not_depend_on_whether_another_pair_lacks_a_seed(rows: list[list[float]]) -> None:
    whole = np.array(rows)
    lacking = whole.copy()
    lacking[0, 0] = np.nan
    for full, partly in zip(spreads(whole, resolution=0.1), spreads(lacking, resolution=0.1), strict=True):
        assert (full[1:] == partly[1:]).all()


@given(st.lists(st.integers(-5, 5), min_size=1, max_size=8))
def test_the_exact_test_counts_sign_patterns(numbers: list[int]) -> None:
    patterns = list(itertools.product((1, -1), repeat=len(numbers)))
    sums = [abs(sum(sign * value for sign, value in zip(pattern, numbers, strict=True))) for pattern in patterns]
    expected = sum(item >= abs(sum(numbers)) for item in sums) / len(patterns)
    # Steps of 1/360: no two sums that differ are closer than that, and equal ones differ by float noise alone.
    assert sign_flip_p(np.array(numbers) / 360) == expected


def test_the_exact_test_agrees_with_scipy() -> None:
    differences = np.random.default_rng(4).normal(0.01, 0.02, 9)
    expected = permutation_test((differences,), np.mean, permutation_type="samples", n_resamples=np.inf)
    assert sign_flip_p(differences) == pytest.approx(expected.pvalue)


def test_the_exact_test_takes_twenty_seeds_and_no_more() -> None:
    assert sign_flip_p(np.ones(20)) == smallest_exact_p(20) == 2.0**-19
    assert sign_flip_p(np.ones(21)) is None


@pytest.mark.parametrize(("seeds", "smallest"), [(1, 1.0), (2, 0.5), (3, 0.25), (5, 0.0625), (6, 0.03125)])
def test_the_smallest_p_is_two_of_all_patterns(seeds: int, smallest: float) -> None:
    assert smallest_exact_p(seeds) == smallest
    assert sign_flip_p(np.arange(1.0, seeds + 1)) == smallest


def test_six_seeds_are_the_least_that_the_exact_test_can_work_with() -> None:
    assert (least_seeds(), least_seeds(0.25)) == (6, 3)


@pytest.mark.parametrize("seeds", [2, 6, 8, 20])
@pytest.mark.parametrize("level", [0.05, 0.05 / 91])
def test_what_can_be_detected_is_found_four_times_in_five(seeds: int, level: float) -> None:
    shift = detectable_spreads(seeds, level) * seeds**0.5
    assert nct.sf(student.isf(level / 2, seeds - 1), seeds - 1, shift) == pytest.approx(0.8, abs=1e-6)


def test_the_power_that_is_promised_is_the_power_that_simulation_finds() -> None:
    # 4,000 tries of an event of 80 %: standard error 0.6 points.
    level = 0.05 / 28
    found = detection(boards=4000, seeds=8, difference=detectable_spreads(8, level), level=level, seed=0)
    assert found == pytest.approx(0.8, abs=0.025)


def test_nothing_is_detectable_with_too_few_seeds_for_the_exact_test() -> None:
    few = compare_paired({s: 0.1 * s for s in range(5)}, {s: 0.2 * s for s in range(5)}, resolution=0.001)
    enough = compare_paired({s: 0.1 * s for s in range(6)}, {s: 0.2 * s for s in range(6)}, resolution=0.001)
    assert detectable(few, 0.05) is None
    assert detectable(enough, 0.05) == pytest.approx(enough.spread * detectable_spreads(6, 0.05))


def test_holm_adjusts_step_by_step() -> None:
    # 0.01 * 3, then the larger of that and 0.03 * 2, then the larger of that and 0.04.
    assert holm([0.04, 0.01, 0.03]) == pytest.approx([0.06, 0.03, 0.06])
    assert holm([]) == []
