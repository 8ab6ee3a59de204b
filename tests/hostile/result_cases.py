"""Stored results and runs that somebody wrote by hand; `bench verify` reads them.

Every case starts from a sound result of the repository. `forged` documents carry the digests and the seal that their
content asks for, so that only what they say can give them away.
"""

import copy
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import rfc8785
from corpus import Build, Case

from bench.records import digest
from bench.results import seal_of

Edit = Callable[[dict[str, Any]], Any]


def stored(folder: Path) -> Path:
    """Return the result file of the base."""
    return next(folder.glob("results/*/*.json"))


def runs(folder: Path) -> Path:
    return next(folder.glob("results/*/*.runs.jsonl"))


def content(make: Callable[[bytes], bytes]) -> Build:
    return lambda folder: stored(folder).write_bytes(make(stored(folder).read_bytes())) and None


def edited(change: Edit) -> Build:
    """Change the document; its digests stay as they are."""

    def build(folder: Path) -> None:
        document = json.loads(stored(folder).read_bytes())
        change(document)
        stored(folder).write_text(json.dumps(document, separators=(",", ":"), sort_keys=True) + "\n")

    return build


def forged(change: Edit) -> Build:
    """Change the document and give it the key, id, seal and file name that follow; where none can, zeros."""

    def build(folder: Path) -> None:
        path = stored(folder)
        document = json.loads(path.read_bytes())
        change(document)
        body = {name: document[name] for name in ("schema", "subject", "outcome")}
        try:
            document |= {"id": digest(body), "key": digest(body["subject"]), "seal": seal_of(body)}
            text = rfc8785.dumps(document) + b"\n"
        except (ValueError, UnicodeError):
            document |= {"id": f"sha256:{'0' * 64}", "key": f"sha256:{'0' * 64}", "seal": ""}
            text = json.dumps(document).encode() + b"\n"
        name = document["id"].removeprefix("sha256:")[:16]
        path.unlink()
        path.with_name(f"{name}.json").write_bytes(text)
        old = runs(folder)
        old.rename(old.with_name(f"{name}.runs.jsonl"))

    return build


def at(*path: str | int, value: Any) -> Edit:
    """Put a value somewhere into the document."""

    def change(document: dict[str, Any]) -> None:
        place: Any = document
        for part in path[:-1]:
            place = place[part]
        place[path[-1]] = value

    return change


def removed(*path: str | int) -> Edit:
    def change(document: dict[str, Any]) -> None:
        place: Any = document
        for part in path[:-1]:
            place = place[part]
        del place[path[-1]]

    return change


def twice(*path: str | int) -> Edit:
    """Repeat the first element of a list."""

    def change(document: dict[str, Any]) -> None:
        place: Any = document
        for part in path:
            place = place[part]
        place.append(copy.deepcopy(place[0]))

    return change


def in_place_of(make: Callable[[Path], None]) -> Build:
    """Put something else where the result is."""

    def build(folder: Path) -> None:
        path = stored(folder)
        path.unlink()
        make(path)

    return build


def linked_results(folder: Path) -> None:
    shutil.move(folder / "results", folder.parent.parent / "elsewhere")
    (folder / "results").symlink_to("../../elsewhere")


def linked_protocol(folder: Path) -> None:
    place = stored(folder).parent
    shutil.move(place, folder.parent.parent / "elsewhere")
    place.symlink_to("../../../elsewhere")


def of_another(folder: Path) -> None:
    """Hand in the reference's result as one's own."""
    text = (folder / "submission.toml").read_text()
    assert 'family = "reference"' in text
    artifact = (
        '[[artifact]]\nrole = "perturbation"\nprotocol = "ue-digits-v1"\npath = "x.safetensors"\n'
        f'sha256 = "{"0" * 64}"\nbytes = 1\nkind = "sample-wise"\nnorm = "linf"\n\n[disclosure]'
    )
    text = text.replace('family = "reference"', 'family = "other"').replace("[disclosure]", artifact)
    (folder / "submission.toml").write_text(text)


def run_line(change: Callable[[dict[str, Any]], Any]) -> Build:
    def build(folder: Path) -> None:
        line = json.loads(runs(folder).read_bytes().splitlines()[0])
        change(line)
        runs(folder).write_text(json.dumps(line, sort_keys=True, separators=(",", ":")) + "\n")

    return build


_CELL = ("outcome", "cells", 0)
_FIRST = ("outcome", "measurements", 0)

