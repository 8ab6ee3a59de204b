"""What comes through the one door for untrusted bytes, and what does not."""

import contextlib
import hashlib
import itertools
import json
import os
from pathlib import Path
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from safetensors.numpy import load, save
from submission_factory import SHAPE, tiny_values

from bench.artifacts import (
    SHORT_HEADER_BYTES,
    MissingArtifact,
    decode_perturbation,
    encode_perturbation,
    read_any_header,
    read_header_apart,
    read_perturbation,
    write_perturbation,
)
from bench.data.perturbed import apply_perturbation
from bench.errors import InvalidSubmission, RefusedArtifact
from bench.safetensors_header import HeaderError, parse_header
from bench.submission import ArtifactDraft
from bench.untrusted import list_entries, read_untrusted


def read(folder: Path, path: str = "delta.safetensors"):
    return read_perturbation(folder, ArtifactDraft(path=path))


def test_a_written_perturbation_is_read_back_with_its_digest_and_size(tmp_path):
    values = tiny_values()
    sha256, size = write_perturbation(tmp_path / "delta.safetensors", values)
    found = read(tmp_path)
    assert np.array_equal(found.values, values)
    assert (found.sha256, found.size) == (sha256, size)
    assert sha256 == hashlib.sha256((tmp_path / "delta.safetensors").read_bytes()).hexdigest()


@given(npst.arrays(st.sampled_from([np.int8, np.int16]), npst.array_shapes(min_dims=4, max_dims=4, min_side=0)))
def test_the_safetensors_library_reads_what_is_written(values):
    assert np.array_equal(load(encode_perturbation(values))["delta"], values)


def test_what_the_safetensors_library_writes_is_read():
    values = tiny_values()
    assert np.array_equal(decode_perturbation(save({"delta": values}, {"made": "by hand"}), "delta"), values)


def test_equal_values_in_another_memory_order_give_equal_bytes():
    values = tiny_values()
    other = np.asfortranarray(values)[:, :, :, ::-1][:, :, :, ::-1].astype(">i1")
    assert encode_perturbation(other) == encode_perturbation(values)


def test_big_endian_values_are_written_little_endian():
    values = np.full((1, 1, 1, 1), 300, dtype=">i2")
    assert encode_perturbation(values).endswith(b"\x2c\x01")


def test_a_read_perturbation_cannot_be_written_to(tmp_path):
    write_perturbation(tmp_path / "delta.safetensors", tiny_values())
    with pytest.raises(ValueError, match="read-only"):
        read(tmp_path).values[0] = 1


@pytest.mark.parametrize("values", [np.zeros(SHAPE, np.float32), np.zeros((2, 2), np.int8)])
def test_only_four_dimensional_int8_and_int16_are_written(values):
    with pytest.raises(ValueError, match="int8 or int16"):
        encode_perturbation(values)


def test_a_missing_artifact_is_invalid_and_not_unsafe(tmp_path):
    with pytest.raises(MissingArtifact, match="no such file"):
        read(tmp_path, "sub/delta.safetensors")


@pytest.mark.parametrize(
    ("path", "word"),
    [
        ("../delta.safetensors", r"\.\."),
        ("a/../../delta.safetensors", r"\.\."),
        ("/etc/delta.safetensors", "absolute"),
        ("a//delta.safetensors", "plain relative"),
        ("./delta.safetensors", "plain relative"),
        ("a\\delta.safetensors", "plain relative"),
        ("a\x00.safetensors", "plain relative"),
        ("delta.pt", "does not end in .safetensors"),
    ],
)
def test_a_path_that_is_not_plain_is_refused(tmp_path, path, word):
    with pytest.raises(RefusedArtifact, match=word):
        read(tmp_path, path)


def test_a_link_is_refused_as_the_file_as_a_folder_on_the_way_and_as_the_submission(tmp_path):
    write_perturbation(tmp_path / "real" / "delta.safetensors", tiny_values())
    (tmp_path / "linked.safetensors").symlink_to("real/delta.safetensors")
    (tmp_path / "folder").symlink_to("real")
    for folder, path in ((tmp_path, "linked.safetensors"), (tmp_path, "folder/delta.safetensors")):
        with pytest.raises(RefusedArtifact, match="symbolic link"):
            read(folder, path)
    with pytest.raises(RefusedArtifact, match="symbolic link"):
        read(tmp_path / "folder")


def test_a_fifo_is_refused_without_waiting_for_a_writer(tmp_path):
    os.mkfifo(tmp_path / "delta.safetensors")
    with pytest.raises(RefusedArtifact, match="FIFO"):
        read(tmp_path)


