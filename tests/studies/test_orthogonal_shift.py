import pytest
import torch

from bench.studies.linear import draw_halves, quadratic
from bench.studies.orthogonal_shift import matching_count, measure_linear_shift, wanted_change
from bench.studies.record import LinearRun, LinearSettings, LinearShift

SETTINGS = LinearSettings(
    points=400, dimension=12, informative=6, poisons=40, epochs=60, initializations=2, removed=120, steps=(1, 50)
)


@pytest.fixture(scope="module")
def found() -> LinearShift:
    return measure_linear_shift(SETTINGS, "key", lambda _: None)


def runs(found: LinearShift, coordinates: str, begin: str) -> list[LinearRun]:
    chosen = [run for run in found.runs if (run.coordinates, run.begin) == (coordinates, begin)]
    assert len(chosen) == 2
    return chosen


def test_the_first_step_of_descent_points_along_the_clean_gradient(found: LinearShift) -> None:
    for run in found.runs:
        assert run.path[1].cosine == pytest.approx(run.cosine) if run.cosine is not None else run.path[1].cosine is None


def test_a_change_in_silent_coordinates_is_never_taken_back(found: LinearShift) -> None:
    for run in runs(found, "silent", "clean"):
        # Canceling is not finished after so few epochs, so a trace is left in the other coordinates.
        assert run.cosine is None or abs(run.cosine) < 1e-4
        assert run.informative == pytest.approx(0, abs=1e-4)
        assert run.shift == pytest.approx(SETTINGS.distance, rel=1e-3)
        assert run.path[-1].distance == pytest.approx(run.silent, rel=1e-9)


def test_descent_is_left_with_the_silent_part_of_the_way_back(found: LinearShift) -> None:
    for run in found.runs:
        assert run.shift**2 == pytest.approx(run.informative**2 + run.silent**2)
        assert run.path[-1].distance == pytest.approx(run.silent, abs=0.05 * run.shift)


def test_a_change_where_clean_points_are_leads_back(found: LinearShift) -> None:
    for run in runs(found, "informative", "clean"):
        assert run.silent == pytest.approx(0, abs=1e-9)
        assert run.cosine is not None
        assert run.cosine > 0.9


def test_canceling_lowers_j_but_not_below_the_floor(found: LinearShift) -> None:
    assert all(run.floor <= run.end <= run.start for run in found.runs)


def test_controls_match_a_shift_or_say_that_they_do_not(found: LinearShift) -> None:
    published = [item for item in found.controls if item.wanted is None]
    matched = [item for item in found.controls if item.wanted is not None]
    assert [item.removed for item in published] == [120, 120]
    assert len(matched) == len(found.runs)
    for item in matched:
        assert item.wanted is not None
        assert item.matched == (abs(item.shift - item.wanted) <= 0.01 * item.wanted)
        assert 1 <= item.removed <= 200
    assert all(item.cosine > 0.5 for item in published)


def test_the_same_key_gives_the_same_numbers(found: LinearShift) -> None:
    assert measure_linear_shift(SETTINGS, "key", lambda _: None) == found


def test_a_wanted_change_has_its_length_and_its_coordinates() -> None:
    change = wanted_change(SETTINGS, "silent", torch.Generator().manual_seed(0))
    assert float(change.norm()) == pytest.approx(2)
    assert bool((change[:6] == 0).all())
    assert bool((wanted_change(SETTINGS, "informative", torch.Generator().manual_seed(0))[6:] == 0).all())


def test_matching_takes_one_point_or_all_where_a_shift_is_out_of_reach() -> None:
    points = draw_halves(100, 6, 4, torch.Generator().manual_seed(0))
    order = 50 + torch.arange(50)
    assert matching_count(points, quadratic(points), order, 0.0) == 1
    assert matching_count(points, quadratic(points), order, 100.0) == 50
