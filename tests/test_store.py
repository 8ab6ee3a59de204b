"""Results on disk: canonical bytes, digests that hold, and every edit found and named."""

import copy
import json
from pathlib import Path
from random import Random

import pytest
import rfc8785
from factories import make_result, make_run
from hypothesis import given
from hypothesis import strategies as st
from protocol_factory import make_wide_protocol

from bench.errors import CorruptResult, UsageProblem
from bench.results import build_result, leaves, result_bytes, rounded, summarize
from bench.store import check_result, check_runs, find_result, read_result, result_files, runs_path, write_result


@pytest.fixture
def stored(tmp_path) -> Path:
    result = make_result()
    return write_result(result, make_run(id=result.id), tmp_path / "submissions" / "fog")


def edit(document: object, pointer: str, change) -> object:
    """Return a copy of a JSON document with one value changed."""
    changed = copy.deepcopy(document)
    *path, last = [int(part) if part.isdigit() else part for part in pointer.strip("/").split("/")]
    place = changed
    for part in path:
        place = place[part]
    place[last] = change(place[last])
    return changed


def other_value(value, random: Random):
    if isinstance(value, bool):
        return not value
    if isinstance(value, int | float):
        return value + random.choice([1, -1, 0.000001])
    return f"{value}x" if isinstance(value, str) else "x"


def test_a_stored_result_is_canonical_and_reads_back_equal(stored):
    content = stored.read_bytes()
    assert content == rfc8785.dumps(json.loads(content)) + b"\n"
    assert result_bytes(read_result(stored)) == content
    assert check_result(stored) == []
    assert stored.stem == read_result(stored).id[7:23]


def test_key_asks_and_id_finds():
    one, other = make_result(), make_result()
    assert (one.key, one.id) == (other.key, other.id)
    cell = one.outcome.cells[0]
    moved = one.outcome.model_copy(update={"cells": (cell.model_copy(update={"seed": 77}), *one.outcome.cells[1:])})
    found = build_result(one.subject, moved)
    assert found.key == one.key
    assert found.id != one.id


@pytest.mark.parametrize("seed", range(200))
def test_any_edit_of_one_value_is_found_and_named(stored, seed):
    random = Random(seed)
    document = json.loads(stored.read_bytes())
    pointer, value = random.choice([item for item in leaves(document) if item[1] not in ((), [], {})])
    changed = edit(document, pointer, lambda value: other_value(value, random))
    stored.write_bytes(rfc8785.dumps(changed) + b"\n")
    problems = check_result(stored)
    assert problems, (pointer, value)
    assert all(problem.startswith(f"{stored}: ") for problem in problems)
    if pointer == "/seal":
        assert any("/seal" in problem or "was changed" in problem for problem in problems)
    else:
        assert any(f"{pointer}:" in problem for problem in problems), (pointer, problems)


def test_a_value_changed_together_with_its_digests_still_contradicts_its_seeds(stored):
    document = json.loads(stored.read_bytes())
    result = read_result(stored)
    index = next(i for i, item in enumerate(result.outcome.measurements) if item.mean is not None)
    forged = result.outcome.measurements[index].model_copy(update={"mean": 0.123456})
    measurements = (*result.outcome.measurements[:index], forged, *result.outcome.measurements[index + 1 :])
    consistent = build_result(result.subject, result.outcome.model_copy(update={"measurements": measurements}))
    path = stored.with_name(f"{consistent.name}.json")
    path.write_bytes(result_bytes(consistent))
    assert document["id"] != consistent.id
    assert [
        problem for problem in check_result(path) if f"/outcome/measurements/{index}/mean: does not follow" in problem
    ]


def test_added_and_removed_keys_are_found(stored):
    document = json.loads(stored.read_bytes())
    stored.write_bytes(rfc8785.dumps({**document, "note": "x"}) + b"\n")
    assert "/note" in check_result(stored)[0]
    del document["outcome"]["cells"]
    stored.write_bytes(rfc8785.dumps(document) + b"\n")
    assert "/outcome/cells" in check_result(stored)[0]


