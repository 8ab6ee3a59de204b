"""The secret of challenge kits."""

import pytest

from bench.challenge_secret import SECRET_VARIABLE, Secret, challenge_check, read_secret
from bench.errors import UsageProblem


@pytest.fixture
def secret_file(tmp_path, monkeypatch):
    path = tmp_path / "secret"
    path.write_bytes(b"x" * 32)
    monkeypatch.setenv(SECRET_VARIABLE, str(path))
    return path


def test_without_a_file_the_challenge_is_open_and_says_so(monkeypatch):
    monkeypatch.delenv(SECRET_VARIABLE, raising=False)
    secret = read_secret()
    assert secret.opened
    assert challenge_check(secret).status == "warn"
    assert secret == read_secret()


def test_a_secret_file_changes_seeds_and_commitment(secret_file, monkeypatch):
    hidden = read_secret()
    monkeypatch.delenv(SECRET_VARIABLE)
    opened = read_secret()
    assert not hidden.opened
    assert challenge_check(hidden).status == "pass"
    assert hidden.commitment != opened.commitment
    assert hidden.seed("noise", 1) != opened.seed("noise", 1)


def test_the_commitment_gives_nothing_of_the_key_away(secret_file):
    secret = read_secret()
    assert secret.key.hex() not in secret.commitment


def test_seeds_differ_by_purpose_and_fit_a_generator():
    secret = Secret(b"k" * 32, opened=False)
    seeds = {secret.seed("p", "gaussian", seed, purpose) for seed in range(5) for purpose in ("index", "noise 3")}
    assert len(seeds) == 10
    assert all(0 <= seed < 2**63 for seed in seeds)


@pytest.mark.parametrize("content", [b"", b"short", b" " * 40])
def test_a_short_secret_is_refused(secret_file, content):
    secret_file.write_bytes(content)
    with pytest.raises(UsageProblem, match="at least 16 bytes"):
        read_secret()


def test_a_missing_secret_file_is_refused(secret_file):
    secret_file.unlink()
    with pytest.raises(UsageProblem, match="No such file"):
        read_secret()
