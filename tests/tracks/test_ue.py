"""Keys, subjects and metrics of the UE track, without training anything."""

import pytest
from factories import make_sal
from protocol_factory import make_protocol

from bench.data.identity import pin_stated
from bench.protocol import Cell, OfficialSal, SeedCount, load_protocol
from bench.results import ArtifactRef, CellResult, DataRef, OfficialCurve, subject_key
from bench.tracks.ue import build_subject, cell_key, cell_modules, measure_conditions, official_settings

PROTOCOL = load_protocol("ue-digits-v1")
CELL = PROTOCOL.cells("full")[0]


def artifact(sha256: str = "0" * 64) -> ArtifactRef:
    return ArtifactRef(role="perturbation", sha256=sha256, bytes=8, dtype="int8", shape=(1, 1, 8, 8), norm="linf")


def cell_result(seed: int, accuracy: list[float], sal: list[list[float]]) -> CellResult:
    curve = make_sal().model_copy(
        update={
            "epochs": tuple(range(1, len(sal) + 1)),
            "layers": tuple("abcde"),
            "loss": tuple(0.1 for _ in sal),
            "values": tuple(tuple(row) for row in sal),
            "gradients": tuple(1 for _ in sal),
        }
    )
    return CellResult(
        key="sha256:x",
        model="m",
        defense="none",
        seed=seed,
        train_loss=tuple(accuracy),
        train_accuracy=tuple(accuracy),
        test_accuracy=tuple(accuracy),
        sal=curve,
    )


CLEAN = [[0.01, 0.02, 0.03, 0.50, 0.60], [0.0, 0.05, 0.10, 0.90, 0.20]]
POISONED = [[0.02, 0.02, 0.03, 0.40, 0.10], [0.0, 0.01, 0.01, 0.02, 0.02]]


def test_a_cells_key_follows_everything_that_decides_its_numbers():
    base = cell_key(PROTOCOL, CELL, (artifact(),))
    sal = PROTOCOL.sal.model_copy(update={"epsilon": 0.1})
    recipe = PROTOCOL.recipe.model_copy(update={"epochs": 13})
    others = [
        cell_key(PROTOCOL, CELL, ()),
        cell_key(PROTOCOL, CELL, (artifact("1" * 64),)),
        cell_key(PROTOCOL, Cell(CELL.model, CELL.defense, 1), (artifact(),)),
        cell_key(PROTOCOL.model_copy(update={"sal": sal}), CELL, (artifact(),)),
        cell_key(PROTOCOL.model_copy(update={"recipe": recipe}), CELL, (artifact(),)),
    ]
    assert len({base, *others}) == 6
    assert cell_key(PROTOCOL.model_copy(update={"id": "ue-other-v1", "title": "x"}), CELL, (artifact(),)) == base


def test_digests_that_are_not_pinned_decide_a_key_as_pinned_ones_do():
    pinned = PROTOCOL.dataset
    loose = PROTOCOL.model_copy(
        update={"dataset": pinned.model_copy(update={"train": pinned.train.model_copy(update={"sha256": None})})}
    )

    def measured(sha256: str):
        refs = [DataRef(name="digits/train", images=pinned.train.images, sha256=sha256)]
        return pin_stated(loose.dataset, refs)

    keys = [
        cell_key(loose.model_copy(update={"dataset": measured(sha256)}), CELL, ())
        for sha256 in (pinned.train.sha256, "a" * 64, "b" * 64)
    ]
    assert keys[0] == cell_key(PROTOCOL, CELL, ())
    assert len(set(keys)) == 3
    subjects = [build_subject(loose, "full", (), measured(sha256)) for sha256 in ("a" * 64, "b" * 64)]
    assert subject_key(subjects[0]) != subject_key(subjects[1])
    assert {subject.protocol.sha256 for subject in subjects} == {loose.sha256}


def test_tiers_ask_different_questions_of_the_same_cells():
    quick, full = (build_subject(PROTOCOL, tier, ()) for tier in ("quick", "full"))
    assert subject_key(quick) != subject_key(full)
    assert set(quick.conditions[0].seeds) < set(full.conditions[0].seeds)


def test_the_digested_modules_are_those_a_cell_uses():
    modules = cell_modules([("resnet-narrow", "none")])
    assert {"bench.models.resnet", "bench.metrics.sal", "bench.training"} <= modules
    assert not any("leaderboard" in name or "validation" in name for name in modules)


def metrics(own: list[list[float]], clean: list[list[float]]) -> dict[str, object]:
    protocol = make_protocol(conditions=(PROTOCOL.conditions[0].model_copy(update={"defense": "none"}),))
    cells = protocol.cells("quick")
    measured = {cells[0]: cell_result(0, [0.9, 0.2, 0.4], own)}
    reference = {cells[0]: cell_result(0, [0.5, 0.7, 0.95], clean)}
    return {found.metric: found for found in measure_conditions(protocol, "quick", measured, reference)}


def test_metrics_of_one_seed_worked_out_by_hand():
    found = metrics(POISONED, CLEAN)
    values = {key: item.mean for key, item in found.items()}
    assert values == pytest.approx(
        {
            "test_accuracy": 0.4,
            "peak_accuracy": 0.9,
            "accuracy_drop": 0.55,
            "train_accuracy": 0.4,
            "learnable_layers": 0.5,
            "ud": 1 / 3,
            "beta": 0.389375,
        },
        abs=1e-6,
    )


