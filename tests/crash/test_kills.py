"""kill -9 at random moments of an evaluation, of a rendering and of making kits, with every process it started.

After each kill no reader finds half a file; the next run takes up what is there, and the end is that of an undisturbed
run. Half of the moments are random in time, half are random among the changes to files, where most can go wrong.
BENCH_KILLS sets the number of kills of each command.
"""

import os
import random
import shutil
import time
from dataclasses import dataclass
from pathlib import Path

import pytest
from nursing import Nursery, write_world
from readers import EVALUATION, content, files, forget, leftovers

from bench.store import result_files

KILLS = int(os.environ.get("BENCH_KILLS", "50"))

EVALUATE = ("evaluate", "submissions/clean", "submissions/noise", "--jobs", "1")
RENDER = ("render",)
RENDERING = ("site",)
KITS = ("challenges", ".bench/challenges")
CHALLENGE = ("challenge", "unlearning-small-v1", "--jobs", "1")


@dataclass(frozen=True)
class Undisturbed:
    """A command that ran to its end: where, what it wrote, and how long it took in seconds and in changes to files."""

    root: Path
    found: dict[str, object]
    seconds: float
    changes: int


@pytest.fixture
def evaluated(nursery, quick_folder) -> Undisturbed:
    return undisturbed(nursery, write_world(quick_folder / "evaluated"), EVALUATE, EVALUATION)


def undisturbed(nursery: Nursery, root: Path, command: tuple[str, ...], folders: tuple[str, ...]) -> Undisturbed:
    clock = time.monotonic()
    ended = nursery.run(root, *command)
    assert ended.code == 0, ended.said
    return Undisturbed(root, content(root, *folders), time.monotonic() - clock, ended.changes)


def kill_often(nursery: Nursery, root: Path, command: tuple[str, ...], whole: Undisturbed, folders: tuple[str, ...]):
    """Kill a command KILLS times, each going on where the last one was killed; when one ends, all starts anew."""
    draw = random.Random(f"{command[0]} {KILLS}")
    found: dict[str, object] = {}
    kills = 0
    while kills < KILLS:
        left = 1 - len(found) / len(whole.found)
        if kills % 2:
            how = {"kill_after": draw.uniform(0, whole.seconds)}
        else:
            how = {"kill_at": draw.randint(1, 1 + int(left * whole.changes)), "half": draw.random() < 0.5}
        ended = nursery.run(root, *command, **how)
        kills += ended.killed
        found = content(root, *folders)
        assert found.items() <= whole.found.items(), f"after kill {kills}, {how}"
        if not ended.killed:
            assert ended.code == 0, ended.said
            assert found == whole.found
            forget(root, *folders)
            found = {}
    ended = nursery.run(root, *command)
    assert ended.code == 0, ended.said
    assert content(root, *folders) == whole.found
    assert leftovers(root) == []


def test_a_killed_evaluation_leaves_nothing_half_and_goes_on_to_the_same_ids(nursery, evaluated, quick_folder):
    root = write_world(quick_folder / "killed")
    kill_often(nursery, root, EVALUATE, evaluated, EVALUATION)
    found = {path.name: path.read_bytes() for path in result_files(root / "submissions")}
    assert found == {path.name: path.read_bytes() for path in result_files(evaluated.root / "submissions")}
    assert "0 problems" in nursery.run(root, "verify").said


def test_a_killed_rendering_leaves_nothing_half_and_goes_on_to_the_same_bytes(nursery, evaluated, quick_folder):
    root = quick_folder / "killed"
    shutil.copytree(evaluated.root, root)
    whole = undisturbed(nursery, root, RENDER, RENDERING)
    assert "site/submissions/noise/index.html" in whole.found
    site = files(root, "site")
    forget(root, *RENDERING)
    kill_often(nursery, root, RENDER, whole, RENDERING)
    assert files(root, "site") == site


def test_killed_kits_leave_nothing_half_and_come_out_the_same(nursery, quick_folder):
    whole = undisturbed(nursery, write_world(quick_folder / "whole"), CHALLENGE, KITS)
    assert any(name.endswith("patch-1/kit.json") for name in whole.found)
    kill_often(nursery, write_world(quick_folder / "killed"), CHALLENGE, whole, KITS)
