import altair as alt
import pytest

from bench.leaderboard.study_charts import cosine_rows, draw_study, path_rows, removal_rows, study_specs
from bench.studies.record import (
    Control,
    LinearRun,
    LinearSettings,
    LinearShift,
    PoisonSettings,
    PoisonShift,
    Removal,
    ShiftStudy,
    Step,
    TargetTry,
)


def make_removal(group: str, repetition: int, l1: float, predicted: float = 0.5) -> Removal:
    return Removal.model_validate(
        {"group": group, "share": 1.0, "repetition": repetition, "removed": 3, "l1": l1, "l2": l1 / 2,
         "predicted_l1": predicted, "predicted_l2": predicted / 2}
    )  # fmt: skip


def make_poison_shift() -> PoisonShift:
    tried = TargetTry(radius=0.5, accuracy=0.4, start=1.0, end=0.1, floor=0.0)
    groups = ("poisons", "random", "unpoisoned")
    values = {"poisons": (10.0, 30.0), "random": (1.0, 2.0), "unpoisoned": (0.0, 1.0)}
    return PoisonShift(
        dataset="digits", train_sha256="a", test_sha256="b", images=60, features=4, network_accuracy=0.9, poisons=3,
        tries=(tried,), radius=0.5, start=1.0, end=0.1, floor=0.0, clean_accuracy=0.9, target_accuracy=0.4,
        poisoned_accuracy=0.8, gap=0.2, norm=3.0, largest_feature=2.0, largest_poison=9.0,
        removals=tuple(make_removal(group, index, values[group][index]) for group in groups for index in (0, 1)),
    )  # fmt: skip


def make_run(coordinates: str, cosine: float | None) -> LinearRun:
    path = (Step(step=0, cosine=None, distance=4.0), Step(step=1, cosine=cosine, distance=1.0))
    return LinearRun.model_validate(
        {"coordinates": coordinates, "begin": "clean", "initialization": 0, "start": 1.0, "end": 0.5, "floor": 0.0,
         "shift": 2.0, "informative": 1.0, "silent": 1.0, "gap": 0.0, "cosine": cosine, "path": path}
    )  # fmt: skip


def make_control(*, wanted: float | None, matched: bool | None) -> Control:
    path = (Step(step=0, cosine=None, distance=2.0), Step(step=1, cosine=0.9, distance=1.0))
    return Control(
        coordinates="all" if wanted else None, begin="clean" if wanted else None, initialization=0, removed=3,
        wanted=wanted, matched=matched, shift=0.5, cosine=0.9, path=path,
    )  # fmt: skip


def make_study() -> ShiftStudy:
    linear = LinearShift(
        eigenvalues=(0.9, 1.1),
        runs=(make_run("all", 0.25), make_run("silent", None)),
        controls=(
            make_control(wanted=None, matched=None),
            make_control(wanted=0.5, matched=True),
            make_control(wanted=9.0, matched=False),
        ),
    )
    return ShiftStudy(
        schema="bench.study/1", study="shift", code_sha256="c", key="k", poison_settings=PoisonSettings(),
        linear_settings=LinearSettings(), poison_shifts=(make_poison_shift(),), linear_shift=linear,
    )  # fmt: skip


SPECS = study_specs(make_study())


@pytest.mark.parametrize("name", sorted(SPECS))
def test_every_chart_is_valid_vega_lite(name: str) -> None:
    alt.Chart.from_dict(SPECS[name])
    assert SPECS[name]["name"]


def test_charts_stand_alone_and_are_the_same_bytes_each_time() -> None:
    first = draw_study(make_study())
    assert first == draw_study(make_study())
    assert sorted(first) == [
        "shift-cosines.svg",
        "shift-digits-l1.svg",
        "shift-digits-l2.svg",
        "shift-path-cosines.svg",
        "shift-path-distances.svg",
    ]
    for content in first.values():
        assert content.startswith(b"<svg")
        assert b"var(--" not in content
        assert b"NaN" not in content


def test_removal_rows_hold_means_and_runs_and_leave_zeros_out() -> None:
    rows = removal_rows(make_poison_shift(), "l1")
    means, runs = rows[rows["repetition"].isna()], rows[rows["repetition"].notna()]
    found = means.set_index(["group", "source"])["value"]
    assert found["poisons", "retrained"] == 20.0
    assert found["poisons", "predicted"] == 0.5
    assert list(runs["value"]) == [10.0, 30.0, 1.0, 2.0, 1.0]


def test_cosines_leave_out_the_undefined_and_the_unmatched() -> None:
    rows = cosine_rows(make_study().linear_shift)
    assert list(rows["cosine"]) == [0.25, 0.9, 0.9]
    assert list(rows["kind"]) == ["poisons", "random", "random"]


def test_distances_are_shares_of_the_start() -> None:
    rows = path_rows(make_study().linear_shift, "distance")
    assert list(rows["value"]) == [1.0, 0.25, 1.0, 0.25, 1.0, 0.5]
    assert list(path_rows(make_study().linear_shift, "cosine")["value"]) == [0.25, 0.9]
