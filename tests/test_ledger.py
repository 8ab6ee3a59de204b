"""The ledger: a chain of sealed lines, attempts counted from it, and when attempts only ever get better."""

import json

import pytest
from factories import make_result, make_run, write_submission
from hypothesis import given
from hypothesis import strategies as st

from bench.attempts import enter_stored, store_result
from bench.errors import CorruptResult
from bench.ledger import (
    LEDGER_NAME,
    EvaluationLine,
    Ledger,
    append_lines,
    evaluation_line,
    first_seal,
    parse_ledger,
    read_ledger,
)
from bench.records import digest


def make_line(artifacts=("a",), *, value: float | None = 0.5, tier="full", key: str = "0") -> EvaluationLine:
    return EvaluationLine(
        schema="bench.ledger/1",
        origin="evaluated",
        at="2026-01-31T10:00:00+00:00",
        result=f"sha256:{'1' * 64}",
        run=f"sha256:{'2' * 64}",
        key=f"sha256:{key * 64}",
        protocol="ue-tiny-v1",
        tier=tier,
        artifacts=tuple(artifacts),
        metric="test_accuracy",
        condition="resnet-narrow/none",
        value=value,
    )


def test_each_line_names_the_one_before_and_is_sealed_by_its_own_digest(tmp_path):
    folder = tmp_path / "fog"
    folder.mkdir()
    append_lines(folder, [make_line(), make_line(["b"])])
    append_lines(folder, [make_line(["c"])])
    lines = [json.loads(line) for line in (folder / LEDGER_NAME).read_bytes().splitlines()]
    seals = [line.pop("seal") for line in lines]
    assert seals == [digest(line) for line in lines]
    assert [line["previous"] for line in lines] == [first_seal("fog"), *seals[:2]]
    assert first_seal("fog") != first_seal("dog")


def test_appending_keeps_every_byte_that_was_there(tmp_path):
    append_lines(tmp_path, [make_line()])
    before = (tmp_path / LEDGER_NAME).read_bytes()
    append_lines(tmp_path, [])
    assert (tmp_path / LEDGER_NAME).read_bytes() == before
    append_lines(tmp_path, [make_line(["b"])])
    assert (tmp_path / LEDGER_NAME).read_bytes().startswith(before)


@pytest.mark.parametrize("content", [b"\n", b"{}\n", b"[]\n", b"null\n", b"\xff\n", b"[" * 100_000, b'{"kind":"x"}\n'])
def test_what_is_no_ledger_is_reported_and_nothing_is_appended(tmp_path, content):
    (tmp_path / LEDGER_NAME).write_bytes(content)
    assert parse_ledger(tmp_path)[1][0].startswith(f"{tmp_path / LEDGER_NAME}: /0")
    with pytest.raises(CorruptResult):
        append_lines(tmp_path, [make_line()])
    assert (tmp_path / LEDGER_NAME).read_bytes() == content


def test_an_absent_ledger_is_empty(tmp_path):
    assert read_ledger(tmp_path) == Ledger(tmp_path.name)


def test_attempts_are_sets_of_artifacts_in_the_order_they_came():
    lines = (make_line(["a"]), make_line(["b"]), make_line(["a"]), make_line(["c"]))
    ledger = Ledger("fog", lines)
    found = [ledger.attempt("ue-tiny-v1", [name]) for name in "abcd"]
    assert [(item.number, item.total) for item in found if item] == [(1, 3), (2, 3), (3, 3)]
    assert found[3] is None
    assert ledger.attempt("ue-other-v1", ["a"]) is None


def test_the_quick_tier_of_the_same_checkpoints_is_the_same_attempt():
    lines = (make_line(["a"], tier="quick"), make_line(["a", "b", "c"]), make_line(["d"], tier="quick"))
    ledger = Ledger("fog", lines)
    assert ledger.attempts("ue-tiny-v1") == (frozenset("abc"), frozenset("d"))


def test_training_without_an_artifact_is_one_attempt():
    ledger = Ledger("clean", (make_line([]), make_line([], key="3")))
    assert ledger.attempts("ue-tiny-v1") == (frozenset(),)


@pytest.mark.parametrize(
    ("values", "rises"),
    [
        ((0.9, 0.8, 0.7), True),
        ((0.9, 0.8), False),
        ((0.9, 0.7, 0.8), False),
        ((0.9, 0.9, 0.8), False),
        ((0.9, None, 0.8), False),
        ((0.9, None, 0.8, 0.7), True),
    ],
)
def test_three_attempts_each_better_than_the_one_before_are_noticed(values, rises):
    lines = tuple(make_line([str(index)], value=value) for index, value in enumerate(values))
    assert Ledger("fog", lines).only_rises("ue-tiny-v1") is rises


def test_the_last_value_of_an_attempt_counts():
    lines = (make_line(["a"], value=0.9), make_line(["b"], value=0.95), make_line(["c"], value=0.7))
    assert not Ledger("fog", lines).only_rises("ue-tiny-v1")
    assert Ledger("fog", (*lines, make_line(["b"], value=0.8))).only_rises("ue-tiny-v1")


def test_a_result_is_superseded_by_the_same_artifacts_under_a_new_key_alone():
    first = make_line(["a"], key="0")
    assert Ledger("fog", (first, make_line(["a"], key="3"))).superseded(first)
    assert not Ledger("fog", (first, make_line(["a"], key="0"))).superseded(first)
    assert not Ledger("fog", (first, make_line(["b"], key="3"))).superseded(first)
    assert not Ledger("fog", (first, make_line(["a"], key="3", tier="quick"))).superseded(first)
    assert not Ledger("fog", (make_line(["a"], key="3"), first)).superseded(first)


def test_storing_a_result_enters_its_run_once(tmp_path):
    folder, result = tmp_path / "submissions" / "fog", make_result()
    run = make_run(id=result.id)
    for _ in range(2):
        store_result(result, run, folder)
    store_result(result, make_run(id=result.id, started="2026-02-01T00:00:00+00:00"), folder)
    lines = read_ledger(folder).evaluations
    assert [line.run for line in lines] == [run.sealed().seal, lines[1].run]
    assert {line.origin for line in lines} == {"evaluated"}
    assert {line.result for line in lines} == {result.id}


def test_a_result_without_a_line_is_entered_afterwards_and_told_as_imported(tmp_path):
    result = make_result()
    run = make_run(id=result.id)
    folder = write_submission(tmp_path, "fog", results=[(result, run)])
    assert [line.origin for line in enter_stored(folder)] == ["imported"]
    expected = evaluation_line(result, run.sealed(), origin="imported", at=run.ended)
    assert read_ledger(folder).evaluations[0].model_copy(update={"previous": "", "seal": ""}) == expected


@given(st.lists(st.sampled_from("abc"), max_size=6))
def test_attempts_never_exceed_evaluations_and_number_them_without_gaps(names):
    ledger = Ledger("fog", tuple(make_line([name]) for name in names))
    numbers = [ledger.attempt("ue-tiny-v1", [name]).number for name in dict.fromkeys(names)]
    assert numbers == list(range(1, len(set(names)) + 1))
