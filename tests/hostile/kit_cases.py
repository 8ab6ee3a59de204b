"""Challenge kits that somebody touched: how, and what the finding says. Each starts from a kit that is sound.

A kit lies below `.bench/challenges`, `kit` is its folder; `out` is the folder that its public part was released to.
"""

import json
import os
import shutil
import socket
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

Change = Callable[[Path], object]


@dataclass(frozen=True)
class KitCase:
    """word: what the finding has to say; code: exit code of the command."""

    name: str
    change: Change
    word: str
    code: int = 1


def flipped(name: str, place: int = -1) -> Change:
    """Change one bit of a file."""

    def change(kit: Path) -> None:
        content = bytearray((kit / name).read_bytes())
        content[place] ^= 1
        (kit / name).write_bytes(content)

    return change


def cut(name: str, left: int) -> Change:
    """Keep the first bytes of a file alone."""
    return lambda kit: (kit / name).write_bytes((kit / name).read_bytes()[:left])


def swapped(name: str, other: str) -> Change:
    """Put another file of the kit in a file's place."""
    return lambda kit: shutil.copyfile(kit / other, kit / name)


def linked(name: str, target: str) -> Change:
    """Replace a file by a link, to a copy of its own bytes where the target is one."""

    def change(kit: Path) -> None:
        shutil.copyfile(kit / name, kit.parent / "copy")
        (kit / name).unlink()
        (kit / name).symlink_to(target)

    return change


def replaced_by(name: str, make: Change) -> Change:
    """Remove a file and make something else in its place."""

    def change(kit: Path) -> None:
        (kit / name).unlink()
        make(kit / name)

    return change


def listed(edit: Callable[[dict], object]) -> Change:
    """Change the list of a kit, its code left as it is."""

    def change(kit: Path) -> None:
        found = json.loads((kit / "seal.json").read_bytes())
        edit(found)
        (kit / "seal.json").write_text(json.dumps(found))

    return change


def content(name: str, raw: bytes) -> Change:
    """Give a file other bytes."""
    return lambda kit: (kit / name).write_bytes(raw)


def edited_with_its_digest(kit: Path) -> None:
    """Change the hidden part and write its digest anew, as somebody without the secret can."""
    import hashlib

    flipped("secret.safetensors")(kit)
    digest = hashlib.sha256((kit / "secret.safetensors").read_bytes()).hexdigest()
    listed(lambda found: found["files"]["secret.safetensors"].update(sha256=digest))(kit)


def another_seed(kit: Path) -> None:
    """Put the whole kit of the other seed in this one's place."""
    other = kit.parent / ("gaussian-1" if kit.name == "gaussian-0" else "gaussian-0")
    shutil.rmtree(kit)
    shutil.copytree(other, kit)


def sealed_with_another_secret(kit: Path) -> None:
    """Seal the very files with a key that the evaluator does not have."""
    from bench.challenge_secret import Secret
    from bench.kit_files import SEAL_NAME, write_kit

    files = {
        str(path.relative_to(kit)): path.read_bytes()
        for path in sorted(kit.rglob("*"))
        if path.is_file() and path.name != SEAL_NAME
    }
    shutil.rmtree(kit)
    write_kit(kit, files, Secret(b"z" * 32, opened=False))


def folder_elsewhere(kit: Path) -> None:
    """Move the kit away and leave a link."""
    kit.rename(kit.parent / "moved")
    kit.symlink_to(kit.parent / "moved")


def bound(path: Path) -> None:
    """Make a socket; its path may be longer than one can be bound at."""
    here = os.open(path.parent, os.O_DIRECTORY)
    with socket.socket(socket.AF_UNIX) as end:
        end.bind(f"/proc/self/fd/{here}/{path.name}")
    os.close(here)


def sparse(size: int) -> Change:
    """Make a file of zeros that takes no place on the disk."""

    def change(path: Path) -> None:
        with path.open("wb") as file:
            file.truncate(size)

    return change


SECRET, ORIGINAL, TRAIN = "secret.safetensors", "public/original.safetensors", "public/train.safetensors"

