"""Every problem at once, each with its place and its way out."""

import numpy as np
import pytest
from submission_factory import (
    SHAPE,
    codes,
    line_of,
    make_submission,
    one_problem,
    tiny_protocol,
    tiny_values,
    validate_tiny,
)

from bench.errors import DatasetMissing, UnknownName, UsageProblem
from bench.problems import exit_code, format_problems
from bench.validation import validate_folder


def test_the_default_submission_has_no_problems(tmp_path):
    assert validate_tiny(make_submission(tmp_path)) == []


def test_seven_planted_mistakes_give_seven_findings(tmp_path):
    edits = {
        'schema = "bench.submission/1"': 'schema = "bench.submission/2"',
        'slug = "fog"': 'slug = "frog"',
        'family = "synthetic-shortcut"': 'family = "synthetic-shorcut"',
        "uses_labels = false": 'uses_labels = "no"',
        'metric = "test_accuracy"': 'metric = "test_acc"',
        'condition = "toy/none"': 'conditoin = "toy/none"\ncondition = "toy/none"',
        "test_set_used = false\n": "",
    }
    folder = make_submission(tmp_path, edits=edits)
    problems = validate_tiny(folder)
    assert [(problem.pointer, problem.code) for problem in problems] == [
        ("/schema", "value"),
        ("/slug", "slug"),
        ("/method/family", "value"),
        ("/method/uses_labels", "value"),
        ("/reported/0/metric", "metric-unknown"),
        ("/reported/0/conditoin", "unknown-key"),
        ("/disclosure/test_set_used", "missing-key"),
    ]
    assert [problem.line for problem in problems] == [
        *(line_of(folder, text) for text in ("schema =", "slug =", "family =", "uses_labels =", "metric =")),
        *(line_of(folder, text) for text in ("conditoin =", "[disclosure]")),
    ]
    assert exit_code(problems) == 3


@pytest.mark.parametrize(
    ("old", "new", "hint"),
    [
        ('name = "Fog"', 'nmae = "Fog"\nname = "Fog"', "did you mean 'name'"),
        ('"synthetic-shortcut"', '"synthetic-shorcut"', "did you mean 'synthetic-shortcut'"),
        ('"test_accuracy"', '"test_acc"', "did you mean 'test_accuracy'"),
        ("2026-01-31", '"2026-01-31"', "without quotes"),
        ("uses_labels = false", 'uses_labels = "false"', "without quotes"),
        ('name = "A. Author"', 'name = "A. Author"\norcid = "1"', "0000-0002-1825-0097"),
        ('name = "A. Author"', 'name = 7', "in quotes"),
        ("value = 0.19", "value = inf", "finite"),
        ('"Fog"', '""', "at least 1 character"),
        ('"Fog"', '"a\\u202eb"', "plain printable"),
        ("publish = true", "publish = false", "write true to agree"),
        ('"CC-BY-4.0"', '["CC-BY-4.0"]', "in quotes"),
    ],
)  # fmt: skip
def test_a_mistake_in_the_manifest_comes_with_a_hint(tmp_path, old, new, hint):
    problem = one_problem(make_submission(tmp_path, edits={old: new}))
    assert hint in f"{problem.message} {problem.remedy}"


def test_seven_mistakes_of_seven_kinds_give_seven_findings(tmp_path):
    values = tiny_values()
    values[4, 1, 2, 3] = 9
    edits = {
        "2026-01-31": '"2026-01-31"',
        'family = "synthetic-shortcut"': 'family = "synthetic-shorcut"',
        "uses_labels = false": "uses_label = false",
        'kind = "sample-wise"': 'kind = "samplewise"',
        "publish = true": "publish = false",
    }
    folder = make_submission(tmp_path, values, edits=edits)
    path = folder / "submission.toml"
    path.write_text("\n".join("bytes = 7" if x.startswith("bytes") else x for x in path.read_text().splitlines()))
    problems = validate_tiny(folder)
    assert [(problem.pointer, problem.code) for problem in problems] == [
        ("/submitted", "value"),
        ("/method/family", "value"),
        ("/method/uses_label", "unknown-key"),
        ("/artifact/0/bytes", "size"),
        ("/artifact/0/kind", "value"),
        ("/agreement/publish", "value"),
        ("/delta/4/1/2/3", "budget"),
    ]
    assert exit_code(problems) == 3


