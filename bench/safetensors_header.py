"""parse_header: the JSON header of a safetensors file, checked without looking at a single tensor.

Imports the standard library alone, and nothing of bench: bench.artifacts runs this file as a program of its own, with
memory and time limits, so that hostile JSON can at worst end that program. It reads the size of the data as 8 bytes
(little endian) and then the header from stdin, and prints the tensors, or why they are refused, as one line of JSON.
"""

import json
import re
import sys
from dataclasses import asdict, dataclass
from typing import Any, NoReturn

HEADER_LIMIT_BYTES = 1024 * 1024
MEMORY_LIMIT_BYTES = 512 * 1024 * 1024
CPU_LIMIT_SECONDS = 10

TENSOR_LIMIT = 4096
NAME_LIMIT = 200
RANK_LIMIT = 8
VALUE_LIMIT = 2**40
METADATA_LIMIT = 1024
DEPTH_LIMIT = 4

ITEM_BYTES = {
    "BOOL": 1,
    "U8": 1,
    "I8": 1,
    "F8_E4M3": 1,
    "F8_E5M2": 1,
    "U16": 2,
    "I16": 2,
    "F16": 2,
    "BF16": 2,
    "U32": 4,
    "I32": 4,
    "F32": 4,
    "U64": 8,
    "I64": 8,
    "F64": 8,
}
"""Bytes of one value of each dtype that the format knows."""

# Possessive, and a string without an end takes all that follows: no text is looked at twice.
_STRINGS_AND_BRACKETS = re.compile(r'"(?:[^"\\]|\\.)*+"?|[\[{]|[\]}]', re.DOTALL)
_SURROGATE = re.compile("[\ud800-\udfff]")


class HeaderError(ValueError):
    """A header breaks the format, or claims what its file cannot hold."""


