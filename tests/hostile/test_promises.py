"""Promises that no single folder shows: one reading, places to write, whole files, addresses, pages."""

import hashlib
import os
import re
import socket
import stat
import threading
from pathlib import Path

import numpy as np
import pytest
from checkpoint_factory import write_checkpoint_submission
from factories import make_result, make_run, write_submission
from protocol_factory import make_protocol
from submission_factory import make_submission, tiny_protocol, tiny_values, validate_tiny

from bench.artifacts import read_perturbation, read_tensors, write_perturbation
from bench.cli import main
from bench.crafting import craft_submission, recreate_artifact
from bench.errors import CorruptResult, InvalidSubmission, RefusedArtifact
from bench.files import write_atomically
from bench.leaderboard.building import build_files
from bench.leaderboard.serve import open_server
from bench.leaderboard.sources import read_sources
from bench.protocol import load_protocol
from bench.store import load_results, read_result
from bench.submission import Manifest, load_submission
from bench.untrusted import UntrustedFile, open_untrusted


def artifact_of(folder: Path):
    manifest = load_submission(folder).manifest
    assert isinstance(manifest, Manifest)
    return manifest.artifact[0]


def test_a_file_that_was_exchanged_after_it_was_checked_is_not_used(tmp_path):
    folder = make_submission(tmp_path)
    assert validate_tiny(folder) == []
    artifact = artifact_of(folder)
    assert np.array_equal(read_perturbation(folder, artifact).values, tiny_values())
    write_perturbation(folder / artifact.path, tiny_values(seed=1))
    with pytest.raises(InvalidSubmission, match="not the file that the manifest pins"):
        read_perturbation(folder, artifact)


def test_a_file_that_became_a_link_is_not_used(tmp_path):
    folder = make_submission(tmp_path)
    artifact = artifact_of(folder)
    (folder / artifact.path).rename(tmp_path / "same.safetensors")
    (folder / artifact.path).symlink_to(tmp_path / "same.safetensors")
    with pytest.raises(RefusedArtifact, match="symbolic link"):
        read_perturbation(folder, artifact)


@pytest.mark.parametrize("place", ["submissions", "submissions/fog", "submissions/fog/../fog/x"])
def test_no_site_is_written_among_submissions(tmp_path, monkeypatch, capsys, place):
    make_submission(tmp_path)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as stop:
        main(["render", "--out", place])
    assert stop.value.code == 2
    assert "is where submissions lie" in capsys.readouterr().err
    assert {path.name for path in tmp_path.rglob("*")} == {"submissions", "fog", "submission.toml", "delta.safetensors"}


def test_the_digest_is_of_the_bytes_that_are_used(tmp_path):
    folder = make_submission(tmp_path)
    found = read_tensors(folder, "delta.safetensors", lambda _: True)
    assert found.content is not None
    assert hashlib.sha256(found.content).hexdigest() == found.sha256
    assert read_tensors(folder, "delta.safetensors", lambda _: False).sha256 == found.sha256


def test_a_file_that_changes_while_it_is_read_is_refused(tmp_path):
    path = tmp_path / "x"
    for change in ("longer", "shorter", "other"):
        path.write_bytes(bytes(100))
        os.utime(path, ns=(0, 0))
        with open_untrusted(tmp_path, "x", 100) as file:
            file.read(50)
            if change == "longer":
                path.write_bytes(bytes(101))
            elif change == "shorter":
                os.truncate(path, 60)
            else:
                with path.open("r+b") as same:
                    same.write(b"\x01")
            with pytest.raises(RefusedArtifact, match="changed while it was read"):
                read_on(file)


def read_on(file: UntrustedFile) -> str:
    file.read(50)
    return file.finish()


def test_values_that_nobody_asked_for_are_not_kept(tmp_path):
    folder = make_submission(tmp_path)
    kept = read_perturbation(folder, artifact_of(folder), shape=(6, 2, 3, 4))
    dropped = read_perturbation(folder, artifact_of(folder), shape=(7, 2, 3, 4))
    assert kept.values.base is not None
    assert dropped.values.shape == (6, 2, 3, 4)
    assert set(dropped.values.strides) == {0}
    assert (dropped.sha256, dropped.size) == (kept.sha256, kept.size)


RECIPE = '[artifact.recipe]\nattack = "lsp"\nseed = 0\n\n[[reported]]'


@pytest.mark.parametrize("path", ["../../outside.safetensors", "/tmp/outside.safetensors", "link/x.safetensors"])  # noqa: S108
def test_making_an_artifact_again_writes_nowhere_else(tmp_path, monkeypatch, path):
    folder = make_submission(tmp_path, edits={"[[reported]]": RECIPE, '"delta.safetensors"': f'"{path}"'})
    (tmp_path / "elsewhere").mkdir()
    (folder / "link").symlink_to(tmp_path / "elsewhere")
    monkeypatch.setattr("bench.crafting._craft", lambda *_: (b"x", artifact_of(folder).sha256, "sample-wise"))
    monkeypatch.setattr("bench.crafting._craft_input", lambda *_: None)
    with pytest.raises(RefusedArtifact):
        recreate_artifact(folder, artifact_of(folder), tiny_protocol())
    with pytest.raises(RefusedArtifact):
        craft_submission(tmp_path, "lsp", tiny_protocol(), slug="fog", seed=0)
    assert not list((tmp_path / "elsewhere").iterdir())
    assert not (tmp_path / "outside.safetensors").exists()


