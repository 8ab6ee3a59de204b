"""Pairs of a board, held against the plain way and against what chance does on boards of equal entries."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from leaderboard import simple_ranking
from leaderboard.null_boards import SHAPES, false_alarms, tolerated

from bench.leaderboard.families import Family, all_pairs, flip_limit, holm_rejects, sign_patterns

NAN = float("nan")


def found(family: Family) -> set[tuple[int, int]]:
    return {(int(i), int(j)) for i, j in zip(family.i[family.apart], family.j[family.apart], strict=True)}


cell = st.one_of(st.integers(0, 40).map(lambda hits: hits / 40), st.just(NAN))
boards = st.integers(6, 8).flatmap(
    lambda seeds: st.lists(st.lists(cell, min_size=seeds, max_size=seeds), min_size=2, max_size=5)
)


@settings(max_examples=60)
@given(boards)
def test_the_fast_way_agrees_with_the_plain_way(columns: list[list[float]]) -> None:
    values = np.array(columns).T
    assert found(all_pairs(values, resolution=1 / 40)) == simple_ranking.apart(values, resolution=1 / 40)


def test_the_fast_way_agrees_with_the_plain_way_where_pairs_are_apart() -> None:
    generator = np.random.default_rng(5)
    seen = set()
    for shift in (0.0, 0.02, 0.05, 0.1):
        values = generator.normal(0.3, 0.02, (8, 6)) + shift * np.arange(6)
        values[generator.random((8, 6)) < 0.05] = NAN
        expected = simple_ranking.apart(values, resolution=1 / 360)
        assert found(all_pairs(values, resolution=1 / 360)) == expected
        seen.add(len(expected))
    assert len(seen) > 2  # Boards with nothing, something and much to find.


def test_pairs_lie_row_by_row_with_their_common_seeds() -> None:
    values = np.array([[0.1, 0.2, 0.4], [0.3, NAN, 0.2]])
    family = all_pairs(values, resolution=0.001)
    assert list(zip(family.i, family.j, strict=True)) == [(0, 1), (0, 2), (1, 2)]
    assert family.count.tolist() == [1, 2, 1]
    assert family.mean == pytest.approx([-0.1, -0.1, -0.2])  # (0.1 - 0.4 + 0.3 - 0.2) / 2


def test_five_seeds_separate_nothing_and_six_do() -> None:
    far = np.array([[0.1, 0.9]]) + np.linspace(0, 0.02, 6)[:, None] * [1, -1]
    assert not all_pairs(far[:5], resolution=0.001).apart.any()
    assert all_pairs(far, resolution=0.001).apart.tolist() == [True]


def test_an_entry_with_too_few_seeds_costs_the_others_nothing() -> None:
    generator = np.random.default_rng(0)
    values = generator.normal(0.3, 0.02, (8, 4)) + 0.08 * np.arange(4)
    short = np.full((8, 30), NAN)
    short[:3] = generator.normal(0.5, 0.02, (3, 30))
    alone, among = (all_pairs(item, resolution=0.001) for item in (values, np.hstack([values, short])))
    assert found(alone)
    assert found(among) == found(alone)
    assert (among.pairs, among.level, among.detectable) == (alone.pairs, alone.level, alone.detectable)


def test_holm_stops_at_the_first_pair_it_cannot_reject() -> None:
    # Three pairs: 0.01 <= 0.05/3 is rejected; 0.03 > 0.05/2 is not, and so 0.04 <= 0.05 is not either.
    assert holm_rejects(np.array([0.04, 0.01, 0.03])).tolist() == [False, True, False]


@given(st.lists(st.floats(0, 1), max_size=12))
def test_holm_agrees_with_the_plain_way(p_values: list[float]) -> None:
    plain = simple_ranking.holm({(0, index): p for index, p in enumerate(p_values)})
    assert {(0, int(index)) for index in np.flatnonzero(holm_rejects(np.array(p_values)))} == plain


def test_the_level_of_the_next_pair_is_that_of_holms_next_step() -> None:
    generator = np.random.default_rng(2)
    family = all_pairs(generator.normal(0.3, 0.02, (8, 5)) + np.array([0, 0, 0, 0, 0.4]), resolution=0.001)
    assert (family.pairs, int(family.holm.sum())) == (10, 4)
    assert family.level == 0.05 / 6


@pytest.mark.parametrize("seeds", [1, 2, 6, 10, 11, 14])
def test_sign_patterns_are_a_group_of_different_patterns(seeds: int) -> None:
    signs = sign_patterns(seeds)
    assert signs.shape == (2 ** min(seeds - 1, 9), seeds)
    assert (signs[0] == 1).all()
    rows = {tuple(row) for row in signs}
    assert len(rows) == len(signs)
    for row in signs[:: max(len(signs) // 8, 1)]:
        assert {tuple(row * other) for other in signs} == rows


def test_the_limit_does_not_depend_on_where_the_search_for_it_starts() -> None:
    values = np.random.default_rng(3).normal(0.3, 0.02, (8, 7))
    whole = flip_limit(values, resolution=0.001)
    assert flip_limit(values, resolution=0.001, least=whole * 0.9) == pytest.approx(whole)
    assert flip_limit(values, resolution=0.001, least=whole * 4) <= whole * 4


def test_pairs_that_share_one_seed_or_none_have_no_t_and_stop_nothing() -> None:
    values = np.full((8, 4), NAN)
    values[:, 0], values[:, 1] = 0.1, 0.5
    values[0, 2] = values[0, 3] = 0.9
    values[0, 1] = NAN
    assert found(all_pairs(values, resolution=0.001)) == simple_ranking.apart(values, resolution=0.001) == {(0, 1)}


@pytest.mark.parametrize("shape", SHAPES)
def test_boards_of_equal_entries_hardly_ever_separate_any(shape: str) -> None:
    # A small share of what tests/leaderboard/null_boards.py does; docs/statistics.md has the numbers of the whole.
    for seeds, entries in ((3, 8), (5, 8), (6, 8), (8, 2), (8, 8)):
        alarms = false_alarms(shape, boards=150, seeds=seeds, entries=entries, seed=1)
        assert alarms <= tolerated(150), (seeds, entries)


def test_a_normal_test_alone_is_fooled_by_entries_that_fail_in_some_seeds() -> None:
    # Why the second test is there: 16 equal entries, three seeds, half of all runs collapse.
    assert false_alarms("collapsing", boards=60, seeds=3, entries=16, seed=1, rule="t-test") > 30
    assert false_alarms("collapsing", boards=60, seeds=3, entries=16, seed=1) == 0
