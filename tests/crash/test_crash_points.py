"""A crash before each single change to files: what a reader finds, and what the next writer makes of it."""

import shutil

import pytest
from crash_calls import NEW, OLD, SITE_AFTER, SITE_BEFORE, publish
from nursing import Nursery, write_world
from readers import EVALUATION, content, files, forget, leftovers

from bench.files import remove_leftovers, write_atomically
from bench.leaderboard.publishing import LISTING, differences


def every_crash(nursery: Nursery, folder, name: str, prepare, look) -> int:
    """Crash a call before its first change, its second and so on, with half a file and without; return how many."""
    changes = 0
    for half in (True, False):
        for at in range(1, 200):
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            prepare()
            ended = nursery.call(folder, name, kill_at=at, half=half)
            if not ended.killed:
                assert ended.code == 0, ended.said
                changes = at - 1
                break
            look()
            assert nursery.call(folder, name).code == 0
    return changes


def test_a_file_is_the_old_one_or_the_new_one_whatever_moment_its_writer_dies(nursery, tmp_path):
    path = tmp_path / "folder" / "file.json"

    def look():
        assert path.read_bytes() in (OLD, NEW)
        assert len(remove_leftovers(path.parent)) <= 1
        assert list(path.parent.iterdir()) == [path]

    changes = every_crash(nursery, path.parent, "write_one_file", lambda: write_atomically(path, OLD), look)
    assert changes == 5, "its folder, a temporary file, its bytes onto the disk, its new name, the name onto the disk"


def test_each_page_of_a_site_is_an_old_one_or_a_new_one_and_the_next_rendering_leaves_nothing(nursery, tmp_path):
    root = tmp_path / "world"
    site = root / "site"

    def prepare():
        publish(SITE_BEFORE, site)

    def look():
        for name, raw in files(root, "site").items():
            page = name.removeprefix("site/")
            assert page == LISTING or raw in (SITE_BEFORE.get(page), SITE_AFTER.get(page))
        assert "index.html" in {path.name for path in site.iterdir()}

    assert every_crash(nursery, root, "write_site", prepare, look) > 12
    assert differences(SITE_AFTER, site) == []
    assert leftovers(root) == []


def test_a_kit_that_has_its_list_of_files_has_all_of_them(nursery, tmp_path):
    root = tmp_path / "world"
    out = root / "out" / "gaussian-0"
    kit = {f"{name}.safetensors": name.encode() * 999 for name in ("train", "forget", "original")} | {"kit.json": b"{}"}

    def prepare():
        for name, raw in kit.items():
            write_atomically(root / "public" / name, raw)

    def look():
        found = {name.removeprefix("out/gaussian-0/"): raw for name, raw in files(root, "out").items()}
        assert found.items() <= kit.items()
        assert "kit.json" not in found or found == kit

    assert every_crash(nursery, root, "copy_kit", prepare, look) > 16
    assert {path.name: path.read_bytes() for path in out.iterdir()} == kit


@pytest.mark.slow
def test_an_evaluation_that_dies_at_any_change_to_files_goes_on_to_the_same_result(nursery, tmp_path):
    """The cells are measured once; what is repeated is everything that is written about them."""
    root = write_world(tmp_path)
    command = ("evaluate", "submissions/clean", "--tier", "quick", "--jobs", "1")
    ended = nursery.run(root, *command)
    assert ended.code == 0, ended.said
    whole = content(root, *EVALUATION)
    forget(root, "submissions")
    first = nursery.run(root, *command, kill_at=10_000).changes
    assert first >= 8, "two files, each made, brought onto the disk, renamed and its name brought onto the disk"
    for at in range(1, first + 1):
        forget(root, "submissions")
        assert nursery.run(root, *command, kill_at=at, half=True).killed
        assert content(root, *EVALUATION).items() <= whole.items()
        assert nursery.run(root, *command).code == 0
        assert content(root, *EVALUATION) == whole
        assert leftovers(root) == []
        assert "0 problems" in nursery.run(root, "verify").said
