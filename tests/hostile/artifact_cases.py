"""Perturbation files of many forms: what else a file may be, and what its header may say."""

import hashlib
import io
import json
import os
import zipfile
from collections.abc import Callable
from pathlib import Path

import corpus as c
from corpus import Build, Case

TAMPERED = c.VALID[:-1] + b"\x01"


def pinned(build: Build) -> Build:
    """Make the manifest pin whatever file a case made, so that nothing but the file itself can be at fault."""

    def both(folder: Path) -> None:
        build(folder)
        path = folder / c.ARTIFACT
        size = path.stat().st_size
        with path.open("rb") as file:
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        c.edit(folder, 'sha256 = "', f'sha256 = "{sha256}" #')
        c.edit(folder, "bytes = ", f"bytes = {size} #")

    return both


def polyglot(folder: Path) -> bytes:
    """A safetensors file that is a zip archive too: archives are read from their end."""
    archive = c._zip({"data.pkl": c.payload(folder)})
    return _with_metadata({}) + archive


def _with_metadata(metadata: dict[str, str]) -> bytes:
    header = json.dumps({"__metadata__": metadata, "delta": c.entry()}).encode()
    return len(header).to_bytes(8, "little") + header + c.DATA


def zip_bomb(suffix: str) -> Build:
    def bomb(_: Path) -> bytes:
        file = io.BytesIO()
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("delta.npy", "w") as entry:
            for _ in range(20):
                entry.write(bytes(10_000_000))
        return file.getvalue()

    return c.renamed(suffix, bomb) if suffix else c.content(bomb)


def sparse_header(claimed: int) -> Build:
    """Hand in a file whose header is as long as it claims, all of it spaces or holes."""

    def build(folder: Path) -> None:
        with (folder / c.ARTIFACT).open("wb") as file:
            file.write(claimed.to_bytes(8, "little") + b"{")
            file.truncate(8 + claimed + 144)

    return build


def sparse_tensor(values: int, dtype: str = "I8", shape: list[int] | None = None) -> Build:
    """Hand in a sound file of zeros that takes no room on disk and all its bytes in memory."""

    def build(folder: Path) -> None:
        size = values * {"I8": 1, "I16": 2, "F32": 4}[dtype]
        found = {"delta": {"dtype": dtype, "shape": shape or [values], "data_offsets": [0, size]}}
        header = json.dumps(found).encode()
        with (folder / c.ARTIFACT).open("wb") as file:
            file.write(len(header).to_bytes(8, "little") + header)
            file.truncate(8 + len(header) + size)

    return build


def named(name: str) -> str:
    return json.dumps({"delta": c.entry()}).replace("delta", name)


def raw(shape: str = "[6, 2, 3, 4]", offsets: str = "[0, 144]", dtype: str = '"I8"') -> Build:
    """Hand in a header whose parts are written as they are given."""
    return c.header(f'{{"delta":{{"dtype":{dtype},"shape":{shape},"data_offsets":{offsets}}}}}')


def bytes_of(make: Callable[[], bytes]) -> Build:
    return c.content(lambda _: make())


_KEYS = "{" + ",".join(f'"{i:05d}":1' for i in range(90_000)) + ',"00001":1,"89999":1}'
_EMPTY_MORE = {"delta": c.entry(), "x": c.entry(shape=[0], data_offsets=[144, 144])}
_SUFFIXES = (
    ".bin",
    ".ckpt",
    ".h5",
    ".joblib",
    ".mat",
    ".msgpack",
    ".npz",
    ".onnx",
    ".pickle",
    ".pth",
    ".safetensor",
    "",
)

PICKLED_SUFFIXES = [
    Case(f"pickle as {suffix or 'nothing'}", c.renamed(suffix, c.payload), 4, "does not end in .safetensors")
    for suffix in _SUFFIXES
]

POLYGLOTS = [
    Case("zip and safetensors at once", c.content(polyglot), 4, "trailing bytes"),
    Case("zip bomb", zip_bomb(""), 4, "zip archive"),
    Case("npz bomb", zip_bomb(".npz"), 4, "does not end"),
    Case("GIF and pickle", c.content(lambda f: b"GIF89a" + c.payload(f)), 4, "not a safetensors file"),
    Case("script", bytes_of(lambda: b"#!/bin/sh\ntouch marker\n"), 4, "not a safetensors file"),
    Case("HTML page", bytes_of(lambda: b"<!doctype html><script>alert(1)</script>"), 4, "not a safetensors file"),
    Case("HDF5", bytes_of(lambda: b"\x89HDF\r\n\x1a\n" + bytes(100)), 4, "HDF5"),
    Case("LFS pointer", bytes_of(lambda: b"version https://git-lfs.github.com/spec/v1\noid x"), 4, "git lfs pull"),
    Case("XZ", bytes_of(lambda: b"\xfd7zXZ\x00" + bytes(100)), 4, "compressed"),
    Case("other bytes of the same size", bytes_of(lambda: TAMPERED), 3, "digest"),
    Case("two files in a row", bytes_of(lambda: c.VALID + c.VALID), 4, "trailing bytes"),
]