FILES = [
    ("result that is a FIFO", in_place_of(os.mkfifo), "FIFO"),
    ("result that is a folder", in_place_of(Path.mkdir), "folder"),
    ("result that is a link", in_place_of(lambda path: path.symlink_to("/etc/passwd")), "symbolic link"),
    ("result that is a link to zeros", in_place_of(lambda path: path.symlink_to("/dev/zero")), "symbolic link"),
    ("result that is a link to itself", in_place_of(lambda path: path.symlink_to(path.name)), "symbolic link"),
    ("result of 10 GiB", in_place_of(lambda p: (p.touch(), os.truncate(p, 10 * 1024**3))[1]), "too large"),
    ("results behind a link", linked_results, "symbolic link"),
    ("results of a protocol behind a link", linked_protocol, "symbolic link"),
    ("result under another name", lambda f: stored(f).rename(stored(f).with_name(f"{'0' * 16}.json")), "file name"),
    ("result of another protocol's folder", lambda f: stored(f).parent.rename(f / "results" / "x"), "folder's name"),
    (
        "result of a name that acts on a terminal",
        lambda f: stored(f).rename(stored(f).with_name("\x1b[2J.json")),
        r"\x1b",
    ),
    ("result of a name that is not UTF-8", lambda f: stored(f).rename(stored(f).with_name("\udcff.json")), r"\udcff"),
    ("result of another submission", of_another, "are not those that clean pins"),
    ("result without a manifest", lambda f: (f / "submission.toml").unlink(), "cannot be read"),
    ("runs that are a FIFO", lambda f: (p := runs(f), p.unlink(), os.mkfifo(p))[2], "FIFO"),
    ("runs that are a link", lambda f: (p := runs(f), p.unlink(), p.symlink_to("/etc/passwd"))[2], "symbolic link"),
    ("runs of 1 GiB", lambda f: os.truncate(runs(f), 1024**3), "too large"),
    ("runs without a result", lambda f: stored(f).unlink(), "is gone"),
    ("no runs", lambda f: runs(f).unlink(), "no run is recorded"),
]

FORMS = [
    ("empty result", content(lambda _: b""), "EOF"),
    ("result of brackets", content(lambda _: b"[" * 1_000_000), "values"),
    ("result 100,000 deep", content(lambda _: b'{"a":' * 100_000), "recursion"),
    ("result of a million texts", content(lambda _: b'["a"' + b',"a"' * 1_000_000 + b"]"), "at most 200000"),
    ("result of 190,000 unknown keys", edited(lambda d: d.update({f"k{i}": 1 for i in range(180_000)})), "/k"),
    ("result of 190,000 wrong values", edited(at(*_CELL, "train_loss", value=["a"] * 180_000)), "valid number"),
    ("result of 190,000 values", forged(at(*_CELL, "train_loss", value=[0.5] * 180_000)), "number of values"),
    ("result of 15 MB of text", edited(at("outcome", "checks", value=["a" * 15_000_000])), "/outcome/checks"),
    ("result with a key of 10 MB", edited(lambda d: d.update({"k" * 10_000_000: 1})), "characters)"),
    ("result with a key that acts on a terminal", edited(lambda d: d.update({"\x1b[2J\u202e": 1})), r"\x1b[2J\u202e"),
    ("result that is not UTF-8", content(lambda raw: raw.replace(b"digits", b"\xff\xfegits")), "unicode"),
    ("result in UTF-16", content(lambda raw: raw.decode().encode("utf-16")), "/"),
    ("result with a byte order mark", content(lambda raw: b"\xef\xbb\xbf" + raw), "/"),
    ("result with NaN", content(lambda raw: raw.replace(b'"mean":', b'"mean":NaN,"x":', 1)), "/"),
    ("result with 1e400", content(lambda raw: raw.replace(b'"mean":', b'"mean":1e400,"x":', 1)), "/"),
    ("result with a key twice", content(lambda raw: raw.replace(b'{"id"', b'{"id":"x","id"', 1)), "RFC 8785"),
    ("result with spaces", content(lambda raw: raw.replace(b":", b": ", 1)), "RFC 8785"),
    ("result with two line breaks", content(lambda raw: raw + b"\n"), "RFC 8785"),
    ("result with minus zero", content(lambda raw: raw.replace(b'"seed":0', b'"seed":-0', 1)), "RFC 8785"),
    ("result that is a pickle", content(lambda _: b"\x80\x04\x95."), "/"),
    ("result of tomorrow", edited(at("schema", value="bench.result/2")), "/schema"),
    ("result with another key", edited(at("key", value=f"sha256:{'0' * 64}")), "/key"),
    ("result with another id", edited(at("id", value=f"sha256:{'0' * 64}")), "/id"),
    (
        "result with one number changed",
        edited(at(*_CELL, "test_accuracy", 0, value=0.999)),
        "/outcome/cells/0/test_accuracy/0",
    ),
    ("result without cells", edited(removed("outcome", "cells")), "/outcome/cells"),
]

