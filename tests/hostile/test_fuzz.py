"""Whatever bytes come, only the project's own refusals come out; and what is accepted is what other readers see too."""

import json
import random
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors
import safetensors.numpy
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from submission_factory import MANIFEST, SHAPE, make_submission, tiny_values, validate_tiny

from bench.artifacts import decode_perturbation, encode_perturbation
from bench.checkpoints import encode_checkpoint, parse_checkpoint
from bench.errors import BenchError
from bench.manifest_problems import ManifestText, find_problems, parse_text
from bench.problems import Problem, exit_code, format_problems
from bench.safetensors_header import ITEM_BYTES, HeaderError, TensorEntry, parse_header
from bench.store import check_result, check_runs

HEADERS = 100_000
FILES = 150
ROOT = Path(__file__).resolve().parents[2]
RESULT = next((ROOT / "submissions" / "clean" / "results" / "ue-cifar10-mini-v1").glob("*.json"))
RUNS = RESULT.with_suffix(".runs.jsonl")
VALID = MANIFEST.format(sha256="0" * 64, size=144)

_NUMBERS = (0, 1, -1, 6, 143, 144, 145, 2**31, 2**32, 2**40, 2**53, 2**63, 2**64, 10**30, 1.5, True, None, "0", [], {})
_DTYPES = (*ITEM_BYTES, "O", "i8", "", "C64", "F4", 1, None, [])
_NAMES = ("delta", "", "\x00", "\ud800", "__metadata__", "d" * 300, "é", "a/b", "δ")
_BYTES = tuple(b'{}[]":,\\ \n\t0-+.eE\x00\xff\xed\xa0' + b"nulltrue")


def entry(rng: random.Random, begin: int) -> tuple[dict[str, Any], int]:
    """Return a tensor that is sound more often than not, and where it ends."""
    dtype = rng.choice(list(ITEM_BYTES))
    shape = [rng.choice((0, 1, 2, 3, 6)) for _ in range(rng.randrange(4))]
    end = begin + int(np.prod(shape, dtype=np.int64)) * ITEM_BYTES[dtype]
    return {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}, end


def mutate_value(rng: random.Random, found: dict[str, Any]) -> None:
    key = rng.choice(("dtype", "shape", "data_offsets", "extra", "drop"))
    if key == "dtype":
        found["dtype"] = rng.choice(_DTYPES)
    elif key == "extra":
        found[rng.choice(("extra", "Dtype", ""))] = rng.choice(_NUMBERS)
    elif key == "drop" and found:
        found.pop(rng.choice(sorted(found)))
    elif isinstance(found.get(key), list) and found[key] and rng.random() < 0.8:
        found[key][rng.randrange(len(found[key]))] = rng.choice(_NUMBERS)
    else:
        found[key] = rng.choice((*_NUMBERS, [1] * 9, [0, 144, 0]))


def mutate_bytes(rng: random.Random, text: bytearray) -> None:
    for _ in range(rng.randrange(1, 4)):
        at = rng.randrange(len(text) + 1)
        kind = rng.randrange(4)
        if kind == 0 and at < len(text):
            text[at] = rng.choice(_BYTES)
        elif kind == 1:
            text[at:at] = bytes([rng.choice(_BYTES)])
        elif kind == 2:
            del text[at : at + rng.randrange(1, 5)]
        else:
            begin = rng.randrange(len(text) + 1)
            text[at:at] = text[begin : begin + rng.randrange(1, 40)]


def mutated_header(rng: random.Random) -> tuple[bytes, int]:
    """Return a header and the size of its data: sound, broken in its values, or broken in its bytes."""
    document: dict[str, Any] = {}
    position = 0
    for number in range(rng.randrange(1, 5)):
        name = rng.choice(_NAMES) if rng.random() < 0.1 else f"t{number}"
        document[name], position = entry(rng, position)
    if rng.random() < 0.2:
        document["__metadata__"] = rng.choice(({}, {"a": "b"}, {"a": 1}, [], "x", None, {"a" * 2000: ""}))
    for _ in range(rng.choice((0, 0, 1, 1, 2))):
        found = rng.choice(list(document.values()))
        if isinstance(found, dict):
            mutate_value(rng, found)
    items = list(document.items())
    rng.shuffle(items)
    text = bytearray(json.dumps(dict(items), ensure_ascii=rng.random() < 0.7).encode("utf-8", "surrogatepass"))
    if rng.random() < 0.4:
        mutate_bytes(rng, text)
    text += b" " * rng.choice((0, 0, 0, 1, 7))
    return bytes(text), position + rng.choice((0, 0, 0, 0, 1, -1, 8)) if position else position


