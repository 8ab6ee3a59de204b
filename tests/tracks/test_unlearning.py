"""What follows from measured checkpoints, worked out by hand."""

import pytest
from unlearned import small_unlearning_protocol

from bench.code_digest import code_digest
from bench.metrics.gus_statistics import equivalence, tpr_at
from bench.probes import PROBES
from bench.probes.probe import Probe
from bench.registry import resolve
from bench.results import CheckpointRef, CheckpointResult, GaussianCurve
from bench.tracks.unlearning import REMOVAL, build_subject, cell_modules, checkpoint_key, measure_probes
from bench.unlearning_protocol import ProbeCell

PROTOCOL = small_unlearning_protocol()
SCORES = ((0.5, 1.5, 2.5, -0.5), (1.0, 0.0, 3.0, 2.0))


def make_cell(probe: str, seed: int, *, gaussian: tuple[float, ...] | None = None, **values: float) -> CheckpointResult:
    found = {
        "checkpoint_test_accuracy": 0.9,
        "retain_accuracy": 1.0,
        "forget_accuracy": 0.5,
        "mia_confidence": 0.5,
        "relearn_epochs": 2.0,
        **values,
    }
    curve = None if gaussian is None else GaussianCurve(forget=gaussian, kept=(1.0,), never=(0.0,), skipped=0)
    key = f"{probe}/{seed}"
    return CheckpointResult(key=key, model="resnet-narrow", probe=probe, seed=seed, values=found, gaussian=curve)


def make_cells(gus: float, patch: float, **values: float) -> dict[ProbeCell, CheckpointResult]:
    cells = {}
    for seed in range(2):
        cells["gaussian", seed] = make_cell("gaussian", seed, gaussian=SCORES[seed], gus=gus, **values)
        cells["patch", seed] = make_cell("patch", seed, patch_success=patch, **values)
    return {ProbeCell("resnet-narrow", *place): cell for place, cell in cells.items()}


def measure(own, original=None, retrained=None):
    original = original or make_cells(1.0, 1.0, forget_accuracy=1.0)
    retrained = retrained or make_cells(0.0, 0.1)
    found = measure_probes(PROTOCOL, "full", own, original, retrained)
    return {(item.metric, item.condition): item for item in found}


def test_removal_is_0_at_the_original_and_1_at_the_retrained_network():
    assert measure(make_cells(1.0, 1.0))["removal", "gaussian"].mean == 0
    assert measure(make_cells(0.0, 0.1))["removal", "patch"].mean == 1
    assert measure(make_cells(0.25, 0.55))["removal", "gaussian"].mean == 0.75
    assert measure(make_cells(0.25, 0.55))["removal", "patch"].mean == 0.5


def test_going_beyond_retraining_is_as_far_as_stopping_before_it():
    found = measure(make_cells(-0.25, 0.1))
    assert found["removal", "gaussian"].mean == 1.25
    assert found["retrain_distance", "gaussian"].mean == 0.25


def test_a_poison_without_effect_cannot_be_removed():
    found = measure(make_cells(0.5, 0.5), original=make_cells(0.3, 1.0), retrained=make_cells(0.3, 0.0))
    assert found["removal", "gaussian"].status == "not_measurable"
    assert found["removal", "patch"].mean == 0.5


def test_tow_multiplies_what_is_left_of_three_agreements():
    own = make_cells(0.5, 0.5, checkpoint_test_accuracy=0.8, retain_accuracy=0.9, forget_accuracy=0.7)
    found = measure(own)["tow", "gaussian"]
    assert found.mean == pytest.approx(0.8 * 0.9 * 0.9)


def test_the_accuracy_gap_keeps_its_sign():
    found = measure(make_cells(0.5, 0.5, checkpoint_test_accuracy=0.85))
    assert found["accuracy_gap", "gaussian"].mean == -0.05