@dataclass(frozen=True)
class TensorEntry:
    """One tensor as declared: bytes `begin` to `end` of the data that follows the header."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    begin: int
    end: int


def parse_header(header: bytes, data_bytes: int) -> list[TensorEntry]:
    """Return the tensors of a header, in the order of their bytes, which are exactly the `data_bytes` that follow it.

    Raises HeaderError, and nothing else, whatever the bytes are.
    """
    if len(header) > HEADER_LIMIT_BYTES:
        raise HeaderError(f"header is {len(header)} bytes long, at most {HEADER_LIMIT_BYTES} are read")
    document = _load_json(header)
    if not isinstance(document, dict):
        raise HeaderError("header is not a JSON object")
    _check_metadata(document.pop("__metadata__", {}))
    if not 1 <= len(document) <= TENSOR_LIMIT:
        raise HeaderError(f"header declares {len(document)} tensors, expected 1 to {TENSOR_LIMIT}")
    entries = sorted((_entry(name, value) for name, value in document.items()), key=lambda e: (e.begin, e.end))
    _check_cover(entries, data_bytes)
    return entries


def _load_json(header: bytes) -> Any:
    if not header.startswith(b"{"):
        raise HeaderError("header does not start with '{'")
    try:
        text = header.decode("utf-8")
    except UnicodeDecodeError as error:
        raise HeaderError(f"header is not UTF-8: {error.reason} at byte {error.start}") from error
    _check_depth(text)
    try:
        return json.loads(
            text,
            object_pairs_hook=_no_duplicates,
            parse_constant=_no_constant,
            parse_float=_no_float,
            parse_int=_whole_number,
        )
    except HeaderError:
        raise
    except (ValueError, RecursionError) as error:
        raise HeaderError(f"header is not JSON: {error}") from error


def _check_depth(text: str) -> None:
    depth = 0
    for match in _STRINGS_AND_BRACKETS.finditer(text):
        part = match.group()
        depth += (part in "[{") - (part in "]}")
        if depth > DEPTH_LIMIT:
            raise HeaderError(f"header is nested more than {DEPTH_LIMIT} levels deep")


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise HeaderError(f"header has the key {_shown(key)} more than once (duplicate)")
        if _SURROGATE.search(key) or (isinstance(value, str) and _SURROGATE.search(value)):
            raise HeaderError(
                f"header holds half a character (a lone surrogate) at {_shown(key)}, which is not Unicode"
            )
        found[key] = value
    return found


def _no_constant(text: str) -> NoReturn:
    raise HeaderError(f"header holds {text}, which is not JSON")


def _no_float(text: str) -> NoReturn:
    raise HeaderError(f"header holds {_shown(text)}; sizes and offsets are whole numbers")


def _whole_number(text: str) -> int:
    """Read a JSON integer. Python takes -0 for 0, other readers for a fraction."""
    if text.startswith("-"):
        raise HeaderError(f"header holds {text[:80]}, expected a whole number from 0 to {VALUE_LIMIT}")
    return int(text)


def _check_metadata(metadata: Any) -> None:
    if not isinstance(metadata, dict) or not all(isinstance(value, str) for value in metadata.values()):
        raise HeaderError("__metadata__ is not an object of strings")
    if sum(len(key) + len(value) for key, value in metadata.items()) > METADATA_LIMIT:
        raise HeaderError(f"__metadata__ holds more than {METADATA_LIMIT} characters")


def _entry(name: str, value: Any) -> TensorEntry:
    if not 1 <= len(name) <= NAME_LIMIT:
        raise HeaderError(f"tensor name of {len(name)} characters, expected 1 to {NAME_LIMIT}")
    if not isinstance(value, dict) or set(value) != {"dtype", "shape", "data_offsets"}:
        raise HeaderError(f"tensor {_shown(name)} does not have exactly the keys dtype, shape, data_offsets")
    dtype = value["dtype"]
    if not isinstance(dtype, str) or dtype not in ITEM_BYTES:
        raise HeaderError(f"tensor {_shown(name)} has the unknown dtype {_shown(dtype)}")
    shape = _whole_numbers(value["shape"], f"shape of tensor {_shown(name)}", RANK_LIMIT)
    offsets = _whole_numbers(value["data_offsets"], f"data_offsets of tensor {_shown(name)}", 2)
    if len(offsets) != 2 or offsets[0] > offsets[1]:
        raise HeaderError(f"data_offsets of tensor {_shown(name)} are not [begin, end]")
    needed = _size(shape) * ITEM_BYTES[dtype]
    if offsets[1] - offsets[0] != needed:
        raise HeaderError(
            f"tensor {_shown(name)} of shape {list(shape)} and dtype {dtype} needs {needed} bytes, "
            f"its offsets span {offsets[1] - offsets[0]}"
        )
    return TensorEntry(name, dtype, shape, *offsets)


def _whole_numbers(value: Any, what: str, limit: int) -> tuple[int, ...]:
    if not isinstance(value, list) or len(value) > limit:
        raise HeaderError(f"{what} is not a list of at most {limit} numbers")
    for item in value:
        if type(item) is not int or not 0 <= item <= VALUE_LIMIT:
            raise HeaderError(f"{what} holds {_shown(item)}, expected a whole number from 0 to {VALUE_LIMIT}")
    return tuple(value)


def _size(shape: tuple[int, ...]) -> int:
    size = 1
    for length in shape:
        size *= length
    if size > VALUE_LIMIT:
        raise HeaderError(f"shape {list(shape)} holds more than {VALUE_LIMIT} values")
    return size


def _check_cover(entries: list[TensorEntry], data_bytes: int) -> None:
    position = 0
    for entry in entries:
        if entry.begin != position:
            kind = "overlap" if entry.begin < position else "leave a gap"
            raise HeaderError(f"tensors {kind}: {_shown(entry.name)} begins at {entry.begin}, expected {position}")
        position = entry.end
    if position != data_bytes:
        kind = "is truncated" if position > data_bytes else "has trailing bytes"
        raise HeaderError(f"file {kind}: tensors take {position} bytes, {data_bytes} follow the header")


def _shown(value: Any) -> str:
    try:
        text = ascii(value)
    except ValueError:  # an integer of more digits than Python writes out
        return f"a {type(value).__name__} too long to show"
    return text if len(text) <= 80 else f"{text[:80]}..."


def _limit_process() -> None:
    import resource  # noqa: PLC0415 (not on Windows, and needed by the child process alone)

    limits = {
        resource.RLIMIT_AS: MEMORY_LIMIT_BYTES,
        resource.RLIMIT_CPU: CPU_LIMIT_SECONDS,
        resource.RLIMIT_FSIZE: 0,
        resource.RLIMIT_CORE: 0,
    }
    for kind, wanted in limits.items():
        hard = resource.getrlimit(kind)[1]
        allowed = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(kind, (allowed, allowed))


def main() -> None:
    """Parse the header on stdin under limits; print one line of JSON."""
    _limit_process()
    data_bytes = int.from_bytes(sys.stdin.buffer.read(8), "little")
    header = sys.stdin.buffer.read(HEADER_LIMIT_BYTES + 1)
    try:
        verdict: dict[str, Any] = {"tensors": [asdict(entry) for entry in parse_header(header, data_bytes)]}
    except (HeaderError, MemoryError) as error:
        verdict = {"refused": str(error) or "header needs too much memory"}
    sys.stdout.write(json.dumps(verdict))


if __name__ == "__main__":
    main()