def defended(**changes) -> dict[tuple[str, str], object]:
    """Measure two conditions, two seeds of the undefended one; the defense brings everybody closer to clean."""
    plain = PROTOCOL.conditions[0].model_copy(update={"seeds": SeedCount(quick=1, full=2)})
    jpeg = plain.model_copy(update={"defense": "jpeg", "primary": False, "seeds": SeedCount(quick=0, full=1)})
    protocol = make_protocol(conditions=(plain, jpeg), **changes)
    first, second, third = protocol.cells("full")
    own = {
        first: cell_result(0, [0.2], POISONED),
        second: cell_result(1, [0.3], CLEAN),
        third: cell_result(0, [0.6], CLEAN),
    }
    clean = {
        first: cell_result(0, [0.95], CLEAN),
        second: cell_result(1, [0.95], CLEAN),
        third: cell_result(0, [0.9], MORE),
    }
    return {(item.metric, item.condition): item for item in measure_conditions(protocol, "full", own, clean)}


MORE = [[0.01, 0.02, 0.5, 0.50, 0.60], [0.0, 0.7, 0.9, 0.90, 0.9]]


def test_a_defended_distance_is_counted_against_both_clean_runs():
    found = defended()
    assert found["ud", "resnet-narrow/jpeg"].mean == 1.0
    assert found["ud_matched", "resnet-narrow/jpeg"].mean == pytest.approx((2 + 1) / (3 + 4))
    assert found["accuracy_drop", "resnet-narrow/jpeg"].mean == pytest.approx(0.3)
    assert ("ud_matched", "resnet-narrow/none") not in found


def test_the_worst_case_is_taken_seed_by_seed_over_the_seeds_that_all_defenses_have():
    found = defended()
    assert found["worst_test_accuracy", "resnet-narrow/none"].per_seed == (0.6,)
    assert found["worst_ud_matched", "resnet-narrow/none"].per_seed == pytest.approx((3 / 7,), abs=1e-6)
    assert not any(metric.startswith("worst") and "jpeg" in condition for metric, condition in found)


def with_official(cell: CellResult, running: float) -> CellResult:
    """One epoch, losses that the search met around a start of 0.5; layers as in vector H."""
    curve = OfficialCurve(
        epochs=(1,),
        layers=tuple("abcde"),
        running_loss=(running,),
        start_loss=(0.5,),
        highest=((0.51, 0.52, 0.53, 1.0, 1.1),),
        lowest=((0.49, 0.48, 0.47, 0.3, 0.2),),
        gradients=(1,),
    )
    return cell.model_copy(update={"official": curve})


def test_the_published_distance_counts_an_offset_that_the_other_origin_does_not():
    official = OfficialSal(seeds=(0,), epochs=(1,))
    sal = PROTOCOL.sal.model_copy(update={"epochs": (1, 2), "official": official})
    condition = PROTOCOL.conditions[0].model_copy(update={"seeds": SeedCount(quick=2, full=2)})
    protocol = make_protocol(conditions=(condition,), sal=sal)
    first, second = protocol.cells("full")
    clean = {
        first: with_official(cell_result(0, [0.9], CLEAN), running=0.5),
        second: cell_result(1, [0.9], CLEAN),
    }
    own = {
        first: with_official(cell_result(0, [0.2], POISONED), running=1.5),
        second: cell_result(1, [0.2], POISONED),
    }
    found = {item.metric: item for item in measure_conditions(protocol, "full", own, clean)}
    assert found["ud_official"].per_seed == (2.5,)
    assert found["ud_official_start"].per_seed == (1.0,)
    assert len(found["ud"].per_seed) == 2


def test_only_the_named_seeds_of_the_primary_condition_run_the_published_search():
    cells = PROTOCOL.cells("full")
    searched = [cell for cell in cells if official_settings(PROTOCOL, cell) is not None]
    assert [cell.label for cell in searched] == [f"resnet-narrow/none/{seed}" for seed in (1, 2, 3)]
    without = PROTOCOL.model_copy(update={"sal": PROTOCOL.sal.model_copy(update={"official": None})})
    assert cell_key(PROTOCOL, cells[1], ()) != cell_key(without, cells[1], ())
    assert cell_key(PROTOCOL, cells[0], ()) == cell_key(without, cells[0], ())


def test_an_undefined_distance_has_a_status_and_a_reason_and_no_number():
    flat = [[0.1] * 5, [0.1] * 5]
    found = metrics(POISONED, flat)["ud"]
    assert (found.status, found.mean, found.per_seed) == ("not_measurable", None, None)
    assert "no denominator" in found.reason


def test_a_condition_without_seeds_in_a_tier_is_said_to_be_not_run():
    condition = PROTOCOL.conditions[0]
    seeds = condition.seeds.model_copy(update={"quick": 0})
    protocol = PROTOCOL.model_copy(update={"conditions": (condition.model_copy(update={"seeds": seeds}),)})
    found = measure_conditions(protocol, "quick", {}, {})
    assert {item.status for item in found} == {"not_run"}
    assert all(item.reason == "not part of tier quick" for item in found)