def test_making_an_artifact_again_reads_a_hostile_manifest_as_everything_does(tmp_path):
    folder = make_submission(tmp_path)
    (folder / "submission.toml").write_bytes(b"= = =")
    with pytest.raises(InvalidSubmission, match="bench validate"):
        craft_submission(tmp_path, "lsp", load_protocol("ue-digits-v1"), slug="fog", seed=0)


def test_a_file_is_on_disk_before_it_takes_its_name(tmp_path, monkeypatch):
    path, steps = tmp_path / "a", []
    path.write_bytes(b"old")
    sync, replace = os.fsync, Path.replace

    def fsync(descriptor: int) -> None:
        if not stat.S_ISDIR(os.fstat(descriptor).st_mode):  # the folder, which brings the new name onto the disk
            steps.append(("sync", os.fstat(descriptor).st_size, path.read_bytes()))
        sync(descriptor)

    def rename(self: Path, target: Path) -> Path:
        steps.append(("rename", self.read_bytes(), path.read_bytes()))
        return replace(self, target)

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(Path, "replace", rename)
    write_atomically(path, b"new bytes")
    assert steps == [("sync", 9, b"old"), ("rename", b"new bytes", b"old")]
    assert path.read_bytes() == b"new bytes"
    assert [item.name for item in tmp_path.iterdir()] == ["a"]


def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch):
    path = tmp_path / "a"
    path.write_bytes(b"old")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        write_atomically(path, b"new")
    assert path.read_bytes() == b"old"
    assert [item.name for item in tmp_path.iterdir()] == ["a"]


ADDRESSES = [
    "/../secret",
    "/%2e%2e/secret",
    "/..%2fsecret",
    "/%2e%2e%2fsecret",
    "/assets/../../secret",
    "/assets/..%5c..%5csecret",
    "//secret",
    "/link/secret",
    "/link",
    "/a%00b",
    "/%ff%fe",
    "/" + "a" * 5000,
    "/?" + "a" * 20_000,
]


def test_no_address_leaves_the_folder_that_is_served(tmp_path, capfd):
    (tmp_path / "secret").write_text("secret words")
    site = tmp_path / "site"
    (site / "assets").mkdir(parents=True)
    (site / "index.html").write_text("home")
    (site / "link").symlink_to(tmp_path)
    with open_server(site, 0) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        for method in ("GET", "HEAD", "POST", "OPTIONS"):
            for address in (*ADDRESSES, str(tmp_path / "secret")):
                answer = ask(server.server_address[1], f"{method} {address} HTTP/1.0\r\n\r\n")
                assert b"secret words" not in answer
                assert re.match(rb"HTTP/1\.0 (200|301|404|414|501) ", answer), (address, answer[:80])
        assert b"home" in ask(server.server_address[1], "GET / HTTP/1.0\r\n\r\n")
        server.shutdown()
    assert "Traceback" not in capfd.readouterr().err


def ask(port: int, text: str) -> bytes:
    with socket.create_connection(("127.0.0.1", port), timeout=30) as client:
        client.sendall(text.encode("latin-1"))
        parts = []
        while part := client.recv(65536):
            parts.append(part)
    return b"".join(parts)


def board(tmp_path: Path):
    protocol = make_protocol()
    result = make_result(protocol)
    folder = write_submission(tmp_path, results=[(result, make_run())])
    return protocol, folder, next(folder.glob("results/*/*.json"))


@pytest.mark.parametrize("kind", ["link", "fifo", "huge", "changed"])
def test_no_page_is_made_of_a_result_that_is_not_sound(tmp_path, kind):
    protocol, _, stored = board(tmp_path)
    content = stored.read_bytes()
    stored.unlink()
    if kind == "link":
        (tmp_path / "real.json").write_bytes(content)
        stored.symlink_to(tmp_path / "real.json")
    elif kind == "fifo":
        os.mkfifo(stored)
    elif kind == "huge":
        with stored.open("wb") as file:
            file.truncate(2**40)
    else:
        stored.write_bytes(content.replace(b"0.9", b"0.8", 1))
    for read in (lambda: read_result(stored), lambda: build_files(tmp_path, protocols={protocol.id: protocol})):
        with pytest.raises(CorruptResult, match=stored.name):
            read()


def test_hostile_folders_are_left_out_of_the_site_and_named_in_plain_text(tmp_path, bench):
    names = ["a\x1b[2J", "b\n::error::", os.fsdecode(b"c\xff"), "d" * 200, "e\u202e"]
    for name in names:
        (tmp_path / "submissions" / name).mkdir(parents=True)
        (tmp_path / "submissions" / name / "submission.toml").write_text(f'"{name[:1]}\\u001b[2J" = 1\n')
    (tmp_path / "submissions" / "loop").symlink_to("loop")
    ran = bench("validate", "submissions/nowhere")
    assert ran.code == 2
    assert r"\x1b[2J" in ran.err
    ran = bench("verify")
    assert ran.code == 0
    lines = read_sources(tmp_path).left_out
    assert len(lines) == len(names)
    assert all(line.isprintable() and len(line) < 1500 for line in lines)


def test_stored_results_of_a_linked_folder_are_not_followed(tmp_path):
    _, folder, _ = board(tmp_path)
    (folder / "results").rename(tmp_path / "elsewhere")
    (folder / "results").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(CorruptResult, match="symbolic link"):
        load_results(folder)


def test_a_checkpoint_is_read_once_and_its_digest_is_of_what_was_read(tmp_path):
    folder = write_checkpoint_submission(tmp_path / "submissions" / "fog")
    content = (folder / "a.safetensors").read_bytes()
    found = read_tensors(folder, "a.safetensors", lambda _: True)
    assert bytes(found.content or b"") == content
    assert found.sha256 == hashlib.sha256(content).hexdigest()