FORGERIES = [
    ("mean that does not follow", forged(at(*_FIRST, "mean", value=0.123456)), "does not follow"),
    ("seeds without a value", forged(at(*_FIRST, "per_seed", value=[])), "is empty"),
    ("seeds beyond sums", forged(at(*_FIRST, "per_seed", value=[1e308, 1e308])), "at most 1e+12"),
    ("size beyond JSON", forged(at("subject", "data", 0, "images", value=2**60)), "beyond"),
    ("size of a thousand digits", forged(at("subject", "data", 0, "images", value=10**1000)), "beyond"),
    ("curve without a value", forged(at(*_CELL, "test_accuracy", value=[])), "no value"),
    ("curve of another length", forged(at(*_CELL, "train_loss", value=[0.1])), "number of values"),
    ("accuracy of 2", forged(at(*_CELL, "test_accuracy", 0, value=2.0)), "share from 0 to 1"),
    ("ragged SAL", forged(at(*_CELL, "sal", "values", 0, value=[0.1])), "/outcome/cells/0/sal"),
    ("SAL without layers", forged(at(*_CELL, "sal", "layers", value=[])), "/outcome/cells/0/sal"),
    ("cell twice", forged(twice("outcome", "cells")), "second cell"),
    ("metric of no catalog", forged(at(*_FIRST, "metric", value="__class__")), "no metric"),
    ("condition that nobody asked for", forged(at(*_FIRST, "condition", value="../../x")), "conditions"),
    ("text that acts on a terminal", forged(at("outcome", "cells", 0, "defense", value="\x1b[2J")), r"\x1b[2J"),
    ("reason from right to left", forged(at(*_FIRST, "reason", value="a\u202eb")), r"\u202e"),
    ("text of 10,000 characters", forged(at(*_FIRST, "reason", value="a" * 10_000)), "at most 4000"),
    ("half a character", forged(at(*_FIRST, "reason", value="\ud800")), "/"),
    ("result of a protocol that goes up", forged(at("subject", "protocol", "id", value="../../x")), "folder's name"),
    ("protocol of another text", forged(at("subject", "protocol", "sha256", value="0" * 64)), "measure again"),
    ("track of the other board", forged(at("subject", "track", value="unlearning")), "/subject"),
    ("other images", forged(at("subject", "data", 0, "sha256", value="0" * 64)), "/subject/data"),
    ("fewer cells", forged(removed("outcome", "cells", 0)), "are not the cells"),
    ("better accuracy", forged(at(*_CELL, "test_accuracy", -1, value=0.5)), "does not follow"),
    ("fewer measurements", forged(removed("outcome", "measurements", 0)), "are not the metrics"),
    (
        "artifact of a reference",
        forged(
            at(
                "subject",
                "artifacts",
                value=[
                    {
                        "role": "perturbation",
                        "sha256": "0" * 64,
                        "bytes": 1,
                        "dtype": "int8",
                        "shape": [1],
                        "norm": "linf",
                    }
                ],
            )
        ),
        "are not those that clean pins",
    ),
    (
        "same SAL everywhere",
        forged(
            lambda d: [
                at("outcome", "cells", i, "sal", "values", value=[[1.0] * 21] * 5)(d)
                for i in range(len(d["outcome"]["cells"]))
            ]
        ),
        "/outcome/",
    ),
]

RUNS = [
    ("run with a number beyond JSON", run_line(lambda r: r["hardware"].update(cores=2**60)), "beyond"),
    ("run with an infinite cost", run_line(lambda r: r["cost"].update(seconds=1e300)), "at most"),
    ("run that acts on a terminal", run_line(lambda r: r["hardware"].update(cpu="\x1b[2J")), r"\x1b[2J"),
    ("run of 10,000 characters", run_line(lambda r: r.update(started="2" * 10_000)), "at most 4000"),
    ("run with another end", run_line(lambda r: r.update(ended="2099-01-01T00:00:00+00:00")), "seal"),
    ("run with an unknown key", run_line(lambda r: r.update(x=1)), "/x"),
    ("ten thousand runs", lambda f: runs(f).write_bytes(runs(f).read_bytes() * 5000) and None, "5000 runs"),
    ("runs that are no JSON", lambda f: runs(f).write_bytes(b"\x00\xff{") and None, "not a runs file"),
    ("runs of brackets", lambda f: runs(f).write_bytes(b"[" * 1_000_000) and None, "not a runs file"),
]


def _cases(table: list[Any]) -> list[Case]:
    return [Case(name, build, 1, word, base="results", command=("verify",)) for name, build, word in table]


RESULT_FILES, RESULT_FORMS, RESULT_FORGERIES, RUN_RECORDS = map(_cases, (FILES, FORMS, FORGERIES, RUNS))
