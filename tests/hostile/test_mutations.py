"""Breaking a promise makes a test fail: each is broken in a copy of the code, and the tests that keep it run there."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from mutations import CORE, Mutation
from mutations_of_details import OTHERS

ROOT = Path(__file__).resolve().parents[2]
COPIED = ("bench", "tests", "templates", "pyproject.toml")
MUTATIONS = [*CORE, *OTHERS]
ALL = os.environ.get("BENCH_MUTATIONS") == "all"
SELECTED = MUTATIONS if ALL else CORE


@pytest.fixture(scope="module")
def copy(tmp_path_factory) -> Path:
    """The code and its tests; whatever else tests read is the repository's own."""
    root = tmp_path_factory.mktemp("mutated")
    for path in ROOT.iterdir():
        if path.name in COPIED:
            (shutil.copytree if path.is_dir() else shutil.copy)(path, root / path.name)
        elif not path.name.startswith("."):
            (root / path.name).symlink_to(path)
    return root


def run(copy: Path, mutation: Mutation) -> subprocess.CompletedProcess[str]:
    chosen = ["-k", mutation.select] if mutation.select else []
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *mutation.tests.split(), *chosen]
    environment = {**os.environ, "PYTHONPATH": str(copy), "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run(command, cwd=copy, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("mutation", SELECTED, ids=lambda mutation: mutation.name.replace(" ", "-"))
def test_a_broken_promise_fails_a_test(mutation: Mutation, copy: Path):
    path = copy / mutation.file
    source = path.read_text(encoding="utf-8")
    assert source.count(mutation.old) >= 1, "the code has changed; say anew how this promise is broken"
    try:
        path.write_text(source.replace(mutation.old, mutation.new, 1), encoding="utf-8")
        ended = run(copy, mutation)
    finally:
        path.write_text(source, encoding="utf-8")
    assert ended.returncode == 1, ended.stdout[-3000:]
    # A test failed: not the collection of tests, and no fixture.
    assert re.search(r"^FAILED ", ended.stdout, re.MULTILINE), ended.stdout[-3000:]
    assert "SyntaxError" not in ended.stdout


def test_every_break_is_in_the_code_as_it_is_and_has_a_name_of_its_own():
    for mutation in MUTATIONS:
        assert mutation.old in (ROOT / mutation.file).read_text(encoding="utf-8"), mutation.name
        assert all((ROOT / test).is_file() for test in mutation.tests.split()), mutation.name
    assert len({mutation.name for mutation in MUTATIONS}) == len(MUTATIONS)


def test_the_copy_is_sound_while_nothing_is_broken(copy: Path):
    ended = run(copy, Mutation("", "", "", "", "tests/test_files.py"))
    assert ended.returncode == 0, ended.stdout[-3000:]
