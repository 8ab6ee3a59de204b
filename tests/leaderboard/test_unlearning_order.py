"""Worst cases, the accuracy rule, verdicts and ranks of the unlearning track, on values worked out by hand."""

from pathlib import Path

import pytest
from unlearning_factory import (
    METHODS,
    RETRAIN,
    Left,
    make_checkpoint_result,
    make_unlearning_protocol,
    write_unlearner,
    write_unlearning_board,
)

from bench.leaderboard.sources import Sources, read_sources
from bench.leaderboard.unlearning_order import (
    keeps_accuracy,
    p_words,
    signed,
    standings,
    verdict,
    worst_distance,
    worst_gap,
)
from bench.protocol import SeedCount
from bench.results import Measurement, Result
from bench.unlearning_protocol import UnlearningProtocol

PROTOCOL = make_unlearning_protocol()


def with_measurement(result: Result, **fields: object) -> Result:
    """Replace the measurement of the same metric and condition, without sealing anew."""
    item = Measurement.model_validate(fields)
    kept = [old for old in result.outcome.measurements if (old.metric, old.condition) != (item.metric, item.condition)]
    return result.model_copy(update={"outcome": result.outcome.model_copy(update={"measurements": (*kept, item)})})


def with_seeds(result: Result, metric: str, label: str, values: tuple[float, ...]) -> Result:
    return with_measurement(
        result, metric=metric, condition=label, status="ok", per_seed=values, mean=sum(values) / len(values)
    )


def board_of(root: Path, protocol: UnlearningProtocol = PROTOCOL, **methods: Left) -> Sources:
    for slug in ("original", "retrain"):
        write_unlearner(root, slug, protocol=protocol)
    for slug, left in methods.items():
        write_unlearner(root, slug.replace("_", "-"), left, protocol=protocol, unlearner="gd")
    return read_sources(root, protocols={protocol.id: protocol})


def test_the_worst_case_is_taken_seed_by_seed() -> None:
    result = with_seeds(make_checkpoint_result(METHODS["gd-tiny"]), "retrain_distance", "gaussian", (0.1, 0.5, 0.3))
    result = with_seeds(result, "retrain_distance", "patch", (0.4, 0.2, 0.2))
    worst = worst_distance(result, PROTOCOL)
    assert worst.measurement is not None
    assert worst.measurement.per_seed == (0.4, 0.5, 0.3)
    assert worst.measurement.mean == pytest.approx(0.4)
    assert worst.probe == "gaussian"  # mean 0.3 there, 0.267 on the patch


def test_the_worst_gap_is_the_largest_loss() -> None:
    result = with_seeds(make_checkpoint_result(METHODS["gd-tiny"]), "accuracy_gap", "gaussian", (-0.01, 0.02, 0.0))
    result = with_seeds(result, "accuracy_gap", "patch", (-0.03, -0.01, 0.01))
    gap = worst_gap(result, PROTOCOL)
    assert gap.measurement is not None
    assert gap.measurement.per_seed == (-0.03, -0.01, 0.0)
    assert gap.probe == "patch"


def test_without_a_distance_on_every_probe_there_is_no_worst_case() -> None:
    result = make_checkpoint_result(METHODS["gd-tiny"], drop=("gus",))
    worst = worst_distance(result, PROTOCOL)
    assert worst.measurement is None
    assert worst.reason == "Gaussian noise: not measurable: gus has no value for gaussian/0"


@pytest.mark.parametrize(("loss", "kept"), [(0.0, True), (0.01, True), (0.011, False), (-0.05, True)])
def test_one_point_of_accuracy_may_be_lost_on_any_probe(loss: float, kept: bool) -> None:
    result = make_checkpoint_result(METHODS["gd-tiny"])
    for label in ("gaussian", "patch"):
        value = -loss if label == "patch" else 0.0
        result = with_seeds(result, "accuracy_gap", label, (value,) * 3)
    assert keeps_accuracy(result, PROTOCOL) is kept


