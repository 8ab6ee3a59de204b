"""Checkpoint files: written, read back, and every way in which they can be of another network."""

import hashlib

import numpy as np
import pytest
import safetensors.numpy
from unlearned import make_tensors, small_unlearning_protocol

from bench.checkpoint_check import protocol_layout
from bench.checkpoints import CheckpointProblem, encode_checkpoint, parse_checkpoint
from bench.errors import RefusedArtifact

PROTOCOL = small_unlearning_protocol()
LAYOUT = protocol_layout(PROTOCOL)


def parse(tensors):
    return parse_checkpoint(encode_checkpoint(tensors), "fog/a.safetensors", LAYOUT)


def changed(**tensors):
    return {**make_tensors(PROTOCOL), **{name.replace("__", "."): value for name, value in tensors.items()}}


def findings(tensors):
    with pytest.raises(CheckpointProblem) as caught:
        parse(tensors)
    return caught.value.findings


def test_a_checkpoint_reads_back_and_is_the_same_bytes_again():
    tensors = make_tensors(PROTOCOL)
    content = encode_checkpoint(tensors)
    file = parse_checkpoint(content, "fog/a.safetensors", LAYOUT)
    assert all(np.array_equal(file.tensors[name], tensors[name]) for name in tensors)
    assert file.sha256 == hashlib.sha256(content).hexdigest() == file.content_sha256


def test_the_digest_of_the_content_does_not_depend_on_the_writer():
    tensors = make_tensors(PROTOCOL)
    content = safetensors.numpy.save(tensors, metadata={"made": "elsewhere"})
    file = parse_checkpoint(content, "fog/a.safetensors", LAYOUT)
    assert file.sha256 != file.content_sha256 == parse(tensors).content_sha256


def test_the_library_reads_what_is_written():
    tensors = make_tensors(PROTOCOL)
    read = safetensors.numpy.load(encode_checkpoint(tensors))
    assert all(np.array_equal(read[name], tensors[name]) for name in tensors)


def test_a_renamed_tensor_is_missing_under_its_name_and_additional_under_the_new_one():
    tensors = make_tensors(PROTOCOL)
    tensors["fc.bias"] = tensors.pop("linear.bias")
    assert findings(tensors) == [("linear.bias", "is missing"), ("fc.bias", "is not a tensor of this network")]


def test_an_extra_tensor_is_named():
    assert findings(changed(optimizer=np.zeros(3, np.float32))) == [("optimizer", "is not a tensor of this network")]


def test_a_tensor_of_another_shape_or_dtype_is_named():
    tensors = changed(linear__bias=np.zeros(9, np.float32), bn1__num_batches_tracked=np.array(1, np.float32))
    assert sorted(findings(tensors)) == [
        ("bn1.num_batches_tracked", "has dtype F32, expected I64"),
        ("linear.bias", "has shape [9], expected [10]"),
    ]


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_values_that_are_not_finite_are_counted(value):
    bias = np.zeros(10, np.float32)
    bias[[2, 5]] = value
    assert findings(changed(linear__bias=bias)) == [("linear.bias", "holds 2 values that are not finite")]


def test_negative_variances_are_refused():
    variance = np.full(8, -1, np.float32)
    assert findings(changed(bn1__running_var=variance)) == [("bn1.running_var", "holds negative variances")]


def test_every_wrong_tensor_is_listed_and_the_text_names_the_first_ten():
    with pytest.raises(CheckpointProblem, match="and 113 more") as caught:
        parse({"x": np.zeros(1, np.float32)})
    assert len(caught.value.findings) == len(LAYOUT) + 1


def test_a_pickle_is_not_opened():
    with pytest.raises(RefusedArtifact, match="looks like a zip archive"):
        parse_checkpoint(b"PK\x03\x04" + b"\0" * 600, "fog/a.safetensors", LAYOUT)