@pytest.mark.parametrize(
    ("old", "new", "pointer"),
    [
        ('role = "perturbation"', 'role = "delta"', "/artifact/0/role"),
        ('kind = "sample-wise"', 'kynd = "sample-wise"', "/artifact/0/kynd"),
        ('norm = "linf"', 'norm = "l7"\nlayout = "NHWC"', "/artifact/0/layout"),
        ('sha256 = "', 'sha256 = "x', "/artifact/0/sha256"),
        ('path = "delta.safetensors"', 'path = "delta.safetensors"\ntensor = 7', "/artifact/0/tensor"),
        ('protocol = "ue-tiny-v1"', "protocol = 7", "/artifact/0/protocol"),
    ],
)
def test_a_malformed_key_of_an_artifact_hides_nothing_else_of_it(tmp_path, old, new, pointer):
    folder = make_submission(tmp_path, edits={old: new, "bytes = ": "bytes = 1"})
    found = {(problem.pointer, problem.code) for problem in validate_tiny(folder)}
    assert {("/artifact/0/bytes", "size"), (pointer, "unknown-key" if "kynd" in new else "value")} <= found
    assert "unlisted" not in {code for _, code in found}
    (folder / "delta.safetensors").write_bytes(b"\x80\x04N.")
    assert exit_code(validate_tiny(folder)) == 4


def test_one_malformed_key_of_an_artifact_is_one_finding(tmp_path):
    typos = {
        'role = "perturbation"': 'role = "delta"',
        'path = "delta.safetensors"': "path = 7",
        'protocol = "ue-tiny-v1"': "protocol = 7",
        'norm = "linf"': 'nrom = "linf"',
        'protocols = ["ue-tiny-v1"]': 'protocol = ["ue-tiny-v1"]',
        "bytes = ": "bytes = 99999999999",
    }
    for old, new in typos.items():
        assert one_problem(make_submission(tmp_path, edits={old: new})).line is not None


def test_a_budget_is_checked_beside_another_kind_and_skipped_under_an_unknown_norm(tmp_path):
    values = np.full(SHAPE, 9, np.int8)
    kind, norm = {'kind = "sample-wise"': "kind = 7"}, {'norm = "linf"': 'norm = "l7"'}
    assert codes(validate_tiny(make_submission(tmp_path, values, edits=kind))) == ["value", "budget"]
    assert codes(validate_tiny(make_submission(tmp_path, values[:5], edits=norm))) == ["value", "shape"]
    assert "budget" not in codes(validate_tiny(make_submission(tmp_path, values, edits=norm)))


def test_a_misspelled_required_key_is_one_finding_that_names_the_key(tmp_path):
    problem = one_problem(make_submission(tmp_path, edits={"uses_labels = false": "uses_label = true"}))
    assert (problem.message, problem.remedy) == ("unknown key 'uses_label'", "did you mean 'uses_labels'?")


def test_a_required_key_misspelled_twice_is_two_findings(tmp_path):
    edits = {"uses_labels = false": "uses_label = true\nuse_labels = true"}
    assert codes(validate_tiny(make_submission(tmp_path, edits=edits))) == ["unknown-key", "unknown-key"]


def test_a_key_that_resembles_none_gets_no_suggestion(tmp_path):
    problem = one_problem(make_submission(tmp_path, edits={"[method]": "colour = 1\n\n[method]"}))
    assert problem.message == "unknown key 'colour'"
    assert problem.remedy.startswith("remove it; keys here: schema, track")


