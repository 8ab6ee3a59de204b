"""Record: the base of everything that crosses a file; and the two ways to read one, TOML and canonical JSON.

May import pydantic, rfc8785 and bench.errors; no torch, no pandas.
"""

import hashlib
import tomllib
from collections.abc import Callable
from json.encoder import encode_basestring
from typing import Any

import rfc8785
from pydantic import BaseModel, ConfigDict


class Record(BaseModel):
    """A frozen record that refuses unknown keys, wrong types and numbers that are not finite."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


def canonical_bytes(value: Any) -> bytes:
    """Return the RFC 8785 bytes of a JSON value (dicts with string keys, lists, strings, numbers, booleans, None).

    Raises rfc8785.CanonicalizationError for NaN, infinities and integers beyond 2**53 - 1.
    """
    parts: list[str] = []
    try:
        _write(value, parts.append)
        return "".join(parts).encode()
    except (_Rare, UnicodeEncodeError):
        return rfc8785.dumps(value)


class _Rare(Exception):
    """Something that the quick writer leaves to the library: it knows every rule and has the errors."""


def _write(value: Any, write: Callable[[str], None]) -> None:
    """Write the usual values, several times as fast as the library: a site reads and digests thousands of documents."""
    kind = type(value)
    if kind is float:
        write(number_text(value))
    elif kind is str:
        write(encode_basestring(value))
    elif kind is dict:
        separator = "{"
        for key in _sorted_keys(value):
            write(f"{separator}{encode_basestring(key)}:")
            _write(value[key], write)
            separator = ","
        write("}" if value else "{}")
    elif kind is list or kind is tuple:
        separator = "["
        for item in value:
            write(separator)
            _write(item, write)
            separator = ","
        write("]" if value else "[]")
    elif value is None or kind is bool:
        write({None: "null", True: "true", False: "false"}[value])
    elif kind is int and abs(value) < _INTEGER_LIMIT:
        write(repr(value))
    else:
        raise _Rare


_INTEGER_LIMIT = 2**53


def _sorted_keys(value: dict[Any, Any]) -> list[str]:
    # The order is that of UTF-16 code units, which is Python's own for ASCII only.
    if not all(type(key) is str and key.isascii() for key in value):
        raise _Rare
    return sorted(value)


def number_text(value: float) -> str:
    """Return a number as ECMAScript writes it, which is as Python does, but for whole numbers and exponents."""
    text = repr(value)
    if "e" in text or "n" in text:  # exponents, nan, inf
        return rfc8785.dumps(value).decode()
    return text.removesuffix(".0") if value else "0"


def digest(value: Any) -> str:
    """Return `sha256:` and the hex SHA-256 of the canonical bytes of a JSON value."""
    return f"sha256:{hashlib.sha256(canonical_bytes(value)).hexdigest()}"


def parse_toml(text: str) -> Any:
    """Parse TOML; arrays become tuples, as frozen records want them. Raises tomllib.TOMLDecodeError."""
    return with_tuples(tomllib.loads(text))


def with_tuples(value: Any) -> Any:
    """Return a JSON-like value with every list turned into a tuple, as frozen records want them."""
    if isinstance(value, dict):
        return {key: with_tuples(item) for key, item in value.items()}
    if isinstance(value, list):
        return tuple(with_tuples(item) for item in value)
    return value
