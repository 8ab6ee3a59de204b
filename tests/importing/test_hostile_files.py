"""Hostile and damaged files end with their exit code, say why, run nothing and leave nothing behind."""

import io
import os
import pickle
import struct
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from release_factory import (
    import_release,
    make_delta,
    perturb,
    png_bytes,
    write_npy,
    write_pickle,
    write_tensor,
    write_zip,
)

from bench.errors import BenchError, RefusedArtifact, UsageProblem


class Payload:
    """Runs a command when it is unpickled by the ordinary unpickler."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (f"touch {self.marker}",)


class Opener(Payload):
    def __reduce__(self) -> tuple[Any, ...]:
        return open, (str(self.marker), "w")


def npy_header(shape: str, descr: str = "'|i1'") -> bytes:
    text = f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}, }}".encode().ljust(117) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text


def png_of_size(width: int, height: int) -> bytes:
    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0" * 100)) + chunk(b"IEND", b"")
    )


def one_png() -> bytes:
    return png_bytes(np.zeros((1, 8, 8), np.uint8))


def raw(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def npz_bomb(path: Path) -> Path:
    """An archive of a few kilobytes that declares almost four gigabytes, as one of that many zeros does."""
    write_zip(path, {"data.npy": bytes(10_000)}, zipfile.ZIP_DEFLATED)
    return raw(path, path.read_bytes().replace(struct.pack("<I", 10_000), struct.pack("<I", 4_000_000_000)))


def expanded_tensor(path: Path) -> Path:
    return write_tensor(path, torch.zeros(1).expand(2**30))


def deflated_tensor(path: Path) -> Path:
    source = io.BytesIO()
    torch.save(torch.zeros(1437, 1, 8, 8), source)
    with zipfile.ZipFile(source) as archive:
        return write_zip(path, {name: archive.read(name) for name in archive.namelist()}, zipfile.ZIP_DEFLATED)


def changed_builder(path: Path) -> Path:
    return raw(path, b"ccollections\nOrderedDict\n(dS'_build'\nNsb.")


def memory_pickle(path: Path) -> Path:
    return raw(path, b"\x80\x04\x8e" + struct.pack("<Q", 2**40) + b"a.")


def object_array(path: Path) -> Path:
    np.save(path, np.array([Payload(path.parent / "marker")], dtype=object), allow_pickle=True)
    return path


def lying_zip(path: Path) -> Path:
    """An archive whose entry unpacks to more than it declares."""
    write_zip(path, {"data.npy": bytes(10_000)}, zipfile.ZIP_DEFLATED)
    size = struct.pack("<I", 10_000)
    return raw(path, path.read_bytes().replace(size, struct.pack("<I", 200)))


def nan_row(path: Path) -> Path:
    values = make_delta() / 255
    values[9, 0, 1, 2] = np.nan
    return write_npy(path, values)


@dataclass(frozen=True)
class Case:
    name: str
    format: str
    build: Any
    exit_code: int
    word: str


CASES = [
    Case("pickle runs a command", "pkl", lambda p: write_pickle(p, Payload(p.parent / "marker")), 4, "system"),
    Case("old pickle opens a file", "pkl", lambda p: write_pickle(p, Opener(p.parent / "marker"), 0), 4, "open"),
    Case("payload in a list", "pkl", lambda p: write_pickle(p, [(Payload(p.parent / "marker"), 1)]), 4, "system"),
    Case("tensor file runs a command", "pt", lambda p: write_tensor(p, Payload(p.parent / "marker")), 4, "system"),
    Case("pickle names getattr", "pkl", lambda p: write_pickle(p, getattr), 4, "getattr"),
    Case(
        "pickle changes its builder",
        "pkl",
        changed_builder,
        4,
        "changes",
    ),
    Case("pickle asks for memory", "pkl", memory_pickle, 4, "file"),
    Case("pickled dtype of objects", "pkl", lambda p: write_pickle(p, np.array([None])), 4, "type"),
    Case("pickle is truncated", "pkl", lambda p: raw(p, pickle.dumps(make_delta())[:500]), 4, "plain data"),
    Case("no pickle at all", "pkl", lambda p: raw(p, b"hello"), 4, "plain data"),
    Case("pickled text", "pkl", lambda p: write_pickle(p, "x"), 3, "expected an array"),
    Case("dict of a model", "pt", lambda p: write_tensor(p, {"w": torch.zeros(3)}), 3, "without `data`"),
    Case("expanded tensor", "pt", expanded_tensor, 4, "too large"),
    Case("expanded small tensor", "pt", lambda p: write_tensor(p, torch.zeros(1).expand(4000)), 4, "does not fit"),
    Case("deflated tensor file", "pt", deflated_tensor, 4, "packed"),
    Case("pt that is no torch file", "pt", lambda p: write_zip(p, {"a": b"b"}), 4, "torch.save"),
    Case("object array", "npy", object_array, 4, "Python objects"),
    Case("text array", "npy", lambda p: write_npy(p, np.array(["a"])), 4, "no array of numbers"),
    Case("header of 10^9 rows", "npy", lambda p: raw(p, npy_header("(1000000000,)") + b"1234"), 4, "follow"),
    Case("header of 10^12 rows", "npy", lambda p: raw(p, npy_header("(10000000000000,)")), 4, "too large"),
    Case("negative shape", "npy", lambda p: raw(p, npy_header("(-4,)") + b"1234"), 3, "no shape"),
    Case("header with a call", "npy", lambda p: raw(p, npy_header("(__import__('os'),)")), 3, "no .npy"),
    Case("empty array", "npy", lambda p: write_npy(p, np.zeros((0, 1, 8, 8))), 3, "holds nothing"),
    Case("not a number", "npy", nan_row, 3, "row 9 holds a value that is not finite"),
    Case("beyond the scale", "npy", lambda p: write_npy(p, make_delta().astype(np.float32)), 2, "--scale 255"),
    Case("another image size", "npy", lambda p: write_npy(p, np.zeros((60, 3, 32, 32), np.int8)), 3, "never resized"),
    Case("another number of rows", "npy", lambda p: write_npy(p, make_delta()[:100]), 3, "100 rows; expected 60"),
    Case("npz bomb", "npz", npz_bomb, 4, "too large"),
    Case("npz that lies", "npz", lying_zip, 3, "damaged"),
    Case("npz without data", "npz", lambda p: write_zip(p, {"a.npy": b"b"}), 3, "no array called"),
    Case("npz that is no zip", "npz", lambda p: raw(p, b"PK\x03\x04"), 3, "no zip"),
    Case("zip that leaves its folder", "png", lambda p: write_zip(p, {"../1.png": one_png()}), 4, "no plain"),
    Case("zip with an absolute name", "png", lambda p: write_zip(p, {"/etc/1.png": one_png()}), 4, "no plain"),
    Case("truncated picture", "png", lambda p: write_zip(p, {"0.png": one_png()[:-30]}), 3, "no PNG"),
    Case("JPEG called PNG", "png", lambda p: write_zip(p, {"0.png": b"\xff\xd8\xff\xe0JFIF"}), 3, "no PNG"),
    Case("picture bomb", "png", lambda p: write_zip(p, {"0.png": png_of_size(60_000, 60_000)}), 4, "too large"),
    Case("huge picture file", "png", lambda p: write_zip(p, {"0.png": bytes(5 * 1024**2)}), 4, "too large"),
    Case("name without number", "png", lambda p: write_zip(p, {"cat.png": one_png()}), 3, "expected the number"),
    Case("number twice", "png", lambda p: write_zip(p, {"1.png": one_png(), "01.png": one_png()}), 3, "more than once"),
    Case("number beyond", "png", lambda p: write_zip(p, {"5000.png": one_png()}), 3, "image number 5000"),
    Case("two folders", "png", lambda p: write_zip(p, {"a/1.png": one_png(), "b/2.png": one_png()}), 3, "several"),
    Case("no picture", "png", lambda p: write_zip(p, {"a.txt": b"b"}), 3, "no picture"),
    Case("images without rows", "png", lambda p: write_zip(p, {"1.png": one_png()}), 3, "--missing zero"),
]


@pytest.mark.parametrize("case", CASES, ids=[case.name.replace(" ", "-") for case in CASES])
def test_a_hostile_file_is_refused_with_a_reason(case: Case, root):
    file = case.build(root / f"file.{case.format}")
    with pytest.raises(BenchError) as refused:
        import_release(root, case.format, file)
    assert case.word in str(refused.value)
    assert refused.value.exit_code == case.exit_code, str(refused.value)
    assert not (root / "marker").exists()
    assert not (root / "submissions").exists()


def test_the_payload_would_leave_its_marker_if_it_were_unpickled(tmp_path):
    pickle.loads(pickle.dumps(Payload(tmp_path / "marker")))  # noqa: S301 (our own: shows that the cases would notice)
    assert (tmp_path / "marker").exists()


@pytest.mark.parametrize("name", ["pt", "pkl"])
def test_pickled_formats_need_the_option(root, name):
    file = write_pickle(root / "rem", make_delta())
    with pytest.raises(RefusedArtifact, match="--trust-pickle"):
        import_release(root, name, file, trust_pickle=False)


def test_links_and_devices_are_refused(root):
    (root / "link.npy").symlink_to(write_npy(root / "own.npy", make_delta()))
    os.mkfifo(root / "pipe.npy")
    for name in ("link.npy", "pipe.npy"):
        with pytest.raises(RefusedArtifact):
            import_release(root, "npy", root / name)


def test_a_linked_picture_of_a_folder_is_refused(root):
    (root / "png").mkdir()
    (root / "secret").write_bytes(one_png())
    (root / "png" / "0.png").symlink_to(root / "secret")
    with pytest.raises(RefusedArtifact, match="symbolic link"):
        import_release(root, "png", root / "png")


@pytest.mark.parametrize(("name", "word"), [("pth", "generator"), ("cuda", "code"), ("mp3", "known: npy, npz")])
def test_what_cannot_be_imported_says_what_to_do(root, name, word):
    with pytest.raises(UsageProblem, match=word):
        import_release(root, name, write_npy(root / "own.npy", make_delta()))


def test_a_file_too_large_for_any_budget_is_reported_and_not_written(root):
    report = import_release(root, "npy", write_npy(root / "own.npy", make_delta(limit=60)))
    linf = next(fit for fit in report.norms if fit.norm == "linf")
    assert report.norm is None
    assert not linf.fits
    assert linf.limit == 32
    assert not (root / "submissions").exists()


def test_a_failure_while_writing_leaves_no_folder(root, monkeypatch):
    def full(path: Path, _: bytes) -> None:
        if path.name == "submission.toml":
            raise OSError(28, "No space left on device")

    monkeypatch.setattr("bench.importing.writing.write_atomically", full)
    with pytest.raises(OSError, match="No space"):
        import_release(root, "npy", write_npy(root / "own.npy", make_delta()))
    assert list((root / "submissions").iterdir()) == []


def test_an_existing_folder_is_left_alone(root):
    (root / "submissions" / "fog").mkdir(parents=True)
    with pytest.raises(UsageProblem, match="exists already"):
        import_release(root, "npy", write_npy(root / "own.npy", perturb(make_delta())))
