"""Determinism: two clones of the project that differ in everything that must not matter give the same bytes.

They lie at different paths, their files were created in another order, and the commands run from other folders, with
another umask, in other time zones, locales and hash seeds, on terminals of other widths. Each clone runs its own copy
of the code in processes of its own.
"""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from nursing import write_world
from readers import content

SOURCE = Path(__file__).resolve().parent.parent.parent


@dataclass(frozen=True)
class Clone:
    """A copy of the project and a folder of submissions, and how its commands are started."""

    code: Path
    root: Path
    folder: Path
    umask: int
    environment: dict[str, str]

    def run(self, *arguments: str) -> str:
        """Run a command with the paths of the root, and return what it prints."""
        done = subprocess.run(
            [sys.executable, "-m", "bench", *arguments],
            cwd=self.folder,
            env={**os.environ, "PYTHONPATH": str(self.code), "NO_COLOR": "1", **self.environment},
            umask=self.umask,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


def make_clone(place: Path, *, backwards: bool, umask: int, inside: bool, environment: dict[str, str]) -> Clone:
    """Copy the working tree's code and write a world beside it; files come into being in order or backwards."""
    code, root = place / "code", place / "world"
    paths = [path for part in ("bench", "templates") for path in sorted((SOURCE / part).rglob("*"))]
    for path in reversed(paths) if backwards else paths:
        target = code / path.relative_to(SOURCE)
        if path.is_file() and "__pycache__" not in path.parts:
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)
    shutil.copyfile(SOURCE / "pyproject.toml", code / "pyproject.toml")
    made = write_world(place / "made")
    parts = sorted(made.rglob("*"), reverse=backwards)
    for path in parts:
        if path.is_file():
            target = root / path.relative_to(made)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)
    shutil.rmtree(made)
    settings = {"BENCH_PROTOCOLS": str(root / "protocols"), **environment}
    return Clone(code, root, root if inside else place, umask, settings)


@pytest.fixture(scope="module")
def clones(tmp_path_factory) -> list[Clone]:
    """Two clones in which everything was measured, made and rendered."""
    first = make_clone(
        tmp_path_factory.mktemp("a"),
        backwards=False,
        umask=0o022,
        inside=True,
        environment={"TZ": "UTC", "LC_ALL": "C", "PYTHONHASHSEED": "0", "COLUMNS": "40", "OMP_NUM_THREADS": "1"},
    )
    second = make_clone(
        tmp_path_factory.mktemp("somewhere else \u00fc"),
        backwards=True,
        umask=0o077,
        inside=False,
        environment={
            "TZ": "Pacific/Chatham",
            "LC_ALL": "tr_TR.UTF-8",
            "PYTHONHASHSEED": "4242",
            "COLUMNS": "200",
            "OMP_NUM_THREADS": "2",
            "HOME": str(tmp_path_factory.mktemp("home")),
            "PYTHONUTF8": "1",
        },
    )
    for clone in (first, second):
        order = ("clean", "noise") if clone is first else ("noise", "clean")
        folders = [str(clone.root / "submissions" / slug) for slug in order]
        root = ("--root", str(clone.root))
        clone.run("validate", *folders)
        clone.run("evaluate", *folders, "--jobs", "1" if clone is first else "2", *root)
        out = str(clone.root / "challenges")
        clone.run("challenge", "unlearning-small-v1", "--tier", "quick", "--out", out, *root)
    return [first, second]


def test_two_clones_find_the_same_ids_and_bytes(clones):
    first, second = (content(clone.root, "submissions", ".bench/cells", "challenges") for clone in clones)
    assert [name for name in first if name.endswith(".json") and "/results/" in name]
    assert any(name.endswith("kit.json") for name in first)
    assert first == second


def test_two_clones_render_the_same_site(clones):
    """From the same stored results: when and where something was measured is part of a result's page."""
    first, second = clones
    for folder in (first.root / "submissions").iterdir():
        shutil.rmtree(second.root / "submissions" / folder.name / "results")
        shutil.copytree(folder / "results", second.root / "submissions" / folder.name / "results")
    for clone in clones:
        clone.run("render", "--root", str(clone.root))
        assert "up to date" in clone.run("render", "--check", "--root", str(clone.root))
    found = [content(clone.root, "site") for clone in clones]
    assert len(found[0]) > 50
    assert found[0] == found[1]


def test_two_clones_say_the_same(clones):
    said = []
    for clone in clones:
        noise = str(clone.root / "submissions" / "noise")
        (found,) = json.loads(clone.run("evaluate", noise, "--json", "--root", str(clone.root)))["results"]
        assert found.pop("path").startswith(str(clone.root))
        said.append(found)
    assert said[0] == said[1]