def test_a_suggestion_is_a_sentence_of_its_own(tmp_path):
    problem = one_problem(make_submission(tmp_path, edits={"ue-tiny-v1": "ue-tiny-v2"}))
    assert problem.remedy == "did you mean 'ue-tiny-v1'? Known protocols: ue-tiny-v1"


def test_consent_refused_is_said_in_the_words_of_toml(tmp_path):
    problem = one_problem(make_submission(tmp_path, edits={"publish = true": "publish = false"}))
    assert (problem.message, problem.remedy) == ("expected true, got false", "write true to agree")


def test_a_number_of_thousands_of_digits_is_named_with_its_line(tmp_path):
    folder = make_submission(tmp_path, edits={"bytes = ": f"bytes = {'9' * 4998}"})
    problem = one_problem(folder)
    assert (problem.code, problem.line) == ("number", line_of(folder, "bytes ="))
    assert problem.message == "holds a number of 5001 digits, at most 100 are read"


def test_a_size_above_the_limit_of_an_artifact_is_a_finding_at_its_key(tmp_path):
    problem = one_problem(make_submission(tmp_path, edits={"bytes = ": f"bytes = {1024**3 + 1} # "}))
    assert (problem.pointer, problem.message) == ("/artifact/0/bytes", "1073741825 is too large")
    assert problem.remedy == "give at most 1073741824"


@pytest.mark.parametrize("there", [True, False])
def test_a_recipe_of_an_unknown_attack_is_an_error_whether_or_not_the_file_is_there(tmp_path, there):
    recipe = '[artifact.recipe]\nattack = "randon"\nseed = 7\n\n[[reported]]'
    folder = make_submission(tmp_path, edits={"[[reported]]": recipe})
    if not there:
        (folder / "delta.safetensors").unlink()
    problem = one_problem(folder)
    assert (problem.code, problem.pointer, problem.severity) == ("attack-unknown", "/artifact/0/recipe/attack", "error")
    assert problem.remedy.startswith("did you mean 'random'? Known attacks: ar, ")


def test_the_warning_about_missing_data_is_one_line_and_points_to_the_doctor(tmp_path):
    def nowhere(_):
        raise DatasetMissing("tiny is in none of these places:\n  /a: no such folder\n" + "x" * 2000)

    protocols = {"ue-tiny-v1": tiny_protocol()}
    (problem,) = validate_folder(make_submission(tmp_path), protocols=protocols, load_data=nowhere)
    assert "`bench doctor` tells how to provide the data set (tiny is in none of these places: ...)" in problem.remedy
    assert "\\n" not in format_problems([problem])


def test_a_toml_error_names_its_line(tmp_path):
    folder = make_submission(tmp_path, edits={'name = "Fog"': 'name = "Fog'})
    problem = one_problem(folder)
    assert (problem.code, problem.line) == ("toml", line_of(folder, 'name = "Fog'))


def test_a_folder_without_manifest_says_how_to_get_one(tmp_path):
    (tmp_path / "fog").mkdir()
    problem = one_problem(tmp_path / "fog")
    assert (problem.code, "bench new" in problem.remedy) == ("manifest-missing", True)


def test_an_unknown_folder_and_a_file_are_wrong_usage(tmp_path):
    folder = make_submission(tmp_path)
    with pytest.raises(UnknownName, match="known: fog"):
        validate_folder(folder.parent / "frog")
    with pytest.raises(UsageProblem, match="not a folder"):
        validate_folder(folder / "submission.toml")


def test_an_unknown_protocol_is_one_finding_and_the_file_is_still_checked(tmp_path):
    folder = make_submission(tmp_path, edits={"ue-tiny-v1": "ue-tiny-v2"})
    problem = one_problem(folder)
    assert (problem.code, problem.pointer) == ("protocol-unknown", "/protocols/0")
    assert "did you mean 'ue-tiny-v1'" in problem.remedy
    with (folder / "delta.safetensors").open("ab") as file:
        file.write(b"\x00")
    assert codes(validate_tiny(folder)) == ["protocol-unknown", "unsafe"]


