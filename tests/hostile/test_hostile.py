"""Every hostile submission ends with its exit code, says why, executes nothing and prints nothing that acts."""

import pytest
from cases import CASES
from corpus import MARKER, Case, payload
from submission_factory import make_submission, validate_tiny

from bench.problems import exit_code, format_problems


@pytest.mark.parametrize("case", CASES, ids=[case.name.replace(" ", "-") for case in CASES])
def test_a_hostile_submission_is_refused_with_a_reason(case: Case, tmp_path):
    folder = make_submission(tmp_path)
    case.build(folder)
    problems = validate_tiny(folder)
    report = format_problems(problems)
    assert exit_code(problems) == case.exit_code, report
    assert case.word in report
    assert not (folder / MARKER).exists()
    assert all(character.isprintable() or character == "\n" for character in report)
    assert format_problems(problems, "github").count("\n") == len(problems) - 1


def test_the_payload_would_leave_its_marker_if_it_were_opened(tmp_path):
    import pickle

    pickle.loads(payload(tmp_path))  # noqa: S301 (our own: shows that the corpus would notice)
    assert (tmp_path / MARKER).exists()


def test_the_corpus_is_large_and_its_names_differ():
    assert len(CASES) >= 40
    assert len({case.name for case in CASES}) == len(CASES)