def test_a_file_beyond_the_limit_is_refused_before_it_is_read(tmp_path):
    with (tmp_path / "delta.safetensors").open("wb") as file:
        file.truncate(2**40)
    with pytest.raises(RefusedArtifact, match="too large"):
        read(tmp_path)


def test_a_file_of_exactly_the_limit_is_read(tmp_path):
    (tmp_path / "x").write_bytes(b"12345")
    assert read_untrusted(tmp_path, "x", 5) == b"12345"
    with pytest.raises(RefusedArtifact, match="at most 4"):
        read_untrusted(tmp_path, "x", 4)


def test_a_file_that_holds_more_than_its_size_says_is_refused():
    # Files of /proc say that they are empty, as a file would that grows while it is read.
    with pytest.raises(RefusedArtifact, match="changed while it was read"):
        read_untrusted(Path(f"/proc/{os.getpid()}"), "status", 10**6)


def test_another_tensor_name_dtype_or_number_of_tensors_is_invalid_and_not_unsafe():
    values = np.zeros(SHAPE, np.int8)
    for tensors, word in (
        ({"noise": values}, "'noise'"),
        ({"delta": values, "extra": values}, "found 2"),
        ({"delta": values.astype(np.float32)}, "F32"),
    ):
        with pytest.raises(InvalidSubmission, match=word):
            decode_perturbation(save(tensors), "delta.safetensors")


@pytest.mark.parametrize(
    ("content", "word"),
    [
        (b"\x80\x04\x95\x10\x00\x00\x00\x00\x00\x00\x00.", "pickle"),
        (b"cposix\nsystem\n(S'true'\ntR.", "pickle"),
        (b"PK\x03\x04" + b"\x00" * 40, "zip"),
        (b"\x93NUMPY\x01\x00v\x00{'descr'", "numpy"),
        (b"\x1f\x8b\x08\x00" + b"\x00" * 10, "compressed"),
        (b"version https://git-lfs.github.com/spec/v1\n", "git lfs pull"),
        (b"", "is not a safetensors file"),
        (b"\xff" * 7, "is not a safetensors file"),
    ],
)
def test_another_format_is_refused_by_its_name(content, word):
    with pytest.raises(RefusedArtifact, match=word):
        decode_perturbation(content, "delta.safetensors")


def test_a_header_that_needs_much_memory_ends_the_child_and_not_the_parent():
    header = b'{"' + b"a" * 1_000_000 + b'":1}'
    content = len(header).to_bytes(8, "little") + header
    with pytest.raises(RefusedArtifact, match="1000000 characters"):
        decode_perturbation(content, "delta.safetensors")


def header_of(**changes) -> dict:
    return {"dtype": "I8", "shape": [2, 3], "data_offsets": [0, 6], **changes}


@pytest.mark.parametrize(
    ("header", "word"),
    [
        ({"delta": header_of(dtype="O")}, "unknown dtype"),
        ({"delta": header_of(dtype=["I8"])}, "unknown dtype"),
        ({"delta": header_of(shape=[2, -3])}, "holds -3"),
        ({"delta": header_of(shape=[True, 6])}, "holds True"),
        ({"delta": header_of(shape=[2**63, 2**63])}, "whole number"),
        ({"delta": header_of(shape=[2**40, 2**40])}, "more than"),
        ({"delta": header_of(shape=[1] * 9)}, "at most 8"),
        ({"delta": header_of(shape=[2, 4])}, "needs 8 bytes"),
        ({"delta": header_of(data_offsets=[6, 0])}, "begin, end"),
        ({"delta": header_of(data_offsets=[0])}, "begin, end"),
        ({"delta": header_of(data_offsets=[2, 8])}, "gap"),
        ({"delta": header_of(), "other": header_of()}, "overlap"),
        ({"delta": header_of(code="import os")}, "exactly the keys"),
        ({"delta": []}, "exactly the keys"),
        ({"": header_of()}, "0 characters"),
        ({}, "0 tensors"),
        ({"__metadata__": {"a": 1}, "delta": header_of()}, "object of strings"),
        ({"__metadata__": {"a": "b" * 2000}, "delta": header_of()}, "1024 characters"),
    ],
)
def test_a_header_that_breaks_the_format_is_refused(header, word):
    with pytest.raises(HeaderError, match=word):
        parse_header(json.dumps(header).encode(), 6)


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ('{"a":1,"a":2}', "duplicate"),
        ('{"a":NaN}', "NaN"),
        ('{"a":1.5}', "1.5"),
        ('{"a":' + "9" * 5000 + "}", "not JSON"),
        ('{"a":' + "[" * 5000, "nested"),
        ('{"a"', "not JSON"),
        ('["a"]', "start with"),
        ("{\udc80}", "UTF-8"),
    ],
)
def test_json_that_is_not_plain_is_refused(text, word):
    with pytest.raises(HeaderError, match=word):
        parse_header(text.encode("utf-8", "surrogateescape"), 6)


