"""Hostile submissions, built by code: what somebody could hand in to run code, fill the disk or fool a reader.

A case starts from a valid submission folder and makes it hostile. Nothing hostile lies in the repository itself.
"""

import io
import json
import os
import pickle
import tarfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from bench.artifacts import encode_perturbation

ARTIFACT = "delta.safetensors"
SHAPE = (6, 2, 3, 4)
DATA = bytes(144)
MARKER = "marker"
"""A file that a payload would write; see `payload`."""

Build = Callable[[Path], None]


@dataclass(frozen=True)
class Case:
    """A hostile folder. word: what its finding must say. exit_code: 3 invalid, 4 unsafe, 0 harmless after all.

    base: the valid root it starts from. command: what reads it, before the folder's path.
    """

    name: str
    build: Build
    exit_code: int
    word: str
    base: str = "ue"
    command: tuple[str, ...] = ("validate",)


class _Payload:
    def __init__(self, folder: Path) -> None:
        self.marker = folder / MARKER

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.marker),)


def payload(folder: Path, protocol: int = 4) -> bytes:
    """Return a pickle that makes the marker as soon as anything unpickles it."""
    return pickle.dumps(_Payload(folder), protocol=protocol)


def _zip(entries: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in entries.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def _tar(entries: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, content in entries.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def _object_array(folder: Path) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, np.array([_Payload(folder)], dtype=object), allow_pickle=True)
    return buffer.getvalue()


def content(make: Callable[[Path], bytes]) -> Build:
    """Replace the artifact's bytes; the payload's marker is made beside the folder's parent."""
    return lambda folder: _write(folder / ARTIFACT, make(folder))


def _write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def renamed(suffix: str, make: Callable[[Path], bytes]) -> Build:
    """Hand in the bytes under another suffix, as the manifest says too."""

    def build(folder: Path) -> None:
        (folder / ARTIFACT).unlink()
        _write(folder / f"delta{suffix}", make(folder))
        edit(folder, ARTIFACT, f"delta{suffix}")

    return build


def edit(folder: Path, old: str, new: str) -> None:
    """Replace text in the manifest; it must be there."""
    path = folder / "submission.toml"
    text = path.read_text(encoding="utf-8")
    assert old in text, f"{old!r} is not in the manifest"
    path.write_text(text.replace(old, new), encoding="utf-8")


def manifest(old: str, new: str) -> Build:
    return lambda folder: edit(folder, old, new)


TYPO = ('kind = "sample-wise"', 'kind = "samplewise"')
"""A harmless mistake in the same [[artifact]]; it must not hide what is unsafe."""


def edits(*pairs: tuple[str, str]) -> Build:
    def build(folder: Path) -> None:
        for old, new in pairs:
            edit(folder, old, new)

    return build


def pickle_beside_a_typo(folder: Path) -> None:
    _write(folder / ARTIFACT, payload(folder))
    edit(folder, *TYPO)


def manifest_bytes(data: bytes) -> Build:
    return lambda folder: _write(folder / "submission.toml", data)


def header(text: str | bytes, data: bytes = DATA, claim: int | None = None) -> Build:
    """Hand in a safetensors file with this header; claim: its length as the file says."""
    raw = text.encode() if isinstance(text, str) else text
    length = (len(raw) if claim is None else claim).to_bytes(8, "little")
    return content(lambda _: length + raw + data)


def entry(**changes: Any) -> dict[str, Any]:
    return {"dtype": "I8", "shape": list(SHAPE), "data_offsets": [0, 144], **changes}


def tensors(data: bytes = DATA, **entries: Any) -> Build:
    return header(json.dumps(entries), data)


def linked(target: str) -> Build:
    def build(folder: Path) -> None:
        (folder / ARTIFACT).rename(folder.parent / "real.safetensors")
        (folder / ARTIFACT).symlink_to(target)

    return build


def linked_beside_a_typo(folder: Path) -> None:
    linked("../real.safetensors")(folder)
    edit(folder, *TYPO)


def linked_folder(folder: Path) -> None:
    (folder.parent / "elsewhere").mkdir()
    (folder / ARTIFACT).rename(folder.parent / "elsewhere" / ARTIFACT)
    (folder / "sub").symlink_to("../elsewhere")
    edit(folder, f'path = "{ARTIFACT}"', f'path = "sub/{ARTIFACT}"')


def linked_folder_of_an_absent_artifact(folder: Path) -> None:
    """Lead `bench craft` out of the folder: the artifact is to be made again behind a link."""
    linked_folder(folder)
    (folder.parent / "elsewhere" / ARTIFACT).unlink()
    edit(folder, "[[reported]]", '[artifact.recipe]\nattack = "lsp"\nseed = 0\n\n[[reported]]')


def linked_manifest(folder: Path) -> None:
    (folder / "submission.toml").rename(folder.parent / "real.toml")
    (folder / "submission.toml").symlink_to("../real.toml")


def linked_results(folder: Path) -> None:
    (folder / "results").symlink_to("../..")


def fifo(folder: Path) -> None:
    (folder / ARTIFACT).unlink()
    os.mkfifo(folder / ARTIFACT)


def folder_for_a_file(folder: Path) -> None:
    (folder / ARTIFACT).unlink()
    (folder / ARTIFACT).mkdir()


def fifo_manifest(folder: Path) -> None:
    (folder / "submission.toml").unlink()
    os.mkfifo(folder / "submission.toml")


def sparse(size: int) -> Build:
    def build(folder: Path) -> None:
        os.truncate(folder / ARTIFACT, size)

    return build


def hidden_link(folder: Path) -> None:
    (folder / "notes").mkdir()
    (folder / "notes" / "passwd").symlink_to("/etc/passwd")


def link_line(address: str) -> Build:
    return manifest("[disclosure]", f'[links]\ncode = "{address}"\n\n[disclosure]')


def recipe(lines: str) -> Build:
    """State how the artifact is made."""
    return manifest("[[reported]]", f"[artifact.recipe]\n{lines}\n\n[[reported]]")


VALID = encode_perturbation(np.zeros(SHAPE, np.int8))
