"""What a killed command leaves goes with the next one of its kind: nothing piles up, and no reader takes it for a file.

Each command is killed before each of its changes to files, in order, and run again. Its temporary folder is inside the
folder that is looked at.
"""

import os
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from measured import PROTOCOL_ID
from nursing import Nursery, write_world
from readers import leftovers

from bench.doctor import check_folders
from bench.files import find_leftovers, remove_all_leftovers


def commit(root: Path) -> None:
    """Make the folder a repository whose submissions are those of now."""
    for step in (("init",), ("add", "submissions"), ("commit", "--message", "Base")):
        names = ("-c", "user.name=a", "-c", "user.email=a@example.org")
        program = shutil.which("git")
        assert program
        subprocess.run([program, "-C", str(root), *names, *step], check=True, capture_output=True)


def release(root: Path) -> None:
    np.save(root / "own.npy", np.ones((1437, 1, 8, 8), np.int8))


def nothing(_root: Path) -> None:
    """Prepare nothing."""


@dataclass(frozen=True)
class Command:
    """A command that writes.

    codes: exit codes of the run after a kill. fewest: kills at least. before: a command whose outcome it finds.
    step: 2 kills before every second change, and so on.
    """

    arguments: tuple[str, ...]
    fewest: int
    prepare: Callable[[Path], None] = nothing
    codes: tuple[int, ...] = (0,)
    before: tuple[str, ...] = ()
    step: int = 1


CRAFT = ("craft", "random", "--protocol", PROTOCOL_ID, "--slug", "made")
UNLEARN = ("unlearn", "original", "--protocol", "unlearning-small-v1", "--tier", "quick", "--slug", "made")
IMPORT = ("import", "npy", "own.npy", "--protocol", PROTOCOL_ID, "--slug", "made")
CHALLENGE = ("challenge", "unlearning-small-v1", "--tier", "quick", "--jobs", "1", "--out", "kits")
COMMANDS = {
    # Killed after the folder was named, the next run finds it there.
    "new": Command(("new", "ue", "made"), 5, codes=(0, 2)),
    "import": Command(IMPORT, 9, release, codes=(0, 2)),
    "craft": Command(CRAFT, 8),
    "unlearn": Command((*UNLEARN, "--jobs", "1"), 8, before=CHALLENGE),
    "challenge": Command(CHALLENGE, 10, step=7),
    "review": Command(("review", "--base", "HEAD", "--out", "review.md"), 4, commit, codes=(0, 1)),
}


@pytest.mark.parametrize("name", COMMANDS)
def test_a_killed_command_leaves_nothing_that_the_next_one_does_not_remove(
    name: str, nursery: Nursery, quick_folder: Path
):
    command = COMMANDS[name]
    start, root = quick_folder / "start", quick_folder / "world"
    write_world(start)
    (start / "tmp").mkdir()
    command.prepare(start)
    if command.before:
        assert nursery.run(start, *command.before).code == 0
    how = {"environment": {"BENCH_PROTOCOLS": str(root / "protocols"), "TMPDIR": str(root / "tmp")}}
    kills = 0
    for at in range(1, 500, command.step):
        shutil.rmtree(root, ignore_errors=True)
        shutil.copytree(start, root, symlinks=True)
        ended = nursery.run(root, *command.arguments, kill_at=at, half=at % 2 == 0, **how)
        if not ended.killed:
            assert ended.code in command.codes, ended.said
            break
        kills += 1
        seen = nursery.run(root, "validate", "submissions", **how)
        assert seen.code in (0, 3), seen.said
        assert f"{os.sep}." not in seen.said, "what is being written is no submission"
        again = nursery.run(root, *command.arguments, **how)
        assert again.code in command.codes, f"killed at {at}: {again.said}"
        assert [path for path in leftovers(root) if not path.startswith(".git")] == [], f"killed at {at}"
        assert list((root / "tmp").iterdir()) == [], f"killed at {at}"
    assert kills >= command.fewest
    assert leftovers(root / "submissions") == []


def test_the_doctor_names_what_killed_commands_left(nursery: Nursery, tmp_path: Path, monkeypatch):
    root = write_world(tmp_path)
    at = 4  # the folder of the submission is made, and its first file begun
    assert nursery.run(root, *COMMANDS["new"].arguments, kill_at=at, half=True).killed
    (left,) = (path for path in find_leftovers(root) if path.parent == root / "submissions")
    monkeypatch.chdir(root)
    (finding,) = (item for item in check_folders() if item.name == "unfinished files")
    assert (finding.status, str(left) in finding.detail) == ("note", True)
    assert left in remove_all_leftovers(root)
    assert "unfinished files" not in {item.name for item in check_folders()}