def test_other_spacing_and_another_name_are_found(stored):
    document = json.loads(stored.read_bytes())
    stored.write_text(json.dumps(document, indent=1))
    assert "bytes are not the RFC 8785 form" in check_result(stored)[0]
    stored.write_bytes(rfc8785.dumps(document) + b"\n")
    moved = stored.rename(stored.with_name("0123456789abcdef.json"))
    assert "file name is not" in check_result(moved)[0]


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"null", b"\xff\xfe", b'{"schema": NaN}', b"[" * 100_000])
def test_what_is_no_result_is_reported_and_never_raised(stored, content):
    stored.write_bytes(content)
    assert check_result(stored)
    with pytest.raises(CorruptResult, match=stored.name):
        read_result(stored)


def test_writing_again_keeps_one_run_of_the_same_measurement(tmp_path):
    result = make_result()
    folder = tmp_path / "submissions" / "fog"
    for _ in range(2):
        path = write_result(result, make_run(id=result.id), folder)
    assert len(runs_path(path).read_bytes().splitlines()) == 1
    assert check_runs(path) == []


@pytest.mark.parametrize("seed", range(20))
def test_any_edit_of_a_recorded_run_is_found(stored, seed):
    random = Random(seed)
    path = runs_path(stored)
    document = json.loads(path.read_bytes())
    pointer, _ = random.choice([item for item in leaves(document) if item[1] not in ((), [], {})])
    path.write_bytes(rfc8785.dumps(edit(document, pointer, lambda value: other_value(value, random))) + b"\n")
    problems = check_runs(stored)
    assert problems
    assert all(problem.startswith(f"{path}: ") for problem in problems)


def test_a_runs_file_of_another_result_or_none_is_reported(stored):
    runs = runs_path(stored)
    runs.write_text(runs.read_text().replace("sha256:", "sha256:00"))
    assert check_runs(stored)
    runs.unlink()
    assert "no run is recorded" in check_runs(stored)[0]


def test_results_are_found_by_what_was_asked(stored):
    result = read_result(stored)
    folder = stored.parents[2]
    assert find_result(folder, result.subject.protocol.id, result.key) == stored
    assert find_result(folder, result.subject.protocol.id, f"sha256:{'0' * 64}") is None
    assert result_files(folder) == result_files(folder.parent) == [stored]


def test_verifying_nothing_is_a_usage_problem(tmp_path):
    with pytest.raises(UsageProblem, match="no such file or folder"):
        result_files(tmp_path / "absent")


def test_intervals_are_students_worked_out_by_hand():
    """Five values, t(4, 0.975) = 2.776445: mean 0.19138, sd 0.0067266, half width 0.0083523."""
    found = summarize("test_accuracy", "a/b", [0.1872, 0.1931, 0.1844, 0.2019, 0.1903])
    assert (found.mean, found.sd) == (0.19138, 0.006727)
    assert found.ci95 == pytest.approx((0.183028, 0.199732), abs=1e-6)


def test_one_seed_has_neither_spread_nor_interval():
    found = summarize("ud", "a/b", [0.25])
    assert (found.mean, found.sd, found.ci95) == (0.25, None, None)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_a_number_that_is_not_finite_cannot_be_stored(value):
    with pytest.raises(ValueError, match="status and a reason"):
        rounded(value)


@given(st.floats(-1e6, 1e6))
def test_rounding_is_stable_and_close(value):
    assert rounded(rounded(value)) == rounded(value)
    assert abs(rounded(value) - value) <= 5.1e-7 + abs(value) * 1e-15


def test_a_quick_result_leaves_conditions_out_says_so_and_is_read_back(tmp_path):
    protocol = make_wide_protocol()
    quick = make_result(protocol, tier="quick")
    asked = {condition.label for condition in quick.subject.conditions}
    left_out = [item for item in quick.outcome.measurements if item.condition not in asked]
    assert left_out
    assert {item.status for item in left_out} == {"not_run"}
    assert read_result(write_result(quick, make_run(id=quick.id), tmp_path / "fog")) == quick


def test_a_value_under_a_condition_that_the_subject_does_not_have_is_refused(tmp_path):
    quick = make_result(make_wide_protocol(), tier="quick")
    stray = next(item for item in quick.outcome.measurements if item.status == "not_run")
    measured = stray.model_copy(update={"condition": "nowhere/none", "status": "ok", "reason": None, "pooled": 0.5})
    outcome = quick.outcome.model_copy(update={"measurements": (*quick.outcome.measurements, measured)})
    forged = build_result(quick.subject, outcome)
    path = tmp_path / "forged.json"
    path.write_bytes(result_bytes(forged))
    with pytest.raises(CorruptResult, match="is none of the subject's conditions"):
        read_result(path)
