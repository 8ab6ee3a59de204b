"""Where data is looked for, and the check before a file is opened."""

import hashlib
from pathlib import Path

import pytest

from bench.data.places import cache_folder, check_file, data_folders
from bench.errors import DataMismatch


def test_named_folders_come_first_and_empty_entries_do_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BENCH_DATA", "/one::/two")
    monkeypatch.setenv("XDG_CACHE_HOME", "/cache")
    cached = Path("/cache/unlearnability-bench/data")
    assert data_folders() == [Path("/one"), Path("/two"), Path("data"), Path("../shared/data"), cached]


def test_cache_lies_in_the_home_folder_by_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setenv("HOME", "/someone")
    assert cache_folder() == Path("/someone/.cache/unlearnability-bench")


@pytest.mark.parametrize("algorithm", ["sha256", "md5"])
def test_a_file_is_accepted_by_its_digest_alone(tmp_path: Path, algorithm: str) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"content")
    digest = hashlib.new(algorithm, b"content").hexdigest()
    assert check_file(path, algorithm, digest) == path
    path.write_bytes(b"Content")
    with pytest.raises(DataMismatch, match=rf"expected {algorithm} {digest}"):
        check_file(path, algorithm, digest)
