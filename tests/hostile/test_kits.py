"""A kit that was touched is used for nothing: the command names the folder and the file, and ends.

Commands run in processes that have everything imported, because they need PyTorch.
"""

import shutil
from pathlib import Path

import kit_cases
import pytest
from kit_cases import KitCase
from nursing import Nursery
from unlearned import write_unlearning_protocol

RELEASE = ("challenge", "unlearning-small-v1", "--jobs", "1", "--out", "kits")
SECONDS = 20
"""A command that has not ended by then waits for something; it is killed, and the case fails."""


@pytest.fixture(scope="module")
def sound(nursery: Nursery, tmp_path_factory) -> Path:
    """A folder with every kit made and released."""
    root = tmp_path_factory.mktemp("kits")
    write_unlearning_protocol(root / "protocols")
    ended = nursery.run(root, *RELEASE)
    assert ended.code == 0, ended.said
    return root


@pytest.fixture
def world(sound: Path, tmp_path: Path) -> Path:
    shutil.copytree(sound, tmp_path / "world")
    return tmp_path / "world"


def kit_of(world: Path, seed: int = 0) -> Path:
    (folder,) = (world / ".bench" / "challenges").rglob(f"gaussian-{seed}")
    return folder


@pytest.mark.parametrize("case", kit_cases.KITS, ids=lambda case: case.name.replace(" ", "-"))
def test_a_kit_that_was_touched_is_not_used(case: KitCase, nursery: Nursery, world: Path):
    kit = kit_of(world)
    case.change(kit)
    ended = nursery.run(world, *RELEASE, kill_after=SECONDS)
    assert ended.code == case.code, ended.said
    assert case.word in ended.said
    assert kit.name in ended.said
    assert "Traceback" not in ended.said


@pytest.mark.parametrize("case", kit_cases.RELEASED, ids=lambda case: case.name.replace(" ", "-"))
def test_a_release_that_was_touched_is_not_mended(case: KitCase, nursery: Nursery, world: Path):
    case.change(world / "kits" / "gaussian-0")
    ended = nursery.run(world, *RELEASE, kill_after=SECONDS)
    assert ended.code == case.code, ended.said
    assert case.word in ended.said
    assert "Traceback" not in ended.said


def test_an_evaluation_refuses_a_kit_that_was_touched_and_measures_nothing_with_it(nursery: Nursery, world: Path):
    for name in ("original", "retrain"):
        made = nursery.run(world, "unlearn", name, "--protocol", "unlearning-small-v1", "--slug", name, "--jobs", "1")
        assert made.code == 0, made.said
    kit_cases.flipped(kit_cases.SECRET)(kit_of(world))
    ended = nursery.run(world, "evaluate", "submissions/original", "--jobs", "1")
    assert ended.code == 1, ended.said
    assert "secret.safetensors was changed; remove the folder to make the kit again" in ended.said
    assert not list((world / "submissions").rglob("results"))


def test_what_the_cases_start_from_is_sound_and_a_removed_kit_comes_back_the_same(nursery: Nursery, world: Path):
    assert nursery.run(world, *RELEASE).code == 0
    before = (kit_of(world) / "secret.safetensors").read_bytes()
    shutil.rmtree(kit_of(world))
    assert nursery.run(world, *RELEASE).code == 0
    assert (kit_of(world) / "secret.safetensors").read_bytes() == before


def test_a_new_secret_makes_new_kits_and_will_not_mix_them_with_a_release_of_the_old_one(nursery, world: Path):
    (world / "secret").write_bytes(b"y" * 32)
    before = {path: path.read_bytes() for path in (world / "kits").rglob("*") if path.is_file()}
    protocols = {"BENCH_PROTOCOLS": str(world / "protocols"), "BENCH_SECRET": str(world / "secret")}
    ended = nursery.run(world, *RELEASE, environment=protocols)
    assert ended.code == 2, ended.said
    assert "is of another kit" in ended.said
    assert {path: path.read_bytes() for path in (world / "kits").rglob("*") if path.is_file()} == before


@pytest.mark.parametrize("content", [b"", b"short", b" " * 40])
def test_a_secret_that_is_none_is_refused(content: bytes, nursery: Nursery, world: Path):
    (world / "secret").write_bytes(content)
    protocols = {"BENCH_PROTOCOLS": str(world / "protocols"), "BENCH_SECRET": str(world / "secret")}
    ended = nursery.run(world, *RELEASE, environment=protocols)
    assert ended.code == 2, ended.said
    assert "a secret has at least 16 bytes" in ended.said