def check_accepted(header: bytes, data_bytes: int, entries: list[TensorEntry]) -> None:
    """Compare what was accepted with the library that everybody else reads such files with."""
    ordered = sorted(entries, key=lambda item: (item.begin, item.end))
    assert [item.begin for item in ordered] == [0, *(item.end for item in ordered[:-1])]
    assert ordered[-1].end == data_bytes
    content = struct.pack("<Q", len(header)) + header + bytes(data_bytes)
    seen = dict(safetensors.deserialize(content))
    assert seen.keys() == {item.name for item in entries}
    for item in entries:
        assert tuple(seen[item.name]["shape"]) == item.shape
        assert seen[item.name]["dtype"] == item.dtype
        assert len(seen[item.name]["data"]) == item.end - item.begin


def test_a_hundred_thousand_headers_are_read_as_the_library_reads_them_or_refused():
    rng = random.Random(20261121)
    accepted = 0
    for _ in range(HEADERS):
        header, data_bytes = mutated_header(rng)
        try:
            entries = parse_header(header, max(0, data_bytes))
        except HeaderError:
            continue
        accepted += 1
        check_accepted(header, max(0, data_bytes), entries)
    # Neither refusing all nor accepting all would show anything.
    assert HEADERS // 20 < accepted < HEADERS * 3 // 4


def test_mutated_files_are_valid_or_refused_from_end_to_end(tmp_path):
    rng = random.Random(7)
    folder = make_submission(tmp_path)
    sound = (folder / "delta.safetensors").read_bytes()
    codes = set()
    for _ in range(FILES):
        content = bytearray(sound)
        if rng.random() < 0.5:
            mutate_bytes(rng, content)
        else:
            header, size = mutated_header(rng)
            content = bytearray(struct.pack("<Q", len(header)) + header + bytes(max(0, size)))
        (folder / "delta.safetensors").write_bytes(content)
        problems = validate_tiny(folder)
        assert problems or bytes(content) == sound
        codes.add(exit_code(problems))
        assert all(part.isprintable() or part == "\n" for part in format_problems(problems))
    assert {3, 4} <= codes


@given(st.binary(max_size=600))
@settings(max_examples=300)
def test_any_bytes_are_a_perturbation_or_refused(content):
    check_decoded(content)


@given(st.data())
@settings(max_examples=300)
def test_any_change_of_a_perturbation_is_read_as_the_library_reads_it_or_refused(data):
    content = bytearray(encode_perturbation(tiny_values()))
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(content) - 1))
        content[at : at + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=4))
    check_decoded(bytes(content))


def check_decoded(content: bytes) -> None:
    try:
        values = decode_perturbation(content, "delta.safetensors", read_header=parse_header)
    except BenchError:
        return
    assert np.array_equal(safetensors.numpy.load(content)["delta"], values)


@given(
    st.binary(max_size=400)
    | st.builds(lambda a: encode_checkpoint({"w": np.array(a, np.float32)}), st.floats(width=32))
)
@settings(max_examples=100, suppress_health_check=[HealthCheck.too_slow])
def test_any_bytes_are_a_checkpoint_of_finite_numbers_or_refused(content):
    try:
        file = parse_checkpoint(content, "a.safetensors", {"w": ("F32", ())})
    except BenchError:
        return
    assert np.isfinite(file.tensors["w"]).all()


def check_manifest(text: str) -> None:
    """Nothing is raised, whatever a manifest says; and everything that is said about it prints."""
    found = parse_text(text, "submission.toml")
    problems = [found] if isinstance(found, Problem) else find_problems(found)
    if isinstance(found, ManifestText):
        found.artifacts()
        found.protocols()
        found.listed_paths()
    report = format_problems(problems)
    assert all(part.isprintable() or part == "\n" for part in report)
    assert all(problem.message and problem.code for problem in problems)


@given(st.text(max_size=300))
@settings(max_examples=300)
def test_any_text_is_a_manifest_or_has_problems(text):
    check_manifest(text)


