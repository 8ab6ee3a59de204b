"""What is measured of a perturbation before anybody trains on it: shape, budget, kind."""

import numpy as np
import pytest
from submission_factory import (
    SHAPE,
    codes,
    line_of,
    make_submission,
    no_data,
    one_problem,
    tiny_artifact,
    tiny_data,
    tiny_protocol,
    tiny_values,
    validate_tiny,
)

from bench.artifacts import Perturbation
from bench.budgets import measure_kind
from bench.perturbation_check import check_perturbation
from bench.problems import exit_code
from bench.validation import validate_folder


def test_another_shape_is_a_finding_with_both_shapes(tmp_path):
    problem = one_problem(make_submission(tmp_path, np.zeros((5, 2, 3, 4), np.int8)))
    assert "5 x 2 x 3 x 4, expected 6 x 2 x 3 x 4" in problem.message


def test_int16_is_not_accepted_under_linf(tmp_path):
    assert codes(validate_tiny(make_submission(tmp_path, tiny_values().astype(np.int16)))) == ["dtype"]


@pytest.mark.parametrize("value", [9, -9, -128])
def test_one_value_over_budget_is_named_by_image_channel_row_and_column(tmp_path, value):
    values = tiny_values()
    values[4, 1, 2, 3] = value
    folder = make_submission(tmp_path, values)
    problem = one_problem(folder)
    assert problem.message.startswith(f"image 4, channel 1, row 2, column 3: {value:+d}, limit 8")
    assert (problem.file, problem.pointer) == (f"{folder}/delta.safetensors", "/delta/4/1/2/3")
    assert exit_code([problem]) == 3


def test_values_over_budget_are_counted_and_the_first_is_named(tmp_path):
    values = np.zeros(SHAPE, np.int8)
    values[1, 0, 0, 1] = values[1, 0, 2, 0] = values[3] = 20
    problem = one_problem(make_submission(tmp_path, values))
    assert problem.pointer == "/delta/1/0/0/1"
    assert "26 channel values over budget" in problem.message


def test_changed_pixels_count_once_whatever_the_number_of_channels(tmp_path):
    values = np.zeros(SHAPE, np.int16)
    values[:, :, 1, 1] = 255
    edits = {'norm = "linf"': 'norm = "l0"', '"sample-wise"': '"class-wise"'}
    assert validate_tiny(make_submission(tmp_path, values, edits=edits)) == []
    values[2, 0, 0, 0] = -1
    problems = validate_tiny(make_submission(tmp_path, values, edits=edits))
    assert codes(problems) == ["kind", "budget"]
    assert "image 2: 2 changed pixels, limit 1" in problems[1].message


def test_pixels_that_clipping_leaves_as_they_are_do_not_count(tmp_path):
    values = np.zeros(SHAPE, np.int16)
    values[0, :, :, :] = 5
    folder = make_submission(tmp_path, values, edits={'norm = "linf"': 'norm = "l0"'})
    assert validate_tiny(folder, data=tiny_data(level=255)) == []
    assert codes(validate_tiny(folder, data=tiny_data(level=254))) == ["budget"]


def test_an_l2_budget_is_exact_at_its_edge(tmp_path):
    # 0.2 * 255 = 51, a single change of 51 is exactly on the budget.
    values = np.zeros(SHAPE, np.int8)
    values[0, 0, 0, 0] = 51
    edits = {'norm = "linf"': 'norm = "l2"'}
    protocol = tiny_protocol("l2 = 0.2")
    assert validate_tiny(make_submission(tmp_path, values, edits=edits), protocol=protocol) == []
    values[0, 0, 0, 1] = 1
    problem = one_problem(make_submission(tmp_path, values, edits=edits), protocol=protocol)
    assert "image 0: l2 0.200038, limit 0.2" in problem.message


def test_unbounded_changes_need_a_protocol_that_admits_them(tmp_path):
    folder = make_submission(tmp_path, edits={'norm = "linf"': 'norm = "unbounded"'})
    problem = one_problem(folder)
    assert problem.code == "norm"
    assert problem.message == "protocol 'ue-tiny-v1' admits no unbounded change"
    assert problem.remedy == "norms it allows: linf, l0, l2"
    problem = one_problem(make_submission(tmp_path), protocol=tiny_protocol("unbounded = true"))
    assert problem.remedy == "norms it allows: unbounded"


def test_nothing_exceeds_without_a_limit_and_int16_is_accepted(tmp_path):
    values = np.random.default_rng(0).integers(-32768, 32768, SHAPE, dtype=np.int16)
    folder = make_submission(tmp_path, values, edits={'norm = "linf"': 'norm = "unbounded"'})
    assert validate_tiny(folder, protocol=tiny_protocol("unbounded = true")) == []


def test_an_unbounded_change_is_stated_as_it_is_trained_on():
    values = np.zeros(SHAPE, np.int16)
    values[3, 0, 0, :2] = [-90, 30000]  # from 128, clipping leaves 127
    given, protocol = Perturbation(values, "0" * 64, 1), tiny_protocol("unbounded = true")
    _, checks = check_perturbation(given, tiny_artifact(norm="unbounded"), protocol, *vars(tiny_data()).values())
    (budget,) = (check for check in checks if check.id == "budget")
    assert (budget.status, budget.measured, budget.detail) == ("pass", "linf 127", "no limit: a class of its own")


def test_without_the_data_set_the_perturbation_itself_is_checked_and_a_warning_says_so(tmp_path):
    folder = make_submission(tmp_path)
    protocols = {"ue-tiny-v1": tiny_protocol()}
    problems = validate_folder(folder, protocols=protocols, load_data=no_data)
    assert [(problem.code, problem.severity) for problem in problems] == [("data-missing", "warning")]
    make_submission(tmp_path, np.full(SHAPE, 9, np.int8))
    assert codes(validate_folder(folder, protocols=protocols, load_data=no_data)) == ["budget", "data-missing"]


def test_a_kind_other_than_declared_is_a_warning_at_its_key(tmp_path):
    folder = make_submission(tmp_path, np.full(SHAPE, 3, np.int8))
    problem = one_problem(folder)
    assert (problem.severity, problem.pointer, problem.line) == ("warning", "/artifact/0/kind", line_of(folder, "kind"))
    assert "declared sample-wise, measured class-wise" in problem.message


def test_kind_is_class_wise_only_if_every_class_has_one_perturbation():
    labels = np.array([0, 1, 0, 1])
    values = np.array([1, 2, 1, 2], np.int8).reshape(4, 1, 1, 1)
    assert measure_kind(values, labels) == "class-wise"
    assert measure_kind(values[[0, 1, 2, 0]], labels) == "sample-wise"
    assert measure_kind(values, np.arange(4)) == "sample-wise"


def test_a_check_records_what_was_measured():
    values = np.zeros(SHAPE, np.int8)
    values[0, 0, 0, :3] = [-4, 2, 6]
    given = Perturbation(values, "0" * 64, 1)
    problems, checks = check_perturbation(given, tiny_artifact(), tiny_protocol(), *vars(tiny_data()).values())
    assert problems == []
    assert {check.id: check.measured for check in checks} == {
        "shape": "6 x 2 x 3 x 4 int8",
        "budget": "linf 6 of 8",
        "kind": "sample-wise",
        "change": "2.1% changed, mean 0.1, 0.7% darker",  # 3, 12 and 1 of 144 values
    }
