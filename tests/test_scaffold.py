"""`bench new` writes a manifest that says itself what is missing."""

import pytest
from submission_factory import tiny_protocol

from bench.errors import UsageProblem
from bench.problems import exit_code
from bench.scaffold import create_submission
from bench.submission import parse_manifest
from bench.validation import validate_folder

ANSWERS = {
    "name": '"Fog"',
    "family": '"filter"',
    "summary": '"Blurs."',
    "uses_labels": "false",
    "sha256": f'"{"0" * 64}"',
    "bytes": "1",
    "kind": '"class-wise"',
    "norm": '"linf"',
    "test_set_used": "false",
    "artifact_license": '"CC0-1.0"',
    "publish": "true",
}


def filled_in(text: str) -> str:
    lines = []
    for line in text.splitlines():
        key = line.partition(" = ")[0]
        lines.append(f"{key} = {ANSWERS[key]}" if '"FILL-IN' in line else line)
    return "\n".join(lines)


def test_a_new_manifest_lists_every_unfilled_field_with_its_line(tmp_path):
    (path,) = create_submission(tmp_path, "ue", "my-fog")
    problems = validate_folder(path.parent, protocols={"ue-digits-v2": tiny_protocol()})
    expected = [number for number, line in enumerate(path.read_text().splitlines(), 1) if '"FILL-IN' in line]
    assert [problem.line for problem in problems] == expected
    assert {problem.code for problem in problems} == {"fill-in"}
    assert exit_code(problems) == 3


def test_a_new_manifest_is_valid_once_it_is_filled_in(tmp_path):
    (path,) = create_submission(tmp_path, "ue", "my-fog")
    assert parse_manifest(filled_in(path.read_text())).slug == "my-fog"


def test_an_existing_folder_is_left_alone(tmp_path):
    (path,) = create_submission(tmp_path, "ue", "my-fog")
    path.write_text("mine")
    with pytest.raises(UsageProblem, match="exists already"):
        create_submission(tmp_path, "ue", "my-fog")
    assert path.read_text() == "mine"


@pytest.mark.parametrize("slug", ["", "a", "-fog", "fog-", "Fog", "my fog", "../fog", "fog/../..", "f" * 49, "fog\n"])
def test_a_bad_slug_is_refused_and_nothing_is_written(tmp_path, slug):
    with pytest.raises(UsageProblem, match="cannot be a slug"):
        create_submission(tmp_path, "ue", slug)
    assert list(tmp_path.iterdir()) == []


def test_an_unlearning_manifest_names_each_thing_to_fill_in_and_nothing_else(tmp_path):
    create_submission(tmp_path, "unlearning", "my-fog")
    problems = validate_folder(tmp_path / "submissions" / "my-fog")
    assert {problem.code for problem in problems} == {"fill-in"}
    assert {problem.pointer for problem in problems} >= {"/method/name", "/artifact/0/original"}