KITS = [
    KitCase("hidden part with one other bit", flipped(SECRET), "secret.safetensors was changed"),
    KitCase("original with one other bit", flipped(ORIGINAL), "original.safetensors was changed"),
    KitCase("header of the original", flipped(ORIGINAL, 20), "original.safetensors was changed"),
    KitCase("training set with one other bit", flipped(TRAIN), "train.safetensors was changed"),
    KitCase("forget set with one other bit", flipped("public/forget.safetensors"), "forget.safetensors was changed"),
    KitCase("cheaper training", content("cost.json", b'{"seconds": 1e9}'), "cost.json"),
    KitCase("public list with another digest", flipped("public/kit.json", 40), "kit.json was changed"),
    KitCase("hidden part cut", cut(SECRET, 100), "secret.safetensors was changed"),
    KitCase("hidden part empty", cut(SECRET, 0), "secret.safetensors was changed"),
    KitCase("original cut by a byte", cut(ORIGINAL, -1), "original.safetensors was changed"),
    KitCase("list cut", cut("seal.json", 30), "seal.json cannot be read"),
    KitCase("list empty", cut("seal.json", 0), "seal.json cannot be read"),
    KitCase("list of brackets", content("seal.json", b"[" * 60_000), "seal.json cannot be read"),
    KitCase("list of 100 MiB", replaced_by("seal.json", sparse(100 * 1024**2)), "too large"),
    KitCase("list that is a number", content("seal.json", b"1"), "seal.json cannot be read"),
    KitCase("list that is no text", content("seal.json", b"\xff\xfe"), "seal.json cannot be read"),
    KitCase("list without a code", listed(lambda found: found.pop("seal")), "seal.json cannot be read"),
    KitCase("code that is a list", listed(lambda found: found.update(seal=[])), "seal.json cannot be read"),
    KitCase("code of half a character", listed(lambda found: found.update(seal="\ud800")), "seal.json cannot be read"),
    KitCase("list with a number beyond JSON", listed(lambda f: f["files"].update(x=10**400)), "seal.json"),
    KitCase("list without the hidden part", listed(lambda f: f["files"].pop(SECRET)), "seal.json was changed"),
    KitCase(
        "list that goes up",
        listed(lambda f: f["files"].update({"../../x": {"bytes": 1, "sha256": "0" * 64}})),
        "seal.json was changed",
    ),
    KitCase("hidden part and its digest", edited_with_its_digest, "seal.json was changed"),
    KitCase("sealed with another secret", sealed_with_another_secret, "with another secret"),
    KitCase("kit of another seed", another_seed, "seal.json was changed, or the kit was made elsewhere"),
    KitCase("original in the hidden part's place", swapped(SECRET, ORIGINAL), "secret.safetensors"),
    KitCase("hidden part missing", lambda kit: (kit / SECRET).unlink(), "a file of the kit is missing"),
    KitCase("list missing", lambda kit: (kit / "seal.json").unlink(), "a file of the kit is missing"),
    KitCase("original missing", lambda kit: (kit / ORIGINAL).unlink(), "a file of the kit is missing"),
    KitCase("surplus file", content("public/notes.txt", b"x"), "public/notes.txt is no file of the kit"),
    KitCase("surplus pickle", content("secret.pkl", b"cos\nsystem\n(S'true'\ntR."), "secret.pkl is no file of the kit"),
    KitCase("link to its own bytes", linked(SECRET, "../copy"), "is a link or no regular file"),
    KitCase("link to a device", linked(ORIGINAL, "/dev/zero"), "is a link or no regular file"),
    KitCase("link to nothing", linked("cost.json", "nothing"), "is a link or no regular file"),
    KitCase("link as folder", folder_elsewhere, "symbolic link"),
    KitCase("FIFO", replaced_by(SECRET, os.mkfifo), "is a link or no regular file"),
    KitCase("FIFO as list", replaced_by("seal.json", os.mkfifo), "FIFO"),
    KitCase("socket", replaced_by("cost.json", bound), "is a link or no regular file"),
    KitCase("folder for a file", replaced_by(SECRET, os.mkdir), "a folder"),
    KitCase("hidden part of 8 GiB", replaced_by(SECRET, sparse(8 * 1024**3)), "too large"),
    KitCase("file for the folder", lambda kit: (shutil.rmtree(kit), kit.write_bytes(b"x")), "no folder"),
    KitCase(
        "ten thousand files",
        lambda kit: [(kit / "public" / f"{index}").touch() for index in range(10_000)],
        "holds more than",
    ),
]

RELEASED = [
    KitCase("released original with one other bit", flipped("original.safetensors"), "is of another kit", 2),
    KitCase("released list with one other bit", flipped("kit.json", 40), "is of another kit", 2),
    KitCase("released training set cut", cut("train.safetensors", 100), "is of another kit", 2),
    KitCase("released file of 8 GiB", replaced_by("kit.json", sparse(8 * 1024**3)), "is of another kit", 2),
    KitCase("surplus released file", content("hint.txt", b"x"), "'hint.txt', which is no file of a kit", 2),
    KitCase("hidden part among what is released", content(SECRET, b"x"), "which is no file of a kit", 2),
    KitCase("released link to a device", linked("forget.safetensors", "/dev/zero"), "symbolic link", 4),
    KitCase("released link to its own bytes", linked("kit.json", "../copy"), "symbolic link", 4),
    KitCase("released FIFO", replaced_by("kit.json", os.mkfifo), "FIFO", 4),
    KitCase("released folder elsewhere", folder_elsewhere, "symbolic link", 4),
    KitCase("released folder for a file", replaced_by("kit.json", os.mkdir), "folder", 4),
]