def test_scores_of_all_seeds_are_pooled():
    found = measure(make_cells(0.5, 0.5))
    rate = tpr_at(SCORES, 0.01)
    assert rate.hits == 2
    assert found["gus_tpr_01", "gaussian"].pooled == 0.25
    assert found["gus_tpr_01", "gaussian"].pooled_ci95 == pytest.approx(
        (rate.interval.low, rate.interval.high), abs=1e-6
    )
    assert found["gus_bound", "gaussian"].pooled == pytest.approx(equivalence(SCORES, 0.1).bound, abs=1e-6)


def test_a_network_without_scores_leaves_the_trace_unknown():
    """A constant network has no input gradient: no score, and no claim about it."""
    own = make_cells(0.5, 0.5)
    silent = ProbeCell("resnet-narrow", "gaussian", 1)
    own[silent] = make_cell("gaussian", 1, gaussian=())
    found = measure(own)
    for key in ("gus_bound", "gus_p", "gus_tpr_01", "gus_auc"):
        assert found[key, "gaussian"].status == "not_measurable"
        assert "no item has a Gaussian score" in found[key, "gaussian"].reason
    assert found["removal", "patch"].status == "ok"


def test_an_original_without_a_trace_leaves_no_share_of_it():
    found = measure(make_cells(0.5, 0.5), original=make_cells(0.0, 1.0))
    assert found["gus_residual", "gaussian"].status == "not_measurable"


def test_a_relearn_time_beyond_the_limit_has_no_ratio():
    found = measure(make_cells(0.5, 0.5), retrained=make_cells(0.0, 0.1, relearn_epochs=3.0))
    assert found["relearn_ratio", "gaussian"].status == "not_measurable"


def test_a_probe_that_the_tier_leaves_out_is_not_run():
    own = {
        cell: found for cell, found in make_cells(0.5, 0.5).items() if cell == ProbeCell("resnet-narrow", "gaussian", 0)
    }
    found = {(item.metric, item.condition): item for item in measure_probes(PROTOCOL, "quick", own, own, own)}
    assert found["removal", "gaussian"].status == "not_measurable"
    assert found["tow", "patch"].status == "not_run"
    assert found["tow", "patch"].reason == "not part of tier quick"


@pytest.mark.parametrize("name", PROBES)
def test_the_effect_that_is_compared_is_the_one_that_the_probe_states(name):
    probe: Probe = resolve("probe", name, PROBES)
    assert REMOVAL[name] == probe.removal


def make_ref(**changes):
    fields = {
        "role": "checkpoint",
        "probe": "gaussian",
        "seed": 0,
        "sha256": "a" * 64,
        "bytes": 9,
        "original": "b" * 64,
    }
    return CheckpointRef.model_validate({**fields, **changes})


def key(protocol=PROTOCOL, ref=None, retrained="c" * 64, challenge="sha256:d"):
    return checkpoint_key(protocol, ProbeCell("resnet-narrow", "gaussian", 0), ref or make_ref(), retrained, challenge)


def test_a_key_covers_checkpoint_references_secret_and_settings():
    settings = PROTOCOL.metrics.model_copy(update={"relearn_epochs": 3})
    others = {
        key(ref=make_ref(sha256="e" * 64)),
        key(ref=make_ref(original="e" * 64)),
        key(retrained="e" * 64),
        key(challenge="sha256:e"),
        key(protocol=PROTOCOL.model_copy(update={"metrics": settings})),
    }
    assert len(others | {key()}) == 6


def test_words_and_unlearner_settings_are_no_part_of_what_is_asked():
    reworded = PROTOCOL.model_copy(update={"title": "other", "unlearners": {"gd": {"learning_rate": 0.5}}})
    assert reworded.sha256 == PROTOCOL.sha256
    assert key(protocol=reworded) == key()


def test_a_subject_names_its_probes_and_the_code_behind_them():
    subject = build_subject(PROTOCOL, "quick", [make_ref()], PROTOCOL.dataset, "sha256:d")
    assert [(item.label, item.seeds) for item in subject.conditions] == [("gaussian", (0,))]
    assert subject.challenge == "sha256:d"
    assert "bench.probes.gaussian" in cell_modules("resnet-narrow", "gaussian")
    assert code_digest(cell_modules("resnet-narrow", "gaussian")) != code_digest(cell_modules("resnet-narrow", "patch"))
