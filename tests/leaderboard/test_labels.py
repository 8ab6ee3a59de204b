from hypothesis import given
from hypothesis import strategies as st

from bench.leaderboard.labels import CHARACTER, DOT, LINE, Label, place_labels

WIDTH, HEIGHT = 340.0, 250.0
points = st.lists(st.tuples(st.floats(0, WIDTH), st.floats(0, HEIGHT)), max_size=15)


def box(label: Label) -> tuple[float, float, float, float]:
    start = label.x if label.side == "right" else label.x - CHARACTER * len(label.text)
    return start, label.y - LINE / 2, start + CHARACTER * len(label.text), label.y + LINE / 2


def apart(one: tuple[float, float, float, float], other: tuple[float, float, float, float]) -> bool:
    return one[0] >= other[2] or other[0] >= one[2] or one[1] >= other[3] or other[1] >= one[3]


@given(points)
def test_no_label_covers_another_one_or_the_point_of_another(spots: list[tuple[float, float]]) -> None:
    placed = place_labels(spots, ["LSP"] * len(spots), width=WIDTH, height=HEIGHT)
    boxes = {index: box(label) for index, label in enumerate(placed) if label}
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
