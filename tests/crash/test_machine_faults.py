"""Faults of the machine: a full disk, a folder that may not be written to, no memory, a clock that runs backwards."""

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from nursing import Nursery, write_world
from readers import EVALUATION, content, files, forget, leftovers

from bench.store import read_result, read_runs, result_files, runs_path

EVALUATE = ("evaluate", "submissions/clean", "--tier", "quick", "--jobs", "1")
CHALLENGE = ("challenge", "unlearning-small-v1", "--tier", "quick", "--jobs", "1")
RENDER = ("render",)
FULL = "No space left on device"


def mount(*arguments: str, program: str = "mount") -> str:
    """Run `mount` and return what it complains about."""
    found = shutil.which(program)
    if found is None:
        return f"there is no {program}"
    return subprocess.run([found, *arguments], capture_output=True, text=True, check=False).stderr.strip()


@contextmanager
def mounted(folder: Path, *options: str) -> Iterator[None]:
    """Mount something over a folder; skip the test where mounting is not permitted."""
    folder.mkdir(parents=True, exist_ok=True)
    if refused := mount(*options, str(folder)):
        pytest.skip(f"mounting is not possible here: {refused}")
    try:
        yield
    finally:
        assert mount(str(folder), program="umount") == ""


@contextmanager
def full_disk(folder: Path, free: int) -> Iterator[Path]:
    """Mount a small disk that has `free` kB left; removing the file that is yielded makes space."""
    with mounted(folder, "-t", "tmpfs", "-o", "size=8m", "tmpfs"):
        ballast = folder / ".ballast"
        ballast.write_bytes(b"x" * 1024 * (8192 - free))
        yield ballast


@pytest.fixture(scope="module")
def whole(nursery, tmp_path_factory) -> Path:
    """A world where everything was done without a fault."""
    root = write_world(tmp_path_factory.mktemp("whole"))
    for command in (EVALUATE, RENDER, CHALLENGE):
        ended = nursery.run(root, *command)
        assert ended.code == 0, ended.said
    return root


@pytest.fixture
def world(whole, tmp_path) -> Path:
    """A copy of it that a test may break."""
    root = tmp_path / "world"
    shutil.copytree(whole, root)
    return root


DISKS = {
    "cells": (EVALUATE, ".bench/cells", EVALUATION, 0),
    "results": (EVALUATE, "submissions/clean/results", EVALUATION, 0),
    "results, half of them": (EVALUATE, "submissions/clean/results", EVALUATION, 4),
    "site": (RENDER, "site", ("site",), 64),
    "kits": (CHALLENGE, "challenges", ("challenges",), 64),
    "hidden kits": (CHALLENGE, ".bench/challenges", (".bench/challenges",), 64),
}
"""What is written where, the folders that it fills, and how many kB are left there: too few."""


@pytest.mark.parametrize("name", DISKS)
def test_a_full_disk_ends_with_a_message_and_nothing_half_and_space_lets_it_go_on(nursery, whole, world, name):
    command, place, folders, free = DISKS[name]
    forget(world, *folders)
    expected = content(whole, *folders)
    with full_disk(world / place, free) as ballast:
        ended = nursery.run(world, *command)
        assert ended.code == 5, ended.said
        assert FULL in ended.said
        assert "Traceback" not in ended.said
        assert content(world, *folders).items() <= expected.items()
        assert leftovers(world) == [f"{place}/.ballast"]
        ballast.unlink()
        ended = nursery.run(world, *command)
        assert ended.code == 0, ended.said
        assert content(world, *folders) == expected


def test_what_was_there_before_the_disk_was_full_stays_as_it_was(nursery, whole, tmp_path):
    """An unprivileged limit on the size of files stands for a disk that is full at once."""
    root = tmp_path / "world"
    shutil.copytree(whole, root)
    page = root / "site" / "submissions" / "clean" / "index.html"
    manifest = root / "submissions" / "clean" / "submission.toml"
    manifest.write_text(manifest.read_text().replace('summary = "For tests only."', 'summary = "Changed."'))
    before = files(root, "site")
    ended = nursery.run(root, *RENDER, patches=["limit_file_size"])
    assert ended.code == 5, ended.said
    assert "File too large" in ended.said
    assert page.read_bytes() == before["site/submissions/clean/index.html"]
    assert leftovers(root) == []
    assert nursery.run(root, *RENDER).code == 0
    assert b"Changed." in page.read_bytes()


@pytest.mark.parametrize("name", ["cells", "results", "site", "kits"])
def test_a_read_only_folder_ends_with_a_message_that_names_it(nursery, whole, world, name):
    command, place, folders, _ = DISKS[name]
    forget(world, *folders)
    with mounted(world / place, "-t", "tmpfs", "-o", "ro", "tmpfs"):
        ended = nursery.run(world, *command)
        assert ended.code == 5, ended.said
        assert "Read-only file system" in ended.said
        assert Path(place).name in ended.said
        assert "Traceback" not in ended.said
    assert nursery.run(world, *command).code == 0
    assert content(world, *folders) == content(whole, *folders)


def test_reading_needs_no_permission_to_write(nursery, world):
    with mounted(world, "--bind", str(world)):
        assert mount("-o", "remount,bind,ro", str(world)) == ""
        assert "no training" in nursery.run(world, *EVALUATE).said
        assert "0 problems" in nursery.run(world, "verify").said
        assert "up to date" in nursery.run(world, "render", "--check").said


def test_a_cell_without_memory_fails_with_a_message_and_costs_no_other(nursery, whole, world):
    forget(world, *EVALUATION)
    evaluate = ("evaluate", "submissions/clean", "--jobs", "1")
    ended = nursery.run(world, *evaluate, patches=["give_the_second_cell_no_memory"])
    assert ended.code == 5, ended.said
    assert "clean resnet-narrow/none/1: not enough memory" in ended.said
    assert "Traceback" not in ended.said
    assert len(list((world / ".bench" / "cells").glob("*/*.json"))) == 1
    ended = nursery.run(world, *evaluate)
    assert "1 cell to measure" in ended.said
    assert ended.code == 0, ended.said


def test_a_kit_without_memory_fails_with_a_message(nursery, world):
    forget(world, "challenges", ".bench/challenges")
    ended = nursery.run(world, *CHALLENGE, patches=["give_kits_no_memory"])
    assert ended.code == 5, ended.said
    assert "gaussian/0: not enough memory" in ended.said
    assert "Traceback" not in ended.said


def test_a_clock_that_runs_backwards_moves_no_id_and_no_lock(nursery, whole, world):
    forget(world, *EVALUATION)
    ended = nursery.run(world, *EVALUATE, patches=["turn_back_the_clock"])
    assert ended.code == 0, ended.said
    assert content(world, *EVALUATION) == content(whole, *EVALUATION)
    (path,) = result_files(world / "submissions")
    (run,) = read_runs(runs_path(path))
    assert run.started > run.ended
    assert run.cost["seconds"] >= 0
    assert read_result(path).id == run.id
    assert "0 problems" in nursery.run(world, "verify").said
    assert nursery.run(world, *RENDER).code == 0


def test_a_lock_file_that_somebody_left_locks_nothing(nursery: Nursery, whole, world):
    forget(world, *EVALUATION)
    (key,) = [name for name in files(whole, ".bench/cells") if name.endswith(".json")]
    lock = (world / key).with_suffix(".lock")
    lock.parent.mkdir(parents=True)
    lock.write_text("999999999\nanother-host\n")
    ended = nursery.run(world, *EVALUATE)
    assert ended.code == 0, ended.said
    assert content(world, *EVALUATION) == content(whole, *EVALUATION)
