import random

from hypothesis import given
from hypothesis import strategies as st

from bench.leaderboard.labels import DOT, Label, label_box, place_labels

WIDTH, HEIGHT = 340.0, 250.0
points = st.lists(st.tuples(st.floats(0, WIDTH), st.floats(0, HEIGHT)), max_size=15)


def apart(one: tuple[float, float, float, float], other: tuple[float, float, float, float]) -> bool:
    return one[0] >= other[2] or other[0] >= one[2] or one[1] >= other[3] or other[1] >= one[3]


@given(points)
def test_no_label_covers_another_one_or_the_point_of_another(spots: list[tuple[float, float]]) -> None:
    placed = place_labels(spots, ["LSP"] * len(spots), width=WIDTH, height=HEIGHT)
    boxes = {index: label_box(label) for index, label in enumerate(placed) if label}
    for index, one in boxes.items():
        assert all(apart(one, other) for key, other in boxes.items() if key != index)
        dots = [(x - DOT, y - DOT, x + DOT, y + DOT) for key, (x, y) in enumerate(spots) if key != index]
        assert all(apart(one, dot) for dot in dots)
        assert one[0] >= 0
        assert one[2] <= WIDTH


def test_a_lone_label_stands_beside_its_point_on_the_side_with_room() -> None:
    left, right = place_labels([(20, 100), (320, 100)], ["EM", "EM"], width=WIDTH, height=HEIGHT)
    assert left == Label("EM", 29.0, 95.0, "right")
    assert right == Label("EM", 311.0, 95.0, "left")


def test_without_room_there_is_no_label_and_an_empty_text_gets_none() -> None:
    crowd = [(20.0, 240.0)] * 9
    placed = place_labels(crowd, ["EM"] * 9, width=WIDTH, height=HEIGHT)
    assert placed[-1] is None
    assert place_labels([(20, 100)], [""], width=WIDTH, height=HEIGHT) == [None]


@given(points, st.randoms())
def test_the_name_that_matters_most_gets_the_place_that_it_would_have_alone(
    spots: list[tuple[float, float]], draws: random.Random
) -> None:
    order = list(range(len(spots)))
    draws.shuffle(order)
    placed = place_labels(spots, ["EM"] * len(spots), width=WIDTH, height=HEIGHT, order=order)
    if order:
        first = order[0]
        alone = ["EM" if index == first else "" for index in range(len(spots))]
        assert placed[first] == place_labels(spots, alone, width=WIDTH, height=HEIGHT)[first]


def test_a_board_of_sixteen_entries_has_names() -> None:
    spots = [(20.0 * index + 10, 15.0 * index + 5) for index in range(16)]
    placed = place_labels(spots, [f"M{index}" for index in range(16)], width=WIDTH, height=HEIGHT)
    assert sum(label is not None for label in placed) >= 12


def test_letters_of_unknown_width_are_given_room() -> None:
    [label] = place_labels([(20, 100)], ["\u4f60\u597d"], width=WIDTH, height=HEIGHT)
    assert label is not None
    left, _, right, _ = label_box(label)
    assert right - left == 26
