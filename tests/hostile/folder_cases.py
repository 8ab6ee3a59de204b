"""What else may lie in a submission's folder, and what its names may be."""

import os
import socket
from pathlib import Path

import corpus as c
from corpus import Build, Case


def moved(path: str) -> Build:
    """Hand in the artifact under another path, as the manifest says too."""

    def build(folder: Path) -> None:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / c.ARTIFACT).rename(folder / path)
        c.edit(folder, f'"{c.ARTIFACT}"', f"'{path}'")

    return build


def beside(name: bytes | str) -> Build:
    return lambda folder: Path(os.fsdecode(os.fsencode(folder) + b"/" + os.fsencode(name))).touch()


def two(first: str, second: str) -> Build:
    def build(folder: Path) -> None:
        (folder / first).touch()
        (folder / second).touch()

    return build


def socket_at(name: str) -> Build:
    def build(folder: Path) -> None:
        (folder / name).unlink(missing_ok=True)
        here = Path.cwd()
        os.chdir(folder)  # a socket's path is short
        try:
            with socket.socket(socket.AF_UNIX) as listener:
                listener.bind(name)
        finally:
            os.chdir(here)

    return build


def manifest_is_a_folder(folder: Path) -> None:
    (folder / "submission.toml").unlink()
    (folder / "submission.toml").mkdir()


def manifest_is_gone(folder: Path) -> None:
    (folder / "submission.toml").unlink()


def manifest_to_itself(folder: Path) -> None:
    (folder / "submission.toml").unlink()
    (folder / "submission.toml").symlink_to("submission.toml")


def manifest_to_zeros(folder: Path) -> None:
    (folder / "submission.toml").unlink()
    (folder / "submission.toml").symlink_to("/dev/zero")


def many_files(folder: Path) -> None:
    (folder / "more").mkdir()
    parent = os.open(folder / "more", os.O_RDONLY)
    for number in range(20_500):
        os.close(os.open(str(number), os.O_CREAT | os.O_WRONLY, dir_fd=parent))
    os.close(parent)


def deep_folders(count: int, name: str) -> Build:
    """Make folders in folders; deeper than a path can say, one step at a time."""

    def build(folder: Path) -> None:
        current = os.open(folder, os.O_RDONLY)
        for _ in range(count):
            os.mkdir(name, dir_fd=current)
            below = os.open(name, os.O_RDONLY, dir_fd=current)
            os.close(current)
            current = below
        os.close(current)

    return build


def linked_folder_itself(folder: Path) -> None:
    folder.rename(folder.parent.parent / "elsewhere")
    folder.symlink_to("../elsewhere")


def results(make: str) -> Build:
    """Put something into the folder of results."""

    def build(folder: Path) -> None:
        place = folder / "results" / "ue-tiny-v1"
        place.mkdir(parents=True)
        if make == "fifo":
            os.mkfifo(place / f"{'0' * 16}.json")
        elif make == "link":
            (place / f"{'0' * 16}.json").symlink_to("/etc/passwd")
        else:
            (place / make).touch()

    return build


NAMES = [
    Case("path with a colon", moved("delta:a.safetensors"), 4, "some systems"),
    Case("path with a star", moved("*.safetensors"), 4, "some systems"),
    Case("path that ends in a space", moved("a /x.safetensors"), 4, "some systems"),
    Case("path that ends in a dot", moved("a./x.safetensors"), 4, "some systems"),
    Case("path of a device elsewhere", moved("NUL.safetensors"), 4, "name of a device"),
    Case("path of a port elsewhere", moved("com1/x.safetensors"), 4, "name of a device"),
    Case("path in full width", moved("\uff44elta.safetensors"), 4, "replace"),
    Case("path of 200 characters", moved("a" * 180 + ".safetensors"), 4, "too long"),
    Case("path of a thousand parts", c.manifest(f'"{c.ARTIFACT}"', f'"{"a/" * 1000}x.safetensors"'), 3, "200"),
    Case("path with bidirectional marks", c.manifest(f'"{c.ARTIFACT}"', r'"a\u202e.safetensors"'), 3, "U+202E"),
    Case("path that starts at home", c.manifest(f'"{c.ARTIFACT}"', '"~/x.safetensors"'), 3, "not there"),
    Case("path of a URL", c.manifest(f'"{c.ARTIFACT}"', '"https://a.org/x.safetensors"'), 4, "plain relative"),
    Case("path of two slashes", c.manifest(f'"{c.ARTIFACT}"', '"a//x.safetensors"'), 4, "plain relative"),
    Case("path with a dot", c.manifest(f'"{c.ARTIFACT}"', f'"./{c.ARTIFACT}"'), 4, "plain relative"),
    Case("path that is a list", c.manifest(f'"{c.ARTIFACT}"', f'["{c.ARTIFACT}"]'), 3, "expected text"),
    Case("names that differ in case", two("Notes", "notes"), 3, "ignore case"),
    Case("artifacts that differ in case", two("Delta.safetensors", "x"), 3, "ignore case"),
    Case("names that differ in spelling", two("\u00e9", "e\u0301"), 3, "ignore case"),
    Case("manifests that differ in case", beside("Submission.toml"), 3, "ignore case"),
]

ENTRIES = [
    Case("artifact among the results", moved("results/ue-tiny-v1/x.safetensors"), 4, "which evaluations write"),
    Case("socket", socket_at(c.ARTIFACT), 4, "cannot be opened"),
    Case("socket as manifest", socket_at("submission.toml"), 4, "cannot be opened"),
    Case("socket that nothing names", socket_at("notes"), 4, "neither a file nor a folder"),
    Case("FIFO that nothing names", lambda folder: os.mkfifo(folder / "notes"), 4, "neither a file nor a folder"),
    Case("folder as manifest", manifest_is_a_folder, 4, "folder"),
    Case("no manifest", manifest_is_gone, 3, "there is no submission.toml"),
    Case("manifest that is a link to itself", manifest_to_itself, 4, "symbolic link"),
    Case("manifest that is a link to a device", manifest_to_zeros, 4, "symbolic link"),
    Case("folder that is a link", linked_folder_itself, 4, "symbolic link"),
    Case("20,500 files", many_files, 4, "more than 20000"),
    Case("folders 100 deep", deep_folders(100, "a"), 4, "deep"),
    Case("folders deeper than a path can say", deep_folders(300, "a" * 100), 4, "deep"),
    Case("FIFO as a result", results("fifo"), 4, "neither a file nor a folder"),
    Case("link as a result", results("link"), 4, "symbolic link"),
]

STRANGERS = [
    Case("page beside the results", results("page.html"), 0, "not part of the submission"),
    Case("result under no name of results", results("../../a.json"), 0, "not part of the submission"),
    Case("name that is not UTF-8", beside(b"a\xff\xfe"), 0, r"\udcff"),
    Case("name of line breaks", beside("a\n::error::b"), 0, r"a\n::error::b"),
    Case("file name that clears the terminal", beside("\x1b[2J"), 0, r"\x1b[2J"),
    Case("name of a right-to-left override", beside("gpj.\u202e.exe"), 0, r"\u202e"),
    Case("name of an option", beside("-rf"), 0, "not part of the submission"),
    Case("Python file", beside("conftest.py"), 0, "not part of the submission"),
    Case("git attributes", beside(".gitattributes"), 0, "not part of the submission"),
]
