"""Record: the base of everything that crosses a file; and the two ways to read one, TOML and canonical JSON.

May import pydantic, rfc8785 and bench.errors; no torch, no pandas.
"""

import hashlib
import tomllib
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
    return rfc8785.dumps(value)


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
