"""Files that are written whole, and brought onto the disk before anybody can see them."""

import os
import threading
from pathlib import Path

import pytest

from bench import files
from bench.files import remove_leftovers, write_atomically, write_together
from bench.locking import lock_now, sole_writer


def test_the_bytes_are_on_the_disk_before_the_name_is_and_the_name_before_it_returns(tmp_path, monkeypatch):
    """A loss of power keeps what was brought onto the disk and nothing else."""
    path, events = tmp_path / "file", []
    fsync, replace = os.fsync, os.replace

    def synced(descriptor: int) -> None:
        state = os.fstat(descriptor)
        events.append(("folder" if os.path.samestat(state, tmp_path.stat()) else "bytes", state.st_size))
        fsync(descriptor)

    def replaced(source, target) -> None:
        events.append(("name", Path(source).stat().st_size))
        replace(source, target)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(os, "replace", replaced)
    write_atomically(path, b"x" * 5000)
    assert [what for what, _ in events] == ["bytes", "name", "folder"]
    assert [size for _, size in events[:2]] == [5000, 5000]


def test_of_several_files_all_bytes_are_on_the_disk_before_the_first_has_its_name(tmp_path, monkeypatch):
    events = []
    fsync, replace = os.fsync, os.replace

    def synced(descriptor: int) -> None:
        events.append("folder" if Path(f"/proc/self/fd/{descriptor}").resolve().is_dir() else "bytes")
        fsync(descriptor)

    def replaced(source, target) -> None:
        events.append("name")
        replace(source, target)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(os, "replace", replaced)
    contents = {tmp_path / f"{number % 3}" / f"{number}": b"%d" % number * 3000 for number in range(40)}
    write_together(contents)
    assert events == ["bytes"] * 40 + ["name"] * 40 + ["folder"] * 3
    assert {path: path.read_bytes() for path in contents} == contents


def test_of_several_files_none_changes_where_one_cannot_be_brought_onto_the_disk(tmp_path, monkeypatch):
    contents = {tmp_path / f"{number}": b"new" for number in range(40)}
    write_together(dict.fromkeys(contents, b"old"))
    fsync = os.fsync

    def full(descriptor: int) -> None:
        if ".17." in Path(f"/proc/self/fd/{descriptor}").readlink().name:
            raise OSError(28, "No space left on device")
        fsync(descriptor)

    monkeypatch.setattr(files.os, "fsync", full)
    with pytest.raises(OSError, match=r"No space left on device: '.*/17'"):
        write_together(contents)
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == dict.fromkeys(contents, b"old")


def test_a_failed_write_names_the_file_and_leaves_the_old_one(tmp_path, monkeypatch):
    path = tmp_path / "file"
    write_atomically(path, b"old")

    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files.os, "fsync", full)
    with pytest.raises(OSError, match=r"No space left on device: '.*/file'"):
        write_atomically(path, b"new")
    assert path.read_bytes() == b"old"
    assert [item.name for item in tmp_path.iterdir()] == ["file"]


def test_leftovers_of_the_dead_go_and_what_is_being_written_stays(tmp_path):
    (tmp_path / ".page.html.abc.tmp").write_bytes(b"half")
    (tmp_path / "notes.tmp").write_bytes(b"somebody's own file")
    writing = (tmp_path / ".page.html.def.tmp").open("wb")
    with writing:
        assert lock_now(writing.fileno())
        assert [path.name for path in remove_leftovers(tmp_path)] == [".page.html.abc.tmp"]
        assert {path.name for path in tmp_path.iterdir()} == {"notes.tmp", ".page.html.def.tmp"}
    assert [path.name for path in remove_leftovers(tmp_path)] == [".page.html.def.tmp"]


def test_a_link_named_like_a_leftover_is_not_followed(tmp_path):
    (tmp_path / "kept").write_bytes(b"kept")
    (tmp_path / ".x.tmp").symlink_to(tmp_path / "kept")
    assert remove_leftovers(tmp_path) == []
    assert (tmp_path / "kept").read_bytes() == b"kept"


def test_sweeping_never_takes_a_file_from_a_living_writer(tmp_path):
    stop = threading.Event()

    def sweep() -> None:
        while not stop.is_set():
            remove_leftovers(tmp_path)

    sweeper = threading.Thread(target=sweep)
    sweeper.start()
    try:
        for number in range(300):
            write_atomically(tmp_path / "file", b"%d" % number)
    finally:
        stop.set()
        sweeper.join()
    assert (tmp_path / "file").read_bytes() == b"299"


def test_of_two_writers_of_a_folder_one_waits_and_nothing_is_left_in_it(tmp_path):
    order, inside, leave = [], threading.Event(), threading.Event()

    def first() -> None:
        with sole_writer(tmp_path / "new"):
            inside.set()
            leave.wait(10)
            order.append("first")

    thread = threading.Thread(target=first)
    thread.start()
    assert inside.wait(10)
    threading.Timer(0.2, leave.set).start()
    with sole_writer(tmp_path / "new"):
        order.append("second")
    thread.join()
    assert order == ["first", "second"]
    assert list((tmp_path / "new").iterdir()) == []
