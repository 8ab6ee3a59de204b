"""What an author of an unlearning submission is told."""

import hashlib
from pathlib import Path

import numpy as np
import pytest
from checkpoint_factory import write_checkpoint_submission
from unlearned import PROTOCOL_ID, write_unlearning_protocol

from bench.validation import validate_folder


@pytest.fixture
def fog(tmp_path, monkeypatch) -> Path:
    """A valid submission of one checkpoint."""
    write_unlearning_protocol(tmp_path / "protocols")
    monkeypatch.setenv("BENCH_PROTOCOLS", str(tmp_path / "protocols"))
    return write_checkpoint_submission(tmp_path / "fog")


def edit(folder: Path, old: str, new: str) -> Path:
    path = folder / "submission.toml"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    return folder


def test_a_valid_submission_has_no_problems(fog):
    assert validate_folder(fog) == []


@pytest.mark.parametrize(
    ("old", "new", "code", "words"),
    [
        ('probe = "gaussian"', 'probe = "gausian"', "probe", "did you mean 'gaussian'?"),
        ("seed = 0", "seed = 2", "seed", "seeds are 0 to 1"),
        ("seed = 0", "seed = -1", "value", "at least 0"),
        ('protocols = ["unlearning-small-v1"]', 'protocols = ["ue-digits-v1"]', "protocol-unknown", "of this track"),
        ('family = "ascent"', 'family = "filter"', "value", "not one of the values"),
        ("tuned_on_retrained = false\n", "", "missing-key", "add it in the table /disclosure"),
        ("test_set_used = false", "test_set_usd = false", "unknown-key", "did you mean 'test_set_used'?"),
        ('path = "a.safetensors"', 'path = "../a.safetensors"', "unsafe", "inside the submission's folder"),
        ('path = "a.safetensors"', 'path = "b.safetensors"', "artifact-absent", "put the file there"),
    ],
)
def test_a_mistake_in_the_manifest_is_named_with_the_way_out(fog, old, new, code, words):
    problems = [problem for problem in validate_folder(edit(fog, old, new)) if problem.code == code]
    assert problems, validate_folder(fog)
    assert words in f"{problems[0].message}; {problems[0].remedy}"


def test_a_wrong_digest_or_size_points_at_its_key(fog):
    path = fog / "a.safetensors"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    (problem,) = validate_folder(fog)
    assert (problem.code, problem.pointer) == ("digest", "/artifact/0/sha256")
    assert problem.line is not None


@pytest.mark.parametrize(
    ("tensors", "words"),
    [
        ({"fc.bias": np.zeros(10, np.float32)}, "tensor 'fc.bias' is not a tensor of this network"),
        ({"linear.bias": np.zeros(11, np.float32)}, "tensor 'linear.bias' has shape [11], expected [10]"),
        ({"linear.bias": np.full(10, np.nan, np.float32)}, "tensor 'linear.bias' holds 10 values that are not finite"),
    ],
)
def test_a_wrong_tensor_is_named(fog, tensors, words):
    (problem,) = validate_folder(write_checkpoint_submission(fog, **tensors))
    assert (problem.code, problem.message) == ("tensor", words)


def test_the_original_handed_in_again_is_a_warning(fog):
    sha256 = hashlib.sha256((fog / "a.safetensors").read_bytes()).hexdigest()
    (problem,) = validate_folder(write_checkpoint_submission(fog, original=sha256))
    assert problem.severity == "warning"
    assert "nothing was unlearned" in problem.message


def test_a_pickle_is_refused_unopened(fog):
    (fog / "a.safetensors").write_bytes(b"\x80\x04" + b"x" * 600)
    assert [problem.unsafe for problem in validate_folder(fog)] == [True]


def test_a_second_checkpoint_for_a_kit_is_named(fog):
    text = (fog / "submission.toml").read_text()
    start, end = text.index("[[artifact]]"), text.index("[disclosure]")
    (fog / "submission.toml").write_text(text[:end] + text[start:end] + text[end:])
    assert [problem.code for problem in validate_folder(fog)] == ["artifact-twice"]


def test_an_unknown_unlearner_in_a_recipe_is_named(fog):
    recipe = f'[[recipe]]\nprotocol = "{PROTOCOL_ID}"\nunlearner = "scrubb"\nbudget = 10\n\n[disclosure]'
    (problem,) = validate_folder(edit(fog, "[disclosure]", recipe))
    assert problem.code == "unlearner-unknown"
    assert "did you mean 'scrub'?" in problem.remedy
