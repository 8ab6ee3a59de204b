from typing import Any

import pytest
from factories import Found, make_result, make_run
from hypothesis import given
from hypothesis import strategies as st
from leaderboard.shelved import in_memory as stored
from protocol_factory import make_protocol
from unlearning_factory import METHODS, Left, make_checkpoint_result, make_unlearning_protocol

from bench.leaderboard.replication import replication
from bench.results import Run

PROTOCOL = make_protocol()
HERE: dict[str, str | int] = {"cpu": "Example CPU", "cores": 2, "device": "cpu"}
THERE: dict[str, str | int] = {"cpu": "Other CPU", "cores": 2, "device": "cpu"}
FOUND = make_result(PROTOCOL, Found((0.10, 0.20, 0.15)))
NEAR = make_result(PROTOCOL, Found((0.11, 0.20, 0.15)))
FAR = make_result(PROTOCOL, Found((0.80, 0.82, 0.81)))


def run(hardware: dict[str, str | int], **changes: Any) -> Run:
    return make_run(hardware=hardware, **changes)


def test_one_run_is_measured_and_no_more() -> None:
    assert replication([stored(FOUND, run(HERE))], PROTOCOL) == "measured"
    assert replication([stored(FOUND)], PROTOCOL) == "measured"


def test_the_same_finding_on_other_hardware_is_verified() -> None:
    assert replication([stored(FOUND, run(HERE), run(THERE))], PROTOCOL) == "verified"


def test_a_repeated_run_on_the_same_hardware_verifies_nothing() -> None:
    again = run({**HERE, "memory_bytes": 1, "cores": 64}, ended="2026-02-01T00:00:00Z")
    assert replication([stored(FOUND, run(HERE), again)], PROTOCOL) == "measured"
    assert replication([stored(FOUND, run(HERE)), stored(NEAR, again)], PROTOCOL) == "measured"


def test_cells_from_a_cache_verify_nothing() -> None:
    cached = run(THERE, cells_trained=0, cells_reused=6)
    assert replication([stored(FOUND, run(HERE), cached)], PROTOCOL) == "measured"
    resumed = run(THERE, cells_trained=len(FOUND.outcome.cells) - 1)
    assert replication([stored(FOUND, run(HERE), resumed)], PROTOCOL) == "measured"


def test_findings_agree_where_each_mean_lies_in_the_other_interval() -> None:
    # Means 0.15 and 0.1533, half widths 0.124 and 0.112: each within the other. 0.81 is far away from 0.15.
    assert replication([stored(FOUND, run(HERE)), stored(NEAR, run(THERE))], PROTOCOL) == "verified"
    assert replication([stored(FOUND, run(HERE)), stored(FAR, run(THERE))], PROTOCOL) == "differs"
    three = [stored(FOUND, run(HERE)), stored(NEAR, run(THERE)), stored(FAR, run({"cpu": "third"}))]
    assert replication(three, PROTOCOL) == "differs"


def test_one_seed_decides_nothing() -> None:
    one, other = (make_result(PROTOCOL, Found((value,)), tier="quick") for value in (0.1, 0.9))
    assert replication([stored(one, run(HERE)), stored(other, run(THERE))], PROTOCOL) == "measured"


def test_results_of_different_questions_are_refused() -> None:
    quick = make_result(PROTOCOL, Found((0.1,)), tier="quick")
    with pytest.raises(ValueError, match="different keys"):
        replication([stored(FOUND, run(HERE)), stored(quick, run(THERE))], PROTOCOL)


def test_checkpoints_have_to_agree_on_every_probe() -> None:
    protocol = make_unlearning_protocol()
    first = make_checkpoint_result(METHODS["gd-tiny"])
    same = make_checkpoint_result(Left(gus=0.9, patch=0.62, accuracy=0.9621, wobble=0.005))
    other = make_checkpoint_result(Left(gus=0.9, patch=0.2, accuracy=0.962, wobble=0.005))
    assert replication([stored(first, run(HERE)), stored(same, run(THERE))], protocol) == "verified"
    assert replication([stored(first, run(HERE)), stored(other, run(THERE))], protocol) == "differs"


@given(st.permutations(range(3)))
def test_the_order_of_results_says_nothing(order: list[int]) -> None:
    items = [stored(FOUND, run(HERE)), stored(NEAR, run(THERE)), stored(FAR, run({"cpu": "third"}))]
    assert replication([items[index] for index in order], PROTOCOL) == "differs"
