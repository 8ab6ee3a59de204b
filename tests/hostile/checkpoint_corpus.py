"""Hostile checkpoints and manifests of the unlearning track, built by code from one valid checkpoint."""

import json
import os
from pathlib import Path
from typing import Any

import corpus as c
import numpy as np
from checkpoint_factory import FILE, MANIFEST, write_checkpoint_submission
from corpus import Build, Case
from unlearned import make_tensors, small_unlearning_protocol

from bench.artifacts import _DTYPE_NAMES, encode_tensors


def tensors(**changes: Any) -> Build:
    """Hand in the network's tensors, some replaced, added, or removed (None); dots are written as `__`."""

    def build(folder: Path) -> None:
        found: dict[str, Any] = dict(make_tensors(small_unlearning_protocol()))
        for name, value in changes.items():
            found[name.replace("__", ".")] = value
        write_checkpoint_submission(folder, encode_tensors({k: v for k, v in found.items() if v is not None}))

    return build


def filled(name: str, value: float) -> Build:
    """Hand in the network with one value replaced."""

    def build(folder: Path) -> None:
        found = dict(make_tensors(small_unlearning_protocol()))
        found[name] = found[name].copy()
        found[name].flat[0] = value
        write_checkpoint_submission(folder, encode_tensors(found))

    return build


def giant(folder: Path) -> None:
    """Hand in a file of the largest size that is opened: the network's tensors, but the last of zeros up to the end."""
    found = make_tensors(small_unlearning_protocol())
    last = found.pop("linear.bias")
    entries, position, size = {}, 0, 1024**3 - 65536
    for name, values in found.items():
        offsets = [position, position + values.nbytes]
        dtype = _DTYPE_NAMES[values.dtype.newbyteorder("<")]
        entries[name] = {"dtype": dtype, "shape": list(values.shape), "data_offsets": offsets}
        position += values.nbytes
    numbers = (size - position) // last.itemsize
    end = position + numbers * last.itemsize
    entries["linear.bias"] = {"dtype": "F32", "shape": [numbers], "data_offsets": [position, end]}
    header = json.dumps(entries).encode()
    with (folder / FILE).open("wb") as file:
        file.write(len(header).to_bytes(8, "little") + header)
        file.truncate(8 + len(header) + end)


def text(old: str, new: str) -> Build:
    return lambda folder: c.edit(folder, old, new)


def many(count: int, table: str) -> Build:
    """Repeat an [[artifact]] table behind the manifest."""

    def build(folder: Path) -> None:
        with (folder / "submission.toml").open("a") as file:
            file.write(f"\n[[artifact]]\n{table}\n" * count)

    return build


def replaced(make: Any) -> Build:
    return lambda folder: c._write(folder / FILE, make(folder))


def linked(folder: Path) -> None:
    (folder / FILE).rename(folder.parent / "real.safetensors")
    (folder / FILE).symlink_to("../real.safetensors")


def fifo(folder: Path) -> None:
    (folder / FILE).unlink()
    os.mkfifo(folder / FILE)


def both(*builds: Build) -> Build:
    def build(folder: Path) -> None:
        for item in builds:
            item(folder)

    return build


_BIAS = "linear.bias"
_TABLE = MANIFEST.format(sha256="0" * 64, size=1, original="0" * 64).partition("[[artifact]]")[2].partition("[disc")[0]
_TYPO = text("seed = 0", 'seed = "0"')