FORMS = [
    Case("header of 100 MiB that is there", sparse_header(100 * 1024**2), 4, "too large"),
    Case("header of 600 MiB that is there", sparse_header(600 * 1024**2), 4, "too large"),
    Case("10 GiB of nothing", c.sparse(10 * 1024**3), 4, "too large"),
    Case("8 TiB of nothing", c.sparse(8 * 1024**4), 4, "too large"),
    Case("a gigabyte of zeros", sparse_tensor(1024**3 - 4096), 3, "shape is 1073737728"),
    Case("a gigabyte of floats", sparse_tensor(2**28 - 4096, "F32"), 3, "F32"),
    Case("right shape in int16", pinned(sparse_tensor(144, "I16", list(c.SHAPE))), 3, "expected int8"),
    Case("90,000 names and two of them twice", c.header(_KEYS), 4, "more than once"),
    Case("a string without an end", c.header('{"' + '\\"' * 500_000), 4, "not JSON"),
    Case("quotes alone", c.header("{" + '"' * 1_000_000), 4, "not JSON"),
    Case("backslashes alone", c.header("{" + "\\" * 1_000_000), 4, "not JSON"),
    Case("metadata twice", c.header('{"__metadata__":{},"__metadata__":{},"delta":{}}'), 4, "more than once"),
    Case("metadata that is a number", c.tensors(__metadata__=1, delta=c.entry()), 4, "object of strings"),
    Case("metadata that is a tensor", c.tensors(__metadata__=c.entry(), delta=c.entry()), 4, "object of strings"),
    Case("byte order mark", c.header(b'\xef\xbb\xbf{"delta":1}'), 4, "not a safetensors file"),
    Case("UTF-16 header", c.header(json.dumps({"delta": c.entry()}).encode("utf-16-le")), 4, "not"),
    Case("space before the header", c.header(" " + json.dumps({"delta": c.entry()})), 4, "not a safetensors file"),
    Case("two objects", c.header('{"a":1}{"b":2}'), 4, "not JSON"),
    Case("comment", c.header('{/*"*/"delta":1}'), 4, "not JSON"),
    Case("single quotes", c.header("{'delta':1}"), 4, "not JSON"),
    Case("NUL behind the header", c.header(json.dumps({"delta": c.entry()}) + "\x00"), 4, "not JSON"),
    Case("NUL in a name", c.header(named("del\\u0000ta")), 3, r"\x00"),
    Case("line break in a name", c.header(named("delta\\n::error::x")), 3, r"\n"),
    Case("half a character in a name", c.header(named("\\ud800")), 4, "surrogate"),
    Case("name that looks alike", c.header(named("d\\u0435lta")), 3, "expected the one tensor"),
    Case("1e400 in a shape", raw(shape="[1e400]"), 4, "1e400"),
    Case("1E2 in a shape", raw(shape="[1E2]"), 4, "1E2"),
    Case("6.0 in offsets", raw(offsets="[0, 144.0]"), 4, "144.0"),
    Case("minus zero", raw(offsets="[-0, 144]"), 4, "-0"),
    Case("negative length", raw(shape="[-6, -2, 3, 4]"), 4, "-6"),
    Case("true in a shape", raw(shape="[true, 2, 3, 4]"), 4, "True"),
    Case("null in offsets", raw(offsets="[null, 144]"), 4, "None"),
    Case("one offset", raw(offsets="[144]"), 4, "[begin, end]"),
    Case("three offsets", raw(offsets="[0, 144, 0]"), 4, "at most 2"),
    Case("offsets the wrong way", raw(offsets="[144, 0]"), 4, "[begin, end]"),
    Case("offsets of 2**63", raw(offsets="[9223372036854775808, 9223372036854775952]"), 4, "whole number"),
    Case("offsets that wrap around", raw(offsets="[18446744073709551616, 18446744073709551760]"), 4, "whole number"),
    Case("offsets that are an object", raw(offsets='{"0":0}'), 4, "not a list"),
    Case("nested shape", raw(shape="[[6], 2, 3, 4]"), 4, "whole number"),
    Case("product of 2**80", raw(shape=f"[{2**40}, {2**40}]"), 4, "more than"),
    Case("zero times 2**80", raw(shape=f"[0, {2**40}, {2**40}]"), 4, "144"),
    Case("half precision", raw(dtype='"F16"', shape="[6, 1, 3, 4]"), 3, "F16"),
    Case("bfloat16", raw(dtype='"BF16"', shape="[6, 1, 3, 4]"), 3, "BF16"),
    Case("unsigned", raw(dtype='"U8"'), 3, "U8"),
    Case("booleans", raw(dtype='"BOOL"'), 3, "BOOL"),
    Case("complex numbers", raw(dtype='"C64"'), 4, "unknown dtype"),
    Case("dtype in lower case", raw(dtype='"i8"'), 4, "unknown dtype"),
    Case("dtype of numpy", raw(dtype='"|O"'), 4, "unknown dtype"),
    Case("dtype that is a list", raw(dtype='["I8"]'), 4, "unknown dtype"),
    Case("dtype of 10,000 characters", raw(dtype=json.dumps("I" * 10_000)), 4, "unknown dtype"),
    Case("channels last", raw(shape="[6, 3, 4, 2]"), 3, "shape"),
    Case("too few rows", pinned(bytes_of(lambda: _rows(5))), 3, "shape"),
    Case("a hidden empty tensor", c.tensors(**_EMPTY_MORE), 3, "found 2"),
    Case("most negative value", pinned(bytes_of(lambda: _with_metadata({})[:-1] + b"\x80")), 3, "limit 8"),
]


def _rows(rows: int) -> bytes:
    header = json.dumps({"delta": c.entry(shape=[rows, 2, 3, 4], data_offsets=[0, rows * 24])}).encode()
    return len(header).to_bytes(8, "little") + header + bytes(rows * 24)


HARMLESS = [
    Case("spaces behind the header", pinned(c.header(json.dumps({"delta": c.entry()}) + " " * 1000)), 0, "kind"),
    Case("escapes in the name", pinned(c.header(named("\\u0064elta"))), 0, "kind"),
    Case("metadata of markup", pinned(bytes_of(lambda: _with_metadata({"a": "<script>"}))), 0, "kind"),
    Case("hard link", lambda folder: os.link(folder / c.ARTIFACT, folder.parent / "same"), 0, "no problems"),
]
