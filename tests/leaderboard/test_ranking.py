from string import ascii_uppercase

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from bench.leaderboard.ranking import SeedTable, rank, rank_text, tie_groups

NAN = float("nan")
LOW = [0.10, 0.11, 0.13, 0.12, 0.10, 0.11]
HIGH = [0.90, 0.92, 0.91, 0.90, 0.93, 0.91]


def table_of(columns: dict[str, list[float]]) -> SeedTable:
    return SeedTable(tuple(columns), np.array(list(columns.values())).T)


def ranks(columns: dict[str, list[float]], *, lower: bool = True) -> dict[str, tuple[int, int, str]]:
    standings = rank(table_of(columns), lower_is_better=lower, resolution=0.001)
    return {standing.slug: (standing.best, standing.worst, standing.groups) for standing in standings}


def test_two_entries_far_apart_get_one_rank_each() -> None:
    assert ranks({"bad": HIGH, "good": LOW}) == {"good": (1, 1, ""), "bad": (2, 2, "")}


def test_five_seeds_leave_every_rank_open() -> None:
    assert ranks({"bad": HIGH[:5], "good": LOW[:5]}) == {"good": (1, 2, "A"), "bad": (1, 2, "A")}


def test_higher_is_better_reverses_the_order() -> None:
    assert ranks({"a": HIGH, "b": LOW}, lower=False) == {"a": (1, 1, ""), "b": (2, 2, "")}


def test_entries_that_seeds_cannot_separate_share_ranks_and_a_letter() -> None:
    # Differences 0.02, -0.02 in turn: their mean is 0, so nothing can separate a and b; c is far from both.
    found = ranks({"a": [0.10, 0.14] * 3, "b": [0.12] * 6, "c": HIGH})
    assert found == {"a": (1, 2, "A"), "b": (1, 2, "A"), "c": (3, 3, "")}


def test_one_seed_ties_everything() -> None:
    found = ranks({"a": [0.1], "b": [0.5], "c": [0.9]})
    assert set(found.values()) == {(1, 3, "A")}


def test_seeds_that_are_not_shared_do_not_count() -> None:
    found = ranks({"a": [*LOW, *[NAN] * 6], "b": [*[NAN] * 6, *HIGH]})
    assert set(found.values()) == {(1, 2, "A")}


def test_means_and_tests_that_point_opposite_ways_decide_nothing() -> None:
    # Over common seeds a is lower by about 0.1; its other seeds make its mean the higher one.
    common = [0.30, 0.31, 0.32, 0.30, 0.31, 0.33]
    higher = [0.40, 0.42, 0.41, 0.41, 0.40, 0.43]
    alone = {"a": common, "b": higher}
    assert ranks(alone) == {"a": (1, 1, ""), "b": (2, 2, "")}
    found = ranks({"a": [*common, 0.9, 0.9, 0.9], "b": [*higher, NAN, NAN, NAN]})
    assert found == {"b": (1, 2, "A"), "a": (1, 2, "A")}


def test_tie_groups_of_a_long_board_are_those_of_every_start() -> None:
    # The plain way: for each start the longest run without a pair apart, kept if no earlier run holds it.
    generator = np.random.default_rng(1)
    upper = np.triu(generator.random((30, 30)) < 0.05, k=1)
    apart = upper | upper.T
    runs: list[range] = []
    for start in range(30):
        stop = start + 1
        while stop < 30 and not apart[start:stop, stop].any():
            stop += 1
        if stop - start > 1 and (not runs or stop > runs[-1].stop):
            runs.append(range(start, stop))
    expected = [" ".join(ascii_uppercase[n] for n, run in enumerate(runs) if place in run) for place in range(30)]
    assert len(runs) > 3
    assert tie_groups(apart) == expected


def test_tie_groups_overlap_where_a_middle_entry_ties_both_ways() -> None:
    apart = np.zeros((3, 3), dtype=bool)
    apart[0, 2] = apart[2, 0] = True
    assert tie_groups(apart) == ["A", "A B", "B"]


def test_tie_groups_do_not_repeat_a_run_inside_a_longer_one() -> None:
    assert tie_groups(np.zeros((3, 3), dtype=bool)) == ["A", "A", "A"]


def test_an_empty_board_has_no_standings() -> None:
    assert rank(SeedTable.of({}), lower_is_better=True, resolution=0.001) == []
    assert SeedTable.of({}).common_seeds == 0


def test_a_table_has_a_row_for_each_seed_and_nothing_where_one_was_not_run() -> None:
    table = SeedTable.of({"fog": {2: 0.5, 0: 0.25}, "mist": {1: 1.0, 2: 2.0}})
    assert table.names == ("fog", "mist")
    assert np.array_equal(table.values, [[0.25, NAN], [NAN, 1.0], [0.5, 2.0]], equal_nan=True)
    assert table.means.tolist() == [0.375, 1.5]
    assert table.common_seeds == 1


def test_means_do_not_depend_on_the_order_of_seeds() -> None:
    # Added from the left, 0.1 + 0.2 + 0.3 and 0.3 + 0.2 + 0.1 differ in the last digit.
    table = table_of({"a": [0.1, 0.2, 0.3], "b": [0.3, 0.2, 0.1]})
    assert table.means[0] == table.means[1]


def test_rank_text_is_an_interval_only_where_ranks_differ() -> None:
    first, second = rank(table_of({"a": [0.1], "b": [0.2]}), lower_is_better=True, resolution=0.001)
    alone = rank(table_of({"a": [0.1]}), lower_is_better=True, resolution=0.001)[0]
    assert (rank_text(first), rank_text(second), rank_text(alone)) == ("1 to 2", "1 to 2", "1")


boards = st.lists(
    st.lists(st.floats(0, 1).map(lambda value: round(value, 3)), min_size=8, max_size=8), min_size=1, max_size=6
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


@given(boards, st.integers(0, 5))
def test_identical_entries_share_rank_and_group(columns: list[list[float]], which: int) -> None:
    chosen = columns[which % len(columns)]
    found = ranks({**{f"m{index}": values for index, values in enumerate(columns)}, "twin": chosen})
    assert found["twin"][:2] == found[f"m{which % len(columns)}"][:2]


def test_a_hundred_shufflings_of_a_board_give_equal_standings() -> None:
    generator = np.random.default_rng(7)
    values = generator.normal(0.3, 0.02, (8, 12)) + 0.03 * (np.arange(12) // 2)
    table = SeedTable(tuple(f"m{index}" for index in range(12)), values)
    first = rank(table, lower_is_better=True, resolution=1 / 360)
    assert len({standing.best for standing in first}) > 3
    for _ in range(100):
        order = generator.permutation(12)
        names = tuple(table.names[index] for index in order)
        shuffled = SeedTable(names, values[np.ix_(generator.permutation(8), order)])
        assert [
            (item.slug, item.best, item.worst, item.groups)
            for item in rank(shuffled, lower_is_better=True, resolution=1 / 360)
        ] == [(item.slug, item.best, item.worst, item.groups) for item in first]
