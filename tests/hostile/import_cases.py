"""Released files that are no release: pickles that act, ask for memory or never end, in every form that is imported."""

import io
import os
import pickle
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import corpus as c
import numpy as np
import torch
from corpus import Case

Make = Callable[[Path], bytes]


class Call:
    """Calls something when an ordinary unpickler reads it."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self.call = function, arguments

    def __reduce__(self) -> Any:
        return self.call


def calling(function: Any, *arguments: Any, protocol: int = 4) -> Make:
    return lambda _: pickle.dumps(Call(function, *arguments), protocol)


def code(text: bytes) -> Make:
    """Return the pickle as it is written, opcode by opcode."""
    return lambda _: text


def saved(content: Callable[[Path], Any], *, legacy: bool = False) -> Make:
    def make(folder: Path) -> bytes:
        file = io.BytesIO()
        torch.save(content(folder), file, _use_new_zipfile_serialization=not legacy)
        return file.getvalue()

    return make


def archive(**entries: bytes) -> Make:
    return lambda _: c._zip({name.replace("__", "/"): data for name, data in entries.items()})


def tar(folder: Path) -> bytes:
    return c._tar({"pickle": c.payload(folder), "storages": b"", "tensors": b""})


def npz_bomb(_: Path) -> bytes:
    """A gigabyte of zeros in a megabyte."""
    file = io.BytesIO()
    with (
        zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as target,
        target.open("data.npy", "w", force_zip64=True) as to,
    ):
        np.lib.format.write_array_header_1_0(to, {"descr": "|u1", "fortran_order": False, "shape": (1024, 1024, 1024)})
        for _ in range(256):
            to.write(bytes(4 * 1024**2))
    return file.getvalue()


def many_names(_: Path) -> bytes:
    """An archive of pictures whose last name is there twice: comparing each with each takes minutes."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as target:
        for number in (*range(30_000), 29_999):
            target.writestr(f"{'0' * (number == 29_999 and '29999.png' in target.NameToInfo)}{number}.png", b"x")
    return file.getvalue()


def pictures_of_zeros(_: Path) -> bytes:
    """Pictures of the largest size in few bytes each."""
    from PIL import Image

    picture = io.BytesIO()
    Image.new("RGB", (512, 512)).save(picture, "PNG")
    return c._zip({f"{number}.png": picture.getvalue() for number in range(1200)})


_NESTED = b"\x80\x04" + b"(" * 1_000_000 + b"t" * 1_000_000 + b"."
_LISTS = b"\x80\x04" + b"]" * 500_000 + b"a" * 499_999 + b"."
_MEMO = b"\x80\x04Nr" + struct.pack("<I", 100_000_000) + b"."
_HUGE_TEXT = b"\x80\x04\x8d" + struct.pack("<Q", 2**34) + b"a."
_HUGE_FRAME = b"\x80\x04\x95" + struct.pack("<Q", 2**40) + b"."
_LAUGHS = (
    b"\x80\x04]\x94"
    b"]\x94" + b"".join(b"(" + b"h" + bytes([i]) + b"h" + bytes([i]) + b"l\x94" for i in range(1, 60)) + b"."
)
_LONG = b"\x80\x04\x8b" + struct.pack("<i", 60_000_000) + b"\xff" * 60_000_000 + b"."
_GETATTR = b"cbuiltins\ngetattr\n(cbuiltins\n__import__\nS'x'\ntR."
_CHAIN = b"cnumpy\nndarray\nS'__class__'\n\x93."
_DOTTED = b"\x80\x04\x8c\x05numpy\x8c\x14ndarray.__subclasses\x93."
_BUILD = b"cnumpy\ndtype\n(S'f4'\nI0\nI1\ntR(dS'__class__'\nS'x'\nsb."
_PERSISTENT = b"\x80\x04\x8c\x09../../etcQ."
_EXTENSION = b"\x80\x04\x82\x01."