CHECKPOINTS = [
    Case(name, build, code, word, base="unlearning")
    for name, build, code, word in [
        ("checkpoint that is a pickle", replaced(c.payload), 4, "pickle"),
        ("checkpoint that is a pickle beside a typo", both(replaced(c.payload), _TYPO), 4, "pickle"),
        (
            "checkpoint that is a pickle of no known protocol",
            both(replaced(c.payload), text('protocol = "unlearning-small-v1"', 'protocol = "other"')),
            4,
            "pickle",
        ),
        ("checkpoint of torch.save", replaced(lambda f: c._zip({"archive/data.pkl": c.payload(f)})), 4, "zip"),
        ("checkpoint under .pt", text(f'"{FILE}"', '"a.pt"'), 4, "does not end in .safetensors"),
        ("checkpoint with NaN", filled(_BIAS, float("nan")), 3, "1 values that are not finite"),
        ("checkpoint with infinity", filled("conv1.weight", float("inf")), 3, "conv1.weight"),
        ("checkpoint with minus infinity", filled(_BIAS, -float("inf")), 3, "not finite"),
        ("checkpoint with negative variance", filled("bn1.running_var", -1.0), 3, "negative variances"),
        ("checkpoint with a hidden tensor", tensors(hidden=np.zeros(3, np.float32)), 3, "hidden"),
        ("checkpoint with a tensor that acts on a terminal", tensors(**{"\x1b[2J": np.zeros(3, np.int8)}), 3, r"\x1b"),
        ("checkpoint with an empty tensor more", tensors(hidden=np.zeros((0,), np.float32)), 3, "hidden"),
        ("checkpoint without a tensor", tensors(linear__bias=None), 3, "is missing"),
        ("checkpoint of integers", tensors(linear__bias=np.zeros(10, np.int64)), 3, "dtype I64"),
        ("checkpoint of another shape", tensors(linear__bias=np.zeros((10, 1), np.float32)), 3, "shape [10, 1]"),
        ("checkpoint of a gigabyte", giant, 3, "linear.bias"),
        ("checkpoint that is a link", linked, 4, "symbolic link"),
        ("checkpoint that is a FIFO", fifo, 4, "FIFO"),
        ("checkpoint path that goes up", text(f'"{FILE}"', '"../a.safetensors"'), 4, "goes up"),
        ("checkpoint path that is absolute", text(f'"{FILE}"', '"/a.safetensors"'), 4, "absolute"),
        (
            "checkpoint path that goes up beside a typo",
            both(text(f'"{FILE}"', '"../a.safetensors"'), _TYPO),
            4,
            "goes up",
        ),
        ("checkpoint with another digest", text('sha256 = "', f'sha256 = "{"1" * 64}" #'), 3, "sha256"),
        ("checkpoint with another size", text("bytes = ", "bytes = 1 #"), 3, "bytes"),
        ("checkpoint of a seed without kit", text("seed = 0", "seed = 9999"), 3, "seed 9999"),
        ("checkpoint of a negative seed", text("seed = 0", "seed = -1"), 3, "too small"),
        ("checkpoint of an unknown probe", text('"gaussian"', '"gaussian/../.."'), 3, "no probe"),
        ("a thousand checkpoints of one file", many(999, f'path = "{FILE}"'), 3, "missing"),
        ("five thousand checkpoints", many(5000, 'path="a.safetensors"'), 3, "entries"),
        (
            "checkpoints of one kit",
            many(300, _TABLE),
            3,
            "second",
        ),
        (
            "unlearner that goes up",
            text(
                "[disclosure]",
                '[[recipe]]\nprotocol = "unlearning-small-v1"\nunlearner = "../../etc"\nbudget = 10\n\n[disclosure]',
            ),
            3,
            "unknown unlearner",
        ),
        (
            "recipe of a setting that is a table",
            text(
                "[disclosure]",
                '[[recipe]]\nprotocol = "unlearning-small-v1"\nunlearner = "gd"\nbudget = 10\n'
                "settings = { a = { b = 1 } }\n\n[disclosure]",
            ),
            3,
            "settings",
        ),
        (
            "protocol of a table in a checkpoint",
            text('protocol = "unlearning-small-v1"', "protocol = { a = 1 }"),
            3,
            "expected text",
        ),
        ("track that is a list", text('track = "unlearning"', 'track = ["unlearning"]'), 3, "track"),
        ("track that nobody knows", text('track = "unlearning"', 'track = "other"'), 3, "track"),
    ]
]

ACCEPTED = [
    Case("checkpoint with a denormal number", filled(_BIAS, 1e-42), 0, "no problems", base="unlearning"),
    Case("checkpoint with the largest number", filled(_BIAS, 3e38), 0, "no problems", base="unlearning"),
]