@pytest.mark.parametrize(
    ("gus", "bound", "p_value", "kind"),
    [
        (0.02, 0.08, 0.4, "gone"),
        (0.06, 0.099, 0.01, "gone"),  # a trace that is there, and smaller than the margin
        (0.9, 0.95, 0.0, "left"),
        (-0.6, 0.65, 0.0, "over"),
        (0.05, 0.15, 0.2, "open"),
        (0.05, 0.1, 0.2, "open"),  # the margin itself is not below the margin
    ],
)
def test_gone_is_a_claim_that_the_scores_have_to_support(gus: float, bound: float, p_value: float, kind: str) -> None:
    result = with_seeds(make_checkpoint_result(METHODS["gd-tiny"]), "gus", "gaussian", (gus,) * 3)
    for metric, value in (("gus_bound", bound), ("gus_p", p_value)):
        result = with_measurement(result, metric=metric, condition="gaussian", status="ok", pooled=value)
    assert verdict(result, PROTOCOL).kind == kind


def test_a_missing_score_is_no_verdict() -> None:
    result = make_checkpoint_result(METHODS["gd-tiny"])
    gone = {"metric": "gus_bound", "condition": "gaussian", "status": "failed", "reason": "x"}
    found = verdict(with_measurement(result, **gone), PROTOCOL)
    assert (found.kind, found.text) == ("none", "failed")
    assert verdict(None, PROTOCOL).kind == "none"


def test_what_keeps_accuracy_comes_before_what_is_closer_without_it(tmp_path: Path) -> None:
    eight = tuple(item.model_copy(update={"seeds": SeedCount(quick=1, full=8)}) for item in PROTOCOL.probes)
    protocol = make_unlearning_protocol(probes=eight)
    sources = board_of(
        tmp_path,
        protocol,
        near=Left(gus=0.3, patch=0.3, wobble=0.003),
        far=Left(gus=0.9, patch=0.7, wobble=0.003),
        broken=Left(gus=0.01, patch=0.11, accuracy=0.8, wobble=0.003),
    )
    places = standings(sources, protocol)
    assert [(slug, place.text, place.keeps) for slug, place in places.items()] == [
        ("near", "1", True),
        ("far", "2", True),
        ("broken", "3", False),
    ]


def test_what_removes_too_much_is_as_far_as_what_removes_too_little(tmp_path: Path) -> None:
    # The original scores 1.2: 0.6 on either side is half of the way, a distance of one half.
    found = [make_checkpoint_result(Left(gus=gus, patch=0.1, wobble=RETRAIN.wobble)) for gus in (0.6, -0.6)]
    means = [item.measurement("retrain_distance", "gaussian").mean for item in found]  # type: ignore[union-attr]
    assert means == pytest.approx([0.5, 0.5], abs=0.01)


def test_equal_methods_tie_and_the_order_does_not_depend_on_names(tmp_path: Path) -> None:
    left = Left(gus=0.5, patch=0.4)
    places = standings(board_of(tmp_path, aaa=left, bbb=left), PROTOCOL)
    assert {place.text for place in places.values()} == {"1 to 2"}


def test_references_quick_results_and_strangers_are_not_ranked(tmp_path: Path) -> None:
    protocol = write_unlearning_board(tmp_path)
    quick = make_checkpoint_result(Left(gus=0.0, patch=0.1), "swift", tier="quick")
    write_unlearner(tmp_path, "swift", results=[quick], unlearner="gd")
    foreign = make_checkpoint_result(Left(gus=0.0, patch=0.1), "gd-tiny")
    write_unlearner(tmp_path, "thief", results=[foreign], unlearner="gd")
    places = standings(read_sources(tmp_path, protocols={protocol.id: protocol}), protocol)
    assert list(places) == ["gd-tiny", "ga-tiny"]


def test_the_full_tier_goes_before_the_quick_one(tmp_path: Path) -> None:
    left = METHODS["gd-tiny"]
    results = [make_checkpoint_result(left, "gd-tiny", tier=tier) for tier in ("quick", "full")]  # type: ignore[arg-type]
    write_unlearner(tmp_path, "gd-tiny", results=results)
    entry = read_sources(tmp_path, protocols={PROTOCOL.id: PROTOCOL}).unlearning_entries[0]
    shown = entry.shown(PROTOCOL)
    assert shown is not None
    assert shown.result.subject.tier == "full"


def test_small_numbers_in_words() -> None:
    assert (p_words(0.04), p_words(1e-9)) == ("= 0.04", "< 0.0001")
    assert (signed(-0.123), signed(-0.001), signed(1.0, 1)) == ("\u22120.12", "0.00", "1.0")