_LINES = VALID.splitlines()
_TOML = st.one_of(
    st.sampled_from(["nan", "inf", "true", "[]", "{}", "''", '""', "0x10", "1e308", "-0", "2026-01-01", "07:00:00"]),
    st.integers().map(str),
    st.floats().map(repr),
    st.text(max_size=30).map(json.dumps),
    st.lists(st.integers(), max_size=3).map(str),
    st.dictionaries(st.sampled_from(["a", "b"]), st.integers(), max_size=2).map(
        lambda d: "{" + ", ".join(f"{k} = {v}" for k, v in d.items()) + "}"
    ),
)


@given(
    st.lists(
        st.tuples(st.integers(0, len(_LINES) - 1), st.sampled_from(["value", "drop", "twice", "swap"]), _TOML),
        min_size=1,
        max_size=4,
    )
)
@settings(max_examples=400)
def test_any_change_of_a_manifest_has_problems_or_none_and_raises_nothing(changes):
    lines = list(_LINES)
    for at, kind, value in changes:
        line = lines[at % len(lines)]
        if kind == "value" and "=" in line:
            lines[at % len(lines)] = f"{line.partition('=')[0]}= {value}"
        elif kind == "drop":
            lines[at % len(lines)] = ""
        elif kind == "twice":
            lines.insert(at % len(lines), line)
        else:
            lines[at % len(lines)], lines[0] = lines[0], line
    check_manifest("\n".join(lines))


@given(st.integers(0, len(VALID)), st.text(max_size=8), st.integers(0, 8))
@settings(max_examples=400)
def test_any_edit_of_the_characters_of_a_manifest_raises_nothing(at, text, dropped):
    check_manifest(VALID[:at] + text + VALID[at + dropped :])


@pytest.fixture(scope="module")
def result_file(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("fog") / "results" / RESULT.parent.name
    folder.mkdir(parents=True)
    return folder / RESULT.name


_DOCUMENT = json.loads(RESULT.read_bytes())
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the way to every part of a document; of lists, to the first and last elements."""
    found = [path] if path else []
    if isinstance(value, dict):
        found += [place for key, item in value.items() for place in places(item, (*path, key))]
    elif isinstance(value, list):
        ends = {0, len(value) - 1} if value else set()
        found += [place for index in sorted(ends) for place in places(value[index], (*path, index))]
    return found


_PLACES = places(_DOCUMENT)


def check_stored(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    if content != RESULT.read_bytes():
        problems = check_result(path)
        assert problems
        assert all(str(path) in problem and problem.isprintable() for problem in problems)


@given(st.sampled_from(_PLACES), _JSON)
@settings(max_examples=400)
def test_any_value_in_a_result_is_a_problem_and_raises_nothing(result_file, place, value):
    document = json.loads(json.dumps(_DOCUMENT))
    parent = document
    for part in place[:-1]:
        parent = parent[part]
    if repr(parent[place[-1]]) == repr(value):
        return
    parent[place[-1]] = value
    check_stored(result_file, json.dumps(document).encode("utf-8", "surrogatepass"))


@given(st.integers(0, 15_000), st.binary(max_size=6), st.integers(0, 6))
@settings(max_examples=300)
def test_any_edit_of_the_bytes_of_a_result_is_a_problem(result_file, at, text, dropped):
    content = RESULT.read_bytes()
    check_stored(result_file, content[:at] + text + content[at + dropped :])


@given(st.binary(max_size=200) | st.text(max_size=100).map(str.encode))
@settings(max_examples=200)
def test_any_bytes_beside_a_result_are_reported_and_raise_nothing(result_file, content):
    result_file.with_suffix(".runs.jsonl").write_bytes(content)
    assert check_runs(result_file)


_RUN = json.loads(RUNS.read_bytes().splitlines()[0])


@given(st.sampled_from(places(_RUN)), _JSON)
@settings(max_examples=200)
def test_any_value_in_a_run_is_reported_and_raises_nothing(result_file, place, value):
    document = json.loads(json.dumps(_RUN))
    parent = document
    for part in place[:-1]:
        parent = parent[part]
    unchanged = repr(parent[place[-1]]) == repr(value) or parent[place[-1]] == value
    parent[place[-1]] = value
    result_file.with_suffix(".runs.jsonl").write_text(json.dumps(document))
    assert check_runs(result_file) or unchanged


def test_shapes_of_the_fuzzed_files_are_those_of_the_protocol():
    assert decode_perturbation(encode_perturbation(tiny_values()), "x", read_header=parse_header).shape == SHAPE
