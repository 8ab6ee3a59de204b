import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import ttest_rel

from bench.leaderboard.ranking import common_seeds, paired_p_values, rank, rank_text, separated, tie_groups

NAN = float("nan")


def ranks(columns: dict[str, list[float]], *, lower: bool = True) -> dict[str, tuple[int, int, str]]:
    standings = rank(pd.DataFrame(columns), lower_is_better=lower, resolution=0.001)
    return {standing.slug: (standing.best, standing.worst, standing.groups) for standing in standings}


def test_two_entries_far_apart_get_one_rank_each() -> None:
    assert ranks({"bad": [0.9, 0.91, 0.92], "good": [0.1, 0.11, 0.13]}) == {"good": (1, 1, ""), "bad": (2, 2, "")}


def test_higher_is_better_reverses_the_order() -> None:
    found = ranks({"a": [0.9, 0.91, 0.92], "b": [0.1, 0.11, 0.13]}, lower=False)
    assert list(found) == ["a", "b"]


def test_entries_that_seeds_cannot_separate_share_ranks_and_a_letter() -> None:
    # Differences 0.02, -0.02, 0.00: their mean is 0, so nothing can separate a and b; c is far from both.
    found = ranks({"a": [0.10, 0.14, 0.12], "b": [0.12, 0.12, 0.12], "c": [0.90, 0.92, 0.91]})
    assert found == {"a": (1, 2, "A"), "b": (1, 2, "A"), "c": (3, 3, "")}


def test_one_seed_ties_everything() -> None:
    found = ranks({"a": [0.1], "b": [0.5], "c": [0.9]})
    assert set(found.values()) == {(1, 3, "A")}


def test_seeds_that_are_not_shared_do_not_count() -> None:
    found = ranks({"a": [0.1, 0.1, NAN, NAN], "b": [NAN, NAN, 0.9, 0.9]})
    assert set(found.values()) == {(1, 2, "A")}


def test_equal_differences_are_read_with_the_resolution_of_the_metric() -> None:
    # Two seeds, both one step apart: t = 1 / (1 / sqrt(2)) = 1.41 with one degree of freedom, p = 0.39.
    values = np.array([[0.500, 0.501], [0.600, 0.601]])
    assert paired_p_values(values, resolution=0.001)[0, 1] == pytest.approx(0.3918, abs=1e-4)


def test_p_values_agree_with_scipy() -> None:
    values = np.random.default_rng(0).normal(size=(6, 4))
    found = paired_p_values(values, resolution=1e-12)
    for i in range(4):
        for j in range(4):
            if i != j:
                assert found[i, j] == pytest.approx(ttest_rel(values[:, i], values[:, j]).pvalue)


def test_holm_stops_at_the_first_pair_it_cannot_reject() -> None:
    # Three pairs: 0.01 <= 0.05/3 is rejected; 0.03 > 0.05/2 is not, and so 0.04 <= 0.05 is not either.
    p_values = np.array([[1.0, 0.01, 0.03], [0.01, 1.0, 0.04], [0.03, 0.04, 1.0]])
    assert separated(p_values).tolist() == [[False, True, False], [True, False, False], [False, False, False]]


def test_tie_groups_overlap_where_a_middle_entry_ties_both_ways() -> None:
    apart = np.zeros((3, 3), dtype=bool)
    apart[0, 2] = apart[2, 0] = True
    assert tie_groups(apart) == ["A", "A B", "B"]


def test_tie_groups_do_not_repeat_a_run_inside_a_longer_one() -> None:
    assert tie_groups(np.zeros((3, 3), dtype=bool)) == ["A", "A", "A"]


def test_an_empty_board_has_no_standings() -> None:
    assert rank(pd.DataFrame(), lower_is_better=True, resolution=0.001) == []
    assert common_seeds(pd.DataFrame()) == 0


def test_rank_text_is_an_interval_only_where_ranks_differ() -> None:
    first, second = rank(pd.DataFrame({"a": [0.1], "b": [0.2]}), lower_is_better=True, resolution=0.001)
    alone = rank(pd.DataFrame({"a": [0.1]}), lower_is_better=True, resolution=0.001)[0]
    assert (rank_text(first), rank_text(second), rank_text(alone)) == ("1 to 2", "1 to 2", "1")


boards = st.lists(
    st.lists(st.floats(0, 1).map(lambda value: round(value, 3)), min_size=4, max_size=4), min_size=1, max_size=6
)


@given(boards, st.randoms(use_true_random=False))
def test_ranks_do_not_depend_on_the_order_of_entries(columns: list[list[float]], random: object) -> None:
    table = {f"m{index}": values for index, values in enumerate(columns)}
    shuffled = dict(sorted(table.items(), reverse=True))
    assert ranks(table) == ranks(shuffled)


@given(boards)
def test_rank_intervals_stay_on_the_board_and_hold_the_own_place(columns: list[list[float]]) -> None:
    found = ranks({f"m{index}": values for index, values in enumerate(columns)})
    for place, (best, worst, _) in enumerate(found.values(), start=1):
        assert 1 <= best <= place <= worst <= len(columns)