TABLE: list[tuple[str, str, Make, int, str]] = [
    ("os.system", "pkl", calling(os.system, "touch marker"), 4, "system"),
    ("os.system, protocol 0", "pkl", calling(os.system, "touch marker", protocol=0), 4, "system"),
    ("eval", "pkl", calling(eval, "open('marker', 'w')"), 4, "eval"),
    ("exec", "pkl", calling(exec, "open('marker', 'w')"), 4, "exec"),
    ("open", "pkl", calling(open, "marker", "w"), 4, "open"),
    ("import", "pkl", calling(__import__, "antigravity"), 4, "__import__"),
    ("socket", "pkl", calling(__import__("socket").create_connection, ("127.0.0.1", 9)), 4, "socket"),
    ("subprocess", "pkl", calling(__import__("subprocess").check_output, ["id"]), 4, "subprocess"),
    ("fork bomb", "pkl", calling(os.fork), 4, "fork"),
    ("endless loop", "pkl", code(b"citertools\ncount\n(tR."), 4, "count"),
    ("shutil.rmtree", "pkl", calling(__import__("shutil").rmtree, "/"), 4, "rmtree"),
    ("numpy's own loader", "pkl", calling(np.load, "x.npy"), 4, "load"),
    ("torch's own loader", "pkl", calling(torch.load, "x.pt"), 4, "load"),
    ("builtins through getattr", "pkl", code(_GETATTR), 4, "getattr"),
    ("attribute of a class", "pkl", code(_CHAIN), 4, "plain data"),
    ("dotted name", "pkl", code(_DOTTED), 4, "__subclasses"),
    ("dtype with another state", "pkl", code(_BUILD), 4, "plain data"),
    ("persistent id", "pkl", code(_PERSISTENT), 4, "not in the file"),
    ("extension code", "pkl", code(_EXTENSION), 4, "plain data"),
    ("tuples a million deep", "pkl", code(_NESTED), 3, "expected an array"),
    ("lists half a million deep", "pkl", code(_LISTS), 3, "expected an array"),
    ("memo of 100 million places", "pkl", code(_MEMO), 4, ""),
    ("text of 16 GiB", "pkl", code(_HUGE_TEXT), 4, ""),
    ("frame of 1 TiB", "pkl", code(_HUGE_FRAME), 4, "plain data"),
    ("lists of lists of lists", "pkl", code(_LAUGHS), 3, ""),
    ("number of 60 million bytes", "pkl", code(_LONG), 3, "expected an array"),
    ("pickle without an end", "pkl", code(b"\x80\x04" + b"N" * 1_000_000), 4, "plain data"),
    ("text protocol without an end", "pkl", code(b"I" + b"1" * 100_000), 4, "plain data"),
    ("torch file that acts", "pt", saved(lambda f: Call(os.system, f"touch {f}/marker")), 4, "system"),
    ("old torch file that acts", "pt", saved(lambda f: Call(os.system, f"touch {f}/marker"), legacy=True), 4, "system"),
    ("oldest torch file, a tar", "pt", tar, 4, ""),
    ("torch file without storages", "pt", archive(a__data_pkl=b"x"), 4, "torch.save"),
    ("torch file of two pickles", "pt", archive(**{"a__data.pkl": b"N.", "b__data.pkl": b"N."}), 4, "torch.save"),
    ("torch script", "pt", archive(**{"a__data.pkl": b"N.", "a__code__x.py": b"import os"}), 3, "expected an array"),
    ("big-endian torch file", "pt", archive(**{"a__data.pkl": b"N.", "a__byteorder": b"big"}), 4, "big-endian"),
    ("torch tensor of objects", "pt", saved(lambda _: [np.array([None])]), 4, ""),
    ("npz of a gigabyte of zeros", "npz", npz_bomb, 4, "too large"),
    ("npz of an object array", "npz", lambda f: c._zip({"data.npy": c._object_array(f)}), 4, "Python objects"),
    ("npz of a pickle", "npz", lambda f: c._zip({"data.npy": c.payload(f)}), 3, "no .npy"),
    ("npy of a pickle", "npy", c.payload, 3, "no .npy"),
    ("30,000 pictures and one of them twice", "png", many_names, 3, "more than once"),
    ("pictures of a gigabyte of zeros", "png", pictures_of_zeros, 4, "too large"),
]


def build(kind: str, make: Make) -> Callable[[Path], None]:
    return lambda folder: (folder / f"file.{kind}").write_bytes(make(folder)) and None


IMPORTS = [
    Case(name, build(kind, make), code, word, command=("import", kind)) for name, kind, make, code, word in TABLE
]