def test_each_protocol_needs_one_artifact_and_not_two(tmp_path):
    folder = make_submission(tmp_path)
    text = (folder / "submission.toml").read_text()
    start, end = text.index("[[artifact]]"), text.index("[[reported]]")
    (folder / "submission.toml").write_text(text[:start] + text[end:])
    assert codes(validate_tiny(folder)) == ["artifact-missing", "unlisted"]
    (folder / "submission.toml").write_text(text[:end] + text[start:])
    assert codes(validate_tiny(folder)) == ["artifact-twice"]


def test_a_reference_may_come_without_artifacts(tmp_path):
    folder = make_submission(tmp_path, edits={"synthetic-shortcut": "reference"})
    text = (folder / "submission.toml").read_text()
    (folder / "submission.toml").write_text(text[: text.index("[[artifact]]")] + text[text.index("[[reported]]") :])
    (folder / "delta.safetensors").unlink()
    assert validate_tiny(folder) == []


def test_an_artifact_for_a_protocol_that_is_not_listed_is_a_finding(tmp_path):
    folder = make_submission(tmp_path, edits={'protocol = "ue-tiny-v1"': 'protocol = "ue-tiny-v2"'})
    assert codes(validate_tiny(folder)) == ["artifact-missing", "artifact-protocol"]


def test_a_norm_without_budget_is_a_finding(tmp_path):
    problem = one_problem(make_submission(tmp_path), protocol=tiny_protocol("l0 = 2"))
    assert (problem.code, problem.remedy) == ("norm", "norms it allows: l0")


def test_an_absent_artifact_is_an_error_and_with_a_recipe_a_warning(tmp_path):
    folder = make_submission(tmp_path)
    (folder / "delta.safetensors").unlink()
    assert exit_code(validate_tiny(folder)) == 3
    path = folder / "submission.toml"
    recipe = '\n[artifact.recipe]\nattack = "lsp"\nseed = 7\n\n[[reported]]'
    path.write_text(path.read_text().replace("[[reported]]", recipe))
    problem = one_problem(folder)
    assert "bench craft lsp --protocol ue-tiny-v1 --slug fog --seed 7" in problem.remedy
    assert exit_code([problem]) == 0


def test_another_size_and_digest_are_findings_at_their_keys(tmp_path):
    folder = make_submission(tmp_path)
    path = folder / "submission.toml"
    lines = ['sha256 = "' + "0" * 64 + '"' if x.startswith("sha256") else x for x in path.read_text().splitlines()]
    path.write_text("\n".join("bytes = 7" if x.startswith("bytes") else x for x in lines))
    problems = validate_tiny(folder)
    assert [problem.pointer for problem in problems] == ["/artifact/0/sha256", "/artifact/0/bytes"]
    assert [problem.line for problem in problems] == [line_of(folder, "sha256 ="), line_of(folder, "bytes =")]
    assert exit_code(problems) == 3


def test_files_that_the_manifest_does_not_list_are_a_warning_and_links_are_unsafe(tmp_path):
    folder = make_submission(tmp_path)
    (folder / "results" / "ue-tiny-v1").mkdir(parents=True)
    (folder / "results" / "ue-tiny-v1" / f"{'0' * 16}.json").touch()
    (folder / "README.md").touch()
    assert validate_tiny(folder) == []
    (folder / "notes.txt").touch()
    assert exit_code(validate_tiny(folder)) == 0
    (folder / "results" / "elsewhere").symlink_to(tmp_path)
    problems = validate_tiny(folder)
    assert codes(problems) == ["unlisted", "unsafe"]
    assert exit_code(problems) == 4


def test_a_linked_folder_is_unsafe(tmp_path):
    (tmp_path / "fog").symlink_to(make_submission(tmp_path))
    assert exit_code(validate_tiny(tmp_path / "fog")) == 4
