"""The front against a search through all pairs."""

import random

from bench.leaderboard.pareto import front

Points = list[tuple[float, float]]


def brute(points: Points) -> set[int]:
    return {
        index
        for index, (x, y) in enumerate(points)
        if not any(other != (x, y) and other[0] <= x and other[1] <= y for other in points)
    }


def test_the_front_is_that_of_a_search_through_all_pairs_on_a_thousand_boards() -> None:
    draws = random.Random(0)
    ties = 0
    for _ in range(1000):
        # Few values, so that most boards have ties in one measure and equal points.
        values = draws.choice([3, 6, 1000])
        points = [(draws.randrange(values) / 2, draws.randrange(values) / 2) for _ in range(draws.randrange(25))]
        found = front(points)
        assert set(found) == brute(points)
        assert len(found) == len(set(found))
        ties += len(set(points)) < len(points)
    assert ties > 300


def test_the_front_goes_down_from_left_to_right() -> None:
    points = [(3.0, 1.0), (1.0, 3.0), (2.0, 2.0), (2.0, 2.0), (2.0, 2.5), (3.0, 2.0), (0.5, 9.0)]
    assert front(points) == [6, 1, 2, 3, 0]


def test_without_points_there_is_no_front() -> None:
    assert front([]) == []