PIECES = (b"", b"9" * 30, b'"', b"{[", b"]}", b"-", b"e9", b",", b":", b"\\", b"\xff", b"null", b'"dtype"', b" ")


def mutated(content: bytes, random: Random) -> bytes:
    """Return content with one to four stretches of up to three bytes replaced, cut out or added to."""
    changed = bytearray(content)
    for _ in range(random.randint(1, 4)):
        at = random.randrange(len(changed))
        changed[at : at + random.randint(0, 3)] = random.choice((*PIECES, random.randbytes(2)))
    return bytes(changed)


@pytest.mark.parametrize("seed", range(10))
def test_a_mutated_file_is_read_or_refused_and_nothing_else(seed):
    content = encode_perturbation(np.zeros((2, 1, 2, 2), np.int8))
    random, read_anyway = Random(seed), 0
    for _ in range(1000):
        try:
            decode_perturbation(mutated(content, random), "delta.safetensors", read_header=parse_header)
            read_anyway += 1
        except (RefusedArtifact, InvalidSubmission):
            continue
    assert 0 < read_anyway < 500


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=200) | st.text(max_size=100).map(lambda text: ("{" + text).encode("utf-8", "replace")))
def test_any_header_is_read_or_refused_and_nothing_else(header):
    with contextlib.suppress(HeaderError):
        parse_header(header, 6)


@given(st.lists(st.integers(0, 5), min_size=1, max_size=8), st.randoms())
def test_tensors_that_cover_the_data_are_accepted_in_any_order_of_the_header(lengths, random):
    ends = list(itertools.accumulate(lengths))
    entries = [
        (f"t{i}", {"dtype": "I8", "shape": [n], "data_offsets": [end - n, end]})
        for i, (n, end) in enumerate(zip(lengths, ends, strict=True))
    ]
    random.shuffle(entries)
    found = parse_header(json.dumps(dict(entries)).encode(), ends[-1])
    assert [entry.end for entry in found] == ends


def test_the_images_trained_on_are_clipped_at_both_ends():
    images = np.array([0, 250, 250, 100], np.uint8).reshape(1, 1, 1, 4)
    values = np.array([-5, 3, 100, -128], np.int8).reshape(1, 1, 1, 4)
    assert apply_perturbation(images, values).ravel().tolist() == [0, 253, 255, 0]


def test_a_change_beyond_the_range_of_int16_does_not_wrap_around():
    images = np.array([255, 0], np.uint8).reshape(1, 1, 1, 2)
    values = np.array([32767, -32768], np.int16).reshape(1, 1, 1, 2)
    assert apply_perturbation(images, values).ravel().tolist() == [255, 0]


@given(st.integers(0, 2**32 - 1))
def test_no_perturbation_leaves_images_as_they_are(seed):
    images = np.random.default_rng(seed).integers(0, 256, (3, 1, 2, 2), dtype=np.uint8)
    assert np.array_equal(apply_perturbation(images, np.zeros(images.shape, np.int8)), images)


def test_images_and_perturbation_of_different_shapes_do_not_fit():
    with pytest.raises(ValueError, match="do not fit"):
        apply_perturbation(np.zeros((2, 1, 2, 2), np.uint8), np.zeros((1, 1, 2, 2), np.int8))


def test_entries_are_listed_by_path_without_following_links(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "file").touch()
    (tmp_path / "b").symlink_to("a")
    assert [path for path, _ in list_entries(tmp_path)] == ["a", "b", "a/file"]


@pytest.mark.parametrize("spare", [0, SHORT_HEADER_BYTES])
def test_only_a_long_header_is_parsed_in_a_process_of_its_own_and_both_ways_read_the_same(monkeypatch, spare):
    header = json.dumps({"delta": {"dtype": "I8", "shape": [4], "data_offsets": [0, 4]}}).encode() + b" " * spare
    started = []
    monkeypatch.setattr(
        "bench.artifacts.read_header_apart", lambda *given: started.append(given) or read_header_apart(*given)
    )
    assert read_any_header(header, 4) == parse_header(header, 4)
    assert len(started) == (1 if spare else 0)
    with pytest.raises(HeaderError):
        read_any_header(header, 5)
